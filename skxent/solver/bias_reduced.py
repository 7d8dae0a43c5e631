"""The optimum of a bias-reduced objective, also with one combination of params fixed.

Each evaluation factors the information I at its point. So each round of L-BFGS starts
with variables in which I is the identity: its first step is one of Fisher scoring. Its
memory then learns what I lacks, the curvature of ½ log det I. A round ends when I has
changed along the gradient.

Progress is measured by the Newton decrement ``λ = √(S² ∇Fᵀ I⁻¹ ∇F)``, which has a
meaning of its own: of all linear combinations of params, none moves by more than λ of
its standard errors in a step of Fisher scoring. λ is divided by the smallest curvature
along recent steps, in units of I. It is an estimate, not a bound, because F need not be
convex.

Where rounding hides the decrease of F, steps of Fisher scoring follow as long as they
shrink the gradient.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.bias_reduction import BiasReducedObjective, PenalisedEvaluation
from ..model.problem import EPS
from .lbfgs import OVERFLOW_VALUE, run_lbfgs
from .stopping import (
    CONVERGED,
    ITERATION_LIMIT,
    MIN_CURVATURE_RATIO,
    ROUNDING_FLOOR,
)

# A round ends if the squared decrement in its variables differs by this factor from the
# one in those of the current information. A new round costs nothing, but the memory of
# L-BFGS.
STALE = 1.05
# The curvature along this many recent steps corrects the decrement.
N_RECENT_STEPS = 5
# A promised decrease below this many rounding errors of F cannot be seen.
HIDDEN = 64 * EPS
# A step by gradients alone has this many trials, and is divided by at least this.
MAX_TRIALS = 3
LEAST_DIVISOR = 0.5
# The first step of a round is halved until F is finite.
MAX_HALVINGS = 60

MESSAGES = {
    ITERATION_LIMIT: (
        "The bias-reduced fit stopped after max_iter={n_iter} iterations, an estimated "
        "{distance:.1e} standard errors from the optimum, above tol={tol:.1e}. "
        "Increase max_iter."
    ),
    ROUNDING_FLOOR: (
        "The bias-reduced fit stopped after {n_iter} iterations, an estimated "
        "{distance:.1e} standard errors from the optimum, above tol={tol:.1e}, because "
        "rounding errors hide any further progress. Use a larger tol, or drop columns "
        "that are nearly combinations of others."
    ),
}


class SingularInformation(ValueError):
    """The information is singular where a fit starts."""


class BiasReducedSolution(NamedTuple):
    """The result of a fit.

    Attributes
    ----------
    params : ndarray of shape (n_params,)
    evaluation : PenalisedEvaluation
        F, its gradient and the information at ``params``.
    distance : float
        The estimated distance to the optimum, in standard errors.
    outcome : str
        How the fit ended, see `stopping`.
    n_iter : int
    """

    params: NDArray
    evaluation: PenalisedEvaluation
    distance: float
    outcome: str
    n_iter: int

    def penalised_log_likelihood(self, weight_sum: float) -> float:
        """Return −S F, in nats, from S."""
        at = self.evaluation
        return float(at.log_det / 2 - weight_sum * at.mean_loss)

    def message(self, tol: float) -> str:
        """Return what happened and what to do, for a warning."""
        return MESSAGES[self.outcome].format(
            n_iter=self.n_iter, distance=self.distance, tol=tol
        )


def minimise_bias_reduced(
    objective: BiasReducedObjective,
    start: NDArray,
    *,
    tol: float,
    max_iter: int,
    fixed: NDArray | None = None,
) -> BiasReducedSolution:
    """Minimise F from ``start`` until the distance to the optimum is at most ``tol``.

    Parameters
    ----------
    objective : BiasReducedObjective
    start : ndarray of shape (n_params,)
    tol : float
        In standard errors.
    max_iter : int
    fixed : ndarray of shape (n_params,), default=None
        A vector c. ``c · params`` keeps its value at the start.

    Raises
    ------
    SingularInformation
        If the information is singular at the start.
    """
    with objective.problem.rows.threads():
        fit = _Fit(objective, start, tol, max_iter, fixed)
        outcome = fit.run()
    point = fit.point
    return BiasReducedSolution(
        point.params, point.evaluation, fit.distance, outcome, fit.n_iter
    )


class _Arrived(Exception):
    """A trial of a line search is the optimum."""


class _TooFar(Exception):
    """The information is singular at the end of the first step of a round."""


class _Point(NamedTuple):
    """Params, the evaluation there, and directions in which I is S times the identity.

    ``directions`` is (e, k): k = e, or e − 1 if a combination of params is fixed.
    ``decrement`` is λ, inf where the information is singular.
    """

    params: NDArray
    evaluation: PenalisedEvaluation
    directions: NDArray
    decrement: float

    @property
    def gradient(self) -> NDArray:
        """The gradient along the directions, (k,)."""
        return self.directions.T @ self.evaluation.gradient


class _Fit:
    """A fit that moves its ``point``; parameters as in `minimise_bias_reduced`."""

    def __init__(
        self,
        objective: BiasReducedObjective,
        start: NDArray,
        tol: float,
        max_iter: int,
        fixed: NDArray | None,
    ):
        self._objective, self._fixed = objective, fixed
        self.tol, self.max_iter, self.n_iter = tol, max_iter, 0
        self.weight_sum = objective.problem.rows.weight_sum
        self.curvatures: list[float] = []
        self.point = self.point_at(start)
        if not np.isfinite(self.point.decrement):
            raise SingularInformation(
                "The information is singular where the fit starts: the offset makes "
                "the probabilities of too many rows 0 or 1. Expected at least as many "
                "rows without an extreme offset as coefficients: clip the offset."
            )

    @property
    def distance(self) -> float:
        """The estimated distance to the optimum, in standard errors."""
        curvature = min([1.0, *self.curvatures[-N_RECENT_STEPS:]])
        return self.point.decrement / max(curvature, MIN_CURVATURE_RATIO)

    def run(self) -> str:
        """Run rounds, or steps of Fisher scoring; return the outcome."""
        while self.distance > self.tol:
            if self.n_iter >= self.max_iter:
                return ITERATION_LIMIT
            has_fallen = not self.is_hidden() and self._run_round()
            if not (has_fallen or self._step()):
                return ROUNDING_FLOOR
        return CONVERGED

    def point_at(self, params: NDArray) -> _Point:
        """Evaluate the objective at the params."""
        evaluation = self._objective.evaluate(params)
        if not np.isfinite(evaluation.value):
            return _Point(params, evaluation, evaluation.root, np.inf)
        directions = evaluation.root
        if self._fixed is not None:
            directions = _without(directions, self._fixed)
        slopes = directions.T @ evaluation.gradient
        decrement = float(np.sqrt(self.weight_sum) * np.linalg.norm(slopes))
        return _Point(params, evaluation, directions, decrement)

    def move_to(self, point: _Point) -> None:
        """Accept a point: the end of an iteration."""
        self.point = point
        self.n_iter += 1

    def noise(self) -> float:
        """Return the change of F that rounding hides."""
        at = self.point.evaluation
        return HIDDEN * (abs(at.mean_loss) + abs(at.log_det) / (2 * self.weight_sum))

    def is_hidden(self) -> bool:
        """Whether rounding hides the decrease of F that is left."""
        return self.point.decrement**2 / (2 * self.weight_sum) < self.noise()

    def _run_round(self) -> bool:
        """Run L-BFGS from the point, and return whether F has fallen."""
        value = self.point.evaluation.value
        _Round(self).run()
        return self.point.evaluation.value < value

    def _step(self) -> bool:
        """Take a step of Fisher scoring by gradients alone; return whether they shrink.

        It is divided by the curvature that the last step has met. That of a step which
        does not shrink the gradient corrects the next trial.
        """
        here, slopes = self.point, self.point.gradient
        curvature = self.curvatures[-1] if self.curvatures else 1.0
        for _ in range(MAX_TRIALS):
            step = -slopes / max(curvature, LEAST_DIVISOR)
            there = self.point_at(here.params + here.directions @ step)
            if not np.isfinite(there.decrement):
                return False
            change = here.directions.T @ there.evaluation.gradient - slopes
            curvature = float(step @ change / (step @ step))
            if there.decrement < here.decrement:
                self.curvatures.append(curvature)
                self.move_to(there)
                return True
        return False


class _Round:
    """A run of L-BFGS on variables u in ``params = origin + directions u``.

    Parameters
    ----------
    fit : _Fit
        Moved by each iteration.
    """

    def __init__(self, fit: _Fit):
        self._fit, self._origin = fit, fit.point
        # SciPy's first step has length 1: in these units it is that of Fisher scoring
        self._unit = float(np.linalg.norm(fit.point.gradient))
        self._begin()

    def _begin(self) -> None:
        """Choose the variables."""
        self._directions = self._unit * self._origin.directions
        gradient = self._unit * self._origin.gradient
        self._u, self._trial = np.zeros_like(gradient), self._origin
        self._previous = self._u, gradient

    def run(self) -> None:
        """Minimise until the optimum is reached or the directions are stale."""
        for _ in range(MAX_HALVINGS):
            try:
                self._minimise()
            except _TooFar:
                self._unit /= 2
                self._begin()
            else:
                return

    def _minimise(self) -> None:
        fit = self._fit
        start = np.zeros_like(self._u)
        n_iter = fit.max_iter - fit.n_iter
        try:
            run_lbfgs(self._evaluate, start, self._after_iteration, n_iter)
        except _Arrived:
            fit.move_to(self._trial)

    def _at(self, u: NDArray) -> _Point:
        """Return the point of a trial."""
        if not u.any():
            return self._origin
        if not np.array_equal(u, self._u):
            self._u = u.copy()
            params = self._origin.params + self._directions @ u
            self._trial = self._fit.point_at(params)
        return self._trial

    def _evaluate(self, u: NDArray) -> tuple[float, NDArray]:
        fit, point = self._fit, self._at(u)
        value = point.evaluation.value
        if not np.isfinite(value):
            if fit.point is self._origin:
                raise _TooFar
            # the information is singular there: the line search has to turn back
            return OVERFLOW_VALUE, np.zeros_like(u)
        is_lower = value <= fit.point.evaluation.value + fit.noise()
        if point is not fit.point and is_lower and point.decrement <= fit.tol:
            # differences of F are rounding here, and would only mislead the search
            raise _Arrived
        return value, self._directions.T @ point.evaluation.gradient

    def _after_iteration(self, u: NDArray) -> None:
        fit, point = self._fit, self._at(u)
        if not np.isfinite(point.decrement) or np.array_equal(u, self._previous[0]):
            # SciPy's line search has failed
            raise StopIteration
        gradient = self._directions.T @ point.evaluation.gradient
        step, change = u - self._previous[0], gradient - self._previous[1]
        curvature = step @ change / (step @ step) / self._unit**2
        fit.curvatures.append(float(curvature))
        self._previous = u.copy(), gradient
        fit.move_to(point)
        stale = np.sqrt(fit.weight_sum) * np.linalg.norm(gradient) / self._unit
        is_stale = not 1 / STALE <= (point.decrement / stale) ** 2 <= STALE
        if is_stale or fit.distance <= fit.tol or fit.is_hidden():
            raise StopIteration


def _without(directions: NDArray, fixed: NDArray) -> NDArray:
    """Return directions, (e, e − 1), that leave ``fixed · params`` as it is.

    A reflection takes the first variable to the one that changes it.
    """
    normal = directions.T @ fixed
    normal /= np.linalg.norm(normal)
    normal[0] += np.copysign(1.0, normal[0])
    normal /= np.linalg.norm(normal)
    reflected = directions - 2 * np.outer(directions @ normal, normal)
    return reflected[:, 1:]
