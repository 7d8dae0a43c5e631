"""Units of information: nats, bits and other bases of the logarithm."""

import math
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

Value = float | NDArray[np.float64]


def convert_nats(nats: Any, base: float | None) -> Value:
    """Convert nats to units of log `base`.

    Parameters
    ----------
    nats : float or ndarray
        Entropies, losses or divergences in nats.
    base : float or None
        Base of the logarithm, above 1. None means e and leaves `nats` as they are.

    Returns
    -------
    float or ndarray
        A float for a number, else an array of the same shape.

    Raises
    ------
    ValueError
        If `base` is not a finite number above 1.
    """
    if base is not None:
        if not (isinstance(base, Real) and 1 < base < math.inf):
            raise ValueError(
                f"base is {base!r}; expected a finite number above 1: pass 2 for bits."
            )
        nats = nats / math.log(base)
    nats = nats + 0.0  # −0.0, the entropy of a certain outcome, becomes 0.0
    return nats if np.ndim(nats) else float(nats)


def unit_name(base: float | None) -> str:
    """Return the name of the unit that belongs to `base`, such as "bits"."""
    names = {None: "nats", math.e: "nats", 2: "bits", 10: "bans"}
    return names.get(base) or f"log{base:g} units"
