"""Coordinates in which the curvature keeps its digits; columns that are not identified.

Columns are centred and scaled by the curvature. A column that is a combination of those
before it, the intercept first, is aliased: the data do not determine its coefficient.
It gets the coefficient 0, as in R, and the others take over what it said.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from ..model.problem import EPS

# A column is aliased if the columns before it explain all but this share of its
# variance. Sums of squares do not resolve much less.
SMALLEST_SHARE = 1e-12
# The same in rounding errors of the mean square before centring.
ROUNDINGS = 20
# Columns that are factored together.
BLOCK_COLUMNS = 64


@dataclass(frozen=True)
class Coordinates:
    """Centred and scaled variables of the columns that are identified.

    Attributes
    ----------
    to_columns : CSR matrix of shape (e, m)
        From the variables to coefficients and the intercept, the latter last.
    scale : ndarray of shape (m,)
        What a variable is divided by to give its coefficient.
    kept, aliased : ndarray of shape (m,), ndarray of shape (e − m,)
        Positions of columns.
    combinations : ndarray of shape (e, e − m)
        For each aliased column, weights of all columns whose sum has no curvature: 1
        for itself and others for the columns before it.
    """

    to_columns: sparse.csr_array
    scale: NDArray
    kept: NDArray
    aliased: NDArray
    combinations: NDArray

    def without_aliased(self, of_columns: NDArray) -> NDArray:
        """Return the same logits with coefficients 0 for aliased columns.

        Parameters
        ----------
        of_columns : ndarray of shape (q, e)
        """
        if not len(self.aliased):
            return of_columns
        moved = of_columns - of_columns[:, self.aliased] @ self.combinations.T
        moved[:, self.aliased] = 0
        return moved


def coordinates(gram: NDArray, ridge: NDArray, fit_intercept: bool) -> Coordinates:
    """Return the coordinates for a matrix of curvature-weighted squares.

    Parameters
    ----------
    gram : ndarray of shape (e, e)
        Σ_i h_i x̃_i x̃_iᵀ, without the penalty.
    ridge : ndarray of shape (d,)
        Added to the diagonal of the coefficients.
    fit_intercept : bool
        Whether the last column is that of the intercept.
    """
    e, d = len(gram), len(ridge)
    mean = np.zeros(e)
    if fit_intercept and gram[d, d] > 0:
        mean[:d] = gram[:d, d] / gram[d, d]
    uncentred = gram.diagonal()
    matrix = gram - np.outer(mean, gram[:, e - 1]) if fit_intercept else gram.copy()
    if fit_intercept:
        # the rows that are centred have no product with the intercept
        matrix[:d, d] = matrix[d, :d] = 0
    matrix[np.arange(d), np.arange(d)] += ridge
    floor = ROUNDINGS * EPS * uncentred
    variance = np.maximum(matrix.diagonal(), floor)
    scale = np.sqrt(np.where(variance > 0, variance, 1))
    matrix /= scale[:, None]
    matrix /= scale
    smallest = np.maximum(SMALLEST_SHARE, floor / scale**2)
    if fit_intercept:
        smallest[d] = 0

    order = np.roll(np.arange(e), 1) if fit_intercept else np.arange(e)
    found, weights = _independent(matrix[np.ix_(order, order)], smallest[order])
    kept = order[found]
    aliased = order[np.setdiff1d(np.arange(e), found)]
    by_scale = sparse.diags_array(1 / scale, format="lil")
    if fit_intercept:
        # the intercept of columns that are not centred
        by_scale[d, :d] = -mean[:d] / scale[:d]
    by_scale = sparse.csr_array(by_scale)
    combinations = (by_scale[:, aliased] * scale[aliased]).toarray()
    combinations -= by_scale[:, kept] @ (weights * scale[aliased])
    kept = np.sort(kept)
    return Coordinates(by_scale[:, kept], scale[kept], kept, aliased, combinations)


def _independent(matrix: NDArray, smallest: NDArray) -> tuple[NDArray, NDArray]:
    """Return the columns that are no combination of earlier ones, and combinations.

    Parameters
    ----------
    matrix : ndarray of shape (e, e)
        Positive semi-definite, with a diagonal of about 1.
    smallest : ndarray of shape (e,)
        Pivots up to this are 0.

    Returns
    -------
    found : ndarray of shape (m,)
        In ascending order.
    weights : ndarray of shape (m, e − m)
        Each other column as a combination of these, in ascending order.
    """
    e = len(matrix)
    everything = np.arange(e)
    try:
        pivots = cholesky(matrix, check_finite=False).diagonal() ** 2
        if (pivots > smallest).all():
            return everything, np.empty((e, 0))
    except LinAlgError:
        pass
    lower, found = np.zeros((e, e)), np.empty(0, dtype=int)
    for start in range(0, e, BLOCK_COLUMNS):
        block = everything[start : start + BLOCK_COLUMNS]
        m = len(found)
        above = matrix[np.ix_(found, block)]
        if m:
            above = solve_triangular(
                lower[:m, :m], above, lower=True, check_finite=False
            )
        rest = matrix[np.ix_(block, block)] - above.T @ above
        chosen, columns = [], []
        for i, j in enumerate(block):
            if rest[i, i] > smallest[j]:
                chosen.append(i)
                columns.append(rest[:, i] / np.sqrt(rest[i, i]))
                rest = rest - np.outer(columns[-1], columns[-1])
        if chosen:
            n = m + len(chosen)
            lower[m:n, :m] = above[:, chosen].T
            lower[m:n, m:n] = np.tril(np.array(columns)[:, chosen].T)
            found = np.concatenate([found, block[chosen]])
    m = len(found)
    others = np.setdiff1d(everything, found)
    weights = matrix[np.ix_(found, others)]
    for trans in ("N", "T"):
        weights = solve_triangular(
            lower[:m, :m], weights, trans=trans, lower=True, check_finite=False
        )
    return found, weights
