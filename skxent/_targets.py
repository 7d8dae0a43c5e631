"""Targets that are distributions over classes: rows of probabilities that sum to 1."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# How far from 1 the sum of probabilities may be: wide enough for a softmax in float32
# over thousands of classes, narrow enough that counts and logits do not pass.
SUM_TOLERANCE = 1e-5


def are_distributions(y) -> bool:
    """Whether y has a column for each class instead of a label for each row."""
    shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    return len(shape) == 2 and shape[1] > 1


def check_distributions(y: Any) -> NDArray:
    """Return rows that sum to 1, to the last digits, as float64.

    Parameters
    ----------
    y : array-like of shape (n, K)
        Non-negative rows that sum to 1 within `SUM_TOLERANCE`.

    Raises
    ------
    ValueError
        If a row is no distribution.
    """
    y = np.asarray(y, dtype=np.float64)
    totals = y.sum(axis=1)
    # written so that NaN, too, counts as bad
    bad = ~((y.min(axis=1) >= 0) & (np.abs(totals - 1) <= SUM_TOLERANCE))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"Row {row} of y sums to {totals[row]}, with {y[row].min()} for its "
            "smallest entry; expected non-negative rows that sum to 1. Divide counts "
            "by their totals, and pass the totals as sample_weight."
        )
    rounding = y.shape[1] * np.finfo(np.float64).eps
    return y / totals[:, None] if np.any(np.abs(totals - 1) > rounding) else y


def align_distributions(y, classes) -> NDArray:
    """Return distributions with a column for each of ``classes``, in their order.

    The columns of a frame are found by name.
    """
    classes = list(classes)
    columns = list(getattr(y, "columns", classes))
    targets = check_distributions(y)
    if targets.shape[1] != len(classes) or set(columns) != set(classes):
        raise ValueError(
            f"y has {targets.shape[1]} columns, {columns[:10]}; expected one for each "
            f"of the classes {classes[:10]}."
        )
    return targets[:, [columns.index(label) for label in classes]]
