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

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack, solve_triangular

from ..model.objective import CrossEntropyObjective
from .preconditioners import ChangeOfVariables

# What a block of columns, which are multiplied at a time, may take: a core's cache.
BLOCK_BYTES = 2**19
# What X Xᵀ and its factors, four of its size, may take: this and a tenth of X.
MAX_BYTES = 2**28
# Columns share a product X Xᵀ if the squares of their sizes differ by less than this:
# it leaves six digits of what the smallest contribute.
SQUARES = 1e-10


class RowSpace:
    """The problem of ``objective`` on the coordinates of its rows.

    Attributes
    ----------
    objective : CrossEntropyObjective
        The equivalent problem.
    """

    def __init__(self, objective: CrossEntropyObjective):
        self._original = objective
        X = objective.blocks.X
        # Without the mean, which the intercept takes care of, X Xᵀ keeps more digits.
        mean = np.zeros(X.shape[1])
        if objective.fit_intercept:
            mean = X.mean(axis=0, dtype=np.float64)
        self._mean = mean
        self._parts = [_part(X, mean, columns) for columns in _by_size(X, mean)]
        coordinates = np.hstack([part.coordinates() for part in self._parts])
        cuts = np.cumsum([part.size for part in self._parts])
        self._cuts = [
            slice(b - part.size, b) for part, b in zip(self._parts, cuts, strict=True)
        ]
        self.objective = objective.on_other_columns(coordinates)

    def project(self, params: NDArray) -> NDArray:
        """Return the params of the equivalent problem for ``params`` of the original.

        Exact for params that lie in the row space.
        """
        coef, intercept = self._original.unpack(params)
        v = self._coordinates_of(coef)
        return self.objective.pack(v, intercept + coef @ self._mean)

    def lift(self, params: NDArray) -> NDArray:
        """Return the params of the original problem for ``params`` of this one."""
        v, intercept = self.objective.unpack(params)
        coef = np.zeros((len(v), self._original.n_features))
        for part, cut in zip(self._parts, self._cuts, strict=True):
            coef[:, part.columns] = part.lift(v[:, cut])
        return self._original.pack(coef, intercept - coef @ self._mean)

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return the derivatives by the params of the equivalent problem."""
        of_coef, of_intercept = self._original.split(gradient)
        if of_intercept.size:
            # the intercept of the original problem follows the coefficients
            center = self._original.blocks.center
            shift = -self._mean if center is None else center - self._mean
            of_coef = of_coef + np.outer(of_intercept, shift)
        out = np.empty(self.objective.n_params)
        into_coef, into_intercept = self.objective.split(out)
        into_coef[:], into_intercept[:] = self._coordinates_of(of_coef), of_intercept
        return out

    def _coordinates_of(self, coef):
        return np.hstack([part.project(coef[:, part.columns]) for part in self._parts])


class LiftedChange(ChangeOfVariables):
    """A change of variables of the row space, for the original problem."""

    def __init__(self, space: RowSpace, original: CrossEntropyObjective, change):
        self._space, self._original, self._change = space, original, change
        self.is_nearly_singular = change.is_nearly_singular
        self.is_well_conditioned = change.is_well_conditioned

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u."""
        return self._space.lift(self._change.to_params(u))

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient."""
        return self._change.pull_back(self._space.pull_back(gradient))

    def decrement_outside(self, gradient: NDArray) -> float:
        """Return what a Newton step may gain outside of the row space.

        Nothing, if the row space is right: there the penalty alone has curvature.
        """
        outside = gradient.copy()
        of_coef, of_intercept = self._original.split(outside)
        of_intercept[:] = 0
        inside = self._space.lift(self._space.pull_back(outside))
        of_coef -= self._original.split(inside)[0]
        l2 = self._original.penalty.l2
        return float(np.einsum("kj,kj,j->", of_coef, of_coef, 0.5 / l2))


class _Columns:
    """A few columns as they are."""

    def __init__(self, X, mean, columns):
        self._X, self._mean, self.columns = X, mean, columns
        self.size = len(columns)

    def coordinates(self):
        return self._X[:, self.columns] - self._mean[self.columns]

    def project(self, coef):
        return coef

    def lift(self, v):
        return v


class _Span:
    """The span of the rows, restricted to many columns of about the same size."""

    def __init__(self, X, mean, columns):
        self._X, self._mean, self.columns = X, mean, columns
        gram = np.zeros((len(X), len(X)))
        for _, part in self._blocks():
            gram += part @ part.T
        tolerance = len(X) * np.finfo(float).eps * gram.diagonal().max()
        upper, pivots, rank, _ = lapack.dpstrf(gram, tol=tolerance, overwrite_a=True)
        order = pivots - 1
        self.size = rank
        self._order, self._basis = order, order[:rank]
        self._rows = np.triu(upper)[:rank]

    def coordinates(self):
        coordinates = np.empty((len(self._order), self.size))
        coordinates[self._order] = self._rows.T
        return coordinates

    def project(self, coef):
        if not coef.any():
            return np.zeros((len(coef), self.size))
        of_rows = sum(coef[:, some] @ part.T for some, part in self._blocks())
        triangle = self._rows[:, : self.size]
        return solve_triangular(triangle, of_rows[:, self._basis].T, trans="T").T

    def lift(self, v):
        of_rows = np.zeros((len(v), len(self._X)))
        triangle = self._rows[:, : self.size]
        of_rows[:, self._basis] = solve_triangular(triangle, v.T).T
        coef = np.empty((len(v), len(self.columns)))
        for some, part in self._blocks():
            np.matmul(of_rows, part, out=coef[:, some])
        return coef

    def _blocks(self):
        """Yield blocks of the columns, centred, and where they are among these.

        All rows of a few columns are read in the order of memory: to gather those of
        the basis takes longer than to multiply them.
        """
        width = max(1, BLOCK_BYTES // (8 * len(self._X)))
        is_all = len(self.columns) == self._X.shape[1]
        for start in range(0, len(self.columns), width):
            some = slice(start, start + width)
            chosen = some if is_all else self.columns[some]
            yield some, self._X[:, chosen] - self._mean[chosen]


def _by_size(X, mean):
    """Return the columns in parts of about the same size; constant ones in none."""
    squares, width = np.empty(X.shape[1]), max(1, BLOCK_BYTES // (8 * len(X)))
    for start in range(0, X.shape[1], width):
        some = slice(start, start + width)
        part = X[:, some] - mean[some]
        squares[some] = np.einsum("ij,ij->j", part, part)
    parts, rest = [], np.flatnonzero(squares > 0)
    while len(rest):
        is_large = squares[rest] >= SQUARES * squares[rest].max()
        parts.append(rest[is_large])
        rest = rest[~is_large]
    # at least one column, so that there is a problem
    return parts or [np.arange(1)]


def _part(X, mean, columns):
    return (_Columns if len(columns) <= len(X) else _Span)(X, mean, columns)


def row_space_pays(objective: CrossEntropyObjective) -> bool:
    """Whether the problem has an equivalent one that is smaller, and fits."""
    X = objective.blocks.X
    return (
        objective.n_samples < objective.n_features
        and objective.penalty.is_ridge
        and not sparse.issparse(X)
        and 32 * len(X) ** 2 <= MAX_BYTES + X.nbytes // 10
    )
