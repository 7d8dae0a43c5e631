"""Results of inference: numbers by row, a frame, and a text that reads well."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from ..evaluation.tables import html_table, pandas_for_frames, text_table
from .scientific import exponential, number

LOG_ODDS = "log-odds per unit"


class Column(NamedTuple):
    """A column: its attribute, its title, and the attribute of its logarithm if any."""

    name: str
    title: str
    log: str | None = None
    format: str | None = None


ESTIMATE = Column("estimate", "estimate")
TEST = (
    Column("standard_error", "std. error"),
    Column("z", "z", format=".2f"),
    Column("p_value", "p", log="log_p_value"),
)
INTERVAL = (Column("lower", "lower"), Column("upper", "upper"))
ODDS_RATIO = Column("odds_ratio", "odds ratio", log="estimate")


@dataclass(frozen=True, eq=False, repr=False)
class IntervalTable:
    """Estimates with intervals. ``print`` shows it as text, a notebook as HTML.

    Attributes
    ----------
    classes : list or None
        The class of each row, for a softmax.
    features : list of str
        The feature of each row.
    estimate, lower, upper : ndarray of shape (n_rows,)
        NaN for aliased columns.
    level : float
        The coverage of the intervals.
    subject : str
        What the numbers are, such as "log-odds of 'ill' against 'well'".
    head : list of str
        What the table shows, line by line.
    """

    classes: list[Any] | None
    features: list[str]
    estimate: NDArray
    lower: NDArray
    upper: NDArray
    level: float
    subject: str
    head: list[str]

    _columns: ClassVar[tuple[Column, ...]] = (ESTIMATE, *INTERVAL)
    unit: ClassVar[str] = LOG_ODDS

    @property
    def names(self) -> list[str]:
        """The name of each row: the feature, after the class for a softmax."""
        if self.classes is None:
            return self.features
        pairs = zip(self.classes, self.features, strict=True)
        return [f"{label}: {name}" for label, name in pairs]

    def to_frame(self) -> Any:
        """Return a pandas frame, with rows by feature, or by class and feature.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pd = pandas_for_frames()
        index: Any = pd.Index(self.features, name="feature")
        if self.classes is not None:
            index = pd.MultiIndex.from_arrays(
                [self.classes, self.features], names=["class", "feature"]
            )
        columns = {column.name: getattr(self, column.name) for column in self._columns}
        return pd.DataFrame(columns, index)

    def __len__(self) -> int:
        return len(self.features)

    def __str__(self) -> str:
        titles = ["", *(column.title for column in self._columns)]
        table = text_table(titles, list(self._rows()), n_left=1)
        return "\n".join([*self.head, table, self._foot()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        header = ["", *(column.title for column in self._columns)]
        rows = list(self._rows())
        return html_table(self.head, rows, header, n_left=1, foot=self._foot())

    def _foot(self) -> str:
        return f"lower and upper: {100 * self.level:.10g}% intervals, in {self.unit}"

    def _rows(self) -> Iterator[list[str]]:
        """Yield the name and the formatted numbers of each row."""
        values = [
            (getattr(self, column.log or column.name), column)
            for column in self._columns
        ]
        for i, name in enumerate(self.names):
            if np.isnan(self.estimate[i]):
                yield [name, "not identified", *[""] * (len(values) - 1)]
            else:
                yield [
                    name,
                    *(_shown(of_rows[i], column) for of_rows, column in values),
                ]


def _shown(value: float, column: Column) -> str:
    if column.log:
        return exponential(value, 3 if column.name == "p_value" else 4)
    return format(value, column.format) if column.format else number(value)


@dataclass(frozen=True, eq=False, repr=False)
class EstimateTable(IntervalTable):
    """Estimates with standard errors, tests and intervals.

    Attributes
    ----------
    standard_error : ndarray of shape (n_rows,)
    z : ndarray of shape (n_rows,)
        The estimate divided by its standard error.
    covariance : ndarray of shape (n_rows, n_rows)
        The covariance of the estimates.
    classes, features, estimate, lower, upper, level, subject, head
        See `IntervalTable`.
    """

    standard_error: NDArray
    z: NDArray
    covariance: NDArray

    _columns: ClassVar[tuple[Column, ...]] = (ESTIMATE, *TEST, *INTERVAL)

    @classmethod
    def from_covariance(
        cls, estimate: NDArray, covariance: NDArray, level: float, **others: Any
    ) -> Any:
        """Return the table of normally distributed estimates."""
        error = np.sqrt(covariance.diagonal())
        reach = norm.isf((1 - level) / 2) * error
        with np.errstate(divide="ignore", invalid="ignore"):
            z = estimate / error
        return cls(
            estimate=estimate,
            lower=estimate - reach,
            upper=estimate + reach,
            level=level,
            standard_error=error,
            z=z,
            covariance=covariance,
            **others,
        )

    @property
    def p_value(self) -> NDArray:
        """Two-sided p-values of an estimate of 0; below 5e-324 they are 0."""
        return np.exp(self.log_p_value)

    @property
    def log_p_value(self) -> NDArray:
        """The natural logarithms of the p-values, which do not underflow."""
        return np.minimum(0, np.log(2) + norm.logsf(np.abs(self.z)))


@dataclass(frozen=True, eq=False, repr=False)
class CoefficientTable(EstimateTable):
    """The result of `coefficient_table`: coefficients, errors, tests and intervals.

    ``print`` shows it as text, a notebook as HTML.

    Attributes
    ----------
    names : list of str
        The name of each row: the feature, after the class for a softmax.
    classes : list or None
        The class of each row, for a softmax.
    features : list of str
        The feature of each row, or "intercept".
    estimate, standard_error, z, lower, upper : ndarray of shape (n_rows,)
        In log-odds per unit of the feature; NaN for aliased columns.
    p_value, log_p_value : ndarray of shape (n_rows,)
        Two-sided p-values of a coefficient of 0, and their natural logarithms, which
        do not underflow.
    odds_ratio : ndarray of shape (n_rows,)
        exp(estimate).
    covariance : ndarray of shape (n_rows, n_rows)
        The covariance of the estimates.
    aliased : list of str
        Columns whose coefficients the data do not determine.
    level : float
        The coverage of the intervals.
    subject : str
        What the numbers are, such as "log-odds of 'ill' against 'well'".
    head : list of str
        What the table shows, line by line.
    """

    aliased: list[str]

    _columns: ClassVar[tuple[Column, ...]] = (
        ESTIMATE,
        *TEST,
        *INTERVAL,
        ODDS_RATIO,
    )

    @property
    def odds_ratio(self) -> NDArray:
        """Exp(estimate); inf if it overflows."""
        with np.errstate(over="ignore"):
            return np.exp(self.estimate)


@dataclass(frozen=True, eq=False, repr=False)
class ProfileIntervals(IntervalTable):
    """The result of `profile_intervals`: estimates and their profile intervals.

    ``print`` shows it as text, a notebook as HTML.

    Attributes
    ----------
    names : list of str
        The name of each row: the feature, after the class for a softmax.
    classes : list or None
        The class of each row, for a softmax.
    features : list of str
        The feature of each row, or "intercept".
    estimate, lower, upper : ndarray of shape (n_rows,)
        In log-odds per unit of the feature; NaN for aliased columns.
    level : float
        The coverage of the intervals.
    subject : str
        What the numbers are, such as "log-odds of 'ill' against 'well'".
    head : list of str
        What the table shows, line by line.
    """


@dataclass(frozen=True, eq=False, repr=False)
class MarginalEffects(EstimateTable):
    """The result of `average_marginal_effects`: effects on probabilities.

    ``print`` shows it as text, a notebook as HTML.

    Attributes
    ----------
    names : list of str
        The name of each row: the feature, after the class for a softmax.
    classes : list or None
        The class of each row, for a softmax.
    features : list of str
        The feature of each row.
    estimate, standard_error, z, lower, upper : ndarray of shape (n_rows,)
        In probability per unit of the feature, or for a change from 0 to 1; NaN for
        aliased columns.
    p_value, log_p_value : ndarray of shape (n_rows,)
        Two-sided p-values of an effect of 0, and their natural logarithms.
    covariance : ndarray of shape (n_rows, n_rows)
        The covariance of the estimates.
    level : float
        The coverage of the intervals.
    subject : str
        What the numbers are, such as "average effects on the probability of 'ill'".
    head : list of str
        What the table shows, line by line.
    """

    unit: ClassVar[str] = "probability per unit"
