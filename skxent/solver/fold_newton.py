"""Quasi-Newton steps for all rows and for all folds at once.

A fold leaves out a small share of the rows, so its optimum is near that of all rows. A
pass at a point near the latter computes the Hessian, F and the gradient of all rows and
of each fold. In variables in which the Hessian is the identity, a gradient step is
nearly Newton's. What the first step of each model lacked with the last penalty is added
to it. Where folds differ, as those of rows sorted by date, the secants of the
steps so far correct it, as in L-BFGS. A pass over the data serves all models, see
`model.folds`. A step that does not lower F by about what it promises is tried again
with a fifth of its length. The caller has to fit a model that is given up by
`minimise`.

`approach` finds that point from the fit with the last penalty. There F and its gradient
are known, for only the penalty has changed, and the last Hessian with the new ridge
preconditions a few steps of all rows alone.

A model has converged if the decrement ½ gᵀH⁻¹g, divided by the smallest curvature that
its steps have observed, is negligible.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.folds import NO_FOLD, FoldEvaluations, evaluate_folds, held_out_model
from ..model.objective import Objective
from ..model.separable_penalty import SeparablePenalty
from .preconditioners.base import Preconditioner
from .preconditioners.choice import preconditioner_from
from .preconditioners.prices import MAX_PRECONDITIONER_BYTES, price_of_exact_hessian
from .stopping import MIN_CURVATURE_RATIO, TINY

# A model has converged at this share of ``tol``: scores depend on the params, whose
# error is the root of that of F.
SHARE_OF_TOL = 1e-2
# A relative decrement at which the Hessian is nearly that of the optimum.
NEAR = 1e-6
# The step that follows convergence is expected to reduce the decrement as the last one
# did, but at most to this share.
LAST_SHARE = 0.1
# A step keeps its promise if F falls by this share of the decrement.
KEPT_SHARE = 0.1
# Otherwise it becomes shorter by this factor, until the model is given up.
SHORTER, SHORTEST = 0.2, 1e-3
# Relative changes of F below this are rounding.
ROUNDING = 1e-12
MAX_STEPS = 40
# A model is given up if this many steps leave more than a tenth of the decrement.
PATIENCE = 6
# Newton steps pay if the Hessian costs at most this many evaluations for each fold: a
# fold that is fitted alone takes about as many.
MAX_PRICE_OF_FOLD = 15.0


class FoldAnswers(NamedTuple):
    """The fits to all rows, which come first, and without each fold.

    Attributes
    ----------
    params : ndarray of shape (1 + n_folds, n_params)
    values : ndarray of shape (1 + n_folds,)
        F at ``params``, up to the last step of each model.
    suboptimality : ndarray of shape (1 + n_folds,)
        The estimates of (F_f − F_f*) / F_f.
    n_steps : ndarray of shape (1 + n_folds,)
        The number of Newton steps.
    has_converged : ndarray of shape (1 + n_folds,), bool
    preconditioners : list of Preconditioner
        One for each model.
    penalty : SeparablePenalty
        That of the fits.
    corrections : ndarray of shape (1 + n_folds, n_params)
        What the first Newton step of each model lacked to the optimum.
    """

    params: NDArray
    values: NDArray
    suboptimality: NDArray
    n_steps: NDArray
    has_converged: NDArray
    preconditioners: list[Preconditioner]
    penalty: SeparablePenalty
    corrections: NDArray


def newton_pays(objective: Objective, n_folds: int) -> bool:
    """Whether Hessians of all folds are cheap, and small enough."""
    n_bytes = 16 * (n_folds + 1) * objective.n_params**2
    price = price_of_exact_hessian(objective)
    return (
        objective.penalty.is_smooth
        and n_bytes <= MAX_PRECONDITIONER_BYTES
        and price <= MAX_PRICE_OF_FOLD * n_folds
    )


def approach(objective: Objective, last: FoldAnswers) -> NDArray | None:
    """Return params near the optimum of all rows, None if that takes many steps.

    Parameters
    ----------
    objective : Objective
        Its rows are read in float64 from now on.
    last : FoldAnswers
        The fits with another penalty, of which that of all rows has converged.
    """
    objective.rows.read_in_float64()
    params, preconditioner = last.params[:1], last.preconditioners[0]
    coef, _ = objective.split(params[0])
    before = objective.with_penalty(last.penalty)
    gradient = objective.gradient_of_penalty(params[0])
    gradient -= before.gradient_of_penalty(params[0])
    value = last.values[:1] + objective.penalty.value(coef) - last.penalty.value(coef)

    def evaluate(moved: NDArray, trial: NDArray) -> FoldEvaluations:
        evaluation = objective.evaluate(trial[0])
        return FoldEvaluations(np.array([evaluation.value]), evaluation.gradient[None])

    steps = _QuasiNewton([preconditioner.with_l2(objective.penalty.l2)])
    start = _Models(params, value, gradient[None])
    models = _descend(evaluate, start, steps, NEAR, PATIENCE)
    return models.params[0] if models.has_converged[0] else None


def fit_folds(
    objective: Objective,
    folds: NDArray,
    n_folds: int,
    params: NDArray,
    last: FoldAnswers | None,
    *,
    tol: float,
) -> FoldAnswers:
    """Fit all rows, and the rows without each fold, by Newton steps they share.

    Parameters
    ----------
    objective : Objective
        Of all rows; its penalty is smooth. Its rows are read in float64 from now on.
    folds : ndarray of shape (n,)
        The number of the fold that holds each row out.
    n_folds : int
    params : ndarray of shape (n_params,)
        A point near the optimum of all rows, where all fits start.
    last : FoldAnswers or None
        The fits with another penalty.
    tol : float
        As in `minimise`.
    """
    # float32 does not resolve a share of ``tol``
    objective.rows.read_in_float64()
    start, preconditioners = _quadratic_models(objective, folds, n_folds, params)
    corrections = None if last is None else last.corrections
    numbers = np.arange(NO_FOLD, n_folds)

    def evaluate(moved: NDArray, trial: NDArray) -> FoldEvaluations:
        return evaluate_folds(objective, folds, numbers[moved], trial)

    models = _descend(
        evaluate,
        start,
        _QuasiNewton(preconditioners),
        max(SHARE_OF_TOL * tol, ROUNDING),
        MAX_STEPS,
        corrections,
    )
    is_singular = np.array([p.is_nearly_singular for p in preconditioners])
    answers = models.with_last_steps(~is_singular)
    lacking = answers[0] - (params - models.first_steps)
    return FoldAnswers(*answers, preconditioners, objective.penalty, lacking)


def _quadratic_models(
    objective: Objective, folds: NDArray, n_folds: int, params: NDArray
) -> tuple["_Models", list[Preconditioner]]:
    """Return all models at the same params, and their preconditioners there."""
    held_out = held_out_model(objective, folds, n_folds, params)
    coef, _ = objective.split(params)

    def without(parts: NDArray) -> NDArray:
        """Return the sum of all parts, and the sums without each of them."""
        total = parts.sum(axis=0)
        return np.array([total, *(total - of_fold for of_fold in parts)])

    values = without(held_out.values) + objective.penalty.value(coef)
    gradients = without(held_out.gradients) + objective.gradient_of_penalty(params)
    preconditioners = [
        preconditioner_from(objective, hessian)
        for hessian in without(held_out.hessians)
    ]
    n_models = 1 + n_folds
    return _Models(np.tile(params, (n_models, 1)), values, gradients), preconditioners


class _Models:
    """The current params of some models, F and its gradient. It is changed in place.

    Attributes
    ----------
    params, gradients : ndarray of shape (n_models, n_params)
    values : ndarray of shape (n_models,)
    n_steps : ndarray of shape (n_models,)
    has_converged : ndarray of shape (n_models,), bool
    relative : ndarray of shape (n_models,)
        The estimates of (F − F*) / F.
    first_steps, steps : ndarray of shape (n_models, n_params)
        The Newton steps from where the models have started, and the next ones, which
        have not been taken.
    decrements : ndarray of shape (n_models,)
        What they promise.
    """

    first_steps: NDArray
    steps: NDArray
    decrements: NDArray
    relative: NDArray

    def __init__(self, params: NDArray, values: NDArray, gradients: NDArray):
        self.params, self.values, self.gradients = params.copy(), values, gradients
        self.n_steps = np.zeros(len(params), np.int32)
        self.has_converged = np.zeros(len(params), bool)

    def move(self, moved: NDArray, params: NDArray, at: FoldEvaluations) -> None:
        """Move some models."""
        self.n_steps[moved] += 1
        self.params[moved] = params
        self.values[moved], self.gradients[moved] = at

    def with_last_steps(
        self, is_trusted: NDArray
    ) -> tuple[NDArray, NDArray, NDArray, NDArray, NDArray]:
        """Return the first attributes of `FoldAnswers`.

        The steps of models that have converged cost nothing: scores are computed in a
        pass of their own.
        """
        has_converged = self.has_converged & is_trusted
        return (
            self.params - np.where(has_converged[:, None], self.steps, 0),
            self.values - np.where(has_converged, self.decrements, 0),
            np.minimum(1, self.relative),
            self.n_steps,
            has_converged,
        )


def _descend(
    evaluate: Callable[[NDArray, NDArray], FoldEvaluations],
    models: _Models,
    hessians: "_QuasiNewton",
    tol: float,
    max_steps: int,
    corrections: NDArray | None = None,
) -> _Models:
    """Move models towards their optima, and return them.

    Parameters
    ----------
    evaluate : callable
        Returns F and its gradient for some models at some params.
    models : _Models
    hessians : _QuasiNewton
    tol : float
        A model has converged if its relative decrement is likely to be at most this
        after its next step.
    max_steps : int
    corrections : ndarray of shape (n_models, n_params), default=None
        Added to the first steps.
    """
    n_models = len(models.params)
    is_sound, lengths = np.ones(n_models, bool), np.ones(n_models)
    contraction = np.ones(n_models)
    history: list[NDArray] = []
    while True:
        models.steps, models.decrements, curvatures = hessians.newton_steps(
            models.gradients
        )
        decrements = models.decrements
        if not history:
            models.first_steps = models.steps
        else:
            contraction = np.minimum(1, decrements / np.maximum(history[-1], TINY))
        history.append(decrements)
        models.relative = decrements / curvatures / np.maximum(models.values, TINY)
        # the next step is taken, but not evaluated
        is_done = models.relative * np.maximum(contraction, LAST_SHARE) <= tol
        if len(history) > PATIENCE:
            is_sound &= is_done | (decrements <= 0.1 * history[-PATIENCE - 1])
        models.has_converged = is_sound & is_done
        moved = np.flatnonzero(is_sound & ~is_done)
        if not moved.size or models.n_steps.max() >= max_steps:
            return models
        trial = models.params[moved] - lengths[moved, None] * models.steps[moved]
        if corrections is not None:
            trial += corrections[moved]
        at = evaluate(moved, trial)
        gains = models.values[moved] - at.values
        noise = ROUNDING * models.values[moved]
        is_kept = gains >= KEPT_SHARE * lengths[moved] * decrements[moved] - noise
        lengths[moved[~is_kept]] *= SHORTER
        is_sound &= lengths >= SHORTEST
        moved = moved[is_kept]
        kept = FoldEvaluations(at.values[is_kept], at.gradients[is_kept])
        models.move(moved, trial[is_kept], kept)
        if corrections is None:
            hessians.learn(moved, lengths, models.gradients)
        # a model that has not moved takes the Newton step itself
        corrections = None
        lengths[moved] = 1


class _QuasiNewton:
    """Preconditioners of some models, and the secants of their steps.

    Parameters
    ----------
    preconditioners : list of Preconditioner
        One for each model.
    """

    def __init__(self, preconditioners: list[Preconditioner]):
        self._preconditioners = preconditioners
        n_models = len(preconditioners)
        self._secants: list[list[tuple[NDArray, NDArray]]] = [
            [] for _ in range(n_models)
        ]
        self._curvatures = np.ones(n_models)

    def newton_steps(self, gradients: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Return the steps and their decrements, and the least curvature so far."""
        steps, decrements = np.empty_like(gradients), np.empty(len(gradients))
        self._gradients = [
            preconditioner.pull_back(gradient)
            for preconditioner, gradient in zip(
                self._preconditioners, gradients, strict=True
            )
        ]
        self._directions = [
            _corrected(gradient, secants)
            for gradient, secants in zip(self._gradients, self._secants, strict=True)
        ]
        for model, preconditioner in enumerate(self._preconditioners):
            gradient, direction = self._gradients[model], self._directions[model]
            steps[model] = preconditioner.to_params(direction)
            decrements[model] = 0.5 * float(gradient @ direction)
        return steps, decrements, self._curvatures

    def learn(self, moved: NDArray, lengths: NDArray, gradients: NDArray) -> None:
        """Add the secants of the models that have moved, given the new gradients."""
        for model in moved:
            pulled = self._preconditioners[model].pull_back(gradients[model])
            step = -lengths[model] * self._directions[model]
            change = pulled - self._gradients[model]
            curvature = float(step @ change) / max(float(step @ step), TINY)
            self._curvatures[model] = np.clip(
                curvature, MIN_CURVATURE_RATIO, self._curvatures[model]
            )
            if curvature > MIN_CURVATURE_RATIO:
                self._secants[model].append((step, change))


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
