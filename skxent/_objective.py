"""The objective: weighted mean cross-entropy plus penalty, summed over row blocks.

The function that every fit minimises is::

    F(w, b) = 1/S Σ_i s_i loss(y_i, z_i)  +  1/(C S) Σ_j w_j² / 2,      z = X w + b

which has the optimum of ``LogisticRegression(C=C)``. The intercept is never penalised.

``X`` is read one block of rows at a time. A block fits into the cache, so that logits,
loss, residual and ``Xᵀ r`` of it cost one trip to memory, and nothing of size (n, L) is
ever stored. Nobody but this module touches ``X``.

Conventions
-----------
params : flat float64 array, the coefficients (L, d) row by row, then the L intercepts
    if there are any. ``unpack`` gives them back in scikit-learn's shapes.
center : the objective may read ``X − center`` instead of ``X``. The intercepts in
    ``params`` then belong to the centred data; ``pack`` and ``unpack`` translate.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ._losses import LOSSES

# Two blocks (the rows and their centred copy) stay in a level-2 cache of 1 MiB or more.
BLOCK_BYTES = 2**19


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
        probabilities that sum to 1.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights s of the rows; None means 1 for each.
    C : float, default=1.0
        Inverse strength of the penalty; ``np.inf`` for none.
    fit_intercept : bool, default=True
        Whether the model has intercepts.
    loss : {"auto", "binary", "softmax"}, default="auto"
        One logit for two classes, or one for each of K classes. "auto" takes "binary"
        for K = 2.
    center : array-like of shape (d,), default=None
        What to subtract from the columns of a dense X before use. It changes the
        meaning of the intercepts in ``params``, never the model that `unpack` returns.

    Attributes
    ----------
    n_classes, n_logits, n_features, n_params : int
        The sizes K, L, d, and the length of ``params``.

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
        center: ArrayLike | None = None,
    ):
        self._X = _as_floating(X)
        n, d = self._X.shape
        targets = np.asarray(y)
        self.n_classes = _count_classes(targets, n)
        if loss == "auto":
            loss = "binary" if self.n_classes == 2 else "softmax"
        if loss not in LOSSES:
            raise ValueError(f"loss={loss!r}: expected 'auto', 'binary' or 'softmax'.")
        if loss == "binary" and self.n_classes != 2:
            raise ValueError(
                f"loss='binary' needs 2 classes, got {self.n_classes}; use 'softmax'."
            )
        if center is not None and not (
            fit_intercept and isinstance(self._X, np.ndarray)
        ):
            raise ValueError("center needs a dense X and fit_intercept=True.")
        if not C > 0:
            raise ValueError(f"C={C!r}: expected a positive number or np.inf.")

        self._loss = LOSSES[loss]
        self._y = targets
        self._s, weight_sum = _relative_weights(sample_weight, n)
        self._mean_factor = 1 / self._s.sum()
        with np.errstate(over="ignore", divide="ignore"):
            self.penalty = float(1 / (np.float64(C) * weight_sum))
        if not np.isfinite(self.penalty):
            raise ValueError(
                f"The penalty 1/(C·Σ sample_weight) overflows for C={C!r} and "
                f"Σ sample_weight={weight_sum!r}; use larger weights or a larger C."
            )
        self.frequencies = self._class_frequencies()
        self.fit_intercept = bool(fit_intercept)
        self.n_features = d
        self.n_logits = self._loss.n_logits(self.n_classes)
        self.n_params = self.n_logits * (d + self.fit_intercept)
        self._center = None if center is None else np.asarray(center, self._X.dtype)

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
            ∂F/∂params.
        """
        coef, intercept = self.split(params)
        w = coef.astype(self._X.dtype, copy=False)
        b = intercept.astype(self._X.dtype, copy=False)

        loss_sum = 0.0
        gradient = np.zeros(self.n_params)
        coef_gradient, intercept_gradient = self.split(gradient)
        for X, y, s in self._blocks():
            loss, r = self._loss.loss_and_residual(y, _logits(X, w, b))
            loss_sum += s @ loss
            r *= s.astype(r.dtype, copy=False)[:, None]
            coef_gradient += _transposed_product(r, X)
            if self.fit_intercept:
                intercept_gradient += r.sum(axis=0, dtype=np.float64)

        gradient *= self._mean_factor
        value = self._mean_factor * loss_sum
        if self.penalty > 0:
            flat = coef.ravel()
            value += 0.5 * self.penalty * float(flat @ flat)
            coef_gradient += self.penalty * coef
        return float(value), gradient

    def prior_curvature(self) -> NDArray:
        """Return ∂²loss/∂z_k² of the intercept-only model, (L,)."""
        return self._loss.curvature(self._loss.prior_logits(self.frequencies)[None])[0]

    def column_moments(self) -> tuple[NDArray, NDArray]:
        """Return weighted mean and standard deviation of the columns, both (d,).

        Of the columns as the objective reads them: minus ``center``. Two passes, so
        that nothing cancels, the second one in units of the largest entry, so that no
        square overflows.
        """
        mean = np.zeros(self.n_features)
        largest = np.zeros(self.n_features)
        for X, _, s in self._blocks():
            mean += s @ X
            np.maximum(largest, _dense_row(abs(X).max(axis=0)), out=largest)
        mean *= self._mean_factor
        unit = np.where(largest > 0, largest, 1)

        variance = np.zeros(self.n_features)
        for X, _, s in self._blocks():
            if sparse.issparse(X):
                in_column = X.indices
                row_weight = np.repeat(s, np.diff(X.indptr))
                stored = np.bincount(in_column, row_weight, minlength=self.n_features)
                square = ((X.data - mean[in_column]) / unit[in_column]) ** 2
                variance += np.bincount(
                    in_column, row_weight * square, minlength=self.n_features
                )
                absent = s.sum() - stored
                # in a full column all of it is rounding, which mean² would blow up
                absent[absent < 1e-12 * s.sum()] = 0
                variance += absent * (mean / unit) ** 2
            else:
                variance += s @ ((X - mean) / unit) ** 2
        return mean, unit * np.sqrt(variance * self._mean_factor)

    def initial_point(self) -> NDArray:
        """Return the params of the best model that does not look at X, (n_params,)."""
        params = np.zeros(self.n_params)
        if self.fit_intercept:
            self.split(params)[1][:] = self._loss.prior_logits(self.frequencies)
        return params

    def unpack(self, params: NDArray) -> tuple[NDArray, NDArray]:
        """Return coef, (L, d), and intercept, (L,), in the units of the given X."""
        coef, intercept = self.split(params)
        if not self.fit_intercept:
            return coef.copy(), np.zeros(self.n_logits)
        if self._center is None:
            return coef.copy(), intercept.copy()
        return coef.copy(), intercept - coef @ self._center.astype(np.float64)

    def pack(self, coef: NDArray, intercept: NDArray) -> NDArray:
        """Return the params, (n_params,), of a model: the inverse of `unpack`."""
        coef = np.asarray(coef, dtype=np.float64)
        if not self.fit_intercept:
            return coef.ravel().copy()
        if self._center is not None:
            intercept = intercept + coef @ self._center.astype(np.float64)
        return np.concatenate([coef.ravel(), intercept])

    def split(self, params):
        """Return views of coefficients, (L, d), and intercepts, (L,) or empty."""
        n_coef = self.n_logits * self.n_features
        coef = params[:n_coef].reshape(self.n_logits, self.n_features)
        return coef, params[n_coef:]

    def _blocks(self) -> Iterator[tuple]:
        """Yield (X, y, s) of one block of rows after the other."""
        for rows in row_blocks(self._X):
            X = take_rows(self._X, rows)
            if self._center is not None:
                X = X - self._center
            yield X, self._y[rows], self._s[rows]

    def _class_frequencies(self):
        if self._y.ndim == 1:
            totals = np.bincount(self._y, self._s, minlength=self.n_classes)
        else:
            totals = self._s @ self._y
        if not totals.all():
            raise ValueError(
                f"Class {int(np.argmin(totals))} has a total weight of 0; expected a "
                "positive weight for every class: drop the class or weigh its rows."
            )
        return totals / totals.sum()


def row_blocks(X) -> Iterator[slice]:
    """Yield slices that cut the rows of X into blocks of about BLOCK_BYTES."""
    n = X.shape[0]
    row_bytes = max(1, (X.data.nbytes if sparse.issparse(X) else X.nbytes) // max(1, n))
    step = max(1, BLOCK_BYTES // row_bytes)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def take_rows(X, rows: slice):
    """Return a block of rows as a view; SciPy's own slicing would copy a CSR matrix."""
    if not sparse.issparse(X):
        return X[rows]
    first, last = X.indptr[rows.start], X.indptr[rows.stop]
    parts = (
        X.data[first:last],
        X.indices[first:last],
        X.indptr[rows.start : rows.stop + 1] - first,
    )
    return type(X)(parts, shape=(rows.stop - rows.start, X.shape[1]), copy=False)


def far_center(X) -> NDArray | None:
    """Return a center for columns that lie far from 0 for their spread, else None.

    Where |mean| ≫ std, ``X w + b`` loses the digits in which the rows differ. A few
    rows spread over X tell; the center needs to be near the column, not its mean.
    """
    if sparse.issparse(X):
        return None
    sample = X[:: max(1, len(X) // 1000)]
    middle = np.median(sample, axis=0)
    spread = np.abs(sample - middle).mean(axis=0)
    # at this ratio a quarter of the digits would be lost
    far = np.abs(middle) > spread * np.finfo(X.dtype).eps ** -0.25
    return np.where(far, middle, 0) if far.any() else None


def _dense_row(row):
    return row.toarray().ravel() if sparse.issparse(row) else row


def _logits(X, w, b):
    """Return X wᵀ + b of shape (m, L), in Fortran order when X is dense."""
    z = X @ w.T if sparse.issparse(X) else (w @ X.T).T
    if b.size:
        z += b
    return z


def _transposed_product(r, X):
    """Return rᵀ X of shape (L, d)."""
    return (X.T @ r).T if sparse.issparse(X) else r.T @ X


def _as_floating(X):
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


def _count_classes(targets, n):
    """Check codes or target distributions, and return the number of classes."""
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
        row_sums = targets.sum(axis=1)
        worst = np.argmax(np.abs(row_sums - 1)) if n else 0
        if not (targets.min() >= 0 and np.abs(row_sums[worst] - 1) <= 1e-6):
            raise ValueError(
                f"Row {worst} of y sums to {row_sums[worst]!r}; expected non-negative "
                "rows that sum to 1: divide by the totals, and pass those as weights."
            )
        n_classes = targets.shape[1]
    if n_classes < 2:
        raise ValueError(f"y holds {n_classes} class; expected at least 2.")
    return n_classes


def _relative_weights(sample_weight, n):
    """Return weights divided by their maximum, so that no sum overflows, and Σ s."""
    if sample_weight is None:
        return np.ones(n), float(n)
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
    return s / s.max(), weight_sum
