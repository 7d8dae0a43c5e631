"""Several fits that each leave out some of the rows, evaluated in one pass.

Each row is held out by one fold. The fit of fold f minimises::

    F_f(w, b) = 1/S Σ_{i not in f} s_i loss(y_i, z_i) + Σ_j pen_j(w_j)

with the S and the penalty of all rows. This is a multiple of the objective of a fit to
the other rows alone, with the same C, so it has the same optimum. A pass reads a block
of X once for all folds: their logits are one product, and so are their gradients.

The Hessian of fold f is that of all rows minus the contribution of those that f holds
out. The contributions of all folds cost as much as one Hessian. At the same params, so
do F_f and its gradient.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..data.blocks import sum_over_rows, transposed
from ..data.rows import Block, Sum
from ..data.scratch import Scratch
from .curvature import add_coupled_products, hessian_from_products
from .objective import Objective
from .problem import Problem
from .row_products import gram

# The number of a fold that holds no row out: its fit is that of all rows.
NO_FOLD = -1
# BLAS multiplies a matrix by this number of columns at once.
BLAS_COLUMNS = 8


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
        The numbers of the folds to evaluate; `NO_FOLD` evaluates all rows.
    params : ndarray of shape (n_folds, n_params)
        Those of each of them.
    """
    n_folds, n_logits = len(params), objective.n_logits
    n_columns = n_folds * n_logits
    models, loss = StackedModels(objective, params), objective.loss
    numbers = numbers[:, None]

    def add_block(
        block: Block, loss_sums: NDArray, of_coef: NDArray, of_intercept: NDArray
    ) -> None:
        m = len(block.targets)
        # Calls for all models at once: a thread waits for the interpreter at each.
        targets = np.concatenate([block.targets] * n_folds)
        losses, r = loss.loss_and_residual(targets, models.logits(block))
        s = (folds[block.start : block.start + m] != numbers).astype(losses.dtype)
        if block.weights is not None:
            s *= block.weights
        loss_sums += np.einsum(
            "fi,fi->f", losses.reshape(n_folds, m), s, dtype=np.float64
        )
        weighted = r.T.reshape(n_logits, n_folds, m) * s
        # BLAS takes twice as long for the product with residuals in Fortran order
        residuals = np.zeros((m, models.n_padded), r.dtype)
        residuals[:, :n_columns] = weighted.reshape(n_columns, m).T
        of_coef += sum_over_rows(transposed(block.X), residuals)
        of_intercept += weighted.sum(axis=2, dtype=np.float64)

    loss_sums, of_coef, of_intercept = objective.rows.map_reduce(
        add_block,
        Sum(n_folds),
        Sum(objective.n_features, models.n_padded),
        Sum(n_logits, n_folds),
        width=4 * n_columns,
        work=n_columns,
    )
    factor, penalty = objective.rows.mean_factor, objective.penalty
    values, gradients = factor * loss_sums, np.empty_like(params)
    of_coef = of_coef[:, :n_columns].T.reshape(n_logits, n_folds, -1)
    for fold in range(n_folds):
        gradient_of_coef, gradient_of_intercept = objective.split(gradients[fold])
        gradient_of_coef[:] = factor * of_coef[:, fold]
        if gradient_of_intercept.size:
            gradient_of_intercept[:] = factor * of_intercept[:, fold]
        coef, _ = objective.split(params[fold])
        values[fold] += penalty.value(coef)
        penalty.add_gradient(coef, gradient_of_coef)
    return FoldEvaluations(values, gradients)


class StackedModels:
    """The logits of several models, as those of one model with more rows.

    Parameters
    ----------
    problem : Problem
    params : ndarray of shape (n_models, n_params)

    Attributes
    ----------
    n_padded : int
        The number of columns of a product with X: one for each logit of each model,
        and columns of 0 where BLAS is faster with them.
    """

    def __init__(self, problem: Problem, params: NDArray):
        parts = [problem.split(p.astype(problem.rows.dtype)) for p in params]
        coefs, intercepts = (np.array(part) for part in zip(*parts, strict=True))
        self._shape = problem.n_logits, len(params)
        self._n_columns = problem.n_logits * len(params)
        missing = -self._n_columns % BLAS_COLUMNS
        is_padded = missing < BLAS_COLUMNS // 2 and not problem.rows.is_sparse
        self.n_padded = self._n_columns + is_padded * missing
        # class by class, so that the logits of a class are contiguous
        self._coef = np.zeros((self.n_padded, problem.n_features), coefs.dtype)
        self._coef[: self._n_columns] = coefs.swapaxes(0, 1).reshape(
            self._n_columns, -1
        )
        self._intercept = intercepts.T[:, :, None]

    def logits(self, block: Block) -> NDArray:
        """Return the logits, (n_models m, L), model by model, in Fortran order."""
        n_logits, n_models = self._shape
        if sparse.issparse(block.X):
            columns = np.ascontiguousarray((block.X @ self._coef.T).T)
        else:
            columns = (self._coef @ block.X.T)[: self._n_columns]
        z = columns.reshape(n_logits, n_models, -1)
        if self._intercept.size:
            z += self._intercept
        if block.offset is not None:
            z += block.offset.T[:, None]
        return z.reshape(n_logits, -1).T


class HeldOut(NamedTuple):
    """What the rows of each fold contribute to the mean loss and its derivatives.

    Attributes
    ----------
    values : ndarray of shape (n_folds,)
    gradients : ndarray of shape (n_folds, n_params)
    hessians : ndarray of shape (n_folds, n_params, n_params)
    """

    values: NDArray
    gradients: NDArray
    hessians: NDArray


def held_out_model(
    problem: Problem, folds: NDArray, n_folds: int, params: NDArray
) -> HeldOut:
    """Return the quadratic model of the loss of each fold's rows, in one pass.

    Parameters
    ----------
    problem : Problem
    folds : ndarray of shape (n,)
    n_folds : int
    params : ndarray of shape (n_params,)
        Where to evaluate.
    """
    model, loss, scratch = problem.linear_model(params), problem.loss, Scratch()

    def add_binary(block: Block, z: NDArray, hessian: NDArray) -> None:
        h = loss.curvature(z)[:, 0].astype(np.float64)
        if block.weights is not None:
            h *= block.weights
        hessian += gram(problem, block.X, np.sqrt(h))

    def add_block(
        block: Block,
        values: NDArray,
        of_coef: NDArray,
        of_intercept: NDArray,
        hessians: NDArray,
    ) -> None:
        held_out_by = folds[block.start : block.start + len(block.targets)]
        z = model(block)
        losses, r = loss.loss_and_residual(block.targets, z)
        if block.weights is not None:
            losses = losses * block.weights
            r *= block.weights[:, None]
        values += np.bincount(held_out_by, losses, n_folds)
        for fold in range(n_folds):
            rows = np.flatnonzero(held_out_by == fold)
            if not rows.size:
                continue
            some = block.take(rows)
            of_coef[fold] += sum_over_rows(transposed(some.X), r[rows]).T
            of_intercept[fold] += r[rows].sum(axis=0)
            if problem.n_logits == 1:
                add_binary(some, z[rows], hessians[fold])
            else:
                p = loss.proba(z[rows])
                add_coupled_products(problem, some, p, hessians[fold], scratch)

    size = problem.n_params
    values, of_coef, of_intercept, hessians = problem.rows.map_reduce(
        add_block,
        Sum(n_folds),
        Sum(n_folds, problem.n_logits, problem.n_features),
        Sum(n_folds, problem.n_logits),
        Sum(n_folds, size, size),
        width=3 * size,
        work=problem.n_logits * size,
    )
    factor = problem.rows.mean_factor
    hessians *= factor
    if problem.n_logits > 1:
        for of_fold in hessians:
            hessian_from_products(problem, of_fold)
    gradients = np.array(
        [
            problem.layout.join(factor * coef, factor * intercept)
            for coef, intercept in zip(of_coef, of_intercept, strict=True)
        ]
    )
    return HeldOut(factor * values, gradients, hessians)


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
