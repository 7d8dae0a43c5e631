"""The minimum of F along a step, found by the sign of its slope.

F is convex: its minimum along a step is where its slope changes sign. The slope keeps
its digits where differences of F are rounding. Saturated rows far away are walls: F
turns within a tiny part of the step, and bisection finds it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from ..model.problem import Evaluation

# Saturated rows far away need about so many bisections, one for each binary digit.
MAX_TRIALS = 60


@dataclass(frozen=True)
class SlopeTolerances:
    """When a trial of the line search is accepted.

    Slopes are relative to the slope at the start.

    Attributes
    ----------
    flat : float
        A slope of at most this size ends the search.
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
) -> tuple[NDArray, Evaluation] | None:
    """Return about the lowest point along a step, or None if F does not fall.

    Parameters
    ----------
    objective : Objective
    params : ndarray of shape (n_params,)
    evaluation : Evaluation
        The objective there.
    step : ndarray of shape (n_params,)
        Where to go from there; the end is tried first.
    max_trials : int, default=MAX_TRIALS
        1 takes the end of the step, or nothing.

    Returns
    -------
    params : ndarray of shape (n_params,)
        About the lowest point along the step.
    evaluation : Evaluation
        The objective there.
    """
    start = float(evaluation.gradient @ step)
    if not start < 0:
        return None

    def go(length: float) -> tuple[tuple[NDArray, Evaluation], float]:
        there = params + length * step
        now = objective.evaluate(there)
        return (there, now), float(now.gradient @ step) / -start

    shortest, longest, length = 0.0, np.inf, 1.0
    end, best = None, None
    for _ in range(max_trials):
        end, slope = go(length)
        if not end[1].value <= SLOPES.allowed_increase * evaluation.value:
            slope = np.inf
        if slope <= 0:
            shortest, best = length, end
        else:
            longest = length
        if slope > SLOPES.flat:
            length = (shortest + longest) / 2
        elif slope < -SLOPES.flat and longest == np.inf:
            length *= 2
        elif slope < -SLOPES.flat and longest > (1 + SLOPES.flat) * shortest:
            length = (shortest + longest) / 2
        else:
            return end
    return end if slope <= SLOPES.last_trial else best


def follow_within(
    objective: Objective,
    params: NDArray,
    evaluation: Evaluation,
    step: NDArray,
    max_trials: int = MAX_TRIALS,
) -> tuple[NDArray, Evaluation] | None:
    """Return a lower point along a step with kinks and bounds, or None.

    What leaves its orthant or its bounds ends there. Takes and returns what `follow`
    does.
    """
    start, _ = objective.split(params)

    def go(length: float) -> tuple[NDArray, Evaluation]:
        there = params + length * step
        coef, _ = objective.split(there)
        coef[:] = objective.penalty.clipped(coef, start)
        if objective.loss.ignores_common_shift:
            coef[:] = objective.penalty.balanced(coef)
        return there, objective.evaluate(there)

    length, best = 1.0, None
    for _ in range(max_trials):
        end = go(length)
        if best is None and not end[1].value <= evaluation.value:
            length /= 2
        elif best is None or end[1].value < best[1].value:
            best = end
            if length < 1:
                break
            length *= 2
        else:
            break
    return best
