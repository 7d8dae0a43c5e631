"""Modules under the names that they had before the package had rooms.

Code and pickles from then find them here: ``from skxent.scoring import ...``.
"""

import sys

from .classifiers import estimators, model_selection
from .evaluation import calibration, information, report, scoring
from .plots import displays, reliability

for module in (
    calibration,
    displays,
    estimators,
    information,
    model_selection,
    reliability,
    report,
    scoring,
):
    sys.modules[f"skxent.{module.__name__.rpartition('.')[2]}"] = module
