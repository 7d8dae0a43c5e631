"""The quadratic model of the objective at a point, minimised with its kinks and bounds.

For a step δ of the params, with g and H the gradient and the Hessian of the mean loss::

    m(δ) = gᵀδ + δᵀH δ / 2 + Σ pen(w + δ_w) − Σ pen(w)

The intercepts know no penalty: they are eliminated. On an orthant, within the bounds,
what is left is a quadratic function on a box. Each step solves for the coefficients
that are free to move, by Cholesky; what would leave its orthant or pass a bound stops
there. As the steps are exact, so is the promise that none is left to gain: however
correlated the columns are.
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
        A share of a step is accepted if it gains this part of its promise.
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


def promise(gain: float, left: float) -> float:
    """Return how far below its starting point the minimum of a model is.

    A negative gain is rounding and counts as none. Without any curvature the model has
    no minimum, and its numbers overflow: then the promise is infinite.
    """
    total = max(gain, 0.0) + left
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
    """The model from a Hessian of the mean loss, which it uses up.

    Parameters
    ----------
    objective : Objective
        Its penalty, and the layout of its params.
    hessian : ndarray of shape (n_params, n_params)
    ridge : float
        Curvature below this share of the diagonal is taken for rounding, one of
        `RIDGES`.

    Attributes
    ----------
    factor : float
        The model uses the Hessian times this: what steps have met of it.
    is_well_conditioned : bool
        Whether neither a ridge nor rounding hides a direction.
    n_steps : int
        Steps that the last minimum took.
    is_exhausted : bool
        Whether these were too few. A larger ridge makes the way shorter.
    """

    def __init__(self, objective: Objective, hessian: NDArray, ridge: float):
        self.factor, self.n_steps, self.is_exhausted = 1.0, 0, False
        self._split = objective.split
        self._penalty = objective.penalty
        self._has_shift = objective.loss.ignores_common_shift
        self._shape = (objective.n_logits, objective.n_features)
        centred = CentredHessian(hessian, objective.layout)
        self._matrix, self._intercepts = centred.matrix, centred.intercepts
        rounding = centred.rounding()
        # Curvature that is lost in rounding would be taken for a long way to go.
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
        """Use the Hessian times the share of it that a step has shown.

        ``curvature`` is the change of the slope along the step.
        """
        expected = self.curvature(step)
        if expected > 0:
            self.factor = min(max(curvature / expected, MIN_CURVATURE_RATIO), 1.0)

    def curvature(self, step: NDArray) -> float:
        """Return δᵀH δ, with the Hessian as it was given."""
        of_coef, of_intercept = self._split(step)
        total = float(np.vdot(of_coef, self._curvature_times(of_coef))) / self.factor
        if of_intercept.size:
            variables = self._intercepts.variables(of_coef.ravel(), of_intercept)
            total += float(variables @ variables)
        return total

    def minimise(
        self, params: NDArray, gradient: NDArray, enough: float
    ) -> tuple[NDArray, float, float]:
        """Return where the model is smallest, or nearly so.

        Parameters
        ----------
        params : ndarray of shape (n_params,)
            Where the model touches the objective.
        gradient : ndarray of shape (n_params,)
            That of the mean loss there.
        enough : float
            What may be left to gain.

        Returns
        -------
        params : ndarray of shape (n_params,)
            Where the model is smallest, or nearly so.
        gain : float
            How far below the starting point the model is there.
        left : float
            About how much further below its minimum is.
        """
        penalty = self._penalty
        here, intercept = self._split(params)
        coef, gain = here.copy(), 0.0
        slope, of_intercept = self._split(gradient)
        if of_intercept.size:
            pulled, by_slopes = self._intercepts.pull_back(of_intercept)
            gain += 0.5 * float(pulled @ pulled) / self.factor
            slope = slope + by_slopes.reshape(self._shape)
        is_new, self.is_exhausted = True, False
        for self.n_steps in range(MAX_MODEL_STEPS):
            if is_new:
                face = self._face(coef, slope)
            sign, lower, upper, free = face
            on_face = slope + penalty.l2 * coef + penalty.l1 * sign
            step, left = self._newton_step(on_face, free)
            if is_new:
                if left <= max(enough, MODEL.remaining_share * gain):
                    break
                step = self._released(coef, on_face, face, step, left)
            before, start = penalty.value(coef), coef
            coef, is_new = self._along(coef, step, on_face, lower, upper)
            # what has arrived at 0 or at a bound stays there on this face
            free &= (lower < coef) & (coef < upper)
            if is_new and self._has_shift:
                coef = penalty.balanced(coef)
            move = coef - start
            turned = self._curvature_times(move)
            gain += before - penalty.value(coef)
            gain -= float(np.vdot(slope, move)) + 0.5 * float(np.vdot(move, turned))
            slope = slope + turned
        else:
            self.is_exhausted = True
        answer = params.copy()
        answer_coef, answer_intercept = self._split(answer)
        answer_coef[:] = coef
        if of_intercept.size:
            moved = (coef - here).ravel()
            answer_intercept[:] = intercept + self._intercepts.follow(
                moved, -pulled / self.factor
            )
        return answer, gain, left

    def _curvature_times(self, of_coef: NDArray) -> NDArray:
        return self.factor * (self._matrix @ of_coef.ravel()).reshape(self._shape)

    def _face(self, coef: NDArray, slope: NDArray) -> _Face:
        """Return the signs, the box they leave, and the coefficients free to move."""
        sign = np.where(coef != 0, np.sign(coef), -np.sign(slope))
        lower, upper = self._penalty.bounds_of_orthant(sign)
        downhill = -(slope + self._penalty.l2 * coef + self._penalty.l1 * sign)
        free = ~((coef <= lower) & (downhill <= 0) | (coef >= upper) & (downhill >= 0))
        return _Face(sign, lower, upper, free)

    def _newton_step(self, on_face: NDArray, free: NDArray) -> tuple[NDArray, float]:
        """Return the step to the minimum over the free coefficients, and its gain."""
        step = np.zeros(self._shape)
        moving = np.flatnonzero(free)
        if not len(moving):
            return step, 0.0
        matrix = self.factor * self._matrix[np.ix_(moving, moving)]
        l2 = np.broadcast_to(self._penalty.l2, self._shape)
        matrix[np.diag_indices_from(matrix)] += l2[free]
        root = root_of(matrix, ridge=0.0)
        u = solve_root_transposed(*root, -on_face[free])
        step[free] = solve_root(*root, u)
        return step, 0.5 * float(u @ u)

    def _released(
        self, coef: NDArray, on_face: NDArray, face: _Face, step: NDArray, left: float
    ) -> NDArray:
        """Return the step of coefficients that leave 0 or a bound on the right side.

        In the Newton step of all that are free some may go to the wrong side: they
        stay. Where that leaves less to gain than the best of them has by itself, it is
        the only one to leave.
        """
        _, lower, upper, free = face
        curvature = self.factor * self._matrix.diagonal().reshape(self._shape)
        curvature = curvature + self._penalty.l2
        # where all rows are certain, there is no curvature and no end to the gain
        alone = np.where(free & (on_face != 0), np.inf, 0.0)
        with np.errstate(over="ignore"):
            np.divide(
                on_face**2, 2 * curvature, out=alone, where=free & (curvature > 0)
            )
        best = np.unravel_index(np.argmax(alone), alone.shape)
        step, left = self._downhill(coef, on_face, face, step, left)
        if left < alone[best]:
            free[:] = (lower < coef) & (coef < upper)
            free[best] = True
            step, left = self._newton_step(on_face, free)
            step, _ = self._downhill(coef, on_face, face, step, left)
        return step

    def _downhill(
        self, coef: NDArray, on_face: NDArray, face: _Face, step: NDArray, left: float
    ) -> tuple[NDArray, float]:
        """Return the Newton step without those that would go to the wrong side."""
        _, lower, upper, free = face
        while True:
            wrong = (coef <= lower) & (step < 0) | (coef >= upper) & (step > 0)
            if not wrong.any():
                return step, left
            free &= ~wrong
            step, left = self._newton_step(on_face, free)

    def _along(
        self,
        coef: NDArray,
        step: NDArray,
        on_face: NDArray,
        lower: NDArray,
        upper: NDArray,
    ) -> tuple[NDArray, bool]:
        """Return the end of a good part of the step, and whether that is all of it."""
        there = coef + step
        crossing = (there < lower) | (there > upper)
        if not crossing.any():
            return there, True
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            room = np.where(there < lower, lower - coef, upper - coef) / step
        first = float(room[crossing].min())
        promised = -0.5 * float(np.vdot(on_face, step))
        for share in (*(share for share in STEP_SHARES if share > first), first):
            trial = np.clip(coef + share * step, lower, upper)
            # what arrives at 0 or at a bound is there exactly
            arrived = crossing & (room <= share)
            trial[arrived] = np.where(there < lower, lower, upper)[arrived]
            move = trial - coef
            turned = self._curvature_times(move) + self._penalty.l2 * move
            gain = -float(np.vdot(on_face, move)) - 0.5 * float(np.vdot(move, turned))
            if gain >= MODEL.accepted_share * share * promised:
                break
        return trial, False
