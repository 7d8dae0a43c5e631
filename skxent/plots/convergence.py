"""A picture of how a fit converged."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..evaluation.messages import type_name
from .style import attribute_of, axes_of, last_step, next_style

_EPS = np.finfo(np.float64).eps


class ConvergenceDisplay:
    """How far from the optimum a fit was after each iteration, on a logarithmic axis.

    Parameters
    ----------
    suboptimality : ndarray of shape (n_iter,)
        Relative distances (F − F*) / F* to the optimum F*, one for each iteration.
    seconds : ndarray of shape (n_iter,), default=None
        Seconds since the start of the fit at the end of each iteration.
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
            search over them.
        optimum : float, default=None
            F*, in the unit of ``loss_curve_``. None takes the estimate of the fit
            itself: the F of its answer times 1 − ``suboptimality_``. To compare
            fits of one problem, give all the same: the smallest F that any of them
            reached.
        x : {"iteration", "seconds"}, default="iteration"
            The horizontal axis; "seconds" takes ``loss_curve_seconds_``.
        name : str, default=None
            The name of the curve; None takes that of the class.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        ConvergenceDisplay

        Raises
        ------
        AttributeError
            If the estimator lacks what is asked for.
        ValueError
            If the fit took no iteration, or `optimum` or `x` is out of range.
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
            # Early stopping may have chosen an iteration before the last.
            scores = getattr(model, "validation_scores_", None)
            answer = curve[-1] if scores is None else curve[np.argmax(scores)]
            # The half stands for an F* that may be anywhere down to 0.
            share = max(1 - attribute_of(model, "suboptimality_"), 0.5)
            optimum = min(share * answer, curve.min())
        # The smallest F of another fit may be a little above, where both stop early.
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
        """Draw the curve, into a new figure or beside those that are there.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw into; None makes a figure.
        x : {"iteration", "seconds"}, default="iteration"
            The horizontal axis.
        name : str, default=None
            The name of the curve; None takes ``estimator_name``.
        **kwargs
            Passed to ``matplotlib.axes.Axes.plot``.

        Returns
        -------
        ConvergenceDisplay
            Itself.

        Raises
        ------
        AttributeError, ImportError, ValueError
            If there are no times to plot over, no matplotlib, or `x` is unknown.
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
        at = self.seconds if x == "seconds" else 1 + np.arange(len(self.suboptimality))
        # What is below eps is rounding, and 0 has no place on a logarithmic axis.
        height = np.where(self.suboptimality > _EPS, self.suboptimality, np.nan)
        style = {"marker": ".", "label": name or self.estimator_name, **next_style(ax)}
        (self.line_,) = ax.plot(at, height, **{**style, **kwargs})
        ax.set_yscale("log")
        ax.set_xlabel(x)
        ax.set_ylabel("suboptimality (F − F*) / F*")
        if x == "iteration":
            ax.xaxis.get_major_locator().set_params(integer=True)
        if ax.get_legend_handles_labels()[1]:
            ax.legend()
        return self
