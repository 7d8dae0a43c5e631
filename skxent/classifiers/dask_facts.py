"""What one partition tells of itself, and what all of them tell together.

Each partition is checked where it is. Its facts are merged by a tree, in the order of
the partitions, and then describe all rows.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, column_or_1d

from ..data.blocks import n_spread_rows, stored_array
from ..data.containers import check_numbers, reading
from ..data.dask_rows import sample_of
from ..data.preparation import as_floating, check_offset
from ..data.targets import are_distributions, check_distributions, check_labels
from .validation import DTYPES, check_weights

# Of a block whose magnitudes are computed: it stays in a core's level-2 cache.
CACHED_ENTRIES = 2**15


@dataclass
class GivenRest:
    """A partition of what the user gave in addition to X, and its place.

    Attributes
    ----------
    y : ndarray of shape (m,) or (m, K)
        Labels or distributions.
    sample_weight : ndarray of shape (m,) or None
    offset : ndarray or None
    place : int
        The number of the partition.
    """

    y: NDArray
    sample_weight: NDArray | None
    offset: NDArray | None
    place: int

    def take(self, rows: Any) -> "GivenRest":
        """Return some of the rows."""
        return replace(
            self,
            y=self.y[rows],
            sample_weight=_rows_of(self.sample_weight, rows),
            offset=_rows_of(self.offset, rows),
        )


class LabelFacts(NamedTuple):
    """The labels of y, or the columns of its distributions.

    Attributes
    ----------
    values : ndarray of shape (K,)
        The labels, sorted; for distributions, the numbers of the columns.
    totals : ndarray of shape (K,)
        The sums of the sample weights.
    largest : ndarray of shape (K,)
        The largest sample weight of each label.
    are_distributions : bool
    are_one_hot : bool
        Whether each row is one label.
    """

    values: NDArray
    totals: NDArray
    largest: NDArray
    are_distributions: bool
    are_one_hot: bool


@dataclass
class Sample:
    """Every ``step``-th row of X and of the rest of it."""

    step: int
    X: Any
    rest: GivenRest

    def thinned(self, step: int) -> "Sample":
        """Return every ``step``-th row of all; ``step`` is a multiple of the own."""
        every = step // self.step
        if every == 1:
            return self
        rest = self.rest.take(slice(None, None, every))
        return Sample(step, sample_of(self.X, every), rest)


@dataclass
class Facts:
    """What is known of the rows of some partitions, one after the other.

    Attributes
    ----------
    lengths : list of int
        The number of rows of each partition.
    n_features : int
    dtype : dtype
    is_sparse : bool
    n_bytes : int
        The size of X.
    stored_by_column : ndarray of shape (d,)
        The number of stored entries of each column.
    magnitudes : ndarray of shape (d,)
        The largest magnitude of each column.
    labels : LabelFacts or None
        None without rows.
    weight_range : (float, float)
        The smallest and the largest sample weight.
    total_weight : float
        The sum of the sample weights.
    n_weighted : int
        The number of rows with a positive sample weight.
    sample : Sample
    """

    lengths: list[int]
    n_features: int
    dtype: np.dtype
    is_sparse: bool
    n_bytes: int
    stored_by_column: NDArray
    magnitudes: NDArray
    labels: LabelFacts | None
    weight_range: tuple[float, float]
    total_weight: float
    n_weighted: int
    sample: Sample


def floating_part(X: Any) -> Any:
    """Return a partition of X as an array or CSR matrix of float32 or float64."""
    check_numbers(X, "X")
    with reading("X"):
        X = check_array(
            X,
            accept_sparse="csr",
            dtype=DTYPES,
            # the facts tell
            ensure_all_finite=False,
            ensure_min_samples=0,
            input_name="X",
        )
    X = as_floating(X)
    # What has come over the network may lie at odd addresses. Each pass would copy its
    # blocks, and take twice as long.
    return X if sparse.issparse(X) else np.require(X, requirements="A")


def given_rest(y: Any, sample_weight: Any, offset: Any, place: int) -> GivenRest:
    """Return a partition of y, sample weights and offset as checked arrays."""
    if are_distributions(y):
        y = check_distributions(y) if len(y) else np.empty(y.shape)
    else:
        y = check_labels(column_or_1d(np.asarray(y)))
    s = sample_weight
    if s is not None:
        s = check_weights(s) if len(s) else np.empty(0)
    if offset is not None:
        n_logits = offset.shape[1] if offset.ndim == 2 else 1
        offset = check_offset(np.asarray(offset), len(offset), n_logits)
    return GivenRest(y, s, offset, place)


def check_lengths(X: Any, place: str, **parts: Any) -> None:
    """Refuse a partition whose parts differ in length, which Dask need not know.

    Parameters
    ----------
    X : ndarray or sparse matrix
    place : str
        What the message calls the partition.
    **parts : array-like or None
        By the name of the input.
    """
    for name, part in parts.items():
        if part is not None and len(part) != X.shape[0]:
            raise ValueError(
                f"{place} of X has {X.shape[0]} rows, and that of {name} has "
                f"{len(part)}; expected the same number: compute_chunk_sizes() of "
                "arrays makes their lengths known, so that they can be aligned."
            )


def facts_of(X: Any, rest: GivenRest) -> Facts:
    """Return the facts of one partition.

    Raises
    ------
    ValueError
        If its parts have different numbers of rows, or X has NaN or infinity.
    """
    n, d = X.shape
    s = rest.sample_weight
    place = f"Partition {rest.place}"
    check_lengths(X, place, y=rest.y, sample_weight=s, offset=rest.offset)
    entries = stored_array(X)
    if sparse.issparse(X):
        stored = np.bincount(X.indices, minlength=d)
        n_bytes = X.data.nbytes + X.indices.nbytes
    else:
        stored, n_bytes = np.full(d, n), entries.nbytes
    with np.errstate(over="ignore"):
        # refused if it overflows
        total_weight = float(n if s is None else s.sum())
    step = 1
    while n > 2 * step * n_spread_rows(d):
        step *= 2
    return Facts(
        lengths=[n],
        n_features=d,
        dtype=X.dtype,
        is_sparse=sparse.issparse(X),
        n_bytes=n_bytes,
        stored_by_column=stored,
        magnitudes=_magnitudes(X),
        labels=_labels(rest) if n else None,
        weight_range=(1.0, 1.0) if s is None or not n else (s.min(), s.max()),
        total_weight=total_weight,
        n_weighted=n if s is None else int(np.count_nonzero(s)),
        sample=Sample(step, sample_of(X, step), rest.take(slice(None, None, step))),
    )


def merge_facts(facts: list[Facts]) -> Facts:
    """Return the facts of the partitions of all of them, in their order."""
    filled = [f for f in facts if f.labels is not None]
    some = filled or facts
    widths = sorted({f.n_features for f in some})
    if len(widths) > 1:
        raise ValueError(
            f"Partitions of X have {widths[0]} and {widths[1]} columns; expected the "
            "same columns in all."
        )
    if len({f.is_sparse for f in some}) > 1:
        raise ValueError(
            "Some partitions of X are sparse, and others are not; expected one kind: "
            "convert them by map_blocks."
        )
    return Facts(
        lengths=[n for f in facts for n in f.lengths],
        n_features=widths[0],
        dtype=np.result_type(*(f.dtype for f in some)),
        is_sparse=some[0].is_sparse,
        n_bytes=sum(f.n_bytes for f in some),
        stored_by_column=sum(
            (f.stored_by_column for f in some[1:]), some[0].stored_by_column
        ),
        magnitudes=np.max([f.magnitudes for f in some], axis=0),
        labels=_merged_labels([f.labels for f in filled if f.labels is not None]),
        weight_range=(
            min(f.weight_range[0] for f in some),
            max(f.weight_range[1] for f in some),
        ),
        total_weight=sum(f.total_weight for f in some),
        n_weighted=sum(f.n_weighted for f in some),
        sample=_merged_samples([f.sample for f in some], widths[0]),
    )


def _magnitudes(X: Any) -> NDArray:
    """Return the largest magnitude of each column; refuse NaN and infinity."""
    n, d = X.shape
    largest = np.zeros(d, X.dtype)
    if not sparse.issparse(X):
        # in blocks that stay in the cache: no array of the size of X
        m = min(n, max(1, CACHED_ENTRIES // max(1, d)))
        of_block = np.empty((m, d), X.dtype)
        for start in range(0, n, max(1, m)):
            rows = X[start : start + m]
            np.abs(rows, out=of_block[: len(rows)])
            np.maximum(largest, of_block[: len(rows)].max(axis=0), out=largest)
    else:
        np.maximum.at(largest, X.indices, abs(X.data))
    if not np.isfinite(largest).all():
        column = int(np.argmin(np.isfinite(largest)))
        bad = "NaN" if np.isnan(largest[column]) else "infinity"
        raise ValueError(
            f"Input X contains {bad}: in column {column}; expected finite numbers: "
            "drop such rows, or fill them in."
        )
    return largest.astype(np.float64)


def _labels(rest: GivenRest) -> LabelFacts:
    """Return the facts of the labels, or of the columns of distributions."""
    y, s = rest.y, rest.sample_weight
    if y.ndim == 2:
        totals = y.sum(axis=0) if s is None else s @ y
        largest = np.full(len(totals), 1.0 if s is None else s.max())
        are_one_hot = bool((y.max(axis=1) == 1).all() and np.count_nonzero(y) == len(y))
        # a column without any probability is refused, whatever the weights are
        used = np.where(y.any(axis=0), np.arange(len(totals)), -1)
        return LabelFacts(used, totals, largest, True, are_one_hot)
    values, codes = np.unique(y, return_inverse=True)
    # with as few samples as labels, scikit-learn would warn of it
    with np.errstate(invalid="ignore"):
        check_classification_targets(np.resize(values, 4 * len(values)))
    largest = np.ones(len(values))
    if s is not None:
        largest[:] = 0
        np.maximum.at(largest, codes, s)
    with np.errstate(over="ignore"):
        totals = np.bincount(codes, s, len(values)).astype(np.float64)
    return LabelFacts(values, totals, largest, False, True)


def _merged_labels(labels: list[LabelFacts]) -> LabelFacts | None:
    if not labels:
        return None
    if labels[0].are_distributions:
        shapes = sorted({len(some.values) for some in labels})
        if len(shapes) > 1:
            raise ValueError(
                f"Partitions of y have {shapes[0]} and {shapes[1]} columns; expected "
                "one for each class in all."
            )
        return LabelFacts(
            np.max([some.values for some in labels], axis=0),
            np.sum([some.totals for some in labels], axis=0),
            np.max([some.largest for some in labels], axis=0),
            True,
            all(some.are_one_hot for some in labels),
        )
    kinds = sorted(
        {"text" if s.values.dtype.kind in "OUS" else "numbers" for s in labels}
    )
    if len(kinds) > 1:
        raise ValueError(
            "Some partitions of y have numbers as labels, and others strings; expected "
            "one kind: convert them."
        )
    values, places = np.unique(
        np.concatenate([some.values for some in labels]), return_inverse=True
    )
    largest = np.zeros(len(values))
    np.maximum.at(largest, places, np.concatenate([some.largest for some in labels]))
    with np.errstate(over="ignore"):
        totals = np.bincount(places, np.concatenate([some.totals for some in labels]))
    return LabelFacts(values, totals, largest, False, True)


def _merged_samples(samples: list[Sample], d: int) -> Sample:
    """Return rows of all samples at one distance, not more than twice as many."""
    step = max(sample.step for sample in samples)
    limit = 2 * n_spread_rows(d)
    while True:
        thinned = [sample.thinned(step) for sample in samples]
        if sum(sample.X.shape[0] for sample in thinned) <= max(limit, len(samples)):
            break
        step *= 2
    rests = [sample.rest for sample in thinned]
    stack = sparse.vstack if sparse.issparse(thinned[0].X) else np.concatenate
    X: Any = stack([sample.X for sample in thinned])
    return Sample(
        step,
        X.tocsr() if sparse.issparse(X) else X,
        GivenRest(
            np.concatenate([rest.y for rest in rests]),
            _joined([rest.sample_weight for rest in rests]),
            _joined([rest.offset for rest in rests]),
            0,
        ),
    )


def _joined(parts: list[NDArray | None]) -> NDArray | None:
    present = [part for part in parts if part is not None]
    return np.concatenate(present) if present else None


def _rows_of(values: NDArray | None, rows: Any) -> NDArray | None:
    return None if values is None else values[rows]
