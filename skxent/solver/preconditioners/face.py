"""The preconditioner of a face: the coefficients that kinks and bounds leave free."""

import numpy as np
from numpy.typing import NDArray

from ...model.objective import Objective
from .base import Preconditioner
from .centred_hessian import CentredHessian
from .roots import RIDGE, root_of, solve_root, solve_root_transposed


class FacePreconditioner(Preconditioner):
    """A preconditioner of the free coefficients and of the intercepts.

    If a common shift of all classes is free, it stays 0: the loss does not respond to
    it, and `Penalty.balanced` has optimised it.

    Parameters
    ----------
    objective : Objective
    hessian : ndarray of shape (n_params, n_params)
        Of the mean loss.
    free : ndarray of shape (L, d), bool
        Which coefficients may move.

    Attributes
    ----------
    rounding : float
        The largest share of a column's curvature that may be rounding.
    """

    # nearly collinear columns matter here: look for directions that the ridge hides
    is_nearly_singular = True

    def __init__(self, objective: Objective, hessian: NDArray, free: NDArray):
        self._shape = free.shape
        self._moving = np.flatnonzero(free)
        self._shiftable = free.all(axis=0) & objective.loss.ignores_common_shift
        self._hessian = CentredHessian(hessian.copy(), objective.layout)
        self.rounding = self._hessian.rounding()
        if objective.loss.ignores_common_shift:
            self._hessian.add_curvature_of_shifts(free)
        matrix = self._hessian.matrix[np.ix_(self._moving, self._moving)]
        l2 = np.broadcast_to(objective.penalty.l2, free.shape)[free]
        matrix[np.diag_indices_from(matrix)] += l2
        self._root = root_of(matrix, ridge=RIDGE)

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u."""
        moving_variables, variables = np.split(u, [len(self._moving)])
        coef = np.zeros(self._shape[0] * self._shape[1])
        coef[self._moving] = solve_root(*self._root, moving_variables)
        coef = self._without_shift(coef)
        if len(variables):
            variables = self._hessian.intercepts.follow(coef, variables)
        return self._hessian.params(coef, variables)

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient."""
        of_coef, of_intercepts = self._hessian.in_order(gradient)
        if len(of_intercepts):
            intercepts = self._hessian.intercepts
            of_intercepts, coef_correction = intercepts.pull_back(of_intercepts)
            of_coef = of_coef + coef_correction
        of_coef = self._without_shift(of_coef)
        moving_variables = solve_root_transposed(*self._root, of_coef[self._moving])
        return np.concatenate([moving_variables, of_intercepts])

    def _without_shift(self, of_coef: NDArray) -> NDArray:
        """Subtract common shifts of all classes, in place."""
        rows = of_coef.reshape(self._shape)
        rows[:, self._shiftable] -= rows[:, self._shiftable].mean(axis=0)
        return of_coef
