"""The training data as rows: X with targets, weights and offset, in any storage.

The other rooms access data only through the protocol `Rows`: sums over blocks of rows,
columns, and a sample of rows. They never use X as a whole. `InMemoryRows` in
`in_memory` holds arrays, `DaskRows` in `dask_rows` knows where they are. `minimise` can
fit any other class that implements `Rows`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Block(NamedTuple):
    """Some of the rows, with their targets, weights and offset.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (m, d)
        The rows minus the center, if there is one. A block that a pass hands over is
        valid until the next one: copy what has to be kept.
    targets : ndarray of shape (m,) or (m, K)
        Class codes or target distributions.
    weights : ndarray of shape (m,) or None
        Sample weights divided by the largest; None if all are equal.
    offset : ndarray of shape (m, L) or None
        Added to the logits.
    start : int
        The index of the first row, used as a seed for sampling.
    """

    X: Any
    targets: NDArray
    weights: NDArray | None
    offset: NDArray | None
    start: int

    def take(self, rows: slice | NDArray) -> "Block":
        """Return some of the rows; ``start`` is exact for a slice."""
        first = (rows.start or 0) if isinstance(rows, slice) else 0
        return Block(
            self.X[rows],
            self.targets[rows],
            None if self.weights is None else self.weights[rows],
            None if self.offset is None else self.offset[rows],
            self.start + first,
        )


class Sum:
    """A result of `Rows.map_reduce`: an array to which each block adds.

    Parameters
    ----------
    *shape : int
        Empty for a single number.
    """

    def __init__(self, *shape: int):
        self.shape = shape

    @staticmethod
    def merge(total: NDArray, share: NDArray) -> None:
        """Add the sum over some blocks to the total, in place."""
        total += share


class Largest:
    """A result of `Rows.map_reduce`: the largest number of any block, at least 0."""

    shape = ()

    @staticmethod
    def merge(total: NDArray, share: NDArray) -> None:
        """Raise the total to the maximum over some blocks, in place."""
        np.maximum(total, share, out=total)


class Rows(Protocol):
    """The rows of a problem: X, targets, weights and offset.

    Attributes
    ----------
    n_samples, n_features, n_stored : int
        The numbers of rows, of columns, and of stored entries of X.
    is_sparse : bool
        Whether blocks of X are CSR matrices.
    are_elsewhere : bool
        Whether other processes hold the rows. Only sums and small results come back.
    dtype : dtype
        The type of blocks of X.
    center : ndarray of shape (d,) or None
        What has been subtracted from the rows in blocks of X.
    weight_sum : float
        The sum of the sample weights.
    mean_factor : float
        1 / Σ weights, with the weights of the blocks: it turns sums into means.
    typical_offset : ndarray of shape (L,) or None
        The median of the offset, exact or approximate; None without an offset.
    """

    @property
    def n_samples(self) -> int: ...
    @property
    def n_features(self) -> int: ...
    @property
    def n_stored(self) -> int: ...
    @property
    def is_sparse(self) -> bool: ...
    @property
    def are_elsewhere(self) -> bool: ...
    @property
    def dtype(self) -> np.dtype: ...
    @property
    def center(self) -> NDArray | None: ...
    @property
    def weight_sum(self) -> float: ...
    @property
    def mean_factor(self) -> float: ...
    @property
    def typical_offset(self) -> NDArray | None: ...

    def map_reduce(
        self,
        function: Callable,
        *results: Sum | Largest,
        width: int = 0,
        work: int = 1,
    ) -> list[NDArray]:
        """Apply ``function(block, *arrays)`` to each block and return the arrays.

        Parameters
        ----------
        function : callable
            Updates the arrays in place with the contribution of one `Block`.
        *results : Sum or Largest
            One for each array. The arrays are float64 and start at 0. Each worker may
            have its own arrays, which are merged in the end.
        width : int, default=0
            The number of values that a row needs in the cache, in addition to X.
        work : int, default=1
            The number of multiplications per stored entry of X.
        """
        ...

    def map_blocks(self, function: Callable, *, width: int, work: int) -> list[Any]:
        """Return ``function(block)`` of every block, in the order of the rows.

        ``width`` and ``work`` are those of `map_reduce`.
        """
        ...

    def map(self, function: Callable, items: Sequence, work: float) -> list[Any]:
        """Return ``function(item)`` of every item, without reading the rows.

        It uses the threads of the rows if ``work``, the number of multiplications for
        all items, is large enough.
        """
        ...

    def describe(self, width: int, work: int) -> str:
        """Return a description of how `map_reduce` reads the rows."""
        ...

    def spread(self) -> Block:
        """Return a small sample of rows, spread over all."""
        ...

    def class_totals(self, n_classes: int) -> NDArray:
        """Return the sum of the weights of each class, (K,).

        The weights are those of the blocks. For target distributions, it is the
        weighted sum of each column.
        """
        ...

    def column_means(self) -> NDArray:
        """Return the means of the columns of X minus the center, (d,)."""
        ...

    def with_columns(self, columns: NDArray) -> "Rows":
        """Return the same rows with some of their columns."""
        ...

    def with_coordinates(self, X: NDArray) -> "Rows":
        """Return the same rows with X, (n, r), as their columns, without a center."""
        ...

    def without_row(self, index: int) -> "Rows":
        """Return the same rows with weight 0 for one, and the same ``mean_factor``.

        Means are then sums over the other rows, divided by the weight of all.
        """
        ...

    def column_blocks(self, columns: NDArray) -> Iterator[tuple[slice, NDArray]] | None:
        """Return an iterator over blocks of some columns, each with all rows.

        It yields pairs: the slice of ``columns`` in the block, and the block, (n, m).
        The result is None if columns cannot be read efficiently, as in a sparse X.
        """
        ...

    def read_in_float64(self) -> bool:
        """Switch blocks to float64; return whether they had another type before.

        This changes the state of the rows.
        """
        ...

    def threads(self) -> AbstractContextManager[None]:
        """Return a context in which several threads may read the rows."""
        ...


def means_by_blocks(rows: Rows) -> NDArray:
    """Return the means of the columns of X minus the center, (d,), in one pass."""

    def add_block(block: Block, total: NDArray) -> None:
        total += np.asarray(block.X.sum(axis=0, dtype=np.float64)).ravel()

    return rows.map_reduce(add_block, Sum(rows.n_features))[0] / rows.n_samples
