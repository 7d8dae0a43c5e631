"""Columns that are no combination of those before them, from their products."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, solve_triangular

# Columns that are factored together.
BLOCK_COLUMNS = 64


def independent_columns(matrix: NDArray, smallest: NDArray) -> tuple[NDArray, NDArray]:
    """Return the columns that are no combination of earlier ones, and combinations.

    Parameters
    ----------
    matrix : ndarray of shape (e, e)
        Positive semi-definite, with a diagonal of about 1, or 0.
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
