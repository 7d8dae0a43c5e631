"""The result of `coefficient_table`: numbers, a frame, and a text that reads well."""

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from .scientific import exponential, number

COLUMNS = (
    "estimate",
    "standard_error",
    "z",
    "p_value",
    "lower",
    "upper",
    "odds_ratio",
)
_TITLES = ("estimate", "std. error", "z", "p", "lower", "upper", "odds ratio")


@dataclass(frozen=True, repr=False)
class CoefficientTable:
    """Coefficients with standard errors, tests and intervals.

    ``print(table)`` prints it as text, and a notebook shows it as HTML.

    Attributes
    ----------
    classes : list or None
        The class of each row, for a softmax.
    features : list of str
        The feature of each row.
    estimate, standard_error, z, lower, upper : ndarray of shape (n_rows,)
        In log-odds per unit of the feature; NaN for aliased columns.
    covariance : ndarray of shape (n_rows, n_rows)
        The covariance of the estimates.
    aliased : list of str
        Columns whose coefficients the data do not determine.
    level : float
        The coverage of the intervals.
    head : list of str
        What the table shows, line by line.
    """

    classes: list[Any] | None
    features: list[str]
    estimate: NDArray
    standard_error: NDArray
    z: NDArray
    lower: NDArray
    upper: NDArray
    covariance: NDArray
    aliased: list[str]
    level: float
    head: list[str]

    @property
    def names(self) -> list[str]:
        """The name of each row: the feature, after the class for a softmax."""
        if self.classes is None:
            return self.features
        pairs = zip(self.classes, self.features, strict=True)
        return [f"{label}: {name}" for label, name in pairs]

    @property
    def p_value(self) -> NDArray:
        """Two-sided p-values of a coefficient of 0; below 5e-324 they are 0."""
        return np.exp(self.log_p_value)

    @property
    def log_p_value(self) -> NDArray:
        """The natural logarithms of the p-values, which do not underflow."""
        return np.minimum(0, np.log(2) + norm.logsf(np.abs(self.z)))

    @property
    def odds_ratio(self) -> NDArray:
        """Exp(estimate); inf if it overflows."""
        with np.errstate(over="ignore"):
            return np.exp(self.estimate)

    def to_frame(self) -> Any:
        """Return a pandas frame, with rows by name, or by class and name.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "No module pandas; to_frame needs it: pip install pandas"
            ) from error
        index: Any = pd.Index(self.features, name="feature")
        if self.classes is not None:
            index = pd.MultiIndex.from_arrays(
                [self.classes, self.features], names=["class", "feature"]
            )
        return pd.DataFrame({name: getattr(self, name) for name in COLUMNS}, index)

    def __len__(self) -> int:
        return len(self.features)

    def __str__(self) -> str:
        cells = self._cells()
        titles = ["", *_TITLES]
        rows = [titles, *([name, *row] for name, row in cells)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for name, *row in rows:
            shown = zip(row, widths[1:], strict=True)
            lines.append(
                "  ".join([name.ljust(widths[0]), *(c.rjust(w) for c, w in shown)])
            )
        return "\n".join([*self.head, *(line.rstrip() for line in lines), self._foot()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "<br>".join(map(escape, self.head))
        titles = "".join(f"<th>{escape(title)}</th>" for title in _TITLES)
        rows = "".join(
            f'<tr><th style="text-align: left">{escape(name)}</th>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in row)
            + "</tr>"
            for name, row in self._cells()
        )
        return (
            f'<table><caption style="text-align: left">{head}</caption>'
            f"<tr><th></th>{titles}</tr>{rows}</table><p>{escape(self._foot())}</p>"
        )

    def _foot(self) -> str:
        return (
            f"lower and upper: {100 * self.level:.10g}% intervals, in log-odds per unit"
        )

    def _cells(self) -> list[tuple[str, list[str]]]:
        """Return the name and the formatted numbers of each row."""
        log_p = self.log_p_value
        rows = []
        for i, name in enumerate(self.names):
            if np.isnan(self.estimate[i]):
                rows.append((name, ["not identified", *[""] * 6]))
                continue
            rows.append(
                (
                    name,
                    [
                        number(self.estimate[i]),
                        number(self.standard_error[i]),
                        f"{self.z[i]:.2f}",
                        exponential(log_p[i], 3),
                        number(self.lower[i]),
                        number(self.upper[i]),
                        exponential(self.estimate[i], 4),
                    ],
                )
            )
        return rows
