"""The data sets of the benchmarks, by name.

Files        ``NAME.npz`` in the directory given by ``--data``: ``y`` holds class codes;
             dense sets hold ``X``, sparse ones the CSR parts ``data``, ``indices``,
             ``indptr`` and ``shape``. Values are used raw, without any scaling.
Variants     ``mnist_t10k_unit`` is ``mnist_t10k`` with 0..255 divided by 255;
             ``NAME_tfidf`` is the sparse set ``NAME``, if that holds counts, as
             sublinear tf-idf; ``NAME_scaled`` is the dense set ``NAME`` with each
             column divided by its largest absolute value.
Bundled      ``iris``, ``wine`` and ``breast_cancer``, as scikit-learn ships them.
Generated    ``standard-N-D-K``: standardised columns, see `make_standard`;
             ``embeddings-N-D-K``: what a linear probe sees, see `make_embeddings`;
             ``heavytails-N-D-K``: a traffic log, see `make_heavytails`; sparse are
             ``onehot-N-LEVELS-LEVELS-...``, see `make_onehot`, and ``text-N-D-K``, see
             `make_text`.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.feature_extraction.text import TfidfTransformer

BUNDLED = {"iris": load_iris, "wine": load_wine, "breast_cancer": load_breast_cancer}
UNIT_VARIANTS = {"mnist_t10k_unit": "mnist_t10k"}
TFIDF = "_tfidf"
SCALED = "_scaled"
# A click log in the small, and the sizes of the 20 newsgroups.
GENERATED_SPARSE = ["onehot-300000-5000-2000-700-200-80-20", "text-11000-130000-20"]
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
            if "X" in parts.files:
                dense.append(path.stem)
                continue
            sparse_.append(path.stem)
            if _are_counts(parts["data"]):
                sparse_.append(path.stem + TFIDF)
    dense += [name for name, base in UNIT_VARIANTS.items() if base in dense]
    return sorted(dense), sparse_


def load(name, directory, dtype):
    """Return the set, its features cast to ``dtype``."""
    if name in BUNDLED:
        X, y = BUNDLED[name](return_X_y=True)
        return Dataset(X.astype(dtype), y.astype(np.intp))
    if is_generated(name):
        kind, *sizes = name.split("-")
        return GENERATORS[kind](*map(int, sizes), dtype=dtype)
    path = _path(name, directory)
    with np.load(path, allow_pickle=False) as parts:
        y = parts["y"].astype(np.intp)
        if "X" in parts.files:
            X = parts["X"].astype(dtype, order="C")
        else:
            csr = (parts[part] for part in ("data", "indices", "indptr", "shape"))
            X = _csr(*csr).astype(dtype)
    if name in UNIT_VARIANTS:
        X /= X.dtype.type(255)
    if name == path.stem + TFIDF:
        X = sublinear_tfidf(X)
    if name == path.stem + SCALED:
        largest = np.abs(X).max(axis=0)
        X /= np.where(largest > 0, largest, 1)
    return Dataset(X, y)


def is_generated(name):
    return name.split("-")[0] in GENERATORS


def is_sparse(name, directory):
    if name in BUNDLED or is_generated(name):
        return name.startswith(("onehot", "text"))
    with np.load(_path(name, directory), allow_pickle=False) as parts:
        return "X" not in parts.files


def fingerprint(name, directory):
    """Return a short hash of where the set comes from, to key cached results by."""
    if name in BUNDLED:
        X, y = BUNDLED[name](return_X_y=True)
        content = X.tobytes() + y.tobytes()
    elif is_generated(name):
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


def make_standard(n, d, n_classes, dtype=np.float64, seed=0):
    """Return n rows of d independent normal columns, as after a StandardScaler.

    The classes follow a softmax model. The data are easy: without a Hessian, L-BFGS
    takes a dozen evaluations.
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    logits = X @ (2 / np.sqrt(d) * rng.standard_normal((d, n_classes)))
    y = (logits + rng.gumbel(size=(n, n_classes))).argmax(axis=1)
    y[:n_classes] = np.arange(n_classes)
    return Dataset(X.astype(dtype), y)


def make_heavytails(n, d, n_classes, dtype=np.float64, seed=0):
    """Return n rows of d columns that resemble a traffic log, such as KDD Cup 99.

    A third of the columns are log-normal, with a sigma from 3 to 6: bytes, seconds and
    counts in raw units. The others are categorical columns of about 10 levels, one-hot.
    Each class shifts the logarithms and prefers some levels. The classes shrink
    geometrically, from a large share of all rows to 2 rows.
    """
    rng = np.random.default_rng(seed)
    shares = np.geomspace(0.4 * n, 2, n_classes)
    sizes = np.maximum(2, shares * n / shares.sum()).astype(int)
    sizes[0] += n - sizes.sum()
    y = rng.permutation(np.repeat(np.arange(n_classes), sizes))

    n_tails = d // 3
    n_columns = max(1, (d - n_tails) // 10)
    X = np.zeros((n, d))
    sigma = rng.uniform(3, 6, size=n_tails)
    shift = rng.standard_normal((n_classes, n_tails))
    X[:, :n_tails] = np.exp(sigma * rng.standard_normal((n, n_tails)) + shift[y])
    for levels in np.array_split(np.arange(n_tails, d), n_columns):
        preference = 2 * rng.standard_normal((n_classes, len(levels)))
        # the largest of these follows the softmax of the preferences
        level = np.argmax(preference[y] + rng.gumbel(size=(n, len(levels))), axis=1)
        X[np.arange(n), levels[level]] = 1
    return Dataset(X.astype(dtype), y)


def make_onehot(n, *n_levels, dtype=np.float64, seed=0):
    """Return n rows of categorical columns with these numbers of levels, one-hot.

    Level j of a column has a probability in proportion to 1 / j (Zipf's law), so that
    most levels are rare. The two classes follow a logistic model in which one level in
    five has an effect.
    """
    rng = np.random.default_rng(seed)
    columns = []
    for size in n_levels:
        level = rng.choice(size, n, p=_zipf(size))
        # No column of X is empty where an encoder has seen these rows.
        level[rng.choice(n, size, replace=False)] = np.arange(size)
        columns.append(level)
    offsets = np.cumsum([0, *n_levels[:-1]])
    indices = np.column_stack(columns) + offsets
    d, width = sum(n_levels), len(n_levels)
    effect = 2 * rng.standard_normal(d) * (rng.random(d) < 0.2)
    y = rng.random(n) < expit(effect[indices].sum(axis=1) - 1)
    ones = np.ones(indices.size, dtype)
    X = _csr(ones, indices.ravel(), width * np.arange(n + 1), (n, d))
    return Dataset(X, y.astype(np.intp))


def make_text(n, d, n_classes, dtype=np.float64, seed=0):
    """Return n documents of about 100 distinct words out of d, as sublinear tf-idf.

    The words follow Zipf's law, and each class has its own taste: a random factor for
    the probability of each word. Lengths of documents are log-normal.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n)
    y[:n_classes] = np.arange(n_classes)
    document = np.repeat(np.arange(n), rng.lognormal(4.7, 0.5, size=n).astype(int) + 1)
    word = np.empty_like(document)
    for k in range(n_classes):
        share = _zipf(d) * rng.lognormal(sigma=0.4, size=d)
        of_class = np.flatnonzero(y[document] == k)
        word[of_class] = rng.choice(d, len(of_class), p=share / share.sum())
    # A vocabulary comes from the documents: each word occurs, and many only once.
    document = np.append(document, rng.integers(n, size=d))
    word = np.append(word, np.arange(d))
    ones = np.ones(len(word), dtype)
    # The conversion adds up the words that occur twice.
    counts = sparse.coo_array((ones, (document, word)), shape=(n, d)).tocsr()
    counts = _csr(counts.data, counts.indices, counts.indptr, counts.shape)
    return Dataset(sublinear_tfidf(counts), y)


GENERATORS = {
    "embeddings": make_embeddings,
    "heavytails": make_heavytails,
    "onehot": make_onehot,
    "standard": make_standard,
    "text": make_text,
}


def sublinear_tfidf(counts):
    """Return (1 + log(count)) * idf, rows divided by their norms, in the same dtype."""
    tfidf = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    return sparse.csr_array(tfidf)


def _csr(data, indices, indptr, shape):
    """Return the array with indices of 32 bits, as encoders and vectorisers make them.

    With 64 bits, products take longer, and liblinear refuses.
    """
    indices, indptr = indices.astype(np.int32), indptr.astype(np.int32)
    return sparse.csr_array((data, indices, indptr), shape=tuple(shape))


def _zipf(size):
    share = 1 / np.arange(1, size + 1)
    return share / share.sum()


def _are_counts(values):
    return values.min() >= 0 and bool(np.all(values % 1 == 0))


def _path(name, directory):
    path = Path(directory) / f"{UNIT_VARIANTS.get(name, name)}.npz"
    # A file may be named like a variant.
    if path.exists():
        return path
    return path.with_stem(path.stem.removesuffix(TFIDF).removesuffix(SCALED))
