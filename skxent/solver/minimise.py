"""The entry point of the solver: it chooses a method, runs it and verifies the answer.

`rounds` solves a smooth problem, in its row space if that is smaller. `working_set`
solves a problem with kinks or bounds. `judgement` decides whether the answer is the
optimum. If it is not, the fit continues in the coordinates of the data.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from .fit import Fit
from .judgement import Answer, certified, judge
from .preconditioners.base import Preconditioner
from .progress import Progress
from .rounds import SmoothFit
from .row_space import RowSpace, row_space_pays
from .small_newton import SmallNewtonFit, newton_pays
from .stopping import CONVERGED, MESSAGES, why_stalled
from .working_set import WorkingSetFit

# An answer that fails verification restarts the fit in the coordinates of the data. A
# restart is fruitless if it gains less than this share of the promised decrease. After
# this many fruitless restarts the fit gives up.
FRUITFUL_SHARE = 1e-2
MAX_FRUITLESS_RESTARTS = 10


@dataclass
class Solution:
    """The result of a fit.

    Attributes
    ----------
    params : ndarray of shape (n_params,)
    outcome : str
        How the fit ended, see `stopping`.
    suboptimality : float
        The estimate of (F − F*) / F.
    duality_gap : float
        The certified bound of F − F*, in units of F; inf if there is none.
    n_iter, n_evals : int
        The number of iterations, and of evaluations of F and its gradient.
    loss_curve, seconds : ndarray of shape (n_iter,)
        F after each iteration, and the time since the start.
    preconditioner : Preconditioner or None
        The last one in the coordinates of the data, for `minimise` to start with.
    """

    params: NDArray
    outcome: str
    suboptimality: float
    duality_gap: float
    n_iter: int
    n_evals: int
    loss_curve: NDArray
    seconds: NDArray
    preconditioner: Preconditioner | None

    @property
    def converged(self) -> bool:
        """Whether the estimate is at most ``tol``."""
        return self.outcome == CONVERGED

    @property
    def deserves_warning(self) -> bool:
        """Whether the user should act: the outcome has a message."""
        return self.outcome in MESSAGES

    def message(self, tol: float) -> str:
        """Return what happened and what to do, for a warning."""
        return MESSAGES[self.outcome].format(
            n_iter=self.n_iter, suboptimality=self.suboptimality, tol=tol
        )


def minimise(
    objective: Objective,
    start: NDArray,
    *,
    tol: float,
    max_iter: int,
    progress: Progress | None = None,
    preconditioner: Preconditioner | None = None,
) -> Solution:
    """Minimise the objective from ``start`` to a relative suboptimality of ``tol``.

    Parameters
    ----------
    objective : Objective
        A problem with a penalty. It may be solved many times.
    start : ndarray of shape (n_params,)
    tol : float
        The fit ends when the estimated (F − F*) / F is at most this.
    max_iter : int
        The largest number of iterations.
    progress : Progress, default=None
        Records the iterations. Its listeners may stop the fit, or choose an iteration
        whose params are returned.
    preconditioner : Preconditioner, default=None
        The last preconditioner of an earlier fit with the same params. The first round
        of a smooth fit in the coordinates of the data uses it; later rounds build
        their own.

    Returns
    -------
    Solution
    """
    progress = Progress() if progress is None else progress
    limits = _Limits(tol, max_iter, progress)
    n_evals_before = objective.n_evals
    with objective.rows.threads():
        fit, row_space = _first_fit(objective, start, limits, preconditioner)
        fit.run()
        answer = judge(objective, fit, row_space)
        n_fruitless = 0
        while (
            answer.needs_restart
            and n_fruitless < MAX_FRUITLESS_RESTARTS
            and not progress.has_exhausted_effort
        ):
            progress.tell(
                "not verified: going on in the coordinates of the data".format
            )
            previous = answer
            fit, row_space = _fit(objective, answer.params, limits), None
            fit.run()
            answer = judge(objective, fit, row_space)
            gain = previous.evaluation.value - answer.evaluation.value
            n_fruitless += gain < (
                FRUITFUL_SHARE * previous.suboptimality * previous.evaluation.value
            )
        if answer.needs_restart:
            answer = _stalled_answer(objective, fit, answer)
    return Solution(
        params=answer.params,
        outcome=answer.outcome,
        suboptimality=float(answer.suboptimality),
        duality_gap=float(answer.gap),
        n_iter=len(progress.loss_curve),
        n_evals=objective.n_evals - n_evals_before,
        loss_curve=np.array(progress.loss_curve),
        seconds=np.array(progress.seconds),
        preconditioner=None if row_space else fit.preconditioner,
    )


class _Limits(NamedTuple):
    """When a fit stops, and where it records its iterations."""

    tol: float
    max_iter: int
    progress: Progress


def _first_fit(
    objective: Objective,
    start: NDArray,
    limits: _Limits,
    preconditioner: Preconditioner | None,
) -> tuple[Fit, RowSpace | None]:
    """Return the faster kind of fit, and its row space if it has one."""
    tell = limits.progress.tell
    if objective.penalty.is_smooth and row_space_pays(objective):
        row_space = RowSpace(objective)
        problem = row_space.objective
        tell(
            "row space: {} columns in place of {}".format,
            problem.n_features,
            objective.n_features,
        )
        tell(problem.describe_pass)
        start = row_space.project(start)
        return SmoothFit(problem, start, *limits, lift=row_space.lift), row_space
    tell(objective.describe_pass)
    if newton_pays(objective):
        return SmallNewtonFit(objective, start, *limits), None
    return _fit(objective, start, limits, preconditioner), None


def _fit(
    objective: Objective,
    start: NDArray,
    limits: _Limits,
    preconditioner: Preconditioner | None = None,
) -> Fit:
    """Return a fit in the coordinates of the data."""
    if objective.penalty.is_smooth:
        return SmoothFit(objective, start, *limits, preconditioner=preconditioner)
    return WorkingSetFit(objective, start, *limits)


def _stalled_answer(objective: Objective, fit: Fit, answer: Answer) -> Answer:
    """Return the last answer of a fit whose restarts bring nothing."""
    outcome = why_stalled(
        objective, answer.params, answer.evaluation, answer.rejected_step
    )
    suboptimality = 1.0 if fit.progress.has_exhausted_effort else answer.suboptimality
    answer = certified(objective, fit, answer.params, answer.evaluation, suboptimality)
    if answer.outcome == CONVERGED:
        # the bound says so
        return answer
    return answer._replace(outcome=outcome)
