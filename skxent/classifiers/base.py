"""The base class of both classifiers: parameters and ``fit``."""

from contextlib import closing
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning

from .._sklearn_compat import CallbackSupportMixin, Interval, StrOptions, with_callbacks
from ..model.objective import Objective
from ..model.problem import Problem
from ..solver.minimise import minimise
from ..solver.progress import Progress
from .callbacks import FitCallbacks
from .cross_entropy_classifier import CrossEntropyClassifier, coefficients
from .early_stopping import EarlyStopping, hold_out
from .exchange import ImportMixin
from .migration import with_remedies
from .predictions import dense


class LinearCrossEntropyClassifier(
    CallbackSupportMixin, CrossEntropyClassifier, ImportMixin
):
    """A linear model trained by cross-entropy; subclasses choose the loss."""

    _parameter_constraints: ClassVar[dict] = {
        "C": [Interval(Real, 0, None, closed="right")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "penalty_weights": ["array-like", dict, None],
        "bounds": [tuple, list, dict, None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "fit_intercept": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

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
    ) -> None:
        self.C = C
        self.l1_ratio = l1_ratio
        self.penalty_weights = penalty_weights
        self.bounds = bounds
        self.label_smoothing = label_smoothing
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> Self:
        """Find the coefficients that minimise the penalised cross-entropy.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Finite training data of any scale. float32 and float64 keep their type,
            other types become float64. CSR is read in place, other sparse formats are
            converted to it. Memory-mapped data stay in their file.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Class labels, or soft labels: rows of class probabilities that sum to 1
            (within 1e-5). The columns of a frame name the classes, otherwise the
            classes are 0 … K − 1. For counts, divide each row by its total and pass the
            totals as ``sample_weight``.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples; None means 1 for each. A weight of 2
            is the same as a sample given twice.
        offset : array-like, default=None
            Known part of the logits, which is added to them: (n_samples,) for
            `BinaryLogReg`, (n_samples, n_classes) for `SoftmaxReg`. Magnitudes up to
            1e30.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        TypeError
            If an input is a Dask collection, which `skxent.dask` has estimators for, or
            X, weights or offset are not numeric.
        ValueError
            If an input is not finite or has masked entries, a label is missing, lengths
            differ, there are too few or too many classes, a class has no weight, or
            there are too few rows to hold some out. The estimator then keeps the
            attributes of its last fit.
        """
        progress = Progress(self.verbose)
        self._validate_params()
        with closing(self._check_data(X, y, sample_weight, offset)) as data:
            held_out = validation = None
            if self.early_stopping:
                data, held_out = self._hold_out(data)

            objective = self._objective(data, self.C, self.l1_ratio)
            start = self._starting_point(objective, data.classes)
            if held_out is not None:
                validation = EarlyStopping(
                    self._mean_loss(objective, held_out),
                    progress,
                    self.tol,
                    self.n_iter_no_change,
                )
            read = partial(coefficients, objective)
            callbacks = FitCallbacks(self, progress, data, read, start)

            solution = minimise(
                objective,
                start,
                tol=self.tol,
                max_iter=self.max_iter,
                progress=progress,
            )
            if solution.deserves_warning:
                warn(solution.message(self.tol), ConvergenceWarning, stacklevel=3)

            scores = best_score = None
            if validation is not None:
                scores = np.array(validation.scores)
                best_score = validation.best_score(solution.params)
            self._publish_model(data, read(solution.params))
            self._publish_solution(solution)
            self.validation_scores_, self.best_validation_score_ = scores, best_score
            callbacks.finish(solution.params)
        return self

    # Data in other places have their own forms of these, of `_check_data` and of
    # `_objective`.

    def _hold_out(self, data: Any) -> tuple[Any, Any]:
        """Return the data to train on and the data to validate on."""
        return hold_out(data, self.validation_fraction, self.random_state)

    def _mean_loss(self, objective: Any, data: Any) -> Problem:
        """Return the mean loss on other data, as a function of the same params."""
        return objective.mean_loss_on(data.X, data.targets, data.weights, data.offset)

    def _starting_point(self, objective: Objective, classes: NDArray) -> NDArray:
        """Return the params of the last fit for a warm start, otherwise new ones.

        New ones are the better start if the strength or the data have changed too much.
        With a penalty of 1e100, F falls by so many decades that rows stay saturated.
        """
        new = objective.initial_point()
        if (
            self.warm_start
            and hasattr(self, "coef_")
            and np.array_equal(self.classes_, classes)
            and self.coef_.shape[1] == objective.n_features
        ):
            last = objective.pack(dense(self.coef_), self.intercept_)
            return min(last, new, key=lambda params: objective.evaluate(params).value)
        return new

    def _fitted_penalty(self) -> tuple[float, float, int | None]:
        n_iter = getattr(self, "n_iter_", None)
        return self.C, self.l1_ratio, None if n_iter is None else int(n_iter[0])
