"""From what the user passes to checked arrays: X, labels, weights.

Every function returns what the fit needs or raises, before any work is done.
"""

from copy import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

from ..data.containers import check_container, check_numbers, reading
from ..data.targets import are_distributions, check_distributions, check_labels

DTYPES = (np.float64, np.float32)
# Largest magnitude of a feature: its square, times many rows, is still a number.
LARGEST = 1e140


class CheckedData(NamedTuple):
    """The checked input of a fit.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n, d)
        float32 or float64.
    y : ndarray of shape (n,) or (n, K)
        Labels, or distributions over the classes.
    targets : ndarray of shape (n,) or (n, K)
        ``y`` as codes 0 … K − 1 or as distributions.
    weights : ndarray of shape (n,)
        Sample weights times class weights.
    sample_weight, offset : array-like or None
        As the user passed them.
    classes : ndarray of shape (K,)
        The label of each class.
    feature_names : ndarray of shape (d,) or None
        The names of the columns of X, if all of them are strings.
    """

    X: Any
    y: NDArray
    targets: NDArray
    weights: NDArray
    sample_weight: ArrayLike | None
    offset: ArrayLike | None
    classes: NDArray
    feature_names: NDArray | None

    def check_lengths(self) -> None:
        """Raise a ValueError unless all arrays have the same number of rows."""
        check_consistent_length(
            self.X, self.targets, self.weights, self.sample_weight, self.offset
        )

    def take(self, rows: NDArray) -> "CheckedData":
        """Return the data of these rows."""
        return self._replace(
            X=self.X[rows],
            y=self.y[rows],
            targets=self.targets[rows],
            weights=self.weights[rows],
            sample_weight=_take(self.sample_weight, rows),
            offset=_take(self.offset, rows),
        )


def _take(values: ArrayLike | None, rows: NDArray) -> NDArray | None:
    return None if values is None else np.asarray(values)[rows]


def check_X_y(estimator: Any, X: Any, y: Any) -> tuple[Any, NDArray, NDArray | None]:
    """Return X as a float array or CSR matrix, y, and the feature names or None.

    The estimator stays unchanged.
    """
    X, y = check_tables(X, y)
    # scikit-learn sets n_features_in_ and feature_names_in_ on what it is given
    scratch = copy(estimator)
    with reading("X"):
        X, y = validate_data(
            scratch,
            X,
            y,
            accept_sparse="csr",
            dtype=DTYPES,
            multi_output=are_distributions(y),
        )
    _check_magnitudes(X)
    return X, y, getattr(scratch, "feature_names_in_", None)


def check_tables(X, y):
    """Refuse what scikit-learn's checks would misread, and return the rest for them."""
    check_numbers(X, "X")
    check_container(y, "y")
    return X, y if are_distributions(y) else check_labels(y)


def check_X(estimator, X):
    """Return X as a float array or CSR matrix that fits the fitted estimator."""
    check_numbers(X, "X")
    with reading("X"):
        return validate_data(
            estimator, X, accept_sparse="csr", dtype=DTYPES, reset=False
        )


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
    with np.errstate(invalid="ignore"):
        # floats beyond all integers are refused there as no labels
        check_classification_targets(y)
    classes = np.unique(y)
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
    # a third of the time that np.unique would take, which sorts all labels
    return classes, np.searchsorted(classes, y)


def encode_distributions(
    y: NDArray, names, *, binary_only: bool
) -> tuple[NDArray, NDArray]:
    """Return the names of the columns, and codes for one-hot rows, else the rows."""
    n_classes = y.shape[1]
    if binary_only and n_classes != 2:
        raise ValueError(
            "Only binary classification is supported. The type of the target is "
            f"distributions over {n_classes} classes; use SoftmaxReg."
        )
    if y.dtype.kind not in "biuf":
        raise ValueError(
            f"y has 2 dimensions and the dtype {y.dtype}; expected 1 label for each "
            "row, or probabilities with a column for each class."
        )
    classes = np.arange(n_classes) if names is None else np.asarray(names)
    if len(set(classes.tolist())) < n_classes:
        raise ValueError(
            f"y has the columns {classes.tolist()}; expected a name of its own for "
            "each class: add up the columns of the same name."
        )
    y = check_distributions(y)
    unused = ~y.any(axis=0)
    if unused.any():
        raise ValueError(
            f"The class {classes.tolist()[np.argmax(unused)]!r} has the probability 0 "
            "in all rows of y; expected a positive total for every class: drop its "
            "column."
        )
    if (y.max(axis=1) == 1).all() and np.count_nonzero(y) == len(y):
        return classes, y.argmax(axis=1)
    return classes, y


def smooth_targets(targets: NDArray, n_classes: int, label_smoothing: float) -> NDArray:
    """Return (1 − ε) targets + ε / K as distributions, or the targets where ε = 0."""
    if label_smoothing == 0:
        return targets
    if targets.ndim == 1:
        targets = np.eye(n_classes)[targets]
    return (1 - label_smoothing) * targets + label_smoothing / n_classes


def combine_weights(sample_weight, class_weight, classes, codes) -> NDArray:
    """Return the weight of each row, class weights multiplied in, (n,) float64."""
    s = np.ones(len(codes)) if sample_weight is None else _check_weights(sample_weight)
    check_consistent_length(codes, s)
    if codes.ndim == 2:
        if class_weight is not None:
            raise ValueError(
                f"class_weight={class_weight!r} needs a label for each row, and y has "
                "distributions: multiply the weights into sample_weight."
            )
        return s
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
    check_numbers(sample_weight, "sample_weight")
    with reading("sample_weight"):
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


def check_penalty_weights(penalty_weights, names, n_features) -> NDArray | None:
    """Return the factor of each feature's penalty, (n_features,), or None."""
    if penalty_weights is None:
        return None
    if isinstance(penalty_weights, dict):
        weights = np.ones(n_features)
        for name, weight in penalty_weights.items():
            weights[_position(name, names, "penalty_weights")] = weight
    else:
        weights = np.asarray(penalty_weights, dtype=np.float64)
    if weights.shape != (n_features,):
        raise ValueError(
            f"penalty_weights has shape {weights.shape}; expected ({n_features},), one "
            "for each feature."
        )
    if not (np.isfinite(weights).all() and weights.min() >= 0):
        bad = weights[~(np.isfinite(weights) & (weights >= 0))][0]
        raise ValueError(
            f"penalty_weights has the entry {bad}; expected finite non-negative "
            "numbers: 0 leaves a feature free."
        )
    return weights


def check_bounds(bounds, names, n_features) -> tuple[NDArray, NDArray] | None:
    """Return the lower and the upper bound of each feature, or None."""
    if bounds is None:
        return None
    lower, upper = np.full(n_features, -np.inf), np.full(n_features, np.inf)
    if isinstance(bounds, dict):
        for name, pair in bounds.items():
            j = _position(name, names, "bounds")
            low, high = _pair(pair, f"bounds[{name!r}]")
            lower[j] = -np.inf if low is None else low
            upper[j] = np.inf if high is None else high
    else:
        for out, bound in zip((lower, upper), _pair(bounds, "bounds"), strict=True):
            if bound is None:
                continue
            bound = np.asarray(bound, dtype=np.float64)
            if bound.shape not in ((), (n_features,)):
                raise ValueError(
                    f"bounds has a bound of shape {bound.shape}; expected a number or "
                    f"({n_features},), one for each feature."
                )
            out[:] = bound
    infeasible = ~(lower <= upper) | (lower == np.inf) | (upper == -np.inf)
    if infeasible.any():
        j = int(np.argmax(infeasible))
        raise ValueError(
            f"bounds for feature {j} are ({lower[j]}, {upper[j]}); expected a lower "
            "bound that is at most the upper one: None where there is none."
        )
    return lower, upper


def _pair(pair, name):
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(
            f"{name}={pair!r}; expected a pair (lower, upper), each a number or None."
        )
    return pair


def _position(name, names, parameter):
    """Return the number of the feature of that name."""
    if names is None:
        raise ValueError(
            f"{parameter} names the feature {name!r}, but X has no feature names; "
            "expected an array of shape (n_features,), or X as a frame."
        )
    (found,) = np.nonzero(np.asarray(names) == name)
    if not len(found):
        raise ValueError(
            f"{parameter} names the feature {name!r}; expected one of those of X: "
            f"{', '.join(map(repr, names[:10]))}{', ...' if len(names) > 10 else ''}."
        )
    return found[0]
