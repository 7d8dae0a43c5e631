"""The classes and the log-probabilities of a fitted classifier, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.targets import SUM_TOLERANCE
from .messages import type_name


def classes_of(estimator: Any) -> Any:
    """Return ``estimator.classes_``; raise a TypeError if there is none."""
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        raise TypeError(
            f"{type_name(estimator)} has no classes_, expected a fitted classifier. "
            "Fit it before scoring; for a regressor use another scorer."
        )
    return classes


def predicted_log_proba(
    estimator: Any, X: Any, offset: ArrayLike | None = None
) -> tuple[Any, str]:
    """Return the predicted log-probabilities and, for error messages, their source.

    The method is ``predict_log_proba`` if the estimator has it, else ``predict_proba``.
    A TypeError is raised if it has neither.
    """
    params = {} if offset is None else {"offset": offset}
    # Many estimators take the logarithm of a probability of 0. Here, the result -inf is
    # correct, so the warning is suppressed.
    with np.errstate(divide="ignore"):
        if hasattr(estimator, "predict_log_proba"):
            source = f"{type_name(estimator)}.predict_log_proba"
            return estimator.predict_log_proba(X, **params), source
        if hasattr(estimator, "predict_proba"):
            proba = np.asarray(estimator.predict_proba(X, **params), dtype=np.float64)
            source = f"the logarithm of {type_name(estimator)}.predict_proba"
            return np.log(proba), source
    raise TypeError(
        f"{type_name(estimator)} has neither predict_log_proba nor predict_proba, "
        "expected one of them. Set the option of the estimator that gives it "
        "probabilities, or wrap it in sklearn.calibration.CalibratedClassifierCV."
    )


def check_log_proba(
    log_proba: Any, shape: tuple[int, int], source: str
) -> NDArray[np.floating[Any]]:
    """Return log-probabilities in float64, each row of which is a distribution.

    Parameters
    ----------
    log_proba : array-like of shape (n, K)
        Natural logarithms of probabilities.
    shape : tuple of int
        The expected shape.
    source : str
        Where the values are from, for error messages.

    Raises
    ------
    ValueError
        If the shape differs, a value is NaN or positive, or the probabilities of a row
        do not sum to 1 within `SUM_TOLERANCE`.
    """
    checked = np.asarray(log_proba, dtype=np.float64)
    if checked.shape != shape:
        raise ValueError(
            f"{source} has shape {checked.shape}, expected {shape}: one row per label, "
            "one column per class."
        )
    remedy = (
        "expected natural logarithms of probabilities: take np.log of probabilities, "
        "scipy.special.log_softmax(logits, axis=1) of logits."
    )
    largest = checked.max(axis=1)
    # This form of the comparison is also True for NaN.
    bad = np.flatnonzero(~(largest <= SUM_TOLERANCE))
    if bad.size:
        raise ValueError(f"{source} has {largest[bad[0]]} in row {bad[0]}, {remedy}")
    sums = np.exp(checked).sum(axis=1)
    bad = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)
    if bad.size:
        raise ValueError(
            f"{source} has probabilities that sum to {sums[bad[0]]}, not to 1, in row "
            f"{bad[0]}, {remedy}"
        )
    return checked
