"""Dask collections as partitions of rows that line up.

X, y, sample weights and offset become the same number of partitions with the same rows
in each. Nothing is computed here, except the lengths of partitions where numbers of
partitions differ and lengths are not known.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import dask.array as da
import numpy as np
from dask.core import flatten
from dask.delayed import Delayed

from .dask_engine import Tasks


def is_dask(values: Any) -> bool:
    """Whether this is a Dask collection."""
    graph = getattr(values, "__dask_graph__", None)
    return callable(graph) and graph() is not None


def is_frame(values: Any) -> bool:
    """Whether this is a Dask dataframe or series."""
    return hasattr(values, "divisions") and hasattr(values, "npartitions")


class AlignedParts(NamedTuple):
    """Partitions with the same rows of all collections.

    Attributes
    ----------
    tasks : dict
        The graph that computes them.
    keys : list of tuple
        For each partition, the keys of its parts, None for a collection that is None.
    lengths : list of float
        The number of rows of each partition, NaN where it is not known.
    """

    tasks: Tasks
    keys: list[tuple[Any, ...]]
    lengths: list[float]


def align(**collections: Any) -> AlignedParts:
    """Return the partitions of collections that have a row for each sample.

    Parameters
    ----------
    **collections : Dask array, dataframe or series, or None
        By the name of the input, for messages. The first one, X, decides about the
        partitions.

    Raises
    ------
    TypeError
        If one is no Dask collection of this kind.
    ValueError
        If their lengths differ.
    """
    given = {name: v for name, v in collections.items() if v is not None}
    for name, values in given.items():
        _check_kind(values, name)
    given = {name: _whole_rows(values) for name, values in given.items()}
    given = _lined_up(given)
    tasks: Tasks = {}
    keys: dict[str, Sequence[Any]] = {}
    for name, values in given.items():
        of_values, keys[name] = _graph_and_keys(values)
        tasks.update(of_values)
    first, *_ = given
    n_parts = len(keys[first])
    nothing = [None] * n_parts
    columns = [keys.get(name, nothing) for name in collections]
    lengths = [np.nan] * n_parts
    for values in given.values():
        known = _lengths(values)
        if known is not None and not np.isnan(known).any():
            lengths = list(known)
    return AlignedParts(tasks, list(zip(*columns, strict=True)), lengths)


def as_array(parts: Sequence[Delayed], lengths: Sequence[float], like: Any) -> da.Array:
    """Return a Dask array of partitions of rows.

    Parameters
    ----------
    parts : sequence of Delayed
    lengths : sequence of float
        The number of rows of each, NaN where it is not known.
    like : ndarray
        Has the dtype of the result, and the shape after the first axis.
    """
    arrays = [
        da.from_delayed(
            part,
            shape=(int(n) if n == n else np.nan, *like.shape[1:]),
            dtype=like.dtype,
            meta=like[:0],
        )
        for part, n in zip(parts, lengths, strict=True)
    ]
    return da.concatenate(arrays, allow_unknown_chunksizes=True)


def _graph_and_keys(values: Any) -> tuple[Tasks, list[Any]]:
    """Return the optimised graph of a collection, and the keys of its partitions."""
    if is_frame(values):
        optimised = values.optimize()
        if optimised.npartitions == values.npartitions:
            values = optimised
        # otherwise a few columns of several files became one partition, as of y, which
        # would no longer line up with X
        return dict(values.__dask_graph__()), list(values.__dask_keys__())
    keys = list(flatten(values.__dask_keys__()))
    graph = dict(values.__dask_graph__())
    optimised = dict(values.__dask_optimize__(values.__dask_graph__(), keys))
    # the optimiser of arrays drops partitions that are in the cluster already
    return (optimised if all(key in optimised for key in keys) else graph), keys


def _check_kind(values: Any, name: str) -> None:
    if not is_dask(values):
        remedy = (
            "convert it, as by dask.array.from_array(values, chunks=X.chunks[0])"
            if name != "X"
            else "use the estimators of skxent for data in memory"
        )
        raise TypeError(
            f"{name} is no Dask collection, but of the type {type(values).__name__}; "
            f"expected a Dask array, dataframe or series: {remedy}."
        )
    if not (isinstance(values, da.Array) or is_frame(values)):
        raise TypeError(
            f"{name} is a Dask collection of the type {type(values).__name__}; "
            "expected an array, dataframe or series: convert it."
        )


def _whole_rows(values: Any) -> Any:
    """Return an array whose chunks have all columns."""
    if is_frame(values):
        return values
    if values.ndim > 1 and any(len(chunks) > 1 for chunks in values.chunks[1:]):
        return values.rechunk(dict.fromkeys(range(1, values.ndim), -1))
    return values


def _lengths(values: Any) -> tuple[float, ...] | None:
    """Return the lengths of the partitions, NaN where not known; None for frames."""
    return None if is_frame(values) else values.chunks[0]


def _lined_up(given: dict[str, Any]) -> dict[str, Any]:
    """Return the collections with the partitions of the first one."""
    given = _with_common_divisions(given)
    counts = {name: _n_parts(values) for name, values in given.items()}
    chunks = [_lengths(values) for values in given.values()]
    known = [c for c in chunks if c is not None and not np.isnan(c).any()]
    if len(set(counts.values())) == 1 and len(set(known)) <= 1:
        # the workers check lengths that are not known
        return given
    arrays = {name: _with_known_lengths(values) for name, values in given.items()}
    totals = {name: values.shape[0] for name, values in arrays.items()}
    if len(set(totals.values())) > 1:
        described = ", ".join(f"{name} {n}" for name, n in totals.items())
        raise ValueError(
            f"Found different numbers of rows: {described}; expected the same number "
            "in all inputs."
        )
    first, *others = arrays
    # the first one keeps its own type: a dataframe has names
    lined_up = {first: given[first]}
    for name in others:
        lined_up[name] = arrays[name].rechunk({0: arrays[first].chunks[0]})
    return lined_up


def _with_common_divisions(given: dict[str, Any]) -> dict[str, Any]:
    """Return frames with the divisions of the first one, where all are known."""
    first, *others = given
    model = given[first]
    if not (is_frame(model) and model.known_divisions):
        return given
    given = dict(given)
    for name in others:
        values = given[name]
        if (
            is_frame(values)
            and values.known_divisions
            and values.divisions != model.divisions
            and values.divisions[:: len(values.divisions) - 1]
            == model.divisions[:: len(model.divisions) - 1]
        ):
            given[name] = values.repartition(divisions=model.divisions)
    return given


def _n_parts(values: Any) -> int:
    return values.npartitions if is_frame(values) else len(values.chunks[0])


def _with_known_lengths(values: Any) -> da.Array:
    """Return an array whose chunks have known lengths, which may have to be counted."""
    if is_frame(values):
        return values.to_dask_array(lengths=True)
    if np.isnan(values.chunks[0]).any():
        return values.copy().compute_chunk_sizes()
    return values
