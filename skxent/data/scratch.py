"""Memory for blocks that are computed from X, used again for each block."""

from threading import local

import numpy as np
from numpy.typing import NDArray


class Scratch(local):
    """An array for each thread, as large as its largest block so far.

    A new array for each block would be mapped into memory anew, page by page, which
    takes longer than to compute its entries.
    """

    def __init__(self) -> None:
        self._numbers = np.empty(0)

    def __reduce__(self) -> tuple[type["Scratch"], tuple[()]]:
        # nothing in it outlives a block
        return Scratch, ()

    def array(self, shape: tuple[int, ...], dtype: np.dtype) -> NDArray:
        """Return an array with any entries, valid until the thread asks for another."""
        n_bytes = int(np.prod(shape)) * dtype.itemsize
        if self._numbers.nbytes < n_bytes:
            self._numbers = np.empty(-(-n_bytes // 8))
        return self._numbers.view(np.uint8)[:n_bytes].view(dtype).reshape(shape)
