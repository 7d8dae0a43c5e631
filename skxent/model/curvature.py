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

from ..data.blocks import transposed
from ..data.rows import Block, Largest, Sum
from .class_hessians import RowCurvature, class_hessians
from .problem import Problem
from .row_products import products, squares, with_intercept


def coupled_hessian(problem: Problem, params: NDArray) -> NDArray:
    """Return the Hessian of all params of a softmax, (n_params, n_params)."""
    model = problem.linear_model(params)
    n_logits, e = problem.n_logits, problem.n_columns

    def add_block(block: Block, hessian: NDArray, diagonal: NDArray) -> None:
        add_coupled_products(problem, block, model(block), hessian, diagonal)

    hessian, diagonal = problem.rows.map_reduce(
        add_block,
        Sum(problem.n_params, problem.n_params),
        Sum(n_logits, e, e),
        width=2 * problem.n_params,
        work=n_logits * problem.n_params,
    )
    return problem.rows.mean_factor * with_class_blocks(hessian, diagonal)


def add_coupled_products(
    problem: Problem, block: Block, z: NDArray, hessian: NDArray, diagonal: NDArray
) -> None:
    """Add the Hessian of the rows of a block with the logits z, in two sums.

    Parameters
    ----------
    problem : Problem
    block : Block
    z : ndarray of shape (m, L)
    hessian : ndarray of shape (n_params, n_params)
        Where −Σ_i s_i p_ik p_il x̃_i x̃_iᵀ is added.
    diagonal : ndarray of shape (L, e, e)
        Where the blocks Σ_i s_i p_ik (1 − p_ik) x̃_i x̃_iᵀ are added: in a sum of their
        own, because p − p² would cancel.
    """
    s = 1.0 if block.weights is None else block.weights[:, None]
    X = with_intercept(problem, block.X)
    weighted = products(np.sqrt(s) * problem.loss.proba(z), X)
    hessian -= weighted.T @ weighted
    weighted = products(s * problem.loss.curvature(z), X)
    diagonal += (weighted.T @ X).reshape(diagonal.shape)


def with_class_blocks(hessian: NDArray, diagonal: NDArray) -> NDArray:
    """Return the Hessian with the blocks of the classes on its diagonal, in place."""
    e = diagonal.shape[1]
    for k, of_class in enumerate(diagonal):
        block = slice(k * e, (k + 1) * e)
        hessian[block, block] = of_class
    return hessian


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
    curvature = RowCurvature(problem, params, False, majorant)

    def add_block(
        block: Block, zeroth: NDArray, first: NDArray, second: NDArray
    ) -> None:
        h = curvature(block)
        zeroth += h.sum(axis=0)[:, None]
        first += (transposed(block.X) @ h).T
        second += (transposed(squares(block.X)) @ h).T

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
    of_intercept : ndarray of shape (n_params,) or None
        For a single logit, the column of the Hessian that belongs to the intercept.
    """

    vector: NDArray
    largest_change: float
    curvature: float = 0.0
    of_intercept: NDArray | None = None


def hessian_times(
    problem: Problem,
    params: NDArray,
    step: NDArray,
    change: Callable[[Block], NDArray] | None = None,
) -> HessianProduct:
    """Return the Hessian of the mean loss at ``params`` times ``step``, in one pass.

    ``change`` computes the change of the logits by the step, if float64 does not do.
    """
    model_and_change = problem.model_and_change(params, step, change)
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
