"""What the displays share: axes, colours, and the last step of a pipeline."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from ..evaluation.messages import type_name

# The colours of Okabe and Ito, which colour-blind eyes tell apart (Wong 2011,
# doi:10.1038/nmeth.1618), but for yellow, which is too pale for a line on white.
BLUE, RED = "#0072B2", "#D55E00"
_COLORS = (BLUE, RED, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_LINESTYLES = ("-", "--", ":", "-.")
REFERENCE = "skxent-reference"  # the gid of lines that are no curves


def axes_of(ax: Any, **options: Any) -> Any:
    """Return `ax`, or new axes where it is None: one, or an array of them."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "No module matplotlib; displays need it: pip install matplotlib"
        ) from error
    return plt.subplots(layout="constrained", **options)[1] if ax is None else ax


def next_style(ax: Any) -> dict[str, Any]:
    """Return a look that no curve in `ax` has yet: 28 of them, before they repeat."""
    n_curves = sum(line.get_gid() != REFERENCE for line in ax.get_lines())
    again, color = divmod(n_curves, len(_COLORS))
    linestyle = _LINESTYLES[again % len(_LINESTYLES)]
    return {"color": _COLORS[color], "linestyle": linestyle}


def last_step(estimator: Any) -> tuple[Any, Any]:
    """Return the model at the end of a search or a pipeline, and the steps before it.

    The steps are None where there are none.
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not isinstance(estimator, Pipeline):
        return estimator, None
    return estimator[-1], estimator[:-1] if len(estimator) > 1 else None


def attribute_of(estimator: Any, name: str) -> Any:
    """Return a fitted attribute, or say who lacks it."""
    if not hasattr(estimator, name):
        raise AttributeError(
            f"{type_name(estimator)} has no {name}, which the display needs; expected "
            "a fitted estimator that has it: fit it first, or take one of skxent."
        )
    return getattr(estimator, name)
