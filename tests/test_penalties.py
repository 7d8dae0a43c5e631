"""Elastic net, penalty weights and bounds: the optimum, its conditions, its laws.

Oracles: brute force on all combinations of the options, scikit-learn where it has the
option, and the conditions of optimality, written out here::

    F(w, b) = 1/S Σ_i s_i H(q_i, p_i) + 1/(C S) Σ_j π_j [ρ |w_j| + (1 − ρ)/2 w_j²]

with ρ = `l1_ratio`, π = `penalty_weights`, and `bounds` on w.
"""

import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
import sklearn
from _brute_force import limits, mean_loss, objective, optimum, penalty_terms
from mpmath import mpf
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import l1_min_c
from sklearn.utils.fixes import parse_version

from skxent import BinaryLogReg, SoftmaxReg, l1_C_min, log_loss_scorer
from skxent.model.penalty import Penalty

# So that what is compared is the optimum, not the stop.
TIGHT = {"tol": 1e-12, "max_iter": 20_000}
N_ROWS = 60

both = pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
# an estimator and the number of classes of its data
models = pytest.mark.parametrize(
    ("Estimator", "K"),
    [(BinaryLogReg, 2), (SoftmaxReg, 2), (SoftmaxReg, 3)],
    ids=["BinaryLogReg", "SoftmaxReg, 2 classes", "SoftmaxReg, 3 classes"],
)
l1_ratios = pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
intercepts = pytest.mark.parametrize("fit_intercept", [True, False])
containers = pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])

# The box leaves 0 out for two features, and is open on one side for two.
BOUNDS = {
    "no bounds": None,
    "non-negative": (0, None),
    "box": ([-0.2, -np.inf, 0.1, -0.5], [0.3, 0.4, np.inf, -0.1]),
}
bounded = pytest.mark.parametrize("bounds", BOUNDS.values(), ids=BOUNDS.keys())


def make_data(K, seed=0):
    """Return data with correlated columns that no plane separates."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N_ROWS, 4)) @ rng.normal(size=(4, 4)) / 2
    logits = X @ rng.normal(size=(4, K)) + 2 * rng.gumbel(size=(N_ROWS, K))
    return X, logits.argmax(axis=1)


def F_of(model, X, y, **settings):
    """Return F of a fitted model on labels 0, 1, ..."""
    q = np.eye(y.max() + 1)[y]
    return objective(model.coef_, model.intercept_, X, q, **settings)


def contrasts(model):
    """Return what the loss determines of the coefficients.

    The softmax does not see what is added to the rows of all classes. Where L1 and
    bounds do not tell either, as in |w_0| + |w_1| for w_0 < 0 < w_1, the optimum is not
    a single point, but the differences between the rows are the same in all of it.
    """
    coef = model.coef_
    return coef if len(coef) == 1 else coef - coef.mean(axis=0)


def assert_same_optimum(one, other, atol=1e-5):
    assert_allclose(contrasts(one), contrasts(other), rtol=0, atol=atol)


def assert_feasible(model, bounds):
    lower, upper = limits(bounds, model.coef_.shape[1])
    assert (model.coef_ >= lower).all()
    assert (model.coef_ <= upper).all()


# --- the optimum, by brute force -------------------------------------------------

# (soft, offset, sparse) such that each pair of choices meets
CASES = [(a, b, a != b) for a, b in product([False, True], repeat=2)]


@models
@l1_ratios
@bounded
@pytest.mark.parametrize("penalty_weights", [None, [1.0, 0.0, 2.5, 0.3]])
@pytest.mark.parametrize(("soft", "with_offset", "is_sparse"), CASES)
def test_optimum_is_that_of_brute_force(
    Estimator, K, l1_ratio, bounds, penalty_weights, soft, with_offset, is_sparse
):
    X, y = make_data(K)
    rng = np.random.default_rng(1)
    q = rng.dirichlet(np.full(K, 0.5), size=N_ROWS) if soft else np.eye(K)[y]
    offset, s = None, None
    if with_offset:
        shape = N_ROWS if Estimator is BinaryLogReg else (N_ROWS, K)
        offset = rng.normal(size=shape)
    else:
        s = rng.exponential(size=N_ROWS) * (rng.random(N_ROWS) < 0.9)
    penalty = {"C": 0.3, "l1_ratio": l1_ratio, "penalty_weights": penalty_weights}
    settings = {"bounds": bounds, "fit_intercept": with_offset or soft}
    model = Estimator(**penalty, **settings, **TIGHT)
    given = sparse.csr_array(X) if is_sparse else X
    model.fit(given, q if soft else y, sample_weight=s, offset=offset)
    F = objective(model.coef_, model.intercept_, X, q, s=s, offset=offset, **penalty)
    best = optimum(
        X,
        q,
        binary=Estimator is BinaryLogReg,
        s=s,
        offset=offset,
        **penalty,
        **settings,
    )
    assert_feasible(model, bounds)
    assert_allclose(F, best.value, rtol=1e-7)
    if model.n_iter_[0]:
        assert_allclose(model.loss_curve_[-1], F, rtol=1e-10)


@models
@bounded
@intercepts
def test_optimum_without_penalty_is_that_of_brute_force(
    Estimator, K, bounds, fit_intercept
):
    X, y = make_data(K)
    settings = {"C": np.inf, "bounds": bounds, "fit_intercept": fit_intercept}
    model = Estimator(l1_ratio=0.5, **settings, **TIGHT).fit(X, y)
    best = optimum(X, np.eye(K)[y], binary=Estimator is BinaryLogReg, **settings)
    assert_feasible(model, bounds)
    assert_allclose(F_of(model, X, y, C=np.inf), best.value, rtol=1e-7)


# --- the conditions of optimality ------------------------------------------------


def descent(model, X, q, *, bounds, **penalty):
    """Return how steeply F falls towards smaller and towards larger coefficients.

    In units of the sizes that the sums over rows have without cancellation. F is
    convex, so that a point where it falls in neither direction is the optimum: where
    |w| has its kink, the two slopes differ, and a bound forbids one direction.
    """
    _, slope, intercept_slope = mean_loss(model.coef_, model.intercept_, X, q)
    l1, l2 = penalty_terms(X.shape[1], len(q), **penalty)
    w = model.coef_
    lower, upper = limits(bounds, X.shape[1])
    slope = slope + l2 * w
    left = slope + l1 * np.where(w == 0, -1, np.sign(w))
    right = slope + l1 * np.where(w == 0, 1, np.sign(w))
    size = abs(X).mean(axis=0)
    falls = np.where(w > lower, left, 0), np.where(w < upper, -right, 0)
    return max(np.max(fall / size) for fall in falls), abs(intercept_slope).max()


# columns in other units, by up to 10^6; C such that the penalty does something
SCALES = np.logspace(-3, 3, 60)
WEIGHTS = {
    "equal weights": None,
    "weights by scale": SCALES,
    "free features": np.where(np.arange(60) % 20 == 7, 0.0, SCALES),
}
SCALED_BOUNDS = {
    "no bounds": None,
    "non-negative": (0.0, None),
    "box": (-0.1 / SCALES, 0.2 / SCALES),
    "far from zero": (0.05 / SCALES, None),
}


@pytest.mark.parametrize(("Estimator", "K"), [(BinaryLogReg, 2), (SoftmaxReg, 3)])
@l1_ratios
@pytest.mark.parametrize("bounds", SCALED_BOUNDS.values(), ids=SCALED_BOUNDS.keys())
@pytest.mark.parametrize("penalty_weights", WEIGHTS.values(), ids=WEIGHTS.keys())
@pytest.mark.parametrize("n_rows", [400, 40])
def test_F_falls_in_no_direction_that_the_bounds_allow(
    Estimator, K, l1_ratio, bounds, penalty_weights, n_rows
):
    # 40 rows: fewer than columns
    rng = np.random.default_rng(2)
    X = rng.normal(size=(n_rows, 60)) @ (np.eye(60) + rng.normal(size=(60, 60)) / 20)
    logits = X[:, ::6] @ rng.normal(size=(10, K)) / 2 + rng.gumbel(size=(n_rows, K))
    X, y = X * SCALES, logits.argmax(axis=1)
    penalty = {"C": 0.1, "l1_ratio": l1_ratio, "penalty_weights": penalty_weights}
    model = Estimator(bounds=bounds, tol=1e-11, max_iter=20_000, **penalty).fit(X, y)
    assert_feasible(model, bounds)
    fall, intercept_fall = descent(model, X, np.eye(K)[y], bounds=bounds, **penalty)
    assert fall <= 1e-4
    assert intercept_fall <= 1e-6
    if l1_ratio == 1 and bounds is None and n_rows == 400:
        assert 0 < np.count_nonzero(model.coef_) < model.coef_.size


# --- scikit-learn ----------------------------------------------------------------


def scikit_learn(l1_ratio, **params):
    # 1.8 reads the penalty from l1_ratio alone and deprecates its name
    if parse_version(sklearn.__version__) < parse_version("1.8"):
        params["penalty"] = "elasticnet" if params["solver"] == "saga" else "l1"
        if params["solver"] == "liblinear":
            return LogisticRegression(tol=1e-10, max_iter=100_000, **params)
    return LogisticRegression(
        l1_ratio=l1_ratio, tol=1e-10, max_iter=100_000, random_state=0, **params
    )


@pytest.mark.parametrize(("Estimator", "K"), [(BinaryLogReg, 2), (SoftmaxReg, 3)])
@l1_ratios
@intercepts
@pytest.mark.parametrize("C", [1.0, 10.0])
def test_optimum_is_that_of_saga(Estimator, K, l1_ratio, fit_intercept, C):
    X, y = make_data(K)
    settings = {"C": C, "l1_ratio": l1_ratio, "fit_intercept": fit_intercept}
    model = Estimator(**settings, **TIGHT).fit(X, y)
    reference = scikit_learn(solver="saga", **settings).fit(X, y)
    assert_allclose(model.coef_, reference.coef_, rtol=0, atol=1e-5)
    assert_array_equal(model.coef_ == 0, reference.coef_ == 0)
    assert_allclose(
        model.predict_proba(X), reference.predict_proba(X), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("C", [0.05, 0.3, 10.0])
@containers
def test_optimum_of_l1_is_that_of_liblinear(C, container):
    # without an intercept, which liblinear penalises
    X, y = make_data(2)
    settings = {"C": C, "l1_ratio": 1.0, "fit_intercept": False}
    model = BinaryLogReg(**settings, **TIGHT).fit(container(X), y)
    reference = scikit_learn(solver="liblinear", **settings).fit(X, y)
    assert_allclose(model.coef_, reference.coef_, rtol=0, atol=1e-5)
    assert_array_equal(model.coef_ == 0, reference.coef_ == 0)


# --- elastic net -----------------------------------------------------------------


@pytest.mark.parametrize(("Estimator", "K"), [(BinaryLogReg, 2), (SoftmaxReg, 3)])
@intercepts
@containers
@pytest.mark.parametrize("weighted", [True, False])
def test_l1_C_min_is_where_the_first_coefficient_appears(
    Estimator, K, fit_intercept, container, weighted
):
    X, y = make_data(K, seed=3)
    X = container(X * [1, 100, 0.01, 1])
    s = np.random.default_rng(4).exponential(size=N_ROWS) if weighted else None
    C = l1_C_min(X, y, fit_intercept=fit_intercept, sample_weight=s)
    for below in (1.0, 0.999, 0.5, 1e-3):
        model = Estimator(C=below * C, l1_ratio=1.0, fit_intercept=fit_intercept)
        assert_array_equal(model.fit(X, y, s).coef_, np.zeros_like(model.coef_))
    above = Estimator(C=1.05 * C, l1_ratio=1.0, fit_intercept=fit_intercept)
    assert np.count_nonzero(above.fit(X, y, s).coef_) > 0


@containers
def test_l1_C_min_is_that_of_liblinear_without_intercept(container):
    # its intercept is one more feature, which is penalised
    X, y = make_data(2)
    expected = l1_min_c(X, y, loss="log", fit_intercept=False)
    assert_allclose(
        l1_C_min(container(X), y, fit_intercept=False), expected, rtol=1e-12
    )


@pytest.mark.parametrize("K", [2, 3])
def test_l1_C_min_knows_labels_by_name_and_weights_as_repeated_rows(K):
    X, y = make_data(K)
    times = 1 + np.arange(N_ROWS) % 3
    names = np.array(["d", "a", "c"])[y]
    repeated = l1_C_min(np.repeat(X, times, axis=0), np.repeat(y, times))
    assert_allclose(l1_C_min(X, names, sample_weight=times), repeated, rtol=1e-12)


@models
@bounded
def test_without_penalty_l1_ratio_does_not_matter(Estimator, K, bounds):
    X, y = make_data(K)
    lasso, ridge = (
        Estimator(C=np.inf, l1_ratio=l1_ratio, bounds=bounds, **TIGHT).fit(X, y)
        for l1_ratio in (1.0, 0.0)
    )
    assert_allclose(lasso.predict_proba(X), ridge.predict_proba(X), rtol=0, atol=1e-5)


@models
@pytest.mark.parametrize("l1_ratio", [0.1, 1.0])
def test_weaker_penalty_has_more_l1_norm_and_less_loss(Estimator, K, l1_ratio):
    # For minimisers of loss + λ pen(w), pen(w) decreases in λ and the loss increases.
    X, y = make_data(K)
    q = np.eye(K)[y]
    losses, penalties = [], []
    for C in (0.03, 0.3, 3, 30):
        model = Estimator(C=C, l1_ratio=l1_ratio, **TIGHT).fit(X, y)
        losses.append(mean_loss(model.coef_, model.intercept_, X, q)[0])
        l1, l2 = penalty_terms(4, 1, l1_ratio=l1_ratio)
        penalties.append(np.sum(l1 * abs(model.coef_) + l2 * model.coef_**2 / 2))
    assert (np.diff(losses) < 0).all()
    assert (np.diff(penalties) > 0).all()


@models
@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
def test_useless_features_have_exact_zeros(Estimator, K, l1_ratio):
    # columns of noise, many more than rows, and sparse ones that are nearly empty
    X, y = make_data(K)
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(N_ROWS, 150))
    rare = np.zeros((N_ROWS, 3))
    rare[[7, 8, 9], [0, 1, 2]] = 1e-3
    wide = np.hstack([X, noise, rare])
    model = Estimator(C=0.1, l1_ratio=l1_ratio).fit(wide, y)
    assert_array_equal(model.coef_[:, -3:], np.zeros((len(model.coef_), 3)))
    assert np.count_nonzero(model.coef_) < model.coef_.size / 2


@both
@containers
def test_l1_ratio_1_without_any_entry_in_X_is_the_intercept_only_model(
    Estimator, container
):
    X, y = container(np.zeros((N_ROWS, 4))), make_data(2)[1]
    model = Estimator(l1_ratio=1.0).fit(X, y)
    assert_allclose(model.predict_proba(X)[0], np.bincount(y) / N_ROWS, rtol=1e-9)
    assert_array_equal(model.coef_, np.zeros_like(model.coef_))


# --- penalty weights -------------------------------------------------------------


@models
@l1_ratios
@pytest.mark.parametrize("c", [1.0, 1e-3, 50.0])
def test_equal_penalty_weights_are_a_factor_of_the_penalty(Estimator, K, l1_ratio, c):
    # c / C = 1 / (C / c)
    X, y = make_data(K)
    weighted = Estimator(C=0.5, l1_ratio=l1_ratio, penalty_weights=np.full(4, c))
    plain = Estimator(C=0.5 / c, l1_ratio=l1_ratio)
    weighted.set_params(**TIGHT).fit(X, y)
    plain.set_params(**TIGHT).fit(X, y)
    assert_same_optimum(weighted, plain)


@models
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
@intercepts
@containers
def test_penalty_weights_are_units_of_columns(
    Estimator, K, l1_ratio, fit_intercept, container
):
    # x w = (x / a) (a w): a penalty of |a w| there is one of a |w| here, and one of
    # (a w)² there is a² w² here
    X, y = make_data(K)
    a = np.array([0.1, 1.0, 30.0, 0.5])
    settings = {"C": 0.7, "l1_ratio": l1_ratio, "fit_intercept": fit_intercept, **TIGHT}
    weighted = Estimator(penalty_weights=a if l1_ratio else a**2, **settings)
    weighted.fit(container(X), y)
    other_units = Estimator(**settings).fit(container(X / a), y)
    assert_allclose(contrasts(weighted) * a, contrasts(other_units), rtol=0, atol=1e-5)


@models
@l1_ratios
def test_without_penalty_weights_there_is_no_penalty(Estimator, K, l1_ratio):
    X, y = make_data(K)
    weighted = Estimator(penalty_weights=np.zeros(4), l1_ratio=l1_ratio, **TIGHT)
    free = Estimator(C=np.inf, **TIGHT).fit(X, y)
    assert_allclose(
        weighted.fit(X, y).predict_proba(X), free.predict_proba(X), rtol=0, atol=1e-5
    )
    assert weighted.duality_gap_ == np.inf


@models
@l1_ratios
@intercepts
def test_strong_penalty_leaves_the_free_feature_alone(
    Estimator, K, l1_ratio, fit_intercept
):
    X, y = make_data(K)
    model = Estimator(C=1e-9, l1_ratio=l1_ratio, penalty_weights=[1, 1, 0, 1])
    model.set_params(fit_intercept=fit_intercept, **TIGHT).fit(X, y)
    alone = Estimator(C=np.inf, fit_intercept=fit_intercept, **TIGHT)
    alone.fit(X[:, [2]], y)
    assert_allclose(
        model.predict_proba(X), alone.predict_proba(X[:, [2]]), rtol=0, atol=1e-5
    )


@models
@pytest.mark.parametrize("n_features", [4, 100])
def test_penalty_weights_with_fewer_rows_than_columns(Estimator, K, n_features):
    # √π x w' with w' = √π w: see above; 100 columns are more than there are rows
    X, y = make_data(K)
    rng = np.random.default_rng(6)
    X = np.hstack([X, rng.normal(size=(N_ROWS, n_features - 4))])
    a = rng.uniform(0.2, 3, size=n_features)
    weighted = Estimator(penalty_weights=a**2, **TIGHT).fit(X, y)
    other_units = Estimator(**TIGHT).fit(X / a, y)
    assert_allclose(contrasts(weighted) * a, contrasts(other_units), rtol=0, atol=1e-5)


@both
def test_penalty_weights_by_name_default_to_one(Estimator):
    X, y = make_data(2)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    named = Estimator(penalty_weights={"d": 0.0, "b": 9.0}).fit(frame, y)
    listed = Estimator(penalty_weights=[1, 9, 1, 0]).fit(X, y)
    assert_allclose(named.coef_, listed.coef_, rtol=1e-7)


# --- bounds ----------------------------------------------------------------------


@models
@l1_ratios
@pytest.mark.parametrize(
    "bounds",
    [
        (-1e6, 1e6),
        (-np.inf, np.inf),
        (None, np.full(4, 1e6)),
        ([-1e6, -np.inf, -1e6, -np.inf], None),
    ],
)
def test_wide_bounds_change_nothing(Estimator, K, l1_ratio, bounds):
    X, y = make_data(K)
    settings = {"C": 0.5, "l1_ratio": l1_ratio, **TIGHT}
    wide = Estimator(bounds=bounds, **settings).fit(X, y)
    free = Estimator(**settings).fit(X, y)
    assert_same_optimum(wide, free)
    assert_allclose(wide.predict_proba(X), free.predict_proba(X), rtol=0, atol=1e-6)


@models
@l1_ratios
def test_bounds_at_the_optimum_change_nothing(Estimator, K, l1_ratio):
    # each side of the box goes through the optimum of a class
    X, y = make_data(K)
    free = Estimator(C=0.5, l1_ratio=l1_ratio, **TIGHT).fit(X, y)
    box = free.coef_.min(axis=0), free.coef_.max(axis=0)
    tight = Estimator(C=0.5, l1_ratio=l1_ratio, bounds=box, **TIGHT).fit(X, y)
    assert_feasible(tight, box)
    assert_same_optimum(tight, free)


@both
@l1_ratios
@containers
def test_pinned_coefficient_is_an_offset(Estimator, l1_ratio, container):
    # w_j x_j is a known part of the logits, and its penalty is a constant
    X, y = make_data(2)
    pinned = np.array([-np.inf, 0.7, -np.inf, -np.inf])
    settings = {"C": 0.5, "l1_ratio": l1_ratio, **TIGHT}
    model = Estimator(bounds=(pinned, abs(pinned)), **settings)
    # the same for both classes of a softmax has no effect
    offset = 0.7 * X[:, 1] if Estimator is BinaryLogReg else np.zeros((N_ROWS, 2))
    model.fit(container(X), y)
    without = Estimator(**settings)
    without.fit(container(X[:, [0, 2, 3]]), y, offset=offset)
    assert_array_equal(model.coef_[:, 1], np.full(len(model.coef_), 0.7))
    assert_allclose(
        contrasts(model)[:, [0, 2, 3]], contrasts(without), rtol=0, atol=1e-5
    )
    assert_allclose(model.intercept_, without.intercept_, rtol=0, atol=1e-5)


@models
@l1_ratios
def test_all_coefficients_pinned_leave_only_the_intercept(Estimator, K, l1_ratio):
    X, y = make_data(K)
    w = np.array([0.3, 0.0, -2.0, 1.0])
    model = Estimator(bounds=(w, w), l1_ratio=l1_ratio, **TIGHT).fit(X, y)
    assert_array_equal(model.coef_, np.tile(w, (len(model.coef_), 1)))
    _, _, slope = mean_loss(model.coef_, model.intercept_, X, np.eye(K)[y])
    assert_allclose(slope, np.zeros_like(slope), rtol=0, atol=1e-6)


@models
@l1_ratios
@containers
def test_mirrored_columns_mirror_the_bounds(Estimator, K, l1_ratio, container):
    # x w = (−x) (−w)
    X, y = make_data(K)
    lower, upper = BOUNDS["box"]
    settings = {"C": 0.5, "l1_ratio": l1_ratio, **TIGHT}
    model = Estimator(bounds=(lower, upper), **settings).fit(container(X), y)
    mirrored = Estimator(bounds=(-np.array(upper), -np.array(lower)), **settings)
    mirrored.fit(container(-X), y)
    assert_allclose(contrasts(mirrored), -contrasts(model), rtol=0, atol=1e-5)


@models
@pytest.mark.parametrize("c", [1e-6, 1e6])
@containers
def test_bounds_have_the_units_of_the_columns(Estimator, K, c, container):
    X, y = make_data(K)
    lower, upper = (np.array(side) for side in BOUNDS["box"])
    settings = {"C": 0.5, "l1_ratio": 1.0, **TIGHT}
    model = Estimator(bounds=(lower, upper), **settings).fit(X, y)
    # penalty weights keep the penalty: c |w / c| = |w|
    other = Estimator(
        bounds=(lower / c, upper / c), penalty_weights=np.full(4, c), **settings
    )
    other.fit(container(c * X), y)
    assert_allclose(c * contrasts(other), contrasts(model), rtol=0, atol=1e-5)
    assert_feasible(other, (lower / c, upper / c))


@models
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
@bounded
@pytest.mark.parametrize(
    ("size", "container"),
    [
        (30.0, np.asarray),
        (1e3, np.asarray),
        (1e6, np.asarray),
        (1e3, sparse.csr_array),
    ],
)
def test_shifted_columns_move_only_the_intercept(
    Estimator, K, l1_ratio, bounds, size, container
):
    # w (x + a) + b = w x + (b + w a), and b is free
    X, y = make_data(K)
    shift = size * np.array([1.0, -2.0, 0.5, 3.0])
    settings = {"C": 0.5, "l1_ratio": l1_ratio, "bounds": bounds}
    model = Estimator(**settings, **TIGHT).fit(X, y)
    # rounding X + shift is an error of the data of about 1e-16 · size / std
    moved = Estimator(**settings, tol=1e-10, max_iter=20_000)
    moved.fit(container(X + shift), y)
    assert_same_optimum(moved, model, atol=1e-4)
    assert_feasible(moved, bounds)


@both
def test_bounds_by_name_leave_the_others_free(Estimator):
    X, y = make_data(2)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    named = Estimator(bounds={"b": (0, np.inf), "d": (-0.1, 0.2)}).fit(frame, y)
    inf = np.inf
    listed = Estimator(bounds=([-inf, 0, -inf, -0.1], [inf, inf, inf, 0.2])).fit(X, y)
    assert_allclose(named.coef_, listed.coef_, rtol=1e-7)


@models
def test_separable_classes_have_an_optimum_within_bounds(Estimator, K):
    # also without penalty: the box is compact, and the intercept is held by overlap
    y = np.arange(N_ROWS) % K
    X = np.eye(K)[y] + np.random.default_rng(7).normal(size=(N_ROWS, K)) / 100
    settings = {"C": np.inf, "bounds": (-1.0, 1.0)}
    model = Estimator(**settings, **TIGHT).fit(X, y)
    best = optimum(X, np.eye(K)[y], binary=Estimator is BinaryLogReg, **settings)
    assert_feasible(model, settings["bounds"])
    assert_allclose(F_of(model, X, y, C=np.inf), best.value, rtol=1e-7)


# --- what holds for all of them --------------------------------------------------

OPTIONS = {
    "l1": {"l1_ratio": 1.0},
    "elastic net": {"l1_ratio": 0.4},
    "penalty weights": {"penalty_weights": [1.0, 0.2, 3.0, 1.0]},
    "box": {"bounds": BOUNDS["box"]},
    "box, l1": {"bounds": BOUNDS["box"], "l1_ratio": 1.0},
    "non-negative, weights, elastic net": {
        "bounds": (0, None),
        "penalty_weights": [1.0, 0.2, 3.0, 1.0],
        "l1_ratio": 0.5,
    },
}
options = pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS.keys())


@models
@options
@containers
def test_integer_weights_are_repeated_rows(Estimator, K, option, container):
    X, y = make_data(K)
    times = np.arange(N_ROWS) % 4
    weighted = Estimator(**option, **TIGHT).fit(container(X), y, times)
    repeated = Estimator(**option, **TIGHT)
    repeated.fit(container(np.repeat(X, times, axis=0)), np.repeat(y, times))
    assert_same_optimum(weighted, repeated)


@models
@options
def test_permuted_columns_permute_the_coefficients(Estimator, K, option):
    X, y = make_data(K)
    order = [2, 0, 3, 1]
    permuted = dict(option)
    if "penalty_weights" in option:
        permuted["penalty_weights"] = np.take(option["penalty_weights"], order)
    if option.get("bounds") == BOUNDS["box"]:
        permuted["bounds"] = [np.take(side, order) for side in option["bounds"]]
    model = Estimator(**option, **TIGHT).fit(X, y)
    other = Estimator(**permuted, **TIGHT).fit(X[:, order], y)
    assert_allclose(contrasts(other), contrasts(model)[:, order], rtol=0, atol=1e-5)


@options
def test_renamed_classes_permute_the_coefficients(option):
    # not for two classes and one logit: its sign would change, and the bounds not
    X, y = make_data(3)
    names = np.array(["d", "a", "c"])
    model = SoftmaxReg(**option, **TIGHT).fit(X, y)
    renamed = SoftmaxReg(**option, **TIGHT).fit(X, names[y])
    order = np.argsort(names)
    assert_allclose(contrasts(renamed), contrasts(model)[order], rtol=0, atol=1e-5)


@models
@options
def test_distance_to_the_optimum_is_estimated_and_certified(Estimator, K, option):
    X, y = make_data(K)
    tight = Estimator(C=0.5, **option, **TIGHT).fit(X, y)
    penalty = {name: value for name, value in option.items() if name != "bounds"}
    best = optimum(
        X,
        np.eye(K)[y],
        binary=Estimator is BinaryLogReg,
        bounds=option.get("bounds"),
        C=0.5,
        **penalty,
    )
    F_best = min(best.value, F_of(tight, X, y, C=0.5, **penalty))
    for tol in (1e-2, 1e-4, 1e-6, 1e-9):
        model = Estimator(C=0.5, tol=tol, **option).fit(X, y)
        F = F_of(model, X, y, C=0.5, **penalty)
        assert model.converged_ is True
        assert model.suboptimality_ <= tol
        assert F - F_best <= 3 * model.suboptimality_ * F + 1e-12
        assert F - F_best <= model.duality_gap_ + 1e-14
    # not only certain but of use
    assert tight.duality_gap_ <= 1e-3 * F_best


@pytest.mark.parametrize(("Estimator", "K"), [(BinaryLogReg, 2), (SoftmaxReg, 3)])
@pytest.mark.parametrize(
    "option",
    [{"l1_ratio": 1.0}, {"l1_ratio": 0.3}, {"bounds": (0, None)}],
    ids=["l1", "elastic net", "non-negative"],
)
def test_distance_is_estimated_where_nothing_centres_the_columns(Estimator, K, option):
    # Columns far from 0 without an intercept are nearly collinear. One coefficient that
    # moves by itself gains nothing, and all of them together much.
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(N_ROWS, 20)) + 100, rng.integers(K, size=N_ROWS)
    penalty = {name: value for name, value in option.items() if name != "bounds"}
    models = [
        Estimator(fit_intercept=False, tol=tol, max_iter=20_000, **option).fit(X, y)
        for tol in (1e-3, 1e-6, 1e-8, 1e-10)
    ]
    values = [F_of(model, X, y, **penalty) for model in models]
    for model, F in zip(models, values, strict=True):
        assert F - min(values) <= 3 * model.suboptimality_ * F + 1e-10
        assert F - min(values) <= model.duality_gap_ + 1e-14


@both
@pytest.mark.parametrize(
    "setting",
    [
        {"C": np.inf},
        {"C": np.inf, "l1_ratio": 1.0},
        {"penalty_weights": [1, 0, 1, 1]},
        {"penalty_weights": [1, 0, 1, 1], "l1_ratio": 1.0},
    ],
)
def test_nothing_is_certain_about_a_feature_without_penalty_and_bounds(
    Estimator, setting
):
    assert Estimator(**setting).fit(*make_data(2)).duality_gap_ == np.inf


@options
@containers
def test_intercepts_of_softmax_sum_to_zero(option, container):
    # nothing else fixes their sum
    X, y = make_data(3)
    model = SoftmaxReg(**option).fit(container(X + 3), y)
    size = 1 + abs(model.intercept_).max()
    assert_allclose(model.intercept_.sum(), 0, rtol=0, atol=1e-10 * size)


@models
@options
def test_loss_curve_descends(Estimator, K, option):
    X, y = make_data(K)
    model = Estimator(**option).fit(X, y)
    assert np.diff(model.loss_curve_).max(initial=0) <= 1e-13
    assert len(model.loss_curve_) == model.n_iter_[0]


@models
@options
def test_warm_start_ends_where_a_cold_start_does(Estimator, K, option):
    # from a point that the options forbid, at another C
    X, y = make_data(K)
    warm = Estimator(C=5.0, warm_start=True, **TIGHT).fit(X, y)
    warm.set_params(C=0.5, **option).fit(X, y)
    cold = Estimator(C=0.5, **option, **TIGHT).fit(X, y)
    assert_feasible(warm, option.get("bounds"))
    assert_same_optimum(warm, cold)


@both
@options
def test_without_an_iteration_the_model_is_feasible_all_the_same(Estimator, option):
    X, y = make_data(2)
    with pytest.warns(ConvergenceWarning):
        model = Estimator(max_iter=0, **option).fit(X, y)
    assert_feasible(model, option.get("bounds"))
    assert np.isfinite(model.predict_log_proba(X)).all()


@both
@options
@containers
def test_float32_has_nearly_the_objective_of_float64(Estimator, option, container):
    X, y = make_data(2)
    short = Estimator(**option).fit(container(X.astype(np.float32)), y)
    exact = Estimator(**option, **TIGHT).fit(X, y)
    assert_feasible(short, option.get("bounds"))
    assert short.coef_.dtype == np.float64
    penalty = {name: value for name, value in option.items() if name != "bounds"}
    gap = F_of(short, X, y, **penalty) / F_of(exact, X, y, **penalty) - 1
    assert -1e-10 <= gap <= 1e-6


@both
@options
def test_options_are_cloned_and_left_as_they_were_given(Estimator, option):
    model = Estimator(**option).fit(*make_data(2))
    twin = clone(model)
    for name, value in option.items():
        assert getattr(model, name) is value
        assert getattr(twin, name) == value


@both
@options
def test_scorer_takes_models_with_these_options(Estimator, option):
    X, y = make_data(2)
    model = Estimator(**option).fit(X, y)
    loss, _, _ = mean_loss(model.coef_, model.intercept_, X, np.eye(2)[y])
    assert_allclose(log_loss_scorer(model, X, y), -loss, rtol=1e-12)


# --- bad values ------------------------------------------------------------------


@both
@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, "half", None, [0.5]])
def test_bad_l1_ratio_is_named(Estimator, value):
    message = rf"The 'l1_ratio' parameter of {Estimator.__name__} must be .* Got "
    with pytest.raises(ValueError, match=message):
        Estimator(l1_ratio=value).fit(*make_data(2))


@both
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 1, -0.5, 1], r"penalty_weights.*-0\.5"),
        ([1, 1, np.nan, 1], r"penalty_weights.*[nN]a[nN]"),
        ([1, 1, 1], r"penalty_weights.*3"),
        (np.ones((4, 4)), r"penalty_weights.*(\(4, 4\)|2)"),
        (["a", "b", "c", "d"], "penalty_weights|string to float"),
        ("equal", r"penalty_weights.*equal"),
        ({"a": -2.0}, r"penalty_weights.*-2"),
        ({"a": 1.0, "tree": 1.0}, r"penalty_weights.*tree"),
    ],
)
def test_bad_penalty_weights_are_named(Estimator, value, message):
    X, y = make_data(2)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    with pytest.raises(ValueError, match=message):
        Estimator(penalty_weights=value).fit(frame, y)


@both
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((1, 0), r"bounds.*1.*0"),
        (([0, 0, 0.25, 0], 0.125), r"bounds.*0\.25.*0\.125"),
        ((np.nan, None), r"bounds.*[nN]a[nN]"),
        ((None, [1, 1, 1]), r"bounds.*3"),
        ((np.zeros((4, 2)), None), r"bounds.*(\(4, 2\)|2)"),
        ((0, 1, 2), "bounds"),
        (0, "bounds"),
        ("positive", r"bounds.*positive"),
        ({"a": (3, 2)}, r"bounds.*3.*2"),
        ({"tree": (0, 1)}, r"bounds.*tree"),
        ({"a": 0}, "bounds"),
    ],
)
def test_bad_bounds_are_named(Estimator, value, message):
    X, y = make_data(2)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    with pytest.raises(ValueError, match=message):
        Estimator(bounds=value).fit(frame, y)


@both
@pytest.mark.parametrize(
    "option", [{"penalty_weights": {"a": 2.0}}, {"bounds": {"a": (0, 1)}}]
)
def test_names_need_features_with_names(Estimator, option):
    (name,) = option
    with pytest.raises(ValueError, match=rf"{name}.*name"):
        Estimator(**option).fit(*make_data(2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(N_ROWS)}, "1 class"),
        ({"sample_weight": -np.ones(N_ROWS)}, "sample_weight"),
        ({"X": np.full((N_ROWS, 4), np.nan)}, "NaN"),
    ],
)
def test_l1_C_min_checks_its_input_as_fit_does(change, message):
    X, y = make_data(2)
    with pytest.raises(ValueError, match=message):
        l1_C_min(**({"X": X, "y": y} | change))


def random_problem(rng, d):
    """Return columns of a kind that misleads: correlated, far from 0, of all scales."""
    X = rng.normal(size=(rng.integers(30, 200), d))
    kind = rng.integers(4)
    if kind == 1:
        return X + 100
    if kind == 2:
        return X * np.logspace(-3, 3, d)
    if kind == 3:
        rank = max(2, d // 4)
        return X @ rng.normal(size=(d, rank)) @ rng.normal(size=(rank, d)) + X / 100
    return X


@pytest.mark.parametrize("seed", range(40))
def test_distance_is_neither_underestimated_nor_beyond_its_bound(seed):
    rng = np.random.default_rng(seed)
    d, K = rng.integers(2, 40), rng.integers(2, 5)
    X = random_problem(rng, d)
    logits = X / X.std() @ rng.normal(size=(d, K)) / np.sqrt(d)
    y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    y[:K] = range(K)
    Estimator = BinaryLogReg if K == 2 else SoftmaxReg
    penalty = {"C": 10.0 ** rng.uniform(-3, 2), "l1_ratio": rng.choice([0.3, 1.0])}
    options = {
        **penalty,
        "bounds": [None, (0, None), (-0.1, 0.2)][rng.integers(3)],
        "fit_intercept": bool(rng.integers(2)),
        "max_iter": 20_000,
    }
    models = [Estimator(tol=tol, **options).fit(X, y) for tol in (1e-2, 1e-5, 1e-12)]
    *values, optimum = [F_of(model, X, y, **penalty) for model in models]
    for model, F in zip(models, values, strict=False):
        rounding = 1e-11 * F
        assert F - optimum <= 3 * model.suboptimality_ * F + rounding
        assert F - optimum <= model.duality_gap_ + rounding


@pytest.mark.parametrize("l1_ratio", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("bounds", [None, (-1.0, np.inf), (-1.0, 1.5)])
def test_balanced_classes_have_the_cheapest_shift(l1_ratio, bounds):
    rng = np.random.default_rng(0)
    for K in (2, 3, 4, 7):
        penalty = Penalty.elastic_net(0.3, l1_ratio, None, bounds, 50)
        coef = np.clip(rng.normal(size=(K, 50)), penalty.lower, penalty.upper)
        coef[rng.random(coef.shape) < 0.3] = 0
        balanced = penalty.balanced(coef)
        assert_allclose(balanced - balanced[0], coef - coef[0], atol=1e-14)
        assert (penalty.lower <= balanced).all() and (balanced <= penalty.upper).all()
        assert_array_equal(penalty.balanced(balanced), balanced)

        def cost(w, l1=0.3 * l1_ratio, l2=0.3 * (1 - l1_ratio)):
            return (l1 * np.abs(w) + l2 * w**2 / 2).sum(axis=0)

        for shift in np.linspace(-3, 3, 601):
            other = coef - shift
            feasible = (penalty.lower <= other) & (other <= penalty.upper)
            cheaper = cost(other) < cost(balanced) - 1e-14
            assert not (cheaper & feasible.all(axis=0)).any()


# --- penalties whose squares of coefficients overflow ----------------------------


@pytest.mark.parametrize("l2", [1e-200, 1e-300, 5e-324])
@pytest.mark.parametrize("slope", [0.0, 1e-10, 1.0])
@pytest.mark.parametrize(("lower", "upper"), [(-np.inf, np.inf), (-9, np.inf)])
def test_conjugate_of_a_tiny_penalty(l2, slope, lower, upper):
    d = np.ones(1)
    penalty = Penalty(0 * d, l2 * d, lower * d, upper * d)
    expected = mpf(slope) ** 2 / (2 * mpf(l2))
    found = penalty.conjugate(np.array([[slope]]))
    # a bound may be raised, never lowered
    assert found == np.inf or found == pytest.approx(float(expected), rel=1e-14)
    assert np.isfinite(found) or l2 < 1e-300


@both
@pytest.mark.parametrize("weight", [1.0, 1e100, 1e150, 1e200])
@pytest.mark.parametrize("option", [{"bounds": (-99, None)}, {"l1_ratio": 0.5}])
def test_bound_holds_where_the_penalty_is_next_to_nothing(Estimator, weight, option):
    X, y = make_data(2)
    best = F_of(BinaryLogReg(C=np.inf, **TIGHT).fit(X, y), X, y, C=np.inf)
    for max_iter in (1, 2, 3):
        with warnings.catch_warnings():
            # the bound has to hold for fits that end early, too
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = Estimator(C=1e9, max_iter=max_iter, **option)
            model.fit(X, y, np.full(N_ROWS, weight))
        F = F_of(model, X, y, C=np.inf)
        assert F - best <= model.duality_gap_ + 1e-14
        assert F - best <= 3 * model.suboptimality_ * F + 1e-12
