"""X as blocks of rows: the only reader of X.

A block fits into a core's cache together with its logits, so a sum over rows that needs
``X w`` and then ``Xᵀ r`` costs one trip to memory. The blocks are dealt out to a few
threads, each of which adds up its own share; NumPy, BLAS and SciPy's sparse products
all release the interpreter lock. The shares are fixed, so a result does not depend on
which thread was faster.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .threads import BlockThreads

# A share of the last cache before memory. In the level-2 cache a block would be closer,
# but the threads would spend the gain on handing the interpreter lock to each other.
BLOCK_BYTES = 2**23
# With fewer rows, adding up (L, d) results would cost more than making them.
MIN_BLOCK_ROWS = 256
# With more rows, the sums over float32 products within a block would lose digits.
MAX_BLOCK_ROWS = 2**14
# A block of a sparse X holds at least so many entries for each column: a sum over it
# has to touch all columns.
MIN_BLOCK_ENTRIES = 4
# So many rows, spread over X, tell what the columns are like.
SPREAD_ROWS, SPREAD_ENTRIES = (30, 1000), 50_000
# Below this much data, float64 in place of float32 costs nothing.
SMALL_BYTES = 2**23
# Below so many products of numbers threads cost more than they save: handing the
# interpreter lock over takes as long as a few BLAS calls on a block in the cache.
THREADED_WORK = 2**22


class RowBlocks:
    """The rows of X, minus ``center``, in blocks.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d), float32 or float64
    center : ndarray of shape (d,), default=None
        Subtracted from every row of a dense X, block by block.
    threads : BlockThreads, default=None
        Those of the rows that these are derived from.
    """

    def __init__(self, X, center=None, threads=None):
        self.X = X
        # The rounding errors of float32 average out over many rows, not over a few.
        is_small = _stored(X).nbytes < SMALL_BYTES
        self.dtype = np.dtype(np.float64) if is_small else X.dtype
        self.center = None if center is None else np.asarray(center, self.dtype)
        self._threads = BlockThreads() if threads is None else threads

    def sum(
        self,
        add_block: Callable,
        *shapes: tuple[int, ...],
        width: int = 0,
        work: int = 1,
    ) -> list[NDArray]:
        """Sum over all rows: call ``add_block(X, rows, *sums)`` for every block.

        Parameters
        ----------
        add_block : callable
            Adds the share of one block, the rows ``X`` at the slice ``rows``, to arrays
            ``sums`` in place.
        *shapes : tuple of int
            The shapes of the sums, which are float64 and start at 0.
        width : int, default=0
            How many numbers a row needs in the cache besides those in X.
        work : int, default=1
            How many products each number in X takes part in.

        Returns
        -------
        list of ndarray
            The sums over all blocks.
        """
        n_threads = self._threads_for(work * _stored(self.X).size)
        blocks = list(self.slices(width, n_threads))
        left = self._threads.left

        def add_up(share):
            sums = [np.zeros(shape) for shape in shapes]
            for rows in share:
                if left.is_set():
                    break
                add_block(self.take(rows), rows, *sums)
            return sums

        n_shares = min(n_threads, len(blocks))
        cuts = [len(blocks) * i // n_shares for i in range(n_shares + 1)]
        shares = [blocks[a:b] for a, b in pairwise(cuts)]
        total, *others = self._threads.map(add_up, shares, n_shares)
        for sums in others:
            for into, part in zip(total, sums, strict=True):
                into += part
        return total

    def map(self, function: Callable, items: Sequence, work: float) -> list[Any]:
        """Return ``function(item)`` of every item, ``work`` products in all."""
        return list(self._threads.map(function, items, self._threads_for(work)))

    def dealt_out(self, width: int, work: int) -> tuple[int, int]:
        """Return how many blocks, and threads for them, `sum` takes."""
        n_threads = self._threads_for(work * _stored(self.X).size)
        n_blocks = len(list(self.slices(width, n_threads)))
        return n_blocks, min(n_threads, n_blocks)

    def slices(self, width: int = 0, n_shares: int = 1) -> Iterator[slice]:
        """Yield the slices of rows that make up the blocks, the same for each share."""
        n, d = self.X.shape
        row_bytes = _stored(self.X).nbytes // max(1, n) + width * self.dtype.itemsize
        largest = min(BLOCK_BYTES // max(1, row_bytes), MAX_BLOCK_ROWS)
        smallest = MIN_BLOCK_ROWS
        if sparse.issparse(self.X):
            smallest = max(smallest, MIN_BLOCK_ENTRIES * d * n // max(1, self.X.nnz))
        n_blocks = n_shares * -(-n // (max(smallest, largest) * n_shares))
        step = max(min(n, smallest), -(-n // n_blocks))
        return (slice(start, min(start + step, n)) for start in range(0, n, step))

    def take(self, rows):
        """Return rows minus the center, a view where possible."""
        if not sparse.issparse(self.X):
            X = self.X[rows].astype(self.dtype, copy=False)
            return X if self.center is None else X - self.center
        if not isinstance(rows, slice):
            return self.X[rows].astype(self.dtype, copy=False)
        first, last = self.X.indptr[rows.start], self.X.indptr[rows.stop]
        return _assembled(
            type(self.X),
            (rows.stop - rows.start, self.X.shape[1]),
            self.X.data[first:last].astype(self.dtype, copy=False),
            self.X.indices[first:last],
            self.X.indptr[rows.start : rows.stop + 1] - first,
        )

    def spread(self) -> NDArray:
        """Return where a few rows are, spread over X."""
        return np.arange(0, self.X.shape[0], _spacing(self.X))

    def threads(self) -> AbstractContextManager[None]:
        """Return a context in which the blocks are dealt out to threads."""
        return self._threads.open()

    def derived(self, X, center=None) -> "RowBlocks":
        """Return blocks of other rows or columns, which share the threads."""
        return RowBlocks(X, center, self._threads)

    def _threads_for(self, work):
        """Return how many threads to use for so many products of numbers."""
        return self._threads.n_threads if work >= THREADED_WORK else 1


def _spacing(X):
    """Return the distance between a few rows that are spread over X."""
    n, d = X.shape
    n_rows = np.clip(SPREAD_ENTRIES // max(d, 1), *SPREAD_ROWS)
    return max(1, n // int(n_rows))


def transposed(X):
    """Return Xᵀ of a block, a view."""
    if not sparse.issparse(X):
        return X.T
    kind = sparse.csc_array if isinstance(X, sparse.sparray) else sparse.csc_matrix
    return _assembled(kind, X.shape[::-1], X.data, X.indices, X.indptr)


def _assembled(kind, shape, data, indices, indptr):
    """Return a sparse matrix of these arrays, neither copied nor checked.

    SciPy's slicing copies the data, and so does its constructor, which holds that a
    small view of large arrays wastes memory. Its check of the indices takes as long as
    a product.
    """
    block = kind(shape, dtype=data.dtype)
    block.data, block.indices, block.indptr = data, indices, indptr
    return block


def _stored(X):
    """Return the array that holds the entries of X."""
    return X.data if sparse.issparse(X) else X


def far_center(X) -> NDArray | None:
    """Return a center for columns that lie far from 0 for their spread, else None.

    Where |mean| ≫ std, ``X w + b`` loses the digits in which the rows differ. A few
    rows spread over X tell; the center needs to be near the column, not its mean.
    """
    if sparse.issparse(X):
        return None
    sample = X[:: _spacing(X)]
    middle = np.median(sample, axis=0)
    spread = np.abs(sample - middle).mean(axis=0)
    # A constant column matters if it is large beside the spread of the others.
    spread = np.where(spread > 0, spread, spread.max())
    # at this ratio a quarter of the digits would be lost
    far = np.abs(middle) > spread * np.finfo(X.dtype).eps ** -0.25
    return np.where(far, middle, 0) if far.any() else None
