"""The minimum of a quadratic model with kinks and bounds, face by face.

    m(t) = gᵀ(t − x) + ½ (t − x)ᵀ H (t − x) + Σ_j l1_j (|t_j| − |x_j|)

where lower ≤ t ≤ upper.

On a face some variables are fixed at a kink or a bound, the others keep their signs and
the model is quadratic. A step to the minimum of the face ends where variables arrive at
the end of their range, which then fixes them. At the minimum of a face the fixed
variable that gains most is freed. m falls in each step, so no face comes twice.

Arrays are in double or in long double, and so is the elimination.
"""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

# Of the diagonal of H: what makes a system solvable, far below what it can tell.
RIDGE = {np.dtype(np.float64): 1e-15, np.dtype(np.longdouble): 1e-18}
STEPS_PER_VARIABLE = 6


def minimise_model(H, g, x, l1, lower, upper):
    """Return the t that minimises m, and m(t), which is 0 or negative.

    Parameters
    ----------
    H : ndarray of shape (N, N)
        Positive semi-definite.
    g, x, l1, lower, upper : ndarray of shape (N,)

    Returns
    -------
    t : ndarray of shape (N,)
    value : float
        m(t).
    """
    if not l1.any() and not (np.isfinite(lower).any() or np.isfinite(upper).any()):
        step = -solve(H, g)
        return x + step, g @ step / 2
    t, slope = x.copy(), g.copy()
    up, down = _gains(slope, t, l1, lower, upper)
    inside = ((t != 0) | (l1 == 0)) & (lower < t) & (t < upper)
    free = inside | (np.maximum(up, down) > 0)
    upwards = up >= down
    tiny = 10 * np.finfo(H.dtype).eps
    root = np.sqrt(np.where(np.diag(H) > 0, np.diag(H), np.inf))
    value, solved = H.dtype.type(0), not free.any()
    for _ in range(STEPS_PER_VARIABLE * len(x) + 20):
        if solved:
            up, down = _gains(slope, t, l1, lower, upper)
            gain = np.where(free, 0, np.maximum(up, down))
            # What counts is what rounding of the slope, a sum over rows, can tell.
            gain[gain <= tiny * (abs(g) + abs(slope - g) + l1)] = 0
            # A gain without curvature comes first.
            gain = np.where(np.isinf(root) & (gain > 0), np.inf, gain / root)
            j = int(np.argmax(gain))
            if gain[j] <= 0 or (-value > 0 and gain[j] ** 2 <= 1e-9 * -value * tiny):
                break
            free[j], upwards[j] = True, up[j] >= down[j]
        F = np.flatnonzero(free)
        sign = np.where(t[F] != 0, np.sign(t[F]), np.where(upwards[F], 1, -1))
        kinked = l1[F] > 0
        low = np.where(kinked & (sign > 0), np.maximum(lower[F], 0), lower[F])
        high = np.where(kinked & (sign < 0), np.minimum(upper[F], 0), upper[F])
        step = -solve(H[np.ix_(F, F)], slope[F] + l1[F] * sign)
        t, slope, value, fixed = _move(
            H, t, slope, value, F, step, low, high, l1[F] * sign
        )
        free[F[fixed]] = False
        solved = not fixed.any() or not free.any()
    return t, min(value, 0 * value)


def _gains(slope, t, l1, lower, upper):
    """Return how fast m falls as each variable rises, and as it falls."""
    up = np.where(t < upper, -(slope + l1 * np.where(t >= 0, 1, -1)), -np.inf)
    down = np.where(t > lower, slope - l1 * np.where(t <= 0, 1, -1), -np.inf)
    return up, down


def _move(H, t, slope, value, F, step, low, high, linear):
    """Go along the step, to its end or to that of a range; return what is fixed there.

    Whichever is lower: the step up to where the first range ends, or all of it with
    each variable kept in its range.
    """
    room = np.where(step > 0, high - t[F], low - t[F])
    ratio = np.full(len(F), np.inf, dtype=H.dtype)
    np.divide(room, step, out=ratio, where=step != 0)
    length = min(ratio.min(initial=np.inf), H.dtype.type(1))
    ends = []
    for factor in [length] if length == 1 else [length, 1]:
        end = np.clip(t[F] + factor * step, low, high)
        fixed = ratio <= factor
        end[fixed] = np.where(step > 0, high, low)[fixed]
        delta = end - t[F]
        H_delta = H[:, F] @ delta
        change = (slope[F] + linear + H_delta[F] / 2) @ delta
        # to arrive exactly at the end of a range fixes, unless nothing is left to go
        ends.append((change, end, H_delta, fixed & (ratio < 1)))
    change, end, H_delta, fixed = min(ends, key=lambda item: item[0])
    t = t.copy()
    t[F] = end
    return t, slope + H_delta, value + min(change, 0 * change), fixed


def solve(H, g):
    """Return H⁻¹ g, with the diagonal of H scaled to 1 and a little more than that."""
    if len(g) == 0:
        return g
    diagonal = np.diag(H)
    positive = diagonal > 0
    # What has no curvature takes the largest step that makes sense of its slope.
    scale = 1 / np.sqrt(np.where(positive, diagonal, 1))
    A = H * scale[:, None] * scale
    ridge = RIDGE[H.dtype]
    A[np.diag_indices(len(A))] = np.where(positive, 1 + ridge, 1)
    if H.dtype == np.longdouble:
        return scale * _eliminate(A, g * scale)
    while True:
        try:
            factor = cho_factor(A, check_finite=False)
            return scale * cho_solve(factor, g * scale, check_finite=False)
        except LinAlgError:
            ridge *= 10
            A[np.diag_indices(len(A))] = 1 + ridge


def _eliminate(A, x):
    """Solve a positive definite system row by row; A and x are overwritten."""
    n = len(x)
    floor = np.finfo(A.dtype).eps
    for j in range(n):
        if A[j, j] <= floor:
            # what rounding has left of a dependent variable: leave it where it is
            A[j, j], A[j, j + 1 :], A[j + 1 :, j] = 1, 0, 0
            x[j] = 0
            continue
        factor = A[j + 1 :, j] / A[j, j]
        A[j + 1 :, j + 1 :] -= factor[:, None] * A[j, j + 1 :]
        x[j + 1 :] -= factor * x[j]
    for j in reversed(range(n)):
        x[j] = (x[j] - A[j, j + 1 :] @ x[j + 1 :]) / A[j, j]
    return x
