"""Rows: what a model learns from, wherever they live.

`Rows` is all that the other rooms know of data. They ask for sums over blocks of rows,
for columns, for a few rows that are spread over all; they never see X as a whole.
`InMemoryRows` in `in_memory` keeps arrays. Another kind of rows has to provide what
`Rows` lists, and `minimise` will fit it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Block(NamedTuple):
    """Some of the rows, with all that belongs to them.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (m, d)
        Minus the center, if the rows have one.
    targets : ndarray of shape (m,) or (m, K)
        Class codes or target distributions.
    weights : ndarray of shape (m,) or None
        Sample weights relative to the largest; None where all are the same.
    offset : ndarray of shape (m, L) or None
        Added to the logits.
    start : int
        The number of the first row, a seed for samples.
    """

    X: Any
    targets: NDArray
    weights: NDArray | None
    offset: NDArray | None
    start: int


class Sum:
    """A result of `Rows.map_reduce` to which each block adds its share.

    Parameters
    ----------
    *shape : int
    """

    def __init__(self, *shape: int):
        self.shape = shape

    @staticmethod
    def merge(total: NDArray, share: NDArray) -> None:
        """Add the share of some blocks to the total, in place."""
        total += share


class Largest:
    """A result of `Rows.map_reduce`: a number that each block may raise, from 0."""

    shape = ()

    @staticmethod
    def merge(total: NDArray, share: NDArray) -> None:
        """Raise the total to the share of some blocks, in place."""
        np.maximum(total, share, out=total)


class Rows(Protocol):
    """The rows of a problem.

    Attributes
    ----------
    n_samples, n_features, n_stored : int
        The numbers of rows and columns, and of the entries of X that are stored.
    is_sparse : bool
        Whether blocks of X are CSR matrices.
    dtype : dtype
        What blocks of X are read as.
    center : ndarray of shape (d,) or None
        What blocks of X have been subtracted.
    weight_sum : float
        The sum of the sample weights.
    mean_factor : float
        1 / Σ weights, with the weights as the blocks have them.
    typical_offset : ndarray of shape (L,) or None
        The median of the offset, or about that; None without one.
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
        """Call ``function(block, *arrays)`` for every block; return the arrays.

        Parameters
        ----------
        function : callable
            Adds the share of a `Block` to the arrays, in place.
        *results : Sum or Largest
            One for each array, which is float64 and starts at 0. Blocks may be dealt
            out to several workers, whose arrays are merged.
        width : int, default=0
            How many numbers a row needs in the cache besides those in X.
        work : int, default=1
            How many products each number in X takes part in.
        """
        ...

    def map_blocks(self, function: Callable, *, width: int, work: int) -> list[Any]:
        """Return ``function(block)`` of every block, in the order of the rows."""
        ...

    def map(self, function: Callable, items: Sequence, work: float) -> list[Any]:
        """Return ``function(item)`` of every item, ``work`` products in all.

        It runs beside the rows, on as many threads as these may use.
        """
        ...

    def describe(self, width: int, work: int) -> str:
        """Say how `map_reduce` reads the rows."""
        ...

    def spread(self) -> Block:
        """Return a few rows that are spread over all."""
        ...

    def class_totals(self, n_classes: int) -> NDArray:
        """Return the sum of the weights of each class, (K,), relative to the largest.

        Of target distributions, it is the weighted sum of each column.
        """
        ...

    def column_means(self) -> NDArray:
        """Return the means of the columns of X minus the center, (d,)."""
        ...

    def with_columns(self, columns: NDArray) -> "Rows":
        """Return the same rows with some of their columns."""
        ...

    def with_coordinates(self, X: NDArray) -> "Rows":
        """Return the same rows described by other columns, (n, r), without a center."""
        ...

    def column_blocks(self, columns: NDArray) -> Iterator[tuple[slice, NDArray]] | None:
        """Return an iterator over blocks of some columns of a dense X, of all rows.

        It yields where the columns of a block are among these, and the block, (n, m).
        None where columns are out of reach.
        """
        ...

    def read_in_float64(self) -> bool:
        """Read blocks as float64 from now on; return whether that changes anything."""
        ...

    def threads(self) -> AbstractContextManager[None]:
        """Return a context in which several threads may read the rows."""
        ...
