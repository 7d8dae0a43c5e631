"""The inverse of a Hessian, updated by what later steps observe of the curvature.

After a step δ along which the gradient changes by y, the BFGS update of the inverse
maps y to δ::

    H⁻¹ ← (I − δ yᵀ / c) H⁻¹ (I − y δᵀ / c) + δ δᵀ / c,        c = δᵀ y

It is applied without a matrix of its own: J. Nocedal (1980),
doi:10.1090/S0025-5718-1980-0572855-7.
"""

from collections.abc import Callable

from numpy.typing import NDArray

from .stopping import TINY


class UpdatedInverse:
    """A symmetric inverse with BFGS updates.

    Parameters
    ----------
    solve : callable
        Multiplies a vector of shape (n,) by the inverse without updates.
    """

    def __init__(self, solve: Callable[[NDArray], NDArray]):
        self._solve = solve
        self._observed: list[tuple[NDArray, NDArray, float]] = []

    def observe(self, step: NDArray, change: NDArray) -> None:
        """Update the inverse: along ``step`` the gradient changes by ``change``.

        Nothing is learnt from a step without curvature.
        """
        curvature = float(step @ change)
        if curvature > TINY:
            self._observed.append((step, change, curvature))

    def solve(self, right: NDArray) -> NDArray:
        """Return the inverse times a vector."""
        shares: list[float] = []
        for step, change, curvature in reversed(self._observed):
            shares.append(float(step @ right) / curvature)
            right = right - shares[-1] * change
        solution = self._solve(right)
        for step, change, curvature in self._observed:
            share = shares.pop() - float(change @ solution) / curvature
            solution = solution + share * step
        return solution
