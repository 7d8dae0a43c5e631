"""Fewer rows than columns: an equivalent problem of n × n.

With an L2 penalty the coefficients lie in the row space of X: a part orthogonal to all
rows changes no logit and costs penalty. So with ``X Xᵀ = R Rᵀ``, R of shape (n, r),
a model of the rows of R has the same logits and the same penalty as one of the rows of
X, and r ≤ n variables for each class instead of d.

The factor is a pivoted Cholesky factor of ``X Xᵀ``, which needs no copy of X. The rows
``p`` that it picks are a basis: ``w = X_pᵀ R_p⁻ᵀ v`` for a solution ``v``.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack, solve_triangular

from ._objective import CrossEntropyObjective

# Columns, and rows, that are multiplied at a time.
BLOCK_COLUMNS = 2048
BLOCK_ROWS = 64
# What X Xᵀ and its factors, four of its size, may take: this and a tenth of X.
MAX_BYTES = 2**28


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
        self._mean = np.zeros(X.shape[1])
        if objective.fit_intercept:
            self._mean = X.mean(axis=0, dtype=np.float64)
        gram = np.zeros((len(X), len(X)))
        for start in range(0, X.shape[1], BLOCK_COLUMNS):
            columns = slice(start, start + BLOCK_COLUMNS)
            part = X[:, columns] - self._mean[columns]
            gram += part @ part.T
        tolerance = len(X) * np.finfo(float).eps * gram.diagonal().max()
        upper, pivots, rank, _ = lapack.dpstrf(gram, tol=tolerance, overwrite_a=True)
        rank = max(1, rank)
        order = pivots - 1
        self._basis = order[:rank]
        self._upper = np.triu(upper[:rank, :rank])
        coordinates = np.empty((len(X), rank))
        coordinates[order] = np.triu(upper)[:rank].T
        self.objective = objective.on_other_columns(coordinates)

    def project(self, params: NDArray) -> NDArray:
        """Return the params of the equivalent problem for ``params`` of the original.

        Exact for params that lie in the row space.
        """
        coef, intercept = self._original.unpack(params)
        v = np.zeros((len(coef), len(self._basis)))
        if coef.any():
            for start in range(0, len(self._basis), BLOCK_ROWS):
                rows = self._basis[start : start + BLOCK_ROWS]
                X = self._original.blocks.X[rows] - self._mean
                v[:, start : start + BLOCK_ROWS] = coef @ X.T
            v = solve_triangular(self._upper, v.T, trans="T").T
        return self.objective.pack(v, intercept + coef @ self._mean)

    def lift(self, params: NDArray) -> NDArray:
        """Return the params of the original problem for ``params`` of this one."""
        v, intercept = self.objective.unpack(params)
        of_row = np.zeros((v.shape[0], self._original.n_samples))
        of_row[:, self._basis] = solve_triangular(self._upper, v.T).T
        coef = -np.outer(of_row.sum(axis=1), self._mean)
        for rows in self._original.blocks.slices():
            coef += of_row[:, rows] @ self._original.blocks.X[rows]
        return self._original.pack(coef, intercept - coef @ self._mean)


def row_space_pays(objective: CrossEntropyObjective) -> bool:
    """Whether the problem has an equivalent one that is smaller, and fits."""
    X = objective.blocks.X
    return (
        objective.n_samples < objective.n_features
        and objective.penalty.is_ridge
        and not sparse.issparse(X)
        and 32 * len(X) ** 2 <= MAX_BYTES + X.nbytes // 10
    )
