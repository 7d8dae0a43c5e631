"""Checks of sample weights, and their scaling by the largest."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .containers import check_numbers


def relative_weights(
    sample_weight: ArrayLike | None, n: int
) -> tuple[NDArray | None, float, float]:
    """Return scaled sample weights, the factor of a mean with them, and Σ s.

    Parameters
    ----------
    sample_weight : array-like of shape (n,) or None
        Sample weights s; None means 1 for each row.
    n : int
        The number of rows.

    Returns
    -------
    relative : ndarray of shape (n,) or None
        s / max s; None if all weights are equal.
    mean_factor : float
        1 / Σ relative, or 1 / n.
    weight_sum : float
        Σ s.

    Raises
    ------
    ValueError
        If the shape is wrong, a weight is negative, or the sum is not positive and
        finite.
    """
    if sample_weight is None:
        return None, 1 / n, float(n)
    check_numbers(sample_weight, "sample_weight")
    s = np.asarray(sample_weight, dtype=np.float64)
    if s.shape != (n,):
        raise ValueError(
            f"sample_weight has shape {s.shape}; expected ({n},), one for each row."
        )
    with np.errstate(over="ignore"):
        weight_sum = float(s.sum())
    if not (np.isfinite(weight_sum) and weight_sum > 0 and s.min() >= 0):
        raise ValueError(
            f"sample_weight has minimum {s.min()!r} and sum {weight_sum!r}; expected "
            "finite non-negative weights with a positive, finite sum."
        )
    if s.min() == s.max():
        return None, 1 / n, weight_sum
    # relative weights overflow neither in sums nor in float32
    s = s / s.max()
    return s, 1 / float(s.sum()), weight_sum
