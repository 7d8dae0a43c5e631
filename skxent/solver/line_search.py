"""The minimum of F along a step, found by the sign of its slope.

F is convex: its minimum along a step is where its slope changes sign. The slope keeps
its digits where differences of F are rounding. Far along the step, saturated rows
respond again, and F turns upwards within a tiny share of the step. Bisection finds that
point.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from ..model.problem import Evaluation
from ..model.rounding import NOISE, rounding_of_slope
from .vanishing_curvature import slope_of_penalty

# A trial has to lower F by this share of what the slope promises (Armijo's rule).
ARMIJO_SHARE = 1e-4
# Bisection halves the bracket: this many trials exhaust the 53 digits of a float64.
MAX_TRIALS = 60
# With kinks, a bracket beyond the end of a step is narrowed to this share of it.
NARROW = 0.2
# Differences of F below this share of it are rounding. The slope tells what they hide.
RESOLUTION = 1e-14


@dataclass(frozen=True)
class SlopeTolerances:
    """When a trial of the line search is accepted.

    Slopes are relative to the slope at the start.

    Attributes
    ----------
    flat : float
        A slope of at most this size ends the search, unless the caller chooses.
    last_trial : float
        The last trial is accepted if the slope has fallen to this.
    allowed_increase : float
        The factor by which rounding may raise F although its slope is negative.
    """

    flat: float = 0.1
    last_trial: float = 0.5
    allowed_increase: float = 1 + 1e-8


SLOPES = SlopeTolerances()


def follow(
    objective: Objective,
    params: NDArray,
    evaluation: Evaluation,
    step: NDArray,
    max_trials: int = MAX_TRIALS,
    flat: float = SLOPES.flat,
) -> tuple[NDArray, Evaluation] | None:
    """Return a point near the minimum of F along a step, or None if F does not fall.

    Parameters
    ----------
    objective : Objective
    params : ndarray of shape (n_params,)
    evaluation : Evaluation
        F and its gradient at ``params``.
    step : ndarray of shape (n_params,)
        Its end is tried first.
    max_trials : int, default=MAX_TRIALS
        The largest number of evaluations. 1 returns the end of the step, or None.
    flat : float, default=SLOPES.flat
        A slope of at most this size, relative to that at the start, ends the search.

    Returns
    -------
    params : ndarray of shape (n_params,)
        The point near the minimum.
    evaluation : Evaluation
        F and its gradient at ``params``.
    """
    initial_slope = float(evaluation.gradient @ step)
    if not initial_slope < 0:
        return None

    def evaluate_at(length: float) -> tuple[tuple[NDArray, Evaluation], float]:
        """Return the point and its evaluation, and the relative slope there."""
        trial_params = params + length * step
        at_trial = objective.evaluate(trial_params)
        relative_slope = float(at_trial.gradient @ step) / -initial_slope
        return (trial_params, at_trial), relative_slope

    # the bracket of the minimum, and the longest trial where F still falls
    lower, upper, length = 0.0, np.inf, 1.0
    trial, falling = None, None
    for _ in range(max_trials):
        trial, slope = evaluate_at(length)
        if not trial[1].value <= SLOPES.allowed_increase * evaluation.value:
            slope = np.inf
        if slope <= 0:
            lower, falling = length, trial
        else:
            upper = length
        if slope > flat:
            length = (lower + upper) / 2
        elif slope < -flat and upper == np.inf:
            length *= 2
        elif slope < -flat and upper > (1 + flat) * lower:
            length = (lower + upper) / 2
        else:
            return trial
    return trial if slope <= SLOPES.last_trial else falling


def follow_within(
    objective: Objective,
    params: NDArray,
    evaluation: Evaluation,
    step: NDArray,
    max_trials: int = MAX_TRIALS,
) -> tuple[NDArray, Evaluation] | None:
    """Return a lower point along a step with kinks and bounds, or None.

    A coefficient that would leave its orthant or its bounds stops there. Parameters and
    returned values are those of `follow`.
    """
    start, _ = objective.split(params)

    def evaluate_at(length: float) -> tuple[NDArray, Evaluation]:
        trial_params = params + length * step
        coef, intercept = objective.split(trial_params)
        coef[:] = objective.penalty.clipped(coef, start)
        if objective.loss.ignores_common_shift:
            coef[:] = objective.penalty.balanced(coef)
            # a step of one saturated class moves all by its mean, without limit
            intercept -= intercept.mean() if intercept.size else 0
        return trial_params, objective.evaluate(trial_params)

    initial_slope = float(
        objective.gradient_of_loss(params, evaluation.gradient) @ step
    ) + slope_of_penalty(objective, params, np.zeros_like(params), step)

    def slope_at(trial: tuple[NDArray, Evaluation], length: float) -> float:
        """Return the slope at a trial relative to the initial one, 0 for rounding."""
        trial_params, at_trial = trial
        direction = step.copy()
        of_coef, _ = objective.split(direction)
        end = start + length * of_coef
        of_coef[objective.penalty.clipped(end, start) != end] = 0
        slope = float(at_trial.gradient @ direction)
        noise = NOISE * rounding_of_slope(objective, trial_params, direction)
        return slope / abs(initial_slope) if abs(slope) > noise else 0.0

    def is_hidden(value: float) -> bool:
        """Whether rounding hides how F has changed."""
        change = abs(value - evaluation.value)
        return initial_slope < 0 and change <= RESOLUTION * evaluation.value

    length, lower, upper, best, is_flat = 1.0, 0.0, np.inf, None, False
    for _ in range(max_trials):
        trial = evaluate_at(length)
        value = trial[1].value
        if max_trials > 1 and is_hidden(value):
            slope = slope_at(trial, length)
            if slope <= SLOPES.flat:
                best, lower, is_flat = trial, length, slope >= -SLOPES.flat
            else:
                upper = length
            # a slope that fades as rows saturate may still lead far
            if 0 <= slope <= SLOPES.flat or (is_flat and upper < np.inf):
                break
        elif best is None and not value <= evaluation.value:
            upper = length
        elif best is None or value < best[1].value:
            best, lower = trial, length
        elif upper == np.inf and value <= evaluation.value:
            # not far from the minimum
            break
        else:
            upper = length
        if best is not None and (length < 1 or upper <= (1 + NARROW) * lower):
            break
        length = 2 * lower if upper == np.inf else (lower + upper) / 2
    return best
