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


def merge(
    results: Sequence[Sum | Largest], total: list[NDArray], share: list[NDArray]
) -> None:
    """Merge the arrays of a share of the rows into those of the total, in place."""
    for result, of_total, of_share in zip(results, total, share, strict=True):
        result.merge(of_total, of_share)
