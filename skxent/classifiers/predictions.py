"""What a fitted linear model does: logits, probabilities, labels and their score."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from ..data.blocks import RowBlocks
from ..data.containers import check_container, check_numbers
from ..data.preparation import check_offset
from ..data.targets import align_distributions, are_distributions
from ..model.losses import LOSSES
from .validation import CheckedData, check_data, check_X


class LinearClassifier(ClassifierMixin, BaseEstimator):
    """A linear classifier with ``coef_``, ``intercept_`` and ``classes_``.

    Subclasses fit it, and choose the loss that turns logits into probabilities.
    """

    _loss_name: str
    coef_: Any
    intercept_: NDArray
    classes_: NDArray
    feature_names_in_: NDArray

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
        self.coef_ = dense(self.coef_)
        return self

    def _check_data(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> Any:
        """Return the input of `fit` as `CheckedData`, or as what stands for it."""
        return check_data(self, X, y, sample_weight, offset)

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

    def _publish_model(self, data: CheckedData, model: tuple[NDArray, NDArray]) -> None:
        """Set what predictions need, after every computation that may fail."""
        self.n_features_in_ = data.X.shape[1]
        if data.feature_names is not None:
            self.feature_names_in_ = data.feature_names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.classes_ = data.classes
        self.coef_, self.intercept_ = model

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def dense(coef: Any) -> NDArray:
    """Return the coefficients as an array, also after `sparsify`."""
    return coef.toarray() if sparse.issparse(coef) else coef
