"""The objective of a random problem, written out once more in long double.

Nothing here comes from the package. With targets q, of which ``label_smoothing`` takes
its share, weights s of rows and classes, S = Σ s_i, and p = softmax(w x + b + offset)::

    F(w, b) = 1/S Σ_i s_i H(q_i, p_i) + 1/(C S) Σ_j π_j [ρ |w_j| + (1 − ρ)/2 w_j²]

A single logit z stands for the two logits (0, z). The unknowns θ, (L, e), belong to
columns that are shifted by float64 numbers and divided by powers of two. So a model in
float64 is carried over to the digit, and what large columns cancel is not lost.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np

LONG = np.longdouble


class Evaluation(NamedTuple):
    """F at some unknowns, the gradient of its smooth part, probabilities."""

    value: np.longdouble
    gradient: np.ndarray
    p: np.ndarray
    one_minus_p: np.ndarray


class Objective:
    """F of a problem as a function of θ.

    Parameters
    ----------
    problem : Problem
    near : pair (coef, intercept), default=None
        A model: the rows that have curvature there say where the columns are.

    Attributes
    ----------
    X, Z : ndarray of shape (n, d) and (n, e)
        The rows that have a weight, as they are, and shifted and scaled.
    l1, l2, lower, upper : ndarray of shape (L, e)
        Factors of |θ| and θ² / 2 in F, and the bounds of θ.
    is_smooth : bool
        Whether F has no kinks, and θ no bounds.
    temperature : float
        With T above 1 the loss is T H(q, softmax(z / T)), which is the smoother the
        larger T is, and has no fewer digits.
    """

    def __init__(self, problem, near=None):
        params = {"C": 1.0, "fit_intercept": True, "l1_ratio": 0.0} | problem.params
        self.temperature = LONG(1)
        q, s = targets(problem), row_weights(problem)
        kept = s > 0
        self.q, s = q[kept], s[kept]
        total = s.sum()
        self.s = s / total
        self.X = X = problem.dense[kept]
        self.binary, self.fit_intercept = problem.binary, params["fit_intercept"]
        self.n_logits = 1 if self.binary else self.q.shape[1]
        self.offset = None
        if problem.offset is not None:
            offset = problem.offset.reshape(len(kept), -1)[kept]
            self.offset = offset.astype(LONG)
        self._use_columns(X, params, problem.params, total, self.s)
        if near is not None and self.fit_intercept:
            now = self.evaluate(self.unknowns(*near))
            curvature = self.s * np.sum(now.p * now.one_minus_p, axis=1)
            if curvature.sum() > 0:
                curvature /= curvature.sum()
                self._use_columns(X, params, problem.params, total, curvature)

    def _use_columns(self, X, params, given, total, row_weights):
        d = X.shape[1]
        self.center = np.zeros(d)
        if self.fit_intercept:
            self.center = (row_weights @ X.astype(LONG)).astype(float)
            constant = X.min(axis=0) == X.max(axis=0)
            self.center[constant] = X[0, constant]
        Z = X.astype(LONG) - self.center
        size = np.sqrt(self.s @ Z**2).astype(float)
        self.scale = 2.0 ** np.round(np.log2(np.where(size > 0, size, 1)))
        Z /= self.scale
        if self.fit_intercept:
            Z = np.column_stack([Z, np.ones(len(Z), LONG)])
        self.Z = Z
        pi = given.get("penalty_weights")
        strength = np.ones(d, LONG) if pi is None else pi.astype(LONG)
        strength = strength / (LONG(params["C"]) * total)
        ratio = LONG(params["l1_ratio"])
        self.limits = lower, upper = limits(params.get("bounds"), d)
        self.l1 = self._of_features(ratio * strength / self.scale, 0)
        self.l2 = self._of_features((1 - ratio) * strength / self.scale**2, 0)
        self.lower = self._of_features(lower * self.scale, -np.inf)
        self.upper = self._of_features(upper * self.scale, np.inf)
        bounded = np.isfinite(self.lower).any() or np.isfinite(self.upper).any()
        self.is_smooth = not (self.l1.any() or bounded)

    def _of_features(self, values, of_intercept):
        row = np.append(values, [of_intercept] * self.fit_intercept).astype(LONG)
        return np.tile(row, (self.n_logits, 1))

    def unknowns(self, coef, intercept):
        """Return θ of a float64 model, exact but for one rounding of the intercept."""
        theta = coef * LONG(1) * self.scale
        if not self.fit_intercept:
            return theta
        at_center = []
        for w, b in zip(coef, intercept, strict=True):
            total = Fraction(float(b))
            for c_j, w_j in zip(self.center.tolist(), w.tolist(), strict=True):
                if c_j and w_j:
                    total += Fraction(c_j) * Fraction(w_j)
            high = float(total)
            at_center.append(LONG(high) + LONG(float(total - Fraction(high))))
        return np.column_stack([theta, np.array(at_center, LONG)])

    def model(self, theta):
        """Return coefficients and intercepts in float64: the inverse of unknowns."""
        d = len(self.scale)
        exact = theta[:, :d] / self.scale
        coef = np.clip(exact.astype(float), *self.limits)
        if not self.fit_intercept:
            return coef, np.zeros(len(coef))
        return coef, (theta[:, d] - coef @ self.center.astype(LONG)).astype(float)

    def start(self):
        """Return the feasible θ that is nearest to 0."""
        return np.clip(np.zeros_like(self.l1), self.lower, self.upper)

    def settled(self, theta):
        """Return θ after the common shift of all classes that the penalty likes best.

        The loss does not see it, and Newton's method does not where the penalty is
        next to nothing. Of each feature, it ends where a class arrives at a kink or a
        bound, or where the derivative of a piece vanishes.
        """
        if self.n_logits == 1:
            return theta
        if self.is_smooth:
            return theta - theta.mean(axis=0)
        theta = theta.copy()
        for j in np.flatnonzero(self.l1[0] + self.l2[0]):
            w, l1, l2 = theta[:, j], self.l1[0, j], self.l2[0, j]
            low, high = self.lower[0, j], self.upper[0, j]
            ends = [np.zeros(1), -w, [low - w.min(), high - w.max()]]
            if l2 > 0:
                sums_of_signs = np.arange(-len(w), len(w) + 1)
                ends.append(-(l1 * sums_of_signs + l2 * w.sum()) / (l2 * len(w)))
            ends = np.concatenate(ends)
            ends = ends[(low - w.min() <= ends) & (ends <= high - w.max())]
            ends = ends[np.isfinite(ends)]
            if len(ends):
                moved = w + ends[:, None]
                cost = np.sum(l1 * abs(moved) + l2 * moved**2 / 2, axis=1)
                theta[:, j] = np.clip(moved[cost.argmin()], low, high)
        return theta

    def logits(self, theta):
        """Return the logits, (n, L)."""
        z = self.Z @ theta.T
        return z if self.offset is None else z + self.offset

    def penalty(self, theta):
        return np.sum(self.l1 * abs(theta) + self.l2 * theta**2 / 2)

    def value(self, theta):
        """Return F."""
        minus_log_p, _ = self._log_proba(self.logits(theta) / self.temperature)
        return self._mean_loss(minus_log_p) + self.penalty(theta)

    def rounding(self, theta):
        """Return by how much rounding in long double may move F.

        A logit is a sum of products. Where they are large and cancel, its error is δ_i,
        about eps times their size, and moves F by the mean of |r_i| δ_i + δ_i² / 8.
        """
        now = self.evaluate(theta)
        size = (abs(self.Z) @ abs(theta).T).max(axis=1)
        return self.moved_by(now, np.finfo(LONG).eps * size)

    def moved_by(self, now, delta):
        """Return by how much errors δ of the logits, (n,), move F at most."""
        r = np.sum(abs(now.p - self.q), axis=1)
        with np.errstate(over="ignore"):
            return self.s @ (r * delta + delta**2 / 8)

    def evaluate(self, theta):
        """Return F, the gradient of its smooth part, and the probabilities."""
        minus_log_p, (rows, largest, rest) = self._log_proba(
            self.logits(theta) / self.temperature
        )
        value = self._mean_loss(minus_log_p) + self.penalty(theta)
        p = np.exp(-minus_log_p)
        one_minus_p = 1 - p
        one_minus_p[rows, largest] = rest / (1 + rest)
        r = np.where(self.q == 1, -one_minus_p, p - self.q)[:, -self.n_logits :]
        gradient = (self.s[:, None] * r).T @ self.Z + self.l2 * theta
        return Evaluation(value, gradient, p, one_minus_p)

    def _mean_loss(self, minus_log_p):
        loss = np.sum(self.q * minus_log_p, axis=1)
        return self.temperature * (self.s @ loss)

    def _log_proba(self, z):
        """Return −log p, as a sum of non-negative terms, and what it is made of."""
        if self.binary:
            z = np.column_stack([np.zeros_like(z), z])
        rows, largest = np.arange(len(z)), z.argmax(axis=1)
        behind = z[rows, largest][:, None] - z
        e = np.exp(-behind)
        e[rows, largest] = 0
        rest = e.sum(axis=1)
        return behind + np.log1p(rest)[:, None], (rows, largest, rest)

    def hessian(self, now, dtype):
        """Return the Hessian of the smooth part, (L e, L e).

        A common shift of all classes, which has no curvature, gets some where the
        optimum has no part in it: in the intercepts, and everywhere if F is smooth.
        """
        L, e = self.l1.shape
        Z = self.Z.astype(dtype)
        H = np.empty((L, e, L, e), dtype)
        for a in range(L):
            h = -now.p * now.p[:, a, None]
            h[:, a] = now.p[:, a] * now.one_minus_p[:, a]
            h = (self.s[:, None] / self.temperature * h).astype(dtype)
            for b in range(a + 1):
                H[a, :, b] = (h[:, b, None] * Z).T @ Z
                H[b, :, a] = H[a, :, b]
        a, j = np.indices((L, e))
        if L > 1:
            shifted = slice(0 if self.is_smooth else e - self.fit_intercept, e)
            extra = H[a, j, a, j].mean(axis=0) / L
            for column in range(e)[shifted]:
                H[:, column, :, column] += extra[column]
        H[a, j, a, j] += self.l2.astype(dtype)
        return H.reshape(L * e, L * e)


def targets(problem):
    """Return the distributions q, (n, K)."""
    K, q = problem.n_classes, problem.y
    q = q.astype(LONG) if q.ndim == 2 else np.eye(K, dtype=LONG)[q]
    if problem.y.ndim == 2:
        q = q / q.sum(axis=1, keepdims=True)
    smoothing = LONG(problem.params.get("label_smoothing", 0.0))
    return q if smoothing == 0 else (1 - smoothing) * q + smoothing / K


def row_weights(problem):
    """Return the weights s, (n,), those of the classes multiplied in."""
    n, K, y = len(problem.y), problem.n_classes, problem.y
    s = np.ones(n) if problem.sample_weight is None else problem.sample_weight
    s, of_class = s.astype(LONG), problem.params.get("class_weight")
    if of_class == "balanced":
        totals = np.bincount(y, s.astype(float), K)
        s = s * (totals.sum() / (K * totals))[y]
    elif of_class is not None:
        s = s * np.array([of_class[k] for k in range(K)])[y]
    return s


def limits(bounds, d):
    """Return the lower and the upper bounds, (d,)."""
    lower, upper = (None, None) if bounds is None else bounds
    lower = -np.inf if lower is None else lower
    upper = np.inf if upper is None else upper
    return np.broadcast_to(lower, d), np.broadcast_to(upper, d)
