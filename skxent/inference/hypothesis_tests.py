"""Tests between nested fits: likelihood ratio and Wald."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln
from scipy.stats import chi2

from ..model.problem import EPS
from .fit_statistics import FitStatistics
from .refusals import name_some, names_in
from .scientific import exponential, number
from .table import EstimateTable

# The fingerprints of the same rows differ by rounding only.
SAME = 1e-9
# A larger model may be worse than the smaller one by this many nats: neither fit is at
# its very optimum.
SLACK = 1e-3


@dataclass(frozen=True, eq=False, repr=False)
class ChiSquaredTest:
    """The result of a likelihood-ratio or Wald test.

    Attributes
    ----------
    name : str
    statistic : float
        χ², under the hypothesis.
    degrees_of_freedom : int
    hypothesis : str
        What is tested.
    """

    name: str
    statistic: float
    degrees_of_freedom: int
    hypothesis: str

    @property
    def p_value(self) -> float:
        """The probability of a statistic at least as large; 0 if it underflows."""
        return float(chi2.sf(self.statistic, self.degrees_of_freedom))

    @property
    def log_p_value(self) -> float:
        """The natural logarithm of the p-value, which does not underflow."""
        log = float(chi2.logsf(self.statistic, self.degrees_of_freedom))
        if np.isfinite(log):
            return log
        # the first term of the asymptotic series of the incomplete gamma function
        half, x = self.degrees_of_freedom / 2, self.statistic / 2
        return float((half - 1) * np.log(x) - x - gammaln(half))

    def __str__(self) -> str:
        df = self.degrees_of_freedom
        return (
            f"{self.name}: {self.hypothesis}\n"
            f"χ² = {number(self.statistic)} with {df} degree{'s'[: df > 1]} of "
            f"freedom, p = {exponential(self.log_p_value, 3)}"
        )

    __repr__ = __str__


def likelihood_ratio_test(small: FitStatistics, large: FitStatistics) -> ChiSquaredTest:
    r"""Test whether a larger model describes the data better than a nested one.

    .. math:: \chi^2 = 2 (\ell_\mathrm{large} - \ell_\mathrm{small})

    Parameters
    ----------
    small, large : FitStatistics
        The `fit_statistics` of two fits to the same rows, without a penalty. The
        features of the smaller model have to be combinations of those of the larger
        one; the function checks the rows and the numbers of parameters.

    Returns
    -------
    ChiSquaredTest

    Raises
    ------
    TypeError
        If an argument is no `FitStatistics`.
    ValueError
        If a fit has a penalty, the rows differ, the larger model has no more
        parameters, or it describes the data worse.

    See Also
    --------
    skxent.wald_test : The same question from the larger fit alone.

    References
    ----------
    S. S. Wilks (1938), doi:10.1214/aoms/1177732360.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skxent import BinaryLogReg, fit_statistics, likelihood_ratio_test
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> statistics = [
    ...     fit_statistics(BinaryLogReg(C=np.inf).fit(X[:, :d], y), X[:, :d], y)
    ...     for d in (1, 2)
    ... ]
    >>> likelihood_ratio_test(*statistics)
    likelihood-ratio test: the smaller model of 2 parameters is true
    χ² = 38.89 with 1 degree of freedom, p = 4.49e-10
    """
    for name, fit in (("small", small), ("large", large)):
        if not isinstance(fit, FitStatistics):
            raise TypeError(
                f"{name} is a {type(fit).__name__}; expected the result of "
                "fit_statistics: pass fit_statistics(estimator, X, y)."
            )
        if fit.is_penalised:
            raise ValueError(
                f"{name} is a fit with a penalty, and the ratio of penalised "
                "likelihoods has no χ² distribution; expected a fit without one: refit "
                "with C=np.inf."
            )
    same_rows = (
        small.fingerprint.shape == large.fingerprint.shape
        and np.allclose(small.fingerprint, large.fingerprint, rtol=0, atol=SAME)
        and np.isclose(small.n_observations, large.n_observations, rtol=SAME)
    )
    if not same_rows:
        raise ValueError(
            f"The fits have different rows: {small.n_observations:g} and "
            f"{large.n_observations:g} observations, with other labels, weights or "
            "order; expected the same y and sample_weight: fit both to the rows that "
            "both have."
        )
    added = large.n_parameters - small.n_parameters
    if added <= 0:
        raise ValueError(
            f"small has {small.n_parameters} parameters and large "
            f"{large.n_parameters}; expected more in large: swap them, or leave out a "
            "feature of the smaller model."
        )
    statistic = 2 * (large.log_likelihood - small.log_likelihood)
    if statistic < -2 * SLACK:
        raise ValueError(
            f"large has a log-likelihood {-statistic / 2:.3g} nats below that of "
            "small; expected at least as much: the models are not nested."
        )
    hypothesis = f"the smaller model of {small.n_parameters} parameters is true"
    return ChiSquaredTest(
        "likelihood-ratio test", max(0.0, statistic), added, hypothesis
    )


def wald_test(
    table: EstimateTable,
    features: ArrayLike,
    *,
    values: ArrayLike = 0.0,
) -> ChiSquaredTest:
    r"""Test whether several coefficients have given values, by default 0.

    .. math:: \chi^2 = (\hat w - v)^\top V^{-1} (\hat w - v)

    Parameters
    ----------
    table : CoefficientTable
        With any of its covariances V; a robust one makes a robust test.
    features : list of str
        The names of the features, or of rows of the table. A feature of a softmax
        stands for its rows in all classes.
    values : float or array-like, default=0.0
        The hypothesis v: one value for all, or one for each row that is tested.

    Returns
    -------
    ChiSquaredTest
        Its degrees of freedom are the rank of V.

    Raises
    ------
    ValueError
        If a name is unknown, or its coefficient is not identified.

    See Also
    --------
    skxent.likelihood_ratio_test : A test that needs both fits, and holds better in
        small samples.

    References
    ----------
    A. Wald (1943), doi:10.1090/S0002-9947-1943-0012401-3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skxent import BinaryLogReg, coefficient_table, wald_test
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = BinaryLogReg(C=np.inf).fit(X[:, :2], y)
    >>> wald_test(coefficient_table(model, X[:, :2], y), ["x1"])
    Wald test: the coefficients of 'x1' are 0
    χ² = 34.64 with 1 degree of freedom, p = 3.98e-09
    """
    names = names_in(features)
    rows = _rows_named(table, names)
    (unknown,) = np.nonzero(np.isnan(table.estimate[rows]))
    if len(unknown):
        aliased = [table.names[rows[i]] for i in unknown]
        raise ValueError(
            f"The coefficients of {name_some(aliased)} are not identified; expected "
            "coefficients that the data determine: leave these out."
        )
    distance = table.estimate[rows] - np.asarray(values, dtype=np.float64)
    V = table.covariance[np.ix_(rows, rows)]
    scale = np.sqrt(V.diagonal())
    eigenvalues, vectors = np.linalg.eigh(V / scale / scale[:, None])
    # differences to the mean of all classes sum to 0
    kept = eigenvalues > EPS**0.5
    projected = vectors[:, kept].T @ (distance / scale)
    statistic = float(np.sum(projected**2 / eigenvalues[kept]))
    value = "0" if not np.any(values) else "the given values"
    hypothesis = f"the coefficients of {name_some(names)} are {value}"
    return ChiSquaredTest("Wald test", statistic, int(kept.sum()), hypothesis)


def _rows_named(table: EstimateTable, names: list[Any]) -> NDArray:
    """Return the positions of the rows with these names, or of these features."""
    rows: list[int] = []
    for name in names:
        found = [i for i, of_row in enumerate(table.names) if of_row == name]
        found = found or [i for i, f in enumerate(table.features) if f == name]
        if not found:
            raise ValueError(
                f"features has {name!r}; expected names of the table: "
                f"{name_some(table.features)}."
            )
        rows += found
    if not rows or len(set(rows)) < len(rows):
        raise ValueError(
            f"features={names!r}; expected at least one name, and each once."
        )
    return np.array(rows)
