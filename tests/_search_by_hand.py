"""A cross-validated search for C from single fits, with nothing shared between them.

It has the attributes of `BinaryLogRegCV` and `SoftmaxRegCV` that displays and reports
read.
"""

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from skxent import log_loss_scorer


def search_by_hand(model, X, y, Cs, l1_ratios=(0.0,), rule="best", n_folds=3):
    """Return the model, fitted at the chosen C, with the attributes of the search.

    The rule "one_standard_error" chooses the smallest C whose score is within one
    standard error of the best.
    """
    Cs, l1_ratios = np.sort(Cs), np.asarray(l1_ratios, dtype=float)
    X = np.asarray(X)
    scores, coefs, intercepts = [], [], []
    for train, test in StratifiedKFold(n_folds).split(X, y):
        for l1_ratio in l1_ratios:
            for C in Cs:
                fold = clone(model).set_params(C=C, l1_ratio=l1_ratio)
                fold.fit(X[train], y[train])
                scores.append(log_loss_scorer(fold, X[test], y[test]))
                coefs.append(fold.coef_)
                intercepts.append(fold.intercept_)
    grid = (n_folds, len(l1_ratios), len(Cs))
    scores = np.reshape(scores, grid)
    means, stds = scores.mean(axis=0), scores.std(axis=0)
    errors = stds / np.sqrt(n_folds)
    row, column = np.unravel_index(means.argmax(), means.shape)
    if rule == "one_standard_error":
        is_close = means[row] >= means[row, column] - errors[row, column]
        column = int(np.argmax(is_close))
    model = clone(model).set_params(C=Cs[column], l1_ratio=l1_ratios[row]).fit(X, y)
    model.scoring = None
    model.C_, model.l1_ratio_ = float(Cs[column]), float(l1_ratios[row])
    model.Cs_, model.l1_ratios_ = Cs, l1_ratios
    model.scores_, model.mean_scores_, model.std_scores_ = scores, means, stds
    model.standard_errors_ = errors
    model.coefs_paths_ = np.reshape(coefs, (*grid, *model.coef_.shape))
    model.intercepts_paths_ = np.reshape(intercepts, (*grid, *model.intercept_.shape))
    return model
