"""Coefficients along C: `log_reg_path`."""

from dataclasses import dataclass
from typing import Any
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning

from ..data.targets import are_distributions
from ..evaluation.tables import html_table
from ..solver.penalty_path import fit_penalties
from .cross_entropy_classifier import coefficients
from .estimators import BinaryLogRegCV, SoftmaxRegCV
from .search import shortfall_message
from .validation import check_data


@dataclass
class RegularizationPath:
    """The fits of `log_reg_path`.

    Attributes
    ----------
    Cs : ndarray of shape (n_Cs,)
        Ascending.
    coefs : ndarray of shape (n_Cs, n_logits, n_features)
        The coefficients at each C; one logit for two classes, else one for each class.
    intercepts : ndarray of shape (n_Cs, n_logits)
    suboptimalities : ndarray of shape (n_Cs,)
        The estimates of (F − F*) / F.
    n_iters : ndarray of shape (n_Cs,)
    classes : ndarray of shape (n_classes,)
    feature_names : ndarray of shape (n_features,) or None
        Names of the features, if X has names that are all strings.
    """

    Cs: NDArray
    coefs: NDArray
    intercepts: NDArray
    suboptimalities: NDArray
    n_iters: NDArray
    classes: NDArray
    feature_names: NDArray | None

    def _repr_html_(self) -> str:
        """Return a table of the fits for notebooks."""
        n_used = np.count_nonzero(self.coefs, axis=(1, 2))
        columns = self.Cs, n_used, self.n_iters, self.suboptimalities
        return html_table(
            [f"Path of {len(self.Cs)} values of C, {self.coefs[0].size} coefficients"],
            [
                [f"{C:.4g}", str(n), str(n_iter), f"{suboptimality:.2g}"]
                for C, n, n_iter, suboptimality in zip(*columns, strict=True)
            ],
            ["C", "coefficients that are not 0", "iterations", "suboptimality"],
        )


def log_reg_path(
    X: Any,
    y: Any,
    *,
    Cs: int | ArrayLike = 10,
    l1_ratio: float = 0.0,
    penalty_weights: Any = None,
    bounds: Any = None,
    label_smoothing: float = 0.0,
    fit_intercept: bool = True,
    class_weight: Any = None,
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    tol: float = 1e-8,
    max_iter: int = 1000,
) -> RegularizationPath:
    """Fit along C, from the strongest penalty to the weakest.

    Each fit is the one of `BinaryLogReg` for two classes, or of `SoftmaxReg` for more,
    with the same C and the same ``tol``. It starts where the last one has ended.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels or soft labels.
    Cs : int or array-like of shape (n_Cs,), default=10
        The values of C, or their number, as in `BinaryLogRegCV`.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the penalty, from 0 to 1.
    penalty_weights, bounds, label_smoothing, fit_intercept, class_weight
        As in `BinaryLogReg`.
    sample_weight : array-like of shape (n_samples,), default=None
    offset : array-like, default=None
        Known part of the logits, as in `BinaryLogReg.fit`.
    tol : float, default=1e-8
        Relative suboptimality at which each fit ends.
    max_iter : int, default=1000
        The largest number of iterations of each fit.

    Returns
    -------
    RegularizationPath

    Raises
    ------
    TypeError, ValueError
        If the estimator would refuse the input.

    See Also
    --------
    BinaryLogRegCV, SoftmaxRegCV : Choose C by cross-validation.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skxent import log_reg_path
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> path = log_reg_path(X, y, Cs=[1e-6, 1e-4, 1e-2], l1_ratio=1)
    >>> (path.coefs != 0).any(axis=(1, 2))
    array([False,  True,  True])
    """
    soft = are_distributions(y)
    n_classes = np.shape(y)[1] if soft else len(np.unique(np.asarray(y)))
    kind = BinaryLogRegCV if n_classes == 2 else SoftmaxRegCV
    model = kind(
        Cs=Cs,
        l1_ratios=[l1_ratio],
        penalty_weights=penalty_weights,
        bounds=bounds,
        label_smoothing=label_smoothing,
        fit_intercept=fit_intercept,
        class_weight=class_weight,
        tol=tol,
        max_iter=max_iter,
    )
    model._validate_params()
    data = check_data(model, X, y, sample_weight, offset)
    objective = model._objective(data, 1.0, 0.0)
    grid = model._grid(objective, data)
    path = fit_penalties(objective, grid.penalties(0), tol=tol, max_iter=max_iter)
    fits = list(path)
    message = shortfall_message(grid.Cs, fits, tol)
    if message:
        warn(message, ConvergenceWarning, stacklevel=2)
    models = [coefficients(objective, some.params_of_all) for some in fits]
    coefs, intercepts = zip(*models, strict=True)
    return RegularizationPath(
        grid.Cs,
        np.array(coefs),
        np.array(intercepts),
        np.array([some.suboptimality_of_all for some in fits]),
        np.array([some.n_iter_of_all for some in fits]),
        data.classes,
        data.feature_names,
    )
