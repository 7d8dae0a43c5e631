"""Rows in the partitions of Dask collections.

`DaskRows` sends a function to all partitions. Where a partition is, its blocks are read
by the code that reads rows in memory, and the sums come back merged. X itself stays
where it is: only a sample of some hundred rows comes to the client.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Never

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .blocks import RowBlocks
from .dask_engine import Engine, Tasks, add_value, task_name
from .partition import Partition, Share
from .rows import Block, Largest, Sum, means_by_blocks
from .scratch import Scratch
from .targets import smooth_targets
from .threads import ONE_BLAS_THREAD, BlockThreads
from .weights import class_sums


@dataclass(frozen=True)
class RestOfPart:
    """What a partition has in addition to X.

    Attributes
    ----------
    targets : ndarray of shape (m,) or (m, K)
    weights : ndarray of shape (m,) or None
        Relative to the largest of all rows; None if all are equal.
    offset : ndarray of shape (m, L) or None
    start : int
        The index of the first row among the rows of all partitions.
    rows : ndarray of shape (m,) or None
        The places of the rows in X; None for all.
    """

    targets: NDArray
    weights: NDArray | None
    offset: NDArray | None
    start: int
    rows: NDArray | None = None

    def take(self, chosen: NDArray, start: int) -> "RestOfPart":
        """Return the rows at these places."""
        return RestOfPart(
            self.targets[chosen],
            None if self.weights is None else self.weights[chosen],
            None if self.offset is None else self.offset[chosen],
            start,
            chosen,
        )


@dataclass(frozen=True)
class View:
    """How the blocks of all partitions are read.

    Attributes
    ----------
    dtype : dtype
    center : ndarray of shape (d,) or None
        What is subtracted from the columns of X.
    columns : ndarray or None
        The columns to read; None for all.
    n_classes : int
    label_smoothing : float
    """

    dtype: np.dtype
    center: NDArray | None
    columns: NDArray | None
    n_classes: int
    label_smoothing: float

    def partition(
        self, X: Any, rest: RestOfPart, scratch: Scratch | None = None
    ) -> Partition:
        """Return the partition of X and the rest of it."""
        blocks = RowBlocks(
            X, self.center, dtype=self.dtype, rows=rest.rows, scratch=scratch
        )
        if self.columns is not None:
            blocks = blocks.reading_columns(self.columns)
        targets = smooth_targets(rest.targets, self.n_classes, self.label_smoothing)
        return Partition(blocks, targets, rest.weights, rest.offset, rest.start)

    @property
    def current_center(self) -> NDArray | None:
        """The center of the columns that are read."""
        if self.center is None or self.columns is None:
            return self.center
        return self.center[self.columns]


# Of the tasks of a worker, for all passes: fresh memory for each task would take longer
# than what is computed in it.
SCRATCH_OF_TASKS = Scratch()


class _Pass(NamedTuple):
    """What a pass over the rows sends to each partition, once for each worker."""

    view: View
    function: Callable
    results: Sequence[Sum | Largest]
    width: int


class PartKeys(NamedTuple):
    """The keys of X and of the rest of one partition in a graph of Dask."""

    X: Any
    rest: Any


@dataclass
class AtClient:
    """What only the client knows: it stays there when a function leaves.

    Attributes
    ----------
    engine : Engine
    tasks : dict
        The graph that has the partitions.
    keys : list of PartKeys
    groups : list of list of int
        The places in ``keys`` that one task takes in a pass.
    sample : RestOfPart
        Of some rows, spread over all.
    sample_X : ndarray or CSR matrix
    stored_by_column : ndarray of shape (d,)
        The number of stored entries of each column.
    class_totals : ndarray of shape (K,)
    """

    engine: Engine
    tasks: Tasks
    keys: list[PartKeys]
    groups: list[list[int]]
    sample: RestOfPart
    sample_X: Any
    stored_by_column: NDArray
    class_totals: NDArray

    def keys_of_groups(self) -> list[tuple[list[Any], list[Any]]]:
        """Return the keys of X, and of the rest, of the partitions of each group."""
        return [
            ([self.keys[i].X for i in group], [self.keys[i].rest for i in group])
            for group in self.groups
        ]

    def __reduce__(self) -> tuple[type, tuple]:
        return _NotAtClient, ()


class _NotAtClient:
    """Stands for `AtClient` in a function that has left the client."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError(
            f"A function that reads a block of rows has asked for {name!r} of all "
            "rows; expected the block only: compute it before the pass."
        )


class DaskRows:
    """`Rows` in the partitions of Dask collections, which have been checked.

    `Rows` documents the methods.

    Parameters
    ----------
    at_client : AtClient
    view : View
    n_samples : int
    is_sparse : bool
    largest_weight : float
        The weights of partitions are relative to it.
    """

    are_elsewhere = True

    def __init__(
        self,
        at_client: AtClient,
        view: View,
        *,
        n_samples: int,
        is_sparse: bool,
        largest_weight: float,
    ):
        self._at_client = at_client
        self.n_samples, self.is_sparse = n_samples, is_sparse
        weight_sum = float(at_client.class_totals.sum())
        self.mean_factor, self.weight_sum = 1 / weight_sum, weight_sum * largest_weight
        offset = at_client.sample.offset
        self.typical_offset = None if offset is None else np.median(offset, axis=0)
        self._threads = BlockThreads()
        self._read_by(view)

    def _read_by(self, view: View) -> None:
        """Take a view, and what follows from it."""
        self._view, self.dtype, self.center = view, view.dtype, view.current_center
        stored = self._at_client.stored_by_column
        if view.columns is not None:
            stored = stored[view.columns]
        self.n_features, self.n_stored = len(stored), int(stored.sum())

    def map_reduce(
        self,
        function: Callable,
        *results: Sum | Largest,
        width: int = 0,
        work: int = 1,
    ) -> list[NDArray]:
        at, tasks, key, name = self._prepared(function, results, width)
        leaves = [(_add_up, key, *of_group) for of_group in at.keys_of_groups()]
        share = at.engine.reduce(tasks, leaves, (_merged, key), name)
        return share.rounded()

    def map_blocks(self, function: Callable, *, width: int, work: int) -> list[Any]:
        at, tasks, key, name = self._prepared(function, (), width)
        leaves = [(_of_blocks, key, *of_group) for of_group in at.keys_of_groups()]
        of_groups = at.engine.gather(tasks, leaves, name)
        of_partitions = {
            place: of_blocks
            for group, results in zip(at.groups, of_groups, strict=True)
            for place, of_blocks in zip(group, results, strict=True)
        }
        return [r for place in range(len(at.keys)) for r in of_partitions[place]]

    def _prepared(
        self, function: Callable, results: Sequence[Sum | Largest], width: int
    ) -> tuple[AtClient, Tasks, Any, str]:
        """Return the graph of a pass with its function, the key of it, and a name."""
        at, tasks = self._at_client, dict(self._at_client.tasks)
        sent = _Pass(self._view, function, results, width)
        key = add_value(tasks, sent, "params")
        return at, tasks, key, task_name(function)

    def map(self, function: Callable, items: Sequence, work: float) -> list[Any]:
        return self._threads.map(function, items, self._threads.n_threads)

    def describe(self, width: int, work: int) -> str:
        n_parts = len(self._at_client.keys)
        return (
            f"{self.n_samples} rows of {self.n_features} columns in {n_parts} "
            f"partition{'s'[: n_parts > 1]} of Dask, {self.dtype.name}"
        )

    def spread(self) -> Block:
        at = self._at_client
        part = self._view.partition(at.sample_X, at.sample)
        return part.block(slice(0, len(part.targets)))

    def class_totals(self, n_classes: int) -> NDArray:
        totals, share = self._at_client.class_totals, self._view.label_smoothing
        return (1 - share) * totals + share / n_classes * totals.sum()

    def column_means(self) -> NDArray:
        return means_by_blocks(self)

    def with_columns(self, columns: NDArray) -> "DaskRows":
        before = self._view.columns
        columns = columns if before is None else before[columns]
        other = copy(self)
        other._read_by(replace(self._view, columns=columns))
        return other

    def with_coordinates(self, X: NDArray) -> Never:
        raise NotImplementedError(
            "Rows in Dask partitions have no other coordinates; expected rows in "
            "memory: use the estimators of skxent."
        )

    def without_row(self, index: int) -> Never:
        raise NotImplementedError(
            "Rows in Dask partitions cannot be left out one by one; expected rows in "
            "memory: use the estimators of skxent."
        )

    def column_blocks(self, columns: NDArray) -> Iterator[tuple[slice, NDArray]] | None:
        # a column is spread over all partitions
        return None

    def read_in_float64(self) -> bool:
        is_changed = self.dtype != np.float64
        if is_changed:
            self._read_by(replace(self._view, dtype=np.dtype(np.float64)))
        return is_changed

    def threads(self) -> AbstractContextManager[None]:
        return self._threads.open()


def _add_up(sent: _Pass, Xs: list[Any], rests: list[RestOfPart]) -> Share:
    """Return the sums over some partitions."""
    view, function, results, width = sent
    total = Share.of([np.zeros(result.shape) for result in results])
    with ONE_BLAS_THREAD.hold():
        for X, rest in zip(Xs, rests, strict=True):
            part = view.partition(X, rest, SCRATCH_OF_TASKS)
            arrays = part.add_up(function, results, part.blocks.slices(width))
            total.merge(results, Share.of(arrays))
    return total


def _of_blocks(sent: _Pass, Xs: list[Any], rests: list[RestOfPart]) -> list[list[Any]]:
    """Return what a function returns for each block of some partitions."""
    view, function, _, width = sent
    parts = [
        view.partition(X, rest, SCRATCH_OF_TASKS)
        for X, rest in zip(Xs, rests, strict=True)
    ]
    with ONE_BLAS_THREAD.hold():
        return [
            [function(part.block(where)) for where in part.blocks.slices(width)]
            for part in parts
        ]


def _merged(sent: _Pass, shares: list[Share]) -> Share:
    """Return the merged sums of some groups of partitions."""
    # a worker may need the share of a group again, if another one fails
    total = shares[0].copy()
    for share in shares[1:]:
        total.merge(sent.results, share)
    return total


def sums_of_rest(rest: RestOfPart, n_classes: int) -> tuple[int, NDArray]:
    """Return the number of rows of a partition, and the weight of each class."""
    return len(rest.targets), class_sums(rest.targets, rest.weights, n_classes)


def sample_of(X: Any, step: int) -> Any:
    """Return every ``step``-th row of X, as a copy that does not hold X."""
    rows = X[::step]
    return rows if sparse.issparse(rows) else np.array(rows)
