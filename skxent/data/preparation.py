"""Checks and conversions of the arrays that rows are made of.

X becomes a floating-point array or CSR matrix. Targets become class codes or
distributions. An offset gets one column per logit. Each error message states the value,
what was expected, and the remedy.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from .containers import check_container, check_numbers, reading
from .targets import check_distributions

# Largest magnitude of an offset. Even in float32, the sum of such logits over all rows
# is finite.
LARGEST_OFFSET = 1e30


def as_floating(X: Any) -> Any:
    """Return X as an array or CSR matrix of float32 or float64.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n, d)

    Returns
    -------
    ndarray or CSR matrix of shape (n, d)
        X itself if it has this form.

    Raises
    ------
    ValueError
        If X does not have two dimensions.
    TypeError
        If its entries are not real numbers, or its container is not supported.
    """
    check_container(X, "X")
    if isinstance(X, np.ma.MaskedArray):
        X = X.data  # `check_container` has refused masked entries
    if sparse.issparse(X):
        X = X.tocsr()
        if not X.has_canonical_format:
            # The square of a sum of duplicate entries is not the sum of their squares.
            X = X.copy()
            X.sum_duplicates()
    else:
        X = np.asanyarray(X)
    if X.ndim != 2:
        raise ValueError(f"X has {X.ndim} dimension(s); expected 2: rows and features.")
    if X.dtype in (np.float32, np.float64):
        return X
    if X.dtype.kind not in "biuf":
        raise TypeError(f"X has dtype {X.dtype}; expected real numbers.")
    return X.astype(np.float64)


def check_targets(targets: NDArray, n: int) -> tuple[NDArray, int]:
    """Return checked codes or target distributions, and the number of classes.

    Parameters
    ----------
    targets : ndarray of shape (n,) or (n, K)
        Class codes from 0, or probabilities of the classes.
    n : int
        The number of rows of X.

    Raises
    ------
    ValueError
        If the shape is wrong, codes are negative, rows are not distributions, or there
        are fewer than 2 classes.
    TypeError
        If class codes are not integers.
    """
    if targets.ndim not in (1, 2) or len(targets) != n:
        raise ValueError(
            f"y has shape {targets.shape}; expected ({n},) class codes or ({n}, K) "
            "target distributions, one for each row of X."
        )
    if targets.ndim == 1:
        if targets.dtype.kind not in "iu":
            raise TypeError(
                f"y has dtype {targets.dtype}; expected integer class codes: encode "
                "labels with np.unique(labels, return_inverse=True)."
            )
        if targets.min() < 0:
            raise ValueError(f"y holds the code {targets.min()}; expected 0 … K − 1.")
        n_classes = int(targets.max()) + 1
    else:
        targets = check_distributions(targets)
        n_classes = targets.shape[1]
    if n_classes < 2:
        raise ValueError(f"y holds {n_classes} class; expected at least 2.")
    return targets, n_classes


def check_offset(offset: ArrayLike | None, n: int, n_logits: int) -> NDArray | None:
    """Return the offset as an array of float64, (n, L), or None.

    Parameters
    ----------
    offset : array-like of shape (n,) or (n, L), or None
        The shape is (n,) for a single logit.
    n : int
        The number of rows of X.
    n_logits : int
        L.

    Raises
    ------
    ValueError
        If the shape is wrong, or an entry is not finite or above ``LARGEST_OFFSET``.
    TypeError
        If the offset is sparse.
    """
    if offset is None:
        return None
    check_numbers(offset, "offset")
    if sparse.issparse(offset):
        raise TypeError(
            "offset is sparse; expected an array: use its method .toarray()."
        )
    with reading("offset"):
        offset = np.asarray(offset, dtype=np.float64)
    expected = (n,) if n_logits == 1 else (n, n_logits)
    if offset.shape != expected:
        raise ValueError(
            f"offset has shape {offset.shape}; expected {expected}: a number for each "
            "row and logit."
        )
    if not np.isfinite(offset).all():
        raise ValueError(
            "offset holds NaN or infinity; expected finite numbers to add to the "
            "logits: drop such rows."
        )
    largest = np.abs(offset).max(initial=0)
    if largest > LARGEST_OFFSET:
        raise ValueError(
            f"offset has the magnitude {largest}; expected at most {LARGEST_OFFSET}, "
            "far beyond all log-odds: clip it, or drop such rows."
        )
    return offset.reshape(n, n_logits)
