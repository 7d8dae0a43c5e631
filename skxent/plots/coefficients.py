"""A plot of the coefficients of a linear classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.svm import SVC, NuSVC

from ..evaluation.last_step import last_step
from ..evaluation.messages import format_labels, type_name
from .style import (
    BLUE,
    LARGEST_LOG_ODDS,
    RED,
    attribute_of,
    feature_names_of,
    keep_names_on_the_left,
    label_changes,
    label_ratios,
    open_frame,
    panels_of,
    reference_style,
    share_scale,
    shortened,
)


class CoefficientDisplay:
    """The largest coefficients of a linear classifier, by feature and class.

    A coefficient is the change of the log-odds of the class per unit of the feature.
    With more than two classes, it is the change of the logit of the class. Magnitudes
    of different features are comparable only if the features have the same unit, as
    after ``StandardScaler``.

    All panels have the same features in the same order, by the largest magnitude in any
    of them, and the same scale. With ``odds_ratios=True`` they show exp(coef), the
    factor by which the odds of the class change per unit.

    Parameters
    ----------
    coef : ndarray of shape (n_panels, n_features)
        The coefficients of each panel: one panel for two classes, otherwise one per
        class.
    feature_names : array-like of shape (n_features,)
        The names of the features.
    class_names : list of length n_panels
        The class of each panel.

    Attributes
    ----------
    ax_ : matplotlib Axes, or ndarray of them
        One Axes for two classes, an array of shape (n_classes,) for more.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skxent import CoefficientDisplay, SoftmaxReg
    >>> data = load_iris()
    >>> model = make_pipeline(StandardScaler(), SoftmaxReg())
    >>> model = model.fit(data.data, data.target_names[data.target])
    >>> names = data.feature_names
    >>> display = CoefficientDisplay.from_estimator(model, feature_names=names)
    >>> [ax.get_title() for ax in display.ax_]
    ['logit of setosa', 'logit of versicolor', 'logit of virginica']
    """

    def __init__(
        self, *, coef: np.ndarray, feature_names: ArrayLike, class_names: list[Any]
    ) -> None:
        self.coef = coef
        self.feature_names = feature_names
        self.class_names = class_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        feature_names: ArrayLike | None = None,
        top_n: int | None = 20,
        odds_ratios: bool = False,
        ax: Any = None,
        **kwargs: Any,
    ) -> CoefficientDisplay:
        """Plot the coefficients of a fitted linear classifier.

        Parameters
        ----------
        estimator : object
            A fitted classifier with ``coef_``, dense or sparse, a pipeline that ends in
            one, or a search over such classifiers.
        feature_names : array-like of shape (n_features,), default=None
            The names of the features. None means the output names of the preceding
            steps of a pipeline. Without preceding steps, it means
            ``feature_names_in_`` if the classifier has it, otherwise x0, x1, …
        top_n, odds_ratios, ax, **kwargs
            As in `plot`.

        Returns
        -------
        CoefficientDisplay

        Raises
        ------
        AttributeError
            If the estimator has no ``coef_`` or no ``classes_``, or a step of the
            pipeline does not provide the names of its output features.
        ValueError
            If ``coef_`` does not have one row per class, or one row for two classes; or
            if `feature_names` does not have one name per feature.
        """
        model = last_step(estimator)[0]
        coef = attribute_of(model, "coef_")
        coef = np.atleast_2d(coef.toarray() if sparse.issparse(coef) else coef)
        classes = np.asarray(attribute_of(model, "classes_")).tolist()
        if len(classes) == len(coef) == 2:
            # The difference of the two logits is the log-odds.
            coef = coef[1:] - coef[:1]
        class_names = classes[1:] if len(classes) == 2 else classes
        # SVC has one row per pair of classes, and three classes have three pairs.
        is_pairwise = isinstance(model, SVC | NuSVC) and len(classes) > 2
        if is_pairwise or len(coef) != len(class_names):
            raise ValueError(
                f"{type_name(model)} has coefficients of shape {coef.shape} for the "
                f"classes {format_labels(classes)}; expected one row for each class, "
                "or one for two classes: fit a model with one logit per class, such "
                "as SoftmaxReg."
            )
        if feature_names is None:
            feature_names = feature_names_of(estimator, coef.shape[1])
        if np.shape(feature_names) != coef.shape[1:]:
            raise ValueError(
                f"feature_names has shape {np.shape(feature_names)}; expected "
                f"{coef.shape[1:]}: one name for each feature of the last step."
            )
        display = cls(coef=coef, feature_names=feature_names, class_names=class_names)
        return display.plot(ax, top_n=top_n, odds_ratios=odds_ratios, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        top_n: int | None = 20,
        odds_ratios: bool = False,
        **kwargs: Any,
    ) -> CoefficientDisplay:
        """Draw one panel of bars for each class, the largest magnitude at the top.

        In a new figure, the names of the features stand on the left only.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            One Axes for each panel. None makes a figure.
        top_n : int, default=20
            The number of features in a panel. None means all.
        odds_ratios : bool, default=False
            Whether to draw odds ratios, exp(coef), on a logarithmic axis: 2 means that
            a unit more of the feature doubles the odds of the class.
        **kwargs
            Passed to ``matplotlib.axes.Axes.barh``.

        Returns
        -------
        CoefficientDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` does not have one Axes per panel, `top_n` is not positive, or an
            odds ratio overflows.
        """
        if top_n is not None and top_n < 1:
            raise ValueError(f"top_n is {top_n}; expected at least 1, or None for all.")
        if odds_ratios and abs(self.coef).max() > LARGEST_LOG_ODDS:
            raise ValueError(
                f"coef has {abs(self.coef).max()} as largest magnitude, whose odds "
                f"ratio overflows; expected at most {LARGEST_LOG_ODDS}: plot "
                "log-odds, or measure the feature in other units."
            )
        n_panels, n_features = self.coef.shape
        order = np.argsort(-abs(self.coef).max(axis=0), kind="stable")[:top_n]
        names = [shortened(str(name)) for name in np.asarray(self.feature_names)[order]]
        # Only the panels on the left have names.
        width, name_width = 2.6, 0.075 * max(map(len, names))
        height = 0.9 + 0.24 * max(len(order), 4)
        panels = panels_of(ax, self.class_names, width, height, name_width)
        for panel, w, label in zip(panels, self.coef, self.class_names, strict=True):
            self._plot_panel(panel, w[order], label, odds_ratios, kwargs)
            panel.set_yticks(np.arange(len(order)), names)
            panel.set_ylim(len(order) - 0.4, -0.6)
        with_names = keep_names_on_the_left(panels) if ax is None else panels
        if len(order) < n_features:
            for panel in with_names:
                panel.set_ylabel(f"the largest {len(order)} of {n_features} features")
        share_scale(panels)
        for panel in panels:
            (label_ratios if odds_ratios else label_changes)(panel)
        self.ax_ = panels[0] if n_panels == 1 else panels
        self.figure_ = panels[0].figure
        return self

    def _plot_panel(
        self,
        ax: Any,
        w: NDArray[Any],
        label: Any,
        odds_ratios: bool,
        kwargs: dict[str, Any],
    ) -> None:
        """Draw the bars of one class, with coefficients `w` of shape (n_bars,)."""
        style = {"color": np.where(w > 0, BLUE, RED), **kwargs}
        no_effect = 1.0 if odds_ratios else 0.0
        # `start` is the left end of each bar. A bar that started at 1 with negative
        # length would end at 1 − length, which loses the digits of a tiny ratio.
        effect = np.exp(w) if odds_ratios else w
        start, end = np.minimum(effect, no_effect), np.maximum(effect, no_effect)
        for bar in ax.barh(np.arange(len(w)), end - start, left=start, **style):
            # By default, matplotlib adds no margin beyond the left end of a bar, even
            # if that is the end that shows the effect.
            bar.sticky_edges.x[:] = [no_effect]
        ax.axvline(no_effect, **reference_style(ax))
        open_frame(ax)
        # The logit of one of more than two classes is no log-odds.
        kind = "logit" if len(self.class_names) > 1 else "log-odds"
        if odds_ratios:
            ax.set_xscale("log", base=2)
            kind = kind.replace("log-odds", "odds").replace("logit", "exp(logit)")
        ax.set_title(f"{kind} of {label}")
        ax.set_xlabel("factor per unit" if odds_ratios else "change per unit")
