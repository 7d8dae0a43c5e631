"""Checks for containers that NumPy would convert wrongly.

NumPy computes a lazy collection, ignores the mask of a masked array, converts dates to
integers and drops imaginary parts. Each of these raises an error here, which names the
input.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def check_container(values: Any, name: str) -> None:
    """Refuse lazy collections and masked entries.

    Parameters
    ----------
    values : object
        X, y, sample_weight or offset, as the user passed it.
    name : str
        The name of the input, for messages.

    Raises
    ------
    TypeError
        If the input is a Dask collection.
    ValueError
        If entries are masked.
    """
    graph = getattr(values, "__dask_graph__", None)
    # an xarray.DataArray has the method, but no graph if its data are in memory
    if callable(graph) and graph() is not None:
        raise TypeError(
            f"{name} is a Dask collection, {type(values).__name__}; expected data in "
            "memory: use the estimators of skxent.dask, or call .compute() first, "
            "which loads all of it."
        )
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        n = np.ma.count_masked(values)
        raise ValueError(
            f"{name} has {n} masked {'entry' if n == 1 else 'entries'}; expected a "
            "value everywhere: drop such rows, or fill them with .filled(value)."
        )


def check_numbers(values: Any, name: str) -> None:
    """Refuse what `check_container` refuses, and complex numbers, dates and durations.

    Parameters
    ----------
    values : object
        X, sample_weight or offset, as the user passed it.
    name : str
        The name of the input, for messages.

    Raises
    ------
    TypeError
        If the input is a Dask collection, or has dates or durations.
    ValueError
        If entries are masked or complex.
    """
    check_container(values, name)
    for column, dtype in _dtypes(values):
        where = "" if column is None else f" in the column {column!r}"
        if getattr(dtype, "kind", None) == "c":
            raise ValueError(
                f"Complex data not supported: {name} has the dtype {dtype}{where}; "
                "expected real numbers: pass real and imaginary parts separately."
            )
        if _is_time(dtype):
            raise TypeError(
                f"{name} has the dtype {dtype}{where}; expected numbers: subtract a "
                "start from dates, then divide the durations by a unit, such as "
                "np.timedelta64(1, 'D')."
            )


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Name the input in errors of the conversion to floats inside the block."""
    try:
        # numbers that overflow become infinite, which later checks refuse
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except TypeError as error:
        if "float()" not in str(error):
            raise
        raise TypeError(
            f"{name} holds an entry that is no real number; expected numbers only: "
            f"convert it, or drop its row. {error}"
        ) from error
    except OverflowError as error:
        raise ValueError(
            f"{name} holds an integer beyond the range of floats; expected finite "
            f"numbers: choose other units. {error}"
        ) from error


def _dtypes(values: Any) -> list[tuple[Any, Any]]:
    """Return (column, dtype) for each column of a frame, else one (None, dtype)."""
    dtypes = getattr(values, "dtypes", None)
    columns = getattr(values, "columns", None)
    if dtypes is not None and columns is not None:
        return list(zip(columns, dtypes, strict=False))
    if isinstance(values, list | tuple) and values:
        # only the first row is converted: a copy of all rows would cost memory
        try:
            return [(None, np.asarray(values[0]).dtype)]
        except ValueError:
            return []  # a ragged row, which later checks refuse
    dtype = getattr(values, "dtype", None)
    return [] if dtype is None else [(None, dtype)]


def _is_time(dtype: Any) -> bool:
    # dtypes of NumPy and pandas have a kind, those of polars a method
    is_temporal = getattr(dtype, "is_temporal", None)
    if callable(is_temporal):
        return is_temporal()
    return getattr(dtype, "kind", None) in ("m", "M")
