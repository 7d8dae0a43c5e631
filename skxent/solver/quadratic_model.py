"""The quadratic model of the objective at a point, minimised with its kinks and bounds.

For a step δ of the params, with g and H the gradient and the Hessian of the mean loss::

    m(δ) = gᵀδ + δᵀH δ / 2 + Σ pen(w + δ_w) − Σ pen(w)

The intercepts have no penalty and are eliminated. On one orthant and within the bounds,
the rest is a quadratic function on a box: a face. Each step solves for the free
coefficients by Cholesky. A coefficient that would leave its orthant or its bounds stops
there. The steps are exact, so the remaining gain is known exactly, however correlated
the columns are.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from .preconditioners.centred_hessian import CentredHessian
from .preconditioners.roots import root_of, solve_root, solve_root_transposed
from .stopping import MIN_CURVATURE_RATIO

# A fine ridge keeps more directions in which columns are nearly collinear. A coarse one
# needs fewer steps to the minimum.
RIDGES = FINE_RIDGE, COARSE_RIDGE = 1e-14, 1e-12
# Each step frees the coefficients that want to move. A model that needs more steps is
# lost in nearly collinear columns.
MAX_MODEL_STEPS = 200
# Saturated rows have no curvature. With this one a step goes far, but squares do not
# overflow.
SATURATED_CURVATURE = 1e-120
# Shares of a step that are tried beyond the first coefficient's crossing of 0 or of a
# bound.
STEP_SHARES = (1.0, 0.5, 0.25, 0.125)


@dataclass(frozen=True)
class ModelTolerances:
    """How exactly a model is solved, and when it is well conditioned.

    Attributes
    ----------
    remaining_share : float
        The model is solved until the gain to come is this share of the gain so far. The
        next model differs by more.
    accepted_share : float
        A share of a step is accepted if it gains this share of its promise.
    noiseless : float
        The largest relative rounding in the curvature of a column that leaves a model
        well conditioned.
    distinct_pivot : float
        The smallest pivot of such a model, far above rounding and ridges.
    """

    remaining_share: float = 1e-3
    accepted_share: float = 0.1
    noiseless: float = 1e-10
    distinct_pivot: float = 1e-6


MODEL = ModelTolerances()


def promise(gain: float, remaining: float) -> float:
    """Return the decrease from the starting point to the minimum of a model.

    A negative gain is rounding and counts as 0. A model without any curvature has no
    minimum, and its numbers overflow: the promise is then infinite.

    Parameters
    ----------
    gain, remaining : float
        As returned by `QuadraticModel.minimise`.
    """
    total = max(gain, 0.0) + remaining
    return np.inf if np.isnan(total) else total


class _Face(NamedTuple):
    """The box of one orthant, and the coefficients that are free to move in it.

    Each array has shape (L, d).
    """

    sign: NDArray
    lower: NDArray
    upper: NDArray
    free: NDArray


class QuadraticModel:
    """The quadratic model with a given Hessian of the mean loss.

    Parameters
    ----------
    objective : Objective
        It provides the penalty and the layout of params.
    hessian : ndarray of shape (n_params, n_params)
        Overwritten.
    ridge : float
        Curvature below this share of the diagonal is treated as rounding, one of
        `RIDGES`.

    Attributes
    ----------
    factor : float
        The model multiplies the Hessian by this: the observed share of its curvature.
    is_well_conditioned : bool
        Whether neither the ridge nor rounding hides a direction.
    n_steps : int
        The steps of the last minimisation.
    is_exhausted : bool
        Whether it did not end within `MAX_MODEL_STEPS`. A larger ridge needs fewer.
    """

    def __init__(self, objective: Objective, hessian: NDArray, ridge: float):
        self.factor, self.n_steps, self.is_exhausted = 1.0, 0, False
        self._split = objective.split
        self._penalty = objective.penalty
        self._has_shift = objective.loss.ignores_common_shift
        self._shape = (objective.n_logits, objective.n_features)
        self._l2 = np.broadcast_to(self._penalty.l2, self._shape)
        centred = CentredHessian(hessian, objective.layout)
        self._matrix, self._intercepts = centred.matrix, centred.intercepts
        rounding = centred.rounding()
        # Without a ridge, curvature lost in rounding would make steps far too long.
        scale, upper = root_of(self._matrix.copy(), ridge=ridge)
        pivots = upper.diagonal() ** 2
        self.is_well_conditioned = bool(
            pivots.min(initial=1.0) > MODEL.distinct_pivot
            and rounding < MODEL.noiseless
        )
        saturated = np.flatnonzero(self._matrix.diagonal() < SATURATED_CURVATURE)
        self._matrix = upper.T @ upper * np.outer(scale, scale)
        self._matrix[saturated] = self._matrix[:, saturated] = 0
        self._matrix[saturated, saturated] = SATURATED_CURVATURE

    def observe(self, step: NDArray, curvature: float) -> None:
        """Scale the Hessian by the share of its curvature that a step observed.

        Parameters
        ----------
        step : ndarray of shape (n_params,)
        curvature : float
            The change of the slope of the mean loss along the step.
        """
        expected = self.curvature(step)
        if expected > 0:
            self.factor = min(max(curvature / expected, MIN_CURVATURE_RATIO), 1.0)

    def curvature(self, step: NDArray) -> float:
        """Return δᵀH δ for a step δ, (n_params,), with the Hessian as given."""
        of_coef, of_intercept = self._split(step)
        total = float(np.vdot(of_coef, self._curvature_times(of_coef))) / self.factor
        if of_intercept.size:
            variables = self._intercepts.variables(of_coef.ravel(), of_intercept)
            total += float(variables @ variables)
        return total

    def minimise(
        self, params: NDArray, gradient: NDArray, tolerance: float
    ) -> tuple[NDArray, float, float]:
        """Return a point near the minimum of the model.

        Parameters
        ----------
        params : ndarray of shape (n_params,)
            The starting point, where the model equals the objective.
        gradient : ndarray of shape (n_params,)
            The gradient of the mean loss there.
        tolerance : float
            The model is solved until at most this remains to be gained.

        Returns
        -------
        params : ndarray of shape (n_params,)
            The point near the minimum.
        gain : float
            The decrease of the model from the starting point to it.
        remaining : float
            About the decrease from there to the minimum.
        """
        penalty = self._penalty
        start_coef, intercept = self._split(params)
        coef, gain = start_coef.copy(), 0.0
        slope, of_intercept = self._split(gradient)
        if of_intercept.size:
            intercept_slope, coef_correction = self._intercepts.pull_back(of_intercept)
            gain += 0.5 * float(intercept_slope @ intercept_slope) / self.factor
            slope = slope + coef_correction.reshape(self._shape)
        is_new_face, self.is_exhausted = True, False
        for self.n_steps in range(MAX_MODEL_STEPS):
            if is_new_face:
                face = self._face(coef, slope)
            sign, lower, upper, free = face
            face_gradient = self._gradient_on_face(coef, slope, sign)
            step, remaining = self._newton_step(face_gradient, free)
            if is_new_face:
                if remaining <= max(tolerance, MODEL.remaining_share * gain):
                    break
                step = self._release_step(coef, face_gradient, face, step, remaining)
            previous_penalty, previous_coef = penalty.value(coef), coef
            coef, is_new_face = self._search_along(
                coef, step, face_gradient, lower, upper
            )
            # a coefficient that reached 0 or a bound stays there on this face
            free &= (lower < coef) & (coef < upper)
            if is_new_face and self._has_shift:
                coef = penalty.balanced(coef)
            coef_change = coef - previous_coef
            curvature_times = self._curvature_times(coef_change)
            gain += previous_penalty - penalty.value(coef)
            gain -= float(np.vdot(slope, coef_change)) + 0.5 * float(
                np.vdot(coef_change, curvature_times)
            )
            slope = slope + curvature_times
        else:
            self.is_exhausted = True
        answer = params.copy()
        answer_coef, answer_intercept = self._split(answer)
        answer_coef[:] = coef
        if of_intercept.size:
            total_change = (coef - start_coef).ravel()
            answer_intercept[:] = intercept + self._intercepts.follow(
                total_change, -intercept_slope / self.factor
            )
        return answer, gain, remaining

    def _curvature_times(self, of_coef: NDArray) -> NDArray:
        """Return the scaled Hessian times a change of the coefficients, (L, d)."""
        return self.factor * (self._matrix @ of_coef.ravel()).reshape(self._shape)

    def _face(self, coef: NDArray, slope: NDArray) -> _Face:
        """Return the orthant in which the model falls, and its free coefficients."""
        sign = np.where(coef != 0, np.sign(coef), -np.sign(slope))
        lower, upper = self._penalty.bounds_of_orthant(sign)
        downhill = -self._gradient_on_face(coef, slope, sign)
        free = ~((coef <= lower) & (downhill <= 0) | (coef >= upper) & (downhill >= 0))
        return _Face(sign, lower, upper, free)

    def _gradient_on_face(
        self, coef: NDArray, slope: NDArray, sign: NDArray
    ) -> NDArray:
        """Return the gradient of the model where coefficients have these signs."""
        return slope + self._penalty.l2 * coef + self._penalty.l1 * sign

    def _newton_step(
        self, face_gradient: NDArray, free: NDArray
    ) -> tuple[NDArray, float]:
        """Return the step to the minimum over the free coefficients, and its gain."""
        step = np.zeros(self._shape)
        moving = np.flatnonzero(free)
        if not len(moving):
            return step, 0.0
        matrix = self._matrix[moving[:, None], moving]
        matrix *= self.factor
        # every size + 1 numbers a number of the diagonal
        matrix.ravel()[:: len(moving) + 1] += self._l2[free]
        root = root_of(matrix, ridge=0.0)
        u = solve_root_transposed(*root, -face_gradient[free])
        step[free] = solve_root(*root, u)
        return step, 0.5 * float(u @ u)

    def _release_step(
        self,
        coef: NDArray,
        face_gradient: NDArray,
        face: _Face,
        step: NDArray,
        remaining: float,
    ) -> NDArray:
        """Return a step on a new face, on which coefficients may leave 0 or a bound.

        The Newton step may take some of them to the infeasible side. These stay. If the
        rest gains less than the best single coefficient would, only that one leaves.
        """
        _, lower, upper, free = face
        curvature = self.factor * self._matrix.diagonal().reshape(self._shape)
        curvature = curvature + self._penalty.l2
        # saturated rows have no curvature: the gain is unbounded
        single_gain = np.where(free & (face_gradient != 0), np.inf, 0.0)
        with np.errstate(over="ignore"):
            np.divide(
                face_gradient**2,
                2 * curvature,
                out=single_gain,
                where=free & (curvature > 0),
            )
        best_single = np.unravel_index(np.argmax(single_gain), single_gain.shape)
        step, remaining = self._feasible_newton_step(
            coef, face_gradient, face, step, remaining
        )
        if remaining < single_gain[best_single]:
            free[:] = (lower < coef) & (coef < upper)
            free[best_single] = True
            step, remaining = self._newton_step(face_gradient, free)
            step, _ = self._feasible_newton_step(
                coef, face_gradient, face, step, remaining
            )
        return step

    def _feasible_newton_step(
        self,
        coef: NDArray,
        face_gradient: NDArray,
        face: _Face,
        step: NDArray,
        remaining: float,
    ) -> tuple[NDArray, float]:
        """Return the Newton step without coefficients that would become infeasible."""
        _, lower, upper, free = face
        while True:
            is_infeasible = (coef <= lower) & (step < 0) | (coef >= upper) & (step > 0)
            if not is_infeasible.any():
                return step, remaining
            free &= ~is_infeasible
            step, remaining = self._newton_step(face_gradient, free)

    def _search_along(
        self,
        coef: NDArray,
        step: NDArray,
        face_gradient: NDArray,
        lower: NDArray,
        upper: NDArray,
    ) -> tuple[NDArray, bool]:
        """Return the end of an accepted share of the step, and whether it is all."""
        newton_point = coef + step
        is_crossing = (newton_point < lower) | (newton_point > upper)
        if not is_crossing.any():
            return newton_point, True
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            distance = np.where(newton_point < lower, lower - coef, upper - coef)
            crossing_share = distance / step
        first_crossing = float(crossing_share[is_crossing].min())
        promised = -0.5 * float(np.vdot(face_gradient, step))
        shares = [share for share in STEP_SHARES if share > first_crossing]
        for share in (*shares, first_crossing):
            trial = np.clip(coef + share * step, lower, upper)
            # coefficients that reach 0 or a bound are set to it exactly
            has_arrived = is_crossing & (crossing_share <= share)
            reached = np.where(newton_point < lower, lower, upper)
            trial[has_arrived] = reached[has_arrived]
            coef_change = trial - coef
            curvature_times = self._curvature_times(coef_change)
            self._penalty.add_curvature(coef_change, out=curvature_times)
            gain = -float(np.vdot(face_gradient, coef_change)) - 0.5 * float(
                np.vdot(coef_change, curvature_times)
            )
            if gain >= MODEL.accepted_share * share * promised:
                break
        return trial, False
