"""Separable classes without a penalty, where no optimum exists.

If some model classifies every row correctly, then F decreases towards its infimum 0
along the ray of its multiples, and no model attains it. The fit has to notice, say so,
and stop. Where a plane separates the classes only weakly, with rows of both on it, no
optimum exists either, but the infimum is positive and the fit comes arbitrarily near.
"""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skxent import BinaryLogReg, SoftmaxReg

# Of the 1000 iterations that a fit may take.
FEW = 100

models = pytest.mark.parametrize(
    ("Estimator", "K"),
    [(BinaryLogReg, 2), (SoftmaxReg, 2), (SoftmaxReg, 3)],
    ids=["BinaryLogReg", "SoftmaxReg, 2 classes", "SoftmaxReg, 3 classes"],
)
intercepts = pytest.mark.parametrize("fit_intercept", [True, False])


def clusters(K, n=150, d=4, seed=0):
    """Return one cluster for each class, far enough apart to be separable."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % K
    centers = 8 * np.linalg.qr(rng.normal(size=(d, d)))[0][:K]
    return centers[y] + rng.normal(size=(n, d)), y


def fit_and_catch(estimator, X, y, s=None):
    """Return the fitted model and all warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X, y, s)
    return estimator, caught


def assert_says_separable(model, caught):
    (warning,) = caught
    assert warning.category is ConvergenceWarning
    assert "separable" in str(warning.message)
    assert "finite C" in str(warning.message)
    assert warning.filename == __file__
    assert model.converged_ is False
    assert model.n_iter_[0] < FEW
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.intercept_).all()
    assert model.duality_gap_ == np.inf


@models
@intercepts
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("container", [np.asarray, np.float32, sparse.csr_array])
def test_separable_classes_are_noticed(Estimator, K, fit_intercept, size, container):
    X, y = clusters(K)
    X = container(size * X)
    model = Estimator(C=np.inf, fit_intercept=fit_intercept)
    model, caught = fit_and_catch(model, X, y)
    assert_says_separable(model, caught)
    np.testing.assert_array_equal(model.predict(X), y)


@models
def test_separable_columns_of_any_scale_and_place_are_noticed(Estimator, K):
    X, y = clusters(K)
    X = X * [1e-5, 1.0, 1e3, 1e5] + [0, 1e6, 0, 0]
    model, caught = fit_and_catch(Estimator(C=np.inf), X, y)
    assert_says_separable(model, caught)
    np.testing.assert_array_equal(model.predict(X), y)


@models
def test_narrowly_separable_classes_are_noticed(Estimator, K):
    # a margin of 1e-3 of the spread: many models come first that separate nearly all
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 3))
    z = X @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    y = np.digitize(z[:, 0], [0.0] if K == 2 else [-0.4, 0.4])
    # three slices are separable by planes through the parabola above them
    X = np.column_stack([X, z[:, 0] ** 2])
    sides = [0.0] if K == 2 else [-0.4, 0.4]
    X = X[np.min([abs(z[:, 0] - side) for side in sides], axis=0) > 1e-3]
    y = y[np.min([abs(z[:, 0] - side) for side in sides], axis=0) > 1e-3]
    model, caught = fit_and_catch(Estimator(C=np.inf), X, y)
    assert_says_separable(model, caught)
    np.testing.assert_array_equal(model.predict(X), y)


@models
def test_rows_of_weight_zero_do_not_count_against_separation(Estimator, K):
    X, y = clusters(K)
    s = np.random.default_rng(2).exponential(size=len(y))
    X[0] = X[y == (y[0] + 1) % K].mean(axis=0)  # in the middle of another class
    s[0] = 0
    model, caught = fit_and_catch(Estimator(C=np.inf), X, y, s)
    assert_says_separable(model, caught)
    np.testing.assert_array_equal(model.predict(X)[1:], y[1:])
    assert model.predict(X[:1]) != y[0]


@models
def test_a_row_of_any_positive_weight_counts_against_separation(Estimator, K):
    X, y = clusters(K)
    X[0] = X[y == (y[0] + 1) % K].mean(axis=0)
    X[1 : 3 * K] *= 0.01  # and with a finite optimum at that
    s = np.ones(len(y))
    s[0] = 1e-3
    _, caught = fit_and_catch(Estimator(C=np.inf), X, y, s)
    assert not any("separable" in str(warning.message) for warning in caught)


@models
@intercepts
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_fewer_rows_than_columns_are_separable(Estimator, K, fit_intercept, container):
    # n points in general position in n dimensions or more can be labelled at will
    rng = np.random.default_rng(3)
    X = container(rng.normal(size=(30, 100)))
    y = rng.permutation(np.arange(30) % K)
    model = Estimator(C=np.inf, fit_intercept=fit_intercept)
    model, caught = fit_and_catch(model, X, y)
    assert_says_separable(model, caught)
    np.testing.assert_array_equal(model.predict(X), y)


@models
@pytest.mark.parametrize("C", [1.0, 1e6])
def test_a_finite_C_is_the_remedy(Estimator, K, C):
    X, y = clusters(K)
    model = Estimator(C=C).fit(X, y)  # a warning would be an error
    assert model.converged_ is True
    assert np.isfinite(model.duality_gap_)


def categorical(K):
    """Rows with a category one level of which occurs with class 0 only."""
    rng = np.random.default_rng(4)
    level = rng.integers(0, 4, size=400)
    x = rng.normal(size=400)
    logits = np.outer(x, np.arange(K)) + rng.gumbel(size=(400, K))
    y = logits.argmax(axis=1)
    y[level == 3] = 0
    return np.column_stack([x, np.eye(4)[level]]), y


def on_the_boundary(K):
    """Classes on either side of a plane, and rows of all of them on it."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(200, 2))
    on_it = np.arange(200) < 40
    x[on_it, 0] = 0
    y = np.where(x[:, 0] > 0, 1, 0)
    y[on_it] = rng.integers(0, K, size=40)
    return x, y


@models
@pytest.mark.parametrize("make", [categorical, on_the_boundary])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_weakly_separable_classes_end_well_or_with_one_warning(
    Estimator, K, make, container
):
    # The infimum of F is its optimum on the rows on the boundary, in proportion. The
    # distance to it falls exponentially along the separating ray: it costs few steps.
    X, y = make(K)
    model, caught = fit_and_catch(Estimator(C=np.inf), container(X), y)
    assert np.isfinite(model.coef_).all()
    assert model.duality_gap_ == np.inf
    assert model.n_iter_[0] < FEW
    if model.converged_:
        assert not caught
    else:
        (warning,) = caught
        assert warning.category is ConvergenceWarning


@models
@pytest.mark.parametrize("make", [categorical, on_the_boundary])
def test_weakly_separable_classes_come_near_the_infimum(Estimator, K, make):
    # No finite penalty gives less than the infimum, and C = 1e9 little more.
    X, y = make(K)
    model, _ = fit_and_catch(Estimator(C=np.inf), X, y)
    nearly = Estimator(C=1e9).fit(X, y)
    rows = np.arange(len(y))
    loss, loss_nearly = (
        -fit.predict_log_proba(X)[rows, y].mean() for fit in (model, nearly)
    )
    assert loss <= loss_nearly * (1 + 1e-6)


@models
@intercepts
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_overlapping_classes_converge_without_a_penalty(
    Estimator, K, fit_intercept, container
):
    X, y = clusters(K)
    y = np.where(np.arange(len(y)) % 7 < 2, (y + 1) % K, y)
    model = Estimator(C=np.inf, fit_intercept=fit_intercept)
    model.fit(container(X), y)  # a warning would be an error
    assert model.converged_ is True
    assert model.duality_gap_ == np.inf


@models
def test_one_row_on_the_wrong_side_makes_an_optimum(Estimator, K):
    # in the midst of another class, so that no plane and no ray separates
    X, y = clusters(K)
    others = y == (y[0] + 1) % K
    X[0] = X[others & (np.arange(len(y)) > 0)].mean(axis=0)
    model, caught = fit_and_catch(Estimator(C=np.inf), X, y)
    assert not any("separable" in str(warning.message) for warning in caught)
    if not model.converged_:
        assert len(caught) == 1
