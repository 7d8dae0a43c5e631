"""The Newton step that verifies an answer, in the coordinates of the data.

A solver relies on a model: a stale Hessian, a row space, a working set. It cannot
notice that its model is wrong. The verification therefore uses none of them, but the
gradient g of F in float64 and the Hessian H at the answer. Preconditioned conjugate
gradients solve H δ = −g, with one pass over the data for each product with H. They
return::

    decrement       ½ gᵀH⁻¹g, the decrease that the Newton step δ promises; near the
                    optimum it is F − F*
    largest change  the largest change of any logit by δ

The cross-entropy is quasi-self-concordant: its curvature changes by at most a factor of
e^|dz| while logits change by dz (F. Bach (2010), doi:10.1214/09-EJS521). A step that
changes no logit by more than ½ keeps its promise. A longer step may saturate rows, and
F may fall far beyond it: `line_search.follow` continues as long as F falls.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.certificate import DualStep
from ..model.curvature import HessianProduct, hessian_times
from ..model.objective import Objective
from ..model.problem import Evaluation
from .preconditioners.base import Preconditioner
from .preconditioners.choice import exact_preconditioner
from .preconditioners.prices import price_of_exact_hessian
from .vanishing_curvature import closer_look, first_look, step_of_saturated_params

# A step that changes no logit by more than this can be trusted: the curvature changes
# by a factor of at most e^½.
TRUSTED_CHANGE = 0.5
# A decrement is negligible below this share of what the caller tolerates. It does not
# justify a step.
NEGLIGIBLE_SHARE = 1e-4
# A residual is mostly rounding if less than this share of its slope is left at a closer
# look.
TRUE_SHARE = 0.5


@dataclass(frozen=True)
class HessianBudget:
    """What the verification may spend on an exact Hessian, in evaluations.

    Attributes
    ----------
    evaluations : float
        It may always cost this many.
    if_averaged : float
        It may cost this many if the preconditioner averages the classes.
    share_of_fit : float
        It may cost this share of the evaluations of the fit.
    overhead : float
        What an evaluation takes in Python beside its work, in nanoseconds.
    """

    evaluations: float = 0.7
    if_averaged: float = 5.0
    share_of_fit: float = 0.03
    overhead: float = 3e5


@dataclass(frozen=True)
class ConjugateGradients:
    """When the conjugate gradients of the verification stop.

    Attributes
    ----------
    precision, exact_precision : float
        They stop when the decrement still to come is this share of the decrement so
        far. The exact Hessian as a preconditioner gives all digits at once.
    max_products, max_exact_products : int
        The largest number of products with the Hessian, each a pass over the data.
    early_share : float
        A well-conditioned preconditioner may stop them early, when all decrement is
        below this share of what the caller tolerates.
    """

    precision: float = 0.1
    exact_precision: float = 1e-6
    max_products: int = 10
    max_exact_products: int = 40
    early_share: float = 0.5


@dataclass(frozen=True)
class SingularHessian:
    """What to expect where a ridge hides directions of little curvature.

    Attributes
    ----------
    hidden_curvature : float
        The smallest curvature in a hidden direction, relative to the preconditioner's.
    suspicious_curvature : float
        Below this relative curvature a direction is inspected for rounding and for
        saturated rows.
    decrement_factor : float
        The promise is multiplied by this, as it may be too small.
    """

    hidden_curvature: float = 1e-8
    suspicious_curvature: float = 1e-3
    decrement_factor: float = 10


BUDGET = HessianBudget()
CG = ConjugateGradients()
SINGULAR = SingularHessian()


class NewtonStep(NamedTuple):
    """A step to the minimum of a quadratic model, and the decrease it promises.

    Attributes
    ----------
    dual : DualStep
        The step, and the Hessian of the mean loss times it.
    decrement : float
        About ½ gᵀH⁻¹g in units of F, an overestimate if in doubt; inf if rounding hides
        it.
    largest_change : float
        The largest change of any logit.
    is_exact : bool
        Whether the preconditioner was the exact Hessian at this point.
    """

    dual: DualStep
    decrement: float
    largest_change: float
    is_exact: bool = True

    @property
    def is_trusted(self) -> bool:
        """Whether the quadratic model holds along the step."""
        return self.largest_change <= TRUSTED_CHANGE


def step_of_all(
    objective: Objective,
    params: NDArray,
    evaluation: Evaluation,
    preconditioner: Preconditioner,
    tolerance: float,
    *,
    is_exact: bool,
) -> NewtonStep:
    """Return the Newton step of a smooth objective.

    Parameters
    ----------
    objective : Objective
    params : ndarray of shape (n_params,)
    evaluation : Evaluation
        F and its gradient at ``params``.
    preconditioner : Preconditioner
        Used if the exact Hessian is too expensive.
    tolerance : float
        A decrement below this does not matter, in units of F.
    is_exact : bool
        Whether the preconditioner is the exact Hessian at ``params``. Otherwise it is
        replaced by that, unless this is too expensive.
    """
    if not is_exact and is_cheap(
        objective, objective.n_evals, preconditioner.is_averaged
    ):
        is_exact = True
        preconditioner = exact_preconditioner(objective, params)
    gradient, saturated = evaluation.gradient, None
    if is_exact:
        negligible = NEGLIGIBLE_SHARE * tolerance
        saturated = step_of_saturated_params(
            objective, params, gradient, preconditioner.curvature, negligible
        )
    if saturated is not None:
        gradient = np.where(saturated.params, 0, gradient)
    newton = newton_step(
        objective,
        params,
        gradient,
        preconditioner,
        tolerance=tolerance,
        is_exact=is_exact,
    )
    if saturated is None:
        return newton
    # the saturated params move saturated rows only: F falls linearly
    dual = newton.dual._replace(step=newton.dual.step + saturated.step)
    return NewtonStep(dual, newton.decrement + saturated.gain, np.inf)


def is_cheap(objective: Objective, n_evals: int, is_averaged: bool = False) -> bool:
    """Whether an exact Hessian is cheap beside ``n_evals`` evaluations.

    If the preconditioner averages the classes, the Hessian may cost more: what a single
    class sees in a rare column is missing from the average.
    """
    price = price_of_exact_hessian(objective, BUDGET.overhead)
    evaluations = BUDGET.if_averaged if is_averaged else BUDGET.evaluations
    return price <= max(evaluations, BUDGET.share_of_fit * n_evals)


def newton_step(
    objective: Objective,
    params: NDArray,
    gradient: NDArray,
    preconditioner: Preconditioner,
    *,
    tolerance: float,
    is_exact: bool,
) -> NewtonStep:
    """Return the Newton step of a smooth objective, by conjugate gradients.

    Parameters
    ----------
    objective : Objective
    params : ndarray of shape (n_params,)
    gradient : ndarray of shape (n_params,)
        The gradient of F at ``params``.
    preconditioner : Preconditioner
        The Hessian is near the identity in its variables, or was when it was built.
    tolerance : float
        A decrement below this does not matter, in units of F.
    is_exact : bool
        Whether the preconditioner is the exact Hessian at ``params``.
    """

    def add_penalty_curvature(
        loss_product: NDArray, param_direction: NDArray
    ) -> NDArray:
        """Return the Hessian of F times a direction, from that of the mean loss."""
        total = loss_product.copy()
        of_coef, _ = objective.split(total)
        objective.penalty.add_curvature(objective.split(param_direction)[0], of_coef)
        return total

    residual = -preconditioner.pull_back(gradient)
    with np.errstate(over="ignore"):
        squared_norm = float(residual @ residual)
    u_direction = residual
    step, product = np.zeros_like(params), np.zeros_like(params)
    # with the parts that are promised but not taken
    whole_step = np.zeros_like(params)
    promised = largest_change = 0.0
    # a bound of the decrement beyond the directions so far
    unseen_decrement, smallest_curvature = 0.5 * squared_norm, 1.0
    of_intercepts, only_counts = None, False
    hidden_curvature = (
        SINGULAR.hidden_curvature if preconditioner.is_nearly_singular else 1.0
    )
    precision = CG.exact_precision if is_exact else CG.precision
    negligible = NEGLIGIBLE_SHARE * tolerance
    for n_products in range(CG.max_exact_products if is_exact else CG.max_products):
        # at least one product: a step that promises nothing may still change logits
        if squared_norm == 0 or (
            n_products
            and unseen_decrement
            <= hidden_curvature * max(precision * promised, negligible)
        ):
            break
        may_stop_early = (
            n_products and not is_exact and preconditioner.is_well_conditioned
        )
        if may_stop_early and promised + unseen_decrement <= CG.early_share * tolerance:
            break
        with np.errstate(over="ignore", invalid="ignore"):
            param_direction = preconditioner.to_params(u_direction)
            u_squared = float(u_direction @ u_direction)
        largest_square = max(squared_norm, u_squared)
        if not (largest_square < np.inf and np.isfinite(param_direction).all()):
            # rows so saturated that no number of float64 makes them respond
            largest_change = np.inf
            break
        of_loss = hessian_times(objective, params, param_direction)
        curvature = of_loss.curvature
        curvature += objective.penalty.curvature(objective.split(param_direction)[0])
        observed_curvature = curvature / u_squared
        is_suspicious = (
            observed_curvature < SINGULAR.suspicious_curvature
            or of_loss.largest_change == 0
        )
        if is_suspicious:
            look = closer_look(
                objective, params, whole_step, param_direction, squared_norm, of_loss
            )
        else:
            look = first_look(squared_norm, curvature, of_loss)
        of_intercepts = of_loss.of_intercepts
        of_step = look.length * param_direction
        logit_change = abs(look.length) * look.product.largest_change
        if look.is_linear and look.gain_of_model > negligible:
            # even if it gains little, as far as a row that ends it
            step += of_step
            largest_change, unseen_decrement = np.inf, look.gain
            break
        if (
            look.gain <= negligible
            and logit_change <= TRUSTED_CHANGE
            and (hidden_curvature == 1 or is_suspicious)
        ):
            # the gain does not justify a step, which may be long for lack of curvature
            largest_change += logit_change
            if hidden_curvature == 1:
                unseen_decrement = look.gain
                break
            # The next directions may gain more. What they gain counts, but a gain below
            # the tolerance does not justify a step either.
            only_counts = only_counts or look.slope >= TRUE_SHARE * squared_norm
        elif not only_counts or look.gain > tolerance:
            smallest_curvature = min(smallest_curvature, observed_curvature)
            step += of_step
            product += look.length * look.product.vector
            largest_change += logit_change
        whole_step += of_step
        promised += look.gain
        residual = residual - look.length * preconditioner.pull_back(
            add_penalty_curvature(look.product.vector, param_direction)
        )
        previous_norm, previous_direction = squared_norm, u_direction
        if look.is_close:
            # what is left of the slope is rounding
            share = (residual @ u_direction) / u_squared
            residual = residual - share * u_direction
        squared_norm = float(residual @ residual)
        u_direction = residual
        if look.slope >= TRUE_SHARE * previous_norm:
            u_direction = residual + squared_norm / previous_norm * previous_direction
        unseen_decrement = 0.5 * squared_norm / smallest_curvature
    else:
        if hidden_curvature < 1 and not only_counts:
            # there may be more directions that rounding hides from the preconditioner
            unseen_decrement = np.inf
    remaining_gradient = gradient + add_penalty_curvature(product, step)
    decrement = (
        promised
        + unseen_decrement
        + preconditioner.decrement_outside(remaining_gradient)
    )
    if is_exact and preconditioner.is_nearly_singular:
        decrement *= SINGULAR.decrement_factor
    dual = DualStep(step, HessianProduct(product, largest_change, 0.0, of_intercepts))
    return NewtonStep(dual, decrement, largest_change, is_exact)
