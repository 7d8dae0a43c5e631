"""The cross-entropy of K classes."""

import numpy as np
from numpy.typing import NDArray

from ..entropy import entropy_between
from .contract import SATURATED, Array


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
