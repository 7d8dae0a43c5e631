"""Coordinates in which the curvature keeps its digits; columns that are not identified.

Columns are centred and scaled by the curvature. A column that is a combination of those
before it, the intercept first, is aliased: the data do not determine its coefficient.
It gets the coefficient 0, as in R, and the others take over what it said.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..model.independent_columns import independent_columns
from ..model.problem import EPS

# A column is aliased if the columns before it explain all but this share of its
# variance. Sums of squares do not resolve much less.
SMALLEST_SHARE = 1e-12
# The same in rounding errors of the mean square before centring.
ROUNDINGS = 20


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
    found, weights = independent_columns(matrix[np.ix_(order, order)], smallest[order])
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
