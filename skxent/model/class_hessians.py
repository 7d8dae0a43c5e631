"""Hessians of the mean loss, class by class: the diagonal blocks of the whole.

Let ``x̃ = (x, 1)`` be a row of X followed by 1 for the intercept. The block of class k
is ``H_kk = 1/S Σ_i s_i h_ik x̃_i x̃_iᵀ``, with the curvature h = p (1 − p).

A preconditioner needs the Hessian only roughly: a sample of rows replaces all. Each
block of rows is sampled by itself. The probability of a row is the mean of two shares:
its share of the curvature of the block, and its share of the diagonal of the Hessian,
averaged over the columns. Near the optimum, few rows have much curvature: the first
share chooses them. The second one keeps the rows that have a rare nonzero column. Each
chosen row is divided by its probability.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..data.blocks import sum_over_rows, transposed
from ..data.rows import Block, Sum
from ..data.scratch import Scratch
from .problem import Problem
from .row_products import gram, products, squares, with_intercept

# Up to this number of columns, one product for all classes is faster than one product
# for each class.
FEW_COLUMNS = 20
# The rows that are gathered for all matrices have at most this many numbers: 256 MiB.
MAX_GATHERED = 2**25
# Less curvature than this is none: its inverse would overflow.
NO_CURVATURE = 1e-200
# A sample misses a column if it has less than this share of its curvature.
UNSEEN = 1e-2


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
    scratch = Scratch()

    def add_block(block: Block, hessians: NDArray) -> None:
        h = curvature(block)
        X = block.X
        if few_columns:
            X = with_intercept(problem, X)
            hessians += sum_over_rows(products(h, X, scratch).T, X).reshape(
                hessians.shape
            )
            return
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
    n_matrices, d, e = curvature.n_matrices, problem.n_features, problem.n_columns
    share_of_rows, scratch = n_sampled / problem.n_samples, Scratch()

    def sample(block: Block, diagonals: NDArray) -> list[tuple[Any, NDArray]]:
        """Return the chosen rows for each matrix, and the roots of their weights.

        Adds the sums of h x² over all rows to the diagonals.
        """
        h = curvature(block)
        of_block = squares(block.X, scratch)
        total, diagonal = h.sum(axis=0), sum_over_rows(transposed(of_block), h).T
        diagonals += diagonal
        # the mean of the shares of the curvature and of the diagonal, summing to 1
        of_columns = _inverse(diagonal) / max(1, np.count_nonzero(diagonal.any(axis=0)))
        probability = h * (_inverse(total) + of_block @ of_columns.T)
        probability *= 0.5 * share_of_rows * len(h)
        # the seed depends on the block only, not on the thread
        chosen = np.random.default_rng(block.start).random(h.shape) < probability
        picks = []
        for k in range(n_matrices):
            (row,) = np.nonzero(chosen[:, k])
            weight = h[row, k] / np.minimum(1, probability[row, k])
            picks.append((block.X[row], np.sqrt(weight)))
        return picks

    def add_block(block: Block, sampled: NDArray, diagonals: NDArray) -> None:
        for k, (X, root) in enumerate(sample(block, diagonals)):
            sampled[k] += gram(problem, X, root)

    def sample_block(block: Block) -> tuple[list[tuple[Any, NDArray]], NDArray]:
        diagonals = np.zeros((n_matrices, d))
        return sample(block, diagonals), diagonals

    def hessian(k: int) -> NDArray:
        X = [picks[k][0] for picks, _ in of_blocks]
        root = np.concatenate([picks[k][1] for picks, _ in of_blocks])
        stack = sparse.vstack if problem.rows.is_sparse else np.concatenate
        return _with_unseen_columns(gram(problem, stack(X), root), diagonals[k])

    width = 3 * n_matrices + d
    takes_memory = n_matrices * n_sampled * e > MAX_GATHERED
    if n_matrices == 1 or takes_memory or problem.rows.are_elsewhere:
        work = problem.n_logits + int(n_matrices * e * share_of_rows)
        sums = problem.rows.map_reduce(
            add_block,
            Sum(n_matrices, e, e),
            Sum(n_matrices, d),
            width=width,
            work=work,
        )
        hessians = list(map(_with_unseen_columns, *sums))
    else:
        # each block would add to all matrices: gather the rows of each instead
        of_blocks = problem.rows.map_blocks(
            sample_block, width=width, work=problem.n_logits
        )
        diagonals = sum(of_block for _, of_block in of_blocks)
        work = n_matrices * n_sampled * d**2
        hessians = problem.rows.map(hessian, range(n_matrices), work)
    return problem.rows.mean_factor * np.stack(hessians)


def _with_unseen_columns(sampled: NDArray, diagonal: NDArray) -> NDArray:
    """Give columns that the sample has missed their exact diagonal, in place.

    All others stay as they are. If each were scaled to its exact diagonal, columns that
    are collinear in all rows would not be in the Hessian.
    """
    d = len(diagonal)
    unseen = np.flatnonzero(sampled.diagonal()[:d] < UNSEEN * diagonal)
    sampled[unseen] = sampled[:, unseen] = 0
    sampled[unseen, unseen] = diagonal[unseen]
    return sampled


def _inverse(sums: NDArray) -> NDArray:
    """Return 1 / sums, or 0 where a sum is nearly 0."""
    return np.divide(1, sums, out=np.zeros_like(sums), where=sums > NO_CURVATURE)
