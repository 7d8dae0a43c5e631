"""Roots of matrices that are positive definite up to rounding."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, blas, cholesky, eigh, qr

# Curvature below this share of the diagonal is rounding.
RIDGE = 1e-12
# The ridge grows up to this while Cholesky fails. A larger one would change directions
# that carry information.
LARGEST_RIDGE = 1e-8
# If Cholesky still fails, negative eigenvalues are rounding. All eigenvalues are lifted
# to at least this many times the size of the most negative one.
EIGENVALUE_LIFT = 10


def root_of(matrix: NDArray, ridge: float) -> tuple[NDArray, NDArray]:
    """Return D and U such that D Uᵀ U D is the matrix plus a ridge.

    If rounding has made eigenvalues negative, these and all of similar size are lifted
    to values that are surely positive.

    Parameters
    ----------
    matrix : ndarray of shape (m, m)
        Overwritten.
    ridge : float
        Relative to the diagonal.

    Returns
    -------
    scale : ndarray of shape (m,)
        The diagonal of D.
    upper : ndarray of shape (m, m)
        U, upper triangular.
    """
    diagonal = matrix.diagonal()
    # A variable without curvature has no gradient: any scale works.
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1))
    matrix /= scale[:, None]
    matrix /= scale
    while ridge <= LARGEST_RIDGE:
        np.fill_diagonal(matrix, 1 + ridge)
        try:
            return scale, np.asfortranarray(cholesky(matrix, check_finite=False))
        except LinAlgError:
            ridge = max(RIDGE, 100 * ridge)
    np.fill_diagonal(matrix, 1)
    values, vectors = eigh(matrix, check_finite=False)
    values = np.maximum(values, max(EIGENVALUE_LIFT * abs(values[0]), LARGEST_RIDGE))
    upper = qr(np.sqrt(values)[:, None] * vectors.T, mode="r", check_finite=False)[0]
    return scale, np.asfortranarray(upper * np.sign(upper.diagonal())[:, None])


def solve_root(scale: NDArray, upper: NDArray, rhs: NDArray) -> NDArray:
    """Return D⁻¹ U⁻¹ times a vector or a matrix: a root of the inverse."""
    return (_solve(upper, rhs).T / scale).T


def solve_root_transposed(scale: NDArray, upper: NDArray, rhs: NDArray) -> NDArray:
    """Return U⁻ᵀ D⁻¹ times a vector or a matrix."""
    return _solve(upper, (rhs.T / scale).T, transposed=True)


def _solve(upper: NDArray, rhs: NDArray, transposed: bool = False) -> NDArray:
    """Solve U x = rhs, or Uᵀ x = rhs, for a vector or a matrix.

    Each evaluation does this twice, and SciPy's solve_triangular spends more time on
    the check of its arguments than on a small system. Hence BLAS.
    """
    if not rhs.size:
        return rhs
    if rhs.ndim == 1:
        return blas.dtrsv(upper, rhs, trans=transposed)
    return blas.dtrsm(1.0, upper, rhs, trans_a=transposed)
