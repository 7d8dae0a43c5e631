"""Cross-entropy as a score: against scikit-learn and sums by hand, and its laws."""

import copy
import pickle
import warnings
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import log_expit, log_softmax
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Perceptron,
)
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import skxent
from skxent import cross_entropy_loss, log_loss_scorer

CLIPPED = -np.log(np.finfo(np.float64).eps)


class Told(ClassifierMixin, BaseEstimator):
    """Predicts the log-probabilities it was told, whatever X."""

    def __init__(self, classes, log_proba):
        self.classes_ = classes
        self.log_proba = log_proba

    def predict_log_proba(self, X):
        return self.log_proba


class ToldProba:
    """Knows predict_proba only, as many classifiers from elsewhere do."""

    def __init__(self, classes, proba):
        self.classes_ = classes
        self.proba = proba

    def predict_proba(self, X):
        return self.proba


@pytest.fixture
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture
def sample():
    """Labels, log-probabilities of three classes and weights, all without pattern."""
    rng = np.random.default_rng(0)
    log_proba = log_softmax(rng.normal(scale=3, size=(40, 3)), axis=1)
    return rng.integers(3, size=40), log_proba, rng.integers(1, 5, size=40)


# -- cross_entropy_loss: the number ---------------------------------------------------


def test_sum_by_hand():
    log_proba = np.log([[0.5, 0.5], [0.1, 0.9], [0.2, 0.8]])
    loss = cross_entropy_loss([1, 1, 0], log_proba, classes=[0, 1])
    assert type(loss) is float
    assert_allclose(loss, -(np.log(0.5) + np.log(0.9) + np.log(0.2)) / 3, rtol=1e-15)
    loss = cross_entropy_loss(
        [1, 1, 0], log_proba, classes=[0, 1], sample_weight=[0.5, 0, 1.5]
    )
    assert_allclose(loss, -(0.5 * np.log(0.5) + 1.5 * np.log(0.2)) / 2, rtol=1e-15)


@pytest.mark.parametrize("weighted", [False, True])
def test_equals_sklearn_where_the_labels_are_known(sample, weighted):
    y, log_proba, weights = sample
    weights = weights if weighted else None
    loss = cross_entropy_loss(y, log_proba, classes=[0, 1, 2], sample_weight=weights)
    expected = log_loss(y, np.exp(log_proba), labels=[0, 1, 2], sample_weight=weights)
    assert_allclose(loss, expected, rtol=1e-13)


def test_order_of_the_columns_is_irrelevant(sample):
    y, log_proba, _ = sample
    loss = cross_entropy_loss(y, log_proba, classes=[0, 1, 2])
    for order in ([2, 0, 1], [1, 0, 2]):
        assert cross_entropy_loss(y, log_proba[:, order], classes=order) == loss


def test_weights_are_repeated_rows(sample):
    y, log_proba, weights = sample
    weights[:5] = 0
    loss = cross_entropy_loss(y, log_proba, classes=range(3), sample_weight=weights)
    rows = np.repeat(np.arange(len(y)), weights)
    expected = cross_entropy_loss(y[rows], log_proba[rows], classes=range(3))
    assert_allclose(loss, expected, rtol=1e-14)


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 0.1, 1e308 / 5])
def test_scale_of_the_weights_is_irrelevant(sample, scale):
    y, log_proba, weights = sample
    loss = cross_entropy_loss(y, log_proba, classes=range(3), sample_weight=weights)
    scaled = cross_entropy_loss(
        y, log_proba, classes=range(3), sample_weight=weights * scale
    )
    assert_allclose(scaled, loss, rtol=1e-13)


def test_uniform_predictions_cost_log_k():
    log_proba = np.full((4, 7), -np.log(7))
    loss = cross_entropy_loss([0, 3, 3, 6], log_proba, classes=range(7))
    assert_allclose(loss, np.log(7), rtol=1e-15)


def test_tails_are_kept():
    log_proba = log_softmax([[800.0, 0.0], [0.0, 1e6]], axis=1)
    assert cross_entropy_loss([1, 0], log_proba, classes=[0, 1]) == (800 + 1e6) / 2
    # exp(-40), which is lost in a probability next to 1
    log_proba = log_expit([[40.0, -40.0]])
    loss = cross_entropy_loss([0], log_proba, classes=[0, 1])
    assert_allclose(loss, np.exp(-40), rtol=1e-15)


def test_impossible_label_costs_infinity_unless_its_weight_is_0():
    log_proba = [[0.0, -np.inf], [np.log(0.5), np.log(0.5)]]
    assert cross_entropy_loss([1, 0], log_proba, classes=[0, 1]) == np.inf
    for weights in ([0, 1], [1e-320, 1e300]):
        loss = cross_entropy_loss(
            [1, 0], log_proba, classes=[0, 1], sample_weight=weights
        )
        assert_allclose(loss, np.log(2), rtol=1e-15)


def test_certain_predictions_cost_plain_zero():
    loss = cross_entropy_loss([0], [[0.0, -np.inf]], classes=[0, 1])
    assert str(loss) == "0.0"
    # rounding errors of float32 must not make it negative
    assert cross_entropy_loss([0], [[1e-7, -20.0]], classes=[0, 1]) == 0


def test_float32_log_probabilities_of_many_classes_pass():
    logits = np.random.default_rng(1).normal(size=(3, 5000)).astype(np.float32)
    log_proba = log_softmax(logits, axis=1)
    assert log_proba.dtype == np.float32
    loss = cross_entropy_loss([5, 0, 4999], log_proba, classes=range(5000))
    assert_allclose(loss, -log_proba[range(3), [5, 0, 4999]].mean(), rtol=1e-6)


# -- cross_entropy_loss: labels -------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        ([1, 0, 1], [0, 1]),
        ([1.0, 0.0, 1.0], np.array([0, 1])),
        ([True, False, True], [0, 1]),
        (np.array([1, 0, 1], dtype=np.uint8), [False, True]),
        (np.array([True, False, True], dtype=object), [False, True]),
        (["b", "a", "b"], np.array(["a", "b"], dtype=object)),
        (np.array(["b", "a", "b"], dtype=object), ["a", "b"]),
        (pd.Series(["b", "a", "b"], index=[7, 7, 3]), ["a", "b"]),
        (pd.Series(["b", "a", "b"], dtype="category"), ["a", "b"]),
        (pd.Categorical([5, -2, 5]), [-2, 5]),
        (pd.Series([1, 0, 1], dtype="Int64"), [0, 1]),
        (pd.Series([True, False, True], dtype="boolean"), [0, 1]),
        (pd.DataFrame({"y": [1, 0, 1]}), pd.Index([0, 1])),
        (np.array([[1], [0], [1]]), [0, 1]),
        # without a common NumPy type: 1 and "1" are two labels
        (np.array(["1", 1, "1"], dtype=object), np.array([1, "1"], dtype=object)),
    ],
)
def test_labels_of_any_type_match_by_value(y, classes):
    log_proba = np.log([[0.25, 0.75], [0.5, 0.5], [0.9, 0.1]])
    loss = cross_entropy_loss(y, log_proba, classes=classes)
    assert_allclose(loss, -np.log([0.75, 0.5, 0.1]).mean(), rtol=1e-15)


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        ([0, 2], [0, 1], r"not in classes: \[2\], expected only \[0, 1\]\. Give"),
        ([0.5, 0], [0, 1], r"not in classes: \[0\.5\]"),
        ([3, 2, 3], [0, 1], r"not in classes: \[3, 2\]"),
        (np.arange(100), [0, 1], r"not in classes: \[2, 3, .*, 11, \.\.\.\]"),
        (["0", "1"], [0, 1], r"the label '0' \(string\) cannot be .* \(number\)"),
        ([0, 1], ["0", "1"], r"the label 0 \(number\) cannot be .*'1'\] \(string\)"),
        ([b"a", b"b"], ["a", "b"], r"the label b'a' \(bytes\) cannot be"),
        ([True, False], ["True", "False"], r"the label True \(number\) cannot"),
        (np.array([np.True_, 0], dtype=object), ["a", "b"], r"\(number\) cannot"),
        ([0, np.nan], [0, 1], r"the label nan \(NaN\) cannot .* drop rows without"),
        ([0, None], [0, 1], r"the label None \(NoneType\) cannot"),
        (np.array(["a", pd.NA], dtype=object), ["a", "b"], r"<NA> \(NAType\) cannot"),
        (pd.array([0, None], dtype="Int64"), [0, 1], r"cannot be one of the classes"),
    ],
)
def test_labels_without_a_column(y, classes, message):
    log_proba = np.full((len(y), 2), np.log(0.5))
    with pytest.raises(ValueError, match=message):
        cross_entropy_loss(y, log_proba, classes=classes)


def test_rows_of_weight_0_may_hold_any_label():
    log_proba = np.log([[0.5, 0.5], [0.2, 0.8], [0.3, 0.7]])
    loss = cross_entropy_loss(
        [0, 7, np.nan], log_proba, classes=[0, 1], sample_weight=[1, 0, 0]
    )
    assert_allclose(loss, np.log(2), rtol=1e-15)


# -- cross_entropy_loss: bad input ----------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_true": [], "log_proba": np.empty((0, 2))}, r"y_true has shape \(0,\)"),
        ({"y_true": 1}, r"y_true has shape \(\), expected \(n,\)"),
        ({"y_true": np.eye(2)}, r"y_true has shape \(2, 2\).* not supported"),
        ({"classes": []}, r"classes has shape \(0,\)"),
        ({"classes": [1, 1]}, r"names a label twice: \[1, 1\]"),
        ({"classes": np.array([1, True], dtype=object)}, r"twice: \[1, True\]"),
        ({"classes": [0, 1, 2]}, r"log_proba has shape \(2, 2\), expected \(2, 3\)"),
        ({"y_true": [0, 1, 1]}, r"log_proba has shape \(2, 2\), expected \(3, 2\)"),
        ({"log_proba": [-1, -1]}, r"log_proba has shape \(2,\), expected \(2, 2\)"),
        ({"log_proba": np.log([[0.5, 0.5], [np.nan, 1]])}, "log_proba has nan in row"),
        ({"log_proba": [[0, -np.inf], [0.5, 0.5]]}, r"has 0\.5 in row 1, .*np\.log of"),
        ({"log_proba": [[np.inf, 0], [0, 0]]}, "has inf in row 0, expected natural"),
        ({"log_proba": [[-1, -2], [0, 0]]}, r"sum to 0\.503.*, not to 1, in row 0"),
        ({"log_proba": [[-1e9, -1e9]] * 2}, r"sum to 0\.0, .*log_softmax\(logits"),
        ({"log_proba": [[-0.1, 0], [-0.1, 0]]}, r"sum to 1\.904.* in row 0"),
        ({"sample_weight": [1, 1, 1]}, r"sample_weight has shape \(3,\), .*\(2,\)"),
        ({"sample_weight": 1.0}, r"sample_weight has shape \(\), expected \(2,\)"),
        ({"sample_weight": [1, -1]}, r"has -1\.0 in row 1, expected finite numbers"),
        ({"sample_weight": [np.nan, 1]}, "sample_weight has nan in row 0"),
        ({"sample_weight": [1, np.inf]}, "sample_weight has inf in row 1"),
        ({"sample_weight": [0, 0]}, "sums to 0, expected a positive sum"),
    ],
)
def test_bad_input(changes, message):
    good = {"y_true": [0, 1], "log_proba": np.log([[0.5] * 2] * 2), "classes": [0, 1]}
    cross_entropy_loss(**good)
    with pytest.raises(ValueError, match=message):
        cross_entropy_loss(**{**good, **changes})


# -- log_loss_scorer: the score of a fitted estimator ---------------------------------


@pytest.mark.parametrize(
    "model",
    [
        GaussianNB(),
        LinearDiscriminantAnalysis(),
        LogisticRegression(max_iter=1000),
        make_pipeline(StandardScaler(), LogisticRegression()),
        GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9, 1e-3]}),
        # these have predict_proba only
        HistGradientBoostingClassifier(max_iter=3),
        CalibratedClassifierCV(GaussianNB()),
        OneVsRestClassifier(GaussianNB()),
        VotingClassifier([("a", GaussianNB())], voting="soft"),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("names", [[0, 1, 2], ["setosa", "versicolor", "virginica"]])
def test_equals_sklearn_for_many_estimators(model, names, iris):
    X, y = iris
    y = np.array(names)[y]
    model = clone(model).fit(X[::3], y[::3])
    weights = np.arange(150)
    score = log_loss_scorer(model, X, y, sample_weight=weights)
    assert type(score) is float
    expected = log_loss(y, model.predict_proba(X), sample_weight=weights)
    assert_allclose(score, -expected, rtol=1e-9)


def test_folds_with_other_classes_are_aligned_by_classes_(iris):
    X, y = iris
    model = GaussianNB().fit(X[y < 2], y[y < 2])
    # the fold holds class 1 only: no label is unseen, and the column is the second
    fold = y == 1
    expected = model.predict_log_proba(X[fold])[:, 1].mean()
    assert_allclose(log_loss_scorer(model, X[fold], y[fold]), expected, rtol=1e-13)
    # the fold holds as many classes as the model has columns, but not the same
    fold = y > 0
    with pytest.raises(
        ValueError,
        match=r"y holds labels that GaussianNB never saw: \[2\], its classes_ are "
        r"\[0, 1\]\. Stratify .*\.with_options\(unseen='clip'\)",
    ):
        log_loss_scorer(model, X[fold], y[fold])
    # the reason for this scorer: no error here, columns 0 and 1 taken for 1 and 2
    wrong = log_loss(y[fold], model.predict_proba(X[fold]))
    assert np.isfinite(wrong)


def test_order_of_classes_is_the_estimators(sample):
    y, log_proba, weights = sample
    names = np.array(["c", "a", "b"])
    score = log_loss_scorer(
        Told(names, log_proba), None, names[y], sample_weight=weights
    )
    expected = log_loss(y, np.exp(log_proba), sample_weight=weights)
    assert_allclose(score, -expected, rtol=1e-13)


def test_log_probabilities_are_preferred():
    class Both(ToldProba, Told):
        def __init__(self):
            self.classes_ = [0, 1]
            self.log_proba = [[0.0, -1000.0]]
            self.proba = [[1.0, 0.0]]

    assert log_loss_scorer(Both(), None, [1]) == -1000


def test_zero_probability_scores_minus_infinity_silently(iris):
    X, y = iris
    tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    neighbors = KNeighborsClassifier(1).fit(X, y)
    told = ToldProba([0, 1, 2], np.eye(3)[y])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in (tree, make_pipeline(tree), neighbors, told):
            assert log_loss_scorer(model, X, (y + 1) % 3) == -np.inf
            # right everywhere but in rows that do not count
            spoilt = np.where(np.arange(150) < 20, 2, y)
            score = log_loss_scorer(model, X, spoilt, sample_weight=spoilt == y)
            assert str(score) == "0.0"


def test_only_its_own_warnings_are_kept_in(iris):
    class Divides(ToldProba):
        def predict_proba(self, X):
            np.sqrt(np.array([-1.0]))
            return self.proba

    with pytest.warns(RuntimeWarning, match="invalid value"):
        log_loss_scorer(Divides([0, 1], [[0.0, 1.0]]), None, [1])


def test_single_class():
    model = DecisionTreeClassifier().fit([[0], [1]], ["only", "only"])
    assert log_loss_scorer(model, [[2]], ["only"]) == 0


# -- log_loss_scorer: labels the estimator never saw ----------------------------------


def test_clip_equals_sklearn_with_a_column_of_zeros(iris):
    X, y = iris
    model = GaussianNB().fit(X[y < 2], y[y < 2])
    score = log_loss_scorer.with_options(unseen="clip")(model, X, y)
    padded = np.column_stack([model.predict_proba(X), np.zeros(150)])
    assert_allclose(score, -log_loss(y, padded), rtol=1e-12)
    seen = y < 2
    expected = log_loss_scorer(model, X[seen], y[seen]) * 2 / 3 - CLIPPED / 3
    assert_allclose(score, expected, rtol=1e-14)


def test_clip_does_not_touch_seen_classes(sample):
    y, log_proba, weights = sample
    clip = log_loss_scorer.with_options(unseen="clip")
    model = Told([0, 1, 2], log_proba)
    assert clip(model, None, y, sample_weight=weights) == log_loss_scorer(
        model, None, y, sample_weight=weights
    )
    certain = Told([0, 1], [[0.0, -np.inf]] * 2)
    assert clip(certain, None, [0, 1]) == -np.inf
    assert_allclose(clip(certain, None, [0, 7]), -CLIPPED / 2, rtol=1e-15)
    assert clip(certain, None, [0, 7], sample_weight=[1, 0]) == 0


@pytest.mark.parametrize("unseen", ["raise", "clip"])
@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (["0", "1"], [0, 1]),
        ([0, 1], ["0", "1"]),
        ([0, np.nan], [0, 1]),
        (np.array(["a", None], dtype=object), ["a", "b"]),
        (np.array(["a", np.nan], dtype=object), ["a", "b"]),
    ],
)
def test_labels_of_another_type_are_never_clipped(unseen, y, classes):
    scorer = log_loss_scorer.with_options(unseen=unseen)
    model = Told(np.array(classes), np.log([[0.5, 0.5], [0.5, 0.5]]))
    with pytest.raises(ValueError, match="cannot be one of the classes"):
        scorer(model, None, y)


def test_options_make_new_scorers():
    clip = log_loss_scorer.with_options(unseen="clip")
    assert repr(clip) == "LogLossScorer(unseen='clip')"
    assert repr(log_loss_scorer) == "LogLossScorer(unseen='raise')"
    assert clip != log_loss_scorer
    assert clip.with_options(unseen="raise") == log_loss_scorer
    with pytest.raises(ValueError, match=r"unseen='skip', expected 'raise' or 'clip'"):
        log_loss_scorer.with_options(unseen="skip")
    with pytest.raises(FrozenInstanceError):
        log_loss_scorer.unseen = "clip"


# -- log_loss_scorer: estimators that cannot be scored --------------------------------


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LinearRegression(), "LinearRegression has no classes_, expected a fitted"),
        (GaussianNB(), "GaussianNB has no classes_, .*Fit it before scoring"),
        (make_pipeline(GaussianNB()), "Pipeline has no classes_"),
        (Perceptron(), "Perceptron has neither .*CalibratedClassifierCV"),
        (make_pipeline(Perceptron()), "Pipeline has neither predict_log_proba nor"),
    ],
)
def test_estimators_without_classes_or_probabilities(model, message, iris):
    X, y = iris
    if "neither" in message or isinstance(model, LinearRegression):
        model = clone(model).fit(X, y)
    with pytest.raises(TypeError, match=message):
        log_loss_scorer(model, X, y)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Told([0, 1], [[0.0, 0.0]]), r"Told\.predict_log_proba has probabilities that"),
        (Told([0, 1], [[np.nan, 0.0]]), r"Told\.predict_log_proba has nan in row 0"),
        (Told([0, 1], [[0.0]]), r"Told\.predict_log_proba has shape \(1, 1\), expec"),
        (ToldProba([0, 1], [[0.0, 0.0]]), r"rithm of ToldProba\.predict_proba has pr"),
        (ToldProba([0, 1], [0.5]), r"predict_proba has shape \(1,\), expected \(1, 2"),
        (Told([[0, 1], [0, 1]], None), r"classes_ has shape \(2, 2\)"),
    ],
)
def test_estimators_with_bad_predictions(model, message):
    with pytest.raises(ValueError, match=message):
        log_loss_scorer(model, None, [0])


def test_several_outputs(iris):
    X, y = iris
    Y = np.column_stack([y, y > 0])
    model = DecisionTreeClassifier().fit(X, Y)
    with pytest.raises(ValueError, match=r"y has shape \(150, 2\).* one by one"):
        log_loss_scorer(model, X, Y)


# -- log_loss_scorer: as scoring= in scikit-learn -------------------------------------


@pytest.mark.parametrize("unseen", ["raise", "clip"])
def test_pickle_and_copy(unseen):
    scorer = log_loss_scorer.with_options(unseen=unseen).set_score_request(
        sample_weight="w"
    )
    for twin in (pickle.loads(pickle.dumps(scorer)), copy.deepcopy(scorer)):
        assert twin == scorer
        assert twin.unseen == unseen
        assert twin.sample_weight_request == "w"


def test_a_pickle_with_the_former_name_of_the_module_is_read():
    scorer = log_loss_scorer.with_options(unseen="clip")
    pickled = pickle.dumps(scorer, protocol=0)  # names are plain text
    former = pickled.replace(b"skxent.evaluation.scorer", b"skxent.scoring")
    assert former != pickled
    assert pickle.loads(former) == scorer


def test_the_former_module_has_all_its_public_names():
    from skxent.scoring import LogLossScorer, cross_entropy_loss, log_loss_scorer

    assert isinstance(log_loss_scorer, LogLossScorer)
    assert cross_entropy_loss is skxent.cross_entropy_loss


def test_cross_val_score_equals_neg_log_loss_on_stratified_folds(iris):
    X, y = iris
    score = cross_val_score(GaussianNB(), X, y, scoring=log_loss_scorer)
    expected = cross_val_score(GaussianNB(), X, y, scoring="neg_log_loss")
    assert_allclose(score, expected, rtol=1e-10)


def test_cross_validation_on_folds_with_other_classes(iris):
    X, y = iris
    cv = {"cv": KFold(3), "scoring": log_loss_scorer}
    with pytest.raises(ValueError, match=r"never saw: \[0\], .* are \[1, 2\]"):
        cross_val_score(GaussianNB(), X, y, **cv, error_score="raise")
    with pytest.warns(UserWarning, match=r"Stratify the folds"):
        assert np.isnan(cross_val_score(GaussianNB(), X, y, **cv)).all()
    cv["scoring"] = log_loss_scorer.with_options(unseen="clip")
    score = cross_val_score(GaussianNB(), X, y, **cv)
    assert_allclose(score, -CLIPPED, rtol=1e-14)


def test_cross_validate_with_several_scorers(iris):
    X, y = iris
    scoring = {"ll": log_loss_scorer, "sk": "neg_log_loss", "accuracy": "accuracy"}
    result = cross_validate(GaussianNB(), X, y, scoring=scoring)
    assert_allclose(result["test_ll"], result["test_sk"], rtol=1e-10)


@pytest.mark.parametrize("several", [False, True])
def test_grid_search_in_two_processes(several, iris):
    X, y = iris
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    grid = {"logisticregression__C": [1e-3, 1.0]}
    scoring = {"ll": log_loss_scorer, "a": "accuracy"} if several else log_loss_scorer
    search = GridSearchCV(
        pipeline, grid, scoring=scoring, refit="ll" if several else True, n_jobs=2
    )
    search.fit(X, y)
    expected = GridSearchCV(pipeline, grid, scoring="neg_log_loss").fit(X, y)
    name = "mean_test_ll" if several else "mean_test_score"
    assert_allclose(
        search.cv_results_[name], expected.cv_results_["mean_test_score"], rtol=1e-10
    )
    assert search.best_params_ == {"logisticregression__C": 1.0}
    assert_allclose(search.score(X, y), expected.score(X, y), rtol=1e-10)


def test_permutation_importance(iris):
    X, y = iris
    # nothing near 0, where scikit-learn would clip
    model = LogisticRegression(max_iter=1000).fit(X, y)
    settings = {"random_state": 0, "n_repeats": 2, "sample_weight": np.arange(150)}
    ours = permutation_importance(model, X, y, scoring=log_loss_scorer, **settings)
    theirs = permutation_importance(model, X, y, scoring="neg_log_loss", **settings)
    assert_allclose(ours.importances, theirs.importances, rtol=1e-9)


@pytest.mark.parametrize("several", [False, True])
def test_grid_search_with_weights_without_routing(several, iris):
    X, y = iris
    scoring = {"ll": log_loss_scorer} if several else log_loss_scorer
    expected = {"ll": "neg_log_loss"} if several else "neg_log_loss"
    # whether the weights reach the scorer depends on the version of scikit-learn, but
    # it has to be the same for both scorers
    ours, theirs = (
        GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9, 1e-2]}, scoring=s, refit=r)
        .fit(X, y, sample_weight=1 + np.arange(150) % 7)
        .cv_results_
        for s, r in [(scoring, several and "ll"), (expected, several and "ll")]
    )
    name = "mean_test_ll" if several else "mean_test_score"
    assert_allclose(ours[name], theirs[name], rtol=1e-10)


# -- log_loss_scorer: metadata routing ------------------------------------------------


def weighted_scores_by_hand(X, y, weights, weighted=True):
    scores = []
    for train, test in StratifiedKFold().split(X, y):
        model = GaussianNB().fit(X[train], y[train], sample_weight=weights[train])
        picked = model.predict_log_proba(X[test])[range(len(test)), y[test]]
        shares = weights[test] if weighted else np.ones(len(test))
        scores.append(np.sum(shares * picked) / np.sum(shares))
    return scores


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("request_", [True, False, "w"])
def test_routing_in_cross_validate(request_, several, iris):
    X, y = iris
    weights = np.random.default_rng(0).exponential(size=150)
    scorer = log_loss_scorer.set_score_request(sample_weight=request_)
    params = {"sample_weight": weights}
    if request_ == "w":
        params["w"] = weights
    with config_context(enable_metadata_routing=True):
        model = GaussianNB().set_fit_request(sample_weight=True)
        result = cross_validate(
            model, X, y, scoring={"score": scorer} if several else scorer, params=params
        )
    expected = weighted_scores_by_hand(X, y, weights, weighted=bool(request_))
    assert_allclose(result["test_score"], expected, rtol=1e-12)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_routing_in_grid_search(n_jobs, iris):
    X, y = iris
    weights = np.random.default_rng(0).exponential(size=150)
    scorer = log_loss_scorer.set_score_request(sample_weight=True)
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            GaussianNB().set_fit_request(sample_weight=True),
            {"var_smoothing": [1e-9]},
            scoring=scorer,
            n_jobs=n_jobs,
        )
        # a clone must not forget the request
        search = clone(search).fit(X, y, sample_weight=weights)
    assert_allclose(
        search.cv_results_["mean_test_score"],
        np.mean(weighted_scores_by_hand(X, y, weights)),
        rtol=1e-12,
    )


def test_routing_refuses_weights_that_nobody_asked_for(iris):
    X, y = iris
    log_loss_scorer.set_score_request(sample_weight=True)
    with config_context(enable_metadata_routing=True):
        model = GaussianNB().set_fit_request(sample_weight=True)
        with pytest.raises(UnsetMetadataPassedError, match=r"sample_weight"):
            cross_validate(
                model, X, y, scoring=log_loss_scorer, params={"sample_weight": y + 1.0}
            )


def test_requests_make_new_scorers():
    clip = log_loss_scorer.with_options(unseen="clip")
    asking = clip.set_score_request(sample_weight=True)
    assert asking.unseen == "clip"
    assert asking != clip
    assert clip.sample_weight_request is log_loss_scorer.sample_weight_request is None
    assert asking.with_options(unseen="raise").sample_weight_request is True
    assert asking.set_score_request(sample_weight=None) == clip
    with pytest.raises(ValueError, match="sample_weight"):
        log_loss_scorer.set_score_request(sample_weight=3)
