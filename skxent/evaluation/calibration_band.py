"""How far a reliability curve is from the diagonal if the predictions are right.

If an event happens with exactly its predicted probability, the curve still leaves the
diagonal, by chance: isotonic regression follows the few events that it sees. Outcomes
drawn from the predictions themselves show how far.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression

_N_DRAWS = 200
_MOST_GROUPS = 1000  # of neighbouring predictions; more make the curve no finer


def consistency_band(
    proba: NDArray[Any], counts: NDArray[Any], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where recalibrated probabilities lie if the predictions are calibrated.

    Parameters
    ----------
    proba : ndarray of shape (m,)
        Distinct predicted probabilities, ascending.
    counts : ndarray of shape (m,)
        The effective number of rows with each prediction.
    level : float
        The probability that the curve is in the band at one given prediction.

    Returns
    -------
    low, high : ndarray of shape (m,)
        The quantiles (1 − level) / 2 and (1 + level) / 2 of 200 simulated curves.

    References
    ----------
    Dimitriadis, Gneiting and Jordan (2021), Stable reliability diagrams for
    probabilistic classifiers, Proceedings of the National Academy of Sciences 118,
    e2016191118. doi:10.1073/pnas.2016191118
    """
    # the same picture each time
    rng = np.random.default_rng(0)
    group = _neighbours(counts)
    size = np.maximum(np.bincount(group, counts), 1)
    mean = np.bincount(group, counts * proba) / np.bincount(group, counts)
    n_rows = np.rint(size).astype(np.int64)
    draws = rng.binomial(n_rows, np.clip(mean, 0, 1), (_N_DRAWS, len(size))) / n_rows
    curves = np.array([isotonic_regression(draw, sample_weight=size) for draw in draws])
    low, high = np.quantile(curves, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low[group], high[group]


def _neighbours(counts: NDArray[Any]) -> NDArray[np.intp]:
    """Return the group of each prediction: neighbours, with about as many rows each."""
    if len(counts) <= _MOST_GROUPS:
        return np.arange(len(counts))
    middle = np.cumsum(counts) - counts / 2
    group = np.floor(middle / counts.sum() * _MOST_GROUPS)
    return np.unique(group, return_inverse=True)[1]
