"""A root of the inverse Hessian of coefficients and intercepts."""

from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...model.layout import ParamLayout
from .centred_hessian import CentredHessian
from .roots import (
    RIDGE,
    root_and_ridge,
    smallest_eigenvalue,
    solve_root,
    solve_root_transposed,
)


@dataclass(frozen=True)
class PivotThresholds:
    """What the factor of a scaled Hessian says of its conditioning.

    Attributes
    ----------
    well_conditioned : float
        A squared pivot is the share of its variance that a column has of its own. If
        all are above this, no column is nearly a combination of others.
    n_ridges, n_roundings : float
        An eigenvalue below this many ridges, or this many rounding errors of a term,
        may consist of nothing else.
    """

    well_conditioned: float = 1e-3
    n_ridges: float = 1e2
    n_roundings: float = 1e3


PIVOTS = PivotThresholds()


class InverseRoot:
    """A matrix T such that ``T Tᵀ`` is the inverse of a Hessian.

    The Hessian is that of centred columns, with the penalty and a ridge added.

    Parameters
    ----------
    hessian : ndarray of shape (n_params, n_params)
        Of the mean loss. Overwritten.
    layout : ParamLayout
    l2 : ndarray of shape (d,)
        The second derivative of the penalty.

    Attributes
    ----------
    is_nearly_singular, is_well_conditioned : bool
        See `Preconditioner`.
    """

    def __init__(self, hessian: NDArray, layout: ParamLayout, l2: NDArray):
        centred = CentredHessian(hessian, layout)
        if layout.n_logits > 1:
            centred.add_curvature_of_shifts()
        self._intercepts, self._rounding = centred.intercepts, centred.rounding()
        self._factor(centred.matrix, np.tile(l2, layout.n_logits))

    def with_l2(self, l2: NDArray) -> "InverseRoot":
        """Return the root for another ridge, (d,).

        The Hessian is computed from its factor, so it is not stored.
        """
        other = copy(self)
        scale, upper = self._root
        scaled = upper * scale
        matrix = scaled.T @ scaled
        matrix[np.diag_indices_from(matrix)] -= self._l2
        other._factor(matrix, np.resize(l2, len(self._l2)))
        return other

    def _factor(self, matrix: NDArray, l2: NDArray) -> None:
        """Factor the matrix, which is overwritten, plus a ridge, (L d,)."""
        self._l2, self._n_coefs = l2, len(matrix)
        matrix[np.diag_indices_from(matrix)] += l2
        scale, upper, ridge = root_and_ridge(matrix, RIDGE)
        self._root = scale, upper
        unreliable = max(PIVOTS.n_ridges * RIDGE, PIVOTS.n_roundings * self._rounding)
        # a larger ridge is all that the smallest eigenvalues show
        self.is_nearly_singular = (
            ridge > RIDGE or smallest_eigenvalue(upper) < unreliable
        )
        pivots = upper.diagonal() ** 2
        self.is_well_conditioned = pivots.min(initial=1.0) > PIVOTS.well_conditioned

    def solve(self, u: NDArray) -> NDArray:
        """Return T u for a vector or a matrix u, coefficients first."""
        coef = solve_root(*self._root, u[: self._n_coefs])
        if self._n_coefs == len(u):
            return coef
        intercepts = self._intercepts.follow(coef, u[self._n_coefs :])
        return np.concatenate([coef, intercepts])

    def solve_transposed(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient for a vector or a matrix, coefficients first."""
        of_coef, of_intercepts = gradient[: self._n_coefs], gradient[self._n_coefs :]
        if not len(of_intercepts):
            return solve_root_transposed(*self._root, of_coef)
        variables, coef_correction = self._intercepts.pull_back(of_intercepts)
        u = solve_root_transposed(*self._root, of_coef + coef_correction)
        return np.concatenate([u, variables])
