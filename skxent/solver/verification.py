"""Is a point the optimum? Judged in the coordinates of the data, by a Newton step.

A solver believes the model that it works with: variables in which the Hessian was near
the identity some steps ago, a row space, a working set. None of these can tell that it
is wrong. So the answer is judged by what they have no part in: the gradient of F in
float64 there, and the Hessian H at that very point. Conjugate gradients solve H δ = −g
with any change of variables for a preconditioner, one pass over the data for each
product with H::

    decrement  ½ gᵀH⁻¹g, what the Newton step δ promises: F − F* near the optimum
    change     the largest change of any logit by δ

The cross-entropy is quasi-self-concordant: its curvature changes by at most a factor of
e^|dz| while logits change by dz (F. Bach (2010), doi:10.1214/09-EJS521). A promise of a
step that changes no logit by more than ½ can be trusted. Where one changes more, rows
may saturate along δ, with much to gain beyond: `_line_search` follows it as long as F
falls.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.certificate import DualStep
from ..model.curvature import HessianProduct, hessian_times
from ..model.objective import Objective
from ..model.problem import Evaluation
from .hidden_directions import look_along, look_at_blind
from .preconditioners.base import Preconditioner
from .preconditioners.choice import exact_preconditioner
from .preconditioners.prices import price_of_exact_hessian

# A Hessian of its own may cost the verification so many evaluations, or this share of
# those so far. In Python, each of them takes so many nanoseconds.
CHEAP, CHEAP_SHARE = 0.7, 0.03
OVERHEAD = 3e5
# The largest change of a logit for which a promise holds.
TRUSTED_CHANGE = 0.5
# Conjugate gradients end when what they have not seen may promise this part of what
# they have. An exact Hessian for a preconditioner gives all digits at once.
PRECISION, EXACT_PRECISION = 0.1, 1e-6
# What is promised where directions of little curvature are hidden may be too little.
HIDDEN_FACTOR = 10
# Where a ridge hides directions of little curvature, there may be this little.
HIDDEN, FAINT = 1e-8, 1e-3
# This part of a decrement of no account is not worth a step.
NEGLIGIBLE = 1e-4
# A preconditioner that is well conditioned has told enough below this part of it.
HOPEFUL = 0.5
# Products at the most, of any preconditioner and of an exact one.
MAX_PRODUCTS, MAX_EXACT_PRODUCTS = 10, 40


class NewtonStep(NamedTuple):
    """A step towards the optimum of the quadratic model, and what it promises.

    Attributes
    ----------
    dual : DualStep
        The step, and the Hessian of the mean loss times it.
    decrement : float
        About ½ gᵀH⁻¹g, rather too much than too little, in units of F; inf where
        rounding hides it.
    largest_change : float
        Of a logit.
    is_exact : bool
        Whether the Hessian at the very point was the preconditioner.
    """

    dual: DualStep
    decrement: float
    largest_change: float
    is_exact: bool = True

    @property
    def is_trusted(self) -> bool:
        """Whether F follows the model along the step."""
        return self.largest_change <= TRUSTED_CHANGE


def step_of_all(
    objective: Objective,
    params: NDArray,
    evaluation: Evaluation,
    change: Preconditioner,
    enough: float,
) -> NewtonStep:
    """Return the Newton step of a smooth objective.

    Parameters
    ----------
    objective : Objective
    params : ndarray of shape (n_params,)
    evaluation : Evaluation
        The objective there.
    change : Preconditioner
        The preconditioner, if the Hessian there is too dear.
    enough : float
        A decrement that is of no account, in units of F.
    """
    is_exact = is_cheap(objective, objective.n_evals)
    if is_exact:
        change = exact_preconditioner(objective, params)
    gradient, blind = evaluation.gradient, None
    if is_exact:
        negligible = NEGLIGIBLE * enough
        blind = look_at_blind(objective, params, gradient, change.curvature, negligible)
    if blind is not None:
        gradient = np.where(blind.params, 0, gradient)
    newton = newton_step(
        objective, params, gradient, change, enough=enough, is_exact=is_exact
    )
    if blind is None:
        return newton
    # all rows that the blind params move are certain: F falls like a line
    dual = newton.dual._replace(step=newton.dual.step + blind.step)
    return NewtonStep(dual, newton.decrement + blind.gain, np.inf)


def is_cheap(objective: Objective, n_evals: int) -> bool:
    """Whether the fit so far, of ``n_evals`` evaluations, makes up for a Hessian."""
    price = price_of_exact_hessian(objective, OVERHEAD)
    return price <= max(CHEAP, CHEAP_SHARE * n_evals)


def newton_step(
    objective: Objective,
    params: NDArray,
    gradient: NDArray,
    change: Preconditioner,
    *,
    enough: float,
    is_exact: bool,
) -> NewtonStep:
    """Return the Newton step of a smooth objective, by conjugate gradients.

    Parameters
    ----------
    objective : Objective
    params : ndarray of shape (n_params,)
    gradient : ndarray of shape (n_params,)
        That of F there.
    change : Preconditioner
        In which the Hessian is near the identity, or was.
    enough : float
        A decrement that is of no account, in units of F.
    is_exact : bool
        Whether the change of variables has the Hessian at ``params``.
    """

    def with_penalty(of_loss: NDArray, along: NDArray) -> NDArray:
        """Return the product of the Hessian of F, from that of the mean loss."""
        total = of_loss.copy()
        of_coef, _ = objective.split(total)
        objective.penalty.add_curvature(objective.split(along)[0], of_coef)
        return total

    residual = -change.pull_back(gradient)
    size = float(residual @ residual)
    direction = residual
    step, product = np.zeros_like(params), np.zeros_like(params)
    promised, largest, unseen, smallest = 0.0, 0.0, 0.5 * size, 1.0
    of_intercept = None
    rarest = HIDDEN if change.is_nearly_singular else 1.0
    precision = EXACT_PRECISION if is_exact else PRECISION
    negligible = NEGLIGIBLE * enough
    for n_done in range(MAX_EXACT_PRODUCTS if is_exact else MAX_PRODUCTS):
        # one product at least: a step that promises nothing may still change logits
        if size == 0 or (
            n_done and unseen <= rarest * max(precision * promised, negligible)
        ):
            break
        is_sure = n_done and not is_exact and change.is_well_conditioned
        if is_sure and promised + unseen <= HOPEFUL * enough:
            break
        along = change.to_params(direction)
        of_loss, of_logit, curvature, of_intercept = hessian_times(
            objective, params, along
        )
        turned = change.pull_back(with_penalty(of_loss, along))
        curvature += objective.penalty.curvature(objective.split(along)[0])
        share = curvature / float(direction @ direction)
        if share < FAINT or of_logit == 0:
            hidden = look_along(
                objective, params, along, of_logit, size, curvature, enough
            )
            if hidden is not None:
                if hidden.room:
                    step += hidden.room * along
                    largest = np.inf
                unseen = hidden.gain
                break
        length = size / curvature
        gain = 0.5 * length * size
        if (
            gain <= negligible
            and length * of_logit <= TRUSTED_CHANGE
            and (rarest == 1 or share < FAINT)
        ):
            # not worth a step, which may be long where no curvature is left
            largest += length * of_logit
            unseen = gain
            break
        smallest = min(smallest, share)
        step += length * along
        product += length * of_loss
        largest += length * of_logit
        promised += gain
        residual = residual - length * turned
        before, size = size, float(residual @ residual)
        unseen = 0.5 * size / smallest
        direction = residual + size / before * direction
    else:
        if rarest < 1:
            # directions that rounding hides from the preconditioner are still to come
            unseen = np.inf
    left = gradient + with_penalty(product, step)
    decrement = promised + unseen + change.decrement_outside(left)
    if is_exact and change.is_nearly_singular:
        decrement *= HIDDEN_FACTOR
    dual = DualStep(step, HessianProduct(product, largest, 0.0, of_intercept))
    return NewtonStep(dual, decrement, largest, is_exact)
