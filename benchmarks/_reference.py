"""The optimum F*, found by Newton's method, which no solver under test has a part in.

Dense features are centred and scaled to unit variance, and the penalty is mapped along,
so that the optimum stays that of the raw data; where n < d, they are first rotated into
the n-dimensional space that their rows span, which holds the solution. Sparse features
are scaled only. Then damped Newton steps: by the Cholesky factor of the whole Hessian
where it has at most MAX_DIRECT rows, else by conjugate gradients on Hessian-vector
products, preconditioned with the diagonal blocks of the classes, along a path of
penalties that fall to the wanted one.

The proof of accuracy is the gap that `_objective.audit` computes from the answer in the
raw coordinates. It does not depend on how the answer was found.
"""

from dataclasses import dataclass, replace

import numpy as np
from _objective import audit, loss_and_residual, row_blocks
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve

ACCURACY = 1e-10
MAX_DIRECT = 3000
MAX_BLOCK = 3000
MAX_NEWTON_STEPS = 200
ROUGH = 0.03
MAX_CG_STEPS = 1000
# The factors of the preconditioner cost as much as this many steps or more.
CG_STEPS_PER_FACTOR = 50


def find_optimum(X, y, C):
    """Return F*, its relative gap and what the search took, as a dict."""
    n_classes = int(y.max()) + 1
    problem, to_raw = _prepare(X, y, C, n_classes)
    theta, steps, decrement = _minimise(problem)
    result = audit(X, y, *to_raw(theta), C)
    # Two ways to know: the gap is a proof, but below rounding errors where the penalty
    # is extremely weak; Newton's decrement is an estimate, and sharp.
    proved = max(result.gap, result.intercept_gradient)
    accuracy = min(proved, decrement) / result.value
    if not accuracy <= ACCURACY:
        raise ArithmeticError(f"the reference is accurate to {accuracy:.1e} only")
    return {
        "optimum": result.value,
        "relative_gap": result.gap / result.value,
        "relative_decrement": decrement / result.value,
        "intercept_gradient": result.intercept_gradient,
        "newton_steps": steps,
        "method": "cholesky" if problem.direct else "conjugate gradients",
        "shape": [*X.shape, n_classes],
    }


@dataclass
class _Problem:
    """Features with a last column of ones, A (n, m); theta is (L, m) accordingly."""

    A: np.ndarray | sparse.csr_array
    y: np.ndarray
    penalty: np.ndarray
    n_logits: int

    @property
    def direct(self):
        size = self.n_logits * self.A.shape[1]
        return not sparse.issparse(self.A) and size <= MAX_DIRECT

    def evaluate(self, theta):
        """Return F, dF/dtheta (L, m) and the residuals (n, L)."""
        loss, r = loss_and_residual(self.y, self.A @ theta.T)
        value = loss.mean() + 0.5 * float(np.sum(self.penalty * theta**2))
        return value, (self.A.T @ r).T / len(r) + self.penalty * theta, r

    def gap(self, gradient):
        """Return the bound of F - F* that the penalty gives."""
        return float(np.sum(gradient[:, :-1] ** 2 / (2 * self.penalty[:-1])))


def _prepare(X, y, C, n_classes):
    """Return the problem in good coordinates, and the way back to the raw ones."""
    n, d = X.shape
    X = X.astype(np.float64)
    if sparse.issparse(X):
        mean, scale = np.zeros(d), np.sqrt(np.asarray((X * X).mean(axis=0)).ravel())
    else:
        mean, scale = X.mean(axis=0), X.std(axis=0)
    # A constant column only does the work of the intercept: its coefficient is 0.
    kept = np.flatnonzero(scale > 1e-14 * np.abs(mean))
    rotation = None
    if sparse.issparse(X):
        Z, scale = X[:, kept], scale[kept]
    elif n < len(kept):
        left, singular, rotation = np.linalg.svd(X[:, kept] - mean[kept], False)
        rank = int(np.sum(singular > 1e-12 * singular[0]))
        rotation = rotation[:rank]
        Z, scale = left[:, :rank] * singular[:rank], singular[:rank] / np.sqrt(n)
    else:
        Z, scale = X[:, kept], scale[kept]
        Z -= mean[kept]
    if sparse.issparse(Z):
        A = sparse.hstack([Z / scale, np.ones((n, 1))], format="csr")
    else:
        Z /= scale
        A = np.column_stack([Z, np.ones(n)])
    penalty = np.append(1 / (C * n * scale**2), 0)

    def to_raw(theta):
        w = theta[:, :-1] / scale
        coef = np.zeros((len(theta), d))
        coef[:, kept] = w if rotation is None else w @ rotation
        return coef, theta[:, -1] - coef @ mean

    return _Problem(A, y, penalty, n_classes if n_classes > 2 else 1), to_raw


def _minimise(problem):
    """Return the minimiser, the number of Newton steps and the last decrement."""
    theta, total = np.zeros((problem.n_logits, problem.A.shape[1])), 0
    for weight in [1.0] if problem.direct else _penalty_path(problem):
        heavier = replace(problem, penalty=weight * problem.penalty)
        rough = 0.0 if weight == 1 else ROUGH
        theta, steps, decrement = _newton(heavier, theta, rough)
        total += steps
    return theta, total, decrement


def _penalty_path(problem):
    """Return factors of the penalty that fall to 1.

    Almost separable data with next to no penalty make Newton's steps overshoot, and
    damped steps are short. From the optimum at a heavier penalty they are not.
    """
    heavy = 0.1 / np.median(problem.penalty[:-1])
    return 10.0 ** np.arange(max(0, round(np.log10(heavy))), -1, -1)


def _newton(problem, theta, rough):
    """Return the minimiser, the number of steps and the last decrement.

    It ends at the full accuracy, or at once below the decrement `rough`, relative to F.
    """
    value, gradient, r = problem.evaluate(theta)
    decrement = np.inf
    solver = _NewtonSolver(problem)
    for steps in range(MAX_NEWTON_STEPS):
        if decrement <= rough * value:
            break
        # The gap leaves the intercepts out, so they get a margin of their own.
        intercept_gradient = np.abs(gradient[:, -1]).max()
        if max(problem.gap(gradient), intercept_gradient) <= ACCURACY / 100 * value:
            break
        # Inexact at first, so that the last steps are the ones that cost.
        precision = min(0.1, np.sqrt(decrement / value))
        step = -solver.solve(r, gradient, precision)
        slope = float(np.sum(gradient * step))
        decrement = -slope / 2
        length = 1.0
        trial = problem.evaluate(theta + step)
        # Rounding errors of F must not stop the last, quadratically small steps.
        while trial[0] > value + 1e-4 * length * slope + 1e-14 * value:
            length /= 2
            if length < 1e-8:
                return theta, steps, decrement
            trial = problem.evaluate(theta + length * step)
        theta = theta + length * step
        value, gradient, r = trial
    return theta, steps, decrement


class _NewtonSolver:
    """Solves with the Hessian; keeps its preconditioner for as long as that is good."""

    def __init__(self, problem):
        self._problem = problem
        self._precondition = None

    def solve(self, r, gradient, precision):
        """Return H^-1 gradient, exactly or up to `precision`."""
        problem = self._problem
        # Adding a constant to all columns of theta changes nothing but the penalty: in
        # that direction H is as good as singular. The gradient has no part in it, so
        # that some curvature there leaves the solution as it is and keeps it stable.
        own = np.abs(r)
        curvature = own * (1 - own)
        shift = curvature.mean() if problem.n_logits > 1 else 0.0
        if problem.direct:
            H = _full_hessian(problem, r, curvature, shift)
            return cho_solve(_factor(H), gradient.ravel()).reshape(gradient.shape)

        if self._precondition is None:
            self._precondition = _preconditioner(problem, curvature, shift)
        x, n_steps = _conjugate_gradients(
            lambda v: _hessian_product(problem, r, v) + shift * v.mean(axis=0),
            self._precondition,
            gradient,
            precision,
        )
        if n_steps > CG_STEPS_PER_FACTOR:
            self._precondition = None
        # The part in that direction, which rounding and early stopping leave in x, is
        # one that the penalty alone would take many steps to undo.
        return x - x.mean(axis=0) if problem.n_logits > 1 else x


def _full_hessian(problem, r, curvature, shift):
    """Return the Hessian over all classes, (L m, L m)."""
    A, (n, m), n_logits = problem.A, problem.A.shape, problem.n_logits
    if n_logits == 1:
        return _weighted_gram(A, curvature[:, 0]) + np.diag(problem.penalty)
    # sum_i (diag(p_i) - p_i p_i^T) (x) a_i a_i^T, its second part as one big product.
    p = _probabilities(problem, r)
    H = np.zeros((n_logits * m, n_logits * m))
    for rows in row_blocks(n, n_logits * m):
        spread = (p[rows, :, None] * A[rows, None, :]).reshape(-1, n_logits * m)
        H -= spread.T @ spread / n
    blocks = H.reshape(n_logits, m, n_logits, m)
    blocks += shift / n_logits * np.eye(m)[None, :, None, :]
    for k in range(n_logits):
        blocks[k, :, k, :] += _weighted_gram(A, p[:, k]) + np.diag(problem.penalty)
    return H


def _hessian_product(problem, r, v):
    """Return the Hessian times v, both (L, m)."""
    t = problem.A @ v.T
    if problem.n_logits == 1:
        own = np.abs(r)
        t *= own * (1 - own)
    else:
        # Relative to the true class, whose probability may round to 1.
        rows = np.arange(len(t))
        t -= t[rows, problem.y][:, None]
        p = _probabilities(problem, r)
        t = p * (t - np.sum(p * t, axis=1)[:, None])
    return (problem.A.T @ t).T / len(t) + problem.penalty * v


def _preconditioner(problem, curvature, shift):
    """Return a function that solves with the diagonal blocks, or with the diagonal."""
    extra = problem.penalty + shift / problem.n_logits
    if sparse.issparse(problem.A) or problem.A.shape[1] > MAX_BLOCK:
        diagonal = (problem.A * problem.A).T @ curvature / len(curvature)
        return lambda g: g / (diagonal.T + extra)
    factors = [
        _factor(_weighted_gram(problem.A, weight) + np.diag(extra))
        for weight in curvature.T
    ]
    return lambda g: np.array(
        [cho_solve(f, row) for f, row in zip(factors, g, strict=True)]
    )


def _conjugate_gradients(product, precondition, b, precision):
    """Return H^-1 b, up to `precision` in the norm of M^-1, and the number of steps."""
    x, residual = np.zeros_like(b), b.copy()
    z = precondition(residual)
    direction, size = z, float(np.sum(residual * z))
    wanted = precision**2 * size
    n_steps = 0
    while n_steps < MAX_CG_STEPS:
        n_steps += 1
        Hd = product(direction)
        length = size / float(np.sum(direction * Hd))
        x += length * direction
        residual -= length * Hd
        z = precondition(residual)
        previous, size = size, float(np.sum(residual * z))
        if size <= wanted:
            break
        direction = z + size / previous * direction
    return x, n_steps


def _factor(H):
    """Return a Cholesky factor, of H plus as little as makes it exist."""
    ridge = 0.0
    while True:
        try:
            return cho_factor(H + ridge * np.eye(len(H)), check_finite=False)
        except np.linalg.LinAlgError:
            ridge = max(10 * ridge, 1e-15 * np.trace(H) / len(H))


def _weighted_gram(A, weight):
    """Return A.T diag(weight) A / n, block by block, so that A is never copied."""
    gram = np.zeros((A.shape[1], A.shape[1]))
    for rows in row_blocks(*A.shape):
        gram += (A[rows].T * weight[rows]) @ A[rows]
    return gram / len(A)


def _probabilities(problem, r):
    p = r.copy()
    p[np.arange(len(p)), problem.y] += 1
    return p
