"""The values of C to try, from data where all coefficients are 0.

With an L2 penalty, a column of variance v, weighted by the curvature of the null model,
has v C S / (1 + v C S) degrees of freedom. The grid goes from half a degree of freedom
of all columns together, where the loss hardly sees the data, to 99.99 % of all degrees,
where the penalty hardly matters. Its values have equal distances in the mean of two
measures, each from 0 at the first to 1 at the last: log C, and the log-odds of the
share of the degrees. With columns of the same variance, both are the same. With raw
columns, log C alone would place most values where few columns of large scale change,
and the log-odds alone would leave gaps of several powers of 10.

With an L1 penalty the grid begins where the first coefficient leaves 0, and ends at a
multiple of this, as in J. Friedman, T. Hastie, R. Tibshirani (2010),
doi:10.18637/jss.v033.i01.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from ..model.curvature import curvature_moments
from ..model.objective import Objective

# The first and the last share of the degrees of freedom; the first for one column.
FIRST_DEGREES, LAST_SHARE = 0.5, 0.9999
# The last C of a lasso is the first one times this, if n > d, or if n ≤ d.
LASSO_RANGE, WIDE_LASSO_RANGE = 1e4, 1e2
# A variance below this share of the mean square is rounding.
CONSTANT = 1e-12
# Points at which the degrees of freedom are tabulated, for each factor of 10.
POINTS_PER_DECADE = 50
FINE_POINTS = 1000
# Of more columns than this, as many quantiles of their variances are enough.
MANY_COLUMNS = 1000


def C_grid(
    objective: Objective,
    penalty_weights: NDArray | None,
    l1_ratios: Iterable[float],
    n_Cs: int,
) -> NDArray:
    """Return values of C for a search, ascending.

    Parameters
    ----------
    objective : Objective
        Its penalty does not matter.
    penalty_weights : ndarray of shape (d,) or None
    l1_ratios : iterable of float
    n_Cs : int

    Returns
    -------
    ndarray of shape (n_Cs,)
    """
    weights = np.ones(objective.n_features)
    if penalty_weights is not None:
        weights = np.asarray(penalty_weights, dtype=np.float64)
    l1_ratios = list(l1_ratios)
    sparsest = [ratio for ratio in l1_ratios if ratio > 0]
    ends = []
    if len(sparsest) < len(l1_ratios):
        grid = _ridge_grid(objective, weights, n_Cs)
        if not sparsest:
            return grid
        ends += [grid[0], grid[-1]]
    first = _first_C(objective, weights)
    is_wide = objective.n_samples <= objective.n_features
    last = first * (WIDE_LASSO_RANGE if is_wide else LASSO_RANGE)
    ends += [first / max(sparsest), last / min(sparsest)]
    return np.geomspace(min(ends), max(ends), n_Cs)


def _ridge_grid(objective: Objective, weights: NDArray, n_Cs: int) -> NDArray:
    """Return values of C at equal distances in log C and in degrees of freedom."""
    start = objective.initial_point()
    zeroth, mean, second = curvature_moments(objective, start)
    variance = second
    if objective.fit_intercept:
        variance = second - np.divide(
            mean**2, zeroth, out=np.zeros_like(mean), where=zeroth > 0
        )
    varies = (variance > CONSTANT * second).any(axis=0) & (weights > 0)
    if not varies.any():
        return np.geomspace(1e-4, 1e4, n_Cs)
    variance = variance.mean(axis=0)[varies] / weights[varies]
    n_decades = np.log10(variance.max() / variance.min()) + 10
    total = np.geomspace(
        1e-5 / variance.max(),
        1e5 / variance.min(),
        int(POINTS_PER_DECADE * n_decades),
    )
    typical = variance
    if len(variance) > MANY_COLUMNS:
        typical = np.quantile(variance, np.linspace(0, 1, MANY_COLUMNS))
    scaled = np.outer(total, typical)
    share = (scaled / (1 + scaled)).mean(axis=1)
    first = FIRST_DEGREES / (len(variance) + FIRST_DEGREES)
    begin, end = np.interp([first, LAST_SHARE], share, np.log(total))
    log_total = np.linspace(begin, end, FINE_POINTS)
    log_odds = logit(np.interp(log_total, np.log(total), share))
    # both from 0 to 1
    progress = [
        (part - part[0]) / (part[-1] - part[0]) for part in (log_total, log_odds)
    ]
    steps = np.linspace(0, 1, n_Cs)
    return np.exp(np.interp(steps, np.mean(progress, axis=0), log_total)) / (
        objective.rows.weight_sum
    )


def _first_C(objective: Objective, weights: NDArray) -> float:
    """Return the largest C at which a lasso has no coefficients."""
    start = objective.initial_point()
    gradient = objective.gradient_of_loss(start, objective.evaluate(start).gradient)
    slopes = np.abs(objective.split(gradient)[0]).max(axis=0)
    slopes = slopes[weights > 0] / weights[weights > 0]
    steepest = slopes.max(initial=0.0)
    if steepest == 0:
        return 1.0
    return float(1 / (objective.rows.weight_sum * steepest))
