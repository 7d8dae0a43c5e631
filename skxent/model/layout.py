"""The layout of params: where each coefficient and intercept is in a flat array.

``params`` are L rows (w_k, b_k), each of e = d + 1 numbers, or e = d without
intercepts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ParamLayout:
    """The places of L × d coefficients and L or no intercepts."""

    n_logits: int
    n_features: int
    fit_intercept: bool

    @property
    def n_columns(self) -> int:
        """The columns of X, and one for the intercept where there is one: e."""
        return self.n_features + self.fit_intercept

    @property
    def n_params(self) -> int:
        """The length of params."""
        return self.n_logits * self.n_columns

    def split(self, params: NDArray) -> tuple[NDArray, NDArray]:
        """Return views of coefficients, (L, d), and intercepts, (L,) or empty."""
        rows = params.reshape(self.n_logits, -1)
        if not self.fit_intercept:
            return rows, rows[0, :0]
        return rows[:, :-1], rows[:, -1]

    def join(self, coef: NDArray, intercept: NDArray) -> NDArray:
        """Return params, (n_params,), the inverse of `split`."""
        if not self.fit_intercept:
            return coef.ravel().copy()
        return np.column_stack([coef, intercept]).ravel()

    def coefficients_first(self) -> NDArray:
        """Return the order that takes params to all coefficients, then intercepts."""
        rows = np.arange(self.n_params).reshape(self.n_logits, -1)
        d = self.n_features
        return np.concatenate([rows[:, :d].ravel(), rows[:, d:].ravel()])

    def take_columns(self, params: NDArray, columns: NDArray) -> NDArray:
        """Return the params, or their derivatives, that belong to some columns."""
        coef, intercept = self.split(params)
        return self._of_columns(columns).join(coef[:, columns], intercept)

    def put_columns(self, of_columns: NDArray, columns: NDArray, out: NDArray) -> None:
        """Put what `take_columns` returns back into all params, in place."""
        coef, intercept = self.split(out)
        coef[:, columns], intercept[:] = self._of_columns(columns).split(of_columns)

    def _of_columns(self, columns: NDArray) -> "ParamLayout":
        return ParamLayout(self.n_logits, len(columns), self.fit_intercept)
