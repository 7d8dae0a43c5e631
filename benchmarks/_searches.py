"""The searches for C that are timed: ours with its defaults, and its peers.

Each is an estimator that tries the given values of C in five stratified folds, scores
them by the cross-entropy of the held-out rows, and fits all rows at the best.

    skxent                BinaryLogRegCV for two classes, else SoftmaxRegCV
    grid-skxent           GridSearchCV over BinaryLogReg or SoftmaxReg
    lbfgs                 LogisticRegressionCV() but for the score; ridge only
    newton-cholesky       the same with this solver; of sparse sets, only those with a
                          small Hessian; ridge only
    grid-newton-cholesky  GridSearchCV over LogisticRegression with it; the same sets
    saga                  LogisticRegressionCV with this solver; L1 only
    liblinear             the same; two classes and L1 only
    glum                  GeneralizedLinearRegressorCV, dense sets with two classes

All have their default tolerances and numbers of iterations. "one-fit" is no search: it
is BinaryLogReg or SoftmaxReg at C = 1, to measure a search by.
"""

from importlib.util import find_spec
from inspect import signature

import _checkout  # noqa: F401 -- it puts the checkout on sys.path
import numpy as np
from _peers import MAX_HESSIAN
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, StratifiedKFold

OURS, ONE_FIT = "skxent", "one-fit"
RIDGE_PEERS = (
    "grid-skxent",
    "lbfgs",
    "newton-cholesky",
    "grid-newton-cholesky",
    "glum",
)
LASSO_PEERS = ("grid-skxent", "saga", "liblinear", "glum")
N_FOLDS = 5


def is_applicable(search, is_sparse, shape):
    """Whether the search is installed and made for a set (n, d, K) of this kind."""
    _, d, n_classes = shape
    if search == "glum":
        return not is_sparse and n_classes == 2 and find_spec("glum") is not None
    if search == "liblinear":
        return n_classes == 2
    if search.endswith("newton-cholesky") and is_sparse:
        return d * (n_classes if n_classes > 2 else 1) <= MAX_HESSIAN
    return True


def make_search(search, n_rows, n_classes, Cs, lasso):
    """Return the unfitted estimator."""
    import skxent

    kind = "BinaryLogReg" if n_classes == 2 else "SoftmaxReg"
    l1_ratio = 1.0 if lasso else 0.0
    if search == OURS:
        estimator = getattr(skxent, f"{kind}CV")
        return estimator(Cs=Cs, l1_ratios=(l1_ratio,), cv=N_FOLDS)
    if search == ONE_FIT:
        return getattr(skxent, kind)(l1_ratio=l1_ratio)
    if search == "grid-skxent":
        model = getattr(skxent, kind)(l1_ratio=l1_ratio)
        return GridSearchCV(
            model, {"C": Cs}, cv=N_FOLDS, scoring=skxent.log_loss_scorer
        )
    if search == "grid-newton-cholesky":
        model = LogisticRegression(solver="newton-cholesky")
        return GridSearchCV(model, {"C": Cs}, cv=N_FOLDS, scoring="neg_log_loss")
    if search == "glum":
        from glum import GeneralizedLinearRegressorCV

        # Its losses are means, also those of the folds: its penalties there are a
        # quarter stronger than those of the others.
        alphas = 1 / (np.asarray(Cs) * n_rows)
        return GeneralizedLinearRegressorCV(
            family="binomial",
            alphas=np.sort(alphas)[::-1],
            l1_ratio=l1_ratio,
            cv=StratifiedKFold(N_FOLDS),
        )
    return LogisticRegressionCV(
        Cs=Cs,
        cv=N_FOLDS,
        scoring="neg_log_loss",
        solver=search,
        # See `_peers`: the intercept is hardly penalised.
        intercept_scaling=100,
        random_state=0,
        **_penalty_options(lasso),
    )


def answer_of(model, n_rows):
    """Return the chosen C, coef (L, d) and intercept (L,) of a fitted search."""
    if hasattr(model, "alpha_"):
        C = 1 / (model.alpha_ * n_rows)
    elif hasattr(model, "best_params_"):
        C = model.best_params_["C"]
        model = model.best_estimator_
    else:
        # Some versions of scikit-learn have an array with one C for each class.
        C = np.ravel(model.C_ if hasattr(model, "C_") else model.C)[0]
    return float(C), np.atleast_2d(model.coef_), np.ravel(model.intercept_)


def _penalty_options(lasso):
    """Return the options for the penalty, as this version of scikit-learn has them."""
    if "use_legacy_attributes" in signature(LogisticRegressionCV).parameters:
        return {"l1_ratios": (float(lasso),), "use_legacy_attributes": False}
    return {"penalty": "l1" if lasso else "l2"}
