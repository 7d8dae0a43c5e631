"""Preconditioners with a Hessian for each class, or a majorant for all."""

from collections.abc import Callable
from copy import copy

import numpy as np
from numpy.typing import NDArray

from ...model.class_hessians import class_hessians
from ...model.layout import ParamLayout
from ...model.objective import Objective
from .base import Preconditioner, Recipe, centred
from .inverse_root import InverseRoot
from .prices import (
    NANOSECONDS,
    affordable_rows,
    price_of_evaluation,
    price_of_hessians,
)


class ClassPreconditioner(Preconditioner):
    """``w_k = T_k u_k``: a root for each class, or one root scaled for each class.

    Parameters
    ----------
    objective : Objective
    hessians : ndarray of shape (L, e, e) or (1, e, e)
        One for each class, or one for all.
    scales : ndarray of shape (L,), default=None
        The square roots of the factors of the shared Hessian, one for each class.
    """

    def __init__(
        self, objective: Objective, hessians: NDArray, scales: NDArray | None = None
    ):
        self._shape = (objective.n_logits, -1)
        self.curvature = np.einsum("kii->ki", hessians).ravel()
        layout = ParamLayout(1, objective.n_features, objective.fit_intercept)
        self._map = objective.rows.map
        self._price_of_factors = hessians.size * objective.n_columns / 3
        self._take(
            self._map(
                lambda hessian: InverseRoot(hessian, layout, objective.penalty.l2),
                list(hessians),
                work=self._price_of_factors,
            )
        )
        self.is_averaged = len(self._roots) < objective.n_logits
        self._scales = 1.0 if scales is None else scales[:, None]

    def _take(self, roots: list[InverseRoot]) -> None:
        """Take the roots, and what they say of their conditioning."""
        self._roots = roots
        self.is_nearly_singular = any(root.is_nearly_singular for root in roots)
        self.is_well_conditioned = all(root.is_well_conditioned for root in roots)

    def with_l2(self, l2: NDArray) -> "ClassPreconditioner":
        """Return the preconditioner for another ridge, (d,)."""
        other = copy(self)
        other._take(
            self._map(
                lambda root: root.with_l2(l2), self._roots, self._price_of_factors
            )
        )
        return other

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u, with classes that sum to 0."""
        rows = self._apply(u.reshape(self._shape) / self._scales, InverseRoot.solve)
        return centred(rows).ravel()

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient: the gradient in the variables u."""
        rows = centred(gradient.reshape(self._shape).copy())
        pulled = self._apply(rows, InverseRoot.solve_transposed)
        return (pulled / self._scales).ravel()

    def _apply(
        self, rows: NDArray, solve: Callable[[InverseRoot, NDArray], NDArray]
    ) -> NDArray:
        """Apply the roots to the rows of their classes, (L, e)."""
        if len(self._roots) == 1:
            return solve(self._roots[0], rows.T).T
        pairs = list(zip(self._roots, rows, strict=True))
        work = rows.size * rows.shape[1]
        return np.stack(self._map(lambda pair: solve(*pair), pairs, work))


class ClassRecipe(Recipe):
    """The recipe for a Hessian of each class; with one logit, the full Hessian."""

    evaluations = 40.0

    def __init__(self, objective: Objective, n_sampled: int | None = None):
        super().__init__(objective)
        n_logits, e = objective.n_logits, objective.n_columns
        self.is_full_hessian = n_logits == 1
        self.n_evals_when_fresh = 5 if self.is_full_hessian else 12
        self.n_bytes = 16 * n_logits * e**2
        self.n_sampled, self.build_price = price_of_hessians(
            objective, n_logits, n_sampled
        )
        if n_logits > 1 and self.n_sampled < objective.n_samples:
            # each class gathers rows of its own
            self.n_bytes += 8 * n_logits * self.n_sampled * e
        self.apply_price = (
            NANOSECONDS.solve * n_logits * e**2 / price_of_evaluation(objective)
        )
        self.description = (
            "the Hessian" if self.is_full_hessian else "a Hessian for each class"
        )

    def with_more_rows(self, objective: Objective) -> "ClassRecipe":
        """Return the recipe with twice as many rows, as far as they are affordable."""
        most = affordable_rows(objective, objective.n_logits)
        if self.n_sampled >= min(most, objective.n_samples):
            return self
        return ClassRecipe(objective, min(2 * self.n_sampled, most))

    def build(self, objective: Objective, params: NDArray) -> ClassPreconditioner:
        """Return the preconditioner with the curvature at ``params``."""
        hessians = class_hessians(objective, params, n_sampled=self.n_sampled)
        return ClassPreconditioner(objective, hessians)


class MajorantRecipe(Recipe):
    """The recipe for an upper bound of the Hessian that all classes share."""

    description = "a majorant of the Hessian"

    def build(self, objective: Objective, params: NDArray) -> ClassPreconditioner:
        """Return the preconditioner with the majorant at ``params``."""
        hessian = class_hessians(objective, params, shared=True, majorant=True)
        return ClassPreconditioner(objective, hessian)
