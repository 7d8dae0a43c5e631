"""Early stopping: which rows are held out, how they score, and what is returned.

Oracles: scikit-learn's splitters and its ``log_loss``, F written out here, the same fit
without early stopping, and replays of the rule by which it stops.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
from _brute_force import fitted_objective
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import xlogy
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    ShuffleSplit,
    StratifiedShuffleSplit,
    train_test_split,
)

from skxent import BinaryLogReg, ConvergenceDisplay, SoftmaxReg

models = pytest.mark.parametrize(
    ("Estimator", "K"),
    [(BinaryLogReg, 2), (SoftmaxReg, 2), (SoftmaxReg, 4)],
    ids=["BinaryLogReg", "SoftmaxReg, 2 classes", "SoftmaxReg, 4 classes"],
)
# more rows than columns, fewer (row space), L1 with a working set, bounds
PROBLEMS = {
    "tall": ({"n": 120, "d": 30}, {"C": 1e3}),
    "far columns": ({"n": 120, "d": 30, "shift": 1e6}, {"C": 1e3}),
    "wide": ({"n": 60, "d": 90}, {"C": 1e3}),
    "working set": ({"n": 90, "d": 300}, {"C": 10.0, "l1_ratio": 1.0}),
    "bounds": ({"n": 120, "d": 30}, {"C": 1e3, "bounds": (-0.5, None)}),
}
problems = pytest.mark.parametrize("problem", PROBLEMS)


def make_noise(K, n=120, d=30, shift=0.0):
    """Return data of which two columns tell a little, and the others nothing."""
    rng = np.random.default_rng(K)
    X = rng.normal(size=(n, d))
    z = X[:, :2] @ rng.normal(size=(2, K)) + rng.gumbel(size=(n, K))
    y = np.array(["a", "b", "c", "d"])[z.argmax(axis=1)]
    return X + shift, y


def split(y, seed=0, fraction=0.1):
    """Return the rows to train on and to validate on."""
    splitter = StratifiedShuffleSplit(1, test_size=fraction, random_state=seed)
    return next(splitter.split(np.zeros((len(y), 1)), y))


def fit_of(Estimator, X, y, *, s=None, offset=None, **params):
    """Return a fit with early stopping, which a small max_iter may end first."""
    params = {"early_stopping": True, "random_state": 0, **params}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return Estimator(**params).fit(X, y, sample_weight=s, offset=offset)


# --- what is scored, and what is kept --------------------------------------------


@models
@problems
def test_the_best_iteration_is_kept_and_scored_by_its_log_loss(Estimator, K, problem):
    size, params = PROBLEMS[problem]
    X, y = make_noise(K, **size)
    train, validate = split(y)
    model = fit_of(Estimator, X, y, **params)
    scores = model.validation_scores_
    assert scores.shape == model.n_iter_ == model.loss_curve_.shape
    assert model.best_validation_score_ == scores.max()
    # one run for each length: those whose last iteration is the best score it alone
    for n_iter in range(1, len(scores) + 1):
        short = fit_of(Estimator, X, y, **params, max_iter=n_iter)
        assert_allclose(short.validation_scores_, scores[:n_iter], rtol=1e-10)
        score = -log_loss(y[validate], short.predict_proba(X[validate]))
        assert_allclose(score, scores[:n_iter].max(), rtol=1e-7)
        F = fitted_objective(short, X[train], y[train])
        assert_allclose(F, model.loss_curve_[scores[:n_iter].argmax()], rtol=1e-7)


@models
@problems
def test_the_rows_held_out_do_not_take_part_in_the_fit(Estimator, K, problem):
    size, params = PROBLEMS[problem]
    X, y = make_noise(K, **size)
    train, _ = split(y)
    # never ends early, so the path is that of a fit on the other rows
    model = fit_of(Estimator, X, y, **params, n_iter_no_change=1000)
    plain = Estimator(**params).fit(X[np.sort(train)], y[np.sort(train)])
    # all but the last, whose intercepts are improved once more
    assert_array_equal(model.n_iter_, plain.n_iter_)
    assert_allclose(model.loss_curve_[:-1], plain.loss_curve_[:-1], rtol=1e-12)
    assert plain.validation_scores_ is plain.best_validation_score_ is None


@models
@pytest.mark.parametrize("n_iter_no_change", [1, 2, 5])
@pytest.mark.parametrize("tol", [1e-8, 1e-2])
def test_it_stops_after_so_many_iterations_without_a_better_score(
    Estimator, K, n_iter_no_change, tol, monkeypatch
):
    # with the Hessian in each iteration, whose path does not depend on tol
    monkeypatch.setattr("skxent.solver.small_newton.PRICE_FACTOR", 0)
    X, y = make_noise(K)
    forever = {"C": 1e3, "n_iter_no_change": 1000, "tol": 1e-8}
    scores = fit_of(Estimator, X, y, **forever).validation_scores_
    assert scores.argmax() < len(scores) - 6, "the data do not over-fit"
    best, waited = scores[0], 0
    n_iter = 1
    for score in scores[1:]:
        n_iter += 1
        waited = 0 if score > best + tol * abs(best) else waited + 1
        best = max(best, score)
        if waited == n_iter_no_change:
            break
    else:
        pytest.fail("the fit never waits for so long")
    params = {"C": 1e3, "n_iter_no_change": n_iter_no_change, "tol": tol}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Estimator(early_stopping=True, random_state=0, **params).fit(X, y)
    assert_array_equal(model.n_iter_, [n_iter])
    assert_allclose(model.validation_scores_, scores[:n_iter], rtol=1e-10)


@models
@problems
def test_the_distance_to_the_optimum_is_that_of_the_kept_iteration(
    Estimator, K, problem
):
    size, params = PROBLEMS[problem]
    X, y = make_noise(K, **size)
    train, _ = split(y)
    model = fit_of(Estimator, X, y, **params)
    tight = Estimator(**params, tol=1e-12, max_iter=20_000)
    tight.fit(X[train], y[train])
    F, optimum = (fitted_objective(m, X[train], y[train]) for m in (model, tight))
    assert (F - optimum) / F > 1e-3, "the best iteration is the optimum"
    assert (F - optimum) / F <= 3 * model.suboptimality_
    assert F - optimum <= model.duality_gap_
    assert model.converged_ is False


@models
def test_a_fit_that_does_not_over_fit_converges(Estimator, K):
    X, y = make_noise(K, n=5000, d=3)
    model = Estimator(early_stopping=True, random_state=0, tol=1e-2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)
    assert model.validation_scores_.argmax() == len(model.validation_scores_) - 1
    assert model.converged_ is True
    assert model.suboptimality_ <= model.tol


@models
def test_a_limit_that_is_reached_at_the_best_iteration_warns(Estimator, K):
    X, y = make_noise(K)
    model = Estimator(early_stopping=True, random_state=0, max_iter=1)
    with pytest.warns(ConvergenceWarning, match="Increase max_iter"):
        model.fit(X, y)
    assert len(model.validation_scores_) == 1


@models
def test_a_limit_of_zero_scores_the_start(Estimator, K):
    X, y = make_noise(K)
    _, validate = split(y)
    model = fit_of(Estimator, X, y, max_iter=0)
    assert model.validation_scores_.shape == (0,)
    score = -log_loss(y[validate], model.predict_proba(X[validate]))
    assert_allclose(model.best_validation_score_, score, rtol=1e-12)


@models
def test_a_warm_start_goes_on_from_the_best_iteration(Estimator, K):
    X, y = make_noise(K)
    model = fit_of(Estimator, X, y, C=1e3, warm_start=True)
    train, _ = split(y)
    F = fitted_objective(model, X[train], y[train])
    again = fit_of(lambda **_: model, X, y)
    assert again.loss_curve_[0] < F


# --- weights, offsets, targets, containers ---------------------------------------


@models
def test_weights_are_split_with_the_rows_and_count_in_the_score(Estimator, K):
    X, y = make_noise(K)
    _, validate = split(y)
    s = np.random.default_rng(0).uniform(0.1, 3, size=len(y))
    model = fit_of(Estimator, X, y, s=list(s), C=1e3)
    proba = model.predict_proba(X[validate])
    score = -log_loss(y[validate], proba, sample_weight=s[validate])
    assert_allclose(model.best_validation_score_, score, rtol=1e-10)


@models
def test_rows_without_weight_change_nothing(Estimator, K):
    X, y = make_noise(K)
    s = np.random.default_rng(0).uniform(0.1, 3, size=len(y))
    s[::7] = 0
    all_rows = fit_of(Estimator, X, y, s=s, C=1e3)
    model = fit_of(Estimator, X[s > 0], y[s > 0], s=s[s > 0], C=1e3)
    assert_array_equal(all_rows.coef_, model.coef_)
    assert_array_equal(all_rows.validation_scores_, model.validation_scores_)


@models
def test_class_weights_are_those_of_all_rows_and_count_in_the_score(Estimator, K):
    X, y = make_noise(K)
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    s = len(y) / (K * counts[codes])
    model = fit_of(Estimator, X, y, C=1e3, class_weight="balanced")
    by_hand = fit_of(Estimator, X, y, s=s, C=1e3)
    assert_array_equal(model.coef_, by_hand.coef_)
    assert_array_equal(model.validation_scores_, by_hand.validation_scores_)


@models
def test_offsets_are_split_with_the_rows(Estimator, K):
    X, y = make_noise(K)
    _, validate = split(y)
    n_logits = () if Estimator is BinaryLogReg else (K,)
    offset = np.random.default_rng(0).normal(size=(len(y), *n_logits))
    model = fit_of(Estimator, X, y, C=1e3, offset=pd.DataFrame(offset).squeeze())
    proba = model.predict_proba(X[validate], offset[validate])
    assert_allclose(
        model.best_validation_score_, -log_loss(y[validate], proba), rtol=1e-10
    )


@models
def test_the_score_is_of_the_labels_not_of_smoothed_ones(Estimator, K):
    X, y = make_noise(K)
    _, validate = split(y)
    model = fit_of(Estimator, X, y, C=1e3, label_smoothing=0.3)
    score = -log_loss(y[validate], model.predict_proba(X[validate]))
    assert_allclose(model.best_validation_score_, score, rtol=1e-10)


@models
def test_soft_labels_are_split_at_random(Estimator, K):
    X, _ = make_noise(K)
    y = np.random.default_rng(0).dirichlet(np.ones(K), size=len(X))
    splitter = ShuffleSplit(1, test_size=0.1, random_state=0)
    _, validate = next(splitter.split(X))
    model = fit_of(Estimator, X, y, C=1e3)
    score = (y * model.predict_log_proba(X))[validate].sum(axis=1).mean()
    assert_allclose(model.best_validation_score_, score, rtol=1e-10)


@models
@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix])
def test_sparse_rows_are_held_out_as_dense_ones(Estimator, K, container, monkeypatch):
    monkeypatch.setattr(
        "skxent.solver.small_newton.MAX_EVALUATION", 0
    )  # for dense rows only
    X, y = make_noise(K)
    X *= np.random.default_rng(0).random(X.shape) < 0.3
    dense = fit_of(Estimator, X, y, C=1e3, max_iter=3)
    model = fit_of(Estimator, container(X), y, C=1e3, max_iter=3)
    # the paths differ a little, as their changes of variables do
    assert_allclose(model.validation_scores_[0], dense.validation_scores_[0], rtol=0.1)
    _, validate = split(y)
    score = -log_loss(y[validate], model.predict_proba(container(X)[validate]))
    assert_allclose(model.best_validation_score_, score, rtol=1e-10)


def test_float32_rows_stay_float32_and_are_scored_alike():
    X, y = make_noise(2)
    model = fit_of(BinaryLogReg, X.astype(np.float32), y, C=1e3)
    exact = fit_of(BinaryLogReg, X, y, C=1e3)
    assert_allclose(model.validation_scores_[:3], exact.validation_scores_[:3], 1e-4)


def test_the_split_is_that_of_train_test_split_and_its_seed():
    X, y = make_noise(4)
    seeds = [fit_of(SoftmaxReg, X, y, random_state=seed) for seed in (0, 0, 1)]
    assert_array_equal(seeds[0].coef_, seeds[1].coef_)
    assert (seeds[0].coef_ != seeds[2].coef_).any()
    for fraction in (0.1, 0.25):
        _, X_validate, _, y_validate = train_test_split(
            X, y, test_size=fraction, stratify=y, random_state=0
        )
        model = fit_of(SoftmaxReg, X, y, validation_fraction=fraction)
        score = -log_loss(y_validate, model.predict_proba(X_validate))
        assert_allclose(model.best_validation_score_, score, rtol=1e-10)


def test_entropy_bounds_the_score_of_soft_labels():
    # Gibbs: no model scores better than the labels' own entropy allows
    X, _ = make_noise(4)
    y = np.random.default_rng(0).dirichlet(np.ones(4), size=len(X))
    _, validate = next(ShuffleSplit(1, test_size=0.1, random_state=0).split(X))
    entropy = -xlogy(y, y)[validate].sum(axis=1).mean()
    assert fit_of(SoftmaxReg, X, y, C=1e6).validation_scores_.max() <= -entropy


# --- inputs that cannot be split -------------------------------------------------


def with_a_lonely_class():
    X, y = load_iris(return_X_y=True)
    return X[:101], y[:101], {}


def with_few_rows():
    X, y = load_iris(return_X_y=True)
    return X[::10], y[::10], {}


def with_a_large_fraction():
    X, y = load_iris(return_X_y=True)
    return X[::10], y[::10], {"validation_fraction": 0.9}


def with_one_row_of_a_soft_class():
    X, y = make_noise(4)
    soft = np.tile([0.5, 0.5, 0.0], (len(y), 1))
    soft[0] = [0.2, 0.3, 0.5]
    _, validate = next(ShuffleSplit(1, test_size=0.1, random_state=0).split(X))
    return np.roll(X, validate[0], 0), np.roll(soft, validate[0], 0), {}


def with_two_soft_rows():
    return np.eye(2), np.array([[0.5, 0.5], [0.4, 0.6]]), {"validation_fraction": 0.6}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (with_a_lonely_class, r"class 2 has 1 row; expected at least 2 .*add rows"),
        (with_few_rows, r"=0\.1 of 15 rows .*holds 2 out .*at least 3 in both.*choose"),
        (with_a_large_fraction, r"=0\.9 of 15 rows .*leaves 1; expected at least 3"),
        (with_one_row_of_a_soft_class, r"class 2 has the probability 0 .*random_state"),
        (with_two_soft_rows, r"holds 2 out and leaves 0; expected at least 1"),
    ],
)
def test_what_cannot_be_split_is_refused_with_a_remedy(make, message):
    X, y, params = make()
    model = SoftmaxReg(early_stopping=True, random_state=0, **params)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize("name", ["sample_weight", "offset"])
def test_what_belongs_to_other_rows_is_refused(name):
    X, y = make_noise(2)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        BinaryLogReg(early_stopping=True).fit(X, y, **{name: np.ones(len(y) + 3)})


# --- pictures --------------------------------------------------------------------


def test_the_display_takes_the_optimum_from_the_kept_iteration():
    pytest.importorskip("matplotlib").use("Agg")
    X, y = make_noise(2)
    model = fit_of(BinaryLogReg, X, y, C=1e3)
    best = model.validation_scores_.argmax()
    assert best < len(model.validation_scores_) - 1
    display = ConvergenceDisplay.from_estimator(model, x="seconds")
    left = model.suboptimality_
    # the display knows no optimum below half of the answer
    expected = 1 / max(1 - left, 0.5)
    assert_allclose(display.suboptimality[best] + 1, expected, rtol=1e-10)
    assert_array_equal(display.line_.get_xdata(), model.loss_curve_seconds_)
