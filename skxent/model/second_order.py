"""F, its gradient and its Hessian in one pass over the rows.

If the Hessian of all params is small, its sum takes less time than the calls of Python
around a second pass. Products of rows then give both derivatives::

    ∂/∂w_k = 1/S Σ_i s_i r_ik x̃_i,       x̃ = (x, 1)
    H_kl   = 1/S Σ_i s_i (p_ik δ_kl − p_ik p_il) x̃_i x̃_iᵀ
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.blocks import sum_over_rows
from ..data.rows import Block, Largest, Sum
from ..data.scratch import Scratch
from .curvature import add_coupled_products, hessian_from_products
from .objective import Objective
from .problem import Evaluation, largest_loss
from .row_products import gram

# BLAS multiplies entries of X with each other several times as fast as with
# coefficients, since it reads each of them once for many products.
SQUARES_PER_PRODUCT = 4


class SecondOrder(NamedTuple):
    """An evaluation of F with the Hessian at the same params.

    Attributes
    ----------
    evaluation : Evaluation
        F and its gradient.
    hessian : ndarray of shape (n_params, n_params)
        Of the mean loss, without the penalty.
    """

    evaluation: Evaluation
    hessian: NDArray


def evaluate_second_order(objective: Objective, params: NDArray) -> SecondOrder:
    """Return F, its gradient and the Hessian of the mean loss; counts as an evaluation.

    Parameters
    ----------
    objective : Objective
        With few params.
    params : ndarray of shape (n_params,)
    """
    objective.count_evaluations(1)
    loss, model, scratch = objective.loss, objective.linear_model(params), Scratch()
    n_logits, e, size = objective.n_logits, objective.n_columns, objective.n_params

    def add_block(
        block: Block,
        loss_sum: NDArray,
        gradient: NDArray,
        hessian: NDArray,
        largest: NDArray,
    ) -> None:
        z, s = model(block), block.weights
        of_rows, r, second = loss.second_order(block.targets, z)
        np.maximum(largest, largest_loss(of_rows, block), out=largest)
        loss_sum += of_rows.sum() if s is None else s @ of_rows
        if s is not None:
            r = r * s[:, None]
        gradient[:, : objective.n_features] += sum_over_rows(block.X.T, r).T
        if objective.fit_intercept:
            gradient[:, -1] += r.sum(axis=0)
        if n_logits > 1:
            add_coupled_products(objective, block, second, hessian, scratch)
            return
        h = second[:, 0]
        hessian += gram(objective, block.X, np.sqrt(h if s is None else h * s))

    loss_sum, gradient, hessian, largest = objective.rows.map_reduce(
        add_block,
        Sum(),
        Sum(n_logits, e),
        Sum(size, size),
        Largest(),
        width=3 * n_logits + size,
        work=n_logits * (1 + size // SQUARES_PER_PRODUCT),
    )
    factor = objective.rows.mean_factor
    hessian *= factor
    if n_logits > 1:
        hessian = hessian_from_products(objective, hessian)
    gradient *= factor
    mean_loss = Evaluation(factor * float(loss_sum), gradient.ravel(), float(largest))
    return SecondOrder(objective.with_penalty_added(params, mean_loss), hessian)
