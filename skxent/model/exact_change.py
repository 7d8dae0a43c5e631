"""The change of the logits by a step, with twice the digits of float64.

Along the difference of collinear columns, the terms of a logit cancel, and in float64
only their rounding is left. Here each product keeps the error of its rounding, and so
does each sum (T. Ogita, S. M. Rump, S. Oishi (2005), doi:10.1137/030601818). The result
tells a direction that no row sees from one that some rows see a little.

A gradient has the same trouble: its entries are rounded, and their combination along
such a direction is rounding. The slope of F is therefore a sum over the rows.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..data.rows import Block, Sum
from .problem import Problem

# A factor that splits a float64 into two halves of 26 bits: their products are exact.
SPLITTER = 2.0**27 + 1


def exact_change(problem: Problem, step: NDArray) -> Callable[[Block], NDArray]:
    """Return the function that computes the change, (m, L), of a block's logits.

    Parameters
    ----------
    problem : Problem
        Its rows must be read in float64.
    step : ndarray of shape (n_params,)
    """
    coef, intercept = problem.split(step)

    def change(block: Block) -> NDArray:
        total = np.zeros((block.X.shape[0], problem.n_logits))
        error = np.zeros_like(total)
        # overflow spoils the error of a product, which then is left out
        with np.errstate(over="ignore", invalid="ignore"):
            for rows, x, w in _factors(block.X, coef):
                product, of_product = _product(x, w)
                total[rows], of_sum = _sum(total[rows], product)
                error[rows] += np.nan_to_num(of_product + of_sum)
        if intercept.size:
            total, of_sum = _sum(total, intercept)
            error += of_sum
        return total + error

    return change


def slope_of_loss(
    problem: Problem,
    params: NDArray,
    step: NDArray,
    change: Callable[[Block], NDArray],
) -> float:
    """Return the derivative of the mean loss along a direction, after a step.

    Parameters
    ----------
    problem : Problem
    params, step : ndarray of shape (n_params,)
        The step from the params changes the residuals to first order.
    change : callable
        The change of the logits along the direction, from `exact_change`.
    """
    model_and_change = problem.model_and_change(params, step)

    def add_block(block: Block, slope: NDArray) -> None:
        z, dz = model_and_change(block)
        r = problem.loss.loss_and_residual(block.targets, z)[1]
        r = r + problem.loss.curvature_times(z, dz)[0]
        if block.weights is not None:
            r = r * block.weights[:, None]
        slope += np.sum(r * change(block))

    (slope,) = problem.rows.map_reduce(
        add_block, Sum(), width=5 * problem.n_logits, work=20 * problem.n_logits
    )
    return float(slope) * problem.rows.mean_factor


def _factors(X: Any, coef: NDArray) -> Iterator[tuple[Any, NDArray, NDArray]]:
    """Yield rows, an entry of each, and the coefficients of the entries' columns."""
    if not sparse.issparse(X):
        for j in range(X.shape[1]):
            if coef[:, j].any():
                yield slice(None), X[:, j, None], coef[None, :, j]
        return
    by_feature, lengths = coef.T, np.diff(X.indptr)
    for i in range(lengths.max(initial=0)):
        rows = np.flatnonzero(lengths > i)
        entries = X.indptr[rows] + i
        yield rows, X.data[entries, None], by_feature[X.indices[entries]]


def _sum(a: NDArray, b: NDArray) -> tuple[NDArray, NDArray]:
    """Return a + b and the error of its rounding."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def _product(a: NDArray, b: NDArray) -> tuple[NDArray, NDArray]:
    """Return a b and the error of its rounding."""
    product = a * b
    (a, a_rest), (b, b_rest) = _halves(a), _halves(b)
    return product, a_rest * b_rest - (((product - a * b) - a_rest * b) - a * b_rest)


def _halves(a: NDArray) -> tuple[NDArray, NDArray]:
    """Return two numbers of 26 bits each whose sum is a."""
    scaled = SPLITTER * a
    half = scaled - (scaled - a)
    return half, a - half
