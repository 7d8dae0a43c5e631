"""From what the user passes to checked arrays: X, labels, weights.

Every function returns what the fit needs or raises, before any work is done.
"""

from numbers import Integral

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

DTYPES = (np.float64, np.float32)
# Largest magnitude of a feature: its square, times many rows, is still a number.
LARGEST = 1e140


def check_X_y(estimator, X, y):
    """Return X as a float array or CSR matrix and y as a 1-D array of labels."""
    X, y = validate_data(estimator, X, y, accept_sparse="csr", dtype=DTYPES)
    _check_magnitudes(X)
    return X, y


def check_X(estimator, X):
    """Return X as a float array or CSR matrix that fits the fitted estimator."""
    return validate_data(estimator, X, accept_sparse="csr", dtype=DTYPES, reset=False)


def _check_magnitudes(X):
    """Refuse units in which squares, and so the curvature, leave the range of floats.

    A few rows spread over X tell what the units are.
    """
    if sparse.issparse(X):
        step = max(1, X.nnz // 10_000)
        magnitudes = np.zeros(X.shape[1], X.dtype)
        np.maximum.at(magnitudes, X.indices[::step], abs(X.data[::step]))
    else:
        magnitudes = abs(X[:: max(1, len(X) // 1000)]).max(axis=0)
    magnitudes = magnitudes.astype(np.float64)
    extreme = (magnitudes > LARGEST) | ((magnitudes > 0) & (magnitudes < 1 / LARGEST))
    if extreme.any():
        raise ValueError(
            f"X has a feature of the magnitude {magnitudes[extreme][0]}; expected one "
            f"between {1 / LARGEST} and {LARGEST}: choose other units."
        )


def encode_labels(y: NDArray, *, binary_only: bool) -> tuple[NDArray, NDArray]:
    """Return the sorted distinct labels and the code 0 … K − 1 of each row."""
    if y.dtype == object:
        if any(label is None for label in y):
            raise ValueError("y holds None; expected a label for each row: drop it.")
        if all(isinstance(label, Integral) for label in y):
            y = np.array(y.tolist())
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y holds 1 class, {classes.tolist()[0]!r}; expected samples of at least 2 "
            "classes."
        )
    if binary_only and len(classes) > 2:
        raise ValueError(
            "Only binary classification is supported. The type of the target is "
            f"{type_of_target(y)}, with {len(classes)} classes; use SoftmaxReg."
        )
    return classes, codes


def combine_weights(sample_weight, class_weight, classes, codes) -> NDArray:
    """Return the weight of each row, class weights multiplied in, (n,) float64."""
    s = np.ones(len(codes)) if sample_weight is None else _check_weights(sample_weight)
    check_consistent_length(codes, s)
    with np.errstate(over="ignore", invalid="ignore"):
        totals = np.bincount(codes, s)
        if class_weight is not None and np.isfinite(totals.sum()):
            by_class = _class_weights(class_weight, classes, codes, totals)
            s = s * by_class[codes]
            totals = totals * by_class
    if not (totals > 0).all():
        label = classes.tolist()[np.argmin(totals)]
        raise ValueError(
            f"The class {label!r} has a total sample_weight of zero; expected a "
            "positive one for every class: drop its rows."
        )
    if not np.isfinite(totals.sum()):
        raise ValueError(
            "The sum of sample_weight overflows; expected a finite one: divide the "
            "weights by their maximum and multiply C by it."
        )
    return s


def _check_weights(sample_weight):
    s = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if s.ndim != 1:
        raise ValueError(
            f"sample_weight has {s.ndim} dimensions; expected 1: one weight a row."
        )
    if s.min() < 0:
        raise ValueError(
            f"sample_weight has the negative entry {s.min()}; expected non-negative "
            "weights: remove a row by the weight 0."
        )
    return s


def _class_weights(class_weight, classes, codes, totals):
    if class_weight == "balanced":
        # by weights, not by counts, so that weights stay the same as repeated rows
        by_class = totals.sum() / (len(classes) * np.where(totals > 0, totals, 1))
    else:
        by_class = compute_class_weight(class_weight, classes=classes, y=classes[codes])
    if not (np.isfinite(by_class).all() and by_class.min() > 0):
        raise ValueError(
            f"class_weight={class_weight!r} gives the weights {by_class}; expected "
            "finite positive ones: drop the rows of a class that shall not count."
        )
    return by_class
