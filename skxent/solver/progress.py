"""What is known of a fit while it runs: its iterations, and who wants to hear of them.

The solver notes every iteration in a `Progress`. Listeners hear of it at once: they
print a line, score rows that were held out, call scikit-learn's callbacks. One that
returns True asks the fit to stop. As the coefficients of an iteration may have to be
carried back from the row space, or from a working set of columns, they are found on
demand.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A fit gives up after so many steps inside of quadratic models. Some hundreds are
# usual. Where rounding spoils each model, the next one is no better than the last.
MAX_EFFORT = 6_000
# The ratio of successive gains. Below the first, convergence is fast and leaves nothing
# worth extrapolating; above the second, the geometric series would have no finite sum.
SLOW_RATIO, MAX_RATIO = 0.1, 0.99


@dataclass(frozen=True)
class Iteration:
    """What a listener learns of an iteration.

    Attributes
    ----------
    number : int
        From 1.
    value : float
        F.
    suboptimality : float
        The estimate of (F − F*) / F.
    n_evals : int
        Evaluations so far.
    seconds : float
        Time since the start of the fit.
    find_params : callable
        Returns the params, until the next iteration begins; use ``params``.
    """

    number: int
    value: float
    suboptimality: float
    n_evals: int
    seconds: float
    find_params: Callable[[], NDArray]

    @cached_property
    def params(self) -> NDArray:
        """The params of the objective that is minimised, (n_params,)."""
        return self.find_params()


class Progress:
    """The iterations of one fit, which starts now.

    Parameters
    ----------
    verbose : int, default=0
        1 prints each iteration, 2 what is told of decisions, too.

    Attributes
    ----------
    loss_curve, seconds : list of float
        F after each iteration, and the time since the start.
    before : list of callables
        Called without arguments when an iteration begins.
    after : list of callables
        Called with each `Iteration`; one that returns True asks the fit to stop.
    stopped : bool
        Whether one has asked.
    effort : int
        Steps to the minima of quadratic models, inside of iterations.
    kept : Iteration or None
        The one to return in place of the last, if a listener chose one.
    """

    def __init__(self, verbose: int = 0):
        self._start = perf_counter()
        self._verbose = verbose
        self._is_open = False
        self.loss_curve: list[float] = []
        self.seconds: list[float] = []
        self.before: list[Callable[[], Any]] = []
        self.after: list[Callable[[Iteration], Any]] = []
        self.stopped = False
        self.effort = 0
        self.kept: Iteration | None = None
        if verbose:
            self.after.append(print_iteration)

    def iterations_left(self, max_iter: int) -> int:
        """Return how many more there may be."""
        return 0 if self.stopped else max_iter - len(self.loss_curve)

    def begin(self) -> None:
        """Say that an iteration begins, unless one has begun and not ended."""
        if not self._is_open:
            self._is_open = True
            for listener in self.before:
                listener()

    def note(
        self,
        value: float,
        suboptimality: float,
        n_evals: int,
        find_params: Callable[[], NDArray],
    ) -> None:
        """Note the end of an iteration."""
        self.begin()
        self._is_open = False
        self.loss_curve.append(value)
        self.seconds.append(perf_counter() - self._start)
        if not self.after:
            return
        iteration = Iteration(
            len(self.loss_curve),
            value,
            suboptimality,
            n_evals,
            self.seconds[-1],
            find_params,
        )
        for listener in self.after:
            if listener(iteration):
                self.stopped = True

    def note_effort(self, n_steps: int) -> None:
        """Note what an iteration has cost inside of it."""
        self.effort += n_steps

    @property
    def has_exhausted_effort(self) -> bool:
        """Whether no model can be trusted: good ones lead there with less effort."""
        return self.effort >= MAX_EFFORT

    def expected_gain(self) -> float:
        """Return what is left to gain, relative to F, at the pace of the last two.

        Newton's method gains less and less, and soon nothing. Where rounding spoils its
        models, gains fall slowly, like a geometric series.
        """
        if len(self.loss_curve) < 3:
            return 0.0
        before, last = -np.diff(self.loss_curve[-3:])
        if not (last > 0 and before > 0 and self.loss_curve[-1] > 0):
            return 0.0
        ratio = min(last / before, MAX_RATIO)
        if ratio < SLOW_RATIO:
            return 0.0
        return float(last * ratio / (1 - ratio) / abs(self.loss_curve[-1]))

    def keep(self, iteration: Iteration) -> None:
        """Choose the iteration to return in place of the last."""
        self.kept = iteration

    @property
    def keeps_last(self) -> bool:
        """Whether the last iteration is the one to return."""
        return self.kept is None or self.kept.number == len(self.loss_curve)

    def correct_last(self, value: float) -> None:
        """Correct F of the last iteration, for what was gained after it."""
        if self.loss_curve:
            self.loss_curve[-1] = value
            self.seconds[-1] = perf_counter() - self._start

    def tell(self, what: Callable[..., str], *args: Any) -> None:
        """Print ``what(*args)``, a decision, for those who want to know."""
        if self._verbose >= 2:
            print(what(*args))


def print_iteration(iteration: Iteration) -> None:
    """Print a line."""
    print(
        f"iteration {iteration.number}: F = {iteration.value:.10g}, suboptimality "
        f"{iteration.suboptimality:.1e}, {iteration.n_evals} evaluations, "
        f"{iteration.seconds:.3g} s"
    )
