"""The entries of params that belong to some of the columns."""

import numpy as np
from numpy.typing import NDArray

from .objective import CrossEntropyObjective


def take_columns(
    objective: CrossEntropyObjective,
    part: CrossEntropyObjective,
    columns: NDArray,
    whole: NDArray,
) -> NDArray:
    """Return the entries of params, or of a gradient, that belong to some columns.

    ``part`` is the objective on these columns.
    """
    taken = np.empty(part.n_params)
    into_coef, into_intercept = part.split(taken)
    coef, into_intercept[:] = objective.split(whole)
    into_coef[:] = coef[:, columns]
    return taken
