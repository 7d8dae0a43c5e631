"""The check of the parameters of an estimator, without those that have their defaults.

scikit-learn checks all parameters, which takes as long as several evaluations of a
small fit. Defaults are checked once for each class.
"""

from functools import cache
from inspect import signature
from typing import Any

from .._sklearn_compat import InvalidParameterError, validate_parameter_constraints


def check_parameters(estimator: Any) -> None:
    """Raise an InvalidParameterError if a parameter violates its constraints.

    Parameters
    ----------
    estimator : estimator
        With scikit-learn's ``_parameter_constraints``.
    """
    cls: Any = type(estimator)
    changed = {
        name: value
        for name, default in _defaults(cls)
        if (value := getattr(estimator, name)) is not default
    }
    if changed:
        _check(cls, changed)


class _NoDefault:
    """Stands for the default of a parameter that has none, or an invalid one."""


@cache
def _defaults(cls: Any) -> list[tuple[str, Any]]:
    """Return the name and the default of each parameter of a class of estimators."""
    defaults, parameters = [], signature(cls).parameters
    for name in cls._get_param_names():
        default = parameters[name].default
        try:
            _check(cls, {name: default})
        except InvalidParameterError:
            default = _NoDefault
        defaults.append((name, default))
    return defaults


def _check(cls: Any, params: dict[str, Any]) -> None:
    validate_parameter_constraints(
        cls._parameter_constraints, params, caller_name=cls.__name__
    )
