"""The fitted model behind a search or a pipeline."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline


def last_step(estimator: Any) -> tuple[Any, Any]:
    """Return the final model of a search or a pipeline, and the steps before it.

    The steps are a pipeline, or None if there are no steps before the model.
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not isinstance(estimator, Pipeline):
        return estimator, None
    return estimator[-1], estimator[:-1] if len(estimator) > 1 else None
