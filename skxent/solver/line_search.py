"""The minimum of F along a step, found by the sign of its slope.

F is convex: its minimum along a step is where its slope changes sign. The slope keeps
its digits where differences of F are rounding. Far along the step, saturated rows
respond again, and F turns upwards within a tiny share of the step. Bisection finds that
point. As the share may be of any order of magnitude, it bisects the logarithm of the
length until the order is known.
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
# Ends of a bracket with a larger ratio differ in their order of magnitude. Without a
# lower end, the next length is the upper end divided by twice this.
LARGE_RATIO = 4.0
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


class Bracket:
    """The lengths between which the minimum of F along a step is known to be.

    Parameters
    ----------
    value : float
        F at the start of the step.

    Attributes
    ----------
    lower, upper : float
        F falls at ``lower`` and rises at ``upper``; 0 and inf if no trial says so.
    """

    def __init__(self, value: float):
        self.value = value
        self.lower, self.upper = 0.0, np.inf

    def narrow(self, length: float, value: float, slope: float) -> bool:
        """Take a trial, F and its slope there; return whether F still falls."""
        falls = slope <= 0 and value <= SLOPES.allowed_increase * self.value
        if falls:
            self.lower = max(self.lower, length)
        else:
            self.upper = min(self.upper, length)
        return falls

    def next_length(self) -> float:
        """Return the length to try next: 1 if nothing is known."""
        lower, upper = self.lower, self.upper
        if upper == np.inf:
            return 2 * lower or 1.0
        if lower == 0:
            return upper / (2 * LARGE_RATIO)
        if upper > LARGE_RATIO * lower:
            return float(np.sqrt(lower * upper))
        return (lower + upper) / 2

    def scaled(self, factor: float) -> "Bracket":
        """Return the bracket in another unit, 1 / factor of this one."""
        other = Bracket(self.value)
        other.lower, other.upper = self.lower * factor, self.upper * factor
        return other


def follow(
    objective: Objective,
    params: NDArray,
    evaluation: Evaluation,
    step: NDArray,
    max_trials: int = MAX_TRIALS,
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

    Returns
    -------
    params : ndarray of shape (n_params,)
        The point near the minimum.
    evaluation : Evaluation
        F and its gradient at ``params``.
    """
    slope = float(evaluation.gradient @ step)
    bracket = Bracket(evaluation.value)
    return bisect(objective, params, slope, step, bracket, max_trials)


def bisect(
    objective: Objective,
    params: NDArray,
    slope: float,
    step: NDArray,
    bracket: Bracket,
    max_trials: int = MAX_TRIALS,
    flat: float = SLOPES.flat,
) -> tuple[NDArray, Evaluation] | None:
    """Return what `follow` does, from a bracket that earlier trials have narrowed.

    Parameters
    ----------
    objective, params, step, max_trials
        As for `follow`.
    slope : float
        That of F along the step at ``params``.
    bracket : Bracket
        In units of the step. It is narrowed further.
    flat : float, default=SLOPES.flat
        A slope of at most this size, relative to that at the start, ends the search.
    """
    if not slope < 0:
        return None
    falling = None
    for _ in range(max_trials):
        length = bracket.next_length()
        end = params + length * step
        trial = end, objective.evaluate(end)
        relative_slope = float(trial[1].gradient @ step) / -slope
        falls = bracket.narrow(length, trial[1].value, relative_slope)
        if falls:
            # the longest of all that fall
            falling = trial
        elif not trial[1].value <= SLOPES.allowed_increase * bracket.value:
            continue
        is_narrow = falls and bracket.upper <= (1 + SLOPES.flat) * length
        if is_narrow or abs(relative_slope) <= flat:
            return trial
    if not falls and relative_slope <= SLOPES.last_trial:
        return trial
    return falling


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
