"""The estimators that choose C, against separate fits and scikit-learn's splitters."""

import warnings

import numpy as np
import pytest
from _contract import scikit_learn_contract
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
)

from skxent import (
    BinaryLogReg,
    BinaryLogRegCV,
    CrossEntropyObjective,
    SoftmaxReg,
    SoftmaxRegCV,
    log_loss_scorer,
    log_reg_path,
)
from skxent.model.curvature import hessian_of_loss
from skxent.model.folds import (
    NO_FOLD,
    evaluate_folds,
    held_out_losses,
    held_out_model,
)

CS = [1e-3, 0.1, 3.0]
PAIRS = {
    "binary": (BinaryLogReg, BinaryLogRegCV),
    "softmax": (SoftmaxReg, SoftmaxRegCV),
}
kinds = pytest.mark.parametrize("kind", PAIRS)


def make_data(kind, n=200, seed=0):
    """Return X with uneven scales, and labels that depend on it."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4)) * [1, 10, 0.1, 1]
    logits = np.column_stack([X[:, 0], X[:, 1] / 10, X[:, 2] * 10])
    logits += rng.gumbel(size=logits.shape)
    y = logits.argmax(axis=1)
    return X, (y > 0).astype(int) if kind == "binary" else y


def separate_scores(model, X, y, splits, Cs, **fit_params):
    """Return the scores, (n_folds, n_Cs), of fits that share nothing."""
    scores = np.empty((len(splits), len(Cs)))
    for fold, (train, test) in enumerate(splits):
        for j, C in enumerate(Cs):
            one = clone(model).set_params(C=C, tol=1e-12, max_iter=5000)
            one.fit(X[train], y[train], **{k: v[train] for k, v in fit_params.items()})
            params = {k: v[test] for k, v in fit_params.items()}
            scores[fold, j] = log_loss_scorer(one, X[test], y[test], **params)
    return scores


# --- scikit-learn's own contract -------------------------------------------------


@scikit_learn_contract(BinaryLogRegCV(Cs=3, cv=3), SoftmaxRegCV(Cs=3, cv=3))
def test_scikit_learn_contract(estimator, check):
    with warnings.catch_warnings():
        # tiny data: folds with few rows of a class
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        check(estimator)


# --- the mathematics of folds -----------------------------------------------------


@kinds
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_folds_are_objectives_of_the_other_rows(kind, container, fit_intercept):
    X, y = make_data(kind)
    rng = np.random.default_rng(1)
    s, folds = rng.exponential(size=len(y)), rng.integers(0, 3, len(y))
    options = {"C": 0.7, "fit_intercept": fit_intercept, "loss": kind}
    X = container(X)
    whole = CrossEntropyObjective(X, y, s, **options)
    params = rng.standard_normal((3, whole.n_params)) * 0.1
    values, gradients = evaluate_folds(whole, folds, np.arange(3), params)
    some = evaluate_folds(whole, folds, np.array([2, 0]), params[[2, 0]])
    assert_allclose(some.values, values[[2, 0]], rtol=1e-14)
    losses = held_out_losses(whole, folds, params)
    at = params[0]
    held_out = held_out_model(whole, folds, 3, at)
    hessians = held_out.hessians
    assert_allclose(
        hessians.sum(axis=0), hessian_of_loss(whole, at), rtol=1e-10, atol=1e-14
    )
    of_all = evaluate_folds(whole, folds, np.array([NO_FOLD]), at[None])
    value, gradient = whole.value_and_gradient(at)
    assert_allclose(of_all.values[0], value, rtol=1e-12)
    assert_allclose(of_all.gradients[0], gradient, rtol=1e-10, atol=1e-14)
    here = evaluate_folds(whole, folds, np.arange(3), np.tile(at, (3, 1)))
    assert_allclose(value - held_out.values, here.values, rtol=1e-12)
    assert_allclose(
        gradient - held_out.gradients, here.gradients, rtol=1e-9, atol=1e-14
    )
    for fold in range(3):
        inside, outside = folds != fold, folds == fold
        other = CrossEntropyObjective(X[inside], y[inside], s[inside], **options)
        share = s[inside].sum() / s.sum()
        value, gradient = other.value_and_gradient(params[fold])
        assert_allclose(values[fold], share * value, rtol=1e-12)
        assert_allclose(gradients[fold], share * gradient, rtol=1e-10, atol=1e-14)
        test = CrossEntropyObjective(
            X[outside], y[outside], s[outside], **options | {"C": np.inf}
        )
        assert_allclose(losses[fold], test.evaluate(params[fold]).value, rtol=1e-12)
        of_rest = hessian_of_loss(other, at)
        expected = share * of_rest
        rest = hessians.sum(axis=0) - hessians[fold]
        assert_allclose(rest, expected, rtol=1e-9, atol=1e-13)


# --- scores equal those of separate fits ------------------------------------------


@kinds
@pytest.mark.parametrize(
    "cv",
    [
        StratifiedKFold(4),
        KFold(3, shuffle=True, random_state=0),
        ShuffleSplit(3, test_size=0.3, random_state=0),
        RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0),
    ],
    ids=lambda cv: type(cv).__name__,
)
def test_scores_equal_those_of_separate_fits(kind, cv):
    one, search = PAIRS[kind]
    X, y = make_data(kind)
    model = search(Cs=CS, cv=cv).fit(X, y)
    expected = separate_scores(one(), X, y, list(cv.split(X, y)), CS)
    assert_allclose(model.scores_[:, 0], expected, rtol=1e-6)
    assert_allclose(model.mean_scores_[0], expected.mean(axis=0), rtol=1e-6)
    assert_allclose(model.std_scores_[0], expected.std(axis=0), rtol=1e-4)
    assert CS[np.argmax(expected.mean(axis=0))] == model.C_


@kinds
def test_folds_of_sorted_rows_have_the_scores_of_separate_fits(kind):
    # folds that differ: their optima are far from that of all rows
    one, search = PAIRS[kind]
    X, y = make_data(kind, n=400)
    order = np.argsort(X[:, 0] + X[:, 1] / 20)
    X, y = X[order], y[order]
    cv = StratifiedKFold(4)
    model = search(Cs=CS, cv=cv).fit(X, y)
    expected = separate_scores(one(), X, y, list(cv.split(X, y)), CS)
    assert_allclose(model.scores_[:, 0], expected, rtol=1e-6)


@kinds
@pytest.mark.parametrize(
    "options",
    [
        {"l1_ratio": 1.0},
        {"l1_ratio": 0.5},
        {"bounds": (0, None)},
        {"penalty_weights": [1.0, 0.0, 2.0, 1.0]},
        {"fit_intercept": False},
        {"label_smoothing": 0.2},
    ],
    ids=str,
)
def test_all_penalties_have_the_scores_of_separate_fits(kind, options):
    one, search = PAIRS[kind]
    X, y = make_data(kind)
    cv = StratifiedKFold(3)
    options = dict(options)
    ratio = options.pop("l1_ratio", 0.0)
    model = search(Cs=CS, cv=cv, l1_ratios=[ratio], **options).fit(X, y)
    single = one(l1_ratio=ratio, **options)
    expected = separate_scores(single, X, y, list(cv.split(X, y)), CS)
    assert_allclose(model.scores_[:, 0], expected, rtol=1e-5)


@kinds
def test_weights_and_offsets_count_in_fits_and_scores(kind):
    one, search = PAIRS[kind]
    X, y = make_data(kind)
    rng = np.random.default_rng(2)
    weights = rng.exponential(size=len(y)) * (rng.random(len(y)) > 0.1)
    n_logits = () if kind == "binary" else (3,)
    params = {"sample_weight": weights, "offset": rng.normal(size=(len(y), *n_logits))}
    cv = StratifiedKFold(3)
    model = search(Cs=CS, cv=cv).fit(X, y, **params)
    expected = separate_scores(one(), X, y, list(cv.split(X, y)), CS, **params)
    assert_allclose(model.scores_[:, 0], expected, rtol=1e-6)


def test_soft_labels_are_stratified_by_their_most_probable_class():
    X, y = make_data("softmax")
    q = np.eye(3)[y] * 0.8 + 0.2 / 3
    cv = StratifiedKFold(3)
    model = SoftmaxRegCV(Cs=CS, cv=cv).fit(X, q)
    splits = list(cv.split(X, y))
    expected = separate_scores(SoftmaxReg(), X, q, splits, CS)
    assert_allclose(model.scores_[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("container", [np.float32, sparse.csr_matrix])
def test_float32_and_sparse_data(container, monkeypatch):
    # blocks stay in float32, as those of large data
    monkeypatch.setattr("skxent.data.blocks.SMALL_BYTES", 0)
    X, y = make_data("binary")
    dense = BinaryLogRegCV(Cs=CS, cv=3).fit(X, y)
    other = BinaryLogRegCV(Cs=CS, cv=3).fit(container(X), y)
    assert_allclose(other.scores_, dense.scores_, rtol=1e-5)
    assert_allclose(other.coef_, dense.coef_, rtol=1e-4)


def test_fewer_rows_than_columns():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 120)), np.arange(40) % 2
    X[:, 0] += y
    cv = StratifiedKFold(4)
    model = BinaryLogRegCV(Cs=CS, cv=cv).fit(X, y)
    expected = separate_scores(BinaryLogReg(), X, y, list(cv.split(X, y)), CS)
    assert_allclose(model.scores_[:, 0], expected, rtol=1e-5)


# --- the refit and the choice -----------------------------------------------------


@kinds
def test_refit_is_the_fit_with_the_chosen_penalty(kind):
    one, search = PAIRS[kind]
    X, y = make_data(kind)
    model = search(Cs=CS, l1_ratios=[0.0, 0.5]).fit(X, y)
    single = one(C=model.C_, l1_ratio=model.l1_ratio_, tol=1e-12).fit(X, y)
    assert_allclose(model.predict_proba(X), single.predict_proba(X), atol=1e-5)
    assert model.converged_ and model.suboptimality_ <= 1e-8
    assert model.worst_suboptimality_ <= 1e-8
    assert model.scores_.shape == model.n_iter_.shape == (5, 2, 3)
    assert model.coefs_paths_.shape == (5, 2, 3, *single.coef_.shape)
    assert model.intercepts_paths_.shape == (5, 2, 3, len(single.intercept_))


def test_without_refit_the_model_is_the_mean_of_the_folds():
    X, y = make_data("binary")
    model = BinaryLogRegCV(Cs=CS, refit=False).fit(X, y)
    place = CS.index(model.C_)
    assert_allclose(model.coef_, model.coefs_paths_[:, 0, place].mean(axis=0))
    assert_allclose(model.intercept_, model.intercepts_paths_[:, 0, place].mean(axis=0))
    assert model.converged_


def test_one_standard_error_is_the_strongest_of_the_good_penalties():
    X, y = make_data("binary", n=100)
    best = BinaryLogRegCV(Cs=20).fit(X, y)
    model = BinaryLogRegCV(Cs=20, selection="one_standard_error").fit(X, y)
    assert_array_equal(model.scores_, best.scores_)
    means, errors = best.mean_scores_[0], best.standard_errors_[0]
    top = np.argmax(means)
    good = np.flatnonzero(means >= means[top] - errors[top])
    assert model.C_ == model.Cs_[good[0]] < best.C_ == best.Cs_[top]


def test_other_scores_and_their_values():
    X, y = make_data("binary")
    cv = StratifiedKFold(3)
    model = BinaryLogRegCV(Cs=CS, cv=cv, scoring="accuracy").fit(X, y)
    splits = list(cv.split(X, y))
    expected = [
        [BinaryLogReg(C=C).fit(X[a], y[a]).score(X[b], y[b]) for C in CS]
        for a, b in splits
    ]
    assert_array_equal(model.scores_[:, 0], expected)
    assert model.score(X, y) == (model.predict(X) == y).mean()
    default = BinaryLogRegCV(Cs=CS).fit(X, y)
    assert default.score(X, y) == log_loss_scorer(default, X, y)


# --- leave-one-out -----------------------------------------------------------------


@kinds
@pytest.mark.parametrize("ratio", [0.0, 0.5])
def test_leave_one_out_is_near_that_of_fits_without_each_row(kind, ratio):
    one, search = PAIRS[kind]
    X, y = make_data(kind, n=150)
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.5, 1.5, size=len(y))
    model = search(Cs=[0.3, 3.0], l1_ratios=[ratio], cv="loo")
    model.fit(X, y, sample_weight=weights)
    assert model.scores_.shape == (1, 1, 2)
    for j, C in enumerate(model.Cs_):
        single = one(C=C, l1_ratio=ratio, tol=1e-12)
        train = -log_loss_scorer(single.fit(X, y, weights), X, y, sample_weight=weights)
        losses = np.empty(len(y))
        for row in range(len(y)):
            rest = np.arange(len(y)) != row
            single.fit(X[rest], y[rest], weights[rest])
            losses[row] = -log_loss_scorer(single, X[[row]], y[[row]])
        expected = np.average(losses, weights=weights)
        gap = expected - train
        assert abs(-model.mean_scores_[0, j] - expected) <= (0.02 + 0.3 * ratio) * gap
        share = weights / weights.sum()
        error = np.linalg.norm(share * (losses - expected))
        assert_allclose(model.standard_errors_[0, j], error, rtol=0.05)


def test_leave_one_out_where_it_does_not_hold():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 20)), np.arange(300) % 2
    with pytest.raises(ValueError, match=r"at a bound.*use cv=5"):
        BinaryLogRegCV(cv="loo", bounds=(0, None)).fit(X, y)
    with pytest.raises(ValueError, match="cross-entropy alone"):
        BinaryLogRegCV(cv="loo", scoring="accuracy").fit(X, y)
    # without a class, there is no fit without its only row
    y[:] = 0
    y[0] = 1
    with pytest.raises(ValueError, match=r"use cv=5|drop"):
        BinaryLogRegCV(cv="loo").fit(X, y)


def test_penalties_without_a_leave_one_out_score_are_unknown(monkeypatch):
    # a weak penalty and separable classes: fits depend on single rows
    monkeypatch.setattr("skxent.solver.leave_one_out.MAX_REFITS", 0)
    X, y = make_data("binary", n=60)
    Cs = [1e-3, 1e-2, 1e4]
    y = (X[:, 0] > 0).astype(int)
    with pytest.warns(UserWarning, match="a larger C may be better"):
        model = BinaryLogRegCV(cv="loo", Cs=Cs).fit(X, y)
    assert_array_equal(np.isnan(model.scores_[0, 0]), [False, False, True])
    assert model.C_ == 1e-2


# --- grids of C --------------------------------------------------------------------


def test_grid_of_equal_variances_has_equal_ratios():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 5))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = np.arange(500) % 2
    Cs = BinaryLogRegCV(Cs=7, cv=2).fit(X, y).Cs_
    assert len(Cs) == 7
    assert_allclose(np.diff(np.log(Cs)), np.log(Cs[1] / Cs[0]), rtol=0.02)
    # half a degree of freedom: v C S / (1 + v C S) of 5 columns with v = 1/4
    degrees = 5 * (x := 0.25 * Cs * 500) / (1 + x)
    assert_allclose(degrees[[0, -1]], [5 * 0.5 / 5.5, 5 * 0.9999], rtol=1e-3)


@kinds
def test_grid_does_not_depend_on_units_or_on_the_scale_of_weights(kind):
    _, search = PAIRS[kind]
    X, y = make_data(kind)
    plain = search(cv=2).fit(X, y)
    weighted = search(cv=2).fit(X, y, sample_weight=np.full(len(y), 3.0))
    assert_allclose(weighted.Cs_, plain.Cs_ / 3)
    scaled = search(cv=2).fit(X * 10, y)
    assert_allclose(scaled.Cs_, plain.Cs_ / 100, rtol=1e-6)


def test_lasso_grid_begins_without_coefficients():
    X, y = make_data("binary")
    path = log_reg_path(X, y, Cs=5, l1_ratio=1)
    assert not path.coefs[0].any()
    slightly_more = log_reg_path(X, y, Cs=[1.001 * path.Cs[0]], l1_ratio=1)
    assert slightly_more.coefs.any()
    assert_allclose(path.Cs[-1] / path.Cs[0], 1e4)


def test_path_has_the_numbers_of_single_fits():
    X, y = load_iris(return_X_y=True)
    path = log_reg_path(X, y, Cs=[10.0, 0.1, 1.0])
    assert_array_equal(path.Cs, [0.1, 1.0, 10.0])
    for C, coef, intercept in zip(path.Cs, path.coefs, path.intercepts, strict=True):
        single = SoftmaxReg(C=C, tol=1e-12).fit(X, y)
        assert_allclose(coef, single.coef_, rtol=1e-3, atol=1e-4)
        assert_allclose(intercept, single.intercept_, rtol=1e-3, atol=1e-3)
    assert (path.suboptimalities <= 1e-8).all()


# --- errors and warnings -----------------------------------------------------------


def test_a_fold_without_a_class_is_named():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match=r"fold 0 have no weight in the class 0"):
        SoftmaxRegCV(cv=KFold(3)).fit(X, y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"Cs": [1.0, -1.0]}, "positive"),
        ({"Cs": []}, "positive"),
        ({"l1_ratios": [0.5, 2.0]}, "from 0 to 1"),
        ({"l1_ratios": []}, "from 0 to 1"),
        ({"selection": "median"}, "selection"),
    ],
)
def test_wrong_parameters(params, message):
    X, y = make_data("binary")
    with pytest.raises(ValueError, match=message):
        BinaryLogRegCV(**params).fit(X, y)


def test_other_scorers_cannot_score_a_fit_with_an_offset():
    X, y = make_data("binary")
    with pytest.raises(ValueError, match="cannot score a fit with an offset"):
        BinaryLogRegCV(scoring="accuracy").fit(X, y, offset=np.ones(len(y)))


def test_one_warning_for_all_fits():
    X, y = make_data("binary")
    with pytest.warns(
        ConvergenceWarning, match=r"\d+ of 18 fits ended short"
    ) as caught:
        BinaryLogRegCV(Cs=CS, max_iter=1, l1_ratios=[1.0]).fit(X, y)
    assert len(caught) <= 2  # one of the search, one of the refit


def test_groups_need_metadata_routing(monkeypatch):
    X, y = make_data("binary")
    groups = np.arange(len(y)) % 7
    model = BinaryLogRegCV(Cs=CS, cv=GroupKFold(3))
    with pytest.raises(ValueError, match="enable_metadata_routing"):
        model.fit(X, y, groups=groups)


def test_groups_by_metadata_routing():
    from sklearn import config_context

    X, y = make_data("binary")
    groups = np.arange(len(y)) % 7
    with config_context(enable_metadata_routing=True):
        model = BinaryLogRegCV(Cs=CS, cv=GroupKFold(3)).fit(X, y, groups=groups)
    splits = list(GroupKFold(3).split(X, y, groups))
    expected = separate_scores(BinaryLogReg(), X, y, splits, CS)
    assert_allclose(model.scores_[:, 0], expected, rtol=1e-6)
