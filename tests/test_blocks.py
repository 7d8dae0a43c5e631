"""Row blocks: they cover X, copy nothing, and threads change nothing."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from threadpoolctl import threadpool_info, threadpool_limits

from skxent import CrossEntropyObjective
from skxent.data.blocks import BLOCK_BYTES, RowBlocks, far_center

RNG = np.random.default_rng(0)


def one_entry_a_row(n, d):
    return sparse.csr_array((np.ones(n), (np.arange(n), np.arange(n) % d)))


@pytest.mark.parametrize("X", [np.ones((100_000, 20)), one_entry_a_row(100_000, 20)])
def test_blocks_are_views_that_cover_all_rows(X):
    blocks = RowBlocks(X)
    slices = list(blocks.slices())
    assert len(slices) > 1
    assert slices[0].start == 0
    assert slices[-1].stop == X.shape[0]
    assert all(a.stop == b.start for a, b in pairwise(slices))
    for rows in slices:
        block = blocks.take(rows)
        values, whole = (block.data, X.data) if sparse.issparse(X) else (block, X)
        assert np.shares_memory(values, whole)
        assert values.nbytes <= BLOCK_BYTES


@pytest.mark.parametrize("convert", [np.array, sparse.csr_matrix, sparse.csr_array])
def test_rows_are_taken_by_slice_and_by_number(convert):
    dense = RNG.standard_normal((30, 4))
    blocks = RowBlocks(convert(dense))
    for rows in (slice(3, 9), np.array([7, 2, 2])):
        block = blocks.take(rows)
        block = block.toarray() if sparse.issparse(block) else block
        assert_array_equal(block, dense[rows])


@pytest.mark.parametrize(
    "convert",
    [np.array, np.asfortranarray, sparse.csr_matrix, sparse.csr_array],
)
@pytest.mark.parametrize("max_csc_bytes", [0, 2**30])
def test_columns_are_those_of_X_and_may_be_chosen_again(
    convert, max_csc_bytes, monkeypatch
):
    monkeypatch.setattr("skxent.data.blocks.MAX_CSC_BYTES", max_csc_bytes)
    dense = RNG.integers(0, 3, (20, 12)).astype(np.float64)
    blocks = RowBlocks(convert(dense))

    def rows_of(some, rows):
        block = some.take(rows)
        return block.toarray() if sparse.issparse(block) else block

    for columns in ([7, 2, 9], [3], list(range(12))):
        some = blocks.with_columns(np.array(columns))
        assert_array_equal(rows_of(some, slice(4, 17)), dense[4:17, columns])
        # a column of these, not of X
        one = some.with_columns(np.array([0]))
        assert_array_equal(rows_of(one, slice(0, 20)), dense[:, columns[:1]])
    assert_array_equal(rows_of(blocks, slice(0, 20)), dense)


def test_the_center_is_subtracted_from_blocks_but_not_from_X():
    X = RNG.standard_normal((10, 3))
    before = X.copy()
    block = RowBlocks(X, center=[1, 2, 3]).take(slice(2, 5))
    assert_allclose(block, before[2:5] - [1, 2, 3])
    assert_array_equal(X, before)


def test_a_block_of_a_wide_sparse_X_has_entries_for_its_columns():
    assert len(list(RowBlocks(one_entry_a_row(100_000, 100_000)).slices())) == 1
    assert len(list(RowBlocks(one_entry_a_row(100_000, 1000)).slices())) > 1


def objective_of_many_blocks(n_classes=3):
    n, d = 150_000, 20
    X = RNG.standard_normal((n, d))
    return CrossEntropyObjective(X, np.arange(n) % n_classes)


def test_threads_change_only_the_order_of_the_sum():
    objective = objective_of_many_blocks()
    params = np.linspace(-1, 1, objective.n_params)
    alone = objective.value_and_gradient(params)
    with (
        threadpool_limits(2, user_api="blas"),
        objective.rows.threads(),
    ):
        together = objective.value_and_gradient(params)
        again = objective.value_and_gradient(params)
    for a, b, c in zip(alone, together, again, strict=True):
        assert_allclose(a, b, rtol=1e-12, atol=1e-15)
        assert_array_equal(b, c)  # the shares are fixed


def blas_threads():
    return {
        lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"
    }


@pytest.mark.parametrize("n_threads", [1, 2])
def test_blas_gives_its_threads_to_the_blocks_and_gets_them_back(n_threads):
    objective = objective_of_many_blocks()
    with threadpool_limits(n_threads, user_api="blas"):
        before = blas_threads()
        with objective.rows.threads():
            assert blas_threads() == {1}
            used = objective.rows.map(lambda _: 1, range(5), work=1e9)
        assert used == [1] * 5
        assert blas_threads() == before


def test_threads_are_returned_after_an_error():
    objective = objective_of_many_blocks()
    before = blas_threads()
    with pytest.raises(KeyboardInterrupt), objective.rows.threads():
        raise KeyboardInterrupt
    assert blas_threads() == before
    assert np.isfinite(objective.value_and_gradient(objective.initial_point())[0])


def test_far_center_finds_the_columns_that_would_cancel():
    X = RNG.normal([0, 1e6, 0, 30], 1, (5000, 4))
    X[:, 2] = 1e8
    assert_allclose(far_center(X), [0, 1e6, 1e8, 0], rtol=1e-5)
    assert far_center(X[:, [0, 3]]) is None
    assert far_center(np.column_stack([X[:, 0], np.ones(len(X))])) is None
    assert far_center(sparse.csr_matrix(X)) is None
    # float32 has fewer digits to lose
    assert_allclose(far_center(np.float32(X + 70))[[0, 3]], [70, 100], rtol=0.1)


def test_computed_blocks_share_memory_in_a_thread_and_samples_do_not():
    X = RNG.standard_normal((60, 3)) + 100
    blocks = RowBlocks(X, np.full(3, 100.0))
    sample = blocks.take(blocks.spread()).copy(), blocks.take(blocks.spread())
    first = blocks.take(slice(0, 30))
    assert_array_equal(first, X[:30] - 100)
    second = blocks.take(slice(30, 60))
    assert np.shares_memory(first, second)
    assert_array_equal(second, X[30:] - 100)
    some = blocks.take(np.array([4, 5]))
    assert not np.shares_memory(some, second)
    assert_array_equal(*sample)
    with ThreadPoolExecutor(1) as executor:
        other = executor.submit(blocks.take, slice(0, 30)).result()
    assert not np.shares_memory(other, second)
    copied = pickle.loads(pickle.dumps(blocks))
    assert_array_equal(copied.take(slice(0, 30)), X[:30] - 100)


def test_float32_minus_a_center_is_float64_where_blocks_are():
    X = (RNG.standard_normal((50, 2)) + 1e4).astype(np.float32)
    center = np.array([1e4 + 0.1, 1e4 - 0.3])
    blocks = RowBlocks(X, center).in_float64()
    exact = X.astype(np.float64) - blocks.center.astype(np.float64)
    for rows in (slice(0, 50), np.arange(50)):
        block = blocks.take(rows)
        assert block.dtype == np.float64
        assert_array_equal(block, exact)
