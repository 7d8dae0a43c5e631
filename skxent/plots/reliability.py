"""A plot of the reliability of predicted probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..evaluation.calibration import reliability_by_class
from ..evaluation.last_step import last_step
from ..evaluation.messages import type_name
from ..evaluation.predictions import predictions_from, predictions_of
from ..evaluation.units import unit_name
from .style import REFERENCE, axes_of, next_style

_STRIP = "skxent-predictions"


class ReliabilityDisplay:
    """Whether events are as frequent as predicted, and the cost of the difference.

    The curve shows the recalibrated probabilities, from isotonic regression, as a
    function of the predicted ones. Predictions are calibrated where the curve lies on
    the diagonal. The strip below is a histogram of the predictions. The legend shows
    the decomposition of the cross-entropy by `calibration_decomposition`. With two
    classes, there is one curve, for the second class. With more, there is one for each
    class against all others.

    Parameters
    ----------
    reliability : dict
        For each class, a named tuple of ``proba``, ``rates``, ``shares``, each of shape
        (m,), and ``parts``, a `CalibrationDecomposition`.
    base : float or None, default=2
        The base of the logarithm of ``parts``: 2 for bits, None for nats.
    estimator_name : str, default=None
        The name of the curves in the legend.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The curve of each class.
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
        ax, **kwargs
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
        return cls(reliability=reliability, base=base, estimator_name=name).plot(
            ax, **kwargs
        )

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
        sample_weight, base, ax, **kwargs
            As in `from_estimator`.
        name : str, default=None
            The name of the curves.

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
        return cls(reliability=reliability, base=base, estimator_name=name).plot(
            ax, **kwargs
        )

    def plot(
        self, ax: Any = None, *, name: str | None = None, **kwargs: Any
    ) -> ReliabilityDisplay:
        """Draw the curves in a new figure or in existing axes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw in; the strip is added below it. None makes a figure.
        name : str, default=None
            The name of the curves. None means ``estimator_name``.
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
            If there is no curve, because there is only one class.
        """
        if not self.reliability:
            raise ValueError(
                "reliability holds no class; expected at least one: use a classifier "
                "that was fitted on two classes or more."
            )
        is_new_figure = ax is None
        # The legend has a line for each class.
        self.ax_ = ax = axes_of(ax, figsize=(6.4, 6.8 + 0.2 * len(self.reliability)))
        self.figure_ = ax.figure
        strip = _strip_below(ax)
        has_several = len(self.reliability) > 1
        self.lines_ = []
        for label, (proba, rates, shares, parts) in self.reliability.items():
            names = [name or self.estimator_name, str(label) if has_several else None]
            split = "{:.3f} = {:.3f} − {:.3f} + {:.3f}".format(*parts)
            text = ": ".join(filter(None, [", ".join(filter(None, names)), split]))
            # Only the ends of each step have markers. One per row would be too many.
            rises = np.diff(rates) > 0
            ends = np.append(True, rises) | np.append(rises, True)
            style = {"marker": ".", "drawstyle": "steps-mid", "label": text}
            style |= next_style(ax) | kwargs
            (line,) = ax.plot(proba[ends], rates[ends], **style)
            mass, edges = np.histogram(proba, np.linspace(0, 1, 41), weights=shares)
            strip.stairs(
                mass, edges, color=line.get_color(), linestyle=line.get_linestyle()
            )
            self.lines_.append(line)
        event = "the class" if has_several else repr(next(iter(self.reliability)))
        ax.set_ylabel(f"frequency of {event}")
        strip.set_xlabel(f"predicted probability of {event}")
        title = "cross-entropy = miscalibration\n− discrimination + uncertainty, in "
        # The legend is above the axes, where it covers no curve.
        ax.legend(
            title=title + unit_name(self.base),
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0.2,
            alignment="left",
            frameon=False,
        )
        if is_new_figure:
            # The constrained layout converges over several draws, because the strip
            # grows with the axes. After only one draw, a label would be cut off.
            self.figure_.draw_without_rendering()
        return self


def _strip_below(ax: Any) -> Any:
    """Return the axes of the histograms below `ax`; make them if there are none."""
    for child in ax.child_axes:
        if child.get_label() == _STRIP:
            return child
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, gid=REFERENCE)
    ax.tick_params(labelbottom=False)
    strip = ax.inset_axes((0, -0.2, 1, 0.17), sharex=ax, label=_STRIP)
    strip.set_ylabel("share")
    return strip
