"""What NumPy would read wrongly is refused, wherever it is passed."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skxent import (
    BinaryLogReg,
    CrossEntropyObjective,
    SoftmaxReg,
    calibration_decomposition,
    cross_entropy_loss,
    cross_entropy_report,
    l1_C_min,
    log_loss_scorer,
)

both = pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
N_ROWS = 20
X = np.random.default_rng(0).normal(size=(N_ROWS, 3))
Y = np.arange(N_ROWS) % 2
ONES = np.ones(N_ROWS)


class Eager:
    """Stand for an xarray.DataArray in memory: it could have a graph, and has none."""

    def __init__(self, values):
        self.values = np.asarray(values)
        self.shape, self.dtype = self.values.shape, self.values.dtype

    def __dask_graph__(self):
        return None

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)

    def __len__(self):
        return len(self.values)


class Lazy(Eager):
    """Stand for a Dask collection, which NumPy would compute."""

    def __dask_graph__(self):
        return {}

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("nobody may compute it")


def offset_of(Estimator, values):
    values = np.ma.asarray(values)
    return values if Estimator is BinaryLogReg else np.ma.stack([values, -values], 1)


def uses(Estimator, bad):
    """Return what can be done with data, one of them bad, by the name of that one.

    ``bad`` makes bad data of good ones.
    """
    model = Estimator().fit(X, Y)
    offset = offset_of(Estimator, ONES)
    offset = bad(np.asarray(offset))
    distributions = np.eye(2)[Y]
    log_proba = np.log(np.full((N_ROWS, 2), 0.5))
    return {
        "X": [
            lambda: Estimator().fit(bad(X), Y),
            lambda: model.predict(bad(X)),
            lambda: model.predict_proba(bad(X)),
            lambda: model.predict_log_proba(bad(X)),
            lambda: model.decision_function(bad(X)),
            lambda: model.score(bad(X), Y),
            lambda: log_loss_scorer(model, bad(X), Y),
            lambda: cross_entropy_report(model, bad(X), Y),
            lambda: l1_C_min(bad(X), Y),
            lambda: CrossEntropyObjective(bad(X), Y),
        ],
        "y": [
            lambda: Estimator().fit(X, bad(Y)),
            lambda: Estimator().fit(X, bad(distributions)),
            lambda: model.score(X, bad(Y)),
            lambda: model.score(X, bad(distributions)),
            lambda: log_loss_scorer(model, X, bad(Y)),
            lambda: log_loss_scorer(model, X, bad(distributions)),
            lambda: cross_entropy_report(model, X, bad(Y)),
            lambda: cross_entropy_loss(bad(Y), log_proba, classes=[0, 1]),
            lambda: calibration_decomposition(bad(Y), ONES / 2),
            lambda: l1_C_min(X, bad(Y)),
            lambda: CrossEntropyObjective(X, bad(Y)),
        ],
        "sample_weight": [
            lambda: Estimator().fit(X, Y, bad(ONES)),
            lambda: Estimator(early_stopping=True).fit(X, Y, bad(ONES)),
            lambda: model.score(X, Y, bad(ONES)),
            lambda: log_loss_scorer(model, X, Y, sample_weight=bad(ONES)),
            lambda: cross_entropy_report(model, X, Y, sample_weight=bad(ONES)),
            lambda: calibration_decomposition(Y, ONES / 2, sample_weight=bad(ONES)),
            lambda: l1_C_min(X, Y, sample_weight=bad(ONES)),
            lambda: CrossEntropyObjective(X, Y, bad(ONES)),
        ],
        "offset": [
            lambda: Estimator().fit(X, Y, offset=offset),
            lambda: Estimator(early_stopping=True).fit(X, Y, offset=offset),
            lambda: model.predict(X, offset=offset),
            lambda: model.predict_proba(X, offset=offset),
            lambda: model.predict_log_proba(X, offset=offset),
            lambda: model.decision_function(X, offset=offset),
            lambda: model.score(X, Y, offset=offset),
            lambda: log_loss_scorer(model, X, Y, offset=offset),
        ],
    }


def masked(array):
    mask = np.zeros(array.shape, bool)
    mask.flat[array.size // 2] = True
    return np.ma.array(array, mask=mask)


# --- lazy collections ------------------------------------------------------------


@both
@pytest.mark.parametrize("name", ["X", "y", "sample_weight", "offset"])
def test_a_dask_collection_is_not_loaded_into_memory(Estimator, name):
    for use in uses(Estimator, Lazy)[name]:
        with pytest.raises(
            TypeError, match=r"is a Dask .* skxent\.dask, or call \.compute"
        ):
            use()


@both
def test_what_has_no_graph_is_in_memory(Estimator):
    expected = Estimator().fit(X, Y, ONES)
    model = Estimator().fit(Eager(X), Eager(Y), Eager(ONES))
    np.testing.assert_array_equal(model.coef_, expected.coef_)


# --- masked arrays ---------------------------------------------------------------


@both
@pytest.mark.parametrize("name", ["X", "y", "sample_weight", "offset"])
def test_masked_entries_are_no_data(Estimator, name):
    message = r"(X|y|y_true|sample_weight|offset) has 1 masked entry"
    for use in uses(Estimator, masked)[name]:
        with pytest.raises(ValueError, match=message):
            use()


@both
@pytest.mark.parametrize("mask", [False, np.zeros(N_ROWS, bool)], ids=["none", "array"])
def test_an_array_without_masked_entries_is_an_array(Estimator, mask):
    def some(array):
        shape = np.shape(array)
        by_row = np.reshape(mask, (-1,) + (1,) * (len(shape) - 1))
        return np.ma.array(array, mask=np.broadcast_to(by_row, shape))

    offset = offset_of(Estimator, ONES)
    expected = Estimator().fit(X, Y, ONES, offset.data)
    model = Estimator().fit(some(X), some(Y), some(ONES), some(offset.data))
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    assert type(model.predict(some(X))) is np.ndarray
    assert type(CrossEntropyObjective(some(X), some(Y)).rows.X) is np.ndarray


# --- dates, complex numbers ------------------------------------------------------

DURATIONS = (np.arange(3 * N_ROWS).reshape(N_ROWS, 3) % 7).astype("timedelta64[h]")
DATES = np.datetime64("2024-01-01") + DURATIONS
AS_TABLES = {
    "array": lambda times: times,
    "list": lambda times: list(times),
    "frame": pd.DataFrame,
    "column": lambda times: pd.DataFrame({"a": X[:, 0], "when": times[:, 0]}),
}


@both
@pytest.mark.parametrize("times", [DURATIONS, DATES], ids=["durations", "dates"])
@pytest.mark.parametrize("container", AS_TABLES.values(), ids=AS_TABLES)
def test_dates_are_no_numbers(Estimator, times, container):
    table = container(times)
    with pytest.raises(TypeError, match=r"X has the dtype .*divide .* by a unit"):
        Estimator().fit(table, Y)
    with pytest.raises(TypeError, match="X has the dtype "):
        l1_C_min(table, Y)
    model = Estimator().fit(X, Y)
    with pytest.raises(TypeError, match="X has the dtype "):
        model.predict(table)


@both
def test_the_column_of_dates_is_named(Estimator):
    table = pd.DataFrame({"a": X[:, 0], "when": DATES[:, 0]})
    with pytest.raises(TypeError, match="in the column 'when'"):
        Estimator().fit(table, Y)
    table["when"] = table["when"].dt.tz_localize("UTC")
    with pytest.raises(TypeError, match=r"datetime64.*UTC.* in the column 'when'"):
        Estimator().fit(table, Y)


@both
def test_dates_of_polars_are_no_numbers(Estimator):
    polars = pytest.importorskip("polars")
    with pytest.raises(TypeError, match=r"X has the dtype Dat.* in the column 'when'"):
        Estimator().fit(
            polars.DataFrame({"when": DATES[:, 0].astype("datetime64[us]")}), Y
        )


@both
@pytest.mark.parametrize("times", [DURATIONS[:, 0], DATES[:, 0]])
def test_weights_and_offsets_are_no_dates(Estimator, times):
    with pytest.raises(TypeError, match="sample_weight has the dtype"):
        Estimator().fit(X, Y, times)
    for container in (np.asarray, pd.Series):
        offset = container(times)
        with pytest.raises(TypeError, match="offset has the dtype"):
            Estimator().fit(X, Y, offset=offset)


@both
def test_complex_numbers_are_refused_everywhere(Estimator):
    message = "Complex data not supported: {} has the dtype complex128"
    model = Estimator().fit(X, Y)
    frame = pd.DataFrame({"a": X[:, 0], "wave": X[:, 1] + 1j})
    for table in (X + 1j, (X + 1j).tolist(), sparse.csr_array(X + 1j), frame):
        with pytest.raises(ValueError, match=message.format("X")):
            Estimator().fit(table, Y)
        with pytest.raises(ValueError, match=message.format("X")):
            model.predict(table)
    with pytest.raises(ValueError, match=message.format("X") + " in .* 'wave'"):
        Estimator().fit(frame, Y)
    with pytest.raises(ValueError, match=message.format("sample_weight")):
        Estimator().fit(X, Y, ONES + 0j)
    with pytest.raises(ValueError, match=message.format("offset")):
        model.predict(X, offset=offset_of(Estimator, ONES) + 0j)
    with pytest.raises(ValueError, match="Complex data not supported"):
        Estimator().fit(X, np.eye(2)[Y] + 0j)
    with pytest.raises(ValueError, match="Complex data not supported"):
        log_loss_scorer(model, X, np.eye(2)[Y] + 0j)


# --- entries that are no numbers -------------------------------------------------


@both
@pytest.mark.parametrize("entry", [pd.NA, {"a": 1}, 1j, pd.Timestamp("2024-01-01")])
def test_the_input_with_an_entry_that_is_no_number_is_named(Estimator, entry):
    table = X.astype(object)
    table[3, 1] = entry
    with pytest.raises(TypeError, match=r"X holds an entry that is no real number"):
        Estimator().fit(table, Y)
    column = ONES.astype(object)
    column[3] = entry
    with pytest.raises(TypeError, match="sample_weight holds an entry that is no"):
        Estimator().fit(X, Y, column)
    offset = column if Estimator is BinaryLogReg else np.stack([column, column], 1)
    with pytest.raises(TypeError, match="offset holds an entry that is no"):
        Estimator().fit(X, Y, offset=offset)


@both
def test_numbers_that_no_float_holds_are_refused(Estimator):
    with pytest.raises(ValueError, match="X holds an integer beyond the range of"):
        Estimator().fit(np.full((N_ROWS, 3), 10**400, dtype=object), Y)
    if np.finfo(np.longdouble).max > np.finfo(np.float64).max:
        with pytest.raises(ValueError, match="Input X contains infinity"):
            Estimator().fit(np.longdouble(10) ** 400 * X.astype(np.longdouble), Y)


@both
@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean"])
def test_missing_values_of_nullable_dtypes_are_refused(Estimator, dtype):
    whole = pd.Series(Y).astype(dtype)
    holes = whole.copy()
    holes[3] = pd.NA
    table = pd.DataFrame({"a": whole, "b": X[:, 0]})
    expected = Estimator().fit(np.column_stack([Y, X[:, 0]]), Y)
    coef = Estimator().fit(table, Y).coef_
    np.testing.assert_allclose(coef, expected.coef_, rtol=1e-10)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        Estimator().fit(table.assign(a=holes), Y)
    with pytest.raises(ValueError, match="Input sample_weight contains NaN"):
        Estimator().fit(X, Y, holes)
    with pytest.raises(ValueError, match=r"offset holds NaN|missing values"):
        BinaryLogReg().fit(X, Y, offset=holes)


@both
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, pd.DataFrame])
def test_booleans_are_0_and_1(Estimator, container):
    numbers = (X > 0).astype(float)
    # small dense rows are fitted in another way than sparse ones
    is_sparse = container is sparse.csr_array
    expected = Estimator().fit(container(numbers) if is_sparse else numbers, Y)
    model = Estimator().fit(container(X > 0), Y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-10)


# --- offsets ---------------------------------------------------------------------


@both
@pytest.mark.parametrize("size", [1e31, 1e100, 1e308])
def test_offsets_beyond_all_log_odds_are_refused(Estimator, size):
    offset = np.asarray(offset_of(Estimator, size * ONES))
    message = r"offset has the magnitude 1e\+.*; expected at most 1e\+30"
    with pytest.raises(ValueError, match=message):
        Estimator().fit(X, Y, offset=offset)
    model = Estimator().fit(X, Y)
    for method in ("predict", "predict_proba", "decision_function"):
        with pytest.raises(ValueError, match=message):
            getattr(model, method)(X, offset=offset)


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_offsets_overflow_nowhere(Estimator, dtype):
    # so many rows that products are in float32
    n = 300_000
    many = np.random.default_rng(0).normal(size=(n, 8)).astype(dtype)
    y = (many[:, 0] > 0).astype(int)
    signs = np.where(np.arange(n) % 3, 1.0, -1.0)
    offset = np.asarray(offset_of(Estimator, 1e30 * signs))
    objective = CrossEntropyObjective(
        many, y, offset=offset, loss="binary" if offset.ndim == 1 else "softmax"
    )
    value, gradient = objective.value_and_gradient(objective.initial_point())
    assert np.isfinite(value) and np.isfinite(gradient).all()
    log_proba = Estimator().fit(X, Y).predict_log_proba(X, offset=offset[:N_ROWS])
    assert np.isfinite(log_proba).all()


@both
def test_sparse_offsets_are_refused(Estimator):
    with pytest.raises(TypeError, match=r"offset is sparse; .*toarray"):
        Estimator().fit(X, Y, offset=sparse.csr_array(np.eye(N_ROWS)[:, :2]))


# --- labels ----------------------------------------------------------------------

MISSING = [None, np.nan, pd.NA, pd.NaT]
LABELS = {"strings": ["no", "yes"], "integers": [3, 8], "booleans": [False, True]}
CONTAINERS = {
    "list": list,
    "array": lambda y: y,
    "Series": lambda y: pd.Series(y, dtype=object),
}


@both
@pytest.mark.parametrize("missing", MISSING, ids=repr)
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_the_row_without_a_label_is_named(Estimator, missing, labels, container):
    y = np.array(labels, dtype=object)[Y]
    y[3] = missing
    y = container(y)
    # NumPy makes floats of a list of numbers with a NaN
    message = "y holds .* in row 3; expected a label for each row|Input y contains NaN"
    with pytest.raises(ValueError, match=message):
        Estimator().fit(X, y)
    with pytest.raises(ValueError, match=message):
        l1_C_min(X, y)


@both
@pytest.mark.parametrize("dtype", ["string", "category", "Int64", "boolean"])
def test_missing_labels_of_pandas_are_refused(Estimator, dtype):
    y = pd.Series(["no", "yes"] * (N_ROWS // 2), dtype=object)
    if dtype in ("Int64", "boolean"):
        y = pd.Series(Y)
    y = y.astype(dtype)
    whole = Estimator().fit(X, y)
    assert whole.classes_.tolist() == sorted(set(y))
    assert isinstance(whole.classes_.tolist()[0], type(y.tolist()[0]))
    y[3] = pd.NA
    with pytest.raises(ValueError, match=r"y holds .* in row 3|Input y contains NaN"):
        Estimator().fit(X, y)


@both
def test_a_date_that_is_missing_is_no_label(Estimator):
    y = np.array(["2024-01-01", "2024-01-02"], dtype="datetime64[D]")[Y]
    assert Estimator().fit(X, y).predict(X).dtype == y.dtype
    y[3] = np.datetime64("NaT")
    with pytest.raises(ValueError, match="y holds NaT in row 3"):
        Estimator().fit(X, y)


@both
@pytest.mark.parametrize("container", [list, lambda y: np.array(y, dtype=object)])
@pytest.mark.parametrize("labels", [[10**30, 10**30 + 1], [-1, 2**63], [1, 2**64]])
def test_integers_beyond_64_bits_are_refused(Estimator, container, labels):
    y = container([labels[code] for code in Y])
    with pytest.raises(
        ValueError, match=rf"y holds the integer {labels[1]}; .*strings"
    ):
        Estimator().fit(X, y)


@both
def test_integers_of_64_bits_are_labels(Estimator):
    labels = np.array([2**64 - 2, 2**64 - 1], dtype=np.uint64)
    for y in (labels[Y], labels[Y].tolist(), labels[Y].astype(object)):
        assert Estimator().fit(X, y).classes_.tolist() == labels.tolist()


@both
@pytest.mark.parametrize(
    ("labels", "kinds"),
    [
        ([1, "a"], "int, str"),
        ([True, "a"], "bool, str"),
        ([b"a", "b"], "bytes, str"),
        ([pd.Timestamp("2024"), pd.Timestamp("2025")], "Timestamp"),
    ],
)
@pytest.mark.parametrize("container", [list, lambda y: np.array(y, dtype=object)])
def test_labels_are_all_numbers_or_all_strings(Estimator, labels, kinds, container):
    y = container([labels[code] for code in Y])
    with pytest.raises(ValueError, match=f"y holds labels of the type {kinds}; "):
        Estimator().fit(X, y)


@both
def test_labels_in_numpys_own_strings_are_strings(Estimator):
    y = np.array(["no", "yes"], dtype=np.dtypes.StringDType())[Y]
    assert Estimator().fit(X, y).predict(X[:1]).dtype == object


@both
def test_floats_beyond_all_integers_are_no_labels(Estimator):
    with pytest.raises(ValueError, match="Unknown label type"):
        Estimator().fit(X, np.array([1e300, 2e300])[Y])


def test_the_scorer_keeps_labels_of_a_list_what_they_are():
    model = BinaryLogReg().fit(X, np.array(["1", "a"])[Y])
    with pytest.raises(ValueError, match=r"the label 1 \(number\) cannot be one of"):
        log_loss_scorer(model, X, [["a", 1][code] for code in Y])
    with pytest.raises(ValueError, match=r"the label nan \(NaN\) cannot be one of"):
        log_loss_scorer(model, X, [["a", np.nan][code] for code in Y])
