"""Directions without visible curvature: in saturated rows, or below rounding.

If p (1 − p) vanishes in all rows that a step moves, F falls linearly, and no quadratic
model can predict how far. If columns are collinear up to their last digits, the logits
along their difference may consist of rounding only.
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
    """The gain along a direction that a quadratic model does not see.

    Attributes
    ----------
    step_length : float
        The multiple of the direction along which F falls linearly, or 0.
    gain : float
        The possible decrease of F; inf if it is unknown.
    """

    step_length: float
    gain: float


class SaturatedStep(NamedTuple):
    """A step of the params without any curvature.

    Attributes
    ----------
    params : ndarray of shape (n_params,), bool
        Which params have no curvature.
    step : ndarray of shape (n_params,)
        As long as F falls linearly; 0 for all other params.
    gain : float
        The possible decrease of F.
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
    """Return a step of the params without curvature, or None if its gain is small.

    Parameters
    ----------
    objective : Objective
    params, remaining_gradient : ndarray of shape (n_params,)
        The gradient is that of F at ``params``, 0 where a kink or a bound holds.
    curvature : ndarray of shape (n_params,)
        The diagonal of the Hessian of the mean loss.
    negligible : float
        A gain up to this does not justify a step.
    """
    curvature = curvature.copy()
    of_coef, _ = objective.split(curvature)
    # the Hessian of the penalty is diagonal
    objective.penalty.add_curvature(np.ones_like(of_coef), out=of_coef)
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
    """Return the unseen gain along a direction, or None if a model sees all of it.

    Parameters
    ----------
    objective : Objective
    params, direction : ndarray of shape (n_params,)
    logit_change : float
        The largest change of a logit, over rows that are not saturated.
    slope, curvature : float
        The rate at which F falls along the direction, and its second derivative.
    tolerance : float
        A gain below this does not matter, in units of F.
    """
    rounding = rounding_of_change(objective, direction)
    if logit_change >= NOISE * rounding and curvature > 0:
        return None
    step_length = room_along(objective, params, direction)
    if step_length == np.inf:
        # Data and penalty do not respond to this direction, or rounding hides that they
        # do. Then coefficients of ordinary size may lower F unseen.
        spread = ordinary_change(objective, direction)
        length = MAX_ORDINARY_CHANGE / spread if spread else 0.0
        gain = length * rounding * ordinary_slope(objective, params)
        return UnseenGain(0.0, np.inf if gain > tolerance else 0.0)
    if step_length * curvature < slope:
        return UnseenGain(step_length, step_length * slope)
    return None
