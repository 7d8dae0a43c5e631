"""A certified bound of the distance to the optimum: the duality gap.

Let q be the targets and p' any probabilities. If there are intercepts, the residuals
p' − q have to sum to 0 over the rows. With ``c_jk = 1/S Σ_i s_i (p'_ik − q_ik) x_ij``,
Fenchel's inequality gives::

    F(w, b) − F* ≤ 1/S Σ_i s_i KL(p'_i ‖ p_i)
                   + Σ_jk pen_j(w_jk) + pen_j*(−c_jk) + w_jk c_jk

Any step δ of the params gives such probabilities: ``p' = p + J dz``, with ``dz = δ x̃``
and J = diag(p) − p pᵀ. Then c is the gradient of the mean loss plus its Hessian H times
δ. The Kullback-Leibler divergence is at most the χ² divergence, whose mean is
``δᵀH δ``. All p' are positive if no logit changes by 1 or more. For a ridge, the
penalty terms sum to ``Σ_jk (g + H δ)_jk² / (2 l2_j)``, with g the gradient of F. If δ
is a Newton step, the bound is about twice the decrease of F that the step predicts.
Without a Newton step, δ changes the intercepts only.

The conjugate ``pen_j*`` may be infinite: for L1, if a slope exceeds l1. Then all
residuals are scaled down until the conjugate is finite, and another pass over the rows
sums their dual values. This bound is loose. Without a penalty there is no bound.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from ..data.rows import Block, Sum
from .curvature import HessianProduct, hessian_times, intercept_hessian
from .objective import Objective
from .problem import EPS, Evaluation
from .rounding import rounding_of_value

# Newton steps for the intercepts. A few do, unless the params are far from the optimum:
# a step is shortened if it raises F.
MAX_INTERCEPT_STEPS = 30
# Relative rounding error of a sum over many rows in float64. Bounds are raised by it.
RESOLVED = 1e-12
# Dual steps that change a logit by more are not used. Below 1 all p' are positive; the
# rest is for the correction of the intercepts.
LARGEST_DUAL_CHANGE = 0.5
# Mean residuals below this count as 0: the intercepts could lower F by no more than
# rounding does.
ZERO_RESIDUAL_SUM = 1e-12
# Below this squared pivot, a scaled Hessian of the intercepts counts as singular.
SMALLEST_PIVOT = 1e-8
# Curvature that is 0 must not divide by 0.
TINY = np.finfo(np.float64).tiny
# The share of residuals at which the conjugate is finite is a quotient of slopes.
# Rounding in it must not take a slope past its limit.
INSIDE_THE_LIMIT = 1 - 1e-15


class DualStep(NamedTuple):
    """A step of the params that changes the residuals to first order.

    Attributes
    ----------
    step : ndarray of shape (n_params,)
    product : HessianProduct
        The Hessian of the mean loss times the step.
    """

    step: NDArray
    product: HessianProduct


def certify(
    objective: Objective,
    params: NDArray,
    evaluation: Evaluation,
    newton: DualStep | None = None,
) -> float:
    """Return an upper bound of F − F*, including rounding errors.

    Parameters
    ----------
    objective : Objective
        Its rows must be read in float64.
    params : ndarray of shape (n_params,)
    evaluation : Evaluation
        The objective at ``params``.
    newton : DualStep, default=None
        A Newton step from ``params``, which makes the bound of a ridge tight.

    Returns
    -------
    float
        At least F − F*, in nats per unit of weight; inf if no bound is known.
    """
    penalty = objective.penalty
    if penalty.is_zero and penalty.is_smooth:
        return np.inf
    value = evaluation.value
    if newton is not None and newton.product.largest_change > LARGEST_DUAL_CHANGE:
        newton = None
    rounding = RESOLVED * value + rounding_of_value(objective, params)
    if objective.fit_intercept:
        if newton is None:
            params, evaluation = _with_settled_intercepts(objective, params, evaluation)
        newton = _with_feasible_intercepts(objective, params, evaluation, newton)
        if newton is None:
            return np.inf
    with np.errstate(over="ignore", invalid="ignore"):
        gap = _gap(objective, params, evaluation, newton) + value - evaluation.value
    # the gap is NaN if sums overflow
    return np.inf if np.isnan(gap) else max(0.0, gap) + rounding


def _with_settled_intercepts(
    objective: Objective, params: NDArray, evaluation: Evaluation
) -> tuple[NDArray, Evaluation]:
    """Return params with nearly optimal intercepts, and their evaluation."""
    hessian, fraction = None, 1.0
    for _ in range(MAX_INTERCEPT_STEPS):
        _, residual_sum = objective.split(evaluation.gradient)
        if hessian is None:
            hessian = intercept_hessian(objective, params)
        step = -_solve(hessian, residual_sum)
        if np.ptp(np.append(step, 0)) <= LARGEST_DUAL_CHANGE / 2:
            break
        trial = params.copy()
        objective.split(trial)[1][:] += fraction * step
        trial_evaluation = objective.evaluate(trial)
        if trial_evaluation.value > evaluation.value:
            fraction /= 4
        else:
            params, evaluation = trial, trial_evaluation
            hessian, fraction = None, 1.0
    return params, evaluation


def _with_feasible_intercepts(
    objective: Objective,
    params: NDArray,
    evaluation: Evaluation,
    newton: DualStep | None,
) -> DualStep | None:
    """Return the Newton step plus a correction that makes the residuals sum to 0.

    None if they do not, or if the whole step changes a logit by 1 or more.
    """
    _, residual_sum = objective.split(evaluation.gradient)
    step, product = np.zeros(objective.n_params), np.zeros(objective.n_params)
    change = 0.0
    if newton is not None:
        step, (product, change, *_) = newton
        residual_sum = residual_sum + objective.split(product)[1]
    if abs(residual_sum).max() > 4 * EPS * evaluation.value:
        correction, of_correction = _correction(objective, params, residual_sum, newton)
        step = step + correction
        change += of_correction.largest_change
        product = product + of_correction.vector
        _, residual_sum = objective.split(evaluation.gradient + product)
    if change >= 1 or abs(residual_sum).max() > ZERO_RESIDUAL_SUM:
        return None
    return DualStep(step, HessianProduct(product, change))


def _correction(
    objective: Objective,
    params: NDArray,
    residual_sum: NDArray,
    newton: DualStep | None,
) -> tuple[NDArray, HessianProduct]:
    """Return the step of the intercepts that makes the residuals sum to 0."""
    step = np.zeros(objective.n_params)
    _, of_intercepts = objective.split(step)
    rows = None if newton is None else newton.product.of_intercepts
    if rows is None and objective.n_logits == 1:
        rows = hessian_times(objective, params, step).of_intercepts
    if rows is None:
        of_intercepts[:] = -_solve(intercept_hessian(objective, params), residual_sum)
        product = hessian_times(objective, params, step).vector
    else:
        hessian = np.array([objective.split(row)[1] for row in rows])
        of_intercepts[:] = -_solve(hessian, residual_sum)
        product = of_intercepts @ rows
    # Also in saturated rows: a step may be long because all of them are. A common shift
    # of all classes changes nothing.
    change = np.ptp(of_intercepts) if objective.n_logits > 1 else abs(of_intercepts[0])
    return step, HessianProduct(product, float(change))


def _solve(hessian: NDArray, right: NDArray) -> NDArray:
    """Return the least-squares solution: no common shift, which has no curvature."""
    if len(hessian) == 1:
        return right / hessian[0] if hessian[0, 0] > 0 else np.zeros(1)
    # For many classes, a factor takes a small share of the time of eigenvectors.
    # Curvature for the shift makes the matrix positive definite, unless there is a
    # class without curvature.
    scale = np.sqrt(np.maximum(hessian.diagonal(), TINY))
    shifted = (hessian + np.trace(hessian) / len(hessian) ** 2) / scale / scale[:, None]
    factor, info = lapack.dpotrf(shifted)
    if info == 0 and factor.diagonal().min() ** 2 > SMALLEST_PIVOT:
        return lapack.dpotrs(factor, right / scale)[0] / scale
    values, vectors = np.linalg.eigh(hessian)
    seen = values > len(values) * EPS * values[-1]
    return vectors[:, seen] @ ((right @ vectors)[seen] / values[seen])


def _gap(
    objective: Objective,
    params: NDArray,
    evaluation: Evaluation,
    newton: DualStep | None,
) -> float:
    """Return the duality gap between the params and the residuals after a dual step."""
    penalty = objective.penalty
    coef, _ = objective.split(params)
    gradient, _ = objective.split(evaluation.gradient)
    divergence = 0.0
    if newton is not None:
        divergence = float(newton.step @ newton.product.vector)
        gradient = gradient + objective.split(newton.product.vector)[0]
    if penalty.is_smooth and penalty.is_strongly_convex:
        # equals the general formula, whose terms would nearly cancel
        return divergence + penalty.decrement(gradient)
    of_penalty = np.zeros_like(coef)
    penalty.add_gradient(coef, of_penalty)
    slope = of_penalty - gradient
    share = penalty.largest_step_to_dual(slope)
    if share == 0:
        return np.inf
    if share == 1:
        value = penalty.value(coef)
        gap = value + penalty.conjugate(slope) - float(np.sum(slope * coef))
        # not Python's max, which may take a NaN for 0
        return float(divergence + np.maximum(gap, 0) + RESOLVED * value)
    share *= INSIDE_THE_LIMIT
    dual, size = _dual_of_loss(objective, params, newton, share)
    gap = evaluation.value - (dual - penalty.conjugate(share * slope))
    return float(np.maximum(gap, 0) + RESOLVED * size)


def _dual_of_loss(
    objective: Objective, params: NDArray, newton: DualStep | None, share: float
) -> tuple[float, float]:
    """Return the mean over rows of the dual value of the loss at scaled residuals.

    An offset adds residual times offset. The second number is the mean magnitude of all
    terms, which bounds the rounding error of the first.
    """
    model = objective.linear_model(params)
    change = None
    if newton is not None:
        change = objective.linear_model(newton.step, with_offset=False)

    def add_block(block: Block, total: NDArray, size: NDArray) -> None:
        z = model(block)
        p = objective.loss.proba(z)
        if change is not None:
            p = p + objective.loss.change_of_proba(z, change(block))
        value, residual = objective.loss.dual_value(block.targets, p, share)
        terms = [value]
        if block.offset is not None:
            terms.append(np.sum(residual * block.offset, axis=1))
        s = 1.0 if block.weights is None else block.weights
        for term in terms:
            total += np.sum(s * term)
            size += np.sum(s * abs(term))

    total, size = objective.rows.map_reduce(
        add_block,
        Sum(),
        Sum(),
        width=5 * objective.n_classes,
        work=2 * objective.n_logits,
    )
    factor = objective.rows.mean_factor
    return float(total) * factor, float(size) * factor
