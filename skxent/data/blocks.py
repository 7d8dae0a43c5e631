"""An array X in blocks of rows, as they are read.

A block fits into a core's cache together with its logits, so a sum over rows that needs
``X w`` and then ``Xᵀ r`` costs one trip to memory.
"""

from collections.abc import Iterator
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

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
        Of the blocks. The rounding errors of float32 average out over many rows, not
        over a few.
    """

    def __init__(self, X: Any, center: ArrayLike | None = None):
        self.X = X
        is_small = stored_array(X).nbytes < SMALL_BYTES
        self.dtype = np.dtype(np.float64) if is_small else X.dtype
        self.center = None if center is None else np.asarray(center, self.dtype)

    def in_float64(self) -> "RowBlocks":
        """Return the same blocks, converted to float64 one by one."""
        other = copy(self)
        other.dtype = np.dtype(np.float64)
        return other

    def with_columns(self, columns: NDArray) -> "RowBlocks":
        """Return blocks of some of the columns, which are copied."""
        X = self.X[:, columns]
        other = copy(self)
        other.X = X if sparse.issparse(X) else np.ascontiguousarray(X)
        other.center = None if self.center is None else self.center[columns]
        return other

    def slices(self, width: int = 0, n_shares: int = 1) -> Iterator[slice]:
        """Yield the slices of rows that make up the blocks, the same for each share."""
        n, d = self.X.shape
        row_bytes = (
            stored_array(self.X).nbytes // max(1, n) + width * self.dtype.itemsize
        )
        largest = min(BLOCK_BYTES // max(1, row_bytes), MAX_BLOCK_ROWS)
        smallest = MIN_BLOCK_ROWS
        if sparse.issparse(self.X):
            smallest = max(smallest, MIN_BLOCK_ENTRIES * d * n // max(1, self.X.nnz))
        n_blocks = n_shares * -(-n // (max(smallest, largest) * n_shares))
        step = max(min(n, smallest), -(-n // n_blocks))
        return (slice(start, min(start + step, n)) for start in range(0, n, step))

    def take(self, rows: slice | NDArray) -> Any:
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


def _spacing(X: Any) -> int:
    """Return the distance between a few rows that are spread over X."""
    n, d = X.shape
    n_rows = np.clip(SPREAD_ENTRIES // max(d, 1), *SPREAD_ROWS)
    return max(1, n // int(n_rows))


def transposed(X: Any) -> Any:
    """Return Xᵀ of a block, a view."""
    if not sparse.issparse(X):
        return X.T
    kind = sparse.csc_array if isinstance(X, sparse.sparray) else sparse.csc_matrix
    return _assembled(kind, X.shape[::-1], X.data, X.indices, X.indptr)


def _assembled(kind: Any, shape: Any, data: Any, indices: Any, indptr: Any) -> Any:
    """Return a sparse matrix of these arrays, neither copied nor checked.

    SciPy's slicing copies the data, and so does its constructor, which holds that a
    small view of large arrays wastes memory. Its check of the indices takes as long as
    a product.
    """
    block = kind(shape, dtype=data.dtype)
    block.data, block.indices, block.indptr = data, indices, indptr
    return block


def stored_array(X: Any) -> NDArray:
    """Return the array that holds the entries of X."""
    return X.data if sparse.issparse(X) else X


def far_center(X: Any) -> NDArray | None:
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
