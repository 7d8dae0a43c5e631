"""Changes of variables ``params = T u`` in which the objective is easy to minimise.

L-BFGS is slow where the curvature of its variables differs by orders of magnitude.
SciPy's takes no initial Hessian, but minimising ``F(T u)`` over ``u`` does the same
when ``T⁻¹`` is near the square root of the Hessian, and leaves the optimum, penalty
included, exactly where it was.
"""

import numpy as np
from numpy.typing import NDArray

from ._objective import CrossEntropyObjective


class DiagonalChange:
    """Standardised coordinates: columns centred and scaled, without touching X.

    With ``h`` the curvature of the intercept-only model and λ the penalty, the Hessian
    of F there has the diagonal ``h_k std_j² + λ`` for the coefficients of centred
    columns, and ``h_k`` for the intercepts. Dividing by its root makes it 1.
    """

    def __init__(self, objective: CrossEntropyObjective):
        mean, std = objective.column_moments()
        if not objective.fit_intercept:
            std, mean = np.hypot(std, mean), np.zeros_like(mean)
        self._mean = mean
        self._objective = objective
        h = objective.prior_curvature()[:, None]
        root = np.hypot(np.sqrt(h) * std, np.sqrt(objective.penalty))
        # A column without spread or penalty has no gradient: any scale will do.
        self._coef_scale = 1 / np.where(root > 0, root, 1)
        self._intercept_scale = 1 / np.sqrt(h[:, 0])

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u."""
        params = np.empty_like(u)
        coef, intercept = self._objective.split(params)
        u_coef, u_intercept = self._objective.split(u)
        np.multiply(u_coef, self._coef_scale, out=coef)
        if self._objective.fit_intercept:
            intercept[:] = u_intercept * self._intercept_scale - coef @ self._mean
        return centre_classes(self._objective, params)

    def from_params(self, params: NDArray) -> NDArray:
        """Return T⁻¹ params."""
        u = np.empty_like(params)
        u_coef, u_intercept = self._objective.split(u)
        coef, intercept = self._objective.split(params)
        np.divide(coef, self._coef_scale, out=u_coef)
        if self._objective.fit_intercept:
            u_intercept[:] = (intercept + coef @ self._mean) / self._intercept_scale
        return u

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient: the gradient in the variables u."""
        gradient = centre_classes(self._objective, gradient.copy())
        out = np.empty_like(gradient)
        out_coef, out_intercept = self._objective.split(out)
        coef, intercept = self._objective.split(gradient)
        out_coef[:] = coef
        if self._objective.fit_intercept:
            out_coef -= np.outer(intercept, self._mean)
            out_intercept[:] = intercept * self._intercept_scale
        out_coef *= self._coef_scale
        return out


def centre_classes(objective: CrossEntropyObjective, params: NDArray) -> NDArray:
    """Make the classes of a softmax sum to 0, in place.

    The loss does not see a common shift of all logits, and the penalty is smallest
    without one; variables scaled by class would introduce it.
    """
    if objective.n_logits > 1:
        coef, intercept = objective.split(params)
        coef -= coef.mean(axis=0)
        if objective.fit_intercept:
            intercept -= intercept.mean()
    return params
