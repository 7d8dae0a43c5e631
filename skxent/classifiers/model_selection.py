"""Bounds on the strength of a penalty, for model selection."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_X_y

from ..data.containers import reading
from ..data.targets import are_distributions
from ..model.objective import CrossEntropyObjective
from .validation import DTYPES, check_tables, encode_distributions, encode_labels


def l1_C_min(
    X: Any,
    y: Any,
    *,
    fit_intercept: bool = True,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Return the largest C at which all coefficients of an L1 fit are 0.

    With ``l1_ratio=1``, all coefficients of `BinaryLogReg` and `SoftmaxReg` are 0 up to
    this C, and some are nonzero above it. Start a grid of values for C here, as with
    `sklearn.svm.l1_min_c`. For an ``l1_ratio`` between 0 and 1, divide the result by
    ``l1_ratio``.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The training data.
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels or soft labels. The result is for `BinaryLogReg` if there are two
        classes, for `SoftmaxReg` if there are more.
    fit_intercept : bool, default=True
        Whether the fit has intercepts.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights of the samples; None means 1 for each.

    Returns
    -------
    float
        ``1 / (S max |∂loss/∂w|)``, where S is the total weight and the gradient is that
        of the intercept-only model. ``inf`` if the gradient is 0.

    Raises
    ------
    ValueError
        If `fit` would refuse the input.

    References
    ----------
    K. Koh, S.-J. Kim, S. Boyd (2007), "An Interior-Point Method for Large-Scale
    l1-Regularized Logistic Regression", Journal of Machine Learning Research 8,
    1519-1555, https://www.jmlr.org/papers/v8/koh07a.html

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skxent import BinaryLogReg, l1_C_min
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> C_min = l1_C_min(X, y)
    >>> [
    ...     int((BinaryLogReg(l1_ratio=1, C=factor * C_min).fit(X, y).coef_ != 0).sum())
    ...     for factor in (0.99, 1.01, 100)
    ... ]
    [0, 1, 2]
    """
    names = getattr(y, "columns", None)
    X, y = check_tables(X, y)
    soft = are_distributions(y)
    with reading("X"):
        X, y = check_X_y(X, y, accept_sparse="csr", dtype=DTYPES, multi_output=soft)
    if soft:
        _, targets = encode_distributions(y, names, binary_only=False)
    else:
        _, targets = encode_labels(y, binary_only=False)
    objective = CrossEntropyObjective(
        X, targets, sample_weight, C=np.inf, fit_intercept=fit_intercept
    )
    _, gradient = objective.value_and_gradient(objective.initial_point())
    steepest = np.abs(objective.split(gradient)[0]).max()
    total = len(y) if sample_weight is None else np.sum(sample_weight)
    return float(1 / (total * steepest)) if steepest > 0 else np.inf
