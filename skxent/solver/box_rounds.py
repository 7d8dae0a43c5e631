"""Kinks and bounds with expensive Hessians: L-BFGS-B on one orthant after the other.

On an orthant |w| is linear, so the objective is smooth with simple bounds. L-BFGS-B
accepts the bounds only if each variable is a multiple of one coefficient: the
preconditioner centres and scales columns, no more. Each coefficient keeps its sign; a
coefficient of 0 gets the sign that lowers F. L-BFGS-B stops at 0 or at a bound.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult

from .column_subset import ColumnSubset
from .lbfgs import run_lbfgs
from .optimality import estimate_suboptimality, violations
from .preconditioners.diagonal import (
    DiagonalPreconditioner,
    axis_aligned_preconditioner,
)


@dataclass(frozen=True)
class RoundLimits:
    """When a round ends, and when a working set is solved.

    Attributes
    ----------
    decrement_reduction : float
        A round ends when its decrement has fallen to this share. The next one has fresh
        signs and scales.
    max_iterations : int
        Iterations of a round. Fewer would not pay: each fresh start forgets what L-BFGS
        has learned.
    max_rounds : int
        Rounds on one working set.
    estimate_reduction : float
        A working set is solved to this share of its first estimate. Features outside
        may promise more.
    min_gradient_change : float
        A relative change of the gradient below this is rounding. It says nothing about
        the curvature.
    """

    decrement_reduction: float = 1e-3
    max_iterations: int = 50
    max_rounds: int = 20
    estimate_reduction: float = 1e-2
    min_gradient_change: float = 1e-8


ROUND_LIMITS = RoundLimits()
# F divided by the square of a unit must not overflow.
SMALLEST_UNIT = 1e-150


class BoxRounds:
    """L-BFGS-B on a subset of the columns, which it moves orthant by orthant.

    Parameters
    ----------
    subset : ColumnSubset
    tol, max_iter
        As in `minimise`.
    curvatures : list of float
        Observed along earlier steps. Rounds append to it.
    """

    def __init__(
        self, subset: ColumnSubset, tol: float, max_iter: int, curvatures: list[float]
    ):
        self._subset, self._tol, self._max_iter = subset, tol, max_iter
        self._curvatures = curvatures

    def run(self) -> float:
        """Run rounds until the estimate is a small share of the first one.

        Returns
        -------
        float
            The estimate of (F − F*) / F on these columns.
        """
        subset, objective = self._subset, self._subset.objective
        goal: float | None = None
        for n_rounds in count():
            previous_value = subset.evaluation.value
            preconditioner = axis_aligned_preconditioner(objective, subset.params)
            violation, suboptimality = self._estimate_now(preconditioner)
            if goal is None:
                goal = max(
                    self._tol / 2, ROUND_LIMITS.estimate_reduction * suboptimality
                )
            n_iter = subset.progress.iterations_left(self._max_iter)
            is_last = n_rounds == ROUND_LIMITS.max_rounds
            if suboptimality <= goal or not n_iter or is_last:
                break
            _Round(subset, preconditioner, violation).run(
                self._estimate,
                goal,
                min(ROUND_LIMITS.max_iterations, n_iter),
                self._curvatures,
            )
            if goal > self._tol:
                # features outside decide what comes next: the scales are good enough
                _, suboptimality = self._estimate_now(preconditioner)
                if suboptimality <= goal:
                    break
            if subset.evaluation.value >= previous_value:
                break
        return suboptimality

    def _estimate_now(
        self, preconditioner: DiagonalPreconditioner
    ) -> tuple[NDArray, float]:
        """Return the violations at the current params, and the estimate from them."""
        subset = self._subset
        value, gradient = subset.evaluation.value, subset.evaluation.gradient
        violation = violations(
            subset.objective, subset.params, gradient, preconditioner
        )
        return violation, self._estimate(violation, value, preconditioner)

    def _estimate(
        self, violation: NDArray, value: float, preconditioner: DiagonalPreconditioner
    ) -> float:
        objective = self._subset.objective
        return estimate_suboptimality(
            objective, violation, value, preconditioner, self._curvatures
        )


class _Round:
    """One run of L-BFGS-B on the orthant of the params.

    The variables are in units of the length of the violation, and F in units of its
    square, so that SciPy's first step is Newton's.
    """

    def __init__(
        self,
        subset: ColumnSubset,
        preconditioner: DiagonalPreconditioner,
        violation: NDArray,
    ):
        self._subset, self._preconditioner = subset, preconditioner
        objective = subset.objective
        coef, _ = objective.split(subset.params)
        of_coef, _ = objective.split(violation)
        sign = np.where(coef != 0, np.sign(coef), -np.sign(of_coef))
        self._box = objective.penalty.bounds_of_orthant(sign)
        self._smooth = objective.with_penalty(objective.penalty.on_orthant(sign))
        self._unit = max(float(np.linalg.norm(violation)), SMALLEST_UNIT)
        self._start = preconditioner.from_params(subset.params)
        self._bounds = np.full((2, len(self._start)), [[-np.inf], [np.inf]])
        for bound, of_coef in zip(self._bounds, self._box, strict=True):
            objective.split(bound)[0][:] = of_coef * preconditioner.scale / self._unit
        self._decrement = float(violation @ violation)
        self._start_value = subset.evaluation.value
        # F and its gradient in the variables u, at SciPy's last evaluation
        self._value = self._start_value
        self._gradient = preconditioner.pull_back(subset.evaluation.gradient)

    def run(
        self,
        estimate: Callable[[NDArray, float, DiagonalPreconditioner], float],
        goal: float,
        n_iter: int,
        curvatures: list[float],
    ) -> None:
        """Minimise, and move the subset if F fell."""
        previous: tuple[NDArray, NDArray] | None = None

        def after_iteration(intermediate_result: OptimizeResult) -> None:
            nonlocal previous
            u = intermediate_result.x.copy()
            value, gradient = self._value, self._gradient
            if previous is not None:
                step = (u - previous[0]) * self._unit
                gradient_change = gradient - previous[1]
                if (
                    np.abs(gradient_change).max()
                    > ROUND_LIMITS.min_gradient_change * np.abs(gradient).max()
                ):
                    curvatures.append(float(step @ gradient_change / (step @ step)))
            previous = u, gradient
            is_held = (u <= self._bounds[0]) & (gradient > 0)
            is_held |= (u >= self._bounds[1]) & (gradient < 0)
            violation = np.where(is_held, 0, gradient)
            suboptimality = estimate(violation, value, self._preconditioner)
            subset.note(value, suboptimality, lambda: self._params(u))
            decrement = float(violation @ violation)
            is_reduced = decrement <= ROUND_LIMITS.decrement_reduction * self._decrement
            if is_reduced or suboptimality <= goal / 2 or subset.progress.stopped:
                raise StopIteration

        subset = self._subset
        start = self._start / self._unit
        last_u = run_lbfgs(self._evaluate, start, after_iteration, n_iter, self._bounds)
        params = self._params(last_u)
        evaluation = subset.objective.evaluate(params)
        if evaluation.value < subset.evaluation.value:
            subset.move_to(params, evaluation)

    def _evaluate(self, scaled: NDArray) -> tuple[float, NDArray]:
        self._subset.progress.begin()
        evaluation = self._smooth.evaluate(self._params(scaled))
        self._subset.objective.count_evaluations(1)
        self._value = evaluation.value
        self._gradient = self._preconditioner.pull_back(evaluation.gradient)
        difference = evaluation.value - self._start_value
        # if F* is 0, the unit may be so small that both overflow; SciPy turns back then
        with np.errstate(over="ignore"):
            scaled_value = np.nan_to_num(difference / self._unit**2)
            return float(scaled_value), np.nan_to_num(self._gradient / self._unit)

    def _params(self, scaled: NDArray) -> NDArray:
        """Return the params of the variables, exactly within the box."""
        params = self._preconditioner.to_params(scaled * self._unit)
        split = self._subset.objective.split
        coef, _ = split(params)
        for of_coef, bound in zip(self._box, self._bounds, strict=True):
            reached = split(scaled == bound)[0]
            coef[reached] = of_coef[reached]
        np.clip(coef, *self._box, out=coef)
        return params
