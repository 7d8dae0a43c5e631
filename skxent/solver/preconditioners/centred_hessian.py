"""The Hessian after elimination of the intercepts: that of centred columns.

The elimination centres the columns. The result keeps its digits, and a ridge its
meaning, however far the columns are from 0.
"""

import numpy as np
from numpy.typing import NDArray

from ...model.layout import ParamLayout
from ...model.problem import EPS
from .roots import root_of, solve_root, solve_root_transposed

# Curvature that is 0 must not divide by 0.
TINY = np.finfo(np.float64).tiny


class CentredHessian:
    """The Hessian of the coefficients, with the intercepts eliminated.

    Parameters
    ----------
    hessian : ndarray of shape (n_params, n_params)
        Of the mean loss. Overwritten.
    layout : ParamLayout
        The layout of its rows and columns.

    Attributes
    ----------
    matrix : ndarray of shape (L d, L d)
        Of the coefficients, class by class.
    intercepts : FollowingIntercepts
    """

    def __init__(self, hessian: NDArray, layout: ParamLayout):
        if not np.isfinite(hessian.diagonal()).all():
            raise ValueError(
                "The curvature of the objective overflows; expected features whose "
                "squares are finite: choose other units."
            )
        self._shape = layout.n_logits, layout.n_features
        n_coefs = layout.n_logits * layout.n_features
        n_intercepts = layout.n_params - n_coefs
        self._order = layout.coefficients_first()
        if layout.n_logits > 1:
            hessian = hessian[np.ix_(self._order, self._order)]
        if n_intercepts > 1:
            # A common shift of all classes has no curvature. Given the mean curvature
            # of the others, the eliminated intercepts sum to 0 and keep their digits.
            of_intercepts = hessian[n_coefs:, n_coefs:]
            of_intercepts += np.trace(of_intercepts) / n_intercepts**2
        self._uncentred = hessian.diagonal()[:n_coefs].copy()
        self.intercepts = EliminatedIntercepts(hessian, n_coefs)
        self.matrix = hessian[:n_coefs, :n_coefs]
        if n_intercepts:
            self._centre()

    def _centre(self) -> None:
        """Subtract the contribution of the intercepts, in place."""
        self.matrix -= self.intercepts.cross.T @ self.intercepts.cross
        # If a column hardly varies, the difference is rounding. Replace it by a
        # variance that is surely too large, and by no covariance.
        floor = 10 * EPS * self._uncentred
        constant = np.flatnonzero(self.matrix.diagonal() <= floor)
        self.matrix[constant] = self.matrix[:, constant] = 0
        self.matrix[constant, constant] = floor[constant]

    def rounding(self) -> float:
        """Return the largest share of a column's curvature that may be rounding."""
        noise = EPS * self._uncentred / np.maximum(self.matrix.diagonal(), TINY)
        return float(noise.max(initial=0.0))

    def add_curvature_of_shifts(self, free: NDArray | None = None) -> None:
        """Add curvature for common shifts of all classes, where a softmax has none.

        The matrix would be singular without it. Params never move along a shift, so the
        value does not matter: take the mean of the other directions.

        Parameters
        ----------
        free : ndarray of shape (L, d), bool, default=None
            The coefficients that may move; None for all. A feature has a shift if all
            its classes may move.
        """
        j = np.arange(self._shape[1]) if free is None else np.flatnonzero(free.all(0))
        blocks = self.matrix.reshape(*self._shape, *self._shape)
        mean = np.einsum("kiki->i", blocks)[j] / self._shape[0] ** 2
        blocks[:, j, :, j] += mean[:, None, None]

    def in_order(self, params: NDArray) -> tuple[NDArray, NDArray]:
        """Return the coefficients, (L d,), and the intercepts, (L,), of params."""
        of_coef, of_intercepts = np.split(params[self._order], [len(self.matrix)])
        return of_coef, of_intercepts

    def params(self, coef: NDArray, intercepts: NDArray) -> NDArray:
        """Return params, the inverse of `in_order`."""
        params = np.empty(len(self._order))
        params[self._order] = np.concatenate([coef, intercepts])
        return params


class EliminatedIntercepts:
    """Intercepts as a function of the coefficients w and of variables v.

    They are ``b = R⁻¹ (v − cross w)``, where ``RᵀR = H_bb`` and ``cross = R⁻ᵀ H_bw``.
    With v = 0 they are optimal for w. The curvature of v is the identity.

    Parameters
    ----------
    hessian : ndarray of shape (n_params, n_params)
        Coefficients first.
    n_coefs : int
    """

    def __init__(self, hessian: NDArray, n_coefs: int):
        self._root = root_of(hessian[n_coefs:, n_coefs:].copy(), ridge=0.0)
        self.cross = solve_root_transposed(*self._root, hessian[n_coefs:, :n_coefs])

    def follow(self, coef: NDArray, variables: NDArray) -> NDArray:
        """Return the intercepts for coefficients, (L d,), and variables, (L,)."""
        return solve_root(*self._root, variables - self.cross @ coef)

    def variables(self, coef: NDArray, intercepts: NDArray) -> NDArray:
        """Return the variables: the inverse of `follow`."""
        scale, upper = self._root
        return upper @ (scale * intercepts) + self.cross @ coef

    def pull_back(self, of_intercepts: NDArray) -> tuple[NDArray, NDArray]:
        """Return the gradient in v, and the correction of that in the coefficients."""
        of_variables = solve_root_transposed(*self._root, of_intercepts)
        return of_variables, -(self.cross.T @ of_variables)
