"""Whether the answer of a fit is the optimum, and a bound of its distance to it.

A Newton step in the coordinates of the data verifies the answer of any method, and
improves it. The certified bound comes last.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.certificate import RESOLVED, certify
from ..model.objective import Objective
from ..model.problem import EPS, Evaluation
from ..model.rounding import rounding_of_answer
from .fit import Fit
from .line_search import MAX_TRIALS, follow, follow_within
from .row_space import LiftedPreconditioner, RowSpace
from .stopping import (
    CONVERGED,
    ITERATION_LIMIT,
    ROUNDING_FLOOR,
    SEPARABLE,
    STOPPED,
    TINY,
    share_of_F,
    why_stalled,
)
from .verification import NewtonStep, step_of_all
from .verification_with_kinks import step_of_model

# Sums over rows resolve about this share of F. No decrease below it can be verified.
SUM_RESOLUTION = 1e-11
# The logits of saturated rows may hide a far larger decrease than the model promises. A
# relative promise that cannot be trusted is therefore raised to this power.
UNTRUSTED_POWER = 1 / 5


class Answer(NamedTuple):
    """The answer of a fit in the coordinates of the data, and its quality.

    Attributes
    ----------
    params : ndarray of shape (n_params,)
    evaluation : Evaluation
        F and its gradient at ``params``.
    outcome : str
        How the fit ended, see `stopping`.
    suboptimality, gap : float
        The estimate of (F − F*) / F, and the certified bound of F − F*.
    rejected_step : NewtonStep or None
        The step that showed that the fit has to continue, if any.
    """

    params: NDArray
    evaluation: Evaluation
    outcome: str
    suboptimality: float
    gap: float
    rejected_step: NewtonStep | None = None

    @property
    def needs_restart(self) -> bool:
        """Whether the fit has to continue."""
        return self.rejected_step is not None


def judge(objective: Objective, fit: Fit, row_space: RowSpace | None) -> Answer:
    """Return the verified answer of a fit.

    Parameters
    ----------
    objective : Objective
    fit : Fit
        A fit that has run.
    row_space : RowSpace or None
        The row space in which it has run, if any.
    """
    progress, params, evaluation = fit.progress, fit.params, fit.evaluation
    if row_space is not None:
        params = row_space.lift(params)
        objective.count_evaluations(row_space.objective.n_evals)
    if objective.rows.read_in_float64() or row_space is not None:
        evaluation = objective.evaluate(params)
    progress.correct_last(evaluation.value)
    if fit.outcome == SEPARABLE:
        # F* is 0
        answer = certified(objective, fit, params, evaluation, 1.0)
    elif fit.preconditioner is None and fit.newton is None:
        # no round has begun
        answer = certified(objective, fit, params, evaluation, fit.suboptimality)
    else:
        answer = _verified(objective, fit, row_space, params, evaluation)
    if answer.needs_restart or progress.keeps_last:
        return answer
    return _kept_answer(objective, fit, answer)


def _verified(
    objective: Objective,
    fit: Fit,
    row_space: RowSpace | None,
    params: NDArray,
    evaluation: Evaluation,
) -> Answer:
    """Return the answer after a Newton step that verifies and improves it."""
    progress, value = fit.progress, max(evaluation.value, TINY)
    is_smooth = objective.penalty.is_smooth
    tolerance = max(fit.tol, SUM_RESOLUTION) * value
    newton: NewtonStep | None
    if fit.newton is not None:
        newton = fit.newton
    elif is_smooth:
        preconditioner = fit.preconditioner
        assert preconditioner is not None  # set by the first round
        if row_space is not None:
            preconditioner = LiftedPreconditioner(row_space, objective, preconditioner)
        is_exact = row_space is None and fit.has_exact_preconditioner
        newton = step_of_all(
            objective, params, evaluation, preconditioner, tolerance, is_exact=is_exact
        )
    else:
        newton = step_of_model(objective, params, evaluation, tolerance)
    if newton is None:
        return certified(objective, fit, params, evaluation, fit.suboptimality)
    promised = newton.decrement / value
    if not newton.is_exact:
        promised = max(promised, fit.suboptimality)
    may_go_on = not progress.stopped and progress.iterations_left(fit.max_iter) > 0
    suboptimality = min(1.0, promised)
    if not newton.is_trusted:
        # the decrease beyond saturated rows is unknown: overestimate it
        suboptimality **= UNTRUSTED_POWER
    if promised > fit.tol and not (may_go_on or (is_smooth and newton.is_trusted)):
        # F is not near its model yet, so the promise may be far too small
        suboptimality **= 0.5
    improved = None
    is_verified = newton.is_trusted and suboptimality <= fit.tol
    if may_go_on:
        search = follow if is_smooth else follow_within
        n_trials = 1 if is_verified else MAX_TRIALS
        improved = search(objective, params, evaluation, newton.dual.step, n_trials)
        if improved is not None:
            new_params, new_evaluation = improved
            n_evals = objective.n_evals
            progress.note(
                new_evaluation.value, suboptimality, n_evals, lambda: new_params
            )
    # a step that is trusted and finds no smaller F is the end of any series of gains
    has_ended = may_go_on and is_verified and improved is None
    if not (is_smooth or has_ended):
        # Newton's method may converge slowly because of kinks
        suboptimality = max(suboptimality, min(1.0, progress.expected_gain()))
    # below EPS, the estimate is rounding
    is_far = suboptimality > max(fit.tol, EPS) and not progress.stopped
    rejected: Answer | None = None
    if improved is not None and is_far:
        rejected = Answer(*improved, fit.outcome, suboptimality, np.inf, newton)
        if newton.is_trusted:
            return rejected
    answer = certified(
        objective, fit, params, evaluation, suboptimality, newton, improved
    )
    # the bound may prove what a model that cannot be trusted does not
    return answer if rejected is None or answer.outcome == CONVERGED else rejected


def certified(
    objective: Objective,
    fit: Fit,
    params: NDArray,
    evaluation: Evaluation,
    suboptimality: float,
    newton: NewtonStep | None = None,
    improved: tuple[NDArray, Evaluation] | None = None,
) -> Answer:
    """Return the answer with its certified bound.

    Parameters
    ----------
    objective : Objective
    fit : Fit
    params : ndarray of shape (n_params,)
    evaluation : Evaluation
        F and its gradient at ``params``.
    suboptimality : float
        The estimate of (F − F*) / F.
    newton : NewtonStep or None
        A step from ``params``, which tightens the bound.
    improved : (ndarray, Evaluation) or None
        Better params, and F and its gradient there, to return instead.
    """
    value = evaluation.value
    gap = certify(
        objective, params, evaluation, None if newton is None else newton.dual
    )
    if improved is not None:
        gap = max(
            RESOLVED * evaluation.value, gap - (evaluation.value - improved[1].value)
        )
        params, evaluation = improved
    rounding = rounding_of_answer(objective, params)
    gap += rounding
    suboptimality = min(
        suboptimality + share_of_F(rounding, value), share_of_F(gap, value)
    )
    outcome = _outcome(objective, fit, params, evaluation, suboptimality, newton)
    return Answer(params, evaluation, outcome, suboptimality, gap)


def _kept_answer(objective: Objective, fit: Fit, last: Answer) -> Answer:
    """Return the answer of the iteration that a listener chose, without changing it."""
    assert fit.progress.kept is not None  # otherwise the last one is kept
    params = fit.progress.kept.params
    evaluation = objective.evaluate(params)
    distance = last.suboptimality * last.evaluation.value
    distance += max(0.0, evaluation.value - last.evaluation.value)
    suboptimality = share_of_F(distance, evaluation.value)
    return certified(objective, fit, params, evaluation, suboptimality)


def _outcome(
    objective: Objective,
    fit: Fit,
    params: NDArray,
    evaluation: Evaluation,
    suboptimality: float,
    newton: NewtonStep | None,
) -> str:
    """Return the outcome of the fit, given its answer."""
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
    return why_stalled(objective, params, evaluation, newton)
