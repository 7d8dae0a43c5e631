"""What all preconditioners share, and what all recipes for them share."""

from typing import ClassVar

from numpy.typing import NDArray

from ...model.objective import Objective


class Preconditioner:
    """A change of variables ``params = base + T u``.

    Attributes
    ----------
    is_nearly_singular : bool
        Whether the ridge of a factor hides directions of little curvature.
    is_well_conditioned : bool
        Whether there are no directions of little curvature, as far as is known.
    curvature : ndarray of shape (n_params,)
        The diagonal of the Hessian, where the whole of it is known.
    """

    curvature: NDArray
    is_nearly_singular = False
    is_well_conditioned = False

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u."""
        raise NotImplementedError

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient: the gradient in the variables u."""
        raise NotImplementedError

    def decrement_outside(self, gradient: NDArray) -> float:
        """Return what a Newton step may gain that no variable reaches: nothing."""
        return 0.0


class Recipe:
    """How to make a preconditioner, what it costs and how good it is.

    Prices are in units of an evaluation of F and its gradient.

    Parameters
    ----------
    objective : Objective

    Attributes
    ----------
    description : str
        What it is made of, for messages.
    evaluations : float
        Those that a fit takes to a relative suboptimality of 1e-8, a median over real
        data.
    n_fresh : int
        Evaluations that are enough to converge once the Hessian is right.
    is_diagonal : bool
        Whether it scales columns and no more.
    is_whole : bool
        Whether it is made of the Hessian of all params together.
    n_sampled : int
        How many rows it is made of.
    n_bytes : int
        What its matrices take while it is made.
    build_price, apply_price : float
        The prices of making it, and of the changes of variables in an evaluation.
    """

    description: str
    evaluations: float
    n_evals_when_fresh: int
    is_diagonal: ClassVar[bool] = False
    is_full_hessian = False
    n_bytes = 0
    build_price = apply_price = 0.0

    def __init__(self, objective: Objective):
        self.n_sampled = objective.n_samples

    def build(self, objective: Objective, params: NDArray) -> Preconditioner:
        """Return the preconditioner with the curvature at ``params``."""
        raise NotImplementedError

    def where_probabilities_are_uniform(self, objective: Objective) -> "Recipe":
        """Return the recipe for a point where no row differs from another."""
        return self

    def majorant_recipe(self, objective: Objective) -> "Recipe":
        """Return the recipe with a curvature that is never too small far away.

        The Hessian may be that of a few rows, where most are certain and wrong. A
        majorant sees them all, and its first step never fails.
        """
        raise NotImplementedError


def centred(rows: NDArray) -> NDArray:
    """Subtract the mean over classes of a softmax, (L, e), in place.

    The loss does not see a common shift of all logits, and the penalty is smallest
    without one; variables scaled by class would introduce it.
    """
    if len(rows) > 1:
        rows -= rows.mean(axis=0)
    return rows
