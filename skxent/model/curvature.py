"""Curvature of the objective: the matrices that a change of variables is made of.

With ``x̃ = (x, 1)`` a row of X and its intercept, the mean loss has the Hessian::

    H_kl = 1/S Σ_i s_i (p_ik δ_kl − p_ik p_il) x̃_i x̃_iᵀ        (e, e) for classes k, l

`coupled_hessian` is all of it; `class_hessians` are the diagonal blocks H_kk, or one
mean of them for all classes; `hessian_times` is its product with a step, without the
matrix. The penalty is not included.

After a few rounds the curvature sits in few rows, and a sample of them does as well as
all. A row is chosen with a probability that is half its share of all curvature
h = p (1 − p), half its mean share of the diagonal of the Hessian, and divided by it. So
the sample holds the rows that carry much, and those that alone know a rare column.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..data.blocks import transposed
from .objective import CrossEntropyObjective

# With no more columns than these, one product for all classes beats one for each.
FEW_COLUMNS = 20
# With no more columns than this for each entry of a sparse row, the row is filled up
# with zeros for a Hessian: dense products are so much quicker.
COLUMNS_PER_ENTRY = 25


def class_hessians(
    objective: CrossEntropyObjective,
    params: NDArray,
    *,
    shared: bool = False,
    n_sampled: int | None = None,
    majorant: bool = False,
) -> NDArray:
    """Return the Hessians of the classes by themselves, or their mean.

    Parameters
    ----------
    objective : CrossEntropyObjective
    params : ndarray of shape (n_params,)
        Where to take the curvature.
    shared : bool, default=False
        Whether to return the mean over the classes instead of one matrix for each.
    n_sampled : int, default=None
        About how many rows to use for each matrix; None for all.
    majorant : bool, default=False
        Whether to take a curvature that is never too small far from ``params``.

    Returns
    -------
    ndarray of shape (L, e, e), or (1, e, e) if shared
    """
    curvature = _RowCurvature(objective, params, shared, majorant)
    if n_sampled is None or n_sampled >= objective.n_samples:
        return _hessians_of_all_rows(objective, curvature)
    return _hessians_of_sampled_rows(objective, curvature, n_sampled)


def coupled_hessian(objective: CrossEntropyObjective, params: NDArray) -> NDArray:
    """Return the Hessian of all params of a softmax, (n_params, n_params)."""
    model = objective.linear_model(params)
    n_logits, e = objective.n_logits, objective.n_columns

    def add_block(X, rows, hessian, diagonal):
        z = model(X, rows)
        s = 1.0 if objective.weights is None else objective.weights[rows][:, None]
        X = _with_intercept(objective, X)
        products = _products(np.sqrt(s) * objective.loss.proba(z), X)
        hessian -= products.T @ products
        # by themselves, as 1 − p would cancel
        products = _products(s * objective.loss.curvature(z), X)
        diagonal += (products.T @ X).reshape(n_logits, e, e)

    hessian, diagonal = objective.blocks.sum(
        add_block,
        (objective.n_params, objective.n_params),
        (n_logits, e, e),
        width=2 * objective.n_params,
        work=n_logits * objective.n_params,
    )
    for k in range(n_logits):
        block = slice(k * e, (k + 1) * e)
        hessian[block, block] = diagonal[k]
    hessian *= objective.mean_factor
    return hessian


def _products(of_classes, X):
    """Return the products of each class's column with all columns of X, (m, L e)."""
    return (of_classes[:, :, None] * X[:, None, :]).reshape(len(X), -1)


def curvature_moments(
    objective: CrossEntropyObjective, params: NDArray, *, majorant: bool = False
) -> tuple[NDArray, NDArray, NDArray]:
    """Return the moments Σ h, Σ h x and Σ h x² of each class over the rows.

    They hold the diagonal of the Hessian, and what it becomes for centred columns.

    Returns
    -------
    zeroth : ndarray of shape (L, 1)
    first, second : ndarray of shape (L, d)
    """
    curvature = _RowCurvature(objective, params, False, majorant)

    def add_block(X, rows, zeroth, first, second):
        h = curvature(X, rows)
        zeroth += h.sum(axis=0)[:, None]
        first += (transposed(X) @ h).T
        second += (transposed(_squares(X)) @ h).T

    shape = (objective.n_logits, objective.n_features)
    sums = objective.blocks.sum(
        add_block,
        (shape[0], 1),
        shape,
        shape,
        width=4 * objective.n_logits,
        work=objective.n_logits,
    )
    zeroth, first, second = (total * objective.mean_factor for total in sums)
    return zeroth, first, second


def mean_curvature(objective: CrossEntropyObjective, params: NDArray) -> NDArray:
    """Return the weighted mean of p_k (1 − p_k) for each class, (L,)."""
    coef, intercept = objective.split(params)
    if objective.offset is None and not coef.any():
        # the same logits in each row
        z = intercept if objective.fit_intercept else np.zeros(objective.n_logits)
        return objective.loss.curvature(z[None])[0]
    curvature = _RowCurvature(objective, params, False)

    def add_block(X, rows, total):
        total += curvature(X, rows).sum(axis=0)

    (total,) = objective.blocks.sum(
        add_block,
        (objective.n_logits,),
        width=3 * objective.n_logits,
        work=objective.n_logits,
    )
    return total * objective.mean_factor


def hessian_of_loss(objective: CrossEntropyObjective, params: NDArray) -> NDArray:
    """Return the Hessian of the mean loss, (n_params, n_params)."""
    if objective.n_logits == 1:
        return class_hessians(objective, params)[0]
    return coupled_hessian(objective, params)


class HessianProduct(NamedTuple):
    """The Hessian of the mean loss times a step of the params.

    Attributes
    ----------
    vector : ndarray of shape (n_params,)
    largest_change : float
        The largest change of a logit by the step, over the rows that still respond.
    curvature : float
        The step times the vector, as a sum of squares, where nothing cancels.
    of_intercept : ndarray of shape (n_params,) or None
        The Hessian times a unit of the intercept, of a binary objective with one. It
        comes from the same pass.
    """

    vector: NDArray
    largest_change: float
    curvature: float = 0.0
    of_intercept: NDArray | None = None


def hessian_times(
    objective: CrossEntropyObjective, params: NDArray, step: NDArray
) -> HessianProduct:
    """Return the Hessian of the mean loss at ``params`` times ``step``, in one pass."""
    model_and_change = objective.model_and_change(params, step)
    sparse_X = sparse.issparse(objective.blocks.X)
    for_intercept = objective.n_logits == 1 and objective.fit_intercept
    n_products = objective.n_logits + for_intercept

    def add_block(X, rows, of_coef, of_intercept, largest, curvature):
        z, dz = model_and_change(X, rows)
        if for_intercept:
            dz = np.hstack([dz, np.ones_like(dz)])
        product, changes = objective.loss.curvature_times(z, dz)
        changes = changes[:, : objective.n_logits]
        if objective.weights is not None:
            s = objective.weights[rows][:, None]
            product = product * s.astype(product.dtype, copy=False)
            changes = np.where(s > 0, changes, 0)
        np.maximum(largest, np.abs(changes).max(initial=0), out=largest)
        own = product[:, : objective.n_logits]
        curvature += np.einsum("ik,ik->", own, changes)
        of_coef += transposed(X) @ product if sparse_X else product.T @ X
        of_intercept += product.sum(axis=0, dtype=np.float64)

    shape = (objective.n_features, n_products)
    of_coef, of_intercept, largest, curvature = objective.blocks.sum(
        add_block,
        shape if sparse_X else shape[::-1],
        (n_products,),
        (),
        (),
        width=5 * n_products,
        work=2 * objective.n_logits,
    )
    if sparse_X:
        of_coef = of_coef.T
    if objective.fit_intercept:
        of_coef = np.column_stack([of_coef, of_intercept])
    of_coef *= objective.mean_factor
    curvature = float(curvature) * objective.mean_factor
    vector = of_coef[: objective.n_logits].ravel()
    return HessianProduct(
        vector, float(largest), curvature, of_coef[1] if for_intercept else None
    )


def intercept_hessian(objective: CrossEntropyObjective, params: NDArray) -> NDArray:
    """Return the Hessian of the mean loss in the intercepts, (L, L)."""
    model = objective.linear_model(params)

    def add_block(X, rows, total):
        p = objective.loss.proba(model(X, rows)).astype(np.float64, copy=False)
        s = 1.0 if objective.weights is None else objective.weights[rows][:, None]
        if objective.n_logits == 1:
            total += np.sum(s * p[:, :1] * p[:, 1:])
        else:
            total += np.diag(np.sum(s * p, axis=0)) - (s * p).T @ p

    (total,) = objective.blocks.sum(
        add_block,
        (objective.n_logits, objective.n_logits),
        width=3 * objective.n_logits,
        work=objective.n_logits,
    )
    return total * objective.mean_factor


class _RowCurvature:
    """The weighted curvature s_i h_ik of the rows of a block, (m, L) or (m, 1)."""

    def __init__(self, objective, params, shared, majorant=False):
        self._objective = objective
        loss = objective.loss
        self._of_logits = loss.majorant if majorant else loss.curvature
        self._model = objective.linear_model(params)
        self._shared = shared
        self.n_matrices = 1 if shared else objective.n_logits

    def __call__(self, X, rows):
        h = self._of_logits(self._model(X, rows))
        h = h.astype(np.float64, copy=False)
        if self._shared and h.shape[1] > 1:
            h = h.mean(axis=1, keepdims=True)
        if self._objective.weights is not None:
            h = h * self._objective.weights[rows][:, None]
        return h


def _hessians_of_all_rows(objective, curvature):
    e = objective.n_columns
    few_columns = e <= FEW_COLUMNS and curvature.n_matrices > 1
    fill = squares_are_dense(objective)

    def add_block(X, rows, hessians):
        h = curvature(X, rows)
        if few_columns:
            X = _with_intercept(objective, X)
            hessians += (_products(h, X).T @ X).reshape(hessians.shape)
            return
        if fill and sparse.issparse(X):
            X = X.toarray()
        root = np.sqrt(h)
        for k in range(curvature.n_matrices):
            hessians[k] += _gram(objective, X, root[:, k])

    width = 2 * objective.n_logits + e * (curvature.n_matrices if few_columns else 1)
    (hessians,) = objective.blocks.sum(
        add_block,
        (curvature.n_matrices, e, e),
        width=width,
        work=curvature.n_matrices * e,
    )
    hessians *= objective.mean_factor
    return hessians


def squares_are_dense(objective) -> bool:
    """Whether the products of the columns are computed on dense rows."""
    X = objective.blocks.X
    if not sparse.issparse(X):
        return True
    return objective.n_columns * X.shape[0] <= COLUMNS_PER_ENTRY * X.nnz


def _hessians_of_sampled_rows(objective, curvature, n_sampled):
    n_matrices, d = curvature.n_matrices, objective.n_features

    def add_moments(X, rows, total, diagonal):
        h = curvature(X, rows)
        total += h.sum(axis=0)
        diagonal += transposed(_squares(X)) @ h

    total, diagonal = objective.blocks.sum(
        add_moments,
        (n_matrices,),
        (d, n_matrices),
        width=3 * n_matrices,
        work=objective.n_logits,
    )
    of_total, of_diagonal = _inverse(total), _inverse(diagonal)

    def choose(rows):
        """Return the chosen rows of each matrix, and the roots of their weights."""
        X = objective.blocks.take(rows)
        h = curvature(X, rows)
        share = h * (of_total + (_squares(X) @ of_diagonal) / d) / 2
        probability = np.minimum(1, n_sampled * share)
        # seeded by the block: the same rows however many threads there are
        chosen = np.random.default_rng(rows.start).random(h.shape) < probability
        picks = []
        for k in range(n_matrices):
            (row,) = np.nonzero(chosen[:, k])
            picks.append((rows.start + row, np.sqrt(h[row, k] / probability[row, k])))
        return picks

    picks = objective.blocks.map(
        choose,
        list(objective.blocks.slices(3 * n_matrices)),
        work=objective.n_samples * d * objective.n_logits,
    )

    def hessian(k):
        rows = np.concatenate([pick[k][0] for pick in picks])
        root = np.concatenate([pick[k][1] for pick in picks])
        return _gram(objective, objective.blocks.take(rows), root)

    return objective.mean_factor * np.stack(
        objective.blocks.map(
            hessian, range(n_matrices), work=n_matrices * n_sampled * d**2
        )
    )


def _inverse(sums):
    """Return 1 / sums, or 0 where there is nothing to share."""
    return np.divide(1, sums, out=np.zeros_like(sums), where=sums > 0)


def _squares(X):
    """Return the entries of X squared, in float64, which their sums need."""
    X = X.astype(np.float64, copy=False)
    return X.multiply(X).tocsr() if sparse.issparse(X) else X * X


def _gram(objective, X, root):
    """Return Σ_i root_i² x̃_i x̃_iᵀ of a block of rows, (e, e)."""
    if not sparse.issparse(X):
        scaled = _with_intercept(objective, X, root)
        return scaled.T @ scaled
    d = X.shape[1]
    gram = np.zeros((objective.n_columns,) * 2)
    scaled = X.multiply(root[:, None]).tocsr()
    gram[:d, :d] = (scaled.T @ scaled).toarray()
    if objective.fit_intercept:
        gram[:d, d] = gram[d, :d] = scaled.T @ root
        gram[d, d] = root @ root
    return gram


def _with_intercept(objective, X, factor=None):
    """Return the rows (x, 1) of a block, times ``factor`` each, dense in float64."""
    d = X.shape[1]
    if sparse.issparse(X):
        X = X.toarray()
    out = np.empty((X.shape[0], objective.n_columns))
    if factor is None:
        out[:, :d] = X
        out[:, d:] = 1
    else:
        np.multiply(X, factor[:, None], out=out[:, :d])
        out[:, d:] = factor[:, None]
    return out
