"""A certified bound of the distance to the optimum: the duality gap.

With ``g`` the gradient of F in the coefficients and λ the penalty, Fenchel's inequality
gives, for the dual point that the residuals are::

    F(w, b) − F*  ≤  Σ_jk g_jk² / (2 λ)        where  Σ_i s_i r_i = 0

The side condition is the optimality of the intercepts, which are therefore solved for
first, by Newton's method: L unknowns, one or two passes over the data. It is a proof,
but a loose one where λ is tiny and features are huge. Without a penalty there is none.
"""

import numpy as np
from numpy.typing import NDArray

from ._objective import CrossEntropyObjective, Evaluation

# Newton steps for the intercepts; they start next to the solution and converge
# quadratically.
MAX_STEPS = 2


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
    if objective.penalty == 0:
        return params, evaluation, np.inf
    left_over = 0.0
    for _ in range(MAX_STEPS if objective.fit_intercept else 0):
        _, residual_sum = objective.split(evaluation.gradient)
        curvature = _intercept_curvature(objective, params)
        step = -np.linalg.pinv(curvature, hermitian=True) @ residual_sum
        left_over = abs(float(residual_sum @ step))
        if left_over <= np.finfo(float).eps ** 2 * evaluation.value:
            break
        trial = params.copy()
        objective.split(trial)[1][:] += step
        trial_evaluation = objective.evaluate(trial)
        if trial_evaluation.value > evaluation.value * (1 + 1e-12):
            return params, evaluation, np.inf
        params, evaluation = trial, trial_evaluation
    gradient, residual_sum = objective.split(evaluation.gradient)
    with np.errstate(over="ignore"):
        gap = float(np.vdot(gradient, gradient) / (2 * objective.penalty))
    # What the last step left undone is smaller than what it did.
    return params, evaluation, gap + left_over


def _intercept_curvature(objective, params):
    """Return the Hessian of the mean loss in the intercepts, (L, L)."""
    model = objective.linear_model(params)

    def add_block(X, rows, total):
        p = objective.loss.proba(model(X)).astype(np.float64, copy=False)
        s = 1.0 if objective.weights is None else objective.weights[rows][:, None]
        if objective.n_logits == 1:
            total += np.sum(s * p[:, :1] * p[:, 1:])
        else:
            total += np.diag(np.sum(s * p, axis=0)) - (s * p).T @ p

    (total,) = objective.blocks.sum(
        add_block,
        (objective.n_logits, objective.n_logits),
        width=3 * objective.n_logits,
    )
    return total * objective.mean_factor
