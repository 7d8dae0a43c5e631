"""The style sheet of the displays, and their access to a fitted model.

Fonts, sizes and backgrounds are those of the user. The rest is here: colours that
colour-blind readers can distinguish, lines that show on light and on dark backgrounds,
axes without a frame, long names without their middle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..evaluation.last_step import last_step
from ..evaluation.messages import format_labels, type_name

# The palette of Okabe and Ito, which colour-blind readers can distinguish (Wong 2011,
# doi:10.1038/nmeth.1618). Yellow is omitted: it is too pale for a line on white.
BLUE, RED = "#0072B2", "#D55E00"
COLORS = (BLUE, RED, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # and that of text
_LINESTYLES = ("-", "--", ":", "-.")
LARGEST_LOG_ODDS = 300.0  # exp(300) is within the limits of an axis
_LONGEST_NAME = 32
_SMALL = 4.0  # inches
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
    ax: Any,
    names: list[Any],
    panel_width: float,
    panel_height: float,
    margin: float = 0.0,
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
    margin : float, default=0.0
        The width of what stands to the left of all panels, in inches.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If `ax` does not hold one axes for each name.
    """
    n_columns = min(len(names), 3)
    n_rows = -(-len(names) // n_columns)
    size = (max(6.4, margin + n_columns * panel_width), n_rows * panel_height)
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


def keep_names_on_the_left(panels: NDArray[Any]) -> list[Any]:
    """Hide the names of lines in all panels of a new figure but those on its left.

    Returns
    -------
    list of matplotlib Axes
        The panels on the left.
    """
    left = [ax for ax in panels if ax.get_subplotspec().is_first_col()]
    for ax in set(panels) - set(left):
        ax.tick_params(labelleft=False)
    return left


def share_scale(panels: NDArray[Any]) -> None:
    """Give all panels the limits of the widest ones, so that they can be compared."""
    limits = np.array([ax.get_xlim() for ax in panels])
    for ax in panels:
        ax.set_xlim(limits[:, 0].min(), limits[:, 1].max())


def next_style(ax: Any) -> dict[str, Any]:
    """Return a colour and line style for the next curve in `ax`; 28 are distinct."""
    n_curves = sum(line.get_gid() != REFERENCE for line in ax.get_lines())
    colors = (*COLORS, text_color(ax))
    cycle, color = divmod(n_curves, len(colors))
    linestyle = _LINESTYLES[cycle % len(_LINESTYLES)]
    return {"color": colors[color], "linestyle": linestyle}


def other_style(ax: Any) -> dict[str, Any]:
    """Return the style of curves that have no name of their own."""
    return {"color": text_color(ax), "alpha": 0.3, "linewidth": 0.8, "gid": REFERENCE}


def band_style(ax: Any, line: Any, n_bands: int = 1) -> dict[str, Any]:
    """Return the style of the band of a line: denser on black, which swallows it.

    Parameters
    ----------
    ax : matplotlib Axes
    line : matplotlib Line2D
        The line in the band.
    n_bands : int, default=1
        The number of bands that may lie above each other.
    """
    from matplotlib.colors import rgb_to_hsv, to_rgb

    is_dark = rgb_to_hsv(to_rgb(ax.get_facecolor()))[2] < 0.5
    alpha = (0.35 if is_dark else 0.18) / n_bands**0.5
    return {"color": line.get_color(), "alpha": alpha, "linewidth": 0}


def is_small(ax: Any) -> bool:
    """Whether `ax` has no room for more than a few words above it."""
    return ax.bbox.width / ax.figure.dpi < _SMALL


def is_other(line: Any) -> bool:
    """Whether a line has the style of those without a name."""
    return line.get_gid() == REFERENCE


def reference_style(ax: Any) -> dict[str, Any]:
    """Return the style of lines that mark a value, such as 0."""
    return {"color": text_color(ax), "alpha": 0.5, "linewidth": 0.8, "gid": REFERENCE}


def open_frame(ax: Any) -> None:
    """Draw no frame at the top and on the right, where no axis is."""
    ax.spines[["top", "right"]].set_visible(False)


def shortened(name: str) -> str:
    """Return the name, without its middle if it is long: one-hot names differ there."""
    if len(name) <= _LONGEST_NAME:
        return name
    half = (_LONGEST_NAME - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


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


def label_changes(ax: Any) -> None:
    """Label few changes on the x axis, with 0 among them: their names are long."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(4))
    if is_small(ax):
        ax.tick_params(axis="x", labelsize="small")


def label_ratios(ax: Any) -> None:
    """Make the x axis logarithmic, and label a few ratios, with 1 among them."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    ax.set_xscale("log", base=2)
    locator: MaxNLocator | LogLocator
    low, high = ax.get_xlim()
    powers_of_2 = np.log2(high) - np.log2(low)
    if powers_of_2 < 2:
        # There are too few powers of 2 in this range. These steps include 1.
        locator = MaxNLocator(4, steps=[1, 2, 5, 10])
    else:
        base = 2.0 if powers_of_2 < 16 else 10.0
        # labels such as 1e-100 are longer
        n_labels = 5 if powers_of_2 < 64 else 3
        step = np.ceil(powers_of_2 / np.log2(base) / n_labels)
        locator = LogLocator(base=base**step)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter("{x:.3g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
