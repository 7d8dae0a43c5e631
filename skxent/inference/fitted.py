"""A fitted estimator with the data of its fit, as a problem of the package.

Everything in this room reads X through the rows of this problem.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..classifiers.predictions import dense
from ..classifiers.validation import class_weights
from ..data.blocks import far_center
from ..data.rows import Block
from ..evaluation.last_step import last_step
from ..model.objective import CrossEntropyObjective, Objective
from .refusals import (
    check_same_data,
    check_supported,
    is_bias_reduced,
    penalty_of,
)

WEIGHTS = ("frequency", "precision")


class FittedModel(NamedTuple):
    """A fitted estimator and its data.

    Attributes
    ----------
    objective : Objective
        F, with rows in float64.
    params : ndarray of shape (n_params,)
        The coefficients and intercepts of the fit.
    name : str
        The class of the estimator.
    classes : list of length K
    feature_names : ndarray of shape (d,)
    basis : ndarray of shape (L, q)
        Orthonormal columns that span the logits that the loss sees: 1 for a single
        logit; for a softmax, K − 1 contrasts that sum to 0.
    class_factors : ndarray of shape (K,) or None
        The class weights; None means 1 for each.
    weights : {"frequency", "precision"}
        What sample weights mean.
    n_observations : float
        Σ sample_weight for frequencies, the number of rows with a weight for precision.
    is_converged : bool
        Whether the fit says that it has converged.
    is_bias_reduced : bool
        Whether the estimate maximises another function than the likelihood.
    """

    objective: Objective
    params: NDArray
    name: str
    classes: list[Any]
    feature_names: NDArray
    basis: NDArray
    class_factors: NDArray | None
    weights: str
    n_observations: float
    is_converged: bool
    is_bias_reduced: bool

    @property
    def n_components(self) -> int:
        """The number of logits that the loss sees: q."""
        return self.basis.shape[1]

    @property
    def is_penalised(self) -> bool:
        """Whether F has a penalty."""
        return not self.objective.penalty.is_zero

    def reduced(self, of_params: NDArray) -> NDArray:
        """Return a gradient with respect to the components, (q, e)."""
        return self.basis.T @ of_params.reshape(len(self.basis), -1)

    def step(self, of_components: NDArray) -> NDArray:
        """Return a step of the components, (q, e), as one of the params."""
        return (self.basis @ of_components).ravel()

    def row_weights(self) -> Callable[[Block], tuple[NDArray, NDArray]]:
        """Return the function from a block to the counts and factors of its rows.

        A row stands for ``count`` observations, and its score is ``factor`` times the
        gradient of its loss. The sample weight times the class weight is their product.
        """
        rows = self.objective.rows
        unit = rows.weight_sum * rows.mean_factor

        def row_weights(block: Block) -> tuple[NDArray, NDArray]:
            m = block.X.shape[0]
            s = np.full(m, unit) if block.weights is None else unit * block.weights
            if self.weights == "precision":
                return np.sign(s), s
            if self.class_factors is None:
                return s, np.ones(m)
            factor = self.class_factors[block.targets]
            return s / factor, factor

        return row_weights


@contextmanager
def fitted_model(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    offset: Any = None,
    weights: str = "frequency",
) -> Iterator[FittedModel]:
    """Yield a fitted estimator with its data; refuse what has no likelihood.

    In the end, a cluster forgets the data that it keeps: no pass reads them any more.

    Parameters
    ----------
    estimator : object
        A fitted estimator of the package, a pipeline that ends in one, or a search over
        these.
    X, y, sample_weight, offset
        As in ``fit``: Dask collections for an estimator of `skxent.dask`.
    weights : {"frequency", "precision"}, default="frequency"
    """
    if weights not in WEIGHTS:
        raise ValueError(
            f"weights={weights!r}; expected 'frequency' (a weight of 2 is a row given "
            "twice) or 'precision' (a weight multiplies the loss of one row)."
        )
    model, before = last_step(estimator)
    check_supported(model)
    names = None
    if before is not None:
        X = before.transform(X)
        if not hasattr(X, "columns"):
            names = _names_after(before)
    with closing(model._check_data(X, y, sample_weight, offset)) as data:
        yield _fitted_to(model, data, names, weights)


def _fitted_to(
    model: Any, data: Any, names: NDArray | None, weights: str
) -> FittedModel:
    """Return a fitted estimator with its checked data."""
    check_same_data(model, data)
    objective = _objective_of(model, data)
    objective.rows.read_in_float64()
    if names is None:
        names = getattr(model, "feature_names_in_", data.feature_names)
    if names is None:
        names = np.array([f"x{j}" for j in range(objective.n_features)], dtype=object)
    sums, factors = data.weight_sums, None
    if model.class_weight is not None:
        factors = class_weights(model.class_weight, data.classes, sums.of_classes)
    return FittedModel(
        objective=objective,
        params=objective.pack(dense(model.coef_), model.intercept_),
        name=type(model).__name__,
        classes=np.asarray(model.classes_).tolist(),
        feature_names=np.asarray(names),
        basis=_basis(objective.n_logits),
        class_factors=factors,
        weights=weights,
        n_observations=float(sums.total if weights == "frequency" else sums.n_positive),
        # unknown if another package has fitted the model: the Newton step will tell
        is_converged=bool(getattr(model, "converged_", True)),
        is_bias_reduced=is_bias_reduced(model),
    )


def _objective_of(model: Any, data: Any) -> Objective:
    """Return F of an estimator; the mean loss for one that maximises another function.

    Half the log-determinant of the information, which a bias-reduced fit adds, is no
    part of it: its errors are those of the likelihood at the estimate.
    """
    if not is_bias_reduced(model):
        return model._objective(data, *penalty_of(model))
    return CrossEntropyObjective(
        data.X,
        data.targets,
        data.weights,
        C=np.inf,
        offset=data.offset,
        fit_intercept=model.fit_intercept,
        loss=model._loss_name,
        center=far_center(data.X) if model.fit_intercept else None,
    )


def _names_after(before: Any) -> NDArray | None:
    """Return the names of the features that steps of a pipeline make, if they tell."""
    try:
        return before.get_feature_names_out()
    except (AttributeError, ValueError):
        return None


def _basis(n_logits: int) -> NDArray:
    """Return orthonormal columns, (L, q): contrasts of the classes of a softmax."""
    if n_logits == 1:
        return np.ones((1, 1))
    k = np.arange(1, n_logits)
    basis = np.triu(np.ones((n_logits, n_logits - 1)))
    basis[k, k - 1] = -k
    return basis / np.sqrt(k * (k + 1))
