"""The parts of scikit-learn that are private, or missing from supported versions.

Only this module imports them. A comment at each import says what it would take to drop
it.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

# Constraints on parameters, in `_parameter_constraints`, and their check. To drop them,
# check the parameters in `fit` by hand, with the same messages. scikit-learn recommends
# the constraints to developers of estimators.
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    StrOptions,
    validate_parameter_constraints,
)

try:
    # The controller lists the loaded libraries once per process, which takes 15 ms. To
    # drop it, cache a `threadpoolctl.ThreadpoolController` here, as the fallback does.
    from sklearn.utils.parallel import (
        _get_threadpool_controller as get_threadpool_controller,
    )
except ImportError:
    from functools import cache

    from threadpoolctl import ThreadpoolController

    @cache
    def get_threadpool_controller() -> ThreadpoolController:
        """Return the controller of the thread pools, built once per process."""
        return ThreadpoolController()


try:
    # Public since scikit-learn 1.9. To drop the fallback, require that version.
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:
    # mypy sees two definitions, Python only one of them
    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Add no methods: these versions have no callbacks."""

    def with_callbacks(fit: Callable) -> Callable:
        """Return ``fit`` in a wrapper, so that warnings keep their ``stacklevel``."""

        @wraps(fit)
        def fit_without_callbacks(*args: Any, **kwargs: Any) -> Any:
            return fit(*args, **kwargs)

        return fit_without_callbacks


try:
    # It puts how a fit ended into the HTML diagram. If scikit-learn removes it, remove
    # `_sk_visual_block_`, too: the diagram then lacks that line only.
    from sklearn.utils._repr_html.estimator import _VisualBlock as VisualBlock
except ImportError:  # before scikit-learn 1.7
    from sklearn.utils._estimator_html_repr import _VisualBlock as VisualBlock


__all__ = [
    "CallbackSupportMixin",
    "Interval",
    "InvalidParameterError",
    "StrOptions",
    "VisualBlock",
    "get_threadpool_controller",
    "validate_parameter_constraints",
    "with_callbacks",
]
