"""The loss of each row under the fit without that row.

One Newton step from the fit to all rows gives the losses of nearly all rows. Where its
quadratic model does not hold, the fit is repeated without the row. Such rows are few,
but they may decide on the mean: a row of pendigits whose loss is 10 nats has 16 after
one step, and 180 at the optimum without it.
"""

import numpy as np
from numpy.typing import NDArray

from ..data.rows import Block
from ..model.leave_one_out import approximate_leave_one_out
from ..model.objective import Objective
from ..model.problem import Problem
from .minimise import minimise
from .preconditioners.base import Preconditioner

# If more fits than this have to be repeated, cross-validation with folds is cheaper.
MAX_REFITS = 100


def leave_one_out_losses(
    objective: Objective,
    params: NDArray,
    *,
    tol: float,
    max_iter: int,
    preconditioner: Preconditioner | None = None,
    targets: NDArray | None = None,
) -> NDArray:
    """Return the loss of each row under the fit without it, to first order or exact.

    Parameters
    ----------
    objective : Objective
    params : ndarray of shape (n_params,)
        Its optimum.
    tol, max_iter
        As in `minimise`, for the fits that have to be repeated.
    preconditioner : Preconditioner, default=None
        The last one of the fit, for these.
    targets : ndarray of shape (n,) or (n, K), default=None
        What the losses refer to, such as the targets before label smoothing; None for
        the targets of the fit.

    Returns
    -------
    ndarray of shape (n,)
        In nats, not multiplied by the weights. The loss of a row of weight 0 is that of
        the fit.

    Raises
    ------
    ValueError
        If a class has a single row, a coefficient is at a bound, the Hessian takes too
        much memory, too many fits have to be repeated, or one of them does not
        converge.
    """
    _refuse_single_rows(objective)
    losses, is_reliable = approximate_leave_one_out(objective, params, targets)
    refitted = np.flatnonzero(~is_reliable)
    if len(refitted) > MAX_REFITS:
        raise ValueError(
            f"Leave-one-out from a single fit does not hold: {len(refitted)} of "
            f"{len(losses)} rows change the fit so much that it has to be repeated "
            f"without each of them. Expected at most {MAX_REFITS} such rows: use cv=5, "
            "or a smaller C."
        )
    with objective.rows.threads():
        for row in refitted.tolist():
            others = objective.without_row(row)
            solution = minimise(
                others,
                params,
                tol=tol,
                max_iter=max_iter,
                preconditioner=preconditioner,
            )
            if solution.deserves_warning:
                raise ValueError(
                    f"Leave-one-out needs a fit without row {row}, which ended short "
                    f"of tol: {solution.message(tol)} Or use cv=5."
                )
            losses[row] = _loss_of_row(others, solution.params, row, targets)
    return losses


def _refuse_single_rows(objective: Objective) -> None:
    """Raise an error if leave-one-out would leave no row of a class."""

    def count(block: Block) -> NDArray:
        labels = block.targets
        if block.weights is not None:
            labels = labels[block.weights > 0]
        if labels.ndim == 2:
            return np.sum(labels > 0, axis=0)
        return np.bincount(labels, minlength=objective.n_classes)

    counts = sum(objective.rows.map_blocks(count, width=1, work=0))
    if np.min(counts) < 2:
        raise ValueError(
            f"Class {np.argmin(counts)} has a single row, so that leave-one-out would "
            "leave none; expected two rows for each class: drop the class."
        )


def _loss_of_row(
    problem: Problem, params: NDArray, row: int, targets: NDArray | None
) -> float:
    """Return the loss of one row, in nats."""
    model = problem.linear_model(params)

    def of_block(block: Block) -> float:
        at = row - block.start
        if not 0 <= at < len(block.targets):
            return 0.0
        y = block.targets[at : at + 1] if targets is None else targets[row : row + 1]
        z = model(block)[at : at + 1]
        return float(problem.loss.loss_and_residual(y, z)[0][0])

    return sum(problem.rows.map_blocks(of_block, width=3 * problem.n_logits, work=1))
