"""Fit statistics, tests between nested fits, and profile intervals."""

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize
from scipy.stats import chi2

from skxent import (
    BinaryLogReg,
    SoftmaxReg,
    coefficient_table,
    fit_statistics,
    likelihood_ratio_test,
    profile_intervals,
    wald_test,
)

both = pytest.mark.parametrize(("Estimator", "K"), [(BinaryLogReg, 2), (SoftmaxReg, 3)])


def sample(K=2, n=200, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1, 100, 0.01]
    y = (np.outer(X[:, 0], np.arange(K)) + rng.gumbel(size=(n, K))).argmax(axis=1)
    return X, y


def fit(Estimator, X, y, **options):
    return Estimator(C=np.inf, tol=1e-12).fit(X, y, **options)


def statistics(Estimator, X, y, **options):
    return fit_statistics(fit(Estimator, X, y, **options), X, y, **options)


# deviance, criteria, R²


def test_statistics_are_those_of_glm():
    X, y = sample()
    s = np.random.default_rng(1).uniform(0.5, 2, size=len(y))
    offset = np.random.default_rng(2).normal(size=len(y))
    found = statistics(BinaryLogReg, X, y, sample_weight=s, offset=offset)
    rows, family = sm.add_constant(X), sm.families.Binomial()
    model = sm.GLM(y, rows, family=family, freq_weights=s, offset=offset)
    expected = model.fit(tol=1e-14)
    assert found.log_likelihood == pytest.approx(expected.llf, rel=1e-10)
    assert found.deviance == pytest.approx(expected.deviance, rel=1e-10)
    assert found.null_deviance == pytest.approx(expected.null_deviance, rel=1e-8)
    assert found.aic == pytest.approx(expected.aic, rel=1e-10)
    assert found.degrees_of_freedom == pytest.approx(4, rel=1e-12)
    assert found.n_observations == pytest.approx(s.sum())
    bic = -2 * expected.llf + np.log(s.sum()) * 4
    assert found.bic == pytest.approx(bic, rel=1e-10)


def test_statistics_are_those_of_mnlogit():
    X, y = sample(3)
    found = statistics(SoftmaxReg, X, y)
    expected = sm.MNLogit(y, sm.add_constant(X / X.std(axis=0))).fit(disp=0)
    assert found.log_likelihood == pytest.approx(expected.llf, rel=1e-8)
    assert found.null_log_likelihood == pytest.approx(expected.llnull, rel=1e-8)
    assert found.aic == pytest.approx(expected.aic, rel=1e-8)
    assert found.bic == pytest.approx(expected.bic, rel=1e-8)
    assert found.mcfadden_r2 == pytest.approx(expected.prsquared, rel=1e-7)
    assert np.isnan(found.tjur_r2)
    assert "Tjur" not in str(found)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_null_model_of_a_softmax_with_an_offset(fit_intercept):
    X, y = sample(3)
    offset = 3 * np.random.default_rng(2).normal(size=(len(y), 3))
    model = SoftmaxReg(C=np.inf, fit_intercept=fit_intercept)
    found = fit_statistics(model.fit(X, y, offset=offset), X, y, offset=offset)
    if fit_intercept:
        # a column of zeros is no feature
        null = SoftmaxReg(tol=1e-12).fit(0 * X[:, :1], y, offset=offset)
        p = null.predict_proba(0 * X[:, :1], offset)
    else:
        p = np.exp(offset) / np.exp(offset).sum(axis=1, keepdims=True)
    expected = np.log(p[np.arange(len(y)), y]).sum()
    assert found.null_log_likelihood == pytest.approx(expected, rel=1e-9)


def test_tjur_is_a_difference_of_means():
    X, y = sample()
    model = fit(BinaryLogReg, X, y)
    p = model.predict_proba(X)[:, 1]
    found = fit_statistics(model, X, y)
    assert found.tjur_r2 == pytest.approx(p[y == 1].mean() - p[y == 0].mean())
    softmax = statistics(SoftmaxReg, X, y)
    assert softmax.tjur_r2 == pytest.approx(found.tjur_r2, rel=1e-8)
    assert softmax.n_parameters == found.n_parameters == 4


def test_the_deviance_of_soft_labels_is_that_of_counts():
    X, _ = sample(n=60)
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, size=(60, 2)) + 1.0
    total = counts.sum(axis=1)
    q = counts / total[:, None]
    found = statistics(BinaryLogReg, X, q, sample_weight=total)
    family = sm.families.Binomial()
    model = sm.GLM(counts[:, ::-1], sm.add_constant(X), family=family)
    assert found.deviance == pytest.approx(model.fit(tol=1e-14).deviance, rel=1e-9)


@both
def test_effective_degrees_of_freedom_fall_from_all_to_the_intercept(Estimator, K):
    X, y = sample(K)
    X = X / X.std(axis=0)
    found = []
    for C in (1e9, 0.1, 1e-9):
        model = Estimator(C=C, tol=1e-12).fit(X, y)
        found.append(fit_statistics(model, X, y).degrees_of_freedom)
    assert found[0] == pytest.approx(4 * (K - 1), rel=1e-6)
    assert 1.5 * (K - 1) < found[1] < 3.8 * (K - 1)
    assert found[2] == pytest.approx(K - 1, rel=1e-5)


def test_effective_degrees_of_freedom_are_a_trace():
    X, y = sample()
    X = X / X.std(axis=0)
    model = BinaryLogReg(C=0.1, tol=1e-12).fit(X, y)
    p = model.predict_proba(X)[:, 1]
    rows = sm.add_constant(X)
    H = rows.T @ ((p * (1 - p))[:, None] * rows)
    trace = np.trace(H @ np.linalg.inv(H + np.diag([0.0, 10.0, 10.0, 10.0])))
    found = fit_statistics(model, X, y)
    assert found.degrees_of_freedom == pytest.approx(trace, rel=1e-8)
    assert found.is_penalised


def test_statistics_refuse_class_weights():
    X, y = sample()
    model = BinaryLogReg(C=np.inf, class_weight="balanced").fit(X, y)
    with pytest.raises(ValueError, match="class weights are no observations"):
        fit_statistics(model, X, y)
    with pytest.raises(ValueError, match="class weights are no observations"):
        profile_intervals(model, X, y)


# likelihood-ratio and Wald tests


@both
def test_a_likelihood_ratio_test_is_that_of_statsmodels(Estimator, K):
    X, y = sample(K)
    small, large = statistics(Estimator, X[:, :1], y), statistics(Estimator, X, y)
    found = likelihood_ratio_test(small, large)
    rows = sm.add_constant(X / X.std(axis=0))
    Model = sm.Logit if K == 2 else sm.MNLogit
    llf = [Model(y, rows[:, :d]).fit(disp=0, tol=1e-14).llf for d in (2, 4)]
    statistic = 2 * (llf[1] - llf[0])
    assert found.statistic == pytest.approx(statistic, rel=1e-7)
    assert found.degrees_of_freedom == 2 * (K - 1)
    assert found.p_value == pytest.approx(chi2.sf(statistic, 2 * (K - 1)), rel=1e-6)
    assert "degrees of freedom, p = " in str(found)


def test_an_aliased_column_adds_no_degree_of_freedom():
    X, y = sample()
    small = statistics(BinaryLogReg, X[:, :1], y)
    wide = np.column_stack([X[:, :2], X[:, 0] - X[:, 1] / 100])
    large = fit_statistics(BinaryLogReg(C=np.inf).fit(wide, y), wide, y)
    assert likelihood_ratio_test(small, large).degrees_of_freedom == 1


def test_fits_that_are_not_nested_are_refused():
    X, y = sample()
    one, two = statistics(BinaryLogReg, X[:, :1], y), statistics(BinaryLogReg, X, y)
    with pytest.raises(ValueError, match="expected more in large"):
        likelihood_ratio_test(two, one)
    rest = statistics(BinaryLogReg, X[:, 1:], y)
    with pytest.raises(ValueError, match="not nested"):
        likelihood_ratio_test(one, rest)
    penalised = fit_statistics(BinaryLogReg().fit(X, y), X, y)
    with pytest.raises(ValueError, match="large is a fit with a penalty"):
        likelihood_ratio_test(one, penalised)
    with pytest.raises(TypeError, match="small is a BinaryLogReg"):
        likelihood_ratio_test(fit(BinaryLogReg, X, y), two)


@pytest.mark.parametrize("change", ["fewer", "order", "labels", "weights"])
def test_fits_to_different_rows_are_refused(change):
    X, y = sample()
    small = statistics(BinaryLogReg, X[:, :1], y)
    options = {}
    if change == "fewer":
        X, y = X[1:], y[1:]
    elif change == "order":
        X, y = X[::-1], y[::-1]
    elif change == "labels":
        y = y.copy()
        y[[np.argmax(y), np.argmin(y)]] = [0, 1]
    else:
        options["sample_weight"] = np.where(np.arange(len(y)) < 2, 0.5, 1.0)
    large = statistics(BinaryLogReg, X, y, **options)
    with pytest.raises(ValueError, match="The fits have different rows"):
        likelihood_ratio_test(small, large)


@pytest.mark.parametrize("covariance", ["model", "HC0"])
def test_a_wald_test_is_that_of_statsmodels(covariance):
    X, y = sample()
    table = coefficient_table(fit(BinaryLogReg, X, y), X, y, covariance=covariance)
    cov_type = "nonrobust" if covariance == "model" else covariance
    glm = sm.GLM(y, sm.add_constant(X), family=sm.families.Binomial())
    expected = glm.fit(tol=1e-14, cov_type=cov_type)
    found = wald_test(table, ["x0", "x2"])
    by_glm = expected.wald_test("x1 = 0, x3 = 0", scalar=True)
    assert found.statistic == pytest.approx(float(by_glm.statistic), rel=1e-6)
    assert found.p_value == pytest.approx(float(by_glm.pvalue), rel=1e-5)
    by_glm = expected.wald_test("x1 = 1, x3 = 2", scalar=True)
    found = wald_test(table, ["x0", "x2"], values=[1, 2])
    assert found.statistic == pytest.approx(float(by_glm.statistic), rel=1e-6)
    # of a single coefficient it is the square of z
    alone = wald_test(table, "x1")
    assert alone.statistic == pytest.approx(table.z[2] ** 2)
    assert alone.log_p_value == pytest.approx(table.log_p_value[2])


def test_a_wald_test_does_not_depend_on_the_contrast():
    X, y = sample(3)
    model = fit(SoftmaxReg, X, y)
    tests = [
        wald_test(coefficient_table(model, X, y, contrast=contrast), ["x0", "x1"])
        for contrast in ("mean", 0, 2)
    ]
    for test in tests:
        assert test.degrees_of_freedom == 4
        assert test.statistic == pytest.approx(tests[0].statistic, rel=1e-8)


def test_wald_tests_check_the_names():
    X, y = sample()
    X = np.column_stack([X, X[:, 0]])
    table = coefficient_table(fit(BinaryLogReg, X, y), X, y)
    with pytest.raises(ValueError, match="features has 'age'; expected names"):
        wald_test(table, ["age"])
    with pytest.raises(ValueError, match="'x3' are not identified"):
        wald_test(table, ["x1", "x3"])
    with pytest.raises(ValueError, match="at least one name"):
        wald_test(table, [])


def test_a_tiny_p_value_of_a_test_does_not_underflow():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 2))
    y = (2 * X[:, 0] + rng.logistic(size=20_000) > 0).astype(int)
    fits = [statistics(BinaryLogReg, x, y) for x in (X[:, 1:], X)]
    test = likelihood_ratio_test(*fits)
    assert test.p_value == 0
    tail = mpmath.gammainc(0.5, test.statistic / 2, regularized=True)
    assert test.log_p_value == pytest.approx(float(mpmath.log(tail)), rel=1e-5)
    assert "e-" in str(test)


# profile intervals


@pytest.mark.parametrize("feature", [0, 1, 2])
@pytest.mark.parametrize("level", [0.95, 0.5])
def test_a_fit_at_the_end_of_an_interval_is_worse_by_the_quantile(feature, level):
    X, y = sample(n=60)
    model = fit(BinaryLogReg, X, y)
    intervals = profile_intervals(model, X, y, features=[f"x{feature}"], level=level)
    best = fit_statistics(model, X, y).log_likelihood
    rest = np.delete(X, feature, axis=1)
    for end in (*intervals.lower, *intervals.upper):
        offset = end * X[:, feature]
        fixed = statistics(BinaryLogReg, rest, y, offset=offset)
        fall = 2 * (best - fixed.log_likelihood)
        assert fall == pytest.approx(chi2.ppf(level, 1), rel=1e-6)
    assert (intervals.lower < model.coef_[0, feature]).all()
    assert (intervals.upper > model.coef_[0, feature]).all()


def test_the_interval_of_an_intercept():
    X, y = sample(n=60)
    X[:, 0] += 1000
    model = fit(BinaryLogReg, X, y)
    intervals = profile_intervals(model, X, y, features=["intercept"])
    best = fit_statistics(model, X, y).log_likelihood
    for end in (*intervals.lower, *intervals.upper):
        without = BinaryLogReg(C=np.inf, fit_intercept=False, tol=1e-12)
        offset = np.full(len(y), end)
        without.fit(X, y, offset=offset)
        fall = best - fit_statistics(without, X, y, offset=offset).log_likelihood
        assert 2 * fall == pytest.approx(chi2.ppf(0.95, 1), rel=1e-5)


def test_two_classes_of_a_softmax_have_the_intervals_of_a_binary_fit():
    X, y = sample(n=60)
    s = np.random.default_rng(1).uniform(0.5, 2, size=60)
    binary, softmax = (
        profile_intervals(fit(E, X, y, sample_weight=s), X, y, sample_weight=s, **o)
        for E, o in ((BinaryLogReg, {}), (SoftmaxReg, {"contrast": 0}))
    )
    np.testing.assert_allclose(binary.lower, softmax.lower, rtol=1e-6)
    np.testing.assert_allclose(binary.upper, softmax.upper, rtol=1e-6)
    assert binary.names == ["intercept", "x0", "x1", "x2"]


def test_the_interval_of_a_softmax_holds_a_difference_of_classes():
    X, y = sample(3, n=80)
    X = X[:, :2]
    model = fit(SoftmaxReg, X, y)
    intervals = profile_intervals(model, X, y, features=["x0"], contrast=2)
    best = fit_statistics(model, X, y).log_likelihood
    # the same by an optimiser, with class 0 against class 2 fixed
    end = intervals.upper[0]
    assert intervals.names[0] == "0: x0"

    def loss(theta):
        w = np.zeros((3, 3))
        w[0], w[1] = [*theta[:1], end, theta[1]], theta[2:]
        z = np.column_stack([np.ones(len(y)), X / [1, 100]]) @ w.T
        z -= z.max(axis=1, keepdims=True)
        return -(z[np.arange(len(y)), y] - np.log(np.exp(z).sum(axis=1))).sum()

    fall = minimize(loss, np.zeros(5), method="BFGS", tol=1e-9).fun + best
    assert 2 * fall == pytest.approx(chi2.ppf(0.95, 1), rel=1e-5)


def test_profile_intervals_tend_to_those_of_standard_errors():
    X, y = sample(n=20_000)
    model = fit(BinaryLogReg, X, y)
    table, profile = coefficient_table(model, X, y), profile_intervals(model, X, y)
    reach = table.upper - table.estimate
    assert np.abs((profile.upper - table.upper) / reach).max() < 0.02
    assert np.abs((profile.lower - table.lower) / reach).max() < 0.02


def test_aliased_columns_have_no_profile_interval():
    X, y = sample()
    X = np.column_stack([X, X[:, 0] + X[:, 1] / 100])
    model = BinaryLogReg(C=np.inf).fit(X, y)
    intervals = profile_intervals(model, X, y)
    np.testing.assert_array_equal(np.isnan(intervals.lower), [False] * 4 + [True])
    assert "not identified" in str(intervals)


def test_profile_intervals_check_their_arguments():
    X, y = sample()
    with pytest.raises(ValueError, match="the fit has a penalty"):
        profile_intervals(BinaryLogReg().fit(X, y), X, y)
    model = fit(BinaryLogReg, X, y)
    with pytest.raises(ValueError, match="features has 'age'"):
        profile_intervals(model, X, y, features=["age"])
    with pytest.raises(ValueError, match=r"level=1\.5"):
        profile_intervals(model, X, y, level=1.5)
