"""What has no coefficient table is refused with the reason and the way out."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from skxent import (
    BinaryLogReg,
    BinaryLogRegCV,
    SoftmaxReg,
    average_marginal_effects,
    coefficient_table,
    fit_statistics,
    profile_intervals,
)
from skxent.classifiers.predictions import LinearClassifier
from skxent.inference import information

# fits that end short of tol are what is refused
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
estimators = pytest.mark.parametrize(
    ("Estimator", "K"), [(BinaryLogReg, 2), (SoftmaxReg, 2), (SoftmaxReg, 3)]
)


def sample(K=2, n=200):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    y = (np.outer(X[:, 0], np.arange(K)) + rng.gumbel(size=(n, K))).argmax(axis=1)
    return X, y


@pytest.mark.parametrize("covariance", ["model", "HC0", "HC1", "HC3"])
def test_a_penalty_makes_the_classical_table_wrong(covariance):
    X, y = sample()
    model = BinaryLogReg().fit(X, y)
    with pytest.raises(ValueError) as caught:
        coefficient_table(model, X, y, covariance=covariance)
    for remedy in ("C=np.inf", "'sandwich_penalised'", "'laplace'"):
        assert remedy in str(caught.value)


def test_a_search_has_the_penalty_that_it_chose():
    X, y = sample()
    model = BinaryLogRegCV(Cs=[0.1, 1.0]).fit(X, y)
    with pytest.raises(ValueError, match="wrong for a fit with a penalty"):
        coefficient_table(model, X, y)
    table = coefficient_table(model, X, y, covariance="laplace")
    alone = BinaryLogReg(C=model.C_).fit(X, y)
    alone = coefficient_table(alone, X, y, covariance="laplace")
    np.testing.assert_allclose(table.standard_error, alone.standard_error, rtol=1e-5)


@pytest.mark.parametrize("covariance", ["laplace", "sandwich_penalised"])
def test_without_a_penalty_there_is_no_prior(covariance):
    X, y = sample()
    model = BinaryLogReg(C=np.inf).fit(X, y)
    with pytest.raises(ValueError, match="is for a fit with an L2 penalty"):
        coefficient_table(model, X, y, covariance=covariance)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"l1_ratio": 0.5}, "l1_ratio=0.5: an L1 penalty"),
        ({"label_smoothing": 0.1}, "nobody observed"),
        ({"early_stopping": True, "random_state": 0}, "early_stopping=True"),
        ({"bounds": (0.0, None)}, "bounds hold the coefficients of"),
    ],
)
def test_fits_that_are_no_optimum_of_a_likelihood(parameters, message):
    X, y = sample()
    model = BinaryLogReg(**parameters).fit(X, y)
    with pytest.raises(ValueError, match=message):
        coefficient_table(model, X, y, covariance="laplace")


def test_bounds_that_hold_nothing_change_nothing():
    X, y = sample()
    free = BinaryLogReg(C=np.inf).fit(X, y)
    bounded = BinaryLogReg(C=np.inf, bounds=(-10.0, 10.0)).fit(X, y)
    tables = [coefficient_table(model, X, y) for model in (free, bounded)]
    np.testing.assert_allclose(*(t.standard_error for t in tables), rtol=1e-4)


def test_an_l1_ratio_without_a_penalty_is_no_penalty():
    X, y = sample()
    model = BinaryLogReg(C=np.inf, l1_ratio=1.0).fit(X, y)
    assert len(coefficient_table(model, X, y)) == 4


def test_a_fit_that_has_not_converged():
    X, y = sample()
    X = X * [1, 1e3, 1e-3]
    model = BinaryLogReg(C=np.inf, max_iter=1).fit(X, y)
    with pytest.raises(ValueError, match="not converged"):
        coefficient_table(model, X, y)


@estimators
@pytest.mark.parametrize("change", ["y", "sample_weight", "offset", "X"])
def test_other_data_than_those_of_the_fit(Estimator, K, change):
    X, y = sample(K)
    model = Estimator(C=np.inf).fit(X, y)
    rng = np.random.default_rng(1)
    shape = len(y) if Estimator is BinaryLogReg else (len(y), K)
    other = {
        "y": {"y": rng.permutation(y)},
        "X": {"X": rng.permutation(X)},
        "sample_weight": {"sample_weight": rng.exponential(size=len(y))},
        "offset": {"offset": rng.normal(size=shape)},
    }[change]
    with pytest.raises(ValueError, match="standard errors away from the optimum"):
        coefficient_table(model, **{"X": X, "y": y, **other})


def test_other_features_or_classes_than_those_of_the_fit():
    X, y = sample()
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = BinaryLogReg(C=np.inf).fit(frame, y)
    with pytest.raises(ValueError, match="'b' in column 0; expected 'a'"):
        coefficient_table(model, frame[["b", "a", "c"]], y)
    with pytest.raises(ValueError, match="X has 2 features; expected the 3"):
        coefficient_table(model, frame[["a", "b"]], y)
    with pytest.raises(ValueError, match=r"classes \[1, 2\]; expected .* \[0, 1\]"):
        coefficient_table(model, frame, y + 1)


# separation


def categorical(K):
    """One level of a category occurs with class 0 only."""
    rng = np.random.default_rng(4)
    level = rng.integers(0, 4, size=400)
    x = rng.normal(size=400)
    y = (np.outer(x, np.arange(K)) + rng.gumbel(size=(400, K))).argmax(axis=1)
    y[level == 3] = 0
    return np.column_stack([x, np.eye(4)[level][:, 1:]]), y, {"x3"}


def on_the_boundary(K):
    """Classes on either side of a plane, and rows of all of them on it."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(200, 2))
    on_it = np.arange(200) < 40
    x[on_it, 0] = 0
    y = np.where(x[:, 0] > 0, 1, 0)
    y[on_it] = rng.integers(0, K, size=40)
    return x, y, {"x0"}


def complete(K):
    """One column tells all classes."""
    rng = np.random.default_rng(6)
    X = rng.normal(size=(200, 2)) + np.array([0, 7])
    sides = [0.0] if K == 2 else [-0.5, 0.5]
    X[:, 0] *= 1e6
    return X, np.digitize(X[:, 0] / 1e6, sides), {"x0", "x1"}


def one_row(K):
    """A column is nonzero in one row only, among ten thousand."""
    rng = np.random.default_rng(7)
    X = np.column_stack([rng.normal(size=(10_000, 2)), np.arange(10_000) == 17])
    y = (np.outer(X[:, 0], np.arange(K)) + rng.gumbel(size=(10_000, K))).argmax(axis=1)
    return X, y, {"x2"}


@estimators
@pytest.mark.parametrize("make", [categorical, on_the_boundary, complete, one_row])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_separated_classes_are_refused_by_column(Estimator, K, make, container):
    X, y, columns = make(K)
    X = container(X)
    model = Estimator(C=np.inf).fit(X, y)
    with pytest.raises(ValueError, match="The classes are separated by") as caught:
        coefficient_table(model, X, y)
    named = str(caught.value).split(":")[0]
    assert {name for name in ("x0", "x1", "x2", "x3") if repr(name) in named} <= columns
    assert "Firth" in str(caught.value)
    # a finite C is a remedy
    table = coefficient_table(Estimator().fit(X, y), X, y, covariance="laplace")
    assert np.isfinite(table.standard_error).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_fewer_rows_than_columns_are_separated(fit_intercept):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(30, 60)), np.arange(30) % 2
    model = BinaryLogReg(C=np.inf, fit_intercept=fit_intercept).fit(X, y)
    with pytest.raises(ValueError, match="The classes are separated by"):
        coefficient_table(model, X, y)


@pytest.mark.parametrize("w", [50.0, 800.0])
def test_a_ray_whose_curvature_is_gone_separates(w):
    # exp(-50) is far below the rounding of F, and exp(-800) is 0
    X, y, _ = one_row(2)
    model = BinaryLogReg(C=np.inf).fit(X, y)
    model.coef_[0, 2] = w if y[17] == 1 else -w
    with pytest.raises(ValueError, match="The classes are separated by 'x2'"):
        coefficient_table(model, X, y)


def test_rows_of_weight_zero_do_not_count_against_separation():
    X, y, _ = complete(2)
    s = np.ones(len(y))
    y[0], s[0] = 1 - y[0], 0
    model = BinaryLogReg(C=np.inf).fit(X, y, sample_weight=s)
    with pytest.raises(ValueError, match="The classes are separated by"):
        coefficient_table(model, X, y, sample_weight=s)


@estimators
def test_nearly_separated_classes_have_a_table(Estimator, K):
    X, y, _ = categorical(K)
    y[np.flatnonzero(X[:, 3])[0]] = 1
    if K > 2:
        y[np.flatnonzero(X[:, 3])[1]] = 2
    model = Estimator(C=np.inf).fit(X, y)
    table = coefficient_table(model, X, y)
    assert table.standard_error.max() < 2


@estimators
def test_an_outlier_that_is_sure_does_not_separate(Estimator, K):
    X, y = sample(K, n=800)
    X[0] = [1e4, 0, 0]
    y[0] = K - 1
    model = Estimator(C=np.inf).fit(X, y)
    assert np.isfinite(coefficient_table(model, X, y).standard_error).all()


# arguments


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"covariance": "HC2"}, "covariance='HC2'; expected one of"),
        ({"covariance": "cluster"}, "without cluster"),
        ({"cluster": np.arange(200)}, "with cluster"),
        ({"level": 95}, "level=95; expected a number between 0 and 1"),
        ({"weights": "survey"}, "weights='survey'; expected 'frequency'"),
        ({"contrast": 7}, "contrast=7; expected 0"),
        ({"covariance": "cluster", "cluster": [1, 2]}, r"expected \(200,\)"),
        ({"covariance": "cluster", "cluster": np.ones(200)}, "has 1 label"),
        (
            {"covariance": "cluster", "cluster": np.full(200, np.nan)},
            "cluster has NaN",
        ),
    ],
)
def test_arguments_are_checked(options, message):
    X, y = sample()
    model = BinaryLogReg(C=np.inf).fit(X, y)
    with pytest.raises(ValueError, match=message):
        coefficient_table(model, X, y, **options)


def test_a_contrast_names_a_class():
    X, y = sample(3)
    model = SoftmaxReg(C=np.inf).fit(X, y)
    with pytest.raises(ValueError, match=r"expected 'mean' or one of .* \[0, 1, 2\]"):
        coefficient_table(model, X, y, contrast="0")


def test_a_class_called_mean_is_not_the_mean():
    X, y = sample(3)
    labels = np.array(["mean", "median", "mode"])[y]
    model = SoftmaxReg(C=np.inf).fit(X, labels)
    with pytest.raises(ValueError, match="a class has this name"):
        coefficient_table(model, X, labels)
    assert len(coefficient_table(model, X, labels, contrast="mode")) == 8


def test_a_hessian_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(information, "MAX_HESSIAN_BYTES", 100)
    X, y = sample()
    model = BinaryLogReg(C=np.inf).fit(X, y)
    with pytest.raises(ValueError, match="need the Hessian of 4 coefficients"):
        coefficient_table(model, X, y)


def test_hc1_needs_more_rows_than_coefficients():
    q = np.array([[0.3, 0.7], [0.6, 0.4]])
    X = np.array([[0.0], [1.0]])
    model = BinaryLogReg(C=np.inf).fit(X, q)
    with pytest.raises(ValueError, match="2 observations minus the 2 coefficients"):
        coefficient_table(model, X, q, covariance="HC1")


def test_a_row_that_alone_determines_a_coefficient_has_no_hc3():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 1)), np.arange(50) % 2
    q = np.column_stack([1.0 - y, y]) * 0.8 + 0.1
    X = np.column_stack([X, np.arange(50) == 7])
    model = BinaryLogReg(C=np.inf).fit(X, q)
    with pytest.raises(ValueError, match="leverage 1"):
        coefficient_table(model, X, q, covariance="HC3")
    assert len(coefficient_table(model, X, q, covariance="HC1")) == 3


def test_other_estimators_are_refused():
    X, y = sample()
    with pytest.raises(TypeError, match="LogisticRegression is no estimator of skxent"):
        coefficient_table(LogisticRegression().fit(X, y), X, y)
    with pytest.raises(NotFittedError):
        coefficient_table(BinaryLogReg(), X, y)


def test_a_distance_that_shows_is_told():
    X, y = sample(n=5000)
    model = BinaryLogReg(C=np.inf, tol=1e-7).fit(X, y)
    error = coefficient_table(model, X, y).standard_error
    model.coef_ = model.coef_ + 0.05 * error[1:]
    assert "standard errors of the optimum" in str(coefficient_table(model, X, y))


# estimators that maximise another function than the likelihood


class Shrunk(LinearClassifier):
    """Half the maximum-likelihood coefficients, in place of a bias-reduced fit."""

    _loss_name = "binary"
    class_weight = None
    fit_intercept = True

    def fit(self, X, y, converged=True):
        free = BinaryLogReg(C=np.inf).fit(X, y)
        self.coef_, self.intercept_ = free.coef_ / 2, free.intercept_ / 2
        self.classes_, self.n_features_in_ = free.classes_, X.shape[1]
        self.converged_ = converged
        return self


def test_a_bias_reduced_fit_has_the_information_at_its_estimate():
    X, y = sample()
    model = Shrunk().fit(X, y)
    table = coefficient_table(model, X, y)
    np.testing.assert_array_equal(table.estimate[1:], model.coef_[0])
    p = model.predict_proba(X)[:, 1]
    rows = np.column_stack([np.ones(len(y)), X])
    expected = np.linalg.inv(rows.T @ ((p * (1 - p))[:, None] * rows))
    np.testing.assert_allclose(table.covariance, expected, rtol=1e-9, atol=1e-12)
    assert "bias-reduced" in str(table)
    assert len(average_marginal_effects(model, X, y)) == 3


def test_a_bias_reduced_fit_has_no_likelihood_at_its_maximum():
    X, y = sample()
    model = Shrunk().fit(X, y)
    for function in (profile_intervals, fit_statistics):
        with pytest.raises(ValueError, match="a bias-reduced fit has that of another"):
            function(model, X, y)
    with pytest.raises(ValueError, match="not known for a bias-reduced fit"):
        coefficient_table(model, X, y, covariance="HC0")
    with pytest.raises(ValueError, match="not converged"):
        coefficient_table(Shrunk().fit(X, y, converged=False), X, y)
