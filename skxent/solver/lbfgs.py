"""SciPy's L-BFGS-B, with a stop that is ours: the only caller of ``scipy.optimize``.

SciPy reports success as soon as a line search makes no progress, whatever the answer.
The rounds that call it therefore ignore its status and stop by their own estimates.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds
from scipy.optimize import minimize as scipy_minimize

# L-BFGS stores steps and changes of the gradient: SciPy keeps 2 maxcor + 5 vectors. The
# number of steps follows from this many numbers, but stays between 5 and 20.
MAX_STORED_NUMBERS = 2**20
# A line search needs a finite number to turn back. It gets this one where a value
# overflows.
OVERFLOW_VALUE = 1e250


def run_lbfgs(
    evaluate: Callable[[NDArray], tuple[float, NDArray]],
    start: NDArray,
    after_iteration: Callable[..., None],
    max_iter: int,
    bounds: NDArray | None = None,
) -> NDArray:
    """Return the point where L-BFGS-B stops, or where ``after_iteration`` stops it.

    Parameters
    ----------
    evaluate : callable
        Returns a value and its gradient.
    start : ndarray of shape (n,)
    after_iteration : callable
        Raises StopIteration to stop. SciPy chooses what it passes by the name of the
        parameter: ``intermediate_result``, or the point itself for any other name.
    max_iter : int
    bounds : ndarray of shape (2, n), default=None
        The lower and the upper bounds.
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
