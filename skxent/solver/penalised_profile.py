"""The profile of a bias-reduced objective along one combination of params.

The profile at b is the minimum of F over all params with ``c · params = b``. The
signed root of what it loses, in units of a standard normal variable, is::

    r(b) = sign(b − b̂) √(2 S (F(b) − F̂))

It is nearly a straight line, whose slope follows from the gradient of the constrained
optimum, a multiple of c. So Newton's method finds the b with a given r in a few fits.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.bias_reduction import BiasReducedObjective
from .bias_reduced import (
    BiasReducedSolution,
    SingularInformation,
    minimise_bias_reduced,
)
from .stopping import CONVERGED

# Newton's method stops after a step from a root with at most this error: it converges
# quadratically, so that the error after the step is far smaller.
ROOT_TOLERANCE = 1e-5
MAX_STEPS = 50
# A statistic may be negative by less than this: that is rounding.
RISE = 1e-5
# Constrained fits end at this distance from their optimum, in standard errors, unless
# ``tol`` is larger. The statistic is off by its square.
DISTANCE = 1e-5
# A fit that ends this many standard errors from its optimum is not used: it started
# where the information is nearly singular.
USELESS = 1e-4
# A step that leads to no constrained optimum is halved up to this many times.
MAX_HALVINGS = 30


class ProfilePoint(NamedTuple):
    """A value of the combination, and the optimum with this value.

    ``loss`` is 2 S (F − F̂), the statistic of the penalised likelihood-ratio test.
    """

    value: float
    solution: BiasReducedSolution
    loss: float


class PenalisedProfile:
    """The profile along a combination of params.

    Parameters
    ----------
    objective : BiasReducedObjective
    optimum : BiasReducedSolution
    contrast : ndarray of shape (n_params,)
        The vector c.
    tol, max_iter
        Of the fit.

    Attributes
    ----------
    estimate, standard_error : float
        Of the combination.
    tol : float
        Of the constrained fits, which need not be as exact as the optimum.
    shortfalls : list of BiasReducedSolution
        The constrained fits that ended short of it.
    """

    def __init__(
        self,
        objective: BiasReducedObjective,
        optimum: BiasReducedSolution,
        contrast: NDArray,
        *,
        tol: float,
        max_iter: int,
    ):
        self._objective, self._contrast = objective, contrast
        self.tol, self._max_iter = max(tol, DISTANCE), max_iter
        self._weight_sum = objective.problem.rows.weight_sum
        self.estimate = float(contrast @ optimum.params)
        spread = float(np.linalg.norm(optimum.evaluation.root.T @ contrast))
        self.standard_error = spread / np.sqrt(self._weight_sum)
        self._optimum = ProfilePoint(self.estimate, optimum, 0.0)
        self.shortfalls: list[BiasReducedSolution] = []

    def loss_at_zero(self) -> float:
        """Return 2 S (F(0) − F̂), the statistic of the test that the value is 0."""
        point = self._near(self._optimum, 0.0)
        if point is None:
            # without any effects no row is saturated, unless its offset is
            point = self._at(np.zeros_like(self._contrast), 0.0)
        return np.nan if point is None else max(0.0, point.loss)

    def limit(self, root: float) -> float:
        """Return the value b with r(b) = ``root``, NaN if it has not been found."""
        side = np.sign(root)
        here, slope = self._optimum, 1 / self.standard_error
        inner, outer = self.estimate, side * np.inf
        error = root
        for _ in range(MAX_STEPS):
            following = here.value + error / slope
            if abs(error) <= ROOT_TOLERANCE:
                return following
            if not side * inner < side * following < side * outer:
                far = inner + side * self.standard_error
                following = (inner + outer) / 2 if np.isfinite(outer) else far
            point = self._toward(here, following)
            if point is None:
                break
            here = point
            if not here.loss > 0:
                break
            r = side * np.sqrt(here.loss)
            slope = self._weight_sum * self._slope(here) / r
            error = root - r
            inner, outer = (
                (here.value, outer) if side * error > 0 else (inner, here.value)
            )
            if not slope > 0:
                slope = 1 / self.standard_error
        return np.nan

    def _slope(self, point: ProfilePoint) -> float:
        """Return dF/db at a constrained optimum."""
        direction = self._direction(point.solution)
        return float(direction @ point.solution.evaluation.gradient)

    def _direction(self, solution: BiasReducedSolution) -> NDArray:
        """Return the step of params that changes the value by 1 and loses least."""
        root = solution.evaluation.root
        direction = root @ (root.T @ self._contrast)
        return direction / (self._contrast @ direction)

    def _toward(self, here: ProfilePoint, value: float) -> ProfilePoint | None:
        """Return the point at the value, or nearer if there is none from here."""
        for _ in range(MAX_HALVINGS):
            point = self._near(here, value)
            if point is not None:
                return point
            value = (here.value + value) / 2
        return None

    def _near(self, here: ProfilePoint, value: float) -> ProfilePoint | None:
        """Return the point at a value, from the optimum at another one."""
        step = (value - here.value) * self._direction(here.solution)
        return self._at(here.solution.params + step, value)

    def _at(self, start: NDArray, value: float) -> ProfilePoint | None:
        """Return the constrained optimum, or None if the fit does not get near it."""
        try:
            solution = minimise_bias_reduced(
                self._objective,
                start,
                tol=self.tol,
                max_iter=self._max_iter,
                fixed=self._contrast,
            )
        except SingularInformation:
            return None
        if solution.distance > USELESS:
            return None
        if solution.outcome != CONVERGED:
            self.shortfalls.append(solution)
        lowest = self._optimum.solution.evaluation
        at = solution.evaluation
        # the difference of each part, because their sum may be far larger
        loss = 2 * self._weight_sum * (at.mean_loss - lowest.mean_loss) - (
            at.log_det - lowest.log_det
        )
        if loss < -RISE:
            raise ValueError(
                "The penalised likelihood is larger with a coefficient fixed than at "
                "the fit, which is then a local maximum, not the global one; expected "
                "features without extreme outliers: clip them, or take logarithms."
            )
        return ProfilePoint(value, solution, float(loss))
