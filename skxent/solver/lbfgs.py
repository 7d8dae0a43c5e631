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

import numpy as np
from scipy.optimize import Bounds
from scipy.optimize import minimize as scipy_minimize

from .line_search import follow
from .preconditioners.base import Preconditioner
from .preconditioners.choice import choose, choose_again
from .stopping import (
    CONVERGED,
    ITERATION_LIMIT,
    SEPARABLE,
    STALLED,
    STOPPED,
    all_rows_are_right,
)

HUGE = 1e250
TINY = np.finfo(np.float64).tiny
# Less than this share of the curvature expected is taken for rounding.
LEAST = 1e-6
# How many of the last steps testify to the curvature.
WITNESSES = 20
# L-BFGS remembers at most so many numbers of its steps, but 5 of them and at most 20:
# SciPy keeps 2 maxcor + 5 vectors.
MEMORY = 2**20


def run_lbfgs(evaluate, start, after_iteration, max_iter, bounds=None):
    """Return where SciPy's L-BFGS-B ends, or where it is told to.

    ``evaluate`` returns a value and its gradient, ``after_iteration`` may raise
    StopIteration, ``bounds`` are the lower and the upper ones, of shape (2, n).
    """
    result = scipy_minimize(
        evaluate,
        start,
        jac=True,
        method="L-BFGS-B",
        callback=after_iteration,
        bounds=None if bounds is None else Bounds(*bounds),
        options={
            "maxiter": max_iter,
            "maxfun": np.iinfo(np.int32).max,
            "maxcor": int(np.clip(MEMORY // len(start), 5, 20)),
            "ftol": 0.0,
            "gtol": 0.0,
        },
    )
    return result.x


class SmoothFit:
    """The rounds of one fit, and what they share.

    ``change`` is the change of variables of the last round.
    """

    def __init__(self, objective, start, tol, max_iter, trace):
        self.objective = objective
        self.tol = tol
        self.max_iter = max_iter
        self.trace = trace
        self.params = without_shift(objective, start)
        self.now = objective.evaluate(self.params)
        self.suboptimality = 1.0
        self.change: Preconditioner | None = None
        self.curvatures: list[float] = []
        self.outcome = ITERATION_LIMIT

    def run(self):
        best = recipe = choose(self.objective)
        coef, _ = self.objective.split(self.params)
        if self.objective.rows.typical_offset is None and not coef.any():
            recipe = best.where_rows_are_alike(self.objective)
        n_rounds = n_stuck = 0
        while not self.done():
            before = self.now.value
            n_rounds += 1
            self.trace.tell(_describe, n_rounds, self.objective, recipe)
            _Round(self, recipe, best).run()
            recipe = best = choose_again(self.objective, best)
            if self.now.value < before:
                n_stuck = 0
            elif self.done():
                break
            elif self.objective.rows.read_in_float64():
                # what rounding errors of float32 hide may be seen
                self.trace.tell("float64 from here on".format)
                self.now = self.objective.evaluate(self.params)
            elif self._follow_newton_step():
                n_stuck = 0 if n_stuck > 1 else n_stuck + 1
            elif n_stuck < 2:
                n_stuck = 2
            else:
                self.outcome = STALLED
                break
            if n_stuck == 2:
                recipe = best.of_majorant(self.objective)

    def _follow_newton_step(self):
        """Go along the Newton step as far as F falls; return whether it does.

        SciPy's line search gives up where the minimum is at a tiny part of the step.
        """
        assert self.change is not None  # a round has come first
        step = self.change.to_params(-self.change.pull_back(self.now.gradient))
        end = follow(self.objective, self.params, self.now, step)
        if end is None or end[1].value >= self.now.value:
            return False
        self.params, self.now = end
        n_evals, (params, now) = self.objective.n_evals, end
        self.trace.note(now.value, self.suboptimality, n_evals, lambda: params)
        return True

    def done(self):
        if self.suboptimality <= self.tol:
            self.outcome = CONVERGED
        elif self.trace.stopped:
            self.outcome = STOPPED
        elif self._is_separable():
            self.outcome = SEPARABLE
        else:
            return not self.trace.iterations_left(self.max_iter)
        return True

    def _is_separable(self):
        """Whether features without a penalty give each row its class."""
        free = self.objective.penalty.l2 == 0
        if not (free.any() and all_rows_are_right(self.now)):
            return False
        if free.all():
            return True
        params = self.params.copy()
        self.objective.split(params)[0][:, ~free] = 0
        return all_rows_are_right(self.objective.evaluate(params))


class _Round:
    """One run of SciPy's L-BFGS-B on the variables u, which start at 0."""

    def __init__(self, fit, recipe, next_recipe):
        self._fit = fit
        self._next_recipe = next_recipe
        self._change = fit.change = recipe.build(fit.objective, fit.params)
        self._base = fit.params
        self._u = np.zeros_like(fit.params)
        self._gradient = self._change.pull_back(fit.now.gradient)
        # SciPy's first step has length 1. In these units that is the step −∇F, which
        # is Newton's where the Hessian is the identity.
        self._unit = float(np.linalg.norm(self._gradient)) or 1.0
        self._n_done = 0
        # An exact Hessian starts with a clean slate. Another is as good as the last,
        # and there may be less curvature than its steps have met.
        self._is_diagonal = recipe.is_diagonal
        self._curvatures = [] if recipe.is_whole else fit.curvatures
        self._safety = 1 if recipe.is_whole or recipe.is_diagonal else 2
        self._estimates = [self._estimate()]
        fit.suboptimality = min(1.0, self._estimates[-1])

    def run(self):
        if self._fit.done():
            return
        self._previous = self._u, self._gradient
        n_iter = self._fit.trace.iterations_left(self._fit.max_iter)
        u = run_lbfgs(self._evaluate, self._u, self._after_iteration, n_iter)
        # a line search that failed has left its last trial behind
        self._evaluate(u)
        if not np.isfinite(self._fit.now.value):
            self._evaluate(self._previous[0] / self._unit)

    def _evaluate(self, scaled):
        """Evaluate F at u = unit · scaled; return it and its gradient."""
        fit = self._fit
        u = scaled * self._unit
        if not np.array_equal(u, self._u):
            fit.trace.begin()
            self._u = u
            # with many classes of many columns, each vector that is let go matters
            del fit.now, self._gradient
            fit.params = self._change.to_params(u)
            fit.params += self._base
            fit.now = fit.objective.evaluate(fit.params)
            self._gradient = self._change.pull_back(fit.now.gradient)
        if not np.isfinite(fit.now.value):
            # far beyond the optimum: SciPy's line search needs a number to turn back
            return HUGE, np.nan_to_num(self._gradient * self._unit)
        return fit.now.value, self._gradient * self._unit

    def _after_iteration(self, scaled):
        fit = self._fit
        self._evaluate(scaled)
        if not np.isfinite(fit.now.value):
            raise StopIteration
        step = self._u - self._previous[0]
        met = step @ (self._gradient - self._previous[1]) / max(step @ step, TINY)
        self._curvatures.append(float(met))
        self._n_done += 1
        self._previous = self._u, self._gradient
        self._estimates.append(self._estimate())
        fit.suboptimality = min(1.0, self._estimates[-1])
        params, n_evals = fit.params, fit.objective.n_evals
        fit.trace.note(fit.now.value, fit.suboptimality, n_evals, lambda: params)
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
        if self._is_diagonal and objective.penalty.is_strongly_convex:
            # Directions of little curvature may be missed for long. The penalty's is
            # a bound from below: the truth lies between the estimates by both.
            of_coef, _ = objective.split(self._fit.now.gradient)
            bound = objective.penalty.decrement(of_coef)
            estimate = np.sqrt(estimate * max(bound / value, estimate))
        return estimate

    def _refresh_pays(self):
        """Whether a fresh Hessian promises to be quicker than going on."""
        fresh, price = self._next_recipe.n_fresh, self._next_recipe.build_price
        if self._n_done < max(fresh, price / 4):
            return False
        start, now = self._estimates[-fresh], self._estimates[-1]
        gain = np.log(start / now) / (fresh - 1)
        to_go = np.log(now / self._fit.tol) if self._fit.tol else np.inf
        return gain <= 0 or to_go / gain > price + fresh


def without_shift(objective, params):
    """Return params whose classes sum to 0 where the penalty asks for it.

    The loss does not see a common shift of all classes, and no round changes it.
    """
    if not objective.loss.ignores_common_shift:
        return params
    rows = params.reshape(objective.n_logits, -1)
    return (rows - rows.mean(axis=0)).ravel()


def _describe(number, objective, recipe):
    """Say which Hessian preconditions a round."""
    is_all = recipe.n_sampled >= objective.n_samples
    rows = "all" if is_all else f"a sample of {recipe.n_sampled}"
    return f"round {number}: preconditioned by {recipe.description}, from {rows} rows"
