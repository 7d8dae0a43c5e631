"""A fit counts as converged only when the problem as given says so.

The verification is tested against dense linear algebra, the fits against Newton's
method in extended precision, in ``_reference.py``, on problems where the solver once
believed its own model and was wrong without a warning.
"""

import warnings

import numpy as np
import pytest
from _reference import objective as reference_objective
from _reference import optimum
from mpmath import exp, findroot, log1p, mpf, workdps
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize as scipy_minimize
from scipy.special import expit

from skxent import BinaryLogReg, CrossEntropyObjective, SoftmaxReg
from skxent.model.certificate import certify
from skxent.model.class_hessians import class_hessians
from skxent.model.curvature import coupled_hessian, hessian_times
from skxent.model.losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from skxent.solver.line_search import Bracket, bisect, follow
from skxent.solver.minimise import minimise
from skxent.solver.preconditioners.by_class import MajorantRecipe
from skxent.solver.preconditioners.choice import exact_preconditioner
from skxent.solver.preconditioners.diagonal import DiagonalRecipe
from skxent.solver.row_space import RowSpace
from skxent.solver.verification import newton_step
from skxent.solver.verification_with_kinks import step_of_model

losses = pytest.mark.parametrize(("loss", "K"), [("binary", 2), ("softmax", 3)])
intercepts = pytest.mark.parametrize("fit_intercept", [True, False])
LARGE = 1e8


def labels(rng, z):
    return (z + rng.logistic(size=len(z)) > 0).astype(int)


def some_problem(loss, K, fit_intercept=True, C=1.0, n=60, d=4):
    """Return an objective, and params near its optimum whose classes sum to 0."""
    rng = np.random.default_rng(K)
    X = rng.normal(size=(n, d)) * np.logspace(-2, 2, d)
    y = np.append(np.arange(K), rng.integers(K, size=n - K))
    s = rng.exponential(size=n)
    objective = CrossEntropyObjective(
        X, y, s, C=C, loss=loss, fit_intercept=fit_intercept
    )
    best = minimise(objective, objective.initial_point(), tol=1e-10, max_iter=100)
    rows = best.params * (1 + 1e-3 * rng.normal(size=objective.n_params))
    rows = rows.reshape(objective.n_logits, -1)
    if len(rows) > 1:
        rows -= rows.mean(axis=0)
    return objective, rows.ravel()


def hessian_of_loss(objective, params):
    if objective.n_logits == 1:
        return class_hessians(objective, params)[0]
    return coupled_hessian(objective, params)


def hessian(objective, params):
    """Return the Hessian of F."""
    l2 = np.zeros(objective.n_params)
    objective.split(l2)[0][:] = objective.penalty.l2
    return hessian_of_loss(objective, params) + np.diag(l2)


# --- the parts -------------------------------------------------------------------


@losses
@intercepts
def test_product_with_the_hessian_is_that_of_the_matrix(loss, K, fit_intercept):
    objective, params = some_problem(loss, K, fit_intercept)
    H = hessian_of_loss(objective, params)
    step = np.random.default_rng(0).normal(size=objective.n_params)
    product = hessian_times(objective, params, step)
    assert_allclose(product.vector, H @ step, rtol=1e-10, atol=1e-12)
    # by a step of the intercepts, all logits change alike
    if fit_intercept and loss == "binary":
        objective.split(step)[0][:] = 0
        largest = abs(objective.split(step)[1][0])
        assert hessian_times(objective, params, step).largest_change == largest


@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), SoftmaxCrossEntropy()])
def test_rows_that_are_certain_do_not_respond(loss):
    z = np.array([[2000.0], [-2000.0], [0.5]])
    if isinstance(loss, SoftmaxCrossEntropy):
        z = z * [1, 0, -1]
    product, change = loss.curvature_times(z, z)
    assert not product[:2].any()
    assert abs(change[:2]).max() < 1e-300
    assert product[2].any()
    assert change[2].any()


@losses
def test_a_majorant_is_never_below_the_loss(loss, K):
    rng = np.random.default_rng(0)
    of = BinaryCrossEntropy() if loss == "binary" else SoftmaxCrossEntropy()
    z = 10 ** rng.uniform(-3, 2, size=(500, 1)) * rng.normal(size=(500, K - (K == 2)))
    dz = 10 ** rng.uniform(-3, 2, size=(500, 1)) * rng.normal(size=z.shape)
    y = rng.integers(K, size=500)
    before, r = of.loss_and_residual(y, z)
    after, _ = of.loss_and_residual(y, z + dz)
    # the classes of a softmax are bounded together: (I − 1/K) / 2 of their differences
    dz = dz - dz.mean(axis=1, keepdims=True) if K > 2 else dz
    h = of.majorant(z) / (1 if K == 2 else 1 - 1 / K)
    parabola = before + np.sum(r * dz, axis=1) + np.sum(h * dz**2, axis=1) / 2
    assert (after <= parabola * (1 + 1e-12) + 1e-12).all()


@losses
@intercepts
@pytest.mark.parametrize("recipe", [None, DiagonalRecipe, MajorantRecipe])
def test_newton_step_is_that_of_the_dense_hessian(loss, K, fit_intercept, recipe):
    objective, params = some_problem(loss, K, fit_intercept)
    gradient = objective.evaluate(params).gradient
    exact = np.linalg.lstsq(hessian(objective, params), -gradient)[0]
    is_exact = recipe is None
    if is_exact:
        change = exact_preconditioner(objective, params)
    else:
        change = recipe(objective).build(objective, params)
    newton = newton_step(
        objective, params, gradient, change, tolerance=1e-14, is_exact=is_exact
    )
    decrement = -0.5 * gradient @ exact
    assert newton.decrement == pytest.approx(decrement, rel=0.3)
    assert newton.decrement >= decrement * (1 - 1e-2)
    if is_exact:
        assert_allclose(newton.dual.step, exact, rtol=1e-6, atol=1e-9)
        rows = objective.rows.spread()
        assert len(rows.targets) == objective.n_samples
        z = objective.linear_model(exact, with_offset=False)(rows)
        p = objective.loss.proba(objective.linear_model(params)(rows))
        if objective.n_logits > 1:
            z = z - np.sum(p * z, axis=1, keepdims=True)
        largest = abs(z).max()
        assert newton.largest_change == pytest.approx(largest, rel=0.01)


@losses
@intercepts
def test_the_bound_of_a_newton_step_is_about_twice_what_it_promises(
    loss, K, fit_intercept
):
    objective, params = some_problem(loss, K, fit_intercept, C=1e6)
    evaluation = objective.evaluate(params)
    newton = newton_step(
        objective,
        params,
        evaluation.gradient,
        exact_preconditioner(objective, params),
        tolerance=1e-14,
        is_exact=True,
    )
    gap = certify(objective, params, evaluation, newton.dual)
    tight = certify(objective, params, evaluation)
    assert newton.decrement <= gap <= 2.1 * newton.decrement + 1e-13
    assert gap < tight


def test_a_step_ends_at_the_lowest_point_along_it():
    objective, params = some_problem("binary", 2)
    evaluation = objective.evaluate(params)
    downhill = -evaluation.gradient
    for size in (1e-3, 1.0, 1e3):
        end, now = follow(objective, params, evaluation, size * downhill)
        # the slope has fallen to a tenth
        assert abs(now.gradient @ downhill) <= 0.1 * evaluation.gradient @ -downhill
        assert now.value < evaluation.value
    assert follow(objective, params, evaluation, -downhill) is None
    assert end.shape == params.shape


def test_a_step_stops_at_a_wall():
    # a row of 1e8 is certain, and would be wrong by millions after most of the step
    rng = np.random.default_rng(0)
    X = np.append(rng.normal(size=50), LARGE)[:, None]
    y = np.append(labels(rng, -X[:50, 0]), 1)
    objective = CrossEntropyObjective(X, y, fit_intercept=False)
    params = np.array([100 / LARGE])
    evaluation = objective.evaluate(params)
    assert evaluation.gradient[0] > 0  # downhill is to the negative side
    end, now = follow(objective, params, evaluation, np.array([-1.0]))
    assert now.value <= evaluation.value
    assert 0 < end[0] < 50 / LARGE


@pytest.mark.parametrize("share", [1e-12, 1e-8, 1e-4, 0.3, 3.0])
def test_a_wall_at_any_share_of_a_step_is_found_in_few_trials(share):
    # F falls slowly for the first row, until the second one is wrong beyond w = 0. It
    # is certain at the start, where it has no curvature.
    X, y = np.array([[0.1], [40 / share]]), np.array([1, 0])
    objective = CrossEntropyObjective(X, y, fit_intercept=False, C=1e8)
    params = np.array([-share])
    evaluation = objective.evaluate(params)
    objective.n_evals = 0
    end, now = follow(objective, params, evaluation, np.ones(1))
    assert now.value < evaluation.value
    assert -share < end[0] < 0
    assert end[0] > -0.9 * share
    # halving alone takes 46 trials to the first of these shares
    assert objective.n_evals <= 25


def test_a_bracket_keeps_what_trials_have_shown():
    bracket = Bracket(value=1.0)
    assert bracket.next_length() == 1
    assert not bracket.narrow(1.0, 2.0, slope=-1.0)  # F is higher
    assert not bracket.narrow(0.5, 0.9, slope=0.1)
    assert 0 < bracket.next_length() < 0.5
    assert bracket.narrow(1e-6, 0.9, slope=-0.1)
    # the order of magnitude comes first
    assert bracket.next_length() == pytest.approx(np.sqrt(1e-6 * 0.5))
    assert bracket.narrow(0.3, 0.8, slope=-0.1)
    assert bracket.next_length() == pytest.approx(0.4)
    half = bracket.scaled(0.5)
    assert (half.lower, half.upper, half.value) == (0.15, 0.25, 1.0)


def test_a_bracket_without_end_doubles_the_length():
    bracket = Bracket(value=1.0)
    assert bracket.narrow(8.0, 0.5, slope=-0.5)
    assert bracket.next_length() == 16


def test_a_bisection_goes_on_from_the_bracket_it_is_given():
    objective, params = some_problem("binary", 2)
    evaluation = objective.evaluate(params)
    step = -1e9 * evaluation.gradient
    slope = float(evaluation.gradient @ step)
    end, _ = follow(objective, params, evaluation, step)
    length = float((end - params) @ step / (step @ step))
    counts = []
    for bracket in (Bracket(evaluation.value), Bracket(evaluation.value)):
        if counts:
            bracket.lower, bracket.upper = 0.5 * length, 2 * length
        objective.n_evals = 0
        _, now = bisect(objective, params, slope, step, bracket)
        assert abs(now.gradient @ step) <= -0.1 * slope
        counts.append(objective.n_evals)
    assert counts[1] < counts[0] / 2


def test_coordinates_of_the_rows_keep_columns_of_any_size():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 60)) * np.repeat([1e9, 1.0, 1e-9], [2, 30, 28])
    objective = CrossEntropyObjective(X, np.arange(20) % 2)
    space = RowSpace(objective)
    rows = X - X.mean(axis=0)
    for columns in (slice(0, 2), slice(2, 32), slice(32, 60)):
        w = np.zeros((1, 60))
        w[0, columns] = rows[3, columns]
        params = objective.pack(w, np.zeros(1))
        z = rows @ w[0]
        there = space.project(params)
        again = space.objective.linear_model(there)(space.objective.rows.spread())[:, 0]
        again = again - again.mean()
        assert_allclose(again, z - z.mean(), rtol=0, atol=1e-7 * abs(z).max())
        assert_allclose(space.lift(there), params, rtol=0, atol=1e-6 * abs(w).max())


# --- fits that were silently wrong -----------------------------------------------


def timestamp_in_wide_data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 100))
    y = labels(rng, 5 * X[:, 1])
    X[:, 0] = 1.7e9 + 1e8 * rng.normal(size=50)
    return X, y


def three_outliers(seed=1, size=LARGE):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(800, 4))
    y = labels(rng, X @ rng.normal(size=4))
    outliers = np.zeros((3, 4))
    outliers[0, 0], outliers[1, 1], outliers[2, 2:] = size, -size, size
    return np.vstack([X, outliers]), np.append(y, [0, 1, 1])


def some_outliers(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(300, 3))
    y = labels(rng, X @ rng.normal(size=3))
    for i in range(1 + seed % 3):
        X[i, rng.integers(3)] = rng.choice([-LARGE, LARGE])
    return X, y


def far_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    return X + 1e7, labels(rng, X @ rng.normal(size=4))


HARD = {
    "time stamp, n < d": (timestamp_in_wide_data, {}),
    "three outliers": (three_outliers, {}),
    "three outliers, no penalty": (three_outliers, {"C": np.inf}),
    "larger outliers": (lambda: three_outliers(0, 1e12), {}),
    **{f"outliers {seed}": (lambda s=seed: some_outliers(s), {}) for seed in range(8)},
    "far columns without an intercept": (far_columns, {"fit_intercept": False}),
}


@pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
@pytest.mark.parametrize("name", HARD)
def test_a_converged_fit_is_at_the_optimum(Estimator, name):
    make, params = HARD[name]
    X, y = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Estimator(**params).fit(X, y)
    C, intercept = model.C, model.fit_intercept
    F = reference_objective(model.coef_, model.intercept_, X, y, C=C)
    binary = Estimator is BinaryLogReg
    best = optimum(X, y, C=C, binary=binary, fit_intercept=intercept).value
    assert (F - best) / F <= 1e-8
    assert (F - best) / F <= 3 * model.suboptimality_ + 1e-12
    assert F - best <= model.duality_gap_ + 1e-15 * F


@pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
@pytest.mark.parametrize(
    "X",
    [np.ones((4, 6)), np.zeros((4, 6)), np.repeat([[1.0, 2, 3, 4, 5]], 4, axis=0)],
    ids=["ones", "zeros", "one row, repeated"],
)
def test_rows_that_are_all_the_same_give_the_frequencies(Estimator, X):
    model = Estimator().fit(X, [0, 1, 1, 1])
    assert not model.coef_.any()
    assert_allclose(model.predict_proba(X), [[0.25, 0.75]] * 4, rtol=1e-7)


@pytest.mark.parametrize("size", [30.0, 300.0, 3000.0])
@pytest.mark.parametrize("seed", range(3))
def test_large_offsets_are_fitted(size, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(300, 4))
    y = labels(rng, X @ rng.normal(size=4))
    offset = size * rng.normal(size=300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = BinaryLogReg().fit(X, y, offset=offset)
    Z = np.column_stack([X, np.ones(300)])
    ridge = np.append(np.ones(4), 0) / 300
    sign = 1 - 2 * y

    def F(w):
        a = sign * (Z @ w + offset)
        r = expit(a)
        value = np.logaddexp(0, a).mean() + ridge @ w**2 / 2
        return value, Z.T @ (sign * r) / 300 + ridge * w

    def curvature(w):
        p = expit(Z @ w + offset)
        return (Z.T * (p * (1 - p))) @ Z / 300 + np.diag(ridge)

    start = np.append(model.coef_, model.intercept_)
    best = scipy_minimize(F, start, jac=True, hess=curvature, method="trust-exact")
    assert model.loss_curve_[-1] <= best.fun * (1 + 1e-8)
    assert model.loss_curve_[-1] == pytest.approx(F(start)[0], rel=1e-12)
    assert model.n_iter_[0] < 100


def test_bound_of_a_lasso_holds_where_residuals_are_scaled():
    # found at random: 5.96e-10 was the bound of a distance of 1.02e-9
    x = 1.9776319399566304
    model = BinaryLogReg(l1_ratio=1).fit([[x], [0.0]], [0, 1], sample_weight=[1.0, 2])
    with workdps(40):

        def F(w, b):
            loss = log1p(exp(w * x + b)) + 2 * log1p(exp(-b))
            return (loss + abs(w)) / 3

        # F falls to the left of 0, where |w| is −w, and all is smooth
        def slopes(w, b):
            p, q = 1 / (1 + exp(-w * x - b)), 1 / (1 + exp(b))
            return x * p - 1, p - 2 * q

        w, b = findroot(slopes, (mpf(-0.2), mpf(1)))
        distance = F(mpf(model.coef_[0, 0]), mpf(model.intercept_[0])) - F(w, b)
        assert w < 0
        assert 0 <= distance <= model.duality_gap_


@pytest.mark.parametrize("n_iter", [1, 2, 3, 5])
@pytest.mark.parametrize("params", [{}, {"l1_ratio": 0.5}], ids=["ridge", "kinks"])
def test_a_fit_that_max_iter_ends_is_its_last_iteration(n_iter, params):
    X, y = some_outliers(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it does not converge
        model = BinaryLogReg(max_iter=n_iter, C=3.0, **params).fit(X, y)
    F = reference_objective(model.coef_, model.intercept_, X, y, C=np.inf)
    w = abs(model.coef_).sum(), np.sum(model.coef_**2) / 2
    share = model.l1_ratio
    F = F + (share * w[0] + (1 - share) * w[1]) / (3 * len(y))
    assert_allclose(model.loss_curve_[-1], float(F), rtol=1e-12)
    assert_array_equal(model.n_iter_, [n_iter])


def test_a_separable_fit_without_a_penalty_is_all_of_F_away_from_its_infimum():
    X = np.arange(6.0)[:, None]
    with pytest.warns(match="separable"):
        model = BinaryLogReg(C=np.inf).fit(X, X[:, 0] > 2.5)
    assert model.suboptimality_ == 1


def test_classes_that_do_not_sum_to_zero_are_a_start_like_any_other():
    # an L1 penalty leaves a common shift, which a ridge has to remove
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 5)) + 1, rng.integers(3, size=80)
    model = SoftmaxReg(l1_ratio=1.0, warm_start=True, C=5.0).fit(X, y)
    model.coef_ += 7.0
    model.set_params(l1_ratio=0.0).fit(X, y)
    fresh = SoftmaxReg(C=5.0).fit(X, y)
    assert_allclose(model.coef_, fresh.coef_, atol=1e-4)


def test_bound_holds_where_the_curvature_of_all_rows_vanishes():
    # The intercept is far too large, and F falls like a line until the first row
    # responds. A Newton step is absurd where the curvature is 1e-59.
    X, y = np.eye(6)[:, [2]], np.array([1, 1, 1, 1, 0, 1])
    s = np.array([10.0, 2, 84, 0.01, 0.07, 0.1])
    offset = np.array([-316.0, 366, -108, -631, 63, 62])
    penalty = {"C": 0.004, "l1_ratio": 1.0}
    model = BinaryLogReg(**penalty).fit(X, y, s, offset)
    objective = CrossEntropyObjective(X, y, s, offset=offset, **penalty)
    params = np.array([0, 450.0])
    now = objective.evaluate(params)
    newton = step_of_model(objective, params, now, tolerance=1e-9)
    best = objective.evaluate(objective.pack(model.coef_, model.intercept_)).value
    assert best < 0.9 * now.value
    assert certify(objective, params, now, newton.dual) >= now.value - best
    # the step ends where a row responds, which is not where F is least
    assert objective.evaluate(params + newton.dual.step).value < now.value
    assert not newton.is_trusted
