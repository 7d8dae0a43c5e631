"""A plot of the convergence of a fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..evaluation.last_step import last_step
from ..evaluation.messages import type_name
from .style import attribute_of, axes_of, next_style, open_frame

_EPS = np.finfo(np.float64).eps


class ConvergenceDisplay:
    """The relative suboptimality after each iteration, on a logarithmic axis.

    Parameters
    ----------
    suboptimality : ndarray of shape (n_iter,)
        (F − F*) / F* after each iteration, where F* is the optimum.
    seconds : ndarray of shape (n_iter,), default=None
        The time at the end of each iteration, in seconds since the start of the fit.
    estimator_name : str, default=None
        The name of the curve in the legend.

    Attributes
    ----------
    line_ : matplotlib Line2D
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skxent import ConvergenceDisplay, SoftmaxReg
    >>> X, y = load_iris(return_X_y=True)
    >>> display = ConvergenceDisplay.from_estimator(SoftmaxReg().fit(X, y), name="raw")
    >>> scaled = SoftmaxReg().fit((X - X.mean(axis=0)) / X.std(axis=0), y)
    >>> _ = ConvergenceDisplay.from_estimator(scaled, name="scaled", ax=display.ax_)
    """

    def __init__(
        self,
        *,
        suboptimality: np.ndarray,
        seconds: np.ndarray | None = None,
        estimator_name: str | None = None,
    ) -> None:
        self.suboptimality = suboptimality
        self.seconds = seconds
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        optimum: float | None = None,
        x: str = "iteration",
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> ConvergenceDisplay:
        """Plot the convergence of a fitted estimator.

        Parameters
        ----------
        estimator : object
            A fitted estimator with ``loss_curve_``, a pipeline that ends in one, or a
            search over such estimators.
        optimum : float, default=None
            F*, in the unit of ``loss_curve_``. None means an estimate: the F of the
            fitted coefficients times 1 − ``suboptimality_``. To compare fits of the
            same problem, pass the same value to all: the smallest F that any of them
            reached.
        x : {"iteration", "seconds"}, default="iteration"
            The horizontal axis. "seconds" means ``loss_curve_seconds_``.
        name : str, default=None
            The name of the curve. None means the name of the class.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        ConvergenceDisplay

        Raises
        ------
        AttributeError
            If the estimator lacks a required attribute.
        ValueError
            If the fit took 0 iterations, or `optimum` or `x` is out of range.
        """
        model, _ = last_step(estimator)
        curve = np.asarray(attribute_of(model, "loss_curve_"), dtype=np.float64)
        if not curve.size:
            raise ValueError(
                f"{type_name(model)} took 0 iterations; expected at least 1: there is "
                "no curve to plot. Fit it with a larger max_iter, or without "
                "warm_start."
            )
        if optimum is None:
            # Early stopping may return the coefficients of an earlier iteration.
            scores = getattr(model, "validation_scores_", None)
            returned = curve[-1] if scores is None else curve[np.argmax(scores)]
            # If suboptimality_ is large, the estimate of F* is only a rough guess. The
            # bound of one half keeps it positive.
            ratio = max(1 - attribute_of(model, "suboptimality_"), 0.5)
            optimum = min(ratio * returned, curve.min())
        # The tolerance admits the smallest F of another fit, which may be a little
        # larger than the smallest F of this one.
        if not 0 < optimum <= curve.min() * (1 + 1e-6):
            raise ValueError(
                f"optimum is {optimum}; expected a positive number that is not above "
                f"{curve.min()}, the smallest loss of {type_name(model)}: pass the "
                "smallest F that any of the compared fits reached."
            )
        display = cls(
            suboptimality=curve / optimum - 1,
            seconds=getattr(model, "loss_curve_seconds_", None),
            estimator_name=type_name(model) if name is None else name,
        )
        return display.plot(ax, x=x, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        x: str = "iteration",
        name: str | None = None,
        **kwargs: Any,
    ) -> ConvergenceDisplay:
        """Draw the curve in a new figure or in existing axes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw in. None makes a figure.
        x : {"iteration", "seconds"}, default="iteration"
            The horizontal axis.
        name : str, default=None
            The name of the curve. None means ``estimator_name``.
        **kwargs
            Passed to ``matplotlib.axes.Axes.plot``.

        Returns
        -------
        ConvergenceDisplay
            This display.

        Raises
        ------
        AttributeError
            If `x` is "seconds" and the display has no times.
        ImportError
            If matplotlib is not installed.
        ValueError
            If `x` is neither "iteration" nor "seconds".
        """
        if x not in ("iteration", "seconds"):
            raise ValueError(f"x is {x!r}; expected 'iteration' or 'seconds'.")
        if x == "seconds" and self.seconds is None:
            raise AttributeError(
                "x='seconds' needs the attribute loss_curve_seconds_, which "
                f"{self.estimator_name or 'the estimator'} lacks; plot over "
                "x='iteration', or fit with an estimator that measures time."
            )
        self.ax_ = ax = axes_of(ax)
        self.figure_ = ax.figure
        n_iter = len(self.suboptimality)
        x_values = self.seconds if x == "seconds" else 1 + np.arange(n_iter)
        # Values below eps are rounding errors; 0 has no logarithm.
        y_values = np.where(self.suboptimality > _EPS, self.suboptimality, np.nan)
        style = {"marker": ".", "label": name or self.estimator_name, **next_style(ax)}
        (self.line_,) = ax.plot(x_values, y_values, **{**style, **kwargs})
        open_frame(ax)
        ax.set_yscale("log")
        ax.set_xlabel(x)
        ax.set_ylabel("suboptimality (F − F*) / F*")
        if x == "iteration":
            ax.xaxis.get_major_locator().set_params(integer=True)
        if ax.get_legend_handles_labels()[1]:
            ax.legend()
        return self
