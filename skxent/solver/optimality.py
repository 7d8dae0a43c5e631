"""The optimality conditions with kinks and bounds, and how far params violate them."""

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from .preconditioners.diagonal import DiagonalPreconditioner
from .stopping import MIN_CURVATURE_RATIO, N_RECENT_STEPS, share_of_F


def violations(
    objective: Objective,
    params: NDArray,
    gradient: NDArray,
    preconditioner: DiagonalPreconditioner,
) -> NDArray:
    """Return the least subgradient of F in the variables u, 0 at the optimum.

    Parameters
    ----------
    objective : Objective
    params, gradient : ndarray of shape (n_params,)
        The gradient is that of F at ``params``.
    preconditioner : DiagonalPreconditioner
        Axis-aligned: each variable is a multiple of one coefficient.

    Returns
    -------
    ndarray of shape (n_params,)
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

    A step with the Hessian's diagonal gains half the squared violation. If curvature is
    smaller along some directions, more can be gained: divide by the smallest curvature
    seen over recent steps. The curvature of the penalty gives an upper bound. The truth
    lies between the two: take their geometric mean.

    Parameters
    ----------
    objective : Objective
    violation : ndarray of shape (n_params,)
    value : float
        F at the params.
    preconditioner : DiagonalPreconditioner
    curvatures : list of float
        Observed along steps, the most recent last.
    """
    curvature = max(min([1.0, *curvatures[-N_RECENT_STEPS:]]), MIN_CURVATURE_RATIO)
    with np.errstate(over="ignore"):
        estimate = float(violation @ violation) / curvature
    penalty = objective.penalty
    if penalty.is_strongly_convex:
        of_coef = objective.split(violation)[0] * preconditioner.scale
        bound = penalty.decrement(of_coef)
        estimate = np.sqrt(estimate * max(bound, estimate))
        if objective.loss.ignores_common_shift:
            estimate += penalty.gain_of_shift(of_coef)
    return share_of_F(estimate, value)


def feasible_start(objective: Objective, start: NDArray) -> NDArray:
    """Return the start moved into the bounds, with the same mean logits."""
    params = start.copy()
    coef, intercept = objective.split(params)
    coef[:] = objective.penalty.within_bounds(coef)
    if objective.loss.ignores_common_shift:
        coef[:] = objective.penalty.balanced(coef)
    if intercept.size and not np.array_equal(params, start):
        coef_change = coef - objective.split(start)[0]
        intercept -= coef_change @ objective.rows.column_means()
    return params
