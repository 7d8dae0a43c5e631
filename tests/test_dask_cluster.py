"""Dask clusters: workers that fail, schedulers that vanish, what the client sees."""

import os
import pickle
import signal
import threading
import time
import tracemalloc
from itertools import chain

import cloudpickle
import dask
import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from threadpoolctl import threadpool_info

import skxent
from skxent import dask as skxent_dask
from skxent.data.dask_engine import Engine, task_name

# one cluster for all of them
pytestmark = pytest.mark.xdist_group("cluster")

N, D, CHUNK = 60_000, 20, 5_000


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    config = {
        # partitions of a few MB go to disk
        "distributed.worker.memory.target": 0.002,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.scheduler.worker-ttl": None,
        "distributed.comm.timeouts.connect": "10s",
    }
    with (
        dask.config.set(config),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            memory_limit="1GiB",
            dashboard_address=":0",
        ) as cluster,
    ):
        yield cluster


@pytest.fixture
def client(cluster):
    distributed = pytest.importorskip("distributed")
    with distributed.Client(cluster) as client:
        client.wait_for_workers(2)
        yield client


def chunk(block_info=None, K=2, of=None):
    """Return a chunk of X or of y, made where it is needed."""
    first, end = block_info[None]["array-location"][0]
    rng = np.random.default_rng(first)
    X = rng.normal(size=(end - first, D)) * 10.0 ** np.linspace(-2, 2, D)
    if of == "X":
        return X
    w = np.linspace(-1, 1, D * K).reshape(D, K) / 10.0 ** np.linspace(-2, 2, D)[:, None]
    return (X @ w + rng.gumbel(size=(end - first, K))).argmax(axis=1)


def some_data(K=2, n=N):
    rows = ((CHUNK,) * (n // CHUNK),)
    X = da.map_blocks(chunk, chunks=(*rows, (D,)), dtype=float, of="X", K=K)
    y = da.map_blocks(chunk, chunks=rows, dtype=int, of="y", K=K)
    return X, y


def in_memory(X, y):
    with dask.config.set(scheduler="synchronous"):
        return dask.compute(X, y)


def n_tasks(client):
    """Return the number of tasks of fits that the scheduler knows."""

    def count(dask_scheduler):
        return sum("skxent" in str(key) for key in dask_scheduler.tasks)

    return client.run_on_scheduler(count)


def wait_until_none_is_left(client):
    deadline = time.monotonic() + 10
    while n_tasks(client) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert n_tasks(client) == 0
    assert not [key for key in client.futures if "skxent" in str(key)]


@pytest.fixture
def during_the_fit(monkeypatch):
    """Return a function that has another one called at the fourth pass of a fit."""

    def at_the_fourth_pass(function):
        compute, passes = Engine._compute, []

        def compute_and_count(self, graph, key):
            passes.append(key)
            if len(passes) == 4:
                function()
            return compute(self, graph, key)

        monkeypatch.setattr(Engine, "_compute", compute_and_count)

    return at_the_fourth_pass


@pytest.mark.parametrize(
    ("OnDask", "Local", "K"),
    [
        (skxent_dask.BinaryLogReg, skxent.BinaryLogReg, 2),
        (skxent_dask.SoftmaxReg, skxent.SoftmaxReg, 3),
    ],
)
@pytest.mark.parametrize("kind", ["dense", "persisted", "sparse"])
def test_the_cluster_finds_the_optimum(client, OnDask, Local, K, kind):
    X, y = some_data(K)
    expected = Local().fit(*in_memory(X, y))
    if kind == "persisted":
        X, y = client.persist([X, y])
    if kind == "sparse":
        X = X.map_blocks(sparse.csr_array)
    # the client that is the current one, without saying so
    model = OnDask().fit(X, y)
    assert model.converged_
    assert model.loss_curve_[-1] == pytest.approx(expected.loss_curve_[-1], rel=1e-10)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-4, atol=1e-6)
    proba = model.predict_proba(X)[:3].compute()
    assert_allclose(proba.sum(axis=1), 1)
    wait_until_none_is_left(client)


def test_results_do_not_depend_on_the_number_of_workers(client, cluster):
    X, y = some_data()
    both = skxent_dask.BinaryLogReg(client=client).fit(X, y)
    worker, *_ = client.scheduler_info()["workers"]
    with dask.annotate(workers=[worker], allow_other_workers=False):
        one = skxent_dask.BinaryLogReg(client=client).fit(X, y)
    assert one.loss_curve_[-1] == pytest.approx(both.loss_curve_[-1], rel=1e-12)
    assert_array_equal(one.coef_, both.coef_)


def test_a_table_is_that_in_memory_and_leaves_nothing_behind(client):
    X, y = some_data(n=2 * CHUNK)
    model = skxent_dask.BinaryLogReg(C=np.inf).fit(X, y)
    table = skxent.coefficient_table(model, X, y, covariance="HC3")
    wait_until_none_is_left(client)
    expected = skxent.coefficient_table(
        model.to_local(), *in_memory(X, y), covariance="HC3"
    )
    assert_allclose(table.standard_error, expected.standard_error, rtol=1e-10)
    assert_allclose(table.z, expected.z, rtol=1e-10)


def test_X_never_comes_to_the_client(client, monkeypatch):
    X, y = some_data()
    sent, received = [], []
    compute = Engine._compute

    def weighing(self, graph, key):
        sent.append(len(cloudpickle.dumps(graph)))
        result = compute(self, graph, key)
        received.append(len(pickle.dumps(result)))
        return result

    model = skxent_dask.SoftmaxReg(early_stopping=True, random_state=0)
    # what a first fit imports stays in memory, too
    model.fit(*some_data(n=CHUNK))
    monkeypatch.setattr(Engine, "_compute", weighing)
    tracemalloc.start()
    try:
        model.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert model.n_evals_ > 3
    # the facts have a sample of rows, all others are sums
    assert received[0] < X.nbytes / 10
    assert max(received[1:]) < X.nbytes / 200
    assert max(sent) < X.nbytes / 50
    assert peak < X.nbytes / 2


def test_parameters_go_out_once_for_each_pass(client):
    """What a pass sends does not grow by the params of each partition."""
    X, y = some_data()
    rng = np.random.default_rng(0)
    model = skxent_dask.BinaryLogReg()
    data = model._check_data(X, y, None, None)
    objective = model._objective(data, 1.0, 0.0)
    graphs = []

    def keep(graph, key):
        graphs.append(graph)
        raise InterruptedError

    data.engine._compute = keep
    with pytest.raises(InterruptedError):
        objective.evaluate(rng.normal(size=objective.n_params))
    (graph,) = graphs
    own = {k: v for k, v in graph.items() if k not in data.tasks}
    with_params = [len(cloudpickle.dumps(task)) > 1000 for task in own.values()]
    assert sum(with_params) == 1
    # with them go a task for each group of partitions, and one that merges
    groups = objective.rows._at_client.groups
    assert len(own) == 1 + len(groups) + 1
    assert len(groups) < N // CHUNK
    del data.engine._compute
    data.close()


def test_partitions_in_groups_give_the_sums_of_each_alone(client, monkeypatch):
    X, y = some_data()
    model = skxent_dask.BinaryLogReg().fit(X, y)
    monkeypatch.setattr(Engine, "groups", lambda _, tasks, keys, n_bytes: alone(keys))
    expected = skxent_dask.BinaryLogReg().fit(X, y)
    assert_array_equal(model.coef_, expected.coef_)
    assert_array_equal(model.loss_curve_, expected.loss_curve_)


def alone(keys):
    return [[i] for i in range(len(keys))]


def test_groups_are_what_threads_hold_unless_the_disk_holds_it(client):
    X, y = some_data()
    data = skxent_dask.BinaryLogReg()._check_data(X, y, None, None)
    keys = [of_part.X for of_part in data.keys]
    groups = data.engine.groups(data.tasks, keys, X.nbytes)
    assert sorted(chain.from_iterable(groups)) == list(range(N // CHUNK))
    assert max(map(len, groups)) <= 1.5 * N // CHUNK // 2
    assert data.engine.groups(data.tasks, keys, 1e12) == alone(keys)
    data.close()
    not_persisted = skxent_dask.BinaryLogReg(persist=False)
    data = not_persisted._check_data(X, y, None, None)
    keys = [of_part.X for of_part in data.keys]
    assert data.engine.groups(data.tasks, keys, X.nbytes) == alone(keys)
    data.close()


def test_results_of_blocks_come_in_the_order_of_the_rows(client):
    X, y = some_data()
    data = skxent_dask.BinaryLogReg()._check_data(X, y, None, None)
    starts = data.rows(centred=False).map_blocks(start_of, width=1, work=1)
    assert starts == sorted(starts)
    assert len(set(starts)) == len(starts) >= N // CHUNK
    data.close()


def start_of(block):
    return block.start


def test_the_end_of_a_fit_does_not_collect_garbage(client, monkeypatch):
    """In a large process it takes as long as some passes."""
    collected = []
    monkeypatch.setattr(
        "skxent.data.dask_engine.gc.collect", lambda: collected.append(1)
    )
    X, y = some_data()
    skxent_dask.BinaryLogReg(early_stopping=True, random_state=0).fit(X, y)
    assert not collected
    wait_until_none_is_left(client)


def test_a_worker_uses_one_blas_thread(client):
    X, y = some_data(n=2 * CHUNK)
    data = skxent_dask.BinaryLogReg()._check_data(X, y, None, None)

    def of_block(block):
        return {i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}

    found = data.rows(centred=False).map_blocks(of_block, width=1, work=1)
    assert set.union(*found) == {1}
    data.close()


def test_a_worker_is_killed_during_a_fit(client, during_the_fit):
    X, y = some_data()
    expected = skxent_dask.BinaryLogReg(tol=1e-12).fit(X, y)
    pids = client.run(os.getpid)
    victim = sorted(pids.values())[0]
    during_the_fit(lambda: os.kill(victim, signal.SIGKILL))
    model = skxent_dask.BinaryLogReg(tol=1e-12).fit(X, y)
    assert model.loss_curve_[-1] == pytest.approx(expected.loss_curve_[-1], rel=1e-10)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-10)
    client.wait_for_workers(2, timeout=60)
    assert victim not in client.run(os.getpid).values()


def test_partitions_that_do_not_fit_go_to_disk(client, during_the_fit):
    def on_disk(dask_worker):
        return len(dask_worker.data.slow)

    X, y = some_data()
    seen = []
    during_the_fit(lambda: seen.append(sum(client.run(on_disk).values())))
    model = skxent_dask.BinaryLogReg(persist=True).fit(X, y)
    assert model.converged_
    assert seen[0] > 0


def test_ctrl_c_leaves_no_task_behind(client, during_the_fit):
    X, y = some_data()
    model = skxent_dask.BinaryLogReg().fit(X, y)
    before = vars(model).copy()

    def interrupt_soon():
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()

    slow = X.map_blocks(slowly, dtype=float)
    during_the_fit(interrupt_soon)
    # a process that a shell has started in the background ignores the signal
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            model.set_params(persist=False).fit(slow, y)
    finally:
        signal.signal(signal.SIGINT, handler)
    wait_until_none_is_left(client)
    assert {**before, "persist": False} == vars(model)


def slowly(block):
    time.sleep(0.1)
    return block


def test_an_error_of_a_worker_leaves_no_task_behind(client):
    X, y = some_data()
    with pytest.raises(ValueError, match="Input X contains infinity"):
        skxent_dask.BinaryLogReg().fit(X / (X[0, 0] != X), y)
    wait_until_none_is_left(client)


def test_a_client_that_loses_its_scheduler_says_so(during_the_fit):
    distributed = pytest.importorskip("distributed")
    config = {
        "distributed.comm.timeouts.connect": "500ms",
        "distributed.comm.retry.count": 0,
    }
    with dask.config.set(config):
        cluster = distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
        )
        client = distributed.Client(cluster)
        try:
            X, y = some_data(n=2 * CHUNK)
            model = skxent_dask.BinaryLogReg(client=client).fit(X, y)
            before = vars(model).copy()
            during_the_fit(cluster.close)
            with pytest.raises(ConnectionError, match="has lost its scheduler"):
                model.fit(X, y)
            assert vars(model) == before
        finally:
            client.close()
            cluster.close()


def test_names_of_tasks_come_from_functions():
    def sums_of_something():
        def add_block(block):
            pass

        return add_block

    assert task_name(sums_of_something()) == "skxent-sums-of-something"
    assert task_name(some_data) == "skxent-some-data"
