"""Shared by the displays: axes, line styles, and access to a fitted model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..evaluation.last_step import last_step
from ..evaluation.messages import format_labels, type_name

# The palette of Okabe and Ito, which colour-blind readers can distinguish (Wong 2011,
# doi:10.1038/nmeth.1618). Yellow is omitted: it is too pale for a line on white.
BLUE, RED = "#0072B2", "#D55E00"
_COLORS = (BLUE, RED, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # and that of text
_LINESTYLES = ("-", "--", ":", "-.")
LARGEST_LOG_ODDS = 300.0  # exp(300) is within the limits of an axis
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


def panels_of(
    ax: Any, names: list[Any], panel_width: float, panel_height: float
) -> NDArray[Any]:
    """Return one axes for each name, at most three in a row of a new figure.

    Parameters
    ----------
    ax : matplotlib Axes, array of them, or None
        The axes passed by the user. None makes a figure.
    names : list
        What the panels show.
    panel_width, panel_height : float
        The size of a panel of a new figure, in inches.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If `ax` does not hold one axes for each name.
    """
    n_columns = min(len(names), 3)
    n_rows = -(-len(names) // n_columns)
    size = (max(6.4, n_columns * panel_width), n_rows * panel_height)
    axes = axes_of(ax, nrows=n_rows, ncols=n_columns, figsize=size)
    panels = np.ravel(axes)
    if ax is None:
        for unused in panels[len(names) :]:
            unused.remove()
        panels = panels[: len(names)]
    if len(panels) != len(names):
        raise ValueError(
            f"ax holds {len(panels)} axes; expected {len(names)}, one for each of "
            f"{format_labels(names)}: pass as many, or None."
        )
    return panels


def next_style(ax: Any) -> dict[str, Any]:
    """Return a colour and line style for the next curve in `ax`; 28 are distinct."""
    n_curves = sum(line.get_gid() != REFERENCE for line in ax.get_lines())
    colors = (*_COLORS, text_color(ax))
    cycle, color = divmod(n_curves, len(colors))
    linestyle = _LINESTYLES[cycle % len(_LINESTYLES)]
    return {"color": colors[color], "linestyle": linestyle}


def text_color(ax: Any) -> Any:
    """Return the colour of text in `ax`: black, or white in a dark style."""
    return ax.xaxis.label.get_color()


def attribute_of(estimator: Any, name: str) -> Any:
    """Return a fitted attribute; raise an AttributeError if it does not exist."""
    if not hasattr(estimator, name):
        raise AttributeError(
            f"{type_name(estimator)} has no {name}, which the display needs; expected "
            "a fitted estimator that has it: fit it first, or use one of skxent."
        )
    return getattr(estimator, name)


def feature_names_of(estimator: Any, n_features: int) -> ArrayLike:
    """Return the names of the features of the last step of `estimator`.

    Raises
    ------
    AttributeError
        If a step before the last one does not provide the names of its output.
    """
    model, before = last_step(estimator)
    if before is not None:
        try:
            return before.get_feature_names_out()
        except AttributeError as error:
            raise AttributeError(
                "A step of the pipeline does not provide the names of its features; "
                f"pass feature_names, one for each of the {n_features} features of "
                f"{type_name(model)}."
            ) from error
    return getattr(model, "feature_names_in_", [f"x{j}" for j in range(n_features)])


def label_ratios(ax: Any) -> None:
    """Make the x axis logarithmic, with ticks that are easy to read as ratios."""
    from matplotlib.ticker import MaxNLocator, NullFormatter

    ax.set_xscale("log", base=2)
    low, high = ax.get_xlim()
    if high < 4 * low:
        # There are too few powers of 2 in this range. These steps include 1.
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter("{x:.3g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
