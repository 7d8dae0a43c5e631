"""What a table reports: log-odds of two classes, or contrasts of the classes.

The coefficients of a softmax are determined up to a common shift of all classes.
Differences are determined: to a reference class, or to the mean of all classes.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..evaluation.messages import format_labels
from .fitted import FittedModel
from .identification import Coordinates

MEAN = "mean"


class Reported(NamedTuple):
    """The linear map from the variables to the rows of a table.

    Attributes
    ----------
    estimate : ndarray of shape (n_rows,)
        NaN for aliased columns.
    classes, features : list of length n_rows
    is_identified : ndarray of shape (n_rows,), bool
    to_rows : CSR matrix of shape (n_rows, q m)
        0 for aliased columns.
    description : str
        What the rows are, for the head of a table.
    """

    estimate: NDArray
    classes: list[Any]
    features: list[str]
    is_identified: NDArray
    to_rows: sparse.csr_array
    description: str

    def covariance(self, of_variables: NDArray) -> NDArray:
        """Return the covariance of the rows, NaN for aliased columns."""
        covariance = self.to_rows @ of_variables @ self.to_rows.T
        covariance[~self.is_identified] = np.nan
        covariance[:, ~self.is_identified] = np.nan
        return covariance


def reported(fitted: FittedModel, where: Coordinates, contrast: Any) -> Reported:
    """Return the rows of a table: for each contrast, the intercept and the features."""
    of_components = fitted.reduced(fitted.params)
    of_components = where.without_aliased(of_components)
    to_columns, e = where.to_columns, fitted.objective.n_columns
    d = fitted.objective.n_features
    matrix, classes, description = contrasts(fitted, contrast)
    # from the intercept of the rows in memory, which may be centred, to that of X
    to_given = sparse.eye_array(e, format="lil")
    center = fitted.objective.rows.center
    if center is not None:
        to_given[d, :d] = -center.astype(np.float64)
    order = np.roll(np.arange(e), 1) if fitted.objective.fit_intercept else np.arange(e)
    to_given = sparse.csr_array(to_given)[order]
    estimate = matrix @ (to_given @ of_components.T).T
    names = [str(name) for name in fitted.feature_names]
    if fitted.objective.fit_intercept:
        names = ["intercept", *names]
    is_identified = ~np.isin(order, where.aliased)
    estimate[:, ~is_identified] = np.nan
    of_columns = sparse.diags_array(1.0 * is_identified) @ to_given @ to_columns
    return Reported(
        estimate.ravel(),
        [label for label in classes for _ in names],
        names * len(classes),
        np.tile(is_identified, len(classes)),
        sparse.csr_array(sparse.kron(matrix, of_columns)),
        description,
    )


def contrasts(fitted: FittedModel, contrast: Any) -> tuple[NDArray, list[Any], str]:
    """Return the matrix of contrasts of components, (n, q), their classes, and a text.

    Raises
    ------
    ValueError
        If ``contrast`` is neither "mean" nor a class.
    """
    labels, basis = fitted.classes, fitted.basis
    is_mean = isinstance(contrast, str) and contrast == MEAN
    if len(basis) == 1:
        if not is_mean and contrast != labels[0]:
            raise ValueError(
                f"contrast={contrast!r}; expected {labels[0]!r} or the default: "
                f"{fitted.name} has one logit, the log-odds of {labels[1]!r}."
            )
        text = f"log-odds of {labels[1]!r} against {labels[0]!r}"
        return np.ones((1, 1)), labels[1:], text
    if is_mean and MEAN in labels:
        raise ValueError(
            "contrast='mean' is the mean over the classes, and a class has this name, "
            "too; expected another class as reference, or rename the class."
        )
    if is_mean:
        # the components sum to 0 over the classes
        return basis, labels, "logit of each class minus the mean over the classes"
    if contrast not in labels:
        raise ValueError(
            f"contrast={contrast!r}; expected 'mean' or one of the classes "
            f"{format_labels(labels)}."
        )
    k = labels.index(contrast)
    others = [j for j in range(len(labels)) if j != k]
    text = f"log-odds of each class against {contrast!r}"
    return basis[others] - basis[k], [labels[j] for j in others], text
