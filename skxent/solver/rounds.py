"""Smooth objectives: L-BFGS in rounds of preconditioned variables.

Each round computes the curvature at the current params and changes variables so that
the Hessian is near the identity. SciPy then minimises ``u → (F, ∇_u F)``. A round ends
when a fresh Hessian promises to be faster.

If the Hessian is the identity, a Newton step decreases F by ½‖∇_u F‖²: this estimates
F − F*. If the Hessian is stale, the estimate is divided by the smallest curvature seen
over recent steps.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from ..model.problem import Evaluation
from .fit import Fit
from .lbfgs import run_lbfgs
from .line_search import follow
from .preconditioners.base import Preconditioner, Recipe, centred
from .preconditioners.choice import (
    ReusedRecipe,
    choose,
    choose_again,
    majorant_recipe,
    uniform_recipe,
)
from .progress import Progress
from .stopping import (
    CONVERGED,
    MIN_CURVATURE_RATIO,
    N_RECENT_STEPS,
    SEPARABLE,
    STALLED,
    STOPPED,
    TINY,
    all_rows_are_correct,
)

# SciPy's line search needs a finite number to turn back. It gets this one where F
# overflows.
OVERFLOW_VALUE = 1e250
# A change of F by less than this share of it may be rounding in float32.
FLOAT32_NOISE = 4 * float(np.finfo(np.float32).eps)
# Of F: a penalty that a common shift of all classes may cost.
VISIBLE_SHIFT = 1e-12
FLOAT64_MESSAGE = "float64 from here on"
# After this many trials, bisection by the slope replaces SciPy's line search.
MAX_TRIALS_OF_SCIPY = 3
# It ends where this share of the slope is left: the next round goes on from there.
FLAT = 0.5


class SmoothFit(Fit):
    """A fit of a smooth objective, which moves its params round by round.

    Parameters
    ----------
    objective, start, tol, max_iter, progress
        As in `Fit`.
    lift : callable, default=None
        Maps params to those that listeners expect, if these differ.
    preconditioner : Preconditioner, default=None
        For the first round, from an earlier fit.
    """

    def __init__(
        self,
        objective: Objective,
        start: NDArray,
        tol: float,
        max_iter: int,
        progress: Progress,
        lift: Callable[[NDArray], NDArray] | None = None,
        preconditioner: Preconditioner | None = None,
    ):
        start = without_shift(objective, start)
        super().__init__(objective, start, tol, max_iter, progress)
        self.preconditioner = preconditioner
        self._lift = lift
        # observed along steps that were preconditioned by an inexact Hessian
        self.curvatures: list[float] = []

    def run(self) -> None:
        """Run rounds until the estimate is at most ``tol``, or no round lowers F."""
        objective = self.objective
        best_recipe = choose(objective)
        recipe = self._first_recipe(best_recipe)
        n_rounds = n_stuck = 0
        while not self.should_stop():
            previous_value, dtype = self.evaluation.value, objective.rows.dtype
            n_rounds += 1
            self.progress.tell(_describe_round, n_rounds, objective, recipe)
            _Round(self, recipe, best_recipe).run()
            self._settle_shift()
            recipe = best_recipe = choose_again(objective, best_recipe)
            if objective.rows.dtype != dtype:
                # the precision matters to gradients, not to the Hessian
                assert self.preconditioner is not None  # set by the round
                recipe = ReusedRecipe(objective, self.preconditioner)
            elif self.evaluation.value < previous_value:
                n_stuck = 0
            elif self.should_stop():
                break
            elif objective.rows.dtype == np.float32:
                # float64 may show a decrease that rounding in float32 hides
                self.leave_float32(self.params)
            elif self._follow_newton_step():
                n_stuck = 0 if n_stuck > 1 else n_stuck + 1
            elif n_stuck < 2:
                n_stuck = 2
            else:
                self.outcome = STALLED
                break
            if n_stuck == 2:
                recipe = majorant_recipe(objective, best_recipe)

    def should_stop(self) -> bool:
        """Return whether to stop, and set ``outcome`` if so."""
        if self.suboptimality <= self.tol:
            self.outcome = CONVERGED
        elif self.progress.stopped:
            self.outcome = STOPPED
        elif self._is_separable():
            self.outcome = SEPARABLE
        else:
            return not self.progress.iterations_left(self.max_iter)
        return True

    def start_round(self, recipe: Recipe) -> Preconditioner:
        """Build, keep and return the preconditioner with the current curvature."""
        self.preconditioner = recipe.build(self.objective, self.params)
        return self.preconditioner

    def move_to(self, params: NDArray) -> Evaluation:
        """Set the params, evaluate the objective there and return the evaluation."""
        # with many classes and columns, the memory of each gradient matters
        del self.evaluation
        self.params = params
        self.evaluation = self.objective.evaluate(params)
        return self.evaluation

    def leave_float32(self, params: NDArray) -> None:
        """Read the rows in float64 from now on, and move to params."""
        self.objective.rows.read_in_float64()
        self.progress.tell(FLOAT64_MESSAGE.format)
        self.move_to(params)

    def estimate(self, suboptimality: float) -> None:
        """Set the estimate of (F − F*) / F, at most 1."""
        self.suboptimality = min(1.0, suboptimality)

    def note(self) -> None:
        """Record an iteration that ended at the current params."""
        params, lift = self.params, self._lift
        self.progress.note(
            self.evaluation.value,
            self.suboptimality,
            self.objective.n_evals,
            lambda: params if lift is None else lift(params),
        )

    def _first_recipe(self, best_recipe: Recipe) -> Recipe:
        if self.preconditioner is not None:
            return ReusedRecipe(self.objective, self.preconditioner)
        coef, _ = self.objective.split(self.params)
        if self.objective.rows.typical_offset is None and not coef.any():
            return uniform_recipe(self.objective, best_recipe)
        return best_recipe

    def _settle_shift(self) -> None:
        """Remove the common shift that rounding has left, if the penalty sees it.

        No step has a shift. That of a start far away is its rounding error, which is
        large beside coefficients that a strong penalty makes tiny.
        """
        objective = self.objective
        if not objective.loss.ignores_common_shift:
            return
        settled = without_shift(objective, self.params)
        before, after = (
            objective.penalty.value(objective.split(params)[0])
            for params in (self.params, settled)
        )
        if before - after > max(self.tol, VISIBLE_SHIFT) * self.evaluation.value:
            self.move_to(settled)
            # F was mostly the penalty of the shift, and so were shares of F
            self.estimate(1.0)

    def _follow_newton_step(self) -> bool:
        """Move along the Newton step to the minimum of F; return whether F fell.

        SciPy's line search fails if the minimum is at a tiny share of the step.
        """
        assert self.preconditioner is not None  # set by the first round
        pulled = self.preconditioner.pull_back(self.evaluation.gradient)
        step = self.preconditioner.to_params(-pulled)
        lowest = follow(self.objective, self.params, self.evaluation, step)
        if lowest is None or lowest[1].value >= self.evaluation.value:
            return False
        self.params, self.evaluation = lowest
        self.note()
        return True

    def _is_separable(self) -> bool:
        """Whether unpenalised features alone classify every row correctly."""
        free = self.objective.penalty.is_free
        if not (free.any() and all_rows_are_correct(self.evaluation)):
            return False
        if free.all():
            return True
        params = self.params.copy()
        self.objective.split(params)[0][:, ~free] = 0
        return all_rows_are_correct(self.objective.evaluate(params))


class _HiddenByFloat32(Exception):
    """Rounding in float32 hides by how much F falls."""


class _FarFromQuadratic(Exception):
    """A line search takes long: the minimum is at a small share of the step."""


class _Round:
    """One run of SciPy's L-BFGS-B on the variables u, which start at 0.

    Parameters
    ----------
    fit : SmoothFit
    recipe, next_recipe : Recipe
        They build the preconditioners of this round and of the next.
    """

    def __init__(self, fit: SmoothFit, recipe: Recipe, next_recipe: Recipe):
        self._fit = fit
        self._next_recipe = next_recipe
        self._preconditioner = fit.start_round(recipe)
        self._origin = fit.params
        self._u = np.zeros_like(fit.params)
        self._gradient = self._preconditioner.pull_back(fit.evaluation.gradient)
        # SciPy's first step has length 1. In units of the length of the gradient, it is
        # −∇F: Newton's step if the Hessian is the identity.
        self._unit = float(np.linalg.norm(self._gradient)) or 1.0
        self._n_iterations = self._n_trials = 0
        # An exact Hessian makes older observations obsolete. An inexact one does not,
        # and there may be less curvature than its steps have observed.
        self._is_diagonal = recipe.is_diagonal
        self._curvatures = [] if recipe.is_full_hessian else fit.curvatures
        self._safety_factor = 1 if recipe.is_full_hessian or recipe.is_diagonal else 2
        self._estimates = [self._estimate()]
        fit.estimate(self._estimates[-1])

    def run(self) -> None:
        """Minimise until the fit stops or a fresh Hessian pays."""
        fit = self._fit
        if fit.should_stop():
            return
        self._previous = self._u, self._gradient
        self._previous_value = fit.evaluation.value
        n_iter = fit.progress.iterations_left(fit.max_iter)
        try:
            u = run_lbfgs(self._evaluate, self._u, self._after_iteration, n_iter)
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
            self._evaluate(self._previous[0] / self._unit)

    def _evaluate(self, scaled: NDArray) -> tuple[float, NDArray]:
        """Evaluate F at u = unit · scaled; return it and its gradient."""
        fit = self._fit
        u = scaled * self._unit
        if not np.array_equal(u, self._u):
            fit.progress.begin()
            self._u = u
            del self._gradient
            params = self._preconditioner.to_params(u)
            params += self._origin
            evaluation = fit.move_to(params)
            self._n_trials += 1
            if self._n_trials > 1 and self._is_hidden_by_float32(evaluation.value):
                raise _HiddenByFloat32
            if self._n_trials > MAX_TRIALS_OF_SCIPY:
                raise _FarFromQuadratic
            self._gradient = self._preconditioner.pull_back(evaluation.gradient)
        if not np.isfinite(fit.evaluation.value):
            return OVERFLOW_VALUE, np.nan_to_num(self._gradient * self._unit)
        return fit.evaluation.value, self._gradient * self._unit

    def _last_iterate(self) -> NDArray:
        """Return the params of the last iteration, or of the start."""
        return self._preconditioner.to_params(self._previous[0]) + self._origin

    def _bisect_step(self) -> None:
        """Replace the rest of SciPy's line search by bisection, and end the round.

        Where rows saturate along a step, F is nearly linear on both sides of a bend.
        SciPy interpolates its values by polynomials, and may take 40 trials there.
        """
        fit = self._fit
        step = self._preconditioner.to_params(self._u - self._previous[0])
        fit.move_to(self._last_iterate())
        lowest = follow(fit.objective, fit.params, fit.evaluation, step, flat=FLAT)
        if lowest is not None and lowest[1].value < fit.evaluation.value:
            fit.params, fit.evaluation = lowest
            fit.note()

    def _is_hidden_by_float32(self, value: float) -> bool:
        """Whether rounding in float32 may hide a change of F since the last step.

        A line search would then take trial after trial in the noise.
        """
        is_float32 = self._fit.objective.rows.dtype == np.float32
        change = abs(value - self._previous_value)
        is_hidden = np.isfinite(value) and change <= FLOAT32_NOISE * abs(value)
        return bool(is_float32 and is_hidden)

    def _after_iteration(self, scaled: NDArray) -> None:
        fit = self._fit
        self._evaluate(scaled)
        if not np.isfinite(fit.evaluation.value):
            raise StopIteration
        step = self._u - self._previous[0]
        curvature = step @ (self._gradient - self._previous[1]) / max(step @ step, TINY)
        self._curvatures.append(float(curvature))
        self._n_iterations += 1
        self._previous = self._u, self._gradient
        self._previous_value = fit.evaluation.value
        self._n_trials = 0
        self._estimates.append(self._estimate())
        fit.estimate(self._estimates[-1])
        fit.note()
        if fit.should_stop() or self._refresh_pays():
            raise StopIteration
        expected = (1 - fit.suboptimality) * fit.evaluation.value
        if self._is_hidden_by_float32(expected):
            raise _HiddenByFloat32

    def _estimate(self) -> float:
        """Estimate (F − F*) / F from the gradient and recently observed curvature."""
        decrement = 0.5 * self._safety_factor * float(self._gradient @ self._gradient)
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
        if self._n_iterations < max(n_fresh, price / 4):
            return False
        earlier, latest = self._estimates[-n_fresh], self._estimates[-1]
        rate = np.log(earlier / latest) / (n_fresh - 1)
        remaining = np.log(latest / self._fit.tol) if self._fit.tol else np.inf
        return rate <= 0 or remaining / rate > price + n_fresh


def without_shift(objective: Objective, params: NDArray) -> NDArray:
    """Return params that sum to 0 over the classes of a softmax.

    A common shift of all classes does not change the loss, and no round changes it.
    The penalty is smallest without one.
    """
    if not objective.loss.ignores_common_shift:
        return params
    return centred(params.reshape(objective.n_logits, -1).copy()).ravel()


def _describe_round(number: int, objective: Objective, recipe: Recipe) -> str:
    """Return which Hessian preconditions a round, for messages."""
    is_all = recipe.n_sampled >= objective.n_samples
    rows = "all" if is_all else f"a sample of {recipe.n_sampled}"
    return f"round {number}: preconditioned by {recipe.description}, from {rows} rows"
