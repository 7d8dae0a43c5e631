"""The solver: SciPy's L-BFGS-B in rounds of preconditioned variables.

Each round takes the curvature where it stands, changes variables so that the Hessian is
near the identity, and lets SciPy minimise, which sees only ``u → (F, ∇_u F)``. A round
ends when the next one promises to be quicker.

Whether the answer is good is judged here and never by SciPy's status, which is 0 as
soon as a line search makes no progress. In variables with the identity for a Hessian,
½‖∇_u F‖² is the decrease that a Newton step promises: the distance to the optimum, in
units of F. Where the Hessian has changed since, the curvature that the last steps have
met tells how much less of it there may be, and the estimate is divided by it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize as scipy_minimize

from ._certificate import certify
from ._objective import CrossEntropyObjective
from ._precondition import change_of_variables, plan
from ._row_space import RowSpace, row_space_pays

CONVERGED = "converged"
ITERATION_LIMIT = "iteration limit"
STALLED = "stalled"
SEPARABLE = "separable"

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
    SEPARABLE: (
        "The classes are separable: after {n_iter} iterations every row was classified "
        "correctly, and larger coefficients would lower the cross-entropy for ever, so "
        "without a penalty there is no optimum. Use a finite C."
    ),
}

TINY = np.finfo(np.float64).tiny
# Less than this share of the curvature expected is taken for rounding.
LEAST = 1e-6
# How many of the last steps testify to the curvature.
WITNESSES = 20
# L-BFGS remembers at most so many numbers of its steps, but 5 of them and at most 20:
# SciPy keeps 2 maxcor + 5 vectors.
MEMORY = 2**20
# Evaluations that are enough to converge once the Hessian is right. With one logit the
# Hessian is all there is, and cheap.
FRESH = {"diagonal": 60, "shared": 35, "classes": 12, "coupled": 10}
FRESH_OF_ONE_LOGIT = {"diagonal": 60, "classes": 5}


@dataclass
class Solution:
    """What a fit ends with: the params, and how it came there."""

    params: NDArray
    outcome: str
    suboptimality: float
    duality_gap: float
    n_iter: int
    n_evals: int
    loss_curve: NDArray

    @property
    def converged(self) -> bool:
        return self.outcome == CONVERGED

    def message(self, tol: float) -> str:
        """Say what happened and what to do, if it did not converge."""
        return MESSAGES[self.outcome].format(
            n_iter=self.n_iter, suboptimality=self.suboptimality, tol=tol
        )


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
    space = RowSpace(objective) if row_space_pays(objective) else None
    problem = objective if space is None else space.objective
    with problem.blocks.threads():
        fit = _Fit(
            problem,
            start if space is None else space.project(start),
            tol,
            max_iter,
            report,
        )
        fit.run()
    params, evaluation = fit.params, fit.now
    with objective.blocks.threads():
        if space is not None:
            params = space.lift(params)
            evaluation = objective.evaluate(params)
        polished, polished_evaluation, gap = certify(objective, params, evaluation)
    if polished_evaluation.value <= evaluation.value:
        params, evaluation = polished, polished_evaluation
    suboptimality = min(fit.suboptimality, gap / max(evaluation.value, TINY))
    if fit.loss_curve:
        fit.loss_curve[-1] = evaluation.value
    return Solution(
        params=params,
        outcome=CONVERGED if suboptimality <= tol else fit.outcome,
        suboptimality=suboptimality,
        duality_gap=gap,
        n_iter=len(fit.loss_curve),
        n_evals=objective.n_evals + (0 if space is None else problem.n_evals),
        loss_curve=np.array(fit.loss_curve),
    )


class _Fit:
    """The rounds of one fit, and what they share."""

    def __init__(self, objective, start, tol, max_iter, report):
        self.objective = objective
        self.tol = tol
        self.max_iter = max_iter
        self.report = report
        self.params = start
        self.now = objective.evaluate(start)
        self.loss_curve: list[float] = []
        self.suboptimality = 1.0
        self.curvatures: list[float] = []
        self.outcome = ITERATION_LIMIT

    def run(self):
        best = plan(self.objective)
        coef, _ = self.objective.split(self.params)
        # Where no row differs from another, the classes share one Hessian.
        kind = "shared" if best.kind != "diagonal" and not coef.any() else best.kind
        stalls = 0
        while not self.done() and stalls < 2:
            before = self.now.value
            _Round(self, kind, best).run()
            kind = best.kind
            # A second go with a fresh Hessian forgets a line search gone astray.
            stalls = stalls + 1 if self.now.value >= before else 0
        if stalls == 2 and not self.done():
            self.outcome = STALLED

    def done(self):
        if self.suboptimality <= self.tol:
            self.outcome = CONVERGED
        elif self.objective.penalty == 0 and self.now.largest_loss < np.log(2):
            # each row gives its class more than one half: all margins are positive
            self.outcome = SEPARABLE
        else:
            return len(self.loss_curve) >= self.max_iter
        return True


class _Round:
    """One run of SciPy's L-BFGS-B on the variables u, which start at 0."""

    def __init__(self, fit, kind, plan):
        self._fit = fit
        self._plan = plan
        self._change = change_of_variables(
            fit.objective, fit.params, kind, plan.n_sampled
        )
        self._base = fit.params
        self._u = np.zeros_like(fit.params)
        self._gradient = self._change.pull_back(fit.now.gradient)
        # SciPy's first step has length 1. In these units that is the step −∇F, which
        # is Newton's where the Hessian is the identity.
        self._unit = float(np.linalg.norm(self._gradient)) or 1.0
        self._n_done = 0
        # An exact Hessian starts with a clean slate. Another is as good as the last,
        # and there may be less curvature than its steps have met.
        self._diagonal = kind == "diagonal"
        exact = fit.objective.n_logits == 1 or kind == "coupled"
        exact = exact and not self._diagonal
        self._curvatures = [] if exact else fit.curvatures
        self._safety = 1 if exact or self._diagonal else 2
        self._estimates = [self._estimate()]
        fit.suboptimality = min(1.0, self._estimates[-1])

    def run(self):
        if self._fit.done():
            return
        self._previous = self._u, self._gradient
        result = scipy_minimize(
            self._evaluate,
            self._u,
            jac=True,
            method="L-BFGS-B",
            callback=self._after_iteration,
            options={
                "maxiter": self._fit.max_iter - len(self._fit.loss_curve),
                "maxfun": np.iinfo(np.int32).max,
                "maxcor": int(np.clip(MEMORY // len(self._u), 5, 20)),
                "ftol": 0.0,
                "gtol": 0.0,
            },
        )
        # a line search that failed has left its last trial behind
        self._evaluate(result.x)

    def _evaluate(self, scaled):
        """Evaluate F at u = unit · scaled; return it and its gradient."""
        fit = self._fit
        u = scaled * self._unit
        if not np.array_equal(u, self._u):
            self._u = u
            # with many classes of many columns, each vector that is let go matters
            del fit.now, self._gradient
            fit.params = self._change.to_params(u)
            fit.params += self._base
            fit.now = fit.objective.evaluate(fit.params)
            self._gradient = self._change.pull_back(fit.now.gradient)
        return fit.now.value, self._gradient * self._unit

    def _after_iteration(self, scaled):
        fit = self._fit
        self._evaluate(scaled)
        step = self._u - self._previous[0]
        met = step @ (self._gradient - self._previous[1]) / max(step @ step, TINY)
        self._curvatures.append(float(met))
        self._n_done += 1
        self._previous = self._u, self._gradient
        self._estimates.append(self._estimate())
        fit.suboptimality = min(1.0, self._estimates[-1])
        fit.loss_curve.append(fit.now.value)
        if fit.report is not None:
            fit.report(len(fit.loss_curve), fit.now.value, fit.suboptimality)
        if fit.done() or self._refresh_pays():
            raise StopIteration

    def _estimate(self):
        """Estimate (F − F*) / F from the gradient and the curvature met lately."""
        decrement = 0.5 * self._safety * float(self._gradient @ self._gradient)
        curvature = min([1.0, *self._curvatures[-WITNESSES:]])
        if decrement == 0:
            return 0.0
        value = max(self._fit.now.value, TINY)
        estimate = decrement / max(curvature, LEAST) / value
        objective = self._fit.objective
        if self._diagonal and objective.penalty > 0:
            of_coef, _ = objective.split(self._fit.now.gradient)
            bound = float(np.einsum("kj,kj->", of_coef, of_coef))
            bound /= 2 * objective.penalty * value
            estimate = np.sqrt(estimate * max(bound, estimate))
        return estimate

    def _refresh_pays(self):
        """Whether a fresh Hessian promises to be quicker than going on."""
        one_logit = self._fit.objective.n_logits == 1
        fresh = (FRESH_OF_ONE_LOGIT if one_logit else FRESH)[self._plan.kind]
        if self._n_done < max(fresh, self._plan.build_cost / 4):
            return False
        start, now = self._estimates[-fresh], self._estimates[-1]
        gain = np.log(start / now) / (fresh - 1)
        to_go = np.log(now / self._fit.tol) if self._fit.tol else np.inf
        return gain <= 0 or to_go / gain > self._plan.build_cost + fresh
