"""Directions whose curvature is hidden: by rows that are certain, or by rounding.

Where p (1 − p) is 0 to all digits, F falls along a line, and no quadratic model tells
how far. Where columns are collinear but for their last digits, rounding may be all that
is left of a direction.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.losses import SATURATED
from ..model.objective import Objective
from ..model.rounding import (
    NOISE,
    mean_squares,
    ordinary_change,
    ordinary_slope,
    room_along,
    rounding_of_change,
)

# Coefficients that change logits by this much are not absurd where columns are nearly
# collinear. Beyond that size a direction without visible curvature is not searched.
MAX_ORDINARY_CHANGE = 1e6


class UnseenGain(NamedTuple):
    """What there is along a direction that the curvature does not show.

    Attributes
    ----------
    step_length : float
        How many times to go along it, where F falls like a line.
    gain : float
        What F may fall by; inf where nobody can tell.
    """

    step_length: float
    gain: float


class SaturatedStep(NamedTuple):
    """A step of the params that have no curvature at all.

    Attributes
    ----------
    params : ndarray of shape (n_params,), bool
        Which these are.
    step : ndarray of shape (n_params,)
        As far as F falls like a line; 0 for all others.
    gain : float
        What F may fall by.
    """

    params: NDArray
    step: NDArray
    gain: float


def step_of_saturated_params(
    objective: Objective,
    params: NDArray,
    remaining_gradient: NDArray,
    curvature: NDArray,
    negligible: float,
) -> SaturatedStep | None:
    """Return a step of the params without curvature, or None where none is worth it.

    Parameters
    ----------
    objective : Objective
    params, remaining_gradient : ndarray of shape (n_params,)
        ``left`` is the gradient of F there, 0 where a kink or a bound holds a param.
    curvature : ndarray of shape (n_params,)
        The diagonal of the Hessian of the mean loss.
    negligible : float
        A gain that is not worth a step.
    """
    curvature = curvature.copy()
    objective.split(curvature)[0][:] += objective.penalty.l2
    saturated = curvature <= SATURATED * mean_squares(objective)
    direction = np.where(saturated, -remaining_gradient, 0.0)
    slope = float(direction @ direction)
    if slope == 0:
        return None
    step_length = room_along(objective, params, direction)
    if step_length == np.inf or step_length * slope <= negligible:
        return None
    return SaturatedStep(saturated, step_length * direction, step_length * slope)


def inspect_direction(
    objective: Objective,
    params: NDArray,
    direction: NDArray,
    logit_change: float,
    slope: float,
    curvature: float,
    tolerance: float,
) -> UnseenGain | None:
    """Return what a direction hides, or None where a quadratic model sees it.

    Parameters
    ----------
    objective : Objective
    params, direction : ndarray of shape (n_params,)
    logit_change : float
        The largest change of a logit, over the rows that are not certain.
    slope, curvature : float
        How steeply F falls along the direction, and the second derivative.
    tolerance : float
        What is of no account, in units of F.
    """
    rounding = rounding_of_change(objective, direction)
    if logit_change >= NOISE * rounding and curvature > 0:
        return None
    step_length = room_along(objective, params, direction)
    if step_length == np.inf:
        # Neither data nor penalty see this direction, or rounding hides that they do:
        # then coefficients of ordinary size may gain something.
        spread = ordinary_change(objective, direction)
        length = MAX_ORDINARY_CHANGE / spread if spread else 0.0
        gain = length * rounding * ordinary_slope(objective, params)
        return UnseenGain(0.0, np.inf if gain > tolerance else 0.0)
    if step_length * curvature < slope:
        return UnseenGain(step_length, step_length * slope)
    return None
