"""The preconditioner from the Hessian of all params of a softmax."""

from copy import copy

import numpy as np
from numpy.typing import NDArray

from ...model.curvature import coupled_hessian
from ...model.objective import Objective
from .base import Preconditioner, Recipe, centred
from .inverse_root import InverseRoot
from .prices import NANOSECONDS, price_of_evaluation, price_of_exact_hessian


class CoupledPreconditioner(Preconditioner):
    """``params = T u`` from the Hessian of all params of a softmax.

    Parameters
    ----------
    objective : Objective
    hessian : ndarray of shape (n_params, n_params)
        Of the mean loss. Overwritten.
    """

    def __init__(self, objective: Objective, hessian: NDArray):
        self._shape = (objective.n_logits, objective.n_columns)
        self.curvature = hessian.diagonal().copy()
        self._order = objective.layout.coefficients_first()
        self._take(InverseRoot(hessian, objective.layout, objective.penalty.l2))

    def _take(self, root: InverseRoot) -> None:
        """Take the root, and what it says of its conditioning."""
        self._root = root
        self.is_nearly_singular = root.is_nearly_singular
        self.is_well_conditioned = root.is_well_conditioned

    def with_l2(self, l2: NDArray) -> "CoupledPreconditioner":
        """Return the preconditioner for another ridge, (d,)."""
        other = copy(self)
        other._take(self._root.with_l2(l2))
        return other

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u, with classes that sum to 0."""
        params = np.empty_like(u)
        params[self._order] = self._root.solve(u)
        return centred(params.reshape(self._shape)).ravel()

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient: the gradient in the variables u."""
        rows = centred(gradient.reshape(self._shape).copy())
        return self._root.solve_transposed(rows.ravel()[self._order])


class CoupledRecipe(Recipe):
    """The recipe for the Hessian of all classes together."""

    description = "the Hessian of all classes together"
    evaluations = 20.0
    n_evals_when_fresh = 10
    is_full_hessian = True

    def __init__(self, objective: Objective):
        super().__init__(objective)
        size = objective.n_params
        self.n_bytes = 40 * size**2
        self.build_price = price_of_exact_hessian(objective)
        self.apply_price = NANOSECONDS.solve * size**2 / price_of_evaluation(objective)

    def build(self, objective: Objective, params: NDArray) -> CoupledPreconditioner:
        """Return the preconditioner with the curvature at ``params``."""
        return CoupledPreconditioner(objective, coupled_hessian(objective, params))
