"""How work reaches the partitions of Dask collections, and how results come back.

A pass is one graph: a task for each group of partitions, and a tree that merges their
results. Groups depend on the workers. So that results do not, sums are merged with
twice the digits of float64, in which the order does not matter.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import dask

# How Dask itself writes graphs. Its notation by tuples is ambiguous: the key of a chunk
# is a tuple, too. To drop the import, use `dask.delayed`, which takes more time.
from dask._task_spec import DataNode, List, Task, TaskRef
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask.optimization import cull
from distributed import Client, Future, get_client, wait
from distributed.system import MEMORY_LIMIT

# The number of results that one task merges.
FAN_IN = 16
# Collections are persisted if they take at most this share of the memory: Dask workers
# begin to spill at 60 %, and a pass needs memory, too.
PERSISTED_SHARE = 0.4

Tasks = dict[Any, Any]


class Engine:
    """Computes on partitions, by a distributed client or Dask's local scheduler.

    Parameters
    ----------
    client : distributed.Client or None
        None takes the current client, if there is one.

    Raises
    ------
    TypeError
        If the client is none.
    ConnectionError
        By all methods, if the client loses its scheduler.
    """

    def __init__(self, client: Client | None = None):
        if not (client is None or isinstance(client, Client)):
            raise TypeError(
                f"client={client!r}: expected a distributed.Client, or None for the "
                "current one: pass Client(address) for a scheduler at an address."
            )
        if client is None:
            try:
                client = get_client()
            except ValueError:  # there is none
                client = None
        self._client = client
        self._persisted: list[Future] = []

    def close(self) -> None:
        """Let the cluster forget what was persisted, whoever still refers to it."""
        for future in self._persisted:
            future.release()
        client = self._client
        if client is None or client.status != "running":
            self._persisted.clear()
            return
        # futures are released by the client's thread: wait for its turn
        client.sync(asyncio.sleep, 0)
        known = set(client.futures)
        if any(future.key in known for future in self._persisted):
            # a graph that was on its way has copies of them
            gc.collect()
        self._persisted.clear()

    def reduce(
        self, tasks: Mapping, leaves: Sequence[tuple], merge: tuple, name: str
    ) -> Any:
        """Compute a task for each partition and merge the results by a tree.

        Parameters
        ----------
        tasks : mapping
            A graph with the keys that leaves and ``merge`` refer to.
        leaves : sequence of tuple
            A function and its arguments for each partition.
        merge : tuple
            A function and its first arguments. The last one, which is added here, is a
            list of results.
        name : str
            The name of the tasks in Dask's dashboard.
        """
        graph = dict(tasks)
        keys = _add(graph, leaves, name)
        while True:
            groups = [keys[i : i + FAN_IN] for i in range(0, len(keys), FAN_IN)]
            keys = _add(graph, [(*merge, group) for group in groups], f"{name}-merge")
            if len(keys) == 1:
                return self._compute(graph, keys[0])

    def gather(self, tasks: Mapping, leaves: Sequence[tuple], name: str) -> list[Any]:
        """Return the result of a task for each partition, in their order."""
        graph = dict(tasks)
        keys = _add(graph, leaves, name)
        (root,) = _add(graph, [(list, keys)], f"{name}-gather")
        return self._compute(graph, root)

    def persist(self, tasks: Mapping, keys: Sequence[Any]) -> Tasks:
        """Compute keys where they are to stay, and return a graph that has them."""
        if self._client is None:
            shared = Delayed(keys[0], dict(tasks)).dask
            graph: Tasks = {}
            for collection in dask.persist(*(Delayed(key, shared) for key in keys)):
                graph.update(collection.dask)
            return graph
        with self._errors_named():
            sent = _to_send(tasks, keys)
            futures = self._client.get(sent, list(keys), sync=False)
        self._persisted += futures
        return dict(zip(keys, futures, strict=True))

    def groups(
        self, tasks: Tasks, keys: Sequence[Any], n_bytes: float
    ) -> list[list[int]]:
        """Return which keys one task may use: a share for each thread of a worker.

        Parameters
        ----------
        tasks : dict
        keys : sequence
            Of partitions. Each stays alone unless all are in the memory of workers.
        n_bytes : float
            Their size. If they do not fit into that memory, workers read one after the
            other from their disks.

        Returns
        -------
        list of list of int
            The places of the keys of each group.
        """
        given = (tasks.get(key) for key in keys)
        futures = [future for future in given if isinstance(future, Future)]
        alone = [[i] for i in range(len(keys))]
        if self._client is None or len(futures) < len(keys) or not self.fits(n_bytes):
            return alone
        with self._errors_named():
            wait(futures)
            n_threads = self._client.nthreads()
            holders = self._client.who_has(futures)
        by_worker: dict[Any, list[int]] = {}
        for i, future in enumerate(futures):
            worker = min(holders.get(future.key, ()), default=None)
            if n_threads.get(worker) is None:
                return alone
            by_worker.setdefault(worker, []).append(i)
        # a worker that holds far more than its share may pass groups on
        largest = -(-3 * len(keys) // (2 * sum(n_threads.values())))
        groups = []
        for worker, places in by_worker.items():
            size = min(largest, -(-len(places) // n_threads[worker]))
            groups += [places[i : i + size] for i in range(0, len(places), size)]
        return groups

    def fits(self, n_bytes: float) -> bool:
        """Whether partitions of this size may stay in the memory of the workers."""
        return bool(n_bytes <= PERSISTED_SHARE * self._memory())

    def _memory(self) -> float:
        if self._client is None:
            return MEMORY_LIMIT
        with self._errors_named():
            limits = self._client.run_on_scheduler(_memory_limits)
        # a worker without a limit has that of its machine, which may be shared
        return sum(limits) if all(limits) else MEMORY_LIMIT

    def _compute(self, graph: Tasks, key: Any) -> Any:
        with self._errors_named():
            if self._client is None:
                return dask.compute(Delayed(key, graph))[0]
            future = self._client.get(_to_send(graph, [key]), key, sync=False)
            try:
                return future.result()
            except BaseException:
                # Ctrl-C: the tasks of the pass end with their future, and so do those
                # that persist its data
                future.cancel()
                self.close()
                raise
            finally:
                future.release()

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        """Raise a ConnectionError in place of what Dask raises without a scheduler."""
        try:
            yield
        except Exception as error:
            client = self._client
            if client is None or (client.status == "running" and _answers(client)):
                raise
            raise ConnectionError(
                "The Dask client has lost its scheduler during a fit; expected one "
                "that runs until the end: connect a new client, and fit again. The "
                "estimator is as it was before."
            ) from error


def _to_send(graph: Mapping, keys: Sequence[Any]) -> HighLevelGraph:
    """Return what keys need, and what the scheduler does not know yet.

    A future takes longer to travel than a task, and each pass would send all of them.
    Where the scheduler runs in this process, its copies would outlive the fit.
    """
    needed, _ = cull(graph, list(keys))
    unknown = {
        key: task
        for key, task in needed.items()
        if not (isinstance(task, Future) and task.key == key)
    }
    # of other graphs, the client computes a hash, which takes longer than to send them
    return HighLevelGraph({"skxent": unknown}, {"skxent": set()})


def _add(graph: Tasks, tasks: Sequence[tuple], name: str) -> list[Any]:
    """Add tasks to a graph, and return their keys."""
    token = f"{name}-{uuid4().hex}"
    keys = [(token, i) for i in range(len(tasks))]
    for key, (function, *arguments) in zip(keys, tasks, strict=True):
        graph[key] = Task(key, function, *(_reference(graph, a) for a in arguments))
    return keys


def _reference(graph: Tasks, argument: Any) -> Any:
    """Return a reference to a key of the graph, or to a list of them."""
    if isinstance(argument, list):
        return List(*map(TaskRef, argument))
    is_key = isinstance(argument, str | tuple) and argument in graph
    return TaskRef(argument) if is_key else argument


def add_tasks(graph: Tasks, tasks: Sequence[tuple], name: str) -> list[Any]:
    """Add tasks to a graph, and return their keys, which begin with ``skxent-``.

    Parameters
    ----------
    graph : dict
    tasks : sequence of tuple
        A function and its arguments: keys of the graph, lists of keys, or other objects
        as they are.
    name : str
    """
    return _add(graph, tasks, f"skxent-{name}")


def add_value(graph: Tasks, value: Any, name: str) -> Any:
    """Add an object to a graph that all tasks share, and return its key."""
    key = f"skxent-{name}-{uuid4().hex}"
    graph[key] = DataNode(key, value)
    return key


def is_own(key: Any) -> bool:
    """Whether a key of a graph was added here."""
    name = key[0] if isinstance(key, tuple) else key
    return isinstance(name, str) and name.startswith("skxent-")


def _memory_limits(dask_scheduler: Any) -> list[int]:
    return [worker.memory_limit or 0 for worker in dask_scheduler.workers.values()]


def _answers(client: Client) -> bool:
    """Whether the scheduler of a client answers."""
    try:
        client.run_on_scheduler(int)
    except (OSError, RuntimeError, TimeoutError):
        return False
    return True


def task_name(function: Callable) -> str:
    """Return the name of a pass for the dashboard, from that of its function.

    The functions of passes are local ones, so the function around them has the name.
    """
    parts = function.__qualname__.split(".<locals>")
    name = parts[-2 if len(parts) > 1 else -1].split(".")[-1]
    names = {
        "evaluate": "loss-and-gradient",
        "evaluate_second_order": "loss-gradient-and-hessian",
    }
    return "skxent-" + names.get(name, name.strip("_").replace("_", "-"))
