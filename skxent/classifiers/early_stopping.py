"""Early stopping: end a fit when its score on held-out rows stops improving."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from ..model.problem import Problem
from ..solver.progress import Iteration, Progress
from .validation import CheckedData


def hold_out(
    data: CheckedData, validation_fraction: float, random_state: Any
) -> tuple[CheckedData, CheckedData]:
    """Split rows at random into a training part and a validation part.

    With labels, the split is stratified; with distributions, it is not. Rows of weight
    0 belong to neither part, so they have no influence.

    Parameters
    ----------
    data : CheckedData
    validation_fraction : float
        Fraction of the rows to validate on. Their number is rounded up.
    random_state : int, RandomState instance or None

    Returns
    -------
    training, validation : CheckedData

    Raises
    ------
    ValueError
        If there are too few rows, or the training part would lack a class.
    """
    data.check_lengths()
    n = len(data.targets)
    weighted = np.arange(n) if data.weights is None else np.flatnonzero(data.weights)
    targets = data.targets[weighted]
    classes = data.classes
    n = len(targets)
    labelled = targets.ndim == 1
    if labelled:
        check_class_counts(np.bincount(targets, minlength=len(classes)), classes)
    n_validation = int(np.ceil(validation_fraction * n))
    check_part_sizes(
        validation_fraction, n, n_validation, len(classes) if labelled else 1
    )
    splitter = (StratifiedShuffleSplit if labelled else ShuffleSplit)(
        n_splits=1, test_size=n_validation, random_state=random_state
    )
    train, validate = next(splitter.split(np.empty((n, 0)), targets))
    if not labelled and not targets[train].any(axis=0).all():
        missing = np.argmin(targets[train].any(axis=0))
        raise ValueError(
            f"The class {classes.tolist()[missing]!r} has the probability 0 in all "
            f"{len(train)} rows of the training part; expected a positive total for "
            "every class: choose another random_state, or set early_stopping=False."
        )
    # sorted, because reading rows in the order of memory is faster
    return data.take(weighted[np.sort(train)]), data.take(weighted[np.sort(validate)])


def check_class_counts(counts: NDArray, classes: NDArray) -> None:
    """Refuse classes without a row to train on and another one to validate on."""
    if counts.min() < 2:
        raise ValueError(
            f"The class {classes.tolist()[counts.argmin()]!r} has {counts.min()} "
            "row; expected at least 2 rows of positive weight for every class, one "
            "of them to train on: add rows, or set early_stopping=False."
        )


def check_part_sizes(
    validation_fraction: float, n: int, n_validation: int, least: int
) -> None:
    """Refuse a training part or a validation part of fewer than ``least`` rows."""
    if min(n_validation, n - n_validation) < least:
        raise ValueError(
            f"validation_fraction={validation_fraction} of {n} rows of positive weight "
            f"holds {n_validation} out and leaves {n - n_validation}; expected at "
            f"least {least} in both parts: choose another validation_fraction, add "
            "rows, or set early_stopping=False."
        )


class EarlyStopping:
    """Scores each iteration on held-out rows, keeps the best, and stops the fit.

    Parameters
    ----------
    validation : Problem
        The mean loss on the rows to validate on.
    progress : Progress
        Reports the iterations of the fit.
    tol : float
        An improvement counts if it exceeds this, relative to the best score.
    n_iter_no_change : int
        The fit stops after this many iterations in a row without an improvement that
        counts.

    Attributes
    ----------
    scores : list of float
        Minus the cross-entropy after each iteration.
    """

    def __init__(
        self,
        validation: Problem,
        progress: Progress,
        tol: float,
        n_iter_no_change: int,
    ) -> None:
        self._validation = validation
        self._progress = progress
        self._tol = tol
        self._patience = n_iter_no_change
        self._n_without_improvement = 0
        self.scores: list[float] = []
        progress.after.append(self._after)

    def best_score(self, params: NDArray) -> float:
        """Return the best score; if there was no iteration, that of ``params``."""
        return max(self.scores) if self.scores else self._score(params)

    def _score(self, params: NDArray) -> float:
        return -self._validation.evaluate(params).value

    def _after(self, iteration: Iteration) -> bool:
        score = self._score(iteration.params)
        best = max(self.scores, default=-np.inf)
        self.scores.append(score)
        self._progress.tell("validation score {:.10g}".format, score)
        if score > best:
            self._progress.keep(iteration)
        # The first score counts: there is none to compare it with.
        improved = best == -np.inf or score > best + self._tol * abs(best)
        self._n_without_improvement = 0 if improved else self._n_without_improvement + 1
        return self._n_without_improvement >= self._patience
