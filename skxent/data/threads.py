"""Who may use threads: one for BLAS while a fit runs, and all for the blocks of rows.

BLAS must stay with one thread: several of them on a small block, or inside SciPy's
L-BFGS-B, which works on vectors of a few hundred numbers, cost up to 20 times the time
of one. That limit holds for the whole process. Fits that overlap in time therefore
share it: the first one sets it, the last one to leave restores what was there before.

Who else changes the limit while a fit runs has the last word, except that a limit of 1
cannot be told from that of the fits: it is lifted with it.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from .._sklearn_compat import get_threadpool_controller


class _OneBlasThread:
    """The limit on BLAS, and those who hold it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # A set, since an interrupted holder may leave before it has entered.
        self._holders: set[object] = set()
        # What each library had before, while there are holders.
        self._before: dict[Any, int] = {}

    @contextmanager
    def hold(self) -> Iterator[int]:
        """Hold the limit; yield how many threads BLAS had before anyone did.

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
        """Let nobody change anything during a fork."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Let everybody go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Restore what was there before: those who hold are not in the new process."""
        self._holders.clear()
        self._restore()
        self._lock.release()

    def _lower(self, library: Any) -> None:
        number = library.num_threads
        # Any number but 1 is news: somebody else has set it since.
        if number != 1 or library not in self._before:
            self._before[library] = number
            _set_number(library, 1)

    def _restore(self) -> None:
        for library, number in self._before.items():
            # Any other number has been set by somebody else.
            if library.num_threads == 1:
                _set_number(library, number)
        self._before.clear()


def _set_number(library: Any, number: int) -> None:
    """Set the number of threads of a library, from any thread.

    threadpoolctl 3.8 ignores limits on OpenBLAS from all threads but the first one that
    has set some, as long as that one is alive. Here the last fit to leave restores what
    the first one has lowered, and both have to leave the limit to others.
    """
    clear = getattr(library, "clear_controlling_thread", lambda **_: None)
    clear(force=True)
    library.set_num_threads(number)
    clear()


def _blas_libraries() -> tuple[list[Any], list[Any]]:
    """Return the libraries with a limit for the process, and those with one a thread.

    The latter are OpenBLAS built on OpenMP: there each fit limits its own thread, and
    each of its workers limits itself.
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
    """Limit BLAS in this thread, where each thread has a limit."""
    for library in _blas_libraries()[1]:
        library.set_num_threads(1)


ONE_BLAS_THREAD = _OneBlasThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=ONE_BLAS_THREAD.before_fork,
        after_in_parent=ONE_BLAS_THREAD.after_fork_in_parent,
        after_in_child=ONE_BLAS_THREAD.after_fork_in_child,
    )


class BlockThreads(threading.local):
    """The threads of one fit, for all rows that it works on; one until they are opened.

    Each Python thread opens its own: fits of one objective may overlap, and what a
    worker calls never waits for other workers.

    Attributes
    ----------
    n_threads : int
        How many there are.
    interrupted : Event
        Set once the fit has been interrupted: each thread stops at its next block.
    """

    def __init__(self) -> None:
        self.n_threads = 1
        self.interrupted = threading.Event()
        self._executor: ThreadPoolExecutor | None = None

    def __reduce__(self) -> tuple[type["BlockThreads"], tuple[()]]:
        # a copy, here or in another process, has yet to open its own
        return BlockThreads, ()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Move the threads that BLAS may use from its products to the blocks."""
        if self._executor is not None:
            yield
            return
        # no thread starts before there is work for it
        with (
            ONE_BLAS_THREAD.hold() as n_threads,
            ThreadPoolExecutor(n_threads, initializer=_limit_by_thread) as executor,
        ):
            self._executor, self.n_threads = executor, n_threads
            self.interrupted = threading.Event()
            try:
                yield
            except BaseException:
                # After Ctrl-C nobody waits for the sums: each thread leaves at its next
                # block, before the executor waits for it.
                self.interrupted.set()
                raise
            finally:
                self._executor, self.n_threads = None, 1
                # the sums that are under way keep theirs; later ones are not left
                self.interrupted = threading.Event()

    def map(self, function: Callable, items: Sequence, n_threads: int) -> Iterator[Any]:
        """Return an iterator over ``function(item)`` of every item, in their order."""
        if n_threads == 1 or self._executor is None:
            return map(function, items)
        return self._executor.map(function, items)
