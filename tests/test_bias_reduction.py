"""The objective of bias-reduced logistic regression, and its optimum."""

import mpmath
import numpy as np
import pytest
from scipy import sparse

from skxent.data.blocks import far_center
from skxent.data.in_memory import InMemoryRows
from skxent.model.bias_reduction import BiasReducedObjective
from skxent.model.losses import LOSSES
from skxent.model.problem import Problem
from skxent.solver.bias_reduced import minimise_bias_reduced


def make_objective(X, y, weights=None, offset=None, fit_intercept=True):
    offset = None if offset is None else offset[:, None]
    center = far_center(X, 30) if fit_intercept else None
    rows = InMemoryRows(X, y, weights, offset, center=center)
    return BiasReducedObjective(Problem(rows, LOSSES["binary"], 2, fit_intercept))


def make_data(n=40, d=3, seed=0):
    """Return raw columns, codes, weights that count rows, and an offset."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-2, 2, d) + [0, 300, -2][:d]
    y = (rng.random(n) < 0.3).astype(int)
    return X, y, rng.integers(0, 4, n).astype(float), rng.normal(size=n)


def penalised_log_likelihood(X, y, s, offset, coef, intercept):
    """The log-likelihood plus ½ log det I, in 50 digits."""
    with mpmath.workdps(50):
        rows = [[mpmath.mpf(v) for v in row] for row in X.tolist()]
        total, e = mpmath.mpf(0), len(coef) + 1
        information = mpmath.zeros(e)
        for x, code, weight, known in zip(rows, y, s, offset, strict=True):
            z = mpmath.fdot(x, coef.tolist()) + float(intercept) + float(known)
            p = 1 / (1 + mpmath.exp(-z))
            total += float(weight) * mpmath.log(p if code else 1 - p)
            x = mpmath.matrix([*x, 1])
            information += float(weight) * p * (1 - p) * (x * x.T)
        return float(total + mpmath.log(mpmath.det(information)) / 2)


# --- the objective ----------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_the_value_agrees_with_50_digits(kind):
    X, y, s, offset = make_data()
    objective = make_objective(kind(X), y, s, offset)
    problem = objective.problem
    params = problem.pack(np.array([[0.1, -0.02, 0.3]]), np.array([5.0]))
    coef, intercept = problem.unpack(params)
    expected = penalised_log_likelihood(X, y, s, offset, coef[0], intercept[0])
    value = -objective.evaluate(params).value * s.sum()
    assert value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_the_gradient_is_that_of_finite_differences(kind, fit_intercept):
    X, y, s, offset = make_data()
    scale = X.std(axis=0)
    objective = make_objective(kind(X / scale), y, s, offset, fit_intercept)
    params = np.random.default_rng(1).normal(size=3 + fit_intercept) / 10
    differences = [
        (
            objective.evaluate(params + 1e-5 * unit).value
            - objective.evaluate(params - 1e-5 * unit).value
        )
        / 2e-5
        for unit in np.eye(len(params))
    ]
    gradient = objective.evaluate(params).gradient
    np.testing.assert_allclose(gradient, differences, atol=1e-8)


def test_the_root_is_one_of_the_inverse_information():
    X, y, s, offset = make_data()
    objective = make_objective(X, y, s, offset, fit_intercept=False)
    params = np.array([0.1, 0.01, -0.3])
    p = 1 / (1 + np.exp(-(X @ params + offset)))
    information = X.T @ (X * (s * p * (1 - p))[:, None]) / s.sum()
    root = objective.evaluate(params).root
    np.testing.assert_allclose(root @ root.T @ information, np.eye(3), atol=1e-10)


def test_columns_that_are_nearly_dependent_keep_their_digits():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    X[:, 2] = X[:, 0] - X[:, 1] + 1e-5 * X[:, 2]
    y = (rng.random(40) < 0.4).astype(int)
    objective = make_objective(X, y)
    params = objective.problem.pack(np.array([[0.5, 1.0, -0.5]]), np.array([0.2]))
    coef, intercept = objective.problem.unpack(params)
    ones = np.ones(40)
    expected = penalised_log_likelihood(X, y, ones, 0 * ones, coef[0], intercept[0])
    value = -objective.evaluate(params).value * 40
    assert value == pytest.approx(expected, rel=1e-11)


def test_logits_without_information_have_an_infinite_value():
    X, y, _, _ = make_data()
    evaluation = make_objective(X, y).evaluate(np.array([1e9, 0, 0, 0]))
    assert evaluation.value == np.inf and evaluation.log_det == -np.inf


@pytest.mark.parametrize("unit", [1e-100, 1, 1e100])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_dependent_columns_are_found(kind, unit):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 6))
    X[:, 1] = 7.1
    X[:, 3] = 2 * X[:, 0] - X[:, 2] + 5
    X[:, 5] = 0
    y = (rng.random(30) < 0.4).astype(int)
    objective = make_objective(kind(X * unit), y)
    assert np.flatnonzero(objective.is_dependent).tolist() == [1, 3, 5]
    solution, kept = minimise(objective), [0, 2, 4]
    without = minimise(make_objective(kind(X[:, kept] * unit), y))
    assert (solution.params[objective.is_dependent] == 0).all()
    for name in ("value", "log_det"):
        assert getattr(solution.evaluation, name) == pytest.approx(
            getattr(without.evaluation, name), rel=1e-12
        )
    coef, expected = solution.params[kept] * unit, without.params[:3] * unit
    np.testing.assert_allclose(coef, expected, rtol=1e-7)


def test_columns_beyond_the_number_of_rows_are_dependent():
    rng = np.random.default_rng(0)
    objective = make_objective(rng.normal(size=(5, 6)), np.array([0, 1, 0, 1, 1]))
    assert np.flatnonzero(objective.is_dependent).tolist() == [4, 5]
    assert objective.rank == 5


# --- the optimum ------------------------------------------------------------------


def minimise(objective, tol=1e-9, **options):
    start = objective.problem.initial_point()
    return minimise_bias_reduced(objective, start, tol=tol, max_iter=100, **options)


def test_a_combination_of_params_keeps_its_value():
    X, y, s, offset = make_data()
    objective = make_objective(X / X.std(axis=0), y, s, offset)
    fixed = np.array([1.0, -2.0, 0.5, 0.3])
    start = objective.problem.initial_point()
    solution = minimise(objective, fixed=fixed)
    assert solution.outcome == "converged"
    assert fixed @ solution.params == pytest.approx(fixed @ start, abs=1e-12)
    # the gradient is a multiple of the constraint
    gradient = solution.evaluation.gradient
    rest = gradient - fixed * (fixed @ gradient) / (fixed @ fixed)
    assert np.abs(rest).max() < 1e-10 < np.abs(gradient).max()


def test_the_distance_is_in_standard_errors():
    X, y, s, offset = make_data()
    rough = minimise(make_objective(X, y, s, offset), tol=0.1)
    objective = make_objective(X, y, s, offset)
    exact = minimise(objective)
    step = exact.params - rough.params
    root = exact.evaluation.root
    true_distance = np.linalg.norm(np.linalg.solve(root, step)) * np.sqrt(s.sum())
    assert 0 < rough.distance <= 0.1
    assert 0.5 < true_distance / rough.distance < 2
