"""A plot of the held-out score and of the coefficients along C."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..evaluation.choice import score_name
from ..evaluation.last_step import last_step
from ..evaluation.messages import format_labels
from .path_drawing import draw_coefficients, draw_scores, label_coefficients
from .style import attribute_of, axes_of, feature_names_of, panels_of, shortened


class RegularizationPathDisplay:
    """The cross-entropy of held-out rows, or the coefficients, as functions of C.

    "score" shows how much the choice of C matters: the mean cross-entropy of held-out
    rows for each ``l1_ratio``, and the chosen C. The band of the chosen ``l1_ratio`` is
    one standard error wide on each side. If the chosen C is not the best one, as with
    ``selection="one_standard_error"``, a ring marks the best one, and a dotted line is
    one standard error away from it.

    "coefficients" shows how they grow as the penalty gets weaker. Their magnitudes are
    comparable only if the features have the same unit, as after ``StandardScaler``. If
    they grow far beyond those at the chosen C, the axis is linear up to the largest of
    these, and logarithmic beyond.

    Parameters
    ----------
    Cs : ndarray of shape (n_Cs,)
        The values of C, ascending.
    coefs : ndarray of shape (n_Cs, n_panels, n_features)
        The coefficients at each C: one panel for two classes, otherwise one per class.
    feature_names : array-like of shape (n_features,)
        The names of the features.
    class_names : list of length n_panels
        The class of each panel.
    mean_scores : ndarray of shape (n_l1_ratios, n_Cs), default=None
        The mean score of held-out rows; larger is better.
    standard_errors : ndarray of shape (n_l1_ratios, n_Cs), default=None
        The standard errors of `mean_scores`.
    l1_ratios : ndarray of shape (n_l1_ratios,), default=None
        The share of the L1 norm in each row of `mean_scores`.
    score_name : str, default=None
        The name of the score. None means minus the cross-entropy in nats, which is
        drawn with its sign reversed.
    chosen : tuple of (float, float), default=None
        The chosen C and ``l1_ratio``.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        One line for each ``l1_ratio``, or for each named coefficient.
    ax_ : matplotlib Axes, or ndarray of them
        One Axes, or an array of shape (n_panels,) for the coefficients of more than
        two classes.
    figure_ : matplotlib Figure

    See Also
    --------
    skxent.cross_entropy_report : The scores of several C in numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skxent import BinaryLogRegCV, RegularizationPathDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = BinaryLogRegCV().fit(X, y)
    >>> display = RegularizationPathDisplay.from_estimator(model)
    >>> print(display.ax_.get_ylabel())
    held-out cross-entropy, nats
    mean ± standard error
    """

    def __init__(
        self,
        *,
        Cs: np.ndarray,
        coefs: np.ndarray,
        feature_names: ArrayLike,
        class_names: list[Any],
        mean_scores: np.ndarray | None = None,
        standard_errors: np.ndarray | None = None,
        l1_ratios: np.ndarray | None = None,
        score_name: str | None = None,
        chosen: tuple[float, float] | None = None,
    ) -> None:
        self.Cs = Cs
        self.coefs = coefs
        self.feature_names = feature_names
        self.class_names = class_names
        self.mean_scores = mean_scores
        self.standard_errors = standard_errors
        self.l1_ratios = l1_ratios
        self.score_name = score_name
        self.chosen = chosen

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        kind: str = "score",
        feature_names: ArrayLike | None = None,
        class_label: Any = None,
        top_n: int = 7,
        ax: Any = None,
        **kwargs: Any,
    ) -> RegularizationPathDisplay:
        """Plot the search for C of a fitted cross-validated classifier.

        Coefficients are the mean over the folds, at the chosen ``l1_ratio``.

        Parameters
        ----------
        estimator : object
            A fitted `BinaryLogRegCV` or `SoftmaxRegCV`, a pipeline that ends in one, or
            a search over such estimators.
        kind : {"score", "coefficients"}, default="score"
            What to draw.
        feature_names : array-like of shape (n_features,), default=None
            As in `CoefficientDisplay.from_estimator`.
        class_label, top_n, ax, **kwargs
            As in `plot`.

        Returns
        -------
        RegularizationPathDisplay

        Raises
        ------
        AttributeError
            If the estimator lacks a required attribute, or a step of the pipeline does
            not provide the names of its output features.
        ValueError
            If a parameter is out of range.
        """
        model = last_step(estimator)[0]
        l1_ratios = np.asarray(attribute_of(model, "l1_ratios_"))
        chosen = float(attribute_of(model, "C_")), float(model.l1_ratio_)
        row = np.argmin(np.abs(l1_ratios - chosen[1]))
        coefs = attribute_of(model, "coefs_paths_")[:, row].mean(axis=0)
        coefs, class_names = _log_odds_of_two(coefs, model.classes_)
        if feature_names is None:
            feature_names = feature_names_of(estimator, coefs.shape[-1])
        _check_names(feature_names, coefs)
        display = cls(
            Cs=np.asarray(model.Cs_),
            coefs=coefs,
            feature_names=feature_names,
            class_names=class_names,
            mean_scores=attribute_of(model, "mean_scores_"),
            standard_errors=attribute_of(model, "standard_errors_"),
            l1_ratios=l1_ratios,
            score_name=score_name(model.scoring),
            chosen=chosen,
        )
        options = {"class_label": class_label, "top_n": top_n}
        return display.plot(ax, kind=kind, **options, **kwargs)

    @classmethod
    def from_path(
        cls,
        path: Any,
        *,
        feature_names: ArrayLike | None = None,
        class_label: Any = None,
        top_n: int = 7,
        ax: Any = None,
        **kwargs: Any,
    ) -> RegularizationPathDisplay:
        """Plot the coefficients of a path from `log_reg_path`.

        Parameters
        ----------
        path : object
            The result of `log_reg_path`.
        feature_names : array-like of shape (n_features,), default=None
            The names of the features. None means those of the path, or x0, x1, …
        class_label, top_n, ax, **kwargs
            As in `plot`.

        Returns
        -------
        RegularizationPathDisplay

        Raises
        ------
        ValueError
            If a parameter is out of range.
        """
        coefs, class_names = _log_odds_of_two(np.asarray(path.coefs), path.classes)
        if feature_names is None:
            feature_names = getattr(path, "feature_names", None)
        if feature_names is None:
            feature_names = [f"x{j}" for j in range(coefs.shape[-1])]
        _check_names(feature_names, coefs)
        order = np.argsort(path.Cs)
        display = cls(
            Cs=np.asarray(path.Cs)[order],
            coefs=coefs[order],
            feature_names=feature_names,
            class_names=class_names,
        )
        options = {"class_label": class_label, "top_n": top_n}
        return display.plot(ax, kind="coefficients", **options, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        kind: str = "score",
        class_label: Any = None,
        top_n: int = 7,
        **kwargs: Any,
    ) -> RegularizationPathDisplay:
        """Draw the scores, or one panel of coefficients for each class.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            One Axes, or one for each panel. None makes a figure.
        kind : {"score", "coefficients"}, default="score"
            What to draw.
        class_label : object, default=None
            The class whose coefficients to draw. None means a panel for each class.
        top_n : int, default=7
            The number of coefficients with a line and a name in a panel, fewer if the
            panel is not high enough for their names. They are the largest ones at the
            chosen C, or along the path if none was chosen. The others lie in the grey
            band.
        **kwargs
            Passed to ``matplotlib.axes.Axes.plot``.

        Returns
        -------
        RegularizationPathDisplay
            This display.

        Raises
        ------
        AttributeError
            If `kind` is "score" and the display has no scores.
        ImportError
            If matplotlib is not installed.
        ValueError
            If `kind` is unknown, `class_label` is not one of the classes, `top_n` is
            not positive, or `ax` does not have one Axes per panel.
        """
        if kind not in ("score", "coefficients"):
            raise ValueError(f"kind is {kind!r}; expected 'score' or 'coefficients'.")
        if top_n < 1:
            raise ValueError(f"top_n is {top_n}; expected at least 1.")
        if kind == "score":
            self._plot_scores(ax, kwargs)
        else:
            self._plot_coefficients(ax, class_label, top_n, kwargs)
        self.figure_ = np.ravel(self.ax_)[0].figure
        return self

    def _plot_scores(self, ax: Any, style: dict[str, Any]) -> None:
        """Draw a line for each l1_ratio, and mark the chosen C."""
        if self.mean_scores is None or self.chosen is None:
            raise AttributeError(
                "kind='score' needs mean_scores, which a path of coefficients lacks; "
                "plot an estimator that searches for C, such as BinaryLogRegCV."
            )
        self.ax_ = ax = axes_of(ax)
        scores, l1_ratios = np.asarray(self.mean_scores), np.asarray(self.l1_ratios)
        row = int(np.argmin(np.abs(l1_ratios - self.chosen[1])))
        self.lines_ = draw_scores(
            ax,
            self.Cs,
            scores if self.score_name else -scores,
            np.asarray(self.standard_errors),
            [f"l1_ratio = {ratio:.3g}" for ratio in l1_ratios],
            (row, self._chosen_column(self.chosen)),
            bool(self.score_name),
            style,
        )
        name = self.score_name or "cross-entropy, nats"
        ax.set_ylabel(f"held-out {name}\nmean ± standard error")

    def _plot_coefficients(
        self, ax: Any, class_label: Any, top_n: int, style: dict[str, Any]
    ) -> None:
        """Draw one panel for each class, or one for `class_label`."""
        labels = self.class_names
        if class_label is not None:
            if class_label not in labels:
                raise ValueError(
                    f"class_label is {class_label!r}; expected one of "
                    f"{format_labels(labels)}."
                )
            labels = [class_label]
        names = [str(name) for name in np.asarray(self.feature_names)]
        longest = max(len(shortened(name)) for name in names)
        width, height = 2.8 + 0.065 * longest, 3.0 if len(labels) > 1 else 4.8
        panels = panels_of(ax, labels, width, height)
        kind = "logit" if len(self.class_names) > 1 else "log-odds"
        column = self._chosen_column(self.chosen) if self.chosen else None
        self.lines_ = []
        for panel, label in zip(panels, labels, strict=True):
            coefs = self.coefs[:, self.class_names.index(label)]
            lines = draw_coefficients(
                panel, self.Cs, coefs, names, column, top_n, style
            )
            # The chosen C stands between the title and the panel.
            panel.set_title(f"{kind} of {label}", pad=None if column is None else 16)
            self.lines_.append(lines)
        label_coefficients(panels, self.lines_)
        self.ax_ = panels[0] if len(panels) == 1 else panels

    def _chosen_column(self, chosen: tuple[float, float]) -> int:
        """Return the position of the chosen C in `Cs`."""
        return int(np.flatnonzero(self.Cs == chosen[0])[0])


def _log_odds_of_two(
    coefs: NDArray[Any], classes: ArrayLike
) -> tuple[NDArray[Any], list[Any]]:
    """Return coefs of shape (n_Cs, n_panels, n_features), and the class of each panel.

    The difference of the two logits of a softmax is the log-odds of the second class.
    """
    labels = np.asarray(classes).tolist()
    if len(labels) > 2:
        return coefs, labels
    return (coefs[:, 1:] - coefs[:, :1] if coefs.shape[1] == 2 else coefs), labels[1:]


def _check_names(feature_names: ArrayLike, coefs: NDArray[Any]) -> None:
    if np.shape(feature_names) != coefs.shape[-1:]:
        raise ValueError(
            f"feature_names has shape {np.shape(feature_names)}; expected "
            f"{coefs.shape[-1:]}: one name for each feature of the last step."
        )
