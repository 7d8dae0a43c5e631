"""L-BFGS of long vectors, beside the matrices of BFGS and known optima."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skxent import BinaryLogReg, SoftmaxReg
from skxent.solver.long_vectors import StepMemory, run_long_lbfgs

models = pytest.mark.parametrize(
    ("Estimator", "K"), [(BinaryLogReg, 2), (SoftmaxReg, 2), (SoftmaxReg, 4)]
)


def quadratic(n, condition, seed=0):
    """Return a convex function with its gradient, and its optimum."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(n, n)))[0]
    hessian = basis * np.geomspace(1, condition, n) @ basis.T
    optimum = rng.normal(size=n)

    def evaluate(x):
        change = hessian @ (x - optimum)
        return 0.5 * (x - optimum) @ change, change

    return evaluate, optimum


def run(evaluate, start, max_iter=1000, tol=1e-9):
    """Return where L-BFGS ends, and the points after its iterations."""
    points = []

    def after_iteration(x):
        points.append(x.copy())
        if np.linalg.norm(evaluate(x)[1]) <= tol:
            raise StopIteration

    return run_long_lbfgs(evaluate, start, after_iteration, max_iter), points


# --- the memory of steps ----------------------------------------------------------


def inverse_of(steps, changes):
    """Return the BFGS inverse by its definition, from the identity as L-BFGS scales it.

    That is the identity times sᵀy / yᵀy of the last step.
    """
    n = len(steps[0])
    inverse = np.eye(n) * (steps[-1] @ changes[-1]) / (changes[-1] @ changes[-1])
    for s, y in zip(steps, changes, strict=True):
        left = np.eye(n) - np.outer(s, y) / (s @ y)
        inverse = left @ inverse @ left.T + np.outer(s, s) / (s @ y)
    return inverse


@pytest.mark.parametrize("n_steps", [1, 3, 4, 5, 11])
def test_the_direction_is_that_of_the_last_steps(n_steps):
    rng = np.random.default_rng(n_steps)
    root = rng.normal(size=(9, 12))
    steps = rng.normal(size=(n_steps, 9))
    changes = steps @ (root @ root.T)
    memory = StepMemory(9, 4)
    for step, change in zip(steps, changes, strict=True):
        memory.add(step, change)
    gradient = rng.normal(size=9)
    before = gradient.copy()
    expected = -inverse_of(steps[-4:], changes[-4:]) @ gradient
    size = abs(expected).max()
    assert_allclose(memory.direction(gradient), expected, rtol=0, atol=1e-4 * size)
    assert_array_equal(gradient, before)


@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_the_unit_of_the_gradient_does_not_matter(scale):
    rng = np.random.default_rng(0)
    steps, gradient = rng.normal(size=(3, 8)), rng.normal(size=8)
    memories = StepMemory(8, 4), StepMemory(8, 4)
    for step in steps:
        change = np.arange(1, 9) * step
        memories[0].add(step, change)
        memories[1].add(scale * step, scale * change)
    expected = memories[0].direction(gradient)
    actual = memories[1].direction(scale * gradient) / scale
    assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_vectors_are_read_in_stretches(monkeypatch):
    rng = np.random.default_rng(0)
    steps, gradient = rng.normal(size=(3, 50)), rng.normal(size=50)
    directions = []
    for stretch in (50, 7):
        monkeypatch.setattr("skxent.solver.long_vectors.STRETCH", stretch)
        memory = StepMemory(50, 5)
        for step in steps:
            memory.add(step, np.arange(1, 51) * step)
        directions.append(memory.direction(gradient))
    assert_allclose(*directions, rtol=1e-4, atol=1e-5)


def test_without_steps_it_follows_the_gradient():
    gradient = np.arange(5.0)
    memory = StepMemory(5, 3)
    assert_array_equal(memory.direction(gradient), -gradient)
    # neither has curvature
    memory.add(gradient, np.zeros(5))
    memory.add(gradient, -gradient)
    assert_array_equal(memory.direction(gradient), -gradient)


# --- the iterations ---------------------------------------------------------------


@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4])
def test_it_finds_the_optimum_of_a_quadratic(condition):
    evaluate, optimum = quadratic(30, condition)
    x, points = run(evaluate, np.zeros(30))
    assert_allclose(x, optimum, rtol=0, atol=1e-8)
    assert_array_equal(x, points[-1])
    values = [evaluate(point)[0] for point in points]
    assert (np.diff(values) <= 0).all()


def test_the_first_step_is_as_long_as_the_gradient():
    evaluate, optimum = quadratic(30, 1.0)
    x, points = run(evaluate, np.zeros(30))
    assert len(points) == 1
    assert_allclose(x, optimum, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_a_step_that_is_too_long_or_too_short_is_changed(scale):
    evaluate, optimum = quadratic(6, 10.0)
    n_evals = 0

    def scaled(x):
        nonlocal n_evals
        n_evals += 1
        value, gradient = evaluate(x)
        return scale * value, scale * gradient

    x, points = run(scaled, np.zeros(6), tol=1e-8 * scale)
    assert_allclose(x, optimum, rtol=0, atol=1e-7)
    # once the scale is known, a step takes one evaluation; `run` adds another
    assert n_evals - len(points) <= len(points) + 12


def test_it_finds_a_minimum_that_is_not_quadratic():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(80, 10))

    def evaluate(x):
        z = A @ x
        return np.logaddexp(z, -2 * z).sum(), A.T @ (1 - 3 / (1 + np.exp(3 * z)))

    x, _ = run(evaluate, 5 * rng.normal(size=10), tol=1e-9)
    assert np.linalg.norm(evaluate(x)[1]) <= 1e-9


def test_it_stops_after_max_iter_iterations():
    evaluate, _ = quadratic(30, 1e4)
    x, points = run(evaluate, np.zeros(30), max_iter=3)
    assert len(points) == 3
    assert_array_equal(x, points[-1])


def test_it_stops_where_nothing_falls():
    evaluate, optimum = quadratic(5, 10.0)
    x, points = run(evaluate, optimum)
    assert points == []
    assert_array_equal(x, optimum)


def test_a_few_vectors_are_all_that_it_needs():
    n = 300_000
    curvature = np.linspace(1, 9, n)

    def evaluate(x):
        return float(0.5 * x @ (curvature * x)), curvature * x

    def after_iteration(x):
        pass

    start = np.ones(n)
    tracemalloc.start()
    try:
        run_long_lbfgs(evaluate, start, after_iteration, 12)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # six steps with their changes in float32, and some vectors of float64
    assert peak / (8 * n) <= 7 + 8


# --- as a part of fits ------------------------------------------------------------


@models
@pytest.mark.parametrize("C", [1e-2, 1.0, 100.0])
def test_fits_end_where_those_of_scipy_end(Estimator, K, C, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 12)) * np.logspace(-2, 2, 12) + np.arange(12)
    z = (X - X.mean(axis=0)) / X.std(axis=0) @ rng.normal(size=(12, K)) / 2
    z += rng.gumbel(size=z.shape)
    y = z.argmax(axis=1)
    monkeypatch.setattr("skxent.solver.small_newton.MAX_EVALUATION", 0)
    model = Estimator(C=C, tol=1e-12).fit(X, y)
    called = []

    def noting(*arguments):
        called.append(1)
        return run_long_lbfgs(*arguments)

    monkeypatch.setattr("skxent.solver.single_round.LONG", 0)
    monkeypatch.setattr("skxent.solver.single_round.run_long_lbfgs", noting)
    other = Estimator(C=C, tol=1e-12).fit(X, y)
    assert called
    assert model.converged_
    assert other.converged_
    assert other.loss_curve_[-1] == pytest.approx(model.loss_curve_[-1], rel=1e-11)
    assert_allclose(other.predict_proba(X), model.predict_proba(X), rtol=0, atol=1e-5)
