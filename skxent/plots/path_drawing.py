"""How scores and coefficients are drawn along C."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .direct_labels import label_ends, room_for_labels
from .style import (
    REFERENCE,
    band_style,
    next_style,
    open_frame,
    reference_style,
    text_color,
)

_FEW_POWERS = 100.0  # C with a smaller ratio has few powers of 10 to label
_WIDE = 10.0  # a linear axis does not show both of two values with this ratio


def draw_scores(
    ax: Any,
    Cs: NDArray[Any],
    values: NDArray[Any],
    errors: NDArray[Any],
    names: list[str],
    chosen: tuple[int, int],
    larger_is_better: bool,
    style: dict[str, Any],
) -> list[Any]:
    """Draw a line for each row of `values`, mark the choice, and return the lines.

    Parameters
    ----------
    ax : matplotlib Axes
    Cs : ndarray of shape (n_Cs,)
        Ascending; the last may be infinite.
    values, errors : ndarray of shape (n_lines, n_Cs)
        Scores or losses, and their standard errors; NaN where they are unknown.
    names : list of length n_lines
        What is written beside each of several lines.
    chosen : tuple of (int, int)
        The row and the column of the chosen value.
    larger_is_better : bool
        Whether the best value is the largest, as of scores, or the smallest.
    style : dict
        Passed to ``matplotlib.axes.Axes.plot``.
    """
    x = _places(Cs)
    lines = []
    for row in values:
        options = {"marker": ".", **next_style(ax), **style}
        lines += ax.plot(x, row, **options)
    colors = [line.get_color() for line in lines]
    # The errors of several lines have most of their causes in common, and their bands
    # would hide one another: only the chosen line has one.
    row, column = chosen
    low, high = values[row] - errors[row], values[row] + errors[row]
    ax.fill_between(x, low, high, **band_style(ax, lines[row]))
    _draw_C_axis(ax, Cs, column)
    if np.nanmin(low) > 0 and np.nanmax(values) > _WIDE * np.nanmin(values):
        _make_logarithmic(ax)
    mark = {"marker": "o", "markersize": 8, "gid": REFERENCE}
    ax.plot(x[column], values[chosen], color=colors[row], **mark)

    labels = []  # where each points to, its text and its colour
    if len(lines) > 1:
        for line, name in zip(lines, names, strict=True):
            points = line.get_xydata()
            known = points[~np.isnan(points[:, 1])]
            labels += [(point, name, line.get_color()) for point in known[-1:]]
    best_index = np.nanargmax(values) if larger_is_better else np.nanargmin(values)
    best = divmod(int(best_index), len(Cs))
    if values[chosen] != values[best]:
        color = colors[best[0]]
        ax.plot(x[best[1]], values[best], color=color, fillstyle="none", **mark)
        sign, word = (-1, "−") if larger_is_better else (1, "+")
        level = values[best] + sign * errors[best]
        ax.axhline(level, color=color, linestyle=":", linewidth=1, gid=REFERENCE)
        end = np.array([ax.get_xlim()[1], level])
        labels.append((end, f"best {word} standard error", color))
    if labels:
        _settle(ax)
        points_to, texts, label_colors = zip(*labels, strict=True)
        label_ends(ax, np.array(points_to), list(texts), list(label_colors))
    return lines


def draw_coefficients(
    ax: Any,
    Cs: NDArray[Any],
    coefs: NDArray[Any],
    names: list[str],
    chosen: int | None,
    top_n: int,
    style: dict[str, Any],
) -> list[Any]:
    """Draw the largest columns of `coefs`, (n_Cs, n_features), and return the lines.

    `label_coefficients` writes their names, once all panels are drawn. `chosen` is the
    row of the chosen C, if one was chosen.
    """
    x, sizes = _places(Cs), np.abs(coefs)
    at_choice = sizes.max(axis=0) if chosen is None else sizes[chosen]
    # Where some are equal at the choice, such as 0, take the largest along the path.
    order = np.lexsort([-sizes.max(axis=0), -at_choice])
    # A feature that is in no model of the path needs no name.
    n_used = max(1, np.count_nonzero(sizes.max(axis=0)))
    n_lines = min(top_n, room_for_labels(ax), n_used)
    grey = text_color(ax)
    others = coefs[:, order[n_lines:]]
    if others.size:
        band = {"color": grey, "alpha": 0.12, "linewidth": 0}
        ax.fill_between(x, others.min(axis=1), others.max(axis=1), **band)
    ax.axhline(0, **reference_style(ax))
    lines = []
    for j in order[:n_lines]:
        options = {**next_style(ax), "label": names[j], **style}
        lines += ax.plot(x, coefs[:, j], **options)
    ax.margins(x=0)
    _draw_C_axis(ax, Cs, chosen)
    if 0 < _WIDE * at_choice.max() < sizes.max():
        # Else the coefficients at a large C would hide those at the choice.
        _make_symlog(ax, at_choice.max())
    ax.set_ylabel("change per unit")
    return lines


def label_coefficients(panels: NDArray[Any], lines: list[list[Any]]) -> None:
    """Write the names of the coefficients beside the lines of each panel."""
    _settle(panels[0])
    for ax, lines_of_panel in zip(panels, lines, strict=True):
        label_ends(
            ax,
            np.array([line.get_xydata()[-1] for line in lines_of_panel]),
            [line.get_label() for line in lines_of_panel],
            [line.get_color() for line in lines_of_panel],
        )


def _places(Cs: NDArray[Any]) -> NDArray[Any]:
    """Return where C is drawn: an infinite one is a step beyond the finite ones."""
    finite = Cs[np.isfinite(Cs)]
    if not finite.size:
        return np.ones_like(Cs)
    step = finite[-1] / finite[-2] if finite.size > 1 else 10.0
    return np.where(np.isfinite(Cs), Cs, finite[-1] * step)


def _draw_C_axis(ax: Any, Cs: NDArray[Any], chosen: int | None) -> None:
    """Make C the logarithmic x axis, and mark the chosen and an infinite value."""
    open_frame(ax)
    ax.set_xscale("log")
    ax.set_xlabel("C (weaker penalty →)")
    color, x = text_color(ax), _places(Cs)
    if x.max() < _FEW_POWERS * x.min():
        _label_between_powers(ax.xaxis)
    if chosen is not None:
        ax.axvline(x[chosen], **reference_style(ax))
    infinite = np.flatnonzero(np.isinf(Cs)).tolist()
    for k in {*infinite, *([] if chosen is None else [chosen])}:
        ax.annotate(
            "C = ∞" if np.isinf(Cs[k]) else f"C = {Cs[k]:.3g}",
            (x[k], 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            horizontalalignment="center",
            verticalalignment="bottom",
            fontsize="small",
            color=color,
        )


def _make_logarithmic(ax: Any) -> None:
    """Make the y axis logarithmic, with more ticks than the powers of 10."""
    ax.set_yscale("log")
    _label_between_powers(ax.yaxis)


def _label_between_powers(axis: Any) -> None:
    """Label 1, 2 and 5 times the powers of 10 on a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _make_symlog(ax: Any, limit: float) -> None:
    """Make the y axis linear up to `limit`, and logarithmic beyond."""
    from matplotlib.ticker import SymmetricalLogLocator

    ax.set_yscale("symlog", linthresh=limit)
    # Smaller powers of 10 would stand too close to 0.
    smallest_tick = 10 ** np.ceil(np.log10(limit / 4))
    ax.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=smallest_tick))
    ax.yaxis.set_major_formatter("{x:g}")


def _settle(ax: Any) -> None:
    """Compute the limits and the layout, which the places of labels depend on."""
    ax.figure.draw_without_rendering()
