"""A report of the cross-entropy of a classifier, relative to that of its labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from .calibration import CalibrationDecomposition, reliability_by_class
from .choice import choice_of_C
from .messages import type_name
from .predictions import predictions_of
from .tables import html_table
from .units import convert_nats, unit_name

_SHOWN = 5  # worst rows, and classes with the largest calibration loss


class WorstRow(NamedTuple):
    """A row whose label had a small predicted probability."""

    row: int  # position in y
    label: Any  # the label in y
    loss: float  # the cross-entropy of this row


class CrossEntropyReport(Mapping[str, Any]):
    """The result of :func:`cross_entropy_report`: a read-only mapping and a table.

    Values are accessed by name: ``report["cross_entropy"]``. ``print(report)`` prints
    the table as text, and a notebook shows it as HTML. ``dict(report)`` is a dict.
    """

    def __init__(self, title: str, values: dict[str, Any]) -> None:
        self._title = title
        self._values = values

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __str__(self) -> str:
        lines = self._lines()
        width = max(len(name) for name, _ in lines)
        table = [f"{name:{width}}  {value}" for name, value in lines]
        return "\n".join([self._title, *table])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table([self._title], self._lines(), n_left=2)

    def _lines(self) -> list[tuple[str, str]]:
        """Return the name and the value of each line of the table."""
        unit = self["unit"]
        lines = [
            ("entropy of the labels", f"{self['label_entropy']:.4g} {unit}"),
            ("cross-entropy of the model", f"{self['cross_entropy']:.4g} {unit}"),
            ("information gained", f"{self['information_gained']:.4g} {unit} per row"),
            ("share of the entropy explained", f"{self['share_explained']:.1%}"),
            ("typical probability of the label", f"{self['typical_probability']:.4g}"),
            ("accuracy", f"{self['accuracy']:.4g}"),
            ("share of the most frequent label", f"{self['baseline_accuracy']:.4g}"),
        ]
        losses = {k: parts.miscalibration for k, parts in self["calibration"].items()}
        for label in sorted(losses, key=lambda k: -losses[k])[:_SHOWN]:
            name = "calibration loss"
            if len(losses) > 1:
                name += f" of {label!r}"
            lines.append((name, f"{losses[label]:.4g} {unit}"))
        if "choice_of_C" in self:
            lines += self["choice_of_C"].lines()
        name = "worst rows"
        index = self.get("worst_index", [None] * len(self["worst_rows"]))
        for at, (row, label, loss) in zip(index, self["worst_rows"], strict=True):
            place = f"row {row}" if at is None else f"index {at!r} (row {row})"
            lines.append((name, f"{place}, label {label!r}: {loss:.4g} {unit}"))
            name = ""
        return lines


def cross_entropy_report(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    base: float | None = 2,
) -> CrossEntropyReport:
    r"""Compare the cross-entropy of a classifier with the entropy of the labels.

    .. math:: \text{information gained} = H(y) - H(y, p)

    H(y), the entropy of the labels, is the loss of a constant prediction: the
    frequencies of the classes. H(y, p) is the loss of the classifier. The difference is
    the information per row that the classifier gains from the features. It is negative
    if the predictions are worse than the constant.

    Parameters
    ----------
    estimator : object
        A fitted classifier, pipeline or search with ``classes_`` and with
        ``predict_log_proba``, which is preferred, or ``predict_proba``.
    X : array-like or sparse matrix of shape (n, d)
        The data. They are passed to the estimator unchanged. On its training data, a
        classifier looks better than it is.
    y : array-like of shape (n,)
        The true labels.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row of weight 2 counts twice. None means 1 each.
    base : float or None, default=2
        Base of the logarithm, above 1: 2 for bits, None for nats.

    Returns
    -------
    CrossEntropyReport
        A mapping that is printed as a table. It has these keys:

        ``n_samples`` : int
            The number of rows with a positive weight.
        ``unit`` : str
            The unit of the entropies and losses, such as "bits".
        ``label_entropy``, ``cross_entropy``, ``information_gained`` : float
            H(y), H(y, p) and their difference. The last two are infinite if a true
            label has predicted probability 0.
        ``share_explained`` : float
            Information gained divided by the entropy of the labels: 0 for a classifier
            that predicts the frequencies, 1 for a perfect one, NaN if all labels are
            equal.
        ``typical_probability`` : float
            Geometric mean of the predicted probabilities of the true labels.
        ``accuracy`` : float
            Weighted share of the rows whose label has the largest probability.
        ``baseline_accuracy`` : float
            The accuracy of always predicting the most frequent label.
        ``calibration`` : dict
            For each class, the `CalibrationDecomposition` of this class against all
            others. With two classes, only that of the second, as both are equal.
        ``worst_rows`` : list of (row, label, loss)
            The five rows of largest loss: position in `y`, label, cross-entropy.
        ``worst_index`` : list
            Only if `y` or `X` has an index other than 0, 1, …: its entries for these
            rows, as for ``.loc``.
        ``choice_of_C`` : ChoiceOfC
            Only if the estimator, or the last step of a pipeline or of the best
            estimator of a search, is a `BinaryLogRegCV` or `SoftmaxRegCV`: the chosen
            C, its score in the cross-validation, and by how much that of the smallest
            and of the largest C are worse, and that of the C nearest to 1, the
            default of the estimators.

    Raises
    ------
    TypeError
        If the estimator has no ``classes_``, or neither ``predict_log_proba`` nor
        ``predict_proba``.
    ValueError
        If `y` has labels that are not in ``classes_``; if `y`, `sample_weight` or the
        predictions are invalid; or if `base` is not a finite number above 1.

    See Also
    --------
    skxent.log_loss_scorer : The negative cross-entropy, for model selection.
    skxent.ReliabilityDisplay : A plot of calibration.

    Notes
    -----
    What does a log-loss of 0.31 mean? scikit-learn computes it in nats; in bits, it is
    0.45. The true label has a typical predicted probability of exp(−0.31) = 0.73.
    Whether that is good depends on the labels. If two classes are equally frequent,
    the entropy of the labels is 0.69 nats, and the classifier explains 55 % of it. If
    one of two classes has a share of one tenth, the entropy is 0.33 nats. Then, a
    log-loss of 0.31 is hardly better than a constant prediction, although nine out of
    ten predictions may be correct.

    References
    ----------
    Shannon (1948), A mathematical theory of communication, Bell System Technical
    Journal 27, 379–423. doi:10.1002/j.1538-7305.1948.tb01338.x

    Dimitriadis, Gneiting and Jordan (2021), Stable reliability diagrams for
    probabilistic classifiers, Proceedings of the National Academy of Sciences 118,
    e2016191118. doi:10.1073/pnas.2016191118

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skxent import BinaryLogReg, cross_entropy_report
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = BinaryLogReg().fit(X[::2], y[::2])
    >>> report = cross_entropy_report(model, X[1::2], y[1::2])
    >>> report
    BinaryLogReg on 284 rows with 2 classes
    entropy of the labels             0.9631 bits
    cross-entropy of the model        0.2252 bits
    information gained                0.7379 bits per row
    share of the entropy explained    76.6%
    typical probability of the label  0.8555
    accuracy                          0.9225
    share of the most frequent label  0.6127
    calibration loss                  0.06495 bits
    worst rows                        row 148, label 0: 7.618 bits
                                      row 45, label 0: 5.14 bits
                                      row 67, label 0: 4.573 bits
                                      row 232, label 1: 3.401 bits
                                      row 78, label 1: 3.014 bits
    >>> round(report["cross_entropy"], 4)
    0.2252
    """
    predictions = predictions_of(estimator, X, y, sample_weight)
    classes, rows, codes, shares, log_proba = predictions
    losses = -log_proba[np.arange(len(rows)), codes]
    label_shares = np.bincount(codes, shares)
    label_entropy = entr(label_shares).sum()
    nats = np.array([label_entropy, shares @ losses])
    label_entropy, cross_entropy = np.ravel(convert_nats(nats, base)).tolist()
    gained = label_entropy - cross_entropy
    worst = np.argsort(-losses, kind="stable")[:_SHOWN]
    worst_losses = np.ravel(convert_nats(losses[worst], base)).tolist()
    calibration: dict[Any, CalibrationDecomposition] = {
        label: reliability.parts
        for label, reliability in reliability_by_class(predictions, base).items()
    }
    values = {
        "n_samples": len(rows),
        "unit": unit_name(base),
        "label_entropy": label_entropy,
        "cross_entropy": cross_entropy,
        "information_gained": gained,
        "share_explained": gained / label_entropy if label_entropy else math.nan,
        "typical_probability": math.exp(-(shares @ losses)),
        "accuracy": float(shares @ (log_proba.argmax(axis=1) == codes)),
        "baseline_accuracy": float(label_shares.max()),
        "calibration": calibration,
        "worst_rows": [
            WorstRow(int(rows[i]), classes[codes[i]], loss)
            for i, loss in zip(worst, worst_losses, strict=True)
        ],
    }
    index = _index_of(rows[worst], y, X)
    if index is not None:
        values["worst_index"] = index
    choice = choice_of_C(estimator, base)
    if choice is not None:
        values["choice_of_C"] = choice
    title = f"{type_name(estimator)} on {len(rows)} rows with {len(classes)} classes"
    return CrossEntropyReport(title, values)


def _index_of(rows: NDArray[np.intp], *data: Any) -> list[Any] | None:
    """Return the entries of the first index that says more than the position."""
    for some in data:
        index = getattr(some, "index", None)
        if index is not None and hasattr(index, "tolist"):  # lists have a method index
            labels = index.tolist()
            if labels != list(range(len(labels))):
                return [labels[row] for row in rows]
    return None
