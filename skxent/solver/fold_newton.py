"""Quasi-Newton steps for all folds at once, from the fit to all rows.

A fold leaves out a small share of the rows, so its optimum is near that of all rows. In
variables in which the Hessian of the fold, with the curvature of the fit to all rows,
is the identity, a gradient step is nearly Newton's. Where folds differ, as those of
rows sorted by date, the secants of the steps so far correct it, as in L-BFGS. A pass
over the data serves all folds, see `model.folds`. A step that does not lower F by about
what it promises is tried again with a fifth of its length. The caller has to fit a fold
that is given up by `minimise`.

A fold has converged if the decrement ½ gᵀH⁻¹g, divided by the smallest curvature that
its steps have observed, is negligible.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.folds import evaluate_folds, held_out_hessians
from ..model.objective import Objective
from .preconditioners.base import Preconditioner
from .preconditioners.choice import preconditioner_from
from .preconditioners.prices import MAX_PRECONDITIONER_BYTES, price_of_exact_hessian
from .stopping import MIN_CURVATURE_RATIO, TINY

# A fold has converged at this share of ``tol``: scores depend on the params, whose
# error is the root of that of F.
SHARE_OF_TOL = 1e-2
# The decrement with the Hessian of another penalty may be too small by this factor.
STALE_FACTOR = 100.0
# A step keeps its promise if F falls by this share of the decrement.
KEPT_SHARE = 0.1
# Otherwise it becomes shorter by this factor, until the fold is given up.
SHORTER, SHORTEST = 0.2, 1e-3
# Relative changes of F below this are rounding.
ROUNDING = 1e-12
MAX_STEPS = 40
# A fold is given up if this many steps leave more than a tenth of the decrement.
PATIENCE = 6
# Newton steps pay if the Hessian costs at most this many evaluations for each fold: a
# fold that is fitted alone takes about as many.
MAX_PRICE_OF_FOLD = 15.0


class FoldAnswers(NamedTuple):
    """The fits of some folds.

    Attributes
    ----------
    params : ndarray of shape (n_folds, n_params)
    suboptimality : ndarray of shape (n_folds,)
        The estimates of (F_f − F_f*) / F_f.
    n_steps : ndarray of shape (n_folds,)
        The number of Newton steps.
    has_converged : ndarray of shape (n_folds,), bool
    preconditioners : list of Preconditioner
        One for each fold.
    of_all : Preconditioner or None
        That of all rows, if Hessians have been computed.
    """

    params: NDArray
    suboptimality: NDArray
    n_steps: NDArray
    has_converged: NDArray
    preconditioners: list[Preconditioner]
    of_all: Preconditioner | None


def newton_pays(objective: Objective, n_folds: int) -> bool:
    """Whether Hessians of all folds are cheap, and small enough."""
    n_bytes = 16 * (n_folds + 1) * objective.n_params**2
    price = price_of_exact_hessian(objective)
    return (
        objective.penalty.is_smooth
        and n_bytes <= MAX_PRECONDITIONER_BYTES
        and price <= MAX_PRICE_OF_FOLD * n_folds
    )


def fit_folds(
    objective: Objective,
    folds: NDArray,
    start: NDArray,
    params_of_all: NDArray,
    *,
    tol: float,
    stale: list[Preconditioner],
) -> FoldAnswers:
    """Fit all folds by steps with the Hessians of the fit to all rows.

    Parameters
    ----------
    objective : Objective
        Of all rows; its penalty is smooth. Its rows are read in float64 from now on.
    folds : ndarray of shape (n,)
        The number of the fold that holds each row out.
    start : ndarray of shape (n_folds, n_params)
    params_of_all : ndarray of shape (n_params,)
        The optimum of the objective, where the curvature is computed.
    tol : float
        As in `minimise`.
    stale : list of Preconditioner
        Those of the last penalty, one for each fold, or none.
    """
    # float32 does not resolve a share of ``tol``
    objective.rows.read_in_float64()
    hessians = _FoldPreconditioners(objective, folds, len(start), params_of_all, stale)
    params = start.copy()
    values, gradients = evaluate_folds(objective, folds, np.arange(len(start)), start)
    n_steps = np.zeros(len(start), np.int32)
    is_sound, lengths = np.ones(len(start), bool), np.ones(len(start))
    history: list[NDArray] = []
    while True:
        steps, decrements, curvatures = hessians.newton_steps(gradients)
        history.append(decrements)
        bounds = hessians.uncertainty * decrements / curvatures
        relative = bounds / np.maximum(values, TINY)
        is_done = relative <= max(SHARE_OF_TOL * tol, ROUNDING)
        if len(history) > PATIENCE:
            is_sound &= is_done | (decrements <= 0.1 * history[-PATIENCE - 1])
        moving = is_sound & ~is_done
        if not moving.any() or n_steps.max() == MAX_STEPS:
            break
        if hessians.renew():
            history.clear()
            continue
        moved = np.flatnonzero(moving)
        trial = params[moved] - lengths[moved, None] * steps[moved]
        evaluation = evaluate_folds(objective, folds, moved, trial)
        gains = values[moved] - evaluation.values
        noise = ROUNDING * values[moved]
        is_kept = gains >= KEPT_SHARE * lengths[moved] * decrements[moved] - noise
        lengths[moved[~is_kept]] *= SHORTER
        is_sound &= lengths >= SHORTEST
        moved = moved[is_kept]
        n_steps[moved] += 1
        params[moved], values[moved] = trial[is_kept], evaluation.values[is_kept]
        gradients[moved] = evaluation.gradients[is_kept]
        hessians.learn(moved, lengths, gradients)
        lengths[moved] = 1
    has_converged = is_sound & is_done & ~hessians.are_nearly_singular
    # the last steps cost nothing: scores are computed in a pass of their own
    params -= np.where(has_converged[:, None], steps, 0)
    suboptimality = np.minimum(1, relative)
    return FoldAnswers(
        params,
        suboptimality,
        n_steps,
        has_converged,
        hessians.preconditioners,
        hessians.of_all,
    )


class _FoldPreconditioners:
    """Inverse roots of the Hessians of folds, and the secants of their steps.

    They begin with those of the last penalty, if there are any. `renew` replaces them
    by those of the current fit to all rows.
    """

    def __init__(
        self,
        objective: Objective,
        folds: NDArray,
        n_folds: int,
        params: NDArray,
        stale: list[Preconditioner],
    ):
        self._objective, self._folds, self._n_folds = objective, folds, n_folds
        self._params = params
        self.of_all: Preconditioner | None = None
        self._forget()
        self.preconditioners = [p.with_l2(objective.penalty.l2) for p in stale]
        self._is_fresh = False
        if not stale:
            self.renew()

    def renew(self) -> bool:
        """Compute the Hessians of the folds; return False if they are fresh."""
        if self._is_fresh:
            return False
        self._is_fresh = True
        self._forget()
        objective = self._objective
        held_out = held_out_hessians(
            objective, self._folds, self._n_folds, self._params
        )
        total = held_out.sum(axis=0)
        self.preconditioners = [
            preconditioner_from(objective, total - of_fold) for of_fold in held_out
        ]
        self.of_all = preconditioner_from(objective, total)
        return True

    def _forget(self) -> None:
        """Drop all secants, which belong to other variables."""
        self._secants: list[list[tuple[NDArray, NDArray]]] = [
            [] for _ in range(self._n_folds)
        ]
        self._curvatures = np.ones(self._n_folds)

    @property
    def uncertainty(self) -> float:
        """The factor by which decrements may be too small."""
        return 1.0 if self._is_fresh else STALE_FACTOR

    @property
    def are_nearly_singular(self) -> NDArray:
        """Whether the ridge of each hides directions of little curvature."""
        return np.array([p.is_nearly_singular for p in self.preconditioners])

    def newton_steps(self, gradients: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Return the steps and their decrements, and the least curvature so far."""
        steps, decrements = np.empty_like(gradients), np.empty(len(gradients))
        self._gradients = [
            preconditioner.pull_back(gradient)
            for preconditioner, gradient in zip(
                self.preconditioners, gradients, strict=True
            )
        ]
        self._directions = [
            _corrected(gradient, secants)
            for gradient, secants in zip(self._gradients, self._secants, strict=True)
        ]
        for fold, preconditioner in enumerate(self.preconditioners):
            gradient, direction = self._gradients[fold], self._directions[fold]
            steps[fold] = preconditioner.to_params(direction)
            decrements[fold] = 0.5 * float(gradient @ direction)
        return steps, decrements, self._curvatures

    def learn(self, moved: NDArray, lengths: NDArray, gradients: NDArray) -> None:
        """Add the secants of the folds that have moved, given the new gradients."""
        for fold in moved:
            pulled = self.preconditioners[fold].pull_back(gradients[fold])
            step = -lengths[fold] * self._directions[fold]
            change = pulled - self._gradients[fold]
            curvature = float(step @ change) / max(float(step @ step), TINY)
            self._curvatures[fold] = np.clip(
                curvature, MIN_CURVATURE_RATIO, self._curvatures[fold]
            )
            if curvature > MIN_CURVATURE_RATIO:
                self._secants[fold].append((step, change))


def _corrected(gradient: NDArray, secants: list[tuple[NDArray, NDArray]]) -> NDArray:
    """Return the inverse Hessian times a gradient: the identity, with secants.

    J. Nocedal (1980), doi:10.1090/S0025-5718-1980-0572855-7: the two loops of L-BFGS.
    """
    direction, shares = gradient.copy(), []
    for step, change in reversed(secants):
        share = float(step @ direction) / float(step @ change)
        direction -= share * change
        shares.append(share)
    for (step, change), share in zip(secants, reversed(shares), strict=True):
        back = float(change @ direction) / float(step @ change)
        direction += (share - back) * step
    return direction
