"""What a classifier predicts for labelled rows: labels, columns and weights aligned."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.targets import SUM_TOLERANCE
from .alignment import class_codes, label_list, row_shares
from .messages import format_labels, type_name
from .probabilities import check_log_proba, classes_of, predicted_log_proba


class LabelledPredictions(NamedTuple):
    """The rows that count, each with its label and what was predicted for it."""

    classes: list[Any]  # (K,) the label of each column
    rows: NDArray[np.intp]  # (m,) positions in y of the rows with a positive weight
    codes: NDArray[np.intp]  # (m,) the column of each row's label
    shares: NDArray[np.floating[Any]]  # (m,) the weights, as shares of their sum
    log_proba: NDArray[np.floating[Any]]  # (m, K) in nats, none above 0


def predictions_of(
    estimator: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None
) -> LabelledPredictions:
    """Ask a fitted classifier; refuse labels that it never saw."""
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
    return _counting(classes, codes, shares, checked)


def predictions_from(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    classes: ArrayLike | None,
    sample_weight: ArrayLike | None,
) -> LabelledPredictions:
    """Take given probabilities: of all classes, or of the second of two."""
    labels = label_list(y_true, "y_true")
    columns = label_list(np.unique(y_true) if classes is None else classes, "classes")
    shares = row_shares(sample_weight, len(labels))
    codes, unseen = class_codes(labels, columns, shares)
    if unseen:
        raise ValueError(
            "y_true holds labels that are not in classes: "
            f"{format_labels(unseen)}, expected only {format_labels(columns)}. Give "
            "y_prob a column and classes an entry for every label."
        )
    proba = np.asarray(y_prob, dtype=np.float64)
    if proba.ndim == 1 and len(columns) == 2:
        proba = np.column_stack([1 - proba, proba])
    if proba.shape != (len(labels), len(columns)):
        raise ValueError(
            f"y_prob has shape {np.shape(y_prob)}, expected "
            f"{(len(labels), len(columns))}: one row per label, one column for each of "
            f"{format_labels(columns)}. Name the label of each column in classes."
        )
    # Written so that NaN, too, counts as bad.
    good = (proba >= 0).all(axis=1) & (abs(proba.sum(axis=1) - 1) <= SUM_TOLERANCE)
    if not good.all():
        row = np.argmin(good)
        raise ValueError(
            f"y_prob has {proba[row]} in row {row}, expected probabilities that sum to "
            "1: pass logits through scipy.special.softmax, one score through "
            "scipy.special.expit."
        )
    with np.errstate(divide="ignore"):
        return _counting(columns, codes, shares, np.log(proba))


def _counting(
    classes: list[Any],
    codes: NDArray[np.intp],
    shares: NDArray[np.floating[Any]],
    log_proba: NDArray[np.floating[Any]],
) -> LabelledPredictions:
    # Rows of weight 0 are dropped before 0 * inf can become NaN.
    rows = np.flatnonzero(shares > 0)
    # Rounding may have left a log-probability a little above 0.
    log_proba = np.minimum(log_proba[rows], 0.0)
    return LabelledPredictions(classes, rows, codes[rows], shares[rows], log_proba)
