"""Leave-one-out from a single fit: against fits without each row, and its laws."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skxent import CrossEntropyObjective
from skxent.model import leave_one_out as one_step
from skxent.model import leverage
from skxent.model.leave_one_out import (
    approximate_leave_one_out,
    weighted_mean_and_error,
)
from skxent.solver import leave_one_out
from skxent.solver.leave_one_out import leave_one_out_losses
from skxent.solver.minimise import minimise

TIGHT = {"tol": 1e-12, "max_iter": 10_000}
losses = pytest.mark.parametrize("loss", ["binary", "softmax"])


def make_data(K=2, n=90, d=4, seed=0):
    """Return data with correlated columns that no plane separates."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) / 2
    logits = X @ rng.normal(size=(d, K)) + 2 * rng.gumbel(size=(n, K))
    return X, logits.argmax(axis=1)


def fitted(X, y, s=None, **settings):
    """Return an objective and its optimum."""
    objective = CrossEntropyObjective(X, y, s, **settings)
    start = objective.initial_point()
    return objective, minimise(objective, start, **TIGHT).params


def loss_of(objective, params, X, y, offset=None):
    """Return the loss of rows with class codes or distributions, written out."""
    coef, intercept = objective.unpack(params)
    z = X @ coef.T + intercept
    if offset is not None:
        z = z + np.reshape(offset, z.shape)
    if z.shape[1] == 1:
        z = np.hstack([np.zeros_like(z), z])
    log_p = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
    q = np.eye(z.shape[1])[y] if y.ndim == 1 else y
    return -np.sum(q * log_p, axis=1)


def refits(X, y, s=None, offset=None, **settings):
    """Return the loss of each row under a fit to the others."""
    out = np.empty(len(y))
    for i in range(len(y)):
        others = np.arange(len(y)) != i
        fit = fitted(
            X[others],
            y[others],
            None if s is None else s[others],
            offset=None if offset is None else offset[others],
            **settings,
        )
        of_row = None if offset is None else offset[i : i + 1]
        out[i] = loss_of(*fit, X[i : i + 1], y[i : i + 1], of_row)[0]
    return out


def assert_explains_the_gap(losses, exact, training, share):
    """Assert that the mean of losses is right up to a share of what refits add."""
    gap = exact.mean() - training.mean()
    assert gap > 0
    assert abs(losses.mean() - exact.mean()) <= share * gap


# --- fits without each row ---------------------------------------------------------


@pytest.mark.parametrize(("K", "loss"), [(2, "binary"), (2, "softmax"), (3, "softmax")])
@pytest.mark.parametrize(
    ("C", "fit_intercept"), [(0.01, True), (1.0, False), (100.0, True)]
)
def test_one_step_is_close_to_refits(K, loss, C, fit_intercept):
    X, y = make_data(K, n=150)
    settings = {"loss": loss, "C": C, "fit_intercept": fit_intercept}
    objective, params = fitted(X, y, **settings)
    approximate = approximate_leave_one_out(objective, params).losses
    training = loss_of(objective, params, X, y)
    assert_explains_the_gap(approximate, refits(X, y, **settings), training, 0.02)


@pytest.mark.parametrize(("K", "loss"), [(2, "binary"), (3, "softmax")])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_weights_offsets_and_soft_targets(K, loss, soft, is_sparse):
    X, y = make_data(K)
    rng = np.random.default_rng(1)
    q = rng.dirichlet(np.ones(K), size=len(y)) if soft else y
    s = rng.uniform(0.2, 2, len(y)) * (rng.random(len(y)) < 0.9)
    offset = rng.normal(size=(len(y), K) if loss == "softmax" else len(y))
    settings = {"loss": loss, "C": 0.5}
    container = sparse.csr_array if is_sparse else np.asarray
    objective, params = fitted(container(X), q, s, offset=offset, **settings)
    losses = leave_one_out_losses(objective, params, **TIGHT)
    training = loss_of(objective, params, X, q, offset)
    # a row of weight 0 is not in the fit
    assert_allclose(losses[s == 0], training[s == 0], rtol=1e-12)
    exact = refits(X, q, s, offset, **settings)
    assert_explains_the_gap(s * losses, s * exact, s * training, 0.03)


@pytest.mark.parametrize(("K", "loss"), [(2, "binary"), (3, "softmax")])
@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_elastic_net_keeps_its_zeros(K, loss, l1_ratio):
    X, y = make_data(K, n=80, d=6)
    settings = {"loss": loss, "C": 0.2, "l1_ratio": l1_ratio}
    objective, params = fitted(X, y, **settings)
    assert (objective.split(params)[0] == 0).any()
    losses = leave_one_out_losses(objective, params, **TIGHT)
    training = loss_of(objective, params, X, y)
    assert_explains_the_gap(losses, refits(X, y, **settings), training, 0.2)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_without_coefficients_only_the_intercept_moves(fit_intercept):
    X, y = make_data()
    settings = {"C": 1e-4, "l1_ratio": 1.0, "fit_intercept": fit_intercept}
    objective, params = fitted(X, y, **settings)
    losses, _ = approximate_leave_one_out(objective, params)
    n, k = len(y), np.bincount(y)[y]
    expected = -np.log((k - 1) / (n - 1)) if fit_intercept else np.log(2)
    assert_allclose(losses, expected, rtol=1e-3)


@losses
def test_rows_that_move_far_are_refitted(loss):
    X, y = make_data(n=60, d=3)
    X[:2] = [[8, 0, 0], [8.5, 0, 0]]
    y[:2] = [0, 1]
    settings = {"loss": loss, "C": 100.0}
    objective, params = fitted(X, y, **settings)
    _, is_reliable = approximate_leave_one_out(objective, params)
    assert not is_reliable[:2].any()
    assert is_reliable.mean() > 0.9
    losses = leave_one_out_losses(objective, params, **TIGHT)
    exact = refits(X, y, **settings)
    assert_allclose(losses[:2], exact[:2], rtol=1e-5)


def test_float32_rows_give_the_losses_of_float64(monkeypatch):
    from skxent.data import blocks

    monkeypatch.setattr(blocks, "SMALL_BYTES", 0)
    X, y = make_data(K=3)
    single = CrossEntropyObjective(X.astype(np.float32), y)
    double, params = fitted(X.astype(np.float32).astype(np.float64), y)
    assert single.rows.dtype == np.float32
    losses, _ = approximate_leave_one_out(single, params)
    assert_allclose(
        losses, approximate_leave_one_out(double, params).losses, rtol=1e-12
    )
    assert single.rows.dtype == np.float32  # the objective is as it was


# --- the formula, and laws ---------------------------------------------------------


@pytest.mark.parametrize("C", [0.1, 10.0])
def test_one_logit_is_the_textbook_formula_in_long_double(C):
    X, y = make_data(n=70, d=3)
    s = np.random.default_rng(2).uniform(0.5, 2, len(y))
    objective, params = fitted(X, y, s, C=C)
    rows = np.column_stack([X, np.ones(len(X))]).astype(np.longdouble)
    z = rows @ params
    p = 1 / (1 + np.exp(-z))
    H = (rows.T * (s * p * (1 - p))) @ rows
    H[np.arange(3), np.arange(3)] += 1 / np.longdouble(C)
    # Gauss and Jordan, since LAPACK has no long double
    both = np.hstack([H, np.eye(4, dtype=np.longdouble)])
    for j in range(4):
        both[j] /= both[j, j]
        others = np.arange(4) != j
        both[others] -= both[others, j][:, None] * both[j]
    a = np.einsum("ij,jk,ik->i", rows, both[:, 4:], rows)
    z += s * a * (p - y) / (1 - s * a * p * (1 - p))
    expected = np.logaddexp(0, np.where(y == 1, -z, z))
    losses, _ = approximate_leave_one_out(objective, params)
    assert_allclose(losses, expected.astype(float), rtol=1e-12)


@losses
@pytest.mark.parametrize("C", [0.1, 10.0, np.inf])
def test_softmax_is_a_newton_step_without_the_row(loss, C):
    X, y = make_data(K=3, n=50)
    y = y if loss == "softmax" else np.minimum(y, 1)
    s = np.random.default_rng(3).uniform(0.5, 2, len(y))
    objective, params = fitted(X, y, s, C=C, loss=loss)
    losses, _ = approximate_leave_one_out(objective, params)
    L, n = objective.n_logits, len(y)
    rows = np.column_stack([X, np.ones(n)])
    p = np.exp(-loss_of(objective, params, X, np.zeros(n, int)))
    p = np.column_stack(
        [
            np.exp(-loss_of(objective, params, X, np.full(n, k)))
            for k in range(y.max() + 1)
        ]
    )
    q = np.eye(p.shape[1])[y]
    l2 = np.kron(np.eye(L), np.diag([*np.full(4, 1 / C), 0]))
    designs = [np.kron(np.eye(L), row) for row in rows]
    hessians = [
        s[i] * D.T @ (np.diag(p[i]) - np.outer(p[i], p[i]))[-L:, -L:] @ D
        for i, D in enumerate(designs)
    ]
    for i, D in enumerate(designs):
        H = sum(hessians) - hessians[i] + l2
        step = np.linalg.pinv(H, rcond=1e-10) @ (s[i] * D.T @ (p[i] - q[i])[-L:])
        expected = loss_of(objective, params + step, X[i : i + 1], y[i : i + 1])
        assert losses[i] == pytest.approx(expected[0], rel=1e-8)


@losses
def test_a_weight_of_two_leaves_out_both_copies(loss):
    X, y = make_data(K=2)
    twice = np.append(np.arange(len(y)), 5)
    s = np.ones(len(y))
    s[5] = 2
    objective, params = fitted(X, y, s, loss=loss)
    weighted, _ = approximate_leave_one_out(objective, params)
    objective, params = fitted(X[twice], y[twice], loss=loss)
    copied, _ = approximate_leave_one_out(objective, params)
    others = np.arange(len(y)) != 5
    assert_allclose(weighted[others], copied[:-1][others], rtol=1e-7)
    # without one copy the other one remains
    assert weighted[5] > copied[5] == pytest.approx(copied[-1])


def test_the_unit_of_the_weights_does_not_matter():
    X, y = make_data(K=3)
    s = np.random.default_rng(4).uniform(0.5, 2, len(y))
    one = approximate_leave_one_out(*fitted(X, y, s, C=2.0))
    other = approximate_leave_one_out(*fitted(X, y, 8 * s, C=0.25))
    assert_allclose(one.losses, other.losses, rtol=1e-7)


def test_softmax_of_two_classes_is_binary_at_twice_the_C():
    X, y = make_data()
    one = approximate_leave_one_out(*fitted(X, y, loss="binary", C=2.0))
    other = approximate_leave_one_out(*fitted(X, y, loss="softmax", C=1.0))
    # each class has half of the coefficients: w²/4 is twice (w/2)²/2
    assert_allclose(one.losses, other.losses, rtol=1e-7)
    assert_array_equal(one.is_reliable, other.is_reliable)


@losses
def test_a_far_center_changes_nothing(loss):
    X, y = make_data()
    settings = {"loss": loss, "C": 1.0}
    one = approximate_leave_one_out(*fitted(X, y, **settings))
    center = np.array([1e6, 0, -1e5, 0])
    far = approximate_leave_one_out(*fitted(X + center, y, center=center, **settings))
    assert_allclose(far.losses, one.losses, rtol=1e-6)


@losses
def test_collinear_columns_add_no_leverage(loss):
    X, y = make_data()
    objective, params = fitted(X, y, loss=loss, C=np.inf)
    expected = approximate_leave_one_out(objective, params)
    doubled = np.column_stack([X, X @ np.ones(4), np.full(len(y), 3)])
    other = CrossEntropyObjective(doubled, y, loss=loss, C=np.inf)
    coef, intercept = objective.split(params)
    same = other.pack(np.hstack([coef, np.zeros((len(coef), 2))]), intercept)
    actual = approximate_leave_one_out(other, same)
    assert_allclose(actual.losses, expected.losses, rtol=1e-7)


def test_small_blocks_give_the_same(monkeypatch):
    X, y = make_data(K=3)
    objective, params = fitted(X, y)
    expected, _ = approximate_leave_one_out(objective, params)
    monkeypatch.setattr(one_step, "CACHE_BYTES", 1)
    losses, _ = approximate_leave_one_out(objective, params)
    assert_allclose(losses, expected, rtol=1e-12)


def test_losses_refer_to_other_targets():
    X, y = make_data(K=3, n=60)
    smooth = 0.9 * np.eye(3)[y] + 0.1 / 3
    objective, params = fitted(X, smooth)
    assert_allclose(
        leave_one_out_losses(objective, params, targets=smooth, **TIGHT),
        leave_one_out_losses(objective, params, **TIGHT),
    )
    of_labels = leave_one_out_losses(objective, params, targets=y, **TIGHT)
    training = loss_of(objective, params, X, y)
    assert_allclose(of_labels, training, atol=1.0)
    assert of_labels.mean() > training.mean()


def test_weighted_mean_and_error():
    losses = np.array([1.0, 2.0, 6.0])
    mean, error = weighted_mean_and_error(losses)
    assert mean == pytest.approx(3)
    assert error == pytest.approx(np.std(losses) / np.sqrt(3))
    mean, error = weighted_mean_and_error(losses, np.array([1e308, 0, 0.5e308]))
    assert mean == pytest.approx(8 / 3)
    assert error == pytest.approx(np.hypot(2 / 3 * 5 / 3, 1 / 3 * 10 / 3))


# --- what is refused ---------------------------------------------------------------


def test_active_bounds_are_refused():
    X, y = make_data()
    objective, params = fitted(X, y, bounds=(-0.1, 0.1))
    n_at_bounds = np.count_nonzero(abs(objective.split(params)[0]) == 0.1)
    with pytest.raises(ValueError, match=f"{n_at_bounds} of 4 .* at a bound.*cv=5"):
        approximate_leave_one_out(objective, params)
    wide = fitted(X, y, bounds=(-100, 100))
    expected = approximate_leave_one_out(*fitted(X, y))
    assert_allclose(approximate_leave_one_out(*wide).losses, expected.losses, rtol=1e-7)


def test_a_hessian_beyond_memory_is_refused(monkeypatch):
    objective, params = fitted(*make_data())
    monkeypatch.setattr(leverage, "MAX_HESSIAN_BYTES", 8 * 5**2 - 1)
    with pytest.raises(ValueError, match=r"Hessian of 5 coefficients.*cv=5"):
        approximate_leave_one_out(objective, params)


def test_too_many_refits_are_refused(monkeypatch):
    monkeypatch.setattr(leave_one_out, "MAX_REFITS", 3)
    X, y = make_data(n=40, d=30)
    objective, params = fitted(X, y, C=10.0)
    with pytest.raises(ValueError, match=r"does not hold: \d+ of 40 rows.*cv=5"):
        leave_one_out_losses(objective, params, **TIGHT)


def test_a_class_with_a_single_row_is_refused():
    X, y = make_data()
    y = np.append(y, 2)
    objective, params = fitted(np.vstack([X, X[:1]]), y)
    with pytest.raises(ValueError, match="Class 2 has a single row"):
        leave_one_out_losses(objective, params, **TIGHT)


def test_a_row_without_which_there_is_no_optimum_is_refused():
    X = np.array([[-2.0], [-1], [1], [2], [3], [-3]])
    y = np.array([0, 0, 1, 1, 0, 0])  # separable without the fifth row
    objective, params = fitted(X, y, C=np.inf)
    with pytest.raises(ValueError, match="without row 4"):
        leave_one_out_losses(objective, params, **TIGHT)
