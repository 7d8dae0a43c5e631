"""The base class of both classifiers: parameters, ``fit`` and predictions."""

from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from .._sklearn_compat import CallbackSupportMixin, Interval, StrOptions, with_callbacks
from ..data.blocks import RowBlocks, far_center
from ..data.containers import check_container, check_numbers
from ..data.preparation import check_offset
from ..data.targets import align_distributions, are_distributions
from ..model.losses import LOSSES
from ..model.objective import CrossEntropyObjective
from ..solver.minimise import Solution, minimise
from ..solver.progress import Progress
from .callbacks import FitCallbacks
from .early_stopping import EarlyStopping, hold_out
from .feature_parameters import check_bounds, check_penalty_weights
from .migration import MigrationMixin, with_remedies
from .validation import CheckedData, check_data, check_X, smooth_targets


class LinearCrossEntropyClassifier(
    MigrationMixin, CallbackSupportMixin, ClassifierMixin, BaseEstimator
):
    """A linear model trained by cross-entropy; subclasses choose the loss."""

    _loss_name: str

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
            converted to it.
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
            If an input is a Dask collection, or X, weights or offset are not numeric.
        ValueError
            If an input is not finite or has masked entries, a label is missing, lengths
            differ, there are too few or too many classes, a class has no weight, or
            there are too few rows to hold some out. The estimator then keeps the
            attributes of its last fit.
        """
        progress = Progress(self.verbose)
        self._validate_params()
        data = check_data(self, X, y, sample_weight, offset)
        held_out = validation = None
        if self.early_stopping:
            data, held_out = hold_out(data, self.validation_fraction, self.random_state)

        objective = self._objective(data)
        start = self._starting_point(objective, data.classes)
        if held_out is not None:
            validation = EarlyStopping(
                objective, held_out, progress, self.tol, self.n_iter_no_change
            )
        read = partial(_coefficients, objective)
        callbacks = FitCallbacks(self, progress, data, read, start)

        solution = minimise(
            objective, start, tol=self.tol, max_iter=self.max_iter, progress=progress
        )
        if solution.deserves_warning:
            warn(solution.message(self.tol), ConvergenceWarning, stacklevel=3)

        self._publish(data, read(solution.params), solution, validation)
        callbacks.finish(solution.params)
        return self

    def _objective(self, data: CheckedData) -> CrossEntropyObjective:
        """Return the objective that the parameters define on the data."""
        features = data.feature_names, data.X.shape[1]
        return CrossEntropyObjective(
            data.X,
            smooth_targets(data.targets, len(data.classes), self.label_smoothing),
            data.weights,
            C=self.C,
            l1_ratio=self.l1_ratio,
            penalty_weights=check_penalty_weights(self.penalty_weights, *features),
            bounds=check_bounds(self.bounds, *features),
            offset=data.offset,
            fit_intercept=self.fit_intercept,
            loss=self._loss_name,
            center=far_center(data.X) if self.fit_intercept else None,
        )

    def _starting_point(
        self, objective: CrossEntropyObjective, classes: NDArray
    ) -> NDArray:
        """Return the params of the last fit for a warm start, otherwise new ones."""
        if (
            self.warm_start
            and hasattr(self, "coef_")
            and np.array_equal(self.classes_, classes)
            and self.coef_.shape[1] == objective.n_features
        ):
            return objective.pack(_dense(self.coef_), self.intercept_)
        return objective.initial_point()

    def _publish(
        self,
        data: CheckedData,
        coefficients: tuple[NDArray, NDArray],
        solution: Solution,
        validation: EarlyStopping | None,
    ) -> None:
        """Set all fitted attributes, after every computation that may fail."""
        scores = best_score = None
        if validation is not None:
            scores = np.array(validation.scores)
            best_score = validation.best_score(solution.params)

        self.n_features_in_ = data.X.shape[1]
        if data.feature_names is not None:
            self.feature_names_in_ = data.feature_names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.classes_ = data.classes
        self.coef_, self.intercept_ = coefficients
        self.n_iter_ = np.array([solution.n_iter], dtype=np.int32)
        self.n_evals_ = solution.n_evals
        self.loss_curve_ = solution.loss_curve
        self.loss_curve_seconds_ = solution.seconds
        self.suboptimality_ = solution.suboptimality
        self.duality_gap_ = solution.duality_gap
        self.converged_ = solution.converged
        self.validation_scores_ = scores
        self.best_validation_score_ = best_score

    def decision_function(self, X: Any, offset: ArrayLike | None = None) -> NDArray:
        """Return the logits ``X coef_ᵀ + intercept_``; for two classes, the log-odds.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like, default=None
            Added to the logits, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes), float64
            For two classes, the log-odds of ``classes_[1]``; with `SoftmaxReg`, they
            are the difference of the two logits. For more classes, one logit for each,
            in the order of ``classes_``.
        """
        z = self._logits(X, offset)
        if len(self.classes_) > 2:
            return z
        return z[:, 0] if z.shape[1] == 1 else z[:, 1] - z[:, 0]

    def predict(self, X: Any, offset: ArrayLike | None = None) -> NDArray:
        """Return the most probable label of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like, default=None
            Added to the logits, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels from ``classes_``.
        """
        z = self._logits(X, offset)
        return self.classes_[LOSSES[self._loss_name].predict(z)]

    def predict_proba(self, X: Any, offset: ArrayLike | None = None) -> NDArray:
        """Return the probability of each class.

        Each probability has full relative accuracy, however small it is.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like, default=None
            Added to the logits, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return LOSSES[self._loss_name].proba(self._logits(X, offset))

    def predict_log_proba(self, X: Any, offset: ArrayLike | None = None) -> NDArray:
        """Return the log-probability of each class, computed from the logits.

        It stays finite and accurate even if the probability underflows to 0 or rounds
        to 1.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like, default=None
            Added to the logits, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In nats, columns in the order of ``classes_``.
        """
        return LOSSES[self._loss_name].log_proba(self._logits(X, offset))

    def score(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> float:
        """Return the accuracy: the weighted fraction of correctly predicted labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels. A row of soft labels counts as its most probable class.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples; None means 1 for each.
        offset : array-like, default=None
            Added to the logits, as in `fit`.

        Returns
        -------
        float
            From 0 to 1.
        """
        check_is_fitted(self)
        check_container(y, "y")
        check_numbers(sample_weight, "sample_weight")
        if are_distributions(y):
            targets = align_distributions(y, self.classes_)
            y = self.classes_[targets.argmax(axis=1)]
        return accuracy_score(y, self.predict(X, offset), sample_weight=sample_weight)

    def sparsify(self) -> Self:
        """Convert ``coef_`` to a sparse CSR matrix; predictions stay the same.

        Returns
        -------
        self
        """
        check_is_fitted(self)
        self.coef_ = sparse.csr_matrix(self.coef_)
        return self

    def densify(self) -> Self:
        """Convert ``coef_`` back to an array, the inverse of `sparsify`.

        Returns
        -------
        self
        """
        check_is_fitted(self)
        self.coef_ = _dense(self.coef_)
        return self

    def _logits(self, X: Any, offset: ArrayLike | None) -> NDArray:
        """Return the logits, (n, L), computed block by block.

        They are in float64 also for float32 data, because the terms of columns far from
        0 nearly cancel.
        """
        check_is_fitted(self)
        X = check_X(self, X)
        z = np.empty((X.shape[0], self.coef_.shape[0]), order="F")
        blocks = RowBlocks(X)
        for rows in blocks.slices(width=self.coef_.shape[0]):
            block = blocks.take(rows)
            z[rows] = safe_sparse_dot(block, self.coef_.T, dense_output=True)
        z += self.intercept_
        offset = check_offset(offset, *z.shape)
        if offset is not None:
            z += offset
        return z

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _coefficients(
    objective: CrossEntropyObjective, params: NDArray
) -> tuple[NDArray, NDArray]:
    """Return ``coef_``, (L, d), and ``intercept_``, (L,)."""
    coef, intercept = objective.unpack(params)
    if len(intercept) > 1:
        # The loss does not depend on a common shift of all logits.
        intercept -= intercept.mean()
    return coef, intercept


def _dense(coef: Any) -> NDArray:
    return coef.toarray() if sparse.issparse(coef) else coef
