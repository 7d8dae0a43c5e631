"""The optimum of a random problem, in extended precision: the judge of `stress`.

Nothing here comes from the package. The objective is written out once more::

    F(w, b) = 1/S Σ_i s_i H(q_i, p_i) + Σ_jk l1_j |w_jk| + l2_j w_jk² / 2

with probabilities p of the logits ``z = X w + b + offset``, where one logit z stands
for two, (0, z), and where ``lower_j ≤ w_jk ≤ upper_j``. Newton's method with active
sets starts at the fit and at 0 and takes the lower end. F and its gradient are computed
in `np.longdouble`, in centred and scaled columns; the Hessian of the free variables,
which only gives directions, in float64. Steps end where the slope along them changes
sign, far beyond their end or at a tiny part of it: saturated rows ask for both.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

MAX_STEPS = 80
# A promise holds for a step that changes no logit by more than this.
TRUSTED = 0.5
# Two steps in a row that gain less than this part of F are the end.
VAIN = 1e-16
# Curvature of a direction below this part of the largest is rounding of float64.
RANK = 1e-13
# Of F: where Newton's method stops, and what counts as a proof.
STOP, PROOF = 1e-17, 1e-14
# A step is long enough where its slope has fallen to this part.
FLAT = 0.1
MAX_TRIALS = 40


@dataclass
class Problem:
    """What is minimised, in the terms above; ``offset`` may be None."""

    X: np.ndarray
    q: np.ndarray
    binary: bool
    s: np.ndarray
    offset: np.ndarray | None
    l1: np.ndarray
    l2: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    fit_intercept: bool

    def value(self, coef, intercept):
        """Return F of a model, in extended precision."""
        coef, s = _long(coef), _long(self.s)
        z = _long(self.X) @ coef.T + _long(intercept)
        loss, _ = _loss_and_proba(_two_logits(self, z), _long(self.q))
        penalty = np.sum(self.l1 * abs(coef) + self.l2 * coef**2 / 2)
        return s @ loss / s.sum() + penalty


class Optimum(NamedTuple):
    """The least value found, what Newton's method still promised, and if that is 0."""

    value: np.longdouble
    decrement: np.longdouble
    proved: bool


def find_optimum(problem: Problem, start) -> Optimum:
    """Return the lower of the ends of two searches.

    Parameters
    ----------
    problem : Problem
    start : pair of ndarrays
        Coefficients, (1, d) or (K, d), and intercepts: the fit under test.
    """
    scaled = _Scaled(problem)
    ends = [
        scaled.minimise(theta)
        for theta in (scaled.encode(*start), scaled.encode(*(0 * a for a in start)))
    ]
    return min(ends, key=lambda end: end.value)


class _Scaled:
    """The problem in columns of mean 0 and size 1; its variables are theta, (L, e)."""

    def __init__(self, problem):
        self.problem = problem
        X, s = _long(problem.X), _long(problem.s)
        self.s = s / s.sum()
        self.mean = self.s @ X if problem.fit_intercept else 0 * X[0]
        Z = X - self.mean
        scale = np.sqrt(self.s @ Z**2)
        # a column may live in rows of hardly any weight; a constant one is rounding
        whole = np.sqrt((Z**2).mean(axis=0))
        whole[whole <= 1e-17 * abs(self.mean)] = 0
        scale = np.where(scale > 1e-8 * whole, scale, whole)
        scale[scale == 0] = 1
        self.scale = scale
        self.Z = Z / scale
        self.l1, self.l2 = _long(problem.l1) / scale, _long(problem.l2) / scale**2
        self.lower, self.upper = (
            _long(bound) * scale for bound in (problem.lower, problem.upper)
        )
        if problem.fit_intercept:
            self.Z = np.column_stack([self.Z, np.ones(len(X), np.longdouble)])
            zero, inf = np.longdouble(0), np.longdouble(np.inf)
            self.l1, self.l2 = np.append(self.l1, zero), np.append(self.l2, zero)
            self.lower = np.append(self.lower, -inf)
            self.upper = np.append(self.upper, inf)
        self.Z_float = self.Z.astype(float)
        is_smooth = not (self.l1.any() or np.isfinite([self.lower, self.upper]).any())
        self.shifts_freely = is_smooth and not problem.binary
        self.q = _long(problem.q)
        # the classes that have a logit
        self.own = slice(1, None) if problem.binary else slice(None)

    def encode(self, coef, intercept):
        """Return theta of a model, within the bounds."""
        theta = _long(coef) * self.scale
        if self.problem.fit_intercept:
            theta = np.column_stack([theta, _long(intercept) + _long(coef) @ self.mean])
        return self._projected(theta, theta)

    def evaluate(self, theta):
        """Return F, its gradient with 0 for that of |w| at 0, and the probabilities."""
        z = _two_logits(self.problem, self.Z @ theta.T)
        loss, p = _loss_and_proba(z, self.q)
        value = self.s @ loss + np.sum(self.l1 * abs(theta) + self.l2 * theta**2 / 2)
        # p − q, written so that it does not cancel near 0 and 1
        others = p @ (1 - np.eye(p.shape[1], dtype=np.longdouble))
        r = p * (1 - self.q) - self.q * others
        r = (self.s[:, None] * r)[:, self.own]
        gradient = r.T @ self.Z + self.l2 * theta + self.l1 * np.sign(theta)
        return value, gradient, p

    def minimise(self, theta):
        """Return where Newton's method with active sets ends."""
        now = self.evaluate(theta)
        decrement, n_vain = np.longdouble(np.inf), 0
        for _ in range(MAX_STEPS):
            value, gradient, p = now
            slope = self._least_slope(theta, gradient)
            step, decrement = self._newton_step(theta, slope, p)
            if not (decrement > STOP * value or self._change(step, p) > TRUSTED):
                break
            end = self._follow(theta, now, step, -2 * decrement)
            if end is None:
                # what the step would change at kinks is more than it gains
                end = self._follow(theta, now, self._alone(theta, slope, p), None)
            if end is None:
                break
            n_vain = n_vain + 1 if value - end[1][0] <= VAIN * value else 0
            theta, now = end
            if n_vain == 2:
                break
        proved = bool(decrement <= PROOF * now[0])
        return Optimum(now[0], decrement, proved)

    def _change(self, step, p):
        """Return the largest change of a logit, over the rows that still respond."""
        dz = self.Z_float @ step.T.astype(float)
        p, others = self._proba_and_others(p)
        responds = (self.s[:, None] > 0) & (p * others > 1e-40)
        return np.max(abs(dz), where=responds, initial=0.0)

    def _proba_and_others(self, p):
        """Return p and 1 − p, which does not cancel, of the classes with a logit."""
        p = p.astype(float)
        return p[:, self.own], (p @ (1 - np.eye(p.shape[1])))[:, self.own]

    def _least_slope(self, theta, gradient):
        kink = np.where(theta == 0, self.l1, 0)
        slope = np.sign(gradient) * np.maximum(abs(gradient) - kink, 0)
        blocked = (theta <= self.lower) & (slope > 0)
        blocked |= (theta >= self.upper) & (slope < 0)
        return np.where(blocked, 0, slope)

    def _newton_step(self, theta, slope, p):
        """Return the Newton step of the free variables, and what it promises."""
        inside = (self.lower < theta) & (theta < self.upper)
        free = (inside & ((theta != 0) | (self.l1 == 0))) | (slope != 0)
        at = np.flatnonzero(free)
        if not len(at):
            return np.zeros_like(theta), np.longdouble(0)
        H = self._hessian(p)[np.ix_(at, at)]
        size = np.sqrt(np.maximum(H.diagonal(), 1e-300))
        values, vectors = np.linalg.eigh(H / size / size[:, None])
        seen = values > RANK * values[-1]
        along = (slope.ravel()[at].astype(float) / size) @ vectors
        step = np.zeros(theta.size, np.longdouble)
        step[at] = -(vectors[:, seen] @ (along[seen] / values[seen])) / size
        step = step.reshape(theta.shape)
        return step, -np.sum(slope * step) / 2

    def _alone(self, theta, slope, p):
        """Return the step of the variable that gains most by itself."""
        diagonal = self._hessian(p).diagonal().reshape(theta.shape)
        diagonal = np.maximum(diagonal, 1e-300)
        best = np.unravel_index(np.argmax(slope**2 / diagonal), theta.shape)
        step = np.zeros_like(theta)
        step[best] = -slope[best] / diagonal[best]
        return step

    def _hessian(self, p):
        p, others = self._proba_and_others(p)
        s, Z = self.s.astype(float), self.Z_float
        L, e = p.shape[1], Z.shape[1]
        H = np.empty((L, e, L, e))
        for a in range(L):
            for b in range(a + 1):
                h = s * p[:, a] * (others[:, a] if a == b else -p[:, b])
                H[a, :, b] = H[b, :, a] = (Z * h[:, None]).T @ Z
            H[a, range(e), a, range(e)] += self.l2.astype(float)
        return H.reshape(L * e, L * e)

    def _follow(self, theta, now, step, start):
        """Return the lowest point found along a step, or None if F does not fall."""
        if start is None:
            start = np.sum(self._least_slope(theta, now[1]) * step)
        shortest, longest, length = np.longdouble(0), None, np.longdouble(1)
        best = None
        for _ in range(MAX_TRIALS):
            there = self._projected(theta, theta + length * step)
            trial = self.evaluate(there)
            slope = np.sum(self._least_slope(there, trial[1]) * step) / -start
            falls = trial[0] < now[0]
            if falls and (best is None or trial[0] < best[1][0]):
                best = there, trial
            if falls and abs(slope) <= FLAT:
                break
            if falls and slope < 0:
                shortest = length
            else:
                longest = length
            length = 2 * length if longest is None else (shortest + longest) / 2
        return best

    def _projected(self, theta, there):
        """Return the point within bounds; what has crossed a kink ends there."""
        if self.shifts_freely:
            # the loss does not see a common shift of all classes, the penalty does
            return there - there.mean(axis=0)
        crossed = (self.l1 > 0) & (theta * there < 0)
        return np.clip(np.where(crossed, 0, there), self.lower, self.upper)


def _long(a):
    return np.asarray(a, dtype=np.longdouble)


def _two_logits(problem, z):
    """Return the logits of all classes, (n, K), from those of the model."""
    if problem.offset is not None:
        z = z + _long(problem.offset).reshape(z.shape)
    return np.hstack([np.zeros_like(z), z]) if problem.binary else z


def _loss_and_proba(z, q):
    """Return H(q, p) of each row, and p, (n, K)."""
    rows, top = np.arange(len(z)), z.argmax(axis=1)
    below = z[rows, top][:, None] - z
    e = np.exp(-below)
    e[rows, top] = 0
    others = e.sum(axis=1)
    e[rows, top] = 1
    # q times what a logit is below the top one, plus log Σ exp
    loss = np.log1p(others) + np.einsum("ik,ik->i", q, below)
    return loss, e / (1 + others)[:, None]
