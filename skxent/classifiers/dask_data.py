"""The input of a fit as checked partitions of Dask collections.

`check_dask_data` is the counterpart of `check_data`. One pass over the collections
checks them and finds out what a fit has to know: classes, weights, magnitudes, and a
sample of rows.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import blocks
from ..data.blocks import center_of_sample
from ..data.dask_collections import align, is_dask, is_frame
from ..data.dask_engine import Engine, Tasks, add_tasks, add_value, is_own
from ..data.dask_rows import (
    AtClient,
    DaskRows,
    PartKeys,
    RestOfPart,
    View,
    sums_of_rest,
)
from ..data.weights import WeightSums
from .dask_facts import (
    Facts,
    GivenRest,
    LabelFacts,
    facts_of,
    floating_part,
    given_rest,
    merge_facts,
)
from .dask_hold_out import HoldOut, strata_counts
from .early_stopping import check_class_counts, check_part_sizes
from .validation import (
    check_class_columns,
    check_class_totals,
    check_classes,
    class_weights,
    refuse_class_weight_of_distributions,
    refuse_extreme_features,
    refuse_unused_classes,
    smallest_integer,
)


@dataclass(frozen=True)
class Encoding:
    """How a partition of labels and sample weights becomes targets and weights.

    Attributes
    ----------
    classes : ndarray of shape (K,)
    are_codes : bool
        Whether targets are codes: y has labels, or distributions that are one-hot.
    factors : ndarray of shape (K,) or None
        What the sample weights of each class are multiplied by, so that the largest
        weight is 1; None if all weights are equal.
    """

    classes: NDArray
    are_codes: bool
    factors: NDArray | None

    def encode(self, given: GivenRest, start: int) -> RestOfPart:
        """Return the targets, weights and offset of a partition."""
        y = given.y
        targets = y
        if self.are_codes:
            codes = (
                np.searchsorted(self.classes, y) if y.ndim == 1 else y.argmax(axis=1)
            )
            targets = codes.astype(smallest_integer(len(self.classes)))
        weights = None
        if self.factors is not None:
            # the factors of distributions are equal
            factor = self.factors[targets] if self.are_codes else self.factors[0]
            s = given.sample_weight
            weights = np.broadcast_to(factor, len(y)) * (1.0 if s is None else s)
        return RestOfPart(targets, weights, given.offset, start)


@dataclass(frozen=True)
class DaskData:
    """The checked input of a fit in Dask partitions.

    Attributes
    ----------
    X, y, sample_weight, offset : Dask collections or None
        As the user passed them.
    classes : ndarray of shape (K,)
    feature_names : ndarray of shape (d,) or None
    facts : Facts
        Of all rows, also of those that early stopping holds out.
    largest_weight : float
        The weights of partitions are relative to it.
    engine : Engine
    tasks : dict
        The graph that has the partitions.
    keys : list of PartKeys
    sample : RestOfPart
        Of the sample of rows in ``facts``.
    n_samples : int
    class_totals : ndarray of shape (K,)
        The relative weight of each class.
    """

    X: Any
    y: Any
    sample_weight: Any
    offset: Any
    classes: NDArray
    feature_names: NDArray | None
    facts: Facts
    largest_weight: float
    engine: Engine
    tasks: Tasks
    keys: list[PartKeys]
    sample: RestOfPart
    n_samples: int
    class_totals: NDArray

    @property
    def n_features(self) -> int:
        """The number of columns of X: d."""
        return self.facts.n_features

    @property
    def weight_sums(self) -> WeightSums:
        """The sums over the sample weights, also of rows that are held out."""
        facts = self.facts
        assert facts.labels is not None  # as `check_dask_data` has checked
        return WeightSums(facts.labels.totals, facts.total_weight, facts.n_weighted)

    def close(self) -> None:
        """Let the cluster forget the partitions that were persisted."""
        self.engine.close()

    def rows(self, *, centred: bool, label_smoothing: float = 0.0) -> DaskRows:
        """Return the rows of all partitions, minus a center if columns are far from 0.

        Parameters
        ----------
        centred : bool
            Whether there may be a center.
        label_smoothing : float, default=0.0
        """
        facts, X = self.facts, self.facts.sample.X
        is_small = facts.n_bytes < blocks.SMALL_BYTES
        dtype = np.dtype(np.float64) if is_small else facts.dtype
        center = None
        if centred and not facts.is_sparse:
            center = center_of_sample(X.astype(facts.dtype, copy=False))
        # the sample also has rows that are held out: it says what numbers are like
        at_client = AtClient(
            self.engine,
            self.tasks,
            self.keys,
            self.engine.groups(self.tasks, [k.X for k in self.keys], facts.n_bytes),
            self.sample,
            X,
            facts.stored_by_column * self.n_samples // max(1, sum(facts.lengths)),
            self.class_totals,
        )
        return DaskRows(
            at_client,
            View(dtype, center, None, len(self.classes), label_smoothing),
            n_samples=self.n_samples,
            is_sparse=facts.is_sparse,
            largest_weight=self.largest_weight,
        )

    def hold_out(
        self, validation_fraction: float, seed: int
    ) -> tuple["DaskData", "DaskData"]:
        """Split the rows into a training part and a validation part.

        Raises
        ------
        ValueError
            If there are too few rows, or the training part would lack a class.
        """
        labelled, n_classes = self.sample.targets.ndim == 1, len(self.classes)
        n_strata = n_classes if labelled else 1
        leaves = [(strata_counts, keys.rest, n_strata) for keys in self.keys]
        counts = np.array(self.engine.gather(self.tasks, leaves, "skxent-class-counts"))
        totals = counts.sum(axis=0)
        n = int(totals.sum())
        if labelled:
            check_class_counts(totals, self.classes)
        n_validation = int(np.ceil(validation_fraction * n))
        check_part_sizes(validation_fraction, n, n_validation, n_strata)
        wanted = np.rint(validation_fraction * totals) if labelled else [n_validation]
        held_out = HoldOut(
            seed, totals, np.clip(wanted, 1, totals - 1).astype(np.int64)
        )
        ranks = np.cumsum(counts, axis=0) - counts
        tasks = dict(self.tasks)
        key = add_value(tasks, held_out, "hold-out")
        both = add_tasks(
            tasks,
            [
                (_split, key, keys.rest, rank)
                for keys, rank in zip(self.keys, ranks, strict=True)
            ],
            "hold-out",
        )
        train, validate = (self._part(tasks, both, i) for i in range(2))
        if not train.class_totals.all():
            label = self.classes.tolist()[int(np.argmin(train.class_totals))]
            raise ValueError(
                f"The class {label!r} has the probability 0 in all {train.n_samples} "
                "rows of the training part; expected a positive total for every class: "
                "choose another random_state, or set early_stopping=False."
            )
        return train, validate

    def _part(self, tasks: Tasks, both: list[Any], i: int) -> "DaskData":
        """Return the data of the training part or of the validation part."""
        tasks = dict(tasks)
        rest = add_tasks(tasks, [(_item, pair, i) for pair in both], "rest-of-part")
        kept = _persisted_rest(self.engine, tasks, rest, [k.X for k in self.keys])
        n_samples, totals = _sums(self.engine, kept, rest, len(self.classes))
        keys = [PartKeys(k.X, r) for k, r in zip(self.keys, rest, strict=True)]
        return replace(
            self, tasks=kept, keys=keys, n_samples=n_samples, class_totals=totals
        )


def check_dask_data(
    X: Any,
    y: Any,
    sample_weight: Any,
    offset: Any,
    *,
    engine: Engine,
    persist: bool | str,
    class_weight: Any,
    binary_only: bool,
) -> DaskData:
    """Return the input of ``fit`` as checked partitions.

    Parameters
    ----------
    X, y, sample_weight, offset : Dask collections or None
    engine : Engine
    persist : bool or "auto"
    class_weight
        As in the estimators.
    binary_only : bool
        Whether more than two classes are refused.
    """
    if is_dask(X) and getattr(X, "ndim", 2) != 2:
        raise ValueError(f"X has {X.ndim} dimension(s); expected 2: rows and features.")
    parts = align(X=X, y=y, sample_weight=sample_weight, offset=offset)
    tasks = parts.tasks
    X_keys = add_tasks(tasks, [(floating_part, k[0]) for k in parts.keys], "check-X")
    leaves = [(given_rest, *k[1:], i) for i, k in enumerate(parts.keys)]
    given_keys = add_tasks(tasks, leaves, "check-y")
    both = list(zip(X_keys, given_keys, strict=True))

    is_persisted = persist is True
    if persist == "auto" and not is_frame(X):
        # False if the size is not known
        is_persisted = engine.fits(X.nbytes)
    if is_persisted:
        tasks = engine.persist(tasks, [*X_keys, *given_keys])
    leaves = [(facts_of, *pair) for pair in both]
    facts = engine.reduce(tasks, leaves, (merge_facts,), "skxent-facts")
    if persist == "auto" and not is_persisted and engine.fits(facts.n_bytes):
        tasks = engine.persist(tasks, [*X_keys, *given_keys])

    if facts.labels is None:
        raise ValueError(
            f"X has 0 rows in {len(both)} partitions; expected at least 2 of them."
        )
    refuse_extreme_features(facts.magnitudes)
    _check_n_logits(facts, offset, binary_only)
    classes = _classes(facts.labels, y, binary_only=binary_only)
    encoding, largest = _encoding(facts, classes, sample_weight, class_weight)
    key = add_value(tasks, encoding, "encoding")
    starts = np.cumsum([0, *facts.lengths]).tolist()
    leaves = [(_encode, key, k, i) for k, i in zip(given_keys, starts, strict=False)]
    rest = add_tasks(tasks, leaves, "rest-of-part")
    tasks = _persisted_rest(engine, tasks, rest, X_keys)
    n_samples, totals = _sums(engine, tasks, rest, len(classes))
    names = [str(n) for n in X.columns] if is_frame(X) else []
    has_names = is_frame(X) and all(isinstance(name, str) for name in X.columns)
    return DaskData(
        X,
        y,
        sample_weight,
        offset,
        classes,
        np.asarray(names, dtype=object) if has_names else None,
        facts,
        largest,
        engine,
        tasks,
        [PartKeys(*pair) for pair in zip(X_keys, rest, strict=True)],
        encoding.encode(facts.sample.rest, 0),
        n_samples,
        totals,
    )


def _classes(labels: LabelFacts, y: Any, *, binary_only: bool) -> NDArray:
    """Return the label of each class."""
    if not labels.are_distributions:
        many = np.resize(labels.values, 4 * len(labels.values))
        check_classes(labels.values, many, binary_only=binary_only)
        return labels.values
    names = list(y.columns) if is_frame(y) else None
    n_classes, dtype = len(labels.values), np.dtype(np.float64)
    classes = check_class_columns(n_classes, dtype, names, binary_only=binary_only)
    refuse_unused_classes(classes, labels.values < 0)
    return classes


def _encoding(
    facts: Facts, classes: NDArray, sample_weight: Any, class_weight: Any
) -> tuple[Encoding, float]:
    """Return how to encode y and the weights, and the largest weight."""
    labels = facts.labels
    assert labels is not None  # as `check_dask_data` has checked
    are_codes = not labels.are_distributions or labels.are_one_hot
    factors = np.ones(len(classes))
    if labels.are_distributions and not labels.are_one_hot:
        refuse_class_weight_of_distributions(class_weight)
    elif class_weight is not None and np.isfinite(labels.totals.sum()):
        factors = class_weights(class_weight, classes, labels.totals)
    with np.errstate(over="ignore", invalid="ignore"):
        check_class_totals(labels.totals * factors, classes)
        largest = float((labels.largest * factors).max())
    smallest, of_all = facts.weight_range
    if class_weight is None and smallest == of_all:
        return Encoding(classes, are_codes, None), of_all
    return Encoding(classes, are_codes, factors / largest), largest


def _check_n_logits(facts: Facts, offset: Any, binary_only: bool) -> None:
    """Refuse an offset with a wrong number of columns."""
    sample = facts.sample.rest.offset
    if offset is None or sample is None or facts.labels is None:
        return
    n_logits = 1 if binary_only else len(facts.labels.values)
    if sample.shape[1] != n_logits:
        n = sum(facts.lengths)
        expected = f"({n},)" if n_logits == 1 else f"({n}, {n_logits})"
        raise ValueError(
            f"offset has {sample.shape[1]} columns; expected the shape {expected}: a "
            "number for each row and logit."
        )


def _persisted_rest(
    engine: Engine, tasks: Tasks, rest: list[Any], X_keys: list[Any]
) -> Tasks:
    """Return a graph in which all but X is persisted: it is small.

    What only the targets needed is not in it, so that Dask can release it.
    """
    wanted = set(X_keys)
    graph = {k: task for k, task in tasks.items() if k in wanted or not is_own(k)}
    return graph | engine.persist(tasks, rest)


def _sums(
    engine: Engine, tasks: Tasks, rest: list[Any], n_classes: int
) -> tuple[int, NDArray]:
    """Return the number of rows, and the relative weight of each class."""
    leaves = [(sums_of_rest, key, n_classes) for key in rest]
    return engine.reduce(tasks, leaves, (_merge_sums,), "skxent-class-sums")


def _merge_sums(shares: list[tuple[int, NDArray]]) -> tuple[int, NDArray]:
    counts, totals = zip(*shares, strict=True)
    return sum(counts), np.sum(totals, axis=0)


def _encode(encoding: Encoding, given: GivenRest, start: int) -> RestOfPart:
    return encoding.encode(given, start)


def _split(
    held_out: HoldOut, rest: RestOfPart, ranks: NDArray
) -> tuple[RestOfPart, RestOfPart]:
    return held_out.split(rest, ranks)


def _item(pair: tuple, i: int) -> Any:
    return pair[i]
