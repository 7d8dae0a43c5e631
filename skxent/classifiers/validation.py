"""The input of a fit or a prediction as checked arrays: X, labels, weights.

Every function returns arrays that the fit can use, or raises before any work is done.
"""

from copy import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils import assert_all_finite
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

from ..data.blocks import RowBlocks, is_memory_mapped, stored_array
from ..data.containers import check_container, check_numbers, reading
from ..data.targets import are_distributions, check_distributions, check_labels
from ..data.weights import WeightSums, class_sums, weight_sums

DTYPES = (np.float64, np.float32)
# Kinds of labels that are classes, whatever their values: scikit-learn's check of them
# takes as long as a few evaluations of a small fit.
PLAIN_KINDS = "biuU"
# Largest magnitude of a feature. Its square, summed over many rows, does not overflow.
LARGEST = 1e140
# The number of labels that are encoded at once.
ENCODED_ROWS = 2**20


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
    weights : ndarray of shape (n,) or None
        Sample weights times class weights; None means 1 for each row.
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
    weights: NDArray | None
    sample_weight: ArrayLike | None
    offset: ArrayLike | None
    classes: NDArray
    feature_names: NDArray | None

    @property
    def n_features(self) -> int:
        """The number of columns of X: d."""
        return self.X.shape[1]

    @property
    def weight_sums(self) -> WeightSums:
        """The sums over the sample weights."""
        return weight_sums(self.targets, self.sample_weight, len(self.classes))

    def close(self) -> None:
        """Do nothing: arrays in memory need not be given back."""

    def check_lengths(self) -> None:
        """Raise a ValueError unless all arrays have the same number of rows."""
        check_consistent_length(
            self.X, self.targets, self.weights, self.sample_weight, self.offset
        )

    def take(self, rows: NDArray) -> "CheckedData":
        """Return the data of these rows.

        Rows in a file stay there: all others get the weight 0.
        """
        if is_memory_mapped(self.X):
            chosen = np.zeros(len(self.targets))
            chosen[rows] = 1
            return self._replace(
                weights=_times(self.weights, chosen),
                sample_weight=_times(self.sample_weight, chosen),
            )
        return self._replace(
            X=self.X[rows],
            y=self.y[rows],
            targets=self.targets[rows],
            weights=_take(self.weights, rows),
            sample_weight=_take(self.sample_weight, rows),
            offset=_take(self.offset, rows),
        )


def _take(values: ArrayLike | None, rows: NDArray) -> NDArray | None:
    return None if values is None else np.asarray(values)[rows]


def _times(weights: ArrayLike | None, chosen: NDArray) -> NDArray:
    return chosen if weights is None else np.asarray(weights) * chosen


def check_data(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: ArrayLike | None,
    offset: ArrayLike | None,
) -> CheckedData:
    """Return the input of ``fit`` as checked arrays; the estimator stays unchanged."""
    binary_only = estimator._loss_name == "binary"
    names = getattr(y, "columns", None)
    X, y, feature_names = check_X_y(estimator, X, y)
    if y.ndim == 2:
        classes, targets = encode_distributions(y, names, binary_only=binary_only)
    else:
        classes, targets = encode_labels(y, binary_only=binary_only)
    s = combine_weights(sample_weight, estimator.class_weight, classes, targets)
    # the objective checks the shape and the entries of the offset
    check_numbers(offset, "offset")
    return CheckedData(X, y, targets, s, sample_weight, offset, classes, feature_names)


def check_X_y(estimator: Any, X: Any, y: Any) -> tuple[Any, NDArray, NDArray | None]:
    """Return X as a float array or CSR matrix, y, and the feature names or None."""
    X, y = check_tables(X, y)
    if _is_plain(X, y):
        _check_magnitudes(X)
        return X, y, None
    # validate_data sets n_features_in_ and feature_names_in_ on what it is given
    scratch, in_file = copy(estimator), is_memory_mapped(X)
    with reading("X"):
        X, y = validate_data(
            scratch,
            X,
            y,
            accept_sparse="csr",
            dtype=DTYPES,
            multi_output=are_distributions(y),
            # its check copies a file that is mapped at an odd address
            ensure_all_finite=not in_file,
        )
    if in_file:
        _check_finite(X)
    _check_magnitudes(X)
    return X, y, getattr(scratch, "feature_names_in_", None)


def _is_plain(X: Any, y: Any) -> bool:
    """Whether these are finite arrays, which scikit-learn would return as they are.

    Its checks take as long as a small fit.
    """
    if type(X) is not np.ndarray or type(y) is not np.ndarray:
        return False
    if X.dtype not in DTYPES or y.dtype.kind not in PLAIN_KINDS:
        return False
    if X.ndim != 2 or y.shape != X.shape[:1] or not X.size:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(X.sum()))


def check_tables(X: Any, y: Any) -> tuple[Any, Any]:
    """Return X and y for scikit-learn's checks; refuse what those would misread."""
    check_numbers(X, "X")
    check_container(y, "y")
    return X, y if are_distributions(y) else check_labels(y)


def check_X(estimator: Any, X: Any) -> Any:
    """Return X as a float array or CSR matrix with the features of the fit."""
    check_numbers(X, "X")
    with reading("X"):
        return validate_data(
            estimator, X, accept_sparse="csr", dtype=DTYPES, reset=False
        )


def _check_finite(X: Any) -> None:
    """Refuse NaN and infinity in X, block by block."""
    entries = stored_array(X)
    blocks = RowBlocks(entries.reshape(len(entries), -1), dtype=X.dtype)
    for rows in blocks.slices():
        assert_all_finite(blocks.take(rows), input_name="X")


def _check_magnitudes(X: Any) -> None:
    """Refuse features whose squares, and so the curvature, overflow or underflow.

    About a thousand rows, spread over X, show the magnitude of each feature.
    """
    if sparse.issparse(X):
        step = max(1, X.nnz // 10_000)
        magnitudes = np.zeros(X.shape[1], X.dtype)
        np.maximum.at(magnitudes, X.indices[::step], abs(X.data[::step]))
    else:
        magnitudes = abs(X[:: max(1, len(X) // 1000)]).max(axis=0)
    refuse_extreme_features(magnitudes.astype(np.float64))


def refuse_extreme_features(magnitudes: NDArray) -> None:
    """Refuse features of these magnitudes, (d,), if one is too large or too small."""
    extreme = (magnitudes > LARGEST) | ((magnitudes > 0) & (magnitudes < 1 / LARGEST))
    if extreme.any():
        raise ValueError(
            f"X has a feature of the magnitude {magnitudes[extreme][0]}; expected one "
            f"between {1 / LARGEST} and {LARGEST}: choose other units."
        )


def encode_labels(y: NDArray, *, binary_only: bool) -> tuple[NDArray, NDArray]:
    """Return the sorted distinct labels and the code 0 … K − 1 of each row."""
    pieces = [y[i : i + ENCODED_ROWS] for i in range(0, len(y), ENCODED_ROWS)]
    distinct = [_distinct_labels(piece) for piece in pieces]
    classes = distinct[0] if len(distinct) == 1 else np.unique(np.concatenate(distinct))
    check_classes(classes, y, binary_only=binary_only)
    codes = np.empty(len(y), smallest_integer(len(classes)))
    for i, piece in enumerate(pieces):
        # faster than np.unique(y, return_inverse=True), which sorts all labels
        codes[i * ENCODED_ROWS :][: len(piece)] = np.searchsorted(classes, piece)
    return classes, codes


def _distinct_labels(y: NDArray) -> NDArray:
    """Return the sorted distinct labels, if these are of classes."""
    distinct = None
    if y.dtype.kind in PLAIN_KINDS:
        distinct = np.unique(y)
    if distinct is None or len(distinct) > len(y) // 2:
        with np.errstate(invalid="ignore"):
            # scikit-learn refuses floats beyond the integers, and warns of a class for
            # each row; NumPy's cast would warn first
            check_classification_targets(y)
        distinct = np.unique(y)
    return distinct


def check_classes(classes: NDArray, y: NDArray, *, binary_only: bool) -> None:
    """Refuse labels y of fewer than two classes, and of more if only two may be."""
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


def smallest_integer(n_classes: int) -> np.dtype:
    """Return the smallest type of codes 0 … K − 1: n codes may take much memory."""
    return np.min_scalar_type(-n_classes)


def encode_distributions(
    y: NDArray, names: Any, *, binary_only: bool
) -> tuple[NDArray, NDArray]:
    """Return the column names, and the rows, or their codes if all are one-hot."""
    classes = check_class_columns(y.shape[1], y.dtype, names, binary_only=binary_only)
    y = check_distributions(y)
    refuse_unused_classes(classes, np.logical_not(y.any(axis=0)))
    if (y.max(axis=1) == 1).all() and np.count_nonzero(y) == len(y):
        return classes, y.argmax(axis=1).astype(smallest_integer(len(classes)))
    return classes, y


def check_class_columns(
    n_classes: int, dtype: np.dtype, names: Any, *, binary_only: bool
) -> NDArray:
    """Return the classes of distributions with so many columns of these names."""
    if binary_only and n_classes != 2:
        raise ValueError(
            "Only binary classification is supported. The type of the target is "
            f"distributions over {n_classes} classes; use SoftmaxReg."
        )
    if dtype.kind not in "biuf":
        raise ValueError(
            f"y has 2 dimensions and the dtype {dtype}; expected 1 label for each "
            "row, or probabilities with a column for each class."
        )
    classes = np.arange(n_classes) if names is None else np.asarray(names)
    if len(set(classes.tolist())) < n_classes:
        raise ValueError(
            f"y has the columns {classes.tolist()}; expected a different name for each "
            "class: add up the columns with the same name."
        )
    return classes


def refuse_unused_classes(classes: NDArray, unused: NDArray) -> None:
    """Raise an error if a class has the probability 0 in all rows."""
    if unused.any():
        raise ValueError(
            f"The class {classes.tolist()[np.argmax(unused)]!r} has the probability 0 "
            "in all rows of y; expected a positive total for every class: drop its "
            "column."
        )


def combine_weights(
    sample_weight: ArrayLike | None,
    class_weight: Any,
    classes: NDArray,
    targets: NDArray,
) -> NDArray | None:
    """Return sample weights times class weights, (n,) float64; None for 1 each."""
    if sample_weight is None and class_weight is None:
        # each label is that of some row
        return None
    s = None if sample_weight is None else check_weights(sample_weight)
    check_consistent_length(targets, s)
    if targets.ndim == 2:
        refuse_class_weight_of_distributions(class_weight)
        return s
    with np.errstate(over="ignore", invalid="ignore"):
        totals = class_sums(targets, s, len(classes))
        if class_weight is not None and np.isfinite(totals.sum()):
            factors = class_weights(class_weight, classes, totals)
            s = factors[targets] if s is None else s * factors[targets]
            totals = totals * factors
    check_class_totals(totals, classes)
    return s


def refuse_class_weight_of_distributions(class_weight: Any) -> None:
    """Raise an error if there is a class weight: y has distributions."""
    if class_weight is not None:
        raise ValueError(
            f"class_weight={class_weight!r} needs a label for each row, and y has "
            "distributions: multiply the weights into sample_weight."
        )


def check_class_totals(totals: NDArray, classes: NDArray) -> None:
    """Refuse classes whose total weights are not positive and finite."""
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


def check_weights(sample_weight: ArrayLike) -> NDArray:
    """Return sample weights as float64, (n,); refuse negative ones."""
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
            "weights: to remove a row, give it the weight 0."
        )
    return s


def class_weights(class_weight: Any, classes: NDArray, totals: NDArray) -> NDArray:
    """Return the weight of each class; ``totals`` are the sums of sample weights."""
    if class_weight == "balanced":
        # from weights, not counts: a weight of 2 is the same as a row given twice
        factors = totals.sum() / (len(classes) * np.where(totals > 0, totals, 1))
    else:
        factors = compute_class_weight(class_weight, classes=classes, y=classes)
    if not (np.isfinite(factors).all() and factors.min() > 0):
        raise ValueError(
            f"class_weight={class_weight!r} gives the weights {factors}; expected "
            "finite positive ones: to exclude a class, drop its rows."
        )
    return factors
