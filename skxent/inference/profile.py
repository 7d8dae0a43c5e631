"""Profile-likelihood intervals: they follow the likelihood where it is not a parabola.

The interval of a coefficient holds the values v for which the best fit with w = v is
not much worse than the best of all::

    r(v)² = 2 S [min_{w_j = v} F − min F] ≤ χ²_1(level)

The signed root r rises with v, nearly as a straight line. Newton's method finds where
it reaches the quantile. Its slope is that of the profile: the multiplier of w_j = v.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from .contrasts import MEAN, Reported, reported
from .fitted import FittedModel, fitted_model
from .information import Information, information_at, information_of
from .refusals import check_level, check_likelihood, name_some, names_in
from .table import ProfileIntervals

# A constrained fit ends when a step promises less than this, in nats of all rows.
NEGLIGIBLE_GAIN = 1e-10
# A new Hessian is computed where a step leaves more than this share of the promise.
SLOW = 0.1
# Steps of a constrained fit, and of the search for an end of an interval.
MAX_STEPS = 200
# The signed root is found to this accuracy.
ACCURACY = 1e-7


def profile_intervals(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    features: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    level: float = 0.95,
    contrast: Any = MEAN,
) -> ProfileIntervals:
    """Return profile-likelihood intervals of coefficients.

    They hold better than ``estimate ± 1.96 standard errors`` in small samples and for
    rare events, and do not depend on the scale of the coefficient: the interval of an
    odds ratio is exp of that of its logarithm.

    Parameters
    ----------
    estimator, X, y, sample_weight, offset, level, contrast
        As in `coefficient_table`; the fit has to be without a penalty. Sample weights
        are frequencies.
    features : list of str, default=None
        The features whose coefficients get an interval; None means all and the
        intercept. Each end of an interval takes a few passes over the data.

    Returns
    -------
    ProfileIntervals

    Raises
    ------
    ValueError
        If the fit has a penalty or class weights, a feature is unknown, or as in
        `coefficient_table`.

    See Also
    --------
    skxent.coefficient_table : Intervals from standard errors.

    References
    ----------
    D. J. Venzon and S. H. Moolgavkar (1988), doi:10.2307/2347496.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skxent import BinaryLogReg, profile_intervals
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = BinaryLogReg(C=np.inf).fit(X[:, :2], y)
    >>> profile_intervals(model, X[:, :2], y, features=["x1"])
    BinaryLogReg on 569 observations: log-odds of 1 against 0
    intervals of the profile likelihood
        estimate    lower    upper
    x1   -0.2181  -0.2931  -0.1472
    lower and upper: 95% intervals, in log-odds per unit
    """
    check_level(level)
    reach = float(norm.isf((1 - level) / 2))
    with fitted_model(estimator, X, y, sample_weight, offset) as fitted:
        check_likelihood(
            "Profile intervals",
            is_penalised=fitted.is_penalised,
            has_class_weight=fitted.class_factors is not None,
            is_bias_reduced=fitted.is_bias_reduced,
        )
        information = information_of(fitted)
        rows = reported(fitted, information.coordinates, contrast)
        chosen = _chosen(rows, features)
        changes = np.full((len(chosen), 2), np.nan)
        with fitted.objective.rows.threads():
            for position, i in enumerate(chosen):
                if not rows.is_identified[i]:
                    continue
                profile = _Profile(fitted, information, rows.to_rows[[i]].toarray()[0])
                changes[position] = [profile.change_at(r) for r in (-reach, reach)]
    lower, upper = rows.estimate[chosen] + changes.T
    return ProfileIntervals(
        classes=[rows.classes[i] for i in chosen] if len(fitted.basis) > 1 else None,
        features=[rows.features[i] for i in chosen],
        estimate=rows.estimate[chosen],
        lower=lower,
        upper=upper,
        level=level,
        subject=rows.description,
        head=[
            f"{fitted.name} on {fitted.n_observations:g} observations: "
            f"{rows.description}",
            "intervals of the profile likelihood",
        ],
    )


def _chosen(rows: Reported, features: ArrayLike | None) -> NDArray:
    """Return the positions of the rows of some features."""
    if features is None:
        return np.arange(len(rows.features))
    names = names_in(features)
    unknown = [name for name in names if name not in rows.features]
    if unknown:
        raise ValueError(
            f"features has {name_some(unknown)}; expected names of features of the "
            f"fit: {name_some(rows.features)}."
        )
    return np.flatnonzero([name in names for name in rows.features])


class _Profile:
    """The best fits along a linear function of the variables.

    Parameters
    ----------
    fitted : FittedModel
    information : Information
        At the estimate.
    direction : ndarray of shape (q m,)
        The linear function c: its value changes by ``c·u`` for a step u.
    """

    def __init__(
        self, fitted: FittedModel, information: Information, direction: NDArray
    ):
        self._fitted, self._direction = fitted, direction
        self._at_estimate = information
        self._S = fitted.objective.rows.weight_sum
        # the value at the optimum: the estimate is nearly there
        self._minimum = information.value - information.distance**2 / (2 * self._S)

    def change_at(self, root: float) -> float:
        """Return the change of c·u at which the signed root is ``root``."""
        A, c = self._at_estimate.inverse, self._direction
        error = np.sqrt(c @ A @ c / self._S)
        params, information = self._fitted.params, self._at_estimate
        change, move = 0.0, root * error
        for _ in range(MAX_STEPS):
            params = params + self._along(information, move)
            change += move
            params, value, slope, information = self._minimise(params, information)
            found = np.sqrt(max(0.0, 2 * self._S * (value - self._minimum)))
            found = np.copysign(found, change)
            if abs(found - root) <= ACCURACY:
                return change
            # r² = 2 S (F − F*), so that r r' = S F'
            move = (root - found) * found / (self._S * slope)
            # a step that is surely too long would only cost passes
            move = float(np.clip(move, -abs(change), abs(change)))
        raise ValueError(
            "The likelihood does not fall to the ends of a profile interval; expected "
            "classes that overlap: use coefficient_table."
        )

    def _along(self, information: Information, move: float) -> NDArray:
        """Return the step of the params that changes c·u, with others following."""
        of_variables = information.inverse @ self._direction
        return self._step(move / (self._direction @ of_variables) * of_variables)

    def _step(self, of_variables: NDArray) -> NDArray:
        to_columns = self._at_estimate.coordinates.to_columns
        by_component = of_variables.reshape(self._fitted.n_components, -1)
        return self._fitted.step(by_component @ to_columns.T)

    def _minimise(
        self, params: NDArray, information: Information
    ) -> tuple[NDArray, float, float, Information]:
        """Minimise F where c·u is fixed, by Newton's method with old Hessians.

        Returns the params, F, the derivative of F along c·u, and the last Hessian.
        """
        fitted, c = self._fitted, self._direction
        evaluation = fitted.objective.evaluate(params)
        promise = np.inf
        for _ in range(MAX_STEPS):
            to_columns = self._at_estimate.coordinates.to_columns
            gradient = (fitted.reduced(evaluation.gradient) @ to_columns).ravel()
            A = information.inverse
            slope = (c @ A @ gradient) / (c @ A @ c)
            step = A @ (slope * c - gradient)
            previous, promise = promise, -float(gradient @ step) / 2
            if self._S * promise <= NEGLIGIBLE_GAIN:
                break
            if promise > SLOW * previous:
                information = information_at(fitted, params, self._at_estimate)
                promise = np.inf
                continue
            moved = self._step(step)
            trial = fitted.objective.evaluate(params + moved)
            while trial.value > evaluation.value and np.abs(moved).max() > 0:
                moved = moved / 2
                trial = fitted.objective.evaluate(params + moved)
            if trial.value >= evaluation.value:
                break  # any further decrease is below rounding
            params, evaluation = params + moved, trial
        return params, evaluation.value, float(slope), information
