"""The cost model: what Hessians and evaluations cost, from the sizes alone.

Nanoseconds on one core, measured by ``benchmarks/cost_model.py``. Only their ratios
matter.
"""

import numpy as np

from ...model.curvature import squares_are_dense
from ...model.objective import Objective

READ = 0.6  # a number of X from memory
PRODUCT = 0.1  # a number of X times a coefficient, there (logits) and back (gradient)
LOSS = 5.0  # loss and residual of a logit
SQUARE = 0.016  # a product of two entries of a row, summed into a Hessian
SPARSE_SQUARE = 10.0  # the same of two stored entries of a sparse row
GATHER = 1.2  # a number of X, scaled and stored for such a product
FACTOR = 0.018  # e³ of these for a Cholesky factorisation
SOLVE = 0.4  # e² of these for T u and Tᵀ g together

# All rows go into a Hessian while that costs no more than this many evaluations; then
# a sample that costs as much, but not fewer rows for a matrix than this times columns.
MAX_BUILD = 8
ROWS_PER_COLUMN = 2
# What the matrices of a change of variables may take together, while it is made.
MAX_BYTES = 2**28


def price_of_evaluation(objective: Objective) -> float:
    """Return the price of F and its gradient, in nanoseconds."""
    n, n_logits, stored = objective.n_samples, objective.n_logits, _stored(objective)
    return n * (READ * stored + PRODUCT * stored * n_logits + LOSS * n_logits)


def price_of_hessians(
    objective: Objective, n_matrices: int, n_sampled: int | None = None
) -> tuple[int, float]:
    """Return how many rows to use for each of some (e, e) matrices, and the price.

    The price is that of the matrices and their factors, in evaluations. The number of
    rows follows from it, unless it is given.
    """
    n, e = objective.n_samples, objective.n_columns
    evaluation = price_of_evaluation(objective)
    row = n_matrices * (GATHER * _stored(objective) + _square(objective)) / evaluation
    if n_sampled is not None:
        rows = n_sampled
    elif objective.rows.is_sparse:
        # A sum of rare columns, as of one-hot levels, may be constant on a sample
        # of rows and not on all: curvature that the sample misses.
        rows = n
    else:
        rows = min(n, max(ROWS_PER_COLUMN * e, int(MAX_BUILD / row)))
    return rows, rows * row + n_matrices * FACTOR * e**3 / evaluation


def price_of_exact_hessian(objective: Objective, overhead: float = 0.0) -> float:
    """Return what the Hessian of all params and its factor cost, in evaluations.

    Each of these takes ``overhead`` nanoseconds beside its own, for what is done
    between them. It is infinite where the Hessian does not fit into memory.
    """
    n, size = objective.n_samples, objective.n_params
    if 40 * size**2 > MAX_BYTES:
        return np.inf
    row = GATHER * _stored(objective) + _square(objective)
    if objective.n_logits > 1:
        row = GATHER * size + SQUARE * size**2
    return (n * row + FACTOR * size**3) / (price_of_evaluation(objective) + overhead)


def _stored(objective: Objective) -> float:
    """Return how many numbers of X are stored for a row, at least 1 if sparse."""
    if objective.rows.is_sparse:
        return max(1, objective.rows.n_stored / objective.n_samples)
    return objective.n_features


def _square(objective: Objective) -> float:
    """Return the price of the products of the entries of a row, in nanoseconds."""
    if squares_are_dense(objective):
        return SQUARE * objective.n_columns**2
    return SPARSE_SQUARE * _stored(objective) ** 2
