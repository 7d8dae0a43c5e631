"""Bad input is an error that says what was wrong, before any work is done."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skxent import BinaryLogReg, SoftmaxReg

both = pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
N_ROWS = 20


@pytest.fixture
def data():
    """Return X, y and weights of a fit that works."""
    X = np.random.default_rng(0).normal(size=(N_ROWS, 3))
    return X, np.arange(N_ROWS) % 2, np.ones(N_ROWS)


def spoil(array, value):
    """Return a copy with one bad entry in the middle."""
    spoilt = np.array(array, dtype=np.result_type(array, value))
    spoilt.flat[spoilt.size // 2] = value
    return spoilt


@both
def test_the_data_of_these_tests_are_good(Estimator, data):
    assert Estimator().fit(*data).converged_


# --- X ---------------------------------------------------------------------------


@both
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.coo_matrix])
def test_X_has_to_be_finite(Estimator, value, dtype, container, data):
    X, y, _ = data
    bad = container(spoil(X, value).astype(dtype))
    message = "Input X contains NaN" if np.isnan(value) else "Input X contains infinity"
    with pytest.raises(ValueError, match=message):
        Estimator().fit(bad, y)
    model = Estimator().fit(X, y)
    for method in ("predict", "predict_proba", "decision_function"):
        with pytest.raises(ValueError, match=message):
            getattr(model, method)(bad)


@both
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_X_has_to_be_real(Estimator, container, data):
    X, y, _ = data
    with pytest.raises(ValueError, match="Complex data not supported"):
        Estimator().fit(container(X + 1j), y)


@both
@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.empty((0, 3)), r"Found array with 0 sample\(s\)"),
        (np.empty((N_ROWS, 0)), r"Found array with 0 feature\(s\)"),
        (np.ones(N_ROWS), "Expected 2D array, got 1D array"),
        (np.ones((N_ROWS, 3, 2)), "Found array with dim 3|Expected 2D array, got 3D"),
        (np.full((N_ROWS, 3), "a"), "could not convert string to float"),
    ],
    ids=["no rows", "no columns", "1-D", "3-D", "strings"],
)
def test_X_has_to_be_a_table_of_numbers(Estimator, X, message, data):
    with pytest.raises(ValueError, match=message):
        Estimator().fit(X, data[1][: len(X)])


@both
@pytest.mark.parametrize("n", [N_ROWS - 1, N_ROWS + 1])
def test_X_and_y_need_the_same_length(Estimator, n, data):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        Estimator().fit(data[0], np.arange(n) % 2)


@both
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_prediction_needs_the_number_of_features_of_the_fit(
    Estimator, method, width, container, data
):
    model = Estimator().fit(*data)
    message = f"X has {width} features, but {Estimator.__name__} is expecting 3"
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(container(np.ones((5, width))))


@both
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["b", "a", "c"], "Feature names must be in the same order"),
        (["a", "b", "x"], "Feature names unseen at fit time:\n- x"),
        (["a", "b"], "Feature names seen at fit time, yet now missing:\n- c"),
    ],
)
def test_prediction_needs_the_feature_names_of_the_fit(
    Estimator, method, columns, message, data
):
    X, y, _ = data
    model = Estimator().fit(pd.DataFrame(X, columns=["a", "b", "c"]), y)
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(pd.DataFrame(X[:, : len(columns)], columns=columns))


# --- y ---------------------------------------------------------------------------


@both
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_y_has_to_be_finite(Estimator, value, data):
    X, y, _ = data
    message = "Input y contains NaN" if np.isnan(value) else "Input y contains infinity"
    with pytest.raises(ValueError, match=message):
        Estimator().fit(X, spoil(y, value))


@both
@pytest.mark.parametrize("missing", [None, np.nan])
def test_labels_must_not_be_missing(Estimator, missing, data):
    X, codes, _ = data
    y = np.array(["no", "yes"], dtype=object)[codes]
    y[3] = missing
    with pytest.raises((TypeError, ValueError), match=r"NaN|[Ll]abel"):
        Estimator().fit(X, y)


@both
def test_continuous_targets_are_no_classes(Estimator, data):
    y = np.random.default_rng(1).normal(size=N_ROWS)
    with pytest.raises(ValueError, match="Unknown label type"):
        Estimator().fit(data[0], y)


@both
@pytest.mark.parametrize("y", [np.ones((N_ROWS, 2)), -np.eye(2)[np.arange(N_ROWS) % 2]])
def test_several_columns_are_distributions(Estimator, y, data):
    with pytest.raises(ValueError, match=r"rows that sum to 1.*pass the totals"):
        Estimator().fit(data[0], y)


@both
def test_y_is_required(Estimator, data):
    with pytest.raises(ValueError, match="requires y to be passed"):
        Estimator().fit(data[0], None)


@both
@pytest.mark.parametrize("label", [3, "spam", True])
def test_one_class_is_too_few_and_is_named(Estimator, label, data):
    with pytest.raises(ValueError, match=rf"1 class, {label!r}; .*at least 2 classes"):
        Estimator().fit(data[0], np.full(N_ROWS, label))


@pytest.mark.parametrize("labels", [[0, 1, 2], ["a", "b", "c"], [1.0, 2.0, 3.0]])
def test_three_classes_are_too_many_for_binary(labels, data):
    message = (
        "Only binary classification is supported. The type of the target is multiclass"
    )
    with pytest.raises(ValueError, match=message):
        BinaryLogReg().fit(data[0], np.array(labels)[np.arange(N_ROWS) % 3])


# --- weights ---------------------------------------------------------------------


@both
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_have_to_be_finite(Estimator, value, data):
    X, y, s = data
    message = "Input sample_weight contains " + (
        "NaN" if np.isnan(value) else "infinity"
    )
    with pytest.raises(ValueError, match=message):
        Estimator().fit(X, y, spoil(s, value))


@both
def test_weights_must_not_be_negative(Estimator, data):
    X, y, s = data
    with pytest.raises(ValueError, match=r"sample_weight has the negative entry -0\.5"):
        Estimator().fit(X, y, spoil(s, -0.5))


@both
def test_some_weight_has_to_be_positive(Estimator, data):
    X, y, s = data
    with pytest.raises(ValueError, match=r"weight.*(0|zero)"):
        Estimator().fit(X, y, 0 * s)


@both
@pytest.mark.parametrize("labels", [[3, 8], ["no", "yes"]])
def test_every_class_needs_weight_and_the_one_without_is_named(Estimator, labels, data):
    X, codes, s = data
    y = np.array(labels)[codes]
    message = f"class {labels[1]!r} has a total sample_weight"
    with pytest.raises(ValueError, match=message):
        Estimator().fit(X, y, s * (codes == 0))


@both
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1.0, 1: 2.0}])
def test_weights_must_not_overflow_together(Estimator, class_weight, data):
    X, y, s = data
    with pytest.raises(ValueError, match="sum of sample_weight overflows"):
        Estimator(class_weight=class_weight).fit(X, y, 1e308 * s)


@both
@pytest.mark.parametrize(
    ("class_weight", "unit"), [({0: 1e308}, 1.0), ({0: 1e200}, 1e200)]
)
def test_class_weights_must_not_overflow_the_weights(
    Estimator, class_weight, unit, data
):
    X, y, s = data
    with pytest.raises(ValueError, match=r"weight.* overflows"):
        Estimator(class_weight=class_weight).fit(X, y, unit * s)


@both
@pytest.mark.parametrize("n", [0, 1, N_ROWS - 1, N_ROWS + 1])
def test_weights_are_one_for_each_row(Estimator, n, data):
    X, y, _ = data
    message = "inconsistent numbers of samples" if n else r"0 sample\(s\)"
    with pytest.raises(ValueError, match=message):
        Estimator().fit(X, y, np.ones(n))


@both
@pytest.mark.parametrize("shape", [(N_ROWS, 1), (1, N_ROWS), (N_ROWS, 2)])
def test_weights_have_one_dimension(Estimator, shape, data):
    X, y, _ = data
    with pytest.raises(ValueError, match="sample_weight has 2 dimensions; expected 1"):
        Estimator().fit(X, y, np.ones(shape))


@both
def test_weights_are_numbers(Estimator, data):
    X, y, _ = data
    with pytest.raises(ValueError, match="could not convert string to float"):
        Estimator().fit(X, y, np.full(N_ROWS, "heavy"))


@both
@pytest.mark.parametrize("value", [0, 0.0, -1.0, np.nan, np.inf])
def test_class_weights_are_positive_and_finite(Estimator, value, data):
    with pytest.raises(ValueError, match=r"class_weight=.* expected finite positive"):
        Estimator(class_weight={0: value, 1: 1.0}).fit(*data)


@both
def test_class_weights_name_classes_that_exist(Estimator, data):
    with pytest.raises(ValueError, match=r"classes, \[1\], are not in class_weight"):
        Estimator(class_weight={0: 1.0, 7: 1.0}).fit(*data)


# --- parameters ------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("C", 0),
        ("C", -1.0),
        ("C", np.nan),
        ("C", "1"),
        ("C", None),
        ("C", [1.0]),
        ("fit_intercept", "yes"),
        ("fit_intercept", None),
        ("class_weight", "equal"),
        ("class_weight", [1.0, 2.0]),
        ("tol", -1e-9),
        ("tol", np.nan),
        ("tol", "tight"),
        ("max_iter", -1),
        ("max_iter", 10.0),
        ("max_iter", np.inf),
        ("warm_start", "yes"),
        ("early_stopping", "yes"),
        ("validation_fraction", 0),
        ("validation_fraction", 1.0),
        ("n_iter_no_change", 0),
        ("n_iter_no_change", 2.5),
        ("random_state", "now"),
        ("verbose", -1),
    ],
)
def test_bad_parameter_is_named_with_its_value(Estimator, name, value, data):
    message = rf"The '{name}' parameter of {Estimator.__name__} must be .* Got "
    with pytest.raises(ValueError, match=message):
        Estimator(**{name: value}).fit(*data)


@both
def test_parameters_are_keywords(Estimator):
    with pytest.raises(TypeError, match="positional argument"):
        Estimator(1.0)


@both
def test_penalty_must_not_overflow(Estimator, data):
    with pytest.raises(ValueError, match=r"penalty .* overflows for C=1e-320"):
        Estimator(C=1e-320).fit(*data)


@both
def test_penalty_must_not_overflow_for_a_feature(Estimator, data):
    model = Estimator(C=1e-300, penalty_weights=np.full(data[0].shape[1], 1e12))
    with pytest.raises(ValueError, match=r"overflows for the penalty weight"):
        model.fit(*data)


@both
@pytest.mark.parametrize("c", [1e-300, 1e-160, 1e160, 1e300])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_units_whose_squares_are_no_floats_are_refused(Estimator, c, container):
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    with pytest.raises(ValueError, match=r"feature of the magnitude .* other units"):
        Estimator().fit(container(c * X), y)


@both
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_tiny_entry_in_a_feature_of_usual_magnitude_is_welcome(
    Estimator, container, data
):
    # units are those of a column: an entry that is as good as 0 says nothing of them
    X, y, _ = data
    X_zero, X_tiny = X.copy(), X.copy()
    X_zero[7, 1], X_tiny[7, 1] = 0, 1e-200
    zero = Estimator().fit(container(X_zero), y)
    tiny = Estimator().fit(container(X_tiny), y)
    np.testing.assert_allclose(tiny.coef_, zero.coef_, rtol=0, atol=1e-3)
