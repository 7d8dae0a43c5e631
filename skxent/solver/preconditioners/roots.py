"""Roots of matrices that are positive definite up to rounding."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, blas, cholesky, eigh, lapack, qr

# Curvature below this share of the diagonal is rounding.
RIDGE = 1e-12
# The ridge grows up to this while Cholesky fails. A larger one would change directions
# that carry information.
LARGEST_RIDGE = 1e-8
# If Cholesky still fails, negative eigenvalues are rounding. All eigenvalues are lifted
# to at least this many times the size of the most negative one.
EIGENVALUE_LIFT = 10


def root_of(matrix: NDArray, ridge: float) -> tuple[NDArray, NDArray]:
    """Return D and U of `root_and_ridge`."""
    scale, upper, _ = root_and_ridge(matrix, ridge)
    return scale, upper


def root_and_ridge(matrix: NDArray, ridge: float) -> tuple[NDArray, NDArray, float]:
    """Return D and U such that D Uᵀ U D is the matrix plus a ridge, and that ridge.

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
    ridge : float
        What it took; at least `LARGEST_RIDGE` if eigenvalues were lifted.
    """
    diagonal = matrix.diagonal()
    # A variable without curvature has no gradient: any scale works.
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1))
    matrix /= scale[:, None]
    matrix /= scale
    while ridge <= LARGEST_RIDGE:
        np.fill_diagonal(matrix, 1 + ridge)
        try:
            upper = np.asfortranarray(cholesky(matrix, check_finite=False))
            return scale, upper, ridge
        except LinAlgError:
            ridge = max(RIDGE, 100 * ridge)
    np.fill_diagonal(matrix, 1)
    values, vectors = eigh(matrix, check_finite=False)
    lowest = max(EIGENVALUE_LIFT * abs(values[0]), LARGEST_RIDGE)
    values = np.maximum(values, lowest)
    upper = qr(np.sqrt(values)[:, None] * vectors.T, mode="r", check_finite=False)[0]
    upper = np.asfortranarray(upper * np.sign(upper.diagonal())[:, None])
    return scale, upper, lowest


def smallest_eigenvalue(upper: NDArray) -> float:
    """Estimate the smallest eigenvalue of UᵀU.

    The smallest pivot does not tell: several pivots may share what makes the matrix
    singular. ``1 / ‖U⁻¹‖₁²`` does, up to a factor of the number of columns.
    """
    if not len(upper):
        return 1.0
    reciprocal_condition, _ = lapack.dtrcon(upper)
    norm = np.abs(upper).sum(axis=0).max()
    return float(reciprocal_condition * norm) ** 2


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
