"""BLAS has one thread while fits run, and then as many as before, whoever ends last."""

import os
import pickle
import threading
from contextlib import nullcontext
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_info, threadpool_limits

from skxent import BinaryLogReg, SoftmaxReg
from skxent.data.in_memory import InMemoryRows
from skxent.data.rows import Sum
from skxent.data.threads import ONE_BLAS_THREAD, BlockThreads
from skxent.model.curvature import hessian_times
from skxent.model.objective import CrossEntropyObjective

BEFORE = 2


class Library:
    """A library as threadpoolctl controls it, on a machine with two cores."""

    user_api, internal_api, threading_layer = "blas", "openblas", "pthreads"

    def __init__(self, n_threads=BEFORE):
        self.num_threads = n_threads

    def set_num_threads(self, n_threads):
        self.num_threads = n_threads


class LibraryOnOpenMP(threading.local, Library):
    """One with a limit for each thread."""

    threading_layer = "openmp"


@pytest.fixture
def use(monkeypatch):
    """Let these be the only libraries with threads."""

    def use(*libraries):
        monkeypatch.setattr(
            "skxent.data.threads.get_threadpool_controller",
            lambda: SimpleNamespace(lib_controllers=libraries),
        )

    return use


@pytest.fixture
def blas(use):
    blas = Library()
    use(blas)
    return blas


class Elsewhere:
    """A context that another Python thread has entered, until it shall leave."""

    def __init__(self, context):
        self._stay, self._entered = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, args=(context,))
        self._thread.start()
        assert self._entered.wait(60)

    def _run(self, context):
        with context() as self.value:
            self._entered.set()
            self._stay.wait(60)

    def leave(self):
        self._stay.set()
        self._thread.join()


def n_blas_threads():
    """Return how many threads each real library has."""
    return {
        pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"
    }


def make_data(n=60, d=4):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d)), np.arange(n) % 2


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]])
def test_the_last_to_leave_restores_what_the_first_found(order, blas):
    held = [ONE_BLAS_THREAD.hold() for _ in range(3)]
    assert [hold.__enter__() for hold in held] == 3 * [BEFORE]
    assert blas.num_threads == 1
    for i, k in enumerate(order):
        held[k].__exit__(None, None, None)
        assert blas.num_threads == (BEFORE if i == 2 else 1)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]])
def test_it_does_not_matter_which_threads_they_are(order):
    with threadpool_limits(3, user_api="blas"):
        before = n_blas_threads()
        held = [Elsewhere(ONE_BLAS_THREAD.hold) for _ in range(3)]
        assert {hold.value for hold in held} == before
        for k in order:
            assert n_blas_threads() == {1}
            held[k].leave()
        assert n_blas_threads() == before


def test_a_limit_that_ends_amid_a_fit_is_not_restored():
    before = n_blas_threads()
    limit = Elsewhere(lambda: threadpool_limits(1, user_api="blas"))
    fit = Elsewhere(ONE_BLAS_THREAD.hold)
    limit.leave()
    assert n_blas_threads() == before
    fit.leave()
    assert n_blas_threads() == before


def test_a_limit_set_amid_a_fit_holds_for_the_next_and_after_it(blas):
    with ONE_BLAS_THREAD.hold():
        blas.num_threads = 3
        with ONE_BLAS_THREAD.hold() as n_threads:
            assert n_threads == 3
            assert blas.num_threads == 1
        blas.num_threads = 5
    assert blas.num_threads == 5


def test_limits_on_openmp_are_left_alone():
    fit = Elsewhere(ONE_BLAS_THREAD.hold)
    with threadpool_limits(3, user_api="openmp"):
        with ONE_BLAS_THREAD.hold():
            fit.leave()
        pools = threadpool_info()
    assert {p["num_threads"] for p in pools if p["user_api"] == "openmp"} <= {3}


def test_where_each_thread_has_a_limit_each_gets_its_own_back(use):
    blas = LibraryOnOpenMP()
    use(blas)
    first = Elsewhere(ONE_BLAS_THREAD.hold)
    with BlockThreads().open():
        first.leave()
        assert blas.num_threads == 1
    assert blas.num_threads == BEFORE
    threads = BlockThreads()
    with threads.open():
        assert threads.n_threads == BEFORE
        assert set(threads.map(lambda _: blas.num_threads, range(9), BEFORE)) == {1}


def test_fits_that_overlap_leave_blas_as_it_was(monkeypatch, blas):
    n_fits = 8
    everybody = threading.Barrier(n_fits)
    seen = []
    evaluate = CrossEntropyObjective.evaluate
    waiting = threading.local()

    def evaluate_together(self, params):
        # the first evaluation of each fit waits for those of all others
        if not getattr(waiting, "done", False):
            waiting.done = True
            everybody.wait(timeout=60)
            seen.append(blas.num_threads)
        return evaluate(self, params)

    monkeypatch.setattr(CrossEntropyObjective, "evaluate", evaluate_together)
    X, y = make_data()
    models = [BinaryLogReg(C=10.0**i) for i in range(n_fits)]
    threads = [threading.Thread(target=model.fit, args=(X, y)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(model.converged_ for model in models)
    assert seen == n_fits * [1]
    assert blas.num_threads == BEFORE


def test_a_second_interruption_leaves_blas_as_it_was(blas, monkeypatch):
    # while the first one waits for the threads to leave
    def interrupt(self, wait):
        raise KeyboardInterrupt

    monkeypatch.setattr("concurrent.futures.ThreadPoolExecutor.shutdown", interrupt)
    with pytest.raises(KeyboardInterrupt), BlockThreads().open():
        raise KeyboardInterrupt
    assert blas.num_threads == BEFORE


def test_an_interruption_on_the_way_in_leaves_blas_as_it_was(blas):
    def interrupt(n_threads):
        Library.set_num_threads(blas, n_threads)
        del blas.set_num_threads
        raise KeyboardInterrupt

    blas.set_num_threads = interrupt
    with pytest.raises(KeyboardInterrupt), ONE_BLAS_THREAD.hold():
        pass
    assert blas.num_threads == BEFORE
    with ONE_BLAS_THREAD.hold() as n_threads:
        assert n_threads == BEFORE
    assert blas.num_threads == BEFORE


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_fit_that_raises_leaves_blas_as_it_was(error, monkeypatch, blas):
    def fail(self, params):
        assert blas.num_threads == 1
        raise error

    monkeypatch.setattr(CrossEntropyObjective, "evaluate", fail)
    with ONE_BLAS_THREAD.hold():
        with pytest.raises(error):
            BinaryLogReg().fit(*make_data())
        assert blas.num_threads == 1
    assert blas.num_threads == BEFORE


def test_a_search_on_threads_leaves_blas_as_it_was():
    before = n_blas_threads()
    search = GridSearchCV(BinaryLogReg(), {"C": [0.1, 1, 10]}, n_jobs=4)
    with joblib.parallel_config(backend="threading"):
        search.fit(*make_data())
    assert n_blas_threads() == before


@pytest.mark.parametrize("n_allowed", [1, 3])
def test_a_limit_around_a_fit_holds(n_allowed):
    with threadpool_limits(n_allowed, user_api="blas"):
        with ONE_BLAS_THREAD.hold() as n_threads:
            assert n_threads == n_allowed
            assert n_blas_threads() == {1}
        assert n_blas_threads() == {n_allowed}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12
@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_fork_amid_a_fit_starts_afresh(elsewhere, blas):
    # the thread of the fit does not exist in the child, or goes on there, too
    fit = Elsewhere(ONE_BLAS_THREAD.hold) if elsewhere else ONE_BLAS_THREAD.hold()
    with nullcontext() if elsewhere else fit:
        child = os.fork()
        if not child:  # pragma: no cover
            is_right = blas.num_threads == BEFORE
            with ONE_BLAS_THREAD.hold():
                is_right &= blas.num_threads == 1
            is_right &= blas.num_threads == BEFORE
            os._exit(not is_right)
        _, status = os.waitpid(child, 0)
        assert blas.num_threads == 1
    if elsewhere:
        fit.leave()
    assert blas.num_threads == BEFORE
    assert os.waitstatus_to_exitcode(status) == 0


def test_rows_derived_from_others_share_their_threads(blas):
    X, y = make_data()
    objective = CrossEntropyObjective(X, y, l1_ratio=0.5)
    columns = objective.on_columns(np.arange(2))
    rows = objective.mean_loss_on(X[:9], y[:9], np.ones(9), None)
    # each item waits for the other: one thread alone would wait in vain
    together = threading.Barrier(2)
    with objective.rows.threads():
        for derived in (columns, rows):
            derived.rows.map(lambda _: together.wait(timeout=60), [1, 2], 1e12)
    here = columns.rows.map(lambda _: threading.get_ident(), [1, 2], 1e12)
    assert here == 2 * [threading.get_ident()]


def test_each_python_thread_opens_its_own(blas):
    threads = BlockThreads()
    other = Elsewhere(threads.open)
    assert threads.n_threads == 1
    with threads.open():
        other.leave()
        assert threads.n_threads == BEFORE
        assert threads.map(abs, [-1, -2], BEFORE) == [1, 2]
        # a worker has none: it would wait for itself
        assert threads.map(lambda _: threads.n_threads, [1, 2], BEFORE) == [1, 1]
        assert threads.n_threads == BEFORE


def test_this_thread_works_with_the_others(blas):
    threads, together = BlockThreads(), threading.Barrier(BEFORE)

    def meet(item):
        together.wait(timeout=60)
        return item, threading.get_ident()

    with threads.open():
        items, workers = zip(*threads.map(meet, range(BEFORE), BEFORE), strict=True)
    assert items == tuple(range(BEFORE))
    assert len(set(workers)) == BEFORE
    assert threading.get_ident() in workers


def test_an_error_in_a_worker_is_raised_here(blas):
    threads, together = BlockThreads(), threading.Barrier(BEFORE)

    def fail_elsewhere(here):
        together.wait(timeout=60)
        if threading.get_ident() != here:
            raise OverflowError

    items = [threading.get_ident()] * BEFORE
    with threads.open():
        with pytest.raises(OverflowError):
            threads.map(fail_elsewhere, items, BEFORE)
        assert threads.n_threads == BEFORE


def test_an_objective_can_be_pickled(blas):
    X, y = make_data()
    objective = CrossEntropyObjective(X, y)
    params = np.ones(objective.n_params)
    with objective.rows.threads():
        other = pickle.loads(pickle.dumps(objective))
    assert other.value_and_gradient(params)[0] == pytest.approx(
        objective.value_and_gradient(params)[0], rel=1e-12
    )
    with other.rows.threads():
        assert blas.num_threads == 1


def test_threads_may_be_opened_again_amid_themselves(blas):
    threads = BlockThreads()
    with threads.open():
        with threads.open():
            assert threads.n_threads == BEFORE
        assert threads.n_threads == BEFORE
    assert threads.n_threads == 1
    assert blas.num_threads == BEFORE


@pytest.mark.parametrize("options", [{}, {"l1_ratio": 1.0}, {"early_stopping": True}])
def test_the_number_of_threads_does_not_change_the_answer(options, monkeypatch, blas):
    X, y = make_data(3000, 6)
    monkeypatch.setattr("skxent.data.in_memory.THREADED_WORK", 0)
    models = []
    for n_threads in (1, 3):
        blas.num_threads = n_threads
        model = SoftmaxReg(C=0.3, random_state=0, **options)
        models.append(model.fit(X, y))
    np.testing.assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("options", [{}, {"l1_ratio": 1.0}])
def test_verbose_says_how_many_threads_there_are(options, capsys, monkeypatch, blas):
    monkeypatch.setattr("skxent.data.in_memory.THREADED_WORK", 0)
    X, y = make_data(3000, 6)
    BinaryLogReg(verbose=2, **options).fit(X, y)
    assert "for 2 threads" in capsys.readouterr().out


def test_sums_do_not_depend_on_which_thread_is_faster(monkeypatch, blas):
    monkeypatch.setattr("skxent.data.in_memory.THREADED_WORK", 0)
    X, y = make_data(256 * 40, 2)
    rows = InMemoryRows(X, y)

    def add(block, total):
        total += block.X.sum(axis=0)

    with rows.threads():
        first, *others = (rows.map_reduce(add, Sum(2))[0] for _ in range(5))
    for other in others:
        assert_array_equal(first, other)


def test_the_largest_of_all_rows_does_not_grow_with_threads(monkeypatch, blas):
    monkeypatch.setattr("skxent.data.in_memory.THREADED_WORK", 0)
    X, y = make_data(256 * 40, 2)
    objective = CrossEntropyObjective(X, y)
    params = np.ones(objective.n_params)

    def largest():
        product = hessian_times(objective, params, params)
        return objective.evaluate(params).largest_loss, product.largest_change

    with objective.rows.threads():
        together = largest()
    assert together == pytest.approx(largest(), rel=1e-14)


def test_sums_after_an_interrupted_fit_are_whole():
    X, y = make_data()
    objective = CrossEntropyObjective(X, y)
    params = objective.initial_point()
    before = objective.evaluate(params)
    with pytest.raises(KeyboardInterrupt), objective.rows.threads():
        raise KeyboardInterrupt
    after = objective.evaluate(params)
    assert after.value == before.value
    assert_array_equal(after.gradient, before.gradient)
