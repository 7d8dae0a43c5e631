"""When a Newton iteration computes a Hessian, and when it updates the last one.

A fresh Hessian takes as long as several evaluations. It is worth this where the updated
one makes slow progress, and near the optimum, where it verifies the answer as well.
"""

import numpy as np

# At least this many steps update a Hessian before their progress is judged.
MIN_UPDATES = 3
# A fit is expected to take this many steps after a fresh Hessian.
FRESH_STEPS = 4
# The factor by which a step with the exact Hessian ends nearer to the optimum than the
# last two estimates promise.
EXACT_GAIN = 100.0


class HessianSchedule:
    """Decides which evaluations bring a Hessian of their own.

    Parameters
    ----------
    price : float
        Of a Hessian, in evaluations. Up to 1, each evaluation brings one.
    tol : float
        The estimate at which the fit ends.
    """

    def __init__(self, price: float, tol: float):
        self._price, self._tol = price, tol
        self._estimates: list[float] = []
        self._n_updates = 0

    def is_due(self, estimate: float, has_hessian: bool) -> bool:
        """Whether the next evaluation needs a Hessian.

        Parameters
        ----------
        estimate : float
            Of (F − F*) / F at the current params.
        has_hessian : bool
            Whether the Hessian is known there.
        """
        self._estimates.append(estimate)
        self._n_updates = 0 if has_hessian else self._n_updates + 1
        if self._price <= 1:
            return True
        return self._is_near(has_hessian) or self._is_slow()

    def _is_near(self, has_hessian: bool) -> bool:
        """Whether the next step is likely to arrive.

        The steps converge superlinearly: the next estimate is at most the last one
        times the ratio of the last two.
        """
        if len(self._estimates) == 1:
            return False
        before, last = self._estimates[-2:]
        gain = EXACT_GAIN if has_hessian else 1.0
        return last * last <= gain * self._tol * before

    def _is_slow(self) -> bool:
        """Whether a fresh Hessian promises to be faster than more updates."""
        if self._n_updates < MIN_UPDATES:
            return False
        last = self._estimates[-1]
        rate = np.log(self._estimates[-1 - MIN_UPDATES] / last) / MIN_UPDATES
        remaining = np.log(last / self._tol) if self._tol else np.inf
        return bool(rate <= 0 or remaining / rate > self._price + FRESH_STEPS)
