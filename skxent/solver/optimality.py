"""How far coefficients with kinks and bounds are from their condition of optimality."""

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from .preconditioners.diagonal import DiagonalPreconditioner
from .stopping import MIN_CURVATURE_RATIO, N_RECENT_STEPS, TINY


def violations(
    objective: Objective,
    params: NDArray,
    gradient: NDArray,
    preconditioner: DiagonalPreconditioner,
) -> NDArray:
    """Return the part of ∂F/∂u that kinks and bounds do not hold, 0 at the optimum.

    ``change`` is axis-aligned, ``gradient`` that of F at ``params``.
    """
    violation = preconditioner.pull_back(gradient)
    coef, _ = objective.split(params)
    of_coef, _ = objective.split(violation)
    slope = objective.penalty.least_slope(coef, of_coef * preconditioner.scale)
    of_coef[:] = slope / preconditioner.scale
    return violation


def estimate_suboptimality(
    objective: Objective,
    violation: NDArray,
    value: float,
    preconditioner: DiagonalPreconditioner,
    curvatures: list[float],
) -> float:
    """Estimate (F − F*) / F from what `violations` returns.

    Half its square is what a step with the Hessian's diagonal gains. The curvature
    observed over recent steps tells how much more there may be; that of the penalty is
    a bound of how much, and the truth lies between.

    Parameters
    ----------
    objective : Objective
    violation : ndarray of shape (n_params,)
    value : float
        F.
    change : DiagonalPreconditioner
    curvatures : list of float
        Those that steps have shown, the last ones last.
    """
    curvature = max(min([1.0, *curvatures[-N_RECENT_STEPS:]]), MIN_CURVATURE_RATIO)
    estimate = float(violation @ violation) / curvature
    penalty = objective.penalty
    if penalty.is_strongly_convex:
        of_coef = objective.split(violation)[0] * preconditioner.scale
        bound = penalty.decrement(of_coef)
        estimate = np.sqrt(estimate * max(bound, estimate))
        if objective.loss.ignores_common_shift:
            estimate += penalty.gain_of_shift(of_coef)
    return min(1.0, estimate / max(value, TINY))


def feasible_start(objective: Objective, start: NDArray) -> NDArray:
    """Return the start within bounds, without changing the mean logits."""
    params = start.copy()
    coef, intercept = objective.split(params)
    coef[:] = objective.penalty.within_bounds(coef)
    if objective.loss.ignores_common_shift:
        coef[:] = objective.penalty.balanced(coef)
    if intercept.size and not np.array_equal(params, start):
        coef_change = coef - objective.split(start)[0]
        intercept -= coef_change @ objective.rows.column_means()
    return params
