"""Modules under the names that they had before the package had rooms.

Code and pickles from then find them here: ``from skxent.scoring import ...``.
"""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

from .classifiers import estimators, model_selection
from .evaluation import calibration, information, loss, report, scorer
from .plots import coefficients, convergence, reliability

# Each former module, and those that have what was in it.
HOMES = {
    "calibration": [calibration],
    "displays": [coefficients, convergence],
    "estimators": [estimators],
    "information": [information],
    "model_selection": [model_selection],
    "reliability": [reliability],
    "report": [report],
    "scoring": [loss, scorer],
}


def register() -> None:
    """Make the former modules importable, and attributes of the package."""
    package = sys.modules[__name__.rpartition(".")[0]]
    for name, homes in HOMES.items():
        module = ModuleType(f"{package.__name__}.{name}", homes[0].__doc__)
        module.__spec__ = ModuleSpec(module.__name__, loader=None)
        for home in homes:
            public = {k: v for k, v in vars(home).items() if not k.startswith("_")}
            vars(module).update(public)
        sys.modules[module.__name__] = module
        setattr(package, name, module)
