"""What the estimators with one C and those that choose it have in common."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.blocks import far_center
from ..model.objective import CrossEntropyObjective, Objective
from ..solver.minimise import Solution
from .exchange import ExportMixin
from .feature_parameters import check_bounds, check_penalty_weights
from .migration import MigrationMixin
from .notebook import NotebookMixin
from .validation import CheckedData, smooth_targets


class CrossEntropyClassifier(MigrationMixin, NotebookMixin, ExportMixin):
    """A linear classifier whose parameters define an objective.

    Subclasses have the parameters that `_objective` reads.
    """

    penalty_weights: Any
    bounds: Any
    label_smoothing: float
    fit_intercept: bool

    def _objective(
        self, data: CheckedData, C: float, l1_ratio: float
    ) -> CrossEntropyObjective:
        """Return the objective that the parameters define on the data."""
        features = data.feature_names, data.X.shape[1]
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

    def _publish_model(self, data: CheckedData, model: tuple[NDArray, NDArray]) -> None:
        """Set what predictions need, after every computation that may fail."""
        self.n_features_in_ = data.X.shape[1]
        if data.feature_names is not None:
            self.feature_names_in_ = data.feature_names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.classes_ = data.classes
        self.coef_, self.intercept_ = model

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
