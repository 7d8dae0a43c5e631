"""Newton's method for small smooth problems, where Python costs more than arithmetic.

A pass over the rows gives F, its gradient and its Hessian together. If a Hessian takes
longer than an evaluation, most passes do without it, and BFGS updates the inverse of
the last one. A step that does not lower F is halved. Near the optimum a fresh Hessian
makes the steps converge quadratically. The last of them is the Newton step that
verifies the answer.

The method is for ordinary problems. If a Hessian is singular or many steps are too
long, the fit goes on in rounds, from the params that it has reached.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from ..data.rows import Block, Largest
from ..model.certificate import DualStep
from ..model.curvature import HessianProduct
from ..model.losses import largest_change
from ..model.objective import Objective
from ..model.problem import Evaluation
from ..model.second_order import evaluate_second_order
from .hessian_schedule import HessianSchedule
from .line_search import ARMIJO_SHARE
from .preconditioners.base import centred
from .preconditioners.choice import preconditioner_from
from .preconditioners.prices import price_of_evaluation, price_of_exact_hessian
from .rounds import SmoothFit, without_shift
from .stopping import TINY
from .updated_inverse import UpdatedInverse
from .verification import CG, NewtonStep

# The method is for evaluations that take no longer than this many nanoseconds, about
# ten times the Python of an iteration, and for Hessians that take no longer than
# MAX_PRICE evaluations. Beyond, rounds are as fast: they sample rows, or have a Hessian
# for each class.
MAX_EVALUATION, MAX_PRICE = 1e6, 5.0
# What an evaluation takes in Python, in nanoseconds.
OVERHEAD = 1e5
# A small X is read from the cache. The cost model, which has it read from memory, takes
# evaluations for about twice as long as they are.
PRICE_FACTOR = 2.0
# Most fits take 5 to 20 steps. More are a sign of saturated rows.
MAX_STEPS = 40
# Halvings of all steps together.
MAX_HALVINGS = 12
# Below this squared pivot, a direction of the scaled Hessian consists of rounding.
SMALLEST_PIVOT = 1e-13
# Above this one, the Hessian has ten digits in every direction, and no direction of
# little curvature hides in rounding: its step verifies the answer.
PIVOT_TO_VERIFY = 1e-6


def newton_pays(objective: Objective) -> bool:
    """Whether a problem is so small that Newton's method is faster than rounds."""
    rows = objective.rows
    if rows.is_sparse or rows.dtype != np.float64 or not objective.penalty.is_smooth:
        return False
    if price_of_evaluation(objective) > MAX_EVALUATION:
        return False
    return price_of_exact_hessian(objective, OVERHEAD) <= MAX_PRICE


class SmallNewtonFit(SmoothFit):
    """A fit that takes Newton steps with few Hessians, and rounds if they fail.

    Parameters and attributes are those of `SmoothFit`.
    """

    # the Hessian of the mean loss at the current params; None if it is not known
    _hessian: NDArray | None
    # of the last Hessian
    _factor: "_ScaledFactor"
    _inverse: UpdatedInverse

    def run(self) -> None:
        """Take Newton steps until the estimate is at most ``tol``; else run rounds."""
        self.progress.tell("Newton steps, with the Hessian of all rows".format)
        if not self._takes_newton_steps():
            self.progress.tell("Newton steps have failed: going on in rounds".format)
            super().run()

    def evaluate(self, params: NDArray, with_hessian: bool = True) -> Evaluation:
        """Return F and its gradient, and keep the Hessian or forget it."""
        if not with_hessian:
            self._hessian = None
            return self.objective.evaluate(params)
        evaluation, self._hessian = evaluate_second_order(self.objective, params)
        return evaluation

    @cached_property
    def _l2(self) -> NDArray:
        """The second derivative of the penalty, (n_params,)."""
        l2 = np.zeros(self.objective.n_params)
        of_coef, _ = self.objective.split(l2)
        self.objective.penalty.add_curvature(np.ones_like(of_coef), of_coef)
        return l2

    def _takes_newton_steps(self) -> bool:
        """Take steps; return whether they have ended the fit."""
        price = PRICE_FACTOR * price_of_exact_hessian(self.objective, OVERHEAD)
        schedule = HessianSchedule(price, self.tol)
        n_halvings = 0
        for n_steps in range(MAX_STEPS):
            step = self._newton_step()
            if self.suboptimality <= self.tol and self._hessian is None:
                # only the Hessian at these params can tell
                step = self._look_closer()
            if n_steps:
                self.note()
            if self.should_stop():
                if self._hessian is None:
                    step = self._look_closer()
                self._prepare_verification(step)
                return True
            if step is None:
                return False
            is_due = schedule.is_due(self.suboptimality, self._hessian is not None)
            n_halvings += self._move_along(step, is_due, MAX_HALVINGS - n_halvings)
            if n_halvings > MAX_HALVINGS:
                return False
        return False

    def _newton_step(self) -> NDArray | None:
        """Return the step of the updated Hessian, and set the estimate.

        There is none if the Hessian is singular, or so small that the step overflows.
        """
        if self._hessian is not None:
            self._factor = _ScaledFactor(self.objective, self._hessian, self._l2)
            self._inverse = UpdatedInverse(self._factor.solve)
        if self._factor.smallest_pivot <= SMALLEST_PIVOT:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            step = -self._inverse.solve(self.evaluation.gradient)
        if not np.isfinite(step).all():
            return None
        promised = -0.5 * float(self.evaluation.gradient @ step)
        self.estimate(promised / max(self.evaluation.value, TINY))
        return step

    def _look_closer(self) -> NDArray | None:
        """Return the step of the Hessian at the current params, as `_newton_step`."""
        self.evaluation = self.evaluate(self.params)
        return self._newton_step()

    def _move_along(self, step: NDArray, with_hessian: bool, max_halvings: int) -> int:
        """Move to where F is lower, and return how often the step was halved.

        One more than ``max_halvings`` means that F did not fall.
        """
        self.progress.begin()
        share, slope = 1.0, float(self.evaluation.gradient @ step)
        for n_halvings in range(max_halvings + 1):
            # a shift that rounding leaves is all that a strong penalty sees
            params = without_shift(self.objective, self.params + share * step)
            trial = self.evaluate(params, with_hessian)
            if trial.value <= self.evaluation.value + ARMIJO_SHARE * share * slope:
                self._inverse.observe(
                    params - self.params, trial.gradient - self.evaluation.gradient
                )
                self.params, self.evaluation = params, trial
                return n_halvings
            share /= 2
        return max_halvings + 1

    def _prepare_verification(self, step: NDArray | None) -> None:
        """Set the step that verifies the params, or the Hessian to find it with."""
        assert self._hessian is not None
        if step is not None and self._factor.smallest_pivot > PIVOT_TO_VERIFY:
            newton = self._verifying_step(self._hessian, step)
            if newton.is_trusted:
                self.newton = newton
                return
        self.take_exact(preconditioner_from(self.objective, self._hessian))

    def _verifying_step(self, hessian: NDArray, step: NDArray) -> NewtonStep:
        """Return the Newton step from the params, corrected by its residual."""
        objective, gradient = self.objective, self.evaluation.gradient
        residual = gradient + hessian @ step + self._l2 * step
        correction = -self._factor.solve(residual)
        unseen = -0.5 * float(residual @ correction)
        step = step + correction
        promised = -0.5 * float(gradient @ step)
        change = _largest_change(objective, step)
        if unseen > CG.exact_precision * promised:
            change = np.inf
        rows = hessian.reshape(objective.n_logits, objective.n_columns, -1)
        of_intercepts = rows[:, -1] if objective.fit_intercept else None
        product = HessianProduct(hessian @ step, change, 0.0, of_intercepts)
        return NewtonStep(DualStep(step, product), promised + unseen, change)


class _ScaledFactor:
    """The Cholesky factor of the Hessian of F, which is scaled to a diagonal of 1.

    Parameters
    ----------
    objective : Objective
    hessian : ndarray of shape (n_params, n_params)
        Of the mean loss.
    l2 : ndarray of shape (n_params,)
        The second derivative of the penalty.

    Attributes
    ----------
    smallest_pivot : float
        Squared; 0 if the matrix is not positive definite.
    """

    def __init__(self, objective: Objective, hessian: NDArray, l2: NDArray):
        matrix = hessian.copy()
        self._shape = n_logits, e = objective.n_logits, objective.n_columns
        if n_logits > 1:
            # A common shift of all classes has no curvature, and the step has no shift:
            # give it the mean of the others.
            shifts = np.einsum("kjlj->klj", matrix.reshape(n_logits, e, n_logits, e))
            shifts += np.einsum("kkj->j", shifts) / n_logits**2
        diagonal = matrix.diagonal() + l2
        self.smallest_pivot = 0.0
        if not (diagonal.min() > 0 and diagonal.max() < np.inf):
            return
        self._scale = 1 / np.sqrt(diagonal)
        matrix *= self._scale
        matrix *= self._scale[:, None]
        np.fill_diagonal(matrix, 1)
        self._upper, info = lapack.dpotrf(matrix.T, overwrite_a=True, clean=False)
        if info == 0:
            self.smallest_pivot = float(self._upper.diagonal().min()) ** 2

    def solve(self, right: NDArray) -> NDArray:
        """Return the inverse times a vector, with classes that sum to 0."""
        solution = lapack.dpotrs(self._upper, self._scale * right)[0] * self._scale
        return centred(solution.reshape(self._shape)).ravel()


def _largest_change(objective: Objective, step: NDArray) -> float:
    """Return the largest change of a logit by a step, or of their differences."""
    model = objective.linear_model(step, with_offset=False)

    def add_block(block: Block, largest: NDArray) -> None:
        dz = model(block)
        np.maximum(largest, largest_change(dz).max(), out=largest)

    (largest,) = objective.rows.map_reduce(
        add_block, Largest(), width=objective.n_logits, work=objective.n_logits
    )
    return float(largest)
