"""Data in files that are mapped into memory: fitted where they are, without a copy."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from threadpoolctl import threadpool_limits

from skxent import BinaryLogReg, SoftmaxReg
from skxent.data.blocks import RowBlocks, is_memory_mapped
from skxent.data.in_memory import InMemoryRows
from skxent.data.weights import class_sums

N_ROWS, N_FEATURES = 60_000, 30
# What a fit may allocate, beside the file: blocks and their products, but no copy of X.
BUDGET = 5 * 2**20


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr("skxent.data.blocks.BLOCK_BYTES", 2**17)
    monkeypatch.setattr("skxent.data.blocks.SMALL_BYTES", 2**17)


def some_data(K, dtype, far=0.0):
    rng = np.random.default_rng(K)
    X = rng.normal(far, 1, size=(N_ROWS, N_FEATURES)).astype(dtype)
    z = (X[:, :K] - far) @ rng.normal(size=(K, K))
    return X, (z + rng.gumbel(size=z.shape)).argmax(axis=1)


def mapped(X, folder, offset=0):
    """Return X as a map of a file, whose numbers begin after ``offset`` bytes."""
    file = folder / f"{len(list(folder.iterdir()))}.bin"
    with open(file, "wb") as f:
        f.write(bytes(offset))
        X.tofile(f)
    return np.memmap(file, X.dtype, "r", offset, X.shape)


def mapped_csr(X, folder):
    parts = tuple(mapped(a, folder) for a in (X.data, X.indices, X.indptr))
    return sparse.csr_array(parts, shape=X.shape, copy=False)


def peak_of(function):
    """Return what a function returns, and the most memory that it had allocated."""
    tracemalloc.start()
    try:
        result = function()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_map_is_recognised_behind_views(tmp_path):
    X = np.arange(12.0).reshape(4, 3)
    on_disk = mapped(X, tmp_path)
    assert is_memory_mapped(on_disk)
    assert is_memory_mapped(np.asarray(on_disk)[1:, ::2])
    assert is_memory_mapped(mapped_csr(sparse.csr_array(X), tmp_path))
    assert not is_memory_mapped(X)
    assert not is_memory_mapped(sparse.csr_array(X))
    assert not is_memory_mapped(np.array(on_disk))


@pytest.mark.parametrize(("Estimator", "K"), [(BinaryLogReg, 2), (SoftmaxReg, 3)])
@pytest.mark.parametrize(
    ("dtype", "offset", "far"),
    [
        (np.float32, 0, 0.0),
        (np.float64, 0, 1e6),
        (np.float64, 3, 0.0),
        (np.float32, 1, 0.0),
    ],
)
def test_a_file_is_fitted_without_a_copy(Estimator, K, dtype, offset, far, tmp_path):
    X, y = some_data(K, dtype, far)
    on_disk = mapped(X, tmp_path, offset)
    model, peak = peak_of(lambda: Estimator().fit(on_disk, y))
    expected = Estimator().fit(X, y)
    assert model.converged_
    assert model.n_evals_ == expected.n_evals_
    assert_allclose(model.coef_, expected.coef_, rtol=1e-5, atol=1e-7)
    assert peak < BUDGET < X.nbytes


def test_threads_read_a_file_side_by_side(tmp_path):
    X, y = some_data(2, np.float64)
    rows = InMemoryRows(mapped(X, tmp_path), y)
    starts = []
    with threadpool_limits(2, user_api="blas"), rows.threads():
        rows.map_reduce(lambda block: starts.append(block.start), work=1000)
    step = sorted(starts)[1]
    assert sorted(starts) == list(range(0, N_ROWS, step))
    with threadpool_limits(1, user_api="blas"), rows.threads():
        starts.clear()
        rows.map_reduce(lambda block: starts.append(block.start), work=1000)
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    "params",
    [
        {"l1_ratio": 1.0, "C": 1e-3},
        {"bounds": (0, None)},
        {"class_weight": "balanced", "fit_intercept": False},
    ],
    ids=str,
)
def test_some_columns_of_a_file_are_read_without_a_copy(params, tmp_path):
    X, y = some_data(2, np.float64)
    X = np.tile(X, (1, 4))[: N_ROWS // 3]
    X += np.random.default_rng(1).normal(size=X.shape)
    y = y[: len(X)]
    model, peak = peak_of(lambda: BinaryLogReg(**params).fit(mapped(X, tmp_path), y))
    expected = BinaryLogReg(**params).fit(X, y)
    assert_allclose(model.coef_, expected.coef_, atol=1e-6)
    assert peak < BUDGET < X.nbytes / 3


def test_columns_of_a_file_are_those_of_an_array(tmp_path):
    X = np.arange(60.0).reshape(12, 5)
    for columns in ([3, 0], [1], [4, 4, 2]):
        columns = np.array(columns)
        blocks = RowBlocks(mapped(X, tmp_path), np.arange(5.0)).with_columns(columns)
        assert blocks.shape == (12, len(columns))
        expected = (X - np.arange(5.0))[:, columns]
        assert_array_equal(blocks.take(slice(2, 9)), expected[2:9])
        twice = blocks.with_columns(np.array([0]))
        assert_array_equal(twice.take(slice(0, 12)), expected[:, :1])


def test_more_columns_than_rows_are_solved_in_their_row_space(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 500)), np.arange(60) % 2
    model = BinaryLogReg().fit(mapped(X, tmp_path), y)
    assert_allclose(model.coef_, BinaryLogReg().fit(X, y).coef_, atol=1e-7)


def test_sparse_rows_in_files_are_fitted_without_a_copy(tmp_path):
    rng = np.random.default_rng(0)
    X = sparse.random_array((N_ROWS, 200), density=0.1, rng=rng, format="csr")
    y = (X[:, :20].sum(axis=1) + rng.normal(size=N_ROWS) > 1).astype(int)
    on_disk = mapped_csr(X, tmp_path)
    model, peak = peak_of(lambda: BinaryLogReg().fit(on_disk, y))
    assert_allclose(model.coef_, BinaryLogReg().fit(X, y).coef_, atol=1e-7)
    assert peak < BUDGET < X.data.nbytes + X.indices.nbytes


def test_rows_held_out_stay_in_the_file(tmp_path):
    X, y = some_data(2, np.float64)
    s = np.random.default_rng(0).uniform(0, 2, len(y)).round()
    params = {"early_stopping": True, "random_state": 0, "max_iter": 4, "tol": 1e-3}
    for weights in (None, s):
        fit = BinaryLogReg(**params).fit
        expected = BinaryLogReg(**params).fit(X, y, weights)
        # B023: it is called at once
        model, peak = peak_of(lambda: fit(mapped(X, tmp_path), y, weights))  # noqa: B023
        assert_allclose(
            model.validation_scores_[-1], expected.validation_scores_[-1], rtol=1e-4
        )
        assert peak < BUDGET


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("offset", [0, 3])
def test_numbers_in_a_file_have_to_be_finite(bad, offset, tmp_path):
    X, y = some_data(2, np.float64)
    X[-1, -1] = bad
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        BinaryLogReg().fit(mapped(X, tmp_path, offset), y)
    X[-1, -1] = 1e150
    with pytest.raises(ValueError, match="magnitude"):
        BinaryLogReg().fit(mapped(np.repeat(X[-9:], 9, axis=0), tmp_path), y[:81])


@pytest.mark.parametrize("K", [2, 128, 129])
@pytest.mark.parametrize("n_rows", [20, 300])
def test_small_codes_do_not_overflow(K, n_rows, monkeypatch):
    """Codes take one byte up to 128 classes: products of them need more."""
    monkeypatch.setattr("skxent.classifiers.validation.ENCODED_ROWS", n_rows)
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(K) * 3 - 5, 4)
    X = rng.normal(size=(len(y), 3)) + y[:, None] / K
    model = SoftmaxReg(C=0.1).fit(X, y)
    assert_array_equal(model.classes_, np.unique(y))
    proba = model.predict_proba(X)
    # intercepts have no penalty: the mean probability of a class is its frequency
    assert_allclose(proba.mean(axis=0), 1 / K, rtol=1e-4)


def test_class_sums_are_those_of_numpy(monkeypatch):
    monkeypatch.setattr("skxent.data.weights.SUMMED_ROWS", 7)
    rng = np.random.default_rng(0)
    codes, s, q = rng.integers(3, size=40), rng.random(40), rng.random((40, 3))
    assert_allclose(class_sums(codes, s, 3), np.bincount(codes, s))
    assert_allclose(
        class_sums(codes.astype(np.int8), None, 4), [*np.bincount(codes), 0]
    )
    assert_allclose(class_sums(q, s, 3), s @ q)
    assert_allclose(class_sums(q, None, 3), q.sum(axis=0))
