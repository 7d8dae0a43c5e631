"""The outcomes of a fit, and the message for each.

`why_stalled` finds the cause if F does not fall although the gradient promises that it
does. The table in docs/messages.md explains each message.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from ..model.problem import Evaluation
from ..model.rounding import (
    rounding_of_answer,
    rounding_of_value,
    share_after_centring,
)

if TYPE_CHECKING:
    from .verification import NewtonStep

CONVERGED = "converged"
STOPPED = "stopped on request"
ITERATION_LIMIT = "iteration limit"
STALLED = "stalled"
# The causes of a stall, and the lack of an optimum.
ROUNDING_FLOOR = "rounding floor"
CANCELLATION = "cancellation"
LARGE_COEFFICIENTS = "large coefficients"
SATURATION = "saturation"
WEAK_PENALTY = "weak penalty"
SEPARABLE = "separable"

# Estimates of suboptimality divide by at least this, because F may be 0.
TINY = np.finfo(np.float64).tiny
# Observed curvature below this share of the expected curvature is rounding.
MIN_CURVATURE_RATIO = 1e-6
# The smallest curvature of this many recent steps corrects the estimates. Older steps
# saw a Hessian from farther away.
N_RECENT_STEPS = 20
# Centring is the remedy for cancellation if less than this share of terms is left.
CENTRING_HELPS = 0.1
# Rounding in the logits counts as the cause of a stall if it moves F by this share.
VISIBLE_ROUNDING = 1e-10

_REACHED = (
    "after {n_iter} iterations at an estimated relative suboptimality of "
    "{suboptimality:.1e}, above tol={tol:.1e}"
)
MESSAGES = {
    ITERATION_LIMIT: (
        "The fit stopped after max_iter={n_iter} iterations at an estimated relative "
        "suboptimality of {suboptimality:.1e}, above tol={tol:.1e}. Increase max_iter."
    ),
    ROUNDING_FLOOR: (
        f"The fit stopped {_REACHED}, because rounding errors hide any further "
        "decrease. Use a larger tol."
    ),
    CANCELLATION: (
        f"The fit stopped {_REACHED}, because large terms of the logits cancel each "
        "other and leave few digits, as happens where columns are far from 0 for their "
        "spread. Center and scale the columns of X."
    ),
    LARGE_COEFFICIENTS: (
        f"The fit stopped {_REACHED}, because large coefficients leave few digits of "
        "the logits, as happens where columns are nearly combinations of each other or "
        "separate some of the classes. Use a smaller C and positive penalty_weights."
    ),
    SATURATION: (
        f"The fit stopped {_REACHED}: a step that promises little changes the logits "
        "of extreme rows by more than 0.5, so that more may be left to gain than the "
        "gradient shows. Clip extreme values of X or offset."
    ),
    WEAK_PENALTY: (
        f"The fit stopped {_REACHED}: every row is classified correctly, so that the "
        "penalty alone keeps the coefficients finite, and it is so weak that rounding "
        "hides it. Use a smaller C."
    ),
    SEPARABLE: (
        "The classes are separable: at iteration {n_iter} every row was classified "
        "correctly, and larger coefficients would lower the cross-entropy without end. "
        "Without a penalty there is no optimum; the cross-entropy tends to 0, and the "
        "relative suboptimality is {suboptimality:.1e}. Use a finite C and positive "
        "penalty_weights."
    ),
}


def share_of_F(distance: float, value: float) -> float:
    """Return an estimated distance to the optimum as a share of F, at most 1."""
    value = max(value, TINY)
    # F may be so small that the quotient overflows
    return min(distance, value) / value


def all_rows_are_correct(evaluation: Evaluation) -> bool:
    """Whether the model gives the class of every row more than probability ½."""
    return evaluation.largest_loss < np.log(2)


def why_stalled(
    objective: Objective,
    params: NDArray,
    evaluation: Evaluation,
    newton: "NewtonStep | None",
) -> str:
    """Return what hides the decrease that the gradient promises.

    Parameters
    ----------
    objective : Objective
    params : ndarray of shape (n_params,)
    evaluation : Evaluation
        F and its gradient at ``params``.
    newton : NewtonStep or None
        The step that found no smaller F.
    """
    is_beyond_rounding = newton is not None and np.isinf(newton.decrement)
    rounding = max(
        rounding_of_value(objective, params), rounding_of_answer(objective, params)
    )
    if is_beyond_rounding or rounding > VISIBLE_ROUNDING * evaluation.value:
        if share_after_centring(objective, params) < CENTRING_HELPS:
            return CANCELLATION
        return LARGE_COEFFICIENTS
    if all_rows_are_correct(evaluation):
        return WEAK_PENALTY
    return ROUNDING_FLOOR if newton is None or newton.is_trusted else SATURATION
