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


class Hidden(NamedTuple):
    """What there is along a direction that the curvature does not show.

    Attributes
    ----------
    room : float
        How many times to go along it, where F falls like a line.
    gain : float
        What F may fall by; inf where nobody can tell.
    """

    room: float
    gain: float


class Blind(NamedTuple):
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


def look_at_blind(
    objective: Objective,
    params: NDArray,
    left: NDArray,
    curvature: NDArray,
    negligible: float,
) -> Blind | None:
    """Return a step of the params without curvature, or None where none is worth it.

    Parameters
    ----------
    objective : Objective
    params, left : ndarray of shape (n_params,)
        ``left`` is the gradient of F there, 0 where a kink or a bound holds a param.
    curvature : ndarray of shape (n_params,)
        The diagonal of the Hessian of the mean loss.
    negligible : float
        A gain that is not worth a step.
    """
    curvature = curvature.copy()
    objective.split(curvature)[0][:] += objective.penalty.l2
    blind = curvature <= SATURATED * mean_squares(objective)
    along = np.where(blind, -left, 0.0)
    slope = float(along @ along)
    if slope == 0:
        return None
    room = room_along(objective, params, along)
    if room == np.inf or room * slope <= negligible:
        return None
    return Blind(blind, room * along, room * slope)


def look_along(
    objective: Objective,
    params: NDArray,
    along: NDArray,
    change: float,
    slope: float,
    curvature: float,
    enough: float,
) -> Hidden | None:
    """Return what a direction hides, or None where a quadratic model sees it.

    Parameters
    ----------
    objective : Objective
    params, along : ndarray of shape (n_params,)
    change : float
        The largest change of a logit, over the rows that are not certain.
    slope, curvature : float
        How steeply F falls along the direction, and the second derivative.
    enough : float
        What is of no account, in units of F.
    """
    rounding = rounding_of_change(objective, along)
    if change >= NOISE * rounding and curvature > 0:
        return None
    room = room_along(objective, params, along)
    if room == np.inf:
        # Neither data nor penalty see this direction, or rounding hides that they do:
        # then coefficients of ordinary size may gain something.
        spread = ordinary_change(objective, along)
        length = MAX_ORDINARY_CHANGE / spread if spread else 0.0
        gain = length * rounding * ordinary_slope(objective, params)
        return Hidden(0.0, np.inf if gain > enough else 0.0)
    if room * curvature < slope:
        return Hidden(room, room * slope)
    return None
