"""The elastic net with bounds on the coefficients.

A coefficient w of feature j has the same penalty in each class::

    pen_j(w) = l1_j |w| + l2_j w² / 2 + tilt_j w        where lower_j ≤ w ≤ upper_j

and ∞ elsewhere. The elastic net has ``l1 = λ π_j l1_ratio`` and
``l2 = λ π_j (1 − l1_ratio)``, with λ = 1/(C S). On an orthant |w| is linear, and the
tilt replaces ``l1``.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

# A shift by less than this, relative to the largest coefficient, is a rounding error of
# the sums over the classes.
BALANCED = 1e-12


def penalty_strength(C: float, weight_sum: float) -> float:
    """Return λ = 1/(C S); raise a ValueError if it overflows."""
    with np.errstate(over="ignore", divide="ignore"):
        strength = float(1 / (np.float64(C) * weight_sum))
    if not np.isfinite(strength):
        raise ValueError(
            f"The penalty 1/(C·Σ sample_weight) overflows for C={C!r} and "
            f"Σ sample_weight={weight_sum!r}; use larger weights or a larger C."
        )
    return strength


@dataclass(frozen=True)
class Penalty:
    """Elastic net and bounds of d features.

    `SeparablePenalty` documents the methods.

    Parameters
    ----------
    l1, l2, lower, upper : ndarray of shape (d,)
    tilt : ndarray of shape (L, d) or float, default=0.0
    given_bounds : pair of ndarrays of shape (d,), default=None
        The lower and the upper bounds that the user gave, if ``lower`` and ``upper``
        are without some of them.
    """

    l1: NDArray
    l2: NDArray
    lower: NDArray
    upper: NDArray
    tilt: NDArray | float = 0.0
    given_bounds: tuple[NDArray, NDArray] | None = None

    @classmethod
    def elastic_net(
        cls,
        strength: float,
        l1_ratio: float,
        weights: ArrayLike | None,
        bounds: tuple[ArrayLike, ArrayLike] | None,
        n_features: int,
    ) -> "Penalty":
        """Return the penalty with these parameters, which have been checked.

        Parameters
        ----------
        strength : float
            λ.
        l1_ratio : float
        weights : array-like of shape (d,) or None
            π; None means 1.
        bounds : pair of floats or array-likes of shape (d,), or None
        n_features : int

        Raises
        ------
        ValueError
            If λ π overflows.
        """
        per_feature = np.full(n_features, float(strength))
        if weights is not None:
            with np.errstate(over="ignore"):
                per_feature *= weights
            if not np.isfinite(per_feature).all():
                raise ValueError(
                    f"The penalty overflows for the penalty weight {np.max(weights)} "
                    f"and 1/(C·Σ sample_weight)={strength}; use smaller "
                    "penalty_weights or a larger C."
                )
        lower, upper = (-np.inf, np.inf) if bounds is None else bounds
        return cls(
            l1_ratio * per_feature,
            (1 - l1_ratio) * per_feature,
            np.broadcast_to(np.asarray(lower, dtype=np.float64), (n_features,)),
            np.broadcast_to(np.asarray(upper, dtype=np.float64), (n_features,)),
        )

    # Each evaluation asks for these facts, and each costs a call of NumPy.

    @cached_property
    def _has_l1(self) -> bool:
        return bool(self.l1.any())

    @cached_property
    def _has_tilt(self) -> bool:
        return bool(np.any(self.tilt))

    @cached_property
    def _has_bounds(self) -> bool:
        return bool(np.isfinite(self.lower).any() or np.isfinite(self.upper).any())

    @property
    def is_smooth(self) -> bool:
        return not (self._has_l1 or self._has_bounds)

    @property
    def is_ridge(self) -> bool:
        uniform = bool(self.l2.size) and self.l2.min() == self.l2.max() > 0
        return self.is_smooth and uniform and not self._has_tilt

    @cached_property
    def is_zero(self) -> bool:
        return not (self._has_l1 or self.l2.any() or self._has_tilt)

    @property
    def is_free(self) -> NDArray:
        return self.l2 == 0

    @cached_property
    def is_strongly_convex(self) -> bool:
        return bool(self.l2.all())

    def decrement(self, gradient: NDArray) -> float:
        with np.errstate(over="ignore"):
            return float(np.einsum("kj,kj,j->", gradient, gradient, 0.5 / self.l2))

    def gain_of_shift(self, gradient: NDArray) -> float:
        can_shift = (gradient != 0).all(axis=0)
        slope = gradient.mean(axis=0)[can_shift]
        with np.errstate(over="ignore"):
            return len(gradient) * float(np.sum(slope**2 / self.l2[can_shift])) / 2

    def excess_share(self, slope: NDArray) -> float:
        excess = np.abs(slope)
        with np.errstate(invalid="ignore"):
            return float(np.nan_to_num(excess / (excess + self.l1)).max(initial=0.0))

    def within_bounds(self, coef: NDArray) -> NDArray:
        return np.clip(coef, self.lower, self.upper)

    def can_move(self, coef: NDArray) -> NDArray:
        inside = (self.lower < coef) & (coef < self.upper)
        return inside & ((coef != 0) | (self.l1 == 0))

    def take(self, columns: NDArray) -> "Penalty":
        tilt, given = np.asarray(self.tilt), self.given_bounds
        return Penalty(
            self.l1[columns],
            self.l2[columns],
            self.lower[columns],
            self.upper[columns],
            tilt[..., columns] if tilt.ndim else tilt,
            None if given is None else (given[0][columns], given[1][columns]),
        )

    def scaled(self, factor: float) -> "Penalty":
        return replace(
            self, l1=factor * self.l1, l2=factor * self.l2, tilt=factor * self.tilt
        )

    def of_rotated_features(self, n_features: int) -> "Penalty":
        return Penalty.elastic_net(self.l2[0], 0.0, None, None, n_features)

    def on_orthant(self, sign: NDArray) -> "Penalty":
        no_bound = np.full_like(self.l1, np.inf)
        return replace(
            self,
            l1=np.zeros_like(self.l1),
            tilt=self.tilt + self.l1 * sign,
            lower=-no_bound,
            upper=no_bound,
        )

    def bounds_of_orthant(self, sign: NDArray) -> tuple[NDArray, NDArray]:
        kinked = self.l1 > 0
        lower = np.where(kinked & (sign >= 0), np.maximum(self.lower, 0), self.lower)
        upper = np.where(kinked & (sign <= 0), np.minimum(self.upper, 0), self.upper)
        return lower, upper

    def balanced(self, coef: NDArray) -> NDArray:
        # The derivative of the penalty in the shift c increases with c:
        # l1 (#{w < c} − #{w > c}) + l2 Σ_k (c − w_k). It changes its sign at one of the
        # w, or between two of them.
        n_classes = len(coef)
        w = np.sort(coef, axis=0)
        total = w.sum(axis=0)
        n_below = np.arange(n_classes)[:, None]
        right_derivative = self.l1 * (2 * (n_below + 1) - n_classes)
        right_derivative = right_derivative + self.l2 * (n_classes * w - total)
        # the first of the w to the right of which the derivative is not negative
        m = np.argmax(right_derivative >= 0, axis=0)
        w_m = np.take_along_axis(w, m[None], axis=0)[0]
        previous = np.take_along_axis(w, np.maximum(m - 1, 0)[None], axis=0)[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            zero = (total - self.l1 * (2 * m - n_classes) / self.l2) / n_classes
        shift = np.where(self.l2 > 0, np.clip(zero, previous, w_m), w_m)
        shift = np.clip(shift, w[-1] - self.upper, w[0] - self.lower)
        # a shift by rounding alone would turn exact zeros into small numbers
        is_balanced = np.abs(shift) <= BALANCED * np.maximum(w[-1], -w[0])
        costs_nothing = (self.l1 == 0) & (self.l2 == 0)
        shift[is_balanced | costs_nothing] = 0
        return np.clip(coef - shift, self.lower, self.upper)

    def without_idle_bounds(self) -> "Penalty":
        if not self._has_bounds:
            return self
        # Without a penalty only the differences between classes matter, so a shift can
        # satisfy a lower or an upper bound, but not both.
        idle = (self.l1 == 0) & (self.l2 == 0)
        idle &= ~(np.isfinite(self.lower) & np.isfinite(self.upper))
        return replace(
            self,
            lower=np.where(idle, -np.inf, self.lower),
            upper=np.where(idle, np.inf, self.upper),
            given_bounds=(self.lower, self.upper),
        )

    def shifted_into_given_bounds(self, coef: NDArray) -> NDArray:
        if self.given_bounds is None:
            return coef.copy()
        lower, upper = self.given_bounds
        shift = np.maximum(lower - coef.min(axis=0), 0)
        shift = shift + np.minimum(upper - coef.max(axis=0), 0)
        return np.clip(coef + shift, lower, upper)

    def value(self, coef: NDArray) -> float:
        value = 0.5 * float(np.einsum("kj,kj,j->", coef, coef, self.l2))
        if self._has_l1:
            value += float(np.abs(coef).sum(axis=0) @ self.l1)
        if self._has_tilt:
            value += float(np.sum(self.tilt * coef))
        return value

    def add_gradient(self, coef: NDArray, out: NDArray) -> None:
        for w, of_class in zip(coef, out, strict=True):
            of_class += self.l2 * w
        if self._has_l1:
            out += self.l1 * np.sign(coef)
        if self._has_tilt:
            out += self.tilt

    def least_slope(self, coef: NDArray, gradient: NDArray) -> NDArray:
        kink = np.where(coef == 0, self.l1, 0)
        slope = np.sign(gradient) * np.maximum(np.abs(gradient) - kink, 0)
        blocked = (coef <= self.lower) & (slope > 0)
        blocked |= (coef >= self.upper) & (slope < 0)
        slope[blocked] = 0
        return slope

    def clipped(self, coef: NDArray, start: NDArray) -> NDArray:
        crossed = (self.l1 > 0) & (coef * start < 0)
        coef = np.where(crossed, 0, coef)
        for bound in (self.lower, self.upper):
            rounding = 4 * np.finfo(float).eps * np.abs(bound)
            is_at_bound = np.isfinite(bound) & (np.abs(coef - bound) <= rounding)
            coef = np.where(is_at_bound, bound, coef)
        return np.clip(coef, self.lower, self.upper)

    def add_curvature(self, step: NDArray, out: NDArray) -> None:
        for w, of_class in zip(step, out, strict=True):
            of_class += self.l2 * w

    def curvature(self, step: NDArray) -> float:
        return float(np.einsum("kj,kj,j->", step, step, self.l2))

    def largest_step_to_dual(self, slope: NDArray) -> float:
        # only a bound or l2 keeps slope w − pen(w) finite beyond the slope l1
        nothing = (self.l1 == 0) & (self.l2 == 0)
        if (nothing & np.isinf(self.lower) & np.isinf(self.upper)).any():
            # a slope that is 0 is so by rounding
            return 0.0
        bound = np.where(slope > 0, self.upper, -self.lower)
        too_steep = (bound == np.inf) & (self.l2 == 0) & (np.abs(slope) > self.l1)
        if not too_steep.any():
            return 1.0
        limit = np.broadcast_to(self.l1, slope.shape)[too_steep]
        shares = limit / np.abs(slope[too_steep])
        return float(shares.min())

    def conjugate(self, slope: NDArray) -> float:
        excess = np.sign(slope) * np.maximum(np.abs(slope) - self.l1, 0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # Without l2, slope w − pen(w) is linear on each side of 0: the best w is 0
            # or at a bound.
            best = np.where(excess == 0, 0.0, excess / self.l2)
        best = np.clip(best, self.lower, self.upper)
        if (np.isinf(best) & (self.l2 > 0)).any():
            return np.inf
        best = np.where(np.isfinite(best), best, 0.0)
        # the square of the best w may overflow although its product with l2 does not
        mean_slope = slope - self.tilt - 0.5 * self.l2 * best
        with np.errstate(over="ignore"):
            return float(np.sum(mean_slope * best - self.l1 * np.abs(best)))
