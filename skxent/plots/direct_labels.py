"""Names of lines beside their right ends, where a legend would be hard to follow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression

from .style import shortened

_SPACING = 1.25  # of the centres of two labels, in font sizes


def room_for_labels(ax: Any) -> int:
    """Return how many labels fit beside `ax`, one above the other."""
    return max(1, int(1 / _label_height(ax)))


def label_ends(
    ax: Any, ends: NDArray[np.float64], names: list[str], colors: list[Any]
) -> None:
    """Write names to the right of the ends of lines, in the colours of the lines.

    Labels that would overlap move apart, as little as possible in the sense of least
    squares. A thin leader joins each of them to its line.

    Parameters
    ----------
    ax : matplotlib Axes
        Its limits and its layout are final.
    ends : ndarray of shape (n_labels, 2)
        The last point of each line; at most `room_for_labels` of them.
    names : list of str
        What is written. Long names lose their middle.
    colors : list of matplotlib colours
    """
    to_fractions = ax.transData + ax.transAxes.inverted()
    heights = to_fractions.transform(ends)[:, 1]
    order = np.argsort(heights, kind="stable")
    # Without the room of the labels below, heights only have to be sorted.
    below = _label_height(ax) * np.arange(len(ends))
    sorted_heights = isotonic_regression(heights[order] - below)
    places = np.clip(sorted_heights, 0, max(0, 1 - below[-1])) + below
    for k, height in zip(order, places, strict=True):
        ax.annotate(
            shortened(names[k]),
            ends[k],
            xytext=(1.04, height),
            textcoords="axes fraction",
            color=colors[k],
            fontsize="small",
            verticalalignment="center",
            arrowprops={
                "arrowstyle": "-",
                "color": colors[k],
                "linewidth": 0.6,
                "shrinkA": 1,
                "shrinkB": 0,
                "relpos": (0, 0.5),
            },
        )


def _label_height(ax: Any) -> float:
    """Return the height that a label needs, as a fraction of that of `ax`."""
    from matplotlib.font_manager import FontProperties

    points = FontProperties(size="small").get_size_in_points()
    return _SPACING * points * ax.figure.dpi / 72 / ax.bbox.height
