"""The data sets of the benchmarks, by name.

Files        ``NAME.npz`` in the directory given by ``--data``: ``y`` holds class codes;
             dense sets hold ``X``, sparse ones the CSR parts ``data``, ``indices``,
             ``indptr`` and ``shape``. Values are used raw, without any scaling.
Variants     ``mnist_t10k_unit`` is ``mnist_t10k`` with 0..255 divided by 255.
Bundled      ``iris``, ``wine`` and ``breast_cancer``, as scikit-learn ships them.
Generated    ``embeddings-N-D-K``: what a linear probe sees, see `make_embeddings`.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

BUNDLED = {"iris": load_iris, "wine": load_wine, "breast_cancer": load_breast_cancer}
UNIT_VARIANTS = {"mnist_t10k_unit": "mnist_t10k"}
GENERATED = "embeddings"
TEST_ROWS = 5000


@dataclass
class Dataset:
    """Features (n, d) in the dtype asked for, and class codes (n,)."""

    X: np.ndarray | sparse.csr_array
    y: np.ndarray
    X_test: np.ndarray | None = None
    y_test: np.ndarray | None = None

    @property
    def n_classes(self):
        return int(self.y.max()) + 1


def list_sets(directory):
    """Return the names of the dense and of the sparse sets in a directory."""
    dense, sparse_ = [], []
    for path in sorted(Path(directory).glob("*.npz")):
        with np.load(path, allow_pickle=False) as parts:
            (dense if "X" in parts.files else sparse_).append(path.stem)
    dense += [name for name, base in UNIT_VARIANTS.items() if base in dense]
    return sorted(dense), sparse_


def load(name, directory, dtype):
    """Return the set, its features cast to ``dtype``."""
    if name in BUNDLED:
        X, y = BUNDLED[name](return_X_y=True)
        return Dataset(X.astype(dtype), y.astype(np.intp))
    if name.startswith(GENERATED):
        return make_embeddings(*map(int, name.split("-")[1:]), dtype)
    with np.load(_path(name, directory), allow_pickle=False) as parts:
        y = parts["y"].astype(np.intp)
        if "X" in parts.files:
            X = parts["X"].astype(dtype, order="C")
        else:
            csr = (parts["data"].astype(dtype), parts["indices"], parts["indptr"])
            X = sparse.csr_array(csr, shape=tuple(parts["shape"]))
    if name in UNIT_VARIANTS:
        X /= X.dtype.type(255)
    return Dataset(X, y)


def fingerprint(name, directory):
    """Return a short hash of where the set comes from, to key cached results by."""
    if name in BUNDLED:
        X, y = BUNDLED[name](return_X_y=True)
        content = X.tobytes() + y.tobytes()
    elif name.startswith(GENERATED):
        content = Path(__file__).read_bytes() + np.__version__.encode()
    else:
        content = _path(name, directory).read_bytes()
    return hashlib.sha256(content).hexdigest()[:16]


def make_embeddings(n, d, n_classes, dtype=np.float32, seed=0):
    """Return n training and TEST_ROWS test rows that resemble network embeddings.

    Rows are class means plus noise. Both are anisotropic in the same random basis:
    the standard deviation of direction j falls like j^-1/2 for the noise and like
    j^-1 for the means, as in networks, where few directions carry the classes and the
    spectrum has a long tail. A common mean is added, since embeddings are seldom
    centred.
    """
    rng = np.random.default_rng(seed)
    direction = np.arange(1, d + 1)
    basis = np.linalg.qr(rng.standard_normal((d, d)))[0]
    # More classes need more signal. With this factor, models get 60 to 90 % of the
    # test rows right at n = 50,000, d = 512 and 100 or 1,000 classes.
    signal = 0.7 * np.sqrt(np.log(n_classes))
    means = signal * rng.standard_normal((n_classes, d)) / direction
    common = rng.standard_normal(d) / np.sqrt(d)
    noise_basis = (basis.T / np.sqrt(direction)[:, None]).astype(np.float32)
    centres = (means @ basis.T + common).astype(np.float32)

    n_all = n + TEST_ROWS
    y = rng.integers(n_classes, size=n_all)
    # Every class has to occur among the training rows.
    y[:n_classes] = np.arange(n_classes)
    X = rng.standard_normal((n_all, d), dtype=np.float32) @ noise_basis
    X += centres[y]
    X = X.astype(dtype, copy=False)
    return Dataset(X[:n].copy(), y[:n], X[n:].copy(), y[n:])


def _path(name, directory):
    return Path(directory) / f"{UNIT_VARIANTS.get(name, name)}.npz"
