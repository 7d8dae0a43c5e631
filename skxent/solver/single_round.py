"""One round of a smooth fit: L-BFGS on variables in which the Hessian is near identity.

If the Hessian is the identity, a Newton step decreases F by ½‖∇_u F‖²: this estimates
F − F*. If the Hessian is stale, the estimate is divided by the smallest curvature seen
over recent steps.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .lbfgs import OVERFLOW_VALUE, run_lbfgs
from .line_search import Bracket, bisect
from .long_vectors import run_long_lbfgs
from .preconditioners.base import Recipe
from .preconditioners.choice import N_EVALS_OF_TRY, is_try
from .stopping import MIN_CURVATURE_RATIO, N_RECENT_STEPS, TINY

if TYPE_CHECKING:
    from .rounds import SmoothFit

# A change of F by less than this share of it may be rounding in float32.
FLOAT32_NOISE = 4 * float(np.finfo(np.float32).eps)
# From this number of variables on, SciPy takes longer for its vectors than for Python.
LONG = 2**12
# After this many trials, bisection by the slope replaces the line search of L-BFGS. The
# second number holds once it has, until a first trial is accepted: rows saturate along
# the next steps, too.
MAX_TRIALS = 3, 1
# It ends where this share of the slope is left: the next round goes on from there.
FLAT = 0.5


class _HiddenByFloat32(Exception):
    """Rounding in float32 hides by how much F falls."""


class _FarFromQuadratic(Exception):
    """A line search takes long: the minimum is at a small share of the step."""


class Round:
    """One run of L-BFGS on the variables u, which start at 0.

    Parameters
    ----------
    fit : SmoothFit
    recipe, next_recipe : Recipe
        They build the preconditioners of this round and of the next.
    """

    def __init__(self, fit: "SmoothFit", recipe: Recipe, next_recipe: Recipe):
        self._fit = fit
        self._next_recipe = next_recipe
        self._preconditioner = fit.start_round(recipe)
        self._origin = fit.params
        self._u = np.zeros_like(fit.params)
        self._gradient = self._preconditioner.pull_back(fit.evaluation.gradient)
        self._n_iterations = 0
        # An exact Hessian makes older observations obsolete. An inexact one does not,
        # and there may be less curvature than its steps have observed.
        self._is_diagonal = recipe.is_diagonal
        self._is_try = is_try(recipe, next_recipe)
        self._curvatures = [] if recipe.is_full_hessian else fit.curvatures
        self._safety_factor = 1 if recipe.is_full_hessian or recipe.is_diagonal else 2
        self._estimates = [self._estimate()]
        fit.estimate(self._estimates[-1])

    def run(self) -> None:
        """Minimise until the fit stops or a fresh Hessian pays."""
        fit = self._fit
        if fit.should_stop() or self._estimates[-1] == np.inf:
            return
        self._begin_line_search()
        n_iter = fit.progress.iterations_left(fit.max_iter)
        try:
            u = self._minimise(n_iter)
        except _HiddenByFloat32:
            # In a new round: L-BFGS would mix gradients of both precisions, and what
            # is downhill in one may be uphill in the other.
            fit.leave_float32(self._last_iterate())
            return
        except _FarFromQuadratic:
            self._bisect_step()
            return
        # a failed line search leaves the fit at its last trial
        self._evaluate(u)
        if not np.isfinite(fit.evaluation.value):
            self._evaluate(self._previous[0])

    def _minimise(self, max_iter: int) -> NDArray:
        """Run L-BFGS and return the variables where it ends."""
        if len(self._u) >= LONG:
            return run_long_lbfgs(
                self._evaluate, self._u, self._after_iteration, max_iter
            )
        # SciPy's first step has length 1. In units of the length of the gradient, it is
        # −∇F: Newton's step if the Hessian is the identity.
        unit = float(np.linalg.norm(self._gradient)) or 1.0

        def evaluate(scaled: NDArray) -> tuple[float, NDArray]:
            value, gradient = self._evaluate(scaled * unit)
            return value, gradient * unit

        def after_iteration(scaled: NDArray) -> None:
            self._after_iteration(scaled * unit)

        return unit * run_lbfgs(evaluate, self._u, after_iteration, max_iter)

    def _evaluate(self, u: NDArray) -> tuple[float, NDArray]:
        """Evaluate F at u; return it and its gradient."""
        fit = self._fit
        if u is not self._u and not np.array_equal(u, self._u):
            fit.progress.begin()
            self._u = u
            del self._gradient
            params = self._preconditioner.to_params(u)
            params += self._origin
            evaluation = fit.move_to(params)
            self._n_trials += 1
            if self._n_trials > 1 and self._is_hidden_by_float32(evaluation.value):
                raise _HiddenByFloat32
            self._gradient = self._preconditioner.pull_back(evaluation.gradient)
            self._narrow_bracket()
            if self._n_trials > MAX_TRIALS[fit.is_far_from_quadratic]:
                raise _FarFromQuadratic
        if not np.isfinite(fit.evaluation.value):
            return OVERFLOW_VALUE, np.nan_to_num(self._gradient)
        return fit.evaluation.value, self._gradient

    def _last_iterate(self) -> NDArray:
        """Return the params of the last iteration, or of the start."""
        return self._preconditioner.to_params(self._previous[0]) + self._origin

    def _begin_line_search(self) -> None:
        """Remember where it starts, and that no trial has been made."""
        self._previous = self._u, self._gradient
        self._n_trials, self._bracket = 0, Bracket(self._fit.evaluation.value)

    def _narrow_bracket(self) -> None:
        """Take the current trial of the line search, with lengths in units of u."""
        step = self._u - self._previous[0]
        length, slope = float(np.linalg.norm(step)), float(self._gradient @ step)
        self._bracket.narrow(length, self._fit.evaluation.value, slope)

    def _bisect_step(self) -> None:
        """Replace the rest of the line search by bisection, and end the round.

        Where rows saturate along a step, F is nearly linear on both sides of a bend.
        SciPy interpolates its values by polynomials, and may take 40 trials there.
        """
        fit, step = self._fit, self._u - self._previous[0]
        fit.is_far_from_quadratic = True
        slope, size = float(self._previous[1] @ step), float(np.linalg.norm(step))
        params, step = self._last_iterate(), self._preconditioner.to_params(step)
        lowest = bisect(
            fit.objective,
            params,
            slope,
            step,
            self._bracket.scaled(1 / max(size, TINY)),
            flat=FLAT,
        )
        if lowest is not None and lowest[1].value < self._bracket.value:
            fit.params, fit.evaluation = lowest
            fit.note()
        else:
            fit.move_to(params)

    def _is_hidden_by_float32(self, value: float) -> bool:
        """Whether rounding in float32 may hide a change of F since the last step.

        A line search would then take trial after trial in the noise.
        """
        is_float32 = self._fit.objective.rows.dtype == np.float32
        change = abs(value - self._bracket.value)
        is_hidden = np.isfinite(value) and change <= FLOAT32_NOISE * abs(value)
        return bool(is_float32 and is_hidden)

    def _after_iteration(self, u: NDArray) -> None:
        fit = self._fit
        self._evaluate(u)
        if not np.isfinite(fit.evaluation.value):
            raise StopIteration
        step = self._u - self._previous[0]
        curvature = step @ (self._gradient - self._previous[1]) / max(step @ step, TINY)
        self._curvatures.append(float(curvature))
        self._n_iterations += 1
        if self._n_trials == 1:
            fit.is_far_from_quadratic = False
        self._begin_line_search()
        self._estimates.append(self._estimate())
        fit.estimate(self._estimates[-1])
        fit.note()
        if fit.should_stop() or self._refresh_pays():
            raise StopIteration
        expected = (1 - fit.suboptimality) * fit.evaluation.value
        if self._is_hidden_by_float32(expected):
            raise _HiddenByFloat32

    def _estimate(self) -> float:
        """Estimate (F − F*) / F from the gradient and recently observed curvature.

        It is inf if rows are so saturated that the squared gradient overflows.
        """
        with np.errstate(over="ignore"):
            squared_norm = float(self._gradient @ self._gradient)
        decrement = 0.5 * self._safety_factor * squared_norm
        curvature = min([1.0, *self._curvatures[-N_RECENT_STEPS:]])
        if decrement == 0:
            return 0.0
        objective, evaluation = self._fit.objective, self._fit.evaluation
        value = max(evaluation.value, TINY)
        estimate = decrement / max(curvature, MIN_CURVATURE_RATIO) / value
        if self._is_diagonal and objective.penalty.is_strongly_convex:
            # L-BFGS may miss directions of little curvature for many steps. The
            # curvature of the penalty is a lower bound. The truth lies between the two
            # estimates: take their geometric mean.
            bound = objective.penalty.decrement(objective.split(evaluation.gradient)[0])
            estimate = np.sqrt(estimate * max(bound / value, estimate))
        return estimate

    def _refresh_pays(self) -> bool:
        """Whether a fresh Hessian promises to be faster than continuing."""
        n_fresh = self._next_recipe.n_evals_when_fresh
        price = self._next_recipe.build_price
        n_recent = N_EVALS_OF_TRY if self._is_try else n_fresh
        if self._n_iterations < max(n_recent, price / 4):
            return False
        earlier, latest = self._estimates[-n_recent], self._estimates[-1]
        rate = np.log(earlier / latest) / (n_recent - 1)
        remaining = np.log(latest / self._fit.tol) if self._fit.tol else np.inf
        return rate <= 0 or remaining / rate > price + n_fresh
