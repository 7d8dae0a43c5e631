"""Smooth objectives: L-BFGS in rounds of preconditioned variables.

Each round computes the curvature at the current params and changes variables so that
the Hessian is near the identity. L-BFGS then minimises ``u → (F, ∇_u F)``: SciPy's, or
`long_vectors` if there are thousands of variables. A round ends when a fresh Hessian
promises to be faster.

`single_round` holds what happens within a round.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from ..model.problem import Evaluation
from .fit import Fit
from .line_search import follow
from .preconditioners.base import Preconditioner, Recipe, centred
from .preconditioners.choice import (
    ReusedRecipe,
    choose,
    choose_again,
    first_recipe,
    is_try,
    judging_recipe,
    majorant_recipe,
)
from .progress import Progress
from .single_round import Round
from .stopping import (
    CONVERGED,
    SEPARABLE,
    STALLED,
    STOPPED,
    all_rows_are_correct,
)

# Of F: a penalty that a common shift of all classes may cost.
VISIBLE_SHIFT = 1e-12
FLOAT64_MESSAGE = "float64 from here on"


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
        # whether bisection has replaced a line search since a first trial was accepted
        self.is_far_from_quadratic = False

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
            Round(self, recipe, best_recipe).run()
            self._settle_shift()
            was_a_try = is_try(recipe, best_recipe)
            best_recipe = choose_again(objective, best_recipe)
            if self.is_far_from_quadratic:
                # a sample may miss the rows that end the next steps
                best_recipe = best_recipe.with_more_rows(objective)
            recipe = best_recipe
            has_left_float32 = objective.rows.dtype != dtype
            if was_a_try and (self.suboptimality <= self.tol or has_left_float32):
                # A diagonal does not see that columns are nearly collinear. A Hessian
                # of few rows does: it judges, and goes on if need be.
                self.estimate(1.0)
                recipe = judging_recipe(objective)
            elif has_left_float32:
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
            return first_recipe(self.objective, best_recipe)
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
        with np.errstate(over="ignore", invalid="ignore"):
            pulled = self.preconditioner.pull_back(self.evaluation.gradient)
            step = self.preconditioner.to_params(-pulled)
        if not np.isfinite(step).all():
            return False
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
