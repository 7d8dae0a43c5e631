"""What the workers compute with a fitted model: predictions, and sums of scores.

Each function gets one partition of rows, which may be empty.
"""

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.targets import align_distributions, are_distributions, label_array
from .dask_facts import check_lengths
from .validation import check_weights


def of_no_rows(model: Any, method: str) -> NDArray:
    """Return the prediction of a model for no rows: its shape and its type."""
    nameless = copy(model)
    if hasattr(nameless, "feature_names_in_"):
        del nameless.feature_names_in_
    return getattr(nameless, method)(np.zeros((1, model.n_features_in_)))[:0]


def call(model: Any, method: str, nothing: NDArray, X: Any, offset: Any) -> NDArray:
    """Return the prediction of a model for a partition, which may be empty."""
    return getattr(model, method)(X, offset) if X.shape[0] else nothing


def loss_sums(model: Any, X: Any, y: Any, sample_weight: Any, offset: Any) -> NDArray:
    """Return Σ s · loss and Σ s over a partition."""
    check_lengths(X, "A partition", y=y, sample_weight=sample_weight)
    if not X.shape[0]:
        return np.zeros(2)
    log_proba = model.predict_log_proba(X, offset)
    targets = _targets(model.classes_, y)
    if targets.ndim == 1:
        losses = -log_proba[np.arange(len(targets)), targets]
    else:
        # 0 · −inf does not occur: logarithms are finite
        losses = -np.sum(targets * log_proba, axis=1)
    return _weighted_sums(losses, sample_weight)


def hit_sums(model: Any, X: Any, y: Any, sample_weight: Any, offset: Any) -> NDArray:
    """Return Σ s over the correctly predicted rows of a partition, and over all."""
    check_lengths(X, "A partition", y=y, sample_weight=sample_weight)
    if not X.shape[0]:
        return np.zeros(2)
    targets = _targets(model.classes_, y)
    if targets.ndim == 2:
        targets = targets.argmax(axis=1)
    hits = model.predict(X, offset) == model.classes_[targets]
    return _weighted_sums(hits.astype(np.float64), sample_weight)


def _targets(classes: NDArray, y: Any) -> NDArray:
    """Return the codes of labels, or distributions in the order of the classes."""
    if are_distributions(y):
        return align_distributions(y, classes)
    labels = label_array(y).ravel()
    codes = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    unknown = classes[codes] != labels
    if np.any(unknown):
        raise ValueError(
            f"y holds the label {labels[unknown].tolist()[0]!r}; expected one of those "
            f"of the fit, {classes.tolist()[:10]}: drop its rows."
        )
    return codes


def _weighted_sums(values: NDArray, sample_weight: Any) -> NDArray:
    """Return Σ s · value and Σ s."""
    if sample_weight is None:
        return np.array([values.sum(), len(values)])
    s = check_weights(sample_weight)
    return np.array([s @ values, s.sum()])


def added(shares: list[NDArray]) -> NDArray:
    """Return the sum of the sums of some partitions."""
    return np.sum(shares, axis=0)


def ratio(sums: NDArray) -> NDArray:
    """Return the mean, (1,), from Σ s · value and Σ s."""
    return sums[:1] / sums[1]
