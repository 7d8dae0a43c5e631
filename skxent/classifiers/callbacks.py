"""Calls of scikit-learn's callbacks during a fit.

Callbacks exist since scikit-learn 1.9. Under older versions an estimator has no
``set_callbacks``, and the class below does nothing.
"""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from ..solver.progress import Iteration, Progress
from .validation import CheckedData


class FitCallbacks:
    """Calls the callbacks of one fit: at its begin and end, and at each iteration.

    Parameters
    ----------
    estimator : estimator
        The estimator that is being fitted.
    progress : Progress
        Reports the iterations of the fit.
    data : CheckedData
        The training data.
    read : callable
        Returns ``coef_`` and ``intercept_`` from params.
    start : ndarray of shape (n_params,)
        The params before the first iteration.
    """

    def __init__(
        self,
        estimator: Any,
        progress: Progress,
        data: CheckedData,
        read: Callable[[NDArray], tuple[NDArray, NDArray]],
        start: NDArray,
    ) -> None:
        self._task: Any = None
        if not getattr(estimator, "_skl_callbacks", None):
            return
        metadata = {"sample_weight": data.sample_weight, "offset": data.offset}
        metadata = {name: part for name, part in metadata.items() if part is not None}
        self._training_data = {"X": data.X, "y": data.y, "metadata": metadata or None}
        self._estimator = estimator
        self._data_attributes = _attributes_from(data, estimator)
        self._read = read
        self._find_params = lambda: start
        # One more than max_iter: a line search that fails also begins an iteration.
        max_subtasks = estimator.max_iter + 1
        self._task = estimator._init_callback_context(max_subtasks=max_subtasks)
        self._task.call_on_fit_task_begin(estimator=estimator, **self._training_data)
        self._subtasks: list = []
        progress.before.append(self._begin)
        progress.after.append(self._end)

    def finish(self, params: NDArray) -> None:
        """Report the end of the fit, with its final params."""
        if self._task is None:
            return
        self._find_params = lambda: params
        for unfinished in self._subtasks:
            self._call(unfinished.call_on_fit_task_end)
        self._call(self._task.call_on_fit_task_end)

    def _begin(self) -> None:
        self._subtasks.append(self._task.subcontext(task_name="iteration"))
        self._call(self._subtasks[-1].call_on_fit_task_begin)

    def _end(self, iteration: Iteration) -> Any:
        self._find_params = lambda: iteration.params
        return self._call(self._subtasks.pop().call_on_fit_task_end)

    def _call(self, hook: Callable) -> Any:
        return hook(
            estimator=self._estimator,
            reconstruction_attributes=self._attributes,
            **self._training_data,
        )

    def _attributes(self) -> dict[str, Any]:
        """Return the attributes that make the estimator a fitted one."""
        coef, intercept = self._read(self._find_params())
        return {**self._data_attributes, "coef_": coef, "intercept_": intercept}


def _attributes_from(data: CheckedData, estimator: Any) -> dict[str, Any]:
    """Return the fitted attributes that depend on the data alone."""
    attributes = {"classes_": data.classes, "n_features_in_": data.n_features}
    # None replaces the names from an earlier fit of the estimator.
    if data.feature_names is not None or hasattr(estimator, "feature_names_in_"):
        attributes["feature_names_in_"] = data.feature_names
    return attributes
