"""A plot of the reliability of predicted probabilities."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from ..evaluation.calibration import reliability_by_class
from ..evaluation.last_step import last_step
from ..evaluation.messages import type_name
from ..evaluation.predictions import predictions_from, predictions_of
from ..evaluation.units import unit_name
from .reliability_panel import ReliabilityPanel
from .style import axes_of, is_other, is_small, next_style, other_style, shortened


class ReliabilityDisplay:
    """Whether events are as frequent as predicted, and the cost of the difference.

    The curve shows the recalibrated probabilities, from isotonic regression, as a
    function of the predicted ones. Predictions are calibrated where the curve lies on
    the diagonal. The strip below is a histogram of the predictions. The legend shows
    the decomposition of the cross-entropy by `calibration_decomposition`. With two
    classes, there is one curve, for the second class. With more, there is one for each
    class against all others; those with the largest miscalibration have a colour and a
    name.

    A curve leaves the diagonal by chance, too, the further the fewer rows there are.
    The band of its colour shows how far: if the predictions are calibrated, the curve
    is in the band with a probability of 90 % at each prediction. The band is simulated
    from the predictions (Dimitriadis et al.).

    Parameters
    ----------
    reliability : dict
        For each class, a named tuple of ``proba``, ``rates``, ``shares``, each of shape
        (m,), ``parts``, a `CalibrationDecomposition`, and ``counts``, the effective
        number of rows of each prediction, of shape (m,). Without counts, there is no
        band.
    base : float or None, default=2
        The base of the logarithm of ``parts``: 2 for bits, None for nats.
    estimator_name : str, default=None
        The name of the curves in the legend.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The curve of each class, in the order of ``reliability``.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    See Also
    --------
    skxent.calibration_decomposition : The numbers in the legend.

    References
    ----------
    Dimitriadis, Gneiting and Jordan (2021), Stable reliability diagrams for
    probabilistic classifiers, Proceedings of the National Academy of Sciences 118,
    e2016191118. doi:10.1073/pnas.2016191118

    Bröcker (2009), Reliability, sufficiency, and the decomposition of proper scores,
    Quarterly Journal of the Royal Meteorological Society 135, 1512–1519.
    doi:10.1002/qj.456

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skxent import BinaryLogReg, ReliabilityDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = BinaryLogReg().fit(X[::2], y[::2])
    >>> display = ReliabilityDisplay.from_estimator(model, X[1::2], y[1::2])
    >>> round(display.reliability[1].parts.miscalibration, 3)
    0.065
    """

    def __init__(
        self,
        *,
        reliability: dict[Any, Any],
        base: float | None = 2,
        estimator_name: str | None = None,
    ) -> None:
        self.reliability = reliability
        self.base = base
        self.estimator_name = estimator_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        base: float | None = 2,
        name: str | None = None,
        top_n: int = 4,
        band: float | None = 0.9,
        log_odds: bool = False,
        ax: Any = None,
        **kwargs: Any,
    ) -> ReliabilityDisplay:
        """Plot the reliability of a fitted classifier.

        Parameters
        ----------
        estimator : object
            A fitted classifier with ``classes_`` and with ``predict_log_proba``, which
            is preferred, or ``predict_proba``.
        X : array-like or sparse matrix of shape (n, d)
            The data. They are passed to the estimator unchanged.
        y : array-like of shape (n,)
            The true labels.
        sample_weight : array-like of shape (n,), default=None
            Non-negative weights. None means 1 each.
        base : float or None, default=2
            Base of the logarithm, above 1: 2 for bits, None for nats.
        name : str, default=None
            The name of the curves. None means the name of the estimator's class.
        top_n, band, log_odds, ax, **kwargs
            As in `plot`.

        Returns
        -------
        ReliabilityDisplay

        Raises
        ------
        TypeError, ValueError
            As in `cross_entropy_report`.
        """
        predictions = predictions_of(estimator, X, y, sample_weight)
        name = type_name(last_step(estimator)[0]) if name is None else name
        reliability = reliability_by_class(predictions, base)
        display = cls(reliability=reliability, base=base, estimator_name=name)
        return display.plot(ax, top_n=top_n, band=band, log_odds=log_odds, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_prob: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        base: float | None = 2,
        name: str | None = None,
        top_n: int = 4,
        band: float | None = 0.9,
        log_odds: bool = False,
        ax: Any = None,
        **kwargs: Any,
    ) -> ReliabilityDisplay:
        """Plot the reliability of given probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            The true labels.
        y_prob : array-like of shape (n, n_classes) or (n,)
            The predicted probabilities of all classes, or of the second of two.
        classes : array-like of shape (n_classes,), default=None
            The label of each column. None means the labels of `y_true`, sorted.
        sample_weight, base
            As in `from_estimator`.
        name : str, default=None
            The name of the curves.
        top_n, band, log_odds, ax, **kwargs
            As in `plot`.

        Returns
        -------
        ReliabilityDisplay

        Raises
        ------
        ValueError
            If `y_prob` does not have one column of probabilities per class; if `y_true`
            has labels that are not in `classes`; or if `sample_weight` or `base` is out
            of range.
        """
        predictions = predictions_from(y_true, y_prob, classes, sample_weight)
        reliability = reliability_by_class(predictions, base)
        display = cls(reliability=reliability, base=base, estimator_name=name)
        return display.plot(ax, top_n=top_n, band=band, log_odds=log_odds, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        top_n: int = 4,
        band: float | None = 0.9,
        log_odds: bool = False,
        **kwargs: Any,
    ) -> ReliabilityDisplay:
        """Draw the curves in a new figure or in existing axes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw in; the strip is added below it. In narrow ones, the legend
            shows only the miscalibration. None makes a figure.
        name : str, default=None
            The name of the curves. None means ``estimator_name``.
        top_n : int, default=4
            The number of classes with a colour and a name: those with the largest
            miscalibration. The others are thin and grey.
        band : float, default=0.9
            The probability that a curve of calibrated predictions is in its band, at
            one given prediction. None draws no bands.
        log_odds : bool, default=False
            Whether both axes have the scale of the log-odds, which spreads
            probabilities near 0 and 1. Use it for rare events. Frequencies of 0 and 1
            are drawn at the ends of the axis. Existing axes of this display keep their
            scale.
        **kwargs
            Passed to ``matplotlib.axes.Axes.plot``.

        Returns
        -------
        ReliabilityDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is no curve, because there is only one class; if `top_n` is not
            positive; or if `band` is not between 0 and 1.
        """
        if not self.reliability:
            raise ValueError(
                "reliability holds no class; expected at least one: use a classifier "
                "that was fitted on two classes or more."
            )
        if top_n < 1:
            raise ValueError(f"top_n is {top_n}; expected at least 1.")
        if band is not None and not 0 < band < 1:
            raise ValueError(
                f"band is {band}; expected a probability between 0 and 1, or None for "
                "no band."
            )
        is_new_figure = ax is None
        n_classes = len(self.reliability)
        # The legend has a line for each named class, and one for all others.
        n_lines = min(n_classes, top_n + 1)
        self.ax_ = ax = axes_of(ax, figsize=(6.4, 6.8 + 0.2 * n_lines))
        self.figure_ = ax.figure
        panel = ReliabilityPanel(ax, log_odds)
        labels = sorted(
            self.reliability, key=lambda label: -self.reliability[label][3][1]
        )
        named = labels[:top_n]
        lines = {}
        # The others first, so that those with a name are drawn above them.
        for label in sorted(self.reliability, key=lambda label: label in named):
            if label in named:
                text = self._legend_text(label, name)
                style = {"label": text, **next_style(ax), **kwargs}
                lines[label] = panel.draw(
                    self.reliability[label], style, band, len(named)
                )
            else:
                style = {"marker": "", **other_style(ax)}
                if not lines:
                    n_others = n_classes - len(named)
                    style["label"] = f"the other {n_others} classes"
                lines[label] = panel.draw(self.reliability[label], style, None)
        self.lines_ = [lines[label] for label in self.reliability]
        event = "the class" if n_classes > 1 else repr(next(iter(self.reliability)))
        panel.label(event)
        self._add_legend(ax)
        if is_new_figure:
            # The constrained layout converges over several draws, because the strip
            # grows with the axes. After only one draw, a label would be cut off.
            self.figure_.draw_without_rendering()
        return self

    def _legend_text(self, label: Any, name: str | None) -> str:
        """Return the name of a curve, and the parts of its cross-entropy."""
        of_class = shortened(str(label)) if len(self.reliability) > 1 else None
        names = ", ".join(filter(None, [name or self.estimator_name, of_class]))
        parts = self.reliability[label][3]
        split = "{:.3f} = {:.3f} − {:.3f} + {:.3f}".format(*parts)
        if is_small(self.ax_):
            split = f"{parts[1]:.3f}"
        return ": ".join(filter(None, [names, split]))

    def _add_legend(self, ax: Any) -> None:
        """Put the legend above the axes, where it covers no curve."""
        handles, labels = ax.get_legend_handles_labels()
        # those without a name come last
        order = sorted(range(len(handles)), key=lambda k: is_other(handles[k]))
        title = "cross-entropy = miscalibration\n− discrimination + uncertainty, in "
        if is_small(ax):
            title = "miscalibration, in "
        ax.legend(
            [handles[k] for k in order],
            [labels[k] for k in order],
            title=title + unit_name(self.base),
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0.2,
            alignment="left",
            frameon=False,
            fontsize="small" if is_small(ax) else None,
            title_fontsize="small" if is_small(ax) else None,
        )
