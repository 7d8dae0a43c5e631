"""The scores of the rows that folds hold out."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluation.scorer import LogLossScorer
from ..model.folds import held_out_losses
from ..model.objective import CrossEntropyObjective
from .splits import Splits
from .validation import CheckedData


class HeldOutScores:
    """Scores the held-out rows of all folds, given the params of each.

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

    def __call__(self, params: NDArray) -> NDArray:
        """Return the score of each fold, (n_folds,); ``params`` has a row for each."""
        folds = self._splits.folds
        if self._problem is not None and folds is not None:
            return -held_out_losses(self._problem, folds, params)
        return np.array(
            [
                self._score(of_fold, test)
                for of_fold, test in zip(params, self._splits.test, strict=True)
            ]
        )

    def _score(self, params: NDArray, test: NDArray) -> float:
        params_of_test = {
            name: value if value is None or np.ndim(value) == 0 else value[test]
            for name, value in self._params.items()
        }
        estimator = self._make_estimator(params)
        y = self._data.y[test]
        return self._scorer(estimator, self._data.X[test], y, **params_of_test)
