"""The cost model: the prices of Hessians and of evaluations, by size alone.

Its constants were measured by ``benchmarks/cost_model.py``. Only their ratios matter.
"""

from dataclasses import dataclass

import numpy as np

from ...model.objective import Objective


@dataclass(frozen=True)
class Nanoseconds:
    """The price of each elementary operation, in nanoseconds on one core.

    Attributes
    ----------
    read : float
        Reads a number of X from memory.
    product : float
        Multiplies a number of X by a coefficient, there (logits) and back (gradient).
    loss : float
        Computes the loss and the residual of a logit.
    square : float
        Multiplies two entries of a dense row and adds the product to a Hessian.
    sparse_square : float
        Does the same for two stored entries of a sparse row.
    gather : float
        Scales and stores a number of X for such a product.
    factor : float
        Times e³: a Cholesky factorisation.
    solve : float
        Times e²: T u and Tᵀ g together.
    """

    read: float = 0.6
    product: float = 0.1
    loss: float = 5.0
    square: float = 0.016
    sparse_square: float = 10.0
    gather: float = 1.2
    factor: float = 0.018
    solve: float = 0.4


NANOSECONDS = Nanoseconds()
# A Hessian uses all rows while that costs at most this many evaluations, and otherwise
# a sample that costs as much.
MAX_BUILD = 8
# A sample has at least this many rows for each column. With fewer rows than columns its
# Hessian would be singular.
ROWS_PER_COLUMN = 2
# With this many rows for each column, a sample preconditions as well as all rows: its
# eigenvalues differ by about a seventh from the exact ones.
ENOUGH_ROWS_PER_COLUMN = 200
# With fewer, a fit takes about this number more evaluations, divided by the rows for
# each column.
EVALUATIONS_OF_NOISE = 100
# The pass that chooses a sample costs about this many evaluations.
PRICE_OF_CHOICE = 2
# A sample that saves less than this many evaluations is not worth its noise.
LEAST_SAVING = 1
# The matrices of a preconditioner may take this much memory while it is built.
MAX_PRECONDITIONER_BYTES = 2**28


def price_of_evaluation(objective: Objective) -> float:
    """Return the price of F and its gradient, in nanoseconds."""
    n, n_logits = objective.n_samples, objective.n_logits
    stored = _stored_per_row(objective)
    return n * (
        NANOSECONDS.read * stored
        + NANOSECONDS.product * stored * n_logits
        + NANOSECONDS.loss * n_logits
    )


def price_of_hessians(
    objective: Objective, n_matrices: int, n_sampled: int | None = None
) -> tuple[int, float]:
    """Return the number of rows for some (e, e) Hessians, and their price.

    Parameters
    ----------
    objective : Objective
    n_matrices : int
    n_sampled : int, default=None
        The number of rows, if it is given; otherwise their prices determine it.

    Returns
    -------
    n_rows : int
    price : float
        Of all matrices and their factors, in evaluations.
    """
    n, e = objective.n_samples, objective.n_columns
    price_of_pass = price_of_evaluation(objective)
    price_of_row = _price_of_row(objective, n_matrices)
    rows = n_sampled or _rows_to_use(objective, n_matrices, price_of_row)
    price_of_rows = min(rows, n) * price_of_row + PRICE_OF_CHOICE * (rows < n)
    price_of_factors = n_matrices * NANOSECONDS.factor * e**3 / price_of_pass
    return min(rows, n), price_of_rows + price_of_factors


def affordable_rows(objective: Objective, n_matrices: int) -> int:
    """Return the number of rows of a sample whose Hessians cost `MAX_BUILD`."""
    return int(MAX_BUILD / _price_of_row(objective, n_matrices))


def _price_of_row(objective: Objective, n_matrices: int) -> float:
    """Return the price of a row of all Hessians, in evaluations."""
    gather = NANOSECONDS.gather * _stored_per_row(objective)
    products = _price_of_row_products(objective)
    return n_matrices * (gather + products) / price_of_evaluation(objective)


def _rows_to_use(objective: Objective, n_matrices: int, price_of_row: float) -> int:
    """Return the number of rows of a sample, or of all rows if it saves too little."""
    n, e = objective.n_samples, objective.n_columns
    if objective.rows.is_sparse:
        # A sum of rare columns, such as one-hot levels, may be constant on a sample
        # but not on all rows: the sample would miss its curvature.
        return n
    affordable = affordable_rows(objective, n_matrices)
    if n_matrices == 1:
        # where price and noise of the sample together cost least
        balanced = int(np.sqrt(EVALUATIONS_OF_NOISE * e / price_of_row))
        affordable = min(affordable, balanced, ENOUGH_ROWS_PER_COLUMN * e)
    elif affordable < n:
        # each matrix gathers a sample of its own, until all are built
        left = max(0, MAX_PRECONDITIONER_BYTES - 16 * n_matrices * e**2)
        affordable = min(affordable, left // (8 * n_matrices * e))
    rows = max(ROWS_PER_COLUMN * e, affordable)
    saved = (n - rows) * price_of_row - PRICE_OF_CHOICE
    return rows if saved > LEAST_SAVING else n


def price_of_exact_hessian(objective: Objective, overhead: float = 0.0) -> float:
    """Return the price of the Hessian of all params and its factor, in evaluations.

    Parameters
    ----------
    objective : Objective
    overhead : float, default=0.0
        Nanoseconds that each evaluation takes in addition to its work.

    Returns
    -------
    float
        inf if the Hessian does not fit into memory.
    """
    n, size = objective.n_samples, objective.n_params
    if 40 * size**2 > MAX_PRECONDITIONER_BYTES:
        return np.inf
    price_of_row = NANOSECONDS.gather * _stored_per_row(
        objective
    ) + _price_of_row_products(objective)
    if objective.n_logits > 1:
        price_of_row = NANOSECONDS.gather * size + NANOSECONDS.square * size**2
    return (n * price_of_row + NANOSECONDS.factor * size**3) / (
        price_of_evaluation(objective) + overhead
    )


def _stored_per_row(objective: Objective) -> float:
    """Return the stored numbers of X in a row, at least 1 if sparse."""
    if objective.rows.is_sparse:
        return max(1, objective.rows.n_stored / objective.n_samples)
    return objective.n_features


def _price_of_row_products(objective: Objective) -> float:
    """Return the price of all products of two entries of a row, in nanoseconds."""
    of_dense_row = NANOSECONDS.square * objective.n_columns**2
    if not objective.rows.is_sparse:
        return of_dense_row
    # sparse rows are converted to dense form where that is faster
    of_sparse_row = NANOSECONDS.sparse_square * _stored_per_row(objective) ** 2
    return min(of_dense_row, of_sparse_row)
