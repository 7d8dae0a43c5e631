"""The diagonal preconditioner: centred and scaled columns."""

from copy import copy
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...model.curvature import curvature_moments
from ...model.objective import Objective
from .base import Preconditioner, Recipe, centred
from .roots import RIDGE

# Evaluations that a fit takes with the diagonal alone. Sparse columns have similar
# scales and little correlation, so they need fewer.
DENSE_EVALUATIONS, SPARSE_EVALUATIONS = 500.0, 150.0


class DiagonalPreconditioner(Preconditioner):
    """Centred and scaled columns, class by class, without a copy of X.

    Parameters
    ----------
    objective : Objective
    zeroth : ndarray of shape (L, 1)
    first, second : ndarray of shape (L, d)
        The moments of the columns, weighted by the curvature.
    axis_aligned : bool, default=False
        Whether each coefficient is a multiple of its own variable, as bounds require.
        Otherwise the classes sum to 0.

    Attributes
    ----------
    scale : ndarray of shape (L, d)
        A coefficient is its variable divided by this.
    """

    # unknown, but the estimate of the fit accounts for what a diagonal misses
    is_well_conditioned = True

    def __init__(
        self,
        objective: Objective,
        zeroth: NDArray,
        first: NDArray,
        second: NDArray,
        axis_aligned: bool = False,
    ):
        self._split = objective.split
        self._centre = (lambda rows: rows) if axis_aligned else centred
        self._mean = np.zeros_like(first)
        if objective.fit_intercept:
            # if all rows are saturated, there is no curvature
            np.divide(first, zeroth, out=self._mean, where=zeroth > 0)
        # If a column hardly varies, the difference is rounding: hence the floor.
        variance = np.maximum(second - zeroth * self._mean**2, RIDGE * second)
        self._set_scale(variance, objective.penalty.l2)
        self._intercept_scale = np.sqrt(np.where(zeroth > 0, zeroth, 1)[:, 0])

    def _set_scale(self, variance: NDArray, l2: NDArray) -> None:
        self._l2, diagonal = l2, variance + l2
        # A column without spread or penalty has no gradient: any scale works.
        self.scale = np.sqrt(np.where(diagonal > 0, diagonal, 1))

    def with_l2(self, l2: NDArray) -> "DiagonalPreconditioner":
        """Return the preconditioner for another ridge, (d,)."""
        other = copy(self)
        other._set_scale(np.maximum(self.scale**2 - self._l2, 0), l2)
        return other

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u, with classes that sum to 0 unless axis-aligned."""
        params = np.empty_like(u)
        coef, intercept = self._split(params)
        u_coef, u_intercept = self._split(u)
        np.divide(u_coef, self.scale, out=coef)
        if intercept.size:
            intercept[:] = u_intercept / self._intercept_scale
            intercept -= np.einsum("kj,kj->k", coef, self._mean)
        return self._centre(params.reshape(len(coef), -1)).ravel()

    def from_params(self, params: NDArray) -> NDArray:
        """Return the variables u with T u = params."""
        u = np.empty_like(params)
        u_coef, u_intercept = self._split(u)
        coef, intercept = self._split(params)
        np.multiply(coef, self.scale, out=u_coef)
        if intercept.size:
            shift = np.einsum("kj,kj->k", coef, self._mean)
            u_intercept[:] = (intercept + shift) * self._intercept_scale
        return u

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient: the gradient in the variables u."""
        n_logits = len(self.scale)
        out = self._centre(gradient.reshape(n_logits, -1).copy()).ravel()
        coef, intercept = self._split(out)
        if intercept.size:
            for of_class, b, mean in zip(coef, intercept, self._mean, strict=True):
                of_class -= b * mean
            intercept /= self._intercept_scale
        coef /= self.scale
        return out


class DiagonalRecipe(Recipe):
    """The recipe for the diagonal of the Hessian."""

    description = "the diagonal of the Hessian"
    n_evals_when_fresh = 60
    is_diagonal: ClassVar[bool] = True
    build_price = 2.0

    def __init__(self, objective: Objective):
        super().__init__(objective)
        self.evaluations = evaluations_by_diagonal(objective)

    def build(self, objective: Objective, params: NDArray) -> DiagonalPreconditioner:
        """Return the preconditioner with the curvature at ``params``."""
        return DiagonalPreconditioner(objective, *curvature_moments(objective, params))


class DiagonalMajorantRecipe(DiagonalRecipe):
    """The recipe for the diagonal of a majorant of the Hessian."""

    description = "the diagonal of a majorant of the Hessian"

    def build(self, objective: Objective, params: NDArray) -> DiagonalPreconditioner:
        """Return the preconditioner with the majorant at ``params``."""
        moments = curvature_moments(objective, params, majorant=True)
        return DiagonalPreconditioner(objective, *moments)


def evaluations_by_diagonal(objective: Objective) -> float:
    """Return the expected number of evaluations with the diagonal alone."""
    return SPARSE_EVALUATIONS if objective.rows.is_sparse else DENSE_EVALUATIONS


def axis_aligned_preconditioner(
    objective: Objective, params: NDArray
) -> DiagonalPreconditioner:
    """Return the diagonal preconditioner with one variable for each coefficient."""
    moments = curvature_moments(objective, params)
    return DiagonalPreconditioner(objective, *moments, axis_aligned=True)
