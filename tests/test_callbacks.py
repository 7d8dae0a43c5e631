"""scikit-learn's callbacks: what they are told of a fit, and what they may ask of it.

Oracles: F written out here, ``log_loss``, the same fit without callbacks or with
another ``max_iter``. Versions without callbacks are in ``test_progress.py``.
"""

import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from _brute_force import fitted_objective
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skxent import BinaryLogReg, SoftmaxReg, log_loss_scorer
from skxent.classifiers.cross_entropy_classifier import coefficients

callback = pytest.importorskip(
    "sklearn.callback", reason="callbacks came with scikit-learn 1.9"
)

both = pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
# The ways to the optimum: more rows than columns, fewer (row space), columns far from 0
# (centred), a working set of columns by box rounds and by Newton steps, bounds.
PROBLEMS = {
    "tall": ({"n": 150, "d": 6}, {}),
    "far columns": ({"n": 150, "d": 6, "shift": 1e5}, {}),
    "wide": ({"n": 40, "d": 70}, {}),
    "no intercept": ({"n": 150, "d": 6}, {"fit_intercept": False}),
    "sparse": ({"n": 150, "d": 6, "container": sparse.csr_array}, {}),
    "lasso": ({"n": 150, "d": 6}, {"l1_ratio": 1.0}),
    "working set": ({"n": 60, "d": 250}, {"l1_ratio": 1.0, "C": 3.0}),
    "box rounds": ({"n": 60, "d": 2500}, {"l1_ratio": 0.9, "C": 3.0}),
    "bounds": ({"n": 150, "d": 6}, {"bounds": (-0.3, 0.3)}),
}
problems = pytest.mark.parametrize("problem", PROBLEMS)


def make_data(Estimator, n=150, d=6, shift=0.0, container=np.asarray):
    K = 2 if Estimator is BinaryLogReg else 3
    rng = np.random.default_rng(K)
    X = rng.normal(size=(n, d)) * np.logspace(-2, 2, d)
    z = (X / X.std(axis=0))[:, :3] @ rng.normal(size=(3, K)) + rng.gumbel(size=(n, K))
    return container(X + shift), np.array(["a", "b", "c"])[z.argmax(axis=1)]


class Listener:
    """A callback that hears of everything but the fitted estimators."""

    def __init__(self):
        self.events = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context):
        self.events.append(f"end {context.task_name}")


class Recorder(Listener):
    """Keep the fitted estimators and the data of all tasks; stop where told to."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.stop_at = stop_at
        self.begun, self.ended, self.told = [], [], []
        self.fitted = None

    def on_fit_task_begin(
        self, estimator, context, *, X, y, metadata, fitted_estimator=None
    ):
        super().on_fit_task_begin(estimator, context)
        if context.task_name == "iteration":
            self.begun.append(fitted_estimator)
        self.told.append((X, y, metadata))

    def on_fit_task_end(
        self, estimator, context, *, X, y, metadata, fitted_estimator=None
    ):
        super().on_fit_task_end(estimator, context)
        self.told.append((X, y, metadata))
        if context.task_name != "iteration":
            self.fitted = fitted_estimator
            return False
        self.ended.append(fitted_estimator)
        return len(self.ended) == self.stop_at


def fit_quietly(model, *data, **metadata):
    """Return a fit that max_iter is meant to end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*data, **metadata)


# --- what they are told ----------------------------------------------------------


@both
@problems
def test_each_iteration_is_a_task_of_the_fit(Estimator, problem):
    size, params = PROBLEMS[problem]
    X, y = make_data(Estimator, **size)
    listener = Listener()
    model = Estimator(**params).set_callbacks(listener).fit(X, y)
    iterations = ["begin iteration", "end iteration"] * model.n_iter_[0]
    expected = ["setup", "begin fit", *iterations, "end fit", "teardown"]
    assert listener.events == expected
    # and the fit is the same as without
    assert_array_equal(model.coef_, Estimator(**params).fit(X, y).coef_)


@both
@problems
def test_fitted_estimators_are_the_iterations(Estimator, problem):
    size, params = PROBLEMS[problem]
    X, y = make_data(Estimator, **size)
    recorder = Recorder()
    model = Estimator(**params).set_callbacks(recorder).fit(X, y)
    values = [fitted_objective(fitted, X, y) for fitted in recorder.ended]
    # The last has its intercepts improved once more. Far columns cost digits here.
    rtol = 1e-8 if problem == "far columns" else 1e-11
    assert_allclose(values[:-1], model.loss_curve_[:-1], rtol=rtol)
    assert_allclose(values[-1], model.loss_curve_[-1], rtol=1e-7)
    assert_allclose(recorder.ended[-1].coef_, model.coef_, rtol=1e-12)
    assert_allclose(recorder.ended[-1].intercept_, model.intercept_, atol=1e-3)
    assert_array_equal(recorder.fitted.coef_, model.coef_)
    assert_array_equal(recorder.fitted.predict(X), model.predict(X))


@both
@problems
def test_an_iteration_begins_where_the_last_has_ended(Estimator, problem):
    size, params = PROBLEMS[problem]
    X, y = make_data(Estimator, **size)
    recorder = Recorder()
    Estimator(**params).set_callbacks(recorder).fit(X, y)
    first, *later = recorder.begun
    assert not first.coef_.any()
    before = [fitted.predict_log_proba(X) for fitted in recorder.ended[:-1]]
    assert_array_equal([fitted.predict_log_proba(X) for fitted in later], before)


@both
def test_the_data_are_those_of_the_fit(Estimator):
    X, y = make_data(Estimator)
    s = np.random.default_rng(0).uniform(1, 2, size=len(y))
    offset = s if Estimator is BinaryLogReg else np.outer(s, [0, 1, 2])
    recorder = Recorder()
    model = Estimator().set_callbacks(recorder)
    for metadata in ({}, {"sample_weight": s}, {"sample_weight": s, "offset": offset}):
        recorder.told.clear()
        model.fit(X, y, **metadata)
        for X_told, y_told, metadata_told in recorder.told:
            assert_array_equal(X_told, X)
            assert_array_equal(y_told, y)
            assert (metadata_told or {}) == metadata


@both
def test_coefficients_that_nobody_asks_for_are_not_computed(Estimator, monkeypatch):
    calls = []

    def counting(*args):
        calls.append(args)
        return coefficients(*args)

    monkeypatch.setattr("skxent.classifiers.base.coefficients", counting)
    X, y = make_data(Estimator)
    Estimator().set_callbacks(Listener()).fit(X, y)
    assert len(calls) == 1
    Estimator().set_callbacks(Recorder()).fit(X, y)
    assert len(calls) > 3


@both
def test_a_fit_without_iterations_is_a_task_without_tasks(Estimator):
    recorder = Recorder()
    model = Estimator(max_iter=0).set_callbacks(recorder)
    fit_quietly(model, *make_data(Estimator))
    assert recorder.events == ["setup", "begin fit", "end fit", "teardown"]
    assert not recorder.fitted.coef_.any()


@both
@problems
@pytest.mark.parametrize("end", [{"tol": 1e-40}, {"max_iter": 3}])
def test_what_has_begun_ends_however_the_fit_does(Estimator, problem, end):
    size, params = PROBLEMS[problem]
    recorder = Recorder()
    model = Estimator(**params, **end).set_callbacks(recorder)
    fit_quietly(model, *make_data(Estimator, **size))
    n_begun = recorder.events.count("begin iteration")
    assert n_begun == recorder.events.count("end iteration")
    # a line search that fails is no iteration that counts
    assert n_begun - model.n_iter_[0] in (0, 1)
    assert_array_equal(recorder.ended[-1].coef_, recorder.fitted.coef_)


# --- what they may ask -----------------------------------------------------------


@both
@problems
@pytest.mark.parametrize("stop_at", [1, 2])
def test_a_callback_that_asks_to_stop_stops_the_fit(Estimator, problem, stop_at):
    size, params = PROBLEMS[problem]
    X, y = make_data(Estimator, **size)
    recorder = Recorder(stop_at)
    params = {"tol": 1e-13, **params}
    model = Estimator(**params).set_callbacks(recorder, Listener())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)
    assert_array_equal(model.n_iter_, [stop_at])
    assert model.converged_ is False
    assert model.suboptimality_ > model.tol
    limited = fit_quietly(Estimator(**params, max_iter=stop_at), X, y)
    assert_array_equal(model.coef_, limited.coef_)
    assert_array_equal(model.predict_proba(X), limited.predict_proba(X))
    assert recorder.events[-2:] == ["end fit", "teardown"]


@both
def test_a_stop_at_the_optimum_is_convergence(Estimator):
    X, y = make_data(Estimator)
    n_iter = Estimator().fit(X, y).n_iter_[0]
    model = Estimator().set_callbacks(Recorder(stop_at=n_iter)).fit(X, y)
    assert model.converged_ is True


@both
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_of_a_callback_leaves_the_estimator_as_it_was(Estimator, error):
    class Failing(Listener):
        def on_fit_task_end(self, estimator, context):
            raise error

    X, y = make_data(Estimator, n=100_000, d=30)
    listener = Failing()
    model = Estimator().fit(X[:500], y[:500])
    before = vars(model).copy()
    n_threads = threading.active_count()
    with pytest.raises(error):
        model.set_callbacks(listener).fit(X, y)
    assert threading.active_count() == n_threads
    assert listener.events[-1] == "teardown"
    del model._skl_callbacks
    assert vars(model) == before


@both
def test_an_error_at_the_end_of_the_fit_comes_after_it(Estimator):
    class Failing(Listener):
        def on_fit_task_end(self, estimator, context):
            if context.task_name == "fit":
                raise ZeroDivisionError

    X, y = make_data(Estimator)
    model = Estimator().fit(X[:, :2], y).set_callbacks(Failing())
    with pytest.raises(ZeroDivisionError):
        model.fit(X, y)
    assert_array_equal(model.coef_, Estimator().fit(X, y).coef_)


class Reader(Listener):
    """Note the fitted attributes of the estimator itself at the end of each task."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_fit_task_end(self, estimator, context):
        super().on_fit_task_end(estimator, context)
        fitted = {k: v for k, v in vars(estimator).items() if k[-1] == "_"}
        self.seen.append((context.task_name, fitted))


@both
@pytest.mark.parametrize("fitted_before", [False, True])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_estimator_changes_only_when_its_fit_ends(
    Estimator, fitted_before, early_stopping
):
    X, y = make_data(Estimator)
    model = Estimator(early_stopping=early_stopping, random_state=0)
    if fitted_before:
        model.fit(pd.DataFrame(X[:, :2], columns=["a", "b"]), y)
    before = {k: v for k, v in vars(model).items() if k[-1] == "_"}
    reader = Reader()
    model.set_callbacks(reader).fit(X, y)
    *iterations, (name, after) = reader.seen
    assert len(iterations) == model.n_iter_[0]
    for _, during in iterations:
        assert during.keys() == before.keys()
        assert all(during[k] is before[k] for k in before)
    assert name == "fit"
    assert after == {k: v for k, v in vars(model).items() if k[-1] == "_"}


@both
@pytest.mark.parametrize("named", [False, True])
def test_fitted_estimators_know_the_features_of_this_fit(Estimator, named):
    X, y = make_data(Estimator)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    recorder = Recorder()
    model = Estimator().fit(frame.iloc[:, :2].rename(columns=str.upper), y)
    model.set_callbacks(recorder).fit(frame if named else X, y)
    for fitted in (*recorder.begun, *recorder.ended, recorder.fitted):
        assert fitted.n_features_in_ == 6
        names = getattr(fitted, "feature_names_in_", None)
        assert (names is None) == (not named)
        fitted.predict(frame if named else X)


@both
def test_clones_share_callbacks_and_none_removes_them(Estimator):
    listener = Listener()
    model = Estimator().set_callbacks(listener)
    twin = clone(model).fit(*make_data(Estimator))
    assert listener.events.count("end iteration") == twin.n_iter_[0]
    listener.events.clear()
    twin.set_callbacks().fit(*make_data(Estimator))
    assert listener.events == []


# --- scikit-learn's own ----------------------------------------------------------


@both
@pytest.mark.parametrize("weighted", [False, True])
def test_scoring_monitor_logs_the_loss_of_each_iteration(Estimator, weighted):
    X, y = make_data(Estimator)
    s = np.random.default_rng(0).uniform(1, 2, size=len(y)) if weighted else None
    monitor = callback.ScoringMonitor(scoring="neg_log_loss")
    model = Estimator(C=np.inf).set_callbacks(monitor).fit(X, y, sample_weight=s)
    log = monitor.get_logs().data_as_pandas
    scores = log.loc[log.task_name == "iteration", "neg_log_loss"]
    # without a penalty F is the log loss
    assert_allclose(-scores[:-1], model.loss_curve_[:-1], rtol=1e-11)
    (score,) = log.loc[log.task_name == "fit", "neg_log_loss"]
    loss = log_loss(y, model.predict_proba(X), sample_weight=s)
    assert_allclose(-score, loss, rtol=1e-12)


@both
def test_scoring_monitor_scores_with_offsets(Estimator):
    X, y = make_data(Estimator)
    rng = np.random.default_rng(0)
    n_logits = () if Estimator is BinaryLogReg else (3,)
    offset = rng.normal(size=(len(y), *n_logits))
    monitor = callback.ScoringMonitor(scoring={"loss": log_loss_scorer})
    model = Estimator().set_callbacks(monitor).fit(X, y, offset=offset)
    with config_context(enable_metadata_routing=True):
        scorer = log_loss_scorer.set_score_request(offset=True)
        routed = callback.ScoringMonitor(scoring={"loss": scorer})
        Estimator().set_callbacks(routed).fit(X, y, offset=offset)
    loss = log_loss(y, model.predict_proba(X, offset))
    for log in (monitor.get_logs(), routed.get_logs()):
        assert_allclose(log.data[0]["loss"], -loss, rtol=1e-12)


@both
def test_callbacks_work_in_a_pipeline_and_in_a_search(Estimator, capsys):
    pytest.importorskip("rich")
    load = load_breast_cancer if Estimator is BinaryLogReg else load_iris
    X, y = load(return_X_y=True)
    monitor = callback.ScoringMonitor(scoring="neg_log_loss")
    step = Estimator().set_callbacks(monitor)
    pipeline = make_pipeline(StandardScaler(), step)
    pipeline.set_callbacks(callback.ProgressBar()).fit(X, y)
    assert len(monitor.get_logs().data) == pipeline[-1].n_iter_[0] + 1
    assert f"{Estimator.__name__} - fit" in capsys.readouterr().out

    name = Estimator.__name__.lower()
    grid = {f"{name}__C": [0.1, 1.0]}
    search = GridSearchCV(clone(pipeline).set_callbacks(), grid, cv=3)
    bar = callback.ProgressBar(max_propagation_depth=None)
    search.set_callbacks(bar).fit(X, y)
    assert capsys.readouterr().out.count(f"{Estimator.__name__} - fit") >= 7
    log = monitor.get_logs(select="most_recent").data
    # two candidates on three folds, and the best once more on all rows
    roots = [row for row in log if row["task_name"] != "iteration"]
    assert len(roots) == 7
    plain = GridSearchCV(clone(pipeline).set_callbacks(), grid, cv=3).fit(X, y)
    assert_array_equal(
        search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )


@both
def test_callbacks_report_from_other_processes(Estimator):
    X, y = make_data(Estimator)
    monitor = callback.ScoringMonitor(scoring="neg_log_loss")
    search = GridSearchCV(
        Estimator().set_callbacks(monitor), {"C": [0.1, 1.0]}, cv=2, n_jobs=2
    )
    search.fit(X, y)
    n_fits = {row["task_id_path"][:-1] for row in monitor.get_logs().data}
    assert len(n_fits) >= 4


# --- with early stopping ---------------------------------------------------------


@both
@problems
def test_with_early_stopping_they_are_told_of_the_training_rows(Estimator, problem):
    size, params = PROBLEMS[problem]
    X, y = make_data(Estimator, **size)
    s = np.random.default_rng(0).uniform(1, 2, size=len(y))
    recorder = Recorder()
    model = Estimator(**params, early_stopping=True, random_state=0)
    fit_quietly(model.set_callbacks(recorder), X, y, sample_weight=s)
    split = StratifiedShuffleSplit(1, test_size=0.1, random_state=0)
    train, validate = next(split.split(np.zeros((len(y), 1)), y))
    X_told, y_told, metadata = recorder.told[0]
    assert_array_equal(y_told, y[np.sort(train)])
    assert_array_equal(metadata["sample_weight"], s[np.sort(train)])
    # each iteration by itself
    for fitted, F, score in zip(
        recorder.ended, model.loss_curve_, model.validation_scores_, strict=True
    ):
        value = fitted_objective(fitted, X_told, y_told, metadata["sample_weight"])
        assert_allclose(value, F, rtol=1e-8 if problem == "far columns" else 1e-11)
        proba = fitted.predict_proba(X[validate])
        loss = log_loss(y[validate], proba, sample_weight=s[validate])
        assert_allclose(score, -loss, rtol=1e-7)
    best = recorder.ended[model.validation_scores_.argmax()]
    assert_array_equal(model.coef_, best.coef_)
    assert_array_equal(model.intercept_, best.intercept_)


@both
def test_a_stop_request_keeps_the_best_iteration_so_far(Estimator):
    X, y = make_data(Estimator, n=60, d=30)
    recorder = Recorder(stop_at=8)
    model = Estimator(C=1e4, early_stopping=True, random_state=0, n_iter_no_change=99)
    model.set_callbacks(recorder).fit(X, y)
    assert_array_equal(model.n_iter_, [8])
    best = recorder.ended[model.validation_scores_.argmax()]
    assert_array_equal(model.coef_, best.coef_)
