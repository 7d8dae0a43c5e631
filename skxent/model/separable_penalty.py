"""What a penalty provides: `SeparablePenalty`, which the objective and solvers call.

A penalty is a sum over the coefficients w of pen_j(w), one convex function per feature
j. On each side of 0, pen_j is a parabola::

    pen_j(w) = l1_j |w| + l2_j w² / 2 + linear terms        where lower_j ≤ w ≤ upper_j

It may have a kink at 0, and it is infinite outside the bounds. Solvers rely on this
form: on an orthant, where no coefficient changes its sign, the penalty is quadratic.
`Penalty` implements the protocol.
"""

from typing import Protocol

from numpy.typing import NDArray


class SeparablePenalty(Protocol):
    """A convex penalty of coefficients, (L, d), and the bounds on them.

    Values have the unit of F. Slopes and gradients are derivatives in the
    coefficients. "Optimal" refers to F, the mean loss plus the penalty.

    Attributes
    ----------
    l1 : ndarray of shape (d,)
        Half the jump of the slope of each pen_j at 0.
    l2 : ndarray of shape (d,)
        The second derivative of each pen_j.
    is_smooth : bool
        Whether there are neither kinks nor bounds.
    is_ridge : bool
        Whether the penalty is l2 alone, with one positive number for all features.
    is_zero : bool
        Whether the penalty is 0 within the bounds.
    is_free : ndarray of shape (d,), bool
        Which features have no curvature in the penalty.
    is_strongly_convex : bool
        Whether all features have curvature in the penalty.
    """

    @property
    def l1(self) -> NDArray: ...
    @property
    def l2(self) -> NDArray: ...
    @property
    def is_smooth(self) -> bool: ...
    @property
    def is_ridge(self) -> bool: ...
    @property
    def is_zero(self) -> bool: ...
    @property
    def is_free(self) -> NDArray: ...
    @property
    def is_strongly_convex(self) -> bool: ...

    # value and derivatives

    def value(self, coef: NDArray) -> float:
        """Return the penalty of coefficients that are within the bounds."""
        ...

    def add_gradient(self, coef: NDArray, out: NDArray) -> None:
        """Add the gradient to ``out``, (L, d); the derivative of |w| at 0 counts as 0.

        The bounds have no part in it.
        """
        ...

    def add_curvature(self, step: NDArray, out: NDArray) -> None:
        """Add the Hessian times a step, (L, d), to ``out``, (L, d)."""
        ...

    def curvature(self, step: NDArray) -> float:
        """Return the second derivative along a step, (L, d): δᵀ Hessian δ."""
        ...

    # conjugate and bounds of the distance to the optimum

    def conjugate(self, slope: NDArray) -> float:
        """Return Σ sup_w slope w − pen(w), for slopes of shape (L, d).

        The supremum is over the coefficients within the bounds.
        """
        ...

    def largest_step_to_dual(self, slope: NDArray) -> float:
        """Return the largest τ ≤ 1 for which ``conjugate(τ slope)`` is finite."""
        ...

    def decrement(self, gradient: NDArray) -> float:
        """Bound F − F* from above, for a smooth and strongly convex penalty.

        ``gradient``, (L, d), is that of F, whose derivatives in the intercepts are 0.
        The bound is Σ g² / (2 l2).
        """
        ...

    def gain_of_shift(self, gradient: NDArray) -> float:
        """Return how much F falls by the best common shift of the classes.

        This is for a loss that ignores a common shift, so that only the penalty
        changes. ``gradient``, (L, d), is that of F. It is 0 where a kink or a bound
        holds a coefficient; such features are not shifted.
        """
        ...

    # kinks and bounds

    def least_slope(self, coef: NDArray, gradient: NDArray) -> NDArray:
        """Return the subgradient of F with the smallest entries, (L, d).

        It is 0 at the optimum: where the slopes on both sides of a kink point uphill,
        and where F falls only towards the outside of a bound.

        Parameters
        ----------
        coef : ndarray of shape (L, d)
        gradient : ndarray of shape (L, d)
            ∂F/∂w, with 0 for the derivative of |w| at 0.
        """
        ...

    def excess_share(self, slope: NDArray) -> float:
        """Return by which share residuals have to shrink to satisfy all kinks at 0.

        ``slope``, (L, d), is the `least_slope` of coefficients at 0: the part of the
        slope that exceeds l1.
        """
        ...

    def can_move(self, coef: NDArray) -> NDArray:
        """Return which coefficients, (L, d), are neither at a kink nor at a bound."""
        ...

    def within_bounds(self, coef: NDArray) -> NDArray:
        """Return the coefficients within the bounds that are nearest to ``coef``."""
        ...

    def clipped(self, coef: NDArray, start: NDArray) -> NDArray:
        """Return the end of a step, (L, d), cut off at kinks and bounds.

        Coefficients that have crossed a kink since ``start``, (L, d), become 0. Those
        within rounding of a bound get its exact value.
        """
        ...

    def bounds_of_orthant(self, sign: NDArray) -> tuple[NDArray, NDArray]:
        """Return lower and upper bounds, (L, d), of the orthant with these signs.

        They keep coefficients on their side of a kink, and within their bounds. A sign
        of 0 holds a coefficient with a kink at 0.
        """
        ...

    # a common shift of all classes

    def balanced(self, coef: NDArray) -> NDArray:
        """Return coef, (L, d), shifted by the same number for all classes.

        The shift of each feature minimises the penalty within the bounds. If ``coef``
        is optimal up to rounding, or the shift costs nothing, it is returned as it is.
        """
        ...

    def without_idle_bounds(self) -> "SeparablePenalty":
        """Return the penalty without the bounds that a common shift can satisfy.

        This is for a loss that ignores a common shift. `shifted_into_given_bounds`
        restores the bounds in the end.
        """
        ...

    def shifted_into_given_bounds(self, coef: NDArray) -> NDArray:
        """Return coef, (L, d), shifted into bounds removed as idle; a copy."""
        ...

    # the penalty of related problems

    def take(self, columns: NDArray) -> "SeparablePenalty":
        """Return the penalty of some of the features."""
        ...

    def scaled(self, factor: float) -> "SeparablePenalty":
        """Return a multiple of the penalty, with the same bounds."""
        ...

    def of_rotated_features(self, n_features: int) -> "SeparablePenalty":
        """Return this ridge for rotated features, in number ``n_features``."""
        ...

    def on_orthant(self, sign: NDArray) -> "SeparablePenalty":
        """Return a smooth penalty, equal to this one where coef has these signs.

        ``sign``, (L, d), holds −1, 0 or 1. The result has no bounds.
        """
        ...
