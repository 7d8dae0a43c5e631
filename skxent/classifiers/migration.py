"""Help for users of `LogisticRegression`: its removed parameters and ``penalty``."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from numbers import Real
from typing import Any, ParamSpec, Self

import numpy as np

P = ParamSpec("P")

# Parameters of LogisticRegression that these classifiers lack, each with its
# replacement. docs/migration.md has the full table.
REMEDIES = {
    "penalty": (
        "use l1_ratio=0 for 'l2', l1_ratio=1 for 'l1', a number between them for "
        "'elasticnet', and C=np.inf for None"
    ),
    "dual": "drop it, since the solver exploits fewer rows than features by itself",
    "intercept_scaling": "drop it, since the intercept is never penalised",
    "solver": "drop it, since the solver is chosen by the size of the problem",
    "multi_class": (
        "use SoftmaxReg for 'multinomial', OneVsRestClassifier(BinaryLogReg()) for "
        "'ovr'"
    ),
    "n_jobs": "drop it, since the fit uses as many threads as the BLAS library may",
}
# Those of LogisticRegressionCV alone.
REMEDIES_OF_SEARCH = {
    "use_legacy_attributes": (
        "drop it, since C_, scores_ and the other attributes have the shapes of False"
    ),
    "random_state": (
        "drop it, since no part of the search is random; for other folds, pass a "
        "splitter with a random_state as cv"
    ),
}
ALL_REMEDIES = REMEDIES | REMEDIES_OF_SEARCH


def with_remedies(init: Callable[P, None]) -> Callable[P, None]:
    """Make a constructor name the remedy for a parameter of `LogisticRegression`.

    The signature stays the same, because scikit-learn reads the parameters from it.
    """
    known = signature(init).parameters

    @wraps(init)
    def init_with_remedies(*args: P.args, **kwargs: P.kwargs) -> None:
        for name in kwargs:
            if name in ALL_REMEDIES and name not in known:
                raise TypeError(_message(type(args[0]), name))
        init(*args, **kwargs)

    return init_with_remedies


class MigrationMixin:
    """``set_params`` and ``penalty`` as users of `LogisticRegression` expect them."""

    C: float
    l1_ratio: float

    def set_params(self, **params: Any) -> Self:
        """Set parameters of this estimator.

        Parameters
        ----------
        **params : dict
            Parameter names and their new values.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there is no such parameter. For a parameter of `LogisticRegression`, the
            message names the replacement.
        """
        # BaseEstimator, the other base of the estimator, has both methods
        known = self._get_param_names()  # type: ignore[attr-defined]
        for name in params:
            if name in ALL_REMEDIES and name not in known:
                raise ValueError(_message(type(self), name))
        return super().set_params(**params)  # type: ignore[misc]

    @property
    def penalty(self) -> str | None:
        """Kind of penalty, for `sklearn.feature_selection.SelectFromModel`.

        "l1" if the penalty sets coefficients to 0, as the lasso and the elastic net do:
        `SelectFromModel` then selects the features with nonzero coefficients. None if
        ``C=np.inf``, otherwise "l2". It follows from ``C`` and ``l1_ratio`` and cannot
        be set.
        """
        C, l1_ratio = self.C, self.l1_ratio
        # fit checks both parameters; before, they may have any type
        if isinstance(C, Real) and np.isinf(C):
            return None
        return "l2" if isinstance(l1_ratio, Real) and l1_ratio == 0 else "l1"


def _message(cls: type, name: str) -> str:
    theirs = (
        "LogisticRegressionCV" if name in REMEDIES_OF_SEARCH else "LogisticRegression"
    )
    return (
        f"{cls.__name__} has no parameter {name!r}, which {theirs} has: "
        f"{ALL_REMEDIES[name]}."
    )
