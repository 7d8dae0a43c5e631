"""Directions whose curvature is hidden: by rows that are certain, or by rounding.

Where p (1 − p) is 0 to all digits, F falls along a line, and no quadratic model tells
how far. Where columns are collinear but for their last digits, rounding may be all that
is left of a direction.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._objective import CrossEntropyObjective
from ._rounding import (
    NOISE,
    ordinary_change,
    ordinary_slope,
    room_along,
    rounding_of_change,
)

# The size of coefficients, in units of the spread of the columns, that are not absurd.
ORDINARY = 1e6


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


def look_along(
    objective: CrossEntropyObjective,
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
    objective : CrossEntropyObjective
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
        length = ORDINARY / spread if spread else 0.0
        gain = length * rounding * ordinary_slope(objective, params)
        return Hidden(0.0, np.inf if gain > enough else 0.0)
    if room * curvature < slope:
        return Hidden(room, room * slope)
    return None
