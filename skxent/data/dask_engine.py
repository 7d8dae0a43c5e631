"""How work reaches the partitions of Dask collections, and how results come back.

A pass is one graph: a task for each partition, and a tree that merges their results.
The shape of the tree depends on the number of partitions only, so results do not depend
on the number of workers, nor on which of them is faster.
"""

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
from distributed import Client, Future, get_client
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
    ConnectionError
        By all methods, if the client loses its scheduler.
    """

    def __init__(self, client: Client | None = None):
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
        known = set() if self._client is None else set(self._client.futures)
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
        collections = [Delayed(key, dict(tasks)) for key in keys[:1]]
        shared = collections[0].dask
        collections += [Delayed(key, shared) for key in keys[1:]]
        with self._errors_named():
            if self._client is None:
                persisted = dask.persist(*collections)
            else:
                persisted = self._client.persist(collections)
        graph: Tasks = {}
        for collection in persisted:
            graph.update(collection.dask)
        self._persisted += [f for f in graph.values() if isinstance(f, Future)]
        return graph

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
        root = Delayed(key, graph)
        with self._errors_named():
            if self._client is None:
                return dask.compute(root)[0]
            future = self._client.compute(root)
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
