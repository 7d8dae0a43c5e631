"""Labels, classes and weights, aligned: a class code and a weight for each row."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.containers import check_container, check_numbers
from ..data.targets import label_array
from .messages import format_labels


def label_list(labels: Any, name: str) -> list[Any]:
    """Return labels as a list of Python objects.

    Parameters
    ----------
    labels : array-like of shape (n,) or (n, 1)
        Labels of rows, or of classes.
    name : str
        The name of the argument in error messages.

    Raises
    ------
    TypeError
        If `labels` is a Dask collection.
    ValueError
        If labels are masked, there are none, or a row has several.
    """
    check_container(labels, name)
    array = label_array(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"{name} has shape {array.shape}, expected (n,) with n >= 1: one label per "
            "row. Targets with several outputs or several labels per row are not "
            "supported; score them one by one."
        )
    as_list: list[Any] = array.tolist()
    return as_list


def row_shares(
    sample_weight: ArrayLike | None, n_rows: int
) -> NDArray[np.floating[Any]]:
    """Divide weights by their sum: a sum over rows with these shares is a mean.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,) or None
        Non-negative weights. None weights all rows equally.
    n_rows : int
        The number of rows.

    Returns
    -------
    ndarray of shape (n_rows,)
        Shares that sum to 1.

    Raises
    ------
    TypeError, ValueError
        If the weights are not one number for each row, finite and non-negative, with
        a positive sum.
    """
    if sample_weight is None:
        return np.full(n_rows, 1.0 / n_rows)
    check_numbers(sample_weight, "sample_weight")
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n_rows,):
        raise ValueError(
            f"sample_weight has shape {weights.shape}, expected ({n_rows},): one "
            "weight per row."
        )
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if bad.size:
        raise ValueError(
            f"sample_weight has {weights[bad[0]]} in row {bad[0]}, expected finite "
            "numbers >= 0. Give rows that should not count the weight 0."
        )
    largest = weights.max()
    if largest == 0:
        raise ValueError(
            "sample_weight sums to 0, expected a positive sum: at least one row has to "
            "count."
        )
    # The sum of huge weights would overflow.
    scaled = weights / largest
    shares: NDArray[np.floating[Any]] = scaled / scaled.sum()
    return shares


def class_codes(
    labels: list[Any], classes: list[Any], shares: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.intp], list[Any]]:
    """Find the column of each label.

    A dict compares labels by value, whatever their dtypes. NumPy would convert a mix of
    numbers and strings to strings, and then 1 and "1" would be equal.

    Parameters
    ----------
    labels : list of length n
        The label of each row.
    classes : list of length K
        The label of each column.
    shares : ndarray of shape (n,)
        The weight of each row.

    Returns
    -------
    codes : ndarray of shape (n,)
        The column of each label, -1 for a label that is not in `classes`.
    unseen : list
        The distinct labels that are not in `classes`, from rows of positive weight.

    Raises
    ------
    ValueError
        If `classes` names a label twice, or an unseen label is missing or of a type
        that no class has.
    """
    column = {label: k for k, label in enumerate(classes)}
    if len(column) < len(classes):
        raise ValueError(
            f"classes names a label twice: {format_labels(classes)}, expected one "
            "label per column, each different."
        )
    codes = np.fromiter(
        (column.get(label, -1) for label in labels), dtype=np.intp, count=len(labels)
    )
    rows = np.flatnonzero((codes < 0) & (shares > 0))
    unseen = list(dict.fromkeys(labels[i] for i in rows))
    kinds = {_kind(label) for label in classes}
    for label in unseen:
        # No training data could have held this label, so it is a mistake of the caller,
        # not an unseen class.
        if _kind(label) not in kinds:
            raise ValueError(
                f"the label {label!r} ({_kind(label)}) cannot be one of the classes "
                f"{format_labels(classes)} ({', '.join(sorted(kinds))}). Give the "
                "labels the type of the classes, and drop rows without a label."
            )
    return codes, unseen


def _kind(label: Any) -> str:
    """Return "number", "NaN", "string", or the name of another type."""
    # np.bool_ is the only NumPy scalar of numbers that is not registered as a Number.
    if isinstance(label, Number | np.bool_):
        return "number" if label == label else "NaN"
    return "string" if isinstance(label, str) else type(label).__name__


def columns_of_labels(
    y_true: Any, classes: Any, sample_weight: ArrayLike | None, table: str
) -> tuple[NDArray[np.intp], list[Any], NDArray[np.floating[Any]]]:
    """Find the column of each label in a table of predictions.

    Parameters
    ----------
    y_true : array-like of shape (n,)
    classes : array-like of shape (K,)
        The label of each column.
    sample_weight : array-like of shape (n,) or None
    table : str
        The name of the table, for messages.

    Returns
    -------
    codes : ndarray of shape (n,)
        The column of each label, -1 for unseen labels of rows without weight.
    columns : list
        The labels of the columns.
    shares : ndarray of shape (n,)
        The weight of each row.

    Raises
    ------
    ValueError
        If a label of positive weight is not in `classes`, or as in `class_codes`.
    """
    labels, columns = label_list(y_true, "y_true"), label_list(classes, "classes")
    shares = row_shares(sample_weight, len(labels))
    codes, unseen = class_codes(labels, columns, shares)
    if unseen:
        raise ValueError(
            "y_true holds labels that are not in classes: "
            f"{format_labels(unseen)}, expected only {format_labels(columns)}. Give "
            f"{table} a column for each label, and name all columns in classes."
        )
    return codes, columns, shares
