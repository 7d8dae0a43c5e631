"""Which preconditioner promises the least time in all, from the sizes alone."""

from numpy.typing import NDArray

from ...model.objective import Objective
from .base import Preconditioner, Recipe
from .by_class import ClassRecipe, SharedRecipe
from .coupled import CoupledRecipe
from .diagonal import DiagonalRecipe
from .prices import MAX_PRECONDITIONER_BYTES, price_of_exact_hessian

# A fit is expected to build its preconditioner so many times: at the start, and once
# near the optimum.
N_PRECONDITIONER_BUILDS = 2


def choose(objective: Objective) -> Recipe:
    """Return the recipe that promises the least time in all.

    Each is priced in evaluations: those that it takes to converge, the changes of
    variables in them, and what it costs to build it a few times.
    """
    kinds = [DiagonalRecipe, ClassRecipe]
    if objective.n_logits > 1:
        kinds += [SharedRecipe, CoupledRecipe]
    recipes = [kind(objective) for kind in kinds]
    return min(
        (r for r in recipes if r.n_bytes <= MAX_PRECONDITIONER_BYTES), key=_price_in_all
    )


def choose_again(objective: Objective, recipe: Recipe) -> Recipe:
    """Return the recipe to go on with: the whole Hessian once as much has been spent.

    So a fit never takes much more than twice what the better of the two would.
    """
    if recipe.is_full_hessian or price_of_exact_hessian(objective) > objective.n_evals:
        return recipe
    return full_hessian_recipe(objective)


def full_hessian_recipe(objective: Objective) -> Recipe:
    """Return the recipe with the Hessian of all params, from all rows."""
    if objective.n_logits == 1:
        return ClassRecipe(objective, n_sampled=objective.n_samples)
    return CoupledRecipe(objective)


class ReusedRecipe(Recipe):
    """The recipe of a preconditioner that is there already."""

    description = "what an earlier fit was preconditioned by"

    def __init__(self, objective: Objective, preconditioner: Preconditioner):
        super().__init__(objective)
        self._preconditioner = preconditioner

    def build(self, objective: Objective, params: NDArray) -> Preconditioner:
        """Return the preconditioner, wherever ``params`` are."""
        return self._preconditioner


def exact_preconditioner(objective: Objective, params: NDArray) -> Preconditioner:
    """Return the preconditioner by the whole Hessian at ``params``."""
    return full_hessian_recipe(objective).build(objective, params)


def _price_in_all(recipe: Recipe) -> float:
    of_evaluations = recipe.evaluations * (1 + recipe.apply_price)
    return of_evaluations + N_PRECONDITIONER_BUILDS * recipe.build_price
