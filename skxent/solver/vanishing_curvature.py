"""Directions without visible curvature: in saturated rows, or below rounding.

If p (1 − p) vanishes in all rows that a step moves, F falls linearly, and no quadratic
model can predict how far. If columns are collinear up to their last digits, the logits
along their difference may consist of rounding only.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.curvature import HessianProduct, hessian_times
from ..model.exact_change import exact_change, slope_of_loss
from ..model.losses import SATURATED
from ..model.objective import Objective
from ..model.rounding import (
    NOISE,
    mean_squares,
    ordinary_change,
    room_along,
    rounding_of_change,
    rounding_of_slope,
)

# Coefficients that change logits by this much are not absurd where columns are nearly
# collinear. Beyond that size a direction without visible curvature is not searched.
MAX_ORDINARY_CHANGE = 1e6


class Look(NamedTuple):
    """What F does along a direction.

    Attributes
    ----------
    slope : float
        The rate at which F falls; negative if it rises.
    length : float
        The multiple of the direction that lowers F most. A direction that float64
        hardly sees is followed as far as ordinary coefficients go.
    gain : float
        The decrease of F by that step.
    product : HessianProduct
        The Hessian of the mean loss times the direction.
    is_linear : bool
        Whether F falls linearly, because all rows that the step moves are saturated.
    is_close : bool
        Whether products in float64 would not do.
    gain_of_model : float
        The decrease if no saturated row responded on the way. Such a row ends a step
        that falls linearly, but others may follow.
    """

    slope: float
    length: float
    gain: float
    product: HessianProduct
    is_linear: bool = False
    is_close: bool = False
    gain_of_model: float = 0.0


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


def first_look(slope: float, curvature: float, product: HessianProduct) -> Look:
    """Return what F does along a direction, from products in float64.

    Parameters
    ----------
    slope, curvature : float
        The rate at which F falls along the direction, and its second derivative.
    product : HessianProduct
        The Hessian of the mean loss times the direction.
    """
    length = slope / curvature
    return Look(slope, length, 0.5 * length * slope, product)


def closer_look(
    objective: Objective,
    params: NDArray,
    step: NDArray,
    direction: NDArray,
    slope: float,
    product: HessianProduct,
) -> Look:
    """Return what F does along a direction, with as many digits as it takes.

    Parameters
    ----------
    objective : Objective
    params, step, direction : ndarray of shape (n_params,)
        The direction begins where the step from the params ends. The step changes the
        gradient to first order.
    slope, product
        As for `first_look`.
    """
    of_coef, _ = objective.split(direction)
    penalty_curvature = objective.penalty.curvature(of_coef)
    curvature = product.curvature + penalty_curvature
    noise = NOISE * rounding_of_change(objective, direction)
    is_visible = product.largest_change >= noise and curvature > 0
    if is_visible and slope >= NOISE * rounding_of_slope(objective, params, direction):
        return first_look(slope, curvature, product)
    change = exact_change(objective, direction)
    product = hessian_times(objective, params, direction, change)
    curvature = product.curvature + penalty_curvature
    of_loss = slope_of_loss(objective, params, step, change)
    for sign in (1, -1):
        # rounding may have turned the direction around
        slope = -sign * of_loss
        slope -= slope_of_penalty(objective, params, step, sign * direction)
        if slope > 0:
            break
    else:
        return Look(slope, 0.0, 0.0, product, is_close=True)
    room = np.inf if is_visible else room_along(objective, params, direction)
    is_linear = curvature == 0 or room * curvature < slope
    spread = ordinary_change(objective, params, direction)
    length = MAX_ORDINARY_CHANGE / spread if spread else 0.0
    if length * curvature > slope:
        length = slope / curvature
    gain_of_model = length * slope - 0.5 * length**2 * curvature
    gain = gain_of_model
    if is_linear:
        length = min(length, room)
        gain = length * slope
    return Look(
        sign * slope,
        sign * length,
        gain,
        product,
        is_linear,
        is_close=True,
        gain_of_model=gain_of_model,
    )


def slope_of_penalty(
    objective: Objective, params: NDArray, step: NDArray, direction: NDArray
) -> float:
    """Return the derivative of the penalty along a direction, after a step."""
    coef, _ = objective.split(params)
    end, _ = objective.split(params + step)
    of_coef, _ = objective.split(direction)
    sign = np.where(coef != 0, np.sign(coef), np.sign(of_coef))
    gradient = np.zeros_like(coef)
    objective.penalty.on_orthant(sign).add_gradient(end, out=gradient)
    return float(np.vdot(gradient, of_coef))
