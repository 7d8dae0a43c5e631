"""The information of a fit: the Hessian of F, factored, at the estimate.

    H = 1/S Σ_i s_i x̃_i ∂²loss/∂z² x̃_iᵀ  (without the penalty)      A = (H + ridge)⁻¹

Both are in the coordinates of `identification`, once for each component of the logits.
The covariance of the estimate is ``A / S`` if the model is true and has no penalty.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import LinAlgError, cholesky, lapack

from ..model.curvature import hessian_of_loss
from .fitted import FittedModel
from .identification import Coordinates, coordinates
from .separation import (
    CLEAR_SHARE,
    check_separation,
    curvature_along,
    largest_change,
)

# The estimate counts as the optimum up to this many standard errors. A fit to a
# relative suboptimality of tol may be off by √(2 n F tol): 0.06 with 327,346 rows and
# tol=1e-8.
NEGLIGIBLE = 0.1
# A Newton step that changes no logit by this much shows that an optimum exists: the
# residuals that it predicts keep their signs and are orthogonal to all columns.
SMALL_CHANGE = 0.5
# The Hessian may take this much memory, and a few matrices of its size as well.
MAX_HESSIAN_BYTES = 2**31
# Newton steps that a fit near its optimum does not need, before it is called separated.
N_STEPS = 6


class Information(NamedTuple):
    """The Hessian of F at some params, in coordinates.

    Attributes
    ----------
    coordinates : Coordinates
    hessian : ndarray of shape (q m, q m)
        Of the mean loss.
    inverse : ndarray of shape (q m, q m)
        A.
    step : ndarray of shape (q, e)
        The Newton step from the params, for components of logits.
    distance : float
        The length of the step in standard errors.
    value : float
        F.
    """

    coordinates: Coordinates
    hessian: NDArray
    inverse: NDArray
    step: NDArray
    distance: float
    value: float


def information_of(fitted: FittedModel) -> Information:
    """Return the information at the estimate; raise if that is no optimum.

    Raises
    ------
    ValueError
        If the classes are separated, or the estimate is not the optimum for the data.
    """
    with fitted.objective.rows.threads():
        information = _information(fitted, fitted.params)
        if fitted.is_bias_reduced:
            _check_converged(fitted, information)
            return information
        _check_optimum(fitted, information)
    return information


def mean_loss(fitted: FittedModel, information: Information) -> float:
    """Return the mean loss of the rows at the estimate, in nats."""
    penalty = fitted.objective.penalty
    if penalty.is_zero:
        return information.value
    coef, _ = fitted.objective.split(fitted.params)
    return information.value - penalty.value(coef)


def information_at(
    fitted: FittedModel, params: NDArray, other: Information
) -> Information:
    """Return the information at other params, in the same coordinates."""
    return _information(fitted, params, other.coordinates)


def _information(
    fitted: FittedModel, params: NDArray, where: Coordinates | None = None
) -> Information:
    objective, q = fitted.objective, fitted.n_components
    e, l2 = objective.n_columns, objective.penalty.l2
    _check_size(objective.n_params)
    hessian = hessian_of_loss(objective, params)
    blocks = hessian.reshape(objective.n_logits, e, objective.n_logits, e)
    if where is None:
        gram = np.einsum("kikj->ij", blocks)
        where = coordinates(gram, q * l2, objective.fit_intercept)
    if objective.n_logits > 1:
        blocks = of_components(fitted.basis, blocks)
    hessian = in_coordinates(blocks, where.to_columns)
    ridge = np.tile(_ridge(where, l2), q)
    penalised = hessian.copy()
    penalised[np.diag_indices_from(penalised)] += ridge
    inverse = _inverse(penalised)
    evaluation = objective.evaluate(params)
    gradient = fitted.reduced(evaluation.gradient)
    of_variables = (gradient @ where.to_columns).ravel()
    step = -inverse @ of_variables
    squared = -objective.rows.weight_sum * float(of_variables @ step)
    step = step.reshape(q, -1) @ where.to_columns.T
    distance = np.sqrt(max(0.0, squared))
    return Information(where, hessian, inverse, step, distance, evaluation.value)


def of_components(basis: NDArray, blocks: NDArray) -> NDArray:
    """Return a matrix of logits and columns, (L, e, L, e), for the components."""
    half = np.tensordot(basis.T, blocks, axes=1)
    return np.moveaxis(np.tensordot(half, basis, axes=(2, 0)), 3, 2)


def _check_size(n_params: int) -> None:
    """Raise if the Hessian takes too much memory."""
    n_bytes = 8 * n_params**2
    if n_bytes > MAX_HESSIAN_BYTES:
        raise ValueError(
            f"Standard errors need the Hessian of {n_params:,} coefficients and "
            f"intercepts, {n_bytes / 2**20:,.0f} MiB; expected at most "
            f"{MAX_HESSIAN_BYTES / 2**20:,.0f} MiB: use fewer features or classes."
        )


def in_coordinates(blocks: NDArray, to_columns: sparse.csr_array) -> NDArray:
    """Return a matrix of components and columns, (q, e, q, e), in the coordinates."""
    q, m = len(blocks), to_columns.shape[1]
    out = np.empty((q, m, q, m))
    for k in range(q):
        for j in range(q):
            out[k, :, j] = to_columns.T @ blocks[k, :, j] @ to_columns
    return out.reshape(q * m, q * m)


def _ridge(where: Coordinates, l2: NDArray) -> NDArray:
    """Return the second derivative of the penalty in the variables, (m,)."""
    of_columns = np.zeros(where.to_columns.shape[0])
    of_columns[: len(l2)] = l2
    return of_columns[where.kept] / where.scale**2


def _inverse(matrix: NDArray) -> NDArray:
    """Return the inverse of a matrix that is positive definite up to rounding."""
    diagonal = matrix.diagonal()
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1))
    scaled = matrix / scale / scale[:, None]
    try:
        factor = cholesky(scaled, lower=True, check_finite=False)
    except LinAlgError:
        raise ValueError(
            "The curvature has no inverse: some classes have next to none. Expected "
            "every class to be possible in many rows: join rare classes, or drop them."
        ) from None
    inverse, _ = lapack.dpotri(factor, lower=True)
    inverse = np.tril(inverse)
    inverse += np.tril(inverse, -1).T
    return inverse / scale / scale[:, None]


def _check_optimum(fitted: FittedModel, information: Information) -> None:
    """Raise if the classes are separated, or the params are not the optimum."""
    directions = information.coordinates.combinations
    if directions.shape[1]:
        # a direction without curvature that moves rows, for one of the components
        for j, share in enumerate(curvature_along(fitted, directions)):
            if share:
                for component in np.eye(fitted.n_components):
                    step = np.outer(component, directions[:, j])
                    for sign in (1.0, -1.0):
                        check_separation(fitted, fitted.step(sign * step))
    change = largest_change(fitted, fitted.step(information.step))
    if change >= SMALL_CHANGE:
        _check_ray(fitted, information)
    _check_converged(fitted, information)
    if information.distance > NEGLIGIBLE or change >= SMALL_CHANGE:
        raise ValueError(
            f"The coefficients are {information.distance:.2g} standard errors away "
            f"from the optimum on these data, and a logit by {change:.2g}; expected "
            "the optimum: pass the X, y, sample_weight and offset of the fit, or refit "
            "with a smaller tol and a larger max_iter."
        )


def _check_converged(fitted: FittedModel, information: Information) -> None:
    """Raise if the fit says that it has not converged."""
    if not fitted.is_converged:
        raise ValueError(
            f"The fit of {fitted.name} has not converged: its coefficients are "
            f"{information.distance:.2g} standard errors away from the maximum of the "
            "likelihood; expected a fit that has: refit with a larger max_iter, or as "
            "the warning of the fit says."
        )


def _check_ray(fitted: FittedModel, information: Information) -> None:
    """Follow Newton steps; raise if they go on along a ray that separates classes."""
    params = fitted.params
    for _ in range(N_STEPS):
        step = fitted.step(information.step)
        params = params + step
        try:
            information = _information(fitted, params)
        except ValueError:
            break  # no curvature is left along the ray
        if not largest_change(fitted, fitted.step(information.step)) >= SMALL_CHANGE:
            return
        check_separation(fitted, step, CLEAR_SHARE)
    check_separation(fitted, step)
