"""A fitted linear classifier as plain values, and two classes with one logit or two.

For two classes, a softmax with the logits z₀, z₁ has the probabilities of a single
logit z = z₁ − z₀. The penalties have counterparts, too. Of all pairs with the same
difference δ = w₁ − w₀, the pair ∓δ/2 has the smallest penalty. With C and the share ρ
of the L1 norm it is::

    1/C [ρ |δ| + (1 − ρ)/2 · δ²/2]  =  1/C' [ρ' |δ| + (1 − ρ')/2 · δ²]
    C' = 2 C / (1 + ρ),    ρ' = 2 ρ / (1 + ρ)

So the fit with one logit at C' and ρ' has the same optimum.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class LinearModel(NamedTuple):
    """A fitted linear classifier as plain values.

    Attributes
    ----------
    coef : ndarray of shape (L, d), float64
        One row for two classes, or a row for each class.
    intercept : ndarray of shape (L,), float64
    classes : ndarray of shape (K,)
    feature_names : ndarray of shape (d,) or None
    C : float
        ``inf`` for no penalty.
    l1_ratio : float
    fit_intercept : bool
    class_weight : dict, "balanced" or None
    n_iter : int or None
        None if it is not known, like the next two.
    converged : bool or None
    suboptimality : float or None
        Estimate of (F − F*) / F.
    """

    coef: NDArray
    intercept: NDArray
    classes: NDArray
    feature_names: NDArray | None
    C: float
    l1_ratio: float
    fit_intercept: bool
    class_weight: Any = None
    n_iter: int | None = None
    converged: bool | None = None
    suboptimality: float | None = None

    def with_one_logit(self) -> "LinearModel":
        """Return the model of two classes by their log-odds."""
        if len(self.coef) == 1:
            return self
        return self._replace(
            coef=self.coef[1:] - self.coef[:1],
            intercept=self.intercept[1:] - self.intercept[:1],
            C=2 * self.C / (1 + self.l1_ratio),
            l1_ratio=2 * self.l1_ratio / (1 + self.l1_ratio),
        )

    def with_a_logit_for_each_class(self) -> "LinearModel":
        """Return the model with K rows, the inverse of `with_one_logit`."""
        if len(self.coef) > 1:
            return self
        half = np.array([[-0.5], [0.5]])
        return self._replace(
            coef=half * self.coef,
            intercept=half[:, 0] * self.intercept,
            C=self.C / (2 - self.l1_ratio),
            l1_ratio=self.l1_ratio / (2 - self.l1_ratio),
        )
