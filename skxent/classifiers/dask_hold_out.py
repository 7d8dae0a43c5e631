"""The rows that early stopping holds out of Dask partitions.

Which rows they are depends on the order of the rows and on the seed, but neither on the
partitions nor on the workers. The rows of positive weight of each class are cut into
windows of equal length, and one random row of each window is held out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.dask_rows import RestOfPart

# Constants of SplitMix64, G. L. Steele et al. (2014), doi:10.1145/2660193.2660195.
GAMMA = np.uint64(0x9E3779B97F4A7C15)
MIX_1, MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class HoldOut:
    """How many rows of each class to hold out, and which ones.

    Attributes
    ----------
    seed : int
    counts : ndarray of shape (K,) or (1,)
        The number of rows of each class with a positive weight; of all rows, if y has
        distributions.
    n_held_out : ndarray of the same shape
        How many of them to hold out.
    """

    seed: int
    counts: NDArray
    n_held_out: NDArray

    def split(self, rest: RestOfPart, ranks: NDArray) -> tuple[RestOfPart, RestOfPart]:
        """Return the rows of a partition to train on, and those to validate on.

        Parameters
        ----------
        rest : RestOfPart
        ranks : ndarray of the shape of ``counts``
            The numbers of rows of each class in all partitions before this one.
        """
        stratum = strata(rest)
        is_held_out = np.zeros(len(stratum), bool)
        for k, first in enumerate(ranks):
            (rows,) = np.nonzero(stratum == k)
            is_held_out[rows] = self._are_held_out(k, first + np.arange(len(rows)))
        train = np.flatnonzero((stratum >= 0) & ~is_held_out)
        validate = np.flatnonzero(is_held_out)
        return rest.take(train, rest.start), rest.take(validate, rest.start)

    def _are_held_out(self, k: int, rank: NDArray) -> NDArray:
        """Return whether rows of class k with these ranks are held out."""
        n, n_windows = int(self.counts[k]), int(self.n_held_out[k])
        window = ((rank + 1) * n_windows - 1) // n
        first, end = window * n // n_windows, (window + 1) * n // n_windows
        chance = _random(self.seed, k, window)
        return rank == first + (chance * (end - first)).astype(np.int64)


def strata(rest: RestOfPart) -> NDArray:
    """Return the class of each row, 0 for distributions; −1 for rows of weight 0."""
    if rest.targets.ndim == 1:
        stratum = rest.targets.astype(np.int64)
    else:
        stratum = np.zeros(len(rest.targets), np.int64)
    if rest.weights is not None:
        stratum[rest.weights == 0] = -1
    return stratum


def strata_counts(rest: RestOfPart, n_strata: int) -> NDArray:
    """Return the numbers of rows of positive weight of each class of a partition."""
    return np.bincount(strata(rest) + 1, minlength=n_strata + 1)[1:]


def _random(seed: int, k: int, index: NDArray) -> NDArray:
    """Return a number in [0, 1) for each index, the same wherever it is computed."""
    with np.errstate(over="ignore"):
        x = index.astype(np.uint64) + np.uint64(k) * MIX_1 + np.uint64(seed) * MIX_2
        x = (x + np.uint64(1)) * GAMMA
        x = (x ^ (x >> np.uint64(30))) * MIX_1
        x = (x ^ (x >> np.uint64(27))) * MIX_2
        x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)) * 2.0**-53
