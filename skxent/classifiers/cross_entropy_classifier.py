"""What the estimators with one C and those that choose it have in common."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.blocks import far_center
from ..data.targets import smooth_targets
from ..model.objective import CrossEntropyObjective, Objective
from ..solver.minimise import Solution
from .exchange import ExportMixin
from .feature_parameters import check_bounds, check_penalty_weights
from .migration import MigrationMixin
from .notebook import NotebookMixin
from .parameter_checks import check_parameters


class CrossEntropyClassifier(MigrationMixin, NotebookMixin, ExportMixin):
    """A linear classifier whose parameters define an objective.

    Subclasses have the parameters that `_objective` reads.
    """

    penalty_weights: Any
    bounds: Any
    label_smoothing: float
    fit_intercept: bool

    def _validate_params(self) -> None:
        """Raise an error if a parameter violates its constraints."""
        check_parameters(self)

    def _objective(self, data: Any, C: float, l1_ratio: float) -> Any:
        """Return the objective that the parameters define on `CheckedData`."""
        features = data.feature_names, data.n_features
        return CrossEntropyObjective(
            data.X,
            smooth_targets(data.targets, len(data.classes), self.label_smoothing),
            data.weights,
            C=C,
            l1_ratio=l1_ratio,
            penalty_weights=check_penalty_weights(self.penalty_weights, *features),
            bounds=check_bounds(self.bounds, *features),
            offset=data.offset,
            fit_intercept=self.fit_intercept,
            loss=self._loss_name,
            center=far_center(data.X) if self.fit_intercept else None,
        )

    def _publish_solution(self, solution: Solution) -> None:
        """Set what is known of the fit."""
        self.n_iter_ = np.array([solution.n_iter], dtype=np.int32)
        self.n_evals_ = solution.n_evals
        self.loss_curve_ = solution.loss_curve
        self.loss_curve_seconds_ = solution.seconds
        self.suboptimality_ = solution.suboptimality
        self.duality_gap_ = solution.duality_gap
        self.converged_ = solution.converged


def coefficients(objective: Objective, params: NDArray) -> tuple[NDArray, NDArray]:
    """Return ``coef_``, (L, d), and ``intercept_``, (L,)."""
    coef, intercept = objective.unpack(params)
    if len(intercept) > 1:
        # The loss does not depend on a common shift of all logits.
        intercept -= intercept.mean()
    return coef, intercept
