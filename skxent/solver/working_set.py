"""Kinks and bounds: a working set of features, and two ways to its optimum.

working set  Features whose coefficient is not 0, and those that violate their condition
             of optimality most. It grows until no feature outside violates any.
Newton       Where the Hessian of a working set is cheap enough: see `_newton`.
box rounds   Elsewhere. On an orthant |w| is linear, so that the objective is smooth
             with simple bounds, which L-BFGS-B takes as long as each variable is a
             multiple of its coefficient: columns are centred and scaled, no more. The
             sign of each coefficient is held, that of a zero is the one that lowers F;
             L-BFGS-B ends at 0, or at a bound, where it has to.
"""

import numpy as np

from .lbfgs import LEAST, TINY, WITNESSES, run_lbfgs
from .newton import NewtonSteps
from .preconditioners.base import Preconditioner
from .preconditioners.diagonal import (
    axis_aligned_preconditioner,
    evaluations_by_diagonal,
)
from .preconditioners.prices import price_of_exact_hessian
from .quadratic_model import FINE
from .stopping import CONVERGED, ITERATION_LIMIT, STALLED, STOPPED

# Features to begin with, and then beside those whose coefficient is not 0.
FIRST_FEATURES = 50
# Above this share of the features the columns are not worth copying.
MOST_FEATURES = 0.5
# Hessians that Newton's method takes.
BUILDS = 5
# A box round ends when its decrement has fallen by this, or after so many iterations:
# each fresh start forgets what L-BFGS has learned.
ENOUGH_GAIN = 1e-3
ENOUGH_ITERATIONS = 50
# Rounds on one working set.
MAX_ROUNDS = 20
# A working set is solved to this share of what was left before.
WORTHWHILE = 1e-2
# Changes of a gradient below this part of it tell nothing of the curvature.
ROUNDING = 1e-8


class ActiveSetFit:
    """A fit with kinks or bounds, as `SmoothFit` is one without."""

    def __init__(self, objective, start, tol, max_iter, trace):
        self.objective = objective
        self.tol = tol
        self.max_iter = max_iter
        self.trace = trace
        self.params = _feasible(objective, start)
        self.now = objective.evaluate(self.params)
        self.suboptimality = 1.0
        self.curvatures: list[float] = []
        self.outcome = ITERATION_LIMIT
        # of the models, until one of them loses its way
        self.ridge = FINE
        # what is left to gain on which columns, relative to F, once Newton has told
        self._promised = 0.0
        self.change: Preconditioner | None = None
        self._solved = np.arange(0)

    def run(self):
        objective = self.objective
        stalls = 0
        while True:
            # Newton's promises need no scales, the choice of features only rough ones
            if not len(self._solved):
                change = self.change = axis_aligned_preconditioner(
                    objective, self.params
                )
            left = violations(objective, self.params, self.now.gradient, change)
            self.suboptimality = self._estimate_of_all(left, change)
            if self.suboptimality <= self.tol:
                self.outcome = CONVERGED
                return
            if self.trace.stopped:
                self.outcome = STOPPED
                return
            if not self.trace.iterations_left(self.max_iter):
                return
            if stalls == 2 or self.trace.is_vain:
                if self.trace.is_vain or not objective.rows.read_in_float64():
                    self.outcome = STALLED
                    return
                self.now, stalls = objective.evaluate(self.params), 0
            before = self.now.value
            self._solve_working_set(left)
            self.now = objective.evaluate(self.params)
            stalls = stalls + 1 if self.now.value >= before else 0

    def _estimate_of_all(self, left, change):
        """Estimate (F − F*) / F by what Newton promises, and features beyond."""
        objective = self.objective
        if not len(self._solved):
            return self.estimate(objective, left, self.now.value, change)
        outside = left.copy()
        of_coef, of_intercept = objective.split(outside)
        of_coef[:, self._solved] = 0
        of_intercept[:] = 0
        estimate = self.estimate(objective, outside, self.now.value, change)
        # Scaled down until no slope exceeds its L1, the residuals prove this bound.
        penalty = objective.penalty
        excess = np.abs(of_coef * change.scale)
        with np.errstate(invalid="ignore"):
            share = np.nan_to_num(excess / (excess + penalty.l1)).max(initial=0.0)
        coef, _ = objective.split(self.params)
        bound = share * penalty.value(coef) / max(self.now.value, TINY)
        return min(1.0, self._promised + max(estimate, bound))

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

    def _solve_working_set(self, left):
        columns = self._choose(left)
        if not 0 < len(columns) < self.objective.n_features:
            columns = np.arange(self.objective.n_features)
        part = Part(self, columns)
        price = BUILDS * price_of_exact_hessian(part.objective)
        is_cheap = price < evaluations_by_diagonal(part.objective)
        self.trace.tell(part.describe, "Newton steps" if is_cheap else "box rounds")
        (NewtonSteps if is_cheap else BoxRounds)(self, part).run()
        self._solved = columns if is_cheap else np.arange(0)
        self._promised = self.suboptimality
        self.params = part.whole(part.params)
        self.objective.n_evals = part.n_evals


class Part:
    """The problem on some of the columns, where all others have coefficients 0.

    Attributes
    ----------
    objective : Objective
    params : ndarray of shape (n_params,)
        The best so far.
    now : Evaluation
        The objective there.
    """

    def __init__(self, fit, columns):
        self._fit = fit
        self._columns = columns
        self._is_all = len(columns) == fit.objective.n_features
        self.objective = fit.objective
        if not self._is_all:
            self.objective = fit.objective.on_columns(columns)
        self._n_evals_before = fit.objective.n_evals
        self.params = self._take(fit.params)
        self.now = fit.now._replace(gradient=self._take(fit.now.gradient))

    @property
    def n_evals(self) -> int:
        """The evaluations so far; on some columns a share of the entries is read."""
        if self._is_all:
            return self.objective.n_evals
        share = self.objective.n_features / self._fit.objective.n_features
        return self._n_evals_before + int(np.ceil(share * self.objective.n_evals))

    def _take(self, whole):
        return self._fit.objective.layout.take_columns(whole, self._columns)

    def note(self, value, find_params):
        """Note an iteration that led to F and to params of these columns."""
        fit = self._fit
        fit.trace.note(
            value,
            fit.suboptimality,
            self.n_evals,
            lambda: self.whole(find_params()),
        )

    def whole(self, params):
        """Return the params of all columns."""
        whole = self._fit.params.copy()
        self._fit.objective.layout.put_columns(params, self._columns, out=whole)
        return whole

    def describe(self, method):
        """Say how many columns there are, and how they are solved for."""
        n_columns, n_features = (
            self.objective.n_features,
            self._fit.objective.n_features,
        )
        return f"working set of {n_columns} of {n_features} columns, by {method}"


class BoxRounds:
    """L-BFGS-B on a part of the columns, an orthant in each round."""

    def __init__(self, fit, part):
        self._fit = fit
        self._part = part

    def run(self):
        """Go on until much less is left than was."""
        fit, part, objective = self._fit, self._part, self._part.objective
        goal = max(fit.tol / 2, WORTHWHILE * fit.suboptimality)
        for _ in range(MAX_ROUNDS):
            before = part.now.value
            change = axis_aligned_preconditioner(objective, part.params)
            left = violations(objective, part.params, part.now.gradient, change)
            fit.suboptimality = fit.estimate(objective, left, before, change)
            if fit.suboptimality <= goal or not fit.trace.iterations_left(fit.max_iter):
                return
            self._round(change, left, goal)
            if part.now.value >= before:
                return

    def _round(self, change, left, goal):
        fit, part, objective = self._fit, self._part, self._part.objective
        penalty = objective.penalty
        coef, _ = objective.split(part.params)
        of_coef, _ = objective.split(left)
        sign = np.where(coef != 0, np.sign(coef), -np.sign(of_coef))
        lower, upper = penalty.bounds_of_orthant(sign)
        smooth = objective.with_penalty(penalty.on_orthant(sign))

        # In units of the gradient's length, of F too, the first step is Newton's.
        start = change.from_params(part.params)
        unit = float(np.linalg.norm(left))
        base = part.now.value
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
            objective.n_evals += 1
            latest[:] = [now.value, change.pull_back(now.gradient)]
            return (now.value - base) / unit**2, latest[1] / unit

        latest: list = [base, change.pull_back(part.now.gradient)]
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
            part.note(value, lambda: params_of(here))
            enough = float(now_left @ now_left) <= ENOUGH_GAIN * first
            if enough or fit.suboptimality <= goal / 2 or fit.trace.stopped:
                raise StopIteration

        n_iter = min(ENOUGH_ITERATIONS, fit.trace.iterations_left(fit.max_iter))
        scaled = run_lbfgs(evaluate, start / unit, after_iteration, n_iter, of_u)
        params = params_of(scaled)
        now = objective.evaluate(params)
        if now.value < part.now.value:
            part.params, part.now = params, now


def _feasible(objective, start):
    """Return the start within bounds, without changing the mean logits."""
    params = start.copy()
    coef, intercept = objective.split(params)
    penalty = objective.penalty
    np.clip(coef, penalty.lower, penalty.upper, out=coef)
    if len(coef) > 1:
        coef[:] = penalty.balanced(coef)
    if intercept.size and not np.array_equal(params, start):
        moved = coef - objective.split(start)[0]
        intercept -= moved @ objective.rows.column_means()
    return params


def violations(objective, params, gradient, change):
    """Return what is left of ∂F/∂u after kinks and bounds: 0 at the optimum."""
    left = change.pull_back(gradient)
    coef, _ = objective.split(params)
    of_coef, _ = objective.split(left)
    slope = objective.penalty.least_slope(coef, of_coef * change.scale)
    of_coef[:] = slope / change.scale
    return left
