"""Covariances of an estimate, in the coordinates of its information.

    model                A / S
    HC0, HC1, HC3        A M A / S²      with M = Σ_i c_i (f_i r_i x̃_i)(f_i r_i x̃_i)ᵀ
    cluster              A M A / S²      with the sum over the rows of a cluster inside
    sandwich_penalised   A H A / S
    laplace              A / S           with the penalty in A

``c`` counts the observations of a row and ``f`` weighs its score. HC1 has the factor
n/(n − p), for n observations and p coefficients. HC3 replaces the residuals by those of
the fit without the row, after one Newton step, ``(I − f_i W_i P_i / S)⁻¹ r_i``, with
``W = ∂²loss/∂z²`` and the leverage ``P = x̃ A x̃ᵀ``. Clusters have the factor
G/(G − 1) (n − 1)/(n − p), for G clusters.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ..data.blocks import sum_over_rows
from ..data.rows import Block, Sum
from ..data.scratch import Scratch
from ..model.problem import EPS
from ..model.row_products import gram, products, with_intercept
from .fitted import FittedModel
from .information import Information, in_coordinates

# Sums over clusters take at most this much memory at a time, for each thread.
CLUSTER_BYTES = 2**28


def covariance_of(
    fitted: FittedModel,
    information: Information,
    covariance: str,
    cluster: ArrayLike | None = None,
) -> NDArray:
    """Return the covariance of the variables, (q m, q m).

    Parameters
    ----------
    fitted : FittedModel
    information : Information
    covariance : str
        One of `COVARIANCES`, which has been checked.
    cluster : array-like of shape (n,), default=None
        Labels of the clusters.
    """
    A, S = information.inverse, fitted.objective.rows.weight_sum
    if covariance in ("model", "laplace"):
        return A / S
    if covariance == "sandwich_penalised":
        return A @ information.hessian @ A / S
    n, p = fitted.n_observations, len(A)
    if covariance in ("HC1", "cluster") and n <= p:
        raise ValueError(
            f"covariance={covariance!r} divides by the {n:g} observations minus the "
            f"{p} coefficients; expected more observations: use covariance='HC0'."
        )
    with fitted.objective.rows.threads():
        if covariance == "cluster":
            codes, n_clusters = _cluster_codes(fitted, cluster)
            meat = _meat_of_clusters(fitted, information, codes, n_clusters)
            factor = n_clusters / (n_clusters - 1) * (n - 1) / (n - p)
        else:
            meat = _meat_of_rows(fitted, information, covariance == "HC3")
            factor = n / (n - p) if covariance == "HC1" else 1.0
    root = A / S
    return factor * (root @ meat @ root)


def _residuals(fitted: FittedModel) -> Callable[[Block], tuple[NDArray, NDArray]]:
    """Return the function from a block to logits and residuals of components."""
    objective = fitted.objective
    model = objective.linear_model(fitted.params)

    def residuals(block: Block) -> tuple[NDArray, NDArray]:
        z = model(block)
        _, r = objective.loss.loss_and_residual(block.targets, z)
        return z, r @ fitted.basis

    return residuals


def _meat_of_rows(
    fitted: FittedModel, information: Information, leaves_out: bool
) -> NDArray:
    """Return M, with the residuals of the fit without each row if ``leaves_out``."""
    objective, q = fitted.objective, fitted.n_components
    residuals, row_weights = _residuals(fitted), fitted.row_weights()
    e, scratch = objective.n_columns, Scratch()
    inflated = _inflation(fitted, information) if leaves_out else None

    def add_block(block: Block, meat: NDArray) -> None:
        z, r = residuals(block)
        count, factor = row_weights(block)
        if inflated is not None:
            r = inflated(block, z, r, factor)
        root = (np.sqrt(count) * factor)[:, None] * r
        if q == 1:
            # the square of the residual takes the place of the curvature
            meat += gram(objective, block.X, root[:, 0])
        else:
            scores = products(root, with_intercept(objective, block.X), scratch)
            meat += sum_over_rows(scores.T, scores)

    (meat,) = objective.rows.map_reduce(
        add_block,
        Sum(q * e, q * e),
        width=q * e * (2 if leaves_out else 1),
        work=q * e * (2 if leaves_out else 1),
    )
    to_columns = information.coordinates.to_columns
    return in_coordinates(meat.reshape(q, e, q, e), to_columns)


def _inflation(
    fitted: FittedModel, information: Information
) -> Callable[[Block, NDArray, NDArray, NDArray], NDArray]:
    """Return the function to the residuals that rows have if they are left out."""
    objective, q = fitted.objective, fitted.n_components
    to_columns = information.coordinates.to_columns
    m, S = to_columns.shape[1], objective.rows.weight_sum
    blocks = information.inverse.reshape(q, m, q, m) / S

    def inflated(block: Block, z: NDArray, r: NDArray, factor: NDArray) -> NDArray:
        rows = with_intercept(objective, block.X) @ to_columns
        leverage = np.empty((len(rows), q, q))
        for k in range(q):
            for j in range(k + 1):
                half = rows @ blocks[k, :, j]
                leverage[:, k, j] = np.einsum("im,im->i", half, rows)
                leverage[:, j, k] = leverage[:, k, j]
        if objective.n_logits == 1:
            left = 1 - factor * objective.loss.curvature(z)[:, 0] * leverage[:, 0, 0]
            _check_leverage(left)
            return r / left[:, None]
        p = objective.loss.proba(z)
        of_components = p @ fitted.basis
        W = np.einsum("ik,kp,kq->ipq", p, fitted.basis, fitted.basis)
        W -= of_components[:, :, None] * of_components[:, None, :]
        left = np.eye(q) - factor[:, None, None] * (W @ leverage)
        _check_leverage(np.linalg.det(left))
        return np.linalg.solve(left, r[:, :, None])[:, :, 0]

    return inflated


def _check_leverage(left: NDArray) -> None:
    """Raise if a row is fitted exactly, whatever its label."""
    if left.min() < EPS**0.5:
        raise ValueError(
            "covariance='HC3' divides by 1 minus the leverage of each row, and a row "
            "has the leverage 1: it alone determines a coefficient. Expected no such "
            "row: use covariance='HC1', or drop the column that it alone has."
        )


def _cluster_codes(
    fitted: FittedModel, cluster: ArrayLike | None
) -> tuple[NDArray, int]:
    """Return the code of each row's cluster, and the number of clusters."""
    labels = np.asarray(cluster)
    n = fitted.objective.n_samples
    if labels.shape != (n,):
        raise ValueError(
            f"cluster has shape {labels.shape}; expected ({n},), one label for each "
            "row of X."
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError(
            "cluster has NaN or infinity; expected a label for each row: drop rows "
            "without one."
        )
    found, codes = np.unique(labels, return_inverse=True)
    if len(found) < 2:
        raise ValueError(
            f"cluster has {len(found)} label; expected at least 2 clusters, and some "
            "dozens for a covariance that can be trusted."
        )
    return codes, len(found)


def _meat_of_clusters(
    fitted: FittedModel, information: Information, codes: NDArray, n_clusters: int
) -> NDArray:
    """Return M with the scores of each cluster added up."""
    objective, q = fitted.objective, fitted.n_components
    residuals, row_weights = _residuals(fitted), fitted.row_weights()
    to_columns = information.coordinates.to_columns
    p, scratch = q * to_columns.shape[1], Scratch()
    some = max(1, CLUSTER_BYTES // (8 * p))
    meat = np.zeros((p, p))
    for first in range(0, n_clusters, some):
        n_here = min(some, n_clusters - first)

        def add_block(
            block: Block, scores: NDArray, first: int = first, n_here: int = n_here
        ) -> None:
            of_block = codes[block.start : block.start + block.X.shape[0]] - first
            (rows,) = np.nonzero((of_block >= 0) & (of_block < n_here))
            if not len(rows):
                return
            if len(rows) < len(of_block):
                block = block.take(rows)
            _, r = residuals(block)
            count, factor = row_weights(block)
            r = (count * factor)[:, None] * r
            X = with_intercept(objective, block.X) @ to_columns
            here, of_rows = np.unique(of_block[rows], return_inverse=True)
            sums = sparse.csr_array(
                (np.ones(len(rows)), (of_rows, np.arange(len(rows))))
            )
            scores[here] += sums @ products(r, X, scratch)

        (scores,) = objective.rows.map_reduce(
            add_block, Sum(n_here, p), width=2 * p, work=2 * p
        )
        meat += scores.T @ scores
    return meat
