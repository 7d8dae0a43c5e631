"""Kinks and bounds: a working set of features, and two ways to its optimum.

The working set holds the features whose coefficient is not 0, and those that violate
their condition of optimality most. It grows until no feature outside violates any.
`newton` solves it where its Hessian is cheap enough, `box_rounds` elsewhere.
"""

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from .box_rounds import BoxRounds
from .newton import NewtonSteps
from .optimality import estimate_from, feasible, violations
from .part import Part
from .preconditioners.diagonal import (
    DiagonalPreconditioner,
    axis_aligned_preconditioner,
    evaluations_by_diagonal,
)
from .preconditioners.prices import price_of_exact_hessian
from .progress import Progress
from .quadratic_model import FINE_RIDGE
from .stopping import CONVERGED, ITERATION_LIMIT, STALLED, STOPPED, TINY

# A working set holds the features whose coefficient is not 0, and at least so many
# more.
MIN_NEW_FEATURES = 50
# A working set of a larger share of the features would copy most of X. It then takes
# all of them instead.
MAX_COPIED_SHARE = 0.5
# Newton's method is expected to build so many Hessians on a working set.
N_NEWTON_HESSIANS = 5


class WorkingSetFit:
    """A fit with kinks or bounds, as `SmoothFit` is one without.

    Parameters
    ----------
    objective : Objective
    start : ndarray of shape (n_params,)
    tol, max_iter
        As in `minimise`.
    progress : Progress

    Attributes
    ----------
    params, now : ndarray of shape (n_params,), Evaluation
        Where the fit is, and the objective there.
    suboptimality : float
        The estimate of (F − F*) / F there.
    preconditioner : DiagonalPreconditioner or None
        The last one.
    outcome : str
        How the fit has ended, see `stopping`.
    """

    def __init__(
        self,
        objective: Objective,
        start: NDArray,
        tol: float,
        max_iter: int,
        progress: Progress,
    ):
        self.objective = objective
        self.tol, self.max_iter = tol, max_iter
        self.progress = progress
        self.params = feasible(objective, start)
        self.now = objective.evaluate(self.params)
        self.suboptimality = 1.0
        self.preconditioner: DiagonalPreconditioner | None = None
        self.outcome = ITERATION_LIMIT
        self._curvatures: list[float] = []
        # of the quadratic models, until one of them loses its way
        self._ridge = FINE_RIDGE
        # The columns that Newton's method has solved, and what it promised of them.
        self._solved, self._promised = np.arange(0), 0.0

    def run(self) -> None:
        """Go on until no feature violates its condition by much."""
        objective, progress = self.objective, self.progress
        n_stalls = 0
        while True:
            # Newton's promises need no scales, the choice of features only rough ones
            if not len(self._solved):
                change = axis_aligned_preconditioner(objective, self.params)
                self.preconditioner = change
            violation = violations(objective, self.params, self.now.gradient, change)
            self.suboptimality = self._estimate(violation, change)
            if self.suboptimality <= self.tol:
                self.outcome = CONVERGED
                return
            if progress.stopped:
                self.outcome = STOPPED
                return
            if not progress.iterations_left(self.max_iter):
                return
            if n_stalls == 2 or progress.is_vain:
                if progress.is_vain or not objective.rows.read_in_float64():
                    self.outcome = STALLED
                    return
                self.now, n_stalls = objective.evaluate(self.params), 0
            before = self.now.value
            self._solve_working_set(violation)
            self.now = objective.evaluate(self.params)
            n_stalls = n_stalls + 1 if self.now.value >= before else 0

    def _estimate(self, violation: NDArray, change: DiagonalPreconditioner) -> float:
        """Estimate (F − F*) / F by what Newton promises, and features beyond."""
        objective, value = self.objective, self.now.value
        if not len(self._solved):
            return estimate_from(objective, violation, value, change, self._curvatures)
        outside = violation.copy()
        of_coef, of_intercept = objective.split(outside)
        of_coef[:, self._solved] = 0
        of_intercept[:] = 0
        estimate = estimate_from(objective, outside, value, change, self._curvatures)
        # Scaled down until no slope exceeds its L1, the residuals prove this bound.
        share = objective.penalty.excess_share(of_coef * change.scale)
        coef, _ = objective.split(self.params)
        bound = share * objective.penalty.value(coef) / max(value, TINY)
        return min(1.0, self._promised + max(estimate, bound))

    def _choose(self, violation: NDArray) -> NDArray:
        """Return the columns of the working set."""
        objective = self.objective
        coef, _ = objective.split(self.params)
        of_coef, _ = objective.split(violation)
        support = coef.any(axis=0)
        priority = np.where(support, np.inf, np.abs(of_coef).max(axis=0))
        n_support = int(support.sum())
        size = n_support + max(MIN_NEW_FEATURES, n_support)
        if size >= MAX_COPIED_SHARE * objective.n_features:
            return np.arange(objective.n_features)
        largest = np.argpartition(-priority, size)[:size]
        return np.sort(largest[priority[largest] > 0])

    def _solve_working_set(self, violation: NDArray) -> None:
        objective = self.objective
        columns = self._choose(violation)
        if not 0 < len(columns) < objective.n_features:
            columns = np.arange(objective.n_features)
        part = Part(objective, columns, self.params, self.now, self.progress)
        price = N_NEWTON_HESSIANS * price_of_exact_hessian(part.objective)
        is_cheap = price < evaluations_by_diagonal(part.objective)
        self.progress.tell(part.describe, "Newton steps" if is_cheap else "box rounds")
        if is_cheap:
            newton = NewtonSteps(part, self.tol, self.max_iter, self._ridge)
            self._promised = newton.run()
            self._ridge, self._solved = newton.ridge, columns
        else:
            rounds = BoxRounds(part, self.tol, self.max_iter, self._curvatures)
            rounds.run(self.suboptimality)
            self._solved = np.arange(0)
        self.params = part.on_all_columns(part.params)
        objective.count_evaluations(part.n_evals)
