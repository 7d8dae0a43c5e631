"""The objective: a problem with a penalty, the function that every fit minimises.

    F(w, b) = mean loss(w, b) + Σ_j pen_j(w_j)

    pen_j(w) = 1/(C S) π_j [l1_ratio |w| + (1 − l1_ratio) w² / 2]

If π = 1 and there is no offset, ``LogisticRegression(C=C)`` has the same optimum. The
intercept is not penalised.
"""

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ..data.containers import check_container
from ..data.in_memory import InMemoryRows
from ..data.preparation import as_floating, check_offset, check_targets
from ..data.rows import Rows
from .losses import LOSSES
from .penalty import Penalty, penalty_strength
from .problem import Evaluation, Problem
from .separable_penalty import SeparablePenalty


class Objective(Problem):
    """F and its gradient, as functions of the params of a linear model.

    Parameters
    ----------
    problem : Problem
        Loss and rows. The objective counts its evaluations from 0.
    penalty : SeparablePenalty
    """

    penalty: SeparablePenalty

    def __init__(self, problem: Problem, penalty: SeparablePenalty):
        # A fit may switch its rows to float64; other objectives of the same problem
        # keep theirs.
        rows = copy(problem.rows)
        super().__init__(rows, problem.loss, problem.n_classes, problem.fit_intercept)
        if self.loss.ignores_common_shift:
            penalty = penalty.without_idle_bounds()
        self.penalty = penalty

    def evaluate(self, params: NDArray) -> Evaluation:
        """Return F, its gradient, and the largest loss of a row."""
        return self.with_penalty_added(params, super().evaluate(params))

    def with_penalty_added(self, params: NDArray, mean_loss: Evaluation) -> Evaluation:
        """Return F from the mean loss at ``params``, whose gradient is overwritten."""
        value, gradient, largest_loss = mean_loss
        if not self.penalty.is_zero:
            coef, _ = self.split(params)
            value += self.penalty.value(coef)
            self.penalty.add_gradient(coef, self.split(gradient)[0])
        return Evaluation(value, gradient, largest_loss)

    def gradient_of_loss(self, params: NDArray, gradient: NDArray) -> NDArray:
        """Return the gradient of the mean loss alone, from that of F at ``params``."""
        return gradient - self.gradient_of_penalty(params)

    def gradient_of_penalty(self, params: NDArray) -> NDArray:
        """Return the gradient of the penalty, (n_params,), 0 for intercepts."""
        of_penalty = np.zeros_like(params)
        self.penalty.add_gradient(self.split(params)[0], self.split(of_penalty)[0])
        return of_penalty

    def unpack(self, params: NDArray) -> tuple[NDArray, NDArray]:
        """Return coef, (L, d), and intercept, (L,), in the units of the given X."""
        coef, intercept = self.split(params)
        coef = self.penalty.shifted_into_given_bounds(coef)
        return super().unpack(self.layout.join(coef, intercept))

    def on_coordinates(self, X: NDArray) -> "Objective":
        """Return the same ridge for rotated columns X, (n, r), of the same rows."""
        rows = self.rows.with_coordinates(X)
        return self._described_by(rows, self.penalty.of_rotated_features(X.shape[1]))

    def on_columns(self, columns: NDArray) -> "Objective":
        """Return the objective of some columns; all other coefficients are 0."""
        rows = self.rows.with_columns(columns)
        return self._described_by(rows, self.penalty.take(columns))

    def without_row(self, index: int) -> "Objective":
        """Return F minus the share of one row, with the optimum of the other rows."""
        return self._described_by(self.rows.without_row(index), self.penalty)

    def with_penalty(self, penalty: SeparablePenalty) -> "Objective":
        """Return the same objective with another penalty."""
        return self._described_by(copy(self.rows), penalty)

    def _described_by(self, rows: Rows, penalty: SeparablePenalty) -> "Objective":
        other = copy(self)
        other._set_rows(rows)
        other.penalty = penalty
        return other


class CrossEntropyObjective(Objective):
    """Penalised mean cross-entropy of a linear model, as a function of its parameters.

    Pass ``value_and_gradient`` to any optimiser that takes a function value and its
    gradient. Start at ``initial_point()``. Convert the result with ``unpack``.

    Parameters
    ----------
    X : {ndarray, sparse matrix or array} of shape (n, d)
        Finite data. float32 and float64 are used as they are, dense in C or Fortran
        order, sparse in CSR form; anything else is converted. Never written to.
    y : array-like of shape (n,) or (n, K)
        Class codes 0 … K − 1, each of them present, or target distributions: rows of K
        probabilities that sum to 1 (within 1e-5).
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights s of the rows; None means 1 for each.
    C : float, default=1.0
        Inverse strength of the penalty; ``np.inf`` for none.
    fit_intercept : bool, default=True
        Whether the model has intercepts.
    loss : {"auto", "binary", "softmax"}, default="auto"
        One logit for two classes, or one for each of K classes. "auto" takes "binary"
        for K = 2.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the penalty, from 0 to 1.
    penalty_weights : array-like of shape (d,), default=None
        Factors π of the penalty of each feature, non-negative; None for 1.
    bounds : pair of floats or array-likes of shape (d,), default=None
        The lower and the upper bounds of the coefficients, for each class. A solver
        keeps them; ``value_and_gradient`` ignores them.
    offset : array-like of shape (n,) or (n, K), default=None
        Added to the logits, with magnitudes up to 1e30: (n,) for "binary", (n, K) for
        "softmax".
    center : array-like of shape (d,), default=None
        Subtracted from the columns of a dense X. The intercepts in ``params`` then
        refer to the centred columns. The model that `unpack` returns does not.

    Attributes
    ----------
    n_samples, n_features, n_classes, n_logits, n_params : int
        The sizes n, d, K, L, and the length of ``params``.
    n_evals : int
        How many times value and gradient were evaluated.

    Raises
    ------
    ValueError
        If shapes do not match, codes have gaps, a class has no weight, targets are no
        distributions, weights are negative or not finite, or C is not positive.
    TypeError
        If class codes are not integers.

    Examples
    --------
    >>> from scipy.optimize import minimize
    >>> from sklearn.datasets import load_iris
    >>> from skxent import CrossEntropyObjective
    >>> X, y = load_iris(return_X_y=True)
    >>> objective = CrossEntropyObjective(X, y)
    >>> start = objective.initial_point()
    >>> result = minimize(objective.value_and_gradient, start, jac=True)
    >>> coef, intercept = objective.unpack(result.x)
    >>> coef.shape, intercept.shape
    ((3, 4), (3,))
    """

    rows: InMemoryRows

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        C: float = 1.0,
        fit_intercept: bool = True,
        loss: str = "auto",
        l1_ratio: float = 0.0,
        penalty_weights: ArrayLike | None = None,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        offset: ArrayLike | None = None,
        center: ArrayLike | None = None,
    ):
        data = as_floating(X)
        n, d = data.shape
        check_container(y, "y")
        targets, n_classes = check_targets(np.asarray(y), n)
        if loss == "auto":
            loss = "binary" if n_classes == 2 else "softmax"
        if loss not in LOSSES:
            raise ValueError(f"loss={loss!r}: expected 'auto', 'binary' or 'softmax'.")
        if loss == "binary" and n_classes != 2:
            raise ValueError(
                f"loss='binary' needs 2 classes, got {n_classes}; use 'softmax'."
            )
        if center is not None and (sparse.issparse(data) or not fit_intercept):
            raise ValueError("center needs a dense X and fit_intercept=True.")
        if not C > 0:
            raise ValueError(f"C={C!r}: expected a positive number or np.inf.")

        offset = check_offset(offset, n, LOSSES[loss].n_logits(n_classes))
        rows = InMemoryRows(data, targets, sample_weight, offset, center=center)
        problem = Problem(rows, LOSSES[loss], n_classes, bool(fit_intercept))
        _ = problem.class_frequencies  # raises if a class has no weight
        strength = penalty_strength(C, rows.weight_sum)
        super().__init__(
            problem,
            Penalty.elastic_net(strength, l1_ratio, penalty_weights, bounds, d),
        )

    def value_and_gradient(self, params: NDArray) -> tuple[float, NDArray]:
        """Evaluate F and its gradient in one pass over the data.

        Parameters
        ----------
        params : ndarray of shape (n_params,)
            Coefficients and intercepts, as `pack` lays them out.

        Returns
        -------
        value : float
            F in nats per unit of weight.
        gradient : ndarray of shape (n_params,), float64
            ∂F/∂params, with 0 for the derivative of ``|w|`` at 0.
        """
        evaluation = self.evaluate(self._of_shape(params, "params", (self.n_params,)))
        return evaluation.value, evaluation.gradient

    def pack(self, coef: ArrayLike, intercept: ArrayLike) -> NDArray:
        """Return the params of a model: the inverse of `unpack`.

        Parameters
        ----------
        coef : array-like of shape (L, d)
        intercept : array-like of shape (L,)
            Ignored without ``fit_intercept``.

        Returns
        -------
        params : ndarray of shape (n_params,)
        """
        L, d = self.n_logits, self.n_features
        return super().pack(
            self._of_shape(coef, "coef", (L, d)),
            self._of_shape(intercept, "intercept", (L,)),
        )

    def unpack(self, params: ArrayLike) -> tuple[NDArray, NDArray]:
        """Return coef, (L, d), and intercept, (L,), in the units of the given X."""
        return super().unpack(self._of_shape(params, "params", (self.n_params,)))

    def _of_shape(
        self, values: ArrayLike, name: str, shape: tuple[int, ...]
    ) -> NDArray:
        """Return values as float64, if they have this shape."""
        values = np.asarray(values, dtype=np.float64)
        if values.shape != shape:
            raise ValueError(
                f"{name} has the shape {values.shape}; expected {shape}, for L="
                f"{self.n_logits} logits and d={self.n_features} features: start from "
                "initial_point() or pack(coef, intercept), with coef of shape (L, d) "
                "and intercept of shape (L,)."
            )
        return values

    def mean_loss_on(
        self,
        X: Any,
        y: NDArray,
        sample_weight: ArrayLike | None,
        offset: ArrayLike | None,
    ) -> Problem:
        """Return the mean loss on other rows, as a function of the same params."""
        offset = check_offset(offset, len(y), self.n_logits)
        rows = self.rows.with_other_rows(X, y, sample_weight, offset)
        return Problem(rows, self.loss, self.n_classes, self.fit_intercept)
