"""The quadratic model of the objective at a point, with the penalty as it is.

It looks like an objective to the active set, and costs next to nothing to evaluate::

    m(x) = F₀ + gᵀ(x − x₀) + (x − x₀)ᵀ H (x − x₀) / 2 + Σ pen(w)

with g and H the gradient and the Hessian of the mean loss alone.
"""

from copy import copy

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from ._objective import Evaluation
from ._precondition import RIDGE, root_of


class QuadraticModel:
    """The model of ``objective`` at ``params``, from its Hessian and evaluation there.

    Parameters
    ----------
    objective : CrossEntropyObjective
    hessian : ndarray of shape (n_params, n_params)
        Of the mean loss, without the penalty.
    params : ndarray of shape (n_params,)
    now : Evaluation
        The objective at ``params``.
    """

    def __init__(self, objective, hessian, params, now):
        self.n_logits, self.n_features = objective.n_logits, objective.n_features
        self.n_params = objective.n_params
        self.fit_intercept = objective.fit_intercept
        self.penalty = objective.penalty
        self.n_evals = 0
        self._hessian = hessian
        of_penalty = np.zeros_like(params)
        coef, _ = self.split(params)
        self.penalty.add_gradient(coef, self.split(of_penalty)[0])
        bent = hessian @ params
        gradient = now.gradient - of_penalty
        self._slope = gradient - bent
        loss = now.value - self.penalty.value(coef)
        self._base = loss - gradient @ params + 0.5 * params @ bent

    def split(self, params: NDArray) -> tuple[NDArray, NDArray]:
        """Return views of coefficients, (L, d), and intercepts, (L,) or empty."""
        rows = params.reshape(self.n_logits, -1)
        if not self.fit_intercept:
            return rows, rows[0, :0]
        return rows[:, :-1], rows[:, -1]

    def evaluate(self, params: NDArray) -> Evaluation:
        """Return the model and its gradient."""
        bent = self._hessian @ params
        coef, _ = self.split(params)
        value = self._base + self._slope @ params + 0.5 * params @ bent
        gradient = self._slope + bent
        self.penalty.add_gradient(coef, self.split(gradient)[0])
        return Evaluation(float(value) + self.penalty.value(coef), gradient, np.inf)

    def moments(self) -> tuple[NDArray, NDArray, NDArray]:
        """Return what `curvature_moments` does, read off the Hessian."""
        diagonal, intercepts = self.split(self._hessian.diagonal())
        if not intercepts.size:
            return np.ones((self.n_logits, 1)), np.zeros_like(diagonal), diagonal
        e = self.n_features + 1
        blocks = self._hessian.reshape(self.n_logits, e, self.n_logits, e)
        first = np.stack([blocks[k, :-1, k, -1] for k in range(self.n_logits)])
        return intercepts[:, None], first, diagonal

    def with_penalty(self, penalty) -> "QuadraticModel":
        """Return the same model with another penalty."""
        other = copy(self)
        other.penalty = penalty
        return other

    def on_some_columns(self, columns: NDArray) -> "QuadraticModel":
        """Return the same model where all other columns have coefficients 0."""
        kept = np.zeros(self.n_params, dtype=bool)
        coef, intercept = self.split(kept)
        coef[:, columns] = True
        intercept[:] = True
        other = self.with_penalty(self.penalty.take(columns))
        other._hessian = self._hessian[np.ix_(kept, kept)]
        other._slope = self._slope[kept]
        other.n_features = len(columns)
        other.n_params = int(kept.sum())
        return other

    def solve(self, params: NDArray, free: NDArray) -> NDArray:
        """Return params with the best free coefficients, (L, d), and intercepts.

        The penalty has to be smooth; the other coefficients stay as they are.
        """
        moving = np.ones(self.n_params, dtype=bool)
        self.split(moving)[0][:] = free
        gradient = self.evaluate(params).gradient
        hessian = self._hessian[np.ix_(moving, moving)]
        of_penalty = np.zeros(self.n_params)
        self.split(of_penalty)[0][:] = self.penalty.l2
        hessian[np.diag_indices_from(hessian)] += of_penalty[moving]
        scale, upper = root_of(hessian, ridge=RIDGE)
        step = solve_triangular(upper, gradient[moving] / scale, trans="T")
        answer = params.copy()
        answer[moving] -= solve_triangular(upper, step) / scale
        return answer
