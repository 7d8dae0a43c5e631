"""The Hessian of coefficients whose intercepts follow them: that of centred columns.

Eliminating the intercepts centres the columns. What is left keeps its digits, and a
ridge its meaning, however far the columns are from 0.
"""

import numpy as np
from numpy.typing import NDArray

from ...model.layout import ParamLayout
from ...model.problem import EPS
from .roots import root_of, solve_root, solve_root_transposed

# Curvature that is 0 must not divide by 0.
TINY = np.finfo(np.float64).tiny


class CentredHessian:
    """The Hessian of the coefficients, and the intercepts that are best for them.

    Parameters
    ----------
    hessian : ndarray of shape (n_params, n_params)
        Of the mean loss. It is used up.
    layout : ParamLayout
        Of its rows and columns.

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
            # A common shift of all classes has no curvature. With that of the others
            # the intercepts that follow sum to 0, and keep their digits.
            of_intercepts = hessian[n_coefs:, n_coefs:]
            of_intercepts += np.trace(of_intercepts) / n_intercepts**2
        self._uncentred = hessian.diagonal()[:n_coefs].copy()
        self.intercepts = EliminatedIntercepts(hessian, n_coefs)
        self.matrix = hessian[:n_coefs, :n_coefs]
        if n_intercepts:
            self._centre()

    def _centre(self) -> None:
        self.matrix -= self.intercepts.cross.T @ self.intercepts.cross
        # Where a column hardly varies, all that remains is rounding: a variance that
        # is surely too large, and nothing in common with other columns.
        floor = 10 * EPS * self._uncentred
        constant = np.flatnonzero(self.matrix.diagonal() <= floor)
        self.matrix[constant] = self.matrix[:, constant] = 0
        self.matrix[constant, constant] = floor[constant]

    def rounding(self) -> float:
        """Return how much of the curvature of a column may be rounding, relative."""
        noise = EPS * self._uncentred / np.maximum(self.matrix.diagonal(), TINY)
        return float(noise.max(initial=0.0))

    def add_curvature_of_shifts(self, free: NDArray | None = None) -> None:
        """Give common shifts of all classes curvature, which a softmax does not.

        As params never move that way, any will do. With that of the other directions
        there is no rank to miss.

        Parameters
        ----------
        free : ndarray of shape (L, d), bool, default=None
            Those that may move; a feature has a shift where all classes may. None for
            all.
        """
        j = np.arange(self._shape[1]) if free is None else np.flatnonzero(free.all(0))
        blocks = self.matrix.reshape(*self._shape, *self._shape)
        mean = np.einsum("kiki->i", blocks)[j] / self._shape[0] ** 2
        blocks[:, j, :, j] += mean[:, None, None]

    def in_order(self, params: NDArray) -> tuple[NDArray, NDArray]:
        """Return the coefficients and the intercepts of params, flat."""
        of_coef, of_intercepts = np.split(params[self._order], [len(self.matrix)])
        return of_coef, of_intercepts

    def params(self, coef: NDArray, intercepts: NDArray) -> NDArray:
        """Return params, the inverse of `in_order`."""
        params = np.empty(len(self._order))
        params[self._order] = np.concatenate([coef, intercepts])
        return params


class EliminatedIntercepts:
    """Intercepts that are the best for coefficients, but for variables of their own.

    They are ``b = R⁻¹ (v − cross w)``, where ``RᵀR = H_bb`` and ``cross = R⁻ᵀ H_bw``.
    The curvature of the variables v is 1.
    """

    def __init__(self, hessian: NDArray, n_coefs: int):
        self._root = root_of(hessian[n_coefs:, n_coefs:].copy(), ridge=0.0)
        self.cross = solve_root_transposed(*self._root, hessian[n_coefs:, :n_coefs])

    def follow(self, coef: NDArray, variables: NDArray) -> NDArray:
        """Return the intercepts."""
        return solve_root(*self._root, variables - self.cross @ coef)

    def variables(self, coef: NDArray, intercepts: NDArray) -> NDArray:
        """Return the variables: the inverse of `follow`."""
        scale, upper = self._root
        return upper @ (scale * intercepts) + self.cross @ coef

    def pull_back(self, of_intercepts: NDArray) -> tuple[NDArray, NDArray]:
        """Return the derivatives by the variables, and what to add to those by coef."""
        of_variables = solve_root_transposed(*self._root, of_intercepts)
        return of_variables, -(self.cross.T @ of_variables)
