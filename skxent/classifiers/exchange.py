"""Methods that hand a fitted model over to others, and take it back.

The formats are in `export`.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from ..export.card import read_card, to_card
from ..export.linear_model import LinearModel
from ..export.logistic_regression import (
    read_logistic_regression,
    to_logistic_regression,
)
from .predictions import LinearClassifier, dense


class ExportMixin(LinearClassifier):
    """`to_sklearn` and `to_dict`, for each classifier."""

    fit_intercept: bool
    class_weight: Any

    def to_sklearn(self) -> LogisticRegression:
        """Return the fitted model as scikit-learn's `LogisticRegression`.

        Its labels, probabilities and logits are those of this model: equal to 1e-12, or
        to the rounding of the terms of a logit where these nearly cancel. Tools that
        know `LogisticRegression` take it.

        The attributes are ``classes_``, ``coef_``, ``intercept_``, ``n_features_in_``,
        ``feature_names_in_`` and ``n_iter_``; of two classes there is one row, the
        log-odds of ``classes_[1]``. The parameters ``C``, ``l1_ratio`` (before
        scikit-learn 1.8 with ``penalty``), ``fit_intercept`` and ``class_weight``
        describe the same optimum. For `SoftmaxReg` with two classes, C is twice as
        large under an L2 penalty. Of a search, it is the chosen model.

        Some things have no counterpart. A known ``offset`` of the logits cannot be
        passed: add it to ``decision_function``, and transform the sum. Penalty weights,
        bounds, label smoothing, early stopping and callbacks have formed the
        coefficients, which stay; but ``fit`` of the copy does not know of them.
        ``predict_log_proba`` of the copy is −inf where a probability is 0.

        Returns
        -------
        sklearn.linear_model.LogisticRegression

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skxent import SoftmaxReg
        >>> X, y = load_iris(return_X_y=True)
        >>> model = SoftmaxReg(C=10).fit(X, y)
        >>> copy = model.to_sklearn()
        >>> copy
        LogisticRegression(C=10.0)
        >>> bool(abs(copy.predict_proba(X) - model.predict_proba(X)).max() < 1e-12)
        True
        """
        return to_logistic_regression(self._linear_model())

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted model as a card: plain numbers and names, for JSON.

        ``json.dumps(model.to_dict())`` keeps each digit, and `from_dict` returns the
        same predictions. ``docs/card.md`` has the keys, the formula of the
        probabilities, and a scorer in plain Python. The card holds the model, its
        penalty and how close it is to the optimum. It does not hold the other
        parameters of the fit.

        Returns
        -------
        dict
            Of a search, the card of the chosen model.

        Raises
        ------
        ValueError
            If a class is not an int, str, bool or finite float, or the classes are of
            different types.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.

        Examples
        --------
        >>> from skxent import BinaryLogReg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["no", "yes", "no", "yes"]
        >>> card = BinaryLogReg().fit(X, y).to_dict()
        >>> card["estimator"], card["version"], card["classes"]
        ('BinaryLogReg', 1, ['no', 'yes'])
        """
        return to_card(self._linear_model())

    def _linear_model(self) -> LinearModel:
        check_is_fitted(self)
        C, l1_ratio, n_iter = self._fitted_penalty()
        return LinearModel(
            coef=np.asarray(dense(self.coef_)),
            intercept=self.intercept_,
            classes=self.classes_,
            feature_names=getattr(self, "feature_names_in_", None),
            C=float(C),
            l1_ratio=float(l1_ratio),
            fit_intercept=bool(self.fit_intercept),
            class_weight=self.class_weight,
            n_iter=n_iter,
            converged=getattr(self, "converged_", None),
            suboptimality=getattr(self, "suboptimality_", None),
        )

    def _fitted_penalty(self) -> tuple[float, float, int | None]:
        """Return C, ``l1_ratio`` and the number of iterations of the fitted model."""
        raise NotImplementedError


class ImportMixin(LinearClassifier):
    """`from_sklearn` and `from_dict`, for classifiers with one C."""

    coef_: Any
    intercept_: NDArray
    classes_: NDArray
    n_features_in_: int
    feature_names_in_: NDArray
    n_iter_: NDArray
    converged_: bool
    suboptimality_: float

    @classmethod
    def from_sklearn(cls, model: Any, **params: Any) -> Self:
        """Return a fitted `LogisticRegression` as an estimator of this class.

        It predicts as the model does, in float64, and takes an ``offset``. With
        ``warm_start=True`` its `fit` starts at the coefficients of the model.
        `BinaryLogReg` takes models of two classes, and `SoftmaxReg` multinomial ones,
        too.

        ``C``, ``l1_ratio``, ``fit_intercept`` and ``class_weight`` are those of the
        model, so that `fit` minimises the same function; other parameters have their
        defaults. `converged_`, `suboptimality_` and `duality_gap_` are missing until
        `fit`, since they cannot be known without the data.

        Parameters
        ----------
        model : LogisticRegression or LogisticRegressionCV
            A fitted one.
        **params : dict
            Parameters of the estimator, such as ``warm_start``.

        Returns
        -------
        estimator
            A fitted one.

        Raises
        ------
        TypeError
            If the model is of another type.
        ValueError
            If the model is one-versus-rest, or has more classes than the estimator can
            have.
        sklearn.exceptions.NotFittedError
            If the model is not fitted.

        Examples
        --------
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.preprocessing import scale
        >>> from skxent import BinaryLogReg
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> old = LogisticRegression().fit(scale(X), y)
        >>> model = BinaryLogReg.from_sklearn(old, warm_start=True)
        >>> bool(model.score(scale(X), y) == old.score(scale(X), y))
        True
        >>> model.fit(scale(X), y).converged_
        True
        """
        read = read_logistic_regression(model)
        if cls._loss_name == "binary" and len(read.classes) > 2:
            raise ValueError(
                f"The model has {len(read.classes)} classes, and {cls.__name__} has "
                "two: use SoftmaxReg.from_sklearn."
            )
        if cls._loss_name == "binary":
            read = read.with_one_logit()
        else:
            read = read.with_a_logit_for_each_class()
        return cls._of(read, {"class_weight": read.class_weight, **params})

    @classmethod
    def from_dict(cls, card: Mapping[str, Any]) -> Self:
        """Return the fitted estimator that a card describes, see `to_dict`.

        Its predictions are those of the model that the card was made from, to the last
        digit. Parameters that the card does not hold have their defaults.

        Parameters
        ----------
        card : dict
            As `to_dict` returns it, also after a way through JSON. Keys that the format
            does not have are ignored.

        Returns
        -------
        estimator
            A fitted one.

        Raises
        ------
        TypeError
            If the card is not a dict.
        ValueError
            If the card is of another format, version or estimator, a key is missing, or
            a value is malformed: shapes that differ, numbers that are not finite.

        Examples
        --------
        >>> import json
        >>> from skxent import BinaryLogReg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [False, True, False, True]
        >>> model = BinaryLogReg().fit(X, y)
        >>> text = json.dumps(model.to_dict())
        >>> again = BinaryLogReg.from_dict(json.loads(text))
        >>> bool((again.coef_ == model.coef_).all())
        True
        """
        return cls._of(read_card(card, cls._loss_name), {})

    @classmethod
    def _of(cls, model: LinearModel, params: dict[str, Any]) -> Self:
        """Return an estimator with these values; params go to its constructor."""
        described = {
            "C": model.C,
            "l1_ratio": model.l1_ratio,
            "fit_intercept": model.fit_intercept,
        }
        estimator = cls(**{**described, **params})
        estimator.n_features_in_ = model.coef.shape[1]
        if model.feature_names is not None:
            estimator.feature_names_in_ = model.feature_names
        estimator.classes_ = model.classes
        estimator.coef_, estimator.intercept_ = model.coef, model.intercept
        if model.n_iter is not None:
            estimator.n_iter_ = np.array([model.n_iter], dtype=np.int32)
        if model.converged is not None:
            estimator.converged_ = model.converged
        if model.suboptimality is not None:
            estimator.suboptimality_ = model.suboptimality
        return estimator
