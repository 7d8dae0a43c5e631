"""Blocks of rows of an array X.

A block and its logits fit into a core's cache. A sum over rows that needs ``X w`` and
then ``Xᵀ r`` therefore reads X from memory once.
"""

from copy import copy
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

# A core's share of the last-level cache. Blocks in the level-2 cache would be read
# faster. But a thread has to hold the interpreter lock to start a block: with so many
# blocks, threads would lose as much time by waiting for each other.
BLOCK_BYTES = 6 * 2**20
# With fewer rows, adding the (L, d) results of the blocks would cost more than the
# results themselves.
MIN_BLOCK_ROWS = 256
# With more rows, float32 sums within a block would lose digits.
MAX_BLOCK_ROWS = 2**14
# Each block of a sparse X has at least this number of entries per column, because the
# time to add its result is proportional to the number of columns.
MIN_BLOCK_ENTRIES = 4
# A sample for the scales of the columns: at least 30 and at most 1000 rows, and about
# this number of entries in between.
SPREAD_ROWS, SPREAD_ENTRIES = (30, 1000), 50_000
# Below this size, computing in float64 is as fast as in float32.
SMALL_BYTES = 2**23


class RowBlocks:
    """The rows of X, minus ``center``, in blocks.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d), float32 or float64
    center : ndarray of shape (d,), default=None
        Subtracted from every row of a dense X, block by block.

    Attributes
    ----------
    dtype : dtype
        The type of the blocks: float64 for a small X, else that of X. The rounding
        errors of float32 average out over many rows only.
    """

    def __init__(self, X: Any, center: ArrayLike | None = None):
        self.X = X
        is_small = stored_array(X).nbytes < SMALL_BYTES
        self.dtype = np.dtype(np.float64) if is_small else X.dtype
        self.center = None if center is None else np.asarray(center, self.dtype)

    def in_float64(self) -> "RowBlocks":
        """Return the same rows, each block converted to float64 when it is read."""
        other = copy(self)
        other.dtype = np.dtype(np.float64)
        return other

    def with_columns(self, columns: NDArray) -> "RowBlocks":
        """Return blocks of some of the columns; copies them."""
        X = self.X[:, columns]
        other = copy(self)
        other.X = X if sparse.issparse(X) else np.ascontiguousarray(X)
        other.center = None if self.center is None else self.center[columns]
        return other

    def slices(self, width: int = 0, n_shares: int = 1) -> tuple[slice, ...]:
        """Return the slices of rows of the blocks.

        Parameters
        ----------
        width : int, default=0
            The number of values that a row needs in the cache, in addition to X.
        n_shares : int, default=1
            The number of blocks is a multiple of this, if there are enough rows.
        """
        n, d = self.X.shape
        row_bytes = (
            stored_array(self.X).nbytes // max(1, n) + width * self.dtype.itemsize
        )
        smallest = MIN_BLOCK_ROWS
        if sparse.issparse(self.X):
            smallest = max(smallest, MIN_BLOCK_ENTRIES * d * n // max(1, self.X.nnz))
        largest = min(BLOCK_BYTES // max(1, row_bytes), MAX_BLOCK_ROWS)
        return _slices(n, smallest, largest, n_shares)

    def take(self, rows: slice | NDArray) -> Any:
        """Return rows minus the center, as a view if possible.

        A slice of sparse rows has to be without gaps.
        """
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

    def spread(self) -> slice | NDArray:
        """Return the indices of the sampled rows, at equal distances in X."""
        rows = slice(0, self.X.shape[0], _spacing(self.X))
        if sparse.issparse(self.X):
            return np.arange(rows.start, rows.stop, rows.step)
        return rows


@lru_cache
def _slices(n: int, smallest: int, largest: int, n_shares: int) -> tuple[slice, ...]:
    """Return slices of n rows; each evaluation of a fit asks for the same ones."""
    n_blocks = n_shares * -(-n // (max(smallest, largest) * n_shares))
    step = max(min(n, smallest), -(-n // n_blocks))
    return tuple(slice(start, min(start + step, n)) for start in range(0, n, step))


def _spacing(X: Any) -> int:
    """Return the distance between sampled rows."""
    n, d = X.shape
    n_rows = np.clip(SPREAD_ENTRIES // max(d, 1), *SPREAD_ROWS)
    return max(1, n // int(n_rows))


def transposed(X: Any) -> Any:
    """Return Xᵀ of a block, as a view."""
    if not sparse.issparse(X):
        return X.T
    kind = sparse.csc_array if isinstance(X, sparse.sparray) else sparse.csc_matrix
    return _assembled(kind, X.shape[::-1], X.data, X.indices, X.indptr)


def with_entries(X: Any, data: NDArray) -> Any:
    """Return a sparse block with other stored entries in the same places."""
    return _assembled(type(X), X.shape, data, X.indices, X.indptr)


def _assembled(kind: Any, shape: Any, data: Any, indices: Any, indptr: Any) -> Any:
    """Return a sparse matrix made of these arrays, without a copy or a check.

    Slicing in SciPy copies the data. So does the constructor if the arrays are small
    views of large ones. Its check of the indices takes as long as a product.
    """
    block = kind(shape, dtype=data.dtype)
    block.data, block.indices, block.indptr = data, indices, indptr
    return block


def stored_array(X: Any) -> NDArray:
    """Return the array that holds the entries of X."""
    return X.data if sparse.issparse(X) else X


def far_center(X: Any, ratio: float | None = None) -> NDArray | None:
    """Return a center for columns with |mean| ≫ std; None if there are none.

    In such a column ``X w + b`` loses the digits in which the rows differ. The center
    is the median of a sample: it has to be close to the values, not exactly their mean.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, d)
        A sparse X is never centred.
    ratio : float, default=None
        A mean is far from 0 if it exceeds the spread by this factor. None means one at
        which a quarter of the digits would be lost.

    Returns
    -------
    ndarray of shape (d,) or None
        0 for columns that need no center.
    """
    if sparse.issparse(X):
        return None
    sample = X[:: _spacing(X)]
    if ratio is None:
        ratio = float(np.finfo(X.dtype).eps ** -0.25)
    if not _may_be_far(sample, ratio).any():
        return None
    middle = np.median(sample, axis=0)
    spread = np.abs(sample - middle).mean(axis=0)
    # A constant column needs a center if it is large compared to the largest spread.
    spread = np.where(spread > 0, spread, spread.max())
    far = np.abs(middle) > spread * ratio
    return np.where(far, middle, 0) if far.any() else None


def _may_be_far(sample: NDArray, ratio: float) -> NDArray:
    """Return for which columns the median may exceed the spread by more than a ratio.

    This is much faster than a median. The spread is at least half of the range, divided
    by the number of rows.
    """
    low = sample.min(axis=0).astype(np.float64, copy=False)
    high = sample.max(axis=0).astype(np.float64, copy=False)
    return np.maximum(high, -low) > ratio / (2 * len(sample)) * (high - low)
