"""Threads of a fit: BLAS uses one, and the blocks of rows use all others.

With several threads, BLAS takes up to 20 times as long for the short vectors of SciPy's
L-BFGS-B and for small blocks. A fit therefore limits BLAS to one thread. The limit
applies to the whole process, so fits that overlap in time share it: the first fit sets
it, and the last fit to end restores the previous limit.

If other code changes the limit during a fit, its limit is kept. The exception is a
limit of 1: it cannot be distinguished from that of the fits, and is removed with it.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import scipy.linalg  # noqa: F401 -- it loads SciPy's BLAS

from .._sklearn_compat import get_threadpool_controller


class _OneBlasThread:
    """The limit of one BLAS thread, and the fits that hold it.

    `hold` changes the state of the process.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # A set, because an interrupted fit may be removed before it has been added.
        self._holders: set[object] = set()
        # The number of threads of each library before the first of the holders.
        self._before: dict[Any, int] = {}

    @contextmanager
    def hold(self) -> Iterator[int]:
        """Hold the limit; yield the number of threads that BLAS had without it.

        That number respects ``OMP_NUM_THREADS``, ``threadpool_limits`` and the limits
        that joblib sets in its workers.
        """
        holder = object()
        with self._lock:
            by_process, by_thread = _blas_libraries()
        before_by_thread = {library: library.num_threads for library in by_thread}
        try:
            _limit_by_thread()
            with self._lock:
                self._holders.add(holder)
                for library in by_process:
                    self._lower(library)
                before = [*before_by_thread.values(), *self._before.values()]
                n_threads = max([1, *before])
            yield n_threads
        finally:
            with self._lock:
                self._holders.discard(holder)
                if not self._holders:
                    self._restore()
            for library, number in before_by_thread.items():
                library.set_num_threads(number)

    def before_fork(self) -> None:
        """Lock the state, so that a fork copies it as a whole."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Unlock the state."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Restore the limits, because the holders do not exist in the new process."""
        self._holders.clear()
        self._restore()
        self._lock.release()

    def _lower(self, library: Any) -> None:
        number = library.num_threads
        # A number other than 1 has been set by other code, so it is the one to restore.
        if number != 1 or library not in self._before:
            self._before[library] = number
            _set_number(library, 1)

    def _restore(self) -> None:
        for library, number in self._before.items():
            # A number other than 1 has been set by other code, and is kept.
            if library.num_threads == 1:
                _set_number(library, number)
        self._before.clear()


def _set_number(library: Any, number: int) -> None:
    """Set the number of threads of a library, from any Python thread.

    In threadpoolctl 3.8, the first thread that limits OpenBLAS controls it as long as
    the thread is alive; limits set by other threads are ignored. The first and the last
    of several fits may run in different threads, and neither may keep control.
    """
    clear = getattr(library, "clear_controlling_thread", lambda **_: None)
    clear(force=True)
    library.set_num_threads(number)
    clear()


def _blas_libraries() -> tuple[list[Any], list[Any]]:
    """Return BLAS libraries with one limit per process, and with one per thread.

    The latter are OpenBLAS built on OpenMP. For these, a fit limits the thread in which
    it runs, and each of its workers limits itself.
    """
    by_process: list[Any] = []
    by_thread: list[Any] = []
    for library in get_threadpool_controller().lib_controllers:
        if library.user_api == "blas":
            on_openmp = getattr(library, "threading_layer", None) == "openmp"
            is_by_thread = library.internal_api == "openblas" and on_openmp
            (by_thread if is_by_thread else by_process).append(library)
    return by_process, by_thread


def _limit_by_thread() -> None:
    """Limit BLAS in this thread, in libraries with one limit per thread."""
    for library in _blas_libraries()[1]:
        library.set_num_threads(1)


# Search for the libraries at import: it takes as long as two small fits, and the first
# fit should not take longer than the others. SciPy has loaded its BLAS by now.
get_threadpool_controller()
ONE_BLAS_THREAD = _OneBlasThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=ONE_BLAS_THREAD.before_fork,
        after_in_parent=ONE_BLAS_THREAD.after_fork_in_parent,
        after_in_child=ONE_BLAS_THREAD.after_fork_in_child,
    )


class BlockThreads(threading.local):
    """The worker threads of a fit, shared by all rows derived from the same data.

    There are none until `open` starts them. The state is local to each Python thread:
    fits of one objective may overlap, and a function that runs in a worker uses no
    other workers, so it cannot wait for itself.

    Attributes
    ----------
    n_threads : int
        The number of threads; 1 outside of `open`.
    interrupted : Event
        Set when the fit is interrupted. Each worker stops at its next block.
    """

    def __init__(self) -> None:
        self.n_threads = 1
        self.interrupted = threading.Event()
        self._executor: ThreadPoolExecutor | None = None

    def __reduce__(self) -> tuple[type["BlockThreads"], tuple[()]]:
        # threads cannot be copied to another object or process
        return BlockThreads, ()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Limit BLAS to one thread, and use its other threads for blocks of rows.

        Does nothing if the threads are open already.
        """
        if self._executor is not None:
            yield
            return
        # the executor starts each thread only when there is work for it
        with (
            ONE_BLAS_THREAD.hold() as n_threads,
            ThreadPoolExecutor(
                max(1, n_threads - 1), initializer=_limit_by_thread
            ) as executor,
        ):
            self._executor, self.n_threads = executor, n_threads
            self.interrupted = threading.Event()
            try:
                yield
            except BaseException:
                # After Ctrl-C the sums are not needed. The executor waits for its
                # threads, so they stop at the next block.
                self.interrupted.set()
                raise
            finally:
                self._executor, self.n_threads = None, 1
                # unfinished sums keep the old event; later sums are not interrupted
                self.interrupted = threading.Event()

    def map(self, function: Callable, items: Sequence, n_threads: int) -> list[Any]:
        """Return ``function(item)`` of all items, in their order.

        This thread takes its share of the items. While it slept, the workers would have
        to wake it, which takes as long as a small share.
        """
        if n_threads == 1 or self._executor is None:
            return [function(item) for item in items]
        results: list[Any] = [None] * len(items)
        # the next of an iterator is drawn under the interpreter lock
        places = iter(range(len(items)))

        def take_items() -> None:
            for place in places:
                results[place] = function(items[place])

        n_workers = min(n_threads, len(items)) - 1
        workers = [self._executor.submit(take_items) for _ in range(n_workers)]
        # like a worker, this thread uses no others meanwhile
        n_before, self.n_threads = self.n_threads, 1
        try:
            take_items()
        finally:
            self.n_threads = n_before
        for worker in workers:
            worker.result()
        return results
