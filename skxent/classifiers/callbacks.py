"""scikit-learn's callbacks: what they are told of a fit.

They came with scikit-learn 1.9; before, an estimator has no ``set_callbacks`` and there
is nothing to do.
"""

from typing import Any


class FitCallbacks:
    """The callbacks of one fit, if any: they hear of it, and of each iteration.

    Parameters
    ----------
    estimator : estimator
        The one that is fitted.
    trace : Trace
        Where the iterations come from.
    data : CheckedData
        The training data.
    read : callable
        Returns ``coef_`` and ``intercept_`` from params.
    start : ndarray of shape (n_params,)
        The params before the first iteration.
    """

    def __init__(self, estimator, trace, data, read, start):
        self._task: Any = None
        if not getattr(estimator, "_skl_callbacks", None):
            return
        metadata = {"sample_weight": data.sample_weight, "offset": data.offset}
        metadata = {name: part for name, part in metadata.items() if part is not None}
        self._data = {"X": data.X, "y": data.y, "metadata": metadata or None}
        self._estimator = estimator
        self._fixed = _attributes_of_inputs(estimator, data)
        self._read = read
        self._find_params = lambda: start
        # The one beyond max_iter is for a line search that fails after the others.
        max_subtasks = estimator.max_iter + 1
        self._task = estimator._init_callback_context(max_subtasks=max_subtasks)
        self._task.call_on_fit_task_begin(estimator=estimator, **self._data)
        self._subtasks: list = []
        trace.before.append(self._begin)
        trace.after.append(self._end)

    def finish(self, params):
        """Tell them that the fit is over, with these params for its answer."""
        if self._task is None:
            return
        self._find_params = lambda: params
        for unfinished in self._subtasks:
            self._tell(unfinished.call_on_fit_task_end)
        self._tell(self._task.call_on_fit_task_end)

    def _begin(self):
        self._subtasks.append(self._task.subcontext(task_name="iteration"))
        self._tell(self._subtasks[-1].call_on_fit_task_begin)

    def _end(self, iteration):
        self._find_params = lambda: iteration.params
        return self._tell(self._subtasks.pop().call_on_fit_task_end)

    def _tell(self, hook):
        return hook(
            estimator=self._estimator,
            reconstruction_attributes=self._attributes,
            **self._data,
        )

    def _attributes(self):
        """Return what makes a fitted estimator of the params."""
        coef, intercept = self._read(self._find_params())
        return {**self._fixed, "coef_": coef, "intercept_": intercept}


def _attributes_of_inputs(estimator, data):
    """Return the attributes of a fitted estimator that the data alone determine."""
    fixed = {"classes_": data.classes, "n_features_in_": data.X.shape[1]}
    # None hides the names of an earlier fit
    if data.feature_names is not None or hasattr(estimator, "feature_names_in_"):
        fixed["feature_names_in_"] = data.feature_names
    return fixed
