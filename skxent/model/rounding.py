"""Estimates of rounding errors in logits, in F, and in the coefficients of a fit.

A logit is a sum of terms. If large terms cancel, the sum has few correct digits. All
estimates use a few rows, spread over X, in float64.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..data.rows import Block
from .exact_change import exact_change
from .losses import SATURATED
from .problem import EPS, Problem

# A change of a logit below this multiple of its rounding error counts as 0.
NOISE = 8


def rounding_of_value(problem: Problem, params: NDArray) -> float:
    """Return the approximate rounding error of F, in nats per unit of weight."""
    block = problem.rows.spread()
    r = _residuals(problem, params, block)
    terms = _terms(block.X, *problem.split(params))
    return EPS * _mean(problem, block, np.abs(r) * terms)


def rounding_of_answer(problem: Problem, params: NDArray) -> float:
    """Return the approximate increase of F when the final coefficients are rounded.

    The coefficients and intercepts are those for X without centring. At an optimum the
    increase is quadratic in the rounding errors of the logits.
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
    """Return the largest rounding error in the change of a logit by a step."""
    X = problem.rows.spread().X
    return EPS * float(_terms(X, *problem.split(step)).max())


def rounding_of_slope(problem: Problem, params: NDArray, step: NDArray) -> float:
    """Return the rounding error of the slope of F along a step: gradient times step."""
    block = problem.rows.spread()
    r = _residuals(problem, params, block)
    return EPS * _mean(
        problem, block, np.abs(r) * _terms(block.X, *problem.split(step))
    )


def ordinary_change(problem: Problem, params: NDArray, step: NDArray) -> float:
    """Return the largest Σ_j |δ_kj| std(x_j) of a step δ over the classes k.

    That is about how much the step changes logits if the terms of different columns do
    not cancel. It does not depend on the means of the columns, nor on outliers in rows
    that do not respond, unless none does.
    """
    block = problem.rows.spread()
    X = block.X
    if sparse.issparse(X):
        X = X.toarray()
    coef, _ = problem.split(step)
    h = problem.loss.curvature(problem.linear_model(params)(block)).max(axis=1)
    responds = h > SATURATED
    if block.weights is not None:
        responds &= block.weights > 0
    change = 0.0
    if responds.any():
        change = float((np.abs(coef) @ X[responds].std(axis=0)).max())
    return change or float((np.abs(coef) @ X.std(axis=0)).max())


def typical_change(problem: Problem, step: NDArray) -> float:
    """Return the median of Σ_j |δ_kj x_ij| over classes k and rows that a step moves.

    Unlike `ordinary_change`, it does not depend on outliers.
    """
    terms = _terms(problem.rows.spread().X, *problem.split(step))
    moved = terms[terms > 0]
    return float(np.median(moved)) if len(moved) else 0.0


def share_after_centring(problem: Problem, params: NDArray) -> float:
    """Return the share of the terms of the logits that centred columns would leave.

    Terms are large for two reasons. The share is near 0 if columns are far from 0 for
    their spread, and near 1 if the coefficients are large.
    """
    X = problem.rows.spread().X
    if sparse.issparse(X):
        X = X.toarray()
    if problem.rows.center is not None:
        X = X + problem.rows.center
    coef, _ = problem.split(params)
    no_intercept = np.zeros(0)
    largest = _terms(X, coef, no_intercept).max()
    left = _terms(X - X.mean(axis=0), coef, no_intercept).max()
    return float(left / largest) if largest > 0 else 1.0


def mean_squares(problem: Problem) -> NDArray:
    """Return the approximate mean square of each column, (n_params,); 1 for intercepts.

    The mean is over rows, without their weights.
    """
    X = problem.rows.spread().X
    squares = np.ones(problem.n_params)
    of_coef, _ = problem.split(squares)
    X = X.astype(np.float64, copy=False)
    of_coef[:] = np.asarray(
        (X.multiply(X) if sparse.issparse(X) else X * X).mean(axis=0)
    )
    return squares


def room_along(problem: Problem, params: NDArray, step: NDArray) -> float:
    """Return the largest multiple of a step that leaves the curvature roughly the same.

    The lead of the most probable class over another may change by ½, or by half of it
    if that is more: a probability near 0 stays near 0. A lead so large that its row
    does not respond may grow without limit. The multiple is inf if nothing but rounding
    limits it.
    """
    block = problem.rows.spread()
    z = problem.linear_model(params)(block)
    rounding = EPS * _terms(block.X, *problem.split(step)).max(axis=1)
    lead, change = problem.loss.margin(z, exact_change(problem, step)(block))
    moves = np.abs(change) > NOISE * EPS * rounding[:, None]
    moves &= (change < 0) | (np.exp(-lead) > SATURATED)
    if block.weights is not None:
        moves &= block.weights[:, None] > 0
    room = np.maximum(0.5, lead / 2)[moves] / np.abs(change[moves])
    return float(room.min(initial=np.inf))


def _residuals(problem: Problem, params: NDArray, block: Block) -> NDArray:
    """Return the residuals of some rows, (m, L)."""
    z = problem.linear_model(params)(block)
    return problem.loss.loss_and_residual(block.targets, z)[1]


def _terms(X: Any, coef: NDArray, intercept: NDArray) -> NDArray:
    """Return the sum of the magnitudes of the terms of each logit, (m, L)."""
    terms = abs(X) @ np.abs(coef).T
    return terms + np.abs(intercept) if intercept.size else terms


def _mean(problem: Problem, block: Block, of_logits: NDArray) -> float:
    """Estimate the weighted mean over all rows of a sum over the logits of a row."""
    if block.weights is not None:
        of_logits = block.weights[:, None] * of_logits
    total = float(np.sum(of_logits)) * problem.rows.mean_factor
    return total * problem.n_samples / len(of_logits)
