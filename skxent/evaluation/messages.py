"""How error messages name labels and estimators."""

from __future__ import annotations

from typing import Any


def format_labels(labels: list[Any]) -> str:
    """Return the first ten labels as text, as in "[0, 1, 2]"."""
    shown = [repr(label) for label in labels[:10]]
    return f"[{', '.join(shown)}{', ...' if len(labels) > len(shown) else ''}]"


def type_name(estimator: Any) -> str:
    """Return the name of the estimator's class."""
    return type(estimator).__name__
