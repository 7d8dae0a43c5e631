"""Sample weights: their checks, their scaling by the largest, and sums by class."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .containers import check_numbers

# The number of rows that `class_sums` reads at once.
SUMMED_ROWS = 2**18


class WeightSums(NamedTuple):
    """Sums over the sample weights, without class weights.

    Attributes
    ----------
    of_classes : ndarray of shape (K,)
    total : float
        Exact for weights that count rows, also if targets are distributions.
    n_positive : int
        The number of rows with a positive weight.
    """

    of_classes: NDArray
    total: float
    n_positive: int


def weight_sums(
    targets: NDArray, sample_weight: ArrayLike | None, n_classes: int
) -> WeightSums:
    """Return the sums over the sample weights of rows; None means 1 for each row."""
    if sample_weight is None:
        n = len(targets)
        return WeightSums(class_sums(targets, None, n_classes), float(n), n)
    s = np.asarray(sample_weight, dtype=np.float64)
    of_classes = class_sums(targets, s, n_classes)
    return WeightSums(of_classes, float(s.sum()), int(np.count_nonzero(s)))


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


def class_sums(targets: NDArray, weights: NDArray | None, n_classes: int) -> NDArray:
    """Return the sum of the weights of each class, (K,), float64.

    Parameters
    ----------
    targets : ndarray of shape (n,) or (n, K)
        Class codes, or distributions, whose columns are summed.
    weights : ndarray of shape (n,) or None
        None means 1 for each row.
    n_classes : int
        K.
    """
    totals = np.zeros(n_classes)
    # NumPy converts codes to integers of 8 bytes: not those of all rows at once
    for start in range(0, len(targets), SUMMED_ROWS):
        some = slice(start, start + SUMMED_ROWS)
        y, s = targets[some], None if weights is None else weights[some]
        if y.ndim == 1:
            totals += np.bincount(y, s, n_classes)
        else:
            totals += y.sum(axis=0) if s is None else s @ y
    return totals
