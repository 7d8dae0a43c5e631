"""The search for a penalty: fits along a grid, their scores, and the choice."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..model.objective import Objective
from ..model.penalty import Penalty, penalty_strength
from ..solver.penalty_path import PenaltyFits, fit_penalties

# The scores of the fits with one penalty, (n_scores,), and the standard error of their
# mean.
Score = Callable[[PenaltyFits], tuple[NDArray, float]]


class PenaltyGrid(NamedTuple):
    """The penalties to try.

    Attributes
    ----------
    l1_ratios : ndarray of shape (n_l1_ratios,)
    Cs : ndarray of shape (n_Cs,)
        Ascending.
    weights : ndarray of shape (d,) or None
    bounds : pair of floats or ndarrays of shape (d,), or None
    """

    l1_ratios: NDArray
    Cs: NDArray
    weights: NDArray | None
    bounds: tuple[ArrayLike, ArrayLike] | None

    def penalties(self, ratio: int) -> list[Callable[[Objective], Penalty]]:
        """Return the penalties of all Cs with the ``l1_ratio`` of this index."""
        l1_ratio = float(self.l1_ratios[ratio])
        return [partial(self._penalty, l1_ratio=l1_ratio, C=float(C)) for C in self.Cs]

    def _penalty(self, objective: Objective, l1_ratio: float, C: float) -> Penalty:
        """Return the penalty of an objective, which depends on its total weight."""
        strength = penalty_strength(C, objective.rows.weight_sum)
        return Penalty.elastic_net(
            strength, l1_ratio, self.weights, self.bounds, objective.n_features
        )


class Search(NamedTuple):
    """What the fits of a search have given.

    Attributes
    ----------
    grid : PenaltyGrid
    scores : ndarray of shape (n_scores, n_l1_ratios, n_Cs)
    standard_errors : ndarray of shape (n_l1_ratios, n_Cs)
        Of the means of the scores.
    params : ndarray of shape (n_folds, n_l1_ratios, n_Cs, n_params)
    params_of_all : ndarray of shape (n_l1_ratios, n_Cs, n_params)
    n_iter : ndarray of shape (n_folds, n_l1_ratios, n_Cs)
    suboptimality : ndarray of shape (n_l1_ratios, n_Cs)
        The worst of all fits with a penalty.
    message : str or None
        What to warn of, if fits ended short of ``tol``.
    """

    grid: PenaltyGrid
    scores: NDArray
    standard_errors: NDArray
    params: NDArray
    params_of_all: NDArray
    n_iter: NDArray
    suboptimality: NDArray
    message: str | None

    def choose(self, selection: str) -> tuple[int, int]:
        """Return the indices of the chosen ``l1_ratio`` and C."""
        means = np.nan_to_num(self.scores.mean(axis=0), nan=-np.inf)
        ratio, best = np.unravel_index(np.argmax(means), means.shape)
        if selection == "one_standard_error":
            error = np.nan_to_num(self.standard_errors[ratio, best])
            good = means[ratio] >= means[ratio, best] - error
            best = np.argmax(good)
        return int(ratio), int(best)

    def check(self, refusals: list[str]) -> None:
        """Raise or warn if refusals of leave-one-out leave the choice open.

        Parameters
        ----------
        refusals : list of str
            Why the approximation does not hold for penalties, whose scores are NaN.
        """
        if not refusals:
            return
        is_known = np.isfinite(self.scores[0])
        if not is_known.any():
            raise ValueError(refusals[0])
        ratio, best = self.choose("best")
        if best + 1 < len(self.grid.Cs) and not is_known[ratio, best + 1]:
            warn(
                f"The best score is at C={self.grid.Cs[best]:.4g}, and the next one is "
                f"unknown: a larger C may be better. {refusals[0]}",
                UserWarning,
                stacklevel=5,
            )


def search_penalties(
    objective: Objective,
    grid: PenaltyGrid,
    score: Score,
    *,
    tol: float,
    max_iter: int,
    without_folds: list[Objective],
    folds: NDArray | None,
    report: Callable[[str], None],
) -> Search:
    """Fit along the Cs of each ``l1_ratio``, and score each fit.

    Parameters
    ----------
    objective : Objective
        Of all rows.
    grid : PenaltyGrid
    score : callable
        Returns the scores of the fits with one penalty, and their standard error.
    tol, max_iter
        As in `minimise`.
    without_folds, folds
        As in `fit_penalties`.
    report : callable
        Is told each penalty and its score.
    """
    shape = len(grid.l1_ratios), len(grid.Cs)
    scores: dict[tuple[int, int], tuple[NDArray, float]] = {}
    fits: dict[tuple[int, int], PenaltyFits] = {}
    for i, l1_ratio in enumerate(grid.l1_ratios):
        path = fit_penalties(
            objective,
            grid.penalties(i),
            tol=tol,
            max_iter=max_iter,
            without_folds=without_folds,
            folds=folds,
        )
        for j, some in enumerate(path):
            scores[i, j], fits[i, j] = score(some), some
            of_folds, error = scores[i, j]
            report(
                f"l1_ratio = {l1_ratio:g}, C = {grid.Cs[j]:.4g}: score "
                f"{of_folds.mean():.6g} ± {error:.2g}"
            )

    def gathered(read: Callable[[PenaltyFits], ArrayLike]) -> NDArray:
        """Return an array (…, n_l1_ratios, n_Cs) of what is read from the fits."""
        parts = np.array([read(fits[place]) for place in np.ndindex(*shape)])
        return np.moveaxis(parts, 0, -1).reshape(*parts.shape[1:], *shape)

    of_places = [scores[place] for place in np.ndindex(*shape)]
    return Search(
        grid,
        np.array([s for s, _ in of_places]).T.reshape(-1, *shape),
        np.array([error for _, error in of_places]).reshape(shape),
        np.moveaxis(gathered(_params), 1, -1),
        np.moveaxis(gathered(lambda some: some.params_of_all), 0, -1),
        gathered(_n_iter),
        gathered(_worst_suboptimality),
        shortfall_message(np.tile(grid.Cs, shape[0]), list(fits.values()), tol),
    )


def shortfall_message(Cs: NDArray, fits: list[PenaltyFits], tol: float) -> str | None:
    """Return one warning for all fits that ended short of ``tol``, None if none did."""
    pairs = zip(Cs, fits, strict=True)
    shortfalls = [(C, shortfall) for C, some in pairs for shortfall in some.shortfalls]
    if not shortfalls:
        return None
    n_fits = sum(1 + len(some.params) for some in fits)
    C, worst = max(shortfalls, key=lambda pair: pair[1].suboptimality)
    return (
        f"{len(shortfalls)} of {n_fits} fits ended short of tol={tol:g}. The worst, at "
        f"C={C:.4g}: {worst.message}"
    )


def _params(fits: PenaltyFits) -> NDArray:
    """Return the params of each fold, or those of all rows if there are no folds."""
    return fits.params if len(fits.params) else fits.params_of_all[None]


def _n_iter(fits: PenaltyFits) -> NDArray:
    return fits.n_iter if len(fits.n_iter) else np.array([fits.n_iter_of_all])


def _worst_suboptimality(fits: PenaltyFits) -> float:
    return float(max(fits.suboptimality_of_all, *fits.suboptimality, 0))
