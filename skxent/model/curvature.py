"""Hessians of the mean loss: of all params, its diagonal, or times a step.

Let ``x̃ = (x, 1)`` be a row of X followed by 1 for the intercept. The Hessian is::

    H_kl = 1/S Σ_i s_i (p_ik δ_kl − p_ik p_il) x̃_i x̃_iᵀ        (e, e) for classes k, l

`coupled_hessian` returns the whole matrix, `curvature_moments` what its diagonal is
made of, and `class_hessians` its diagonal blocks. `hessian_times` multiplies by a step
without forming the matrix. The penalty is not included.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.blocks import sum_over_rows, transposed
from ..data.rows import Block, Largest, Sum
from ..data.scratch import Scratch
from .class_hessians import RowCurvature, class_hessians
from .problem import Problem
from .row_products import dense, squares


def coupled_hessian(problem: Problem, params: NDArray) -> NDArray:
    """Return the Hessian of all params of a softmax, (n_params, n_params)."""
    model, scratch = problem.linear_model(params), Scratch()

    def add_block(block: Block, gram: NDArray) -> None:
        p = problem.loss.proba(model(block))
        add_coupled_products(problem, block, p, gram, scratch)

    (gram,) = problem.rows.map_reduce(
        add_block,
        Sum(problem.n_params, problem.n_params),
        width=2 * problem.n_params,
        work=problem.n_logits * problem.n_params,
    )
    gram *= problem.rows.mean_factor
    return hessian_from_products(problem, gram)


def add_coupled_products(
    problem: Problem, block: Block, p: NDArray, gram: NDArray, scratch: Scratch
) -> None:
    """Add Σ_i s_i p_ik p_il x̃_i x̃_iᵀ over the rows of a block, for all classes k, l.

    Parameters
    ----------
    problem : Problem
    block : Block
    p : ndarray of shape (m, L)
        The probabilities of the classes.
    gram : ndarray of shape (n_params, n_params)
        Where the products are added.
    scratch : Scratch
        The memory of the products of the block.
    """
    # one contiguous row for each column of X: its products are fastest along that
    X = np.ones((problem.n_columns, len(p)))
    X[: problem.n_features] = dense(block.X).T
    p = np.ascontiguousarray(p.T, dtype=np.float64)
    if block.weights is not None:
        p = p * np.sqrt(block.weights)
    products = scratch.array((len(p), *X.shape), X.dtype)
    products = np.multiply(p[:, None], X, out=products).reshape(-1, X.shape[1])
    gram += sum_over_rows(products, products.T)


def hessian_from_products(problem: Problem, gram: NDArray) -> NDArray:
    """Return the Hessian from what `add_coupled_products` has summed, overwritten.

    The block of a class has the factor p (1 − p). As 1 − p is the sum of the other
    probabilities, this is the sum of the other blocks in its row: nothing cancels.
    """
    n_logits, e = problem.n_logits, problem.n_columns
    blocks, k = gram.reshape(n_logits, e, n_logits, e), np.arange(n_logits)
    blocks[k, :, k] = 0
    of_classes = blocks.sum(axis=2)
    np.negative(gram, out=gram)
    blocks[k, :, k] = of_classes
    return gram


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
    curvature, scratch = RowCurvature(problem, params, False, majorant), Scratch()

    def add_block(
        block: Block, zeroth: NDArray, first: NDArray, second: NDArray
    ) -> None:
        h = curvature(block)
        zeroth += h.sum(axis=0)[:, None]
        first += sum_over_rows(transposed(block.X), h).T
        second += sum_over_rows(transposed(squares(block.X, scratch)), h).T

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
    curvature = RowCurvature(problem, params, False)

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
    of_intercepts : ndarray of shape (L, n_params) or None
        The rows of the Hessian that belong to the intercepts, if they are known.
    """

    vector: NDArray
    largest_change: float
    curvature: float = 0.0
    of_intercepts: NDArray | None = None


def hessian_times(
    problem: Problem,
    params: NDArray,
    step: NDArray,
    change: Callable[[Block], NDArray] | None = None,
) -> HessianProduct:
    """Return the Hessian of the mean loss at ``params`` times ``step``, in one pass.

    For a single logit, the product has the row of the Hessian for the intercept, too.
    ``change`` computes the change of the logits by the step, if float64 does not do.
    """
    model_and_change = problem.model_and_change(params, step, change)
    for_intercept = problem.n_logits == 1 and problem.fit_intercept
    n_products = problem.n_logits + for_intercept
    is_dense_and_binary = for_intercept and not problem.rows.is_sparse

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
        if is_dense_and_binary:
            # two products with a vector are faster than one with two columns
            for total, column in zip(of_coef.T, product.T, strict=True):
                total += sum_over_rows(column, block.X)
        else:
            of_coef += sum_over_rows(transposed(block.X), product)
        of_intercept += product.sum(axis=0, dtype=np.float64)

    of_coef, of_intercept, largest, curvature = problem.rows.map_reduce(
        add_block,
        Sum(problem.n_features, n_products),
        Sum(n_products),
        Largest(),
        Sum(),
        width=5 * n_products,
        work=2 * problem.n_logits,
    )
    of_coef = of_coef.T
    if problem.fit_intercept:
        of_coef = np.column_stack([of_coef, of_intercept])
    of_coef *= problem.rows.mean_factor
    vector = of_coef[: problem.n_logits].ravel()
    return HessianProduct(
        vector,
        float(largest),
        float(curvature) * problem.rows.mean_factor,
        of_coef[1:] if for_intercept else None,
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
