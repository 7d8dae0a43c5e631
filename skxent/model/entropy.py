"""The entropy of distributions, the negative conjugate of the cross-entropy."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, xlog1py

Array = NDArray[np.floating]

# A probability that is negative by less than this is 0 with a rounding error: the sum
# of two probabilities has errors of a few units in the last digit.
ROUNDED_PROBA = 1e-15


def entropy(p: Array) -> Array:
    """Return the entropy of each distribution in p, (n, K), in nats, (n,).

    The relative error is small even where one probability is nearly 1: its logarithm is
    ``log1p`` of minus the sum of the others.
    """
    if p.shape[1] == 2:
        others = np.minimum(p[:, :1], p[:, 1:])
    else:
        others = p.copy()
        np.put_along_axis(others, p.argmax(axis=1)[:, None], 0, axis=1)
    complement = others.sum(axis=1)
    return entr(others).sum(axis=1) - xlog1py(1 - complement, -complement)


def entropy_between(y: NDArray, p: Array, share: float) -> tuple[Array, Array]:
    """Return the entropy of q + share (p − q), (n,), and share (p − q), (n, K)."""
    q = np.eye(p.shape[1])[y] if y.ndim == 1 else y
    residual = share * (p - q)
    between = q + residual
    between[(between < 0) & (between > -ROUNDED_PROBA)] = 0
    return entropy(between), residual
