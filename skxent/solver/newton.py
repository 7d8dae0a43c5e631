"""Newton's method with kinks and bounds, for columns whose Hessian is cheap.

Each step goes towards the minimum of the quadratic model, and is shortened until F
falls. The gradient of the model is exact. Its Hessian is kept until a fresh one
promises to be faster. If there are other columns, these are looked at before that.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.curvature import hessian_of_loss
from .column_subset import ColumnSubset
from .line_search import ARMIJO_SHARE
from .preconditioners.prices import NANOSECONDS, price_of_exact_hessian
from .quadratic_model import COARSE_RIDGE, QuadraticModel, promise
from .stopping import TINY

MAX_HALVINGS = 100
# A step that promises less than this share of what ``tol`` allows is not worth taking.
WORTHLESS_SHARE = 1e-3
# The columns are solved to this share of their first promise. If there are columns
# outside, a stale Hessian ends the steps earlier, so that the share can be smaller.
PROMISE_REDUCTION, PROMISE_REDUCTION_OF_SOME = 1e-1, 3e-2


@dataclass(frozen=True)
class RefreshCosts:
    """What decides whether a fresh Hessian is quicker than more steps with the old one.

    Attributes
    ----------
    fresh_steps : int
        Steps that a fit is expected to take with a fresh Hessian.
    overhead : float
        What a step takes in Python beside an evaluation, in nanoseconds.
    factorisations : int
        Cholesky factorisations for the minimum of one model.
    """

    fresh_steps: int = 2
    overhead: float = 1e6
    factorisations: int = 3


REFRESH = RefreshCosts()


@dataclass(frozen=True)
class Extrapolation:
    """How a sequence of promises with one Hessian bounds the decrease still to come.

    Attributes
    ----------
    stale_factor : float
        A Hessian from another point may promise too little by about this factor,
        because curvature is gone in some directions only.
    min_contraction : float
        The least 1 − q for steps that shrink by the factor q: less would be rounding.
    """

    stale_factor: float = 4
    min_contraction: float = 1e-6


EXTRAPOLATION = Extrapolation()


class NewtonSteps:
    """Newton's method on a subset of the columns, whose params it moves.

    Parameters
    ----------
    subset : ColumnSubset
    tol, max_iter
        As in `minimise`.
    ridge : float
        The ridge of the quadratic models.

    Attributes
    ----------
    ridge : float
        Coarser once a model did not reach its minimum with it.
    """

    def __init__(self, subset: ColumnSubset, tol: float, max_iter: int, ridge: float):
        self._subset, self._tol, self._max_iter = subset, tol, max_iter
        self._objective = subset.objective
        self.ridge = ridge
        solve = (
            REFRESH.factorisations * NANOSECONDS.factor * subset.objective.n_params**3
        )
        self._price = price_of_exact_hessian(subset.objective, REFRESH.overhead + solve)

    def run(self) -> float:
        """Take steps until the model promises little more.

        Returns
        -------
        float
            The estimate of (F − F*) / F on these columns.
        """
        subset, progress = self._subset, self._subset.progress
        suboptimality = 1.0
        # With many classes, a set that is not solved has so many coefficients that the
        # Hessian of the next one may be too expensive.
        has_one_hessian = subset.is_partial and self._objective.n_logits == 1
        share = PROMISE_REDUCTION_OF_SOME if has_one_hessian else PROMISE_REDUCTION
        goal: float | None = None
        while True:
            hessian = hessian_of_loss(self._objective, subset.params)
            model = QuadraticModel(self._objective, hessian, self.ridge)
            promises: list[float] = []
            while True:
                value = max(subset.evaluation.value, TINY)
                answer, gain, remaining = model.minimise(
                    subset.params,
                    self._loss_gradient(),
                    tolerance=self._tol * value / 8,
                )
                if model.is_exhausted and self.ridge < COARSE_RIDGE:
                    self.ridge = COARSE_RIDGE
                    break
                promises.append(promise(gain, remaining) / value)
                suboptimality = _extrapolated(promises)
                if goal is None:
                    goal = max(self._tol / 2, share * suboptimality)
                if suboptimality <= goal and not self._next_step_arrives(promises):
                    return suboptimality
                if not progress.iterations_left(self._max_iter):
                    return suboptimality
                if self._refresh_pays(promises, goal):
                    if has_one_hessian:
                        # columns outside may promise more by now
                        return suboptimality
                    break
                if not self._step(model, answer, gain):
                    if len(promises) == 1:
                        return suboptimality
                    break
                subset.note_current(suboptimality)
                progress.note_effort(model.n_steps)
                if progress.has_exhausted_effort:
                    return suboptimality

    def _step(self, model: QuadraticModel, answer: NDArray, gain: float) -> bool:
        """Move towards the minimum of the model; return whether F fell.

        The model then observes the curvature along the step.
        """
        subset, gradient = self._subset, self._loss_gradient()
        previous_value = subset.evaluation.value
        subset.progress.begin()
        step = answer - subset.params
        share = 1.0
        for _ in range(MAX_HALVINGS):
            # the whole step as it is: coefficients at 0 or a bound stay so exactly
            params = answer if share == 1 else subset.params + share * step
            evaluation = self._objective.evaluate(params)
            if evaluation.value <= previous_value - ARMIJO_SHARE * share * gain:
                break
            share /= 2
            if share * gain <= WORTHLESS_SHARE * self._tol * previous_value:
                # thousands of such steps would follow
                return False
        else:
            return False
        subset.move_to(params, evaluation)
        observed_curvature = float(step @ (self._loss_gradient() - gradient)) / share
        model.observe(step, observed_curvature)
        return True

    def _refresh_pays(self, promises: list[float], goal: float) -> bool:
        """Whether a fresh Hessian promises to be faster than continuing."""
        if len(promises) == 1:
            return False
        rate = np.log(promises[-2] / promises[-1])
        remaining = np.log(promises[-1] / goal)
        return rate <= 0 or remaining / rate > self._price + REFRESH.fresh_steps

    def _next_step_arrives(self, promises: list[float]) -> bool:
        """Whether one more step on some of the columns is likely to reach ``tol``.

        It takes less than another working set, which has a Hessian of its own.
        """
        if len(promises) == 1 or not self._subset.is_partial:
            return False
        before, last = promises[-2:]
        return last > self._tol / 2 >= last * last / before

    def _loss_gradient(self) -> NDArray:
        """Return the gradient of the mean loss alone."""
        subset = self._subset
        return self._objective.gradient_of_loss(
            subset.params, subset.evaluation.gradient
        )


def _extrapolated(promises: list[float]) -> float:
    """Estimate (F − F*) / F from the promises of successive steps with one Hessian.

    If each step is q times as long as the previous one, all steps together are
    1 / (1 − q) times as long as the first of them. The decrement is quadratic in the
    length.
    """
    if len(promises) == 1:
        return min(1.0, promises[-1])
    q = np.sqrt(promises[-1] / promises[-2])
    return min(
        1.0,
        EXTRAPOLATION.stale_factor
        * promises[-1]
        / max(1 - q, EXTRAPOLATION.min_contraction) ** 2,
    )
