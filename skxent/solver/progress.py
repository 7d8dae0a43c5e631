"""The record of a fit while it runs, and the listeners of its iterations.

The solver records every iteration in a `Progress`, which calls its listeners at once.
They print a line, score held-out rows or call scikit-learn's callbacks. A listener that
returns True asks the fit to stop. The params of an iteration may have to be mapped back
from the row space or from a working set of columns, so they are computed on demand.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A fit gives up after this many steps inside of quadratic models. Some hundreds are
# usual. Where rounding spoils each model, the next one is no better than the last.
MAX_EFFORT = 6_000
# The ratio of successive gains. Below the first, convergence is fast and leaves nothing
# worth extrapolating; above the second, the geometric series would have no finite sum.
SLOW_RATIO, MAX_RATIO = 0.1, 0.99


@dataclass(frozen=True)
class Iteration:
    """One iteration, as listeners see it.

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
        1 prints each iteration, 2 also prints the decisions of the solver.

    Attributes
    ----------
    loss_curve, seconds : list of float
        F after each iteration, and the time since the start.
    before : list of callables
        Called without arguments when an iteration begins.
    after : list of callables
        Called with each `Iteration`; one that returns True asks the fit to stop.
    stopped : bool
        Whether a listener has asked the fit to stop.
    effort : int
        The number of steps inside of quadratic models so far.
    kept : Iteration or None
        The iteration to return instead of the last, if a listener chose one.
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
        """Return how many more iterations are allowed; 0 once stopped."""
        return 0 if self.stopped else max_iter - len(self.loss_curve)

    def begin(self) -> None:
        """Tell listeners that an iteration begins, unless one is open already."""
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
        """Record the end of an iteration and tell listeners."""
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
        """Count steps inside of a quadratic model."""
        self.effort += n_steps

    @property
    def has_exhausted_effort(self) -> bool:
        """Whether the models are unreliable: good ones need far fewer steps."""
        return self.effort >= MAX_EFFORT

    def expected_gain(self) -> float:
        """Extrapolate the last two gains to the decrease to come, relative to F.

        The gains of Newton's method soon vanish. If rounding spoils its models, they
        fall slowly, like a geometric series, whose sum this returns.
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
        """Choose the iteration to return instead of the last."""
        self.kept = iteration

    @property
    def keeps_last(self) -> bool:
        """Whether the last iteration is the one to return."""
        return self.kept is None or self.kept.number == len(self.loss_curve)

    def correct_last(self, value: float) -> None:
        """Replace F of the last iteration by a later, more exact value."""
        if self.loss_curve:
            self.loss_curve[-1] = value
            self.seconds[-1] = perf_counter() - self._start

    def tell(self, what: Callable[..., str], *args: Any) -> None:
        """Print a decision, ``what(*args)``, if ``verbose`` is at least 2."""
        if self._verbose >= 2:
            print(what(*args))


def print_iteration(iteration: Iteration) -> None:
    """Print one line for an iteration."""
    print(
        f"iteration {iteration.number}: F = {iteration.value:.10g}, suboptimality "
        f"{iteration.suboptimality:.1e}, {iteration.n_evals} evaluations, "
        f"{iteration.seconds:.3g} s"
    )
