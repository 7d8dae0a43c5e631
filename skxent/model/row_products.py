"""Products of the columns of a block of rows, of which Hessians are sums."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..data.blocks import with_entries
from ..data.scratch import Scratch
from .problem import Problem

# Up to this number of columns per stored entry, sparse rows are converted to dense form
# for a Hessian: dense products are about this much faster per entry.
COLUMNS_PER_ENTRY = 25


def squares_are_dense(problem: Problem) -> bool:
    """Return whether Hessians are computed from dense rows."""
    rows = problem.rows
    if not rows.is_sparse:
        return True
    return problem.n_columns * rows.n_samples <= COLUMNS_PER_ENTRY * rows.n_stored


def gram(problem: Problem, X: Any, root: NDArray) -> NDArray:
    """Return Σ_i root_i² x̃_i x̃_iᵀ of a block of rows, (e, e)."""
    if not sparse.issparse(X):
        scaled = with_intercept(problem, X, root)
        return scaled.T @ scaled
    d = X.shape[1]
    gram = np.zeros((problem.n_columns,) * 2)
    scaled = X.multiply(root[:, None]).tocsr()
    gram[:d, :d] = (scaled.T @ scaled).toarray()
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


def products(of_classes: NDArray, X: NDArray) -> NDArray:
    """Return the product of each column of a class and each column of X, (m, L e)."""
    return (of_classes[:, :, None] * X[:, None, :]).reshape(len(X), -1)


def squares(X: Any, scratch: Scratch) -> Any:
    """Return the squared entries of X in float64, so that their sums keep digits.

    Those of a dense X are valid until the thread uses ``scratch`` again.
    """
    if sparse.issparse(X):
        entries = X.data.astype(np.float64, copy=False)
        return with_entries(X, entries * entries)
    out = scratch.array(X.shape, np.dtype(np.float64))
    return np.square(X, out=out, dtype=np.float64)
