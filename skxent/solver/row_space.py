"""Fewer rows than columns: an equivalent problem of about n × n.

With an L2 penalty the coefficients lie in the row space of X: a part orthogonal to all
rows changes no logit and costs penalty. So with ``X Xᵀ = R Rᵀ``, R of shape (n, r),
a model of the rows of R has the same logits and the same penalty as one of the rows of
X, and r ≤ n variables for each class instead of d.

The factor is a pivoted Cholesky factor of ``X Xᵀ``, which needs no copy of X. The rows
``p`` that it picks are a basis: ``w = X_pᵀ R_p⁻ᵀ v`` for a solution ``v``.

Squares of the columns add up in ``X Xᵀ``, so that columns much smaller than the largest
vanish there. The columns are therefore split by their size; each part has a factor of
its own, and the coordinates of a row are those of all parts. A part of fewer columns
than rows stays as it is.
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
    """The problem of ``objective`` on the coordinates of its rows.

    Attributes
    ----------
    objective : Objective
        The equivalent problem.
    """

    def __init__(self, objective: Objective):
        self._original = objective
        rows = objective.rows
        # Without the mean, which the intercept takes care of, X Xᵀ keeps more digits.
        mean = np.zeros(objective.n_features)
        if objective.fit_intercept:
            mean = rows.column_means()
        self._mean = mean
        self._groups = [
            _group_of(rows, mean, columns) for columns in _columns_by_size(rows, mean)
        ]
        coordinates = np.hstack([group.coordinates() for group in self._groups])
        ends = np.cumsum([group.size for group in self._groups])
        self._group_slices = [
            slice(end - group.size, end)
            for group, end in zip(self._groups, ends, strict=True)
        ]
        self.objective = objective.on_coordinates(coordinates)

    def project(self, params: NDArray) -> NDArray:
        """Return the params of the equivalent problem for ``params`` of the original.

        Exact for params that lie in the row space.
        """
        coef, intercept = self._original.split(params)
        v = self._coordinates_of(coef)
        return self.objective.layout.join(v, intercept + self._intercept_shift(coef))

    def lift(self, params: NDArray) -> NDArray:
        """Return the params of the original problem for ``params`` of this one."""
        v, intercept = self.objective.split(params)
        coef = np.zeros((len(v), self._original.n_features))
        for group, columns_of_group in zip(
            self._groups, self._group_slices, strict=True
        ):
            coef[:, group.columns] = group.lift(v[:, columns_of_group])
        return self._original.layout.join(coef, intercept - self._intercept_shift(coef))

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return the derivatives by the params of the equivalent problem."""
        of_coef, of_intercept = self._original.split(gradient)
        if of_intercept.size:
            # the intercept of the original problem follows the coefficients
            of_coef = of_coef - np.outer(of_intercept, self._mean)
        v = self._coordinates_of(of_coef)
        return self.objective.layout.join(v, of_intercept)

    def _intercept_shift(self, coef: NDArray) -> NDArray | float:
        """Return how much the means of the columns add to the logits."""
        return coef @ self._mean if self._original.fit_intercept else 0.0

    def _coordinates_of(self, coef: NDArray) -> NDArray:
        return np.hstack(
            [group.project(coef[:, group.columns]) for group in self._groups]
        )


class LiftedPreconditioner(Preconditioner):
    """A change of variables of the row space, for the original problem."""

    def __init__(
        self, row_space: RowSpace, original: Objective, preconditioner: Preconditioner
    ):
        self._row_space, self._original, self._preconditioner = (
            row_space,
            original,
            preconditioner,
        )
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

        Nothing, if the row space is right: there the penalty alone has curvature.
        """
        outside = gradient.copy()
        of_coef, of_intercept = self._original.split(outside)
        of_intercept[:] = 0
        inside = self._row_space.lift(self._row_space.pull_back(outside))
        of_coef -= self._original.split(inside)[0]
        return self._original.penalty.decrement(of_coef)


class _UnchangedColumns:
    """A few columns as they are."""

    def __init__(self, rows: Rows, mean: NDArray, columns: NDArray):
        self._rows, self._mean, self.columns = rows, mean, columns
        self.size = len(columns)

    def coordinates(self) -> NDArray:
        blocks = _centred_blocks(self._rows, self._mean, self.columns)
        return np.hstack([block for _, block in blocks])

    def project(self, coef: NDArray) -> NDArray:
        return coef

    def lift(self, v: NDArray) -> NDArray:
        return v


class _RowSpan:
    """The span of the rows, restricted to many columns of about the same size."""

    def __init__(self, rows: Rows, mean: NDArray, columns: NDArray):
        self._rows, self._mean, self.columns = rows, mean, columns
        n = rows.n_samples
        gram = np.zeros((n, n))
        for _, block in self._blocks():
            gram += block @ block.T
        tolerance = n * np.finfo(float).eps * gram.diagonal().max()
        upper, pivots, rank, _ = lapack.dpstrf(gram, tol=tolerance, overwrite_a=True)
        order = pivots - 1
        self.size = rank
        self._order, self._basis = order, order[:rank]
        self._factor = np.triu(upper)[:rank]

    def coordinates(self) -> NDArray:
        coordinates = np.empty((len(self._order), self.size))
        coordinates[self._order] = self._factor.T
        return coordinates

    def project(self, coef: NDArray) -> NDArray:
        if not coef.any():
            return np.zeros((len(coef), self.size))
        # to gather the rows of the basis takes longer than to multiply them all
        row_values = sum(
            coef[:, block_columns] @ block.T for block_columns, block in self._blocks()
        )
        triangle = self._factor[:, : self.size]
        return solve_triangular(triangle, row_values[:, self._basis].T, trans="T").T

    def lift(self, v: NDArray) -> NDArray:
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
    """Yield where a block of columns is among these, and the block, centred."""
    blocks = rows.column_blocks(columns)
    assert blocks is not None  # as `row_space_pays` has checked
    for block_columns, block in blocks:
        yield block_columns, block - mean[columns[block_columns]]


def _columns_by_size(rows: Rows, mean: NDArray) -> list[NDArray]:
    """Return the columns in parts of about the same size; constant ones in none."""
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
    # at least one column, so that there is a problem
    return groups or [np.arange(1)]


def _group_of(
    rows: Rows, mean: NDArray, columns: NDArray
) -> _UnchangedColumns | _RowSpan:
    return (_UnchangedColumns if len(columns) <= rows.n_samples else _RowSpan)(
        rows, mean, columns
    )


def row_space_pays(objective: Objective) -> bool:
    """Whether the problem has an equivalent one that is smaller, and fits."""
    n, rows = objective.n_samples, objective.rows
    return (
        n < objective.n_features
        and objective.penalty.is_ridge
        and rows.column_blocks(np.arange(1)) is not None
        and 32 * n**2 <= MAX_GRAM_BYTES + rows.n_stored * rows.dtype.itemsize // 10
    )
