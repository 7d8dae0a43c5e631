"""Arrays in files that are mapped into memory.

A mapped file is read when its pages are touched, some at a time, and a thread that
touches one waits for it. If the kernel is told which rows come next, it reads them
while the current ones are computed with.
"""

from mmap import ALLOCATIONGRANULARITY, mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

# The bytes that are read ahead: several blocks of rows.
AHEAD_BYTES = 2**25


def is_memory_mapped(X: Any) -> bool:
    """Whether the entries of X lie in a file that is mapped into memory."""
    # sparse formats that are converted need not have an array of entries
    return _map_of(getattr(X, "data", None) if sparse.issparse(X) else X) is not None


class ReadAhead:
    """Asks the kernel to read parts of a mapped array before they are needed.

    Parameters
    ----------
    array : ndarray
        If it is not in a mapped file, or not in C order, nothing is asked for.
    """

    def __init__(self, array: NDArray):
        self._map = _map_of(array) if array.flags.c_contiguous else None
        if self._map is None or not hasattr(self._map, "madvise"):
            self._map = None
            return
        first = np.frombuffer(self._map, np.uint8).__array_interface__["data"][0]
        self._first_byte = array.__array_interface__["data"][0] - first
        self._n_bytes, self._stride = array.nbytes, array.strides[0]

    def __reduce__(self) -> tuple[type["ReadAhead"], tuple[NDArray]]:
        # a map cannot be copied to another process, where the array is in memory
        return ReadAhead, (np.empty(0),)

    def after(self, row: int) -> None:
        """Ask for the rows (or entries) from this one on."""
        if self._map is None:
            return
        from mmap import MADV_WILLNEED  # not on all systems

        start = min(row * self._stride, self._n_bytes)
        length = min(AHEAD_BYTES, self._n_bytes - start)
        start += self._first_byte
        # the kernel takes whole pages only
        before = start % ALLOCATIONGRANULARITY
        if length:
            self._map.madvise(MADV_WILLNEED, start - before, length + before)


def _map_of(array: Any) -> mmap | None:
    """Return the map of the file in which an array lies; None if there is none."""
    part = array
    while part is not None:
        if isinstance(part, mmap):
            return part
        part = getattr(part, "base", None)
    return None
