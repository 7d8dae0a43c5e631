"""Laws that relate one fit to another, each a theorem about the objective.

With S = Σ s_i, every fit minimises::

    F(w, b) = 1/S Σ_i s_i loss(y_i, w x_i + b) + ‖w‖² / (2 C S)

or, as S does not change the optimum, Σ_i s_i loss(y_i, w x_i + b) + ‖w‖² / (2 C).
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, softmax

from skxent import BinaryLogReg, SoftmaxReg

# Near the limit of float64, so that what is compared is the optimum, not the stop.
TIGHT = {"tol": 1e-14, "max_iter": 20_000}
ATOL = 3e-6
N_ROWS = 120

# an estimator and the number of classes of its data
models = pytest.mark.parametrize(
    ("Estimator", "K"),
    [(BinaryLogReg, 2), (SoftmaxReg, 2), (SoftmaxReg, 4)],
    ids=["BinaryLogReg", "SoftmaxReg, 2 classes", "SoftmaxReg, 4 classes"],
)
intercepts = pytest.mark.parametrize("fit_intercept", [True, False])


def make_data(K, seed=0):
    """Return non-separable data with correlated columns of unequal scale."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N_ROWS, 4)) @ rng.normal(size=(4, 4)) * [1, 5, 0.2, 1]
    logits = X @ rng.normal(size=(4, K)) / 4 + rng.gumbel(size=(N_ROWS, K))
    return X, logits.argmax(axis=1)


@pytest.fixture
def integer_weights():
    weights = np.random.default_rng(1).integers(0, 4, size=N_ROWS)
    assert (weights == 0).any()
    return weights


def assert_same_model(one, other, X_one, X_other=None):
    """Both give the same probabilities, at X and far from it, for their own units."""
    X_other = X_one if X_other is None else X_other
    for far in (1, 10):
        assert_allclose(
            one.predict_proba(far * X_one),
            other.predict_proba(far * X_other),
            rtol=0,
            atol=far * ATOL,
        )


# --- changes of X ----------------------------------------------------------------


@models
@pytest.mark.parametrize(
    ("size", "container"),
    [
        (1.0, np.asarray),
        (1e3, np.asarray),
        (1e6, np.asarray),
        (1.0, sparse.csr_array),
        (1e3, sparse.csr_array),
    ],
)
def test_shifted_columns_move_only_the_intercept(Estimator, K, size, container):
    # w (x + a) + b = w x + (b + w a), and b is free
    X, y = make_data(K)
    shift = size * np.array([1.0, -2.0, 0.5, 3.0])
    model = Estimator(C=0.5, **TIGHT).fit(X, y)
    # rounding X + shift is an error of the data of about 1e-16 · size / std
    moved = Estimator(C=0.5, tol=1e-12, max_iter=20_000)
    moved.fit(container(X + shift), y)
    assert_allclose(moved.coef_, model.coef_, rtol=0, atol=3e-5)
    assert_allclose(
        moved.predict_proba(container(X + shift)),
        model.predict_proba(X),
        rtol=0,
        atol=3e-5,
    )


@models
@intercepts
@pytest.mark.parametrize("c", [1e-6, 0.1, 300.0, 1e6])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_rescaled_X_with_matched_penalty_is_the_same_model(
    Estimator, K, fit_intercept, c, container
):
    # w x = (w / c) (c x), and ‖w / c‖² / (2 C / c²) = ‖w‖² / (2 C)
    X, y = make_data(K)
    model = Estimator(C=0.5, fit_intercept=fit_intercept, **TIGHT).fit(X, y)
    scaled = Estimator(C=0.5 / c**2, fit_intercept=fit_intercept, **TIGHT)
    scaled.fit(container(c * X), y)
    assert_allclose(c * scaled.coef_, model.coef_, rtol=0, atol=1e-5)
    assert_same_model(scaled, model, c * X, X)


@models
@intercepts
def test_without_penalty_any_units_and_any_mixture_of_columns_will_do(
    Estimator, K, fit_intercept
):
    # w x = (w A⁻¹) (A x) for any invertible A
    X, y = make_data(K)
    Q, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(4, 4)))
    A = Q * [[1.0], [1e4], [1.0], [1e-3]]
    model = Estimator(C=np.inf, fit_intercept=fit_intercept, **TIGHT).fit(X, y)
    mixed = Estimator(C=np.inf, fit_intercept=fit_intercept, **TIGHT).fit(X @ A.T, y)
    assert_allclose(
        mixed.predict_proba(X @ A.T), model.predict_proba(X), rtol=0, atol=3e-5
    )


@models
@intercepts
@pytest.mark.parametrize("c", [1e-130, 1e130])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_units_whose_squares_are_extreme_do_not_matter_either(
    Estimator, K, fit_intercept, c, container
):
    X, y = make_data(K)
    model = Estimator(C=np.inf, fit_intercept=fit_intercept, **TIGHT).fit(X, y)
    scaled = Estimator(C=np.inf, fit_intercept=fit_intercept, **TIGHT)
    scaled.fit(container(c * X), y)
    assert_allclose(
        scaled.predict_proba(container(c * X)),
        model.predict_proba(X),
        rtol=0,
        atol=ATOL,
    )


@models
@intercepts
def test_rotated_X_has_rotated_coefficients(Estimator, K, fit_intercept):
    # w x = (w Qᵀ) (Q x), and ‖w Qᵀ‖ = ‖w‖ for orthogonal Q
    X, y = make_data(K)
    Q, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(4, 4)))
    model = Estimator(fit_intercept=fit_intercept, **TIGHT).fit(X, y)
    rotated = Estimator(fit_intercept=fit_intercept, **TIGHT).fit(X @ Q.T, y)
    assert_allclose(rotated.coef_ @ Q, model.coef_, rtol=0, atol=1e-5)
    assert_same_model(rotated, model, X @ Q.T, X)


@models
def test_twin_columns_share_the_weight_of_one_that_is_longer_by_root_two(Estimator, K):
    # Of all (u, v) with u + v = t, u = v has the least u² + v², namely
    # t² / 2 = (t / √2)².
    X, y = make_data(K)
    twins = Estimator(**TIGHT).fit(np.column_stack([X, X[:, 0]]), y)
    one = Estimator(**TIGHT).fit(X * [np.sqrt(2), 1, 1, 1], y)
    assert_allclose(twins.coef_[:, 0], twins.coef_[:, 4], rtol=0, atol=1e-5)
    assert_allclose(twins.coef_[:, 0] * np.sqrt(2), one.coef_[:, 0], rtol=0, atol=1e-5)


@models
@pytest.mark.parametrize("value", [0.0, 1.0, -1e6])
def test_constant_column_is_ignored(Estimator, K, value):
    # The intercept does its work for free, so that the penalty makes its weight 0.
    X, y = make_data(K)
    more = np.column_stack([X, np.full(N_ROWS, value)])
    model = Estimator(**TIGHT).fit(more, y)
    without = Estimator(**TIGHT).fit(X, y)
    assert_allclose(max(1, abs(value)) * model.coef_[:, -1], 0, atol=1e-5)
    assert_allclose(
        model.predict_proba(more), without.predict_proba(X), rtol=0, atol=ATOL
    )


@models
@intercepts
@pytest.mark.parametrize("C", [1.0, np.inf])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_X_without_entries_gives_the_intercept_only_model(
    Estimator, K, fit_intercept, C, container
):
    X, y = container(np.zeros((N_ROWS, 4))), make_data(K)[1]
    model = Estimator(C=C, fit_intercept=fit_intercept).fit(X, y)
    prior = np.bincount(y) / N_ROWS if fit_intercept else np.full(K, 1 / K)
    assert_allclose(model.predict_proba(X[:1]), [prior], rtol=1e-12)
    assert_array_equal(model.coef_, np.zeros_like(model.coef_))


@models
@intercepts
@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("weighted", [True, False])
def test_sparse_and_dense_X_give_the_same_model(
    Estimator, K, fit_intercept, container, weighted
):
    X, y = make_data(K)
    rng = np.random.default_rng(4)
    X = X * (rng.random(X.shape) < 0.3)  # most entries 0, some rows empty
    assert (abs(X).sum(axis=1) == 0).any()
    s = rng.exponential(size=N_ROWS) if weighted else None
    dense = Estimator(fit_intercept=fit_intercept, **TIGHT).fit(X, y, s)
    sparse_ = Estimator(fit_intercept=fit_intercept, **TIGHT).fit(container(X), y, s)
    assert_allclose(sparse_.coef_, dense.coef_, rtol=0, atol=1e-5)
    assert_same_model(sparse_, dense, X)


# --- permutations ----------------------------------------------------------------


@models
@intercepts
def test_order_of_rows_does_not_matter(Estimator, K, fit_intercept):
    X, y = make_data(K)
    s = np.random.default_rng(5).exponential(size=N_ROWS)
    model = Estimator(fit_intercept=fit_intercept, **TIGHT).fit(X, y, s)
    order = np.argsort(y)  # sorted by class: the worst order for a model of samples
    permuted = Estimator(fit_intercept=fit_intercept, **TIGHT)
    permuted.fit(X[order], y[order], s[order])
    assert_same_model(permuted, model, X)


@models
@intercepts
def test_permuted_columns_permute_the_coefficients(Estimator, K, fit_intercept):
    X, y = make_data(K)
    order = [2, 0, 3, 1]
    model = Estimator(fit_intercept=fit_intercept, **TIGHT).fit(X, y)
    permuted = Estimator(fit_intercept=fit_intercept, **TIGHT).fit(X[:, order], y)
    assert_allclose(permuted.coef_, model.coef_[:, order], rtol=0, atol=1e-5)
    assert_same_model(permuted, model, X[:, order], X)


@models
@intercepts
def test_renamed_classes_permute_the_probabilities(Estimator, K, fit_intercept):
    # names whose sorted order is another one than that of the codes
    X, y = make_data(K)
    names = np.array(["d", "a", "c", "b"] if K == 4 else ["z", "a"])
    model = Estimator(C=0.3, fit_intercept=fit_intercept, **TIGHT).fit(X, y)
    renamed = Estimator(C=0.3, fit_intercept=fit_intercept, **TIGHT).fit(X, names[y])
    order = np.argsort(names)
    assert_array_equal(renamed.classes_, names[order])
    assert_allclose(
        renamed.predict_proba(X), model.predict_proba(X)[:, order], rtol=0, atol=ATOL
    )
    assert_array_equal(renamed.predict(X), names[model.predict(X)])


# --- weights ---------------------------------------------------------------------


@models
@intercepts
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 0.2, 1: 3.0}])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_integer_weights_are_repeated_rows(
    Estimator, K, fit_intercept, class_weight, container, integer_weights
):
    # weights of 0 included: they are rows repeated 0 times
    X, y = make_data(K)
    params = {"fit_intercept": fit_intercept, "class_weight": class_weight, **TIGHT}
    weighted = Estimator(**params).fit(container(X), y, integer_weights)
    X_repeated = np.repeat(X, integer_weights, axis=0)
    y_repeated = np.repeat(y, integer_weights)
    repeated = Estimator(**params).fit(container(X_repeated), y_repeated)
    assert_allclose(weighted.coef_, repeated.coef_, rtol=0, atol=1e-5)
    assert_same_model(weighted, repeated, X)


@models
@intercepts
@pytest.mark.parametrize("factor", [1e-3, 7.0, 1e5])
def test_equal_weights_are_a_factor_of_C(Estimator, K, fit_intercept, factor):
    # factor · Σ loss + ‖w‖² / (2 C) ∝ Σ loss + ‖w‖² / (2 factor C)
    X, y = make_data(K)
    weighted = Estimator(C=0.2, fit_intercept=fit_intercept, **TIGHT)
    weighted.fit(X, y, np.full(N_ROWS, factor))
    plain = Estimator(C=0.2 * factor, fit_intercept=fit_intercept, **TIGHT).fit(X, y)
    assert_same_model(weighted, plain, X)


@models
@intercepts
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_all_rows_many_times_are_a_factor_of_C(Estimator, K, fit_intercept, container):
    # so many rows that they are summed block by block, fitted and predicted
    X, y = make_data(K)
    times = 400
    X_many = np.tile(X, (times, 1))
    many = Estimator(C=0.2 / times, fit_intercept=fit_intercept, **TIGHT)
    many.fit(container(X_many), np.tile(y, times))
    once = Estimator(C=0.2, fit_intercept=fit_intercept, **TIGHT).fit(X, y)
    assert_allclose(
        many.predict_proba(container(X_many)),
        np.tile(once.predict_proba(X), (times, 1)),
        rtol=0,
        atol=ATOL,
    )


@models
@pytest.mark.parametrize("factor", [1e-200, 1e-3, 1e200])
def test_without_penalty_the_unit_of_the_weights_does_not_matter(Estimator, K, factor):
    X, y = make_data(K)
    s = np.random.default_rng(6).exponential(size=N_ROWS)
    model = Estimator(C=np.inf, **TIGHT).fit(X, y, s)
    rescaled = Estimator(C=np.inf, **TIGHT).fit(X, y, factor * s)
    assert_same_model(rescaled, model, X)


@models
@intercepts
@pytest.mark.parametrize("outlier", [1.0, 1e6])
def test_row_of_weight_zero_is_no_row(Estimator, K, fit_intercept, outlier):
    X, y = make_data(K)
    keep = np.random.default_rng(7).random(N_ROWS) < 0.7
    spoilt = np.where(keep[:, None], X, outlier)
    model = Estimator(fit_intercept=fit_intercept, **TIGHT)
    weighted = model.fit(spoilt, y, keep.astype(float))
    deleted = Estimator(fit_intercept=fit_intercept, **TIGHT).fit(X[keep], y[keep])
    assert_allclose(weighted.coef_, deleted.coef_, rtol=0, atol=1e-5)
    assert_same_model(weighted, deleted, X)


@models
def test_class_weight_multiplies_the_weights_of_the_rows(Estimator, K):
    X, y = make_data(K)
    s = np.random.default_rng(8).exponential(size=N_ROWS)
    by_class = {0: 0.2, 1: 3.0, 2: 1.5} if K == 4 else {0: 0.2, 1: 3.0}
    model = Estimator(class_weight=by_class, **TIGHT).fit(X, y, s)
    product = s * np.array([by_class.get(code, 1.0) for code in range(K)])[y]
    assert_same_model(model, Estimator(**TIGHT).fit(X, y, product), X)


@models
def test_balanced_weights_give_every_class_the_same_mean_probability(Estimator, K):
    # The intercept makes the mean of p_k the frequency of class k, both weighted, and
    # balanced weights make that 1 / K.
    X, y = make_data(K)
    model = Estimator(class_weight="balanced", **TIGHT).fit(X, y)
    s = (1 / np.bincount(y))[y]
    mean = np.average(model.predict_proba(X), axis=0, weights=s)
    assert_allclose(mean, np.full(K, 1 / K), rtol=0, atol=1e-7)


# --- the optimum -----------------------------------------------------------------


@models
@intercepts
@pytest.mark.parametrize("C", [1e-3, 1.0, 1e3, np.inf])
@pytest.mark.parametrize("weighted", [True, False])
def test_gradient_is_zero_at_the_solution(Estimator, K, fit_intercept, C, weighted):
    # Σ_i s_i r_i x_i + w / C = 0 and Σ_i s_i r_i = 0. For C = ∞ that is the gradient
    # of the mean loss alone. Each sum is compared to that of its terms' sizes.
    X, y = make_data(K)
    s = np.random.default_rng(9).exponential(size=N_ROWS) if weighted else np.ones(1)
    model = Estimator(C=C, fit_intercept=fit_intercept, **TIGHT)
    model.fit(X, y, s if weighted else None)
    z = X @ model.coef_.T + model.intercept_
    if Estimator is BinaryLogReg:
        r = expit(z) - y[:, None]
    else:
        r = softmax(z, axis=1) - np.eye(K)[y]
    r = r * np.broadcast_to(s, N_ROWS)[:, None]
    gradient = r.T @ X + model.coef_ / C
    size = abs(r).T @ abs(X)
    assert abs(gradient / size).max() <= 5e-6
    if fit_intercept:
        assert abs(r.sum(axis=0) / abs(r).sum(axis=0)).max() <= 5e-6


@models
@intercepts
def test_weaker_penalty_fits_closer_with_larger_coefficients(
    Estimator, K, fit_intercept
):
    # For minimisers of loss + λ ‖w‖², ‖w‖ decreases in λ and the loss increases.
    X, y = make_data(K)
    fits = [
        Estimator(C=C, fit_intercept=fit_intercept, **TIGHT).fit(X, y)
        for C in (1e-4, 1e-2, 1, 100, np.inf)
    ]
    norms = [np.linalg.norm(fit.coef_) for fit in fits]
    losses = [-fit.predict_log_proba(X)[np.arange(N_ROWS), y].mean() for fit in fits]
    assert (np.diff(norms) > 0).all()
    assert (np.diff(losses) < 0).all()


@models
@intercepts
@pytest.mark.parametrize("c", [1e-3, 1.0, 1e3])
def test_strong_penalty_gives_the_intercept_only_model(Estimator, K, fit_intercept, c):
    # ‖w‖ → 0 as C → 0: frequencies with an intercept, else 1 / K
    X, y = make_data(K)
    model = Estimator(C=1e-12 / c**2, fit_intercept=fit_intercept, **TIGHT).fit(
        c * X, y
    )
    prior = np.bincount(y) / N_ROWS if fit_intercept else np.full(K, 1 / K)
    assert_allclose(
        model.predict_proba(c * X), np.tile(prior, (N_ROWS, 1)), rtol=0, atol=1e-8
    )


@intercepts
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("weighted", [True, False])
def test_binary_at_C_is_softmax_of_two_classes_at_half_C(fit_intercept, C, weighted):
    # Softmax of (z_0, z_1) is expit of v = z_1 - z_0, so that the loss fixes only the
    # difference w = w_1 - w_0. Of all pairs with that difference, w_1 = -w_0 = w / 2
    # has the least penalty, ‖w_0‖² + ‖w_1‖² = ‖w‖² / 2. With C_s the C of the softmax,
    # ‖w‖² / (4 C_s) is the binary penalty ‖w‖² / (2 C) exactly where C_s = C / 2.
    X, y = make_data(2)
    s = np.random.default_rng(10).exponential(size=N_ROWS) if weighted else None
    binary = BinaryLogReg(C=C, fit_intercept=fit_intercept, **TIGHT).fit(X, y, s)
    two = SoftmaxReg(C=C / 2, fit_intercept=fit_intercept, **TIGHT).fit(X, y, s)
    halves = np.vstack([-binary.coef_, binary.coef_]) / 2
    assert_allclose(two.coef_, halves, rtol=0, atol=1e-5)
    intercepts = np.append(-binary.intercept_, binary.intercept_) / 2
    assert_allclose(two.intercept_, intercepts, rtol=0, atol=1e-5)
    assert_same_model(two, binary, X)


@intercepts
@pytest.mark.parametrize("K", [2, 4])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0, np.inf])
@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_softmax_coefficients_and_intercepts_sum_to_zero(fit_intercept, K, C, shift):
    # Adding the same vector to all w_k leaves the loss as it is, and Σ_k ‖w_k‖² is
    # least where Σ_k w_k = 0. Nothing fixes Σ_k b_k, nor Σ_k w_k for C = ∞: 0 is the
    # convention.
    X, y = make_data(K)
    y = np.where(np.arange(N_ROWS) % 3, 0, y)  # classes of unequal size
    X = X + shift
    model = SoftmaxReg(C=C, fit_intercept=fit_intercept, **TIGHT).fit(X, y)
    size = abs(model.coef_).max()
    assert_allclose(model.coef_.sum(axis=0), np.zeros(4), rtol=0, atol=1e-10 * size)
    size = 1 + abs(model.intercept_).max() + abs(shift * model.coef_).max()
    assert_allclose(model.intercept_.sum(), 0, rtol=0, atol=1e-10 * size)
