"""The optimum F* of a random problem: Newton's method in long double.

Each step minimises the quadratic model with kinks and bounds, then searches the line.
The logistic loss saturates: where all rows are certain the model promises next to
nothing, however far away the optimum is. So a step that changes a logit by more than
about 1 is also tried at 2, 4, 8, … times its length, for as long as F falls.

Values and slopes are in long double throughout. Hessians are in double first, which is
fast, and in long double at the end. The method starts twice, at the answer to be judged
and at 0, and what counts is the lower end. The model proves an end where it promises
next to nothing, by a step that changes no logit by more than ½. What is not proved is
still an upper bound of F*, once it is raised by what rounding may have taken from it.
"""

from typing import NamedTuple

import numpy as np
from _stress_objective import Objective
from _stress_quadratic import minimise_model

MAX_STEPS = {np.float64: 80, np.longdouble: 25}
COOLING_STEPS = 10
# Of F: where the search stops, and what has been reached where it proves itself.
STOP, PROOF = 1e-18, 1e-14
# Change of a logit within which a quadratic model of the loss may be trusted.
TRUSTED = 0.5
# F below which the classes are separable, and the infimum is 0.
NOTHING = 1e-30


class Optimum(NamedTuple):
    """The least F found, how far it may still be from F*, and whether that is proved.

    ``proved`` is also true where F comes so near to 0 that 0 is the infimum.
    ``rounding`` is by how much F may be larger than ``value``.
    """

    value: np.longdouble
    decrement: np.longdouble
    proved: bool
    theta: np.ndarray
    rounding: np.longdouble


def find_optimum(problem, coef, intercept):
    """Return the optimum of a problem.

    Parameters
    ----------
    problem : Problem
    coef : ndarray of shape (L, d)
    intercept : ndarray of shape (L,)
        A model, from which the first search starts.

    Returns
    -------
    best : Optimum
        The lower end of the two searches, rounding included.
    at_start : float
        F of the model, in long double.
    ends : list of Optimum
        Both ends.
    rounded : float
        F of the optimum whose coefficients are rounded to float64.
    """
    objective = Objective(problem, near=(coef, intercept))
    theta = objective.unknowns(coef, intercept)
    at_start = objective.value(theta)
    feasible = np.clip(theta, objective.lower, objective.upper)
    ends = [search(objective, feasible)]
    models = [objective.model(ends[0].theta)]
    other = Objective(problem)
    ends.append(search(other, _cooled(other, other.start())))
    models.append(other.model(ends[1].theta))
    best = min(ends, key=lambda end: (end.value + end.rounding, not end.proved))
    best = best._replace(value=best.value + best.rounding)
    # two ends that agree are each as good as the better proof
    for end in ends:
        if end.proved and end.value <= best.value * (1 + PROOF):
            best = best._replace(proved=True)
    rounded = min(objective.value(objective.unknowns(*model)) for model in models)
    return best, at_start, ends, rounded


def search(objective, theta):
    """Return where Newton's method ends that starts at ``theta``."""
    for dtype in MAX_STEPS:
        end = _newton(objective, theta, dtype)
        theta = end.theta
    return end


def _cooled(objective, theta):
    """Return a start for rows that are certain of their class before the first step.

    There is no curvature where offsets are of hundreds of logits. At a temperature of
    that size there is.
    """
    hottest = abs(objective.logits(theta)).max()
    while hottest > 1:
        objective.temperature = hottest
        theta = _newton(objective, theta, np.float64, max_steps=COOLING_STEPS).theta
        hottest /= 4
    objective.temperature = np.longdouble(1)
    return theta


def _newton(objective, theta, dtype, max_steps=None):
    theta = objective.settled(theta)
    now = objective.evaluate(theta)
    decrement, proved, slow = np.longdouble(np.inf), False, 0
    for _ in range(max_steps or MAX_STEPS[dtype]):
        if now.value <= NOTHING:
            return Optimum(now.value, now.value, True, theta, objective.rounding(theta))
        target, decrement = _model_minimum(objective, theta, now, dtype)
        step = target - theta
        change = abs(objective.Z @ step.T).max(initial=0)
        proved = bool(decrement <= PROOF * now.value and change <= TRUSTED)
        if decrement <= STOP * now.value and change <= TRUSTED:
            break
        length, value = _search_line(objective, theta, target, now, decrement, change)
        if not value < now.value:
            break
        # rounding may let the last digits of F fall without end
        slow = slow + 1 if now.value - value <= 1e-17 * now.value else 0
        theta = target if length == 1 else _between(objective, theta, step, length)
        theta = objective.settled(theta)
        now = objective.evaluate(theta)
        if slow == 3:
            break
    return Optimum(now.value, decrement, proved, theta, objective.rounding(theta))


def _model_minimum(objective, theta, now, dtype):
    """Return the θ that minimises the model, and what it gains."""
    shape = theta.shape
    parts = [theta, objective.l1, objective.lower, objective.upper]
    x, l1, lower, upper = (part.astype(dtype).ravel() for part in parts)
    H = objective.hessian(now, dtype)
    t, value = minimise_model(
        H, now.gradient.astype(dtype).ravel(), x, l1, lower, upper
    )
    target = theta + (t - x).reshape(shape)
    # exact at kinks and bounds
    landed = (t == 0) | (t == lower) | (t == upper)
    target.ravel()[landed] = np.where(
        t == 0,
        0,
        np.where(t == lower, objective.lower.ravel(), objective.upper.ravel()),
    )[landed]
    return np.clip(target, objective.lower, objective.upper), np.longdouble(-value)


def _search_line(objective, theta, target, now, decrement, change):
    """Return a length at which F is lower, and F there."""
    step = target - theta

    def value_at(length):
        at = target if length == 1 else _between(objective, theta, step, length)
        return objective.value(at)

    length, value = np.longdouble(1), value_at(1)
    if value < now.value:
        # where the model may be trusted it has found the length
        while change > TRUSTED and length < 2.0**200:
            further = value_at(2 * length)
            if not further < value:
                break
            length, value = 2 * length, further
        return length, value
    while not value < now.value - 1e-4 * length * decrement and length > 1e-12:
        length /= 2
        value = value_at(length)
    return length, value


def _between(objective, theta, step, length):
    return np.clip(theta + length * step, objective.lower, objective.upper)
