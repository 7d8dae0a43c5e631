"""The optimum F* of the lasso, found by Newton's method on a growing set of features.

Where no coefficient changes its sign, the L1 penalty is linear, and Newton's method
applies. A step that would change signs ends at 0 for these coefficients, and is halved
until F falls, at the least to where the first of them vanishes. Around that, features
whose slope exceeds the penalty join in batches until there are none.

The proof of accuracy is the gap of `_objective.audit_lasso`. As it is scaled by the
worst slope, it needs the optimum to nearly all digits, which Newton's method provides.
"""

import numpy as np
from _objective import audit_lasso, lasso_threshold, loss_and_residual
from _reference import ACCURACY, _factor
from scipy import sparse
from scipy.linalg import cho_solve

MAX_ROUNDS = 500
# Steps before the features are looked at anew: few, as each needs a Hessian.
MAX_STEPS = 3
SMALLEST_BATCH = 50
RIDGE = 1e-11


def find_lasso_optimum(X, y, multiple):
    """Return F* at this multiple of `lasso_threshold`, that C and the accuracy."""
    C = multiple * lasso_threshold(X, y)
    penalty = 1 / (C * len(y))
    columns = sparse.csc_array(X) if sparse.issparse(X) else np.asfortranarray(X)
    w = np.zeros(X.shape[1])
    best = audit_lasso(X, y, w, C)
    for _ in range(MAX_ROUNDS):
        _, r = loss_and_residual(y, (X @ w)[:, None])
        slope = np.abs(X.T @ r[:, 0]) / len(y)
        slope[w != 0] = 0
        batch = max(SMALLEST_BATCH, np.count_nonzero(w))
        joining = np.argsort(-slope)[:batch]
        joining = joining[slope[joining] > penalty]
        chosen = np.union1d(np.flatnonzero(w), joining)
        w[chosen], done = _minimise(columns[:, chosen], y, w[chosen], penalty)
        result = audit_lasso(X, y, w, C)
        best = min(best, result, key=lambda audit: audit.gap)
        if best.gap <= ACCURACY / 10 * best.value or (done and len(joining) == 0):
            break
    if not best.gap <= ACCURACY * best.value:
        raise ArithmeticError(
            f"the reference is accurate to {best.gap / best.value:.1e} only"
        )
    return {
        "optimum": best.value,
        "relative_gap": best.gap / best.value,
        "C": C,
        "n_nonzero": int(np.count_nonzero(w)),
        "shape": [*X.shape, 2],
    }


def _minimise(A, y, w, penalty):
    """Return w nearer to the minimiser over these features, and if it is there."""
    value, r = _evaluate(A, y, w, penalty)
    for _ in range(MAX_STEPS):
        g = A.T @ r / len(y)
        sign = np.where(w != 0, np.sign(w), -np.sign(g))
        # A coefficient at 0 stays there unless its slope exceeds the penalty.
        slope = np.where((w != 0) | (np.abs(g) > penalty), g + penalty * sign, 0)
        step = _newton_step(A, r, w, sign, slope)
        decrement = -float(slope @ step) / 2
        ratio = np.divide(-w, step, out=np.full_like(w, np.inf), where=w * step < 0)
        first, length = ratio.min(initial=np.inf), 1.0
        while True:
            trial = w + length * step
            trial[(trial * sign < 0) | (ratio == length)] = 0
            trial_value, trial_r = _evaluate(A, y, trial, penalty)
            # Rounding errors of F must not stop the last, quadratically small steps.
            if trial_value <= value + 1e-4 * slope @ (trial - w) + 1e-15 * value:
                break
            length = first if length / 2 < first < length else length / 2
            if length < 1e-12:
                return w, True
        w, value, r = trial, trial_value, trial_r
        # The step that was just made has squared what is left.
        if decrement <= 1e-13 * value:
            return w, True
    return w, False


def _newton_step(A, r, w, sign, slope):
    """Return the step for coefficients off 0, and for those that leave 0 downhill."""
    free = slope != 0
    curvature = np.abs(r) * (1 - np.abs(r))
    while True:
        step = np.zeros_like(w)
        part = A[:, np.flatnonzero(free)]
        if sparse.issparse(A):
            H = (part.T @ (part * curvature[:, None])).toarray()
        else:
            H = part.T @ (part * curvature[:, None])
        H = H / len(r)
        # Columns that depend on each other leave directions without curvature.
        H[np.diag_indices(len(H))] += RIDGE * np.trace(H) / len(H)
        step[free] = -cho_solve(_factor(H), slope[free])
        wrong = free & (w == 0) & (step * sign < 0)
        if not wrong.any():
            return step
        free &= ~wrong


def _evaluate(A, y, w, penalty):
    loss, r = loss_and_residual(y, (A @ w)[:, None])
    return float(loss.mean() + penalty * np.abs(w).sum()), r[:, 0]
