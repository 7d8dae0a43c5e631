"""What a notebook shows of an estimator, beside what scikit-learn shows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from .._documentation import PAGE_OF_A_NAME
from .._sklearn_compat import VisualBlock


class NotebookMixin(BaseEstimator):
    """A link to the documentation, and how the fit ended, in the HTML diagram."""

    _doc_link_module = "skxent"
    _doc_link_template = PAGE_OF_A_NAME

    def _sk_visual_block_(self) -> VisualBlock:
        """Return the block of the diagram, with the end of the fit as its caption."""
        return VisualBlock(
            "single",
            self,
            names=type(self).__name__,
            name_details=str(self),
            name_caption=how_it_ended(self),
        )


def how_it_ended(model: Any) -> str | None:
    """Return the end of a fit in one line, or None if the model was not fitted here.

    Parameters
    ----------
    model : object
        An estimator of this package.
    """
    if not hasattr(model, "converged_"):
        return None
    parts = []
    if hasattr(model, "C_"):
        parts.append(f"chose C = {model.C_:.3g}")
    parts.append("converged" if model.converged_ else "not converged")
    scores = getattr(model, "validation_scores_", None)
    if scores is not None and len(scores):
        parts.append(f"early stopping kept iteration {1 + np.argmax(scores)}")
    # a model from a card may lack what is known of its fit
    if getattr(model, "suboptimality_", None) is not None:
        parts.append(f"suboptimality {model.suboptimality_:.2g}")
    if hasattr(model, "n_evals_"):
        passes = "pass" if model.n_evals_ == 1 else "passes"
        parts.append(f"{model.n_evals_} {passes} over the data")
    if len(getattr(model, "loss_curve_seconds_", ())):
        parts.append(f"{model.loss_curve_seconds_[-1]:.2g} s")
    return ", ".join(parts)
