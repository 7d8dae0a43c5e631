"""Average marginal effects against statsmodels, finite differences, and laws."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import sparse

from skxent import (
    BinaryLogReg,
    SoftmaxReg,
    average_marginal_effects,
    coefficient_table,
)

containers = pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])


def sample(K=2, n=250):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(n, 2)), rng.integers(0, 2, size=n)])
    y = (np.outer(X[:, 0] + X[:, 2], np.arange(K)) + rng.gumbel(size=(n, K))).argmax(1)
    return X, y


def fit(Estimator, X, y, **options):
    return Estimator(C=np.inf, tol=1e-13).fit(X, y, **options)


@containers
@pytest.mark.parametrize("discrete", [None, "binary", ["x2"]])
@pytest.mark.parametrize("covariance", ["model", "HC0"])
def test_effects_are_those_of_logit(container, discrete, covariance):
    X, y = sample()
    model = fit(BinaryLogReg, container(X), y)
    found = average_marginal_effects(
        model, container(X), y, discrete=discrete, covariance=covariance
    )
    cov_type = "nonrobust" if covariance == "model" else covariance
    logit = sm.Logit(y, sm.add_constant(X)).fit(disp=0, tol=1e-14, cov_type=cov_type)
    expected = logit.get_margeff(dummy=discrete is not None)
    np.testing.assert_allclose(found.estimate, expected.margeff, rtol=1e-7)
    np.testing.assert_allclose(found.standard_error, expected.margeff_se, rtol=1e-7)
    np.testing.assert_allclose(found.p_value, expected.pvalues, rtol=1e-4)
    assert ("change from 0 to 1: 'x2'" in str(found)) == (discrete is not None)


@containers
def test_effects_are_those_of_mnlogit(container):
    X, y = sample(3)
    model = fit(SoftmaxReg, container(X), y)
    found = average_marginal_effects(model, container(X), y)
    logit = sm.MNLogit(y, sm.add_constant(X)).fit(disp=0, tol=1e-14)
    expected = logit.get_margeff()
    estimate, error = (
        v.reshape(3, 3).T for v in (found.estimate, found.standard_error)
    )
    np.testing.assert_allclose(estimate, expected.margeff, rtol=1e-6)
    np.testing.assert_allclose(error, expected.margeff_se, rtol=1e-6)
    assert found.names[:2] == ["0: x0", "0: x1"]


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("discrete", [None, "binary"])
def test_errors_are_those_of_finite_differences(K, discrete):
    X, y = sample(K)
    s = np.random.default_rng(1).uniform(0.5, 2, size=len(y))
    model = fit(SoftmaxReg, X, y, sample_weight=s)
    table = coefficient_table(model, X, y, sample_weight=s, contrast=0)
    found = average_marginal_effects(model, X, y, sample_weight=s, discrete=discrete)

    def probabilities(theta, X):
        w = np.vstack([np.zeros(4), theta.reshape(K - 1, 4)])
        z = sm.add_constant(X, has_constant="add") @ w.T
        p = np.exp(z - z.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def effects(theta):
        out = np.empty((K, 3))
        for j in range(3):
            low, high = X.copy(), X.copy()
            step = 1e-4
            if j == 2 and discrete:
                low[:, j], high[:, j], step = 0, 1, 0.5
            else:
                low[:, j] -= step
                high[:, j] += step
            difference = probabilities(theta, high) - probabilities(theta, low)
            out[:, j] = s @ difference / s.sum() / (2 * step)
        return out.ravel()

    theta = table.estimate
    np.testing.assert_allclose(found.estimate, effects(theta), rtol=1e-6, atol=1e-9)
    J = np.empty((3 * K, len(theta)))
    for i in range(len(theta)):
        step = np.eye(len(theta))[i] * 1e-4
        J[:, i] = (effects(theta + step) - effects(theta - step)) / 2e-4
    expected = np.sqrt(np.diag(J @ table.covariance @ J.T))
    np.testing.assert_allclose(found.standard_error, expected, rtol=1e-5)


@pytest.mark.parametrize("discrete", [None, "binary"])
def test_effects_of_a_softmax_sum_to_zero_and_are_those_of_a_binary_fit(discrete):
    X, y = sample()
    binary, softmax = (
        average_marginal_effects(fit(E, X, y), X, y, discrete=discrete)
        for E in (BinaryLogReg, SoftmaxReg)
    )
    of_classes = softmax.estimate.reshape(2, 3)
    np.testing.assert_allclose(of_classes.sum(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(of_classes[1], binary.estimate, rtol=1e-6)
    np.testing.assert_allclose(
        softmax.standard_error.reshape(2, 3)[1], binary.standard_error, rtol=1e-6
    )


def test_the_unit_of_a_column_is_that_of_its_effect():
    X, y = sample()
    scale = np.array([1e6, 1e-6, 1])
    one = average_marginal_effects(fit(BinaryLogReg, X, y), X, y)
    other = average_marginal_effects(fit(BinaryLogReg, X * scale, y), X * scale, y)
    np.testing.assert_allclose(other.estimate * scale, one.estimate, rtol=1e-6)
    np.testing.assert_allclose(other.standard_error * scale, one.standard_error, 1e-6)


def test_far_columns_keep_their_effects():
    X, y = sample()
    far = X + np.array([1e9, 0, 0])
    for discrete in (None, "binary"):
        one, other = (
            average_marginal_effects(fit(BinaryLogReg, x, y), x, y, discrete=discrete)
            for x in (X, far)
        )
        np.testing.assert_allclose(other.estimate, one.estimate, rtol=1e-5)
        np.testing.assert_allclose(other.standard_error, one.standard_error, 1e-5)


def test_features_are_chosen_by_name():
    X, y = sample()
    frame = pd.DataFrame(X, columns=["age", "dose", "male"])
    model = fit(BinaryLogReg, frame, y)
    every = average_marginal_effects(model, frame, y, discrete=["male"])
    some = average_marginal_effects(
        model, frame, y, discrete=["male"], features=["male", "age"]
    )
    assert some.names == ["male", "age"]
    np.testing.assert_allclose(some.estimate, every.estimate[[2, 0]])
    np.testing.assert_allclose(some.standard_error, every.standard_error[[2, 0]])
    with pytest.raises(ValueError, match="has 'height'; expected names"):
        average_marginal_effects(model, frame, y, features=["height"])


def test_aliased_features_have_no_effect():
    X, y = sample()
    wide = np.column_stack([X, 1 - X[:, 2]])
    model = BinaryLogReg(C=np.inf).fit(wide, y)
    for discrete in (None, "binary"):
        found = average_marginal_effects(model, wide, y, discrete=discrete)
        one = average_marginal_effects(fit(BinaryLogReg, X, y), X, y, discrete=discrete)
        np.testing.assert_allclose(found.estimate[:3], one.estimate, rtol=1e-4)
        np.testing.assert_allclose(found.standard_error[:3], one.standard_error, 1e-4)
        assert np.isnan(found.estimate[3])
        assert np.isnan(found.standard_error[3])


def test_class_weights_have_no_effects_on_probabilities():
    X, y = sample()
    model = BinaryLogReg(C=np.inf, class_weight="balanced").fit(X, y)
    with pytest.raises(ValueError, match="move all probabilities"):
        average_marginal_effects(model, X, y, covariance="HC0")


def test_effects_of_a_penalised_fit_need_its_covariance():
    X, y = sample()
    model = BinaryLogReg().fit(X, y)
    with pytest.raises(ValueError, match="wrong for a fit with a penalty"):
        average_marginal_effects(model, X, y)
    found = average_marginal_effects(model, X, y, covariance="laplace")
    assert "posterior" in str(found)
