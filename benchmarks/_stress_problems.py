"""Random problems that are valid input and hard all the same.

A problem starts from columns of one distribution and from labels that depend on them.
Then it meets any number of troubles: columns far from 0, collinear, rare, constant or
of other scales, rows that are outliers or given twice, classes of one row, weights over
twelve decades. Each trouble is a family with a name; a problem lists those it has met.

Everything follows from the seed and the kind: "smooth", or "other" with an L1 penalty
or bounds.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

KINDS = ("smooth", "other")
# What keeps the reference fast: unknowns of the model, and n times their square.
MAX_UNKNOWNS = {"smooth": 300, "other": 120}
MAX_WORK = 5e7
MAX_ROWS, MAX_COLUMNS, MAX_CLASSES = 2000, 300, 60


@dataclass
class Problem:
    """What to fit, and with what.

    Attributes
    ----------
    X, y, sample_weight, offset
        The arguments of `fit`.
    binary : bool
        Whether `BinaryLogReg` fits, else `SoftmaxReg`.
    params : dict
        The parameters of the estimator that are not defaults.
    first : dict or None
        Other parameters of a fit before this one, which then starts warm.
    families : list of str
        The troubles that the problem has met.
    """

    kind: str
    seed: int
    X: np.ndarray | sparse.csr_array
    y: np.ndarray
    sample_weight: np.ndarray | None = None
    offset: np.ndarray | None = None
    binary: bool = True
    params: dict = field(default_factory=dict)
    first: dict | None = None
    families: list[str] = field(default_factory=list)

    @property
    def n_classes(self) -> int:
        return self.y.shape[1] if self.y.ndim == 2 else int(self.y.max()) + 1

    @property
    def dense(self) -> np.ndarray:
        """X as a dense array, in float64."""
        X = self.X.toarray() if sparse.issparse(self.X) else self.X
        return X.astype(np.float64)

    def describe(self) -> str:
        """Say in a line what the problem is."""
        model = "BinaryLogReg" if self.binary else "SoftmaxReg"
        shape = "{} × {} × {}".format(*self.X.shape, self.n_classes)
        shown = {name: _short(value) for name, value in self.params.items()}
        params = ", ".join(f"{name}={value}" for name, value in shown.items())
        return f"{model}({params}) on {shape}: {', '.join(self.families)}"


def problem(seed: int, kind: str) -> Problem:
    """Return the problem of this seed and kind.

    Parameters
    ----------
    seed : int
        Non-negative.
    kind : {"smooth", "other"}

    Returns
    -------
    Problem
    """
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    families: list[str] = []
    binary, n, d, K = _sizes(rng, kind)
    X = _columns(rng, n, d, families)
    y = _labels(rng, X, K, families)
    X = _troubled_columns(rng, X, families)
    X, y = _troubled_rows(rng, X, y, families)
    X, offset = _scaled(rng, X, families), None
    y = _every_class(rng, y, K)
    soft = rng.random() < 0.1
    targets = _soft(rng, y, K, families) if soft else y
    if rng.random() < 0.15:
        size = 10 ** rng.uniform(-1, 2.6)
        offset = size * rng.normal(size=len(y) if binary else (len(y), K))
        families.append(f"offset {size:.0e}")
    X = _stored(rng, X, families)
    s = _weights(rng, y, families)
    made = Problem(kind, seed, X, targets, s, offset, binary, families=families)
    made.params = _smooth_params(rng, made)
    if kind == "other":
        made.params |= _kinks_and_bounds(rng, made)
    if rng.random() < 0.1:
        made.first = {"C": _strength(rng)}
        made.params["warm_start"] = True
        families.append("warm start")
    return made


def _short(value):
    if isinstance(value, tuple | list):
        return f"({', '.join(_short(part) for part in value)})"
    if isinstance(value, np.ndarray):
        return f"[{value.min():.1e} … {value.max():.1e}]"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _log_uniform(rng, low, high):
    return int(np.exp(rng.uniform(np.log(low), np.log(high + 1))))


def _sizes(rng, kind):
    """Return whether the model is binary, and n, d, K."""
    binary = bool(rng.random() < 0.55)
    K = 2 if binary else _log_uniform(rng, 2, rng.choice([3, 6, 20, MAX_CLASSES]))
    L = 1 if binary else K
    unknowns = _log_uniform(rng, 2 * L, max(2 * L, MAX_UNKNOWNS[kind]))
    d = min(MAX_COLUMNS, _log_uniform(rng, 1, max(1, unknowns // L - 1)))
    n = _log_uniform(rng, 2, MAX_ROWS)
    work = (L * (d + 1)) ** 2
    return binary, max(K, min(n, int(MAX_WORK / work))), d, K


def _columns(rng, n, d, families):
    """Return columns of about unit size."""
    name = rng.choice(
        ["normal", "correlated", "log-normal", "Cauchy", "counts", "one-hot", "mixed"],
        p=[0.2, 0.2, 0.12, 0.12, 0.08, 0.14, 0.14],
    )
    families.append(str(name))
    X = rng.normal(size=(n, d))
    if name == "correlated":
        X = X @ (np.eye(d) + rng.normal(size=(d, d)) * rng.uniform(0, 1))
        X /= X.std(axis=0) + (X.std(axis=0) == 0)
    elif name == "log-normal":
        X = np.exp(rng.uniform(0.5, 3) * X)
    elif name == "Cauchy":
        X = rng.standard_cauchy(size=(n, d))
    elif name == "counts":
        X = rng.poisson(10 ** rng.uniform(-1.5, 2, d), size=(n, d)).astype(float)
    elif name == "one-hot":
        # all levels of one category or of two, as many columns as there are
        parts = [d] if d < 4 or rng.random() < 0.5 else [d // 2, d - d // 2]
        levels = [_skewed(rng, n, part) for part in parts]
        pairs = zip(parts, levels, strict=True)
        X = np.hstack([np.eye(part)[level] for part, level in pairs])
    elif name == "mixed":
        tails = rng.random(d)
        X[:, tails < 0.3] = np.exp(2 * X[:, tails < 0.3])
        X[:, tails > 0.8] = X[:, tails > 0.8] > 1
    return X


def _skewed(rng, n, n_levels):
    """Return levels of a category, of which some are rare."""
    shares = rng.dirichlet(np.full(n_levels, rng.choice([0.3, 1, 10])))
    return rng.choice(n_levels, size=n, p=shares)


def _labels(rng, X, K, families):
    """Return the codes of classes that depend on the columns, more or less."""
    n, d = X.shape
    spread = np.std(X, axis=0)
    Z = np.tanh((X - np.mean(X, axis=0)) / np.where(spread > 0, spread, 1))
    size = 10 ** rng.uniform(-1, 1.3)
    logits = size * Z @ rng.normal(size=(d, K)) / np.sqrt(d)
    if rng.random() < 0.25:
        families.append("unbalanced")
        logits += rng.uniform(1, 8) * rng.normal(size=K)
    noise = 1.0
    if rng.random() < 0.15:
        noise = rng.choice([0.0, 0.01])
        families.append("nearly separable" if noise else "separable")
    elif size > 5:
        families.append("strong effects")
    y = (logits + noise * rng.gumbel(size=(n, K))).argmax(axis=1)
    if rng.random() < 0.06:
        families.append("one row of a class")
        k = rng.integers(K)
        y[y == k] = (k + 1) % K
        y[rng.integers(n)] = k
    return y


def _troubled_columns(rng, X, families):
    """Return columns some of which are replaced by harder ones."""
    n, d = X.shape
    X = X.copy()

    def some():
        return rng.choice(d, size=rng.integers(1, max(2, d // 3 + 1)), replace=False)

    if rng.random() < 0.2:
        families.append("rare columns")
        for j in some():
            X[:, j] = 0
            X[rng.choice(n, size=min(n, rng.integers(1, 4)), replace=False), j] = 1
    if d > 1 and rng.random() < 0.15:
        families.append("duplicated columns")
        X[:, some()] = X[:, [rng.integers(d)]]
    if d > 2 and rng.random() < 0.15:
        families.append("collinear")
        # rounded to 20 bits, so that the sum is exact
        X[:, :3] = np.round(X[:, :3] * 2**20) / 2**20
        X[:, 2] = X[:, 0] - 2 * X[:, 1]
    if d > 1 and rng.random() < 0.15:
        size = 10 ** rng.uniform(-9, -3)
        families.append(f"nearly collinear {size:.0e}")
        for j in some():
            other = X[:, rng.integers(d)]
            X[:, j] = other + size * (1 + abs(other)) * rng.normal(size=n)
    if rng.random() < 0.1:
        families.append("constant column")
        X[:, rng.integers(d)] = rng.choice([1.0, 1e8, -3e-5])
    if rng.random() < 0.07:
        families.append("column of zeros")
        X[:, rng.integers(d)] = 0
    if rng.random() < 0.2:
        size = 10 ** rng.uniform(0, 8)
        families.append(f"far from 0: {size:.0e}")
        far = some() if rng.random() < 0.5 else slice(None)
        X[:, far] += size * (X[:, far].std(axis=0) + 1e-3)
    if (n < d and rng.random() < 0.4) or rng.random() < 0.04:
        families.append("time stamp")
        X[:, 0] = 1.7e9 + 1e8 * rng.normal(size=n)
    return X


def _troubled_rows(rng, X, y, families):
    """Return rows some of which are repeated or far from all others."""
    n, d = X.shape
    if rng.random() < 0.12:
        families.append("repeated rows")
        rows = rng.integers(max(1, n // rng.integers(2, 10)), size=n)
        X, y = X[rows], y if rng.random() < 0.3 else y[rows]
    if rng.random() < 0.03:
        families.append("identical rows")
        X = np.repeat(X[:1], n, axis=0)
    if rng.random() < 0.15:
        families.append("outliers")
        X = X.copy()
        for i in rng.choice(n, size=min(n, rng.integers(1, 4)), replace=False):
            size = 10 ** rng.uniform(2, 8)
            if rng.random() < 0.5:
                X[i] = 0
            where = rng.choice(d, size=rng.integers(1, min(d, 3) + 1), replace=False)
            X[i, where] = size * rng.choice([-1, 1], size=len(where))
    return X, y


def _scaled(rng, X, families):
    which = rng.random()
    if which < 0.3:
        families.append("scales")
        return X * 10 ** rng.uniform(-8, 8, X.shape[1])
    if which < 0.45:
        factor = 10 ** rng.uniform(-8, 8)
        families.append(f"scale {factor:.0e}")
        return X * factor
    return X


def _every_class(rng, y, K):
    """Return labels in which each class has a row."""
    y = y.copy()
    missing = np.setdiff1d(np.arange(K), y)
    spare = rng.permutation(len(y))
    for k in missing:
        counts = np.bincount(y, minlength=K)
        i = next(i for i in spare if counts[y[i]] > 1)
        y[i] = k
    return y


def _soft(rng, y, K, families):
    """Return distributions that favour the labels."""
    families.append("soft labels")
    q = rng.dirichlet(np.full(K, rng.choice([0.05, 1.0])), size=len(y))
    share = rng.choice([0.02, 0.5, 1.0])
    if rng.random() < 0.3:
        share = share * (rng.random((len(y), 1)) < 0.5)
    q = (1 - share) * np.eye(K)[y] + share * q
    # no class without any probability
    q = np.maximum(q, 1e-300 * q.max())
    return q / q.sum(axis=1, keepdims=True)


def _stored(rng, X, families):
    """Return X in one of the types and layouts that users have."""
    which, largest = rng.random(), abs(X).max()
    smallest = abs(X[X != 0]).min(initial=1.0)
    if which < 0.08 and largest < 1e15:
        families.append("integers")
        # at least a few bits of the typical entry
        step = max(np.median(abs(X)) / 100, largest / 1e14, 1e-300)
        return np.round(X / step).astype(np.int64)
    if which < 0.18 and largest < 1e37 and smallest > 1e-37:
        families.append("float32")
        X = X.astype(np.float32)
        which = rng.random()
    if which > 0.8:
        families.append("sparse")
        return sparse.csr_array(X)
    return np.asfortranarray(X) if which > 0.7 else X


def _weights(rng, y, families):
    """Return weights of the rows, positive for at least one of each class, or None."""
    n, which = len(y), rng.random()
    if which < 0.65:
        return None
    s = 10 ** (rng.choice([0.5, 2, 6]) * rng.uniform(-1, 1, n))
    if which > 0.95:
        s = rng.poisson(2, n).astype(float)
    families.append("weights")
    if which > 0.8:
        families.append("zero weights")
        s[rng.random(n) < 0.3] = 0
    _, first = np.unique(y, return_index=True)
    s[first] = np.where(s[first] > 0, s[first], 1)
    return s


def _strength(rng):
    return 1.0 if rng.random() < 0.25 else float(10 ** rng.uniform(-8, 12))


def _smooth_params(rng, made):
    """Return parameters that leave the objective smooth."""
    d, K = made.X.shape[1], made.n_classes
    params = {"C": np.inf if rng.random() < 0.15 else _strength(rng)}
    if rng.random() < 0.2:
        params["fit_intercept"] = False
    if rng.random() < 0.15:
        weights = 10 ** (rng.choice([0.5, 4]) * rng.uniform(-1, 1, d))
        weights[rng.random(d) < rng.choice([0, 0.3])] = 0
        params["penalty_weights"] = weights
    if rng.random() < 0.1:
        params["label_smoothing"] = float(10 ** rng.uniform(-6, -0.3))
    if made.y.ndim == 1 and rng.random() < 0.15:
        params["class_weight"] = "balanced"
        if rng.random() < 0.5:
            by_class = 10 ** rng.uniform(-3, 3, K)
            params["class_weight"] = {k: float(by_class[k]) for k in range(K)}
    if rng.random() < 0.25:
        params["tol"] = float(10 ** rng.uniform(-10, -4))
    if rng.random() < 0.03:
        params["max_iter"] = int(rng.integers(1, 8))
    return params


def _kinks_and_bounds(rng, made):
    """Return an L1 penalty or bounds, or both."""
    d, params = made.X.shape[1], {}
    which = rng.random()
    if which < 0.7:
        params["l1_ratio"] = float(rng.choice([1.0, 1.0, rng.uniform(0, 1), 1e-3]))
        if np.isinf(made.params["C"]):
            params["C"] = _strength(rng)
    if which > 0.5:
        made.families.append("bounds")
        size = np.sqrt(np.mean(made.dense**2, axis=0))
        # bounds of logits are of more than one order, so that some of them bind
        reach = 10 ** rng.uniform(-2, 1, d) / np.where(size > 0, size, 1)
        params["bounds"] = [
            (0, None),
            (None, 0.0),
            (-reach, reach),
            (
                np.where(rng.random(d) < 0.5, 0, -np.inf),
                np.where(rng.random(d) < 0.8, np.inf, 0),
            ),
            (0.1 * reach * (rng.random(d) < 0.3), reach),
            (-float(np.median(reach)), float(np.median(reach))),
        ][rng.integers(6)]
    return params
