"""The report: its numbers against scikit-learn, and how it reads."""

import copy
import math
import pickle

import numpy as np
import pandas as pd
import pytest
from _search_by_hand import search_by_hand
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, Perceptron
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from skxent import (
    BinaryLogReg,
    SoftmaxReg,
    calibration_decomposition,
    cross_entropy_report,
    entropy,
    label_distribution,
    log_loss_scorer,
)


class Told:
    """Predicts the probabilities it was told, whatever X."""

    def __init__(self, classes, proba):
        self.classes_ = classes
        self.proba = np.array(proba, dtype=float)

    def predict_proba(self, X):
        return self.proba


@pytest.fixture(scope="module")
def iris():
    data = load_iris()
    return data.data, data.target_names[data.target]


def close(value):
    return pytest.approx(value, rel=1e-12, abs=1e-14)


CLASSIFIERS = [
    SoftmaxReg(),
    GaussianNB(),
    make_pipeline(StandardScaler(), SoftmaxReg()),
    HistGradientBoostingClassifier(max_iter=5),
    GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9, 1e-3]}),
    CalibratedClassifierCV(LinearSVC()),
]


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_numbers_are_those_of_sklearn(model, weighted, iris):
    X, y = iris
    weights = np.random.default_rng(0).exponential(size=150) if weighted else None
    model = model.fit(X[::2], y[::2])
    report = cross_entropy_report(model, X, y, sample_weight=weights, base=None)
    loss = -log_loss_scorer(model, X, y, sample_weight=weights)
    assert report["cross_entropy"] == close(loss)
    expected = log_loss(y, model.predict_proba(X), sample_weight=weights)
    assert report["cross_entropy"] == pytest.approx(expected, rel=1e-6)
    accuracy = accuracy_score(y, model.predict(X), sample_weight=weights)
    assert report["accuracy"] == close(accuracy)
    constant = DummyClassifier().fit(X, y, sample_weight=weights).predict(X)
    accuracy = accuracy_score(y, constant, sample_weight=weights)
    assert report["baseline_accuracy"] == close(accuracy)
    labels = label_distribution(y, sample_weight=weights)
    assert report["label_entropy"] == close(entropy(labels))
    assert report["typical_probability"] == close(math.exp(-loss))


def test_information_is_what_the_entropy_and_the_cross_entropy_differ_by(iris):
    X, y = iris
    report = cross_entropy_report(GaussianNB().fit(X, y), X, y)
    gained = report["information_gained"]
    assert report["label_entropy"] - report["cross_entropy"] == close(gained)
    assert report["share_explained"] == close(gained / report["label_entropy"])
    assert report["label_entropy"] == close(math.log2(3))


@pytest.mark.parametrize(("base", "unit"), [(2, "bits"), (None, "nats"), (10, "bans")])
def test_units(base, unit, iris):
    X, y = iris
    model = SoftmaxReg(C=0.1).fit(X, y)
    report = cross_entropy_report(model, X, y, base=base)
    nats = cross_entropy_report(model, X, y, base=math.e)
    assert report["unit"] == unit
    assert f" {unit} per row" in str(report)
    for key in ("label_entropy", "cross_entropy", "information_gained"):
        assert report[key] == close(nats[key] / math.log(base or math.e))
    for key in ("share_explained", "typical_probability", "accuracy"):
        assert report[key] == close(nats[key])
    assert "log3 units" in str(cross_entropy_report(model, X, y, base=3))


def test_one_who_knows_the_frequencies_alone_gains_nothing(iris):
    X, y = iris
    report = cross_entropy_report(DummyClassifier(strategy="prior").fit(X, y), X, y)
    assert report["information_gained"] == close(0)
    assert report["share_explained"] == close(0)
    for parts in report["calibration"].values():
        assert parts.miscalibration == parts.discrimination == close(0)


def test_one_who_knows_everything():
    report = cross_entropy_report(Told([0, 1], np.eye(2)), None, [0, 1])
    assert report["cross_entropy"] == 0.0
    assert report["information_gained"] == report["share_explained"] == 1.0
    assert "100.0%" in str(report)


def test_calibration_is_split_by_class(iris):
    X, y = load_breast_cancer(return_X_y=True)
    model = BinaryLogReg().fit(X[::2], y[::2])
    report = cross_entropy_report(model, X, y)
    assert list(report["calibration"]) == [1]
    parts = report["calibration"][1]
    assert parts == close(
        calibration_decomposition(y, model.predict_proba(X)[:, 1], base=2)
    )
    # Of two classes, the split is that of the whole cross-entropy.
    assert parts.cross_entropy == close(report["cross_entropy"])
    assert parts.uncertainty == close(report["label_entropy"])

    X, y = iris
    model = SoftmaxReg().fit(X, y)
    calibration = cross_entropy_report(model, X, y)["calibration"]
    assert list(calibration) == ["setosa", "versicolor", "virginica"]
    for name, p in zip(calibration, model.predict_proba(X).T, strict=True):
        assert calibration[name] == close(
            calibration_decomposition(y == name, p, base=2)
        )


def test_worst_rows_are_those_of_the_largest_loss(iris):
    X, y = iris
    model = SoftmaxReg().fit(X, y)
    worst = cross_entropy_report(model, X, y, base=None)["worst_rows"]
    column = np.searchsorted(model.classes_, y)
    losses = -model.predict_log_proba(X)[np.arange(150), column]
    assert [row for row, _, _ in worst] == np.argsort(-losses)[:5].tolist()
    assert [loss for _, _, loss in worst] == close(np.sort(losses)[::-1][:5])
    assert all(label == y[row] for row, label, _ in worst)
    # A row that does not count is not among them, and positions stay those in y.
    weights = np.ones(150)
    weights[worst[0].row] = 0
    spared = cross_entropy_report(model, X, y, sample_weight=weights, base=None)
    assert spared["worst_rows"][:4] == worst[1:]
    assert spared["n_samples"] == 149


@pytest.mark.parametrize("indexed", ["X", "y"])
def test_worst_rows_are_named_by_the_index_of_the_frame(indexed, iris):
    X, y = pd.DataFrame(iris[0]).add_prefix("x"), iris[1]
    names = [f"flower {k}" for k in range(150)]
    model = SoftmaxReg().fit(X, y)
    if indexed == "X":
        X.index = names
    else:
        y = pd.Series(y, index=names)
    report = cross_entropy_report(model, X, y)
    assert report["worst_index"] == [names[row] for row, *_ in report["worst_rows"]]
    row = report["worst_rows"][0].row
    assert f"  index 'flower {row}' (row {row}), label 'v" in str(report)


def test_the_first_index_that_says_more_than_the_position_counts(iris):
    X, y = iris
    model = GaussianNB().fit(X, y)
    default, labels = pd.DataFrame(X), pd.Series(y, index=np.arange(150) + 7)
    assert "worst_index" not in cross_entropy_report(model, X, pd.Series(y))
    assert "worst_index" not in cross_entropy_report(model, X, list(y))
    named = SoftmaxReg().fit(default.rename(columns=str), y)
    report = cross_entropy_report(named, default.rename(columns=str), labels)
    assert report["worst_index"] == [row + 7 for row, *_ in report["worst_rows"]]


def test_weights_are_repeated_rows(iris):
    X, y = iris
    model, s = GaussianNB().fit(X, y), np.arange(150) % 4
    weighted = dict(cross_entropy_report(model, X, y, sample_weight=s))
    repeated = dict(cross_entropy_report(model, X.repeat(s, axis=0), y.repeat(s)))
    for key in ("n_samples", "unit", "worst_rows"):
        del weighted[key], repeated[key]
    calibration, expected = weighted.pop("calibration"), repeated.pop("calibration")
    assert weighted == close(repeated)
    for label, parts in calibration.items():
        assert parts == close(expected[label])


def test_an_impossible_label_costs_infinity_and_is_shown(iris):
    X, y = iris
    tree = DecisionTreeClassifier(random_state=0).fit(X[::2], y[::2])
    neighbors = KNeighborsClassifier(1).fit(X[::2], y[::2])
    for model in (tree, make_pipeline(tree), neighbors):
        report = cross_entropy_report(model, X, y)
        assert report["cross_entropy"] == math.inf
        assert report["information_gained"] == -math.inf
        assert report["typical_probability"] == 0
        assert report["worst_rows"][0].loss == math.inf
        assert "inf bits" in str(report)


def test_log_probabilities_are_preferred():
    model = BinaryLogReg(C=np.inf, max_iter=0)
    with pytest.warns(match="max_iter"):
        model.fit([[0.0], [1.0]], [0, 1])
    model.coef_ = np.array([[2000.0]])
    report = cross_entropy_report(model, [[-1.0], [1.0]], [1, 1], base=None)
    assert report["cross_entropy"] == close(1000)
    assert report["calibration"][1].cross_entropy == close(1000)


def test_one_class_has_nothing_to_explain():
    model = DecisionTreeClassifier().fit([[0], [1]], ["only", "only"])
    report = cross_entropy_report(model, [[2]], ["only"])
    assert math.isnan(report["share_explained"])
    assert report["calibration"] == {}
    assert "nan%" in str(report)
    # Nor has one label out of two classes.
    report = cross_entropy_report(Told([0, 1], [[0.5, 0.5]]), None, [1])
    assert math.isnan(report["share_explained"])
    assert report["information_gained"] == -1


def test_labels_match_by_value():
    told = Told(np.array([0, 1]), [[0.25, 0.75], [0.5, 0.5]])
    report = cross_entropy_report(told, None, pd.Series([True, False], index=[9, 9]))
    assert report["cross_entropy"] == close((math.log2(4 / 3) + 1) / 2)


# --- The choice of C -----------------------------------------------------------------


@pytest.fixture(scope="module")
def searched():
    X, y = load_breast_cancer(return_X_y=True)
    Cs, l1_ratios = [1e-4, 0.03, 0.2, 2, 20], [0.0, 1.0]
    return search_by_hand(BinaryLogReg(), scale(X), y, Cs, l1_ratios)


@pytest.fixture(scope="module")
def scaled_cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X), y


@pytest.mark.parametrize("base", [2, None])
def test_the_report_says_what_the_choice_of_C_was_worth(base, searched, scaled_cancer):
    choice = cross_entropy_report(searched, *scaled_cancer, base=base)["choice_of_C"]
    nat = 1 / math.log(base or math.e)
    losses = -searched.scores_[:, searched.l1_ratios_.tolist().index(choice.l1_ratio)]
    means = losses.mean(axis=0)
    assert choice.C == searched.C_ == searched.Cs_[means.argmin()]
    assert choice.l1_ratio == searched.l1_ratio_
    assert choice.score == close(means.min() * nat)
    spread = losses[:, means.argmin()].std()
    assert choice.standard_error == close(spread / math.sqrt(3) * nat)
    assert (choice.n_Cs, choice.smallest_C, choice.largest_C) == (5, 1e-4, 20)
    # The smallest C, the largest, and the one nearest to 1, unless it is chosen.
    expected = {C: means[k] for C, k in [(1e-4, 0), (2, 3), (20, 4)] if C != choice.C}
    assert [other.C for other in choice.others] == list(expected)
    for other in choice.others:
        assert other.worse == close((expected[other.C] - means.min()) * nat)


def test_pipelines_and_searches_have_a_choice_and_other_models_none(searched):
    X, y = load_breast_cancer(return_X_y=True)
    expected = cross_entropy_report(searched, scale(X), y)["choice_of_C"]
    pipeline = make_pipeline(StandardScaler().fit(X), searched)
    assert cross_entropy_report(pipeline, X, y)["choice_of_C"] == expected
    search = GridSearchCV(make_pipeline(StandardScaler(), GaussianNB()), {}).fit(X, y)
    assert "choice_of_C" not in cross_entropy_report(search, X, y)
    search.best_estimator_ = pipeline
    assert cross_entropy_report(search, X, y)["choice_of_C"] == expected


def choice_lines(model, X, y):
    lines = str(cross_entropy_report(model, X, y, base=None)).splitlines()
    first = next(k for k, line in enumerate(lines) if line.startswith("chosen C"))
    last = next(k for k, line in enumerate(lines) if line.startswith("worst rows"))
    return [line[34:] for line in lines[first:last]]


def test_how_the_choice_reads(searched, scaled_cancer):
    model = copy.copy(searched)
    model.l1_ratios_ = np.array([0.0])
    model.C_, model.l1_ratio_ = 0.2, 0.0
    model.mean_scores_ = np.array([[-0.6, -0.3, -0.1, -0.15, -0.2]])
    model.standard_errors_ = np.array([[0.01, 0.02, 0.03, 0.04, 0.05]])
    assert choice_lines(model, *scaled_cancer) == [
        "0.2, out of 5 from 0.0001 to 20",
        "0.1 ± 0.03 nats",
        "at C = 0.0001, the smallest: 0.5 nats worse",
        "at C = 2, the nearest to the default: 0.05 nats worse",
        "at C = 20, the largest: 0.1 nats worse",
    ]
    # A rule may prefer a smaller C than the best.
    model.C_ = 0.03
    lines = choice_lines(model, *scaled_cancer)
    assert lines[0] == "0.03, out of 5 from 0.0001 to 20"
    assert lines[3] == "at C = 2, the nearest to the default: 0.15 nats better"
    model.scoring, model.mean_scores_ = "accuracy", 1 + model.mean_scores_
    report = str(cross_entropy_report(model, *scaled_cancer))
    assert "cross-validated accuracy          0.7 ± 0.02\n" in report
    assert "at C = 0.0001, the smallest: 0.3 worse\n" in report


def test_unknown_scores_are_left_out_of_the_choice(searched, scaled_cancer):
    model = copy.copy(searched)
    model.l1_ratios_ = np.array([0.0])
    model.C_, model.l1_ratio_ = 0.2, 0.0
    model.mean_scores_ = np.array([[-0.6, -0.3, -0.1, -0.15, np.nan]])
    model.standard_errors_ = np.array([[0.01, 0.02, 0.03, 0.04, np.nan]])
    assert choice_lines(model, *scaled_cancer) == [
        "0.2, out of 4 from 0.0001 to 2",
        "0.1 ± 0.03 nats",
        "at C = 0.0001, the smallest: 0.5 nats worse",
        "at C = 2, the largest: 0.05 nats worse",
    ]


@pytest.mark.parametrize(("end", "word"), [(0, "smaller"), (-1, "larger")])
def test_the_report_warns_of_a_choice_at_the_end_of_the_grid(
    end, word, searched, scaled_cancer
):
    model = copy.copy(searched)
    model.C_ = model.Cs_[end]
    assert "may be better" not in choice_lines(model, *scaled_cancer)[0]
    model.mean_scores_ = model.mean_scores_ - 1
    model.mean_scores_[0, end] = -0.01
    model.l1_ratio_ = 0.0
    assert choice_lines(model, *scaled_cancer)[0].endswith(
        f"; a {word} C may be better"
    )


# --- How it reads --------------------------------------------------------------------


def test_it_is_a_read_only_dict_that_pickles(iris):
    X, y = iris
    report = cross_entropy_report(GaussianNB().fit(X, y), X, y)
    assert len(report) == len(dict(report)) == 11
    assert {**report} == dict(report) == report
    assert pickle.loads(pickle.dumps(report)) == report
    with pytest.raises(TypeError):
        report["accuracy"] = 1
    numbers = [value for value in report.values() if not isinstance(value, list | dict)]
    assert {type(value) for value in numbers} == {int, float, str}


def test_the_table():
    told = Told(["a<b", "c"], [[0.5, 0.5], [0.25, 0.75]])
    report = cross_entropy_report(told, None, ["a<b", "c"])
    assert str(report) == repr(report)
    assert str(report).splitlines() == [
        "Told on 2 rows with 2 classes",
        "entropy of the labels             1 bits",
        "cross-entropy of the model        0.7075 bits",
        "information gained                0.2925 bits per row",
        "share of the entropy explained    29.2%",
        "typical probability of the label  0.6124",
        "accuracy                          1",
        "share of the most frequent label  0.5",
        "calibration loss                  0.7075 bits",
        "worst rows                        row 0, label 'a<b': 1 bits",
        "                                  row 1, label 'c': 0.415 bits",
    ]
    html = report._repr_html_()
    assert "a<b" not in html
    assert "label &#x27;a&lt;b&#x27;: 1 bits" in html
    assert html.count("<tr>") == html.count("</tr>") == 10


def test_the_table_of_many_classes_shows_the_worst(iris):
    rng = np.random.default_rng(0)
    y = rng.integers(20, size=100)
    report = cross_entropy_report(
        Told(range(20), rng.dirichlet(np.ones(20), 100)), None, y
    )
    assert len(report["calibration"]) == 20
    lines = [line for line in str(report).splitlines() if "calibration loss" in line]
    assert len(lines) == 5
    calibration = report["calibration"]
    label = max(calibration, key=lambda k: calibration[k].miscalibration)
    assert lines[0].startswith(f"calibration loss of {label} ")


# --- What is refused, and how --------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (Told(["setosa"], np.ones((150, 1))), ValueError, r"never saw: \['versicolor'"),
        (Told([0, 1, 2], np.eye(3)), ValueError, r"'setosa' \(string\) cannot be one"),
        (GaussianNB(), TypeError, "GaussianNB has no classes_, .*Fit it"),
        (Told(["setosa", "versicolor", "virginica"], [[1]]), ValueError, r"\(1, 1\)"),
    ],
)
def test_what_is_refused(model, error, message, iris):
    with pytest.raises(error, match=message):
        cross_entropy_report(model, *iris)


def test_estimators_without_probabilities(iris):
    X, y = iris
    with pytest.raises(TypeError, match="has neither predict_log_proba"):
        cross_entropy_report(Perceptron().fit(X, y), X, y)
    with pytest.raises(TypeError, match="has no classes_"):
        cross_entropy_report(LinearRegression().fit(X, y == "setosa"), X, y)
    with pytest.raises(ValueError, match="base is 1; expected"):
        cross_entropy_report(GaussianNB().fit(X, y), X, y, base=1)
