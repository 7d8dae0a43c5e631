"""Shared by the displays: axes, line styles, and access to a fitted model."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from ..evaluation.messages import type_name

# The palette of Okabe and Ito, which colour-blind readers can distinguish (Wong 2011,
# doi:10.1038/nmeth.1618). Yellow is omitted: it is too pale for a line on white.
BLUE, RED = "#0072B2", "#D55E00"
_COLORS = (BLUE, RED, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_LINESTYLES = ("-", "--", ":", "-.")
REFERENCE = "skxent-reference"  # the gid of lines that do not count as curves


def axes_of(ax: Any, **options: Any) -> Any:
    """Return `ax`; if it is None, make a figure and return its axes.

    Parameters
    ----------
    ax : matplotlib Axes, array of them, or None
        The axes passed by the user.
    **options
        Passed to ``matplotlib.pyplot.subplots`` if `ax` is None.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "No module matplotlib; displays need it: pip install matplotlib"
        ) from error
    return plt.subplots(layout="constrained", **options)[1] if ax is None else ax


def next_style(ax: Any) -> dict[str, Any]:
    """Return a colour and line style for the next curve in `ax`; 28 are distinct."""
    n_curves = sum(line.get_gid() != REFERENCE for line in ax.get_lines())
    cycle, color = divmod(n_curves, len(_COLORS))
    linestyle = _LINESTYLES[cycle % len(_LINESTYLES)]
    return {"color": _COLORS[color], "linestyle": linestyle}


def last_step(estimator: Any) -> tuple[Any, Any]:
    """Return the final model of a search or a pipeline, and the steps before it.

    The steps are a pipeline, or None if there are no steps before the model.
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not isinstance(estimator, Pipeline):
        return estimator, None
    return estimator[-1], estimator[:-1] if len(estimator) > 1 else None


def attribute_of(estimator: Any, name: str) -> Any:
    """Return a fitted attribute; raise an AttributeError if it does not exist."""
    if not hasattr(estimator, name):
        raise AttributeError(
            f"{type_name(estimator)} has no {name}, which the display needs; expected "
            "a fitted estimator that has it: fit it first, or use one of skxent."
        )
    return getattr(estimator, name)
