"""The layout of params: the position of each coefficient and intercept.

``params`` is a flat array of L rows (w_k, b_k). Each has e = d + 1 numbers, or e = d
without intercepts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ParamLayout:
    """The positions of L × d coefficients, and of L intercepts or none."""

    n_logits: int
    n_features: int
    fit_intercept: bool

    @property
    def n_columns(self) -> int:
        """The number of columns of X, plus 1 if there are intercepts: e."""
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
        """Return the indices, (n_params,), of all coefficients, then all intercepts."""
        rows = np.arange(self.n_params).reshape(self.n_logits, -1)
        d = self.n_features
        return np.concatenate([rows[:, :d].ravel(), rows[:, d:].ravel()])

    def take_columns(self, params: NDArray, columns: NDArray) -> NDArray:
        """Return the entries of params that belong to some columns.

        ``params`` may also be a gradient or a step. Intercepts belong to all columns.
        """
        coef, intercept = self.split(params)
        return self._of_columns(columns).join(coef[:, columns], intercept)

    def put_columns(self, of_columns: NDArray, columns: NDArray, out: NDArray) -> None:
        """Write what `take_columns` returns to its positions in ``out``."""
        coef, intercept = self.split(out)
        coef[:, columns], intercept[:] = self._of_columns(columns).split(of_columns)

    def _of_columns(self, columns: NDArray) -> "ParamLayout":
        return ParamLayout(self.n_logits, len(columns), self.fit_intercept)
