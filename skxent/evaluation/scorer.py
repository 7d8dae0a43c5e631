"""Cross-entropy as a score for cross-validation and model selection.

A score of probabilities needs to know the class of each column. scikit-learn's
``"neg_log_loss"`` assumes that the columns are the sorted labels of the fold. If a
model is trained on the classes {0, 1} and scored on a fold with {1, 2}, its score is
plausible but wrong. `log_loss_scorer` reads the classes from ``classes_`` and finds the
column of each label by value.

It works with logarithms throughout: it prefers ``predict_log_proba`` and clips nothing.
If a label has predicted probability 0, the score is -inf.

`cross_entropy_loss` computes the same loss from given log-probabilities.
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

    Use the instance `log_loss_scorer`. scikit-learn accepts it as ``scoring=`` in
    `cross_val_score`, `cross_validate` (alone or in a dict of scorers), `GridSearchCV`
    and `permutation_importance`. Higher is better, 0 is perfect.

    The score is the mean log-probability of the true labels, in nats. The column of a
    label is found in the estimator's ``classes_`` by value: 1, 1.0 and True are the
    same label, "1" is another. The log-probabilities are from ``predict_log_proba`` if
    the estimator has it; otherwise, they are the logarithm of ``predict_proba``. They
    are not clipped: a label of probability 0 makes the score -inf, without a warning.

    A scorer is immutable. `with_options` and `set_score_request` return a new scorer,
    so other users of `log_loss_scorer` are not affected.

    Parameters
    ----------
    unseen : {"raise", "clip"}, default="raise"
        How to treat a label that is not in ``classes_`` because the training data had
        no row with it. See `with_options`.
    sample_weight_request, offset_request : bool, str or None, default=None
        Whether metadata routing passes weights and offsets to the scorer. See
        `set_score_request`.

    See Also
    --------
    cross_entropy_loss : The positive loss, from given log-probabilities.

    Notes
    -----
    If scoring a fold raises an error, for example because of an unseen label,
    `cross_validate` and the searches give the fold the score NaN and warn with the
    message of the error. Pass ``error_score="raise"`` to get the error.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import KFold, cross_val_score
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skxent import log_loss_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> cross_val_score(GaussianNB(), X, y, scoring=log_loss_scorer).round(3)
    array([-0.221, -0.124, -0.211, -0.113, -0.008])

    The rows of iris are sorted by class. Each fold of ``KFold(3)`` trains on two
    classes and tests on the third. That is an error by default. With the option "clip",
    each such row has a fixed penalty:

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
        """Raise a ValueError for an unknown option."""
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
            The data. They are passed to the estimator unchanged.
        y : array-like of shape (n,) or (n, K)
            The true labels, or a target distribution for each row, which sums to 1. The
            columns of a frame are named by class; those of an array are in the order of
            ``classes_``.
        sample_weight : array-like of shape (n,), default=None
            Non-negative weights. None weights all rows equally.
        offset : array-like of shape (n,) or (n, K), default=None
            Passed to the estimator's ``predict_log_proba`` or ``predict_proba``.

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
            If `y` has a label that is not in ``classes_`` and ``unseen`` is "raise". If
            such a label is missing or of a type that no class has, whatever ``unseen``
            is. If `y` is empty, or neither labels nor distributions. If the weights are
            not finite and non-negative with a positive sum. If the predictions of the
            estimator are not probabilities.
        """
        check_container(y, "y")
        classes = classes_of(estimator)
        # An estimator with several outputs has a list of classes for each. `label_list`
        # raises an error for these.
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
        # A minus sign alone would turn a perfect score into -0.0.
        return 0.0 - mean_loss(checked, codes, shares)

    def with_options(self, *, unseen: Literal["raise", "clip"]) -> LogLossScorer:
        """Return a new scorer with another treatment of unseen labels.

        Parameters
        ----------
        unseen : {"raise", "clip"}
            "raise": a label that is not in ``classes_`` is an error. "clip": each row
            with such a label costs -log(eps) = 36.04 nats, with the eps of float64,
            whatever the estimator predicts. This is the cost of a class of probability
            0 in scikit-learn, which clips probabilities. With both options, a class in
            ``classes_`` of predicted probability 0 scores -inf, and a label that is
            missing or of a type that no class has is an error.

        Returns
        -------
        scorer : LogLossScorer
            The new scorer. This one is unchanged.

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
        """Return a new scorer that requests metadata from metadata routing.

        The request has an effect only if metadata routing is enabled:
        ``sklearn.set_config(enable_metadata_routing=True)``. Scorers made by
        `sklearn.metrics.make_scorer` change in place. This scorer does not: use the
        scorer that is returned.

        Parameters
        ----------
        sample_weight, offset : bool, str or None
            True: the weights or offsets are passed to the scorer. False: they are not.
            None: it is an error if the user passes them. A string: the user passes them
            under this name. By default, the request is unchanged.

        Returns
        -------
        scorer : LogLossScorer
            The new scorer.

        Raises
        ------
        ValueError
            If a request has another value.

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
        # This raises the error for an invalid request now, not later during a search.
        scorer.get_metadata_routing()
        return scorer

    def get_metadata_routing(self) -> MetadataRequest:
        """Return the metadata requests of this scorer.

        Returns
        -------
        routing : sklearn.utils.metadata_routing.MetadataRequest
            The requests of the method ``score``, the name that scikit-learn uses for
            routing to scorers.
        """
        routing = MetadataRequest(owner=type(self).__name__)
        routing.score.add_request(
            param="sample_weight", alias=self.sample_weight_request
        )
        routing.score.add_request(param="offset", alias=self.offset_request)
        return routing

    # If metadata routing is disabled and a search is fitted with weights, scikit-learn
    # 1.9 calls this method of each scorer in a dict, and fails if it does not exist.
    def _accept_sample_weight(self) -> bool:
        return True


log_loss_scorer = LogLossScorer()
