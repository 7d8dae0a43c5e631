"""Blocks of rows of an array X.

A block and its logits fit into a core's cache. A sum over rows that needs ``X w`` and
then ``Xᵀ r`` therefore reads X from memory once.
"""

from copy import copy
from functools import cached_property, lru_cache
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from .scratch import Scratch

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
# A sparse X of up to this size is copied in CSC form where columns of it are needed.
MAX_CSC_BYTES = 2**30


class RowBlocks:
    """The rows of X, minus ``center``, in blocks.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d), float32 or float64
    center : ndarray of shape (d,), default=None
        Subtracted from every row of a dense X, block by block.
    dtype : dtype, default=None
        The type of the blocks. None takes float64 for a small X, else that of X: the
        rounding errors of float32 average out over many rows only.
    rows : ndarray of int, default=None
        The rows of X to read, which are copied one block at a time; None for all.
    scratch : Scratch, default=None
        The memory of blocks that are computed; None for new one.

    Attributes
    ----------
    dtype : dtype
        The type of the blocks.
    columns : ndarray of int or None
        The columns of X to read, which are copied one block at a time; None for all.
    shape : (int, int)
        The numbers of rows and columns to read.
    """

    def __init__(
        self,
        X: Any,
        center: ArrayLike | None = None,
        *,
        dtype: np.dtype | None = None,
        rows: NDArray | None = None,
        scratch: Scratch | None = None,
    ):
        self.X, self.rows = X, rows
        self.columns: NDArray | None = None
        if dtype is None:
            is_small = stored_array(X).nbytes < SMALL_BYTES
            dtype = np.dtype(np.float64) if is_small else X.dtype
        self.dtype = dtype
        self.center = None if center is None else np.asarray(center, self.dtype)
        self._scratch = Scratch() if scratch is None else scratch

    @property
    def shape(self) -> tuple[int, int]:
        n, d = self.X.shape
        n = n if self.rows is None else len(self.rows)
        return n, d if self.columns is None else len(self.columns)

    def in_float64(self) -> "RowBlocks":
        """Return the same rows, each block converted to float64 when it is read."""
        other = copy(self)
        other.dtype = np.dtype(np.float64)
        return other

    def with_columns(self, columns: NDArray) -> "RowBlocks":
        """Return blocks of some of the columns; copies them if X is in memory."""
        if self.rows is not None or is_memory_mapped(self.X):
            return self.reading_columns(columns)
        if sparse.issparse(self.X):
            is_small = self.X.data.nbytes <= MAX_CSC_BYTES
            X = (self._by_column if is_small else self.X)[:, columns].tocsr()
        elif self.X.flags.c_contiguous:
            X = self.X.take(columns, axis=1)
        else:
            X = np.ascontiguousarray(self.X[:, columns])
        other = copy(self)
        other.__dict__.pop("_by_column", None)
        other.X = X
        other.center = None if self.center is None else self.center[columns]
        return other

    @cached_property
    def _by_column(self) -> Any:
        """A sparse X in CSC form, from which columns are copied without the others.

        A selection from CSR form reads all entries; the conversion takes as long as
        one or two of them.
        """
        return self.X.tocsc()

    def reading_columns(self, columns: NDArray) -> "RowBlocks":
        """Return blocks of some of the columns, which each block copies when read."""
        other = copy(self)
        other.columns = columns if self.columns is None else self.columns[columns]
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
        n_stored_rows, d = self.X.shape
        n_rows = self.shape[0]
        n_bytes = stored_array(self.X).nbytes // max(1, n_stored_rows)
        row_bytes = n_bytes + width * self.dtype.itemsize
        smallest = MIN_BLOCK_ROWS
        if sparse.issparse(self.X):
            entries = MIN_BLOCK_ENTRIES * d * n_stored_rows
            smallest = max(smallest, entries // max(1, self.X.nnz))
        largest = min(BLOCK_BYTES // max(1, row_bytes), MAX_BLOCK_ROWS)
        return _slices(n_rows, smallest, largest, n_shares)

    def take(self, rows: slice | NDArray) -> Any:
        """Return rows minus the center, as a view if possible.

        A slice of sparse rows has to be without gaps. What a slice without gaps returns
        is valid until the thread takes the next one.
        """
        if self.rows is not None:
            rows = self.rows[rows]
        X = self._stored_rows(rows)
        if self.columns is not None:
            X = X[:, self.columns]
        if sparse.issparse(X):
            return X.astype(self.dtype, copy=False)
        # BLAS needs aligned numbers, which those of a file need not be
        center = self.center
        is_usable = X.dtype == self.dtype and X.flags.aligned
        if is_usable and center is None:
            return X
        if isinstance(rows, slice) and rows.step is None:
            out = self._scratch.array(X.shape, self.dtype)
        else:
            out = np.empty(X.shape, self.dtype)
        if is_usable and center is not None:
            return np.subtract(X, center, out=out)
        np.copyto(out, X)
        if center is not None:
            # in the type of the block: NumPy would subtract in that of X
            out -= center.astype(self.dtype)
        return out

    def spread(self) -> slice | NDArray:
        """Return the indices of the sampled rows, at equal distances in X."""
        rows = slice(0, self.shape[0], _spacing(*self.shape))
        if sparse.issparse(self.X):
            return np.arange(rows.start, rows.stop, rows.step)
        return rows

    def _stored_rows(self, rows: slice | NDArray) -> Any:
        """Return rows of X as they are stored."""
        if not (sparse.issparse(self.X) and isinstance(rows, slice)):
            return self.X[rows]
        first, last = self.X.indptr[rows.start], self.X.indptr[rows.stop]
        return _assembled(
            type(self.X),
            (rows.stop - rows.start, self.X.shape[1]),
            self.X.data[first:last].astype(self.dtype, copy=False),
            self.X.indices[first:last],
            self.X.indptr[rows.start : rows.stop + 1] - first,
        )


@lru_cache
def _slices(n: int, smallest: int, largest: int, n_shares: int) -> tuple[slice, ...]:
    """Return slices of n rows; each evaluation of a fit asks for the same ones."""
    if n == 0:
        return ()
    n_blocks = n_shares * -(-n // (max(smallest, largest) * n_shares))
    step = max(min(n, smallest), -(-n // n_blocks))
    return tuple(slice(start, min(start + step, n)) for start in range(0, n, step))


def n_spread_rows(d: int) -> int:
    """Return the number of rows of a sample, for d columns."""
    return int(np.clip(SPREAD_ENTRIES // max(d, 1), *SPREAD_ROWS))


def _spacing(n: int, d: int) -> int:
    """Return the distance between sampled rows."""
    return max(1, n // n_spread_rows(d))


def transposed(X: Any) -> Any:
    """Return Xᵀ of a block, as a view."""
    if not sparse.issparse(X):
        return X.T
    kind = sparse.csc_array if isinstance(X, sparse.sparray) else sparse.csc_matrix
    return _assembled(kind, X.shape[::-1], X.data, X.indices, X.indptr)


def sum_over_rows(left: Any, right: Any) -> Any:
    """Return ``left @ right``, a sum over the rows of a block, while other threads run.

    NumPy's ``@`` holds the interpreter lock if the result has at most 500 numbers,
    however many rows they are sums of. ``np.dot`` releases it, and so does SciPy.
    """
    if sparse.issparse(left) or sparse.issparse(right):
        return left @ right
    return np.dot(left, right)


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


def is_memory_mapped(X: Any) -> bool:
    """Whether the entries of X lie in a file that is mapped into memory."""
    # sparse formats that are converted need not have an array of entries
    part = getattr(X, "data", None) if sparse.issparse(X) else X
    while part is not None:
        if isinstance(part, np.memmap | mmap):
            return True
        part = getattr(part, "base", None)
    return False


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
    return center_of_sample(X[:: _spacing(*X.shape)], ratio)


def center_of_sample(sample: NDArray, ratio: float | None = None) -> NDArray | None:
    """Return the `far_center` of data of which this is a sample of rows."""
    if ratio is None:
        ratio = float(np.finfo(sample.dtype).eps ** -0.25)
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
