"""Coefficient tables against statsmodels, mpmath, brute force, and laws."""

import sys

import mpmath
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import sparse
from scipy.stats import norm
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skxent import BinaryLogReg, SoftmaxReg, coefficient_table
from skxent.inference import covariance as covariance_module
from skxent.inference.scientific import exponential

TIGHT = {"C": np.inf, "tol": 1e-12}
ROBUST = ("HC0", "HC1", "HC3", "cluster")


def sample(K, n=300, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * 10.0 ** np.arange(d) + np.arange(d)
    logits = np.outer((X / 10.0 ** np.arange(d)).sum(axis=1) / d, np.arange(K))
    y = (logits + rng.gumbel(size=(n, K))).argmax(axis=1)
    return X, y


def table_of(
    Estimator, X, y, s=None, offset=None, *, fit_intercept=True, tol=1e-12, **options
):
    model = Estimator(C=np.inf, tol=tol, fit_intercept=fit_intercept)
    model.fit(X, y, sample_weight=s, offset=offset)
    return coefficient_table(model, X, y, sample_weight=s, offset=offset, **options)


def assert_same(table, other, rtol=1e-8):
    assert_estimates(table, other.estimate, other.standard_error, rtol)
    for name in ("z", "lower", "upper"):
        unit = 1.0 if name == "z" else other.standard_error
        difference = (getattr(table, name) - getattr(other, name)) / unit
        np.testing.assert_allclose(difference, 0, atol=1e-5, err_msg=name)


def assert_estimates(table, estimate, standard_error, rtol=1e-8):
    """Errors agree to rtol, estimates as far as a fit to 1e-12 determines them."""
    np.testing.assert_allclose(table.standard_error, standard_error, rtol=rtol)
    distance = (table.estimate - estimate) / standard_error
    np.testing.assert_allclose(distance, 0, atol=1e-5)


def assert_covariance(found, expected, atol=1e-8):
    expected = np.asarray(expected)
    error = np.sqrt(np.diag(expected))
    difference = (found - expected) / error / error[:, None]
    np.testing.assert_allclose(difference, 0, atol=atol)


def logit_of(X, y, **options):
    return sm.Logit(y, sm.add_constant(X)).fit(disp=0, method="newton", **options)


def glm_of(X, y, cov_type="nonrobust", **options):
    weights = {
        k: options.pop(k)
        for k in ("freq_weights", "var_weights", "offset")
        if k in options
    }
    model = sm.GLM(y, sm.add_constant(X), family=sm.families.Binomial(), **weights)
    return model.fit(tol=1e-14, cov_type=cov_type, **options)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_model_based_errors_are_those_of_logit(container):
    X, y = sample(2)
    table = table_of(BinaryLogReg, container(X), y)
    expected = logit_of(X, y, tol=1e-14)
    assert_estimates(table, expected.params, expected.bse)
    np.testing.assert_allclose(table.p_value, expected.pvalues, rtol=1e-5)
    interval = np.column_stack([table.lower, table.upper])
    np.testing.assert_allclose(interval, expected.conf_int(), rtol=1e-6, atol=1e-6)
    assert_covariance(table.covariance, expected.cov_params())


def test_softmax_errors_are_those_of_mnlogit():
    X, y = sample(4)
    X /= X.std(axis=0)
    table = table_of(SoftmaxReg, X, y, contrast=0)
    expected = sm.MNLogit(y, sm.add_constant(X)).fit(disp=0, tol=1e-14, maxiter=50)
    assert_estimates(table, expected.params.T.ravel(), expected.bse.T.ravel())
    assert_covariance(table.covariance, expected.cov_params())


@pytest.mark.parametrize("covariance", ["HC0", "cluster"])
def test_softmax_robust_errors_are_those_of_mnlogit(covariance):
    X, y = sample(3)
    X /= X.std(axis=0)
    cluster = np.arange(len(y)) % 31
    is_cluster = covariance == "cluster"
    options = {"cov_kwds": {"groups": cluster}} if is_cluster else {}
    table = table_of(
        SoftmaxReg,
        X,
        y,
        contrast=0,
        covariance=covariance,
        cluster=cluster if is_cluster else None,
    )
    model = sm.MNLogit(y, sm.add_constant(X))
    expected = model.fit(disp=0, tol=1e-14, maxiter=50, cov_type=covariance, **options)
    ratio = table.standard_error / expected.bse.T.ravel()
    if is_cluster:
        # statsmodels counts the coefficients of one class
        ratio *= np.sqrt((len(y) - 8) / (len(y) - 1))
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-8)
    else:
        np.testing.assert_allclose(ratio, 1, rtol=1e-8)


def test_robust_errors_are_those_of_glm():
    X, y = sample(2)
    cluster = np.repeat(np.arange(50), 6)
    n, p = len(y), 4
    found = {name: table_of(BinaryLogReg, X, y, covariance=name) for name in ROBUST[:3]}
    expected = glm_of(X, y, "HC0")
    np.testing.assert_allclose(found["HC0"].standard_error, expected.bse, rtol=1e-8)
    np.testing.assert_allclose(
        # GLM takes HC1 for HC0
        found["HC1"].standard_error,
        expected.bse * np.sqrt(n / (n - p)),
        rtol=1e-8,
    )
    clustered = table_of(BinaryLogReg, X, y, covariance="cluster", cluster=cluster)
    expected = glm_of(X, y, "cluster", cov_kwds={"groups": cluster})
    np.testing.assert_allclose(clustered.standard_error, expected.bse, rtol=1e-8)


def test_hc3_divides_by_what_the_hat_matrix_leaves():
    X, y = sample(2, n=60)
    found = table_of(BinaryLogReg, X, y, covariance="HC3")
    expected = glm_of(X, y)
    rows = sm.add_constant(X)
    A = expected.cov_params()
    left = 1 - expected.get_hat_matrix_diag()
    scores = ((y - expected.fittedvalues) / left)[:, None] * rows
    assert_covariance(found.covariance, A @ scores.T @ scores @ A)


def softmax_by_hand(X, y, table):
    """Return rows, probabilities and the inverse information, class 0 as reference."""
    rows = sm.add_constant(X)
    w = table.estimate.reshape(-1, rows.shape[1])
    z = np.column_stack([np.zeros(len(y)), rows @ w.T])
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p = p[:, 1:]
    H = np.zeros((w.size, w.size))
    for x, of_row in zip(rows, p, strict=True):
        H += np.kron(np.diag(of_row) - np.outer(of_row, of_row), np.outer(x, x))
    return rows, p, np.linalg.inv(H)


def test_hc3_of_a_softmax_is_one_newton_step_without_each_row():
    X, y = sample(3, n=60)
    X /= X.std(axis=0)
    table = table_of(SoftmaxReg, X, y, contrast=0, covariance="HC3")
    rows, p, A = softmax_by_hand(X, y, table)
    steps = []
    for i, x in enumerate(rows):
        of_row = np.kron(np.diag(p[i]) - np.outer(p[i], p[i]), np.outer(x, x))
        residual = (y[i] == np.arange(1, 3)) - p[i]
        left_out = np.linalg.inv(np.linalg.inv(A) - of_row)
        steps.append(left_out @ np.kron(residual, x))
    # the sum of squares of the steps of the jackknife
    expected = np.array(steps).T @ np.array(steps)
    assert_covariance(table.covariance, expected)


@mpmath.workdps(40)
def test_errors_agree_with_mpmath():
    X = [[0, 1.5], [1, -0.5], [2, 0.25], [3, 1], [4, -1], [5, 0.5], [6, 2.5], [7, 0]]
    y = [0, 0, 1, 0, 1, 1, 0, 1]
    table = table_of(BinaryLogReg, np.array(X), np.array(y))
    rows = mpmath.matrix([[1, *x] for x in X])

    def newton(w):
        p = [1 / (1 + mpmath.exp(-z)) for z in rows * w]
        gradient = rows.T * mpmath.matrix([a - b for a, b in zip(p, y, strict=True)])
        H = rows.T * mpmath.diag([a * (1 - a) for a in p]) * rows
        return w - mpmath.lu_solve(H, gradient), H**-1

    w = mpmath.matrix(table.estimate.tolist())
    _, A = newton(w)
    expected = np.array(A.tolist(), dtype=float)
    assert_covariance(table.covariance, expected, atol=1e-12)
    for _ in range(6):
        w, _ = newton(w)
    assert_estimates(table, np.array(list(w), float), np.sqrt(np.diag(expected)))


# weights, offsets and their meaning


@pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
@pytest.mark.parametrize("covariance", ["model", *ROBUST])
def test_a_frequency_is_a_row_given_several_times(Estimator, covariance):
    X, y = sample(2 if Estimator is BinaryLogReg else 3)
    s = np.random.default_rng(1).integers(0, 4, size=len(y))
    cluster = np.arange(len(y)) % 40 if covariance == "cluster" else None
    often = np.repeat(np.arange(len(y)), s)
    weighted = table_of(
        Estimator, X, y, s.astype(float), covariance=covariance, cluster=cluster
    )
    repeated = table_of(
        Estimator,
        X[often],
        y[often],
        covariance=covariance,
        cluster=None if cluster is None else cluster[often],
    )
    assert_same(weighted, repeated, rtol=1e-7)


@pytest.mark.parametrize("weights", ["frequency", "precision"])
def test_weights_are_those_of_glm(weights):
    X, y = sample(2)
    s = np.random.default_rng(1).uniform(0.5, 2, size=len(y))
    keyword = {"frequency": "freq_weights", "precision": "var_weights"}[weights]
    found = table_of(BinaryLogReg, X, y, s, weights=weights)
    expected = glm_of(X, y, **{keyword: s})
    np.testing.assert_allclose(found.standard_error, expected.bse, rtol=1e-8)
    robust = table_of(BinaryLogReg, X, y, s, weights=weights, covariance="HC0")
    rows, r = sm.add_constant(X), y - expected.fittedvalues
    scores = (np.sqrt(s) if weights == "frequency" else s)[:, None] * r[:, None] * rows
    A = expected.cov_params()
    assert_covariance(robust.covariance, A @ scores.T @ scores @ A)


@pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
@pytest.mark.parametrize("covariance", ROBUST[:3])
def test_the_unit_of_precisions_does_not_matter(Estimator, covariance):
    X, y = sample(2 if Estimator is BinaryLogReg else 3)
    s = np.random.default_rng(1).uniform(0.5, 2, size=len(y))
    options = {"weights": "precision", "covariance": covariance}
    assert_same(
        table_of(Estimator, X, y, s, **options),
        table_of(Estimator, X, y, 1000 * s, **options),
    )


def test_one_cluster_for_each_row_is_hc0_but_for_its_factor():
    for K, Estimator in ((2, BinaryLogReg), (3, SoftmaxReg)):
        X, y = sample(K)
        s = np.random.default_rng(1).uniform(0.5, 2, size=len(y))
        options = {"weights": "precision", "contrast": 0}
        alone = table_of(
            Estimator, X, y, s, covariance="cluster", cluster=np.arange(300), **options
        )
        robust = table_of(Estimator, X, y, s, covariance="HC1", **options)
        # G/(G − 1) (n − 1)/(n − p) = n/(n − p)
        assert_same(alone, robust)


@pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
def test_clusters_are_added_up_some_at_a_time(Estimator, monkeypatch):
    X, y = sample(2)
    options = {"covariance": "cluster", "cluster": np.arange(len(y)) % 17}
    together = table_of(Estimator, X, y, **options)
    monkeypatch.setattr(covariance_module, "CLUSTER_BYTES", 8 * 4 * 5)
    assert_same(table_of(Estimator, X, y, **options), together)


def test_an_offset_is_that_of_glm():
    X, y = sample(2)
    offset = np.random.default_rng(2).normal(size=len(y))
    found = table_of(BinaryLogReg, X, y, None, offset, covariance="HC0")
    expected = glm_of(X, y, "HC0", offset=offset)
    assert_estimates(found, expected.params, expected.bse)


def test_counts_as_soft_labels_are_a_binomial_glm():
    X, _ = sample(2, n=80)
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 9, size=(80, 2)).astype(float)
    total = counts.sum(axis=1)
    found = table_of(BinaryLogReg, X, counts / total[:, None], total)
    family = sm.families.Binomial()
    expected = sm.GLM(counts[:, ::-1], sm.add_constant(X), family=family)
    bse = expected.fit(tol=1e-14).bse
    np.testing.assert_allclose(found.standard_error, bse, rtol=1e-8)


def test_class_weights_have_robust_errors_only():
    X, y = sample(2)
    model = BinaryLogReg(**TIGHT, class_weight={0: 1.0, 1: 3.0}).fit(X, y)
    s = np.where(y == 1, 3.0, 1.0)
    expected = table_of(BinaryLogReg, X, y, s, covariance="HC1", weights="precision")
    for weights in ("frequency", "precision"):
        found = coefficient_table(model, X, y, covariance="HC1", weights=weights)
        assert_same(found, expected)
        assert "class weights" in str(found)
    with pytest.raises(ValueError, match="counts class weights as observations"):
        coefficient_table(model, X, y)


# laws


@pytest.mark.parametrize("covariance", ["model", *ROBUST[:3]])
def test_two_classes_of_a_softmax_are_a_binary_fit(covariance):
    X, y = sample(2)
    binary = table_of(BinaryLogReg, X, y, covariance=covariance)
    softmax = table_of(SoftmaxReg, X, y, covariance=covariance, contrast=0)
    assert_same(binary, softmax, rtol=1e-7)
    assert_covariance(binary.covariance, softmax.covariance, atol=1e-7)
    # the mean of both lies half way
    mean = table_of(SoftmaxReg, X, y, covariance=covariance)
    half = slice(4, None)
    np.testing.assert_allclose(
        mean.standard_error[half], binary.standard_error / 2, rtol=1e-7
    )


@pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_unit_of_a_column_is_that_of_its_error(Estimator, fit_intercept):
    X, y = sample(2 if Estimator is BinaryLogReg else 3)
    scale = np.array([1e-9, 1e7, 3.0])
    options = {"fit_intercept": fit_intercept, "covariance": "HC3", "contrast": 0}
    table = table_of(Estimator, X, y, **options)
    scaled = table_of(Estimator, X * scale, y, **options)
    factor = np.tile([1.0, *scale] if fit_intercept else scale, max(1, max(y)))
    np.testing.assert_allclose(
        scaled.standard_error * factor, table.standard_error, rtol=1e-8
    )
    np.testing.assert_allclose(scaled.z, table.z, atol=1e-5)


def test_a_far_column_has_the_error_of_a_near_one():
    X, y = sample(2)
    far = X.copy()
    far[:, 0] += 1.6e9
    near, table = table_of(BinaryLogReg, X, y), table_of(BinaryLogReg, far, y)
    np.testing.assert_allclose(
        table.standard_error[1:], near.standard_error[1:], rtol=1e-6
    )


def test_float32_data_are_read_in_float64():
    X, y = sample(2)
    X = X.astype(np.float32)
    assert_same(
        table_of(BinaryLogReg, X, y), table_of(BinaryLogReg, X.astype(float), y)
    )


def test_contrasts_do_not_depend_on_the_reference():
    X, y = sample(3)
    tables = [table_of(SoftmaxReg, X, y, contrast=k) for k in range(3)]
    of = [
        {
            (c, f): (e, s)
            for c, f, e, s in zip(
                t.classes, t.features, t.estimate, t.standard_error, strict=True
            )
        }
        for t in tables
    ]
    for feature in ("intercept", "x0", "x1", "x2"):
        estimate, error = of[0][1, feature]
        other, other_error = of[1][0, feature]
        assert other == pytest.approx(-estimate, rel=1e-9)
        assert other_error == pytest.approx(error, rel=1e-9)


# columns that are not identified


@pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
@pytest.mark.parametrize("covariance", ["model", *ROBUST[:3]])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_aliased_columns_are_named_and_the_others_are_as_without_them(
    Estimator, covariance, container
):
    X, y = sample(2 if Estimator is BinaryLogReg else 3)
    levels = np.eye(3)[np.arange(len(y)) % 3]
    wide = np.column_stack([X[:, 0], levels, X[:, 1], X[:, 0] - 2 * X[:, 1]])
    table = table_of(Estimator, container(wide), y, covariance=covariance, tol=1e-8)
    assert table.aliased == ["x3", "x5"]
    kept = np.isfinite(table.estimate)
    expected = table_of(Estimator, wide[:, [0, 1, 2, 4]], y, covariance=covariance)
    np.testing.assert_allclose(
        table.standard_error[kept], expected.standard_error, rtol=1e-5
    )
    np.testing.assert_allclose(table.z[kept], expected.z, atol=1e-4)
    found = table.covariance[np.ix_(kept, kept)]
    assert_covariance(found, expected.covariance, atol=1e-4)
    assert np.isnan(table.covariance[~kept]).all()
    assert "not identified, and without a coefficient: 'x3', 'x5'" in str(table)


@pytest.mark.parametrize("value", [7.0, 0.0])
def test_a_constant_column_is_aliased_with_the_intercept(value):
    X, y = sample(2)
    wide = np.column_stack([np.full(len(y), value), X])
    model = BinaryLogReg(C=np.inf, tol=1e-12).fit(X, y)
    expected = coefficient_table(model, X, y)
    model.coef_ = np.column_stack([np.zeros(1), model.coef_])
    table = coefficient_table(model, wide, y)
    assert table.aliased == ["x0"]
    errors = table.standard_error[[0, 2, 3, 4]]
    np.testing.assert_allclose(errors, expected.standard_error, rtol=1e-8)
    without = table_of(BinaryLogReg, wide, y, fit_intercept=False)
    assert without.aliased == (["x0"] if value == 0 else [])


def test_many_aliased_columns_are_found_in_blocks():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(600, 50))
    X = np.column_stack([base, base @ rng.normal(size=(50, 40)), rng.normal(size=600)])
    y = (base[:, 0] + rng.logistic(size=600) > 0).astype(int)
    # a smaller tol would follow the rounding of the columns, which tells the rows apart
    table = table_of(BinaryLogReg, X, y, tol=1e-8)
    assert table.aliased == [f"x{j}" for j in range(50, 90)]
    kept = np.isfinite(table.estimate)
    expected = table_of(BinaryLogReg, np.delete(X, range(50, 90), axis=1), y)
    np.testing.assert_allclose(
        table.standard_error[kept], expected.standard_error, rtol=1e-5
    )


# penalties


@pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
def test_penalised_covariances_are_the_inverse_and_the_sandwich(Estimator):
    K = 2 if Estimator is BinaryLogReg else 3
    X, y = sample(K)
    X /= X.std(axis=0)
    model = Estimator(C=0.5, tol=1e-13, penalty_weights=[1.0, 0.0, 2.0]).fit(X, y)
    rows = sm.add_constant(X)
    p = model.predict_proba(X)[:, 1:] if K == 2 else model.predict_proba(X)
    H = np.zeros((p.shape[1] * 4,) * 2)
    for x, of_row in zip(rows, p, strict=True):
        H += np.kron(np.diag(of_row) - np.outer(of_row, of_row), np.outer(x, x))
    ridge = np.diag(np.tile([0.0, 2.0, 0.0, 4.0], p.shape[1]))
    inverse = np.linalg.pinv(H + ridge, hermitian=True, rtol=1e-12)
    if K > 2:
        # of the differences to the mean of the classes
        to_mean = np.kron(np.eye(K) - 1 / K, np.eye(4))
        inverse = to_mean @ inverse @ to_mean
    of = [
        coefficient_table(model, X, y, covariance=c)
        for c in ("laplace", "sandwich_penalised")
    ]
    assert_covariance(of[0].covariance, inverse)
    assert_covariance(of[1].covariance, inverse @ H @ inverse)
    assert "posterior" in str(of[0])
    assert "towards 0" in str(of[1])


def test_a_weak_penalty_tends_to_the_classical_table():
    X, y = sample(2)
    X /= X.std(axis=0)
    model = BinaryLogReg(C=1e9, tol=1e-13).fit(X, y)
    for covariance in ("laplace", "sandwich_penalised"):
        table = coefficient_table(model, X, y, covariance=covariance)
        assert_same(table, table_of(BinaryLogReg, X, y), rtol=1e-6)


# what the table shows


def test_p_values_do_not_underflow_in_the_text():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 1))
    y = (2 * x[:, 0] + rng.logistic(size=20_000) > 0).astype(int)
    table = table_of(BinaryLogReg, x, y)
    assert table.z[1] > 39
    assert table.p_value[1] == 0
    log10 = float(
        (mpmath.log(mpmath.erfc(table.z[1] / mpmath.sqrt(2)))) / mpmath.log(10)
    )
    assert table.log_p_value[1] / np.log(10) == pytest.approx(log10, rel=1e-10)
    assert f"e{int(np.floor(log10))}" in str(table)
    assert f"e{int(np.floor(log10))}" in table._repr_html_()


def test_an_odds_ratio_that_overflows_is_shown():
    X, y = sample(2)
    table = table_of(BinaryLogReg, X * 1e-9, y)
    assert np.isinf(table.odds_ratio).any()
    assert "e+1" in str(table)


@pytest.mark.parametrize(
    ("log10", "digits", "text"),
    [
        (-400.0, 3, "1.00e-400"),
        (np.log10(9.9996) + 500, 4, "1.000e+501"),
        (np.log10(2.5) - 1000, 3, "2.50e-1000"),
        (np.log10(0.5), 3, "0.5"),
    ],
)
def test_powers_beyond_floats_as_text(log10, digits, text):
    assert exponential(log10 * np.log(10), digits) == text


def test_a_frame_needs_pandas(monkeypatch):
    X, y = sample(2)
    table = table_of(BinaryLogReg, X, y)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        table.to_frame()


def test_names_come_from_the_frame_and_the_pipeline():
    X, y = sample(2)
    frame = pd.DataFrame(X, columns=["age", "dose", "time"])
    model = make_pipeline(StandardScaler(), BinaryLogReg(C=np.inf)).fit(frame, y)
    table = coefficient_table(model, frame, y)
    assert table.names == ["intercept", "age", "dose", "time"]
    found = table.to_frame()
    assert list(found.index) == table.names
    np.testing.assert_array_equal(found["standard_error"], table.standard_error)
    labels = np.array(["low", "mid", "high"])[sample(3)[1]]
    model = SoftmaxReg(C=np.inf).fit(frame, labels)
    table = coefficient_table(model, frame, labels, contrast="low")
    assert table.names[0] == "high: intercept"
    assert table.to_frame().loc[("mid", "dose"), "estimate"] == table.estimate[6]
    assert "log-odds of each class against 'low'" in str(table)
    assert len(table) == 8


def test_the_level_is_that_of_the_interval():
    X, y = sample(2)
    table = table_of(BinaryLogReg, X, y, level=0.8)
    reach = norm.ppf(0.9) * table.standard_error
    np.testing.assert_allclose(table.upper - table.estimate, reach)
    assert "80% intervals" in str(table)
    assert "80% intervals" in table._repr_html_()
