"""A short run of benchmarks/stress.py, and the laws of its reference.

The benchmark draws problems from seeds; these are some of them, chosen by nobody.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from _brute_force import optimum as brute_force_optimum
from _reference import objective, optimum

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from _stress_problems import KINDS, formulate, make_case
from _stress_reference import Problem, find_optimum
from stress import VERDICTS, judge, summarise

N_PROBLEMS = {"smooth": 24, "other": 16}


@pytest.mark.parametrize("kind", KINDS)
def test_no_random_problem_is_judged_wrong(kind):
    reports = [judge(seed, kind) for seed in range(N_PROBLEMS[kind])]
    wrong = [(r["seed"], r["wrong"], r["families"]) for r in reports if r["wrong"]]
    assert not wrong
    table = summarise(reports)
    assert all(verdict in table for verdict in VERDICTS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_is_always_the_same_problem(kind):
    first, again = make_case(7, kind), make_case(7, kind)
    assert first.families == again.families
    np.testing.assert_array_equal(
        formulate(first).X, formulate(again).X, err_msg=str(first.families)
    )
    np.testing.assert_array_equal(first.y, again.y)


def test_the_families_are_drawn():
    drawn = {
        family.split(" ")[0].split("=")[0]
        for kind in KINDS
        for seed in range(400)
        for family in make_case(seed, kind).families
    }
    expected = "far outliers sparse float32 weights offset soft warm separable scales"
    assert drawn >= {*expected.split(), "l1_ratio", "bounds", "penalty_weights", "tol"}


def problem_of(X, y, *, binary, C, l1_ratio=0.0, bounds=(-np.inf, np.inf)):
    strength = np.full(X.shape[1], 1 / (C * len(y)))
    return Problem(
        X=X,
        q=np.eye(y.max() + 1)[y],
        binary=binary,
        s=np.ones(len(y)),
        offset=None,
        l1=l1_ratio * strength,
        l2=(1 - l1_ratio) * strength,
        lower=np.full(X.shape[1], bounds[0]),
        upper=np.full(X.shape[1], bounds[1]),
        fit_intercept=True,
    )


def zero(problem):
    L = 1 if problem.binary else problem.q.shape[1]
    return np.zeros((L, problem.X.shape[1])), np.zeros(L)


@pytest.mark.parametrize(("binary", "K"), [(True, 2), (False, 2), (False, 4)])
@pytest.mark.parametrize("C", [1e-2, 1.0, 1e4])
def test_the_reference_agrees_with_another_newton_method(binary, K, C):
    rng = np.random.default_rng(K)
    X = rng.normal(size=(120, 4)) * [1e-5, 1, 1e5, 1] + [0, 1e4, 0, 0]
    X[3, 3] = 1e8
    y = np.append(np.arange(K), rng.integers(K, size=116 + 4 - K))
    problem = problem_of(X, y, binary=binary, C=C)
    best = find_optimum(problem, zero(problem))
    expected = optimum(X, y, C=C, binary=binary).value
    assert best.proved
    assert abs(best.value - expected) <= 1e-12 * expected


@pytest.mark.parametrize(("binary", "K"), [(True, 2), (False, 3)])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("bounds", [(-np.inf, np.inf), (0, np.inf), (-0.1, 0.2)])
def test_the_reference_agrees_with_brute_force(binary, K, l1_ratio, bounds):
    rng = np.random.default_rng(K)
    X, y = (
        rng.normal(size=(60, 4)),
        np.append(np.arange(K), rng.integers(K, size=60 - K)),
    )
    problem = problem_of(X, y, binary=binary, C=0.3, l1_ratio=l1_ratio, bounds=bounds)
    best = find_optimum(problem, zero(problem))
    expected = brute_force_optimum(
        X, problem.q, binary=binary, bounds=bounds, C=0.3, l1_ratio=l1_ratio
    )
    assert best.proved
    assert float(best.value) == pytest.approx(expected.value, rel=1e-8)
    assert best.value <= expected.value * (1 + 1e-15)


def test_F_of_the_reference_is_that_of_the_other_one():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), np.arange(50) % 3
    coef, intercept = 10 * rng.normal(size=(3, 3)), rng.normal(size=3)
    problem = problem_of(X, y, binary=False, C=2.0)
    expected = objective(coef, intercept, X, y, C=2.0)
    assert float(problem.value(coef, intercept) / expected) == pytest.approx(
        1, rel=1e-17
    )
