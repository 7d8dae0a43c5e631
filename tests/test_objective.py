"""The objective: its value and gradient, its layouts, what it refuses."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from skxent import CrossEntropyObjective
from skxent.data.blocks import RowBlocks


def problem(n=60, d=5, n_classes=3, seed=0):
    """Sparse-ish X, codes that hold every class, and uneven weights."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.6)
    y = rng.permutation(np.arange(n) % n_classes)
    return X, y, rng.uniform(0.2, 3, n)


def random_params(objective, seed=1):
    return np.random.default_rng(seed).standard_normal(objective.n_params)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [0.1, np.inf])
@pytest.mark.parametrize(
    ("n_classes", "loss"), [(2, "binary"), (2, "softmax"), (4, "auto")]
)
def test_value_is_the_definition(n_classes, loss, C, fit_intercept):
    X, y, s = problem(n_classes=n_classes)
    objective = CrossEntropyObjective(
        X, y, s, C=C, fit_intercept=fit_intercept, loss=loss
    )
    params = random_params(objective)
    coef, intercept = objective.unpack(params)
    z = X @ coef.T + intercept
    if loss == "binary":
        z = np.column_stack([np.zeros(len(z)), z])
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    expected = log_loss(y, p, sample_weight=s) + (coef**2).sum() / (2 * C * s.sum())
    assert objective.value_and_gradient(params)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    ("n_classes", "loss"), [(2, "binary"), (2, "softmax"), (4, "auto")]
)
def test_gradient_is_the_five_point_difference(n_classes, loss, fit_intercept, soft):
    X, y, s = problem(n_classes=n_classes)
    if soft:
        y = np.random.default_rng(2).dirichlet(np.ones(n_classes), len(X))
    objective = CrossEntropyObjective(X, y, s, fit_intercept=fit_intercept, loss=loss)
    params, h = random_params(objective), 1e-3
    slope = np.empty(objective.n_params)
    for j, step in enumerate(h * np.eye(objective.n_params)):
        values = [
            objective.value_and_gradient(params + m * step)[0] for m in (-2, -1, 1, 2)
        ]
        slope[j] = np.dot([1, -8, 8, -1], values) / (12 * h)
    gradient = objective.value_and_gradient(params)[1]
    assert_allclose(gradient, slope, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    "convert",
    [
        np.asfortranarray,
        lambda X: X[:, ::-1][:, ::-1],
        sparse.csr_matrix,
        sparse.csc_matrix,
        sparse.csr_array,
        sparse.coo_array,
    ],
)
def test_every_layout_gives_the_same_sums(convert):
    X, y, s = problem(n=500)
    dense = CrossEntropyObjective(X, y, s)
    other = CrossEntropyObjective(convert(X), y, s)
    params = random_params(dense)
    for a, b in zip(
        dense.value_and_gradient(params), other.value_and_gradient(params), strict=True
    ):
        assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("convert", [np.array, sparse.csr_matrix])
def test_sums_over_blocks_are_sums_over_all_rows(convert, monkeypatch):
    X, y, s = problem(n=500)
    X = convert(X)
    params = np.arange(18.0) / 10
    whole = CrossEntropyObjective(X, y, s).value_and_gradient(params)
    monkeypatch.setattr("skxent.data.blocks.BLOCK_BYTES", 1000)
    monkeypatch.setattr("skxent.data.blocks.MIN_BLOCK_ROWS", 7)
    assert len(list(RowBlocks(X).slices())) > 10
    parts = CrossEntropyObjective(X, y, s).value_and_gradient(params)
    for a, b in zip(whole, parts, strict=True):
        assert_allclose(a, b, rtol=1e-12)


def test_float32_data_are_summed_in_float64():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((800_000, 3)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    params = np.array([0.5, -0.25, 1.0, 0.125])
    value, gradient = CrossEntropyObjective(X, y).value_and_gradient(params)
    assert gradient.dtype == np.float64
    exact = CrossEntropyObjective(X.astype(np.float64), y).value_and_gradient(params)
    # errors of single rows average out, instead of adding up
    assert value == pytest.approx(exact[0], rel=1e-8)
    assert_allclose(gradient, exact[1], atol=2e-7)


def test_scipy_minimises_it_to_the_optimum_of_logistic_regression():
    X, y = load_iris(return_X_y=True)
    objective = CrossEntropyObjective(X, y, C=2.0)
    result = minimize(
        objective.value_and_gradient,
        objective.initial_point(),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-9},
    )
    reference = LogisticRegression(C=2.0, solver="newton-cholesky", tol=1e-12).fit(X, y)
    coef, _ = objective.unpack(result.x)
    assert_allclose(coef, reference.coef_, atol=1e-6)


@pytest.mark.parametrize("loss", ["binary", "softmax"])
def test_initial_point_is_the_intercept_only_optimum(loss):
    X, y, s = problem(n_classes=2)
    objective = CrossEntropyObjective(X, y, s, loss=loss)
    _, gradient = objective.value_and_gradient(objective.initial_point())
    _, intercept_gradient = objective.split(gradient)
    assert_allclose(intercept_gradient, 0, atol=1e-15)
    without = CrossEntropyObjective(X, y, s, loss=loss, fit_intercept=False)
    assert not without.initial_point().any()


def test_pack_takes_lists():
    objective = CrossEntropyObjective(np.eye(2), np.array([0, 1]))
    assert_allclose(objective.pack([[1, 2]], [3]), [1, 2, 3])
    assert_allclose(objective.unpack([1, 2, 3])[0], [[1, 2]])
    assert objective.value_and_gradient([0, 0, 0])[0] == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("coef", "intercept", "name"),
    [
        (np.zeros(2), [0.0], r"coef has the shape \(2,\); expected \(1, 2\)"),
        (np.zeros((1, 3)), [0.0], r"coef has the shape \(1, 3\); expected \(1, 2\)"),
        (np.zeros((1, 2)), 0.0, r"intercept has the shape \(\); expected \(1,\)"),
        (np.zeros((1, 2)), [0, 0], r"intercept has the shape \(2,\); expected \(1,\)"),
    ],
)
def test_pack_refuses_other_shapes(coef, intercept, name):
    objective = CrossEntropyObjective(np.eye(2), np.array([0, 1]))
    with pytest.raises(ValueError, match=f"^{name}.* start from initial_point"):
        objective.pack(coef, intercept)


@pytest.mark.parametrize("method", ["unpack", "value_and_gradient"])
@pytest.mark.parametrize("params", [np.zeros(2), np.zeros(4), np.zeros((1, 3))])
def test_params_of_another_shape_are_refused(method, params):
    objective = CrossEntropyObjective(np.eye(2), np.array([0, 1]))
    with pytest.raises(ValueError, match=r"^params has the shape .* expected \(3,\)"):
        getattr(objective, method)(params)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_pack_inverts_unpack(fit_intercept):
    X, y, _ = problem()
    objective = CrossEntropyObjective(X, y, fit_intercept=fit_intercept)
    params = random_params(objective)
    assert_allclose(objective.pack(*objective.unpack(params)), params)


def test_center_changes_params_but_not_the_model():
    X, y, s = problem()
    plain = CrossEntropyObjective(X, y, s)
    centred = CrossEntropyObjective(X, y, s, center=np.arange(5.0))
    coef, intercept = plain.unpack(random_params(plain))
    params = centred.pack(coef, intercept)
    for a, b in zip(centred.unpack(params), (coef, intercept), strict=True):
        assert_allclose(a, b, rtol=1e-12)
    value = plain.value_and_gradient(plain.pack(coef, intercept))[0]
    assert centred.value_and_gradient(params)[0] == pytest.approx(value, rel=1e-13)


def test_breast_cancer_raw_is_never_written_to():
    X, y = load_breast_cancer(return_X_y=True)
    X.flags.writeable = y.flags.writeable = False
    value, gradient = CrossEntropyObjective(X, y).value_and_gradient(np.zeros(31))
    assert value == pytest.approx(np.log(2), rel=1e-15)
    assert_allclose(gradient[:-1], X.T @ (0.5 - y) / len(y), rtol=1e-12)


@pytest.mark.parametrize("weights", [[1e300, 1e300, 1e300, 1e300], [1e-300] * 4])
def test_extreme_weights_stay_finite(weights):
    X, y = np.arange(4.0)[:, None], np.array([0, 1, 0, 1])
    C = 1 / sum(weights)
    extreme = CrossEntropyObjective(X, y, weights, C=C)
    unit = CrossEntropyObjective(X, y, np.ones(4), C=0.25)
    params = np.array([0.3, -1])
    for a, b in zip(
        extreme.value_and_gradient(params), unit.value_and_gradient(params), strict=True
    ):
        assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X": np.ones(6)}, ValueError, "X has 1 dimension"),
        ({"X": np.ones((6, 2), complex)}, TypeError, "X has dtype complex128"),
        ({"y": [0, 1, 2]}, ValueError, r"y has shape \(3,\)"),
        ({"y": ["a", "b"] * 3}, TypeError, "encode labels"),
        ({"y": [0.0, 1.0] * 3}, TypeError, "expected integer class codes"),
        ({"y": [-1, 1] * 3}, ValueError, "y holds the code -1"),
        ({"y": [0] * 6}, ValueError, "y holds 1 class"),
        ({"y": [0, 2] * 3}, ValueError, "Class 1 has a total weight of 0"),
        ({"y": np.full((6, 2), 0.6)}, ValueError, "Row 0 of y sums to"),
        ({"y": [[-0.5, 1.5]] * 6}, ValueError, "non-negative"),
        ({"sample_weight": [1.0] * 5}, ValueError, "sample_weight has shape"),
        ({"sample_weight": [-1.0] + [1] * 5}, ValueError, "minimum .*-1.0"),
        ({"sample_weight": [0.0] * 6}, ValueError, "positive, finite sum"),
        ({"sample_weight": [1e308] * 6}, ValueError, "positive, finite sum"),
        ({"sample_weight": [0, 1] * 3}, ValueError, "Class 0 has a total weight"),
        ({"C": 0}, ValueError, "C=0: expected a positive number"),
        ({"C": np.nan}, ValueError, "C=nan"),
        ({"C": 1e-300, "sample_weight": [1e-300] * 6}, ValueError, "overflows"),
        ({"loss": "hinge"}, ValueError, "loss='hinge'"),
        ({"loss": "binary", "y": [0, 1, 2] * 2}, ValueError, "needs 2 classes, got 3"),
        ({"center": [0, 0], "fit_intercept": False}, ValueError, "center needs"),
    ],
)
def test_bad_arguments_are_refused(change, error, message):
    arguments = {"X": np.arange(12.0).reshape(6, 2), "y": [0, 1] * 3} | change
    X, y = arguments.pop("X"), arguments.pop("y")
    with pytest.raises(error, match=message):
        CrossEntropyObjective(X, y, **arguments)
