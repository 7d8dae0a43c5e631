"""What every fit has, whichever way it takes to the optimum."""

from typing import TYPE_CHECKING

from numpy.typing import NDArray

from ..model.objective import Objective
from ..model.problem import Evaluation
from .preconditioners.base import Preconditioner
from .progress import Progress
from .stopping import ITERATION_LIMIT

if TYPE_CHECKING:
    from .verification import NewtonStep


class Fit:
    """A fit of an objective, which moves its params.

    Parameters
    ----------
    objective : Objective
    start : ndarray of shape (n_params,)
    tol, max_iter
        As in `minimise`.
    progress : Progress

    Attributes
    ----------
    params, evaluation : ndarray of shape (n_params,), Evaluation
        The current params, and F and its gradient there.
    suboptimality : float
        The estimate of (F − F*) / F at ``params``.
    preconditioner : Preconditioner or None
        The last one.
    has_exact_preconditioner : bool
        Whether it is the exact Hessian at ``params``.
    newton : NewtonStep or None
        The Newton step from ``params``, if the fit has ended with it.
    outcome : str
        How the fit ended, see `stopping`.
    """

    preconditioner: Preconditioner | None = None
    has_exact_preconditioner = False
    newton: "NewtonStep | None" = None

    def __init__(
        self,
        objective: Objective,
        start: NDArray,
        tol: float,
        max_iter: int,
        progress: Progress,
    ):
        self.objective = objective
        self.tol, self.max_iter = tol, max_iter
        self.progress = progress
        self.params = start
        self.evaluation = self.evaluate(start)
        self.suboptimality = 1.0
        self.outcome = ITERATION_LIMIT

    def evaluate(self, params: NDArray) -> Evaluation:
        """Return F and its gradient."""
        return self.objective.evaluate(params)

    def take_exact(self, preconditioner: Preconditioner) -> None:
        """Take a preconditioner that is the exact Hessian at ``params``."""
        self.preconditioner, self.has_exact_preconditioner = preconditioner, True

    def run(self) -> None:
        """Move the params until the estimate is at most ``tol``, or F stalls."""
        raise NotImplementedError
