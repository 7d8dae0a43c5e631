"""Rows in memory: X as a dense array or CSR matrix, with targets, weights and offset.

Threads share the blocks, and each thread sums its share. NumPy, BLAS and SciPy's sparse
products release the interpreter lock. The shares do not depend on the speed of the
threads, so results are reproducible.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from copy import copy
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from .blocks import RowBlocks, stored_array
from .partition import Partition, merge
from .rows import Block, Largest, Sum, means_by_blocks
from .threads import BlockThreads
from .weights import class_sums, relative_weights

# Below this number of multiplications threads cost more than they save: passing the
# interpreter lock on takes as long as a few BLAS calls on a block in the cache.
THREADED_WORK = 2**22
# With few columns, a pass is nearly all exponentials and logarithms. A value that a row
# has in addition to X costs as much as this number of multiplications.
PRODUCTS_PER_VALUE = 16
# The size of a block of columns, which has to fit into a core's level-2 cache. But X Xᵀ
# of fewer columns takes less time than adding it to a sum.
COLUMN_BYTES, MIN_BLOCK_COLUMNS = 2**19, 256


class InMemoryRows:
    """`Rows` in arrays, which have been checked.

    `Rows` documents the methods.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d), float32 or float64
    targets : ndarray of shape (n,) or (n, K)
        Class codes or target distributions.
    sample_weight : ndarray of shape (n,), default=None
        None means 1 for each row.
    offset : ndarray of shape (n, L), default=None
    center : ndarray of shape (d,), default=None
        Subtracted from every row of a dense X, block by block.
    threads : BlockThreads, default=None
        The threads of other rows, to share them; None for new ones.
    """

    are_elsewhere = False

    def __init__(
        self,
        X: Any,
        targets: NDArray,
        sample_weight: ArrayLike | None = None,
        offset: NDArray | None = None,
        *,
        center: ArrayLike | None = None,
        threads: BlockThreads | None = None,
    ):
        self.weights, self.mean_factor, self.weight_sum = relative_weights(
            sample_weight, X.shape[0]
        )
        self.targets, self.offset = targets, offset
        self._read_from(RowBlocks(X, center))
        self._threads = BlockThreads() if threads is None else threads

    def _read_from(self, blocks: RowBlocks) -> None:
        """Take blocks and what they tell; each evaluation asks for it several times."""
        self._blocks = blocks
        self._part = Partition(blocks, self.targets, self.weights, self.offset)
        self.X, self.dtype, self.center = blocks.X, blocks.dtype, blocks.center
        self.n_samples, self.n_features = blocks.shape
        self.n_stored = stored_array(self.X).size
        if blocks.columns is not None:
            self.n_stored = self.n_stored * self.n_features // self.X.shape[1]
        self.is_sparse = sparse.issparse(self.X)

    @cached_property
    def typical_offset(self) -> NDArray | None:
        return None if self.offset is None else np.median(self.offset, axis=0)

    def map_reduce(
        self,
        function: Callable,
        *results: Sum | Largest,
        width: int = 0,
        work: int = 1,
    ) -> list[NDArray]:
        shares = self._shares(width, work)
        interrupted = self._threads.interrupted

        def add_up(share: tuple[slice, ...]) -> list[NDArray]:
            return self._part.add_up(function, results, share, interrupted)

        totals, *others = self._threads.map(add_up, shares, len(shares))
        for arrays in others:
            merge(results, totals, arrays)
        return totals

    def map_blocks(self, function: Callable, *, width: int, work: int) -> list[Any]:
        def call_with_block(where: slice) -> Any:
            return function(self._part.block(where))

        slices = self._blocks.slices(width)
        return self.map(call_with_block, slices, self._work(width, work))

    def map(self, function: Callable, items: Sequence, work: float) -> list[Any]:
        return self._threads.map(function, items, self._threads_for(work))

    def describe(self, width: int, work: int) -> str:
        shares = self._shares(width, work)
        n_blocks, n_threads = sum(map(len, shares)), len(shares)
        return (
            f"{self.n_samples} rows of {self.n_features} columns in {n_blocks} "
            f"block{'s'[: n_blocks > 1]} for {n_threads} thread{'s'[: n_threads > 1]}, "
            f"{self.dtype.name}"
        )

    def spread(self) -> Block:
        return self._part.block(self._blocks.spread())

    def class_totals(self, n_classes: int) -> NDArray:
        return class_sums(self.targets, self.weights, n_classes)

    def column_means(self) -> NDArray:
        if self._blocks.columns is not None:
            return means_by_blocks(self)
        means = np.asarray(self.X.mean(axis=0, dtype=np.float64)).ravel()
        return means if self.center is None else means - self.center

    def with_columns(self, columns: NDArray) -> "InMemoryRows":
        other = copy(self)
        other._read_from(self._blocks.with_columns(columns))
        return other

    def with_coordinates(self, X: NDArray) -> "InMemoryRows":
        other = copy(self)
        other._read_from(RowBlocks(X))
        return other

    def without_row(self, index: int) -> "InMemoryRows":
        other = copy(self)
        other.weights = np.ones(len(self.targets))
        if self.weights is not None:
            other.weights[:] = self.weights
        other.weights[index] = 0
        other._read_from(self._blocks)
        return other

    def with_other_rows(
        self,
        X: Any,
        targets: NDArray,
        sample_weight: ArrayLike | None,
        offset: NDArray | None,
    ) -> "InMemoryRows":
        """Return rows of other data with the same center and the same threads."""
        return InMemoryRows(
            X,
            targets,
            sample_weight,
            offset,
            center=self.center,
            threads=self._threads,
        )

    def column_blocks(self, columns: NDArray) -> Iterator[tuple[slice, NDArray]] | None:
        return None if self.is_sparse else self._column_blocks(columns)

    def _column_blocks(self, columns: NDArray) -> Iterator[tuple[slice, NDArray]]:
        width = max(MIN_BLOCK_COLUMNS, COLUMN_BYTES // (8 * self.n_samples))
        for start in range(0, len(columns), width):
            some = slice(start, start + width)
            chosen = columns[some]
            center = None if self.center is None else self.center[chosen]
            if self._blocks.columns is not None:
                chosen = self._blocks.columns[chosen]
            X = self.X[:, _as_slice(chosen)]
            yield some, X if center is None else X - center

    def read_in_float64(self) -> bool:
        is_changed = self.dtype != np.float64
        if is_changed:
            # a new object, because other rows may share the blocks
            self._read_from(self._blocks.in_float64())
        return is_changed

    def threads(self) -> AbstractContextManager[None]:
        return self._threads.open()

    def _shares(self, width: int, work: int) -> list[tuple[slice, ...]]:
        """Return the blocks of a pass, dealt out to the threads that it pays to use.

        Each thread gets blocks in a row: the system reads a file ahead of it.
        """
        n_threads = self._threads_for(self._work(width, work))
        blocks = self._blocks.slices(width, n_threads)
        n_shares = min(n_threads, len(blocks))
        cuts = [len(blocks) * i // n_shares for i in range(n_shares + 1)]
        return [blocks[a:b] for a, b in pairwise(cuts)]

    def _work(self, width: int, work: int) -> int:
        """Return the products of a pass, with its other values in units of these."""
        return work * self.n_stored + PRODUCTS_PER_VALUE * width * self.n_samples

    def _threads_for(self, work: float) -> int:
        """Return the number of threads to use for ``work`` multiplications."""
        return self._threads.n_threads if work >= THREADED_WORK else 1


def _as_slice(places: NDArray) -> slice | NDArray:
    """Return successive places as a slice, which copies nothing; others as given."""
    first = places[0]
    is_successive = np.array_equal(places, np.arange(first, first + len(places)))
    return slice(first, first + len(places)) if is_successive else places
