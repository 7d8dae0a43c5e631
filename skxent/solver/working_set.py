"""Kinks and bounds: a working set of features, and two methods to solve it.

The working set contains the features whose coefficient is not 0, and those that violate
their optimality condition most. It grows until no feature outside violates its
condition. `newton` solves it if its Hessian is cheap, `box_rounds` otherwise.
"""

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from .box_rounds import BoxRounds
from .column_subset import ColumnSubset
from .fit import Fit
from .newton import NewtonSteps
from .optimality import estimate_suboptimality, feasible_start, violations
from .preconditioners.diagonal import (
    DiagonalPreconditioner,
    axis_aligned_preconditioner,
    evaluations_by_diagonal,
)
from .preconditioners.prices import price_of_exact_hessian
from .progress import Progress
from .quadratic_model import FINE_RIDGE
from .stopping import CONVERGED, STALLED, STOPPED, share_of_F

# A working set holds the features whose coefficient is not 0, and at least this
# many more.
MIN_NEW_FEATURES = 50
# A working set of a larger share of the features would copy most of X. It then takes
# all of them instead.
MAX_COPIED_SHARE = 0.5
# Newton's method is expected to build this many Hessians on a working set.
N_NEWTON_HESSIANS = 5


class WorkingSetFit(Fit):
    """A fit with kinks or bounds, which solves one working set after the other.

    Parameters
    ----------
    objective, start, tol, max_iter, progress
        As in `Fit`.
    """

    def __init__(
        self,
        objective: Objective,
        start: NDArray,
        tol: float,
        max_iter: int,
        progress: Progress,
    ):
        start = feasible_start(objective, start)
        super().__init__(objective, start, tol, max_iter, progress)
        self._curvatures: list[float] = []
        # coarser once a quadratic model did not reach its minimum
        self._ridge = FINE_RIDGE
        # the columns that were solved last, and the estimate of what they still promise
        self._solved, self._remaining_promise = np.arange(0), 0.0
        # whether that estimate is one with scales, which Newton's method does not need
        self._needs_scales = False

    def run(self) -> None:
        """Solve working sets until the estimate is at most ``tol``, or F stalls."""
        objective, progress = self.objective, self.progress
        n_stalls = 0
        # the choice of features needs rough scales only
        preconditioner = axis_aligned_preconditioner(objective, self.params)
        self.preconditioner = preconditioner
        while True:
            violation = violations(
                objective, self.params, self.evaluation.gradient, preconditioner
            )
            self.suboptimality = self._estimate(violation, preconditioner)
            is_over = (
                self.suboptimality <= self.tol
                or not progress.iterations_left(self.max_iter)
                or progress.has_exhausted_effort
                or n_stalls == 2
            )
            if is_over and self._needs_scales:
                preconditioner = axis_aligned_preconditioner(objective, self.params)
                self.preconditioner = preconditioner
                self._solved, self._needs_scales = np.arange(0), False
                continue
            if self.suboptimality <= self.tol:
                self.outcome = CONVERGED
                return
            if progress.stopped:
                self.outcome = STOPPED
                return
            if not progress.iterations_left(self.max_iter):
                return
            if n_stalls == 2 or progress.has_exhausted_effort:
                if (
                    progress.has_exhausted_effort
                    or not objective.rows.read_in_float64()
                ):
                    self.outcome = STALLED
                    return
                self.evaluation, n_stalls = objective.evaluate(self.params), 0
            previous_value = self.evaluation.value
            self._solve_working_set(violation)
            self.evaluation = objective.evaluate(self.params)
            n_stalls = n_stalls + 1 if self.evaluation.value >= previous_value else 0

    def _estimate(
        self, violation: NDArray, preconditioner: DiagonalPreconditioner
    ) -> float:
        """Estimate (F − F*) / F from the features solved last and those outside."""
        objective, value = self.objective, self.evaluation.value
        if not len(self._solved):
            return estimate_suboptimality(
                objective, violation, value, preconditioner, self._curvatures
            )
        outside = violation.copy()
        of_coef, of_intercept = objective.split(outside)
        of_coef[:, self._solved] = 0
        of_intercept[:] = 0
        estimate = estimate_suboptimality(
            objective, outside, value, preconditioner, self._curvatures
        )
        # Residuals scaled down until no slope exceeds its L1 penalty are dual feasible,
        # and prove this bound.
        share = objective.penalty.excess_share(of_coef * preconditioner.scale)
        coef, _ = objective.split(self.params)
        l1_bound = share_of_F(share * objective.penalty.value(coef), value)
        return min(1.0, self._remaining_promise + max(estimate, l1_bound))

    def _choose(self, violation: NDArray) -> NDArray:
        """Return the columns of the next working set."""
        objective = self.objective
        max_copied = MAX_COPIED_SHARE * objective.n_features
        if max_copied <= MIN_NEW_FEATURES:
            # a subset would save little, and its steps go further if rows are saturated
            return np.arange(objective.n_features)
        coef, _ = objective.split(self.params)
        of_coef, _ = objective.split(violation)
        support = coef.any(axis=0)
        priority = np.where(support, np.inf, np.abs(of_coef).max(axis=0))
        candidates = np.flatnonzero(priority)
        n_support = int(support.sum())
        size = n_support + max(MIN_NEW_FEATURES, n_support)
        if min(size, len(candidates)) >= max_copied:
            return np.arange(objective.n_features)
        if size < len(candidates):
            largest = np.argpartition(-priority[candidates], size)[:size]
            candidates = np.sort(candidates[largest])
        return candidates

    def _solve_working_set(self, violation: NDArray) -> None:
        """Choose a working set, solve it and move the params."""
        objective = self.objective
        columns = self._choose(violation)
        if not 0 < len(columns) < objective.n_features:
            columns = np.arange(objective.n_features)
        subset = ColumnSubset(
            objective, columns, self.params, self.evaluation, self.progress
        )
        price = N_NEWTON_HESSIANS * price_of_exact_hessian(subset.objective)
        is_cheap = price < evaluations_by_diagonal(subset.objective)
        self.progress.tell(
            subset.describe, "Newton steps" if is_cheap else "box rounds"
        )
        if is_cheap:
            newton = NewtonSteps(subset, self.tol, self.max_iter, self._ridge)
            self._remaining_promise = newton.run()
            self._ridge = newton.ridge
        else:
            rounds = BoxRounds(subset, self.tol, self.max_iter, self._curvatures)
            self._remaining_promise = rounds.run()
        self._solved, self._needs_scales = columns, not is_cheap
        self.params = subset.on_all_columns(subset.params)
        objective.count_evaluations(subset.n_evals)
