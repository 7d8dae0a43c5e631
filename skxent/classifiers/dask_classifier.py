"""What the classifiers for Dask collections have in common.

They are the classifiers for data in memory with another kind of rows. What they predict
is as lazy as what they are given.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from dask import delayed
from dask.delayed import Delayed
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._sklearn_compat import StrOptions
from ..data.dask_collections import align, as_array, is_dask, is_frame
from ..data.dask_engine import FAN_IN, Engine
from ..model.losses import LOSSES
from ..model.objective import Objective
from ..model.penalty import Penalty, penalty_strength
from ..model.problem import Problem
from .base import LinearCrossEntropyClassifier
from .dask_data import DaskData, check_dask_data
from .dask_predictions import added, call, hit_sums, loss_sums, of_no_rows, ratio
from .feature_parameters import check_bounds, check_penalty_weights
from .migration import with_remedies


class DaskClassifier(LinearCrossEntropyClassifier):
    """A linear classifier for Dask collections; a mixin of a classifier in memory."""

    _parameter_constraints: ClassVar[dict] = {
        **LinearCrossEntropyClassifier._parameter_constraints,
        "client": "no_validation",
        "persist": [StrOptions({"auto"}), "boolean"],
    }
    _local_class: type

    @with_remedies
    def __init__(
        self,
        *,
        C: float = 1.0,
        l1_ratio: float = 0.0,
        penalty_weights: Any = None,
        bounds: Any = None,
        label_smoothing: float = 0.0,
        fit_intercept: bool = True,
        class_weight: Any = None,
        tol: float = 1e-8,
        max_iter: int = 1000,
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        random_state: Any = None,
        verbose: int = 0,
        client: Any = None,
        persist: bool | str = "auto",
    ) -> None:
        super().__init__(
            C=C,
            l1_ratio=l1_ratio,
            penalty_weights=penalty_weights,
            bounds=bounds,
            label_smoothing=label_smoothing,
            fit_intercept=fit_intercept,
            class_weight=class_weight,
            tol=tol,
            max_iter=max_iter,
            warm_start=warm_start,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            random_state=random_state,
            verbose=verbose,
        )
        self.client = client
        self.persist = persist

    def to_local(self) -> Any:
        """Return the same estimator for data in memory, which needs no Dask.

        Returns
        -------
        skxent.BinaryLogReg or skxent.SoftmaxReg
            With the same parameters and, if this one is fitted, the same attributes.
        """
        own = ("client", "persist")
        params = {k: v for k, v in self.get_params(deep=False).items() if k not in own}
        local = self._local_class(**params)
        for name, value in vars(self).items():
            if name.endswith("_") and not name.startswith("_"):
                setattr(local, name, value)
        return local

    def decision_function(self, X: Any, offset: Any = None) -> Any:
        """Return the logits; for two classes, the log-odds of ``classes_[1]``.

        Parameters
        ----------
        X : Dask array or dataframe of shape (n_samples, n_features)
            For data in memory, the result is an ndarray.
        offset : Dask array or series, default=None
            Added to the logits, as in `fit`.

        Returns
        -------
        dask.array.Array of shape (n_samples,) or (n_samples, n_classes), float64
            Lazy, with a chunk for each partition of X.
        """
        return self._lazily("decision_function", X, offset)

    def predict(self, X: Any, offset: Any = None) -> Any:
        """Return the most probable label of each sample.

        Parameters
        ----------
        X, offset
            As in `decision_function`.

        Returns
        -------
        dask.array.Array of shape (n_samples,)
            Lazy, with labels from ``classes_``.
        """
        return self._lazily("predict", X, offset)

    def predict_proba(self, X: Any, offset: Any = None) -> Any:
        """Return the probability of each class.

        Parameters
        ----------
        X, offset
            As in `decision_function`.

        Returns
        -------
        dask.array.Array of shape (n_samples, n_classes)
            Lazy, columns in the order of ``classes_``.
        """
        return self._lazily("predict_proba", X, offset)

    def predict_log_proba(self, X: Any, offset: Any = None) -> Any:
        """Return the log-probability of each class, computed from the logits.

        Parameters
        ----------
        X, offset
            As in `decision_function`.

        Returns
        -------
        dask.array.Array of shape (n_samples, n_classes)
            Lazy, in nats, columns in the order of ``classes_``.
        """
        return self._lazily("predict_log_proba", X, offset)

    def log_loss(
        self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None
    ) -> Any:
        """Return the mean cross-entropy of the model on these rows, without penalty.

        Parameters
        ----------
        X, y, sample_weight, offset : Dask collections
            As in `fit`; or all of them in memory.

        Returns
        -------
        dask.array.Array of shape ()
            Lazy, in nats; ``float(...)`` computes it. For data in memory, a float.
        """
        if not is_dask(X):
            check_is_fitted(self)
            X = X if hasattr(X, "shape") else np.asarray(X)
            sums = loss_sums(self.to_local(), X, y, sample_weight, offset)
            return float(ratio(sums)[0])
        return self._mean_over_rows(loss_sums, X, y, sample_weight, offset)

    def score(
        self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None
    ) -> float:
        """Return the accuracy: the weighted fraction of correctly predicted labels.

        Parameters
        ----------
        X, y, sample_weight, offset : Dask collections
            As in `fit`. A row of soft labels counts as its most probable class.

        Returns
        -------
        float
            From 0 to 1, computed by Dask.
        """
        if not is_dask(X):
            return super().score(X, y, sample_weight, offset)
        return float(
            self._mean_over_rows(hit_sums, X, y, sample_weight, offset).compute()
        )

    def _lazily(self, method: str, X: Any, offset: Any) -> Any:
        """Return what a method of the local estimator returns, for each partition."""
        check_is_fitted(self)
        if not is_dask(X):
            return getattr(self.to_local(), method)(X, offset)
        n_columns = len(X.columns) if is_frame(X) else X.shape[1]
        if n_columns != self.n_features_in_:
            raise ValueError(
                f"X has {n_columns} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input."
            )
        local = self.to_local()
        parts = align(X=X, offset=offset)
        nothing = of_no_rows(local, method)
        model = delayed(local, traverse=False)
        results = [
            delayed(call)(
                model, method, nothing, *(_part(parts.tasks, key) for key in keys)
            )
            for keys in parts.keys
        ]
        return as_array(results, parts.lengths, nothing)

    def _mean_over_rows(
        self, sums: Callable, X: Any, y: Any, sample_weight: Any, offset: Any
    ) -> Any:
        """Return the weighted mean of a function of rows, as a lazy Dask array."""
        check_is_fitted(self)
        parts = align(X=X, y=y, sample_weight=sample_weight, offset=offset)
        model = delayed(self.to_local(), traverse=False)
        shares = [
            delayed(sums)(model, *(_part(parts.tasks, key) for key in keys))
            for keys in parts.keys
        ]
        while len(shares) > 1:
            groups = [shares[i : i + FAN_IN] for i in range(0, len(shares), FAN_IN)]
            shares = [delayed(added)(group) for group in groups]
        return as_array([delayed(ratio)(shares[0])], [1], np.zeros(1))[0]

    # The forms of what `fit` asks for.

    def _check_data(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> DaskData:
        return check_dask_data(
            X,
            y,
            sample_weight,
            offset,
            engine=Engine(self.client),
            persist=self.persist,
            class_weight=self.class_weight,
            binary_only=self._loss_name == "binary",
        )

    def _hold_out(self, data: DaskData) -> tuple[DaskData, DaskData]:
        seed = check_random_state(self.random_state).randint(2**31)
        return data.hold_out(self.validation_fraction, seed)

    def _objective(self, data: DaskData, C: float, l1_ratio: float) -> Objective:
        features = data.feature_names, data.n_features
        rows = data.rows(
            centred=self.fit_intercept, label_smoothing=self.label_smoothing
        )
        penalty = Penalty.elastic_net(
            penalty_strength(C, rows.weight_sum),
            l1_ratio,
            check_penalty_weights(self.penalty_weights, *features),
            check_bounds(self.bounds, *features),
            data.n_features,
        )
        return Objective(self._problem(data, rows), penalty)

    def _mean_loss(self, objective: Objective, data: DaskData) -> Problem:
        # the same center: the params refer to it
        return self._problem(data, data.rows(centred=self.fit_intercept))

    def _problem(self, data: DaskData, rows: Any) -> Problem:
        n_classes = len(data.classes)
        return Problem(rows, LOSSES[self._loss_name], n_classes, self.fit_intercept)

    # A client belongs to a process: clones share it, pickles lose it.

    def __sklearn_clone__(self) -> Self:
        params = self.get_params(deep=False)
        client = params.pop("client")
        copied = {k: clone(v, safe=False) for k, v in params.items()}
        return type(self)(**copied, client=client)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "client": None}


def _part(tasks: dict, key: Any) -> Delayed | None:
    return None if key is None else Delayed(key, tasks)
