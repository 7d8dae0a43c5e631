"""The penalty of the coefficients and the bounds that they keep: all that is not data.

Coefficient w of feature j, for each class alike, costs::

    pen_j(w) = l1_j |w| + l2_j w² / 2 + tilt_j w        where lower_j ≤ w ≤ upper_j

and ∞ elsewhere. ``l1`` and ``l2`` are those of the elastic net, λ π_j l1_ratio and
λ π_j (1 − l1_ratio), with λ = 1/(C S). The tilt replaces ``l1`` on an orthant, where
|w| is linear.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Penalty:
    """Elastic net and bounds of d features, arrays of shape (d,).

    ``tilt`` is a number or of shape (L, d). ``shown_within`` are the lower and the
    upper bounds of the answer, where some are left out until then.
    """

    l1: NDArray
    l2: NDArray
    lower: NDArray
    upper: NDArray
    tilt: NDArray | float = 0.0
    shown_within: tuple[NDArray, NDArray] | None = None

    @classmethod
    def elastic_net(cls, strength, l1_ratio, weights, bounds, n_features) -> "Penalty":
        """Return the penalty of checked parameters, λ and π among them."""
        per_feature = np.full(n_features, float(strength))
        if weights is not None:
            per_feature *= weights
        lower, upper = (-np.inf, np.inf) if bounds is None else bounds
        return cls(
            l1_ratio * per_feature,
            (1 - l1_ratio) * per_feature,
            np.broadcast_to(np.asarray(lower, dtype=np.float64), (n_features,)),
            np.broadcast_to(np.asarray(upper, dtype=np.float64), (n_features,)),
        )

    @property
    def is_smooth(self) -> bool:
        """Whether there is neither a kink at 0 nor a bound."""
        bounded = np.isfinite(self.lower).any() or np.isfinite(self.upper).any()
        return not (self.l1.any() or bounded)

    @property
    def is_ridge(self) -> bool:
        """Whether it is l2 alone, the same positive number for all features."""
        uniform = bool(self.l2.size) and self.l2.min() == self.l2.max() > 0
        return self.is_smooth and uniform and not np.any(self.tilt)

    @property
    def is_zero(self) -> bool:
        """Whether there is no penalty at all, though there may be bounds."""
        return not (self.l1.any() or self.l2.any() or np.any(self.tilt))

    @property
    def is_free(self) -> NDArray:
        """Which features, (d,), have no quadratic penalty."""
        return self.l2 == 0

    @property
    def is_strongly_convex(self) -> bool:
        """Whether each coefficient has a quadratic penalty."""
        return bool(self.l2.all())

    def decrement(self, gradient: NDArray) -> float:
        """Return Σ g² / (2 l2): the most that F can fall, if the penalty alone bends.

        ``gradient``, (L, d), is that of a smooth F whose l2 are all positive.
        """
        return float(np.einsum("kj,kj,j->", gradient, gradient, 0.5 / self.l2))

    def gain_of_shift(self, gradient: NDArray) -> float:
        """Return what the best common shift of all classes may gain.

        Of a softmax, whose loss does not see it: the penalty alone tells. ``gradient``,
        (L, d), is 0 where a kink or a bound holds a coefficient, and holds the shift.
        """
        free = (gradient != 0).all(axis=0)
        shift = gradient.mean(axis=0)[free]
        return len(gradient) * float(np.sum(shift**2 / self.l2[free])) / 2

    def excess_share(self, slope: NDArray) -> float:
        """Return the largest share by which slopes, (L, d), exceed l1."""
        excess = np.abs(slope)
        with np.errstate(invalid="ignore"):
            return float(np.nan_to_num(excess / (excess + self.l1)).max(initial=0.0))

    def within_bounds(self, coef: NDArray) -> NDArray:
        """Return the coefficients, (L, d), nearest to ``coef`` within the bounds."""
        return np.clip(coef, self.lower, self.upper)

    def can_move(self, coef: NDArray) -> NDArray:
        """Return which coefficients, (L, d), are away from kinks and bounds."""
        inside = (self.lower < coef) & (coef < self.upper)
        return inside & ((coef != 0) | (self.l1 == 0))

    def take(self, columns) -> "Penalty":
        """Return the penalty of some of the features."""
        tilt, within = np.asarray(self.tilt), self.shown_within
        return Penalty(
            self.l1[columns],
            self.l2[columns],
            self.lower[columns],
            self.upper[columns],
            tilt[..., columns] if tilt.ndim else tilt,
            None if within is None else (within[0][columns], within[1][columns]),
        )

    def of_rotated_features(self, n_features: int) -> "Penalty":
        """Return the same ridge for other features."""
        return Penalty.elastic_net(self.l2[0], 0.0, None, None, n_features)

    def on_orthant(self, sign: NDArray) -> "Penalty":
        """Return the smooth penalty that equals this one where coef has those signs."""
        free = np.full_like(self.l1, np.inf)
        no_kink = np.zeros_like(self.l1)
        return replace(
            self, l1=no_kink, tilt=self.tilt + self.l1 * sign, lower=-free, upper=free
        )

    def bounds_of_orthant(self, sign: NDArray) -> tuple[NDArray, NDArray]:
        """Return the bounds, (L, d), that keep coefficients in it: kinks are at 0."""
        kinked = self.l1 > 0
        lower = np.where(kinked & (sign >= 0), np.maximum(self.lower, 0), self.lower)
        upper = np.where(kinked & (sign <= 0), np.minimum(self.upper, 0), self.upper)
        return lower, upper

    def balanced(self, coef: NDArray) -> NDArray:
        """Return coef, (L, d), with the cheapest shift of all classes of each feature.

        The loss of a softmax does not see it. The derivative in the shift c,
        ``l1 (#{w < c} − #{w > c}) + l2 Σ_k (c − w_k)``, increases: its zero is at one
        of the w, or between two of them.
        """
        n_classes = len(coef)
        w = np.sort(coef, axis=0)
        total = w.sum(axis=0)
        below = np.arange(n_classes)[:, None]
        beyond = self.l1 * (2 * (below + 1) - n_classes)
        beyond = beyond + self.l2 * (n_classes * w - total)
        # the first of the w beyond which the derivative is not negative
        m = np.argmax(beyond >= 0, axis=0)
        here = np.take_along_axis(w, m[None], axis=0)[0]
        before = np.take_along_axis(w, np.maximum(m - 1, 0)[None], axis=0)[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            between = (total - self.l1 * (2 * m - n_classes) / self.l2) / n_classes
        shift = np.where(self.l2 > 0, np.clip(between, before, here), here)
        shift = np.clip(shift, w[-1] - self.upper, w[0] - self.lower)
        # what is balanced but for rounding stays as it is, zeros to the digit
        balanced = np.abs(shift) <= 1e-12 * np.maximum(w[-1], -w[0])
        free_of_charge = (self.l1 == 0) & (self.l2 == 0)
        shift[balanced | free_of_charge] = 0
        return np.clip(coef - shift, self.lower, self.upper)

    def without_idle_bounds(self) -> "Penalty":
        """Return the penalty of a softmax without bounds that a shift evades.

        Where a feature costs nothing, only differences between classes count: a bound
        from one side is met by a shift of all classes, at the end, by `shown`.
        """
        idle = (self.l1 == 0) & (self.l2 == 0)
        idle &= ~(np.isfinite(self.lower) & np.isfinite(self.upper))
        return replace(
            self,
            lower=np.where(idle, -np.inf, self.lower),
            upper=np.where(idle, np.inf, self.upper),
            shown_within=(self.lower, self.upper),
        )

    def shown(self, coef: NDArray) -> NDArray:
        """Return coef, (L, d), shifted into bounds that were left out."""
        if self.shown_within is None:
            return coef.copy()
        lower, upper = self.shown_within
        shift = np.maximum(lower - coef.min(axis=0), 0)
        shift = shift + np.minimum(upper - coef.max(axis=0), 0)
        return np.clip(coef + shift, lower, upper)

    def value(self, coef: NDArray) -> float:
        """Return the penalty of coefficients, (L, d), that keep the bounds."""
        value = 0.5 * float(np.einsum("kj,kj,j->", coef, coef, self.l2))
        if self.l1.any():
            value += float(np.abs(coef).sum(axis=0) @ self.l1)
        if np.any(self.tilt):
            value += float(np.sum(self.tilt * coef))
        return value

    def add_gradient(self, coef: NDArray, out: NDArray) -> None:
        """Add the gradient, (L, d), to ``out``; of |w| at 0 it takes the 0."""
        for w, of_class in zip(coef, out, strict=True):
            of_class += self.l2 * w
        if self.l1.any():
            out += self.l1 * np.sign(coef)
        if np.any(self.tilt):
            out += self.tilt

    def least_slope(self, coef: NDArray, gradient: NDArray) -> NDArray:
        """Return the least slope of F, (L, d), that kinks and bounds leave open.

        It is 0 at the optimum: of the slopes to both sides of a kink that lift F, and
        where a bound is in the way.

        Parameters
        ----------
        coef : ndarray of shape (L, d)
        gradient : ndarray of shape (L, d)
            ∂F/∂w, with 0 for the derivative of |w| at 0.
        """
        kink = np.where(coef == 0, self.l1, 0)
        slope = np.sign(gradient) * np.maximum(np.abs(gradient) - kink, 0)
        blocked = (coef <= self.lower) & (slope > 0)
        blocked |= (coef >= self.upper) & (slope < 0)
        slope[blocked] = 0
        return slope

    def clipped(self, coef: NDArray, start: NDArray) -> NDArray:
        """Return coef within the bounds, to the digit; beyond its orthant it is 0."""
        crossed = (self.l1 > 0) & (coef * start < 0)
        coef = np.where(crossed, 0, coef)
        for bound in (self.lower, self.upper):
            ulp = 4 * np.finfo(float).eps * np.abs(bound)
            at = np.isfinite(bound) & (np.abs(coef - bound) <= ulp)
            coef = np.where(at, bound, coef)
        return np.clip(coef, self.lower, self.upper)

    def add_curvature(self, step: NDArray, out: NDArray) -> None:
        """Add the second derivative times a step, (L, d), to ``out``."""
        for w, of_class in zip(step, out, strict=True):
            of_class += self.l2 * w

    def curvature(self, step: NDArray) -> float:
        """Return the second derivative along a step, (L, d)."""
        return float(np.einsum("kj,kj,j->", step, step, self.l2))

    def largest_step_to_dual(self, slope: NDArray) -> float:
        """Return the largest τ ≤ 1 for which `conjugate` is finite at τ slope."""
        room = np.where(slope > 0, self.upper, -self.lower)
        steep = (room == np.inf) & (self.l2 == 0) & (np.abs(slope) > self.l1)
        if not steep.any():
            return 1.0
        shares = np.broadcast_to(self.l1, slope.shape)[steep] / np.abs(slope[steep])
        return float(shares.min())

    def conjugate(self, slope: NDArray) -> float:
        """Return Σ sup_w slope w − pen(w), for slopes of shape (L, d)."""
        excess = np.sign(slope) * np.maximum(np.abs(slope) - self.l1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            # without curvature the best w is at a bound, unless nothing is to gain
            best = np.where(excess == 0, 0.0, excess / self.l2)
        best = np.clip(best, self.lower, self.upper)
        best = np.where(np.isfinite(best), best, 0.0)
        return float(np.sum(slope * best)) - self.value(best)
