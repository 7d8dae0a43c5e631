"""`LinearModel` to and from scikit-learn's `LogisticRegression`."""

from inspect import signature
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from .linear_model import LinearModel

# Before scikit-learn 1.8, ``penalty`` chose the norm, and ``l1_ratio`` was None unless
# it was "elasticnet". Since then, ``penalty`` is deprecated.
_HAS_PENALTY = signature(LogisticRegression).parameters["l1_ratio"].default is None
# Values of ``multi_class``, gone in scikit-learn 1.8, that leave the choice open.
_OPEN = ("auto", "deprecated", None)


def to_logistic_regression(model: LinearModel) -> LogisticRegression:
    """Return the model as a fitted `LogisticRegression`; it shares no array."""
    if len(model.classes) == 2:
        model = model.with_one_logit()
    fitted = LogisticRegression(
        **_penalty_parameters(model.C, model.l1_ratio),
        fit_intercept=model.fit_intercept,
        class_weight=model.class_weight,
        # of the solvers of all versions, those that minimise the same function
        solver="lbfgs" if model.l1_ratio == 0 or np.isinf(model.C) else "saga",
    )
    fitted.classes_ = model.classes.copy()
    fitted.coef_, fitted.intercept_ = model.coef.copy(), model.intercept.copy()
    fitted.n_features_in_ = model.coef.shape[1]
    if model.feature_names is not None:
        fitted.feature_names_in_ = model.feature_names.copy()
    if model.n_iter is not None:
        fitted.n_iter_ = np.array([model.n_iter], dtype=np.int32)
    return fitted


def _penalty_parameters(C: float, l1_ratio: float) -> dict[str, Any]:
    """Return the parameters that scikit-learn takes without a warning."""
    if np.isinf(C):
        return {"penalty": None} if _HAS_PENALTY else {"C": C, "l1_ratio": 0.0}
    if not _HAS_PENALTY:
        return {"C": C, "l1_ratio": l1_ratio}
    if l1_ratio in (0, 1):
        return {"C": C, "penalty": "l1" if l1_ratio else "l2"}
    return {"C": C, "penalty": "elasticnet", "l1_ratio": l1_ratio}


def read_logistic_regression(model: Any) -> LinearModel:
    """Return a fitted `LogisticRegression` as a `LinearModel`.

    Parameters
    ----------
    model : LogisticRegression or LogisticRegressionCV

    Raises
    ------
    TypeError
        If it is anything else.
    ValueError
        If it has one model for each of three or more classes.
    """
    if not isinstance(model, LogisticRegression):
        raise TypeError(
            f"The model is of the type {type(model).__name__}; expected a fitted "
            "LogisticRegression or LogisticRegressionCV: of a pipeline, pass the last "
            "step."
        )
    check_is_fitted(model)
    multi_class = getattr(model, "multi_class", None)
    is_one_versus_rest = multi_class == "ovr" or (
        multi_class in _OPEN and model.solver == "liblinear"
    )
    C, l1_ratio = _fitted_penalty(model)
    if len(model.classes_) > 2 and is_one_versus_rest:
        raise ValueError(
            f"The {type(model).__name__} is one-versus-rest: it has a separate model "
            f"for each of {len(model.classes_)} classes, and no softmax has its "
            "probabilities. Expected a multinomial one: fit SoftmaxReg, or "
            "OneVsRestClassifier(BinaryLogReg())."
        )
    names = getattr(model, "feature_names_in_", None)
    coef = model.coef_.toarray() if sparse.issparse(model.coef_) else model.coef_
    read = LinearModel(
        coef=np.array(coef, dtype=np.float64),
        intercept=np.array(model.intercept_, dtype=np.float64),
        classes=np.array(model.classes_),
        feature_names=None if names is None else names.copy(),
        C=C,
        l1_ratio=l1_ratio,
        fit_intercept=bool(model.fit_intercept),
        class_weight=model.class_weight,
        n_iter=int(np.max(model.n_iter_)) if hasattr(model, "n_iter_") else None,
    )
    if multi_class == "multinomial" and len(read.coef) == 1:
        # its coefficients are the second row of a softmax, and minus the first
        both = np.array([[-1.0], [1.0]])
        read = read._replace(
            coef=both * read.coef, intercept=both[:, 0] * read.intercept
        )
    return read


def _fitted_penalty(model: Any) -> tuple[float, float]:
    """Return C and the share of the L1 norm."""
    # of a search, those chosen: one for each class, with one-versus-rest
    C = float(np.max(model.C_ if hasattr(model, "C_") else model.C))
    chosen = model.l1_ratio_ if hasattr(model, "l1_ratio_") else model.l1_ratio
    chosen = np.atleast_1d(chosen)[0]
    if not _HAS_PENALTY and model.penalty == "deprecated":
        return C, float(chosen or 0)
    if model.penalty is None:
        return np.inf, 0.0
    return C, {"l1": 1.0, "l2": 0.0}.get(model.penalty, float(chosen or 0))
