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
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.metadata_routing import UNCHANGED, MetadataRequest

from ..data.containers import check_container
from ..data.targets import align_distributions, are_distributions
from .alignment import class_codes, label_list, row_shares
from .loss import mean_loss, mean_soft_loss
from .messages import format_labels, type_name
from .probabilities import check_log_proba, classes_of, predicted_log_proba


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
        classes = classes_of(estimator)
        # one list of classes for each of several outputs is refused below
        soft = are_distributions(y) and np.ndim(classes[0]) == 0
        labels = [] if soft else label_list(y, "y")
        classes = label_list(classes, "classes_")
        if soft:
            targets = align_distributions(y, classes)
            shares = row_shares(sample_weight, len(targets))
            log_proba, source = predicted_log_proba(estimator, X, offset)
            checked = check_log_proba(log_proba, targets.shape, source)
            return 0.0 - mean_soft_loss(checked, targets, shares)
        shares = row_shares(sample_weight, len(labels))
        codes, unseen = class_codes(labels, classes, shares)
        if unseen and self.unseen == "raise":
            raise ValueError(
                f"y holds labels that {type_name(estimator)} never saw: "
                f"{format_labels(unseen)}, its classes_ are {format_labels(classes)}. "
                "Stratify the folds so that every class is trained on "
                "(StratifiedKFold), or give such rows a fixed penalty with "
                "log_loss_scorer.with_options(unseen='clip')."
            )
        log_proba, source = predicted_log_proba(estimator, X, offset)
        checked = check_log_proba(log_proba, (len(labels), len(classes)), source)
        # Not a bare minus sign, which would print a perfect score as -0.0.
        return 0.0 - mean_loss(checked, codes, shares)

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
