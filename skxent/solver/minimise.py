"""The solver: which way to the optimum, whether it was reached, what to say if not.

A smooth problem goes to the rounds of `_lbfgs`, in its row space where that is smaller;
one with kinks or bounds to the active set. Whatever comes back is certified.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.certificate import RESOLVED, certify
from ..model.objective import Objective
from ..model.problem import EPS, Evaluation
from ..model.rounding import rounding_of_answer
from .lbfgs import TINY, SmoothFit
from .line_search import MAX_TRIALS, follow, follow_within
from .progress import Trace
from .row_space import LiftedPreconditioner, RowSpace, row_space_pays
from .stopping import (
    CONVERGED,
    ITERATION_LIMIT,
    MESSAGES,
    ROUNDING,
    SEPARABLE,
    STALLED,
    STOPPED,
    why_stalled,
)
from .verification import NewtonStep, step_of_all
from .verification_with_kinks import step_of_model
from .working_set import ActiveSetFit

# Sums over rows resolve about this part of F.
FLOOR = 1e-11
# A promise of this part of F that cannot be trusted counts as this power of it.
UNTRUSTED = 1 / 5
# A fit that is not verified goes on, but not after so many times in vain, when it has
# gained less than this part of what was promised.
MAX_VAIN = 10
KEPT = 1e-2


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
    objective: Objective,
    start: NDArray,
    *,
    tol: float,
    max_iter: int,
    trace: Trace | None = None,
) -> Solution:
    """Minimise the objective from ``start`` to a relative suboptimality of ``tol``.

    Parameters
    ----------
    objective : Objective
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
    with objective.rows.threads():
        fit, space = _first_fit(objective, start, tol, max_iter, trace)
        fit.run()
        answer = _judge(objective, fit, space, trace)
        n_vain = 0
        while answer.goes_on and n_vain < MAX_VAIN and not trace.is_vain:
            trace.tell("not verified: going on in the coordinates of the data".format)
            before = answer
            fit = _fit(objective, answer.params, tol, max_iter, trace)
            fit.run()
            answer = _judge(objective, fit, None, trace)
            gain = before.evaluation.value - answer.evaluation.value
            n_vain += gain < KEPT * before.suboptimality * before.evaluation.value
        if answer.goes_on:
            point = answer.params, answer.evaluation
            outcome = why_stalled(objective, *point, answer.doubt)
            left = 1.0 if trace.is_vain else answer.suboptimality
            answer = _bounded(objective, fit, *point, left)
            answer = answer._replace(outcome=outcome)
    return Solution(
        params=answer.params,
        outcome=answer.outcome,
        suboptimality=float(answer.suboptimality),
        duality_gap=float(answer.gap),
        n_iter=len(trace.loss_curve),
        n_evals=objective.n_evals,
        loss_curve=np.array(trace.loss_curve),
        seconds=np.array(trace.seconds),
    )


def _first_fit(objective, start, tol, max_iter, trace):
    """Return the fit that promises to be quick, and the row space it is in, if any."""
    if objective.penalty.is_smooth and row_space_pays(objective):
        space = RowSpace(objective)
        problem, trace.lift = space.objective, space.lift
        trace.tell(
            "row space: {} columns in place of {}".format,
            problem.n_features,
            objective.n_features,
        )
        trace.tell(problem.describe_pass)
        return SmoothFit(problem, space.project(start), tol, max_iter, trace), space
    trace.tell(objective.describe_pass)
    return _fit(objective, start, tol, max_iter, trace), None


def _fit(objective, *args):
    """Return a fit in the coordinates of the data."""
    return (SmoothFit if objective.penalty.is_smooth else ActiveSetFit)(
        objective, *args
    )


class _Answer(NamedTuple):
    """Where a fit ended in the coordinates of the data, and how good that is."""

    params: NDArray
    evaluation: Evaluation
    outcome: str
    suboptimality: float
    gap: float
    doubt: NewtonStep | None = None  # why the fit has to go on

    @property
    def goes_on(self) -> bool:
        return self.doubt is not None


def _judge(objective, fit, space, trace):
    """Return the verified answer of a fit."""
    trace.lift = None
    params, now = fit.params, fit.now
    if space is not None:
        params = space.lift(params)
        objective.n_evals += space.objective.n_evals
    if objective.rows.read_in_float64() or space is not None:
        now = objective.evaluate(params)
    trace.correct_last(now.value)
    if fit.outcome == SEPARABLE:
        # F* is 0
        answer = _bounded(objective, fit, params, now, 1.0)
    elif fit.change is None:
        # not even a round has begun
        answer = _bounded(objective, fit, params, now, fit.suboptimality)
    else:
        answer = _verified(objective, fit, space, params, now)
    if answer.goes_on or trace.keeps_last:
        return answer
    return _that_was_kept(objective, fit, answer)


def _verified(objective, fit, space, params, now):
    """Return the answer after a Newton step that judges it and improves it."""
    trace, value = fit.trace, max(now.value, TINY)
    enough = max(fit.tol, FLOOR) * value
    newton: NewtonStep | None
    if objective.penalty.is_smooth:
        change = fit.change
        if space is not None:
            change = LiftedPreconditioner(space, objective, change)
        newton = step_of_all(objective, params, now, change, enough)
        go = follow
    else:
        newton = step_of_model(objective, params, now, enough)
        go = follow_within
    if newton is None:
        return _bounded(objective, fit, params, now, fit.suboptimality)
    promised = newton.decrement / value
    if not newton.is_exact:
        promised = max(promised, fit.suboptimality)
    goes_on = not trace.stopped and trace.iterations_left(fit.max_iter) > 0
    suboptimality = min(1.0, promised)
    if not newton.is_trusted:
        # what lies behind saturated rows is unknown: rather too much than too little
        suboptimality **= UNTRUSTED
    is_certain = objective.penalty.is_smooth and newton.is_trusted
    if promised > fit.tol and not (goes_on or is_certain):
        # on the way there, so is what lies behind kinks and saturated rows
        suboptimality **= 0.5
    end = None
    if goes_on:
        is_good = newton.is_trusted and suboptimality <= fit.tol
        trials = 1 if is_good else MAX_TRIALS
        end = go(objective, params, now, newton.dual.step, trials)
        if end is None:
            fit.outcome = STALLED
        else:
            trace.note(end[1].value, suboptimality, objective.n_evals, lambda: end[0])
    suboptimality = max(suboptimality, _to_come(objective, trace))
    # below EPS, rounding is all there is
    if end is not None and suboptimality > max(fit.tol, EPS) and not trace.stopped:
        return _Answer(*end, fit.outcome, suboptimality, np.inf, newton)
    return _bounded(objective, fit, params, now, suboptimality, newton, end)


def _to_come(objective, trace):
    """Return (F − F*) / F where kinks make Newton's method converge slowly, else 0."""
    if objective.penalty.is_smooth:
        return 0.0
    return min(1.0, trace.gain_to_come())


def _bounded(objective, fit, params, now, suboptimality, newton=None, end=None):
    """Return the answer with a certified bound, at the end of a step or before it."""
    value = max(now.value, TINY)
    gap = certify(objective, params, now, None if newton is None else newton.dual)
    if end is not None:
        gap = max(RESOLVED * now.value, gap - (now.value - end[1].value))
        params, now = end
    rounding = rounding_of_answer(objective, params)
    gap += rounding
    suboptimality = min(suboptimality + rounding / value, gap / value, 1.0)
    outcome = _outcome(objective, fit, params, now, suboptimality, newton)
    return _Answer(params, now, outcome, suboptimality, gap)


def _that_was_kept(objective, fit, last):
    """Return the iteration that a listener chose in place of the last, as it was."""
    params = fit.trace.kept.params
    now = objective.evaluate(params)
    left = last.suboptimality * last.evaluation.value
    left += max(0.0, now.value - last.evaluation.value)
    suboptimality = min(1.0, left / max(now.value, TINY))
    return _bounded(objective, fit, params, now, suboptimality)


def _outcome(objective, fit, params, now, suboptimality, newton):
    """Return how the fit ended, seen from its answer."""
    if suboptimality <= fit.tol:
        return CONVERGED
    if fit.trace.stopped or not fit.trace.keeps_last:
        return STOPPED
    if fit.outcome == SEPARABLE:
        return SEPARABLE
    if not fit.trace.iterations_left(fit.max_iter):
        return ITERATION_LIMIT
    if suboptimality <= FLOOR:
        return ROUNDING
    return why_stalled(objective, params, now, newton)
