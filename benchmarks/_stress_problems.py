"""Random problems for `stress`: every parameter of the estimators, and hard data.

`make_case` composes a problem from families drawn at random: sizes, scales, places,
collinearity, rare columns, outliers, labels, weights, offsets, penalties, bounds. All
of it is valid input. `formulate` writes the same problem down for the reference.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from _stress_reference import Problem
from scipy import sparse
from scipy.special import softmax

# Unknowns of the reference, whose Hessian is dense and in extended precision.
MAX_UNKNOWNS = 300
KINDS = ("smooth", "other")


@dataclass
class Case:
    """One problem.

    Attributes
    ----------
    estimator : {"BinaryLogReg", "SoftmaxReg"}
    params : dict
        Of the estimator.
    X, y, sample_weight, offset
        What `fit` is given.
    before : dict or None
        Parameters of an earlier fit, which this one continues by ``warm_start``.
    families : list of str
        What was drawn.
    """

    estimator: str
    params: dict
    X: Any
    y: np.ndarray
    sample_weight: np.ndarray | None = None
    offset: np.ndarray | None = None
    before: dict | None = None
    families: list[str] = field(default_factory=list)


def make_case(seed: int, kind: str) -> Case:
    """Return the problem of a seed, always the same one.

    Parameters
    ----------
    seed : int
    kind : {"smooth", "other"}
        Whether there are neither kinks nor bounds, or some.
    """
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    families: list[str] = []
    binary = rng.random() < 0.6
    n_classes = 2 if binary else int(_log_uniform(rng, 2, 60.99))
    n, d = _sizes(rng, 1 if binary else n_classes)
    X = _columns(rng, n, d, families)
    z = _logits(rng, X, n_classes)
    X = _disturbed(rng, X, families)
    y = _labels(rng, z, n_classes, families)
    s = _weights(rng, y, n_classes, families)
    offset = _offset(rng, n, 1 if binary else n_classes, families)
    X = _stored(rng, X, families)
    params = _parameters(rng, kind, d, y, families)
    before = None
    if rng.random() < 0.1:
        families.append("warm start")
        before = {"C": 10 ** rng.uniform(-4, 4)}
        params["warm_start"] = True
    estimator = "BinaryLogReg" if binary else "SoftmaxReg"
    return Case(estimator, params, X, y, s, offset, before, families)


def formulate(case: Case) -> Problem:
    """Return the problem in the terms of the reference."""
    X = case.X.toarray() if sparse.issparse(case.X) else case.X
    X = np.asarray(X, dtype=np.float64)
    n, d = X.shape
    y = case.y
    n_classes = y.shape[1] if y.ndim == 2 else int(y.max()) + 1
    q = y if y.ndim == 2 else np.eye(n_classes)[y]
    q = q / q.sum(axis=1, keepdims=True)
    s = np.ones(n) if case.sample_weight is None else case.sample_weight
    by_class = case.params.get("class_weight")
    if by_class == "balanced":
        totals = np.bincount(y, s, n_classes)
        s = s * (totals.sum() / (n_classes * totals))[y]
    smoothing = case.params.get("label_smoothing", 0.0)
    q = (1 - smoothing) * q + smoothing / n_classes
    strength = 1 / (np.longdouble(case.params.get("C", 1.0)) * np.sum(s))
    weights = case.params.get("penalty_weights")
    strength = strength * (np.ones(d) if weights is None else weights)
    share = case.params.get("l1_ratio", 0.0)
    lower, upper = case.params.get("bounds") or (None, None)
    return Problem(
        X=X,
        q=q,
        binary=case.estimator == "BinaryLogReg",
        s=s,
        offset=case.offset,
        l1=share * strength,
        l2=(1 - share) * strength,
        lower=np.broadcast_to(-np.inf if lower is None else lower, d),
        upper=np.broadcast_to(np.inf if upper is None else upper, d),
        fit_intercept=case.params.get("fit_intercept", True),
    )


def _log_uniform(rng, low, high):
    return np.exp(rng.uniform(np.log(low), np.log(high)))


def _sizes(rng, n_logits):
    d = int(min(_log_uniform(rng, 1, 300), MAX_UNKNOWNS / n_logits - 1))
    d = max(1, d)
    n = int(_log_uniform(rng, 2, 2000))
    return max(n, 2 * n_logits, 2), d


def _columns(rng, n, d, families):
    """Return columns of about unit scale, of one kind or mixed."""
    kinds = {
        "normal": lambda: rng.normal(size=n),
        "heavy tails": lambda: rng.lognormal(sigma=rng.uniform(0.5, 3), size=n),
        "Cauchy": lambda: rng.standard_cauchy(size=n),
        "integers": lambda: rng.integers(0, int(_log_uniform(rng, 2, 1e4)), n) * 1.0,
        "rare": lambda: (rng.random(n) < _log_uniform(rng, 1e-3, 0.1)) * 1.0,
    }
    name = rng.choice([*kinds, "mixed"], p=[0.5, 0.1, 0.05, 0.1, 0.05, 0.2])
    families.append(f"{name} {n} x {d}")
    names = rng.choice(list(kinds), d) if name == "mixed" else [name] * d
    X = np.column_stack([kinds[name]() for name in names])
    if d > 1 and rng.random() < 0.3:
        families.append("correlated")
        X = X @ (np.eye(d) + rng.uniform(0.1, 2) * rng.normal(size=(d, d)) / np.sqrt(d))
    return X


def _logits(rng, X, n_classes):
    """Return the logits, (n, K), of a model of the columns as they are now."""
    spread = np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    Z = np.tanh((X - X.mean(axis=0)) / spread)
    effects = rng.normal(size=(X.shape[1], n_classes)) / np.sqrt(X.shape[1])
    return 10 ** rng.uniform(-1, 1.5) * Z @ effects + rng.normal(size=n_classes)


def _disturbed(rng, X, families):
    """Return X with what real data do to a solver."""
    n, d = X.shape
    some = lambda share: np.flatnonzero(rng.random(d) < share)  # noqa: E731
    if d > 1 and rng.random() < 0.2:
        k = int(rng.integers(1, max(2, d // 2)))
        noise = 0.0 if rng.random() < 0.5 else 10 ** rng.uniform(-9, -3)
        families.append(f"{k} collinear columns, {noise:.0e}")
        combined = X[:, : d - k] @ rng.normal(size=(d - k, k))
        X = np.column_stack([X[:, : d - k], combined])
        X[:, d - k :] += noise * rng.normal(size=(n, k)) * combined.std(axis=0)
    if d > 1 and rng.random() < 0.1:
        families.append("duplicated columns")
        X = X[:, rng.integers(0, d, d)]
    if d > 2 and rng.random() < 0.1:
        families.append("all levels")
        k = int(rng.integers(2, min(d, 12) + 1))
        X[:, :k] = np.eye(k)[rng.integers(0, k, n)]
    if rng.random() < 0.1:
        families.append("repeated rows")
        X = X[rng.integers(0, max(1, n // int(rng.integers(2, 10))), n)]
    if rng.random() < 0.3:
        families.append("scales")
        X = X * 10 ** rng.uniform(-8, 8, d)
    elif rng.random() < 0.2:
        families.append("units")
        X = X * 10 ** rng.uniform(-8, 8)
    if rng.random() < 0.2:
        families.append("far columns")
        far = some(rng.choice([0.2, 1.0]))
        X[:, far] += X[:, far].std(axis=0) * 10 ** rng.uniform(0, 8, len(far))
    if rng.random() < 0.1:
        families.append("constant columns")
        constant = some(0.3)
        X[:, constant] = rng.choice([0.0, 1.0, 1e8], len(constant))
    if rng.random() < 0.15:
        size = 10 ** rng.uniform(2, 8)
        families.append(f"outliers {size:.0e}")
        for _ in range(int(rng.integers(1, 4))):
            X[rng.integers(n), rng.integers(d)] = size * rng.choice([-1, 1])
    if rng.random() < 0.05:
        families.append("time stamp")
        X[:, 0] = 1.7e9 + 1e8 * rng.normal(size=n)
    return X


def _labels(rng, z, n_classes, families):
    """Return codes, or distributions, with every class among them."""
    n = len(z)
    noise = rng.choice([1.0, 0.1, 0.0], p=[0.7, 0.15, 0.15])
    if noise < 1:
        families.append("nearly separable" if noise else "separable")
    y = (z + noise * rng.gumbel(size=z.shape)).argmax(axis=1)
    if rng.random() < 0.1:
        families.append("unbalanced")
        y[rng.random(n) < 0.95] = 0
    if rng.random() < 0.1:
        families.append("noise")
        y = rng.integers(0, n_classes, n)
    y[rng.choice(n, n_classes, replace=False)] = np.arange(n_classes)
    if rng.random() < 0.15:
        families.append("soft labels")
        return softmax(rng.uniform(0.5, 20) * np.eye(n_classes)[y] + 0.3 * z, axis=1)
    return y


def _weights(rng, y, n_classes, families):
    if rng.random() < 0.65:
        return None
    n = len(y)
    s = 10 ** (rng.uniform(0, 6) * rng.uniform(-1, 1, n))
    families.append("weights")
    if rng.random() < 0.3:
        families.append("some of them 0")
        zero = rng.random(n) < 0.3
        if y.ndim == 1:
            zero[np.unique(y, return_index=True)[1]] = False
        else:
            zero[0] = False
        s[zero] = 0
    return s


def _offset(rng, n, n_logits, families):
    if rng.random() < 0.85:
        return None
    size = 10 ** rng.uniform(-1, 3)
    families.append(f"offset {size:.0e}")
    offset = size * rng.normal(size=(n, n_logits))
    if rng.random() < 0.2:
        offset += size
    return offset[:, 0] if n_logits == 1 else offset


def _stored(rng, X, families):
    kind = rng.choice(
        ["dense", "sparse", "float32", "integers"], p=[0.7, 0.15, 0.1, 0.05]
    )
    if kind == "sparse":
        families.append("sparse")
        if rng.random() < 0.5:
            X = X * (rng.random(X.shape) < 0.3)
        return sparse.csr_array(X)
    if kind == "float32":
        families.append("float32")
        return X.astype(np.float32)
    if kind == "integers" and np.abs(X).max() < 1e15:
        families.append("rounded")
        return np.round(X).astype(np.int64)
    return X


def _parameters(rng, kind, d, y, families):
    params: dict[str, Any] = {"C": 10 ** rng.uniform(-4, 4)}
    if rng.random() < 0.15:
        params["C"] = 10 ** rng.uniform(-8, 12)
    if rng.random() < 0.1:
        params["C"] = np.inf
    if rng.random() < 0.2:
        params["fit_intercept"] = False
    if rng.random() < 0.1:
        params["tol"] = 10 ** rng.uniform(-10, -4)
    if rng.random() < 0.1:
        params["label_smoothing"] = float(rng.uniform(0.001, 0.5))
    if y.ndim == 1 and rng.random() < 0.1:
        params["class_weight"] = "balanced"
    if rng.random() < 0.1:
        weights = rng.exponential(size=d)
        weights[rng.random(d) < 0.2] = 0
        params["penalty_weights"] = weights
    if kind == "other":
        kinked = rng.random() < 0.7
        if kinked:
            params["l1_ratio"] = (
                1.0 if rng.random() < 0.5 else float(rng.uniform(0.05, 1))
            )
            if np.isinf(params["C"]):
                params["C"] = 1.0
        if not kinked or rng.random() < 0.2:
            params["bounds"] = _bounds(rng, d)
    families += [f"{name}={_short(value)}" for name, value in params.items()]
    return params


def _bounds(rng, d):
    choice = rng.integers(4)
    if choice == 0:
        return (0.0, None)
    if choice == 1:
        return (-0.1, 0.1)
    if choice == 2:
        return (None, float(rng.normal()))
    middle, width = rng.normal(size=d) - 1, 10 ** rng.uniform(-2, 2, d)
    lower = np.where(rng.random(d) < 0.5, -np.inf, middle)
    return (lower, middle + width)


def _short(value):
    if isinstance(value, float):
        return f"{value:.2g}"
    return value if isinstance(value, str | bool) else type(value).__name__
