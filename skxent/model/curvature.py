"""Hessians of the mean loss: of all params, class by class, or times a step.

Let ``x̃ = (x, 1)`` be a row of X followed by 1 for the intercept. The Hessian is::

    H_kl = 1/S Σ_i s_i (p_ik δ_kl − p_ik p_il) x̃_i x̃_iᵀ        (e, e) for classes k, l

`coupled_hessian` returns the whole matrix. `class_hessians` returns the diagonal blocks
H_kk, or their mean. `hessian_times` multiplies by a step without forming the matrix.
The penalty is not included.

A preconditioner needs the Hessian only roughly. Near the optimum few rows have much
curvature h = p (1 − p), so a sample of rows replaces all. The probability of a row is
the mean of two shares: its share of the total curvature, and its share of the diagonal
entries of the Hessian, averaged over the columns. Each chosen row is divided by its
probability. The second share keeps the rows that have a rare nonzero column.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..data.blocks import transposed
from ..data.rows import Block, Largest, Sum
from .problem import Problem

# Up to this number of columns, one product for all classes is faster than one product
# for each class.
FEW_COLUMNS = 20
# Up to this number of columns per stored entry, sparse rows are converted to dense form
# for a Hessian: dense products are about this much faster per entry.
COLUMNS_PER_ENTRY = 25


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
    curvature = _RowCurvature(problem, params, shared, majorant)
    if n_sampled is None or n_sampled >= problem.n_samples:
        return _hessians_of_all_rows(problem, curvature)
    return _hessians_of_sampled_rows(problem, curvature, n_sampled)


def coupled_hessian(problem: Problem, params: NDArray) -> NDArray:
    """Return the Hessian of all params of a softmax, (n_params, n_params)."""
    model = problem.linear_model(params)
    n_logits, e = problem.n_logits, problem.n_columns

    def add_block(block: Block, hessian: NDArray, diagonal: NDArray) -> None:
        z = model(block)
        s = 1.0 if block.weights is None else block.weights[:, None]
        X = _with_intercept(problem, block.X)
        products = _products(np.sqrt(s) * problem.loss.proba(z), X)
        hessian -= products.T @ products
        # in a sum of their own, because p − p² would cancel
        products = _products(s * problem.loss.curvature(z), X)
        diagonal += (products.T @ X).reshape(n_logits, e, e)

    hessian, diagonal = problem.rows.map_reduce(
        add_block,
        Sum(problem.n_params, problem.n_params),
        Sum(n_logits, e, e),
        width=2 * problem.n_params,
        work=n_logits * problem.n_params,
    )
    for k in range(n_logits):
        block = slice(k * e, (k + 1) * e)
        hessian[block, block] = diagonal[k]
    hessian *= problem.rows.mean_factor
    return hessian


def _products(of_classes: NDArray, X: NDArray) -> NDArray:
    """Return the product of each column of a class and each column of X, (m, L e)."""
    return (of_classes[:, :, None] * X[:, None, :]).reshape(len(X), -1)


def curvature_moments(
    problem: Problem, params: NDArray, *, majorant: bool = False
) -> tuple[NDArray, NDArray, NDArray]:
    """Return the weighted means of h, h x and h x² over the rows, for each class.

    They determine the diagonal of the Hessian, for columns with any center.

    Returns
    -------
    zeroth : ndarray of shape (L, 1)
    first, second : ndarray of shape (L, d)
    """
    curvature = _RowCurvature(problem, params, False, majorant)

    def add_block(
        block: Block, zeroth: NDArray, first: NDArray, second: NDArray
    ) -> None:
        h = curvature(block)
        zeroth += h.sum(axis=0)[:, None]
        first += (transposed(block.X) @ h).T
        second += (transposed(_squares(block.X)) @ h).T

    shape = (problem.n_logits, problem.n_features)
    sums = problem.rows.map_reduce(
        add_block,
        Sum(shape[0], 1),
        Sum(*shape),
        Sum(*shape),
        width=4 * problem.n_logits,
        work=problem.n_logits,
    )
    zeroth, first, second = (total * problem.rows.mean_factor for total in sums)
    return zeroth, first, second


def mean_curvature(problem: Problem, params: NDArray) -> NDArray:
    """Return the weighted mean of p_k (1 − p_k) for each class, (L,)."""
    coef, intercept = problem.split(params)
    if problem.rows.typical_offset is None and not coef.any():
        # all rows have the same logits
        z = intercept if problem.fit_intercept else np.zeros(problem.n_logits)
        return problem.loss.curvature(z[None])[0]
    curvature = _RowCurvature(problem, params, False)

    def add_block(block: Block, total: NDArray) -> None:
        total += curvature(block).sum(axis=0)

    (total,) = problem.rows.map_reduce(
        add_block,
        Sum(problem.n_logits),
        width=3 * problem.n_logits,
        work=problem.n_logits,
    )
    return total * problem.rows.mean_factor


def hessian_of_loss(problem: Problem, params: NDArray) -> NDArray:
    """Return the Hessian of the mean loss, (n_params, n_params)."""
    if problem.n_logits == 1:
        return class_hessians(problem, params)[0]
    return coupled_hessian(problem, params)


class HessianProduct(NamedTuple):
    """The Hessian of the mean loss times a step of the params.

    Attributes
    ----------
    vector : ndarray of shape (n_params,)
    largest_change : float
        The largest change by the step of a logit that has curvature.
    curvature : float
        The step times the vector, computed as a sum of squares, so nothing cancels.
    of_intercept : ndarray of shape (n_params,) or None
        For a single logit, the column of the Hessian that belongs to the intercept.
    """

    vector: NDArray
    largest_change: float
    curvature: float = 0.0
    of_intercept: NDArray | None = None


def hessian_times(problem: Problem, params: NDArray, step: NDArray) -> HessianProduct:
    """Return the Hessian of the mean loss at ``params`` times ``step``, in one pass."""
    model_and_change = problem.model_and_change(params, step)
    is_sparse = problem.rows.is_sparse
    for_intercept = problem.n_logits == 1 and problem.fit_intercept
    n_products = problem.n_logits + for_intercept

    def add_block(
        block: Block,
        of_coef: NDArray,
        of_intercept: NDArray,
        largest: NDArray,
        curvature: NDArray,
    ) -> None:
        z, dz = model_and_change(block)
        if for_intercept:
            dz = np.hstack([dz, np.ones_like(dz)])
        product, changes = problem.loss.curvature_times(z, dz)
        changes = changes[:, : problem.n_logits]
        if block.weights is not None:
            s = block.weights[:, None]
            product = product * s.astype(product.dtype, copy=False)
            changes = np.where(s > 0, changes, 0)
        np.maximum(largest, np.abs(changes).max(initial=0), out=largest)
        of_step = product[:, : problem.n_logits]
        curvature += np.einsum("ik,ik->", of_step, changes)
        X = block.X
        of_coef += transposed(X) @ product if is_sparse else product.T @ X
        of_intercept += product.sum(axis=0, dtype=np.float64)

    shape = (problem.n_features, n_products)
    of_coef, of_intercept, largest, curvature = problem.rows.map_reduce(
        add_block,
        Sum(*(shape if is_sparse else shape[::-1])),
        Sum(n_products),
        Largest(),
        Sum(),
        width=5 * n_products,
        work=2 * problem.n_logits,
    )
    if is_sparse:
        of_coef = of_coef.T
    if problem.fit_intercept:
        of_coef = np.column_stack([of_coef, of_intercept])
    of_coef *= problem.rows.mean_factor
    vector = of_coef[: problem.n_logits].ravel()
    return HessianProduct(
        vector,
        float(largest),
        float(curvature) * problem.rows.mean_factor,
        of_coef[1] if for_intercept else None,
    )


def intercept_hessian(problem: Problem, params: NDArray) -> NDArray:
    """Return the Hessian of the mean loss in the intercepts, (L, L)."""
    model = problem.linear_model(params)

    def add_block(block: Block, total: NDArray) -> None:
        total += problem.loss.total_hessian(model(block), block.weights)

    (total,) = problem.rows.map_reduce(
        add_block,
        Sum(problem.n_logits, problem.n_logits),
        width=3 * problem.n_logits,
        work=problem.n_logits,
    )
    return total * problem.rows.mean_factor


class _RowCurvature:
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


def _hessians_of_all_rows(problem: Problem, curvature: _RowCurvature) -> NDArray:
    e = problem.n_columns
    few_columns = e <= FEW_COLUMNS and curvature.n_matrices > 1
    fill = squares_are_dense(problem)

    def add_block(block: Block, hessians: NDArray) -> None:
        h = curvature(block)
        X = block.X
        if few_columns:
            X = _with_intercept(problem, X)
            hessians += (_products(h, X).T @ X).reshape(hessians.shape)
            return
        if fill and sparse.issparse(X):
            X = X.toarray()
        root = np.sqrt(h)
        for k in range(curvature.n_matrices):
            hessians[k] += _gram(problem, X, root[:, k])

    width = 2 * problem.n_logits + e * (curvature.n_matrices if few_columns else 1)
    (hessians,) = problem.rows.map_reduce(
        add_block,
        Sum(curvature.n_matrices, e, e),
        width=width,
        work=curvature.n_matrices * e,
    )
    hessians *= problem.rows.mean_factor
    return hessians


def squares_are_dense(problem: Problem) -> bool:
    """Return whether Hessians are computed from dense rows."""
    rows = problem.rows
    if not rows.is_sparse:
        return True
    return problem.n_columns * rows.n_samples <= COLUMNS_PER_ENTRY * rows.n_stored


def _hessians_of_sampled_rows(
    problem: Problem, curvature: _RowCurvature, n_sampled: int
) -> NDArray:
    n_matrices, d = curvature.n_matrices, problem.n_features

    def add_moments(block: Block, total: NDArray, diagonal: NDArray) -> None:
        h = curvature(block)
        total += h.sum(axis=0)
        diagonal += transposed(_squares(block.X)) @ h

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
        share = h * (of_total + (_squares(block.X) @ of_diagonal) / d) / 2
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
        return _gram(problem, stack(X), root)

    return problem.rows.mean_factor * np.stack(
        problem.rows.map(hessian, range(n_matrices), n_matrices * n_sampled * d**2)
    )


def _inverse(sums: NDArray) -> NDArray:
    """Return 1 / sums, or 0 where a sum is 0."""
    return np.divide(1, sums, out=np.zeros_like(sums), where=sums > 0)


def _squares(X: Any) -> Any:
    """Return the squared entries of X in float64, so that their sums keep digits."""
    X = X.astype(np.float64, copy=False)
    return X.multiply(X).tocsr() if sparse.issparse(X) else X * X


def _gram(problem: Problem, X: Any, root: NDArray) -> NDArray:
    """Return Σ_i root_i² x̃_i x̃_iᵀ of a block of rows, (e, e)."""
    if not sparse.issparse(X):
        scaled = _with_intercept(problem, X, root)
        return scaled.T @ scaled
    d = X.shape[1]
    gram = np.zeros((problem.n_columns,) * 2)
    scaled = X.multiply(root[:, None]).tocsr()
    gram[:d, :d] = (scaled.T @ scaled).toarray()
    if problem.fit_intercept:
        gram[:d, d] = gram[d, :d] = scaled.T @ root
        gram[d, d] = root @ root
    return gram


def _with_intercept(problem: Problem, X: Any, factor: NDArray | None = None) -> NDArray:
    """Return the rows (x, 1) of a block, times ``factor`` each, dense in float64."""
    d = X.shape[1]
    if sparse.issparse(X):
        X = X.toarray()
    out = np.empty((X.shape[0], problem.n_columns))
    if factor is None:
        out[:, :d] = X
        out[:, d:] = 1
    else:
        np.multiply(X, factor[:, None], out=out[:, :d])
        out[:, d:] = factor[:, None]
    return out
