"""Pointwise cross-entropy of logits: loss, residual, curvature, probabilities.

The cross-entropy of a target distribution ``q`` and the model's ``p`` is::

    loss(q, z) = -Σ_k q_k log p_k(z)        residual  r_k = ∂loss/∂z_k = p_k − q_k
                                            curvature h_k = ∂²loss/∂z_k² = p_k (1 − p_k)

with ``p = (expit(−z), expit(z))`` for one logit (binary) and ``p = softmax(z)`` for K
logits. A class code ``y`` stands for the one-hot ``q``. The conjugate of the loss is
the negative entropy H of a distribution::

    inf_z loss(q, z) − r·z = H(q + r)

The formulas are accurate because no two numbers that nearly cancel are subtracted.
Exponentials have non-positive arguments only, so they cannot overflow. The loss of a
confident, correct prediction is ``log1p`` of the small odds against it. ``1 − p`` of
the most probable class is the sum of the other probabilities.

Conventions
-----------
z : (n, L) logits, with L = 1 for `BinaryCrossEntropy` and L = K for
    `SoftmaxCrossEntropy`. Fortran order is fastest, because reductions over classes
    then run along contiguous memory.
y : (n,) integer class codes 0 … K − 1, or (n, K) target distributions, rows sum to 1.
loss, dual value : (n,) in nats.
residual, curvature : (n, L).
log_proba, proba : (n, K).

Results have the floating type of ``z``. The caller applies sample weights.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .entropy import entropy_between

Array = NDArray[np.floating]

# No column of finite data can scale a probability below this back to a curvature that
# float64 resolves.
SATURATED = 1e-40


class Loss(Protocol):
    """A convex loss of the logits of one row, with class probabilities.

    A problem needs ``loss_and_residual``. Second-order methods need the Hessian of a
    row in its logits, in the four forms that follow it. The certificate needs the
    probabilities, their change and the dual value. No other module knows a formula of
    the loss.

    **Hessian.** It does not depend on the targets. For L = K logits it is
    ``diag(p) − p pᵀ``, with p from ``proba``: `coupled_hessian` uses this structure.

    **Divergence.** The certificate moves probabilities to first order, to
    ``p' = proba(z) + change_of_proba(z, dz)``. As long as each entry of the second
    result of ``curvature_times`` is below 1, p' has to be a valid distribution, and the
    Bregman divergence of p' and p at most ``dzᵀ (∂²loss/∂z²) dz``.

    Attributes
    ----------
    ignores_common_shift : bool
        Whether adding one number to all logits of a row leaves the loss unchanged. The
        data then do not determine the mean of a feature's coefficients over the
        classes, and the solver chooses the one with the smallest penalty.
    """

    ignores_common_shift: bool

    def n_logits(self, n_classes: int) -> int:
        """Return the number of logits of a row: L."""
        ...

    def loss_and_residual(self, y: NDArray, z: Array) -> tuple[Array, Array]:
        """Return the loss of every row, (n,), and ∂loss/∂z, (n, L).

        Both are finite for any finite z.
        """
        ...

    def second_order(self, y: NDArray, z: Array) -> tuple[Array, Array, Array]:
        """Return the loss and the residual, and what the Hessian of a row is made of.

        That is the curvature, (n, 1), for one logit, and p, (n, K), for K logits. The
        exponentials are computed once.
        """
        ...

    def curvature(self, z: Array) -> Array:
        """Return the diagonal of the Hessian of each row, ∂²loss/∂z_k², (n, L)."""
        ...

    def curvature_times(self, z: Array, dz: Array) -> tuple[Array, Array]:
        """Return the Hessian of each row times a change of its logits.

        Returns
        -------
        product : ndarray of shape (n, L)
            ∂²loss/∂z² dz.
        effective_change : ndarray of shape (n, L)
            dz without the part that the loss ignores: its common shift, and logits
            whose curvature is below ``SATURATED``.
        """
        ...

    def total_hessian(self, z: Array, s: NDArray | None) -> NDArray:
        """Return Σ_i s_i ∂²loss/∂z², (L, L), in float64; s of None means 1."""
        ...

    def majorant(self, z: Array) -> Array:
        """Return curvatures, (n, L), of an upper bound of the loss.

        The parabola that touches the loss at z and has this curvature is nowhere below
        the loss.
        """
        ...

    def proba(self, z: Array) -> Array:
        """Return class probabilities p, (n, K), each with a small relative error."""
        ...

    def change_of_proba(self, z: Array, dz: Array) -> Array:
        """Return the derivative of p along dz, (n, K)."""
        ...

    def dual_value(self, y: NDArray, p: Array, share: float) -> tuple[Array, Array]:
        """Return the dual value at scaled residuals, and these residuals.

        The dual value at a residual r is ``inf_z loss(y, z) − r·z``, the negative
        conjugate of the loss. A mean of dual values bounds the optimum from below.

        Parameters
        ----------
        y : ndarray of shape (n,) or (n, K)
        p : ndarray of shape (n, K)
            Class probabilities, which need not be those of any logits.
        share : float
            The factor of the residuals of p, from 0 to 1.

        Returns
        -------
        value : ndarray of shape (n,)
            In nats.
        residual : ndarray of shape (n, L)
            ``share`` times the residual of p.
        """
        ...

    def log_proba(self, z: Array) -> Array:
        """Return log p, (n, K), finite for any finite z."""
        ...

    def predict(self, z: Array) -> NDArray[np.intp]:
        """Return the code of the most probable class, (n,)."""
        ...

    def margin(self, z: Array, dz: Array) -> tuple[Array, Array]:
        """Return the leads of the most probable class, and by how much dz raises them.

        Both have the shape (n, L), in units of a logit.
        """
        ...

    def prior_logits(self, frequencies: Array) -> Array:
        """Return the logits, (L,), whose probabilities are ``frequencies``, (K,)."""
        ...


class BinaryCrossEntropy:
    """Cross-entropy of two classes with probabilities (expit(−z), expit(z)).

    `Loss` documents the methods; here L = 1 and K = 2.
    """

    ignores_common_shift = False

    def n_logits(self, n_classes: int) -> int:
        return 1

    def loss_and_residual(self, y: NDArray, z: Array) -> tuple[Array, Array]:
        z = z[:, 0]
        if y.ndim == 1:
            # a is minus the margin: it is positive where the prediction is wrong
            sign = np.array([1, -1], z.dtype)[y]
            a = sign * z
            odds = np.exp(-np.abs(a))
            loss = np.log1p(odds)
            loss += np.maximum(a, 0)
            residual = _expit(a, odds)
            residual *= sign
        else:
            odds = np.exp(-np.abs(z))
            q0, q1 = y[:, 0].astype(z.dtype), y[:, 1].astype(z.dtype)
            loss = np.log1p(odds) + q0 * np.maximum(z, 0) + q1 * np.maximum(-z, 0)
            residual = q0 * _expit(z, odds) - q1 * _expit(-z, odds)
        return loss, residual[:, None]

    def second_order(self, y: NDArray, z: Array) -> tuple[Array, Array, Array]:
        return *self.loss_and_residual(y, z), self.curvature(z)

    def curvature(self, z: Array) -> Array:
        odds = np.exp(-np.abs(z))
        return odds / (1 + odds) ** 2

    def curvature_times(self, z: Array, dz: Array) -> tuple[Array, Array]:
        # dz may have several columns: each is a change of the logit of its own
        h = self.curvature(z)
        return h * dz, np.where(h > SATURATED, dz, 0)

    def total_hessian(self, z: Array, s: NDArray | None) -> NDArray:
        h = self.curvature(z).astype(np.float64, copy=False)
        return np.atleast_2d(h.sum() if s is None else s @ h[:, 0])

    def change_of_proba(self, z: Array, dz: Array) -> Array:
        change, _ = self.curvature_times(z, dz)
        return np.hstack([-change, change])

    def dual_value(self, y: NDArray, p: Array, share: float) -> tuple[Array, Array]:
        value, residual = entropy_between(y, p, share)
        return value, residual[:, 1:]

    def margin(self, z: Array, dz: Array) -> tuple[Array, Array]:
        return np.abs(z), np.where(z < 0, -dz, dz)

    def majorant(self, z: Array) -> Array:
        """Return the curvature, (n, 1), of a parabola above the loss.

        It touches the loss at z and −z. T. S. Jaakkola and M. I. Jordan (2000),
        doi:10.1023/A:1008932416310.
        """
        a = np.maximum(np.abs(z), 1e-4)  # tanh(a / 2) / (2 a) is 1/4 below this
        return np.tanh(a / 2) / (2 * a)

    def log_proba(self, z: Array) -> Array:
        z = z[:, 0]
        log1p_odds = np.log1p(np.exp(-np.abs(z)))
        return np.stack(
            [-np.maximum(z, 0) - log1p_odds, np.minimum(z, 0) - log1p_odds], axis=1
        )

    def proba(self, z: Array) -> Array:
        z = z[:, 0]
        odds = np.exp(-np.abs(z))
        return np.stack([_expit(-z, odds), _expit(z, odds)], axis=1)

    def predict(self, z: Array) -> NDArray[np.intp]:
        return (z[:, 0] > 0).astype(np.intp)

    def prior_logits(self, frequencies: Array) -> Array:
        return np.log(frequencies[1:]) - np.log(frequencies[:1])


class SoftmaxCrossEntropy:
    """Cross-entropy of K classes with probabilities softmax(z).

    `Loss` documents the methods; here L = K.
    """

    ignores_common_shift = True

    def n_logits(self, n_classes: int) -> int:
        return n_classes

    def loss_and_residual(self, y: NDArray, z: Array) -> tuple[Array, Array]:
        if y.ndim == 2:
            return self._loss_and_residual_of_distributions(y.astype(z.dtype), z)
        # one contiguous row per class; no copy if z is in Fortran order
        z = np.ascontiguousarray(z.T)
        # codes may have a type that is too small for the products
        true = y.astype(np.intp, copy=False) * z.shape[1] + np.arange(z.shape[1])
        top = z.max(axis=0)
        e = np.exp(z - top)
        flat = e.reshape(-1)
        e_true = flat[true]
        flat[true] = 0
        others = e.sum(axis=0)
        # If the true class has the largest logit, e_true − 1 is exactly 0, and the loss
        # is log1p(others). Otherwise log(total) ≥ 0 and top − z_y > 0 do not cancel.
        loss = np.log1p(others + (e_true - 1)) + (top - z.reshape(-1)[true])
        total = others + e_true
        residual = np.divide(e, total, out=e)
        flat[true] = -others / total
        return loss, residual.T

    def _loss_and_residual_of_distributions(
        self, q: Array, z: Array
    ) -> tuple[Array, Array]:
        p, complement, to_top, log_total = self._probabilities(z)
        loss = log_total + np.einsum("ik,ik->i", q, to_top)
        # equals p − q, but does not cancel where both are near 0 or near 1
        residual = p * (1 - q) - q * complement
        return loss, residual

    def second_order(self, y: NDArray, z: Array) -> tuple[Array, Array, Array]:
        if y.ndim == 2:
            return *self.loss_and_residual(y, z), self.proba(z)
        z = np.ascontiguousarray(z.T)
        rows, best = np.arange(z.shape[1]), z.argmax(axis=0)
        top = z[best, rows]
        p = np.exp(z - top)
        p[best, rows] = 0
        others = p.sum(axis=0)
        p[best, rows] = 1
        total = 1 + others
        p /= total
        loss = np.log1p(others)
        loss += top - z[y, rows]
        # 1 − p of the true class: it is at most ½ unless it is the most probable one
        complement = np.where(y == best, others / total, 1 - p[y, rows])
        residual = p.copy()
        residual[y, rows] = -complement
        return loss, residual.T, p.T

    def curvature(self, z: Array) -> Array:
        p, complement, _, _ = self._probabilities(z)
        return p * complement

    def curvature_times(self, z: Array, dz: Array) -> tuple[Array, Array]:
        p = self._probabilities(z)[0]
        # Subtract the mean of dz under p, which is a common shift. Subtract the change
        # of the most probable class first: in the mean it would nearly cancel.
        rows = np.arange(len(z))
        change = dz - dz[rows, z.argmax(axis=1)][:, None]
        change -= np.einsum("ik,ik->i", p, change)[:, None]
        return p * change, np.where(p > SATURATED, change, 0)

    def total_hessian(self, z: Array, s: NDArray | None) -> NDArray:
        p = self.proba(z).astype(np.float64, copy=False)
        weighted = p if s is None else s[:, None] * p
        return np.diag(weighted.sum(axis=0)) - weighted.T @ p

    def change_of_proba(self, z: Array, dz: Array) -> Array:
        return self.curvature_times(z, dz)[0]

    def dual_value(self, y: NDArray, p: Array, share: float) -> tuple[Array, Array]:
        return entropy_between(y, p, share)

    def margin(self, z: Array, dz: Array) -> tuple[Array, Array]:
        top = np.arange(len(z)), z.argmax(axis=1)
        return z[top][:, None] - z, dz[top][:, None] - dz

    def majorant(self, z: Array) -> Array:
        """Return a bound of the curvature, (n, K), that holds for all logits.

        The Hessian of a row is at most (I − 1/K) / 2. D. Böhning (1992),
        doi:10.1007/BF00048682.
        """
        return np.full_like(z, 0.5 * (1 - 1 / z.shape[1]))

    def log_proba(self, z: Array) -> Array:
        _, _, to_top, log_total = self._probabilities(z)
        return -(to_top + log_total[:, None])

    def proba(self, z: Array) -> Array:
        return self._probabilities(z)[0]

    def predict(self, z: Array) -> NDArray[np.intp]:
        return z.argmax(axis=1)

    def prior_logits(self, frequencies: Array) -> Array:
        logits = np.log(frequencies)
        # of all logits with these probabilities, those with mean 0
        return logits - logits.mean()

    @staticmethod
    def _probabilities(z: Array) -> tuple[Array, Array, Array, Array]:
        """Return p, 1 − p, max_j z_j − z_k and log Σ_j exp(z_j − max z)."""
        rows, best = np.arange(len(z)), z.argmax(axis=1)
        to_top = z[rows, best][:, None] - z
        e = np.exp(-to_top)
        e[rows, best] = 0
        others = e.sum(axis=1)
        e[rows, best] = 1
        total = 1 + others
        p = e / total[:, None]
        complement = 1 - p
        complement[rows, best] = others / total
        return p, complement, to_top, np.log1p(others)


def largest_change(dz: Array) -> Array:
    """Return the largest change of a difference of two logits, (n,), given (n, L)."""
    return np.abs(dz[:, 0]) if dz.shape[1] == 1 else np.ptp(dz, axis=1)


def _expit(a: Array, odds: Array) -> Array:
    """Return 1 / (1 + exp(−a)), given ``odds = exp(−|a|)``."""
    # a second exponential is several times faster than a selection by np.where
    expit = np.exp(np.minimum(a, 0))
    expit /= 1 + odds
    return expit


LOSSES: dict[str, Loss] = {
    "binary": BinaryCrossEntropy(),
    "softmax": SoftmaxCrossEntropy(),
}
