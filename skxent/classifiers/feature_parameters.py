"""Parameters with a value for each feature: penalty weights and bounds.

Each is an array, or a dict from feature names. Every function returns arrays in the
order of the features, or raises.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_penalty_weights(
    penalty_weights: ArrayLike | dict[str, float] | None,
    names: NDArray | None,
    n_features: int,
) -> NDArray | None:
    """Return the penalty factor of each feature, (n_features,), or None."""
    if penalty_weights is None:
        return None
    if isinstance(penalty_weights, dict):
        weights = np.ones(n_features)
        for name, weight in penalty_weights.items():
            weights[_position(name, names, "penalty_weights")] = weight
    else:
        weights = np.asarray(penalty_weights, dtype=np.float64)
    if weights.shape != (n_features,):
        raise ValueError(
            f"penalty_weights has shape {weights.shape}; expected ({n_features},), one "
            "for each feature."
        )
    valid = np.isfinite(weights) & (weights >= 0)
    if not valid.all():
        raise ValueError(
            f"penalty_weights has the entry {weights[~valid][0]}; expected finite "
            "non-negative numbers: 0 leaves a feature unpenalised."
        )
    return weights


def check_bounds(
    bounds: Any, names: NDArray | None, n_features: int
) -> tuple[NDArray, NDArray] | None:
    """Return the lower and the upper bound of each feature, or None."""
    if bounds is None:
        return None
    lower, upper = np.full(n_features, -np.inf), np.full(n_features, np.inf)
    if isinstance(bounds, dict):
        for name, pair in bounds.items():
            j = _position(name, names, "bounds")
            low, high = _pair(pair, f"bounds[{name!r}]")
            lower[j] = -np.inf if low is None else low
            upper[j] = np.inf if high is None else high
    else:
        for out, bound in zip((lower, upper), _pair(bounds, "bounds"), strict=True):
            if bound is None:
                continue
            bound = np.asarray(bound, dtype=np.float64)
            if bound.shape not in ((), (n_features,)):
                raise ValueError(
                    f"bounds has a bound of shape {bound.shape}; expected a number or "
                    f"({n_features},), one for each feature."
                )
            out[:] = bound
    # written so that NaN counts as infeasible
    infeasible = ~(lower <= upper) | (lower == np.inf) | (upper == -np.inf)
    if infeasible.any():
        j = int(np.argmax(infeasible))
        raise ValueError(
            f"bounds for feature {j} are ({lower[j]}, {upper[j]}); expected a lower "
            "bound that is at most the upper one: None where there is none."
        )
    return lower, upper


def _pair(pair: Any, name: str) -> tuple | list:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(
            f"{name}={pair!r}; expected a pair (lower, upper), each a number or None."
        )
    return pair


def _position(name: str, names: NDArray | None, parameter: str) -> int:
    """Return the column number of the feature called ``name``."""
    if names is None:
        raise ValueError(
            f"{parameter} names the feature {name!r}, but X has no feature names; "
            "expected an array of shape (n_features,), or X as a frame."
        )
    (found,) = np.nonzero(np.asarray(names) == name)
    if not len(found):
        raise ValueError(
            f"{parameter} names the feature {name!r}; expected one of those of X: "
            f"{', '.join(map(repr, names[:10]))}{', ...' if len(names) > 10 else ''}."
        )
    return int(found[0])
