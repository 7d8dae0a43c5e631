"""The scores of the rows that folds hold out."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluation.scorer import LogLossScorer
from ..model.folds import held_out_losses
from ..model.leave_one_out import weighted_mean_and_error
from ..model.objective import CrossEntropyObjective
from ..solver.leave_one_out import leave_one_out_losses
from ..solver.penalty_path import PenaltyFits
from .splits import Splits
from .validation import CheckedData


class HeldOutScores:
    """Scores the held-out rows of all folds, given the fits with one penalty.

    The scorer `log_loss_scorer` needs the logits only: one pass over X scores all
    folds. Any other scorer gets an estimator with the coefficients of the fold.

    Parameters
    ----------
    objective : CrossEntropyObjective
    data : CheckedData
    splits : Splits
    scorer : callable
    score_params : dict
        Passed to the scorer; arrays with an entry for each row are divided as X is.
    make_estimator : callable
        Returns a fitted estimator from params, for a scorer.
    """

    def __init__(
        self,
        objective: CrossEntropyObjective,
        data: CheckedData,
        splits: Splits,
        scorer: Callable,
        score_params: dict[str, Any],
        make_estimator: Callable[[NDArray], Any],
    ):
        self._data, self._splits = data, splits
        self._scorer, self._params = scorer, score_params
        self._make_estimator = make_estimator
        self._problem = None
        known = {"sample_weight", "offset"}
        if isinstance(scorer, LogLossScorer) and known >= set(score_params):
            # without the class weights and the label smoothing of the fit
            self._problem = objective.mean_loss_on(
                data.X, data.targets, score_params.get("sample_weight"), data.offset
            )

    def __call__(self, fits: PenaltyFits) -> tuple[NDArray, float]:
        """Return the score of each fold, (n_folds,), and their standard error."""
        folds = self._splits.folds
        if self._problem is not None and folds is not None:
            scores = -held_out_losses(self._problem, folds, fits.params)
        else:
            pairs = zip(fits.params, self._splits.test, strict=True)
            scores = np.array([self._score(params, test) for params, test in pairs])
        return scores, float(np.std(scores) / np.sqrt(len(scores)))

    def _score(self, params: NDArray, test: NDArray) -> float:
        params_of_test = {
            name: value if value is None or np.ndim(value) == 0 else value[test]
            for name, value in self._params.items()
        }
        estimator = self._make_estimator(params)
        y = self._data.y[test]
        return self._scorer(estimator, self._data.X[test], y, **params_of_test)


class LeaveOneOutScores:
    """Computes the score of each row under the fit without it, from that of all rows.

    Parameters
    ----------
    data : CheckedData
    score_params : dict
        Has the sample weights of the mean, if there are any.
    tol, max_iter
        As in `minimise`, for rows without which the fit has to be repeated.

    Attributes
    ----------
    refusals : list of str
        Why it does not hold for a penalty, whose score is NaN.
    """

    def __init__(
        self,
        data: CheckedData,
        score_params: dict[str, Any],
        tol: float,
        max_iter: int,
    ):
        self._targets = data.targets
        self._weights = score_params.get("sample_weight")
        self._tol, self._max_iter = tol, max_iter
        self.refusals: list[str] = []

    def __call__(self, fits: PenaltyFits) -> tuple[NDArray, float]:
        """Return the mean score, (1,), and its standard error over the rows."""
        try:
            losses = leave_one_out_losses(
                fits.objective,
                fits.params_of_all,
                preconditioner=fits.preconditioner,
                targets=self._targets,
                tol=self._tol,
                max_iter=self._max_iter,
            )
        except ValueError as error:
            self.refusals.append(str(error))
            return np.array([np.nan]), np.nan
        mean, error_of_mean = weighted_mean_and_error(losses, self._weights)
        return np.array([-mean]), error_of_mean
