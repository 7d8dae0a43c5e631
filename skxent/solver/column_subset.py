"""A subset of the columns, solved while all other coefficients are 0."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from ..model.problem import Evaluation
from .progress import Progress


class ColumnSubset:
    """The objective on a subset of the columns, and the best params so far.

    Parameters
    ----------
    objective : Objective
        On all columns.
    columns : ndarray of int
    params : ndarray of shape (n_params,)
        For all columns.
    evaluation : Evaluation
        F and its gradient at ``params``.
    progress : Progress

    Attributes
    ----------
    objective : Objective
        On the columns of the subset.
    params : ndarray
        For the columns of the subset, the best so far.
    evaluation : Evaluation
        F and its gradient at ``params``.
    progress : Progress
    is_partial : bool
        Whether there are other columns.
    """

    def __init__(
        self,
        objective: Objective,
        columns: NDArray,
        params: NDArray,
        evaluation: Evaluation,
        progress: Progress,
    ):
        self._full_objective, self._columns, self._start = objective, columns, params
        self.progress = progress
        self.is_partial = len(columns) < objective.n_features
        if self.is_partial:
            self.objective = objective.on_columns(columns)
        else:
            self.objective = objective.with_penalty(objective.penalty)
        take = objective.layout.take_columns
        self.params = take(params, columns)
        self.evaluation = evaluation._replace(
            gradient=take(evaluation.gradient, columns)
        )

    @property
    def n_evals(self) -> int:
        """The evaluations on the subset, counted in passes over all of X."""
        share = self.objective.n_features / self._full_objective.n_features
        return int(np.ceil(share * self.objective.n_evals))

    def move_to(self, params: NDArray, evaluation: Evaluation) -> None:
        """Set the best params so far, and their evaluation."""
        self.params, self.evaluation = params, evaluation

    def note(
        self, value: float, suboptimality: float, find_params: Callable[[], NDArray]
    ) -> None:
        """Record an iteration that ended at F and at params of the subset."""
        self.progress.note(
            value,
            suboptimality,
            self._full_objective.n_evals + self.n_evals,
            lambda: self.on_all_columns(find_params()),
        )

    def note_current(self, suboptimality: float) -> None:
        """Record an iteration that ended at the best params so far."""
        params = self.params
        self.note(self.evaluation.value, suboptimality, lambda: params)

    def on_all_columns(self, params: NDArray) -> NDArray:
        """Return the params of all columns, from those of the subset."""
        all_params = self._start.copy()
        self._full_objective.layout.put_columns(params, self._columns, out=all_params)
        return all_params

    def describe(self, method: str) -> str:
        """Return the size of the subset and the method, for messages."""
        n_columns, n_features = (
            self.objective.n_features,
            self._full_objective.n_features,
        )
        return f"working set of {n_columns} of {n_features} columns, by {method}"
