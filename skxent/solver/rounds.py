"""Smooth objectives: L-BFGS in rounds of preconditioned variables.

Each round takes the curvature where it stands, changes variables so that the Hessian is
near the identity, and lets SciPy minimise, which sees only ``u → (F, ∇_u F)``. A round
ends when the next one promises to be quicker.

In variables with the identity for a Hessian, ½‖∇_u F‖² is the decrease that a Newton
step promises: the distance to the optimum, in units of F. Where the Hessian is stale,
the estimate is divided by the smallest curvature that was observed over recent steps.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from ..model.problem import Evaluation
from .lbfgs import run_lbfgs
from .line_search import follow
from .preconditioners.base import Preconditioner, Recipe
from .preconditioners.choice import ReusedRecipe, choose, choose_again
from .progress import Progress
from .stopping import (
    CONVERGED,
    ITERATION_LIMIT,
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


class SmoothFit:
    """The rounds of one fit, and what they share.

    Parameters
    ----------
    objective : Objective
    start : ndarray of shape (n_params,)
    tol, max_iter
        As in `minimise`.
    progress : Progress
    lift : callable, default=None
        Takes params to those that listeners know, where these differ.
    preconditioner : Preconditioner, default=None
        That of an earlier fit, for the first round.

    Attributes
    ----------
    params, now : ndarray of shape (n_params,), Evaluation
        Where the fit is, and the objective there.
    suboptimality : float
        The estimate of (F − F*) / F there.
    preconditioner : Preconditioner or None
        That of the last round.
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
        lift: Callable[[NDArray], NDArray] | None = None,
        preconditioner: Preconditioner | None = None,
    ):
        self.objective = objective
        self.tol, self.max_iter = tol, max_iter
        self.progress = progress
        self.params = without_shift(objective, start)
        self.evaluation = objective.evaluate(self.params)
        self.suboptimality = 1.0
        self.preconditioner = preconditioner
        self.outcome = ITERATION_LIMIT
        self._lift = lift
        # the curvatures that steps with an inexact Hessian have shown
        self.curvatures: list[float] = []

    def run(self) -> None:
        """Go on until the estimate is at most ``tol``, or no round helps."""
        objective = self.objective
        best_recipe = choose(objective)
        recipe = self._first_recipe(best_recipe)
        n_rounds = n_stuck = 0
        while not self.should_stop():
            previous_value = self.evaluation.value
            n_rounds += 1
            self.progress.tell(_describe_round, n_rounds, objective, recipe)
            _Round(self, recipe, best_recipe).run()
            recipe = best_recipe = choose_again(objective, best_recipe)
            if self.evaluation.value < previous_value:
                n_stuck = 0
            elif self.should_stop():
                break
            elif objective.rows.read_in_float64():
                # what rounding errors of float32 hide may be seen
                self.progress.tell("float64 from here on".format)
                self.evaluation = objective.evaluate(self.params)
            elif self._follow_newton_step():
                n_stuck = 0 if n_stuck > 1 else n_stuck + 1
            elif n_stuck < 2:
                n_stuck = 2
            else:
                self.outcome = STALLED
                break
            if n_stuck == 2:
                recipe = best_recipe.majorant_recipe(objective)

    def should_stop(self) -> bool:
        """Whether to stop here; if so, ``outcome`` says why."""
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
        """Return the preconditioner of the next round, with the curvature here."""
        self.preconditioner = recipe.build(self.objective, self.params)
        return self.preconditioner

    def move_to(self, params: NDArray) -> Evaluation:
        """Evaluate the objective at some params, and stay there."""
        # with many classes of many columns, each vector that is let go matters
        del self.evaluation
        self.params = params
        self.evaluation = self.objective.evaluate(params)
        return self.evaluation

    def estimate(self, suboptimality: float) -> None:
        """Take the estimate of (F − F*) / F."""
        self.suboptimality = min(1.0, suboptimality)

    def note(self) -> None:
        """Note an iteration that has led here."""
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
            return best_recipe.where_probabilities_are_uniform(self.objective)
        return best_recipe

    def _follow_newton_step(self) -> bool:
        """Go along the Newton step as far as F falls; return whether it does.

        SciPy's line search gives up where the minimum is at a tiny part of the step.
        """
        assert self.preconditioner is not None  # a round has come first
        pulled = self.preconditioner.pull_back(self.evaluation.gradient)
        step = self.preconditioner.to_params(-pulled)
        lowest = follow(self.objective, self.params, self.evaluation, step)
        if lowest is None or lowest[1].value >= self.evaluation.value:
            return False
        self.params, self.evaluation = lowest
        self.note()
        return True

    def _is_separable(self) -> bool:
        """Whether features without a penalty give each row its class."""
        free = self.objective.penalty.is_free
        if not (free.any() and all_rows_are_correct(self.evaluation)):
            return False
        if free.all():
            return True
        params = self.params.copy()
        self.objective.split(params)[0][:, ~free] = 0
        return all_rows_are_correct(self.objective.evaluate(params))


class _Round:
    """One run of SciPy's L-BFGS-B on the variables u, which start at 0.

    Parameters
    ----------
    fit : SmoothFit
    recipe, next_recipe : Recipe
        For the preconditioner of this round and of the next.
    """

    def __init__(self, fit: SmoothFit, recipe: Recipe, next_recipe: Recipe):
        self._fit = fit
        self._next_recipe = next_recipe
        self._preconditioner = fit.start_round(recipe)
        self._origin = fit.params
        self._u = np.zeros_like(fit.params)
        self._gradient = self._preconditioner.pull_back(fit.evaluation.gradient)
        # SciPy's first step has length 1. In these units that is the step −∇F, which
        # is Newton's where the Hessian is the identity.
        self._unit = float(np.linalg.norm(self._gradient)) or 1.0
        self._n_iterations = 0
        # An exact Hessian starts with a clean slate. Another is as good as the last,
        # and there may be less curvature than its steps have shown.
        self._is_diagonal = recipe.is_diagonal
        self._curvatures = [] if recipe.is_full_hessian else fit.curvatures
        self._safety_factor = 1 if recipe.is_full_hessian or recipe.is_diagonal else 2
        self._estimates = [self._estimate()]
        fit.estimate(self._estimates[-1])

    def run(self) -> None:
        """Minimise until the fit is done or a fresh Hessian pays."""
        fit = self._fit
        if fit.should_stop():
            return
        self._previous = self._u, self._gradient
        n_iter = fit.progress.iterations_left(fit.max_iter)
        u = run_lbfgs(self._evaluate, self._u, self._after_iteration, n_iter)
        # a line search that failed has left its last trial behind
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
            self._gradient = self._preconditioner.pull_back(evaluation.gradient)
        if not np.isfinite(fit.evaluation.value):
            # far beyond the optimum: SciPy's line search needs a number to turn back
            return OVERFLOW_VALUE, np.nan_to_num(self._gradient * self._unit)
        return fit.evaluation.value, self._gradient * self._unit

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
        self._estimates.append(self._estimate())
        fit.estimate(self._estimates[-1])
        fit.note()
        if fit.should_stop() or self._refresh_pays():
            raise StopIteration

    def _estimate(self) -> float:
        """Estimate (F − F*) / F from the gradient and the curvature observed lately."""
        decrement = 0.5 * self._safety_factor * float(self._gradient @ self._gradient)
        curvature = min([1.0, *self._curvatures[-N_RECENT_STEPS:]])
        if decrement == 0:
            return 0.0
        objective, evaluation = self._fit.objective, self._fit.evaluation
        value = max(evaluation.value, TINY)
        estimate = decrement / max(curvature, MIN_CURVATURE_RATIO) / value
        if self._is_diagonal and objective.penalty.is_strongly_convex:
            # Directions of little curvature may be missed for long. The penalty's is
            # a bound from below: the truth lies between the estimates by both.
            bound = objective.penalty.decrement(objective.split(evaluation.gradient)[0])
            estimate = np.sqrt(estimate * max(bound / value, estimate))
        return estimate

    def _refresh_pays(self) -> bool:
        """Whether a fresh Hessian promises to be quicker than going on."""
        n_evals_when_fresh, price = (
            self._next_recipe.n_evals_when_fresh,
            self._next_recipe.build_price,
        )
        if self._n_iterations < max(n_evals_when_fresh, price / 4):
            return False
        start, evaluation = self._estimates[-n_evals_when_fresh], self._estimates[-1]
        rate = np.log(start / evaluation) / (n_evals_when_fresh - 1)
        remaining = np.log(evaluation / self._fit.tol) if self._fit.tol else np.inf
        return rate <= 0 or remaining / rate > price + n_evals_when_fresh


def without_shift(objective: Objective, params: NDArray) -> NDArray:
    """Return params whose classes sum to 0 where the penalty asks for it.

    The loss does not see a common shift of all classes, and no round changes it.
    """
    if not objective.loss.ignores_common_shift:
        return params
    rows = params.reshape(objective.n_logits, -1)
    return (rows - rows.mean(axis=0)).ravel()


def _describe_round(number: int, objective: Objective, recipe: Recipe) -> str:
    """Say which Hessian preconditions a round."""
    is_all = recipe.n_sampled >= objective.n_samples
    rows = "all" if is_all else f"a sample of {recipe.n_sampled}"
    return f"round {number}: preconditioned by {recipe.description}, from {rows} rows"
