"""The displays: what they draw is what the estimators and the calculations say."""

import itertools
import re
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import binom
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from skxent import (
    BinaryLogReg,
    CoefficientDisplay,
    ConvergenceDisplay,
    ReliabilityDisplay,
    SoftmaxReg,
    calibration_decomposition,
)
from skxent.evaluation.calibration_band import consistency_band
from skxent.plots.reliability_panel import probability_text

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")
to_rgb = matplotlib.colors.to_rgb
PolyCollection = matplotlib.collections.PolyCollection


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(return_X_y=True)


@pytest.fixture(scope="module")
def iris():
    data = load_iris(as_frame=True)
    return data.data, data.target_names[data.target]


@pytest.fixture(scope="module")
def binary(cancer):
    return BinaryLogReg().fit(*cancer)


@pytest.fixture(scope="module")
def softmax(iris):
    return SoftmaxReg().fit(*iris)


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def names_of(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def ends_of(ax, no_effect=0.0):
    """The end of each bar that is not where a feature has no effect."""
    sides = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches]
    return [right if left == no_effect else left for left, right in sides]


def look_of(line):
    return line.get_color(), line.get_linestyle()


# --- Every display -------------------------------------------------------------------


def every_display(binary, cancer):
    return [
        lambda ax: ConvergenceDisplay.from_estimator(binary, ax=ax),
        lambda ax: CoefficientDisplay.from_estimator(binary, ax=ax),
        lambda ax: ReliabilityDisplay.from_estimator(binary, *cancer, ax=ax),
    ]


@pytest.mark.parametrize("k", range(3))
def test_axes_are_those_given_or_new(k, binary, cancer):
    make = every_display(binary, cancer)[k]
    figure, (left, right) = plt.subplots(1, 2)
    display = make(right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert not left.has_data()
    new = make(None)
    assert new.figure_ is not figure
    assert new.plot(left).ax_ is left
    assert left.has_data()


@pytest.mark.parametrize("k", range(3))
@pytest.mark.parametrize("rows", [slice(None), slice(0, 60)])
def test_nothing_is_cut_off(k, rows, cancer):
    X, y = cancer
    display = every_display(BinaryLogReg().fit(X[rows], y[rows]), cancer)[k](None)
    display.figure_.canvas.draw()
    box = display.figure_.get_tightbbox(display.figure_.canvas.get_renderer())
    width, height = display.figure_.get_size_inches()
    assert 0 <= box.x0 < box.x1 <= width
    assert 0 <= box.y0 < box.y1 <= height


@pytest.mark.parametrize("k", range(3))
def test_without_matplotlib_the_error_says_what_to_do(k, binary, cancer, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        every_display(binary, cancer)[k](None)


# --- Convergence ---------------------------------------------------------------------


def test_the_curve_is_the_relative_distance_to_the_optimum(binary):
    curve = binary.loss_curve_
    display = ConvergenceDisplay.from_estimator(binary)
    x, height = display.line_.get_data()
    np.testing.assert_array_equal(x, 1 + np.arange(binary.n_iter_[0]))
    optimum = curve[-1] / (1 + binary.suboptimality_)
    np.testing.assert_allclose(height, (curve - optimum) / optimum, atol=1e-15)
    # Its last point is the estimate of the fit itself.
    np.testing.assert_allclose(height[-1], binary.suboptimality_, atol=1e-15)
    assert display.ax_.get_yscale() == "log"
    assert display.ax_.get_xlabel() == "iteration"
    assert legend_of(display.ax_) == ["BinaryLogReg"]


def test_a_given_optimum_is_taken(binary):
    optimum = binary.loss_curve_[-1]
    display = ConvergenceDisplay.from_estimator(binary, optimum=optimum)
    assert display.suboptimality[-1] == 0
    # A logarithmic axis has no place for 0.
    height = display.line_.get_ydata()
    assert np.isnan(height[-1])
    assert (height[:-1] > 0).all()


def test_curves_share_axes_and_legend(binary, softmax):
    ax = ConvergenceDisplay.from_estimator(binary).ax_
    for name in ["b", "c"]:
        ConvergenceDisplay.from_estimator(softmax, name=name, ax=ax)
    assert legend_of(ax) == ["BinaryLogReg", "b", "c"]
    assert len({line.get_color() for line in ax.lines}) == 3


def test_looks_do_not_repeat_soon(binary):
    ax = None
    for _ in range(28):
        ax = ConvergenceDisplay.from_estimator(binary, ax=ax).ax_
    assert len({look_of(line) for line in ax.lines}) == 28


def test_no_curve_is_hidden_in_a_dark_style(binary):
    with plt.style.context("dark_background"):
        ax = None
        for _ in range(7):
            ax = ConvergenceDisplay.from_estimator(binary, ax=ax).ax_
    background = to_rgb(ax.get_facecolor())
    assert background not in {to_rgb(line.get_color()) for line in ax.lines}


def test_style_and_name_can_be_chosen(binary):
    display = ConvergenceDisplay.from_estimator(binary, color="k", linewidth=3)
    assert look_of(display.line_)[0] == "k"
    assert display.line_.get_linewidth() == 3
    assert legend_of(display.plot(name="other").ax_) == ["other"]
    nameless = ConvergenceDisplay(suboptimality=np.array([0.1, 0.01])).plot()
    assert nameless.ax_.get_legend() is None


def test_seconds_are_taken_where_they_were_measured(cancer):
    model = BinaryLogReg().fit(*cancer)
    if hasattr(model, "loss_curve_seconds_"):
        del model.loss_curve_seconds_
    with pytest.raises(AttributeError, match=r"loss_curve_seconds_, which Binary.*x='"):
        ConvergenceDisplay.from_estimator(model, x="seconds")
    model.loss_curve_seconds_ = np.linspace(0.1, 0.2, len(model.loss_curve_))
    display = ConvergenceDisplay.from_estimator(model, x="seconds")
    np.testing.assert_array_equal(display.line_.get_xdata(), model.loss_curve_seconds_)
    assert display.ax_.get_xlabel() == "seconds"


def test_the_last_step_is_found(cancer):
    pipeline = make_pipeline(StandardScaler(), BinaryLogReg())
    search = GridSearchCV(pipeline, {"binarylogreg__C": [1.0]}, cv=2).fit(*cancer)
    assert legend_of(ConvergenceDisplay.from_estimator(search).ax_) == ["BinaryLogReg"]
    display = CoefficientDisplay.from_estimator(search)
    model = search.best_estimator_[-1]
    np.testing.assert_array_equal(display.coef, model.coef_)
    np.testing.assert_array_equal(
        ConvergenceDisplay.from_estimator(search).suboptimality,
        ConvergenceDisplay.from_estimator(model).suboptimality,
    )


def test_any_loss_curve_will_do_where_the_optimum_is_known(iris):
    X, y = iris
    model = MLPClassifier((3,), max_iter=5, tol=0, random_state=0)
    with pytest.warns(match="Maximum iterations"):
        model.fit(X.to_numpy(), y)
    display = ConvergenceDisplay.from_estimator(model, optimum=0.01)
    np.testing.assert_allclose(
        display.suboptimality, np.array(model.loss_curve_) / 0.01 - 1
    )
    with pytest.raises(AttributeError, match="MLPClassifier has no suboptimality_"):
        ConvergenceDisplay.from_estimator(model)


# --- Coefficients --------------------------------------------------------------------


def test_bars_are_the_largest_coefficients(cancer, binary):
    w = binary.coef_[0]
    order = np.argsort(-abs(w))
    for top_n, n in [(None, 30), (20, 20), (3, 3), (99, 30)]:
        display = CoefficientDisplay.from_estimator(binary, top_n=top_n)
        np.testing.assert_allclose(ends_of(display.ax_), w[order[:n]])
        assert names_of(display.ax_) == [f"x{j}" for j in order[:n]]
    # No bar touches the frame; the largest is at the top.
    left, right = display.ax_.get_xlim()
    assert left < w.min() < w.max() < right
    low, high = display.ax_.get_ylim()
    assert low > 0 > high
    colors = {tuple(bar.get_facecolor()) for bar in display.ax_.patches}
    assert len(colors) == 2


def test_one_panel_for_each_class(softmax):
    display = CoefficientDisplay.from_estimator(softmax)
    titles = [f"logit of {label}" for label in softmax.classes_]
    assert [ax.get_title() for ax in display.ax_] == titles
    # The same features in the same order and on the same scale.
    order = np.argsort(-abs(softmax.coef_).max(axis=0))
    for ax, w in zip(display.ax_, softmax.coef_, strict=True):
        np.testing.assert_allclose(ends_of(ax), w[order])
        assert ax.get_xlim() == display.ax_[0].get_xlim()
        assert ax.get_ylabel() == ""  # all features are there
    expected = softmax.feature_names_in_[order].tolist()
    assert names_of(display.ax_[0]) == expected
    low, high = display.ax_[0].get_xlim()
    assert low < softmax.coef_.min() < softmax.coef_.max() < high
    _, axes = plt.subplots(1, 3)
    assert (CoefficientDisplay.from_estimator(softmax, ax=axes).ax_ == axes).all()


def test_unused_axes_of_the_grid_are_removed():
    coef = np.ones((4, 2))
    display = CoefficientDisplay(
        coef=coef, feature_names=["a", "b"], class_names=list("wxyz")
    ).plot()
    assert len(display.figure_.axes) == len(display.ax_) == 4


def is_drawn(label):
    return label.get_visible() and label.get_text()


def test_names_stand_on_the_left_and_say_how_many_are_shown():
    display = CoefficientDisplay(
        coef=np.eye(4, 30), feature_names=["n" * 100] * 30, class_names=list("wxyz")
    ).plot(top_n=5)
    display.figure_.canvas.draw()
    for k, ax in enumerate(display.ax_):
        names = [tick.label1 for tick in ax.yaxis.get_major_ticks()]
        assert all(map(is_drawn, names)) == (k in (0, 3))
        expected = "the largest 5 of 30 features" if k in (0, 3) else ""
        assert ax.get_ylabel() == expected
    # Long names leave the bars most of the figure.
    left = sum(ax.get_position().width for ax in display.ax_[:3])
    assert left > 0.55
    # In axes of the user, each panel has names.
    _, axes = plt.subplots(2, 2)
    for ax in display.plot(axes, top_n=5).ax_:
        assert len(names_of(ax)) == 5
        assert ax.get_ylabel() == "the largest 5 of 30 features"


@pytest.mark.parametrize("largest", [0.02, 0.3, 1, 3, 12, 60, 290])
@pytest.mark.parametrize("n_panels", [1, 3])
@pytest.mark.parametrize("odds_ratios", [False, True])
def test_labels_of_effects_do_not_overlap(largest, n_panels, odds_ratios):
    coef = np.outer(np.ones(n_panels), [-largest, 0.3 * largest, largest])
    display = CoefficientDisplay(
        coef=coef, feature_names=list("abc"), class_names=list(range(n_panels))
    ).plot(odds_ratios=odds_ratios)
    display.figure_.canvas.draw()
    for ax in np.ravel(display.ax_):
        low, high = ax.get_xlim()
        boxes = [
            tick.label1.get_window_extent()
            for tick in ax.xaxis.get_major_ticks()
            if low <= tick.get_loc() <= high
        ]
        assert len(boxes) >= 2
        for left, right in itertools.pairwise(sorted(boxes, key=lambda box: box.x0)):
            assert left.x1 < right.x0


def test_the_line_of_no_effect_shows_in_a_dark_style(binary):
    with plt.style.context("dark_background"):
        ax = CoefficientDisplay.from_estimator(binary).ax_
        assert to_rgb(ax.lines[0].get_color()) == (1, 1, 1)


def test_two_logits_become_log_odds(cancer):
    X, y = cancer
    model = SoftmaxReg().fit(X, y)
    display = CoefficientDisplay.from_estimator(model)
    np.testing.assert_allclose(display.coef[0], model.coef_[1] - model.coef_[0])
    assert display.ax_.get_title() == "log-odds of 1"


def test_odds_ratios_are_factors(binary):
    display = CoefficientDisplay.from_estimator(binary, top_n=5, odds_ratios=True)
    order = np.argsort(-abs(binary.coef_[0]))[:5]
    ratios = np.exp(binary.coef_[0, order])
    assert ratios.min() < 1 < ratios.max()
    np.testing.assert_allclose(ends_of(display.ax_, 1.0), ratios)
    assert display.ax_.get_xscale() == "log"
    # The axis tells where a feature has no effect, also if all ratios are close to it.
    near = CoefficientDisplay(
        coef=np.array([[0.01, 0.02]]), feature_names=["a", "b"], class_names=["c"]
    ).plot(odds_ratios=True)
    far = CoefficientDisplay(
        coef=np.array([[-300.0, 300.0]]), feature_names=["a", "b"], class_names=["c"]
    ).plot(odds_ratios=True)
    np.testing.assert_allclose(ends_of(far.ax_, 1.0), np.exp([-300, 300]))
    for ax in (display.ax_, near.ax_, far.ax_):
        ax.figure.canvas.draw()
        assert "1" in [text.get_text() for text in ax.get_xticklabels()]


def test_sparse_coefficients(cancer):
    model = BinaryLogReg().fit(*cancer)
    dense = CoefficientDisplay.from_estimator(model).coef
    model.sparsify()
    assert sparse.issparse(model.coef_)
    np.testing.assert_array_equal(CoefficientDisplay.from_estimator(model).coef, dense)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=2000),
        RidgeClassifier(),
        SGDClassifier(random_state=0),
        LinearSVC(),
        SVC(kernel="linear"),
    ],
    ids=lambda model: type(model).__name__,
)
def test_any_linear_classifier(model, n_classes, iris):
    X, y = iris
    rows = y != "setosa" if n_classes == 2 else slice(None)
    model = model.fit((X - X.mean())[rows], y[rows])
    if n_classes == 3 and isinstance(model, SVC):
        # Its three rows are of the three pairs of classes.
        with pytest.raises(ValueError, match="expected one row for each class"):
            CoefficientDisplay.from_estimator(model)
        return
    display = CoefficientDisplay.from_estimator(model)
    np.testing.assert_array_equal(display.coef, np.atleast_2d(model.coef_))
    expected = ["virginica"] if n_classes == 2 else list(model.classes_)
    assert display.class_names == expected


def test_names_come_from_the_steps_before(iris):
    X, y = iris
    names = list(X.columns)
    scaled = make_pipeline(StandardScaler(), SoftmaxReg())
    display = CoefficientDisplay.from_estimator(scaled.fit(X, y))
    assert sorted(names_of(display.ax_[0])) == sorted(names)
    display = CoefficientDisplay.from_estimator(scaled.fit(X.to_numpy(), y))
    assert sorted(names_of(display.ax_[0])) == ["x0", "x1", "x2", "x3"]
    best = make_pipeline(SelectKBest(k=2), SoftmaxReg()).fit(X, y)
    display = CoefficientDisplay.from_estimator(best)
    assert sorted(names_of(display.ax_[0])) == sorted(names[2:])
    alone = make_pipeline(SoftmaxReg()).fit(X, y)
    display = CoefficientDisplay.from_estimator(alone)
    assert sorted(names_of(display.ax_[0])) == sorted(names)
    silent = make_pipeline(FunctionTransformer(), SoftmaxReg()).fit(X, y)
    with pytest.raises(AttributeError, match="pass feature_names, one for each of the"):
        CoefficientDisplay.from_estimator(silent)
    display = CoefficientDisplay.from_estimator(silent, feature_names=list("abcd"))
    assert sorted(names_of(display.ax_[0])) == list("abcd")


# --- Reliability ---------------------------------------------------------------------


def test_one_curve_for_two_classes(binary, cancer):
    X, y = cancer
    display = ReliabilityDisplay.from_estimator(binary, X, y)
    parts = calibration_decomposition(y, binary.predict_proba(X)[:, 1], base=2)
    (text,) = legend_of(display.ax_)
    name, numbers = text.split(": ")
    assert name == "BinaryLogReg"
    shown = [float(number) for number in re.findall(r"[\d.]+", numbers)]
    assert shown == pytest.approx(parts, abs=5e-4)
    assert display.ax_.get_legend().get_title().get_text().endswith("in bits")
    (line,) = display.lines_
    x, height = line.get_data()
    assert (np.diff(x) >= 0).all()
    assert (np.diff(height) >= 0).all()
    assert 0 <= x.min() < x.max() <= 1
    assert height.min() == 0 < height.max() == 1


def test_a_curve_for_each_of_more_classes(softmax, iris):
    X, y = iris
    display = ReliabilityDisplay.from_estimator(softmax, X, y, name="model", base=None)
    assert [text.split(":")[0] for text in legend_of(display.ax_)] == [
        f"model, {label}" for label in softmax.classes_
    ]
    assert display.ax_.get_legend().get_title().get_text().endswith("in nats")
    for label, p in zip(softmax.classes_, softmax.predict_proba(X).T, strict=True):
        parts = calibration_decomposition(y == label, p)
        assert display.reliability[label].parts == pytest.approx(parts, rel=1e-9)


def test_the_steps_are_those_of_all_rows(binary, cancer):
    # Dots stand at the ends of the steps alone; the steps between them stay the same.
    X, y = cancer
    display = ReliabilityDisplay.from_estimator(binary, X, y)
    proba, rates = display.reliability[1][:2]
    x, height = display.lines_[0].get_data()
    assert len(x) < len(proba)
    middle = np.clip(np.searchsorted(x, proba), 1, len(x) - 1)
    left_is_near = proba - x[middle - 1] < x[middle] - proba
    drawn = np.where(left_is_near, height[middle - 1], height[middle])
    np.testing.assert_array_equal(drawn, rates)


def simulated(n_rows, n_classes=2, seed=0):
    """Labels that follow exactly the probabilities beside them."""
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.ones(n_classes), n_rows)
    y = (rng.random((n_rows, 1)) > proba.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return y, proba


def bands_of(ax):
    return [art for art in ax.collections if isinstance(art, PolyCollection)]


def test_the_band_of_one_prediction_is_binomial():
    # One prediction for all rows: the recalibrated one is the frequency of the event.
    low, high = consistency_band(np.array([0.3]), np.array([400.0]), 0.9)
    expected = binom.ppf([0.05, 0.95], 400, 0.3) / 400
    np.testing.assert_allclose([low[0], high[0]], expected, atol=0.012)


def test_calibrated_predictions_are_in_the_band_and_others_are_not():
    y, proba = simulated(3000)
    for power, low, high in [(1, 0.75, 1.0), (3, 0.0, 0.3)]:
        p = proba[:, 1] ** power / (proba**power).sum(axis=1)
        display = ReliabilityDisplay.from_predictions(y, p)
        one = display.reliability[1]
        below, above = consistency_band(one.proba, one.counts, 0.9)
        assert (below <= above).all()
        assert low <= np.mean((below <= one.rates) & (one.rates <= above)) <= high


def test_many_predictions_are_pooled_into_a_band_as_wide():
    proba = np.linspace(0.01, 0.99, 3001)
    counts = np.ones(3001)
    pooled = consistency_band(proba, counts, 0.9)
    assert pooled[0].shape == (3001,)
    alone = consistency_band(proba[::5], 5 * counts[::5], 0.9)
    np.testing.assert_allclose(pooled[0][::5], alone[0], atol=0.06)


def test_the_band_can_be_left_out_and_needs_counts():
    y, proba = simulated(100)
    display = ReliabilityDisplay.from_predictions(y, proba)
    assert len(bands_of(display.ax_)) == 1
    display = ReliabilityDisplay.from_predictions(y, proba, band=None)
    assert bands_of(display.ax_) == []
    display.reliability[1] = display.reliability[1]._replace(counts=None)
    assert bands_of(display.plot().ax_) == []


def test_the_worst_of_many_classes_have_names():
    y, proba = simulated(400, n_classes=10)
    display = ReliabilityDisplay.from_predictions(y, proba, name="model", top_n=3)
    worst = sorted(
        display.reliability, key=lambda k: -display.reliability[k].parts.miscalibration
    )[:3]
    *named, others = legend_of(display.ax_)
    assert {text.split(":")[0] for text in named} == {f"model, {k}" for k in worst}
    assert others == "the other 7 classes"
    assert len(display.lines_) == 10
    assert len({display.lines_[k].get_color() for k in worst}) == 3
    rest = [line for k, line in enumerate(display.lines_) if k not in worst]
    assert {look_of(line) for line in rest} == {("black", "-")}
    assert len(bands_of(display.ax_)) == 3
    everything = ReliabilityDisplay.from_predictions(y, proba, top_n=10)
    assert len(legend_of(everything.ax_)) == 10


def test_axes_of_log_odds_spread_rare_events():
    rng = np.random.default_rng(0)
    p = 10 ** rng.uniform(-4, -1, 5000)
    y = rng.random(5000) < p
    display = ReliabilityDisplay.from_predictions(y, p, log_odds=True)
    ax = display.ax_
    assert ax.get_xscale() == ax.get_yscale() == "logit"
    low, high = ax.get_xlim()
    assert 0 < low <= p.min()
    assert high < 1
    # Frequencies of 0 are drawn at the end of the axis.
    assert display.reliability[True].rates.min() == 0
    height = display.lines_[0].get_ydata()
    np.testing.assert_allclose(height.min(), low)
    display.figure_.canvas.draw()
    (strip,) = ax.child_axes
    texts = [text.get_text() for text in strip.get_xticklabels()]
    assert {"0.001", "0.01", "0.1"} <= set(texts)
    # More curves keep the scale, and get room.
    wider = ReliabilityDisplay.from_predictions(y, np.append(p[:-1], 0.999), ax=ax)
    assert wider.ax_.get_xscale() == "logit"
    assert ax.get_xlim()[1] == pytest.approx(0.999)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0001, "0.0001"), (0.5, "0.5"), (0.9999, "0.9999")]
)
def test_probabilities_near_1_keep_their_digits(value, text):
    assert probability_text(value, None) == text


def test_narrow_axes_have_a_short_legend(binary, cancer):
    _, axes = plt.subplots(1, 2, figsize=(7, 3.5))
    display = ReliabilityDisplay.from_estimator(binary, *cancer, ax=axes[0])
    loss = display.reliability[1].parts.miscalibration
    assert legend_of(axes[0]) == [f"BinaryLogReg: {loss:.3f}"]
    title = axes[0].get_legend().get_title().get_text()
    assert title == "miscalibration, in bits"


def test_the_strip_holds_the_distribution(binary, cancer):
    X, y = cancer
    weights = np.random.default_rng(0).exponential(size=len(y))
    display = ReliabilityDisplay.from_estimator(binary, X, y, sample_weight=weights)
    (strip,) = display.ax_.child_axes
    values, edges, _ = strip.patches[0].get_data()
    expected = np.histogram(binary.predict_proba(X)[:, 1], edges, weights=weights)[0]
    np.testing.assert_allclose(values, expected / weights.sum(), atol=1e-12)


def test_models_share_axes_strip_and_legend(binary, cancer):
    X, y = cancer
    ax = ReliabilityDisplay.from_estimator(binary, X, y).ax_
    bayes = ReliabilityDisplay.from_estimator(GaussianNB().fit(X, y), X, y, ax=ax)
    assert [text.split(":")[0] for text in legend_of(ax)] == [
        "BinaryLogReg",
        "GaussianNB",
    ]
    assert len(ax.child_axes) == 1
    assert len(ax.lines) == 3  # two curves and the diagonal
    assert len({line.get_color() for line in ax.lines}) == 3
    assert bayes.lines_[0].get_color() != ax.lines[1].get_color()


def test_predictions_are_as_good_as_their_estimator(softmax, binary, iris, cancer):
    for model, (X, y) in [(softmax, iris), (binary, cancer)]:
        proba = model.predict_proba(X)
        expected = ReliabilityDisplay.from_estimator(model, X, y)
        displays = [
            ReliabilityDisplay.from_predictions(y, proba),
            ReliabilityDisplay.from_predictions(
                y, proba[:, ::-1], classes=model.classes_[::-1], name="mirrored"
            ),
        ]
        for display in displays:
            for label in set(display.reliability) & set(expected.reliability):
                parts = display.reliability[label].parts
                assert parts == pytest.approx(
                    expected.reliability[label].parts, rel=1e-9, abs=1e-12
                )
    # Of two classes, the probability of the second suffices.
    one = ReliabilityDisplay.from_predictions(y, proba[:, 1])
    parts = one.reliability[1].parts
    assert parts == pytest.approx(expected.reliability[1].parts, rel=1e-9)
    assert legend_of(one.ax_)[0].startswith("0.")


def test_labels_may_be_a_series_and_weights_repeat_rows(binary, cancer):
    X, y = cancer
    weights = np.arange(len(y)) % 3
    weighted = ReliabilityDisplay.from_estimator(
        binary, X, pd.Series(y), sample_weight=weights
    )
    repeated = ReliabilityDisplay.from_estimator(
        binary, X.repeat(weights, axis=0), y.repeat(weights)
    )
    # A repeated row counts as several, one of a larger weight does not.
    pairs = zip(weighted.reliability[1], repeated.reliability[1], strict=True)
    for ours, theirs in list(pairs)[:4]:
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_trees_and_their_certainty_are_drawn(cancer):
    X, y = cancer
    tree = DecisionTreeClassifier(random_state=0).fit(X[::2], y[::2])
    display = ReliabilityDisplay.from_estimator(tree, X, y)
    assert legend_of(display.ax_)[0].startswith("DecisionTreeClassifier: inf = inf −")
    # One prediction for all is one dot.
    one = ReliabilityDisplay.from_predictions([0, 1], [0.5, 0.5])
    assert one.lines_[0].get_xydata().tolist() == [[0.5, 0.5]]


# --- What is refused, and how --------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda m: ConvergenceDisplay.from_estimator(m, x="rows"), "x is 'rows'; exp"),
        (
            lambda m: ConvergenceDisplay.from_estimator(m, optimum=1.0),
            r"optimum is 1\.0; expected .* smallest loss of SoftmaxReg: pass",
        ),
        (lambda m: ConvergenceDisplay.from_estimator(m, optimum=0), "optimum is 0; ex"),
        (
            lambda m: ConvergenceDisplay.from_estimator(LinearRegression()),
            "LinearRegression has no loss_curve_, .*: fit it first",
        ),
        (
            lambda m: CoefficientDisplay.from_estimator(SoftmaxReg()),
            "SoftmaxReg has no coef_",
        ),
        (
            lambda m: CoefficientDisplay.from_estimator(m, feature_names=["a"]),
            r"feature_names has shape \(1,\); expected \(4,\): one name",
        ),
        (lambda m: CoefficientDisplay.from_estimator(m, top_n=0), "top_n is 0; expect"),
        (
            lambda m: CoefficientDisplay.from_estimator(m, ax=plt.gca()),
            r"ax holds 1 axes; expected 3, one for each of \['setosa'",
        ),
        (
            lambda m: CoefficientDisplay(
                coef=np.array([[800.0]]), feature_names=["a"], class_names=[1]
            ).plot(odds_ratios=True),
            r"coef has 800\.0 .*overflows; expected at most 300.0: plot log-odds",
        ),
        (
            lambda m: ReliabilityDisplay.from_estimator(m, [[0] * 4], ["rose"]),
            r"never saw: \['rose'\], expected only its classes_ \['setosa', .*Drop",
        ),
        (
            lambda m: ReliabilityDisplay.from_predictions([0, 1], [0.5, 1.5]),
            r"y_prob has \[-0\.5  1\.5\] in row 1, expected probabilities .*expit",
        ),
        (
            lambda m: ReliabilityDisplay.from_predictions([0, 1], [0.5, np.nan]),
            r"y_prob has \[nan nan\] in row 1",
        ),
        (
            lambda m: ReliabilityDisplay.from_predictions([0, 1, 2], [0.5] * 3),
            r"y_prob has shape \(3,\), expected \(3, 3\): .*\[0, 1, 2\]\. Name",
        ),
        (
            lambda m: ReliabilityDisplay.from_predictions([2], [1], classes=[0, 1]),
            r"y_true holds labels that are not in classes: \[2\], expected only \[0",
        ),
        (
            lambda m: ReliabilityDisplay.from_predictions([0, 1], [0.5, 0.5], top_n=0),
            "top_n is 0; expected at least 1",
        ),
        (
            lambda m: ReliabilityDisplay.from_predictions([0, 1], [0.5, 0.5], band=90),
            "band is 90; expected a probability between 0 and 1, or None",
        ),
        (
            lambda m: ReliabilityDisplay.from_predictions([1, 1], np.ones((2, 1))),
            "reliability holds no class; expected .*two classes or more",
        ),
    ],
)
def test_what_is_refused(call, match, softmax):
    with pytest.raises((AttributeError, ValueError), match=re.compile(match, re.S)):
        call(softmax)


def test_the_former_module_has_both_displays_of_a_fit():
    from skxent import displays

    assert displays.ConvergenceDisplay is ConvergenceDisplay
    assert displays.CoefficientDisplay is CoefficientDisplay


def test_a_fit_without_iterations_has_no_curve(iris):
    X, y = iris
    with pytest.warns(match="max_iter"):
        model = SoftmaxReg(max_iter=0).fit(X, y)
    with pytest.raises(ValueError, match="SoftmaxReg took 0 iterations; expected at l"):
        ConvergenceDisplay.from_estimator(model)
