"""What a fit says of itself while it runs and at its end, and how it is interrupted."""

import re
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from skxent import BinaryLogReg, CrossEntropyObjective, SoftmaxReg
from skxent.data.in_memory import InMemoryRows
from skxent.data.rows import Sum
from skxent.model.certificate import DualStep
from skxent.model.curvature import HessianProduct
from skxent.model.problem import Problem
from skxent.model.rounding import share_after_centring
from skxent.solver.bias_reduced import MESSAGES as BIAS_REDUCED_MESSAGES
from skxent.solver.minimise import minimise
from skxent.solver.progress import Progress
from skxent.solver.stopping import (
    CANCELLATION,
    ITERATION_LIMIT,
    LARGE_COEFFICIENTS,
    MESSAGES,
    ROUNDING_FLOOR,
    SATURATION,
    SEPARABLE,
    WEAK_PENALTY,
    why_stalled,
)
from skxent.solver.verification import NewtonStep

both = pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
PROBLEMS = {
    "tall": ({"n": 150, "d": 6}, {}),
    "wide": ({"n": 40, "d": 70}, {}),
    "working set": ({"n": 60, "d": 250}, {"l1_ratio": 1.0, "C": 3.0}),
}
problems = pytest.mark.parametrize("problem", PROBLEMS)
LINE = re.compile(
    r"iteration (\d+): F = (\S+), suboptimality (\S+), (\d+) evaluations, (\S+) s"
)


def make_data(Estimator, n=150, d=6):
    K = 2 if Estimator is BinaryLogReg else 3
    rng = np.random.default_rng(K)
    X = rng.normal(size=(n, d))
    z = X[:, :3] @ rng.normal(size=(3, K)) + rng.gumbel(size=(n, K))
    return X, z.argmax(axis=1)


def make_separable():
    X = np.random.default_rng(0).normal(size=(50, 2))
    return X, (X[:, 0] > 0).astype(int)


# --- verbose ---------------------------------------------------------------------


@both
@problems
def test_verbose_says_of_each_iteration_what_the_attributes_keep(
    Estimator, problem, capsys
):
    size, params = PROBLEMS[problem]
    model = Estimator(**params, verbose=1).fit(*make_data(Estimator, **size))
    lines = capsys.readouterr().out.splitlines()
    numbers, values, left, n_evals, seconds = np.array(
        [LINE.fullmatch(line).groups() for line in lines], dtype=float
    ).T
    assert_array_equal(numbers, 1 + np.arange(model.n_iter_[0]))
    assert_allclose(values, model.loss_curve_, rtol=1e-8)
    assert (left[:-1] <= 1).all()
    assert n_evals[0] >= 2, "the start and the first step"
    assert (np.diff(n_evals) >= 1).all() or problem == "working set"
    assert n_evals[-1] <= model.n_evals_
    assert (np.diff(seconds) >= 0).all()


@both
def test_without_verbose_nothing_is_printed(Estimator, capfd):
    Estimator().fit(*make_data(Estimator))
    with warnings.catch_warnings():
        # a warning is no print
        warnings.simplefilter("ignore", ConvergenceWarning)
        Estimator(max_iter=1, early_stopping=True).fit(*make_data(Estimator))
    assert capfd.readouterr() == ("", "")


def decisions(capsys, model, X, y):
    """Return what verbose=2 prints beside the iterations."""
    model.set_params(verbose=2).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert sum(bool(LINE.fullmatch(line)) for line in lines) == model.n_iter_[0]
    return [line for line in lines if not LINE.fullmatch(line)]


def test_verbose_2_tells_the_blocks_the_threads_and_the_rounds(capsys, monkeypatch):
    monkeypatch.setattr("skxent.data.blocks.BLOCK_BYTES", 2**17)
    monkeypatch.setattr("skxent.data.in_memory.THREADED_WORK", 0)
    monkeypatch.setattr("skxent.solver.small_newton.MAX_EVALUATION", 0)
    X, y = make_data(SoftmaxReg, n=4000)
    rows, *rounds = decisions(capsys, SoftmaxReg(), X, y)
    told = re.fullmatch(
        r"4000 rows of 6 columns in (\d+) blocks for (\d+) threads?, float64", rows
    )
    n_blocks, n_threads = map(int, told.groups())
    # six numbers and three times three logits a row, of eight bytes
    assert n_blocks >= 4000 * 15 * 8 / 2**17
    assert 1 <= n_threads <= n_blocks
    assert [line.split(":")[0] for line in rounds] == [
        f"round {i}" for i in range(1, len(rounds) + 1)
    ]
    assert rounds[0].endswith("by a Hessian that all classes share, from all rows")
    (rows, first, *_) = decisions(capsys, BinaryLogReg(), X, y > 0)
    assert first.endswith("round 1: preconditioned by the Hessian, from all rows")


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_the_diagonal_is_tried_before_a_hessian_of_many_columns(capsys, correlation):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 250))
    X[:, 1:] += correlation * X[:, :1] * 100
    y = X[:, 1:9].sum(axis=1) + 5 * rng.normal(size=3000) > 0
    model = BinaryLogReg()
    _, first, second, *_ = decisions(capsys, model, X, y)
    assert first == (
        "round 1: preconditioned by the diagonal of the Hessian, from all rows"
    )
    # what the diagonal has found is judged by few rows, and otherwise improved by more
    rows = "a sample of 502 rows"
    assert second.endswith(f"by the Hessian, from {rows}") is (correlation == 0)
    exact = LogisticRegression(solver="newton-cholesky", tol=1e-10).fit(X, y)
    assert_allclose(model.coef_, exact.coef_, rtol=0, atol=1e-5)


def test_verbose_2_tells_how_many_rows_are_sampled(capsys, monkeypatch):
    prices = "skxent.solver.preconditioners.prices."
    monkeypatch.setattr(prices + "MAX_BUILD", 1e-3)
    monkeypatch.setattr(prices + "LEAST_SAVING", -np.inf)
    monkeypatch.setattr("skxent.solver.small_newton.MAX_EVALUATION", 0)
    X, y = make_data(BinaryLogReg, n=4000)
    _, first, *_ = decisions(capsys, BinaryLogReg(), X, y)
    assert first.endswith("by the Hessian, from a sample of 14 rows")


def test_verbose_2_tells_of_newton_steps(capsys):
    _, *steps = decisions(capsys, SoftmaxReg(), *make_data(SoftmaxReg))
    assert steps == ["Newton steps, with the Hessian of all rows"]


def test_verbose_2_tells_of_the_row_space_and_of_working_sets(capsys):
    X, y = make_data(BinaryLogReg, n=40, d=70)
    space, rows, *_ = decisions(capsys, BinaryLogReg(), X, y)
    assert space == "row space: 39 columns in place of 70"
    assert rows.startswith("40 rows of 39 columns in 1 block for 1 thread")
    X, y = make_data(BinaryLogReg, n=60, d=250)
    _, *sets = decisions(capsys, BinaryLogReg(l1_ratio=1.0, C=3.0), X, y)
    assert sets[0] == "working set of 50 of 250 columns, by Newton steps"
    X = sparse.random(60, 5000, 0.2, "csr", rng=np.random.default_rng(0))
    _, *sets = decisions(capsys, SoftmaxReg(l1_ratio=0.9, C=9.0), X, np.arange(60) % 9)
    assert re.fullmatch(r"working set of \d+ of 5000 columns, by box rounds", sets[-1])


def test_verbose_2_tells_the_validation_scores(capsys):
    X, y = make_data(BinaryLogReg)
    model = BinaryLogReg(early_stopping=True, random_state=0)
    *_, last = decisions(capsys, model, X, y)
    assert float(last.removeprefix("validation score ")) == pytest.approx(
        model.validation_scores_[-1], rel=1e-9
    )


# --- seconds ---------------------------------------------------------------------


@both
@problems
def test_seconds_go_with_the_loss_curve(Estimator, problem):
    size, params = PROBLEMS[problem]
    model = Estimator(**params).fit(*make_data(Estimator, **size))
    seconds = model.loss_curve_seconds_
    assert seconds.shape == model.loss_curve_.shape
    assert seconds.dtype == np.float64
    assert seconds[0] > 0
    assert (np.diff(seconds) >= 0).all()


# --- the trace -------------------------------------------------------------------


def test_all_listeners_hear_of_an_iteration_although_the_first_stops_the_fit():
    trace, heard = Progress(), []
    trace.after += [lambda iteration: True, heard.append]
    trace.note(1.0, 0.5, 3, lambda: np.zeros(2))
    (iteration,) = heard
    assert (iteration.number, iteration.value, iteration.n_evals) == (1, 1.0, 3)
    assert trace.stopped
    assert trace.iterations_left(10) == 0


def test_an_iteration_begins_once_and_before_it_ends():
    trace, events = Progress(), []
    trace.before.append(lambda: events.append("begin"))
    trace.after.append(lambda _: events.append("end"))
    trace.begin()
    trace.begin()
    trace.note(1.0, 0.5, 3, lambda: np.zeros(2))
    trace.note(1.0, 0.5, 3, lambda: np.zeros(2))
    assert events == ["begin", "end"] * 2


def test_params_of_an_iteration_are_found_once_and_only_on_demand():
    found = []

    def find():
        found.append(None)
        return np.arange(3.0)

    trace, heard = Progress(), []
    trace.after.append(heard.append)
    trace.note(1.0, 0.5, 3, find)
    assert not found
    assert heard[0].params is heard[0].params
    assert_array_equal(heard[0].params, [0, 1, 2])
    assert len(found) == 1


@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
def test_n_evals_counts_passes_over_all_entries(l1_ratio, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 300))
    y = X[:, 0] + rng.logistic(size=500) > 0
    shares, evaluate = [], Problem.evaluate

    def counting(self, params):
        shares.append(self.n_features / 300)
        return evaluate(self, params)

    monkeypatch.setattr(Problem, "evaluate", counting)
    model = BinaryLogReg(C=0.05, l1_ratio=l1_ratio, verbose=2).fit(X, y)
    n_sets = capsys.readouterr().out.count("working set")
    assert (l1_ratio > 0) == (n_sets > 0) == (min(shares) < 0.5)
    assert 0 <= model.n_evals_ - sum(shares) <= n_sets + 1e-9


def test_a_kept_iteration_is_the_answer_as_it_was():
    X, y = make_data(SoftmaxReg)
    objective = CrossEntropyObjective(X, y)
    trace = Progress()

    def keep_the_third(iteration):
        if iteration.number == 3:
            trace.keep(iteration)

    trace.after.append(keep_the_third)
    start = objective.initial_point()
    solution = minimise(objective, start, tol=1e-10, max_iter=100, progress=trace)
    value, _ = objective.value_and_gradient(solution.params)
    assert value == pytest.approx(solution.loss_curve[2], rel=1e-14)
    optimum = solution.loss_curve[-1]
    assert solution.suboptimality == pytest.approx((value - optimum) / value, rel=1e-6)
    assert solution.duality_gap >= value - optimum
    assert not solution.converged
    assert not solution.deserves_warning


# --- warnings --------------------------------------------------------------------


def make_far(Estimator):
    """Return columns whose spread is the last digit of their size."""
    X, y = make_data(Estimator)
    return X + 1e15, y


CAUSES = {
    ITERATION_LIMIT: lambda: (SoftmaxReg(max_iter=2), *make_data(SoftmaxReg)),
    CANCELLATION: lambda: (
        BinaryLogReg(fit_intercept=False),
        *make_far(BinaryLogReg),
    ),
    ROUNDING_FLOOR: lambda: (SoftmaxReg(tol=1e-40, C=1e3), *make_data(SoftmaxReg)),
    SEPARABLE: lambda: (BinaryLogReg(C=np.inf), *make_separable()),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_warning_names_the_cause_how_far_it_came_and_one_remedy(cause):
    model, X, y = CAUSES[cause]()
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(X, y)
    (warning,) = caught
    message = str(warning.message)
    pattern = re.escape(MESSAGES[cause])
    assert re.fullmatch(re.sub(r"\\{[^}]*\\}", r"\\S+", pattern), message)
    assert f"{model.suboptimality_:.1e}" in message
    assert re.search(
        rf"\b({model.n_iter_[0]} iterations|iteration {model.n_iter_[0]})\b", message
    )
    remedies = "Increase max_iter", "Center and scale", "Use a larger tol", "finite C"
    assert sum(remedy in message for remedy in remedies) == 1
    assert warning.filename == __file__
    assert model.converged_ is False


@pytest.mark.parametrize(
    ("coef", "largest_change", "cause"),
    [(0.0, 0.1, ROUNDING_FLOOR), (0.0, 2.0, SATURATION), (1e3, 2.0, WEAK_PENALTY)],
)
def test_the_cause_of_a_stall_is_read_from_the_rows(coef, largest_change, cause):
    X, y = make_separable()
    objective = CrossEntropyObjective(X, y, C=1e30)
    separating = BinaryLogReg(C=1e3).fit(X, y)
    params = objective.pack(coef * separating.coef_, coef * separating.intercept_)
    evaluation = objective.evaluate(params)
    step = DualStep(params, HessianProduct(params, largest_change))
    newton = NewtonStep(step, 1.0, largest_change)
    assert why_stalled(objective, params, evaluation, newton) == cause


def test_columns_that_lose_all_digits_want_to_be_centred():
    X, y = make_data(BinaryLogReg, n=2000, d=10)
    with pytest.warns(ConvergenceWarning, match="Center and scale"):
        BinaryLogReg(fit_intercept=False).fit(X + 1e15, y)
    model = BinaryLogReg(fit_intercept=False).fit(X - X.mean(axis=0), y)
    assert model.converged_ is True


@pytest.mark.parametrize(
    ("shift", "coef", "decrement", "cause"),
    [
        # centring would leave the large terms of collinear columns
        (0, 1e9, 1.0, LARGE_COEFFICIENTS),
        (10, 1e9, 1.0, LARGE_COEFFICIENTS),
        (1e9, 1.0, 1.0, CANCELLATION),
        # a direction that rounding hides, of any size
        (0, 1.0, np.inf, LARGE_COEFFICIENTS),
        (0, 1.0, 1.0, ROUNDING_FLOOR),
    ],
)
def test_large_terms_come_from_means_or_from_coefficients(
    shift, coef, decrement, cause
):
    X, y = make_data(BinaryLogReg)
    X[:, 1] = X[:, 0]
    X += shift
    objective = CrossEntropyObjective(X, y, C=np.inf)
    params = np.zeros(objective.n_params)
    params[:2] = coef, -coef
    step = DualStep(params, HessianProduct(params, 0.1))
    newton = NewtonStep(step, decrement, 0.1)
    evaluation = objective.evaluate(params)
    assert why_stalled(objective, params, evaluation, newton) == cause


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(
    ("shift", "fit_intercept", "low", "high"),
    [(0, True, 0.3, 1.3), (1e6, True, 0, 1e-4), (1e6, False, 0, 1e-4)],
)
def test_share_of_the_terms_after_centring(container, shift, fit_intercept, low, high):
    X, y = make_data(BinaryLogReg)
    objective = CrossEntropyObjective(
        container(X + shift), y, fit_intercept=fit_intercept
    )
    params = np.ones(objective.n_params)
    assert low <= share_after_centring(objective, params) <= high
    assert share_after_centring(objective, 0 * params) == 1


def test_the_table_of_the_docs_holds_every_message():
    table = (Path(__file__).parents[1] / "docs" / "messages.md").read_text("utf8")
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")]
    messages = [row[-1].removesuffix(" |") for row in rows if row[0] != "| cause"]
    expected = [*MESSAGES.values(), *BIAS_REDUCED_MESSAGES.values()]
    assert sorted(messages) == sorted(expected)


# --- interruptions ---------------------------------------------------------------


@both
def test_an_interrupted_fit_leaves_the_estimator_and_no_thread(Estimator, monkeypatch):
    X, y = make_data(Estimator, n=50_000, d=50)
    model = Estimator(warm_start=True).fit(X[:200], y[:200])
    before = vars(model).copy()
    n_threads = threading.active_count()
    limits = threadpool_limits(2, user_api="blas")

    def interrupt(_):
        # the pool is at work
        assert threading.active_count() > n_threads
        raise KeyboardInterrupt

    monkeypatch.setattr("skxent.solver.progress.print_iteration", interrupt)
    monkeypatch.setattr("skxent.data.in_memory.THREADED_WORK", 0)
    with limits, pytest.raises(KeyboardInterrupt):
        model.set_params(verbose=1).fit(X, y)
    assert threading.active_count() == n_threads
    model.set_params(verbose=0)
    assert vars(model) == before


def test_after_an_interruption_threads_leave_at_their_next_block(monkeypatch):
    monkeypatch.setattr("skxent.data.in_memory.THREADED_WORK", 0)
    monkeypatch.setattr("skxent.data.blocks.MAX_BLOCK_ROWS", 256)
    rows = InMemoryRows(np.zeros((256 * 40, 2)), np.zeros(256 * 40, dtype=int))
    go_on, n_done = threading.Event(), 0

    def add_block(block, total):
        nonlocal n_done
        n_done += 1
        # Python interrupts its main thread
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        go_on.wait(60)

    with (
        threadpool_limits(2, user_api="blas"),
        pytest.raises(KeyboardInterrupt),
        rows.threads(),
    ):
        try:
            rows.map_reduce(add_block, Sum())
        except KeyboardInterrupt:
            threading.Timer(0.01, go_on.set).start()
            raise
    # one at which this thread raised, at most one or two of the other
    assert n_done <= 3
    # and the next fit starts anew
    with rows.threads():
        (total,) = rows.map_reduce(
            lambda block, total: np.add(total, 1, out=total), Sum()
        )
    assert total == 40


LONG_FIT = """
import signal, sys, threading
import numpy as np
from skxent import SoftmaxReg

# a shell that runs the tests in the background has the signal ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
rng = np.random.default_rng(0)
X, y = rng.normal(size=(200_000, 100)), rng.integers(10, size=200_000)
model = SoftmaxReg(tol=0, max_iter=10**6, C=np.inf, verbose=1)
try:
    while True:
        model.fit(X, y)
except KeyboardInterrupt:
    print("interrupted", threading.active_count(), hasattr(model, "coef_"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_ctrl_c_ends_a_long_fit():
    child = subprocess.Popen(
        [sys.executable, "-u", "-c", LONG_FIT], stdout=subprocess.PIPE, text=True
    )
    with child:
        try:
            assert LINE.fullmatch(child.stdout.readline().strip())
            child.send_signal(signal.SIGINT)
            out, _ = child.communicate(timeout=60)
        finally:
            child.kill()
    assert out.splitlines()[-1] == "interrupted 1 False"


# --- scikit-learn without callbacks ----------------------------------------------

WITHOUT_CALLBACKS = """
import sys, warnings
import sklearn.linear_model, sklearn.model_selection, sklearn.pipeline
sys.modules["sklearn.callback"] = None
from skxent import BinaryLogReg

X, y = [[0.0], [1.0], [2.0], [3.0], [4.0]], [0, 1, 0, 1, 1]
model = BinaryLogReg()
assert not hasattr(model, "set_callbacks")
assert model.fit(X, y).converged_
with warnings.catch_warnings(record=True) as caught:
    model.set_params(max_iter=1).fit(X, y)
assert [warning.filename for warning in caught] == ["<string>"]
"""


def test_estimators_do_without_callbacks_where_scikit_learn_has_none():
    subprocess.run([sys.executable, "-c", WITHOUT_CALLBACKS], check=True)
