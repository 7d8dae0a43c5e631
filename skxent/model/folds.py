"""Several fits that each leave out some of the rows, evaluated in one pass.

Each row is held out by one fold. The fit of fold f minimises::

    F_f(w, b) = 1/S Σ_{i not in f} s_i loss(y_i, z_i) + Σ_j pen_j(w_j)

with the S and the penalty of all rows. This is a multiple of the objective of a fit to
the other rows alone, with the same C, so it has the same optimum. A pass reads a block
of X once for all folds: their logits are one product, and so are their gradients.

The Hessian of fold f is that of all rows minus the contribution of those that f holds
out. The contributions of all folds cost as much as one Hessian.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.blocks import transposed
from ..data.rows import Block, Sum
from .curvature import add_coupled_products, hessian_from_products
from .objective import Objective
from .problem import Problem
from .row_products import gram


class FoldEvaluations(NamedTuple):
    """F_f and its gradient, for each fold f.

    Attributes
    ----------
    values : ndarray of shape (n_folds,)
    gradients : ndarray of shape (n_folds, n_params)
    """

    values: NDArray
    gradients: NDArray


def evaluate_folds(
    objective: Objective, folds: NDArray, numbers: NDArray, params: NDArray
) -> FoldEvaluations:
    """Return F_f and its gradient for some folds, in one pass.

    Parameters
    ----------
    objective : Objective
        Of all rows.
    folds : ndarray of shape (n,)
        The number of the fold that holds each row out.
    numbers : ndarray of shape (n_folds,)
        The numbers of the folds to evaluate.
    params : ndarray of shape (n_folds, n_params)
        Those of each of them.
    """
    n_folds, n_logits = len(params), objective.n_logits
    loss, is_sparse = objective.loss, objective.rows.is_sparse
    models = objective.linear_models(params)

    def add_block(
        block: Block, loss_sums: NDArray, of_coef: NDArray, of_intercept: NDArray
    ) -> None:
        held_out_by = folds[block.start : block.start + len(block.targets)]
        residuals = []
        for fold, z in enumerate(models(block)):
            losses, r = loss.loss_and_residual(block.targets, z)
            s = (held_out_by != numbers[fold]).astype(losses.dtype)
            if block.weights is not None:
                s *= block.weights
            loss_sums[fold] += np.sum(s * losses, dtype=np.float64)
            residuals.append((r * s[:, None]).T)
        r = np.concatenate(residuals)
        of_coef += (transposed(block.X) @ r.T).T if is_sparse else r @ block.X
        of_intercept += r.sum(axis=1, dtype=np.float64)

    n_rows = n_folds * n_logits
    loss_sums, of_coef, of_intercept = objective.rows.map_reduce(
        add_block,
        Sum(n_folds),
        Sum(n_rows, objective.n_features),
        Sum(n_rows),
        width=4 * n_rows,
        work=n_rows,
    )
    factor, penalty = objective.rows.mean_factor, objective.penalty
    values, gradients = factor * loss_sums, np.empty_like(params)
    for fold in range(n_folds):
        places = slice(fold * n_logits, (fold + 1) * n_logits)
        gradient_of_coef, gradient_of_intercept = objective.split(gradients[fold])
        gradient_of_coef[:] = factor * of_coef[places]
        if gradient_of_intercept.size:
            gradient_of_intercept[:] = factor * of_intercept[places]
        coef, _ = objective.split(params[fold])
        values[fold] += penalty.value(coef)
        penalty.add_gradient(coef, gradient_of_coef)
    return FoldEvaluations(values, gradients)


def held_out_hessians(
    problem: Problem, folds: NDArray, n_folds: int, params: NDArray
) -> NDArray:
    """Return what the rows of each fold contribute to the Hessian of the mean loss.

    Parameters
    ----------
    problem : Problem
    folds : ndarray of shape (n,)
    n_folds : int
    params : ndarray of shape (n_params,)
        Where to evaluate the curvature of all rows.

    Returns
    -------
    ndarray of shape (n_folds, n_params, n_params)
    """
    model, loss = problem.linear_model(params), problem.loss

    def add_binary(block: Block, z: NDArray, hessian: NDArray) -> None:
        h = loss.curvature(z)[:, 0].astype(np.float64)
        if block.weights is not None:
            h *= block.weights
        hessian += gram(problem, block.X, np.sqrt(h))

    def add_block(block: Block, hessians: NDArray) -> None:
        held_out_by = folds[block.start : block.start + len(block.targets)]
        z = model(block)
        for fold in range(n_folds):
            rows = np.flatnonzero(held_out_by == fold)
            if not rows.size:
                continue
            some = block.take(rows)
            if problem.n_logits == 1:
                add_binary(some, z[rows], hessians[fold])
            else:
                p = loss.proba(z[rows])
                add_coupled_products(problem, some, p, hessians[fold])

    size = problem.n_params
    (hessians,) = problem.rows.map_reduce(
        add_block,
        Sum(n_folds, size, size),
        width=3 * size,
        work=problem.n_logits * size,
    )
    hessians *= problem.rows.mean_factor
    if problem.n_logits > 1:
        for of_fold in hessians:
            hessian_from_products(problem, of_fold)
    return hessians


def held_out_losses(problem: Problem, folds: NDArray, params: NDArray) -> NDArray:
    """Return the mean loss of the rows that each fold holds out, (n_folds,), in nats.

    Parameters
    ----------
    problem : Problem
        Its targets and weights are those of the mean.
    folds : ndarray of shape (n,)
    params : ndarray of shape (n_folds, n_params)
        Those of each fold.
    """
    models = [problem.linear_model(of_fold) for of_fold in params]

    def add_block(block: Block, losses: NDArray, weights: NDArray) -> None:
        held_out_by = folds[block.start : block.start + len(block.targets)]
        for fold, model in enumerate(models):
            rows = np.flatnonzero(held_out_by == fold)
            if not rows.size:
                continue
            some = block.take(rows)
            s = np.ones(len(rows)) if some.weights is None else some.weights
            loss, _ = problem.loss.loss_and_residual(some.targets, model(some))
            losses[fold] += s @ loss
            weights[fold] += s.sum()

    losses, weights = problem.rows.map_reduce(
        add_block,
        Sum(len(params)),
        Sum(len(params)),
        width=3 * problem.n_logits,
        work=problem.n_logits,
    )
    return losses / weights
