"""Arrays as they come, turned into what rows are made of, or refused.

X becomes floating, targets become codes or distributions, an offset gets a column for
each logit. Each error names the value, what was expected and the remedy.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from .containers import check_container, check_numbers, reading
from .targets import check_distributions

# Largest magnitude of an offset: sums over rows of such logits are numbers in float32.
LARGEST_OFFSET = 1e30


def as_floating(X: Any) -> Any:
    """Return X as a float array or a CSR matrix, or say what is wrong with it."""
    check_container(X, "X")
    if isinstance(X, np.ma.MaskedArray):
        X = X.data  # nothing is masked
    if sparse.issparse(X):
        X = X.tocsr()
        if not X.has_canonical_format:
            # entries given twice add up in products, but not in squares
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
    """Return checked codes or target distributions, and the number of classes."""
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
    """Return the offset as (n, L) float64, or None."""
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
