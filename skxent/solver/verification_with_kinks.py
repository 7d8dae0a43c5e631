"""The step that judges an answer with kinks and bounds: to the minimum of its model.

Newton's step knows nothing of kinks. The quadratic model does, but it is made of a
matrix, whose ridge hides what columns that are nearly collinear may gain. So a Newton
step of the coefficients away from kinks and bounds has a second look, with products
that keep their digits.
"""

import numpy as np
from numpy.typing import NDArray

from ..model.certificate import DualStep
from ..model.curvature import hessian_of_loss, hessian_times
from ..model.objective import Objective
from ..model.problem import Evaluation
from .hidden_directions import look_at_blind
from .preconditioners.face import FacePreconditioner
from .quadratic_model import RIDGES, QuadraticModel, promise
from .verification import NEGLIGIBLE_SHARE, NewtonStep, is_cheap, newton_step
from .working_set import MAX_COPIED_SHARE

# A column whose kink does not hold it during the step joins the model. The model is
# rebuilt at most so many times.
MAX_MODEL_REVISIONS = 3
# The Newton step replaces the model's step if it promises so many times as much.
REPLACING_FACTOR = 3
# Rounding of this share of the curvature makes a model useless.
MAX_CURVATURE_ROUNDING = 1e-8


def step_of_model(
    objective: Objective,
    params: NDArray,
    evaluation: Evaluation,
    enough: float,
) -> NewtonStep | None:
    """Return the step to the minimum of the quadratic model with kinks and bounds.

    The model has the Hessian there of the columns that are not 0, or leave it; those at
    a bound do not move, but are part of the logits.

    Parameters
    ----------
    objective : Objective
    params : ndarray of shape (n_params,)
    evaluation : Evaluation
        The objective there.
    enough : float
        A decrement that is of no account, in units of F.

    Returns
    -------
    NewtonStep or None
        None if the Hessian is too dear.
    """
    coef, _ = objective.split(params)
    moving = (coef != 0).any(axis=0)
    gradient, newton = evaluation.gradient, None
    for _ in range(MAX_MODEL_REVISIONS):
        slope, _ = objective.split(_least_gradient(objective, params, gradient))
        released = (slope != 0).any(axis=0) & ~moving
        if newton is not None and not released.any():
            break
        moving |= released
        newton = _step_on_columns(objective, params, evaluation, moving, enough)
        if newton is None:
            break
        gradient = evaluation.gradient + newton.dual.product.vector
    return newton


def _step_on_columns(
    objective: Objective,
    params: NDArray,
    evaluation: Evaluation,
    moving: NDArray,
    enough: float,
) -> NewtonStep | None:
    columns, part = np.flatnonzero(moving), objective
    if 0 < len(columns) < MAX_COPIED_SHARE * objective.n_features:
        part = objective.on_columns(columns)
    else:
        columns = np.arange(objective.n_features)
    if not is_cheap(part, objective.n_evals):
        return None
    start = objective.layout.take_columns(params, columns)
    gradient = objective.layout.take_columns(evaluation.gradient, columns)
    hessian = hessian_of_loss(part, start)
    left = _least_gradient(part, start, gradient)
    of_loss = part.gradient_of_loss(start, gradient)
    of_part, decrement = _step_of_part(part, start, of_loss, left, hessian, enough)

    def on_all_columns(of_part: NDArray) -> NDArray:
        step = np.zeros_like(params)
        objective.layout.put_columns(of_part, columns, out=step)
        return step

    step = on_all_columns(of_part)
    product = hessian_times(objective, params, step)
    newton = NewtonStep(DualStep(step, product), decrement, product.largest_change)
    blind = look_at_blind(
        part, start, left, hessian.diagonal(), NEGLIGIBLE_SHARE * enough
    )
    if blind is None:
        return newton
    # all rows that move are certain: F falls like a line
    step = on_all_columns(np.where(blind.params, blind.step, of_part))
    return NewtonStep(DualStep(step, product), decrement + blind.gain, np.inf)


def _step_of_part(
    part: Objective,
    start: NDArray,
    of_loss: NDArray,
    left: NDArray,
    hessian: NDArray,
    enough: float,
) -> tuple[NDArray, float]:
    """Return the better of two steps, and what it promises."""
    for ridge in RIDGES:
        model = QuadraticModel(part, hessian.copy(), ridge)
        answer, *gains = model.minimise(
            start, of_loss, enough=NEGLIGIBLE_SHARE**2 * enough
        )
        if not model.is_exhausted:
            break
    step, decrement = answer - start, promise(*gains)
    if model.is_well_conditioned:
        return step, decrement
    on_face, of_face = _step_on_face(part, start, of_loss, left, hessian, enough)
    if of_face > enough + REPLACING_FACTOR * decrement:
        return on_face, of_face
    return step, max(decrement, min(of_face, enough))


def _step_on_face(
    part: Objective,
    start: NDArray,
    of_loss: NDArray,
    left: NDArray,
    hessian: NDArray,
    enough: float,
) -> tuple[NDArray, float]:
    """Return the Newton step of coefficients away from kinks and bounds, or leaving.

    A coefficient that meets a kink or a bound stops there, and the promise is that of
    the step so shortened. Where rounding spoils the model, the whole step counts: any
    large promise is a reason to doubt.
    """
    coef, _ = part.split(start)
    penalty = part.penalty
    free = penalty.can_move(coef)
    change = FacePreconditioner(part, hessian, free)
    is_spoilt = change.rounding > MAX_CURVATURE_ROUNDING
    if not is_spoilt:
        change = FacePreconditioner(part, hessian, free | (part.split(left)[0] != 0))
    newton = newton_step(part, start, left, change, enough=enough, is_exact=True)
    if is_spoilt or np.isinf(newton.decrement):
        return newton.dual.step, newton.decrement
    beyond = start + newton.dual.step
    end = beyond.copy()
    there, _ = part.split(end)
    there[:] = penalty.clipped(there, coef)
    if part.loss.ignores_common_shift:
        there[:] = penalty.balanced(there)
    if np.array_equal(end, beyond):
        return newton.dual.step, newton.decrement
    step = end - start
    gain = penalty.value(coef) - penalty.value(there)
    gain -= float(of_loss @ step)
    gain -= 0.5 * hessian_times(part, start, step).curvature
    return step, gain


def _least_gradient(
    objective: Objective, params: NDArray, gradient: NDArray
) -> NDArray:
    """Return the gradient of F, 0 where a kink or a bound holds a coefficient."""
    left = gradient.copy()
    coef, _ = objective.split(params)
    of_coef, _ = objective.split(left)
    of_coef[:] = objective.penalty.least_slope(coef, of_coef)
    return left
