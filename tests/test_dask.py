"""Dask collections: the same answers as in memory, wherever the rows are.

The laws run with Dask's synchronous scheduler. `tests/test_dask_cluster.py` has what
needs other processes.
"""

import pickle
import subprocess
import sys

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from dask import bag
from dask.callbacks import Callback
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, KFold

import skxent
from skxent import dask as skxent_dask
from skxent.classifiers import dask_facts
from skxent.classifiers.dask_facts import floating_part
from skxent.classifiers.dask_hold_out import HoldOut
from skxent.data import dask_rows
from skxent.data.dask_engine import Engine
from skxent.data.dask_rows import RestOfPart
from skxent.data.rows import Rows

N, D = 900, 5
MODELS = {
    "binary": (skxent_dask.BinaryLogReg, skxent.BinaryLogReg, 2),
    "softmax": (skxent_dask.SoftmaxReg, skxent.SoftmaxReg, 3),
}
models = pytest.mark.parametrize(
    ("OnDask", "Local", "K"), MODELS.values(), ids=list(MODELS)
)
TIGHT = {"tol": 1e-12, "max_iter": 200}


@pytest.fixture(autouse=True)
def synchronous():
    with dask.config.set(scheduler="synchronous"):
        yield


def some_data(K, seed=0):
    rng = np.random.default_rng(seed)
    scale = 10.0 ** np.arange(-2, D - 2)
    X = rng.normal(size=(N, D)) * scale
    z = X / scale @ rng.normal(size=(D, K))
    y = (z + rng.gumbel(size=(N, K))).argmax(axis=1)
    return X, y


def on_dask(values, chunks=250):
    if values is None:
        return None
    return da.from_array(values, chunks=(chunks, *values.shape[1:]))


def unknown(array):
    """Return a Dask array whose chunk sizes are not known."""
    array = on_dask(array)
    return array[da.from_array(np.ones(N, bool), chunks=250)]


def assert_same_fit(model, expected, rtol=1e-6):
    assert model.converged_
    scale = abs(expected.coef_).max(axis=0)
    scale[scale == 0] = 1
    assert_allclose(model.coef_ / scale, expected.coef_ / scale, atol=rtol)
    assert_allclose(model.intercept_, expected.intercept_, atol=10 * rtol)
    assert model.loss_curve_[-1] == pytest.approx(expected.loss_curve_[-1], rel=1e-10)
    assert_array_equal(model.classes_, expected.classes_)


# --- the same answer as in memory ------------------------------------------------


@models
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"C": np.inf},
        {"fit_intercept": False},
        {"class_weight": "balanced"},
        {"label_smoothing": 0.1},
        {"l1_ratio": 1.0, "C": 0.1},
        {"l1_ratio": 0.5, "C": 0.05, "bounds": (0, None)},
        {"bounds": (-0.1, 0.2), "penalty_weights": np.arange(1.0, D + 1)},
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weights and offset"])
def test_the_fit_is_that_in_memory(OnDask, Local, K, params, weighted):
    X, y = some_data(K)
    s = offset = None
    if weighted:
        rng = np.random.default_rng(1)
        s = rng.integers(0, 4, N).astype(float)
        offset = rng.normal(size=N if K == 2 else (N, K))
    expected = Local(**params, **TIGHT).fit(X, y, s, offset)
    parts = [on_dask(part) for part in (X, y, s, offset)]
    assert_same_fit(OnDask(**params, **TIGHT).fit(*parts), expected)


@models
@pytest.mark.parametrize(
    "y_of",
    [
        lambda y: np.array(["no", "yes", "maybe"], dtype=object)[y],
        lambda y: np.array([2.0, -1.0, 7.0])[y],
        lambda y: y == 1,
        lambda y: y.reshape(-1, 1),
        lambda y: np.eye(y.max() + 1)[y],
        lambda y: 0.8 * np.eye(y.max() + 1)[y] + 0.2 / (y.max() + 1),
    ],
    ids=["text", "floats", "booleans", "column", "one-hot", "soft"],
)
def test_labels_of_all_kinds(OnDask, Local, K, y_of):
    X, y = some_data(K)
    y = y_of(y)
    expected = Local(**TIGHT).fit(X, y[:, 0] if y.shape[1:] == (1,) else y)
    model = OnDask(**TIGHT).fit(on_dask(X), on_dask(y))
    assert_same_fit(model, expected)
    assert model.classes_.dtype == expected.classes_.dtype


def parts_of_other_lengths(X, y, s):
    return on_dask(X, 250), on_dask(y, 100), on_dask(s, N)


def columns_in_chunks(X, y, s):
    return da.from_array(X, chunks=(300, 2)), on_dask(y, 300), on_dask(s, 300)


def lengths_unknown(X, y, s):
    return unknown(X), unknown(y), unknown(s)


def some_lengths_unknown(X, y, s):
    return unknown(X), on_dask(y, 250), on_dask(s, 400)


def empty_parts(X, y, s):
    def emptied(values):
        pieces = [on_dask(values[:0]), on_dask(values), on_dask(values[:0])]
        return da.concatenate(pieces)

    return emptied(X), emptied(y), emptied(s)


def single_rows(X, y, s):
    chunks = (1, 1, 1, N - 4, 1)
    return tuple(da.from_array(a, chunks=(chunks, *a.shape[1:])) for a in (X, y, s))


def float32_in_some_parts(X, y, s):
    def convert(block, block_info=None):
        first = block_info[0]["chunk-location"][0] == 0
        return block.astype(np.float32).astype(np.float32 if first else np.float64)

    X = on_dask(X).map_blocks(convert, meta=np.empty((0, D)))
    return X, on_dask(y), on_dask(s)


def csr_parts(X, y, s):
    return on_dask(X).map_blocks(sparse.csr_array), on_dask(y), on_dask(s)


def dataframes(X, y, s):
    frame = pd.DataFrame(X, columns=list("abcde")).assign(y=y, s=s)
    frame = dd.from_pandas(frame, npartitions=4)
    return frame[list("abcde")], frame.y, frame.s


def frames_divided_elsewhere(X, y, s):
    frame = pd.DataFrame(X, columns=list("abcde"))
    series = [pd.Series(a) for a in (y, s)]
    y, s = (
        dd.from_pandas(a, npartitions=n) for a, n in zip(series, (3, 7), strict=True)
    )
    return dd.from_pandas(frame, npartitions=4), y, s


def frame_and_arrays(X, y, s):
    frame = dd.from_pandas(pd.DataFrame(X, columns=list("abcde")), npartitions=4)
    return frame, on_dask(y, 300), on_dask(s, 200)


@models
@pytest.mark.parametrize(
    "arrange",
    [
        parts_of_other_lengths,
        columns_in_chunks,
        lengths_unknown,
        some_lengths_unknown,
        empty_parts,
        single_rows,
        float32_in_some_parts,
        csr_parts,
        dataframes,
        frames_divided_elsewhere,
        frame_and_arrays,
    ],
)
def test_partitions_of_all_kinds(OnDask, Local, K, arrange):
    X, y = some_data(K)
    order = np.argsort(y, kind="stable")  # most partitions have one class only
    X, y = X[order], y[order]
    s = np.random.default_rng(2).uniform(0.5, 2, N)
    given = arrange(X, y, s)
    if arrange is float32_in_some_parts:
        X = given[0].compute()
    model = OnDask(**TIGHT).fit(*given)
    assert_same_fit(model, Local(**TIGHT).fit(X, y, s))
    assert model.n_features_in_ == D
    has_names = hasattr(given[0], "columns")
    assert has_names == hasattr(model, "feature_names_in_")
    if has_names:
        assert list(model.feature_names_in_) == list("abcde")
    assert_allclose(
        model.decision_function(given[0]).compute(),
        model.to_local().decision_function(X)
        if not has_names
        else model.to_local().decision_function(given[0].compute()),
        rtol=1e-12,
    )


@models
def test_columns_far_from_zero_are_centred(OnDask, Local, K):
    X, y = some_data(K)
    X = X + 1e9
    assert_same_fit(OnDask().fit(on_dask(X), on_dask(y)), Local().fit(X, y), rtol=1e-3)


def test_tasks_use_the_memory_of_blocks_again():
    X, y = some_data(2)
    # far from 0: each block is X minus a center
    data = skxent_dask.BinaryLogReg()._check_data(
        on_dask(X + 1e6), on_dask(y), None, None
    )
    rows = data.rows(centred=True)
    assert rows.center is not None
    # Each thread has memory of its own, which grows with the largest block so far. Dask
    # may begin with the smallest one, so only the second pass has to stay in one place.
    with dask.config.set(scheduler="synchronous"):
        for _ in range(2):
            addresses = rows.map_blocks(
                lambda block: block.X.ctypes.data, width=1, work=1
            )
    assert len(addresses) > 1
    assert len(set(addresses)) == 1
    data.close()


@models
def test_float32_is_read_in_float32(OnDask, Local, K, monkeypatch):
    monkeypatch.setattr("skxent.data.blocks.SMALL_BYTES", 0)
    seen = set()
    partition = dask_rows.View.partition

    def noting(self, *args):
        seen.add(self.dtype)
        return partition(self, *args)

    monkeypatch.setattr(dask_rows.View, "partition", noting)
    X, y = some_data(K)
    X = X.astype(np.float32)
    model = OnDask().fit(on_dask(X), on_dask(y))
    assert np.dtype(np.float32) in seen
    assert_same_fit(model, Local().fit(X, y), rtol=1e-3)


def test_the_hessian_of_sampled_rows_is_a_sum(monkeypatch):
    """With many rows, the Hessian has a sample of rows: none of them come back."""
    monkeypatch.setattr("skxent.data.blocks.MAX_BLOCK_ROWS", 256)

    def forbidden(*args, **kwargs):
        raise AssertionError("rows would come to the client")

    monkeypatch.setattr(dask_rows.DaskRows, "map_blocks", forbidden)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 12))
    y = (X[:, :4] + rng.gumbel(size=(20_000, 4))).argmax(axis=1)
    model = skxent_dask.SoftmaxReg().fit(
        da.from_array(X, chunks=(3000, -1)), da.from_array(y, chunks=3000)
    )
    assert_same_fit(model, skxent.SoftmaxReg().fit(X, y), rtol=1e-3)


def test_more_columns_than_rows():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 90)), np.arange(40) % 2
    given = da.from_array(X, chunks=(15, -1)), da.from_array(y, chunks=15)
    model = skxent_dask.BinaryLogReg(**TIGHT).fit(*given)
    assert_same_fit(model, skxent.BinaryLogReg(**TIGHT).fit(X, y))


def test_a_working_set_reads_some_of_the_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 250))
    y = (X[:, :3].sum(axis=1) + rng.normal(size=300) > 0).astype(int)
    given = da.from_array(X, chunks=(80, -1)), da.from_array(y, chunks=80)
    params = {"l1_ratio": 1.0, "C": 0.1, **TIGHT}
    model = skxent_dask.BinaryLogReg(**params).fit(*given)
    expected = skxent.BinaryLogReg(**params).fit(X, y)
    assert model.loss_curve_[-1] == pytest.approx(expected.loss_curve_[-1], rel=1e-10)
    assert_array_equal(model.coef_ != 0, expected.coef_ != 0)


@models
def test_a_warm_start_needs_few_passes(OnDask, Local, K):
    X, y = (on_dask(a) for a in some_data(K))
    model = OnDask(warm_start=True).fit(X, y)
    cold = model.n_evals_
    assert model.fit(X, y).n_evals_ < cold


@pytest.mark.parametrize("persist", [True, False, "auto"])
def test_persisting_changes_nothing_but_the_reads(persist):
    X, y = some_data(2)
    n_read = []

    def read(block):
        n_read.append(len(block))
        return block

    lazy = on_dask(X).map_blocks(read, meta=np.empty((0, D)))
    model = skxent_dask.BinaryLogReg(persist=persist).fit(lazy, on_dask(y))
    expected = skxent.BinaryLogReg().fit(X, y)
    assert_same_fit(model, expected, rtol=1e-5)
    passes = sum(n_read) / N
    if persist is False:
        # each evaluation reads all rows, and so do checks and Hessians
        assert passes > model.n_evals_
    else:
        assert passes == 1


def test_nothing_depends_on_the_scheduler():
    X, y = (on_dask(a) for a in some_data(3))
    coefs = []
    for scheduler in ("synchronous", "threads"):
        with dask.config.set(scheduler=scheduler):
            coefs.append(skxent_dask.SoftmaxReg().fit(X, y).coef_)
    assert_array_equal(*coefs)


# --- early stopping --------------------------------------------------------------


@models
@pytest.mark.parametrize("soft", [False, True])
def test_early_stopping_ends_at_its_best_score(OnDask, Local, K, soft):
    X, y = some_data(K)
    y = np.eye(K)[y] * 0.9 + 0.1 / K if soft else y
    s = np.random.default_rng(0).integers(0, 3, N).astype(float)
    params = {"early_stopping": True, "random_state": 3, "C": np.inf}
    model = OnDask(**params).fit(on_dask(X), on_dask(y), on_dask(s))
    assert model.best_validation_score_ == model.validation_scores_.max()
    again = OnDask(**params).fit(on_dask(X, 77), on_dask(y, 90), on_dask(s, N))
    assert_allclose(again.validation_scores_, model.validation_scores_, rtol=1e-6)
    # the rows that were held out say so themselves
    data = model._check_data(on_dask(X), on_dask(y), on_dask(s), None)
    train, held_out = model._hold_out(data)
    assert train.n_samples + held_out.n_samples == np.count_nonzero(s)
    assert held_out.n_samples == pytest.approx(0.1 * np.count_nonzero(s), abs=K)
    fit = model._objective(train, np.inf, 0.0)
    loss = model._mean_loss(fit, held_out)
    params = fit.pack(model.coef_, model.intercept_)
    score = -loss.evaluate(params).value
    assert score == pytest.approx(model.best_validation_score_, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_held_out_are_the_same_in_all_partitions(weighted):
    rng = np.random.default_rng(0)
    codes = rng.choice(3, size=2000, p=[0.6, 0.39, 0.01]).astype(np.int8)
    weights = rng.integers(0, 2, 2000) * 1.0 if weighted else None
    counted = np.ones(2000, bool) if weights is None else weights > 0
    counts = np.bincount(codes[counted])
    n_held_out = np.maximum(1, counts // 7)
    hold_out = HoldOut(5, counts, n_held_out)

    def held_out(cuts):
        found, ranks = [], np.zeros(3, int)
        for a, b in zip([0, *cuts], [*cuts, 2000], strict=True):
            s = None if weights is None else weights[a:b]
            rest = RestOfPart(codes[a:b], s, None, a)
            train, validate = hold_out.split(rest, ranks)
            both = np.concatenate([train.rows, validate.rows])
            assert_array_equal(np.sort(both), np.flatnonzero(counted[a:b]))
            found.append(a + validate.rows)
            ranks = ranks + np.bincount(codes[a:b][counted[a:b]], minlength=3)
        return np.sort(np.concatenate(found))

    whole = held_out([])
    assert_array_equal(np.bincount(codes[whole]), n_held_out)
    for cuts in ([1000], [1, 2, 3], list(range(13, 2000, 13))):
        assert_array_equal(held_out(cuts), whole)
    other = HoldOut(6, counts, n_held_out).split(
        RestOfPart(codes, weights, None, 0), np.zeros(3, int)
    )[1]
    assert len(np.intersect1d(other.rows, whole)) < len(whole) / 2
    # they are spread: neither at the start nor at the end of the rows
    assert 800 < whole.mean() < 1200


# --- predictions -----------------------------------------------------------------


def assert_same(result, expected):
    if expected.dtype == object:
        assert_array_equal(result, expected)
    else:
        assert_allclose(result, expected, rtol=1e-12, atol=1e-14)


@models
@pytest.mark.parametrize("kind", ["array", "unknown", "frame", "csr"])
def test_predictions_are_lazy_and_those_in_memory(OnDask, Local, K, kind):
    X, y = some_data(K)
    rng = np.random.default_rng(0)
    offset = rng.normal(size=N if K == 2 else (N, K))
    s = rng.uniform(size=N)
    labels = np.array(["a", "b", "c"], dtype=object)[y]
    given = {
        "array": lambda: on_dask(X),
        "unknown": lambda: unknown(X),
        "frame": lambda: dd.from_pandas(
            pd.DataFrame(X, columns=list("abcde")), npartitions=4, sort=False
        ),
        "csr": lambda: on_dask(X).map_blocks(sparse.csr_array),
    }[kind]()
    frame = pd.DataFrame(X, columns=list("abcde")) if kind == "frame" else X
    chunks = 225 if kind == "frame" else 250
    lazy_offset, lazy_s = on_dask(offset, chunks), on_dask(s, chunks)
    lazy_labels = on_dask(labels, chunks)
    model = OnDask().fit(given, lazy_labels, offset=lazy_offset)
    local = model.to_local()
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        method = getattr(model, name)
        expected = getattr(local, name)
        assert_same(method(given).compute(), expected(frame))
        result = method(given, lazy_offset)
        assert isinstance(result, da.Array)
        assert result.dtype == expected(frame).dtype
        assert result.ndim == expected(frame).ndim
        assert_same(result.compute(), expected(frame, offset))
        assert_array_equal(method(frame), expected(frame))
    proba = local.predict_proba(frame, offset)
    loss = model.log_loss(given, lazy_labels, lazy_s, lazy_offset)
    assert isinstance(loss, da.Array)
    assert float(loss) == pytest.approx(log_loss(labels, proba, sample_weight=s))
    accuracy = model.score(given, lazy_labels, lazy_s, lazy_offset)
    assert accuracy == pytest.approx(
        accuracy_score(labels, local.predict(frame, offset), sample_weight=s)
    )
    assert model.score(frame, labels) == local.score(frame, labels)
    loss = model.log_loss(frame, labels, s, offset)
    assert loss == pytest.approx(log_loss(labels, proba, sample_weight=s))


@models
def test_soft_labels_are_scored(OnDask, Local, K):
    X, y = some_data(K)
    q = np.eye(K)[y] * 0.8 + 0.2 / K
    model = OnDask().fit(on_dask(X), on_dask(q))
    log_proba = model.to_local().predict_log_proba(X)
    loss = float(model.log_loss(on_dask(X), on_dask(q)))
    assert loss == pytest.approx(-(q * log_proba).sum(axis=1).mean(), rel=1e-12)
    assert model.score(on_dask(X), on_dask(q)) == model.to_local().score(X, y)


def test_predictions_of_empty_partitions():
    X, y = some_data(2)
    model = skxent_dask.BinaryLogReg().fit(on_dask(X), on_dask(y))
    few = da.concatenate([on_dask(X[:0]), on_dask(X[:3])])
    assert model.predict_proba(few).compute().shape == (3, 2)
    assert model.predict(few[:0]).compute().shape == (0,)
    loss = float(model.log_loss(few, da.concatenate([on_dask(y[:0]), on_dask(y[:3])])))
    assert loss == pytest.approx(float(model.log_loss(on_dask(X[:3]), on_dask(y[:3]))))


@pytest.mark.parametrize("method", ["log_loss", "score"])
def test_lengths_that_differ_are_refused_where_dask_does_not_know_them(method):
    X, y = some_data(2)
    model = skxent_dask.BinaryLogReg().fit(on_dask(X), on_dask(y))
    fewer = on_dask(y)[da.from_array(np.arange(N) > 0, chunks=250)]
    with pytest.raises(ValueError, match="of X has 250 rows, and that of y has 249"):
        float(getattr(model, method)(unknown(X), fewer))
    s = on_dask(np.ones(N))[da.from_array(np.arange(N) > 0, chunks=250)]
    with pytest.raises(ValueError, match="and that of sample_weight has 249"):
        float(getattr(model, method)(unknown(X), unknown(y), s))
    with pytest.raises(ValueError, match="of X has 900 rows, and that of y has 3"):
        skxent_dask.BinaryLogReg.log_loss(model, X.tolist(), y[:3])


def test_a_search_over_dask_arrays_has_the_scores_of_one_in_memory():
    X, y = some_data(2)
    grid, folds = {"C": [1e-6, 1e-3, 1]}, KFold(3)
    lazy = GridSearchCV(skxent_dask.BinaryLogReg(), grid, cv=folds)
    lazy.fit(on_dask(X), on_dask(y))
    expected = GridSearchCV(skxent.BinaryLogReg(), grid, cv=folds).fit(X, y)
    scores = lazy.cv_results_["mean_test_score"]
    assert_allclose(scores, expected.cv_results_["mean_test_score"])
    assert_same_fit(lazy.best_estimator_, expected.best_estimator_, 1e-4)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("rows_of_block", [0, 1, 7, N, 2 * N])
def test_magnitudes_are_those_of_all_blocks(monkeypatch, order, rows_of_block):
    monkeypatch.setattr(dask_facts, "CACHED_ENTRIES", rows_of_block * D)
    X, _ = some_data(2)
    X = np.asarray(X, np.float32, order=order)
    assert_array_equal(dask_facts._magnitudes(X), abs(X).max(axis=0))
    assert_array_equal(dask_facts._magnitudes(X[:0]), np.zeros(D))
    for bad, name in [(np.nan, "NaN"), (-np.inf, "infinity")]:
        X[-1, 3] = bad
        with pytest.raises(ValueError, match=f"Input X contains {name}: in column 3"):
            dask_facts._magnitudes(X)


def test_what_is_no_client_is_refused():
    X, y = some_data(2)
    model = skxent_dask.BinaryLogReg(client="tcp://127.0.0.1:8786")
    with pytest.raises(TypeError, match=r"client='tcp://.*: expected a distributed.Cl"):
        model.fit(on_dask(X), on_dask(y))


def test_an_unknown_label_is_named():
    X, y = some_data(2)
    model = skxent_dask.BinaryLogReg().fit(on_dask(X), on_dask(y))
    with pytest.raises(ValueError, match="y holds the label 7; expected one of"):
        model.log_loss(on_dask(X), on_dask(np.full(N, 7))).compute()
    with pytest.raises(ValueError, match="X has 3 features, but BinaryLogReg is exp"):
        model.predict(on_dask(X[:, :3]))


# --- estimators ------------------------------------------------------------------


@models
def test_the_local_estimator_has_the_same_attributes(OnDask, Local, K):
    X, y = some_data(K)
    model = OnDask(C=0.5, persist=False).fit(on_dask(X), on_dask(y))
    local = model.to_local()
    assert type(local) is Local
    assert local.C == 0.5
    assert set(vars(model)) - set(vars(local)) == {"client", "persist"}
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), local.predict(X))


@models
def test_a_clone_shares_the_client(OnDask, Local, K):
    client = object()
    model = OnDask(client=client, C=3.0, bounds=[0, None])
    copied = clone(model)
    assert copied.client is client
    assert copied.C == 3.0
    assert copied.bounds is not model.bounds
    assert pickle.loads(pickle.dumps(OnDask(client=print))).client is None
    assert set(model.get_params()) == set(Local().get_params()) | {"client", "persist"}
    with pytest.raises(TypeError, match="has no parameter 'n_jobs'"):
        OnDask(n_jobs=2)
    with pytest.raises(ValueError, match="The 'persist' parameter"):
        OnDask(persist="sometimes").fit(None, None)


def test_progress_is_printed(capsys):
    X, y = some_data(2)
    skxent_dask.BinaryLogReg(verbose=2).fit(on_dask(X), on_dask(y))
    printed = capsys.readouterr().out
    assert "900 rows of 5 columns in 4 partitions of Dask, float64" in printed
    skxent_dask.BinaryLogReg(verbose=1).fit(on_dask(X), on_dask(y))
    assert len(capsys.readouterr().out.splitlines()) >= 3


class LossOfIterations:
    """A callback that scores each iteration, and stops the second one."""

    def __init__(self):
        self.losses = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.losses.append(float(fitted_estimator.log_loss(X, y)))
        return len(self.losses) == 2


def test_callbacks_see_each_iteration():
    pytest.importorskip("sklearn.callback", reason="callbacks came with version 1.9")
    X, y = (on_dask(a) for a in some_data(2))
    scores = LossOfIterations()
    model = skxent_dask.BinaryLogReg(C=np.inf).set_callbacks(scores).fit(X, y)
    assert model.n_iter_[0] == 2
    assert not model.converged_
    assert_allclose(scores.losses[:2], model.loss_curve_, rtol=1e-10)
    assert scores.losses[-1] == pytest.approx(float(model.log_loss(X, y)))


def test_tasks_have_names_that_say_what_they_do():
    seen = set()

    class Names(Callback):
        def _pretask(self, key, dsk, state):
            seen.add(dask.utils.key_split(key))

    X, y = some_data(2)
    with Names():
        skxent_dask.BinaryLogReg().fit(on_dask(X), on_dask(y))
    own = {name for name in seen if name.startswith("skxent")}
    assert {
        "skxent-check-X",
        "skxent-facts",
        "skxent-loss-and-gradient",
        "skxent-loss-and-gradient-merge",
        "skxent-loss-gradient-and-hessian",
    } <= own


def test_it_warns_where_the_fit_is_short_of_tol():
    X, y = some_data(2)
    with pytest.warns(ConvergenceWarning, match="max_iter=1") as caught:
        skxent_dask.BinaryLogReg(max_iter=1).fit(on_dask(X), on_dask(y))
    assert caught[0].filename == __file__


# --- what is refused -------------------------------------------------------------


def with_nan(X):
    X = X.copy()
    X[700, 2] = np.nan
    return X


BAD_INPUT = [
    ({"X": with_nan}, ValueError, "Input X contains NaN"),
    ({"X": lambda X: X * np.where(np.arange(D) == 1, 1e200, 1)}, ValueError, "mag"),
    ({"X": lambda X: X.astype(complex)}, ValueError, "Complex data"),
    ({"y": lambda y: np.zeros_like(y)}, ValueError, "y holds 1 class, 0"),
    ({"y": lambda y: y + 0.5}, ValueError, "Unknown label type"),
    ({"y": lambda y: np.where(y == 1, np.nan, y)}, ValueError, "contains NaN"),
    ({"y": lambda y: np.where(y == 1, None, y)}, ValueError, "y holds None in row"),
    ({"y": lambda y: y[:-1]}, ValueError, "numbers of rows: X 900, y 899"),
    ({"y": lambda y: np.full((N, 2), 0.7)}, ValueError, "Row 0 of y sums to 1.4"),
    (
        {"y": lambda y: np.eye(y.max() + 2)[y]},
        ValueError,
        "Only binary classification|has the probability 0",
    ),
    ({"s": lambda s: -s}, ValueError, "negative entry"),
    ({"s": lambda s: s * np.inf}, ValueError, "infinity"),
    ({"s": lambda s: s * 5e307}, ValueError, "sum of sample_weight overflows"),
    ({"s": lambda s: 0 * s}, ValueError, "total sample_weight of zero"),
    ({"offset": lambda o: o * np.nan}, ValueError, "offset holds NaN"),
    ({"offset": lambda o: np.ones((N, 7))}, ValueError, "offset has 7 columns"),
]


@models
@pytest.mark.parametrize(
    ("change", "error", "message"), BAD_INPUT, ids=[case[2] for case in BAD_INPUT]
)
def test_bad_input_is_refused_and_nothing_changes(
    OnDask, Local, K, change, error, message
):
    X, y = some_data(K)
    good = {"X": X, "y": y, "s": np.ones(N) + y, "offset": None}
    model = OnDask().fit(on_dask(X), on_dask(y))
    before = vars(model).copy()
    values = dict(good)
    for name, function in change.items():
        given = np.ones(N) if name == "offset" else good[name]
        values[name] = function(given)
    with pytest.raises(error, match=message):
        model.fit(*(on_dask(value) for value in values.values()))
    assert vars(model) == before


def test_class_weights_need_labels():
    X, y = some_data(2)
    q = np.eye(2)[y] * 0.9 + 0.05
    with pytest.raises(ValueError, match="needs a label for each row"):
        skxent_dask.BinaryLogReg(class_weight="balanced").fit(on_dask(X), on_dask(q))


def test_parts_that_differ_in_length_are_found_by_the_worker():
    X, y = some_data(2)
    keep = np.ones(N, bool)
    keep[3] = False
    fewer = on_dask(y)[on_dask(keep)]
    with pytest.raises(ValueError, match=r"Partition 0 of X has 250 rows.* 249"):
        skxent_dask.BinaryLogReg().fit(unknown(X), fewer)


def test_partitions_of_different_kinds_are_refused():
    X, y = some_data(2)

    def convert(block, block_info=None):
        first = block_info[0]["chunk-location"][0] == 0
        return sparse.csr_array(block) if first else block

    with pytest.raises(ValueError, match="Some partitions of X are sparse"):
        mixed = on_dask(X).map_blocks(convert, meta=np.empty((0, D)))
        skxent_dask.BinaryLogReg().fit(mixed, on_dask(y))
    labels = np.where(np.arange(N) < 300, y, y.astype(str)).astype(object)
    labels[:300] = y[:300]
    with pytest.raises(ValueError, match="numbers as labels, and others strings"):
        skxent_dask.BinaryLogReg().fit(on_dask(X, 300), on_dask(labels, 300))


def test_data_in_memory_are_for_the_other_estimators():
    X, y = some_data(2)
    with pytest.raises(TypeError, match=r"X is no Dask collection, .*ndarray.*skxent"):
        skxent_dask.BinaryLogReg().fit(X, y)
    with pytest.raises(TypeError, match=r"y is no Dask collection.*from_array"):
        skxent_dask.BinaryLogReg().fit(on_dask(X), y)
    with pytest.raises(TypeError, match=r"X is a Dask collection, Array.*skxent\.dask"):
        skxent.BinaryLogReg().fit(on_dask(X), y)
    with pytest.raises(ValueError, match="X has 1 dimension"):
        skxent_dask.BinaryLogReg().fit(on_dask(X[:, 0]), on_dask(y))
    with pytest.raises(TypeError, match="of the type Bag"):
        skxent_dask.BinaryLogReg().fit(bag.from_sequence([1, 2]), on_dask(y))


def test_early_stopping_needs_two_rows_of_each_class():
    X, y = some_data(2)
    y = np.where(np.arange(N) == 5, 1, 0)
    with pytest.raises(ValueError, match="The class 1 has 1 row; expected at least 2"):
        skxent_dask.BinaryLogReg(early_stopping=True).fit(on_dask(X), on_dask(y))


def test_parquet_files_line_up(tmp_path):
    """Dask reads the few bytes of y from several files at once; X it does not."""
    X, y = some_data(2)
    frame = pd.DataFrame(X, columns=list("abcde")).assign(y=y)
    for i in range(5):
        frame[i::5].to_parquet(tmp_path / f"{i}.parquet")
    read = dd.read_parquet(tmp_path)
    order = np.concatenate([np.arange(i, N, 5) for i in range(5)])
    expected = skxent.BinaryLogReg(**TIGHT).fit(X[order], y[order])
    for persist in (True, False):
        model = skxent_dask.BinaryLogReg(persist=persist, **TIGHT)
        assert_same_fit(model.fit(read[list("abcde")], read.y), expected)
    loss = float(model.log_loss(read[list("abcde")], read.y))
    assert loss == pytest.approx(log_loss(y, expected.predict_proba(X)), rel=1e-9)


# --- the rows themselves ---------------------------------------------------------


def rows_of(X, y):
    model = skxent_dask.BinaryLogReg()
    data = model._check_data(on_dask(X), on_dask(y), None, None)
    return data.rows(centred=True)


def test_rows_that_leave_the_client_are_light():
    X, y = some_data(2)
    rows = rows_of(X, y)
    elsewhere = pickle.loads(pickle.dumps(rows))
    assert len(pickle.dumps(rows)) < X.nbytes / 10
    assert elsewhere.n_samples == N
    assert elsewhere.is_sparse is False
    with pytest.raises(RuntimeError, match="has asked for 'sample_X' of all rows"):
        elsewhere.spread()


def test_rows_elsewhere_have_what_the_protocol_lists():
    X, y = some_data(2)
    rows = rows_of(X, y)
    for name in set(vars(Rows)) | set(Rows.__annotations__):
        assert name.startswith("_") or hasattr(rows, name), name
    assert_allclose(rows.column_means(), X.mean(axis=0))
    some = rows.with_columns(np.array([3, 1])).with_columns(np.array([1]))
    assert_allclose(some.column_means(), X[:, 1].mean())
    assert some.n_stored == N
    sums = rows.map_blocks(lambda block: (block.start, block.X.sum()), width=0, work=1)
    assert [start for start, _ in sums] == [0, 250, 500, 750]
    assert sum(total for _, total in sums) == pytest.approx(X.sum())
    assert rows.column_blocks(np.arange(2)) is None
    for use in (lambda: rows.without_row(3), lambda: rows.with_coordinates(X)):
        with pytest.raises(NotImplementedError, match="expected rows in memory"):
            use()


def test_a_sample_is_spread_over_all_rows():
    X, y = np.arange(60_000.0).reshape(-1, 1) * [1, -1], np.arange(60_000) % 2
    given = da.from_array(X, chunks=((50_000, 300, 9_700), 2))
    data = skxent_dask.BinaryLogReg()._check_data(
        given, da.from_array(y, chunks=20_000), None, None
    )
    sample = data.rows(centred=False).spread().X[:, 0]
    assert 900 < len(sample) < 2100
    assert np.diff(sample).max() <= 4 * np.median(np.diff(sample))


def test_what_fits_is_persisted():
    assert Engine().fits(1e6)
    assert not Engine().fits(1e15)
    assert not Engine().fits(np.nan)


def test_who_has_no_dask_needs_none():
    X, y = some_data(2)
    local = skxent_dask.BinaryLogReg().fit(on_dask(X), on_dask(y)).to_local()
    code = """if True:
        import pickle, sys
        model = pickle.load(sys.stdin.buffer)
        assert not {"dask", "distributed"} & set(sys.modules)
        print(model.coef_.shape)
        sys.modules["dask"] = None
        try:
            import skxent.dask
        except ImportError as error:
            print(error)
    """
    printed = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(local),
        capture_output=True,
        check=True,
    ).stdout.decode()
    assert str(local.coef_.shape) in printed
    assert 'pip install "skxent[dask]"' in printed


def test_partitions_at_odd_addresses_are_moved_once():
    X, _ = some_data(2)
    raw = np.zeros(X.nbytes + 1, np.uint8)
    odd = raw[1:].view(X.dtype).reshape(X.shape)
    odd[:] = X
    assert not odd.flags.aligned
    moved = floating_part(odd)
    assert moved.flags.aligned
    assert_array_equal(moved, X)
    assert floating_part(X) is X
