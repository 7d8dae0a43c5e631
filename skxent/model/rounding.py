"""How far rounding in float64 moves logits, F, and the answer of a fit.

Logits are sums of terms; where large ones cancel, few digits remain. A few rows, spread
over X, tell how large the terms are.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .objective import EPS, CrossEntropyObjective

# A change of a logit by less than so many times its rounding is none.
NOISE = 8


def rounding_of_value(objective: CrossEntropyObjective, params: NDArray) -> float:
    """Return about how far rounding in the logits moves F, in its units."""
    rows, X, r = _residuals(objective, params)
    terms = _terms(X, *objective.split(params))
    return EPS * _mean(objective, rows, np.abs(r) * terms)


def rounding_of_answer(objective: CrossEntropyObjective, params: NDArray) -> float:
    """Return about how far F is above its value once an answer is rounded.

    Coefficients and intercepts are those of the columns as given, however far from 0
    these are. At an optimum, rounding counts by its square.
    """
    rows, X = _spread_rows(objective)
    h = objective.loss.curvature(objective.linear_model(params)(X, rows))
    terms = _terms(objective.blocks.X[rows], *objective.unpack(params))
    with np.errstate(over="ignore"):
        squares = (EPS * np.sqrt(h) * terms) ** 2
    return 0.5 * _mean(objective, rows, squares)


def rounding_of_change(objective: CrossEntropyObjective, step: NDArray) -> float:
    """Return about how large rounding is in the change of a logit by a step."""
    _, X = _spread_rows(objective)
    return EPS * float(_terms(X, *objective.split(step)).max())


def ordinary_change(objective: CrossEntropyObjective, step: NDArray) -> float:
    """Return how much a step changes logits, were the columns centred and unrelated."""
    _, X = _spread_rows(objective)
    if sparse.issparse(X):
        X = X.toarray()
    coef, _ = objective.split(step)
    return float((np.abs(coef) @ X.std(axis=0)).max())


def mean_squares(objective: CrossEntropyObjective) -> NDArray:
    """Return about the mean square of what each param is multiplied by, (n_params,)."""
    _, X = _spread_rows(objective)
    squares = np.ones(objective.n_params)
    of_coef, _ = objective.split(squares)
    X = X.astype(np.float64, copy=False)
    of_coef[:] = np.asarray(
        (X.multiply(X) if sparse.issparse(X) else X * X).mean(axis=0)
    )
    return squares


def ordinary_slope(objective: CrossEntropyObjective, params: NDArray) -> float:
    """Return about the slope of F along a change of each logit by 1, signs at random.

    That is what the residuals of n rows leave: their size, divided by √n.
    """
    rows, _, r = _residuals(objective, params)
    return float(np.sqrt(_mean(objective, rows, r**2) / objective.n_samples))


def room_along(
    objective: CrossEntropyObjective, params: NDArray, step: NDArray
) -> float:
    """Return how many steps leave the curvature about as it is.

    A logit may change by ½, or by half of what separates it from the others: where a
    row is certain there is no curvature yet. It is inf where no logit changes beyond
    rounding.
    """
    rows, X = _spread_rows(objective)
    z = objective.linear_model(params)(X, rows)
    dz = objective.linear_model(step, with_offset=False)(X, rows)
    rounding = EPS * _terms(X, *objective.split(step)).max(axis=1)
    if objective.n_logits == 1:
        margin, change = np.abs(z[:, 0]), np.abs(dz[:, 0])
    else:
        second, first = np.sort(z, axis=1)[:, -2:].T
        margin, change = first - second, np.ptp(dz, axis=1)
    moves = change > NOISE * rounding
    if objective.weights is not None:
        moves &= objective.weights[rows] > 0
    room = np.maximum(0.5, margin / 2)[moves] / change[moves]
    return float(room.min(initial=np.inf))


def _spread_rows(objective):
    rows = objective.blocks.spread()
    return rows, objective.blocks.take(rows)


def _residuals(objective, params):
    """Return a few rows, their X, and their residuals, (m, L)."""
    rows, X = _spread_rows(objective)
    z = objective.linear_model(params)(X, rows)
    _, r = objective.loss.loss_and_residual(objective.targets[rows], z)
    return rows, X, r


def _terms(X, coef, intercept):
    """Return how large the terms of each logit are, (m, L)."""
    terms = abs(X) @ np.abs(coef).T
    return terms + np.abs(intercept) if intercept.size else terms


def _mean(objective, rows, of_logits):
    """Return the weighted mean over all rows, as these tell, of a sum over logits."""
    if objective.weights is not None:
        of_logits = objective.weights[rows][:, None] * of_logits
    total = float(np.sum(of_logits)) * objective.mean_factor
    return total * objective.n_samples / len(rows)
