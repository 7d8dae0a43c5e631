"""The preconditioner with one Hessian that all classes share.

Near the optimum, the rows that curve the loss of a class are those near the class, each
around a mean of its own. What the Hessians of the classes have in common is thus the
covariance within the classes, as in linear discriminant analysis::

    H_k ≈ c_k [ Σ + m_k m_kᵀ   m_k ]        c_k the curvature of class k,
              [ m_kᵀ           1   ]        m_k the mean of its rows, weighted by it

The mean of all Hessians also holds the covariance of the m_k, which no class sees.
"""

import numpy as np
from numpy.typing import NDArray

from ...model.class_hessians import class_hessians
from ...model.curvature import curvature_moments, mean_curvature
from ...model.objective import Objective
from .base import Recipe, centred
from .by_class import ClassPreconditioner
from .inverse_root import InverseRoot
from .prices import NANOSECONDS, price_of_evaluation, price_of_hessians


class SharedPreconditioner(ClassPreconditioner):
    """One root for all classes, scaled for each and centred at the mean of each.

    Parameters
    ----------
    objective : Objective
    hessian : ndarray of shape (1, e, e)
        The mean of the Hessians of the classes. Overwritten.
    curvature : ndarray of shape (L,)
        The mean curvature of each class.
    means : ndarray of shape (L, d), default=None
        The means of the columns, weighted by the curvature of each class; None if all
        classes have the same, or for a model without intercepts.
    """

    def __init__(
        self,
        objective: Objective,
        hessian: NDArray,
        curvature: NDArray,
        means: NDArray | None = None,
    ):
        self._shifts = None
        if not curvature.any():
            # where all rows are saturated, no class differs from the others
            curvature = np.ones_like(curvature)
        if means is not None:
            shifts = means - curvature @ means / curvature.sum()
            weighted = curvature[:, None] / len(curvature) * shifts
            d = objective.n_features
            hessian[0, :d, :d] -= weighted.T @ shifts
            self._shifts = shifts
        # a class of saturated rows has no curvature
        curvature = np.where(curvature > 0, curvature, curvature.mean())
        super().__init__(objective, hessian, np.sqrt(curvature / curvature.mean()))

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u, with classes that sum to 0."""
        rows = self._apply(u.reshape(self._shape) / self._scales, InverseRoot.solve)
        if self._shifts is not None:
            rows[:, -1] -= np.einsum("kj,kj->k", rows[:, :-1], self._shifts)
        return centred(rows).ravel()

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient: the gradient in the variables u."""
        rows = centred(gradient.reshape(self._shape).copy())
        if self._shifts is not None:
            rows[:, :-1] -= rows[:, -1:] * self._shifts
        pulled = self._apply(rows, InverseRoot.solve_transposed)
        return (pulled / self._scales).ravel()


class SharedRecipe(Recipe):
    """The recipe for the mean Hessian of the classes, scaled and centred for each."""

    description = "a Hessian that all classes share"
    evaluations = 120.0
    n_evals_when_fresh = 20

    def __init__(self, objective: Objective, n_sampled: int | None = None):
        super().__init__(objective)
        n_logits, e = objective.n_logits, objective.n_columns
        self.n_bytes = 24 * e**2
        self.n_sampled, self.build_price = price_of_hessians(objective, 1, n_sampled)
        self.apply_price = (
            NANOSECONDS.product * n_logits * e**2 / price_of_evaluation(objective)
        )

    def build(self, objective: Objective, params: NDArray) -> SharedPreconditioner:
        """Return the preconditioner with the curvature at ``params``."""
        hessian = class_hessians(
            objective, params, shared=True, n_sampled=self.n_sampled
        )
        coef, _ = objective.split(params)
        is_uniform = objective.rows.typical_offset is None and not coef.any()
        is_sampled = self.n_sampled < objective.n_samples
        # The covariance within the classes is a difference, to which a sample and all
        # rows must not contribute one term each.
        if is_uniform or is_sampled or not objective.fit_intercept:
            curvature = mean_curvature(objective, params)
            return SharedPreconditioner(objective, hessian, curvature)
        zeroth, first, _ = curvature_moments(objective, params)
        means = np.divide(first, zeroth, out=np.zeros_like(first), where=zeroth > 0)
        return SharedPreconditioner(objective, hessian, zeroth[:, 0], means)
