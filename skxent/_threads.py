"""Who may use threads: one for BLAS while a fit runs, and all for the blocks of rows.

BLAS must stay with one thread: several of them on a small block, or inside SciPy's
L-BFGS-B, which works on vectors of a few hundred numbers, cost up to 20 times the time
of one. That limit holds for the whole process. Fits that overlap in time therefore
share it: the first one sets it, the last one to leave restores what was there before.

A limit that somebody else sets while a fit runs is lost when the last fit leaves.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any

from ._sklearn_compat import get_threadpool_controller


class _OneBlasThread:
    """The limit on BLAS, with a count of those who hold it."""

    def __init__(self):
        self._lock = Lock()
        self._n_holders = 0
        self._n_allowed = 1
        self._limit: Any = None

    @contextmanager
    def hold(self) -> Iterator[int]:
        """Hold the limit; yield how many threads BLAS had before anyone did.

        That number respects ``OMP_NUM_THREADS``, ``threadpool_limits`` and the limits
        that joblib sets in its workers.
        """
        n_allowed = self._enter()
        try:
            yield n_allowed
        finally:
            self._leave()

    def reset(self) -> None:
        """Restore what was there in a new process: those who hold are not in it."""
        self._lock = Lock()
        if self._n_holders:
            self._n_holders = 1
            self._leave()

    def _enter(self):
        with self._lock:
            if not self._n_holders:
                pools = get_threadpool_controller()
                allowed = [
                    lib["num_threads"]
                    for lib in pools.info()
                    if lib["user_api"] == "blas"
                ]
                self._n_allowed = max(allowed, default=1)
                _take_control(pools)
                self._limit = pools.limit(limits=1, user_api="blas")
            self._n_holders += 1
            return self._n_allowed

    def _leave(self):
        with self._lock:
            self._n_holders -= 1
            if not self._n_holders:
                pools = get_threadpool_controller()
                # the thread that set the limit may be another one, and still alive
                _take_control(pools)
                self._limit.restore_original_limits()
                _take_control(pools)
                self._limit = None


def _take_control(pools):
    """Let any thread set limits next.

    threadpoolctl 3.8 ignores limits on OpenBLAS from all threads but the first one that
    has set some, as long as that one is alive.
    """
    for library in pools.lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


ONE_BLAS_THREAD = _OneBlasThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ONE_BLAS_THREAD.reset)


class BlockThreads:
    """The threads of one fit, for all rows that it works on; one until they are opened.

    Attributes
    ----------
    n_threads : int
        How many there are.
    is_left : bool
        Whether the fit has been interrupted: each thread stops at its next block.
    """

    def __init__(self):
        self.n_threads = 1
        self.is_left = False
        self._executor: ThreadPoolExecutor | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Move the threads that BLAS may use from its products to the blocks."""
        if self._executor is not None:
            yield
            return
        # no thread starts before there is work for it
        with (
            ONE_BLAS_THREAD.hold() as n_threads,
            ThreadPoolExecutor(n_threads) as executor,
        ):
            self._executor, self.n_threads, self.is_left = executor, n_threads, False
            try:
                yield
            except BaseException:
                # After Ctrl-C nobody waits for the sums: each thread leaves at its next
                # block, before the executor waits for it.
                self.is_left = True
                raise
            finally:
                self._executor, self.n_threads = None, 1

    def map(self, function: Callable, items: Sequence, n_threads: int) -> Iterator[Any]:
        """Return an iterator over ``function(item)`` of every item, in their order."""
        if n_threads == 1 or self._executor is None:
            return map(function, items)
        return self._executor.map(function, items)
