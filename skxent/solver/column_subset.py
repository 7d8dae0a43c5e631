"""A part of the columns, which is solved while all other coefficients are 0."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from ..model.problem import Evaluation
from .progress import Progress


class ColumnSubset:
    """The problem on some of the columns, and the best params so far.

    Parameters
    ----------
    objective : Objective
        The one on all columns.
    columns : ndarray of int
    params : ndarray of shape (n_params,)
        Of all columns.
    now : Evaluation
        The objective there.
    progress : Progress

    Attributes
    ----------
    objective : Objective
        The one on these columns.
    params : ndarray
        Of these columns, the best so far.
    now : Evaluation
        The objective there.
    progress : Progress
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
        has_all_columns = len(columns) == objective.n_features
        if has_all_columns:
            self.objective = objective.with_penalty(objective.penalty)
        else:
            self.objective = objective.on_columns(columns)
        take = objective.layout.take_columns
        self.params = take(params, columns)
        self.evaluation = evaluation._replace(
            gradient=take(evaluation.gradient, columns)
        )

    @property
    def n_evals(self) -> int:
        """The passes over all entries of X that the evaluations amount to."""
        share = self.objective.n_features / self._full_objective.n_features
        return int(np.ceil(share * self.objective.n_evals))

    def move_to(self, params: NDArray, evaluation: Evaluation) -> None:
        """Take params of these columns for the best so far."""
        self.params, self.evaluation = params, evaluation

    def note(
        self, value: float, suboptimality: float, find_params: Callable[[], NDArray]
    ) -> None:
        """Note an iteration that led to F and to params of these columns."""
        self.progress.note(
            value,
            suboptimality,
            self._full_objective.n_evals + self.n_evals,
            lambda: self.on_all_columns(find_params()),
        )

    def note_current(self, suboptimality: float) -> None:
        """Note an iteration that has led to the best params so far."""
        params = self.params
        self.note(self.evaluation.value, suboptimality, lambda: params)

    def on_all_columns(self, params: NDArray) -> NDArray:
        """Return the params of all columns for those of these."""
        all_params = self._start.copy()
        self._full_objective.layout.put_columns(params, self._columns, out=all_params)
        return all_params

    def describe(self, method: str) -> str:
        """Say how many columns there are, and how they are solved for."""
        n_columns, n_features = (
            self.objective.n_features,
            self._full_objective.n_features,
        )
        return f"working set of {n_columns} of {n_features} columns, by {method}"
