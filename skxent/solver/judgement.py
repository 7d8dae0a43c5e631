"""Whether the end of a fit is the optimum, and how far from it.

A Newton step in the coordinates of the data judges the answer, whatever way the fit has
taken. It improves the answer, too. The certified bound comes last.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.certificate import RESOLVED, certify
from ..model.objective import Objective
from ..model.problem import EPS, Evaluation
from ..model.rounding import rounding_of_answer
from .line_search import MAX_TRIALS, follow, follow_within
from .rounds import SmoothFit
from .row_space import LiftedPreconditioner, RowSpace
from .stopping import (
    CONVERGED,
    ITERATION_LIMIT,
    ROUNDING_FLOOR,
    SEPARABLE,
    STOPPED,
    TINY,
    why_stalled,
)
from .verification import NewtonStep, step_of_all
from .verification_with_kinks import step_of_model
from .working_set import WorkingSetFit

# Sums over rows resolve about this share of F. No decrease below it can be verified.
SUM_RESOLUTION = 1e-11
# The logits of saturated rows may hide a far larger decrease than the model promises. A
# relative promise that cannot be trusted is therefore raised to this power.
UNTRUSTED_POWER = 1 / 5

Fit = SmoothFit | WorkingSetFit


class Answer(NamedTuple):
    """Where a fit ended in the coordinates of the data, and how good that is.

    Attributes
    ----------
    params : ndarray of shape (n_params,)
    evaluation : Evaluation
        The objective there.
    outcome : str
        How the fit has ended, see `stopping`.
    suboptimality, gap : float
        The estimate of (F − F*) / F, and the bound of F − F*.
    doubt : NewtonStep or None
        Why the fit has to go on, if it has to.
    """

    params: NDArray
    evaluation: Evaluation
    outcome: str
    suboptimality: float
    gap: float
    doubt: NewtonStep | None = None

    @property
    def goes_on(self) -> bool:
        """Whether this is not the end."""
        return self.doubt is not None


def judge(objective: Objective, fit: Fit, space: RowSpace | None) -> Answer:
    """Return the verified answer of a fit.

    Parameters
    ----------
    objective : Objective
    fit : SmoothFit or WorkingSetFit
        Has run.
    space : RowSpace or None
        Where it has run, if not in the coordinates of the data.
    """
    progress, params, now = fit.progress, fit.params, fit.now
    if space is not None:
        params = space.lift(params)
        objective.count_evaluations(space.objective.n_evals)
    if objective.rows.read_in_float64() or space is not None:
        now = objective.evaluate(params)
    progress.correct_last(now.value)
    if fit.outcome == SEPARABLE:
        # F* is 0
        answer = bounded(objective, fit, params, now, 1.0)
    elif fit.preconditioner is None:
        # not even a round has begun
        answer = bounded(objective, fit, params, now, fit.suboptimality)
    else:
        answer = _verified(objective, fit, space, params, now)
    if answer.goes_on or progress.keeps_last:
        return answer
    return _that_was_kept(objective, fit, answer)


def _verified(
    objective: Objective,
    fit: Fit,
    space: RowSpace | None,
    params: NDArray,
    now: Evaluation,
) -> Answer:
    """Return the answer after a Newton step that judges it and improves it."""
    progress, value = fit.progress, max(now.value, TINY)
    is_smooth = objective.penalty.is_smooth
    enough = max(fit.tol, SUM_RESOLUTION) * value
    newton: NewtonStep | None
    if is_smooth:
        change = fit.preconditioner
        assert change is not None  # a round has come first
        if space is not None:
            change = LiftedPreconditioner(space, objective, change)
        newton = step_of_all(objective, params, now, change, enough)
    else:
        newton = step_of_model(objective, params, now, enough)
    if newton is None:
        return bounded(objective, fit, params, now, fit.suboptimality)
    promised = newton.decrement / value
    if not newton.is_exact:
        promised = max(promised, fit.suboptimality)
    may_go_on = not progress.stopped and progress.iterations_left(fit.max_iter) > 0
    suboptimality = min(1.0, promised)
    if not newton.is_trusted:
        # what lies behind saturated rows is unknown: rather too much than too little
        suboptimality **= UNTRUSTED_POWER
    if promised > fit.tol and not (may_go_on or (is_smooth and newton.is_trusted)):
        # on the way there, so is what lies behind kinks and saturated rows
        suboptimality **= 0.5
    end = None
    if may_go_on:
        is_good = newton.is_trusted and suboptimality <= fit.tol
        go = follow if is_smooth else follow_within
        n_trials = 1 if is_good else MAX_TRIALS
        end = go(objective, params, now, newton.dual.step, n_trials)
        if end is not None:
            there, of_there = end
            n_evals = objective.n_evals
            progress.note(of_there.value, suboptimality, n_evals, lambda: there)
    if not is_smooth:
        # kinks may make Newton's method converge slowly
        suboptimality = max(suboptimality, min(1.0, progress.gain_to_come()))
    # below EPS, rounding is all there is
    is_far = suboptimality > max(fit.tol, EPS) and not progress.stopped
    if end is not None and is_far:
        return Answer(*end, fit.outcome, suboptimality, np.inf, newton)
    return bounded(objective, fit, params, now, suboptimality, newton, end)


def bounded(
    objective: Objective,
    fit: Fit,
    params: NDArray,
    now: Evaluation,
    suboptimality: float,
    newton: NewtonStep | None = None,
    end: tuple[NDArray, Evaluation] | None = None,
) -> Answer:
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
    return Answer(params, now, outcome, suboptimality, gap)


def _that_was_kept(objective: Objective, fit: Fit, last: Answer) -> Answer:
    """Return the iteration that a listener chose in place of the last, as it was."""
    assert fit.progress.kept is not None  # else the last one is kept
    params = fit.progress.kept.params
    now = objective.evaluate(params)
    distance = last.suboptimality * last.evaluation.value
    distance += max(0.0, now.value - last.evaluation.value)
    suboptimality = min(1.0, distance / max(now.value, TINY))
    return bounded(objective, fit, params, now, suboptimality)


def _outcome(
    objective: Objective,
    fit: Fit,
    params: NDArray,
    now: Evaluation,
    suboptimality: float,
    newton: NewtonStep | None,
) -> str:
    """Return how the fit ended, seen from its answer."""
    progress = fit.progress
    if suboptimality <= fit.tol:
        return CONVERGED
    if progress.stopped or not progress.keeps_last:
        return STOPPED
    if fit.outcome == SEPARABLE:
        return SEPARABLE
    if not progress.iterations_left(fit.max_iter):
        return ITERATION_LIMIT
    if suboptimality <= SUM_RESOLUTION:
        return ROUNDING_FLOOR
    return why_stalled(objective, params, now, newton)
