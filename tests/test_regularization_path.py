"""The display of a search for C: what it draws is what the search found."""

import copy
import itertools
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from _search_by_hand import search_by_hand
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skxent import (
    BinaryLogReg,
    BinaryLogRegCV,
    RegularizationPathDisplay,
    SoftmaxReg,
    SoftmaxRegCV,
    l1_C_min,
    log_reg_path,
)

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")
to_rgb = matplotlib.colors.to_rgb

display_of = RegularizationPathDisplay.from_estimator
Cs = np.logspace(-4, 4, 5)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X), y


@pytest.fixture(scope="module")
def binary(cancer):
    return search_by_hand(BinaryLogReg(), *cancer, Cs)


@pytest.fixture(scope="module")
def mixed(cancer):
    return search_by_hand(BinaryLogReg(), *cancer, Cs, l1_ratios=[0.0, 0.5, 1.0])


@pytest.fixture(scope="module")
def softmax():
    data = load_iris(as_frame=True)
    return search_by_hand(SoftmaxReg(), data.data, data.target_names[data.target], Cs)


@pytest.fixture
def cautious(binary):
    """A search that chose a smaller C than the best one, as the rule of one error."""
    model = copy.copy(binary)
    model.C_ = float(Cs[1])
    return model


def texts_of(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("kind", ["score", "coefficients"])
@pytest.mark.parametrize("name", ["mixed", "softmax"])
def test_the_estimators_are_drawn_as_single_fits_are(kind, name, cancer, request):
    by_hand = request.getfixturevalue(name)
    options = {"Cs": Cs, "l1_ratios": by_hand.l1_ratios_, "cv": 3, "tol": 1e-10}
    if name == "mixed":
        model = BinaryLogRegCV(**options).fit(*cancer)
    else:
        X, codes = load_iris(return_X_y=True)
        model = SoftmaxRegCV(**options).fit(X, by_hand.classes_[codes])
    drawn = [
        np.ravel([line.get_xydata() for line in np.ravel(display.lines_)])
        for display in (display_of(model, kind=kind), display_of(by_hand, kind=kind))
    ]
    np.testing.assert_allclose(*drawn, rtol=0.01, atol=0.01)


# --- Scores --------------------------------------------------------------------------


def test_the_line_is_minus_the_mean_score(binary):
    display = display_of(binary)
    (line,) = display.lines_
    np.testing.assert_array_equal(line.get_xdata(), Cs)
    np.testing.assert_allclose(line.get_ydata(), -binary.scores_[:, 0].mean(axis=0))
    assert display.ax_.get_xscale() == "log"
    assert "nats" in display.ax_.get_ylabel()


def test_the_band_is_one_standard_error_on_each_side(binary):
    display = display_of(binary)
    (band,) = display.ax_.collections
    vertices = band.get_paths()[0].vertices
    errors = binary.scores_[:, 0].std(axis=0) / np.sqrt(3)
    for C, loss, error in zip(Cs, -binary.mean_scores_[0], errors, strict=True):
        at_C = vertices[np.isclose(vertices[:, 0], C, rtol=1e-12), 1]
        np.testing.assert_allclose(at_C.min(), loss - error)
        np.testing.assert_allclose(at_C.max(), loss + error)


def test_the_choice_is_marked_and_named(binary):
    display = display_of(binary)
    best = binary.mean_scores_.argmax()
    mark = display.ax_.lines[-1]
    expected = [[Cs[best], -binary.mean_scores_.max()]]
    np.testing.assert_allclose(mark.get_xydata(), expected)
    assert texts_of(display.ax_) == [f"C = {Cs[best]:.3g}"]


def test_a_choice_that_is_not_the_best_shows_the_best_and_its_error(cautious):
    display = display_of(cautious)
    best = cautious.mean_scores_.argmax()
    loss = -cautious.mean_scores_.max()
    marks = {line.get_fillstyle(): line for line in display.ax_.lines[1:-1]}
    np.testing.assert_allclose(marks["none"].get_xydata(), [[Cs[best], loss]])
    level = display.ax_.lines[-1].get_ydata()
    np.testing.assert_allclose(level, loss + cautious.standard_errors_[0, best])
    assert texts_of(display.ax_) == [f"C = {Cs[1]:.3g}", "best + standard error"]


def test_each_l1_ratio_has_a_named_line(mixed):
    display = display_of(mixed)
    names = texts_of(display.ax_)[1:]
    assert names == ["l1_ratio = 0", "l1_ratio = 0.5", "l1_ratio = 1"]
    for line, scores in zip(display.lines_, mixed.mean_scores_, strict=True):
        np.testing.assert_allclose(line.get_ydata(), -scores)
    assert len({line.get_color() for line in display.lines_}) == 3
    labels = {text.get_text(): text.get_color() for text in display.ax_.texts}
    for ratio, line in zip(["0", "0.5", "1"], display.lines_, strict=True):
        assert labels[f"l1_ratio = {ratio}"] == line.get_color()


def test_other_scores_keep_their_sign_and_their_name(cautious):
    cautious.scoring = "accuracy"
    cautious.mean_scores_ = 1 + cautious.mean_scores_ / 10
    display = display_of(cautious)
    np.testing.assert_array_equal(
        display.lines_[0].get_ydata(), cautious.mean_scores_[0]
    )
    assert "held-out accuracy" in display.ax_.get_ylabel()
    assert "best − standard error" in texts_of(display.ax_)


def test_losses_of_different_magnitude_have_a_logarithmic_axis(binary):
    model = copy.copy(binary)
    assert np.ptp(np.log10(-model.mean_scores_)) > 1
    assert display_of(model).ax_.get_yscale() == "log"
    model.mean_scores_ = model.mean_scores_ - 1
    assert display_of(model).ax_.get_yscale() == "linear"


def test_unknown_scores_leave_a_gap(mixed):
    model = copy.copy(mixed)
    model.mean_scores_ = mixed.mean_scores_.copy()
    model.mean_scores_[:2, -1] = np.nan
    model.mean_scores_[2] = np.nan
    model.C_ = float(Cs[1])
    display = display_of(model)
    labels = {text.get_text(): text.xy for text in display.ax_.texts[1:]}
    assert set(labels) == {"l1_ratio = 0", "l1_ratio = 0.5", "best + standard error"}
    # A line that ends early has its name beside its last known score.
    last = Cs[-2], -mixed.mean_scores_[0, -2]
    assert labels["l1_ratio = 0"] == pytest.approx(last)


# --- Coefficients --------------------------------------------------------------------


def test_lines_are_the_mean_of_the_folds_and_the_largest_at_the_choice(mixed):
    row = mixed.l1_ratios_.tolist().index(mixed.l1_ratio_)
    mean = mixed.coefs_paths_[:, row, :, 0].mean(axis=0)
    at_choice = abs(mean[np.flatnonzero(Cs == mixed.C_)[0]])
    order = np.argsort(-at_choice)[:4]
    display = display_of(mixed, kind="coefficients", top_n=4)
    (lines,) = display.lines_
    assert [line.get_label() for line in lines] == [f"x{j}" for j in order]
    for line, j in zip(lines, order, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), Cs)
        np.testing.assert_allclose(line.get_ydata(), mean[:, j])
    assert set(texts_of(display.ax_)) == {
        f"C = {mixed.C_:.3g}",
        *(f"x{j}" for j in order),
    }


def test_the_others_lie_in_the_band(binary):
    mean = binary.coefs_paths_[:, 0, :, 0].mean(axis=0)
    display = display_of(binary, kind="coefficients", top_n=3)
    drawn = {int(line.get_label()[1:]) for line in display.lines_[0]}
    others = mean[:, [j for j in range(30) if j not in drawn]]
    vertices = display.ax_.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(vertices[:, 1].min(), others.min())
    np.testing.assert_allclose(vertices[:, 1].max(), others.max())
    # If all are drawn, there is no band.
    few = RegularizationPathDisplay(
        Cs=Cs, coefs=mean[:, None, :2], feature_names=["a", "b"], class_names=[1]
    ).plot(kind="coefficients")
    assert not few.ax_.collections


def test_features_out_of_the_model_are_drawn_last(binary):
    coefs = np.zeros((5, 1, 4))
    coefs[2, 0] = [0, 0.5, 0, 0]
    coefs[4, 0] = [1, 2, 9, 8]
    display = RegularizationPathDisplay(
        Cs=Cs,
        coefs=coefs,
        feature_names=list("abcd"),
        class_names=[1],
        chosen=(float(Cs[2]), 1.0),
    ).plot(kind="coefficients")
    names = [line.get_label() for line in display.lines_[0]]
    assert names == ["b", "c", "d", "a"]


def test_features_that_never_enter_have_no_name(cancer):
    X, y = cancer
    start = l1_C_min(X, y)
    path = log_reg_path(X, y, l1_ratio=1, Cs=start * np.geomspace(1, 4, 5))
    display = RegularizationPathDisplay.from_path(path)
    n_used = np.count_nonzero(np.abs(path.coefs).max(axis=(0, 1)))
    assert 0 < n_used < 7
    assert len(display.lines_[0]) == n_used


def test_labels_of_a_short_path_do_not_overlap(cancer):
    X, y = cancer
    path = log_reg_path(X, y, Cs=0.0045 * np.geomspace(1, 10, 5))
    display = RegularizationPathDisplay.from_path(path)
    display.figure_.canvas.draw()
    ax = display.ax_
    low, high = ax.get_xlim()
    boxes = [
        tick.label1.get_window_extent()
        for which in (ax.xaxis.get_major_ticks(), ax.xaxis.get_minor_ticks())
        for tick in which
        if tick.label1.get_text() and low <= tick.get_loc() <= high
    ]
    boxes.sort(key=lambda box: box.x0)
    assert len(boxes) >= 2
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))


def test_one_panel_for_each_class_or_for_one(softmax):
    display = display_of(softmax, kind="coefficients")
    titles = [f"logit of {label}" for label in softmax.classes_]
    assert [ax.get_title() for ax in display.ax_] == titles
    mean = softmax.coefs_paths_[:, 0].mean(axis=0)
    for k, lines in enumerate(display.lines_):
        for line in lines:
            j = int(line.get_label()[1:])
            np.testing.assert_allclose(line.get_ydata(), mean[:, k, j])
    one = display_of(softmax, kind="coefficients", class_label="virginica")
    assert one.ax_.get_title() == "logit of virginica"
    for line, expected in zip(one.lines_[0], display.lines_[2], strict=True):
        np.testing.assert_array_equal(line.get_xydata(), expected.get_xydata())


def test_two_logits_become_log_odds(cancer):
    model = search_by_hand(SoftmaxReg(), *cancer, Cs[1:3])
    display = display_of(model, kind="coefficients")
    mean = model.coefs_paths_[:, 0].mean(axis=0)
    np.testing.assert_allclose(display.coefs[:, 0], mean[:, 1] - mean[:, 0])
    assert display.ax_.get_title() == "log-odds of 1"


def test_names_come_from_the_steps_before_or_from_the_caller(binary):
    data = load_breast_cancer(as_frame=True)
    pipeline = make_pipeline(StandardScaler().fit(data.data), binary)
    names = display_of(pipeline, kind="coefficients").feature_names
    assert list(names) == list(data.feature_names)
    long = [f"a name that is rather long and ends in {j}" for j in range(30)]
    display = display_of(binary, kind="coefficients", feature_names=long)
    for text in texts_of(display.ax_)[1:]:
        assert re.fullmatch(r"a name that is .*….*ends in \d+", text)


def test_a_path_is_drawn_in_the_order_of_C(binary):
    path = SimpleNamespace(
        Cs=Cs[::-1],
        coefs=binary.coefs_paths_[0, 0, ::-1],
        classes=binary.classes_,
    )
    display = RegularizationPathDisplay.from_path(path, top_n=2)
    mean = binary.coefs_paths_[0, 0, :, 0]
    largest = np.argsort(-abs(mean).max(axis=0))[:2]
    for line, j in zip(display.lines_[0], largest, strict=True):
        np.testing.assert_array_equal(
            line.get_xydata(), np.column_stack([Cs, mean[:, j]])
        )
        assert line.get_label() == f"x{j}"
    path.feature_names = np.array([f"feature {j}" for j in range(30)])
    (lines,) = RegularizationPathDisplay.from_path(path, top_n=2).lines_
    assert [line.get_label() for line in lines] == [f"feature {j}" for j in largest]
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    real = log_reg_path(X, y, Cs=[1, 0.01])
    (lines,) = RegularizationPathDisplay.from_path(real).lines_
    for line in lines:
        j = X.columns.get_loc(line.get_label())
        np.testing.assert_array_equal(line.get_ydata(), real.coefs[:, 0, j])
    with pytest.raises(AttributeError, match=r"needs mean_scores, .*BinaryLogRegCV"):
        display.plot()


def test_coefficients_beyond_the_choice_do_not_hide_those_at_it(binary):
    display = display_of(binary, kind="coefficients")
    assert display.ax_.get_yscale() == "symlog"
    at_choice = display.coefs[np.flatnonzero(Cs == binary.C_)[0], 0]
    low, high = display.ax_.transAxes.inverted().transform(
        display.ax_.transData.transform([(1, at_choice.min()), (1, at_choice.max())])
    )[:, 1]
    assert high - low > 0.1


@pytest.mark.parametrize("kind", ["score", "coefficients"])
@pytest.mark.parametrize("chosen", [4, 5])
def test_an_infinite_C_is_drawn_and_named(kind, chosen, binary):
    model = copy.copy(binary)
    model.Cs_ = np.append(Cs, np.inf)
    model.C_ = float(model.Cs_[chosen])
    for name in ("mean_scores_", "standard_errors_"):
        values = getattr(model, name)
        setattr(model, name, values[:, [*range(5), 4]])
    model.coefs_paths_ = model.coefs_paths_[:, :, [*range(5), 4]]
    display = display_of(model, kind=kind)
    line = display.lines_[0] if kind == "score" else display.lines_[0][0]
    np.testing.assert_allclose(line.get_xdata(), [*Cs, 1e6])
    assert "C = ∞" in texts_of(display.ax_)
    assert ("C = 1e+04" in texts_of(display.ax_)) == (chosen == 4)


# --- Labels --------------------------------------------------------------------------


def test_labels_do_not_overlap_and_stand_beside_their_axes(mixed, softmax):
    _, (small, other) = plt.subplots(1, 2, figsize=(4, 1.6), layout="constrained")
    displays = [
        display_of(mixed, kind="coefficients"),
        display_of(mixed, kind="coefficients", top_n=30, ax=small),
        display_of(mixed, ax=other),
        display_of(softmax, kind="coefficients"),
    ]
    for display in displays:
        display.figure_.canvas.draw()
        renderer = display.figure_.canvas.get_renderer()
        for ax in np.ravel(display.ax_):
            labels = [text for text in ax.texts if not text.get_text().startswith("C")]
            boxes = [text.get_window_extent(renderer) for text in labels]
            assert boxes
            # The window of an annotation includes its leader: compare the texts alone.
            centres = sorted((box.y0 + box.y1) / 2 for box in text_boxes(labels))
            height = min(box.height for box in text_boxes(labels))
            assert np.diff(centres).min(initial=np.inf) > 0.9 * height
            assert all(box.x0 > ax.bbox.x1 for box in text_boxes(labels))


def text_boxes(labels):
    return [matplotlib.text.Text.get_window_extent(label) for label in labels]


# --- What displays have in common ----------------------------------------------------

KINDS = ["score", "coefficients"]


@pytest.mark.parametrize("kind", KINDS)
def test_axes_are_those_given_or_new(kind, binary):
    figure, (left, right) = plt.subplots(1, 2)
    display = display_of(binary, kind=kind, ax=right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert not left.has_data()
    assert display_of(binary, kind=kind).figure_ is not figure
    assert display.plot(left, kind=kind).ax_ is left


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["cautious", "mixed", "softmax"])
def test_nothing_is_cut_off(kind, name, request):
    display = display_of(request.getfixturevalue(name), kind=kind)
    display.figure_.canvas.draw()
    box = display.figure_.get_tightbbox(display.figure_.canvas.get_renderer())
    width, height = display.figure_.get_size_inches()
    assert 0 <= box.x0 < box.x1 <= width
    assert 0 <= box.y0 < box.y1 <= height


@pytest.mark.parametrize("kind", KINDS)
def test_all_is_visible_in_a_dark_style(kind, cautious):
    with plt.style.context("dark_background"):
        ax = display_of(cautious, kind=kind).ax_
    things = [*ax.lines, *ax.texts]
    assert to_rgb("black") not in {to_rgb(thing.get_color()) for thing in things}


@pytest.mark.parametrize("kind", KINDS)
def test_style_can_be_chosen(kind, binary):
    display = display_of(binary, kind=kind, linewidth=3)
    lines = display.lines_ if kind == "score" else display.lines_[0]
    assert {line.get_linewidth() for line in lines} == {3}


def test_without_matplotlib_the_error_says_what_to_do(binary, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        display_of(binary)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"kind": "bars"}, "kind is 'bars'; expected 'score' or 'coefficients'"),
        ({"top_n": 0}, "top_n is 0; expected at least 1"),
        ({"feature_names": ["a"]}, r"feature_names has shape \(1,\); expected \(4,\)"),
        (
            {"kind": "coefficients", "class_label": "rose"},
            r"class_label is 'rose'; expected one of \['setosa', ",
        ),
    ],
)
def test_what_is_refused(options, match, softmax):
    with pytest.raises(ValueError, match=match):
        display_of(softmax, **options)


def test_an_estimator_without_a_search_is_refused(cancer):
    with pytest.raises(AttributeError, match="BinaryLogReg has no l1_ratios_"):
        display_of(BinaryLogReg().fit(*cancer))
