"""A certified bound of the distance to the optimum: the duality gap.

With ``c_jk`` the gradient of the mean loss in the coefficients, Fenchel's inequality
gives, for the dual point that the residuals are::

    F(w, b) − F* ≤ Σ_jk pen_j(w_jk) + pen_j*(−c_jk) + w_jk c_jk   where Σ_i s_i r_i = 0

which for a ridge is Σ_jk g_jk² / (2 λ), with g = c + λ w the gradient of F. The side
condition is the optimality of the intercepts, which are therefore solved for first, by
Newton's method: L unknowns, one or two passes over the data.

Where the conjugate ``pen_j*`` is infinite, as it is for L1 beyond a slope, all
residuals are scaled down until it is not, at the price of the dual value at the scaled
point. It is a proof, but a loose one where λ is tiny and features are huge, or the
penalty is L1. Without a penalty there is none.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from ._objective import CrossEntropyObjective, Evaluation

# Newton steps for the intercepts, most of which only a start far away needs.
MAX_STEPS = 30
# What sums of float64 and of float32 resolve of F.
RESOLVED = {"float64": 1e-14, "float32": 1e-9}
# The intercepts are solved for when another step would gain less than this part of
# that: the bound takes their derivative for 0.
SOLVED = 1e-3
# And the mean of the residuals, in units of probability, has to be this small: where
# all logits are huge, there is no curvature to tell.
CLOSE = 1e-6


def certify(
    objective: CrossEntropyObjective, params: NDArray, evaluation: Evaluation
) -> tuple[NDArray, Evaluation, float]:
    """Solve for the intercepts and bound the distance of F to its optimum.

    Parameters
    ----------
    objective : CrossEntropyObjective
    params : ndarray of shape (n_params,)
        A point near the optimum.
    evaluation : Evaluation
        The objective there.

    Returns
    -------
    params : ndarray of shape (n_params,)
        The point with better intercepts.
    evaluation : Evaluation
        The objective there.
    gap : float
        At least F − F*, in units of F; inf where nothing is certain.
    """
    penalty = objective.penalty
    if penalty.is_zero and penalty.is_smooth:
        return params, evaluation, np.inf
    rounding = RESOLVED[objective.blocks.dtype.name] * evaluation.value
    if objective.fit_intercept:
        inverse, fraction = None, 1.0
        for _ in range(MAX_STEPS):
            if inverse is None:
                curvature = _intercept_curvature(objective, params)
                inverse = np.linalg.pinv(curvature, hermitian=True)
            _, residual_sum = objective.split(evaluation.gradient)
            step = -inverse @ residual_sum
            gain = -residual_sum @ step
            if gain <= SOLVED * rounding and abs(residual_sum).max() <= CLOSE:
                break
            trial = params.copy()
            objective.split(trial)[1][:] += fraction * step
            trial_evaluation = objective.evaluate(trial)
            if trial_evaluation.value > evaluation.value + rounding:
                fraction /= 4
            else:
                params, evaluation = trial, trial_evaluation
                if gain > 1e-3 * evaluation.value:
                    inverse, fraction = None, 1.0  # the curvature has changed
        else:
            return params, evaluation, np.inf
    with np.errstate(over="ignore"):
        gap = _gap(objective, params, evaluation)
    return params, evaluation, gap + rounding


def _gap(objective, params, evaluation):
    """Return the duality gap where the intercepts are optimal."""
    penalty = objective.penalty
    coef, _ = objective.split(params)
    gradient, _ = objective.split(evaluation.gradient)
    if penalty.is_ridge:
        # the general formula would lose digits
        return float(np.einsum("kj,kj->", gradient, gradient)) / (2 * penalty.l2[0])
    of_penalty = np.zeros_like(coef)
    penalty.add_gradient(coef, of_penalty)
    slope = of_penalty - gradient
    step = penalty.largest_step_to_dual(slope)
    if step == 0:
        return np.inf
    if step == 1:
        gap = penalty.value(coef) + penalty.conjugate(slope)
        return max(0.0, gap - float(np.sum(slope * coef)))
    dual = _dual_of_loss(objective, params, step) - penalty.conjugate(step * slope)
    return max(0.0, evaluation.value - dual)


def _dual_of_loss(objective, params, step):
    """Return the mean over rows of the dual value of the loss at scaled residuals.

    A residual p − q scaled by ``step`` is p' − q, with p' between q and p, and has the
    dual value H(p'), plus residual times offset.
    """
    model = objective.linear_model(params)

    def add_block(X, rows, total):
        z = model(X, rows)
        y = objective.targets[rows]
        q = np.eye(objective.n_classes)[y] if y.ndim == 1 else y
        dual = entr(q + step * (objective.loss.proba(z) - q)).sum(axis=1)
        if objective.offset is not None:
            _, r = objective.loss.loss_and_residual(y, z)
            dual += step * np.sum(r * objective.offset[rows], axis=1)
        s = 1.0 if objective.weights is None else objective.weights[rows]
        total += np.sum(s * dual)

    (total,) = objective.blocks.sum(
        add_block, (), width=5 * objective.n_classes, work=objective.n_logits
    )
    return float(total) * objective.mean_factor


def _intercept_curvature(objective, params):
    """Return the Hessian of the mean loss in the intercepts, (L, L)."""
    model = objective.linear_model(params)

    def add_block(X, rows, total):
        p = objective.loss.proba(model(X, rows)).astype(np.float64, copy=False)
        s = 1.0 if objective.weights is None else objective.weights[rows][:, None]
        if objective.n_logits == 1:
            total += np.sum(s * p[:, :1] * p[:, 1:])
        else:
            total += np.diag(np.sum(s * p, axis=0)) - (s * p).T @ p

    (total,) = objective.blocks.sum(
        add_block,
        (objective.n_logits, objective.n_logits),
        width=3 * objective.n_logits,
        work=objective.n_logits,
    )
    return total * objective.mean_factor
