"""Predictions for labelled rows, with labels, columns and weights aligned."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.targets import SUM_TOLERANCE
from .alignment import class_codes, columns_of_labels, label_list, row_shares
from .messages import format_labels, type_name
from .probabilities import check_log_proba, classes_of, predicted_log_proba


class LabelledPredictions(NamedTuple):
    """The rows of positive weight, with their labels and predictions."""

    classes: list[Any]  # (K,) the label of each column
    rows: NDArray[np.intp]  # (m,) positions of the rows in y
    codes: NDArray[np.intp]  # (m,) the column of each row's label
    shares: NDArray[np.floating[Any]]  # (m,) weights divided by their sum
    log_proba: NDArray[np.floating[Any]]  # (m, K) in nats, none above 0


def predictions_of(
    estimator: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None
) -> LabelledPredictions:
    """Return the predictions of a fitted classifier for labelled rows.

    Parameters
    ----------
    estimator : object
        A fitted classifier with ``classes_`` and with ``predict_log_proba`` or
        ``predict_proba``.
    X : array-like or sparse matrix of shape (n, d)
        The data. They are passed to the estimator unchanged.
    y : array-like of shape (n,)
        The labels.
    sample_weight : array-like of shape (n,) or None
        Non-negative weights. None means 1 each.

    Raises
    ------
    TypeError
        If the estimator has no classes or no probabilities.
    ValueError
        If a label of positive weight is not in ``classes_``, or `y`, `sample_weight` or
        the predictions are invalid.
    """
    labels = label_list(y, "y")
    classes = label_list(classes_of(estimator), "classes_")
    shares = row_shares(sample_weight, len(labels))
    codes, unseen = class_codes(labels, classes, shares)
    if unseen:
        raise ValueError(
            f"y holds labels that {type_name(estimator)} never saw: "
            f"{format_labels(unseen)}, expected only its classes_ "
            f"{format_labels(classes)}. Drop their rows, or train on samples of them."
        )
    log_proba, source = predicted_log_proba(estimator, X)
    checked = check_log_proba(log_proba, (len(labels), len(classes)), source)
    return _without_zero_weights(classes, codes, shares, checked)


def predictions_from(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    classes: ArrayLike | None,
    sample_weight: ArrayLike | None,
) -> LabelledPredictions:
    """Return given probabilities as predictions for labelled rows.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The labels.
    y_prob : array-like of shape (n, K) or (n,)
        The probabilities of all classes, or of the second of two.
    classes : array-like of shape (K,) or None
        The label of each column. None means the labels of `y_true`, sorted.
    sample_weight : array-like of shape (n,) or None
        Non-negative weights. None means 1 each.

    Raises
    ------
    ValueError
        If a label of positive weight is not in `classes`, or an argument is invalid.
    """
    classes = np.unique(y_true) if classes is None else classes
    codes, columns, shares = columns_of_labels(y_true, classes, sample_weight, "y_prob")
    proba = np.asarray(y_prob, dtype=np.float64)
    if proba.ndim == 1 and len(columns) == 2:
        proba = np.column_stack([1 - proba, proba])
    if proba.shape != (len(codes), len(columns)):
        raise ValueError(
            f"y_prob has shape {np.shape(y_prob)}, expected "
            f"{(len(codes), len(columns))}: one row per label, one column for each of "
            f"{format_labels(columns)}. Name the label of each column in classes."
        )
    # These comparisons are False for NaN.
    good = (proba >= 0).all(axis=1) & (abs(proba.sum(axis=1) - 1) <= SUM_TOLERANCE)
    if not good.all():
        row = np.argmin(good)
        raise ValueError(
            f"y_prob has {proba[row]} in row {row}, expected probabilities that sum to "
            "1: pass logits through scipy.special.softmax, one score through "
            "scipy.special.expit."
        )
    with np.errstate(divide="ignore"):
        return _without_zero_weights(columns, codes, shares, np.log(proba))


def _without_zero_weights(
    classes: list[Any],
    codes: NDArray[np.intp],
    shares: NDArray[np.floating[Any]],
    log_proba: NDArray[np.floating[Any]],
) -> LabelledPredictions:
    """Drop the rows of weight 0, because 0 * inf is NaN."""
    rows = np.flatnonzero(shares > 0)
    # Rounding can make a log-probability slightly positive.
    log_proba = np.minimum(log_proba[rows], 0.0)
    return LabelledPredictions(classes, rows, codes[rows], shares[rows], log_proba)
