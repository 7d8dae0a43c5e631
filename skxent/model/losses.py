"""Pointwise cross-entropy of logits: loss, residual, curvature, probabilities.

The cross-entropy of a target distribution ``q`` and the model's ``p`` is::

    loss(q, z) = -Σ_k q_k log p_k(z)        residual  r_k = ∂loss/∂z_k = p_k − q_k
                                            curvature h_k = ∂²loss/∂z_k² = p_k (1 − p_k)

with ``p = (expit(−z), expit(z))`` for one logit (binary) and ``p = softmax(z)`` for K
logits. A class code ``y`` stands for the one-hot ``q``.

What makes it accurate: nothing here ever subtracts two numbers that nearly cancel.
Exponentials are taken of non-positive arguments only, so they cannot overflow; the
loss of a confident, correct prediction is ``log1p`` of the small odds against it; and
``1 − p`` of the likely class is the sum of the *other* probabilities.

Conventions
-----------
z : (n, L) logits, with L = 1 for `BinaryCrossEntropy` and L = K for
    `SoftmaxCrossEntropy`. Arrays in Fortran order are the fast ones: all reductions
    over classes then run along contiguous rows.
y : (n,) integer class codes 0 … K − 1, or (n, K) target distributions, rows sum to 1.
loss : (n,) in nats.
residual, curvature : (n, L).
log_proba, proba : (n, K).

The floating type of ``z`` is kept. Sample weights are the caller's business.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

# A probability below this carries no curvature that any column could bring back.
SATURATED = 1e-40


class Loss(Protocol):
    """What a loss has to know: everything about a row, once its logits are there.

    Attributes
    ----------
    ignores_common_shift : bool
        Whether a common shift of all logits of a row changes nothing. The classes of
        coefficients may then be shifted at will, and the solver settles their shift.
    """

    ignores_common_shift: bool

    def n_logits(self, n_classes: int) -> int:
        """Return the number of logits of a row: L."""
        ...

    def loss_and_residual(self, y: NDArray, z: Array) -> tuple[Array, Array]:
        """Return the loss of every row, (n,), and ∂loss/∂z, (n, L)."""
        ...

    def curvature(self, z: Array) -> Array:
        """Return ∂²loss/∂z_k², (n, L), which does not depend on the targets."""
        ...

    def curvature_times(self, z: Array, dz: Array) -> tuple[Array, Array]:
        """Return ∂²loss/∂z² dz, and the change dz where a row can still respond."""
        ...

    def total_hessian(self, z: Array, s: NDArray | None) -> NDArray:
        """Return Σ_i s_i ∂²loss/∂z², (L, L); weights of None are 1."""
        ...

    def majorant(self, z: Array) -> Array:
        """Return a curvature, (n, L), of a parabola that is nowhere below the loss."""
        ...

    def change_of_proba(self, z: Array, dz: Array) -> Array:
        """Return how p changes with the logits, (n, K), to first order."""
        ...

    def log_proba(self, z: Array) -> Array:
        """Return log p, (n, K)."""
        ...

    def proba(self, z: Array) -> Array:
        """Return p, (n, K)."""
        ...

    def predict(self, z: Array) -> NDArray[np.intp]:
        """Return the code of the most probable class, (n,)."""
        ...

    def margin(self, z: Array, dz: Array) -> tuple[Array, Array]:
        """Return how far ahead the likely class is, and how a step changes it, (n,)."""
        ...

    def prior_logits(self, frequencies: Array) -> Array:
        """Return the logits, (L,), whose probabilities are ``frequencies``, (K,)."""
        ...


class BinaryCrossEntropy:
    """Cross-entropy of two classes with probabilities (expit(−z), expit(z))."""

    ignores_common_shift = False

    def n_logits(self, n_classes: int) -> int:
        return 1

    def loss_and_residual(self, y: NDArray, z: Array) -> tuple[Array, Array]:
        """Return the loss of every row, (n,), and ∂loss/∂z, (n, 1)."""
        z = z[:, 0]
        if y.ndim == 1:
            # a = minus the margin: positive where the model is wrong
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

    def curvature(self, z: Array) -> Array:
        """Return ∂²loss/∂z², (n, 1): the same for every target."""
        odds = np.exp(-np.abs(z))
        return odds / (1 + odds) ** 2

    def curvature_times(self, z: Array, dz: Array) -> tuple[Array, Array]:
        """Return ∂²loss/∂z² dz, and the change dz where a row can still respond.

        Both have the shape of dz, a column for each change. A row is saturated, and its
        change 0, where p (1 − p) vanishes.
        """
        h = self.curvature(z)
        return h * dz, np.where(h > SATURATED, dz, 0)

    def total_hessian(self, z: Array, s: NDArray | None) -> NDArray:
        """Return Σ_i s_i ∂²loss/∂z², (1, 1)."""
        h = self.curvature(z).astype(np.float64, copy=False)
        return np.atleast_2d(h.sum() if s is None else s @ h[:, 0])

    def change_of_proba(self, z: Array, dz: Array) -> Array:
        """Return how p changes with the logits, (n, 2), to first order."""
        change, _ = self.curvature_times(z, dz)
        return np.hstack([-change, change])

    def margin(self, z: Array, dz: Array) -> tuple[Array, Array]:
        """Return how far ahead the likely class is, and how a step changes it, (n,)."""
        return np.abs(z[:, 0]), np.abs(dz[:, 0])

    def majorant(self, z: Array) -> Array:
        """Return the curvature, (n, 1), of the parabola above the loss that touches it.

        It touches at z and −z; a Newton step with it never overshoots. T. S. Jaakkola
        and M. I. Jordan (2000), doi:10.1023/A:1008932416310.
        """
        a = np.maximum(np.abs(z), 1e-4)  # tanh(a / 2) / (2 a) is 1/4 below this
        return np.tanh(a / 2) / (2 * a)

    def log_proba(self, z: Array) -> Array:
        """Return log p, (n, 2)."""
        z = z[:, 0]
        log1p_odds = np.log1p(np.exp(-np.abs(z)))
        return np.stack(
            [-np.maximum(z, 0) - log1p_odds, np.minimum(z, 0) - log1p_odds], axis=1
        )

    def proba(self, z: Array) -> Array:
        """Return p, (n, 2), each column accurate by itself."""
        z = z[:, 0]
        odds = np.exp(-np.abs(z))
        return np.stack([_expit(-z, odds), _expit(z, odds)], axis=1)

    def predict(self, z: Array) -> NDArray[np.intp]:
        """Return the code of the more probable class, (n,)."""
        return (z[:, 0] > 0).astype(np.intp)

    def prior_logits(self, frequencies: Array) -> Array:
        """Return the logits, (1,), whose probabilities are ``frequencies``, (2,)."""
        return np.log(frequencies[1:]) - np.log(frequencies[:1])


class SoftmaxCrossEntropy:
    """Cross-entropy of K classes with probabilities softmax(z)."""

    ignores_common_shift = True

    def n_logits(self, n_classes: int) -> int:
        return n_classes

    def loss_and_residual(self, y: NDArray, z: Array) -> tuple[Array, Array]:
        """Return the loss of every row, (n,), and ∂loss/∂z, (n, K)."""
        if y.ndim == 2:
            return self._loss_and_residual_of_distributions(y.astype(z.dtype), z)
        # class by class in contiguous memory, which is a view of z in Fortran order
        z = np.ascontiguousarray(z.T)
        true = y * z.shape[1] + np.arange(z.shape[1])
        top = z.max(axis=0)
        e = np.exp(z - top)
        flat = e.reshape(-1)
        e_true = flat[true]
        flat[true] = 0
        others = e.sum(axis=0)
        # e_true − 1 is exactly 0 where the true class is on top: log1p(others) there,
        # and log(total) ≥ 0 beside a positive top − z_y elsewhere.
        loss = np.log1p(others + (e_true - 1)) + (top - z.reshape(-1)[true])
        total = others + e_true
        residual = np.divide(e, total, out=e)
        flat[true] = -others / total
        return loss, residual.T

    def _loss_and_residual_of_distributions(self, q, z):
        p, complement, to_top, log_total = self._probabilities(z)
        loss = log_total + np.einsum("ik,ik->i", q, to_top)
        # p − q, written so that it does not cancel when both are near 0 or near 1
        residual = p * (1 - q) - q * complement
        return loss, residual

    def curvature(self, z: Array) -> Array:
        """Return ∂²loss/∂z_k², (n, K): the same for every target."""
        p, complement, _, _ = self._probabilities(z)
        return p * complement

    def curvature_times(self, z: Array, dz: Array) -> tuple[Array, Array]:
        """Return ∂²loss/∂z² dz, and the change dz where a row can still respond.

        Both are (n, K). The change is relative to its mean under p, since a common
        shift of all logits changes nothing, and 0 for a class whose p vanishes.
        """
        p = self._probabilities(z)[0]
        # relative to the likely class: its own share of the mean would cancel
        rows = np.arange(len(z))
        change = dz - dz[rows, z.argmax(axis=1)][:, None]
        change -= np.einsum("ik,ik->i", p, change)[:, None]
        return p * change, np.where(p > SATURATED, change, 0)

    def total_hessian(self, z: Array, s: NDArray | None) -> NDArray:
        """Return Σ_i s_i ∂²loss/∂z², (K, K)."""
        p = self.proba(z).astype(np.float64, copy=False)
        weighted = p if s is None else s[:, None] * p
        return np.diag(weighted.sum(axis=0)) - weighted.T @ p

    def change_of_proba(self, z: Array, dz: Array) -> Array:
        """Return how p changes with the logits, (n, K), to first order."""
        return self.curvature_times(z, dz)[0]

    def margin(self, z: Array, dz: Array) -> tuple[Array, Array]:
        """Return how far ahead the likely class is, and how a step changes it, (n,)."""
        second, first = np.sort(z, axis=1)[:, -2:].T
        return first - second, np.ptp(dz, axis=1)

    def majorant(self, z: Array) -> Array:
        """Return a curvature, (n, K), that no logits exceed.

        D. Böhning (1992), doi:10.1007/BF00048682: the Hessian of a row is at most
        (I − 1/K) / 2.
        """
        return np.full_like(z, 0.5 * (1 - 1 / z.shape[1]))

    def log_proba(self, z: Array) -> Array:
        """Return log p, (n, K)."""
        _, _, to_top, log_total = self._probabilities(z)
        return -(to_top + log_total[:, None])

    def proba(self, z: Array) -> Array:
        """Return p, (n, K)."""
        return self._probabilities(z)[0]

    def predict(self, z: Array) -> NDArray[np.intp]:
        """Return the code of the most probable class, (n,)."""
        return z.argmax(axis=1)

    def prior_logits(self, frequencies: Array) -> Array:
        """Return centred logits, (K,), whose probabilities are ``frequencies``."""
        logits = np.log(frequencies)
        return logits - logits.mean()

    @staticmethod
    def _probabilities(z):
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


def _expit(a, odds):
    """Return 1 / (1 + exp(−a)), given ``odds = exp(−|a|)``."""
    # a second exponential is several times faster than a selection by np.where
    expit = np.exp(np.minimum(a, 0))
    expit /= 1 + odds
    return expit


LOSSES: dict[str, Loss] = {
    "binary": BinaryCrossEntropy(),
    "softmax": SoftmaxCrossEntropy(),
}
