"""Hessians of the mean loss, class by class: the diagonal blocks of the whole.

Let ``x̃ = (x, 1)`` be a row of X followed by 1 for the intercept. The block of class k
is ``H_kk = 1/S Σ_i s_i h_ik x̃_i x̃_iᵀ``, with the curvature h = p (1 − p).

A preconditioner needs the Hessian only roughly. Near the optimum few rows have much
curvature, so a sample of rows replaces all. The probability of a row is
the mean of two shares: its share of the total curvature, and its share of the diagonal
entries of the Hessian, averaged over the columns. Each chosen row is divided by its
probability. The second share keeps the rows that have a rare nonzero column.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..data.blocks import transposed
from ..data.rows import Block, Sum
from .problem import Problem
from .row_products import gram, products, squares, squares_are_dense, with_intercept

# Up to this number of columns, one product for all classes is faster than one product
# for each class.
FEW_COLUMNS = 20


def class_hessians(
    problem: Problem,
    params: NDArray,
    *,
    shared: bool = False,
    n_sampled: int | None = None,
    majorant: bool = False,
) -> NDArray:
    """Return the diagonal blocks of the Hessian, one for each class, or their mean.

    Parameters
    ----------
    problem : Problem
    params : ndarray of shape (n_params,)
        Where to evaluate the Hessian.
    shared : bool, default=False
        Whether to return the mean over the classes instead of one matrix for each.
    n_sampled : int, default=None
        The approximate number of rows to sample for each matrix; None for all rows.
    majorant : bool, default=False
        Whether to use `Loss.majorant`, which bounds the loss far from ``params``, too,
        instead of the curvature at ``params``.

    Returns
    -------
    ndarray of shape (L, e, e), or (1, e, e) if shared
    """
    curvature = RowCurvature(problem, params, shared, majorant)
    if n_sampled is None or n_sampled >= problem.n_samples:
        return _hessians_of_all_rows(problem, curvature)
    return _hessians_of_sampled_rows(problem, curvature, n_sampled)


class RowCurvature:
    """Computes the weighted curvature s_i h_ik of a block of rows, (m, L) or (m, 1)."""

    def __init__(
        self, problem: Problem, params: NDArray, shared: bool, majorant: bool = False
    ):
        loss = problem.loss
        self._of_logits = loss.majorant if majorant else loss.curvature
        self._model = problem.linear_model(params)
        self._shared = shared
        self.n_matrices = 1 if shared else problem.n_logits

    def __call__(self, block: Block) -> NDArray:
        h = self._of_logits(self._model(block))
        h = h.astype(np.float64, copy=False)
        if self._shared and h.shape[1] > 1:
            h = h.mean(axis=1, keepdims=True)
        if block.weights is not None:
            h = h * block.weights[:, None]
        return h


def _hessians_of_all_rows(problem: Problem, curvature: RowCurvature) -> NDArray:
    e = problem.n_columns
    few_columns = e <= FEW_COLUMNS and curvature.n_matrices > 1
    fill = squares_are_dense(problem)

    def add_block(block: Block, hessians: NDArray) -> None:
        h = curvature(block)
        X = block.X
        if few_columns:
            X = with_intercept(problem, X)
            hessians += (products(h, X).T @ X).reshape(hessians.shape)
            return
        if fill and sparse.issparse(X):
            X = X.toarray()
        root = np.sqrt(h)
        for k in range(curvature.n_matrices):
            hessians[k] += gram(problem, X, root[:, k])

    width = 2 * problem.n_logits + e * (curvature.n_matrices if few_columns else 1)
    (hessians,) = problem.rows.map_reduce(
        add_block,
        Sum(curvature.n_matrices, e, e),
        width=width,
        work=curvature.n_matrices * e,
    )
    hessians *= problem.rows.mean_factor
    return hessians


def _hessians_of_sampled_rows(
    problem: Problem, curvature: RowCurvature, n_sampled: int
) -> NDArray:
    n_matrices, d = curvature.n_matrices, problem.n_features

    def add_moments(block: Block, total: NDArray, diagonal: NDArray) -> None:
        h = curvature(block)
        total += h.sum(axis=0)
        diagonal += transposed(squares(block.X)) @ h

    total, diagonal = problem.rows.map_reduce(
        add_moments,
        Sum(n_matrices),
        Sum(d, n_matrices),
        width=3 * n_matrices,
        work=problem.n_logits,
    )
    of_total, of_diagonal = _inverse(total), _inverse(diagonal)

    def choose(block: Block) -> list[tuple[Any, NDArray]]:
        """Return the sampled rows for each matrix, and the roots of their weights."""
        h = curvature(block)
        share = h * (of_total + (squares(block.X) @ of_diagonal) / d) / 2
        probability = np.minimum(1, n_sampled * share)
        # the seed depends on the block only, not on the thread
        chosen = np.random.default_rng(block.start).random(h.shape) < probability
        picks = []
        for k in range(n_matrices):
            (row,) = np.nonzero(chosen[:, k])
            picks.append((block.X[row], np.sqrt(h[row, k] / probability[row, k])))
        return picks

    picks = problem.rows.map_blocks(choose, width=3 * n_matrices, work=problem.n_logits)

    def hessian(k: int) -> NDArray:
        X = [of_block[k][0] for of_block in picks]
        root = np.concatenate([of_block[k][1] for of_block in picks])
        stack = sparse.vstack if problem.rows.is_sparse else np.concatenate
        return gram(problem, stack(X), root)

    return problem.rows.mean_factor * np.stack(
        problem.rows.map(hessian, range(n_matrices), n_matrices * n_sampled * d**2)
    )


def _inverse(sums: NDArray) -> NDArray:
    """Return 1 / sums, or 0 where a sum is 0."""
    return np.divide(1, sums, out=np.zeros_like(sums), where=sums > 0)
