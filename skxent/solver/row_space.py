"""Fewer rows than columns: an equivalent problem of about n × n.

With an L2 penalty the optimal coefficients lie in the row space of X: a component
orthogonal to all rows changes no logit and costs penalty. Let ``X Xᵀ = R Rᵀ``, with R
of shape (n, r). A model of the rows of R has the same logits and the same penalty as a
model of the rows of X, but r ≤ n variables for each class instead of d.

R is a pivoted Cholesky factor of ``X Xᵀ``, which needs no copy of X. The pivoting
selects rows ``p`` that are a basis: a solution ``v`` gives ``w = X_pᵀ R_p⁻ᵀ v``.

``X Xᵀ`` is a sum over columns, in which columns much smaller than the largest vanish.
The columns are therefore split into groups of similar size. Each group has its own
factor, and the coordinates of a row are those of all groups together. A group with
fewer columns than rows is kept as it is.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack, solve_triangular

from ..data.rows import Rows
from ..model.objective import Objective
from .preconditioners.base import Preconditioner

# The n × n matrices, four of the size of X Xᵀ, may take these bytes and a tenth of X.
MAX_GRAM_BYTES = 2**28
# Columns share a product X Xᵀ if the ratio of their squared sizes is above this: the
# smallest ones then keep six digits.
MIN_SQUARED_SIZE_RATIO = 1e-10


class RowSpace:
    """The equivalent of an objective in the coordinates of its rows.

    Parameters
    ----------
    objective : Objective
        A ridge with fewer rows than columns.

    Attributes
    ----------
    objective : Objective
        The equivalent problem.
    coordinates : ndarray of shape (n, r)
        Its X.
    """

    def __init__(self, objective: Objective):
        self._original = objective
        rows = objective.rows
        # X Xᵀ keeps more digits without the means, which the intercept can absorb
        mean = np.zeros(objective.n_features)
        if objective.fit_intercept:
            mean = rows.column_means()
        self._mean = mean
        self._groups = [
            _group_of(rows, mean, columns) for columns in _columns_by_size(rows, mean)
        ]
        self.coordinates = np.hstack([group.coordinates() for group in self._groups])
        ends = np.cumsum([group.size for group in self._groups])
        self._group_slices = [
            slice(end - group.size, end)
            for group, end in zip(self._groups, ends, strict=True)
        ]
        self.objective = objective.on_coordinates(self.coordinates)

    def project(self, params: NDArray) -> NDArray:
        """Map params of the original problem to the equivalent one.

        The map is exact for params that lie in the row space.
        """
        coef, intercept = self._original.split(params)
        v = self._coordinates_of(coef)
        return self.objective.layout.join(v, intercept + self._intercept_shift(coef))

    def lift(self, params: NDArray) -> NDArray:
        """Map params of the equivalent problem to the original one."""
        v, intercept = self.objective.split(params)
        coef = np.zeros((len(v), self._original.n_features))
        for group, places in zip(self._groups, self._group_slices, strict=True):
            coef[:, group.columns] = group.lift(v[:, places])
        return self._original.layout.join(coef, intercept - self._intercept_shift(coef))

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Map a gradient of the original problem to the equivalent one."""
        of_coef, of_intercept = self._original.split(gradient)
        if of_intercept.size:
            # the intercept of the original problem depends on the coefficients
            of_coef = of_coef - np.outer(of_intercept, self._mean)
        v = self._coordinates_of(of_coef)
        return self.objective.layout.join(v, of_intercept)

    def _intercept_shift(self, coef: NDArray) -> NDArray | float:
        """Return the contribution of the column means to the logits."""
        return coef @ self._mean if self._original.fit_intercept else 0.0

    def _coordinates_of(self, coef: NDArray) -> NDArray:
        """Return the projections, (L, r), of coefficients on the groups."""
        return np.hstack(
            [group.project(coef[:, group.columns]) for group in self._groups]
        )


class LiftedPreconditioner(Preconditioner):
    """A preconditioner of the row space, for the original problem.

    Parameters
    ----------
    row_space : RowSpace
    original : Objective
    preconditioner : Preconditioner
        Of the equivalent problem.
    """

    def __init__(
        self, row_space: RowSpace, original: Objective, preconditioner: Preconditioner
    ):
        self._row_space, self._original = row_space, original
        self._preconditioner = preconditioner
        self.is_nearly_singular = preconditioner.is_nearly_singular
        self.is_well_conditioned = preconditioner.is_well_conditioned

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u."""
        return self._row_space.lift(self._preconditioner.to_params(u))

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient."""
        return self._preconditioner.pull_back(self._row_space.pull_back(gradient))

    def decrement_outside(self, gradient: NDArray) -> float:
        """Return what a Newton step may gain outside of the row space.

        Only the penalty has curvature there. The gain is 0 unless rounding spoilt the
        row space.
        """
        outside = gradient.copy()
        of_coef, of_intercept = self._original.split(outside)
        of_intercept[:] = 0
        inside = self._row_space.lift(self._row_space.pull_back(outside))
        of_coef -= self._original.split(inside)[0]
        return self._original.penalty.decrement(of_coef)


class _UnchangedColumns:
    """A group of fewer columns than rows, kept as it is."""

    def __init__(self, rows: Rows, mean: NDArray, columns: NDArray):
        self._rows, self._mean, self.columns = rows, mean, columns
        self.size = len(columns)

    def coordinates(self) -> NDArray:
        """Return the coordinates of all rows, (n, size)."""
        blocks = _centred_blocks(self._rows, self._mean, self.columns)
        return np.hstack([block for _, block in blocks])

    def project(self, coef: NDArray) -> NDArray:
        """Map coefficients of the columns, (L, d), to variables, (L, size)."""
        return coef

    def lift(self, v: NDArray) -> NDArray:
        """Map variables, (L, size), to coefficients of the columns, (L, d)."""
        return v


class _RowSpan:
    """A group of many columns of similar size, replaced by the span of its rows."""

    def __init__(self, rows: Rows, mean: NDArray, columns: NDArray):
        self._rows, self._mean, self.columns = rows, mean, columns
        n = rows.n_samples

        def gram_of(some: NDArray) -> NDArray:
            gram = np.zeros((n, n))
            for _, block in _centred_blocks(rows, mean, some):
                gram += np.dot(block, block.T)
            return gram

        # Two threads: each has a matrix for its sum and one for a product.
        halves = np.array_split(columns, 2)
        gram, other = rows.map(gram_of, halves, work=n**2 * len(columns))
        gram += other
        tolerance = n * np.finfo(float).eps * gram.diagonal().max()
        upper, pivots, rank, _ = lapack.dpstrf(gram, tol=tolerance, overwrite_a=True)
        order = pivots - 1
        self.size = rank
        self._order, self._basis = order, order[:rank]
        self._factor = np.triu(upper)[:rank]

    def coordinates(self) -> NDArray:
        """Return the coordinates of all rows, (n, size)."""
        coordinates = np.empty((len(self._order), self.size))
        coordinates[self._order] = self._factor.T
        return coordinates

    def project(self, coef: NDArray) -> NDArray:
        """Map coefficients of the columns, (L, d), to variables, (L, size)."""
        if not coef.any():
            return np.zeros((len(coef), self.size))
        # multiplying all rows is faster than gathering those of the basis
        row_values = sum(
            coef[:, block_columns] @ block.T for block_columns, block in self._blocks()
        )
        triangle = self._factor[:, : self.size]
        return solve_triangular(triangle, row_values[:, self._basis].T, trans="T").T

    def lift(self, v: NDArray) -> NDArray:
        """Map variables, (L, size), to coefficients of the columns, (L, d)."""
        row_values = np.zeros((len(v), len(self._order)))
        triangle = self._factor[:, : self.size]
        row_values[:, self._basis] = solve_triangular(triangle, v.T).T
        coef = np.empty((len(v), len(self.columns)))
        for block_columns, block in self._blocks():
            np.matmul(row_values, block, out=coef[:, block_columns])
        return coef

    def _blocks(self) -> Iterator[tuple[slice, NDArray]]:
        return _centred_blocks(self._rows, self._mean, self.columns)


def _centred_blocks(
    rows: Rows, mean: NDArray, columns: NDArray
) -> Iterator[tuple[slice, NDArray]]:
    """Yield blocks of the columns, centred, each with its place among them."""
    blocks = rows.column_blocks(columns)
    assert blocks is not None  # as `row_space_pays` has checked
    for block_columns, block in blocks:
        yield block_columns, block - mean[columns[block_columns]]


def _columns_by_size(rows: Rows, mean: NDArray) -> list[NDArray]:
    """Return groups of columns of similar size, without constant columns."""
    squares = np.empty(rows.n_features)
    for block_columns, block in _centred_blocks(rows, mean, np.arange(rows.n_features)):
        squares[block_columns] = np.einsum("ij,ij->j", block, block)
    groups, remaining = [], np.flatnonzero(squares > 0)
    while len(remaining):
        is_large = (
            squares[remaining] >= MIN_SQUARED_SIZE_RATIO * squares[remaining].max()
        )
        groups.append(remaining[is_large])
        remaining = remaining[~is_large]
    # a problem needs at least one column
    return groups or [np.arange(1)]


def _group_of(
    rows: Rows, mean: NDArray, columns: NDArray
) -> _UnchangedColumns | _RowSpan:
    """Return a group of columns in its smaller form."""
    kind = _UnchangedColumns if len(columns) <= rows.n_samples else _RowSpan
    return kind(rows, mean, columns)


def row_space_pays(objective: Objective) -> bool:
    """Whether the row space is smaller than the problem, and fits into memory."""
    n, rows = objective.n_samples, objective.rows
    return (
        n < objective.n_features
        and objective.penalty.is_ridge
        and rows.column_blocks(np.arange(1)) is not None
        and 32 * n**2 <= MAX_GRAM_BYTES + rows.n_stored * rows.dtype.itemsize // 10
    )
