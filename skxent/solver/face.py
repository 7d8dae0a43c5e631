"""The face of an answer with kinks and bounds: the coefficients that may move there."""

import numpy as np
from numpy.typing import NDArray

from ..model.objective import CrossEntropyObjective
from .preconditioners import (
    RIDGE,
    ChangeOfVariables,
    bend_shifts,
    centred_hessian,
    coefficients_first,
    root_of,
    rounding_of_centring,
    solve_root,
    solve_root_transposed,
)


class FaceChange(ChangeOfVariables):
    """A change of variables of the free coefficients and the intercepts.

    Where a common shift of all classes is free, it stays 0: the loss does not see it,
    and `Penalty.balanced` has settled it.

    Parameters
    ----------
    objective : CrossEntropyObjective
    hessian : ndarray of shape (n_params, n_params)
        Of the mean loss.
    free : ndarray of shape (L, d), bool

    Attributes
    ----------
    noise : float
        What rounding leaves in the curvature of columns that are far from 0, relative.
    """

    # the last digits of columns that are nearly collinear are asked for
    is_nearly_singular = True

    def __init__(
        self, objective: CrossEntropyObjective, hessian: NDArray, free: NDArray
    ):
        self._order = coefficients_first(objective)
        self._shape, self._n_coefs = free.shape, free.size
        self._moving = np.flatnonzero(free)
        self._shifts = free.all(axis=0) & (len(free) > 1)
        hessian = hessian[np.ix_(self._order, self._order)]
        far = hessian.diagonal()[: free.size].copy()
        matrix, self._intercepts = centred_hessian(hessian, len(hessian) - free.size)
        self.noise = rounding_of_centring(far, matrix)
        if len(free) > 1:
            bend_shifts(matrix, free)
        matrix = matrix[np.ix_(self._moving, self._moving)]
        l2 = np.broadcast_to(objective.penalty.l2, free.shape)[free]
        matrix[np.diag_indices_from(matrix)] += l2
        self._root = root_of(matrix, ridge=RIDGE)

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u."""
        n = len(self._moving)
        ordered = np.zeros(len(self._order))
        ordered[self._moving] = solve_root(*self._root, u[:n])
        coef = self._without_shift(ordered[: self._n_coefs])
        if len(u) > n:
            ordered[self._n_coefs :] = self._intercepts.follow(coef, u[n:])
        params = np.empty_like(ordered)
        params[self._order] = ordered
        return params

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient."""
        of_coef, own = np.split(gradient[self._order], [self._n_coefs])
        if len(own):
            own, by_slopes = self._intercepts.pull_back(own)
            of_coef = of_coef + by_slopes
        of_coef = self._without_shift(of_coef)
        moving = solve_root_transposed(*self._root, of_coef[self._moving])
        return np.concatenate([moving, own])

    def _without_shift(self, of_coef):
        """Take out the common shift of classes, in place."""
        rows = of_coef.reshape(self._shape)
        rows[:, self._shifts] -= rows[:, self._shifts].mean(axis=0)
        return of_coef
