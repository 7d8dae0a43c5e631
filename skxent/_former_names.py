"""Modules under the names that they had before the package had rooms.

Code and pickles from then find them here: ``from skxent.scoring import ...``.
"""

import sys
from types import ModuleType
from typing import Any

from .classifiers import estimators, model_selection
from .evaluation import calibration, information, loss, report, scorer
from .plots import coefficients, convergence, reliability

for module in (
    calibration,
    estimators,
    information,
    model_selection,
    reliability,
    report,
):
    sys.modules[f"skxent.{module.__name__.rpartition('.')[2]}"] = module


def _register(name: str, **members: Any) -> None:
    """Make a module with these members, which have moved to several modules."""
    module = ModuleType(f"skxent.{name}", f"Former home of {', '.join(members)}.")
    vars(module).update(members)
    sys.modules[module.__name__] = module


_register(
    "scoring",
    cross_entropy_loss=loss.cross_entropy_loss,
    LogLossScorer=scorer.LogLossScorer,
    log_loss_scorer=scorer.log_loss_scorer,
)
_register(
    "displays",
    CoefficientDisplay=coefficients.CoefficientDisplay,
    ConvergenceDisplay=convergence.ConvergenceDisplay,
)
