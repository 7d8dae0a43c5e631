"""A plot of estimates with intervals: a forest plot."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .style import (
    BLUE,
    LARGEST_LOG_ODDS,
    RED,
    is_small,
    keep_names_on_the_left,
    label_changes,
    label_ratios,
    open_frame,
    panels_of,
    reference_style,
    share_scale,
    shortened,
)

_UNCLEAR = "0.55"  # the colour of intervals that hold the value of no effect


class _Line(NamedTuple):
    """A line of a panel: a name, and the position of its estimate in the panel."""

    name: str
    row: int | None  # None for the heading of a group


class CoefficientIntervalDisplay:
    """Coefficients with their intervals, by feature and class: a forest plot.

    Intervals that hold the value of no effect are grey, others blue above it and red
    below. Levels of a category can be grouped under the name of their feature.

    Parameters
    ----------
    estimate, lower, upper : ndarray of shape (n_panels, n_features)
        The estimates of each panel, and the ends of their intervals; NaN for
        coefficients that are not identified.
    feature_names : list of str
        The names of the features.
    class_names : list of length n_panels
        The class of each panel.
    level : float
        The coverage of the intervals.
    unit : str, default="log-odds per unit"
        The unit of the estimates.
    subject : str, default=""
        What the estimates are, for the titles. "each class" in it stands for the class
        of a panel.

    Attributes
    ----------
    ax_ : matplotlib Axes, or ndarray of them
        One Axes for one panel, an array of shape (n_panels,) for more.
    figure_ : matplotlib Figure

    See Also
    --------
    skxent.coefficient_table : The table that it draws.
    CoefficientDisplay : Coefficients without intervals.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skxent import BinaryLogReg, CoefficientIntervalDisplay, coefficient_table
    >>> data = load_breast_cancer(as_frame=True)
    >>> X = data.data[["mean smoothness", "mean compactness"]]
    >>> model = BinaryLogReg(C=np.inf).fit(X, data.target)
    >>> table = coefficient_table(model, X, data.target)
    >>> display = CoefficientIntervalDisplay.from_table(table)
    >>> display.ax_.get_title(), display.ax_.get_xlabel()
    ('log-odds of 1 against 0', 'log-odds per unit, 95% intervals')
    """

    def __init__(
        self,
        *,
        estimate: NDArray,
        lower: NDArray,
        upper: NDArray,
        feature_names: list[str],
        class_names: list[Any],
        level: float,
        unit: str = "log-odds per unit",
        subject: str = "",
    ) -> None:
        self.estimate = estimate
        self.lower = lower
        self.upper = upper
        self.feature_names = feature_names
        self.class_names = class_names
        self.level = level
        self.unit = unit
        self.subject = subject

    @classmethod
    def from_table(
        cls,
        table: Any,
        *,
        features: ArrayLike | None = None,
        groups: str | Mapping[str, str] | None = None,
        odds_ratios: bool = False,
        ax: Any = None,
        **kwargs: Any,
    ) -> CoefficientIntervalDisplay:
        """Plot a table of estimates with intervals.

        Parameters
        ----------
        table : CoefficientTable, ProfileIntervals or MarginalEffects
        features : list of str, default=None
            The features to draw, in this order. None means all but the intercept.
        groups, odds_ratios, ax, **kwargs
            As in `plot`.

        Returns
        -------
        CoefficientIntervalDisplay

        Raises
        ------
        ValueError
            If a feature is not in the table.
        """
        classes = list(dict.fromkeys(table.classes or [None]))
        n = len(table.features) // len(classes)
        names = [str(name) for name in table.features[:n]]
        if features is None:
            chosen = [j for j, name in enumerate(names) if name != "intercept"]
        else:
            wanted = [str(name) for name in np.asarray(features, dtype=object).ravel()]
            unknown = [name for name in wanted if name not in names]
            if unknown:
                raise ValueError(
                    f"features has {unknown[0]!r}; expected names of the table: "
                    f"{', '.join(map(repr, names[:10]))}{', …' * (len(names) > 10)}."
                )
            chosen = [names.index(name) for name in wanted]
        if not chosen:
            raise ValueError(
                "The table has an intercept only; expected at least one feature: pass "
                "features=['intercept'] to draw it."
            )
        by_class = (
            values.reshape(len(classes), n)[:, chosen]
            for values in (table.estimate, table.lower, table.upper)
        )
        estimate, lower, upper = by_class
        display = cls(
            estimate=estimate,
            lower=lower,
            upper=upper,
            feature_names=[names[j] for j in chosen],
            class_names=["" if label is None else label for label in classes],
            level=table.level,
            unit=table.unit,
            subject=table.subject,
        )
        return display.plot(ax, groups=groups, odds_ratios=odds_ratios, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        groups: str | Mapping[str, str] | None = None,
        odds_ratios: bool = False,
        **kwargs: Any,
    ) -> CoefficientIntervalDisplay:
        """Draw one panel for each class, with a line for each feature.

        All panels have the same scale. In a new figure, the names of the features stand
        on the left only.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            One Axes for each panel. None makes a figure.
        groups : str or dict, default=None
            Draws features of the same group below its name. A string separates the
            group from the level in a name: with "_", "colour_red" and "colour_blue" are
            "red" and "blue" in the group "colour". A dict gives the group of a feature.
            A group of one feature is no group.
        odds_ratios : bool, default=False
            Whether to draw odds ratios, exp(estimate), on a logarithmic axis.
        **kwargs
            Passed to ``matplotlib.axes.Axes.hlines``, which draws the intervals.

        Returns
        -------
        CoefficientIntervalDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` does not have one Axes per panel, `odds_ratios` is asked of
            estimates that are no log-odds, or an odds ratio overflows.
        """
        if odds_ratios:
            self._check_ratios()
        lines = self._lines(groups)
        longest = max(len(shortened(line.name)) for line in lines)
        height = 0.9 + 0.24 * max(len(lines), 4)
        panels = panels_of(ax, self.class_names, 2.6, height, 0.075 * longest)
        for k, panel in enumerate(panels):
            self._plot_panel(panel, k, lines, odds_ratios, kwargs)
        if ax is None:
            keep_names_on_the_left(panels)
        share_scale(panels)
        for panel in panels:
            (label_ratios if odds_ratios else label_changes)(panel)
        self.ax_ = panels[0] if len(panels) == 1 else panels
        self.figure_ = panels[0].figure
        return self

    def _check_ratios(self) -> None:
        if not self.unit.startswith("log-odds"):
            raise ValueError(
                f"odds_ratios=True with estimates in {self.unit}; expected log-odds: "
                "draw the result of coefficient_table or profile_intervals."
            )
        ends = np.concatenate([self.lower, self.upper, self.estimate])
        largest = np.nanmax(np.abs(ends), initial=0)
        if largest > LARGEST_LOG_ODDS:
            raise ValueError(
                f"An interval ends at the log-odds {largest:.4g}, whose odds ratio "
                f"overflows; expected at most {LARGEST_LOG_ODDS}: plot log-odds, or "
                "measure the feature in other units."
            )

    def _lines(self, groups: str | Mapping[str, str] | None) -> list[_Line]:
        """Return the lines of a panel, with a heading for each group."""
        members: dict[str, list[tuple[str, int]]] = {}
        for row, name in enumerate(self.feature_names):
            group, level = _group_of(name, groups)
            members.setdefault(group, []).append((level, row))
        lines = []
        for group, levels in members.items():
            if len(levels) == 1:
                row = levels[0][1]
                lines.append(_Line(self.feature_names[row], row))
            else:
                lines.append(_Line(group, None))
                lines += [_Line(level, row) for level, row in levels]
        return lines

    def _plot_panel(
        self,
        ax: Any,
        k: int,
        lines: list[_Line],
        odds_ratios: bool,
        kwargs: dict[str, Any],
    ) -> None:
        drawn = [(y, line.row) for y, line in enumerate(lines) if line.row is not None]
        y, rows = (np.array(values) for values in zip(*drawn, strict=True))
        estimate, lower, upper = (
            values[k, rows] for values in (self.estimate, self.lower, self.upper)
        )
        known = ~np.isnan(estimate)
        colors = np.where(lower > 0, BLUE, np.where(upper < 0, RED, _UNCLEAR))[known]
        if odds_ratios:
            estimate, lower, upper = np.exp(estimate), np.exp(lower), np.exp(upper)
            ax.set_xscale("log", base=2)
        style = {"colors": colors, "linewidth": 1.8, **kwargs}
        no_effect = 1.0 if odds_ratios else 0.0
        ax.axvline(no_effect, **reference_style(ax), zorder=0)
        ax.hlines(y[known], lower[known], upper[known], **style)
        ax.scatter(estimate[known], y[known], c=list(colors), s=26, zorder=3)
        ax.set_yticks(np.arange(len(lines)), [shortened(line.name) for line in lines])
        for label, line in zip(ax.get_yticklabels(), lines, strict=True):
            if line.row is None:
                label.set_fontweight("bold")
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(len(lines) - 0.4, -0.6)
        if not known.all():
            _write_not_identified(ax, y[~known])
        open_frame(ax)
        label = str(self.class_names[k])
        title = self.subject.replace("each class", label) or label
        if odds_ratios:
            title = title.replace("log-odds", "odds")
        ax.set_title(fill(title, 26 if is_small(ax) else 44))
        unit = "odds ratio per unit" if odds_ratios else self.unit
        ax.set_xlabel(f"{unit}, {100 * self.level:.10g}% intervals")


def _group_of(name: str, groups: str | Mapping[str, str] | None) -> tuple[str, str]:
    """Return the group of a feature, and the name of the feature in it."""
    if isinstance(groups, str):
        group, found, level = name.partition(groups)
        return (group, level) if found and group and level else (name, name)
    if groups is None or name not in groups:
        return name, name
    return groups[name], name


def _write_not_identified(ax: Any, y: NDArray) -> None:
    """Say on their lines which coefficients are not identified."""
    for position in y:
        ax.annotate(
            "not identified",
            (0.5, position),
            xycoords=("axes fraction", "data"),
            ha="center",
            va="center",
            color=_UNCLEAR,
            fontsize="small",
            bbox={"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 1},
        )
