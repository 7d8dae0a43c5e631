"""How reliability curves are drawn: steps, their bands, and a strip of histograms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from ..evaluation.calibration_band import consistency_band
from .style import band_style, is_small, open_frame, reference_style

_STRIP = "skxent-predictions"
_N_BINS = 40
_NEAR_0 = 1e-12  # the ends of the diagonal on axes of log-odds


class ReliabilityPanel:
    """Axes with the diagonal, and a strip of histograms below them.

    Parameters
    ----------
    ax : matplotlib Axes
        New ones get the diagonal, the strip and the scale; others keep what they have.
    log_odds : bool
        Whether new axes have the scale of the log-odds.
    """

    def __init__(self, ax: Any, log_odds: bool) -> None:
        self._ax = ax
        strips = [child for child in ax.child_axes if child.get_label() == _STRIP]
        self._strip = strips[0] if strips else self._add_strip(log_odds)
        self._has_log_odds = ax.get_xscale() == "logit"

    def draw(
        self,
        reliability: Any,
        style: dict[str, Any],
        band: float | None,
        n_bands: int = 1,
    ) -> Any:
        """Draw a curve, its band and its histogram; return the curve.

        Parameters
        ----------
        reliability : named tuple
            The reliability of one class, or of the second of two.
        style : dict
            Passed to ``matplotlib.axes.Axes.plot``.
        band : float or None
            The level of the band.
        n_bands : int, default=1
            The number of bands that may lie above each other.
        """
        proba, rates, shares, _, *counts = reliability
        has_counts = bool(counts) and counts[0] is not None
        bins = np.linspace(0, 1, _N_BINS + 1)
        if self._has_log_odds:
            n_rows = counts[0].sum() if has_counts else len(proba)
            low, high = self._widen(proba, n_rows)
            bins = expit(np.linspace(logit(low), logit(high), _N_BINS + 1))
            # the frequencies 0 and 1 have no log-odds
            proba, rates = np.clip(proba, low, high), np.clip(rates, low, high)
        ends = _ends_of_steps(rates)
        style = {"marker": ".", "drawstyle": "steps-mid", **style}
        (line,) = self._ax.plot(proba[ends], rates[ends], **style)
        look = {"color": line.get_color(), "linestyle": line.get_linestyle()}
        if band is not None and has_counts:
            edges = consistency_band(reliability[0], counts[0], band)
            low_edge, high_edge = (np.clip(edge, bins[0], bins[-1]) for edge in edges)
            ends = _ends_of_steps(low_edge) | _ends_of_steps(high_edge)
            parts = proba[ends], low_edge[ends], high_edge[ends]
            self._ax.fill_between(
                *parts, step="mid", **band_style(self._ax, line, n_bands)
            )
        mass, edges_of_bins = np.histogram(proba, bins, weights=shares)
        self._strip.stairs(mass, edges_of_bins, alpha=line.get_alpha(), **look)
        return line

    def label(self, event: str) -> None:
        """Write what the axes show of `event`."""
        small = is_small(self._ax)
        self._ax.set_ylabel("frequency" if small else f"frequency of {event}")
        self._strip.set_xlabel(f"predicted probability of {event}")

    def _add_strip(self, log_odds: bool) -> Any:
        """Draw the diagonal, set the scale, and return the axes of the histograms."""
        ax = self._ax
        diagonal = [0.0, 1.0]
        if log_odds:
            # nothing is known of the limits before the first curve
            ax.set(xscale="logit", yscale="logit", xlim=(0.4, 0.6), ylim=(0.4, 0.6))
            diagonal = [_NEAR_0, 1 - _NEAR_0]
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_major_formatter(probability_text)
        ax.plot(
            diagonal,
            diagonal,
            scalex=not log_odds,
            scaley=not log_odds,
            **reference_style(ax),
        )
        open_frame(ax)
        ax.tick_params(labelbottom=False)
        strip = ax.inset_axes((0, -0.2, 1, 0.17), sharex=ax, label=_STRIP)
        if is_small(ax):
            strip.tick_params(labelleft=False)
        else:
            strip.set_ylabel("share")
        open_frame(strip)
        return strip

    def _widen(self, proba: NDArray[Any], n_rows: float) -> tuple[float, float]:
        """Make room for predictions on axes of log-odds, and return the limits.

        No frequency of n rows is between 0 and 1/n. Predictions beyond a tenth of that
        are drawn at the ends.
        """
        smallest = 0.1 / n_rows
        low = np.clip(proba.min(), smallest, 0.4)
        high = np.clip(proba.max(), 0.6, 1 - smallest)
        limits = self._ax.get_xlim()
        low, high = float(min(low, limits[0])), float(max(high, limits[1]))
        self._ax.set(xlim=(low, high), ylim=(low, high))
        return low, high


def _ends_of_steps(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether a value is the first or the last of its step.

    Only these have markers. One per row would be too many.
    """
    changes = np.diff(values) != 0
    return np.append(True, changes) | np.append(changes, True)


def probability_text(value: float, position: int | None) -> str:
    """Return the text of a tick: as many digits as the distance to 0 or 1 needs."""
    return f"{value:.3g}" if value <= 0.5 else f"{1 - float(f'{1 - value:.3g}'):.12g}"
