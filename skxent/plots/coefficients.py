"""A picture of the coefficients of a linear classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.svm import SVC, NuSVC

from ..evaluation.messages import format_labels, type_name
from .style import BLUE, RED, attribute_of, axes_of, last_step

_LARGEST_LOG_ODDS = 300.0  # its exponential fits an axis, with margins


class CoefficientDisplay:
    """The largest coefficients of a linear classifier, by feature and class.

    A coefficient is what one unit of its feature adds to the log-odds of the class, or,
    with more than two classes, to the logit of the class. Magnitudes compare features
    only where these have the same unit, as after ``StandardScaler``.

    Parameters
    ----------
    coef : ndarray of shape (n_panels, n_features)
        The coefficients of each panel: one panel for two classes, else one per class.
    feature_names : array-like of shape (n_features,)
        The names of the features.
    class_names : list of length n_panels
        The class whose odds each panel is about.

    Attributes
    ----------
    ax_ : matplotlib Axes, or ndarray of them
        One for two classes, an array of shape (n_classes,) for more.
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
    ['setosa', 'versicolor', 'virginica']
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
            one, or a search over them.
        feature_names : array-like of shape (n_features,), default=None
            The names of the features. None takes those that the steps before the last
            give, else ``feature_names_in_``, else x0, x1, …
        top_n, odds_ratios, ax, **kwargs
            As in `plot`.

        Returns
        -------
        CoefficientDisplay

        Raises
        ------
        AttributeError
            If the estimator has no ``coef_`` or no ``classes_``, or a step of the
            pipeline does not tell the names of its features.
        ValueError
            If the coefficients do not belong to one class each, or `feature_names` does
            not have one name for each.
        """
        model, before = last_step(estimator)
        coef = attribute_of(model, "coef_")
        coef = np.atleast_2d(coef.toarray() if sparse.issparse(coef) else coef)
        classes = np.asarray(attribute_of(model, "classes_")).tolist()
        if len(classes) == len(coef) == 2:
            # Of two logits only the difference matters, which is the log-odds.
            coef = coef[1:] - coef[:1]
        class_names = classes[1:] if len(classes) == 2 else classes
        # With three classes there are three pairs of classes, too.
        of_pairs = isinstance(model, SVC | NuSVC) and len(classes) > 2
        if of_pairs or len(coef) != len(class_names):
            raise ValueError(
                f"{type_name(model)} has coefficients of shape {coef.shape} for the "
                f"classes {format_labels(classes)}; expected one row for each class, "
                "or one for two classes: fit a model with a logit for each, as "
                "SoftmaxReg."
            )
        if feature_names is None:
            feature_names = _feature_names(model, before, coef.shape[1])
        if np.shape(feature_names) != coef.shape[1:]:
            raise ValueError(
                f"feature_names has shape {np.shape(feature_names)}; expected "
                f"{coef.shape[1:]}: one name for each feature that the last step sees."
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

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            One for each panel; None makes a figure.
        top_n : int, default=20
            How many features a panel shows; None shows all.
        odds_ratios : bool, default=False
            Whether to draw exp(coef), the factor of the odds, on a logarithmic axis.
        **kwargs
            Passed to ``matplotlib.axes.Axes.barh``.

        Returns
        -------
        CoefficientDisplay
            Itself.

        Raises
        ------
        ImportError, ValueError
            If there is no matplotlib, `ax` is not one for each panel, `top_n` is not
            positive, or an odds ratio overflows.
        """
        if top_n is not None and top_n < 1:
            raise ValueError(f"top_n is {top_n}; expected at least 1, or None for all.")
        if odds_ratios and abs(self.coef).max() > _LARGEST_LOG_ODDS:
            raise ValueError(
                f"coef has {abs(self.coef).max()} as magnitude, whose odds ratio "
                f"overflows; expected at most {_LARGEST_LOG_ODDS}: plot log-odds, or "
                "measure the feature in other units."
            )
        n_panels, n_bars = self.coef[:, :top_n].shape
        n_columns = min(n_panels, 3)
        n_rows = -(-n_panels // n_columns)
        panel_width = 2.6 + 0.075 * max(map(len, np.asarray(self.feature_names, str)))
        size = (
            max(6.4, n_columns * panel_width),
            n_rows * (0.9 + 0.24 * max(n_bars, 4)),
        )
        axes = axes_of(ax, nrows=n_rows, ncols=n_columns, figsize=size)
        panels = np.ravel(axes)
        if ax is None:
            for unused in panels[n_panels:]:
                unused.remove()
            panels = panels[:n_panels]
        if len(panels) != n_panels:
            raise ValueError(
                f"ax holds {len(panels)} axes; expected {n_panels}, one for each of "
                f"{format_labels(self.class_names)}: pass as many, or None."
            )
        for panel, w, label in zip(panels, self.coef, self.class_names, strict=True):
            self._plot_panel(panel, w, label, top_n, odds_ratios, kwargs)
        self.ax_ = panels[0] if n_panels == 1 else panels
        self.figure_ = panels[0].figure
        return self

    def _plot_panel(
        self,
        ax: Any,
        w: NDArray[Any],
        label: Any,
        top_n: int | None,
        odds_ratios: bool,
        kwargs: dict[str, Any],
    ) -> None:
        order = np.argsort(-abs(w), kind="stable")[:top_n]
        names = [str(name) for name in np.asarray(self.feature_names)[order]]
        style = {"color": np.where(w[order] > 0, BLUE, RED), **kwargs}
        at = np.arange(len(order))
        no_effect = 1.0 if odds_ratios else 0.0
        # Both ends by themselves: 1 − length would lose the digits of a tiny ratio.
        end = np.exp(w[order]) if odds_ratios else w[order]
        left, right = np.minimum(end, no_effect), np.maximum(end, no_effect)
        for bar in ax.barh(at, right - left, left=left, **style):
            # matplotlib leaves no margin beyond the left end of a bar, whichever it is.
            bar.sticky_edges.x[:] = [no_effect]
        ax.axvline(no_effect, color="0.3", linewidth=0.8)
        ax.set_yticks(at, names)
        ax.set_ylim(len(order) - 0.4, -0.6)
        ax.set_title(str(label))
        ax.set_xlabel("odds ratio per unit" if odds_ratios else "log-odds per unit")
        if odds_ratios:
            _label_ratios(ax)


def _label_ratios(ax: Any) -> None:
    """Make the x axis logarithmic, with numbers that are easy to read as factors."""
    from matplotlib.ticker import MaxNLocator, NullFormatter

    ax.set_xscale("log", base=2)
    low, high = ax.get_xlim()
    if high < 4 * low:
        # Too few powers of 2 to read a value by. These steps do not miss 1.
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter("{x:.3g}")
    ax.xaxis.set_minor_formatter(NullFormatter())


def _feature_names(model: Any, before: Any, n_features: int) -> ArrayLike:
    """Return the names of what the model sees, whether given to it or made for it."""
    if before is not None:
        try:
            return before.get_feature_names_out()
        except AttributeError as error:
            raise AttributeError(
                "A step of the pipeline does not tell the names of its features; pass "
                f"feature_names, one for each of the {n_features} that "
                f"{type_name(model)} sees."
            ) from error
    return getattr(model, "feature_names_in_", [f"x{j}" for j in range(n_features)])
