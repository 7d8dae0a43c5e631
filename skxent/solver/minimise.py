"""The door of the solver: which way to the optimum, whether it was reached.

A smooth problem goes to `rounds`, in its row space where that is smaller; one with
kinks or bounds to `working_set`. `judgement` decides whether what comes back is the
optimum; if not, the fit goes on in the coordinates of the data.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from .judgement import Answer, certified, judge
from .preconditioners.base import Preconditioner
from .progress import Progress
from .rounds import SmoothFit
from .row_space import RowSpace, row_space_pays
from .stopping import CONVERGED, MESSAGES, why_stalled
from .working_set import WorkingSetFit

# An answer that fails verification restarts the fit in the coordinates of the data. A
# restart is fruitless if it gains less than this share of the promised decrease; after
# so many fruitless ones the fit gives up.
FRUITFUL_SHARE = 1e-2
MAX_FRUITLESS_RESTARTS = 10


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
    preconditioner: Preconditioner | None

    @property
    def converged(self) -> bool:
        """Whether the estimate is at most ``tol``."""
        return self.outcome == CONVERGED

    @property
    def deserves_warning(self) -> bool:
        """Whether there is something that the user should do."""
        return self.outcome in MESSAGES

    def message(self, tol: float) -> str:
        """Say what happened and what to do, where a warning is due."""
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
        A problem, which may be solved many times, with a penalty.
    start : ndarray of shape (n_params,)
    tol : float
        The fit ends when the estimated (F − F*) / F is at most this.
    max_iter : int
        The largest number of iterations.
    progress : Progress, default=None
        Where to note the iterations. It may stop the fit, and choose the iteration
        whose params to return.
    preconditioner : Preconditioner, default=None
        What a fit of the same params has ended with. A smooth fit in the coordinates of
        the data starts with it, and makes one of its own where that does not help.

    Returns
    -------
    Solution
    """
    progress = Progress() if progress is None else progress
    limits = _Limits(tol, max_iter, progress)
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
            n_fruitless += (
                gain
                < FRUITFUL_SHARE * previous.suboptimality * previous.evaluation.value
            )
        if answer.needs_restart:
            answer = _stalled_answer(objective, fit, answer)
    return Solution(
        params=answer.params,
        outcome=answer.outcome,
        suboptimality=float(answer.suboptimality),
        duality_gap=float(answer.gap),
        n_iter=len(progress.loss_curve),
        n_evals=objective.n_evals,
        loss_curve=np.array(progress.loss_curve),
        seconds=np.array(progress.seconds),
        preconditioner=None if row_space else fit.preconditioner,
    )


class _Limits(NamedTuple):
    tol: float
    max_iter: int
    progress: Progress


def _first_fit(
    objective: Objective,
    start: NDArray,
    limits: _Limits,
    preconditioner: Preconditioner | None,
) -> tuple[SmoothFit | WorkingSetFit, RowSpace | None]:
    """Return the fit that promises to be quick, and the row space it is in, if any."""
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
    return _fit(objective, start, limits, preconditioner), None


def _fit(
    objective: Objective,
    start: NDArray,
    limits: _Limits,
    preconditioner: Preconditioner | None = None,
) -> SmoothFit | WorkingSetFit:
    """Return a fit in the coordinates of the data."""
    if objective.penalty.is_smooth:
        return SmoothFit(objective, start, *limits, preconditioner=preconditioner)
    return WorkingSetFit(objective, start, *limits)


def _stalled_answer(
    objective: Objective, fit: SmoothFit | WorkingSetFit, answer: Answer
) -> Answer:
    """Return the answer of a fit that would have to go on, but in vain."""
    outcome = why_stalled(
        objective, answer.params, answer.evaluation, answer.rejected_step
    )
    suboptimality = 1.0 if fit.progress.has_exhausted_effort else answer.suboptimality
    answer = certified(objective, fit, answer.params, answer.evaluation, suboptimality)
    return answer._replace(outcome=outcome)
