"""Newton's method for small smooth problems, where Python costs more than arithmetic.

A pass over the rows gives F, its gradient and its Hessian together. A step that does
not lower F is halved. Near the optimum the steps converge quadratically. The last
Hessian preconditions the step that verifies the answer.

The method is for ordinary problems. If a Hessian is singular or many steps are too
long, the fit goes on in rounds, from the params that it has reached.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from ..model.objective import Objective
from ..model.problem import Evaluation
from ..model.second_order import evaluate_second_order
from .preconditioners.base import centred
from .preconditioners.choice import preconditioner_from
from .preconditioners.prices import price_of_evaluation, price_of_exact_hessian
from .rounds import SmoothFit
from .stopping import TINY

# The Python around an evaluation of a round takes about this many nanoseconds.
OVERHEAD = 4e5
# Most fits take 5 to 12 steps. More are a sign of saturated rows.
MAX_STEPS = 40
# A step is halved until F falls by this share of what its slope promises.
ARMIJO_SHARE = 1e-4
# Halvings of all steps together.
MAX_HALVINGS = 12
# Below this squared pivot, a direction of the scaled Hessian consists of rounding.
SMALLEST_PIVOT = 1e-13


def newton_is_cheap(objective: Objective) -> bool:
    """Whether a Hessian takes no longer than the Python that it saves."""
    rows = objective.rows
    if rows.is_sparse or rows.dtype != np.float64 or not objective.penalty.is_smooth:
        return False
    if price_of_evaluation(objective) > OVERHEAD:
        return False
    return price_of_exact_hessian(objective, OVERHEAD) <= 1


class SmallNewtonFit(SmoothFit):
    """A fit that takes Newton steps with the exact Hessian, and rounds if they fail.

    Parameters and attributes are those of `SmoothFit`.
    """

    _hessian: NDArray

    def run(self) -> None:
        """Take Newton steps until the estimate is at most ``tol``; else run rounds."""
        self.progress.tell("Newton steps, with the Hessian of all rows".format)
        if not self._takes_newton_steps():
            self.progress.tell("Newton steps have failed: going on in rounds".format)
            super().run()

    def evaluate(self, params: NDArray) -> Evaluation:
        """Return F and its gradient, and keep the Hessian."""
        evaluation, self._hessian = evaluate_second_order(self.objective, params)
        return evaluation

    def _takes_newton_steps(self) -> bool:
        """Take steps; return whether they have ended the fit."""
        l2 = np.zeros(self.objective.n_params)
        of_coef, _ = self.objective.split(l2)
        self.objective.penalty.add_curvature(np.ones_like(of_coef), of_coef)
        n_halvings = 0
        for n_steps in range(MAX_STEPS):
            step = self._newton_step(l2)
            if n_steps:
                self.note()
            if self.should_stop():
                self.take_exact(preconditioner_from(self.objective, self._hessian))
                return True
            if step is None:
                return False
            n_halvings += self._move_along(step, MAX_HALVINGS - n_halvings)
            if n_halvings > MAX_HALVINGS:
                return False
        return False

    def _newton_step(self, l2: NDArray) -> NDArray | None:
        """Return the Newton step, and estimate what it gains; None if there is none.

        Parameters
        ----------
        l2 : ndarray of shape (n_params,)
            The second derivative of the penalty.
        """
        matrix, gradient = self._hessian.copy(), self.evaluation.gradient
        n_logits, e = self.objective.n_logits, self.objective.n_columns
        if n_logits > 1:
            # A common shift of all classes has no curvature, and the step has no shift:
            # give it the mean of the others.
            blocks, j = matrix.reshape(n_logits, e, n_logits, e), np.arange(e)
            mean = np.einsum("kjkj->j", blocks) / n_logits**2
            blocks[:, j, :, j] += mean[:, None, None]
        diagonal = matrix.diagonal() + l2
        if not (diagonal.min() > 0 and diagonal.max() < np.inf):
            return None
        scale = 1 / np.sqrt(diagonal)
        matrix *= scale
        matrix *= scale[:, None]
        np.fill_diagonal(matrix, 1)
        factor, info = lapack.dpotrf(matrix.T, overwrite_a=True, clean=False)
        if info or factor.diagonal().min() ** 2 < SMALLEST_PIVOT:
            return None
        step = -scale * lapack.dpotrs(factor, scale * gradient)[0]
        step = centred(step.reshape(n_logits, e)).ravel()
        promised = -0.5 * float(gradient @ step)
        self.estimate(promised / max(self.evaluation.value, TINY))
        return step

    def _move_along(self, step: NDArray, max_halvings: int) -> int:
        """Move to where F is lower, and return how often the step was halved.

        One more than ``max_halvings`` means that F did not fall.
        """
        self.progress.begin()
        share, slope = 1.0, float(self.evaluation.gradient @ step)
        for n_halvings in range(max_halvings + 1):
            params = self.params + share * step
            trial = self.evaluate(params)
            if trial.value <= self.evaluation.value + ARMIJO_SHARE * share * slope:
                self.params, self.evaluation = params, trial
                return n_halvings
            share /= 2
        return max_halvings + 1
