"""The intercept with which the mean probability is the observed frequency.

With all other coefficients fixed, the maximum of the likelihood is where the mean
residual is 0. The mean residual grows with the intercept, so its root is bracketed.
"""

import numpy as np
from numpy.typing import NDArray

from ..model.curvature import intercept_hessian
from ..model.problem import Problem
from .stopping import TINY

# A step of Newton's method is at most this long: further away the residuals of
# saturated rows hardly change.
MAX_STEP = 5.0
MAX_STEPS = 200
# Relative to the intercept, if that is above 1. Smaller steps are rounding.
SMALLEST_STEP = 1e-14


def with_corrected_intercept(problem: Problem, params: NDArray) -> NDArray:
    """Return params with the intercept of the largest likelihood.

    Parameters
    ----------
    problem : Problem
        With one logit and an intercept.
    params : ndarray of shape (n_params,)
    """
    params = params.copy()
    intercept = problem.split(params)[1]
    lower, upper = -np.inf, np.inf
    with problem.rows.threads():
        for _ in range(MAX_STEPS):
            here = float(intercept[0])
            residual = float(problem.split(problem.evaluate(params).gradient)[1][0])
            curvature = float(intercept_hessian(problem, params)[0, 0])
            lower, upper = (here, upper) if residual < 0 else (lower, here)
            step = np.clip(-residual / max(curvature, TINY), -MAX_STEP, MAX_STEP)
            if abs(step) <= SMALLEST_STEP * max(1.0, abs(here)):
                break
            there = here + step
            intercept[0] = there if lower < there < upper else (lower + upper) / 2
    return params
