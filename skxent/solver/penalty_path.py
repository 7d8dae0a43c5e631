"""Fits of one problem with several penalties, to all rows and without each fold.

The penalties come in their order, best from strong to weak. Each fit starts where the
last one ended, with the last preconditioner, whose ridge is replaced. If folds share
passes, the fit to all rows is one of them. Otherwise it comes first, and a fold starts
at its optimum, moved by what its own optimum differed for the last penalty.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from ..model.separable_penalty import SeparablePenalty
from .fold_newton import (
    SHARE_OF_TOL,
    FoldAnswers,
    approach,
    fit_folds,
    newton_pays,
)
from .minimise import Solution, minimise
from .preconditioners.base import Preconditioner
from .row_space import RowSpace, row_space_pays


class Shortfall(NamedTuple):
    """A fit that ended short of ``tol``: its suboptimality, and what to do."""

    suboptimality: float
    message: str


@dataclass
class PenaltyFits:
    """The fits with one penalty.

    Attributes
    ----------
    objective : Objective
        Of all rows, with the penalty.
    params_of_all : ndarray of shape (n_params,)
        The fit to all rows.
    suboptimality_of_all : float
    n_iter_of_all : int
    params : ndarray of shape (n_folds, n_params)
        The fits without each fold.
    suboptimality : ndarray of shape (n_folds,)
    n_iter : ndarray of shape (n_folds,)
    preconditioner : Preconditioner or None
        The last one of all rows.
    shortfalls : list of Shortfall
        Of the fits, also that of all rows, that the user should know of.
    """

    objective: Objective
    params_of_all: NDArray
    suboptimality_of_all: float
    n_iter_of_all: int
    params: NDArray
    suboptimality: NDArray
    n_iter: NDArray
    preconditioner: Preconditioner | None = None
    shortfalls: list[Shortfall] = field(default_factory=list)


def fit_penalties(
    objective: Objective,
    penalties: Iterable[Callable[[Objective], SeparablePenalty]],
    *,
    tol: float,
    max_iter: int,
    without_folds: list[Objective] | None = None,
    folds: NDArray | None = None,
) -> Iterator[PenaltyFits]:
    """Fit all rows, and the rows without each fold, with one penalty after the other.

    Parameters
    ----------
    objective : Objective
        Of all rows.
    penalties : iterable of callables
        Each returns the penalty of an objective, which depends on its total weight.
    tol, max_iter
        As in `minimise`, for each fit.
    without_folds : list of Objective, default=None
        Those of the rows without each fold; None for no folds.
    folds : ndarray of shape (n,), default=None
        The fold that holds each row out, if that is one fold for each row and the rows
        have the same weights in all fits. Folds then share passes.
    """
    objectives = [] if without_folds is None else without_folds
    remaining = list(penalties)
    if all(row_space_pays(with_penalty(objective, p)) for p in remaining):
        for fits in _fit_in_row_space(
            objective, remaining, tol, max_iter, objectives, folds
        ):
            remaining = remaining[1:]
            yield fits
    yield from _fit_in_columns(objective, remaining, tol, max_iter, objectives, folds)


def _fit_in_columns(
    objective: Objective,
    penalties: list[Callable[[Objective], SeparablePenalty]],
    tol: float,
    max_iter: int,
    without_folds: list[Objective],
    folds: NDArray | None,
) -> Iterator[PenaltyFits]:
    """Fit in the coordinates of the data."""
    path = _FoldPath(objective, without_folds, folds, tol, max_iter)
    with objective.rows.threads():
        for penalty_of in penalties:
            yield path.fit(penalty_of)


def _fit_in_row_space(
    objective: Objective,
    penalties: list[Callable[[Objective], SeparablePenalty]],
    tol: float,
    max_iter: int,
    without_folds: list[Objective],
    folds: NDArray | None,
) -> Iterator[PenaltyFits]:
    """Fit in the row space of all rows, which is that of no fewer rows, too.

    It ends as soon as rounding in the coordinates changes F by more than ``tol``.
    """

    def ridge(
        penalty_of: Callable[[Objective], SeparablePenalty], of_coordinates: Objective
    ) -> SeparablePenalty:
        """Return the penalty for coordinates of some or of all rows."""
        share = objective.rows.weight_sum / of_coordinates.rows.weight_sum
        rotated = penalty_of(objective).of_rotated_features(of_coordinates.n_features)
        return rotated.scaled(share)

    with objective.rows.threads():
        space = RowSpace(with_penalty(objective, penalties[0]))
        path = _fit_in_columns(
            space.objective,
            [partial(ridge, penalty_of) for penalty_of in penalties],
            tol,
            max_iter,
            [fold.on_coordinates(space.coordinates) for fold in without_folds],
            folds,
        )
        for penalty_of, fits in zip(penalties, path, strict=True):
            whole = with_penalty(objective, penalty_of)
            params = space.lift(fits.params_of_all)
            value = fits.objective.evaluate(fits.params_of_all).value
            if abs(whole.evaluate(params).value - value) > tol * value:
                return
            yield replace(
                fits,
                objective=whole,
                params_of_all=params,
                params=np.array(
                    [space.lift(of_fold) for of_fold in fits.params]
                ).reshape(-1, whole.n_params),
                preconditioner=None,
            )


class _FoldPath:
    """The fits to all rows and without each fold, for one penalty after the other.

    Parameters
    ----------
    objective : Objective
        Of all rows.
    without_folds : list of Objective
        Those without each fold.
    folds : ndarray of shape (n,) or None
    tol, max_iter
        As in `minimise`.
    """

    def __init__(
        self,
        objective: Objective,
        without_folds: list[Objective],
        folds: NDArray | None,
        tol: float,
        max_iter: int,
    ):
        self._objective, self._without_folds = objective, without_folds
        self._folds, self._n_folds = folds, len(without_folds)
        self._tol, self._max_iter = tol, max_iter
        self._last: PenaltyFits | None = None
        # what the models shared for the last penalty, if that of all rows converged
        self._answers: FoldAnswers | None = None

    def fit(self, penalty_of: Callable[[Objective], SeparablePenalty]) -> PenaltyFits:
        """Return the fits with the next penalty."""
        whole = with_penalty(self._objective, penalty_of)
        answers, self._answers = self._answers, None
        if self._folds is not None and newton_pays(whole, self._n_folds):
            fits = self._fit_together(whole, penalty_of, answers)
        else:
            fits = self._fit_all_rows(whole)
            for fold in range(self._n_folds):
                self._fit_alone(fold, penalty_of, fits, fits.preconditioner)
        self._last = fits
        return fits

    def _fit_all_rows(
        self,
        whole: Objective,
        start: NDArray | None = None,
        preconditioner: Preconditioner | None = None,
    ) -> PenaltyFits:
        """Fit all rows; the folds have their starts as params."""
        last = self._last
        if start is None:
            start = whole.initial_point() if last is None else last.params_of_all
        if preconditioner is None:
            preconditioner = _renewed(last, whole)
        solution = minimise(
            whole,
            start,
            tol=self._tol,
            max_iter=self._max_iter,
            preconditioner=preconditioner,
        )
        fits = PenaltyFits(
            whole,
            solution.params,
            solution.suboptimality,
            solution.n_iter,
            _starts(whole, solution.params, last, self._n_folds),
            np.ones(self._n_folds),
            np.zeros(self._n_folds, np.int32),
            solution.preconditioner,
        )
        _note_shortfall(fits, solution, self._tol)
        return fits

    def _fit_together(
        self,
        whole: Objective,
        penalty_of: Callable[[Objective], SeparablePenalty],
        last: FoldAnswers | None,
    ) -> PenaltyFits:
        """Fit all rows and all folds at once, and alone what does not get there."""
        folds, n_folds = self._folds, self._n_folds
        assert folds is not None  # the caller has seen to it
        start = None if last is None else approach(whole, last)
        fits = None
        if start is None:
            fits = self._fit_all_rows(whole)
            start = fits.params_of_all
        answers = fit_folds(whole, folds, n_folds, start, last, tol=self._tol)
        preconditioner, *of_folds = answers.preconditioners
        if answers.has_converged[0]:
            fits = PenaltyFits(whole, *_first(answers), *_others(answers))
        elif fits is None:
            fits = self._fit_all_rows(whole, answers.params[0], preconditioner)
        fits.params, fits.suboptimality, fits.n_iter = _others(answers)
        fits.preconditioner = preconditioner
        for fold in np.flatnonzero(~answers.has_converged[1:]).tolist():
            self._fit_alone(fold, penalty_of, fits, of_folds[fold])
        if answers.has_converged[0]:
            self._answers = answers
        return fits

    def _fit_alone(
        self,
        fold: int,
        penalty_of: Callable[[Objective], SeparablePenalty],
        fits: PenaltyFits,
        preconditioner: Preconditioner | None,
    ) -> None:
        """Fit one fold, which starts at its params in ``fits``, and enter the fit."""
        objective = with_penalty(self._without_folds[fold], penalty_of)
        # scores depend on the params, whose error is the root of that of F
        solution = minimise(
            objective,
            fits.params[fold],
            tol=SHARE_OF_TOL * self._tol,
            max_iter=self._max_iter,
            preconditioner=preconditioner,
        )
        fits.params[fold] = solution.params
        fits.suboptimality[fold] = solution.suboptimality
        fits.n_iter[fold] += solution.n_iter
        _note_shortfall(fits, solution, self._tol)


def _first(answers: FoldAnswers) -> tuple[NDArray, float, int]:
    """Return params, suboptimality and steps of the fit to all rows."""
    return (
        answers.params[0],
        float(answers.suboptimality[0]),
        int(answers.n_steps[0]),
    )


def _others(answers: FoldAnswers) -> tuple[NDArray, NDArray, NDArray]:
    """Return params, suboptimality and steps of the folds, to be changed in place."""
    return (
        answers.params[1:].copy(),
        answers.suboptimality[1:].copy(),
        answers.n_steps[1:].copy(),
    )


def with_penalty(
    objective: Objective, penalty_of: Callable[[Objective], SeparablePenalty]
) -> Objective:
    """Return the objective with a penalty, without the bounds that cost nothing."""
    penalty = penalty_of(objective)
    if objective.loss.ignores_common_shift:
        penalty = penalty.without_idle_bounds()
    return objective.with_penalty(penalty)


def _renewed(last: PenaltyFits | None, objective: Objective) -> Preconditioner | None:
    """Return the last preconditioner with the ridge of the objective, if it has one."""
    preconditioner = None if last is None else last.preconditioner
    if preconditioner is None or not objective.penalty.is_smooth:
        return None
    return preconditioner.with_l2(objective.penalty.l2)


def _starts(
    objective: Objective, params: NDArray, last: PenaltyFits | None, n_folds: int
) -> NDArray:
    """Return the params, (n_folds, n_params), where the fits of the folds start.

    ``params`` is the fit to all rows.
    """
    if last is not None and objective.penalty.is_smooth:
        return params + (last.params - last.params_of_all)
    # with kinks, a sum of params would lose the zeros
    return np.tile(params, (n_folds, 1))


def _note_shortfall(fits: PenaltyFits, solution: Solution, tol: float) -> None:
    """Add a solution that deserves a warning to the shortfalls, in place."""
    if solution.deserves_warning and solution.suboptimality > tol:
        shortfall = Shortfall(solution.suboptimality, solution.message(tol))
        fits.shortfalls.append(shortfall)
