"""Pointwise cross-entropy of logits: loss, residual, curvature, probabilities.

The cross-entropy of a target distribution ``q`` and the model's ``p`` is::

    loss(q, z) = -Σ_k q_k log p_k(z)        residual  r_k = ∂loss/∂z_k = p_k − q_k
                                            curvature h_k = ∂²loss/∂z_k² = p_k (1 − p_k)

with ``p = (expit(−z), expit(z))`` for one logit (binary) and ``p = softmax(z)`` for K
logits. A class code ``y`` stands for the one-hot ``q``. The conjugate of the loss is
the negative entropy H of a distribution::

    inf_z loss(q, z) − r·z = H(q + r)

The formulas are accurate because no two numbers that nearly cancel are subtracted.
Exponentials have non-positive or limited arguments, so they cannot overflow. The loss
of a confident, correct prediction is ``log1p`` of the small odds against it. ``1 − p``
of the most probable class is the sum of the other probabilities.

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

from .binary import BinaryCrossEntropy
from .contract import SATURATED, Loss, largest_change
from .softmax import SoftmaxCrossEntropy

LOSSES: dict[str, Loss] = {
    "binary": BinaryCrossEntropy(),
    "softmax": SoftmaxCrossEntropy(),
}

__all__ = [
    "LOSSES",
    "SATURATED",
    "BinaryCrossEntropy",
    "Loss",
    "SoftmaxCrossEntropy",
    "largest_change",
]
