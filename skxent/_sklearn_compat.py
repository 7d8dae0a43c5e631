"""Private parts of scikit-learn, each with what it would take to do without."""

try:
    # It inspects the loaded libraries once in a process, which takes 15 ms. A
    # `threadpoolctl.ThreadpoolController` of our own would do as well.
    from sklearn.utils.parallel import (
        _get_threadpool_controller as get_threadpool_controller,
    )
except ImportError:
    from functools import cache

    from threadpoolctl import ThreadpoolController

    @cache
    def get_threadpool_controller():
        """Return a controller of the thread pools; it inspects every library once."""
        return ThreadpoolController()


__all__ = ["get_threadpool_controller"]
