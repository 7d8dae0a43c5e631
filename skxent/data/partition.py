"""A partition: rows in the memory of one process, and how they are read in blocks.

`InMemoryRows` has one partition. Rows that lie on several machines have many.
"""

from collections.abc import Callable, Sequence
from threading import Event
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .blocks import RowBlocks
from .rows import Block, Largest, Sum


class Partition(NamedTuple):
    """Some rows: X in blocks, with targets, weights and offset.

    Attributes
    ----------
    blocks : RowBlocks
    targets : ndarray of shape (m,) or (m, K)
        Class codes or target distributions.
    weights : ndarray of shape (m,) or None
        Sample weights divided by the largest of all rows; None if all are equal.
    offset : ndarray of shape (m, L) or None
    start : int
        The index of the first row among the rows of all partitions.
    """

    blocks: RowBlocks
    targets: NDArray
    weights: NDArray | None
    offset: NDArray | None
    start: int = 0

    def block(self, where: slice | NDArray) -> Block:
        """Return the rows at these places of the partition."""
        first = where.start if isinstance(where, slice) else 0
        return Block(
            self.blocks.take(where),
            self.targets[where],
            None if self.weights is None else self.weights[where],
            None if self.offset is None else self.offset[where],
            self.start + first,
        )

    def add_up(
        self,
        function: Callable,
        results: Sequence[Sum | Largest],
        places: Sequence[slice],
        interrupted: Event | None = None,
    ) -> list[NDArray]:
        """Return the arrays to which ``function(block, *arrays)`` adds some blocks.

        Parameters
        ----------
        function, results
            As in `Rows.map_reduce`.
        places : sequence of slice
            The rows of each block.
        interrupted : Event, default=None
            If it is set, the sum ends at the next block.
        """
        arrays = [np.zeros(result.shape) for result in results]
        for where in places:
            if interrupted is not None and interrupted.is_set():
                break
            function(self.block(where), *arrays)
        return arrays


class Share(NamedTuple):
    """The arrays of a share of the rows, with what rounding has lost of their sums.

    Merged shares do not depend on their order: the digits of both arrays together are
    twice those of one.

    Attributes
    ----------
    arrays, lost : list of ndarray
    """

    arrays: list[NDArray]
    lost: list[NDArray]

    @classmethod
    def of(cls, arrays: list[NDArray]) -> "Share":
        """Return the share of some arrays, of which nothing is lost yet."""
        return cls(arrays, [np.zeros_like(array) for array in arrays])

    def copy(self) -> "Share":
        """Return a share with arrays of its own."""
        return Share([a.copy() for a in self.arrays], [a.copy() for a in self.lost])

    def merge(self, results: Sequence[Sum | Largest], other: "Share") -> None:
        """Merge another share into this one, in place."""
        for i, result in enumerate(results):
            if isinstance(result, Sum):
                self.lost[i] += other.lost[i]
                _add_exactly(self.arrays[i], self.lost[i], other.arrays[i])
            else:
                result.merge(self.arrays[i], other.arrays[i])

    def rounded(self) -> list[NDArray]:
        """Return the arrays, with what had been lost."""
        return [a + lost for a, lost in zip(self.arrays, self.lost, strict=True)]


def _add_exactly(total: NDArray, lost: NDArray, share: NDArray) -> None:
    """Add a share to a total, and what rounding loses of the sum to ``lost``.

    O. Møller (1965), doi:10.1007/BF01975722; D. E. Knuth, The Art of Computer
    Programming, volume 2, 4.2.2.
    """
    before = total.copy()
    total += share
    with np.errstate(invalid="ignore"):
        of_share = total - before
        error = (before - (total - of_share)) + (share - of_share)
    # where the sum is infinite, nothing can be said of it
    lost += np.where(np.isfinite(total), error, 0)


def merge(
    results: Sequence[Sum | Largest], total: list[NDArray], share: list[NDArray]
) -> None:
    """Merge the arrays of a share of the rows into those of the total, in place."""
    for result, of_total, of_share in zip(results, total, share, strict=True):
        result.merge(of_total, of_share)
