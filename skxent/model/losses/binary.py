"""The cross-entropy of two classes."""

import numpy as np
from numpy.typing import NDArray

from ..entropy import entropy_between
from .contract import SATURATED, Array

# From this argument on, log(1 + exp(a)) is a. The exponential does not overflow yet, in
# float32 either.
LARGEST_EXPONENT = 80.0


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
            # minus the margin is positive where the prediction is wrong
            sign = np.array([1, -1], z.dtype)[y]
            loss, odds = _softplus(sign * z)
            residual = _expit(odds)
            residual *= sign
        else:
            q0, q1 = y[:, 0].astype(z.dtype), y[:, 1].astype(z.dtype)
            (loss0, odds0), (loss1, odds1) = _softplus(z), _softplus(-z)
            loss = q0 * loss0 + q1 * loss1
            residual = q0 * _expit(odds0) - q1 * _expit(odds1)
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
        return np.stack([_expit(_odds(-z)), _expit(_odds(z))], axis=1)

    def predict(self, z: Array) -> NDArray[np.intp]:
        return (z[:, 0] > 0).astype(np.intp)

    def prior_logits(self, frequencies: Array) -> Array:
        return np.log(frequencies[1:]) - np.log(frequencies[:1])


def _odds(a: Array) -> Array:
    """Return exp(a), or a number as good as infinity."""
    return np.exp(np.minimum(a, LARGEST_EXPONENT))


def _softplus(a: Array) -> tuple[Array, Array]:
    """Return log(1 + exp(a)) and the odds of a."""
    # few calls: threads share the interpreter lock, which each call takes
    if a.max(initial=0) <= LARGEST_EXPONENT:
        odds = np.exp(a)
        return np.log1p(odds), odds
    odds = _odds(a)
    return np.log1p(odds) + np.maximum(a - LARGEST_EXPONENT, 0), odds


def _expit(odds: Array) -> Array:
    """Return odds / (1 + odds), in the memory of the odds."""
    return np.divide(odds, 1 + odds, out=odds)
