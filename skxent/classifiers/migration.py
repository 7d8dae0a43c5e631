"""Answers for users and code that know `LogisticRegression`: what differs, and why."""

from collections.abc import Callable
from functools import wraps
from numbers import Real
from typing import Any, ParamSpec

import numpy as np

P = ParamSpec("P")

# Parameters of LogisticRegression that are not ours, and what to do instead: the table
# of docs/migration.md in short.
REMEDIES = {
    "penalty": (
        "use l1_ratio=0 for 'l2', l1_ratio=1 for 'l1', a number between them for "
        "'elasticnet', and C=np.inf for None"
    ),
    "dual": "drop it, since fewer rows than features are made use of anyway",
    "intercept_scaling": "drop it, since the intercept is never penalised",
    "solver": "drop it, since the solver follows from the sizes of the problem",
    "multi_class": (
        "use SoftmaxReg for 'multinomial', OneVsRestClassifier(BinaryLogReg()) for "
        "'ovr'"
    ),
    "n_jobs": "drop it, since as many threads work as the BLAS library may use",
}


def with_remedies(init: Callable[P, None]) -> Callable[P, None]:
    """Let a constructor name the remedy for a parameter of `LogisticRegression`.

    Its signature stays as it is, for scikit-learn reads the parameters from there.
    """

    @wraps(init)
    def helpful(*args: P.args, **kwargs: P.kwargs) -> None:
        for name in kwargs:
            if name in REMEDIES:
                raise TypeError(_message(type(args[0]), name))
        init(*args, **kwargs)

    return helpful


class MigrationMixin:
    """Let an estimator answer to what is known of `LogisticRegression`."""

    C: float
    l1_ratio: float

    def set_params(self, **params: Any) -> "MigrationMixin":
        """Set parameters of this estimator.

        Parameters
        ----------
        **params : dict
            Names of parameters, and their new values.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there is no such parameter; one of `LogisticRegression` comes with what
            to do instead.
        """
        # a mixin: BaseEstimator, which has both methods, comes with the estimator
        known = self._get_param_names()  # type: ignore[attr-defined]
        for name in params:
            if name in REMEDIES and name not in known:
                raise ValueError(_message(type(self), name))
        return super().set_params(**params)  # type: ignore[misc]

    @property
    def penalty(self) -> str | None:
        """Kind of the penalty, for `sklearn.feature_selection.SelectFromModel`.

        "l1" where the penalty sets coefficients to 0, also as a part of the elastic
        net: there the features to select are those that are left. Else "l2", or None
        where ``C=np.inf``. It follows from ``C`` and ``l1_ratio`` and cannot be set.
        """
        C, l1_ratio = self.C, self.l1_ratio
        # checked by fit, not before: here they may still be anything
        if isinstance(C, Real) and np.isinf(C):
            return None
        return "l2" if isinstance(l1_ratio, Real) and l1_ratio == 0 else "l1"


def _message(cls, name):
    return (
        f"{cls.__name__} has no parameter {name!r}, which LogisticRegression has: "
        f"{REMEDIES[name]}."
    )
