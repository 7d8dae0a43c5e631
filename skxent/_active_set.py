"""Kinks and bounds: L-BFGS-B on orthants of a working set, on F or on models of it.

On an orthant |w| is linear, so that the objective is smooth with simple bounds, which
L-BFGS-B takes as long as each variable is a multiple of its coefficient: columns are
centred and scaled, no more. That finds signs and zeros, but slowly where columns are
correlated. So, where a Hessian is cheap, F is replaced by its quadratic model, whose
evaluations cost next to nothing, as in Newton's method with a line search on F.

working set  Features whose coefficient is not 0, and those that violate their condition
             of optimality most. It doubles until no feature outside violates any.
box round    The sign of each coefficient is held, that of a zero is the one that lowers
             F. L-BFGS-B ends at 0, or at a bound, where it has to.
free solve   On a model: the coefficients that are neither 0 nor at a bound, by
             Cholesky. Where the answer leaves its orthant, the better of two points is
             taken: the way there up to the first crossing, and the answer with what has
             crossed set to 0.
"""

import numpy as np

from ._curvature import class_hessians, coupled_hessian, curvature_moments
from ._lbfgs import (
    CONVERGED,
    ITERATION_LIMIT,
    LEAST,
    STALLED,
    STOPPED,
    TINY,
    WITNESSES,
    run_lbfgs,
)
from ._precondition import DiagonalChange, plan
from ._quadratic import QuadraticModel
from ._trace import Trace

# Features to begin with, and then beside those whose coefficient is not 0.
FIRST_FEATURES = 100
# Above this share of the features the columns are not worth copying.
MOST_FEATURES = 0.5
# A box round ends when its decrement has fallen by this, or after so many iterations:
# each fresh start forgets what L-BFGS has learned.
ENOUGH_GAIN = 1e-3
ENOUGH_ITERATIONS = 50
# Rounds on one working set.
MAX_ROUNDS = 20
# The working set, and a model, are solved to this share of what was left before.
WORTHWHILE = 1e-2
# Changes of a gradient below this part of it tell nothing of the curvature.
ROUNDING = 1e-8
# Iterations on a model in one step, and halvings of the step.
MODEL_ITERATIONS = 1000
MAX_HALVINGS = 30


class ActiveSetFit:
    """A fit with kinks or bounds, as `SmoothFit` is one without."""

    def __init__(self, objective, start, tol, max_iter, trace):
        self.objective = objective
        self.tol = tol
        self.max_iter = max_iter
        self.trace = trace
        self.params = start.copy()
        coef, _ = objective.split(self.params)
        np.clip(coef, objective.penalty.lower, objective.penalty.upper, out=coef)
        self.now = objective.evaluate(self.params)
        self.suboptimality = 1.0
        self.curvatures: list[float] = []
        self.outcome = ITERATION_LIMIT
        # what the last model still promised on its columns, relative to F
        self.promised: float | None = None
        self._columns = np.arange(0)
        self._problem = objective

    def run(self):
        objective = self.objective
        stalls = 0
        while True:
            change = axis_aligned_change(objective, self.params)
            left = violations(objective, self.params, self.now.gradient, change)
            outside = left.copy()
            if self.promised is not None:
                objective.split(outside)[0][:, self._columns] = 0
                objective.split(outside)[1][:] = 0
            self.suboptimality = self.estimate(
                objective, outside, self.now.value, change
            ) + (self.promised or 0.0)
            if self.suboptimality <= self.tol:
                self.outcome = CONVERGED
                return
            if self.trace.stopped:
                self.outcome = STOPPED
                return
            if not self.trace.iterations_left(self.max_iter):
                return
            if stalls == 2:
                self.outcome = STALLED
                return
            before = self.now.value
            self._columns = self._choose(left)
            self._solve_working_set(self._columns)
            self.now = objective.evaluate(self.params)
            stalls = stalls + 1 if self.now.value >= before else 0

    def estimate(self, objective, left, value, change):
        """Estimate (F − F*) / F from what is left of the gradient.

        Half its square is what a step with the Hessian's diagonal gains. The curvature
        that the last steps have met tells how much more there may be; that of the
        penalty is a bound of how much, and the truth lies between.
        """
        curvature = max(min([1.0, *self.curvatures[-WITNESSES:]]), LEAST)
        estimate = float(left @ left) / curvature
        l2 = objective.penalty.l2
        if l2.all():
            of_coef = objective.split(left)[0] * change.scale
            bound = float(np.einsum("kj,kj,j->", of_coef, of_coef, 0.5 / l2))
            estimate = np.sqrt(estimate * max(bound, estimate))
            if len(of_coef) > 1:
                # The loss does not see a common shift of all classes: what it gains
                # is known.
                shift = of_coef.mean(axis=0)[(of_coef != 0).all(axis=0)]
                l2 = l2[(of_coef != 0).all(axis=0)]
                estimate += len(of_coef) * float(np.sum(shift**2 / l2)) / 2
        return min(1.0, estimate / max(value, TINY))

    def note(self, value, n_evals, find_part):
        """Note an iteration on the working set, whose params ``find_part`` returns."""
        problem, columns = self._problem, self._columns
        if problem is self.objective:
            self.trace.note(value, self.suboptimality, n_evals, find_part)
            return

        def find_params():
            params = self.params.copy()
            coef, intercept = self.objective.split(params)
            coef[:, columns], intercept[:] = problem.split(find_part())
            return params

        n_evals = self.objective.n_evals + self._share_of(n_evals)
        self.trace.note(value, self.suboptimality, n_evals, find_params)

    def _share_of(self, n_evals):
        """Return what evaluations on the working set are worth on all columns."""
        # a share of the rows' entries is read
        share = self._problem.n_features / self.objective.n_features
        return int(np.ceil(share * n_evals))

    def _choose(self, left):
        """Return the columns of the working set."""
        objective = self.objective
        coef, _ = objective.split(self.params)
        of_coef, _ = objective.split(left)
        support = coef.any(axis=0)
        violation = np.where(support, np.inf, np.abs(of_coef).max(axis=0))
        n_support = int(support.sum())
        size = n_support + max(FIRST_FEATURES, n_support)
        if size >= MOST_FEATURES * objective.n_features:
            return np.arange(objective.n_features)
        largest = np.argpartition(-violation, size)[:size]
        return np.sort(largest[violation[largest] > 0])

    def _solve_working_set(self, columns):
        objective = self.objective
        n_features = objective.n_features
        if 0 < len(columns) < n_features:
            objective = objective.on_some_columns(columns)
        else:
            columns = slice(None)
        coef, intercept = self.objective.split(self.params)
        part = np.empty(objective.n_params)
        part_coef, part_intercept = objective.split(part)
        part_coef[:], part_intercept[:] = coef[:, columns], intercept
        self._problem = objective
        goal = max(self.tol / 2, WORTHWHILE * self.suboptimality)
        working_set = _WorkingSet(self, objective, part, goal)
        self.trace.tell(working_set.describe)
        part = working_set.solve()
        part_coef, part_intercept = objective.split(part)
        coef[:, columns], intercept[:] = part_coef, part_intercept
        if objective is not self.objective:
            self.objective.n_evals += self._share_of(objective.n_evals)


class _WorkingSet:
    """The problem on the columns of a working set."""

    def __init__(self, fit, objective, params, goal):
        self._fit = fit
        self._objective = objective
        self._params = params
        self._now = objective.evaluate(params)
        self._goal = goal
        if not isinstance(objective, QuadraticModel):
            self._plan = plan(objective)
            exact = "classes" if objective.n_logits == 1 else "coupled"
            self._has_cheap_hessian = self._plan.kind == exact

    def describe(self):
        """Say how many columns there are, and how they are solved for."""
        how = "Newton steps on models" if self._has_cheap_hessian else "box rounds"
        n_columns, n_features = (
            self._objective.n_features,
            self._fit.objective.n_features,
        )
        return f"working set of {n_columns} of {n_features} columns, by {how}"

    def solve(self):
        """Return params that are optimal but for the goal, or for the rounding."""
        fit, objective = self._fit, self._objective
        is_model = isinstance(objective, QuadraticModel)
        newton = not is_model and self._has_cheap_hessian
        for _ in range(MAX_ROUNDS):
            before = self._now.value
            if newton:
                self._newton_step()
                fit.suboptimality = min(1.0, fit.promised)
            else:
                change = axis_aligned_change(objective, self._params)
                left = violations(objective, self._params, self._now.gradient, change)
                fit.suboptimality = fit.estimate(objective, left, before, change)
                if fit.suboptimality > self._goal:
                    self._box_round(change, left)
                if is_model:
                    self._free_solve()
            if fit.suboptimality <= self._goal or self._now.value >= before:
                break
            if not fit.trace.iterations_left(fit.max_iter):
                break
        return self._params

    def _box_round(self, change, left):
        fit, objective = self._fit, self._objective
        penalty = objective.penalty
        coef, _ = objective.split(self._params)
        of_coef, _ = objective.split(left)
        sign = np.where(coef != 0, np.sign(coef), -np.sign(of_coef))
        lower, upper = penalty.bounds_of_orthant(sign)
        smooth = objective.with_penalty(penalty.on_orthant(sign))

        # In units of the gradient's length, of F too, the first step is Newton's.
        start = change.from_params(self._params)
        unit = float(np.linalg.norm(left))
        base = self._now.value
        of_u = np.full((2, len(start)), [[-np.inf], [np.inf]])
        for bound, of_w in zip(of_u, (lower, upper), strict=True):
            objective.split(bound)[0][:] = of_w * change.scale / unit

        def params_of(scaled):
            params = change.to_params(scaled * unit)
            w, _ = objective.split(params)
            # to the last digit
            for of_w, bound in zip((lower, upper), of_u, strict=True):
                reached = objective.split(scaled == bound)[0]
                w[reached] = of_w[reached]
            np.clip(w, lower, upper, out=w)
            return params

        def evaluate(scaled):
            fit.trace.begin()
            now = smooth.evaluate(params_of(scaled))
            latest[:] = [now.value, change.pull_back(now.gradient)]
            return (now.value - base) / unit**2, latest[1] / unit

        latest: list = [base, change.pull_back(self._now.gradient)]
        previous = None
        first = float(left @ left)

        def after_iteration(intermediate_result):
            nonlocal previous
            here = intermediate_result.x.copy()
            value, gradient = latest
            if previous is not None:
                step = (here - previous[0]) * unit
                turned = gradient - previous[1]
                # a smaller change of the gradient would be rounding
                if np.abs(turned).max() > ROUNDING * np.abs(gradient).max():
                    fit.curvatures.append(float(step @ turned / (step @ step)))
            previous = here, gradient
            blocked = (here <= of_u[0]) & (gradient > 0)
            blocked |= (here >= of_u[1]) & (gradient < 0)
            now_left = np.where(blocked, 0, gradient)
            fit.suboptimality = fit.estimate(objective, now_left, value, change)
            n_evals = objective.n_evals + smooth.n_evals
            fit.note(value, n_evals, lambda: params_of(here))
            enough = float(now_left @ now_left) <= ENOUGH_GAIN * first
            enough = enough or fit.suboptimality <= self._goal / 2
            if enough or fit.trace.stopped:
                raise StopIteration

        n_iter = min(ENOUGH_ITERATIONS, fit.trace.iterations_left(fit.max_iter))
        scaled = run_lbfgs(evaluate, start / unit, after_iteration, n_iter, of_u)
        self._accept(params_of(scaled))
        objective.n_evals += smooth.n_evals

    def _newton_step(self):
        """Minimise the quadratic model, and go there as far as F falls."""
        fit, objective = self._fit, self._objective
        fit.trace.begin()
        if objective.n_logits == 1:
            (hessian,) = class_hessians(
                objective, self._params, n_sampled=self._plan.n_sampled
            )
        else:
            hessian = coupled_hessian(objective, self._params)
        model = QuadraticModel(objective, hessian, self._params, self._now)
        value = max(self._now.value, TINY)
        goal, point = fit.suboptimality, self._params
        while True:
            goal = max(self._goal / 4, WORTHWHILE * goal)
            inner = ActiveSetFit(model, point, goal, MODEL_ITERATIONS, Trace())
            inner.run()
            gain, point = self._now.value - inner.now.value, inner.params
            # a model that promises little may only have been solved too loosely
            if gain > 10 * goal * value or goal <= self._goal / 4:
                break
        fit.promised = max(0.0, gain / value) + inner.suboptimality
        step = inner.params - self._params
        share = 1.0
        for _ in range(MAX_HALVINGS):
            # all of the step as it is: what is 0 or at a bound stays so to the digit
            params = inner.params if share == 1 else self._params + share * step
            now = objective.evaluate(params)
            if now.value <= self._now.value - 1e-4 * share * gain:
                self._params, self._now = params, now
                break
            share /= 2
        params = self._params
        fit.note(self._now.value, objective.n_evals, lambda: params)

    def _free_solve(self):
        """Optimise the free coefficients of a model, as far as their signs allow."""
        objective, penalty = self._objective, self._objective.penalty
        w, _ = objective.split(self._params)
        free = (
            (penalty.lower < w) & (w < penalty.upper) & ((w != 0) | (penalty.l1 == 0))
        )
        if not free.any():
            return
        sign = np.sign(w)
        target = objective.with_penalty(penalty.on_orthant(sign)).solve(
            self._params, free
        )
        self._accept(*self._inside(target, sign))

    def _inside(self, target, sign):
        """Return the points between here and the target that keep signs and bounds."""
        objective, penalty = self._objective, self._objective.penalty
        lower, upper = penalty.bounds_of_orthant(sign)
        here, there = (objective.split(p)[0] for p in (self._params, target))
        if ((lower <= there) & (there <= upper)).all():
            return [target]
        projected = target.copy()
        w, _ = objective.split(projected)
        np.clip(w, lower, upper, out=w)
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(there < lower, lower - here, upper - here) / (there - here)
        crossing = (there < lower) | (there > upper)
        share = float(room[crossing].min())
        up_to_crossing = self._params + share * (target - self._params)
        w, _ = objective.split(up_to_crossing)
        # what arrives at 0 or at a bound is there exactly
        arrived = crossing & (room <= share)
        w[arrived] = np.where(there < lower, lower, upper)[arrived]
        np.clip(w, lower, upper, out=w)
        return [projected, up_to_crossing]

    def _accept(self, *candidates):
        """Move to the best of the candidates, if it is better than here."""
        for params in candidates:
            now = self._objective.evaluate(params)
            if now.value < self._now.value:
                self._params, self._now = params, now


def axis_aligned_change(objective, params) -> DiagonalChange:
    """Return centred and scaled columns, each coefficient by itself."""
    if isinstance(objective, QuadraticModel):
        moments = objective.moments()
    else:
        moments = curvature_moments(objective, params)
    return DiagonalChange(objective, *moments, axis_aligned=True)


def violations(objective, params, gradient, change):
    """Return what is left of ∂F/∂u after kinks and bounds: 0 at the optimum."""
    penalty = objective.penalty
    left = change.pull_back(gradient)
    coef, _ = objective.split(params)
    of_coef, _ = objective.split(left)
    threshold = np.where(coef == 0, penalty.l1, 0) / change.scale
    of_coef[:] = np.sign(of_coef) * np.maximum(np.abs(of_coef) - threshold, 0)
    blocked = (coef <= penalty.lower) & (of_coef > 0)
    blocked |= (coef >= penalty.upper) & (of_coef < 0)
    of_coef[blocked] = 0
    return left
