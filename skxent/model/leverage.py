"""The leverage of rows: how far the fit follows a row's own residual.

With ``x̃ = (x, 1)`` and H the Hessian of F, the leverage of a row is the matrix
``x̃ H⁻¹ x̃ᵀ``, (L, L). Coefficients that a kink of the penalty holds at 0 are not in H.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, lapack

from .curvature import hessian_of_loss
from .objective import Objective
from .problem import EPS

# The Hessian may take this much memory, and so may the root of its inverse.
MAX_HESSIAN_BYTES = 2**28
# The ridge on the diagonal of the Hessian grows up to this while Cholesky fails. It
# only matters in directions that change no logit.
LARGEST_RIDGE = 1e-8


class Leverage:
    """Computes the leverage of rows.

    Let ``T Tᵀ = H⁻¹``, with a triangular T. The leverage is the sum of the squares of
    x̃ T. If H is nearly singular, these squares keep more digits than a product with
    H⁻¹.

    Parameters
    ----------
    objective : Objective
    params : ndarray of shape (n_params,)
        Where to evaluate the Hessian.
    is_free : ndarray of shape (L, e), bool
        Which of the params can move.

    Raises
    ------
    ValueError
        If the Hessian takes too much memory, or is singular.
    """

    def __init__(self, objective: Objective, params: NDArray, is_free: NDArray):
        self._has_intercept = objective.fit_intercept
        self._n_logits, e = is_free.shape
        kept = np.flatnonzero(is_free)
        root = np.zeros((is_free.size, len(kept)))
        root[kept] = _root_of_inverse(_hessian(objective, params, is_free))
        by_class = root.reshape(self._n_logits, e, len(kept))
        # a few columns of T at a time, and the classes for which they are not 0
        self._parts = []
        for start in range(0, len(kept), max(1, e)):
            columns = slice(start, min(start + e, len(kept)))
            n_classes = kept[columns.stop - 1] // e + 1
            part = by_class[:n_classes, :, columns].transpose(1, 0, 2)
            self._parts.append(np.ascontiguousarray(part))

    def of_rows(self, X: Any) -> NDArray:
        """Return the leverage of rows of X, (m, L, L)."""
        out = np.zeros((X.shape[0], self._n_logits, self._n_logits))
        for _, product in self._products(X):
            n = product.shape[1]
            out[:, :n, :n] += product @ product.transpose(0, 2, 1)
        return out

    def steps(self, X: Any, of_logits: NDArray) -> NDArray:
        """Return ``H⁻¹ x̃ᵀ v`` for each row and its v, (m, L): params, (m, L e)."""
        m, d = X.shape
        e = d + self._has_intercept
        out = np.zeros((m, self._n_logits, e))
        for part, product in self._products(X):
            n = product.shape[1]
            u = np.einsum("mkw,mk->mw", product, of_logits[:, :n])
            out[:, :n] += np.tensordot(u, part, axes=(1, 2)).transpose(0, 2, 1)
        return out.reshape(m, self._n_logits * e)

    def _products(self, X: Any) -> Iterator[tuple[NDArray, NDArray]]:
        """Yield some columns of T, (e, k, w), and x̃ times these, (m, k, w)."""
        m, d = X.shape
        for part in self._parts:
            by_feature = part.reshape(len(part), -1)
            product = X @ by_feature[:d]
            if self._has_intercept:
                product += by_feature[d]
            yield part, product.reshape(m, *part.shape[1:])


def _hessian(objective: Objective, params: NDArray, is_free: NDArray) -> NDArray:
    """Return the Hessian of F in the params that can move."""
    size = objective.n_params
    if 8 * size**2 > MAX_HESSIAN_BYTES:
        raise ValueError(
            f"Leave-one-out from a single fit needs the Hessian of {size} coefficients "
            f"and intercepts, {8 * size**2 / 2**20:.0f} MB; expected at most "
            f"{MAX_HESSIAN_BYTES / 2**20:.0f} MB: use cv=5."
        )
    hessian = hessian_of_loss(objective, params)
    n_logits, e = is_free.shape
    by_class = hessian.reshape(n_logits, e, n_logits, e)
    j = np.arange(objective.n_features)
    for k in range(n_logits):
        by_class[k, j, k, j] += objective.penalty.l2
    if objective.loss.ignores_common_shift:
        # Without a penalty a common shift of all classes has no curvature. Residuals
        # have no part along it, so any curvature will do: the mean of the others.
        j = np.flatnonzero(is_free.all(axis=0))
        mean = np.einsum("kiki->i", by_class)[j] / n_logits**2
        by_class[:, j, :, j] += mean[:, None, None]
    kept = np.flatnonzero(is_free)
    return hessian if len(kept) == size else hessian[np.ix_(kept, kept)]


def _root_of_inverse(hessian: NDArray) -> NDArray:
    """Return a triangular T with ``T Tᵀ`` the inverse of a Hessian; overwrites it."""
    if not hessian.size:
        return hessian
    diagonal = hessian.diagonal()
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1))
    hessian /= scale[:, None]
    hessian /= scale
    ridge = len(hessian) * EPS
    while True:
        np.fill_diagonal(hessian, 1 + ridge)
        try:
            upper = cholesky(hessian)
            break
        except LinAlgError:
            ridge *= 10
            if ridge > LARGEST_RIDGE:
                raise ValueError(
                    "The Hessian is singular up to rounding, so that leave-one-out "
                    "from a single fit is not possible: use a smaller C, or cv=5."
                ) from None
    root, _ = lapack.dtrtri(upper)
    return np.triu(root) / scale[:, None]
