"""Targets: class labels, and distributions over the classes.

Labels keep their types: NumPy would turn ``["no", nan]`` into two strings and
``[-1, 2**63]`` into floats. A distribution is a row of probabilities that sum to 1.
"""

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .containers import check_numbers, reading

# The largest deviation from 1 of a sum of probabilities. A float32 softmax over
# thousands of classes passes; counts and logits do not.
SUM_TOLERANCE = 1e-5


def are_distributions(y: Any) -> bool:
    """Whether y is a table with a column for each class, not a list of labels."""
    shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    return len(shape) == 2 and shape[1] > 1


def label_array(labels: Any) -> NDArray:
    """Return labels as an array that keeps the type of each label."""
    array = np.asarray(labels)
    if array.dtype.kind == "T":
        # scikit-learn does not support NumPy's strings of variable length
        return array.astype(object)
    if not isinstance(labels, list | tuple) or array.ndim != 1:
        return array
    if array.dtype.kind in "US":
        text = str if array.dtype.kind == "U" else bytes
        changed = not all(isinstance(label, text) for label in labels)
    elif array.dtype.kind == "f":
        changed = all(isinstance(label, Integral) for label in labels)
    else:
        changed = False
    return np.array(labels, dtype=object) if changed else array


def check_labels(y: Any) -> Any:
    """Return labels as scikit-learn expects them: none missing, all of one kind.

    Parameters
    ----------
    y : array-like of shape (n,)
        As the user passed it. Input of other shapes is returned as it is, for
        scikit-learn to refuse.

    Returns
    -------
    ndarray
        Numbers have a numeric dtype, strings may have the dtype object.

    Raises
    ------
    ValueError
        If a label is missing, an integer is too large, or types are mixed.
    """
    if y is None or sparse.issparse(y):
        return y
    y = label_array(y)
    if y.ndim != 1 or y.dtype.kind not in "OmM":
        return y
    missing = np.isnat(y) if y.dtype.kind in "mM" else [_is_missing(a) for a in y]
    if np.any(missing):
        row = int(np.argmax(missing))
        raise ValueError(
            f"y holds {y[row]} in row {row}; expected a label for each row: drop the "
            "rows without one."
        )
    return _of_one_kind(y) if y.dtype.kind == "O" else y


def _is_missing(label: Any) -> bool:
    if label is None:
        return True
    try:
        return bool(label != label)
    except TypeError:
        return True  # pandas.NA: its comparisons have no truth value
    except ValueError:
        return False  # an array: not a label, but not missing either


def _of_one_kind(y: NDArray) -> NDArray:
    """Return an object array as numbers or strings; refuse a mixture."""
    if all(isinstance(label, Real | np.bool_) for label in y):
        numbers = np.array(y.tolist())
        whole = all(isinstance(label, Integral | np.bool_) for label in y)
        if whole and numbers.dtype.kind not in "biu":
            largest = max(y, key=abs)
            raise ValueError(
                f"y holds the integer {largest}; expected integers that fit in 64 "
                "bits, all in the same type: pass such labels as strings."
            )
        return numbers
    if not all(isinstance(label, str) for label in y) and not all(
        isinstance(label, bytes) for label in y
    ):
        kinds = sorted({type(label).__name__ for label in y})
        raise ValueError(
            f"y holds labels of the type {', '.join(kinds)}; expected all of them to "
            "be numbers, or all strings: convert them, as with [str(a) for a in y]."
        )
    return y


def check_distributions(y: Any) -> NDArray:
    """Return distributions as float64, divided by their sums unless these are 1.

    Parameters
    ----------
    y : array-like of shape (n, K)
        Non-negative rows that sum to 1 within `SUM_TOLERANCE`.

    Raises
    ------
    TypeError
        If an entry is not a number.
    ValueError
        If a row is not a distribution.
    """
    check_numbers(y, "y")
    with reading("y"):
        y = np.asarray(y, dtype=np.float64)
    totals = y.sum(axis=1)
    # written so that a row with NaN counts as bad
    bad = ~((y.min(axis=1) >= 0) & (np.abs(totals - 1) <= SUM_TOLERANCE))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"Row {row} of y sums to {totals[row]}, and its smallest entry is "
            f"{y[row].min()}; expected non-negative rows that sum to 1. Divide counts "
            "by their totals, and pass the totals as sample_weight."
        )
    rounding = y.shape[1] * np.finfo(np.float64).eps
    return y / totals[:, None] if np.any(np.abs(totals - 1) > rounding) else y


def align_distributions(y: Any, classes: Any) -> NDArray:
    """Return distributions with one column per class, in the order of ``classes``.

    The columns of a frame are matched by name.
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


def smooth_targets(targets: NDArray, n_classes: int, label_smoothing: float) -> NDArray:
    """Return (1 − ε) targets + ε / K as distributions, or the targets if ε = 0."""
    if label_smoothing == 0:
        return targets
    if targets.ndim == 1:
        targets = np.eye(n_classes)[targets]
    return (1 - label_smoothing) * targets + label_smoothing / n_classes
