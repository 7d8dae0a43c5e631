"""The solver: which way to the optimum, whether it was reached, what to say if not.

A smooth problem goes to the rounds of `_lbfgs`, in its row space where that is smaller;
one with kinks or bounds to the active set. Whatever comes back is certified.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._active_set import ActiveSetFit
from ._certificate import certify
from ._lbfgs import (
    CONVERGED,
    ITERATION_LIMIT,
    SEPARABLE,
    STALLED,
    STOPPED,
    TINY,
    SmoothFit,
)
from ._objective import CrossEntropyObjective
from ._row_space import RowSpace, row_space_pays
from ._trace import Trace

# Why a fit stalled.
ROUNDING = "rounding floor"
LINE_SEARCH = "line search"
# Sums over rows resolve about this part of F.
FLOOR = 1e-11

# The warning of each outcome that calls for one; docs/messages.md explains them.
MESSAGES = {
    ITERATION_LIMIT: (
        "The fit stopped after max_iter={n_iter} iterations at an estimated relative "
        "suboptimality of {suboptimality:.1e}, above tol={tol:.1e}. Increase max_iter."
    ),
    LINE_SEARCH: (
        "The fit stopped after {n_iter} iterations at an estimated relative "
        "suboptimality of {suboptimality:.1e}, above tol={tol:.1e}, because the "
        "line search finds no smaller value, as happens where columns are far from 0 "
        "for their spread. Center and scale the columns of X."
    ),
    ROUNDING: (
        "The fit stopped after {n_iter} iterations at an estimated relative "
        "suboptimality of {suboptimality:.1e}, above tol={tol:.1e}, because rounding "
        "errors hide any further decrease. Use a larger tol."
    ),
    SEPARABLE: (
        "The classes are separable: at iteration {n_iter} every row was classified "
        "correctly, and larger coefficients would lower the cross-entropy for ever, so "
        "without a penalty there is no optimum; the estimated relative suboptimality "
        "is {suboptimality:.1e}. Use a finite C."
    ),
}


@dataclass
class Solution:
    """What a fit ends with: the params, and how it came there."""

    params: NDArray
    outcome: str
    suboptimality: float
    duality_gap: float
    n_iter: int
    n_evals: int
    loss_curve: NDArray
    seconds: NDArray

    @property
    def converged(self) -> bool:
        return self.outcome == CONVERGED

    @property
    def deserves_warning(self) -> bool:
        return self.outcome in MESSAGES

    def message(self, tol: float) -> str:
        """Say what happened and what to do, where a warning is due."""
        return MESSAGES[self.outcome].format(
            n_iter=self.n_iter, suboptimality=self.suboptimality, tol=tol
        )


def minimise(
    objective: CrossEntropyObjective,
    start: NDArray,
    *,
    tol: float,
    max_iter: int,
    trace: Trace | None = None,
) -> Solution:
    """Minimise the objective from ``start`` to a relative suboptimality of ``tol``.

    Parameters
    ----------
    objective : CrossEntropyObjective
    start : ndarray of shape (n_params,)
    tol : float
        The fit ends when the estimated (F − F*) / F is at most this.
    max_iter : int
        The largest number of iterations.
    trace : Trace, default=None
        Where to note the iterations. It may stop the fit, and choose the iteration
        whose params to return.

    Returns
    -------
    Solution
    """
    trace = Trace() if trace is None else trace
    space = RowSpace(objective) if row_space_pays(objective) else None
    problem = objective
    if space is not None:
        problem, trace.lift = space.objective, space.lift
        trace.tell(
            "row space: {} columns in place of {}".format,
            problem.n_features,
            objective.n_features,
        )
    trace.tell(problem.describe_pass)
    with problem.blocks.threads():
        fit = (SmoothFit if problem.penalty.is_smooth else ActiveSetFit)(
            problem,
            start if space is None else space.project(start),
            tol,
            max_iter,
            trace,
        )
        fit.run()
    params, suboptimality, gap = _certified(objective, fit, space, trace)
    return Solution(
        params=params,
        outcome=_outcome(fit, trace, suboptimality, tol),
        suboptimality=float(suboptimality),
        duality_gap=float(gap),
        n_iter=len(trace.loss_curve),
        n_evals=objective.n_evals + (0 if space is None else problem.n_evals),
        loss_curve=np.array(trace.loss_curve),
        seconds=np.array(trace.seconds),
    )


def _certified(objective, fit, space, trace):
    """Return the answer, and how far from the optimum it is: estimate and bound."""
    params, evaluation, suboptimality = fit.params, fit.now, fit.suboptimality
    with objective.blocks.threads():
        if trace.kept is not None:
            params = trace.kept.params
            evaluation = objective.evaluate(params)
        elif space is not None:
            params = space.lift(params)
            evaluation = objective.evaluate(params)
        polished, polished_evaluation, gap = certify(objective, params, evaluation)
    gain = evaluation.value - polished_evaluation.value
    if trace.kept is not None:
        # It stays as it was when it was chosen, and that much further from the optimum.
        gap += max(0.0, gain)
        if not trace.keeps_last:
            left = suboptimality * fit.now.value
            left += max(0.0, evaluation.value - fit.now.value)
            suboptimality = left / max(evaluation.value, TINY)
    else:
        if gain >= 0:
            params, evaluation = polished, polished_evaluation
        trace.correct_last(evaluation.value)
    suboptimality = min(suboptimality, gap / max(evaluation.value, TINY))
    return params, suboptimality, gap


def _outcome(fit, trace, suboptimality, tol):
    """Return how the fit ended, seen from its answer."""
    if suboptimality <= tol:
        return CONVERGED
    if trace.stopped or not trace.keeps_last:
        return STOPPED
    if fit.outcome == STALLED:
        return ROUNDING if suboptimality <= FLOOR else LINE_SEARCH
    return fit.outcome
