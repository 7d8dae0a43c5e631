"""The solver and its parts: counts, limits, scales, memory, changes of variables.

Where a fit has to be near the optimum, the distance is measured by `_reference.py`.
"""

import tracemalloc
import warnings

import numpy as np
import pytest
from _reference import objective as value_of
from _reference import optimum
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from skxent import BinaryLogReg, CrossEntropyObjective, SoftmaxReg
from skxent.model.certificate import certify
from skxent.model.class_hessians import class_hessians
from skxent.model.curvature import (
    coupled_hessian,
    curvature_moments,
    mean_curvature,
)
from skxent.model.second_order import evaluate_second_order
from skxent.solver.minimise import minimise
from skxent.solver.preconditioners.by_class import ClassPreconditioner, ClassRecipe
from skxent.solver.preconditioners.coupled import CoupledPreconditioner
from skxent.solver.preconditioners.diagonal import DiagonalPreconditioner
from skxent.solver.preconditioners.prices import affordable_rows
from skxent.solver.preconditioners.shared import SharedPreconditioner, SharedRecipe
from skxent.solver.progress import Progress
from skxent.solver.row_space import RowSpace, row_space_pays

models = pytest.mark.parametrize(
    ("Estimator", "K"),
    [(BinaryLogReg, 2), (SoftmaxReg, 2), (SoftmaxReg, 4)],
    ids=["BinaryLogReg", "SoftmaxReg, 2 classes", "SoftmaxReg, 4 classes"],
)
losses = pytest.mark.parametrize(
    ("loss", "K"), [("binary", 2), ("softmax", 2), ("softmax", 4)]
)
intercepts = pytest.mark.parametrize("fit_intercept", [True, False])


def make_data(K, n=300, d=6, seed=0, scales=None):
    """Return correlated columns of unequal scale, which do not separate the classes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) @ (np.eye(d) + rng.normal(size=(d, d)) / np.sqrt(d))
    logits = X @ rng.normal(size=(d, K)) / np.sqrt(d) + rng.gumbel(size=(n, K))
    return X * (np.logspace(-1, 1, d) if scales is None else scales), logits.argmax(1)


def make_objective(loss, K, fit_intercept=True, C=0.5, **kwargs):
    X, y = make_data(K, n=120, d=4)
    s = np.random.default_rng(1).exponential(size=len(y))
    return CrossEntropyObjective(
        X, y, s, C=C, loss=loss, fit_intercept=fit_intercept, **kwargs
    )


def some_params(objective, size=0.5, seed=2):
    """Return params whose classes sum to 0, as those of every fit do."""
    params = size * np.random.default_rng(seed).normal(size=objective.n_params)
    rows = params.reshape(objective.n_logits, -1)
    return (rows - rows.mean(axis=0) * (len(rows) > 1)).ravel()


def relative_gap(model, X, y, C=1.0, **kwargs):
    """Return the true (F − F*) / F*."""
    best = optimum(X, y, C=C, binary=len(model.coef_) == 1, **kwargs).value
    return value_of(model.coef_, model.intercept_, X, y, C=C) / best - 1


# --- counts, limits and messages -------------------------------------------------


@models
@pytest.mark.parametrize("C", [1.0, np.inf])
@pytest.mark.parametrize("shape", ["tall", "wide", "far"])
def test_every_evaluation_on_all_rows_is_counted(Estimator, K, C, shape, monkeypatch):
    X, y = make_data(K, *((40, 80) if shape == "wide" else (300, 6)))
    X = X + (1e6 if shape == "far" else 0)
    y[:K] = np.arange(K)
    calls = []
    evaluate = CrossEntropyObjective.evaluate

    def counting(self, params):
        calls.append(self.n_samples)
        return evaluate(self, params)

    def counting_second_order(objective, params):
        calls.append(objective.n_samples)
        return evaluate_second_order(objective, params)

    monkeypatch.setattr(CrossEntropyObjective, "evaluate", counting)
    monkeypatch.setattr(
        "skxent.solver.small_newton.evaluate_second_order", counting_second_order
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # wide is separable
        model = Estimator(C=C).fit(X, y)
    assert set(calls) == {len(y)}
    assert model.n_evals_ == len(calls)
    assert model.n_evals_ > model.n_iter_[0] > 0


@models
@pytest.mark.parametrize("max_iter", [1, 2, 3])
def test_max_iter_is_respected_and_the_warning_says_so(Estimator, K, max_iter):
    X, y = make_data(K)
    with pytest.warns(ConvergenceWarning) as caught:
        model = Estimator(C=100.0, tol=1e-12, max_iter=max_iter).fit(X, y)
    (warning,) = caught
    message = str(warning.message)
    # what happened, how far it came, what was asked for, and what to do
    assert f"max_iter={max_iter} " in message
    assert f"{model.suboptimality_:.1e}" in message
    assert "tol=1.0e-12" in message
    assert message.endswith("Increase max_iter.")
    assert_array_equal(model.n_iter_, [max_iter])
    assert len(model.loss_curve_) == max_iter
    assert model.converged_ is False
    assert model.suboptimality_ > 1e-12
    # the estimate is honest of what was reached, too
    assert relative_gap(model, X, y, C=100.0) <= 3 * model.suboptimality_


@models
def test_an_impossible_tol_ends_with_a_remedy_and_not_at_max_iter(Estimator, K):
    # F is known to 1e-16 of itself, and so is no (F − F*) / F of 1e-30
    X, y = make_data(K)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = Estimator(tol=1e-40).fit(X, y)
    assert model.n_iter_[0] < 200
    assert relative_gap(model, X, y) <= 1e-14
    if not model.converged_:
        (warning,) = caught
        assert "larger tol" in str(warning.message)


@losses
def test_listeners_hear_once_of_each_iteration(loss, K):
    objective = make_objective(loss, K)
    trace, heard = Progress(), []
    trace.after.append(heard.append)
    solution = minimise(
        objective, objective.initial_point(), tol=1e-8, max_iter=100, progress=trace
    )
    assert [it.number for it in heard] == list(range(1, solution.n_iter + 1))
    values = [it.value for it in heard]
    suboptimalities = [it.suboptimality for it in heard]
    assert_array_equal(values, solution.loss_curve)
    assert_array_equal(heard[-1].params, solution.params)
    # the step that verifies the answer is an iteration, too, if F resolves its gain
    assert min(suboptimalities[:-2]) > 1e-8 >= suboptimalities[-1]


@models
@pytest.mark.parametrize("max_iter", [0, 1, 2, 5, 1000])
def test_relative_suboptimality_is_at_most_one(Estimator, K, max_iter):
    # (F − F*) / F ≤ 1, because F* ≥ 0. Without an intercept to take them up, columns
    # far from 0 leave float32 few digits, and a fit that may not get anywhere.
    X, y = make_data(K, n=200_000, d=11, scales=np.ones(11))
    X = (X + 1e6).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = Estimator(fit_intercept=False, max_iter=max_iter).fit(X, y)
    assert 0 <= model.suboptimality_ <= 1
    assert model.converged_ is (model.suboptimality_ <= model.tol)


# --- tol and scales --------------------------------------------------------------


@models
@pytest.mark.parametrize("C", [1e-2, 1.0, 1e4])
@pytest.mark.parametrize("tol", [1e-2, 1e-5, 1e-10, 1e-13])
def test_tol_is_the_relative_distance_to_the_optimum(Estimator, K, C, tol):
    X, y = make_data(K, scales=np.logspace(-3, 3, 6))
    model = Estimator(C=C, tol=tol).fit(X, y)
    assert model.converged_ is True
    assert model.suboptimality_ <= tol
    assert relative_gap(model, X, y, C=C) <= 3 * tol


@models
def test_smaller_tol_takes_more_iterations_and_ends_lower(Estimator, K):
    X, y = make_data(K)
    fits = [Estimator(C=100.0, tol=tol).fit(X, y) for tol in (1e-1, 1e-4, 1e-9)]
    # with its quadratic convergence, a Newton step may reach several of them
    n_iter = [fit.n_iter_[0] for fit in fits]
    assert n_iter[0] <= n_iter[1] <= n_iter[2] > n_iter[0]
    F = [fit.loss_curve_[-1] for fit in fits]
    assert F[0] >= F[1] >= F[2] < F[0]


@models
@intercepts
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_without_penalty_the_units_of_columns_do_not_matter(
    Estimator, K, fit_intercept, factor
):
    # The change of variables follows the units, so the path of the models is the same.
    X, y = make_data(K)
    units = np.where(np.arange(X.shape[1]) % 2, factor, 1.0)
    model = Estimator(C=np.inf, fit_intercept=fit_intercept).fit(X, y)
    other = Estimator(C=np.inf, fit_intercept=fit_intercept).fit(X * units, y)
    assert abs(other.n_iter_[0] - model.n_iter_[0]) <= 3
    assert_allclose(
        other.loss_curve_[:3], model.loss_curve_[:3], rtol=1e-6, err_msg="the path"
    )
    assert_allclose(other.coef_ * units, model.coef_, rtol=0, atol=1e-3)


@models
@pytest.mark.parametrize("shift", [1e3, 1e6])
def test_the_place_of_columns_does_not_matter_to_the_path(Estimator, K, shift):
    # w (x + a) + b = w x + (b + w a), and b is free: any C will do
    X, y = make_data(K)
    model = Estimator().fit(X, y)
    other = Estimator().fit(X + shift, y)
    assert abs(other.n_iter_[0] - model.n_iter_[0]) <= 3
    assert_allclose(other.coef_, model.coef_, rtol=0, atol=1e-3)


# --- threads and memory ----------------------------------------------------------


@models
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_number_of_threads_does_not_matter(Estimator, K, dtype):
    # more than SMALL_BYTES, so that two threads are really two
    X, y = make_data(K, n=150_000, d=16)
    X = X.astype(dtype)
    fits = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            fits.append(Estimator().fit(X, y))
    values = [value_of(fit.coef_, fit.intercept_, X, y, C=1.0) for fit in fits]
    assert float(values[1]) == pytest.approx(float(values[0]), rel=1e-6)
    assert_allclose(fits[1].predict_proba(X), fits[0].predict_proba(X), atol=1e-3)


def peak_of_fit(estimator, X, y):
    """Return the bytes that a fit takes beyond its input."""
    tracemalloc.start()
    try:
        estimator.fit(X, y)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("Estimator", "K", "change"),
    [
        (BinaryLogReg, 2, np.asarray),
        (BinaryLogReg, 2, np.asfortranarray),
        (BinaryLogReg, 2, lambda X: X + 1e6),
        (SoftmaxReg, 5, np.asarray),
    ],
    ids=["binary", "Fortran order", "far from 0", "softmax"],
)
def test_a_fit_needs_little_memory_beyond_X(Estimator, K, change):
    # No copy of X, and nothing of n × L but what is in the cache: X here has 80 MB.
    rng = np.random.default_rng(0)
    X = change(rng.normal(size=(200_000, 50)))
    y = (X[:, :K] + rng.gumbel(size=(200_000, K))).argmax(axis=1)
    assert peak_of_fit(Estimator(), X, y) <= 0.1 * X.nbytes + 30e6


def test_a_sparse_fit_needs_little_memory_beyond_X():
    # 20,000 columns: a Hessian of all would have 3.2 GB, and X has 48 MB
    rng = np.random.default_rng(0)
    X = sparse.random_array((40_000, 20_000), density=0.005, format="csr", rng=rng)
    y = rng.integers(0, 2, 40_000)
    assert peak_of_fit(BinaryLogReg(C=1e-2), X, y) <= 100e6


def test_a_thousand_classes():
    rng = np.random.default_rng(0)
    y = np.arange(4000) % 1000
    X = rng.normal(size=(1000, 50))[y] + rng.normal(size=(4000, 50))
    model = SoftmaxReg(C=0.1).fit(X, y)
    assert model.coef_.shape == (1000, 50)
    # F − F* ≤ duality gap
    F = value_of(model.coef_, model.intercept_, X, y, C=0.1)
    assert model.duality_gap_ <= 1e-6 * F


def test_ten_classes_of_many_columns():
    rng = np.random.default_rng(0)
    y = np.arange(1600) % 10
    X = rng.normal(size=(10, 1500))[y] / 10 + rng.normal(size=(1600, 1500))
    assert not row_space_pays(CrossEntropyObjective(X, y))
    model = SoftmaxReg(C=1e-2).fit(X, y)
    F = value_of(model.coef_, model.intercept_, X, y, C=1e-2)
    assert model.duality_gap_ <= 1e-6 * F


# --- fewer rows than columns -----------------------------------------------------


@models
@intercepts
@pytest.mark.parametrize("C", [1e-2, 1.0, 1e4])
def test_row_space_gives_the_solution_of_the_full_problem(
    Estimator, K, fit_intercept, C
):
    # Rows of weight 0 change nothing but make n > d, and so the path through fit.
    X, y = make_data(K, n=40, d=60, scales=np.logspace(-2, 2, 60))
    y[:K] = np.arange(K)
    padded = np.vstack([X, np.ones((40, 60))])
    s = np.repeat([1.0, 0.0], 40)
    arguments = {"C": C, "fit_intercept": fit_intercept, "tol": 1e-11}
    wide = Estimator(**arguments).fit(X, y)
    tall = Estimator(**arguments).fit(padded, np.tile(y, 2), s)
    assert row_space_pays(CrossEntropyObjective(X, y, C=C))
    assert not row_space_pays(CrossEntropyObjective(padded, np.tile(y, 2), s, C=C))
    size = abs(tall.coef_).max()
    assert_allclose(wide.coef_, tall.coef_, rtol=0, atol=1e-4 * size)
    assert_allclose(wide.predict_proba(X), tall.predict_proba(X), rtol=0, atol=1e-6)


@intercepts
@pytest.mark.parametrize("K", [2, 3])
def test_row_space_gives_the_solution_of_logistic_regression(fit_intercept, K):
    X, y = make_data(K, n=50, d=120, scales=np.ones(120))
    y[:K] = np.arange(K)
    Estimator = BinaryLogReg if K == 2 else SoftmaxReg
    model = Estimator(fit_intercept=fit_intercept, tol=1e-14).fit(X, y)
    reference = LogisticRegression(
        solver="newton-cg", tol=1e-12, max_iter=1000, fit_intercept=fit_intercept
    )
    reference.fit(X, y)
    assert_allclose(model.coef_, reference.coef_, rtol=0, atol=1e-6)
    # shifts of all classes are free
    shift = model.intercept_ - reference.intercept_
    assert_allclose(shift - shift.mean(), 0, atol=1e-6)


@losses
@intercepts
@pytest.mark.parametrize("duplicates", [False, True])
@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_row_space_has_the_same_objective(loss, K, fit_intercept, duplicates, shift):
    # The same logits and the same norm of the coefficients, so the same F, for any
    # model whose coefficients are combinations of (centred) rows; lift inverts project.
    X, y = make_data(K, n=20, d=50, scales=np.ones(50))
    y[:K] = np.arange(K)
    X = X + shift * fit_intercept
    if duplicates:
        X[10:] = X[:10]
    objective = CrossEntropyObjective(
        X, y, C=0.3, fit_intercept=fit_intercept, loss=loss
    )
    space = RowSpace(objective)
    assert space.objective.n_features <= (10 if duplicates else 20)
    centred = X - X.mean(axis=0) if fit_intercept else X
    rng = np.random.default_rng(3)
    coef = rng.normal(size=(objective.n_logits, 20)) @ centred / 20
    # intercepts for which the logits are not huge
    intercept = rng.normal(size=objective.n_logits) - coef @ X.mean(axis=0)
    params = objective.pack(coef, intercept)
    projected = space.project(params)
    value = objective.value_and_gradient(params)[0]
    assert space.objective.value_and_gradient(projected)[0] == pytest.approx(
        value, rel=1e-8
    )
    lifted_coef, lifted_intercept = objective.unpack(space.lift(projected))
    assert_allclose(lifted_coef, coef, rtol=0, atol=1e-8)
    if fit_intercept:
        assert_allclose(lifted_intercept, intercept, rtol=1e-7, atol=1e-8)


def test_row_space_pays_only_for_few_dense_rows_with_a_penalty():
    X, y = np.random.default_rng(0).normal(size=(6, 9)), [0, 1] * 3
    assert row_space_pays(CrossEntropyObjective(X, y))
    assert not row_space_pays(CrossEntropyObjective(X, y, C=np.inf))
    assert not row_space_pays(CrossEntropyObjective(X[:, :6], y))
    assert not row_space_pays(CrossEntropyObjective(sparse.csr_array(X), y))


# --- curvature -------------------------------------------------------------------


def difference_hessian(objective, params, h=1e-4):
    """Return the five-point differences of the gradient, (n_params, n_params)."""

    def gradient(step):
        return objective.value_and_gradient(params + step)[1]

    return np.stack(
        [
            (gradient(-2 * e) - 8 * gradient(-e) + 8 * gradient(e) - gradient(2 * e))
            / (12 * h)
            for e in h * np.eye(objective.n_params)
        ]
    )


def penalty_matrix(objective):
    """Return the second derivatives of the penalty, (n_params, n_params)."""
    diagonal = np.zeros(objective.n_params)
    objective.split(diagonal)[0][:] = objective.penalty.l2
    return np.diag(diagonal)


def as_blocks(matrix, n_logits):
    return matrix.reshape(n_logits, len(matrix) // n_logits, n_logits, -1)


containers = pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])


def converted(objective, container, **kwargs):
    """Return the same objective for another container of X."""
    return CrossEntropyObjective(
        container(objective.rows.X),
        objective.rows.targets,
        objective.rows.weights,
        C=np.inf,
        fit_intercept=objective.fit_intercept,
        loss="binary" if objective.n_logits == 1 else "softmax",
        **kwargs,
    )


@losses
@intercepts
@containers
def test_class_hessians_are_differences_of_the_gradient(
    loss, K, fit_intercept, container
):
    objective = converted(make_objective(loss, K, fit_intercept), container)
    params = some_params(objective)
    expected = as_blocks(difference_hessian(objective, params), objective.n_logits)
    diagonal = np.stack([expected[k, :, k] for k in range(objective.n_logits)])
    hessians = class_hessians(objective, params)
    curvature = mean_curvature(objective, params)
    assert_allclose(hessians, diagonal, rtol=0, atol=1e-9 * abs(diagonal).max())
    if fit_intercept:
        # that of the intercept is the mean of p (1 − p)
        assert_allclose(curvature, diagonal[:, -1, -1], rtol=1e-8)
    shared = class_hessians(objective, params, shared=True)
    assert_allclose(shared[0], diagonal.mean(axis=0), atol=1e-9 * diagonal.max())


@losses
@intercepts
def test_coupled_hessian_is_the_difference_of_the_gradient(loss, K, fit_intercept):
    objective = make_objective(loss, K, fit_intercept)
    params = some_params(objective)
    if loss == "binary":
        hessian = class_hessians(objective, params)[0]
    else:
        hessian = coupled_hessian(objective, params)
    expected = difference_hessian(objective, params) - penalty_matrix(objective)
    assert_allclose(hessian, expected, rtol=0, atol=1e-9 * abs(expected).max())


@losses
@containers
def test_curvature_moments_are_in_the_hessians(loss, K, container):
    objective = converted(make_objective(loss, K), container)
    params = some_params(objective)
    hessians = class_hessians(objective, params)
    zeroth, first, second = curvature_moments(objective, params)
    assert_allclose(zeroth[:, 0], hessians[:, -1, -1], rtol=1e-12)
    assert_allclose(first, hessians[:, -1, :-1], rtol=1e-10, atol=1e-14)
    assert_allclose(second, np.einsum("kii->ki", hessians)[:, :-1], rtol=1e-12)


@losses
def test_curvature_does_not_depend_on_the_center(loss, K):
    # params of a centred objective mean other intercepts, and that is all
    plain = converted(make_objective(loss, K), np.asarray)
    center = np.array([1.0, -2.0, 0.0, 0.5])
    centred = converted(plain, np.asarray, center=center)
    params = some_params(plain)
    # x̃ = (x, 1) = A (x − c, 1)
    A = np.eye(5)
    A[:-1, -1] = center
    moved = centred.pack(*plain.unpack(params))
    for one, other in zip(
        class_hessians(plain, params), class_hessians(centred, moved), strict=True
    ):
        assert_allclose(one, A @ other @ A.T, rtol=0, atol=1e-12 * abs(one).max())


@losses
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("extra", [0, 1, 10**9])
def test_hessians_of_as_many_sampled_rows_as_there_are_are_exact(
    loss, K, shared, extra
):
    objective = make_objective(loss, K)
    params = some_params(objective)
    exact = class_hessians(objective, params, shared=shared)
    n_sampled = objective.n_samples + extra
    sampled = class_hessians(objective, params, shared=shared, n_sampled=n_sampled)
    assert_array_equal(sampled, exact)


def uneven_objective(loss, K, container=np.asarray):
    """Return an objective with uneven weights and a column that is rarely not 0."""
    rng = np.random.default_rng(0)
    X, y = make_data(K, n=500, d=3, scales=[0.1, 1.0, 10.0])
    X = np.column_stack([X, np.arange(500) % 100 == 0])
    s = rng.exponential(size=500) * (np.arange(500) % 5 != 1)
    return CrossEntropyObjective(container(X), y, s, C=np.inf, loss=loss)


@losses
@containers
@pytest.mark.parametrize("shared", [False, True])
def test_sampled_hessians_are_unbiased(loss, K, shared, container, monkeypatch):
    # E Σ_i [chosen] / π_i · h_i x̃_i x̃_iᵀ = Σ_i h_i x̃_i x̃_iᵀ. By the central limit
    # theorem, the mean of many samples is within five standard errors of it.
    monkeypatch.setattr("skxent.data.blocks.MIN_BLOCK_ROWS", 125)
    monkeypatch.setattr("skxent.data.blocks.MAX_BLOCK_ROWS", 125)
    objective = uneven_objective(loss, K, container)
    params = some_params(objective, size=0.03)
    exact = class_hessians(objective, params, shared=shared)
    samples = []
    for trial in range(150):
        # other seeds than those of the blocks, and other ones in each trial
        monkeypatch.setattr(
            np.random,
            "default_rng",
            lambda seed, trial=trial: np.random.Generator(
                np.random.PCG64([seed, trial])
            ),
        )
        samples.append(class_hessians(objective, params, shared=shared, n_sampled=100))
    samples = np.array(samples)
    standard_error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    error = abs(samples.mean(axis=0) - exact)
    # rows that are always chosen leave only rounding
    assert (error <= 5 * standard_error + 1e-12 * abs(exact).max()).all()


@losses
@containers
@pytest.mark.parametrize("shared", [False, True])
def test_columns_that_a_sample_misses_have_their_exact_diagonal(
    loss, K, shared, container, monkeypatch
):
    class NeverChooses:
        def random(self, shape):
            return np.ones(shape)

    objective = uneven_objective(loss, K, container)
    params = some_params(objective, size=0.03)
    exact = class_hessians(objective, params, shared=shared)
    monkeypatch.setattr(np.random, "default_rng", lambda seed: NeverChooses())
    sampled = class_hessians(objective, params, shared=shared, n_sampled=1)
    for sample, hessian in zip(sampled, exact, strict=True):
        expected = np.diag(np.append(hessian.diagonal()[:-1], 0))
        assert_allclose(sample, expected, rtol=1e-12)


@losses
@pytest.mark.parametrize("shared", [False, True])
def test_columns_that_are_collinear_in_all_rows_are_so_in_a_sample(loss, K, shared):
    # otherwise a step would have no curvature where F has, and the other way round
    objective = uneven_objective(loss, K)
    objective.rows.X[:, 2] = 100 * objective.rows.X[:, 0] + objective.rows.X[:, 1]
    params = some_params(objective, size=0.03)
    direction = np.array([100.0, 1.0, -1.0, 0.0, 0.0])
    for hessian in class_hessians(objective, params, shared=shared, n_sampled=100):
        scale = np.sqrt(hessian.diagonal())
        assert (
            abs(hessian @ direction) <= 1e-12 * scale * (scale @ abs(direction))
        ).all()


@pytest.mark.parametrize("case", ["near", "nearly constant", "well fitted", "outlier"])
@pytest.mark.parametrize("shared", [False, True])
@losses
def test_sampled_hessians_are_near_the_exact_ones(case, shared, loss, K):
    # A sample is of use where root⁻¹ · sample · root⁻ᵀ has no tiny and no huge
    # eigenvalue: also where rows that alone know a column have little curvature, or
    # one whose curvature is tiny has most of the Hessian as it lies so far out.
    objective = uneven_objective(loss, K)
    params = some_params(objective, size=0.03)
    coef, _ = objective.split(params)
    away = np.linspace(-1, 1, len(coef)) if len(coef) > 1 else 1
    if case == "nearly constant":
        objective.rows.X[:, -1] = 1 - objective.rows.X[:, -1]
    if case == "well fitted":
        coef[:, -1] += 12.0 * away
    if case == "outlier":
        objective.rows.X[0, 1] = 1e6
        coef[:, 1] = 15e-6 * away
    exact = class_hessians(objective, params, shared=shared)
    sampled = class_hessians(objective, params, shared=shared, n_sampled=200)
    for sample, hessian in zip(sampled, exact, strict=True):
        scale = 1 / np.sqrt(hessian.diagonal())
        root = np.linalg.inv(np.linalg.cholesky(hessian * scale[:, None] * scale))
        relative = root @ (sample * scale[:, None] * scale) @ root.T
        spectrum = np.linalg.eigvalsh(relative)
        assert 0.1 < spectrum[0] <= spectrum[-1] < 10


@losses
def test_many_sampled_rows_are_added_block_by_block(loss, K, monkeypatch):
    objective = uneven_objective(loss, K)
    params = some_params(objective, size=0.03)
    gathered = class_hessians(objective, params, n_sampled=60)
    monkeypatch.setattr("skxent.model.class_hessians.MAX_GATHERED", 0)
    added = class_hessians(objective, params, n_sampled=60)
    assert_allclose(added, gathered, rtol=1e-12, atol=1e-15)


def test_next_to_no_curvature_does_not_overflow():
    # exp(−705) times squares of 1e-6 is so small that its inverse is infinite
    X = 1e-3 * np.random.default_rng(0).normal(size=(400, 3))
    objective = CrossEntropyObjective(X, np.arange(400) % 2)
    params = objective.pack(np.zeros((1, 3)), np.array([705.0]))
    (hessian,) = class_hessians(objective, params, n_sampled=100)
    assert np.isfinite(hessian).all()


def test_a_sample_doubles_up_to_what_is_affordable():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(4000, 60)), np.arange(4000) % 10
    objective = CrossEntropyObjective(X, y)
    recipe, sizes = ClassRecipe(objective, n_sampled=130), [130]
    for _ in range(8):
        recipe = recipe.with_more_rows(objective)
        sizes.append(recipe.n_sampled)
    assert sizes[1:3] == [260, 520]
    most = affordable_rows(objective, n_matrices=10)
    assert sizes[-1] == sizes[-2] == min(most, 4000)
    # a recipe of another kind has no more rows
    shared = SharedRecipe(objective, 130)
    assert shared.with_more_rows(objective) is shared


# --- changes of variables --------------------------------------------------------


def hessian_at(objective, params):
    """Return the Hessian of F, penalty included, written out once more."""
    X, s = objective.rows.X, objective.rows.weights
    X = np.column_stack([X, np.ones(len(X))]) if objective.fit_intercept else X
    z = X @ params.reshape(objective.n_logits, -1).T
    if objective.n_logits == 1:
        h = (expit(z) * expit(-z))[:, :, None]
    else:
        p = softmax(z, axis=1)
        h = p[:, :, None] * (np.eye(p.shape[1]) - p[:, None, :])
    H = np.einsum("i,ikl,ij,im->kjlm", s / s.sum(), h, X, X)
    H = H.reshape(objective.n_params, objective.n_params)
    return H + penalty_matrix(objective)


def diagonal_change(objective, params):
    return DiagonalPreconditioner(objective, *curvature_moments(objective, params))


def class_change(objective, params):
    return ClassPreconditioner(objective, class_hessians(objective, params))


def shared_change(objective, params):
    return SharedRecipe(objective).build(objective, params)


def coupled_change(objective, params):
    return CoupledPreconditioner(objective, coupled_hessian(objective, params))


changes = pytest.mark.parametrize(
    ("change", "loss", "K"),
    [
        (diagonal_change, "binary", 2),
        (diagonal_change, "softmax", 4),
        (class_change, "binary", 2),
        (class_change, "softmax", 2),
        (class_change, "softmax", 4),
        (shared_change, "softmax", 4),
        (coupled_change, "softmax", 2),
        (coupled_change, "softmax", 4),
    ],
)


def as_matrix(change, objective):
    return np.stack([change.to_params(u) for u in np.eye(objective.n_params)], axis=1)


@changes
@intercepts
@pytest.mark.parametrize(("C", "other_C"), [(0.5, 50.0), (50.0, 0.5), (0.5, 1e4)])
def test_another_ridge_is_that_of_a_new_preconditioner(
    change, loss, K, fit_intercept, C, other_C
):
    # T Tᵀ is the inverse Hessian, whatever root of it T is
    first = make_objective(loss, K, fit_intercept, C=C)
    other = make_objective(loss, K, fit_intercept, C=other_C)
    params = some_params(first)
    renewed = as_matrix(change(first, params).with_l2(other.penalty.l2), other)
    expected = as_matrix(change(other, params), other)
    assert_allclose(renewed @ renewed.T, expected @ expected.T, rtol=1e-6, atol=1e-8)


@changes
@intercepts
@pytest.mark.parametrize("C", [0.5, np.inf])
def test_pull_back_is_the_adjoint_of_to_params(change, loss, K, fit_intercept, C):
    # ∇_u F(T u) = Tᵀ ∇F means ⟨T u, g⟩ = ⟨u, Tᵀ g⟩, for any u and g
    objective = make_objective(loss, K, fit_intercept, C=C)
    T = change(objective, some_params(objective))
    rng = np.random.default_rng(4)
    for _ in range(5):
        u, g = rng.normal(size=(2, objective.n_params))
        before = g.copy(), u.copy()
        assert T.to_params(u) @ g == pytest.approx(u @ T.pull_back(g), rel=1e-10)
        assert_array_equal(before, (g, u))


@changes
@intercepts
def test_changes_of_variables_are_linear(change, loss, K, fit_intercept):
    objective = make_objective(loss, K, fit_intercept)
    T = change(objective, some_params(objective))
    u, v = np.random.default_rng(5).normal(size=(2, objective.n_params))
    for map_ in (T.to_params, T.pull_back):
        assert not map_(0 * u).any()
        assert_allclose(map_(2 * u - v), 2 * map_(u) - map_(v), rtol=1e-9, atol=1e-12)


@changes
@intercepts
def test_classes_sum_to_zero_and_no_other_params_are_out_of_reach(
    change, loss, K, fit_intercept
):
    objective = make_objective(loss, K, fit_intercept)
    T = as_matrix(change(objective, some_params(objective)), objective)
    e = objective.n_params // objective.n_logits
    free = max(1, objective.n_logits - 1) * e
    scaled = T / np.linalg.norm(T, axis=1)[:, None]
    assert np.linalg.matrix_rank(scaled, tol=1e-9) == free
    if objective.n_logits > 1:
        sums = T.reshape(objective.n_logits, e, -1).sum(axis=0)
        assert_allclose(sums, 0, atol=1e-12 * abs(T).max())


@pytest.mark.parametrize(
    ("change", "loss", "K"),
    [
        (class_change, "binary", 2),
        (coupled_change, "softmax", 2),
        (coupled_change, "softmax", 4),
    ],
)
@intercepts
@pytest.mark.parametrize("C", [0.5, np.inf])
def test_exact_changes_make_the_hessian_the_identity(change, loss, K, fit_intercept, C):
    # With T Tᵀ = H⁻¹ on the params whose classes sum to 0, Tᵀ H T is the identity
    # there: a projection of that rank, T Tᵀ H the projection to them.
    objective = make_objective(loss, K, fit_intercept, C=C)
    params = some_params(objective)
    T = as_matrix(change(objective, params), objective)
    H = hessian_at(objective, params)
    eigenvalues = np.linalg.eigvalsh(T.T @ H @ T)
    e = objective.n_params // objective.n_logits
    free = max(1, objective.n_logits - 1) * e
    # but for the ridge of the factorisation
    assert_allclose(eigenvalues[-free:], 1, rtol=1e-6)
    assert_allclose(eigenvalues[:-free], 0, atol=1e-9)
    for seed in range(3):
        v = some_params(objective, seed=seed)
        assert_allclose(T @ (T.T @ (H @ v)), v, rtol=0, atol=1e-6)


@pytest.mark.parametrize("change", [class_change, shared_change])
@intercepts
@pytest.mark.parametrize("K", [2, 4])
def test_where_classes_are_alike_one_hessian_is_exact_up_to_a_factor(
    change, fit_intercept, K
):
    # At p = 1/K the Hessian is (δ_kl/K − 1/K²) G. On params whose classes sum to 0
    # that is G/K, while the blocks for one class are (1/K − 1/K²) G.
    objective = make_objective("softmax", K, fit_intercept, C=np.inf)
    params = np.zeros(objective.n_params)
    T = as_matrix(change(objective, params), objective)
    eigenvalues = np.linalg.eigvalsh(T.T @ hessian_at(objective, params) @ T)
    free = (K - 1) * objective.n_params // K
    assert_allclose(eigenvalues[-free:], K / (K - 1), rtol=1e-6)


def test_a_shared_hessian_has_the_mean_and_the_curvature_of_each_class():
    # Hessians of the same covariance, around different means: they are what a shared
    # one knows, whatever lies between the classes.
    objective = make_objective("softmax", 4, C=np.inf)
    d = objective.n_features
    rng = np.random.default_rng(6)
    root = rng.normal(size=(d, d))
    curvature, means = rng.exponential(size=4), 10 * rng.normal(size=(4, d))
    rows = np.column_stack([means, np.ones(4)])
    hessians = np.einsum("ki,kj->kij", rows, rows)
    hessians[:, :d, :d] += root @ root.T
    hessians *= curvature[:, None, None]
    mean = hessians.mean(axis=0, keepdims=True)
    of_classes = as_matrix(ClassPreconditioner(objective, hessians), objective)
    shared = as_matrix(
        SharedPreconditioner(objective, mean, curvature, means), objective
    )
    assert_allclose(shared, of_classes, rtol=0, atol=1e-7 * abs(of_classes).max())


@pytest.mark.parametrize("C", [0.5, np.inf])
def test_diagonal_change_is_exact_for_one_column(C):
    # With the curvature-weighted mean taken off, column and intercept do not interact.
    X, y = make_data(2, n=100, d=1)
    s = np.random.default_rng(1).exponential(size=100)
    objective = CrossEntropyObjective(X + 3, y, s, C=C)
    params = np.array([0.3, -0.7])
    T = as_matrix(diagonal_change(objective, params), objective)
    assert_allclose(T.T @ hessian_at(objective, params) @ T, np.eye(2), atol=1e-10)


@changes
@intercepts
@pytest.mark.parametrize("C", [1.0, np.inf])
def test_columns_without_spread_keep_changes_finite(change, loss, K, fit_intercept, C):
    X, y = make_data(K, n=100, d=3)
    X = np.column_stack([X, np.zeros(100), np.full(100, 7.0), X[:, 0]])
    objective = CrossEntropyObjective(
        X, y, np.linspace(1, 2, 100), C=C, loss=loss, fit_intercept=fit_intercept
    )
    params = some_params(objective)
    T = change(objective, params)
    gradient = objective.value_and_gradient(params)[1]
    step = T.to_params(T.pull_back(gradient))
    assert np.isfinite(step).all()
    # T Tᵀ is positive: −T Tᵀ ∇F goes down
    assert step @ gradient > 0
    shorter = params - 1e-3 * step
    assert (
        objective.value_and_gradient(shorter)[0]
        < (objective.value_and_gradient(params)[0])
    )


# --- the certificate -------------------------------------------------------------


@losses
@intercepts
@pytest.mark.parametrize("size", [0.0, 0.01, 0.3, 3.0, 30.0])
@pytest.mark.parametrize("C", [1e-3, 1.0, 1e3])
def test_duality_gap_is_a_bound_far_from_the_optimum_as_well(
    loss, K, fit_intercept, size, C
):
    # Fenchel: F(w, b) − F* ≤ Σ g² / (2 λ) wherever Σ_i s_i r_i = 0; inf where the
    # intercepts that do that are not found
    objective = make_objective(loss, K, fit_intercept, C=C)
    s = objective.rows.weights
    best = optimum(
        objective.rows.X,
        objective.rows.targets,
        # weights relative to their maximum leave λ = 1 / (C Σ s) as it was
        C=1 / (objective.penalty.l2[0] * s.sum()),
        binary=loss == "binary",
        fit_intercept=fit_intercept,
        s=s,
    )
    for seed in range(10):
        params = some_params(objective, size, seed)
        before = params.copy()
        evaluation = objective.evaluate(params)
        gap = certify(objective, params, evaluation)
        assert_array_equal(params, before)
        assert gap >= (evaluation.value - float(best.value)) * (1 - 1e-9)


@losses
@intercepts
def test_duality_gap_is_the_distance_where_only_the_penalty_matters(
    loss, K, fit_intercept
):
    # For λ ≫ curvature, F − F* → Σ g² / (2 λ): the bound is attained.
    objective = make_objective(loss, K, fit_intercept, C=1e-9)
    params = some_params(objective, size=0.1)
    start = objective.initial_point()
    evaluation = objective.evaluate(params)
    gap = certify(objective, params, evaluation)
    distance = evaluation.value - objective.evaluate(start).value
    assert gap == pytest.approx(distance, rel=1e-3)


@models
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_finite_penalty_gives_a_finite_bound(Estimator, K, dtype):
    # of data that are large enough to be multiplied in float32
    X, y = make_data(K, n=200_000, d=11)
    X = X.astype(dtype)
    for C in (1e-3, 1.0):
        model = Estimator(C=C).fit(X, y)
        assert model.converged_ is True
        assert np.isfinite(model.duality_gap_)


def test_what_rounding_of_float32_hides_is_found_in_float64():
    # large enough to be multiplied in float32, whose sums resolve 1e-9 of F
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120_000, 20)) * np.logspace(-2, 2, 20) + 3
    X = X.astype(np.float32)
    z = X / X.std(axis=0) @ rng.normal(size=20)
    y = z + rng.logistic(size=len(z)) > z.mean()
    model = BinaryLogReg(tol=1e-12).fit(X, y)
    reference = BinaryLogReg(tol=1e-12).fit(X.astype(np.float64), y)
    assert model.converged_
    assert_allclose(model.loss_curve_[-1], reference.loss_curve_[-1], rtol=1e-12)


def test_line_searches_do_not_grope_in_the_noise_of_float32():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 20_000)
    X = rng.normal(size=(10, 128))[y] / 2 + rng.normal(size=(20_000, 128))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    n_evals = [
        SoftmaxReg(C=100).fit(X.astype(dtype), y).n_evals_
        for dtype in (np.float64, np.float32)
    ]
    assert n_evals[1] <= n_evals[0] + 4


def test_raw_columns_in_float32_take_few_evaluations_more():
    # A line search that began in float32 and went on in float64 took 20 evaluations:
    # the slope of one precision need not be that of the other.
    rng = np.random.default_rng(1)
    n = 150_000
    levels, hour = rng.integers(0, 12, n), rng.integers(0, 2400, n)
    distance, year = rng.exponential(1000, n) // 1, np.full(n, 2013.0)
    day, rare = rng.integers(1, 32, n), rng.zipf(1.6, n).clip(1, 20) - 1
    numbers = np.column_stack([hour, distance, year, day])
    X = np.hstack([numbers, np.eye(12)[levels], np.eye(20)[rare]])
    w = 0.15 * rng.normal(size=36) / (X.std(axis=0) + 1e-9)
    w[2] = 0
    y = (X - X.mean(axis=0)) @ w + rng.logistic(size=n) > 0.3
    n_evals = [
        BinaryLogReg().fit(X.astype(dtype), y).n_evals_
        for dtype in (np.float64, np.float32)
    ]
    assert n_evals[1] <= n_evals[0] + 4
