"""Fits of one problem with several penalties, to all rows and without each fold.

The penalties come in their order, best from strong to weak. Each fit starts where the
last one ended, with the last preconditioner, whose ridge is replaced. A fold starts at
the optimum of all rows, moved by what its own optimum differed for the last penalty.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.objective import Objective
from ..model.separable_penalty import SeparablePenalty
from .fold_newton import SHARE_OF_TOL, fit_folds, newton_pays
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
    of_all : Solution
        The fit to all rows.
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
    of_all: Solution
    params: NDArray
    suboptimality: NDArray
    n_iter: NDArray
    preconditioner: Preconditioner | None
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
    path = _FoldPath(without_folds, folds, tol, max_iter)
    n_folds = len(without_folds)
    last: PenaltyFits | None = None
    start = objective.initial_point()
    with objective.rows.threads():
        for penalty_of in penalties:
            whole = with_penalty(objective, penalty_of)
            if last is not None:
                start = last.of_all.params
            of_all = minimise(
                whole,
                start,
                tol=tol,
                max_iter=max_iter,
                preconditioner=_renewed(last, whole),
            )
            last = PenaltyFits(
                whole,
                of_all,
                _starts(whole, of_all, last, n_folds),
                np.ones(n_folds),
                np.zeros(n_folds, np.int32),
                of_all.preconditioner,
            )
            _note_shortfall(last, of_all, tol)
            path.fit(whole, penalty_of, last)
            yield last


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
            params = space.lift(fits.of_all.params)
            value = fits.objective.evaluate(fits.of_all.params).value
            if abs(whole.evaluate(params).value - value) > tol * value:
                return
            yield replace(
                fits,
                objective=whole,
                of_all=replace(fits.of_all, params=params, preconditioner=None),
                params=np.array(
                    [space.lift(of_fold) for of_fold in fits.params]
                ).reshape(-1, whole.n_params),
                preconditioner=None,
            )


class _FoldPath:
    """The fits without each fold, for one penalty after the other.

    Parameters
    ----------
    objectives : list of Objective
        Those without each fold.
    folds : ndarray of shape (n,) or None
    tol, max_iter
        As in `minimise`.
    """

    def __init__(
        self,
        objectives: list[Objective],
        folds: NDArray | None,
        tol: float,
        max_iter: int,
    ):
        self._objectives, self._folds = objectives, folds
        self._tol, self._max_iter = tol, max_iter
        self._preconditioners: list[Preconditioner] = []

    def fit(
        self,
        whole: Objective,
        penalty_of: Callable[[Objective], SeparablePenalty],
        fits: PenaltyFits,
    ) -> None:
        """Enter the fits of all folds, which start at their params."""
        n_folds = len(self._objectives)
        has_converged = np.zeros(n_folds, bool)
        if self._folds is not None and newton_pays(whole, n_folds):
            answers = fit_folds(
                whole,
                self._folds,
                fits.params,
                fits.of_all.params,
                tol=self._tol,
                stale=self._preconditioners,
            )
            has_converged = answers.has_converged
            self._preconditioners = answers.preconditioners
            fits.params, fits.n_iter = answers.params, answers.n_steps
            fits.suboptimality = answers.suboptimality
            if answers.of_all is not None:
                fits.preconditioner = answers.of_all
        for fold in np.flatnonzero(~has_converged).tolist():
            self._fit_alone(fold, penalty_of, fits)

    def _fit_alone(
        self,
        fold: int,
        penalty_of: Callable[[Objective], SeparablePenalty],
        fits: PenaltyFits,
    ) -> None:
        """Fit one fold, preconditioned by its Hessian or by that of all rows."""
        objective = with_penalty(self._objectives[fold], penalty_of)
        preconditioner = fits.preconditioner
        if self._preconditioners:
            preconditioner = self._preconditioners[fold]
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
    objective: Objective, of_all: Solution, last: PenaltyFits | None, n_folds: int
) -> NDArray:
    """Return the params, (n_folds, n_params), where the fits of the folds start."""
    if last is not None and objective.penalty.is_smooth:
        return of_all.params + (last.params - last.of_all.params)
    # with kinks, a sum of params would lose the zeros
    return np.tile(of_all.params, (n_folds, 1))


def _note_shortfall(fits: PenaltyFits, solution: Solution, tol: float) -> None:
    """Add a solution that deserves a warning to the shortfalls, in place."""
    if solution.deserves_warning and solution.suboptimality > tol:
        shortfall = Shortfall(solution.suboptimality, solution.message(tol))
        fits.shortfalls.append(shortfall)
