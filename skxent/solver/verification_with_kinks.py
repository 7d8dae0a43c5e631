"""The step that verifies an answer with kinks and bounds: to the minimum of its model.

A Newton step ignores kinks. The quadratic model does not, but the ridge of its matrix
hides what nearly collinear columns may gain. A second step checks it: the Newton step
of the coefficients away from kinks and bounds, by products with the Hessian, which keep
their digits.
"""

import numpy as np
from numpy.typing import NDArray

from ..model.certificate import DualStep
from ..model.curvature import hessian_of_loss, hessian_times
from ..model.objective import Objective
from ..model.problem import Evaluation
from .preconditioners.face import FacePreconditioner
from .quadratic_model import RIDGES, QuadraticModel, promise
from .vanishing_curvature import step_of_saturated_params
from .verification import NEGLIGIBLE_SHARE, NewtonStep, is_cheap, newton_step
from .working_set import MAX_COPIED_SHARE

# A column whose kink does not hold it during the step joins the model. The model is
# rebuilt at most this many times.
MAX_MODEL_REVISIONS = 3
# The Newton step replaces the model's step if it promises this many times as much.
REPLACING_FACTOR = 3
# Rounding of this share of the curvature makes a model useless.
MAX_CURVATURE_ROUNDING = 1e-8


def step_of_model(
    objective: Objective,
    params: NDArray,
    evaluation: Evaluation,
    tolerance: float,
) -> NewtonStep | None:
    """Return the step to the minimum of the quadratic model with kinks and bounds.

    The model has the columns whose coefficients are not 0 at ``params`` or leave 0.
    Coefficients at a bound may stay there, but contribute to the logits.

    Parameters
    ----------
    objective : Objective
    params : ndarray of shape (n_params,)
    evaluation : Evaluation
        F and its gradient at ``params``.
    tolerance : float
        A decrement below this does not matter, in units of F.

    Returns
    -------
    NewtonStep or None
        None if the Hessian is too expensive.
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
        newton = _step_on_columns(objective, params, evaluation, moving, tolerance)
        if newton is None:
            break
        gradient = evaluation.gradient + newton.dual.product.vector
    return newton


def _step_on_columns(
    objective: Objective,
    params: NDArray,
    evaluation: Evaluation,
    moving: NDArray,
    tolerance: float,
) -> NewtonStep | None:
    """Return the step on the columns that move, or None if it is too expensive."""
    columns, subset = np.flatnonzero(moving), objective
    if 0 < len(columns) < MAX_COPIED_SHARE * objective.n_features:
        subset = objective.on_columns(columns)
    else:
        columns = np.arange(objective.n_features)
    if not is_cheap(subset, objective.n_evals):
        return None
    start = objective.layout.take_columns(params, columns)
    gradient = objective.layout.take_columns(evaluation.gradient, columns)
    hessian = hessian_of_loss(subset, start)
    remaining_gradient = _least_gradient(subset, start, gradient)
    loss_gradient = subset.gradient_of_loss(start, gradient)
    subset_step, decrement = _step_of_subset(
        subset, start, loss_gradient, remaining_gradient, hessian, tolerance
    )

    def expand(of_subset: NDArray) -> NDArray:
        """Return a step of all params, from one of the subset."""
        step = np.zeros_like(params)
        objective.layout.put_columns(of_subset, columns, out=step)
        return step

    step = expand(subset_step)
    product = hessian_times(objective, params, step)
    newton = NewtonStep(DualStep(step, product), decrement, product.largest_change)
    saturated = step_of_saturated_params(
        subset,
        start,
        remaining_gradient,
        hessian.diagonal(),
        NEGLIGIBLE_SHARE * tolerance,
    )
    if saturated is None:
        return newton
    # the saturated params move saturated rows only: F falls linearly
    step = expand(np.where(saturated.params, saturated.step, subset_step))
    return NewtonStep(DualStep(step, product), decrement + saturated.gain, np.inf)


def _step_of_subset(
    subset: Objective,
    start: NDArray,
    loss_gradient: NDArray,
    remaining_gradient: NDArray,
    hessian: NDArray,
    tolerance: float,
) -> tuple[NDArray, float]:
    """Return the better of two steps, and the decrement that it promises."""
    for ridge in RIDGES:
        model = QuadraticModel(subset, hessian.copy(), ridge)
        answer, *gains = model.minimise(
            start, loss_gradient, tolerance=NEGLIGIBLE_SHARE**2 * tolerance
        )
        if not model.is_exhausted:
            break
    step, decrement = answer - start, promise(*gains)
    if model.is_well_conditioned:
        return step, decrement
    face_step, face_decrement = _step_on_face(
        subset, start, loss_gradient, remaining_gradient, hessian, tolerance
    )
    if face_decrement > tolerance + REPLACING_FACTOR * decrement:
        return face_step, face_decrement
    return step, max(decrement, min(face_decrement, tolerance))


def _step_on_face(
    subset: Objective,
    start: NDArray,
    loss_gradient: NDArray,
    remaining_gradient: NDArray,
    hessian: NDArray,
    tolerance: float,
) -> tuple[NDArray, float]:
    """Return the Newton step of free coefficients, and the decrement it promises.

    A coefficient is free if it is away from kinks and bounds, or about to leave one. If
    it meets a kink or a bound, it stops there, and the promise is that of the shortened
    step. If rounding spoils the model, the promise is that of the whole step: any large
    promise is then a reason for doubt.
    """
    coef, _ = subset.split(start)
    penalty = subset.penalty
    free = penalty.can_move(coef)
    preconditioner = FacePreconditioner(subset, hessian, free)
    is_unreliable = preconditioner.rounding > MAX_CURVATURE_ROUNDING
    if not is_unreliable:
        preconditioner = FacePreconditioner(
            subset, hessian, free | (subset.split(remaining_gradient)[0] != 0)
        )
    newton = newton_step(
        subset,
        start,
        remaining_gradient,
        preconditioner,
        tolerance=tolerance,
        is_exact=True,
    )
    if is_unreliable or np.isinf(newton.decrement):
        return newton.dual.step, newton.decrement
    newton_point = start + newton.dual.step
    clipped_point = newton_point.copy()
    clipped_coef, _ = subset.split(clipped_point)
    clipped_coef[:] = penalty.clipped(clipped_coef, coef)
    if subset.loss.ignores_common_shift:
        clipped_coef[:] = penalty.balanced(clipped_coef)
    if np.array_equal(clipped_point, newton_point):
        return newton.dual.step, newton.decrement
    step = clipped_point - start
    gain = penalty.value(coef) - penalty.value(clipped_coef)
    gain -= float(loss_gradient @ step)
    gain -= 0.5 * hessian_times(subset, start, step).curvature
    return step, gain


def _least_gradient(
    objective: Objective, params: NDArray, gradient: NDArray
) -> NDArray:
    """Return the least subgradient of F: 0 where a kink or a bound holds."""
    remaining_gradient = gradient.copy()
    coef, _ = objective.split(params)
    of_coef, _ = objective.split(remaining_gradient)
    of_coef[:] = objective.penalty.least_slope(coef, of_coef)
    return remaining_gradient
