"""Intervals and tests from the profile of a penalised likelihood."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from ..classifiers.bias_reduced import BiasReducedLogReg, bias_reduced_objective
from ..classifiers.predictions import dense
from ..classifiers.validation import check_data
from ..evaluation.tables import html_table, pandas_for_frames, text_table
from ..model.bias_reduction import BiasReducedObjective
from ..model.problem import Problem
from ..solver.bias_reduced import (
    BiasReducedSolution,
    SingularInformation,
    minimise_bias_reduced,
)
from ..solver.penalised_profile import PenalisedProfile
from .refusals import check_level

INTERCEPT = "intercept"
# The coefficients of the estimator may differ from the optimum on the data by this
# share of a standard error.
SAME = 1e-3
COLUMNS = ("estimate", "standard_error", "lower", "upper", "chi2", "p_value")
_HEAD = "bias-reduced logistic regression"
_TITLES = ("estimate", "std. error", "lower", "upper", "chi2", "p")


@dataclass(frozen=True, repr=False)
class PenalisedLikelihoodTable:
    """Coefficients of a bias-reduced fit, with profile intervals and tests.

    ``print`` shows it as text, a notebook as HTML.

    Attributes
    ----------
    features : list of str
        The feature of each row; "intercept" for the intercept.
    estimate, standard_error : ndarray of shape (n_rows,)
        In log-odds per unit of the feature. The errors are roots of the diagonal of the
        inverse information. NaN for aliased features, as all their numbers.
    lower, upper : ndarray of shape (n_rows,)
        The ends of the profile interval.
    chi2 : ndarray of shape (n_rows,)
        The statistic of the test that the coefficient is 0: twice the difference of the
        penalised log-likelihoods.
    level : float
        The coverage of the intervals.
    """

    features: list[str]
    estimate: NDArray
    standard_error: NDArray
    lower: NDArray
    upper: NDArray
    chi2: NDArray
    level: float

    @property
    def p_value(self) -> NDArray:
        """The probability of a larger statistic under a chi2 with one degree."""
        return chi2.sf(self.chi2, 1)

    def to_frame(self) -> Any:
        """Return a pandas frame with a row for each coefficient.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pd = pandas_for_frames()
        index = pd.Index(self.features, name="feature")
        return pd.DataFrame({name: getattr(self, name) for name in COLUMNS}, index)

    def __len__(self) -> int:
        return len(self.features)

    def __str__(self) -> str:
        table = text_table(["", *_TITLES], self._rows(), n_left=1)
        return f"{_HEAD}\n{table}\n{self._foot()}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table(
            [_HEAD], self._rows(), ["", *_TITLES], n_left=1, foot=self._foot()
        )

    def _rows(self) -> list[tuple[str, ...]]:
        """Return the name and the formatted numbers of each row."""
        columns = [
            [f"{value:.4g}" for value in getattr(self, name)] for name in COLUMNS
        ]
        return list(zip(self.features, *columns, strict=True))

    def _foot(self) -> str:
        return (
            f"lower and upper: {100 * self.level:.10g}% intervals from the profile of "
            "the penalised likelihood"
        )


def profile_penalised_likelihood(
    estimator: BiasReducedLogReg,
    X: Any,
    y: Any,
    *,
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    level: float = 0.95,
    features: Sequence[str] | None = None,
) -> PenalisedLikelihoodTable:
    """Return intervals and tests that follow the penalised likelihood.

    The interval of a coefficient holds the values b at which the penalised likelihood,
    maximised over all other coefficients, is not much below its maximum::

        2 (max log L* − max log L* with the coefficient b) ≤ chi2 quantile of ``level``

    The test of the coefficient 0 compares the same difference with a chi2 distribution
    of one degree. Where events are rare or classes separated, the likelihood is skew,
    and these intervals are far better than estimates plus or minus standard errors. The
    determinant in log L* is always that of all coefficients, also with one of them
    fixed.

    Parameters
    ----------
    estimator : BiasReducedLogReg
        Fitted, and converged.
    X, y : array-likes
        The data of the fit, as they were passed to ``fit``.
    sample_weight, offset : array-likes, default=None
        Those of the fit.
    level : float, default=0.95
        The coverage of the intervals, between 0 and 1.
    features : sequence of str, default=None
        The features of the table, in this order, "intercept" for the intercept; those
        of an X without names are called x0, x1, ... None means all of them. Each takes
        some ten fits.

    Returns
    -------
    PenalisedLikelihoodTable
        A row for the intercept, unless ``flic=True`` has corrected it, and for each
        feature.

    Raises
    ------
    ValueError
        If the fit has not converged, the data are not those of the fit, the penalised
        likelihood is larger with a coefficient fixed than at the fit, which is then no
        global maximum, or an argument is invalid.
    TypeError
        If the estimator is not a `BiasReducedLogReg`.
    sklearn.exceptions.NotFittedError
        If it is not fitted.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        If a fit with a fixed coefficient ends early, or the end of an
        interval is not found; it is NaN then.

    References
    ----------
    G. Heinze and M. Schemper (2002), "A solution to the problem of separation in
    logistic regression", Statistics in Medicine 21(16), doi:10.1002/sim.1047

    Examples
    --------
    None of the 10 exposed persons is ill, and 3 of the 10 others:

    >>> import numpy as np
    >>> from skxent import BiasReducedLogReg, profile_penalised_likelihood
    >>> X = np.repeat([0, 0, 1], [7, 3, 10]).reshape(-1, 1)
    >>> y = np.repeat([0, 1, 0], [7, 3, 10])
    >>> model = BiasReducedLogReg().fit(X, y)
    >>> print(profile_penalised_likelihood(model, X, y))
    bias-reduced logistic regression
               estimate  std. error   lower   upper   chi2        p
    intercept   -0.7621      0.6789  -2.177  0.4501  1.488   0.2225
    x0           -2.282       1.663  -7.241  0.2521  3.033  0.08157
    lower and upper: 95% intervals from the profile of the penalised likelihood
    """
    if not isinstance(estimator, BiasReducedLogReg):
        raise TypeError(
            f"estimator is a {type(estimator).__name__}; expected a BiasReducedLogReg, "
            "whose penalised likelihood has no strength to choose."
        )
    check_is_fitted(estimator)
    check_level(level)
    if not estimator.converged_:
        raise ValueError(
            "The fit has not converged, and its likelihood is not the maximum; "
            "expected converged_ to be True: use a larger max_iter or tol."
        )
    data = check_data(estimator, X, y, sample_weight, offset)
    objective = bias_reduced_objective(data, estimator.fit_intercept)
    problem = objective.problem
    positions = _positions(problem, data.feature_names, estimator.flic)
    chosen = _chosen(positions, features)
    quantile = norm.isf((1 - level) / 2)
    table = np.full((5, len(chosen)), np.nan)
    lost: list[str] = []
    shortfalls: list[tuple[BiasReducedSolution, float]] = []
    with problem.rows.threads():
        optimum = _optimum(estimator, objective, data.classes)
        for row, name in enumerate(chosen):
            position = positions[name]
            if objective.is_dependent[position]:
                continue
            profile = PenalisedProfile(
                objective,
                optimum,
                _contrast(problem, position),
                tol=estimator.tol,
                max_iter=estimator.max_iter,
            )
            table[:, row] = (
                profile.estimate,
                profile.standard_error,
                profile.limit(-quantile),
                profile.limit(quantile),
                profile.loss_at_zero(),
            )
            shortfalls += [(short, profile.tol) for short in profile.shortfalls]
            if np.isnan(table[:, row]).any():
                lost.append(name)
    if lost:
        warn(
            f"The interval or the test of {', '.join(map(repr, lost))} has not been "
            "found, and is NaN. That may happen where columns are nearly combinations "
            "of others, or offsets are extreme: drop such columns, or clip the offset.",
            ConvergenceWarning,
            stacklevel=2,
        )
    if shortfalls:
        worst, tol = max(shortfalls, key=lambda pair: pair[0].distance)
        warn(
            f"{len(shortfalls)} fits with a fixed coefficient ended early. The worst: "
            f"{worst.message(tol)}",
            ConvergenceWarning,
            stacklevel=2,
        )
    estimate, standard_error, lower, upper, statistic = table
    return PenalisedLikelihoodTable(
        chosen, estimate, standard_error, lower, upper, statistic, level
    )


def _positions(problem: Problem, given: NDArray | None, flic: bool) -> dict[str, int]:
    """Return the name of each coefficient of the table, and its position in params."""
    d = problem.n_features
    names = [f"x{j}" for j in range(d)] if given is None else given.tolist()
    positions = {name: j for j, name in enumerate(names)}
    if not problem.fit_intercept or flic:
        return positions
    return {INTERCEPT: d} | positions


def _chosen(positions: dict[str, int], features: Sequence[str] | None) -> list[str]:
    """Return the names of the rows of the table."""
    if features is None:
        return list(positions)
    for name in features:
        if name not in positions:
            known = ", ".join(map(repr, list(positions)[:10]))
            raise ValueError(
                f"features holds {name!r}; expected names of features of X: {known}"
                f"{', ...' if len(positions) > 10 else ''}."
            )
    return list(features)


def _contrast(problem: Problem, position: int) -> NDArray:
    """Return c such that ``c · params`` is a coefficient or the intercept."""
    contrast = np.zeros(problem.n_params)
    contrast[position] = 1
    if position == problem.n_features and problem.rows.center is not None:
        # params have the intercept of centred columns
        contrast[:position] = -problem.rows.center
    return contrast


def _optimum(
    estimator: BiasReducedLogReg,
    objective: BiasReducedObjective,
    classes: NDArray,
) -> BiasReducedSolution:
    """Return the optimum on the data, which has to be that of the estimator."""
    problem = objective.problem
    coef = dense(estimator.coef_)
    is_same = coef.shape[1] == problem.n_features and np.array_equal(
        classes, estimator.classes_
    )
    if is_same:
        start = problem.pack(coef, estimator.intercept_)
        try:
            optimum = minimise_bias_reduced(
                objective, start, tol=estimator.tol, max_iter=estimator.max_iter
            )
        except SingularInformation:
            is_same = False
    if is_same:
        root = optimum.evaluation.root[: problem.n_features]
        error = np.linalg.norm(root, axis=1) / np.sqrt(problem.rows.weight_sum)
        change = np.abs(problem.unpack(optimum.params)[0] - coef)[0]
        is_same = bool((change <= SAME * error).all())
    if not is_same:
        raise ValueError(
            "The coefficients of the estimator are not the optimum on these data; "
            "expected the X, y, sample_weight and offset of its fit."
        )
    return optimum
