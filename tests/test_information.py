"""Laws of information theory, and oracles that share no code with the module."""

import math
import re
from decimal import Decimal

import numpy as np
import pytest
from scipy import sparse, stats
from sklearn.metrics import log_loss, mutual_info_score

from skxent.evaluation.information import (
    conditional_entropy,
    cross_entropy,
    entropy,
    joint_distribution,
    joint_entropy,
    kl_divergence,
    label_distribution,
    mutual_information,
)

OF_JOINT = [joint_entropy, conditional_entropy, mutual_information]
OF_PAIR = [cross_entropy, kl_divergence]


def random_distributions(*shape, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), size=shape[:-1])


def random_joint(*shape, seed=0):
    """Joint distributions of shape (..., n_x, n_y), some of whose cells are empty."""
    rng = np.random.default_rng(seed)
    mass = rng.exponential(size=shape) * (rng.random(shape) < 0.8)
    mass[..., 0, 0] = 1.0
    return mass / mass.sum(axis=(-2, -1), keepdims=True)


def exact(p, argument):
    """−Σ p log(argument), in 28 digits; 0 log 0 = 0."""
    terms = zip(p.ravel().tolist(), argument.ravel().tolist(), strict=True)
    return float(-sum(Decimal(a) * Decimal(b).ln() for a, b in terms if a))


def close(value, rel=1e-14, abs=1e-15):
    return pytest.approx(value, rel=rel, abs=abs)


@pytest.mark.parametrize("base", [2, math.e, 10, np.float32(3)])
def test_each_measure_is_what_it_is_defined_as(base):
    p, q = random_distributions(2, 6)
    p_xy = random_joint(4, 5)
    p_x, p_y = p_xy.sum(axis=1, keepdims=True), p_xy.sum(axis=0, keepdims=True)
    p_x_given, lift = p_xy / p_y, p_xy / (p_x * p_y)
    unit = math.log(base)
    assert entropy(p, base=base) == close(exact(p, p) / unit)
    assert cross_entropy(p, q, base=base) == close(exact(p, q) / unit)
    assert kl_divergence(p, q, base=base) == close(exact(p, p / q) / -unit)
    assert joint_entropy(p_xy, base=base) == close(exact(p_xy, p_xy) / unit)
    assert conditional_entropy(p_xy, base=base) == close(exact(p_xy, p_x_given) / unit)
    assert mutual_information(p_xy, base=base) == close(exact(p_xy, lift) / -unit)


def test_scipy_and_sklearn_agree():
    p, q = random_distributions(2, 20, 4)
    np.testing.assert_allclose(entropy(p), stats.entropy(p, axis=1), rtol=1e-14)
    np.testing.assert_allclose(kl_divergence(p, q), stats.entropy(p, q, axis=1))
    y = np.random.default_rng(0).integers(4, size=20)
    assert cross_entropy(np.eye(4)[y], q).mean() == close(log_loss(y, q))
    x = (y + np.random.default_rng(1).integers(3, size=20)) % 5
    information = mutual_information(joint_distribution(x, y))
    assert information == close(mutual_info_score(x, y))


@pytest.mark.parametrize("n", [1, 2, 3, 1000])
def test_entropy_lies_between_certain_and_uniform(n):
    assert entropy(np.full(n, 1 / n)) == close(math.log(n))
    assert entropy(np.eye(n)[0]) == 0.0
    assert 0 <= entropy(random_distributions(n)) <= math.log(n)


def test_gibbs_inequality():
    # D(p ‖ q) >= 0, with equality if p = q; H(p, q) = H(p) + D(p ‖ q).
    p, q = random_distributions(2, 200, 3)
    assert np.all(kl_divergence(p, q) > 0)
    assert np.all(kl_divergence(p, p) == 0)
    np.testing.assert_allclose(cross_entropy(p, q), entropy(p) + kl_divergence(p, q))


@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (1, 5), (5, 1)])
def test_chain_rule(shape):
    # H(X, Y) = H(Y) + H(X|Y) = H(X) + H(Y|X).
    p_xy = random_joint(*shape, seed=1)
    h_x, h_y = entropy(p_xy.sum(axis=1)), entropy(p_xy.sum(axis=0))
    assert h_y + conditional_entropy(p_xy) == close(joint_entropy(p_xy))
    assert h_x + conditional_entropy(p_xy.T) == close(joint_entropy(p_xy))


def test_mutual_information_is_what_conditioning_saves():
    # 0 <= I(X; Y) = H(X) − H(X|Y) = I(Y; X) <= min(H(X), H(Y)).
    p_xy = random_joint(50, 3, 4)
    h_x, h_y = entropy(p_xy.sum(axis=2)), entropy(p_xy.sum(axis=1))
    information = mutual_information(p_xy)
    mirrored = mutual_information(np.swapaxes(p_xy, 1, 2))
    np.testing.assert_allclose(information, h_x - conditional_entropy(p_xy), atol=1e-14)
    np.testing.assert_allclose(information, mirrored, atol=1e-14)
    assert np.all((information >= 0) & (information <= np.minimum(h_x, h_y)))


def test_independence_and_dependence():
    # H(X|Y) = H(X) and I = 0 for independent X and Y; H(X|Y) = 0 and I = H(X) for
    # X = f(Y).
    p_x, p_y = random_distributions(3), random_distributions(5)
    assert conditional_entropy(np.outer(p_x, p_y)) == close(entropy(p_x))
    assert mutual_information(np.outer(p_x, p_y)) == close(0)
    p_xy = np.zeros((3, 5))
    p_xy[[0, 2, 1, 1, 0], range(5)] = p_y
    assert conditional_entropy(p_xy) == 0.0
    assert mutual_information(p_xy) == close(entropy(p_xy.sum(axis=1)))


# --- Rounding, zeros, infinities: warnings are errors in this suite ------------------


def test_rounding_makes_nothing_negative():
    rng = np.random.default_rng(2)
    p = rng.dirichlet(np.ones(4), size=2000)
    p[:1000, 1:] *= 1e-16
    p[:1000, 0] = 1
    q = p * (1 + 1e-15 * rng.uniform(-1, 1, p.shape))
    for measure in OF_PAIR:
        assert measure(p, q).min() >= 0
    p_xy = p[:, :, None] * q[::-1, None, :]
    for measure in OF_JOINT:
        assert measure(p_xy).min() >= 0
    assert entropy(p).min() >= 0


@pytest.mark.parametrize("base", [None, 2])
def test_certainty_has_entropy_plus_zero(base):
    # -0.0 would print as a negative entropy; a sum just above 1 would give one.
    for p in ([1, 0], [1.0, -0.0], [True, False], [1 + 1e-9, 0], [1.0]):
        assert math.copysign(1, entropy(p, base=base)) == 1
        assert math.copysign(1, cross_entropy(p, p, base=base)) == 1
        assert math.copysign(1, conditional_entropy([p], base=base)) == 1
    assert not np.signbit(entropy(np.eye(2), base=base)).any()


def test_what_sums_miss_is_divided_out():
    p, q = random_distributions(2, 5)
    for measure in OF_PAIR:
        assert measure(p * (1 + 9e-6), q * (1 - 9e-6)) == close(measure(p, q))
    p_xy = random_joint(3, 3)
    for measure in OF_JOINT:
        assert measure(p_xy * (1 - 9e-6)) == close(measure(p_xy))


@pytest.mark.parametrize("measure", OF_PAIR)
def test_only_mass_where_the_forecast_has_none_costs_infinity(measure):
    p, q = [[0.5, 0.5, 0], [1, 0, 0]], [[1, 0, 0], [0.5, 0.5, 0]]
    np.testing.assert_allclose(measure(p, q), [math.inf, math.log(2)])
    assert measure(p[0], q[0], base=2) == math.inf


@pytest.mark.parametrize("tiny", [1e-200, 1e-310, 5e-324])
def test_tiny_masses(tiny):
    # Neither ratios nor products of masses overflow or underflow on the way.
    for measure in OF_PAIR:
        assert measure([1, tiny], [tiny, 1]) == close(-math.log(tiny), rel=1e-13)
    for measure in OF_JOINT:
        assert measure([[1, 0], [0, tiny]]) == close(0)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
@pytest.mark.parametrize(
    "measure", [lambda p, q, axis: entropy(p, axis=axis), *OF_PAIR]
)
def test_a_batch_along_any_axis_equals_a_loop(measure, axis):
    p, q = random_distributions(2, 2, 3, 5)
    batch = measure(np.moveaxis(p, -1, axis), np.moveaxis(q, -1, axis), axis=axis)
    loop = [[measure(p[i, j], q[i, j], axis=-1) for j in range(3)] for i in range(2)]
    np.testing.assert_allclose(batch, loop)


@pytest.mark.parametrize("measure", OF_JOINT)
def test_a_batch_of_joint_distributions_equals_a_loop(measure):
    p_xy = random_joint(3, 4, 5)
    np.testing.assert_allclose(measure(p_xy), [measure(p) for p in p_xy])


def test_one_distribution_gives_a_python_float():
    p = np.array([0.5, 0.5])
    values = [entropy(p), *(f(p, p) for f in OF_PAIR), *(f([p]) for f in OF_JOINT)]
    assert all(type(value) is float for value in values)


@pytest.mark.parametrize(
    ("labels", "other"), [([3, 1, 1, 3, 1], 7), (["b", "a", "a", "b", "a"], "long")]
)
@pytest.mark.parametrize("dtype", [None, object])
def test_label_distribution_counts(labels, other, dtype):
    labels = np.array(labels, dtype=dtype)
    np.testing.assert_allclose(label_distribution(labels), [0.6, 0.4])
    # Named classes set the order, and those that do not occur have probability 0.
    classes = [other, labels[0], labels[1]]
    p = label_distribution(labels, classes=classes)
    np.testing.assert_allclose(p, [0, 0.4, 0.6])


def test_joint_distribution_has_the_label_distributions_as_marginals():
    x, y = ["b", "a", "b", "c", "b", "a"], [2, 1, 2, 1, 1, 1]
    p_xy = joint_distribution(x, y)
    np.testing.assert_allclose(p_xy, np.array([[2, 0], [1, 2], [1, 0]]) / 6)
    np.testing.assert_allclose(p_xy.sum(axis=1), label_distribution(x))
    np.testing.assert_allclose(p_xy.sum(axis=0), label_distribution(y))


def test_weights_equal_repeated_labels():
    x, y, weight = np.random.default_rng(4).integers(3, size=(3, 20))
    xs, ys = np.repeat(x, weight), np.repeat(y, weight)
    p, p_xy = label_distribution(xs), joint_distribution(xs, ys)
    np.testing.assert_allclose(label_distribution(x, sample_weight=weight), p)
    np.testing.assert_allclose(joint_distribution(x, y, sample_weight=weight), p_xy)


# --- What is refused, and how --------------------------------------------------------

HALF, MIXED = [0.5, 0.5], np.array([1, "a"], dtype=object)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: entropy([]), "ValueError.*0 sample"),
        (lambda: entropy(0.3), "TypeError.*got scalar"),
        (lambda: entropy([0.5, 0.6]), r"ValueError.*p has .* to 1\.1; expected .*: di"),
        (lambda: entropy([1.2, -0.2]), r"ValueError.*p has entries from -0\.2 and"),
        (lambda: entropy([0.5, np.nan]), "ValueError.*p contains NaN"),
        (lambda: entropy([0.5, 0.5j]), "TypeError.*not 'complex'"),
        (lambda: entropy(sparse.eye_array(2)), "TypeError.*for p, but dense"),
        (lambda: entropy(HALF, axis=1), "AxisError.*axis 1 is out of bounds"),
        (lambda: entropy(HALF, base=1), "ValueError.*base is 1; expected .*: pass 2"),
        (lambda: entropy(HALF, base="2"), "ValueError.*base is '2'; expected"),
        (lambda: kl_divergence(HALF, [2, 3]), "ValueError.*q has entries from 2"),
        (lambda: cross_entropy([HALF], HALF), r"ValueError.*\(1, 2\), q \(2,\); exp"),
        (lambda: joint_entropy(HALF), r"ValueError.*\(2,\); .*: build it from labels"),
        (lambda: joint_entropy([HALF, HALF]), r"ValueError.*2\.0; .*\(-2, -1"),
        (lambda: label_distribution([]), "ValueError.*0 sample"),
        (lambda: label_distribution([1, np.nan]), "ValueError.*labels contains NaN"),
        (lambda: label_distribution(np.eye(2)), "ValueError.*1d array, got .* shape"),
        (lambda: label_distribution(MIXED), "TypeError.*uniformly strings or numbers"),
        (lambda: label_distribution([1], classes=[2]), r"ValueError.*\[2\]; .*: add"),
        (lambda: label_distribution([1], classes=["1"]), "ValueError.*add missing"),
        (lambda: label_distribution([1], classes=[1, 1]), "ValueError.*drop repeated"),
        (lambda: label_distribution([1], sample_weight=[0]), "ValueError.*not all 0"),
        (lambda: label_distribution([1], sample_weight=[-1]), "ValueError.*>= 0"),
        (lambda: label_distribution([1], sample_weight=[1, 2]), "ValueError.*pass 1 "),
        (lambda: joint_distribution([1], [1, 2]), r"ValueError.*inconsistent .*\[1, 2"),
    ],
)
def test_what_is_refused(call, match):
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    assert re.match(match, caught.typename + ": " + str(caught.value), re.DOTALL)
