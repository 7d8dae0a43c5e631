"""Statements from fits to Dask collections: the same numbers as from arrays in memory.

All run with Dask's synchronous scheduler. Functions of passes are pickled as they would
be on their way to a worker.
"""

import cloudpickle
import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skxent import (
    average_marginal_effects,
    coefficient_table,
    fit_statistics,
    likelihood_ratio_test,
    profile_intervals,
    wald_test,
)
from skxent import dask as skxent_dask
from skxent.data.dask_engine import Engine
from skxent.data.dask_rows import DaskRows

N, D, CHUNK = 900, 4, 250
models = pytest.mark.parametrize(
    ("OnDask", "K"),
    [(skxent_dask.BinaryLogReg, 2), (skxent_dask.SoftmaxReg, 3)],
    ids=["binary", "softmax"],
)
TIGHT = {"C": np.inf, "tol": 1e-12}


@pytest.fixture(autouse=True)
def synchronous():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    """Pickle what passes send; return the sizes."""
    sizes = []
    prepared = DaskRows._prepared

    def pickled(self, function, results, width):
        text = cloudpickle.dumps((function, results))
        sizes.append(len(text))
        return prepared(self, *cloudpickle.loads(text), width)

    monkeypatch.setattr(DaskRows, "_prepared", pickled)
    return sizes


def some_data(K, n=N):
    """Return X, y, sample weights and an offset."""
    rng = np.random.default_rng(0)
    scale = 10.0 ** np.arange(-2, D - 2)
    X = rng.normal(size=(n, D)) * scale + scale
    offset = rng.normal(size=n if K == 2 else (n, K)) / 2
    z = X / scale @ rng.normal(size=(D, K)) / 2
    z[:, 1:] += offset[:, None] if K == 2 else offset[:, 1:]
    z[:, 0] += 0 if K == 2 else offset[:, 0]
    y = (z + rng.gumbel(size=(n, K))).argmax(axis=1)
    return X, y, rng.integers(0, 4, n).astype(float), offset


def on_dask(values):
    chunks = (CHUNK, *values.shape[1:])
    return da.from_array(values, chunks=chunks)


def arguments(data, weighted):
    """Return X and y, and the keywords, in memory and in Dask."""
    X, y, s, offset = data
    options = {"sample_weight": s, "offset": offset} if weighted else {}
    in_dask = {name: on_dask(values) for name, values in options.items()}
    return ((X, y), options), ((on_dask(X), on_dask(y)), in_dask)


def fitted(OnDask, data, weighted, **params):
    """Return the fit, the same for data in memory, and the data of both."""
    in_memory, in_dask = arguments(data, weighted)
    model = OnDask(**(TIGHT | params)).fit(*in_dask[0], **in_dask[1])
    return (model, *in_dask), (model.to_local(), *in_memory)


def both(function, fits, **options):
    """Return the statement in Dask, and that in memory."""
    return [function(model, *data, **kw, **options) for model, data, kw in fits]


def assert_same_table(table, expected, names=("estimate", "lower", "upper")):
    """Numbers agree to 1e-10 of the standard errors, and so do the words."""
    assert table.names == expected.names
    assert table.head == expected.head
    unit = getattr(expected, "standard_error", abs(expected.upper - expected.lower))
    unit = np.where(np.isnan(unit), 1, unit)
    for name in names:
        difference = (getattr(table, name) - getattr(expected, name)) / unit
        assert_array_equal(np.isnan(difference), np.isnan(expected.estimate))
        assert_allclose(np.nan_to_num(difference), 0, atol=1e-10, err_msg=name)
    if hasattr(expected, "covariance"):
        difference = (table.covariance - expected.covariance) / unit / unit[:, None]
        assert_allclose(np.nan_to_num(difference), 0, atol=1e-10)


def assert_same_statistics(found, expected):
    assert str(found) == str(expected)
    assert_allclose(found.fingerprint, expected.fingerprint, atol=1e-10)
    for name, value in vars(expected).items():
        if isinstance(value, float | int):
            other = getattr(found, name)
            assert other == pytest.approx(value, rel=1e-10, nan_ok=True), name


# --- the same numbers as in memory -----------------------------------------------


@models
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weights and offset"])
def test_tables_and_effects_are_those_in_memory(OnDask, K, weighted):
    X, y, s, offset = some_data(K)
    X[:, 1] = X[:, 1] > 0
    fits = fitted(OnDask, (X, y, s, offset), weighted)
    for covariance in ("model", "HC0", "HC1", "HC3"):
        options = {"covariance": covariance}
        if weighted:
            options["weights"] = "precision" if covariance == "HC0" else "frequency"
        tables = both(coefficient_table, fits, **options)
        assert_same_table(*tables)
    tests = [wald_test(table, ["x1", "x2"]) for table in tables]
    assert tests[0].statistic == pytest.approx(tests[1].statistic, rel=1e-10)
    assert_same_table(*both(average_marginal_effects, fits))
    options = {"discrete": "binary", "covariance": "HC1"}
    effects = both(average_marginal_effects, fits, **options)
    assert_same_table(*effects)
    assert "change from 0 to 1: 'x1'" in effects[0].head


@models
def test_tables_of_penalised_fits(OnDask, K):
    fits = fitted(OnDask, some_data(K), True, C=0.5)
    for covariance in ("sandwich_penalised", "laplace"):
        assert_same_table(*both(coefficient_table, fits, covariance=covariance))
    assert_same_statistics(*both(fit_statistics, fits))


@models
def test_class_weights_are_told_from_sample_weights(OnDask, K):
    class_weight = "balanced" if K == 2 else {0: 3.0}
    fits = fitted(OnDask, some_data(K), True, class_weight=class_weight)
    for weights in ("frequency", "precision"):
        options = {"covariance": "HC1", "weights": weights}
        assert_same_table(*both(coefficient_table, fits, **options))


@models
def test_tests_between_nested_fits(OnDask, K):
    X, y, s, offset = some_data(K)
    small = both(fit_statistics, fitted(OnDask, (X[:, :2], y, s, offset), True))
    large = both(fit_statistics, fitted(OnDask, (X, y, s, offset), True))
    assert_same_statistics(*small)
    assert_same_statistics(*large)
    # the rows are the same, wherever they have been
    for i, j in ((0, 0), (0, 1), (1, 0)):
        test = likelihood_ratio_test(small[i], large[j])
        expected = likelihood_ratio_test(small[1], large[1])
        assert test.statistic == pytest.approx(expected.statistic, rel=1e-8)
        assert test.degrees_of_freedom == expected.degrees_of_freedom


def test_profile_intervals_are_those_in_memory():
    fits = fitted(skxent_dask.BinaryLogReg, some_data(2), True)
    assert_same_table(*both(profile_intervals, fits, features=["x1"]))


def sparse_parts(X, y):
    return on_dask(X).map_blocks(sparse.csr_array), on_dask(y)


def frames(X, y):
    frame = dd.from_pandas(pd.DataFrame(X, columns=list("abcd")), npartitions=3)
    return frame, on_dask(y)


def empty_parts(X, y):
    return tuple(
        da.concatenate([on_dask(a[:0]), on_dask(a), on_dask(a[:0])]) for a in (X, y)
    )


def float32(X, y):
    return on_dask(X.astype(np.float32)), on_dask(y)


@models
@pytest.mark.parametrize("arrange", [sparse_parts, frames, empty_parts, float32])
def test_partitions_of_all_kinds(OnDask, K, arrange):
    X, y, _, _ = some_data(K)
    if arrange in (sparse_parts, frames):
        y = np.array(list("no!"))[y]
    else:
        y = 0.9 * np.eye(K)[y] + 0.1 / K
    given = arrange(X, y)
    model = OnDask(**TIGHT).fit(*given)
    in_memory = given[0].compute()
    if arrange is sparse_parts:
        in_memory = sparse.csr_array(X)
    fits = (model, given, {}), (model.to_local(), (in_memory, y), {})
    tables = both(coefficient_table, fits, covariance="HC3")
    assert_same_table(*tables)
    if arrange is frames:
        assert tables[0].features[1 : D + 1] == list("abcd")
    assert_same_statistics(*both(fit_statistics, fits))


# --- what the data do not determine ----------------------------------------------


@models
def test_aliased_columns_are_named_likewise(OnDask, K):
    X, y, s, offset = some_data(K)
    levels = np.eye(3)[np.arange(N) % 3]
    X = np.column_stack([X[:, 1], levels, X[:, 2], X[:, 1] - 2 * X[:, 2]])
    fits = fitted(OnDask, (X, y, s, offset), False, tol=1e-8)
    tables = both(coefficient_table, fits, covariance="HC1")
    assert_same_table(*tables)
    assert tables[0].aliased == tables[1].aliased == ["x3", "x5"]
    assert_same_table(*both(average_marginal_effects, fits))


@models
def test_separating_columns_are_named_likewise(OnDask, K):
    X, y, _, _ = some_data(K)
    X[:, 2] = y == 1
    fits = fitted(OnDask, (X, y, None, None), False, C=1e6)
    messages = []
    for model, data, _ in fits:
        model.set_params(C=np.inf)
        with pytest.raises(ValueError, match="separated by 'x2': larger") as caught:
            coefficient_table(model, *data)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


# --- what travels, and what stays ------------------------------------------------


@models
def test_no_row_travels(OnDask, K, sent, monkeypatch):
    """Functions of passes hold no rows, and what comes back are sums."""
    n = 4_000
    X, y, s, offset = some_data(K, n)
    X[:, 1] = X[:, 1] > 0
    ((model, data, others), _) = fitted(OnDask, (X, y, s, offset), True, tol=1e-8)
    sent.clear()

    def forbidden(*args, **kwargs):
        raise AssertionError("rows could come to the client")

    monkeypatch.setattr(DaskRows, "map_blocks", forbidden)
    coefficient_table(model, *data, **others, covariance="HC3")
    average_marginal_effects(model, *data, **others, discrete="binary")
    fit_statistics(model, *data, **others)
    # less than a number for each row
    assert 0 < max(sent) < 4 * n


def test_a_cluster_forgets_the_data_in_the_end(monkeypatch):
    closed = []
    monkeypatch.setattr(Engine, "close", lambda self: closed.append(self))
    ((model, data, _), _) = fitted(skxent_dask.BinaryLogReg, some_data(2), False)
    other = on_dask(1 - some_data(2)[1])
    for function in (coefficient_table, fit_statistics, average_marginal_effects):
        closed.clear()
        function(model, *data)
        assert len(closed) == 1
        # also if it is refused
        with pytest.raises(ValueError, match="standard errors away"):
            function(model, data[0], other)
        assert len(closed) == 2


# --- what is refused -------------------------------------------------------------


def test_data_and_estimators_have_to_be_of_one_kind():
    (on, local) = fitted(skxent_dask.BinaryLogReg, some_data(2), False)
    for function in (coefficient_table, fit_statistics, average_marginal_effects):
        with pytest.raises(TypeError, match=r"X is a Dask collection.*skxent\.dask"):
            function(local[0], *on[1])
        with pytest.raises(TypeError, match=r"X is no Dask collection.*of skxent"):
            function(on[0], *local[1])
    with pytest.raises(TypeError, match=r"offset is no Dask collection"):
        coefficient_table(on[0], *on[1], offset=np.zeros(N))


def test_clusters_of_rows_need_them_in_memory():
    (on, local) = fitted(skxent_dask.BinaryLogReg, some_data(2), False)
    cluster = np.arange(N) // 10
    for function in (coefficient_table, average_marginal_effects):
        options = {"covariance": "cluster", "cluster": on_dask(cluster)}
        with pytest.raises(ValueError, match=r"pass model\.to_local\(\), with X, y"):
            function(on[0], *on[1], **options)
        # the remedy
        function(local[0], *local[1], covariance="cluster", cluster=cluster)


def test_other_data_than_those_of_the_fit_are_refused():
    ((model, (X, y), _), _) = fitted(skxent_dask.BinaryLogReg, some_data(2), False)
    with pytest.raises(ValueError, match="X has 2 features; expected the 4 of the fit"):
        coefficient_table(model, X[:, :2], y)
    with pytest.raises(ValueError, match=r"y has the classes \[0, 7\]; expected"):
        coefficient_table(model, X, 7 * y)
    penalised = skxent_dask.BinaryLogReg().fit(X, y)
    with pytest.raises(ValueError, match="wrong for a fit with a penalty"):
        coefficient_table(penalised, X, y)
