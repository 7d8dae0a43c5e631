"""The rows that each fold trains on and holds out."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import check_cv

from ..model.objective import CrossEntropyObjective, Objective
from .validation import CheckedData


class Splits(NamedTuple):
    """The folds of a cross-validation.

    Attributes
    ----------
    train, test : list of ndarrays of int
        The indices of the rows of each fold.
    folds : ndarray of shape (n,) or None
        The fold that holds each row out, if each row is held out by one fold and
        trained on by all others.
    """

    train: list[NDArray]
    test: list[NDArray]
    folds: NDArray | None


def split_rows(cv: Any, data: CheckedData, split_params: dict[str, Any]) -> Splits:
    """Return the folds of a splitter, stratified by the most probable class.

    Parameters
    ----------
    cv : int, splitter, iterable of splits, or None
        As in `sklearn.model_selection.check_cv`.
    data : CheckedData
    split_params : dict
        Passed to the splitter, as ``groups``.
    """
    labels = data.classes[data.targets.argmax(axis=1)] if data.y.ndim == 2 else data.y
    splitter = check_cv(cv, labels, classifier=True)
    pairs = list(splitter.split(data.X, labels, **split_params))
    if not pairs:
        raise ValueError(f"cv={cv!r} has no split; expected at least one.")
    # a split may also be a mask
    n = len(labels)
    rows = np.arange(n)
    train, test = ([rows[part] for part in parts] for parts in zip(*pairs, strict=True))
    return Splits(train, test, _folds(train, test, n))


def _folds(train: list[NDArray], test: list[NDArray], n: int) -> NDArray | None:
    """Return the fold that holds each row out, None if that is not one fold."""
    folds = np.full(n, -1)
    for fold, (of_train, of_test) in enumerate(zip(train, test, strict=True)):
        together = np.concatenate([of_train, of_test])
        if len(together) != n or (np.bincount(together, minlength=n) != 1).any():
            return None
        folds[of_test] = fold
    is_partition = sum(map(len, test)) == n and folds.min() >= 0
    return folds if is_partition else None


def objectives_without_folds(
    objective: CrossEntropyObjective,
    data: CheckedData,
    splits: Splits,
) -> list[Objective]:
    """Return the objective of the training rows of each fold, without copies of X.

    The other rows have the weight 0.

    Parameters
    ----------
    objective : CrossEntropyObjective
        Of all rows.
    data : CheckedData
    splits : Splits
    """
    objectives = []
    for fold, train in enumerate(splits.train):
        weights = np.bincount(train, minlength=len(data.targets)).astype(np.float64)
        if data.weights is not None:
            weights *= data.weights
        if data.targets.ndim == 1:
            totals = np.bincount(data.targets, weights, len(data.classes))
        else:
            totals = weights @ data.targets
        if not totals.all():
            label = data.classes.tolist()[int(np.argmin(totals))]
            raise ValueError(
                f"The training rows of fold {fold} have no weight in the class "
                f"{label!r}; expected every class in each fold: stratify the folds, "
                "use fewer of them, or drop the class."
            )
        problem = objective.mean_loss_on(
            data.X, objective.rows.targets, weights, data.offset
        )
        objectives.append(Objective(problem, objective.penalty))
    return objectives
