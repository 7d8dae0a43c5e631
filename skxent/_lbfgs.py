"""The solver: SciPy's L-BFGS-B on preconditioned variables, with our own verdict.

SciPy sees only ``u → (F, ∇_u F)``. Whether the answer is good is judged here, by the
estimated suboptimality relative to F, and never by SciPy's status: that is 0 as soon as
a line search makes no progress, and 0 at the starting point when it meets a NaN.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize as scipy_minimize
from threadpoolctl import ThreadpoolController

from ._objective import CrossEntropyObjective
from ._precondition import DiagonalChange

CONVERGED = "converged"
ITERATION_LIMIT = "iteration limit"
STALLED = "stalled"

MESSAGES = {
    ITERATION_LIMIT: (
        "The fit stopped after max_iter={n_iter} iterations at an estimated relative "
        "suboptimality of {suboptimality:.1e}, above tol={tol:.1e}. Increase max_iter, "
        "or accept less accuracy with a larger tol."
    ),
    STALLED: (
        "The fit stopped after {n_iter} iterations at an estimated relative "
        "suboptimality of {suboptimality:.1e}, above tol={tol:.1e}, because rounding "
        "errors hide any further decrease. Accept it with a larger tol, or pass "
        "float64 data if they are float32."
    ),
}


@dataclass
class Solution:
    """What a fit ends with: the params, and how it came there."""

    params: NDArray
    n_iter: int
    suboptimality: float
    loss_curve: NDArray
    outcome: str

    @property
    def converged(self) -> bool:
        return self.outcome == CONVERGED

    def message(self, tol: float) -> str:
        """Say what happened and what to do, if it did not converge."""
        return MESSAGES[self.outcome].format(
            n_iter=self.n_iter, suboptimality=self.suboptimality, tol=tol
        )


class _Scaled:
    """F as a function of u, remembering its last evaluation."""

    def __init__(self, objective, change, start):
        self._objective = objective
        self._change = change
        self._unit = 1.0
        self._last_u = np.empty(0)
        self.evaluate(change.from_params(start))
        # SciPy's first step has length 1. In these units that is the step −∇F, which
        # would be Newton's if the change of variables were perfect.
        self._unit = float(np.linalg.norm(self.gradient)) or 1.0
        self.start = change.from_params(start) / self._unit

    def evaluate(self, u):
        if not np.array_equal(u, self._last_u):
            self.params = self._change.to_params(u * self._unit)
            self.value, gradient = self._objective.value_and_gradient(self.params)
            self.gradient = self._change.pull_back(gradient)
            self._last_u = u.copy()
        return self.value, self.gradient * self._unit

    @property
    def suboptimality(self):
        """Estimate of (F − F*) / F: the decrease that a Newton step promises."""
        decrement = 0.5 * float(self.gradient @ self.gradient)
        return decrement / self.value if decrement > 0 else 0.0


def minimise(
    objective: CrossEntropyObjective,
    start: NDArray,
    *,
    tol: float,
    max_iter: int,
    report: Callable[[int, float, float], Any] | None = None,
) -> Solution:
    """Minimise the objective from ``start`` to a relative suboptimality of ``tol``.

    Parameters
    ----------
    objective : CrossEntropyObjective
    start : ndarray of shape (n_params,)
    tol : float
        The fit ends when the estimated (F − F*) / F is at most this.
    max_iter : int
        The largest number of L-BFGS iterations.
    report : callable, default=None
        Called as ``report(iteration, F, suboptimality)`` after every iteration.

    Returns
    -------
    Solution
    """
    with _blas_threads().limit(limits=1, user_api="blas"):
        scaled = _Scaled(objective, DiagonalChange(objective), start)
        loss_curve: list[float] = []

        def after_iteration(u):
            scaled.evaluate(u)
            loss_curve.append(scaled.value)
            if report is not None:
                report(len(loss_curve), scaled.value, scaled.suboptimality)
            if scaled.suboptimality <= tol:
                raise StopIteration

        n_before = -1
        while scaled.suboptimality > tol and n_before < len(loss_curve) < max_iter:
            # A second go drops the memory of a line search that rounding led astray.
            n_before = len(loss_curve)
            result = scipy_minimize(
                scaled.evaluate,
                scaled.start,
                jac=True,
                method="L-BFGS-B",
                callback=after_iteration,
                options={
                    "maxiter": max_iter - n_before,
                    "maxfun": 20 * max_iter,
                    "ftol": 0.0,
                    "gtol": 0.0,
                },
            )
            scaled.evaluate(result.x)
            scaled.start = result.x

    if scaled.suboptimality <= tol:
        outcome = CONVERGED
    else:
        outcome = ITERATION_LIMIT if len(loss_curve) >= max_iter else STALLED
    return Solution(
        params=scaled.params,
        n_iter=len(loss_curve),
        suboptimality=scaled.suboptimality,
        loss_curve=np.array(loss_curve),
        outcome=outcome,
    )


@cache
def _blas_threads():
    """Build the controller once: it inspects every loaded library.

    SciPy's L-BFGS-B makes thousands of tiny BLAS calls, which waking several threads
    slows down by up to 20 times.
    """
    return ThreadpoolController()
