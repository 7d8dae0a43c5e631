"""How far rounding in float64 moves logits, F, and the answer of a fit.

Logits are sums of terms; where large ones cancel, few digits remain. A few rows, spread
over X, tell how large the terms are.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..data.rows import Block
from .problem import EPS, Problem

# A change of a logit by less than so many times its rounding is none.
NOISE = 8


def rounding_of_value(problem: Problem, params: NDArray) -> float:
    """Return about how far rounding in the logits moves F, in its units."""
    block = problem.rows.spread()
    r = _residuals(problem, params, block)
    terms = _terms(block.X, *problem.split(params))
    return EPS * _mean(problem, block, np.abs(r) * terms)


def rounding_of_answer(problem: Problem, params: NDArray) -> float:
    """Return about how far F is above its value once an answer is rounded.

    Coefficients and intercepts are those of the columns as given, however far from 0
    these are. At an optimum, rounding counts by its square.
    """
    block = problem.rows.spread()
    h = problem.loss.curvature(problem.linear_model(params)(block))
    center = problem.rows.center
    X = block.X if center is None else block.X + center
    terms = _terms(X, *problem.unpack(params))
    with np.errstate(over="ignore"):
        squares = (EPS * np.sqrt(h) * terms) ** 2
    return 0.5 * _mean(problem, block, squares)


def rounding_of_change(problem: Problem, step: NDArray) -> float:
    """Return about how large rounding is in the change of a logit by a step."""
    X = problem.rows.spread().X
    return EPS * float(_terms(X, *problem.split(step)).max())


def ordinary_change(problem: Problem, step: NDArray) -> float:
    """Return how much a step changes logits, were the columns centred and unrelated."""
    X = problem.rows.spread().X
    if sparse.issparse(X):
        X = X.toarray()
    coef, _ = problem.split(step)
    return float((np.abs(coef) @ X.std(axis=0)).max())


def mean_squares(problem: Problem) -> NDArray:
    """Return about the mean square of what each param is multiplied by, (n_params,)."""
    X = problem.rows.spread().X
    squares = np.ones(problem.n_params)
    of_coef, _ = problem.split(squares)
    X = X.astype(np.float64, copy=False)
    of_coef[:] = np.asarray(
        (X.multiply(X) if sparse.issparse(X) else X * X).mean(axis=0)
    )
    return squares


def ordinary_slope(problem: Problem, params: NDArray) -> float:
    """Return about the slope of F along a change of each logit by 1, signs at random.

    That is what the residuals of n rows leave: their size, divided by √n.
    """
    block = problem.rows.spread()
    r = _residuals(problem, params, block)
    return float(np.sqrt(_mean(problem, block, r**2) / problem.n_samples))


def room_along(problem: Problem, params: NDArray, step: NDArray) -> float:
    """Return how many steps leave the curvature about as it is.

    A logit may change by ½, or by half of what separates it from the others: where a
    row is certain there is no curvature yet. It is inf where no logit changes beyond
    rounding.
    """
    block = problem.rows.spread()
    z = problem.linear_model(params)(block)
    dz = problem.linear_model(step, with_offset=False)(block)
    rounding = EPS * _terms(block.X, *problem.split(step)).max(axis=1)
    margin, change = problem.loss.margin(z, dz)
    moves = change > NOISE * rounding
    if block.weights is not None:
        moves &= block.weights > 0
    room = np.maximum(0.5, margin / 2)[moves] / change[moves]
    return float(room.min(initial=np.inf))


def _residuals(problem: Problem, params: NDArray, block: Block) -> NDArray:
    """Return the residuals of some rows, (m, L)."""
    z = problem.linear_model(params)(block)
    return problem.loss.loss_and_residual(block.targets, z)[1]


def _terms(X: Any, coef: NDArray, intercept: NDArray) -> NDArray:
    """Return how large the terms of each logit are, (m, L)."""
    terms = abs(X) @ np.abs(coef).T
    return terms + np.abs(intercept) if intercept.size else terms


def _mean(problem: Problem, block: Block, of_logits: NDArray) -> float:
    """Return the weighted mean over all rows, as these tell, of a sum over logits."""
    if block.weights is not None:
        of_logits = block.weights[:, None] * of_logits
    total = float(np.sum(of_logits)) * problem.rows.mean_factor
    return total * problem.n_samples / len(of_logits)
