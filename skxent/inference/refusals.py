"""What has no coefficient table, and why.

A table that is wrong looks like one that is right. Each refusal names the value, the
reason and the way out.
"""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..classifiers.cross_entropy_classifier import CrossEntropyClassifier
from ..classifiers.feature_parameters import check_bounds
from ..classifiers.predictions import LinearClassifier, dense
from ..evaluation.messages import type_name

CLASSICAL = ("model", "HC0", "HC1", "HC3", "cluster")
FOR_PENALTIES = ("sandwich_penalised", "laplace")
COVARIANCES = (*CLASSICAL, *FOR_PENALTIES)


def check_supported(model: Any) -> None:
    """Raise unless the estimator is fitted, and minimises a smooth objective."""
    if not isinstance(model, LinearClassifier):
        raise TypeError(
            f"{type_name(model)} is no estimator of skxent; expected one, such as "
            "BinaryLogReg, a pipeline that ends in one, or a search over these."
        )
    check_is_fitted(model)
    C, l1_ratio = penalty_of(model)
    if l1_ratio > 0 and np.isfinite(C):
        raise ValueError(
            f"l1_ratio={l1_ratio!r}: an L1 penalty sets coefficients to 0, and the "
            "distribution of those that it keeps is not normal; expected a fit without "
            "it: refit with C=np.inf on other rows than those that chose the features."
        )
    if getattr(model, "label_smoothing", 0) > 0:
        raise ValueError(
            f"label_smoothing={model.label_smoothing!r}: the fit maximises the "
            "likelihood of labels that nobody observed; expected 0: refit with "
            "label_smoothing=0."
        )
    if getattr(model, "early_stopping", False):
        raise ValueError(
            "early_stopping=True: the coefficients are not at an optimum, so that no "
            "covariance is known; expected a fit to the end: refit with "
            "early_stopping=False."
        )
    _check_bounds(model)


def is_bias_reduced(model: Any) -> bool:
    """Return whether an estimator maximises another function than a likelihood.

    These are estimators without a penalty of their own, as bias-reduced ones are.
    """
    return not isinstance(model, CrossEntropyClassifier)


def penalty_of(model: Any) -> tuple[float, float]:
    """Return C and ``l1_ratio``, those chosen if the estimator has chosen them."""
    if is_bias_reduced(model):
        return np.inf, 0.0
    if hasattr(model, "C_"):
        return model.C_, model.l1_ratio_
    return model.C, model.l1_ratio


def _check_bounds(model: Any) -> None:
    """Raise if a coefficient lies on one of its bounds."""
    if getattr(model, "bounds", None) is None:
        return
    coef = dense(model.coef_)
    names = getattr(model, "feature_names_in_", None)
    found = check_bounds(model.bounds, names, coef.shape[1])
    assert found is not None
    lower, upper = found
    (active,) = np.nonzero(((coef <= lower) | (coef >= upper)).any(axis=0))
    if len(active):
        names = [f"x{j}" for j in range(coef.shape[1])] if names is None else names
        raise ValueError(
            f"bounds hold the coefficients of {name_some(np.asarray(names)[active])}: "
            "an estimate on its bound is not normally distributed; expected none on a "
            "bound: refit without bounds."
        )


def check_same_data(model: Any, data: Any) -> None:
    """Raise if the checked X or y cannot be the data of the fit."""
    d, expected = data.n_features, dense(model.coef_).shape[1]
    if d != expected:
        raise ValueError(
            f"X has {d} features; expected the {expected} of the fit of "
            f"{type_name(model)}: pass the data of the fit."
        )
    names = getattr(model, "feature_names_in_", None)
    if names is not None and data.feature_names is not None:
        (differ,) = np.nonzero(names != data.feature_names)
        if len(differ):
            j = differ[0]
            raise ValueError(
                f"X has the feature {data.feature_names[j]!r} in column {j}; expected "
                f"{names[j]!r}, as in the fit: pass the data of the fit."
            )
    if not np.array_equal(data.classes, model.classes_):
        raise ValueError(
            f"y has the classes {data.classes.tolist()}; expected those of the fit, "
            f"{np.asarray(model.classes_).tolist()}: pass the data of the fit."
        )


def check_level(level: float) -> None:
    """Raise unless the level of an interval is between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"level={level!r}; expected a number between 0 and 1.")


def check_likelihood(
    what: str, *, is_penalised: bool, has_class_weight: bool, is_bias_reduced: bool
) -> None:
    """Raise if a fit has no likelihood, or is not at its maximum."""
    if is_bias_reduced:
        raise ValueError(
            f"{what} need the maximum of the likelihood, and a bias-reduced fit has "
            "that of another function; expected a fit by BinaryLogReg(C=np.inf)."
        )
    if is_penalised:
        raise ValueError(
            f"{what} need the maximum of the likelihood, and the fit has a penalty; "
            "expected a fit without one: refit with C=np.inf."
        )
    if has_class_weight:
        raise ValueError(
            f"{what} need a likelihood, and class weights are no observations; "
            "expected a fit with class_weight=None."
        )


def check_covariance(
    covariance: str,
    *,
    is_penalised: bool,
    is_bias_reduced: bool,
    has_class_weight: bool,
    has_cluster: bool,
    rows_are_elsewhere: bool,
) -> None:
    """Raise if a covariance is unknown, or wrong for the fit."""
    if covariance not in COVARIANCES:
        raise ValueError(
            f"covariance={covariance!r}; expected one of {', '.join(COVARIANCES)}."
        )
    if has_cluster != (covariance == "cluster"):
        raise ValueError(
            f"covariance={covariance!r} {'with' if has_cluster else 'without'} cluster;"
            " expected covariance='cluster' with a label for each row, or neither."
        )
    if has_cluster and rows_are_elsewhere:
        raise ValueError(
            "covariance='cluster' adds up the rows of each cluster, which may lie in "
            "many partitions of Dask; expected another covariance, such as 'HC1', or "
            "data in memory: pass model.to_local(), with X, y, cluster and others "
            "after .compute(), if they fit there."
        )
    if is_penalised and covariance in CLASSICAL:
        raise ValueError(
            f"covariance={covariance!r} is wrong for a fit with a penalty, which moves "
            "the coefficients towards 0; expected one of three: refit with C=np.inf; "
            "or covariance='sandwich_penalised', the sampling covariance of the "
            "penalised estimate, whose intervals are centred at biased coefficients; "
            "or covariance='laplace', the posterior of the Gaussian prior that the "
            "penalty stands for."
        )
    if is_bias_reduced and covariance != "model":
        raise ValueError(
            f"covariance={covariance!r} is not known for a bias-reduced fit; expected "
            "covariance='model', the inverse information at its estimate."
        )
    if not is_penalised and covariance in FOR_PENALTIES:
        raise ValueError(
            f"covariance={covariance!r} is for a fit with an L2 penalty, and this one "
            "has none; expected covariance='model', or 'HC0', 'HC1', 'HC3', 'cluster'."
        )
    if has_class_weight and covariance not in ("HC0", "HC1", "HC3", "cluster"):
        raise ValueError(
            f"covariance={covariance!r} counts class weights as observations, which "
            "they are not; expected covariance='HC0' (or 'HC1', 'HC3', 'cluster'), or "
            "a fit with class_weight=None."
        )


def name_some(names: Any, most: int = 10) -> str:
    """Return up to ten names as text, as in "'a', 'b', …"."""
    shown = [repr(str(name)) for name in names[:most]]
    return ", ".join(shown) + ", …" * (len(names) > most)


def names_in(features: Any) -> list[Any]:
    """Return one name, or several, as a list."""
    return [features] if isinstance(features, str) else list(features)
