"""What every answer is judged by: the objective, and a bound, both in plain float64.

    F(w, b) = 1/n sum_i loss(y_i, z_i) + 1/(2 C n) |w|^2        with z = X w + b

One column of ``w`` is the binary loss, several are the softmax loss. `audit_lasso` has
an L1 penalty instead, |w|_1 / (C n), for two classes and without b. This module shares
no code with the package, so that the judge does not inherit the mistakes of the judged.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import entr, expit, logsumexp

BLOCK_ENTRIES = 2**22


@dataclass
class Audit:
    """The value F of an answer, and how far it can be above the optimum F*.

    gap : F has at least the curvature of its penalty in w, so that
        F - F* <= |dF/dw|^2 C n / 2, with dF/dw taken for centred features. That needs
        the intercepts to be optimal for their w, which ``intercept_gradient``, the
        largest |dF/db|, tells. It is a proof, and loose where the penalty is weak.
    """

    value: float
    gap: float
    intercept_gradient: float


def audit(X, y, coef, intercept, C):
    """Return the Audit of coef (L, d) and intercept (L,), in the scale of X."""
    n, d = X.shape
    coef = np.asarray(coef, dtype=np.float64).reshape(-1, d)
    intercept = np.asarray(intercept, dtype=np.float64).reshape(-1)
    center = np.zeros(d)
    if not sparse.issparse(X):
        center = X.mean(axis=0, dtype=np.float64)
    penalty = 1 / (C * n)

    loss_sum = 0.0
    gradient = np.zeros_like(coef)
    intercept_gradient = np.zeros_like(intercept)
    row_length = X.nnz // n if sparse.issparse(X) else d
    for rows in row_blocks(n, max(row_length, len(coef))):
        block = X[rows].astype(np.float64)
        loss, r = loss_and_residual(y[rows], block @ coef.T + intercept)
        loss_sum += loss.sum()
        gradient += (block.T @ r).T
        intercept_gradient += r.sum(axis=0)
    gradient -= np.outer(intercept_gradient, center)
    gradient = gradient / n + penalty * coef
    return Audit(
        value=float(loss_sum / n + penalty / 2 * np.sum(coef**2)),
        gap=float(np.sum(gradient**2) / (2 * penalty)),
        intercept_gradient=float(np.abs(intercept_gradient).max() / n),
    )


def audit_lasso(X, y, coef, C):
    """Return the Audit of coef (d,) under the L1 penalty, for two classes, without b.

    The residuals, scaled down until no feature has a slope beyond the penalty, are
    feasible in the dual problem, where the value is the mean entropy of the labels
    under them. It is at most F*. That is a proof, and a loose one: one slope too large
    in a feature of no account scales all residuals.
    """
    coef = np.asarray(coef, dtype=np.float64).ravel()
    z = (X @ coef)[:, None]
    loss, r = loss_and_residual(y, z)
    penalty = 1 / (C * len(y))
    slope = np.abs(X.T @ r[:, 0]).max() / len(y)
    p = np.abs(r[:, 0]) * min(1.0, penalty / slope)
    value = float(loss.mean() + penalty * np.abs(coef).sum())
    dual_value = float(np.mean(entr(p) + entr(1 - p)))
    return Audit(value=value, gap=value - dual_value, intercept_gradient=0.0)


def lasso_threshold(X, y):
    """Return the largest C at which all coefficients of the lasso are 0."""
    return float(1 / np.abs(X.T @ (y - 0.5)).max())


def loss_and_residual(y, z):
    """Return the loss of each row, (n,), and its derivatives by z, (n, L).

    Both keep their leading digits when the model is almost certain of the right class.
    """
    if z.shape[1] == 1:
        sign = np.where(y == 1, 1.0, -1.0)
        margin = sign * z[:, 0]
        return np.logaddexp(0, -margin), (-sign * expit(-margin))[:, None]
    rows = np.arange(len(y))
    shifted = z - z[rows, y][:, None]
    loss = logsumexp(shifted, axis=1)
    r = np.exp(shifted - loss[:, None])
    r[rows, y] = 0
    r[rows, y] = -r.sum(axis=1)
    return loss, r


def row_blocks(n, width):
    """Return slices that cut n rows into blocks of bounded size."""
    step = max(1, BLOCK_ENTRIES // width)
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]
