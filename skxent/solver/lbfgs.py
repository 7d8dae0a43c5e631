"""The only caller of SciPy: L-BFGS-B, told when to stop.

SciPy's status is 0 as soon as a line search makes no progress, and says nothing of the
answer. The rounds that call it judge that themselves.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds
from scipy.optimize import minimize as scipy_minimize

# L-BFGS stores steps and changes of the gradient: SciPy keeps 2 maxcor + 5 vectors. The
# number of steps follows from this many numbers, but stays between 5 and 20.
MAX_STORED_NUMBERS = 2**20


def run_lbfgs(
    evaluate: Callable[[NDArray], tuple[float, NDArray]],
    start: NDArray,
    after_iteration: Callable[..., None],
    max_iter: int,
    bounds: NDArray | None = None,
) -> NDArray:
    """Return where SciPy's L-BFGS-B ends, or where it is told to.

    Parameters
    ----------
    evaluate : callable
        Returns a value and its gradient.
    start : ndarray of shape (n,)
    after_iteration : callable
        May raise StopIteration. SciPy looks at the name of its parameter.
    max_iter : int
    bounds : ndarray of shape (2, n), default=None
        The lower and the upper ones.
    """
    result = scipy_minimize(
        evaluate,
        start,
        jac=True,
        method="L-BFGS-B",
        callback=after_iteration,
        bounds=None if bounds is None else Bounds(*bounds),
        options={
            "maxiter": max_iter,
            "maxfun": np.iinfo(np.int32).max,
            "maxcor": int(np.clip(MAX_STORED_NUMBERS // len(start), 5, 20)),
            "ftol": 0.0,
            "gtol": 0.0,
        },
    )
    return result.x
