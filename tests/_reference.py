"""An independent optimum: damped Newton steps in extended precision.

Nothing here comes from the package. The objective is written out once more::

    F(w, b) = 1/S Σ_i s_i loss(y_i, w x_i + b) + ‖w‖² / (2 C S)

Both models are a softmax of logits ``B θ x̃``: the binary one has B = (0, 1)ᵀ, the
symmetric one an orthonormal basis B of the vectors that sum to 0, in which its optimum
lies and which leaves ‖w‖² as it is. Newton's method runs in standardised columns with
the penalty mapped back, on the full coupled Hessian, with everything, elimination
included, in `np.longdouble`. It ends with its own Newton decrement ½ gᵀ H⁻¹ g, which is
F − F* up to higher orders, so that the reference proves itself.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np

MAX_STEPS = 200
# Of F: where Newton's method stops, and what it must have reached.
STOP, PROOF = 1e-16, 1e-13
# Part of a standardised column that lies outside the span of others by rounding only.
DEPENDENT = 1e-14


class Optimum(NamedTuple):
    """The least value of F, and how far from it the reference may still be."""

    value: np.longdouble
    decrement: np.longdouble


def objective(coef, intercept, X, codes, *, C, s=None):
    """Return F of a model, in extended precision, from float64 coefficients."""
    coef, s = _long(coef), _weights(s, codes)
    z = coef @ _long(X).T + _long(intercept)[:, None]
    if len(coef) == 1:
        z = np.vstack([np.zeros_like(z), z])
    loss, _ = _loss_and_proba(z, codes)
    return (s @ loss + np.sum(coef**2) / (2 * _long(C))) / s.sum()


def optimum(X, codes, *, C, binary, fit_intercept=True, s=None):
    """Return the least value of F, in extended precision."""
    s = _weights(s, codes)
    B = _long([[0], [1]]) if binary else _sum_zero_basis(int(codes.max()) + 1)
    Z, penalty = _standardised(_long(X), fit_intercept)
    penalty /= _long(C) * s.sum()
    if np.isinf(C):
        # any basis of the span of the columns gives the same models
        Z = Z[_independent(Z[:, s > 0])]
        penalty = np.zeros(len(Z), np.longdouble)
    s = s / s.sum()
    is_class = np.arange(len(B))[:, None] == codes

    def value_at(theta):
        loss, p = _loss_and_proba(B @ (theta @ Z), codes)
        return s @ loss + np.sum(penalty * theta**2) / 2, p

    theta = np.zeros((B.shape[1], len(Z)), np.longdouble)
    value, p = value_at(theta)
    for _ in range(MAX_STEPS):
        # p − 1 of the true class would cancel
        r = np.where(is_class, -_sums_of_others(p), p)
        gradient = np.inner(B.T @ (s * r), Z) + penalty * theta
        step = -_solve(_hessian(Z, s, p, B, penalty), gradient.ravel())
        step = step.reshape(theta.shape)
        decrement = -np.sum(gradient * step) / 2
        if decrement <= STOP * value:
            break
        length = np.longdouble(1)
        trial, (trial_value, trial_p) = theta + step, value_at(theta + step)
        while trial_value > value - 1e-4 * length * decrement and length > 1e-9:
            length /= 2
            trial = theta + length * step
            trial_value, trial_p = value_at(trial)
        theta, value, p = trial, trial_value, trial_p
    assert 0 <= decrement <= PROOF * value, f"decrement / F = {decrement / value:.1e}"
    return Optimum(value, decrement)


def _long(a):
    return np.asarray(a, dtype=np.longdouble)


def _weights(s, codes):
    return np.ones(len(codes), np.longdouble) if s is None else _long(s)


def _sum_zero_basis(n_classes):
    """Return an orthonormal basis, (K, K − 1), of the vectors that sum to 0."""
    B = np.zeros((n_classes, n_classes - 1), np.longdouble)
    for k in range(1, n_classes):
        B[:k, k - 1] = 1
        B[k, k - 1] = -k
        B[:, k - 1] /= np.sqrt(_long(k * (k + 1)))
    return B


def _loss_and_proba(z, codes):
    """Return the cross-entropy of each row and its probabilities, digits and all."""
    rows = np.arange(z.shape[1])
    z = z - z[codes, rows]
    largest = z.max(axis=0)
    e = np.exp(z - largest)
    p = e / e.sum(axis=0)
    own = e[codes, rows]
    e[codes, rows] = 0
    others = e.sum(axis=0)
    # log Σ exp(z), where exp(z_y) = 1 is left to log1p if it is the largest term
    loss = np.log1p(others)
    behind = largest > 0
    loss[behind] = (largest + np.log(own + others))[behind]
    return loss, p


def _sums_of_others(p):
    """Return 1 − p without cancellation."""
    return (1 - np.eye(len(p), dtype=np.longdouble)) @ p


def _standardised(X, fit_intercept):
    """Return the columns as rows of unit size, and ‖w‖² in their coefficients."""
    center = X.mean(axis=0) if fit_intercept else np.zeros(X.shape[1], X.dtype)
    Z = np.ascontiguousarray((X - center).T)
    scale = np.sqrt((Z**2).mean(axis=1))
    # a constant column may leave rounding behind, which is no spread
    scale[scale <= 1e-17 * abs(center)] = 1
    Z /= scale[:, None]
    penalty = scale**-2
    if fit_intercept:
        Z = np.vstack([Z, np.ones(len(X), np.longdouble)])
        penalty = np.append(penalty, np.longdouble(0))
    return Z, penalty


def _independent(Z):
    """Return which rows of Z a pivoted Gram-Schmidt process keeps."""
    rest, kept = Z.copy(), []
    for _ in Z:
        sizes = np.sqrt((rest**2).mean(axis=1))
        j = int(np.argmax(sizes))
        if sizes[j] <= DEPENDENT:
            break
        kept.append(j)
        q = rest[j] / np.sqrt(rest[j] @ rest[j])
        for _ in range(2):  # twice is enough
            rest -= (rest @ q)[:, None] * q
        rest[kept] = 0
    return sorted(kept)


def _hessian(Z, s, p, B, penalty):
    m, e = B.shape[1], len(Z)
    # Bᵀ (diag(p) − p pᵀ) B as a sum over pairs of classes, where nothing cancels
    h = np.zeros((m, m, len(s)), np.longdouble)
    for k, other in combinations(range(len(B)), 2):
        difference = B[k] - B[other]
        h += np.multiply.outer(np.outer(difference, difference), s * p[k] * p[other])
    hessian = np.empty((m, e, m, e), np.longdouble)
    for a in range(m):
        for b in range(a + 1):
            block = np.einsum("in,jn->ij", h[a, b] * Z, Z)
            hessian[a, :, b] = hessian[b, :, a] = block
        hessian[a, np.arange(e), a, np.arange(e)] += penalty
    return hessian.reshape(m * e, m * e)


def _solve(hessian, gradient):
    """Solve a positive definite system by elimination, its diagonal scaled to 1."""
    diagonal = hessian.diagonal()
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1))
    A = hessian * scale[:, None] * scale
    x = gradient * scale
    for j in range(len(x)):
        if A[j, j] <= 0:  # a column of zeros, which has no gradient
            A[j, j] = 1
        factor = A[j + 1 :, j] / A[j, j]
        A[j + 1 :, j + 1 :] -= factor[:, None] * A[j, j + 1 :]
        x[j + 1 :] -= factor * x[j]
    for j in reversed(range(len(x))):
        x[j] = (x[j] - A[j, j + 1 :] @ x[j + 1 :]) / A[j, j]
    return x * scale
