"""Cross-entropy as a score for cross-validation and model selection.

A row of probabilities means nothing until each column has a name. scikit-learn's
``"neg_log_loss"`` never learns the names: it takes the sorted labels of the fold for
them, so a model trained on the classes {0, 1} and scored on a fold with {1, 2} gets a
plausible number that is wrong. `log_loss_scorer` is handed the estimator, reads the
names from ``classes_`` and looks every label up by its value.

It also stays with logarithms all the way: ``predict_log_proba`` first, no clipping. A
class that the estimator called impossible and that happened anyway scores -inf.

`cross_entropy_loss` is the same number for log-probabilities that are already there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from numbers import Number
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.metadata_routing import UNCHANGED, MetadataRequest

from ..data.containers import check_container, check_numbers
from ..data.targets import (
    SUM_TOLERANCE,
    align_distributions,
    are_distributions,
    label_array,
)

__all__ = ["LogLossScorer", "cross_entropy_loss", "log_loss_scorer"]

# What scikit-learn's clipping of float64 probabilities gives a class without a column.
_UNSEEN_LOG_PROBA = float(np.log(np.finfo(np.float64).eps))


def cross_entropy_loss(
    y_true: ArrayLike,
    log_proba: ArrayLike,
    *,
    classes: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Mean cross-entropy between labels and predicted log-probabilities.

    How surprised the predictions are by what happened, on average, in nats. It ranges
    from 0 (every label was certain) to infinity (a label that happened was impossible);
    predicting all of K classes alike gives log K. Smaller is better.

    .. math:: \frac{1}{S} \sum_i s_i \, (-\log p_{i, y_i}), \qquad S = \sum_i s_i

    The expected loss is smallest where the predictions are the true probabilities [1]_.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The labels that happened. They match `classes` by value: 1, 1.0 and True are
        one label, "1" is another.
    log_proba : array-like of shape (n, K)
        Natural logarithms of the predicted probabilities, one column per class. Minus
        infinity is allowed: the class was called impossible.
    classes : array-like of shape (K,)
        The label of each column, in the order of the columns. No label twice.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights s. A row of weight 2 counts like two rows, a row of weight
        0 counts like none, whatever its label. None weights all rows alike.

    Returns
    -------
    loss : float
        The weighted mean in nats. Infinite if a label has probability 0 in a row with
        a positive weight.

    Raises
    ------
    ValueError
        If a label is not in `classes`, if `classes` names a label twice, if there are
        no rows, if shapes do not fit, if `log_proba` holds NaN or positive values, if
        the probabilities of a row do not sum to 1 (to 1e-5), or if the weights are not
        finite and non-negative with a positive sum.

    See Also
    --------
    log_loss_scorer : The same number, negated, as ``scoring=`` in model selection.

    References
    ----------
    .. [1] T. Gneiting, A. E. Raftery, "Strictly proper scoring rules, prediction, and
       estimation", Journal of the American Statistical Association 102 (2007),
       359-378. :doi:`10.1198/016214506000001437`

    Examples
    --------
    >>> import numpy as np
    >>> from skxent import cross_entropy_loss
    >>> log_proba = np.log([[0.5, 0.5], [0.25, 0.75]])
    >>> loss = cross_entropy_loss(["no", "yes"], log_proba, classes=["no", "yes"])
    >>> round(loss, 4)  # (log 2 + log 4/3) / 2
    0.4904

    Logits first become log-probabilities:

    >>> from scipy.special import log_softmax
    >>> log_proba = log_softmax([[1000.0, 0.0]], axis=1)
    >>> cross_entropy_loss([0], log_proba, classes=[1, 0])
    1000.0
    """
    labels = _label_list(y_true, "y_true")
    columns = _label_list(classes, "classes")
    shares = _row_shares(sample_weight, len(labels))
    codes, unseen = _class_codes(labels, columns, shares)
    if unseen:
        raise ValueError(
            f"y_true holds labels that are not in classes: {_listed(unseen)}, expected "
            f"only {_listed(columns)}. Give log_proba a column and classes an entry "
            "for every label."
        )
    checked = _check_log_proba(log_proba, (len(labels), len(columns)), "log_proba")
    return _mean_loss(checked, codes, shares)


@dataclass(frozen=True, kw_only=True)
class LogLossScorer:
    """Negative mean cross-entropy of a fitted classifier; the type of log_loss_scorer.

    Use the instance `log_loss_scorer`. It goes wherever scikit-learn takes
    ``scoring=``: `cross_val_score`, `cross_validate` (alone or in a dict of scorers),
    `GridSearchCV`, `permutation_importance`. Higher is better, 0 is perfect.

    The score is the mean over the rows of the log-probability, in nats, that the
    estimator gave to the label that happened. Columns are found by the estimator's
    ``classes_``, by value: 1, 1.0 and True are one label, "1" is another. The
    log-probabilities are those of ``predict_log_proba``, else the logarithm of
    ``predict_proba``. Nothing is clipped: a label with probability 0 makes the score
    -inf, without a warning.

    A scorer never changes. `with_options` and `set_score_request` return a new one, so
    nobody else who imported `log_loss_scorer` is affected.

    Parameters
    ----------
    unseen : {"raise", "clip"}, default="raise"
        What becomes of a label that is not in ``classes_`` because the estimator was
        trained without it. See `with_options`.
    sample_weight_request, offset_request : bool, str or None, default=None
        Whether metadata routing hands over weights and offsets. See
        `set_score_request`.

    See Also
    --------
    cross_entropy_loss : The same number, not negated, from log-probabilities.

    Notes
    -----
    `cross_validate` and the searches turn an error inside a fold, such as the one for
    an unseen label, into the score NaN and a warning that tells the message. Pass
    ``error_score="raise"`` to see the error itself.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import KFold, cross_val_score
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skxent import log_loss_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> cross_val_score(GaussianNB(), X, y, scoring=log_loss_scorer).round(3)
    array([-0.221, -0.124, -0.211, -0.113, -0.008])

    The rows of iris are sorted by class, so the three folds of ``KFold(3)`` train on
    two classes and meet only the third in the test. That is an error, unless each such
    row shall cost a fixed penalty:

    >>> scorer = log_loss_scorer.with_options(unseen="clip")
    >>> scorer
    LogLossScorer(unseen='clip')
    >>> cross_val_score(GaussianNB(), X, y, cv=KFold(3), scoring=scorer).round(2)
    array([-36.04, -36.04, -36.04])
    """

    unseen: Literal["raise", "clip"] = "raise"
    sample_weight_request: bool | str | None = field(default=None, repr=False)
    offset_request: bool | str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse an unknown option."""
        if self.unseen not in ("raise", "clip"):
            raise ValueError(
                f"unseen={self.unseen!r}, expected 'raise' or 'clip': 'raise' refuses "
                "labels that the estimator never saw, 'clip' gives each a fixed penalty"
            )

    def __call__(
        self,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> float:
        """Score a fitted classifier on X and y.

        Parameters
        ----------
        estimator : object
            A fitted classifier, pipeline or search with ``classes_`` and with
            ``predict_log_proba`` or ``predict_proba``.
        X : array-like or sparse matrix of shape (n, d)
            The data, handed to the estimator as they are.
        y : array-like of shape (n,) or (n, K)
            The labels that happened, or their probabilities in rows that sum to 1. The
            columns of a frame have the names of classes, those of an array the order
            of ``classes_``.
        sample_weight : array-like of shape (n,), default=None
            Non-negative weights. None weights all rows alike.
        offset : array-like of shape (n,) or (n, K), default=None
            Handed to the estimator's ``predict_log_proba`` or ``predict_proba``.

        Returns
        -------
        score : float
            The negative weighted mean cross-entropy in nats, from -inf to 0.

        Raises
        ------
        TypeError
            If the estimator has no ``classes_``, or neither ``predict_log_proba`` nor
            ``predict_proba``.
        ValueError
            If `y` holds a label that the estimator never saw (where ``unseen`` is
            "raise"), or one that it could not have seen: a string among numbers, a
            number among strings, a missing label (always). Also if `y` is empty or not
            one label per row, if the weights are not finite and non-negative with a
            positive sum, or if the estimator's predictions are no probabilities.
        """
        check_container(y, "y")
        classes = _classes_of(estimator)
        # one list of classes for each of several outputs is refused below
        soft = are_distributions(y) and np.ndim(classes[0]) == 0
        labels = [] if soft else _label_list(y, "y")
        classes = _label_list(classes, "classes_")
        if soft:
            targets = align_distributions(y, classes)
            shares = _row_shares(sample_weight, len(targets))
            log_proba, source = _predicted_log_proba(estimator, X, offset)
            checked = _check_log_proba(log_proba, targets.shape, source)
            return 0.0 - _mean_soft_loss(checked, targets, shares)
        shares = _row_shares(sample_weight, len(labels))
        codes, unseen = _class_codes(labels, classes, shares)
        if unseen and self.unseen == "raise":
            raise ValueError(
                f"y holds labels that {_name(estimator)} never saw: {_listed(unseen)}, "
                f"its classes_ are {_listed(classes)}. Stratify the folds so that "
                "every class is trained on (StratifiedKFold), or give such rows a "
                "fixed penalty with log_loss_scorer.with_options(unseen='clip')."
            )
        log_proba, source = _predicted_log_proba(estimator, X, offset)
        checked = _check_log_proba(log_proba, (len(labels), len(classes)), source)
        # Not a bare minus sign, which would print a perfect score as -0.0.
        return 0.0 - _mean_loss(checked, codes, shares)

    def with_options(self, *, unseen: Literal["raise", "clip"]) -> LogLossScorer:
        """Return a new scorer that treats unseen labels in another way.

        Parameters
        ----------
        unseen : {"raise", "clip"}
            "raise" refuses a label that the estimator never saw. "clip" lets each such
            row cost -log(eps) = 36.04 nats, with the eps of float64, whatever the
            estimator predicts: what scikit-learn's clipping gives a class of
            probability 0. A class that the estimator did see and called impossible
            still scores -inf, and a label of another type than ``classes_``, or a
            missing one, is still an error.

        Returns
        -------
        scorer : LogLossScorer
            The new scorer; this one stays as it is.

        Raises
        ------
        ValueError
            If `unseen` is neither "raise" nor "clip".

        Examples
        --------
        >>> from sklearn.dummy import DummyClassifier
        >>> from skxent import log_loss_scorer
        >>> model = DummyClassifier().fit([[0], [0]], ["hen", "hen"])
        >>> scorer = log_loss_scorer.with_options(unseen="clip")
        >>> round(scorer(model, [[0], [0]], ["hen", "owl"]), 2)  # -36.04 / 2
        -18.02
        """
        return replace(self, unseen=unseen)

    def set_score_request(
        self,
        *,
        sample_weight: bool | str | None = UNCHANGED,
        offset: bool | str | None = UNCHANGED,
    ) -> LogLossScorer:
        """Return a new scorer that tells metadata routing what to hand over.

        The request is read only while metadata routing is on:
        ``sklearn.set_config(enable_metadata_routing=True)``. Unlike the scorers of
        `sklearn.metrics.make_scorer`, which change in place and return themselves, this
        one stays as it is: use the scorer that comes back.

        Parameters
        ----------
        sample_weight, offset : bool, str or None
            True: the weights, or offsets, are handed over. False: they are not. None:
            passing them is an error. A string: the name under which they are passed.
            Left out, the request stays as it is.

        Returns
        -------
        scorer : LogLossScorer
            The new scorer.

        Raises
        ------
        ValueError
            If a request is none of these.

        Examples
        --------
        >>> from sklearn import config_context
        >>> from sklearn.dummy import DummyClassifier
        >>> from sklearn.model_selection import cross_validate
        >>> from skxent import log_loss_scorer
        >>> X, y, weights = [[0]] * 6, [0, 0, 0, 1, 1, 1], [3, 3, 3, 1, 1, 1]
        >>> scorer = log_loss_scorer.set_score_request(sample_weight=True)
        >>> with config_context(enable_metadata_routing=True):
        ...     model = DummyClassifier(strategy="prior")
        ...     model = model.set_fit_request(sample_weight=True)
        ...     params = {"sample_weight": weights}
        ...     cv = cross_validate(model, X, y, scoring=scorer, cv=3, params=params)
        >>> cv["test_score"].round(4)  # 3/4 log 3/4 + 1/4 log 1/4
        array([-0.5623, -0.5623, -0.5623])
        """
        changes: dict[str, Any] = {
            f"{name}_request": request
            for name, request in (("sample_weight", sample_weight), ("offset", offset))
            if request != UNCHANGED
        }
        scorer = replace(self, **changes)
        # An invalid request is refused here, not in the middle of a search.
        scorer.get_metadata_routing()
        return scorer

    def get_metadata_routing(self) -> MetadataRequest:
        """Tell scikit-learn's metadata routing what this scorer asks for.

        Returns
        -------
        routing : sklearn.utils.metadata_routing.MetadataRequest
            The requests of the method ``score``, which is the name under which
            scikit-learn routes to scorers.
        """
        routing = MetadataRequest(owner=type(self).__name__)
        routing.score.add_request(
            param="sample_weight", alias=self.sample_weight_request
        )
        routing.score.add_request(param="offset", alias=self.offset_request)
        return routing

    # Without metadata routing, the searches of scikit-learn 1.9 call this on every
    # scorer of a dict when they are fitted with weights, and fail where it is missing.
    def _accept_sample_weight(self) -> bool:
        return True


log_loss_scorer = LogLossScorer()


def _label_list(labels: Any, name: str) -> list[Any]:
    check_container(labels, name)
    array = label_array(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"{name} has shape {array.shape}, expected (n,) with n >= 1: one label per "
            "row. Targets with several outputs or several labels per row are not "
            "supported; score them one by one."
        )
    as_list: list[Any] = array.tolist()
    return as_list


def _row_shares(
    sample_weight: ArrayLike | None, n_rows: int
) -> NDArray[np.floating[Any]]:
    """Weights as shares of the total, so that a sum over rows is a mean."""
    if sample_weight is None:
        return np.full(n_rows, 1.0 / n_rows)
    check_numbers(sample_weight, "sample_weight")
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n_rows,):
        raise ValueError(
            f"sample_weight has shape {weights.shape}, expected ({n_rows},): one "
            "weight per row."
        )
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if bad.size:
        raise ValueError(
            f"sample_weight has {weights[bad[0]]} in row {bad[0]}, expected finite "
            "numbers >= 0. Give rows that shall not count the weight 0."
        )
    largest = weights.max()
    if largest == 0:
        raise ValueError(
            "sample_weight sums to 0, expected a positive sum: at least one row has to "
            "count."
        )
    # Huge weights would overflow in the sum.
    scaled = weights / largest
    shares: NDArray[np.floating[Any]] = scaled / scaled.sum()
    return shares


def _class_codes(
    labels: list[Any], classes: list[Any], shares: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.intp], list[Any]]:
    """Column of each label, -1 for none, and the labels without one that count.

    A dict compares by value, whatever the dtypes: NumPy would turn a mix of numbers and
    strings into strings, and then 1 and "1" are equal.
    """
    column = {label: k for k, label in enumerate(classes)}
    if len(column) < len(classes):
        raise ValueError(
            f"classes names a label twice: {_listed(classes)}, expected one label per "
            "column, each different."
        )
    codes = np.fromiter(
        (column.get(label, -1) for label in labels), dtype=np.intp, count=len(labels)
    )
    rows = np.flatnonzero((codes < 0) & (shares > 0))
    unseen = list(dict.fromkeys(labels[i] for i in rows))
    kinds = {_kind(label) for label in classes}
    for label in unseen:
        # More training data could not have shown this label: a mistake, and no matter
        # for a penalty.
        if _kind(label) not in kinds:
            raise ValueError(
                f"the label {label!r} ({_kind(label)}) cannot be one of the classes "
                f"{_listed(classes)} ({', '.join(sorted(kinds))}). Give the labels the "
                "type of the classes, and drop rows without a label."
            )
    return codes, unseen


def _kind(label: Any) -> str:
    # np.bool_ is the one NumPy number that is not registered as a Number.
    if isinstance(label, Number | np.bool_):
        return "number" if label == label else "NaN"
    return "string" if isinstance(label, str) else type(label).__name__


def _listed(labels: list[Any]) -> str:
    shown = [repr(label) for label in labels[:10]]
    return f"[{', '.join(shown)}{', ...' if len(labels) > len(shown) else ''}]"


def _name(estimator: Any) -> str:
    return type(estimator).__name__


def _classes_of(estimator: Any) -> Any:
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        raise TypeError(
            f"{_name(estimator)} has no classes_, expected a fitted classifier. Fit "
            "it before scoring; for a regressor use another scorer."
        )
    return classes


def _predicted_log_proba(
    estimator: Any, X: Any, offset: ArrayLike | None = None
) -> tuple[Any, str]:
    """Log-probabilities and the method they come from, for error messages."""
    given = {} if offset is None else {"offset": offset}
    # Many estimators take the logarithm of their zeros. Here log 0 = -inf is the
    # answer, not an accident.
    with np.errstate(divide="ignore"):
        if hasattr(estimator, "predict_log_proba"):
            source = f"{_name(estimator)}.predict_log_proba"
            return estimator.predict_log_proba(X, **given), source
        if hasattr(estimator, "predict_proba"):
            proba = np.asarray(estimator.predict_proba(X, **given), dtype=np.float64)
            return np.log(proba), f"the logarithm of {_name(estimator)}.predict_proba"
    raise TypeError(
        f"{_name(estimator)} has neither predict_log_proba nor predict_proba, expected "
        "one of them. Set the option of the estimator that gives it probabilities, or "
        "wrap it in sklearn.calibration.CalibratedClassifierCV."
    )


def _check_log_proba(
    log_proba: Any, shape: tuple[int, int], source: str
) -> NDArray[np.floating[Any]]:
    checked = np.asarray(log_proba, dtype=np.float64)
    if checked.shape != shape:
        raise ValueError(
            f"{source} has shape {checked.shape}, expected {shape}: one row per label, "
            "one column per class."
        )
    remedy = (
        "expected natural logarithms of probabilities: take np.log of probabilities, "
        "scipy.special.log_softmax(logits, axis=1) of logits."
    )
    largest = checked.max(axis=1)
    # Written so that NaN, too, counts as bad.
    bad = np.flatnonzero(~(largest <= SUM_TOLERANCE))
    if bad.size:
        raise ValueError(f"{source} has {largest[bad[0]]} in row {bad[0]}, {remedy}")
    sums = np.exp(checked).sum(axis=1)
    bad = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)
    if bad.size:
        raise ValueError(
            f"{source} has probabilities that sum to {sums[bad[0]]}, not to 1, in row "
            f"{bad[0]}, {remedy}"
        )
    return checked


def _mean_loss(
    log_proba: NDArray[np.floating[Any]],
    codes: NDArray[np.intp],
    shares: NDArray[np.floating[Any]],
) -> float:
    picked = np.take_along_axis(log_proba, codes[:, np.newaxis], axis=1)[:, 0]
    picked[codes < 0] = _UNSEEN_LOG_PROBA
    # Rounding may have left a log-probability a little above 0.
    picked = np.minimum(picked, 0.0)
    # 0 * inf is NaN, but a row that does not count costs nothing.
    counts = shares > 0
    return 0.0 - float(np.sum(shares[counts] * picked[counts]))


def _mean_soft_loss(
    log_proba: NDArray[np.floating[Any]],
    targets: NDArray[np.floating[Any]],
    shares: NDArray[np.floating[Any]],
) -> float:
    # what a target rules out costs nothing, however impossible the prediction held it
    counts = (targets > 0) & (shares > 0)[:, np.newaxis]
    weights = shares[:, np.newaxis] * targets
    return 0.0 - float(np.sum(weights[counts] * np.minimum(log_proba[counts], 0.0)))
