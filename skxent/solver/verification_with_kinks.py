"""The step that verifies an answer with kinks and bounds: to the minimum of its model.

A Newton step ignores kinks. The quadratic model does not, but the ridge of its matrix
hides what nearly collinear columns may gain. A second step checks it: the Newton step
of the coefficients away from kinks and bounds, by products with the Hessian, which keep
their digits.
"""

import numpy as np
from numpy.typing import NDArray

from ..model.certificate import DualStep
from ..model.curvature import HessianProduct, hessian_of_loss, hessian_times
from ..model.objective import Objective
from ..model.problem import Evaluation
from ..model.rounding import ordinary_change, typical_change
from .preconditioners.face import FacePreconditioner
from .quadratic_model import RIDGES, QuadraticModel, promise
from .vanishing_curvature import MAX_ORDINARY_CHANGE, step_of_saturated_params
from .verification import (
    NEGLIGIBLE_SHARE,
    TRUSTED_CHANGE,
    NewtonStep,
    is_cheap,
    newton_step,
)
from .working_set import MAX_COPIED_SHARE

# A column whose kink does not hold it during the step joins the model. The model is
# rebuilt at most this many times.
MAX_MODEL_REVISIONS = 3
# The Newton step continues behind a kink or a bound at most this many times.
MAX_FACES = 10
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
    subset_step, decrement, is_trusted = _step_of_subset(
        subset, start, loss_gradient, remaining_gradient, hessian, tolerance
    )

    def expand(of_subset: NDArray) -> NDArray:
        """Return a step of all params, from one of the subset."""
        step = np.zeros_like(params)
        objective.layout.put_columns(of_subset, columns, out=step)
        return step

    saturated = step_of_saturated_params(
        subset,
        start,
        remaining_gradient,
        hessian.diagonal(),
        NEGLIGIBLE_SHARE * tolerance,
    )
    if saturated is not None:
        # the model has next to no curvature for them, so its step is absurd
        subset_step = np.where(saturated.params, 0, subset_step)
    step = expand(subset_step)
    product = hessian_times(objective, params, step)
    if saturated is None:
        change = product.largest_change if is_trusted else np.inf
        if TRUSTED_CHANGE < change < np.inf and _is_exhausted(
            objective, params, step, decrement, tolerance
        ):
            change = TRUSTED_CHANGE
        if change <= TRUSTED_CHANGE and decrement <= NEGLIGIBLE_SHARE**2 * tolerance:
            # no reason to move a coefficient away from its kink
            step, change = np.zeros_like(step), 0.0
            product = HessianProduct(step, change, 0.0, product.of_intercepts)
        return NewtonStep(DualStep(step, product), decrement, change)
    # the saturated params move saturated rows only: F falls linearly
    step = step + expand(saturated.step)
    return NewtonStep(DualStep(step, product), decrement + saturated.gain, np.inf)


def _is_exhausted(
    objective: Objective,
    params: NDArray,
    step: NDArray,
    decrement: float,
    tolerance: float,
) -> bool:
    """Whether a step promises so little that no multiple of it is worth taking.

    F is convex: a longer step gains no more than the slope of F at its start times its
    length. The length is limited by what coefficients are not absurd.
    """
    if objective.loss.ignores_common_shift:
        step = step.copy()
        of_coef, _ = objective.split(step)
        of_coef -= of_coef.mean(axis=0)
    spread = ordinary_change(objective, params, step)
    spread = min(spread, typical_change(objective, step))
    # the slope is twice the decrement of the whole step
    return 2 * decrement * MAX_ORDINARY_CHANGE <= tolerance * spread


def _step_of_subset(
    subset: Objective,
    start: NDArray,
    loss_gradient: NDArray,
    remaining_gradient: NDArray,
    hessian: NDArray,
    tolerance: float,
) -> tuple[NDArray, float, bool]:
    """Return the better of two steps, its promise, and whether that can be trusted."""
    for ridge in RIDGES:
        model = QuadraticModel(subset, hessian.copy(), ridge)
        answer, *gains = model.minimise(start, loss_gradient, tolerance=0.0)
        if not model.is_exhausted:
            break
    step, decrement = answer - start, promise(*gains)
    if model.is_well_conditioned:
        return step, decrement, True
    face_step, face_decrement, is_trusted = _step_on_face(
        subset, start, loss_gradient, remaining_gradient, hessian, tolerance
    )
    if not is_trusted or face_decrement > tolerance + REPLACING_FACTOR * decrement:
        return face_step, face_decrement, is_trusted
    return step, max(decrement, min(face_decrement, tolerance)), True


def _step_on_face(
    subset: Objective,
    start: NDArray,
    loss_gradient: NDArray,
    remaining_gradient: NDArray,
    hessian: NDArray,
    tolerance: float,
) -> tuple[NDArray, float, bool]:
    """Return the Newton step of free coefficients, and the decrement it promises.

    The step is not trusted if saturated rows end it.

    A coefficient is free if it is away from kinks and bounds, or about to leave one.
    Where the step meets a kink or a bound, the next one follows on the face there, as
    long as the model can be trusted. If rounding spoils the model, the promise is that
    of the whole first step: any large promise is then a reason for doubt.
    """
    penalty = subset.penalty
    free = penalty.can_move(subset.split(start)[0])
    preconditioner = FacePreconditioner(subset, hessian, free)
    is_unreliable = preconditioner.rounding > MAX_CURVATURE_ROUNDING
    if not is_unreliable:
        free |= subset.split(remaining_gradient)[0] != 0
        preconditioner = FacePreconditioner(subset, hessian, free)
    point, gradient, decrement, is_trusted = start, remaining_gradient, 0.0, True
    for _ in range(MAX_FACES):
        newton = newton_step(
            subset,
            point,
            gradient,
            preconditioner,
            tolerance=tolerance,
            is_exact=True,
        )
        step = newton.dual.step
        if is_unreliable or np.isinf(newton.decrement):
            return point + step - start, newton.decrement, True
        is_trusted = newton.largest_change < np.inf
        of_coef, slope = subset.split(step)[0], subset.split(gradient)[0]
        at_kink = ~penalty.can_move(subset.split(point)[0])
        returns = at_kink & (of_coef * slope > 0)
        if returns.any():
            # the others draw it to the wrong side, so it stays
            free &= ~returns
            preconditioner = FacePreconditioner(subset, hessian, free)
            gradient = gradient.copy()
            subset.split(gradient)[0][returns] = 0
            continue
        shortened = _within_orthant(subset, point, loss_gradient, newton)
        if shortened is None:
            return point + step - start, decrement + newton.decrement, is_trusted
        step, gain, change = shortened
        if gain <= 0:
            is_trusted = True
            break
        point, decrement = point + step, decrement + gain
        is_small = is_trusted and newton.decrement <= tolerance
        if is_small or change > TRUSTED_CHANGE:
            break
        free &= penalty.can_move(subset.split(point)[0])
        preconditioner = FacePreconditioner(subset, hessian, free)
        gradient = subset.evaluate(point).gradient
        loss_gradient = subset.gradient_of_loss(point, gradient)
        subset.split(gradient)[0][~free] = 0
    return point - start, decrement, is_trusted


def _within_orthant(
    subset: Objective, start: NDArray, loss_gradient: NDArray, newton: NewtonStep
) -> tuple[NDArray, float, float] | None:
    """Return a Newton step as far as kinks and bounds allow, or None if all of it is.

    Either the coefficients that meet a kink or a bound stop there, or the whole step
    ends at the first. If only some stop, collinear columns no longer cancel.

    Returns
    -------
    step : ndarray of shape (n_params,)
    gain : float
        The decrease of F that the model promises for it.
    largest_change : float
        The largest change of a logit.
    """
    penalty, whole = subset.penalty, newton.dual.step
    coef, _ = subset.split(start)
    of_coef, _ = subset.split(whole)
    clipped = penalty.clipped(coef + of_coef, coef)
    stops = clipped != coef + of_coef
    share = np.full(coef.shape, np.inf)
    share[stops] = (clipped - coef)[stops] / of_coef[stops]

    def shortened(length: float, arrived: NDArray) -> tuple[NDArray, float, float]:
        """Return a share of the step that ends exactly at kinks and bounds."""
        end = start + length * whole
        end_coef, _ = subset.split(end)
        end_coef[arrived] = clipped[arrived]
        if subset.loss.ignores_common_shift:
            end_coef[:] = penalty.balanced(end_coef)
        step = end - start
        product = hessian_times(subset, start, step)
        gain = penalty.value(coef) - penalty.value(end_coef)
        gain -= float(loss_gradient @ step) + 0.5 * product.curvature
        return step, gain, product.largest_change

    if not stops.any():
        if not subset.loss.ignores_common_shift:
            return None
        balanced = penalty.balanced(coef + of_coef)
        return None if np.array_equal(balanced, coef + of_coef) else shortened(1, stops)
    candidates = [shortened(1, stops), shortened(share.min(), share <= share.min())]
    return max(candidates, key=lambda candidate: candidate[1])


def _least_gradient(
    objective: Objective, params: NDArray, gradient: NDArray
) -> NDArray:
    """Return the least subgradient of F: 0 where a kink or a bound holds."""
    remaining_gradient = gradient.copy()
    coef, _ = objective.split(params)
    of_coef, _ = objective.split(remaining_gradient)
    of_coef[:] = objective.penalty.least_slope(coef, of_coef)
    return remaining_gradient
