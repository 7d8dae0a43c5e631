"""The forest plot draws what the table says."""

import numpy as np
import pandas as pd
import pytest

from skxent import (
    BinaryLogReg,
    CoefficientIntervalDisplay,
    SoftmaxReg,
    average_marginal_effects,
    coefficient_table,
    profile_intervals,
)

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    category = rng.choice(["red", "blue", "green"], 400)
    return pd.get_dummies(
        pd.DataFrame({"age": rng.normal(size=400), "colour": category}), dtype=float
    )


@pytest.fixture(scope="module")
def labels(frame):
    rng = np.random.default_rng(1)
    z = frame["age"] - 2 * frame["colour_blue"]
    return (z + rng.logistic(size=400) > 0).astype(int).to_numpy()


@pytest.fixture(scope="module")
def table(frame, labels):
    return coefficient_table(BinaryLogReg(C=np.inf).fit(frame, labels), frame, labels)


def names_of(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def intervals_of(ax):
    (lines,) = [c for c in ax.collections if hasattr(c, "get_segments")]
    return np.array([[*segment[:, 0]] for segment in lines.get_segments()])


def points_of(ax):
    (points,) = [c for c in ax.collections if not hasattr(c, "get_segments")]
    return points.get_offsets()


def test_points_and_intervals_are_those_of_the_table(table):
    display = CoefficientIntervalDisplay.from_table(table)
    ax = display.ax_
    assert names_of(ax) == ["age", "colour_blue", "colour_green", "colour_red"]
    known = slice(1, 4)
    np.testing.assert_allclose(points_of(ax)[:, 0], table.estimate[known])
    expected = np.column_stack([table.lower, table.upper])[known]
    np.testing.assert_allclose(intervals_of(ax), expected)
    assert [text.get_text() for text in ax.texts] == ["not identified"]
    assert ax.get_title() == table.subject == "log-odds of 1 against 0"
    assert ax.get_xlabel() == "log-odds per unit, 95% intervals"


def test_colours_tell_the_side_of_no_effect(table):
    ax = CoefficientIntervalDisplay.from_table(table).ax_
    (lines,) = [c for c in ax.collections if hasattr(c, "get_segments")]
    to_hex = matplotlib.colors.to_hex
    sides = np.sign(table.lower[1:4]) + np.sign(table.upper[1:4])
    blue, grey, red = "#0072b2", "#8c8c8c", "#d55e00"
    expected = [{2: blue, 0: grey, -2: red}[int(side)] for side in sides]
    assert [to_hex(color) for color in lines.get_color()] == expected
    assert blue in expected
    assert red in expected


def test_odds_ratios_are_on_a_logarithmic_axis(table):
    ax = CoefficientIntervalDisplay.from_table(table, odds_ratios=True).ax_
    assert ax.get_xscale() == "log"
    np.testing.assert_allclose(points_of(ax)[:, 0], table.odds_ratio[1:4])
    assert ax.get_title() == "odds of 1 against 0"
    assert ax.get_xlabel() == "odds ratio per unit, 95% intervals"


@pytest.mark.parametrize(
    "groups",
    ["_", {f"colour_{name}": "colour" for name in ("blue", "green", "red")}],
)
def test_levels_stand_below_their_feature(table, groups):
    ax = CoefficientIntervalDisplay.from_table(table, groups=groups).ax_
    names = names_of(ax)
    assert names[:2] == ["age", "colour"]
    levels = ["blue", "green", "red"]
    whole = [f"colour_{level}" for level in levels]
    assert names[2:] == (levels if groups == "_" else whole)
    weights = [text.get_fontweight() for text in ax.get_yticklabels()]
    assert [weight == "bold" for weight in weights] == [False, True, *[False] * 3]
    np.testing.assert_array_equal(points_of(ax)[:, 1], [0, 2, 3])


def test_a_group_of_one_feature_keeps_its_name(table):
    display = CoefficientIntervalDisplay.from_table(
        table, features=["colour_red", "intercept", "age"], groups="_"
    )
    assert names_of(display.ax_) == ["colour_red", "intercept", "age"]


def test_each_class_has_a_panel(frame, labels):
    y = labels + (np.arange(400) % 3 == 0)
    model = SoftmaxReg(C=np.inf).fit(frame, y)
    table = coefficient_table(model, frame, y)
    display = CoefficientIntervalDisplay.from_table(table)
    assert [ax.get_title().replace("\n", " ") for ax in display.ax_] == [
        f"logit of {k} minus the mean over the classes" for k in range(3)
    ]
    display.figure_.canvas.draw()
    for k, ax in enumerate(display.ax_):
        tick = ax.yaxis.get_major_ticks()[0].label1
        assert (tick.get_visible() and tick.get_text() == "age") == (k == 0)
        assert ax.get_xlim() == display.ax_[0].get_xlim()
    of_classes = table.estimate.reshape(3, 5)[:, 1:4]
    for ax, expected in zip(display.ax_, of_classes, strict=True):
        np.testing.assert_allclose(points_of(ax)[:, 0], expected)


def test_profile_intervals_and_effects_are_drawn_in_their_units(frame, labels):
    model = BinaryLogReg(C=np.inf).fit(frame, labels)
    intervals = profile_intervals(model, frame, labels, features=["age"])
    ax = CoefficientIntervalDisplay.from_table(intervals).ax_
    np.testing.assert_allclose(intervals_of(ax), [[*intervals.lower, *intervals.upper]])
    effects = average_marginal_effects(model, frame, labels)
    ax = CoefficientIntervalDisplay.from_table(effects).ax_
    title = ax.get_title().replace("\n", " ")
    assert title == effects.subject == "average effects on the probability of 1"
    assert ax.get_xlabel() == "probability per unit, 95% intervals"
    with pytest.raises(ValueError, match="expected log-odds"):
        CoefficientIntervalDisplay.from_table(effects, odds_ratios=True)


def test_axes_are_those_given_and_nothing_is_cut_off(table):
    figure, (left, right) = plt.subplots(1, 2)
    display = CoefficientIntervalDisplay.from_table(table, ax=right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert not left.has_data()
    new = display.plot(groups="_")
    new.figure_.canvas.draw()
    box = new.figure_.get_tightbbox(new.figure_.canvas.get_renderer())
    width, height = new.figure_.get_size_inches()
    assert 0 <= box.x0 < box.x1 <= width
    assert 0 <= box.y0 < box.y1 <= height


def test_the_display_checks_its_arguments(table, frame, labels):
    with pytest.raises(ValueError, match="features has 'height'"):
        CoefficientIntervalDisplay.from_table(table, features=["height"])
    tiny = frame[["age"]] * 1e-6
    model = BinaryLogReg(C=np.inf).fit(tiny, labels)
    wide = coefficient_table(model, tiny, labels)
    with pytest.raises(ValueError, match="odds ratio overflows"):
        CoefficientIntervalDisplay.from_table(wide, odds_ratios=True)
