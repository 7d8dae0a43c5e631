"""The solver: which way to the optimum, whether it was reached, what to say if not.

A smooth problem goes to the rounds of `_lbfgs`, in its row space where that is smaller;
one with kinks or bounds to the active set. Whatever comes back is certified.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._active_set import ActiveSetFit
from ._certificate import certify
from ._lbfgs import CONVERGED, ITERATION_LIMIT, SEPARABLE, STALLED, TINY, SmoothFit
from ._objective import CrossEntropyObjective
from ._row_space import RowSpace, row_space_pays

MESSAGES = {
    ITERATION_LIMIT: (
        "The fit stopped after max_iter={n_iter} iterations at an estimated relative "
        "suboptimality of {suboptimality:.1e}, above tol={tol:.1e}. Increase max_iter, "
        "or accept less accuracy with a larger tol."
    ),
    STALLED: (
        "The fit stopped after {n_iter} iterations at an estimated relative "
        "suboptimality of {suboptimality:.1e}, above tol={tol:.1e}, because rounding "
        "errors hide any further decrease. Accept it with a larger tol, or pass "
        "float64 data if they are float32."
    ),
    SEPARABLE: (
        "The classes are separable: after {n_iter} iterations every row was classified "
        "correctly, and larger coefficients would lower the cross-entropy for ever, so "
        "without a penalty there is no optimum. Use a finite C."
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

    @property
    def converged(self) -> bool:
        return self.outcome == CONVERGED

    def message(self, tol: float) -> str:
        """Say what happened and what to do, if it did not converge."""
        return MESSAGES[self.outcome].format(
            n_iter=self.n_iter, suboptimality=self.suboptimality, tol=tol
        )


def minimise(
    objective: CrossEntropyObjective,
    start: NDArray,
    *,
    tol: float,
    max_iter: int,
    report: Callable[[int, float, float], Any] | None = None,
) -> Solution:
    """Minimise the objective from ``start`` to a relative suboptimality of ``tol``.

    Parameters
    ----------
    objective : CrossEntropyObjective
    start : ndarray of shape (n_params,)
    tol : float
        The fit ends when the estimated (F − F*) / F is at most this.
    max_iter : int
        The largest number of L-BFGS iterations.
    report : callable, default=None
        Called as ``report(iteration, F, suboptimality)`` after every iteration.

    Returns
    -------
    Solution
    """
    space = RowSpace(objective) if row_space_pays(objective) else None
    problem = objective if space is None else space.objective
    with problem.blocks.threads():
        fit = (SmoothFit if problem.penalty.is_smooth else ActiveSetFit)(
            problem,
            start if space is None else space.project(start),
            tol,
            max_iter,
            report,
        )
        fit.run()
    params, evaluation = fit.params, fit.now
    with objective.blocks.threads():
        if space is not None:
            params = space.lift(params)
            evaluation = objective.evaluate(params)
        polished, polished_evaluation, gap = certify(objective, params, evaluation)
    if polished_evaluation.value <= evaluation.value:
        params, evaluation = polished, polished_evaluation
    suboptimality = min(fit.suboptimality, gap / max(evaluation.value, TINY))
    if fit.loss_curve:
        fit.loss_curve[-1] = evaluation.value
    return Solution(
        params=params,
        outcome=CONVERGED if suboptimality <= tol else fit.outcome,
        suboptimality=suboptimality,
        duality_gap=gap,
        n_iter=len(fit.loss_curve),
        n_evals=objective.n_evals + (0 if space is None else problem.n_evals),
        loss_curve=np.array(fit.loss_curve),
    )
