"""What a loss of the logits of a row provides, whichever loss it is."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

# No column of finite data can scale a probability below this back to a curvature that
# float64 resolves.
SATURATED = 1e-40


class Loss(Protocol):
    """A convex loss of the logits of one row, with class probabilities.

    A problem needs ``loss_and_residual``. Second-order methods need the Hessian of a
    row in its logits, in the four forms that follow it. The certificate needs the
    probabilities, their change and the dual value. No other module knows a formula of
    the loss.

    **Hessian.** It does not depend on the targets. For L = K logits it is
    ``diag(p) − p pᵀ``, with p from ``proba``: `coupled_hessian` uses this structure.

    **Divergence.** The certificate moves probabilities to first order, to
    ``p' = proba(z) + change_of_proba(z, dz)``. As long as each entry of the second
    result of ``curvature_times`` is below 1, p' has to be a valid distribution, and the
    Bregman divergence of p' and p at most ``dzᵀ (∂²loss/∂z²) dz``.

    Attributes
    ----------
    ignores_common_shift : bool
        Whether adding one number to all logits of a row leaves the loss unchanged. The
        data then do not determine the mean of a feature's coefficients over the
        classes, and the solver chooses the one with the smallest penalty.
    """

    ignores_common_shift: bool

    def n_logits(self, n_classes: int) -> int:
        """Return the number of logits of a row: L."""
        ...

    def loss_and_residual(self, y: NDArray, z: Array) -> tuple[Array, Array]:
        """Return the loss of every row, (n,), and ∂loss/∂z, (n, L).

        Both are finite for any finite z.
        """
        ...

    def second_order(self, y: NDArray, z: Array) -> tuple[Array, Array, Array]:
        """Return the loss and the residual, and what the Hessian of a row is made of.

        That is the curvature, (n, 1), for one logit, and p, (n, K), for K logits. The
        exponentials are computed once.
        """
        ...

    def curvature(self, z: Array) -> Array:
        """Return the diagonal of the Hessian of each row, ∂²loss/∂z_k², (n, L)."""
        ...

    def curvature_times(self, z: Array, dz: Array) -> tuple[Array, Array]:
        """Return the Hessian of each row times a change of its logits.

        Returns
        -------
        product : ndarray of shape (n, L)
            ∂²loss/∂z² dz.
        effective_change : ndarray of shape (n, L)
            dz without the part that the loss ignores: its common shift, and logits
            whose curvature is below ``SATURATED``.
        """
        ...

    def total_hessian(self, z: Array, s: NDArray | None) -> NDArray:
        """Return Σ_i s_i ∂²loss/∂z², (L, L), in float64; s of None means 1."""
        ...

    def majorant(self, z: Array) -> Array:
        """Return curvatures, (n, L), of an upper bound of the loss.

        The parabola that touches the loss at z and has this curvature is nowhere below
        the loss.
        """
        ...

    def proba(self, z: Array) -> Array:
        """Return class probabilities p, (n, K), each with a small relative error."""
        ...

    def change_of_proba(self, z: Array, dz: Array) -> Array:
        """Return the derivative of p along dz, (n, K)."""
        ...

    def dual_value(self, y: NDArray, p: Array, share: float) -> tuple[Array, Array]:
        """Return the dual value at scaled residuals, and these residuals.

        The dual value at a residual r is ``inf_z loss(y, z) − r·z``, the negative
        conjugate of the loss. A mean of dual values bounds the optimum from below.

        Parameters
        ----------
        y : ndarray of shape (n,) or (n, K)
        p : ndarray of shape (n, K)
            Class probabilities, which need not be those of any logits.
        share : float
            The factor of the residuals of p, from 0 to 1.

        Returns
        -------
        value : ndarray of shape (n,)
            In nats.
        residual : ndarray of shape (n, L)
            ``share`` times the residual of p.
        """
        ...

    def log_proba(self, z: Array) -> Array:
        """Return log p, (n, K), finite for any finite z."""
        ...

    def predict(self, z: Array) -> NDArray[np.intp]:
        """Return the code of the most probable class, (n,)."""
        ...

    def margin(self, z: Array, dz: Array) -> tuple[Array, Array]:
        """Return the leads of the most probable class, and by how much dz raises them.

        Both have the shape (n, L), in units of a logit.
        """
        ...

    def prior_logits(self, frequencies: Array) -> Array:
        """Return the logits, (L,), whose probabilities are ``frequencies``, (K,)."""
        ...


def largest_change(dz: Array) -> Array:
    """Return the largest change of a difference of two logits, (n,), given (n, L)."""
    return np.abs(dz[:, 0]) if dz.shape[1] == 1 else np.ptp(dz, axis=1)
