"""Pointwise losses against 400-digit values, and their laws.

The reference values are computed here, not stored: mpmath evaluates the definitions
at 400 digits, so no formula of the package is used twice.
"""

import numpy as np
import pytest
from mpmath import mp, mpf, workdps

from skxent.model.losses import BinaryCrossEntropy, SoftmaxCrossEntropy

MAGNITUDES = [0.0, 1e-8, 1.0, 30.0, 37.0, 40.0, 700.0, 800.0, 1e20]
LOGITS = sorted({sign * z for z in MAGNITUDES for sign in (-1.0, 1.0)})
BINARY, SOFTMAX = BinaryCrossEntropy(), SoftmaxCrossEntropy()


@pytest.fixture(autouse=True)
def digits():
    # log(1 + exp(−700)) differs from log 1 in the 305th digit
    with workdps(400):
        yield


def exact_softmax(z):
    """log p and p of a list of logits; differences first, since exp(1e20) is huge."""
    z = [mpf(v) for v in z]
    log_p = [-mp.log(mp.fsum(mp.exp(other - v) for other in z)) for v in z]
    return log_p, [mp.exp(v) for v in log_p]


def exact_loss_and_residual(q, z):
    log_p, p = exact_softmax(z)
    loss = -mp.fsum(mpf(qk) * v for qk, v in zip(q, log_p, strict=True))
    # p_k − q_k without cancellation: for a one-hot q, 1 − p is the sum of the others
    residual = [
        -mp.fsum(p[:k] + p[k + 1 :]) if q[k] == 1 else p[k] - mpf(q[k])
        for k in range(len(p))
    ]
    return loss, residual


def assert_accurate(actual, expected, rtol=1e-14):
    """Relative error, with room for results below the smallest normal number."""
    for value, exact in zip(np.ravel(actual), expected, strict=True):
        error = abs(mpf(float(value)) - exact)
        assert error <= rtol * abs(exact) + mpf(5e-324), (value, exact)


@pytest.mark.parametrize("y", [0, 1])
@pytest.mark.parametrize("z", LOGITS)
def test_binary_is_accurate_to_the_last_digits(z, y):
    loss, residual = BINARY.loss_and_residual(np.array([y]), np.array([[z]]))
    exact_loss, exact_residual = exact_loss_and_residual([1 - y, y], [0.0, z])
    log_p, p = exact_softmax([0.0, z])

    assert_accurate(loss, [exact_loss])
    assert_accurate(residual, exact_residual[1:])
    assert_accurate(BINARY.log_proba(np.array([[z]])), log_p)
    assert_accurate(BINARY.proba(np.array([[z]])), p)
    assert_accurate(BINARY.curvature(np.array([[z]])), [p[0] * p[1]])
    second = BINARY.second_order(np.array([y]), np.array([[z]]))
    for part, exact in zip(
        second, ([exact_loss], exact_residual[1:], [p[0] * p[1]]), strict=True
    ):
        assert_accurate(part, exact)


@pytest.mark.parametrize("y", [0, 1, 2])
@pytest.mark.parametrize("z", LOGITS)
@pytest.mark.parametrize("others", [(0.0, 0.0), (0.0, 1.0), (-2.0, 0.0)])
def test_softmax_is_accurate_to_the_last_digits(z, others, y):
    logits = [z, *others]
    row = np.array([logits])
    loss, residual = SOFTMAX.loss_and_residual(np.array([y]), row)
    exact_loss, exact_residual = exact_loss_and_residual(np.eye(3)[y], logits)
    log_p, p = exact_softmax(logits)

    assert_accurate(loss, [exact_loss])
    assert_accurate(residual, exact_residual)
    assert_accurate(SOFTMAX.log_proba(row), log_p)
    assert_accurate(SOFTMAX.proba(row), p)
    complement = [mp.fsum(p[:k] + p[k + 1 :]) for k in range(3)]
    curvature = [a * b for a, b in zip(p, complement, strict=True)]
    assert_accurate(SOFTMAX.curvature(row), curvature)
    second = SOFTMAX.second_order(np.array([y]), row)
    for part, exact in zip(second, ([exact_loss], exact_residual, p), strict=True):
        assert_accurate(part, exact)


@pytest.mark.parametrize("z", LOGITS)
@pytest.mark.parametrize("q", [(0.25, 0.75), (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)])
def test_target_distributions_are_accurate(z, q):
    exact_loss, exact_residual = exact_loss_and_residual(q, [0.0, z])
    targets = np.array([q])
    loss, residual = BINARY.loss_and_residual(targets, np.array([[z]]))
    assert_accurate(loss, [exact_loss])
    two_loss, two_residual = SOFTMAX.loss_and_residual(targets, np.array([[0.0, z]]))
    assert_accurate(two_loss, [exact_loss])
    # p − q of comparable numbers cancels for every method: absolute accuracy there
    atol = 0 if 1.0 in q else 1e-16
    np.testing.assert_allclose(residual[0], float(exact_residual[1]), 1e-14, atol)
    np.testing.assert_allclose(
        two_residual[0], [float(r) for r in exact_residual], 1e-14, atol
    )


def rows_and_targets(loss, seed=0, n=50):
    rng = np.random.default_rng(seed)
    n_classes = 2 if loss is BINARY else 4
    z = 3 * rng.standard_normal((n, loss.n_logits(n_classes)))
    q = rng.dirichlet(np.ones(n_classes), n)
    codes = rng.integers(n_classes, size=n)
    return z, q, codes, np.eye(n_classes)[codes]


@pytest.mark.parametrize("loss", [BINARY, SOFTMAX])
def test_codes_stand_for_one_hot_distributions(loss):
    z, _, codes, one_hot = rows_and_targets(loss)
    for by_code, by_row in zip(
        loss.loss_and_residual(codes, z),
        loss.loss_and_residual(one_hot, z),
        strict=True,
    ):
        np.testing.assert_allclose(by_code, by_row, rtol=1e-13)


@pytest.mark.parametrize("loss", [BINARY, SOFTMAX])
def test_residual_and_curvature_are_derivatives(loss):
    z, q, _, _ = rows_and_targets(loss)
    h = 1e-3
    _, residual = loss.loss_and_residual(q, z)
    curvature = loss.curvature(z)
    for k in range(z.shape[1]):
        step = h * np.eye(z.shape[1])[k]
        values, residuals = zip(
            *(loss.loss_and_residual(q, z + m * step) for m in (-2, -1, 1, 2)),
            strict=True,
        )
        # five-point difference, error O(h⁴)
        weights = np.array([1, -8, 8, -1]) / (12 * h)
        slope = sum(w * v for w, v in zip(weights, values, strict=True))
        bend = sum(w * r[:, k] for w, r in zip(weights, residuals, strict=True))
        np.testing.assert_allclose(residual[:, k], slope, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(curvature[:, k], bend, rtol=1e-8, atol=1e-10)


def test_softmax_of_zero_and_z_is_the_binary_model():
    z, q, codes, _ = rows_and_targets(BINARY)
    two = np.column_stack([np.zeros(len(z)), z])
    for y in (codes, q):
        loss, residual = BINARY.loss_and_residual(y, z)
        two_loss, two_residual = SOFTMAX.loss_and_residual(y, two)
        np.testing.assert_allclose(loss, two_loss, rtol=1e-13)
        np.testing.assert_allclose(residual[:, 0], two_residual[:, 1], rtol=1e-12)
    np.testing.assert_allclose(BINARY.proba(z), SOFTMAX.proba(two), rtol=1e-13)


def test_softmax_residuals_sum_to_zero_and_proba_to_one():
    z, q, codes, _ = rows_and_targets(SOFTMAX)
    for y in (codes, q):
        _, residual = SOFTMAX.loss_and_residual(y, z)
        np.testing.assert_allclose(residual.sum(axis=1), 0, atol=1e-15)
    np.testing.assert_allclose(SOFTMAX.proba(z).sum(axis=1), 1, rtol=1e-15)


@pytest.mark.parametrize("loss", [BINARY, SOFTMAX])
@pytest.mark.parametrize("order", ["C", "F"])
def test_neither_memory_order_nor_inputs_are_changed(loss, order):
    z, q, codes, _ = rows_and_targets(loss)
    z = np.array(z, order=order)
    before = z.copy()
    for y in (codes, q):
        expected = loss.loss_and_residual(y, np.ascontiguousarray(z))
        for a, b in zip(loss.loss_and_residual(y, z), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14)
    np.testing.assert_array_equal(z, before)


@pytest.mark.parametrize("loss", [BINARY, SOFTMAX])
def test_float32_stays_float32(loss):
    z, q, codes, _ = rows_and_targets(loss)
    z = z.astype(np.float32)
    for y in (codes, q):
        assert {a.dtype for a in loss.loss_and_residual(y, z)} == {z.dtype}
    for method in (loss.curvature, loss.log_proba, loss.proba):
        assert method(z).dtype == z.dtype


@pytest.mark.parametrize("loss", [BINARY, SOFTMAX])
@pytest.mark.parametrize(("dtype", "largest"), [("f8", 1e300), ("f4", 1e38)])
def test_huge_logits_give_neither_nan_nor_warning(loss, dtype, largest):
    n_classes = 2 if loss is BINARY else 3
    signs = np.array(np.meshgrid(*[[-1, 0, 1]] * loss.n_logits(n_classes)))
    z = (largest * signs.reshape(signs.shape[0], -1).T).astype(dtype)
    uniform = np.full((len(z), n_classes), 1 / n_classes)
    with np.errstate(all="raise", under="ignore"):
        for y in (np.arange(len(z)) % n_classes, uniform):
            value, residual = loss.loss_and_residual(y, z)
            assert np.isfinite(value).all()
            assert np.isfinite(residual).all()
        for method in (loss.curvature, loss.log_proba, loss.proba):
            assert np.isfinite(method(z)).all()


@pytest.mark.parametrize("loss", [BINARY, SOFTMAX])
def test_prior_logits_give_the_frequencies_back(loss):
    frequencies = np.array([0.2, 0.8]) if loss is BINARY else np.array([0.1, 0.3, 0.6])
    z = loss.prior_logits(frequencies)
    np.testing.assert_allclose(loss.proba(z[None])[0], frequencies, rtol=1e-14)


@pytest.mark.parametrize("loss", [BINARY, SOFTMAX])
def test_prediction_is_the_most_probable_class(loss):
    z, _, _, _ = rows_and_targets(loss)
    np.testing.assert_array_equal(loss.predict(z), loss.proba(z).argmax(axis=1))


@pytest.mark.parametrize("loss", [BINARY, SOFTMAX])
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_the_dual_value_is_the_minimum_over_the_logits(loss, share):
    z, q, codes, _ = rows_and_targets(loss)
    for y in (codes, q):
        dual, residual = loss.dual_value(y, loss.proba(z), share)
        expected = share * loss.loss_and_residual(y, z)[1]
        np.testing.assert_allclose(residual, expected, rtol=1e-9, atol=1e-15)
        # Fenchel's inequality, at these logits and at others
        for logits in (z, z[::-1], z / 2, np.zeros_like(z)):
            value = loss.loss_and_residual(y, logits)[0]
            slack = 1e-13 * (1 + abs(residual * logits).sum(axis=1))
            assert (dual <= value - (residual * logits).sum(axis=1) + slack).all()
        if share == 1:
            value = loss.loss_and_residual(y, z)[0]
            attained = value - (residual * z).sum(axis=1)
            scale = 1 + abs(residual * z).sum(axis=1)
            assert (abs(dual - attained) <= 1e-13 * scale).all()
