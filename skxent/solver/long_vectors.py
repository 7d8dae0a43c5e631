"""L-BFGS for thousands of variables or more, whose vectors cost as much as the data.

SciPy's L-BFGS-B goes through each stored vector of float64 several times an iteration,
and keeps a dozen others. Here the stored steps and changes of the gradient are float32,
and an iteration reads them three times. All that the update needs of them is inner
products, and the direction is their sum with coefficients: W. Chen, Z. Wang and J. Zhou
(2014), Large-scale L-BFGS using MapReduce, NIPS 27.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .line_search import ARMIJO_SHARE

# The number of steps that are remembered follows from this many numbers, but stays
# between these.
MAX_STORED_NUMBERS, N_STEPS = 2**21, (5, 20)
# A stretch of all stored vectors fits into a core's level-2 cache.
STRETCH = 2**14
# A step that lowers F by enough is accepted if at most this share of the slope is left.
SLOPE_SHARE = 0.9
MAX_TRIALS = 30
# A step that is too short becomes longer by a factor between these.
GROWTH = 2.0, 10.0


def run_long_lbfgs(
    evaluate: Callable[[NDArray], tuple[float, NDArray]],
    start: NDArray,
    after_iteration: Callable[[NDArray], None],
    max_iter: int,
) -> NDArray:
    """Return the point where L-BFGS stops, or where ``after_iteration`` stops it.

    Parameters are those of `run_lbfgs`. The function is convex. The first step is as
    long as the gradient.
    """
    n_steps = int(np.clip(MAX_STORED_NUMBERS // len(start), *N_STEPS))
    memory = StepMemory(len(start), n_steps)
    point, (value, gradient) = start, evaluate(start)
    for _ in range(max_iter):
        direction = memory.direction(gradient)
        found = _line_search(evaluate, point, value, gradient, direction)
        if found is None:
            break
        length, point, value, new_gradient = found
        memory.add(length * direction, new_gradient - gradient)
        gradient = new_gradient
        try:
            after_iteration(point)
        except StopIteration:
            break
    return point


def _line_search(
    evaluate: Callable[[NDArray], tuple[float, NDArray]],
    point: NDArray,
    value: float,
    gradient: NDArray,
    direction: NDArray,
) -> tuple[float, NDArray, float, NDArray] | None:
    """Return a length along the direction, its end, and value and gradient there.

    There is none if the value does not fall.
    """
    slope = float(gradient @ direction)
    if not slope < 0:
        return None
    length = 1.0
    # the bracket of the minimum, and the slopes at its ends
    lower, of_lower, upper, of_upper = 0.0, slope, np.inf, np.nan
    for _ in range(MAX_TRIALS):
        end = length * direction
        end += point
        new_value, new_gradient = evaluate(end)
        new_slope = float(new_gradient @ direction)
        if not new_value <= value + ARMIJO_SHARE * length * slope:
            upper, of_upper = length, new_slope
        elif new_slope < SLOPE_SHARE * slope:
            lower, of_lower = length, new_slope
        else:
            return length, end, new_value, new_gradient
        length = _next_length(slope, lower, of_lower, upper, of_upper)
    return None


def _next_length(
    slope: float, lower: float, of_lower: float, upper: float, of_upper: float
) -> float:
    """Return the length where a linear slope would vanish, not too far or too near."""
    if upper == np.inf:
        with np.errstate(divide="ignore"):
            factor = np.float64(slope) / (slope - of_lower)
        return lower * float(np.clip(factor, *GROWTH))
    share = of_lower / (of_lower - of_upper) if of_upper > of_lower else 0.5
    return lower + (upper - lower) * float(np.clip(share, 0.1, 0.9))


class StepMemory:
    """The last steps with the changes of the gradient, and their BFGS inverse.

    Parameters
    ----------
    n : int
        The number of variables.
    size : int
        The number of steps to remember.
    """

    def __init__(self, n: int, size: int):
        # Each step and its change, one below the other. The system provides a row when
        # it is written.
        self._rows = np.empty((2 * size, n), np.float32)
        self._products = np.zeros((2 * size, 2 * size))
        self._size = size
        # of the steps, the oldest first; a change is one further
        self._places: list[int] = []

    def add(self, step: NDArray, change: NDArray) -> None:
        """Remember a step, in place of the oldest if there are too many.

        Nothing is learnt from a step along which the gradient does not grow.
        """
        curvature, size = float(step @ change), float(np.linalg.norm(step))
        if not (0 < curvature < np.inf and 0 < size < np.inf):
            return
        is_full = len(self._places) == self._size
        place = self._places.pop(0) if is_full else 2 * len(self._places)
        self._places.append(place)
        new = slice(place, place + 2)
        # The update is the same if both have another unit. This one suits float32.
        np.divide(step, size, out=self._rows[place])
        np.divide(change, size, out=self._rows[place + 1])
        products = self._inner_products(*self._rows[new])
        self._products[:, new], self._products[new] = products, products.T
        # float32 may have lost it
        self._products[place, place + 1] = curvature / size**2

    def direction(self, gradient: NDArray) -> NDArray:
        """Return minus the inverse times the gradient."""
        if not self._places:
            return -gradient
        size = float(np.linalg.norm(gradient)) or 1.0
        of_gradient = size * self._inner_products(gradient / size)[:, 0]
        products, coefficients, shares = self._products, np.zeros(len(self._rows)), []
        for i in reversed(self._places):
            slope = of_gradient[i] + products[i] @ coefficients
            shares.append(slope / products[i, i + 1])
            coefficients[i + 1] -= shares[-1]
        last = self._places[-1]
        scale = products[last, last + 1] / products[last + 1, last + 1]
        coefficients *= scale
        for i in self._places:
            change = scale * of_gradient[i + 1] + products[i + 1] @ coefficients
            coefficients[i] += shares.pop() - change / products[i, i + 1]
        return self._combination(-coefficients, -scale * gradient)

    def _inner_products(self, *vectors: NDArray) -> NDArray:
        """Return the products of the rows with vectors, (2 size, vectors)."""
        total = np.zeros((len(self._rows), len(vectors)))
        used = slice(0, 2 * len(self._places))
        # float32 within a stretch, float64 from stretch to stretch
        for some in _stretches(self._rows.shape[1]):
            rows = self._rows[used, some]
            for of_vector, vector in zip(total[used].T, vectors, strict=True):
                of_vector += rows @ vector[some].astype(np.float32, copy=False)
        return total

    def _combination(self, coefficients: NDArray, out: NDArray) -> NDArray:
        """Add the rows times their coefficients to ``out``; return it."""
        used = slice(0, 2 * len(self._places))
        # as a float64 of NumPy, it makes products with float32 float64
        largest = np.abs(coefficients).max()
        in_float32 = (coefficients[used] / (largest or 1)).astype(np.float32)
        for some in _stretches(len(out)):
            out[some] += largest * (in_float32 @ self._rows[used, some])
        return out


def _stretches(n: int) -> list[slice]:
    return [slice(start, start + STRETCH) for start in range(0, n, STRETCH)]
