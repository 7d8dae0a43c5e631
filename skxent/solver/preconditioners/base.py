"""The base classes of preconditioners and of the recipes that build them."""

from typing import ClassVar

from numpy.typing import NDArray

from ...model.objective import Objective


class Preconditioner:
    """A change of variables ``params = base + T u``.

    Attributes
    ----------
    is_nearly_singular : bool
        Whether the ridge of a factor hides directions of little curvature.
    is_averaged : bool
        Whether it averages the Hessians of the classes.
    is_well_conditioned : bool
        Whether no direction of little curvature is known.
    curvature : ndarray of shape (n_params,)
        The diagonal of the Hessian. Only preconditioners from a full Hessian have it.
    """

    curvature: NDArray
    is_nearly_singular = False
    is_averaged = False
    is_well_conditioned = False

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u."""
        raise NotImplementedError

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient: the gradient in the variables u."""
        raise NotImplementedError

    def with_l2(self, l2: NDArray) -> "Preconditioner":
        """Return the same preconditioner for another ridge, (d,)."""
        raise NotImplementedError

    def decrement_outside(self, gradient: NDArray) -> float:
        """Return what a Newton step may gain outside of the range of T."""
        return 0.0


class Recipe:
    """How to build a preconditioner, its price and its quality.

    Prices are in units of an evaluation of F and its gradient.

    Parameters
    ----------
    objective : Objective

    Attributes
    ----------
    description : str
        The kind of curvature, for messages.
    evaluations : float
        The evaluations of a fit to a relative suboptimality of 1e-8, a median over real
        data.
    n_evals_when_fresh : int
        Evaluations to convergence once the Hessian is that of the optimum.
    is_diagonal : bool
        Whether it only centres and scales columns.
    is_full_hessian : bool
        Whether it uses the Hessian of all params.
    n_sampled : int
        The number of rows that contribute.
    n_bytes : int
        The memory of its matrices while it is built.
    build_price, apply_price : float
        The price of building it, and that of applying it in an evaluation.
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

    def with_more_rows(self, objective: Objective) -> "Recipe":
        """Return the recipe with a larger sample of rows, or itself."""
        return self

    def build(self, objective: Objective, params: NDArray) -> Preconditioner:
        """Return the preconditioner with the curvature at ``params``."""
        raise NotImplementedError


def centred(rows: NDArray) -> NDArray:
    """Subtract the mean over classes of a softmax, (L, e), in place.

    A common shift of all classes does not change the loss, and the penalty is smallest
    without one. Variables that are scaled by class would introduce it.
    """
    if len(rows) > 1:
        rows -= rows.mean(axis=0)
    return rows
