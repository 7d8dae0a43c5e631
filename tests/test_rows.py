"""Another kind of rows: everything that the solver asks of data is in `Rows`."""

import contextlib
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skxent.data.in_memory import InMemoryRows
from skxent.data.partition import Share
from skxent.data.rows import Block, Largest, Sum
from skxent.model.losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from skxent.model.objective import Objective
from skxent.model.penalty import Penalty
from skxent.model.problem import Problem
from skxent.solver.minimise import minimise


class RowsInFiles:
    """Rows of which each block is a file."""

    is_sparse, are_elsewhere, center, typical_offset = False, False, None, None
    dtype = np.dtype(np.float64)

    def __init__(self, folder, n_features, columns=slice(None), left_out=None):
        self._files = sorted(folder.glob("*.npz"))
        self._columns, self.n_features = columns, n_features
        self._left_out = None
        self.n_samples = sum(len(block.targets) for block in self._blocks())
        self.n_stored = self.n_samples * n_features
        sums = [block.weights.sum() for block in self._blocks()]
        self.weight_sum, self.mean_factor = sum(sums), 1 / sum(sums)
        self._left_out = left_out

    def _blocks(self):
        start = 0
        for file in self._files:
            with np.load(file) as parts:
                X, y, s = (parts[name] for name in "Xys")
            if self._left_out is not None:
                s = np.where(start + np.arange(len(y)) == self._left_out, 0, s)
            yield Block(np.ascontiguousarray(X[:, self._columns]), y, s, None, start)
            start += len(y)

    def map_reduce(self, function, *results, width=0, work=1):
        arrays = [np.zeros(result.shape) for result in results]
        for block in self._blocks():
            function(block, *arrays)
        return arrays

    def map_blocks(self, function, *, width, work):
        return [function(block) for block in self._blocks()]

    def map(self, function, items, work):
        return [function(item) for item in items]

    def spread(self):
        return next(self._blocks())

    def class_totals(self, n_classes):
        totals = (np.bincount(b.targets, b.weights, n_classes) for b in self._blocks())
        return sum(totals)

    def column_means(self):
        return sum(block.X.sum(axis=0) for block in self._blocks()) / self.n_samples

    def with_columns(self, columns):
        folder = self._files[0].parent
        return RowsInFiles(folder, len(columns), columns, self._left_out)

    def without_row(self, index):
        folder = self._files[0].parent
        return RowsInFiles(folder, self.n_features, self._columns, index)

    def column_blocks(self, columns):
        return None

    def read_in_float64(self):
        return False

    def describe(self, width, work):
        return f"{len(self._files)} files"

    def threads(self):
        return contextlib.nullcontext()


def some_data(K, n=600, d=7):
    rng = np.random.default_rng(K)
    X = rng.normal(size=(n, d)) * 10.0 ** np.arange(-3, d - 3)
    logits = X / 10.0 ** np.arange(-3, d - 3) @ rng.normal(size=(d, K))
    y = (logits + 2 * rng.gumbel(size=(n, K))).argmax(axis=1)
    return X, y, rng.uniform(0.2, 1, n)


@pytest.fixture
def both_kinds(tmp_path):
    """Return a function that gives a problem twice: in memory, and in files."""

    def problems(K, fit_intercept=True):
        X, y, s = some_data(K)
        for i, at in enumerate(np.array_split(np.arange(len(y)), 9)):
            np.savez(tmp_path / f"{i}.npz", X=X[at], y=y[at], s=s[at])
        loss = BinaryCrossEntropy() if K == 2 else SoftmaxCrossEntropy()
        for rows in (InMemoryRows(X, y, s), RowsInFiles(tmp_path, X.shape[1])):
            yield Problem(rows, loss, K, fit_intercept)

    return problems


@pytest.mark.parametrize("K", [2, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    "penalty",
    [
        {"l1_ratio": 0.0, "bounds": None},
        {"l1_ratio": 1.0, "bounds": None},
        {"l1_ratio": 0.5, "bounds": (-0.1, np.inf)},
    ],
)
def test_where_the_rows_are_changes_nothing(both_kinds, K, fit_intercept, penalty):
    solutions = []
    for problem in both_kinds(K, fit_intercept):
        strength = 1e-2 / problem.rows.weight_sum
        of_coef = Penalty.elastic_net(
            strength, weights=None, n_features=problem.n_features, **penalty
        )
        objective = Objective(problem, of_coef)
        start = objective.initial_point()
        solution = minimise(objective, start, tol=1e-10, max_iter=500)
        assert solution.converged
        solutions.append((objective, solution))
    (expected, _), (objective, in_files) = solutions
    F = [o.evaluate(s.params).value for o, s in solutions]
    assert F[1] == pytest.approx(F[0], rel=1e-9)
    assert in_files.duality_gap <= 1e-6 * F[1]
    params = objective.initial_point() + 1e-3
    of_start = expected.evaluate(params).gradient
    assert_allclose(
        objective.evaluate(params).gradient,
        of_start,
        rtol=1e-9,
        atol=1e-12 * abs(of_start).max(),
    )
    # both estimates are true
    slack = sum(s.suboptimality for _, s in solutions) * F[0] + 1e-15
    assert abs(F[1] - F[0]) <= 3 * slack


def test_columns_of_rows_anywhere_are_those_of_a_smaller_problem(both_kinds):
    in_memory, in_files = both_kinds(2)
    columns = np.array([1, 4, 5])
    penalty = Penalty.elastic_net(0.1, 0.0, None, None, in_files.n_features)
    params = np.array([0.3, -0.2, 0.1, 0.5])
    first, second = (
        Objective(problem, penalty).on_columns(columns).evaluate(params)
        for problem in (in_memory, in_files)
    )
    assert second.value == pytest.approx(first.value, rel=1e-12)
    assert_allclose(second.gradient, first.gradient, rtol=1e-12)


def test_without_a_row_F_lacks_its_share(both_kinds):
    params = np.linspace(-1, 1, 8) / 10.0 ** np.arange(-3, 5)
    for problem in both_kinds(2):
        objective = Objective(problem, Penalty.elastic_net(1e-3, 0, None, None, 7))
        X, y, s = some_data(2)
        margin = (2 * y[300] - 1) * (X[300] @ params[:7] + params[7])
        share = s[300] * np.logaddexp(0, -margin) / s.sum()
        value = objective.evaluate(params).value
        others = objective.without_row(300)
        assert others.evaluate(params).value == pytest.approx(value - share, abs=1e-12)
        assert objective.evaluate(params).value == value


def test_one_problem_serves_many_penalties(both_kinds):
    problem, _ = both_kinds(3)
    values, start = [], problem.initial_point()
    for strength in (1e-1, 1e-3, 1e-5):
        penalty = Penalty.elastic_net(strength, 0.0, None, None, problem.n_features)
        objective = Objective(problem, penalty)
        solution = minimise(objective, start, tol=1e-10, max_iter=200)
        assert solution.converged
        values.append(problem.evaluate(solution.params).value)
        start = solution.params
    assert values[0] > values[1] > values[2]


@pytest.mark.parametrize("K", [2, 3])
def test_a_fit_may_start_with_the_preconditioner_of_another(both_kinds, K):
    problem, _ = both_kinds(K)

    def objective(C):
        strength = 1 / (C * problem.rows.weight_sum)
        penalty = Penalty.elastic_net(strength, 0.0, None, None, problem.n_features)
        return Objective(problem, penalty)

    start = problem.initial_point()
    first = minimise(objective(1.0), start, tol=1e-10, max_iter=200)
    fresh = minimise(objective(2.0), first.params, tol=1e-10, max_iter=200)
    again = minimise(
        objective(2.0),
        first.params,
        tol=1e-10,
        max_iter=200,
        preconditioner=first.preconditioner,
    )
    assert again.converged
    assert again.loss_curve[-1] == pytest.approx(fresh.loss_curve[-1], rel=1e-10)


def test_fits_of_one_problem_do_not_notice_each_other(monkeypatch):
    monkeypatch.setattr("skxent.data.blocks.SMALL_BYTES", 0)
    X, y, s = some_data(2)
    rows = InMemoryRows(X.astype(np.float32), y, s)
    problem = Problem(rows, BinaryCrossEntropy(), 2, True)
    penalty = Penalty.elastic_net(0.1, 0.0, None, None, problem.n_features)
    first = Objective(problem, penalty)
    second = first.with_penalty(penalty)
    assert first.rows.read_in_float64()
    assert rows.dtype == second.rows.dtype == np.float32
    start = second.initial_point()
    counts = [minimise(second, start, tol=1e-8, max_iter=100).n_evals for _ in range(3)]
    # the first goes over to float64 at its end
    assert counts[1] == counts[2] <= counts[0]


def test_sums_of_shares_do_not_depend_on_their_order():
    rng = np.random.default_rng(0)
    # sums that cancel: every order of ordinary addition gives other digits
    parts = rng.normal(size=(40, 3)) * 10.0 ** rng.uniform(-8, 8, (40, 3))
    parts[20:] = -parts[:20] * (1 + 1e-9 * rng.normal(size=(20, 3)))
    results = [Sum(3), Largest()]
    shares = [Share.of([part.copy(), np.array(abs(part).max())]) for part in parts]
    seen = set()
    for _ in range(20):
        total = Share.of([np.zeros(3), np.zeros(())])
        groups = np.array_split(rng.permutation(40), rng.integers(1, 40))
        for group in groups:
            of_group = shares[group[0]].copy()
            for i in group[1:]:
                of_group.merge(results, shares[i])
            total.merge(results, of_group)
        sums, largest = total.rounded()
        assert largest == abs(parts).max()
        seen.add(sums.tobytes())
        assert_array_equal(sums, [math.fsum(column) for column in parts.T])
    assert len(seen) == 1
    assert_array_equal(shares[0].arrays[0], parts[0])


def test_infinite_sums_of_shares_stay_infinite():
    results = [Sum(2)]
    total = Share.of([np.array([np.inf, 1.0])])
    for _ in range(3):
        total.merge(results, Share.of([np.array([1.0, 1.0])]))
    assert_array_equal(total.rounded()[0], [np.inf, 4])
