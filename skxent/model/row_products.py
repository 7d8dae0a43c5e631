"""Products of the columns of a block of rows, of which Hessians are sums."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..data.blocks import sum_over_rows, transposed, with_entries
from ..data.scratch import Scratch
from .problem import Problem

# A product of two entries of a dense row is about this many times as fast as one of two
# stored entries of a sparse row.
PRODUCTS_PER_PAIR = 100


def gram(problem: Problem, X: Any, root: NDArray) -> NDArray:
    """Return Σ_i root_i² x̃_i x̃_iᵀ of a block of rows, (e, e).

    Sparse rows are converted to dense form if that is faster.
    """
    if not sparse.issparse(X):
        # The column of 1 takes part, so that sums of similar columns round alike. Those
        # of another order would hide the curvature of a nearly constant column.
        scaled = with_intercept(problem, X, root)
        return sum_over_rows(scaled.T, scaled)
    d = X.shape[1]
    gram = np.zeros((problem.n_columns,) * 2)
    n_stored = np.diff(X.indptr)
    scaled = with_entries(X, X.data * np.repeat(root, n_stored))
    n_pairs = float(np.square(n_stored, dtype=np.float64).sum())
    if len(root) * float(d) ** 2 <= PRODUCTS_PER_PAIR * n_pairs:
        filled = scaled.toarray()
        gram[:d, :d] = sum_over_rows(filled.T, filled)
    else:
        gram[:d, :d] = (transposed(scaled) @ scaled).toarray()
    if problem.fit_intercept:
        gram[:d, d] = gram[d, :d] = scaled.T @ root
        gram[d, d] = root @ root
    return gram


def with_intercept(problem: Problem, X: Any, factor: NDArray | None = None) -> NDArray:
    """Return the rows (x, 1) of a block, times ``factor`` each, dense in float64."""
    d, X = X.shape[1], dense(X)
    out = np.empty((X.shape[0], problem.n_columns))
    if factor is None:
        out[:, :d] = X
        out[:, d:] = 1
    else:
        np.multiply(X, factor[:, None], out=out[:, :d])
        out[:, d:] = factor[:, None]
    return out


def dense(X: Any) -> NDArray:
    """Return the rows of a block as an array."""
    return X.toarray() if sparse.issparse(X) else X


def products(of_classes: NDArray, X: NDArray, scratch: Scratch) -> NDArray:
    """Return the product of each column of a class and each column of X, (m, L e).

    They are valid until the thread uses ``scratch`` again.
    """
    out = scratch.array((*of_classes.shape, X.shape[1]), np.dtype(np.float64))
    np.multiply(of_classes[:, :, None], X[:, None, :], out=out)
    return out.reshape(len(X), -1)


def squares(X: Any, scratch: Scratch) -> Any:
    """Return the squared entries of X in float64, so that their sums keep digits.

    Those of a dense X are valid until the thread uses ``scratch`` again.
    """
    if sparse.issparse(X):
        entries = X.data.astype(np.float64, copy=False)
        return with_entries(X, entries * entries)
    out = scratch.array(X.shape, np.dtype(np.float64))
    return np.square(X, out=out, dtype=np.float64)
