"""Sparse data: the optimum of dense data, never dense in memory, an honest estimate."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skxent import BinaryLogReg, CrossEntropyObjective, SoftmaxReg
from skxent.model.curvature import hessian_of_loss
from skxent.solver.minimise import minimise

RNG = np.random.default_rng(0)


def one_hot(n, *n_levels):
    """Return columns of 0 and 1 for a few variables with rare and frequent levels."""
    columns = []
    for n_here in n_levels:
        level = np.minimum(RNG.zipf(1.3, n) - 1, n_here - 1)
        entries = (np.ones(n), (np.arange(n), level))
        columns.append(sparse.csr_array(entries, shape=(n, n_here)))
    return sparse.hstack(columns).tocsr()


def words(n, d, n_classes):
    """Return rows of a few words each, and classes with words of their own."""
    y = RNG.integers(0, n_classes, n)
    word = (d * RNG.random((n, 30)) ** 3).astype(int)
    word[:, :3] = n_classes * RNG.integers(0, 20, (n, 3)) + y[:, None]
    entries = (np.ones(word.size), (np.repeat(np.arange(n), 30), word.ravel()))
    return sparse.csr_array(entries, shape=(n, d)), y


def binary_labels(X):
    logits = X @ RNG.normal(size=X.shape[1])
    return (logits + RNG.logistic(size=X.shape[0]) > 0).astype(int)


@pytest.mark.parametrize("C", [1, 100])
@pytest.mark.parametrize("n_levels", [(400, 100), (3000, 1000, 500)])
def test_one_hot_levels_however_rare_do_not_fool_the_estimate(C, n_levels):
    # the levels of each variable sum to the intercept: directions that only the
    # penalty sees
    X = one_hot(20_000, *n_levels)
    y = binary_labels(X)
    model = BinaryLogReg(C=C).fit(X, y)
    exact = BinaryLogReg(C=C, tol=1e-13, max_iter=5000).fit(X, y)
    best = exact.loss_curve_.min()
    assert exact.duality_gap_ < 1e-9 * best
    gap = (model.loss_curve_[-1] - best) / best
    assert gap <= 3 * model.suboptimality_ + 1e-12
    assert gap <= 1e-8


@pytest.mark.parametrize("shape", [(500, 40), (300, 800)])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_dense_and_sparse_data_have_one_optimum(shape, n_classes):
    X = sparse.random_array(shape, density=0.1, rng=RNG, format="csr")
    y = np.arange(shape[0]) % n_classes
    estimator = BinaryLogReg if n_classes == 2 else SoftmaxReg
    of_sparse = estimator().fit(X, y)
    of_dense = estimator().fit(X.toarray(), y)
    assert_allclose(of_sparse.loss_curve_[-1], of_dense.loss_curve_[-1], rtol=1e-7)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("products_per_pair", [0, np.inf])
def test_the_cheapest_squares_give_one_hessian(
    products_per_pair, dtype, fit_intercept, monkeypatch
):
    monkeypatch.setattr(
        "skxent.model.row_products.PRODUCTS_PER_PAIR", products_per_pair
    )
    X = one_hot(500, 30, 10).astype(dtype)
    X.data *= RNG.uniform(0.5, 2, X.nnz).astype(dtype)
    s = RNG.uniform(0, 2, 500)
    objective = CrossEntropyObjective(
        X, binary_labels(X), s, fit_intercept=fit_intercept
    )
    params = RNG.normal(size=objective.n_params)
    rows = X.toarray().astype(np.float64)
    if fit_intercept:
        rows = np.column_stack([rows, np.ones(len(rows))])
    p = 1 / (1 + np.exp(-rows @ params))
    expected = (rows.T * (s * p * (1 - p) / s.sum())) @ rows
    assert_allclose(
        hessian_of_loss(objective, params), expected, rtol=1e-10, atol=1e-15
    )


@pytest.mark.parametrize("index_type", [np.int32, np.int64])
def test_a_read_only_memory_map_is_fitted_in_place(tmp_path, index_type):
    X, y = words(2000, 500, 3)
    X.sum_duplicates()
    parts = []
    for name, dtype in [
        ("data", X.dtype),
        ("indices", index_type),
        ("indptr", index_type),
    ]:
        np.save(tmp_path / name, getattr(X, name).astype(dtype))
        parts.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    mapped = sparse.csr_array(tuple(parts), shape=X.shape, copy=False)
    assert not mapped.data.flags.writeable
    assert_allclose(
        SoftmaxReg().fit(mapped, y).coef_, SoftmaxReg().fit(X, y).coef_, atol=1e-12
    )


def test_memory_for_many_classes_of_many_words_is_that_of_a_few_coefs():
    # SciPy's L-BFGS-B alone holds some 20 vectors of the size of coef_.
    X, y = words(2000, 60_000, 20)
    objective = CrossEntropyObjective(X, y)
    tracemalloc.start()
    try:
        solution = minimise(objective, objective.initial_point(), tol=1e-6, max_iter=9)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(solution.loss_curve) > 5
    assert peak <= 40 * solution.params.nbytes
