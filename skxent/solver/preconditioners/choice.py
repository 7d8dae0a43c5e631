"""The choice of the preconditioner that promises the shortest fit, by size alone."""

from numpy.typing import NDArray

from ...model.curvature import hessian_of_loss
from ...model.objective import Objective
from .base import Preconditioner, Recipe
from .by_class import ClassPreconditioner, ClassRecipe, MajorantRecipe
from .coupled import CoupledPreconditioner, CoupledRecipe
from .diagonal import DiagonalMajorantRecipe, DiagonalRecipe
from .prices import (
    MAX_PRECONDITIONER_BYTES,
    ROWS_PER_COLUMN,
    price_of_exact_hessian,
)
from .shared import SharedRecipe

# A fit is expected to build its preconditioner this many times: at the start, and once
# near the optimum.
N_PRECONDITIONER_BUILDS = 2
# Whether the diagonal is enough shows after this many evaluations.
N_EVALS_OF_TRY = 5


def choose(objective: Objective) -> Recipe:
    """Return the recipe that promises the shortest fit.

    The price of each, in units of an evaluation, is the sum of the evaluations to
    convergence, of its use in them, and of building it a few times.
    """
    kinds = [DiagonalRecipe, ClassRecipe]
    if objective.n_logits > 1:
        kinds += [SharedRecipe, CoupledRecipe]
    recipes = [kind(objective) for kind in kinds]
    return min(
        (r for r in recipes if r.n_bytes <= MAX_PRECONDITIONER_BYTES), key=_total_price
    )


def choose_again(objective: Objective, recipe: Recipe) -> Recipe:
    """Return the recipe of the next round.

    It becomes the full Hessian once the fit has spent the price of one. A fit thus
    never takes much more than twice the time of the better choice.
    """
    if recipe.is_full_hessian or price_of_exact_hessian(objective) > objective.n_evals:
        return recipe
    return full_hessian_recipe(objective)


def full_hessian_recipe(objective: Objective) -> Recipe:
    """Return the recipe for the Hessian of all params, from all rows."""
    if objective.n_logits == 1:
        return ClassRecipe(objective, n_sampled=objective.n_samples)
    return CoupledRecipe(objective)


def first_recipe(objective: Objective, recipe: Recipe) -> Recipe:
    """Return the recipe for the start, where all rows have the same probabilities.

    There, the Hessians of the classes differ by a factor only: one serves all. If that
    costs more than a try with the diagonal, try this first: columns that are not
    correlated need no more.
    """
    if recipe.is_diagonal:
        return recipe
    if objective.n_logits > 1:
        recipe = SharedRecipe(objective, recipe.n_sampled)
    if objective.rows.is_sparse or recipe.build_price < N_EVALS_OF_TRY:
        return recipe
    return DiagonalRecipe(objective)


def is_try(recipe: Recipe, next_recipe: Recipe) -> bool:
    """Whether a round tries a diagonal before a Hessian."""
    return recipe.is_diagonal and not next_recipe.is_diagonal


def judging_recipe(objective: Objective) -> Recipe:
    """Return the recipe for a Hessian of few rows, which judges what a diagonal found.

    Columns that are nearly collinear are so in any sample. With twice as many rows as
    columns, its curvatures are too large by a factor of 3 at most.
    """
    n_sampled = ROWS_PER_COLUMN * objective.n_columns
    if objective.n_logits == 1:
        return ClassRecipe(objective, n_sampled)
    return SharedRecipe(objective, n_sampled)


def majorant_recipe(objective: Objective, recipe: Recipe) -> Recipe:
    """Return the recipe of the same kind with an upper bound of the curvature.

    If most rows are saturated and wrong, the Hessian knows only a few rows. A majorant
    includes them all, and its first step always lowers F.
    """
    if recipe.is_diagonal:
        return DiagonalMajorantRecipe(objective)
    return MajorantRecipe(objective)


class ReusedRecipe(Recipe):
    """The recipe that returns an existing preconditioner."""

    description = "what an earlier fit was preconditioned by"

    def __init__(self, objective: Objective, preconditioner: Preconditioner):
        super().__init__(objective)
        self._preconditioner = preconditioner

    def build(self, objective: Objective, params: NDArray) -> Preconditioner:
        """Return the preconditioner, whatever ``params`` are."""
        return self._preconditioner


def preconditioner_from(objective: Objective, hessian: NDArray) -> Preconditioner:
    """Return the preconditioner from the Hessian of the mean loss, (n_params,) * 2.

    The Hessian is overwritten.
    """
    if objective.n_logits == 1:
        return ClassPreconditioner(objective, hessian[None])
    return CoupledPreconditioner(objective, hessian)


def exact_preconditioner(objective: Objective, params: NDArray) -> Preconditioner:
    """Return the preconditioner from the full Hessian at ``params``."""
    return preconditioner_from(objective, hessian_of_loss(objective, params))


def _total_price(recipe: Recipe) -> float:
    """Return the price of a whole fit, in evaluations."""
    of_evaluations = recipe.evaluations * (1 + recipe.apply_price)
    return of_evaluations + N_PRECONDITIONER_BUILDS * recipe.build_price
