"""The objective: weighted mean cross-entropy plus penalty, summed over row blocks.

The function that every fit minimises is::

    F(w, b) = 1/S Σ_i s_i loss(y_i, z_i) + Σ_j pen_j(w_j),      z = X w + b + offset

    pen_j(w) = 1/(C S) π_j [l1_ratio |w| + (1 − l1_ratio) w² / 2]

which has the optimum of ``LogisticRegression(C=C)`` where π = 1 and there is no offset.
The intercept is never penalised.

``X`` is read one block of rows at a time, and nothing of size (n, L) is ever stored.

Conventions
-----------
params : flat float64 array of L rows (w_k, b_k), each of e = d + 1 numbers, or e = d
    without intercepts. ``unpack`` gives them back in scikit-learn's shapes.
center : the objective may read ``X − center`` instead of ``X``. The intercepts in
    ``params`` then belong to the centred data; ``pack`` and ``unpack`` translate.
"""

from collections.abc import Callable
from copy import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ..data.blocks import RowBlocks, transposed
from ..data.containers import check_container, check_numbers, reading
from ..data.targets import check_distributions
from .losses import LOSSES
from .penalty import Penalty

# Largest magnitude of an offset: sums over rows of such logits are numbers in float32.
LARGEST_OFFSET = 1e30

EPS = np.finfo(np.float64).eps


class Evaluation(NamedTuple):
    """F and ∂F/∂params at some params, and the largest loss of any row."""

    value: float
    gradient: NDArray
    largest_loss: float


class CrossEntropyObjective:
    """Penalised mean cross-entropy of a linear model, as a function of its parameters.

    Hand ``value_and_gradient`` to any optimiser that wants a function value and its
    gradient, start it at ``initial_point()``, and translate its answer by ``unpack``.

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
        The lower and the upper bounds that the coefficients of each class shall keep.
        The objective itself is defined everywhere.
    offset : array-like of shape (n,) or (n, K), default=None
        Added to the logits: (n,) to the one of "binary", (n, K) to those of "softmax";
        magnitudes up to 1e30.
    center : array-like of shape (d,), default=None
        What to subtract from the columns of a dense X before use. It changes the
        meaning of the intercepts in ``params``, never the model that `unpack` returns.

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
        data = _as_floating(X)
        n, d = data.shape
        check_container(y, "y")
        targets, self.n_classes = _check_targets(np.asarray(y), n)
        if loss == "auto":
            loss = "binary" if self.n_classes == 2 else "softmax"
        if loss not in LOSSES:
            raise ValueError(f"loss={loss!r}: expected 'auto', 'binary' or 'softmax'.")
        if loss == "binary" and self.n_classes != 2:
            raise ValueError(
                f"loss='binary' needs 2 classes, got {self.n_classes}; use 'softmax'."
            )
        if center is not None and (sparse.issparse(data) or not fit_intercept):
            raise ValueError("center needs a dense X and fit_intercept=True.")
        if not C > 0:
            raise ValueError(f"C={C!r}: expected a positive number or np.inf.")

        self.loss = LOSSES[loss]
        self.targets = targets
        self.weights, self.mean_factor, weight_sum = _relative_weights(sample_weight, n)
        with np.errstate(over="ignore", divide="ignore"):
            strength = float(1 / (np.float64(C) * weight_sum))
        if not np.isfinite(strength):
            raise ValueError(
                f"The penalty 1/(C·Σ sample_weight) overflows for C={C!r} and "
                f"Σ sample_weight={weight_sum!r}; use larger weights or a larger C."
            )
        self.penalty = Penalty.elastic_net(
            strength, l1_ratio, penalty_weights, bounds, d
        )
        self.frequencies = self._class_frequencies()
        self.blocks = RowBlocks(data, center)
        self.fit_intercept = bool(fit_intercept)
        self.n_samples, self.n_features = n, d
        self.n_logits = self.loss.n_logits(self.n_classes)
        self.n_params = self.n_logits * self.n_columns
        if self.n_logits > 1:
            self.penalty = self.penalty.without_idle_bounds()
        self.offset = check_offset(offset, n, self.n_logits)
        self.n_evals = 0

    @property
    def n_columns(self) -> int:
        """The columns of X, and one for the intercept where there is one: e."""
        return self.n_features + self.fit_intercept

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
            ∂F/∂params, with 0 for the derivative of |w| at 0.
        """
        evaluation = self.evaluate(params)
        return evaluation.value, evaluation.gradient

    def evaluate(self, params: NDArray) -> "Evaluation":
        """Do the work of `value_and_gradient`, and note the largest loss of a row."""
        self.n_evals += 1
        sparse_X = sparse.issparse(self.blocks.X)
        model = self.linear_model(params)

        def add_block(X, rows, loss_sum, coef_gradient, intercept_gradient, largest):
            loss, r = self.loss.loss_and_residual(self.targets[rows], model(X, rows))
            np.maximum(largest, self._largest(loss, rows), out=largest)
            if self.weights is None:
                loss_sum += loss.sum(dtype=np.float64)
            else:
                s = self.weights[rows]
                loss_sum += s @ loss
                r *= s.astype(r.dtype, copy=False)[:, None]
            # (d, L) where X is sparse: the order in which its products come
            coef_gradient += transposed(X) @ r if sparse_X else r.T @ X
            intercept_gradient += r.sum(axis=0, dtype=np.float64)

        shape = (self.n_features, self.n_logits)
        loss_sum, coef_gradient, intercept_gradient, largest = self.blocks.sum(
            add_block,
            (),
            shape if sparse_X else shape[::-1],
            (self.n_logits,),
            (),
            width=3 * self.n_logits,
            work=self.n_logits,
        )
        gradient = np.empty(self.n_params)
        of_coef, of_intercept = self.split(gradient)
        coef_gradient *= self.mean_factor
        of_coef[:] = coef_gradient.T if sparse_X else coef_gradient
        of_intercept[:] = self.mean_factor * intercept_gradient[: of_intercept.size]
        value = self.mean_factor * float(loss_sum)
        if not self.penalty.is_zero:
            coef, _ = self.split(params)
            value += self.penalty.value(coef)
            self.penalty.add_gradient(coef, of_coef)
        return Evaluation(value, gradient, float(largest))

    def gradient_of_loss(self, params: NDArray, gradient: NDArray) -> NDArray:
        """Return the gradient of the mean loss alone, from that of F at ``params``."""
        of_penalty = np.zeros_like(params)
        self.penalty.add_gradient(self.split(params)[0], self.split(of_penalty)[0])
        return gradient - of_penalty

    def compute_in_float64(self) -> bool:
        """Convert float32 blocks from now on; return whether that changes anything."""
        changes = self.blocks.dtype != np.float64
        self.blocks.dtype = np.dtype(np.float64)
        return changes

    def describe_pass(self) -> str:
        """Say how `evaluate` reads the rows."""
        n_blocks, n_threads = self.blocks.dealt_out(3 * self.n_logits, self.n_logits)
        return (
            f"{self.n_samples} rows of {self.n_features} columns in {n_blocks} "
            f"block{'s'[: n_blocks > 1]} for {n_threads} thread{'s'[: n_threads > 1]}, "
            f"{self.blocks.dtype.name}"
        )

    def linear_model(
        self, params: NDArray, *, with_offset: bool = True
    ) -> Callable[[NDArray, slice | NDArray], NDArray]:
        """Return the function that computes the logits, (m, L), of a block of rows.

        It takes the rows of X, and where they are. Without the offset it computes how
        much a step of the params changes the logits.
        """
        offset = self.offset if with_offset else None
        return self._linear(self.split(params.astype(self.blocks.dtype)), offset)

    def model_and_change(
        self, params: NDArray, step: NDArray
    ) -> Callable[[NDArray, slice | NDArray], tuple[NDArray, NDArray]]:
        """Return the function that computes logits and what a step adds, (m, L) each.

        It takes what the function of `linear_model` takes.
        """
        if self.n_logits == 1:
            # two products with a vector are quicker than one with two columns
            model = self.linear_model(params)
            change = self.linear_model(step, with_offset=False)
            return lambda X, rows: (model(X, rows), change(X, rows))
        parts = [self.split(p.astype(self.blocks.dtype)) for p in (params, step)]
        both = self._linear([np.concatenate(pair) for pair in zip(*parts, strict=True)])

        def model_and_change(X, rows):
            z = both(X, rows)
            z, dz = z[:, : self.n_logits], z[:, self.n_logits :]
            if self.offset is not None:
                z = z + self.offset[rows]
            return z, dz

        return model_and_change

    def _linear(self, coef_and_intercept, offset=None):
        """Return the function that computes linear functions of a block of rows."""
        coef, intercept = coef_and_intercept
        if sparse.issparse(self.blocks.X):
            by_feature = np.ascontiguousarray(coef.T)

        def logits(X, rows):
            # in Fortran order, which the losses like, when X is dense
            z = X @ by_feature if sparse.issparse(X) else (coef @ X.T).T
            if self.fit_intercept:
                z += intercept
            if offset is not None:
                z += offset[rows]
            return z

        return logits

    def split(self, params: NDArray) -> tuple[NDArray, NDArray]:
        """Return views of coefficients, (L, d), and intercepts, (L,) or empty."""
        rows = params.reshape(self.n_logits, -1)
        if not self.fit_intercept:
            return rows, rows[0, :0]
        return rows[:, :-1], rows[:, -1]

    def initial_point(self) -> NDArray:
        """Return the params of the best model that does not look at X, (n_params,)."""
        params = np.zeros(self.n_params)
        if self.fit_intercept:
            intercept = self.loss.prior_logits(self.frequencies)
            if self.offset is not None:
                # where half of the rows are: rows that are certain have no curvature
                intercept -= np.median(self.offset, axis=0)
            self.split(params)[1][:] = intercept
        return params

    def unpack(self, params: NDArray) -> tuple[NDArray, NDArray]:
        """Return coef, (L, d), and intercept, (L,), in the units of the given X."""
        coef, intercept = self.split(params)
        coef = self.penalty.shown(coef)
        if not self.fit_intercept:
            return coef, np.zeros(self.n_logits)
        return coef, intercept - self._shift(coef)

    def pack(self, coef: NDArray, intercept: NDArray) -> NDArray:
        """Return the params, (n_params,), of a model: the inverse of `unpack`."""
        coef = np.asarray(coef, dtype=np.float64)
        if not self.fit_intercept:
            return coef.ravel().copy()
        return np.column_stack([coef, intercept + self._shift(coef)]).ravel()

    def on_other_columns(self, X: NDArray) -> "CrossEntropyObjective":
        """Return the same objective for the same rows, described by other columns."""
        penalty = self.penalty.of_rotated_features(X.shape[1])
        return self._described_by(self.blocks.derived(X), penalty)

    def on_some_columns(self, columns: NDArray) -> "CrossEntropyObjective":
        """Return the same objective where all other columns have coefficients 0."""
        center = self.blocks.center
        X = self.blocks.X[:, columns]
        if not sparse.issparse(X):
            X = np.ascontiguousarray(X)
        blocks = self.blocks.derived(X, None if center is None else center[columns])
        blocks.dtype = self.blocks.dtype
        return self._described_by(blocks, self.penalty.take(columns))

    def on_other_rows(
        self, X: Any, y: NDArray, sample_weight: NDArray, offset: ArrayLike | None
    ) -> "CrossEntropyObjective":
        """Return the mean loss without a penalty, of the same params on other rows."""
        other = self._described_by(
            self.blocks.derived(X, self.blocks.center),
            Penalty.elastic_net(0.0, 0.0, None, None, self.n_features),
        )
        other.targets, other.n_samples = y, X.shape[0]
        other.weights, other.mean_factor, _ = _relative_weights(sample_weight, len(y))
        other.offset = check_offset(offset, len(y), self.n_logits)
        return other

    def with_penalty(self, penalty: Penalty) -> "CrossEntropyObjective":
        """Return the same objective with another penalty."""
        return self._described_by(self.blocks, penalty)

    def _described_by(self, blocks, penalty):
        other = copy(self)
        other.blocks, other.penalty = blocks, penalty
        other.n_evals = 0
        other.n_features = blocks.X.shape[1]
        other.n_params = other.n_logits * other.n_columns
        return other

    def _shift(self, coef):
        """Return how much the center of X adds to the logits."""
        center = self.blocks.center
        return 0.0 if center is None else coef @ center.astype(np.float64)

    def _largest(self, loss, rows):
        """Return the largest loss among the rows that count, if they have one class."""
        if self.targets.ndim == 2:
            return np.inf
        if self.weights is not None:
            loss = np.where(self.weights[rows] > 0, loss, 0)
        return loss.max()

    def _class_frequencies(self):
        if self.targets.ndim == 1:
            totals = np.bincount(self.targets, self.weights, self.n_classes)
        elif self.weights is None:
            totals = self.targets.sum(axis=0)
        else:
            totals = self.weights @ self.targets
        if not totals.all():
            raise ValueError(
                f"Class {int(np.argmin(totals))} has a total weight of 0; expected a "
                "positive weight for every class: drop the class or weigh its rows."
            )
        return totals / totals.sum()


def _as_floating(X) -> Any:
    check_container(X, "X")
    if isinstance(X, np.ma.MaskedArray):
        X = X.data  # nothing is masked
    if sparse.issparse(X):
        X = X.tocsr()
        if not X.has_canonical_format:
            # entries given twice add up in products, but not in squares
            X = X.copy()
            X.sum_duplicates()
    else:
        X = np.asanyarray(X)
    if X.ndim != 2:
        raise ValueError(f"X has {X.ndim} dimension(s); expected 2: rows and features.")
    if X.dtype in (np.float32, np.float64):
        return X
    if X.dtype.kind not in "biuf":
        raise TypeError(f"X has dtype {X.dtype}; expected real numbers.")
    return X.astype(np.float64)


def _check_targets(targets, n):
    """Return checked codes or target distributions, and the number of classes."""
    if targets.ndim not in (1, 2) or len(targets) != n:
        raise ValueError(
            f"y has shape {targets.shape}; expected ({n},) class codes or ({n}, K) "
            "target distributions, one for each row of X."
        )
    if targets.ndim == 1:
        if targets.dtype.kind not in "iu":
            raise TypeError(
                f"y has dtype {targets.dtype}; expected integer class codes: encode "
                "labels with np.unique(labels, return_inverse=True)."
            )
        if targets.min() < 0:
            raise ValueError(f"y holds the code {targets.min()}; expected 0 … K − 1.")
        n_classes = int(targets.max()) + 1
    else:
        targets = check_distributions(targets)
        n_classes = targets.shape[1]
    if n_classes < 2:
        raise ValueError(f"y holds {n_classes} class; expected at least 2.")
    return targets, n_classes


def check_offset(offset: ArrayLike | None, n: int, n_logits: int) -> NDArray | None:
    """Return the offset as (n, L) float64, or None."""
    if offset is None:
        return None
    check_numbers(offset, "offset")
    if sparse.issparse(offset):
        raise TypeError(
            "offset is sparse; expected an array: use its method .toarray()."
        )
    with reading("offset"):
        offset = np.asarray(offset, dtype=np.float64)
    expected = (n,) if n_logits == 1 else (n, n_logits)
    if offset.shape != expected:
        raise ValueError(
            f"offset has shape {offset.shape}; expected {expected}: a number for each "
            "row and logit."
        )
    if not np.isfinite(offset).all():
        raise ValueError(
            "offset holds NaN or infinity; expected finite numbers to add to the "
            "logits: drop such rows."
        )
    largest = np.abs(offset).max(initial=0)
    if largest > LARGEST_OFFSET:
        raise ValueError(
            f"offset has the magnitude {largest}; expected at most {LARGEST_OFFSET}, "
            "far beyond all log-odds: clip it, or drop such rows."
        )
    return offset.reshape(n, n_logits)


def _relative_weights(sample_weight, n):
    """Return s / max s, or None if all are the same, 1 / its sum, and Σ s."""
    if sample_weight is None:
        return None, 1 / n, float(n)
    check_numbers(sample_weight, "sample_weight")
    s = np.asarray(sample_weight, dtype=np.float64)
    if s.shape != (n,):
        raise ValueError(
            f"sample_weight has shape {s.shape}; expected ({n},), one for each row."
        )
    with np.errstate(over="ignore"):
        weight_sum = float(s.sum())
    if not (np.isfinite(weight_sum) and weight_sum > 0 and s.min() >= 0):
        raise ValueError(
            f"sample_weight has minimum {s.min()!r} and sum {weight_sum!r}; expected "
            "finite non-negative weights with a positive, finite sum."
        )
    if s.min() == s.max():
        return None, 1 / n, weight_sum
    # relative weights neither overflow in sums nor in float32
    s = s / s.max()
    return s, 1 / float(s.sum()), weight_sum
