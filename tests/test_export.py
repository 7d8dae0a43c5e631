"""Models handed to scikit-learn and taken back: the same predictions, no warning."""

import pickle

import numpy as np
import pandas as pd
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skxent import (
    BinaryLogReg,
    BinaryLogRegCV,
    CoefficientDisplay,
    SoftmaxReg,
    SoftmaxRegCV,
    cross_entropy_report,
)
from skxent.export import logistic_regression

ATOL = 1e-12
TIGHT = {"tol": 1e-13, "max_iter": 20_000}
NAMES = ["age", "height", "income", "weight"]

models = pytest.mark.parametrize(
    ("Estimator", "K"),
    [(BinaryLogReg, 2), (SoftmaxReg, 2), (SoftmaxReg, 3), (SoftmaxReg, 7)],
)


def make_data(K, seed=0, n=150):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) * [1, 5, 0.2, 1]
    logits = X @ rng.normal(size=(4, K)) + rng.gumbel(size=(n, K))
    return X, logits.argmax(axis=1)


def assert_same_predictions(one, other, X, atol=ATOL):
    assert_array_equal(one.predict(X), other.predict(X))
    for name in ("predict_proba", "decision_function"):
        assert_allclose(
            getattr(one, name)(X), getattr(other, name)(X), rtol=1e-12, atol=atol
        )


# --- to scikit-learn -------------------------------------------------------------


@models
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_copy_predicts_the_same(Estimator, K, seed, fit_intercept):
    X, y = make_data(K, seed)
    model = Estimator(C=3.0**seed, fit_intercept=fit_intercept).fit(X, y)
    copy = model.to_sklearn()
    assert type(copy) is LogisticRegression
    assert copy.coef_.shape == ((1, 4) if K == 2 else (K, 4))
    assert copy.n_features_in_ == 4
    assert not hasattr(copy, "feature_names_in_")
    assert_array_equal(copy.n_iter_, model.n_iter_)
    assert_same_predictions(copy, model, X)
    assert copy.score(X, y) == model.score(X, y)


@models
def test_the_copy_agrees_at_extreme_logits(Estimator, K):
    X, y = make_data(K)
    model = Estimator().fit(X, y)
    copy = model.to_sklearn()
    for far in (1e3, 1e8, 1e140):
        assert_same_predictions(copy, model, far * X, atol=far * ATOL)
        assert_allclose(
            copy.predict_proba(far * X), model.predict_proba(far * X), atol=ATOL
        )


@models
def test_the_copy_of_a_fit_to_float32_agrees(Estimator, K):
    X, y = make_data(K)
    X = X.astype(np.float32)
    model = Estimator().fit(X, y)
    copy = model.to_sklearn()
    assert_same_predictions(copy, model, X)
    assert_same_predictions(copy, model, X.astype(np.float64))


@pytest.mark.parametrize("labels", [["no", "yes"], [False, True], [-1, 5], [0.0, 2.0]])
@pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
def test_the_copy_has_the_labels_and_names_of_the_fit(Estimator, labels):
    X, y = make_data(2)
    X, y = pd.DataFrame(X, columns=NAMES), np.array(labels)[y]
    model = Estimator().fit(X, y)
    copy = model.to_sklearn()
    assert_array_equal(copy.classes_, labels)
    assert list(copy.feature_names_in_) == NAMES
    assert_same_predictions(copy, model, X)


def test_the_copy_shares_no_array_and_can_be_pickled():
    X, y = make_data(3)
    model = SoftmaxReg().fit(X, y)
    before = model.predict_proba(X)
    copy = model.to_sklearn()
    again = pickle.loads(pickle.dumps(copy))
    assert_same_predictions(again, model, X)
    copy.coef_ += 1
    copy.intercept_ += 1
    copy.classes_ += 1
    assert_array_equal(model.predict_proba(X), before)
    assert_array_equal(model.classes_, [0, 1, 2])


def test_the_copy_of_a_sparse_model_is_dense():
    X, y = make_data(2)
    model = BinaryLogReg(l1_ratio=1, C=0.1).fit(X, y).sparsify()
    copy = model.to_sklearn()
    assert isinstance(copy.coef_, np.ndarray)
    assert_same_predictions(copy, model, X)


@pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
@pytest.mark.parametrize("C", [0.1, 2, np.inf])
@pytest.mark.parametrize("l1_ratio", [0, 0.3, 1])
def test_the_parameters_of_the_copy_have_the_same_optimum(Estimator, C, l1_ratio):
    # the formula of the penalty of one logit, given that of two
    X, y = make_data(2)
    params = {"fit_intercept": False, "class_weight": {0: 1.0, 1: 2.0}}
    model = Estimator(C=C, l1_ratio=l1_ratio, **params, **TIGHT).fit(X, y)
    copy = model.to_sklearn()
    again = clone(copy)
    assert again.class_weight == {0: 1.0, 1: 2.0}
    again.set_params(tol=1e-12, max_iter=100_000, random_state=0)
    again.fit(X, y)
    assert_allclose(again.coef_, copy.coef_, atol=2e-5)


@pytest.mark.parametrize("has_penalty", [True, False])
@pytest.mark.parametrize(
    ("C", "l1_ratio", "old"),
    [
        (2.0, 0.0, {"C": 2.0, "penalty": "l2"}),
        (2.0, 1.0, {"C": 2.0, "penalty": "l1"}),
        (2.0, 0.3, {"C": 2.0, "penalty": "elasticnet", "l1_ratio": 0.3}),
        (np.inf, 0.0, {"penalty": None}),
    ],
)
def test_parameters_of_both_kinds_of_versions(
    monkeypatch, C, l1_ratio, old, has_penalty
):
    # both kinds, whichever version is installed
    monkeypatch.setattr(logistic_regression, "_HAS_PENALTY", has_penalty)
    params = logistic_regression._penalty_parameters(C, l1_ratio)
    assert params == (old if has_penalty else {"C": C, "l1_ratio": l1_ratio})


@pytest.mark.parametrize("Search", [BinaryLogRegCV, SoftmaxRegCV])
@pytest.mark.parametrize("refit", [True, False])
def test_the_copy_of_a_search_is_the_chosen_model(Search, refit):
    X, y = make_data(2)
    search = Search(Cs=[0.01, 1, 100], l1_ratios=[0, 1], refit=refit).fit(X, y)
    one = search._class_with_one_C(C=search.C_, l1_ratio=search.l1_ratio_).fit(X, y)
    copy = search.to_sklearn()
    assert_same_predictions(copy, search, X)
    assert copy.get_params() == one.to_sklearn().get_params()
    assert copy.n_iter_.shape == (1,)
    assert copy.n_iter_[0] >= 1


@pytest.mark.parametrize("method", ["to_sklearn", "to_dict"])
def test_an_estimator_without_a_fit_has_no_copy(method):
    with pytest.raises(NotFittedError):
        getattr(BinaryLogReg(), method)()


# --- from scikit-learn -----------------------------------------------------------


@models
def test_there_and_back_is_the_same_model(Estimator, K):
    X, y = make_data(K)
    model = Estimator(C=0.3, l1_ratio=0.4, class_weight="balanced").fit(X, y)
    again = Estimator.from_sklearn(model.to_sklearn())
    assert_allclose(again.decision_function(X), model.decision_function(X), atol=1e-12)
    assert again.coef_.shape == model.coef_.shape
    assert_allclose([again.C, again.l1_ratio], [0.3, 0.4], rtol=1e-14)
    assert again.class_weight == "balanced"
    assert_array_equal(again.n_iter_, model.n_iter_)
    for unknown in ("converged_", "suboptimality_", "duality_gap_"):
        assert not hasattr(again, unknown)


@models
@pytest.mark.parametrize("C", [0.5, np.inf])
def test_a_fit_starts_at_the_model_of_scikit_learn(Estimator, K, C):
    X, y = make_data(K)
    X = StandardScaler().fit_transform(X)
    theirs = LogisticRegression(C=C, tol=1e-12, max_iter=10_000).fit(X, y)
    ours = Estimator.from_sklearn(theirs, warm_start=True, max_iter=1)
    assert_same_predictions(ours, theirs, X)
    assert ours.fit(X, y).converged_
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("C", [0.5, np.inf])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])
def test_penalties_of_scikit_learn_are_understood(C, l1_ratio):
    params = logistic_regression._penalty_parameters(C, l1_ratio)
    X, y = make_data(3)
    theirs = LogisticRegression(solver="saga", max_iter=1, **params)
    with pytest.warns(UserWarning):  # one iteration
        theirs.fit(X, y)
    ours = SoftmaxReg.from_sklearn(theirs)
    # without a penalty, its kind does not matter
    assert (ours.C, ours.l1_ratio) == (C, l1_ratio if np.inf > C else 0)


def test_a_search_of_scikit_learn_gives_the_chosen_penalty():
    X, y = make_data(2)
    params = {} if logistic_regression._HAS_PENALTY else {"l1_ratios": (0.0,)}
    if hasattr(LogisticRegressionCV(), "use_legacy_attributes"):
        params |= {"use_legacy_attributes": False, "scoring": "neg_log_loss"}
    theirs = LogisticRegressionCV(Cs=[0.01, 1.0], **params).fit(X, y)
    ours = BinaryLogReg.from_sklearn(theirs)
    assert np.max(theirs.C_) == ours.C
    assert ours.l1_ratio == 0
    assert_same_predictions(ours, theirs, X)


def test_names_labels_and_float32_come_along():
    X, y = make_data(3)
    X = pd.DataFrame(X, columns=NAMES).astype(np.float32)
    y = np.array(["a", "b", "c"])[y]
    theirs = LogisticRegression(max_iter=1000).fit(X, y).sparsify()
    ours = SoftmaxReg.from_sklearn(theirs)
    assert ours.coef_.dtype == np.float64
    assert list(ours.feature_names_in_) == NAMES
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


def test_the_report_and_displays_take_a_model_of_scikit_learn():
    X, y = load_breast_cancer(return_X_y=True)
    theirs = LogisticRegression().fit(StandardScaler().fit_transform(X), y)
    ours = BinaryLogReg.from_sklearn(theirs)
    X = StandardScaler().fit_transform(X)
    ones = [cross_entropy_report(model, X, y) for model in (ours, theirs)]
    assert ones[0]["cross_entropy"] == pytest.approx(ones[1]["cross_entropy"])
    bars = [CoefficientDisplay.from_estimator(model) for model in (ours, theirs)]
    assert_array_equal(bars[0].coef, bars[1].coef)


def test_a_binary_softmax_of_old_versions_has_twice_the_log_odds():
    # multi_class="multinomial" of two classes has the logits −z and z
    X, y = make_data(2)
    theirs = LogisticRegression(C=2.0).fit(X, y)
    theirs.multi_class = "multinomial"
    ours = SoftmaxReg.from_sklearn(theirs)
    assert ours.C == 2
    assert_array_equal(ours.coef_, np.vstack([-theirs.coef_, theirs.coef_]))
    binary = BinaryLogReg.from_sklearn(theirs)
    assert binary.C == 4
    assert_array_equal(binary.intercept_, 2 * theirs.intercept_)


def one_versus_rest():
    model = LogisticRegression().fit(*make_data(3))
    model.multi_class = "ovr"
    return model


def liblinear():
    model = LogisticRegression().fit(*make_data(3))
    return model.set_params(solver="liblinear")


@pytest.mark.parametrize("make", [one_versus_rest, liblinear])
def test_one_versus_rest_is_refused_with_the_reason(make):
    with pytest.raises(ValueError, match=r"one-versus-rest.*OneVsRestClassifier"):
        SoftmaxReg.from_sklearn(make())


def test_what_is_no_logistic_regression_is_refused():
    X, y = make_data(3)
    for other in (
        SGDClassifier(loss="log_loss").fit(X, y),
        make_pipeline(LogisticRegression(max_iter=1000)).fit(X, y),
    ):
        with pytest.raises(TypeError, match=r"expected a fitted LogisticRegression"):
            SoftmaxReg.from_sklearn(other)
    with pytest.raises(NotFittedError):
        SoftmaxReg.from_sklearn(LogisticRegression())
    theirs = LogisticRegression(max_iter=1000).fit(X, y)
    with pytest.raises(ValueError, match=r"3 classes.*SoftmaxReg\.from_sklearn"):
        BinaryLogReg.from_sklearn(theirs)


# --- files -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "model", [BinaryLogReg(), SoftmaxReg(), BinaryLogRegCV(Cs=2), SoftmaxRegCV(Cs=2)]
)
def test_pickle_and_skops_keep_the_predictions(model):
    X, y = make_data(2)
    pipeline = make_pipeline(StandardScaler(), clone(model)).fit(X, y)
    text = skops.io.dumps(pipeline)
    own = skops.io.get_untrusted_types(data=text)
    assert own == [f"skxent.classifiers.estimators.{type(model).__name__}"]
    for again in (
        pickle.loads(pickle.dumps(pipeline)),
        skops.io.loads(text, trusted=own),
    ):
        assert_array_equal(again.predict_proba(X), pipeline.predict_proba(X))


def test_skops_trusts_the_copy_by_itself():
    X, y = make_data(3)
    model = SoftmaxReg().fit(X, y)
    text = skops.io.dumps(model.to_sklearn())
    assert skops.io.get_untrusted_types(data=text) == []
    assert_same_predictions(skops.io.loads(text), model, X)
