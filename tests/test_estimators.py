"""The estimators as scikit-learn's users meet them: optimum, attributes, inputs.

Oracles: scikit-learn's Newton solver at a tight tolerance, SciPy on an objective that
is written out here, and mpmath for probabilities. Laws that relate one fit to another
are in ``test_laws.py``, bad input is in ``test_validation.py``.
"""

import ast
import copy
import inspect
import itertools
import pickle
import pydoc
import re
import warnings

import mpmath
import numpy as np
import pandas as pd
import polars as pl
import pytest
from _contract import scikit_learn_contract
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import log_expit, log_softmax
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skxent import BinaryLogReg, SoftmaxReg

LOADERS = {
    "breast_cancer": load_breast_cancer,
    "iris": load_iris,
    "wine": load_wine,
}
# Near the limit of float64, so that what is compared is the optimum, not the stop.
TIGHT = {"tol": 1e-14, "max_iter": 20_000}
# On raw columns F is so flat that a relative gap of 1e-8 moves probabilities by 1e-5.
GAP = 2e-8
PROBA_ATOL = 3e-5

both = pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])


def pointwise_loss(model, X, y):
    """Return -log p of the class of each row, written without the package."""
    codes = np.searchsorted(model.classes_, y)
    z = X @ np.asarray(model.coef_).T + model.intercept_
    if z.shape[1] == 1:
        return -log_expit(np.where(codes == 1, z[:, 0], -z[:, 0]))
    return -log_softmax(z, axis=1)[np.arange(len(codes)), codes]


def objective_value(model, X, y, C, s=None):
    """Return F of a fitted model: weighted mean loss + ‖w‖² / (2 C S)."""
    s = np.ones(len(y)) if s is None else s
    penalty = np.sum(np.asarray(model.coef_) ** 2) / (2 * C)
    return (s @ pointwise_loss(model, X, y) + penalty) / s.sum()


def assert_same_optimum(ours, reference, X, y, C, s=None):
    gap = objective_value(ours, X, y, C, s) / objective_value(reference, X, y, C, s) - 1
    assert abs(gap) <= GAP
    assert_allclose(
        ours.predict_proba(X), reference.predict_proba(X), rtol=0, atol=PROBA_ATOL
    )


def reference_fit(X, y, s=None, **params):
    reference = LogisticRegression(
        solver="newton-cholesky", tol=1e-10, max_iter=1000, **params
    )
    return reference.fit(X, y, sample_weight=s)


@pytest.fixture(scope="module", params=["raw", "scaled"])
def units(request):
    return {"raw": np.asarray, "scaled": scale}[request.param]


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X), y


@pytest.fixture(scope="module")
def noisy():
    """Return small data that no plane separates: 60 rows, 3 columns, 2 classes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = (X[:, 0] - X[:, 1] + 2 * rng.normal(size=60) > 0).astype(int)
    return X, y


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(1).uniform(0.1, 3, size=60)


# --- scikit-learn's own contract -------------------------------------------------


@scikit_learn_contract(BinaryLogReg(), SoftmaxReg())
def test_scikit_learn_contract(estimator, check):
    check(estimator)


# --- the optimum -----------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [0.01, 1, 100])
@pytest.mark.parametrize("name", LOADERS)
def test_optimum_is_that_of_logistic_regression(name, units, C, fit_intercept):
    X, y = LOADERS[name](return_X_y=True)
    X = units(X)
    params = {"C": C, "fit_intercept": fit_intercept}
    ours = (BinaryLogReg if name == "breast_cancer" else SoftmaxReg)(**params, **TIGHT)
    assert_same_optimum(ours.fit(X, y), reference_fit(X, y, **params), X, y, C)


def test_optimum_is_that_of_logistic_regression_with_constant_columns_and_ten_classes():
    X, y = load_digits(return_X_y=True)
    ours = SoftmaxReg(**TIGHT).fit(X / 16, y)
    assert_same_optimum(ours, reference_fit(X / 16, y), X / 16, y, 1)


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 0.3, 1: 5.0}])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("name", LOADERS)
def test_weighted_optimum_is_that_of_logistic_regression(
    name, units, weighted, class_weight
):
    X, y = LOADERS[name](return_X_y=True)
    X = units(X)
    rng = np.random.default_rng(2)
    s = rng.exponential(size=len(y)) if weighted else np.ones(len(y))
    if class_weight == "balanced":
        # by total weights: as a dict, since scikit-learn < 1.7 counts rows instead
        totals = np.bincount(y, s)
        by_class = dict(enumerate(s.sum() / (len(totals) * totals)))
    else:
        by_class = class_weight or {}
    ours = (BinaryLogReg if name == "breast_cancer" else SoftmaxReg)(
        class_weight=class_weight, **TIGHT
    ).fit(X, y, sample_weight=s if weighted else None)
    reference = reference_fit(X, y, s, class_weight=by_class or None)
    effective = s * np.array([by_class.get(label, 1.0) for label in y])
    assert_same_optimum(ours, reference, X, y, 1, effective)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_softmax_has_a_column_for_each_class(n_classes, fit_intercept, weights):
    # also for two classes: the penalty then falls on both columns
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(60, 2)), rng.integers(n_classes, size=60)
    C, n_coef = 0.7, n_classes * 2
    Y = np.eye(n_classes)[y]

    def F(params):
        w = params[:n_coef].reshape(n_classes, 2)
        z = X @ w.T + (params[n_coef:] if fit_intercept else 0)
        log_p = log_softmax(z, axis=1)
        r = weights[:, None] * (np.exp(log_p) - Y)
        value = -np.sum(weights * np.sum(Y * log_p, axis=1)) + np.sum(w**2) / (2 * C)
        gradient = (r.T @ X + w / C).ravel()
        return value, np.append(gradient, r.sum(axis=0) if fit_intercept else [])

    start = np.zeros(n_classes * (2 + fit_intercept))
    found = minimize(F, start, jac=True, method="BFGS", options={"gtol": 1e-7}).x
    model = SoftmaxReg(C=C, fit_intercept=fit_intercept, **TIGHT)
    model.fit(X, y, sample_weight=weights)
    assert model.coef_.shape == (n_classes, 2)
    assert_allclose(model.coef_.ravel(), found[:n_coef], rtol=0, atol=2e-6)
    intercept = found[n_coef:] if fit_intercept else np.zeros(n_classes)
    intercept = intercept - intercept.mean()  # F leaves their sum free
    assert_allclose(model.intercept_, intercept, rtol=0, atol=2e-6)


@both
def test_mean_probability_is_the_observed_frequency(Estimator, noisy, weights):
    # The intercept is not penalised: 0 = ∂F/∂b_k = Σ_i s_i (p_ik - [y_i = k]) / S.
    X, y = noisy
    model = Estimator(C=0.1, **TIGHT).fit(X, y, sample_weight=weights)
    predicted = np.average(model.predict_proba(X), axis=0, weights=weights)
    observed = np.bincount(y, weights) / weights.sum()
    assert_allclose(predicted, observed, rtol=0, atol=1e-7)


@both
def test_no_iteration_gives_the_intercept_only_model(Estimator, noisy):
    X, y = noisy
    with pytest.warns(ConvergenceWarning):
        model = Estimator(max_iter=0).fit(X, y)
    frequencies = np.tile(np.bincount(y) / len(y), (len(y), 1))
    assert_allclose(model.predict_proba(X), frequencies, rtol=1e-13)


# --- fitted attributes -----------------------------------------------------------


@pytest.mark.parametrize(
    ("Estimator", "load", "rows"),
    [
        (BinaryLogReg, load_breast_cancer, 1),
        (SoftmaxReg, load_breast_cancer, 2),
        (SoftmaxReg, load_wine, 3),
    ],
)
def test_fitted_attributes_have_the_shapes_of_scikit_learn(Estimator, load, rows):
    X, y = load(return_X_y=True)
    model = Estimator().fit(X, y)
    expected = {
        "classes_": (np.unique(y).shape, y.dtype),
        "coef_": ((rows, X.shape[1]), np.dtype(np.float64)),
        "intercept_": ((rows,), np.dtype(np.float64)),
        "n_iter_": ((1,), np.dtype(np.int32)),
        "loss_curve_": ((model.n_iter_[0],), np.dtype(np.float64)),
    }
    arrays = {name: getattr(model, name) for name in expected}
    assert {k: (v.shape, v.dtype) for k, v in arrays.items()} == expected
    assert model.n_features_in_ == X.shape[1]
    assert model.converged_ is True
    K = len(model.classes_)
    shape_of = {
        "decision_function": (len(X), K) if K > 2 else (len(X),),
        "predict": (len(X),),
        "predict_proba": (len(X), K),
        "predict_log_proba": (len(X), K),
    }
    assert {name: getattr(model, name)(X).shape for name in shape_of} == shape_of


@both
def test_without_an_intercept_it_is_zero(Estimator, noisy):
    model = Estimator(fit_intercept=False).fit(*noisy)
    assert_array_equal(model.intercept_, np.zeros(len(model.coef_)))


@both
def test_loss_curve_descends_to_the_objective_at_the_solution(Estimator, units):
    X, y = load_breast_cancer(return_X_y=True)
    X = units(X)
    model = Estimator(C=0.5).fit(X, y)
    rounding = 1e-14 * model.loss_curve_[0]
    assert np.diff(model.loss_curve_).max() <= rounding
    assert_allclose(model.loss_curve_[-1], objective_value(model, X, y, 0.5), 1e-10)


@both
def test_converged_fit_is_within_tol_of_the_optimum(Estimator, cancer):
    # with room for an estimate of the suboptimality that is off by a factor
    loose, tight = (
        objective_value(Estimator(**settings).fit(*cancer), *cancer, 1)
        for settings in ({"tol": 1e-5}, TIGHT)
    )
    assert -1e-12 <= loose / tight - 1 <= 50 * 1e-5


@both
def test_predictions_are_functions_of_the_logits(Estimator, noisy):
    X, y = noisy
    model = Estimator().fit(X, y)
    z = X @ model.coef_.T + model.intercept_
    if z.shape[1] == 1:
        z = np.hstack([np.zeros_like(z), z])
    log_p = log_softmax(z, axis=1)
    assert_allclose(model.predict_log_proba(X), log_p, rtol=1e-12)
    assert_allclose(model.predict_proba(X), np.exp(log_p), rtol=1e-12)
    assert_array_equal(model.predict(X), model.classes_[z.argmax(axis=1)])
    assert model.score(X, y) == np.mean(model.predict(X) == y)


@both
def test_decision_function_of_two_classes_is_the_log_odds_of_the_second(
    Estimator, noisy
):
    # scikit-learn's convention: a vector, positive where classes_[1] is predicted
    X, y = noisy
    model = Estimator().fit(X, y)
    log_p = model.predict_log_proba(X)
    log_odds = log_p[:, 1] - log_p[:, 0]
    assert_allclose(model.decision_function(X), log_odds, rtol=1e-10, atol=1e-14)


def test_decision_function_of_more_classes_is_the_logits():
    X, y = load_wine(return_X_y=True)
    model = SoftmaxReg().fit(X, y)
    logits = X @ model.coef_.T + model.intercept_
    assert_allclose(model.decision_function(X), logits, rtol=1e-10, atol=1e-10)


# --- labels ----------------------------------------------------------------------

LABELS = {
    "integers": np.array([0, 1]),
    "small integers": np.array([3, 200], dtype=np.uint8),
    "negative integers": np.array([-7, -2]),
    "booleans": np.array([False, True]),
    "strings": np.array(["no", "yes"]),
    "object strings": np.array(["no", "yes"], dtype=object),
    "floats": np.array([1.0, 2.0]),
}


@both
@pytest.mark.parametrize("kind", LABELS)
def test_classes_and_predictions_keep_the_kind_of_label(Estimator, kind, noisy):
    X, codes = noisy
    labels = LABELS[kind]
    model = Estimator().fit(X, labels[codes])
    assert model.classes_.dtype == labels.dtype
    assert_array_equal(model.classes_, labels)
    predicted = model.predict(X)
    assert predicted.dtype == labels.dtype
    assert_array_equal(predicted, labels[Estimator().fit(X, codes).predict(X)])


@both
@pytest.mark.parametrize(
    ("container", "labels"),
    [
        (list, [0, 1]),
        (list, ["no", "yes"]),
        (pd.Series, [5, 9]),
        (pd.Series, ["no", "yes"]),
        (pd.Series, [False, True]),
        (pd.Categorical, [5, 9]),
        (pd.Categorical, ["no", "yes"]),
        (lambda y: pd.Series(y, dtype="category"), ["no", "yes"]),
        (lambda y: pd.Series(y, index=np.arange(len(y))[::-1]), [0, 1]),
        (lambda y: np.array(y, dtype=object), [5, 9]),
        (lambda y: np.array(y, dtype=object), [False, True]),
        (pl.Series, [5, 9]),
        (pl.Series, ["no", "yes"]),
        (pl.Series, [False, True]),
        (lambda y: pl.Series(y, dtype=pl.Categorical), ["no", "yes"]),
    ],
)
def test_containers_of_labels_are_read_row_by_row(Estimator, container, labels, noisy):
    # classes_ holds numbers for numbers, booleans for booleans, strings for strings
    X, codes = noisy
    model = Estimator().fit(X, container([labels[code] for code in codes]))
    assert [type(label) for label in model.classes_.tolist()] == [
        type(label) for label in labels
    ]
    assert model.classes_.tolist() == labels
    plain = Estimator().fit(X, codes)
    assert_array_equal(model.coef_, plain.coef_)
    assert_array_equal(model.predict(X), model.classes_[plain.predict(X)])


@both
def test_class_weight_names_classes_by_their_labels(Estimator, noisy):
    X, codes = noisy
    y = np.array(["no", "yes"])[codes]
    by_label = Estimator(class_weight={"yes": 3.0}, **TIGHT).fit(X, y)
    by_row = Estimator(**TIGHT).fit(X, y, sample_weight=np.where(codes == 1, 3.0, 1.0))
    assert_allclose(by_label.coef_, by_row.coef_, rtol=1e-6)


# --- containers and dtypes of X --------------------------------------------------


@both
def test_pandas_frame_gives_its_column_names(Estimator, noisy):
    X, y = noisy
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = Estimator().fit(frame, y)
    assert_array_equal(model.feature_names_in_, ["a", "b", "c"])
    assert_array_equal(model.predict(frame), Estimator().fit(X, y).predict(X))


@both
def test_polars_frame_is_read_as_scikit_learn_reads_it(Estimator, noisy):
    # which of the two protocols for column names it knows depends on its version
    X, y = noisy
    frame = pl.DataFrame(X, schema=["a", "b", "c"])
    model, scaler = Estimator().fit(frame, y), StandardScaler().fit(frame)
    assert_array_equal(
        vars(model).get("feature_names_in_"), vars(scaler).get("feature_names_in_")
    )
    assert_array_equal(model.predict(frame), Estimator().fit(X, y).predict(X))


@both
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_unnamed_features_after_named_ones_warn(Estimator, method, noisy):
    X, y = noisy
    model = Estimator().fit(pd.DataFrame(X, columns=["a", "b", "c"]), y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        getattr(model, method)(X)


X_CONTAINERS = {
    "lists": np.ndarray.tolist,
    "Fortran order": np.asfortranarray,
    "every second of more columns": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "reversed strides": lambda X: np.ascontiguousarray(X[::-1])[::-1],
    "object": lambda X: X.astype(object),
    "csr_array": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
    "csc_array": sparse.csc_array,
    "csc_matrix": sparse.csc_matrix,
    "coo_array": sparse.coo_array,
    "coo_matrix": sparse.coo_matrix,
}


@both
@pytest.mark.parametrize("container", X_CONTAINERS)
def test_container_of_X_does_not_matter(Estimator, container, noisy):
    X, y = noisy
    given = X_CONTAINERS[container](X)
    expected = Estimator(**TIGHT).fit(X, y).predict_proba(X)
    model = Estimator(**TIGHT).fit(given, y)
    assert_allclose(model.predict_proba(given), expected, rtol=0, atol=1e-6)
    assert_allclose(model.predict_proba(X), expected, rtol=0, atol=1e-6)


def csr_with_long_indices(X):
    given = sparse.csr_array(X)
    given.indices = given.indices.astype(np.int64)
    given.indptr = given.indptr.astype(np.int64)
    return given


def csr_with_duplicates(X):
    # every entry stored twice, as two halves, columns out of order
    n, d = X.shape
    columns = np.tile(np.r_[np.arange(d), np.arange(d)[::-1]], n)
    halves = np.repeat(X / 2, 2, axis=0).reshape(n, 2, d)
    halves[:, 1] = halves[:, 1, ::-1]
    indptr = np.arange(n + 1) * 2 * d
    return sparse.csr_array((halves.ravel(), columns, indptr), shape=(n, d))


@both
@pytest.mark.parametrize("layout", [csr_with_long_indices, csr_with_duplicates])
def test_layout_inside_csr_does_not_matter(Estimator, layout, noisy):
    X, y = noisy
    given = layout(X)
    assert_array_equal(given.toarray(), X)
    expected = Estimator(**TIGHT).fit(X, y).predict_proba(X)
    model = Estimator(**TIGHT).fit(given, y)
    assert_allclose(model.predict_proba(given), expected, rtol=0, atol=1e-6)


@both
def test_read_only_input_is_accepted(Estimator, noisy, weights):
    X, y = noisy
    expected = Estimator().fit(X, y, sample_weight=weights).coef_
    arrays = [np.array(array) for array in (X, y, weights)]
    for array in arrays:
        array.flags.writeable = False
    assert_allclose(Estimator().fit(*arrays).coef_, expected, rtol=1e-6)


@both
@pytest.mark.parametrize("far", [0.0, 1e6], ids=["near zero", "far from zero"])
def test_memory_mapped_input_is_accepted(Estimator, far, noisy, tmp_path):
    X, y = noisy[0] + far, noisy[1]
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = Estimator().fit(mapped, np.load(tmp_path / "y.npy", mmap_mode="r"))
    expected = Estimator().fit(X, y)
    assert_allclose(
        model.predict_proba(mapped), expected.predict_proba(X), rtol=0, atol=1e-4
    )
    assert type(model.coef_) is np.ndarray


@both
@pytest.mark.parametrize(
    "container", [np.asarray, sparse.csr_array, csr_with_duplicates, sparse.csc_matrix]
)
@pytest.mark.parametrize("far", [0.0, 1e6], ids=["near zero", "far from zero"])
def test_fit_and_predict_leave_their_input_alone(
    Estimator, container, far, noisy, weights
):
    given = [container(noisy[0] + far), noisy[1].copy(), weights.copy()]
    before = copy.deepcopy(given)
    Estimator(class_weight="balanced").fit(*given).predict_proba(given[0])
    if sparse.issparse(given[0]):
        for part in ("data", "indices", "indptr"):
            assert_array_equal(getattr(given[0], part), getattr(before[0], part))
    else:
        assert_array_equal(given[0], before[0])
    assert_array_equal(given[1], before[1])
    assert_array_equal(given[2], before[2])


@both
@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64, np.float16])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_short_numbers_are_read_as_float64(Estimator, dtype, container, noisy):
    # 100 + 100 overflows int8 and uint8: they have to be converted before products
    X = np.rint(40 * noisy[0].clip(0, 2.5)).astype(dtype)
    if container is sparse.csr_array and dtype is np.float16:
        X = X.astype(np.float32)  # SciPy has no sparse float16
    y = noisy[1]
    exact = Estimator().fit(container(X.astype(np.float64)), y)
    model = Estimator().fit(container(X), y)
    tolerance = 1e-3 if X.dtype == np.float32 else 1e-12
    assert_allclose(model.coef_, exact.coef_, rtol=tolerance, atol=tolerance)


@both
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_float32_fit_has_nearly_the_objective_of_float64(Estimator, container, cancer):
    X, y = cancer
    short = X.astype(np.float32)
    model = Estimator().fit(container(short), y)
    exact = Estimator(**TIGHT).fit(X, y)
    gap = objective_value(model, X, y, 1) / objective_value(exact, X, y, 1) - 1
    assert -1e-12 <= gap <= 1e-6
    assert model.coef_.dtype == np.float64
    assert_allclose(
        model.predict_proba(container(short)), exact.predict_proba(X), rtol=0, atol=1e-3
    )


@both
def test_float32_columns_far_from_zero_keep_their_digits(Estimator, noisy):
    # X w + b cancels to the last float32 digits of X w: logits have to be float64
    X = (noisy[0] + 3e3).astype(np.float32)
    y = noisy[1]
    model = Estimator().fit(X, y)
    exact = Estimator(tol=1e-12).fit(X.astype(np.float64), y)
    assert model.decision_function(X).dtype == np.float64
    assert_allclose(model.predict_proba(X), exact.predict_proba(X), rtol=0, atol=2e-4)


# --- state: warm start, copies, failures -----------------------------------------


@both
def test_warm_start_continues_from_the_last_solution(Estimator, cancer):
    X, y = cancer
    cold = Estimator(C=1.01, tol=1e-10).fit(X, y)
    warm = Estimator(C=1.0, tol=1e-10, warm_start=True).fit(X, y)
    n_first = warm.n_iter_[0]
    warm.set_params(C=1.01).fit(X, y)
    assert warm.n_iter_[0] < min(cold.n_iter_[0], n_first)
    assert warm.loss_curve_[0] < cold.loss_curve_[0]
    assert_allclose(warm.predict_proba(X), cold.predict_proba(X), rtol=0, atol=1e-4)


@both
@pytest.mark.parametrize("far", [0.0, 1e6], ids=["near zero", "far from zero"])
def test_warm_start_at_the_optimum_stays_there(Estimator, far, noisy):
    X, y = noisy[0] + far, noisy[1]
    tight = Estimator(tol=1e-12, warm_start=True).fit(X, y)
    before = tight.predict_proba(X)
    again = tight.set_params(tol=1e-6).fit(X, y)
    assert again.n_iter_[0] <= 1
    assert_allclose(again.predict_proba(X), before, rtol=0, atol=1e-5)


@both
def test_warm_start_continues_from_sparse_coefficients(Estimator, cancer):
    X, y = cancer
    model = Estimator(warm_start=True).fit(X, y)
    n_cold = model.n_iter_[0]
    model.sparsify().fit(X, y)
    assert model.n_iter_[0] < n_cold
    assert type(model.coef_) is np.ndarray


@both
@pytest.mark.parametrize("change", ["classes", "features"])
def test_warm_start_is_afresh_when_the_problem_has_changed(Estimator, change, noisy):
    X, y = noisy
    model = Estimator(warm_start=True)
    if change == "classes":
        model.fit(-X, y + 1)
    else:
        model.fit(-X[:, :2], y)
    cold = Estimator().fit(X, y)
    assert_array_equal(model.fit(X, y).coef_, cold.coef_)
    assert_array_equal(model.n_iter_, cold.n_iter_)


@both
def test_warm_start_is_afresh_where_the_last_model_is_worse_than_none(Estimator, noisy):
    X, y = noisy
    model = Estimator(warm_start=True).fit(X, y).set_params(C=1e-100).fit(X, y)
    cold = Estimator(C=1e-100).fit(X, y)
    assert_array_equal(model.coef_, cold.coef_)
    assert_array_equal(model.loss_curve_, cold.loss_curve_)


@both
def test_without_warm_start_the_past_does_not_matter(Estimator, noisy):
    X, y = noisy
    refitted = Estimator().fit(-3 * X, y).fit(X, y)
    assert_array_equal(refitted.coef_, Estimator().fit(X, y).coef_)


@both
@pytest.mark.parametrize(
    "duplicate",
    [
        copy.copy,
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: pickle.loads(pickle.dumps(model, protocol=2)),
    ],
    ids=["copy", "deepcopy", "pickle", "old pickle"],
)
def test_duplicates_predict_the_same(Estimator, duplicate, noisy):
    X, y = noisy
    model = Estimator(C=0.3).fit(X, y)
    twin = duplicate(model)
    assert twin.get_params() == model.get_params()
    assert_array_equal(twin.predict_log_proba(X), model.predict_log_proba(X))


@both
def test_clone_has_the_parameters_and_no_fit(Estimator, noisy):
    params = {
        "C": 0.3,
        "l1_ratio": 0.2,
        "penalty_weights": None,
        "bounds": (0, None),
        "label_smoothing": 0.1,
        "fit_intercept": False,
        "class_weight": {0: 2.0},
        "tol": 1e-5,
        "max_iter": 77,
        "warm_start": True,
        "early_stopping": True,
        "validation_fraction": 0.3,
        "n_iter_no_change": 9,
        "random_state": 7,
        "verbose": 0,
    }
    model = Estimator(**params).fit(*noisy)
    twin = clone(model)
    assert twin.get_params() == params
    assert vars(twin).keys() == params.keys()


@both
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.csr_matrix])
def test_sparse_coefficients_predict_the_same_and_come_back(
    Estimator, container, noisy
):
    X, y = noisy
    model = Estimator().fit(X, y)
    coef, expected = model.coef_, model.predict_proba(X)
    assert model.sparsify() is model
    assert sparse.issparse(model.coef_)
    assert_allclose(model.predict_proba(container(X)), expected, rtol=1e-12)
    assert model.densify() is model
    assert_array_equal(model.coef_, coef)


class _Interrupting:
    def __array__(self, dtype=None, copy=None):
        raise KeyboardInterrupt


FAILURES = {
    "NaN in X": (ValueError, {"X": np.full((60, 3), np.nan)}),
    "other number of features": (ValueError, {"X": np.ones((60, 9)), "y": ["a"] * 60}),
    "one class": (ValueError, {"y": np.zeros(60)}),
    "negative weight": (ValueError, {"sample_weight": -np.ones(60)}),
    "offset of other rows": (ValueError, {"offset": np.ones(7)}),
    "bad parameter": (ValueError, {"C": -1}),
    "bounds of an unknown feature": (ValueError, {"bounds": {"z": (0, None)}}),
    "one row to hold out": (
        ValueError,
        {"early_stopping": True, "validation_fraction": 1e-3},
    ),
    "interrupt": (KeyboardInterrupt, {"X": _Interrupting()}),
    "warning as error": (ConvergenceWarning, {"max_iter": 1, "tol": 0}),
}


@both
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cause", FAILURES)
def test_failed_fit_leaves_a_fitted_estimator_as_it_was(Estimator, cause, noisy):
    X, y = noisy
    model = Estimator().fit(pd.DataFrame(X, columns=["a", "b", "c"]), y)
    error, inputs = FAILURES[cause]
    settings = {k: v for k, v in inputs.items() if k in model.get_params()}
    given = {"X": X, "y": y} | {k: v for k, v in inputs.items() if k not in settings}
    model.set_params(**settings)
    before, copies = dict(vars(model)), copy.deepcopy(vars(model))
    with pytest.raises(error):
        model.fit(**given)
    after = vars(model)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    for name in before:
        assert_array_equal(after[name], copies[name])


@both
def test_a_fit_forgets_the_feature_names_of_the_last(Estimator, noisy):
    X, y = noisy
    model = Estimator().fit(pd.DataFrame(X, columns=["a", "b", "c"]), y)
    model.fit(X[:, :2], y)
    assert model.n_features_in_ == 2
    assert not hasattr(model, "feature_names_in_")
    assert vars(model).keys() == vars(Estimator().fit(X, y)).keys()
    model.fit(pd.DataFrame(X, columns=["c", "d", "e"]), y)
    assert model.feature_names_in_.tolist() == ["c", "d", "e"]


@both
def test_failed_first_fit_leaves_an_unfitted_estimator(Estimator, noisy):
    model = Estimator()
    before = dict(vars(model))
    with pytest.raises(ValueError, match="1 class"):
        model.fit(pd.DataFrame(noisy[0], columns=["a", "b", "c"]), np.ones(60))
    assert vars(model) == before


@both
@pytest.mark.parametrize(
    "call",
    [
        lambda model, X: model.predict(X),
        lambda model, X: model.predict_proba(X),
        lambda model, X: model.predict_log_proba(X),
        lambda model, X: model.decision_function(X),
        lambda model, X: model.sparsify(),
        lambda model, X: model.densify(),
    ],
)
def test_unfitted_estimator_says_so(Estimator, call, noisy):
    with pytest.raises(NotFittedError, match=f"{Estimator.__name__} instance is not"):
        call(Estimator(), noisy[0])


# --- accuracy of probabilities ---------------------------------------------------


@both
def test_log_probabilities_stay_finite_at_huge_logits(Estimator, noisy):
    X, y = noisy
    model = Estimator().fit(X, y)
    model.coef_ *= 1e6
    log_p = model.predict_log_proba(X)
    assert np.isfinite(log_p).all()
    assert log_p.min() < -1e5
    assert_array_equal(log_p.argmax(axis=1), model.predict(X))


@both
@pytest.mark.parametrize("logit", [-700.0, -40.0, -1e-9, 0.0, 0.3, 40.0, 700.0])
def test_every_probability_is_accurate_to_the_last_digits(Estimator, logit, noisy):
    # P(class 1) = 1 / (1 + exp(-logit)), P(class 0) = 1 / (1 + exp(logit)): both in
    # relative terms, so that the small one is not what is left of 1
    model = Estimator().fit(*noisy)
    halves = [[1.0, 0, 0]] if Estimator is BinaryLogReg else [[-0.5, 0, 0], [0.5, 0, 0]]
    model.coef_, model.intercept_ = np.array(halves), np.zeros(len(halves))
    with mpmath.workdps(400):
        exact = [1 / (1 + mpmath.exp(sign * logit)) for sign in (1, -1)]
        exact_log = [float(mpmath.log(p)) for p in exact]
        exact = [float(p) for p in exact]
    x = [[logit, 5.0, -5.0]]
    assert_allclose(model.predict_proba(x)[0], exact, rtol=1e-14)
    assert_allclose(model.predict_log_proba(x)[0], exact_log, rtol=1e-14)


# --- metadata routing, messages --------------------------------------------------


@both
def test_sample_weight_is_routed_through_pipeline_and_cross_validation(
    Estimator, noisy, weights
):
    X, y = noisy
    cv = KFold(3)
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            Estimator().set_fit_request(sample_weight=True),
        )
        result = cross_validate(
            pipeline,
            X,
            y,
            cv=cv,
            params={"sample_weight": weights},
            scoring=get_scorer("accuracy").set_score_request(sample_weight=True),
            return_estimator=True,
        )
    for fold, (train, test) in enumerate(cv.split(X)):
        scaler = StandardScaler().fit(X[train])
        by_hand = Estimator().fit(
            scaler.transform(X[train]), y[train], sample_weight=weights[train]
        )
        routed = result["estimator"][fold][-1]
        assert_allclose(routed.coef_, by_hand.coef_, rtol=1e-12)
        score = by_hand.score(scaler.transform(X[test]), y[test], weights[test])
        assert_allclose(result["test_score"][fold], score, rtol=1e-12)


@both
def test_stopping_short_warns_what_happened_and_what_to_do(Estimator, cancer):
    with pytest.warns(
        ConvergenceWarning, match=r"max_iter=2 .*tol=1\.0e-08.* Increase max_iter"
    ) as caught:
        model = Estimator(max_iter=2).fit(*cancer)
    assert [warning.filename for warning in caught] == [__file__]
    assert model.converged_ is False
    assert_array_equal(model.n_iter_, [2])


@both
def test_default_fit_of_raw_data_does_not_warn(Estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Estimator().fit(*load_breast_cancer(return_X_y=True))
    assert model.converged_ is True


@both
def test_verbose_prints_a_line_for_each_iteration(Estimator, noisy, capsys):
    quiet = Estimator().fit(*noisy)
    assert capsys.readouterr().out == ""
    model = Estimator(verbose=1).fit(*noisy)
    printed = re.findall(r"^.*\bF = (\S+?),? .*$", capsys.readouterr().out, re.M)
    assert_allclose(np.array(printed, dtype=float), model.loss_curve_, rtol=1e-9)
    assert_array_equal(model.coef_, quiet.coef_)


@both
def test_fit_returns_the_estimator(Estimator, noisy):
    model = Estimator()
    assert model.fit(*noisy) is model


# --- documentation ---------------------------------------------------------------


def documented(Estimator, section):
    """Return {name: (type, description)} from a section of the class docstring."""
    text = inspect.getdoc(Estimator)
    lines = text.split(f"\n{section}\n{'-' * len(section)}\n")[1].splitlines()
    entries = {}
    for line, following in itertools.zip_longest(lines, lines[1:], fillvalue=""):
        if following and set(following) == {"-"}:
            break  # the title of the next section
        if entry := re.fullmatch(r"(\w+) : (.+)", line):
            name, kind = entry.groups()
            assert name not in entries, name
            entries[name] = (kind, "")
        elif line:
            assert line.startswith("    "), line
            kind, description = entries[name]
            entries[name] = (kind, f"{description} {line.strip()}".strip())
    return entries


def assert_is_full(entries):
    for name, (kind, description) in entries.items():
        assert kind.strip(), name
        assert re.match("[A-Z1(]", description), (name, description)
        assert description.endswith("."), (name, description)


@both
def test_every_parameter_is_documented_in_full(Estimator):
    entries = documented(Estimator, "Parameters")
    parameters = inspect.signature(Estimator).parameters
    assert list(entries) == list(parameters)
    assert_is_full(entries)
    for name, parameter in parameters.items():
        _, default = entries[name][0].split("default=")
        assert ast.literal_eval(default) == parameter.default, name


@both
def test_every_fitted_attribute_is_documented_in_full(Estimator, noisy):
    X, y = noisy
    model = Estimator().fit(pd.DataFrame(X, columns=["a", "b", "c"]), y)
    entries = documented(Estimator, "Attributes")
    public = {name for name in vars(model) if re.fullmatch(r"[a-z]\w*_", name)}
    assert set(entries) == public
    assert_is_full(entries)


def test_the_shared_sections_of_the_documentation_are_the_same():
    for section in ("Parameters", "Attributes"):
        binary, softmax = (documented(E, section) for E in (BinaryLogReg, SoftmaxReg))
        assert list(binary) == list(softmax)
        differing = {name for name in binary if binary[name] != softmax[name]}
        assert differing <= {"classes_", "coef_", "intercept_"}


@both
def test_the_documentation_has_no_placeholders_and_fits_a_terminal(Estimator):
    text = inspect.getdoc(Estimator)
    assert not re.search(r"^\{\w+\}$", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 88
    titles = re.findall(r"^(.+)\n-{4,}$", text, re.MULTILINE)
    assert titles == [
        "Parameters",
        "Attributes",
        "See Also",
        "Notes",
        "References",
        "Examples",
    ]
    assert re.search(r"\bl1_ratio : float", pydoc.plain(pydoc.render_doc(Estimator)))
