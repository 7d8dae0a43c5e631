"""Kinks and bounds where Hessians are dear: L-BFGS-B on one orthant after the other.

On an orthant |w| is linear, so that the objective is smooth with simple bounds, which
L-BFGS-B takes as long as each variable is a multiple of its coefficient: columns are
centred and scaled, no more. The sign of each coefficient is held, that of a zero is the
one that lowers F; L-BFGS-B ends at 0, or at a bound, where it has to.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult

from .lbfgs import run_lbfgs
from .optimality import estimate_from, violations
from .part import Part
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
        A working set is solved to this share of the estimate before it. Features
        outside may promise more.
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


class BoxRounds:
    """L-BFGS-B on a part of the columns, an orthant in each round.

    Parameters
    ----------
    part : Part
    tol, max_iter
        As in `minimise`.
    curvatures : list of float
        Those that steps have shown; more are added.
    """

    def __init__(self, part: Part, tol: float, max_iter: int, curvatures: list[float]):
        self._part, self._tol, self._max_iter = part, tol, max_iter
        self._curvatures = curvatures

    def run(self, suboptimality: float) -> None:
        """Go on until the estimate is a small part of the one before."""
        part, objective = self._part, self._part.objective
        goal = max(self._tol / 2, ROUND_LIMITS.estimate_reduction * suboptimality)
        for _ in range(ROUND_LIMITS.max_rounds):
            before = part.now.value
            change = axis_aligned_preconditioner(objective, part.params)
            gradient = part.now.gradient
            violation = violations(objective, part.params, gradient, change)
            suboptimality = self._estimate(violation, before, change)
            n_iter = part.progress.iterations_left(self._max_iter)
            if suboptimality <= goal or not n_iter:
                return
            _Round(part, change, violation).run(
                self._estimate,
                goal,
                min(ROUND_LIMITS.max_iterations, n_iter),
                self._curvatures,
            )
            if part.now.value >= before:
                return

    def _estimate(
        self, violation: NDArray, value: float, change: DiagonalPreconditioner
    ) -> float:
        objective = self._part.objective
        return estimate_from(objective, violation, value, change, self._curvatures)


class _Round:
    """One run of L-BFGS-B on the orthant of the params.

    F and the variables are in units of the length of the violation, so that SciPy's
    first step is Newton's.
    """

    def __init__(self, part: Part, change: DiagonalPreconditioner, violation: NDArray):
        self._part, self._change = part, change
        objective = part.objective
        coef, _ = objective.split(part.params)
        of_coef, _ = objective.split(violation)
        sign = np.where(coef != 0, np.sign(coef), -np.sign(of_coef))
        self._box = objective.penalty.bounds_of_orthant(sign)
        self._smooth = objective.with_penalty(objective.penalty.on_orthant(sign))
        self._unit = float(np.linalg.norm(violation))
        self._start = change.from_params(part.params)
        self._bounds = np.full((2, len(self._start)), [[-np.inf], [np.inf]])
        for bound, of_coef in zip(self._bounds, self._box, strict=True):
            objective.split(bound)[0][:] = of_coef * change.scale / self._unit
        self._decrement = float(violation @ violation)
        self._base = part.now.value
        # F and its gradient in the variables u, where SciPy has evaluated them last
        self._value = self._base
        self._gradient = change.pull_back(part.now.gradient)

    def run(
        self,
        estimate: Callable[[NDArray, float, DiagonalPreconditioner], float],
        goal: float,
        n_iter: int,
        curvatures: list[float],
    ) -> None:
        """Minimise, and move the part where F has fallen."""
        previous: tuple[NDArray, NDArray] | None = None

        def after_iteration(intermediate_result: OptimizeResult) -> None:
            nonlocal previous
            here = intermediate_result.x.copy()
            value, gradient = self._value, self._gradient
            if previous is not None:
                step = (here - previous[0]) * self._unit
                turned = gradient - previous[1]
                # a smaller change of the gradient would be rounding
                if (
                    np.abs(turned).max()
                    > ROUND_LIMITS.min_gradient_change * np.abs(gradient).max()
                ):
                    curvatures.append(float(step @ turned / (step @ step)))
            previous = here, gradient
            held = (here <= self._bounds[0]) & (gradient > 0)
            held |= (here >= self._bounds[1]) & (gradient < 0)
            violation = np.where(held, 0, gradient)
            suboptimality = estimate(violation, value, self._change)
            part.note(value, suboptimality, lambda: self._params(here))
            decrement = float(violation @ violation)
            is_enough = decrement <= ROUND_LIMITS.decrement_reduction * self._decrement
            if is_enough or suboptimality <= goal / 2 or part.progress.stopped:
                raise StopIteration

        part = self._part
        start = self._start / self._unit
        end = run_lbfgs(self._evaluate, start, after_iteration, n_iter, self._bounds)
        params = self._params(end)
        now = part.objective.evaluate(params)
        if now.value < part.now.value:
            part.go_to(params, now)

    def _evaluate(self, scaled: NDArray) -> tuple[float, NDArray]:
        self._part.progress.begin()
        now = self._smooth.evaluate(self._params(scaled))
        self._part.objective.count_evaluations(1)
        self._value, self._gradient = now.value, self._change.pull_back(now.gradient)
        return (now.value - self._base) / self._unit**2, self._gradient / self._unit

    def _params(self, scaled: NDArray) -> NDArray:
        """Return the params for the variables, to the last digit in the box."""
        params = self._change.to_params(scaled * self._unit)
        split = self._part.objective.split
        coef, _ = split(params)
        for of_coef, bound in zip(self._box, self._bounds, strict=True):
            reached = split(scaled == bound)[0]
            coef[reached] = of_coef[reached]
        np.clip(coef, *self._box, out=coef)
        return params
