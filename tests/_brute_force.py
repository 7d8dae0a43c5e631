"""The optimum under penalties and bounds, by brute force, for small problems.

Nothing here comes from the package. The objective is written out once more::

    F(w, b) = 1/S Σ_i s_i H(q_i, p_i) + 1/(C S) Σ_j π_j [ρ |w_j| + (1 − ρ)/2 w_j²]

with S = Σ s_i, targets q, probabilities p = softmax(w x + b + offset), and ρ for
`l1_ratio`. A single logit z stands for the two logits (0, z). SciPy minimises over
u ≥ 0 and v ≥ 0 in ``w = u − v``, where |w| becomes u + v, which is smooth, and where
bounds on w are bounds on u and v.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax


class Optimum(NamedTuple):
    """The least value of F, and where it is."""

    value: float
    coef: np.ndarray
    intercept: np.ndarray


def log_proba(coef, intercept, X, offset=None):
    """Return the log-probabilities (n, K) of a model; coef is (1, d) or (K, d)."""
    z = X @ coef.T + intercept
    if offset is not None:
        z = z + np.reshape(offset, z.shape)
    if len(coef) == 1:
        z = np.hstack([np.zeros_like(z), z])
    return log_softmax(z, axis=1)


def mean_loss(coef, intercept, X, q, *, s=None, offset=None):
    """Return the weighted mean of H(q, p), with its gradients in coef and intercept."""
    s = np.ones(len(q)) if s is None else s
    log_p = log_proba(coef, intercept, X, offset)
    r = (s / s.sum())[:, None] * (np.exp(log_p) - q)[:, -len(coef) :]
    value = -s @ np.sum(q * log_p, axis=1) / s.sum()
    return value, r.T @ X, r.sum(axis=0)


def penalty_terms(n_features, total, *, C=1.0, l1_ratio=0.0, penalty_weights=None):
    """Return the factors (d,) of |w_j| and of w_j² / 2 in F; `total` is S."""
    weights = np.ones(n_features) if penalty_weights is None else penalty_weights
    strength = np.asarray(weights) / (C * total)
    return l1_ratio * strength, (1 - l1_ratio) * strength


def limits(bounds, n_features):
    """Return the lower and the upper bound (d,) that an argument `bounds` means."""
    lower, upper = (None, None) if bounds is None else bounds
    lower = -np.inf if lower is None else lower
    upper = np.inf if upper is None else upper
    return np.broadcast_to(lower, n_features), np.broadcast_to(upper, n_features)


def objective(coef, intercept, X, q, *, s=None, offset=None, **penalty):
    """Return F of a model; `penalty` has the arguments of `penalty_terms`."""
    total = len(q) if s is None else s.sum()
    l1, l2 = penalty_terms(X.shape[1], total, **penalty)
    value, _, _ = mean_loss(coef, intercept, X, q, s=s, offset=offset)
    return value + np.sum(l1 * abs(coef) + l2 * coef**2 / 2)


def fitted_objective(model, X, y, s=None):
    """Return F of a model fitted with its C and l1_ratio, on labels it knows."""
    q = np.eye(len(model.classes_))[np.searchsorted(model.classes_, y)]
    penalty = {"C": model.C, "l1_ratio": model.l1_ratio}
    return objective(model.coef_, model.intercept_, X, q, s=s, **penalty)


def optimum(
    X, q, *, binary, fit_intercept=True, bounds=None, s=None, offset=None, **penalty
):
    """Return the least value of F under the bounds, and where it is."""
    L, d = 1 if binary else q.shape[1], X.shape[1]
    total = len(q) if s is None else s.sum()
    l1, l2 = penalty_terms(d, total, **penalty)
    lower, upper = limits(bounds, d)

    def F(params):
        u, v = params[: 2 * L * d].reshape(2, L, d)
        w, b = u - v, params[2 * L * d :]
        value, slope, intercept_slope = mean_loss(w, b, X, q, s=s, offset=offset)
        value += np.sum(l1 * (u + v) + l2 * w**2 / 2)
        slope += l2 * w
        return value, np.hstack([*(slope + l1), *(l1 - slope), intercept_slope])

    least = np.repeat(np.clip([lower, -upper], 0, None), L, axis=0).ravel()
    most = np.repeat(np.clip([upper, -lower], 0, None), L, axis=0).ravel()
    free = np.full(L, np.inf if fit_intercept else 0)
    box = np.array([np.append(least, -free), np.append(most, free)])
    found = minimize(
        F,
        np.clip(0.0, *box),
        jac=True,
        method="L-BFGS-B",
        bounds=box.T,
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 10_000, "maxcor": 30},
    ).x
    u, v = found[: 2 * L * d].reshape(2, L, d)
    w, b = np.clip(u - v, lower, upper), found[2 * L * d :]
    return Optimum(objective(w, b, X, q, s=s, offset=offset, **penalty), w, b)
