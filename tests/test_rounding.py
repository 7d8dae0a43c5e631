"""Where rounding and saturation deceive: the parts that see through them.

Each law is one that a fit was once silently wrong without.
"""

from fractions import Fraction
from math import prod

import _brute_force
import numpy as np
import pytest
from mpmath import log, mpf, workdps
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skxent import BinaryLogReg, CrossEntropyObjective, SoftmaxReg
from skxent.model.curvature import coupled_hessian, hessian_of_loss, hessian_times
from skxent.model.entropy import entropy
from skxent.model.exact_change import exact_change, slope_of_loss
from skxent.model.layout import ParamLayout
from skxent.model.penalty import Penalty
from skxent.model.rounding import ordinary_change, room_along
from skxent.solver.line_search import follow_within
from skxent.solver.preconditioners.base import Preconditioner
from skxent.solver.preconditioners.centred_hessian import CentredHessian
from skxent.solver.preconditioners.choice import exact_preconditioner
from skxent.solver.preconditioners.roots import root_of
from skxent.solver.progress import Progress
from skxent.solver.quadratic_model import promise
from skxent.solver.verification import newton_step, step_of_all
from skxent.solver.verification_with_kinks import step_of_model


@pytest.mark.parametrize("tiny", [1e-3, 1e-9, 1e-17, 1e-30])
def test_entropy_keeps_its_digits_near_certainty(tiny):
    p = np.array([[1 - tiny, tiny], [tiny / 2, 1 - tiny]])
    with workdps(50):
        # the small entries tell what the large ones are short of 1
        small = [mpf(tiny), mpf(tiny / 2)]
        expected = [float(-(1 - e) * log(1 - e) - e * log(e)) for e in small]
    assert_allclose(entropy(p), expected, rtol=1e-14)


def test_a_promise_that_is_no_number_is_no_promise():
    assert promise(np.nan, 1.0) == promise(1.0, np.nan) == np.inf
    # a negative gain is rounding, and does not make up for what is left
    assert promise(-1.0, 0.25) == 0.25
    assert promise(2.0, 0.25) == 2.25


def test_a_root_of_an_indefinite_matrix_lifts_what_is_negative_only():
    rng = np.random.default_rng(0)
    Q, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    values = np.array([-1e-6, 1e-7, 0.5, 1, 2, 4])
    matrix = Q * values @ Q.T
    scale, upper = root_of(matrix.copy(), ridge=1e-14)
    assert_array_equal(upper, np.triu(upper))
    assert (upper.diagonal() > 0).all()
    back = upper.T @ upper * np.outer(scale, scale)
    assert np.linalg.eigvalsh(back)[0] > 0
    assert_allclose(back, matrix, atol=1e-3)
    assert_allclose(Q[:, 2:].T @ (back - matrix) @ Q[:, 2:], 0, atol=1e-4)


def some_softmax(K=4, d=3, n=50):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, d)), np.arange(n) % K
    objective = CrossEntropyObjective(X, y, loss="softmax")
    params = rng.normal(size=(K, d + 1))
    return objective, (params - params.mean(axis=0)).ravel()


def test_intercepts_that_follow_sum_to_zero():
    objective, params = some_softmax()
    hessian = coupled_hessian(objective, params)
    intercepts = CentredHessian(hessian, objective.layout).intercepts
    coef = np.random.default_rng(1).normal(size=(4, 3))
    coef -= coef.mean(axis=0)
    assert abs(intercepts.follow(coef.ravel(), np.zeros(4)).sum()) < 1e-12


def test_shifts_are_bent_without_touching_anything_else():
    rng = np.random.default_rng(0)
    K, d = 3, 4
    A = rng.normal(size=(K * d, K * d))
    A = A @ A.T
    centred = CentredHessian(A.copy(), ParamLayout(K, d, fit_intercept=False))
    free = np.ones((K, d), dtype=bool)
    free[1, 2] = False
    centred.add_curvature_of_shifts(free)
    bent = centred.matrix
    step = rng.normal(size=(K, d))
    step -= step.mean(axis=0)
    assert_allclose(bent @ step.ravel(), A @ step.ravel(), rtol=1e-12)
    for j in range(d):
        shift = np.zeros((K, d))
        shift[:, j] = 1
        bends = shift.ravel() @ (bent - A) @ shift.ravel()
        assert bends > 0 if j != 2 else bends == 0


@pytest.mark.parametrize("K", [2, 3])
def test_room_is_half_of_what_certain_rows_have_left(K):
    z = np.array([300.0, -80.0, 0.2])
    X = np.array([[1.0], [0.0], [0.0]])
    if K == 2:
        y, offset = np.array([0, 1, 1]), z
        step = np.array([2.0])
    else:
        y, offset = np.array([0, 1, 2]), np.column_stack([z, np.zeros((3, 2))])
        step = np.array([2.0, 0.0, 0.0])
    objective = CrossEntropyObjective(X, y, offset=offset, fit_intercept=False)
    params = np.zeros(objective.n_params)
    # only the first row moves, by 2 for each step, and has 300 left
    assert room_along(objective, params, -step) == pytest.approx(75)
    assert room_along(objective, params, step) == np.inf
    assert room_along(objective, params, 0 * step) == np.inf


def test_a_class_far_behind_has_room_beside_others_that_compete():
    X, y = np.zeros((3, 1)), np.array([0, 1, 2])
    # in two rows two classes compete, and the third is far behind
    offset = np.array([[0.1, 0.0, -900.0], [0.0, 0.1, -900.0], [700.0, 0.0, 0.0]])
    objective = CrossEntropyObjective(X, y, offset=offset, loss="softmax")
    params, step = np.zeros(6), np.zeros(6)
    step[5] = 3.0
    assert room_along(objective, params, step) == pytest.approx(700 / 2 / 3)
    # the leader moves away from both others, one of which competes
    step = np.array([0, 1.0, 0, 0, 0, 0])
    assert room_along(objective, params, step) == pytest.approx(0.5)


def test_a_slope_without_curvature_is_followed():
    # all rows are certain, half of them wrong
    X = np.array([[1.0], [2.0], [-1.0], [-3.0]])
    objective = CrossEntropyObjective(X, np.array([0, 0, 1, 1]), C=1e6)
    params = np.array([500.0, 0.0])
    now = objective.evaluate(params)
    change = exact_preconditioner(objective, params)
    newton = newton_step(
        objective, params, now.gradient, change, tolerance=1e-8, is_exact=True
    )
    assert not newton.is_trusted
    assert newton.decrement > 1
    assert objective.evaluate(params + newton.dual.step).value < now.value / 1.5


def test_one_column_without_curvature_is_followed_beside_others():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=200), np.zeros(200)])
    X[:2, 1] = [1.0, 2.0]
    y = (X[:, 0] + rng.logistic(size=200) > 0).astype(int)
    y[:2] = 1
    objective = CrossEntropyObjective(X, y, C=np.inf)
    # the rows of the second column are certain, and wrong
    params = np.array([1.0, -900.0, 0.0])
    now = objective.evaluate(params)
    change = exact_preconditioner(objective, params)
    newton = step_of_all(objective, params, now, change, 1e-8, is_exact=False)
    assert not newton.is_trusted
    assert newton.decrement > 1
    assert newton.dual.step[1] > 100
    assert objective.evaluate(params + newton.dual.step).value < now.value / 1.2


def test_kinks_do_not_hide_a_slope_without_curvature():
    X = np.array([[1.0], [2.0], [-1.0], [-3.0]])
    y = np.array([0, 0, 1, 1])
    objective = CrossEntropyObjective(X, y, C=1e6, l1_ratio=1.0)
    params = np.array([500.0, 0.0])
    now = objective.evaluate(params)
    newton = step_of_model(objective, params, now, 1e-8)
    assert not newton.is_trusted
    assert newton.decrement > 1
    _, end = follow_within(objective, params, now, newton.dual.step)
    assert end.value < now.value / 1.5


def test_a_step_beyond_which_everything_is_worse_is_searched_for_its_end():
    # the last class has a single row of next to no weight, and intercepts of no use
    rng = np.random.default_rng(0)
    y = np.append(rng.integers(3, size=60), 3)
    offset = 20 * rng.normal(size=(61, 4))
    weights = np.append(np.ones(60), 1e-6)
    objective = CrossEntropyObjective(
        np.zeros((61, 1)), y, weights, offset=offset, loss="softmax", l1_ratio=1.0
    )
    params = np.zeros(8)
    params[7] = -1e7
    now = objective.evaluate(params)
    step = np.zeros(8)
    # so near the other rows that two thirds of this step more are too far
    step[7] = 0.6e7
    end, evaluation = follow_within(objective, params, now, step)
    # a plain step, or one that is doubled, leaves at least 4e6 of the way
    assert -2e6 < end[7] - end[1::2][:3].max() < 0
    assert evaluation.value < now.value
    # and the intercepts have no common shift
    assert end[1::2].sum() == pytest.approx(0, abs=1e-6)


def test_a_step_takes_along_the_columns_that_it_sets_free():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    X[:, 2] = X[:, 0] + X[:, 1]
    y = (X[:, 0] + rng.logistic(size=200) > 0).astype(int)
    objective = CrossEntropyObjective(X, y, C=1.0, l1_ratio=1.0)
    params = np.array([3.0, 0.0, 0.0, 0.5])
    newton = step_of_model(objective, params, objective.evaluate(params), 1e-8)
    gradient = objective.evaluate(params).gradient + newton.dual.product.vector
    end, _ = objective.split(params + newton.dual.step)
    of_loss = objective.gradient_of_loss(params, gradient)[:3]
    # the conditions of optimality of the model, for each column
    l1 = objective.penalty.l1
    assert_allclose(of_loss[end[0] != 0], -(l1 * np.sign(end[0]))[end[0] != 0])
    assert (abs(of_loss[end[0] == 0]) <= l1[end[0] == 0]).all()


@pytest.mark.parametrize("bounds", [(0, None), (None, -1), ((0, -9), (None, 0))])
def test_a_shift_of_all_classes_evades_bounds_on_one_side(bounds):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = (X @ rng.normal(size=(2, 3)) + rng.gumbel(size=(300, 3))).argmax(axis=1)
    lower, upper = (
        np.array([at if b is None else b for b in np.broadcast_to(bound, 2)], float)
        for at, bound in zip((-np.inf, np.inf), bounds, strict=True)
    )
    free = SoftmaxReg(C=np.inf).fit(X, y)
    bounded = SoftmaxReg(C=np.inf, bounds=(lower, upper)).fit(X, y)
    assert (lower <= bounded.coef_).all()
    assert (bounded.coef_ <= upper).all()
    if not np.isfinite(lower + upper).any():
        assert_allclose(
            bounded.predict_proba(X), free.predict_proba(X), rtol=0, atol=1e-4
        )
        assert bounded.loss_curve_[-1] == pytest.approx(free.loss_curve_[-1], rel=1e-7)


def test_only_bounds_on_one_side_of_what_costs_nothing_are_idle():
    inf = np.inf
    penalty = Penalty(
        np.array([0.0, 0.0, 0.0, 1.0]),
        np.array([0.0, 0.0, 1.0, 0.0]),
        np.array([0.0, 0.0, 0.0, 0.0]),
        np.array([inf, 1.0, inf, inf]),
    )
    assert_array_equal(penalty.without_idle_bounds().lower, [-inf, 0, 0, 0])
    assert_array_equal(penalty.without_idle_bounds().upper, [inf, 1, inf, inf])
    coef = np.array([[-3.0, 0.5, 1, 2], [1, 1, 0, 0]])
    shown = penalty.without_idle_bounds().shifted_into_given_bounds(coef)
    assert_array_equal(shown, [[0, 0.5, 1, 2], [4, 1, 0, 0]])


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
def test_slow_gains_tell_what_is_left(ratio):
    trace = Progress()
    for k in range(20):
        trace.note(1 + ratio**k, 1.0, k, lambda: None)
        if k < 2:
            assert trace.expected_gain() == 0
    left = ratio**19 / (1 + ratio**19)
    assert trace.expected_gain() == pytest.approx(left, rel=1e-9)


def test_duplicated_columns_are_no_reason_to_warn():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = (X[:, 0] + rng.logistic(size=200) > 0).astype(int)
    X = np.column_stack([X, X, np.eye(4)[rng.integers(4, size=200)]])
    for params in ({"C": np.inf}, {"C": 1e9}, {"C": 1e9, "l1_ratio": 1}):
        for Estimator in (BinaryLogReg, SoftmaxReg):
            assert Estimator(**params).fit(X, y).converged_


# --- Twice the digits of float64 ------------------------------------------------------


def nearly_collinear(scale=1e5):
    """Return three columns, of which the third is the sum of the others, rounded."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2)) * [1, scale]
    return np.column_stack([X, X.sum(axis=1)])


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("K", [2, 3])
def test_a_change_of_logits_keeps_its_digits_where_terms_cancel(K, container):
    X = nearly_collinear()
    X[::3, 0] = 0
    X[5] = 0
    y = np.arange(len(X)) % K
    objective = CrossEntropyObjective(container(X), y)
    coef = np.outer(np.arange(1, objective.n_logits + 1) / 3, [1, 1, -1])
    step = objective.layout.join(coef, np.full(len(coef), 1e-20))
    expected = [
        [
            float(sum(map(prod, zip(map(Fraction, x), map(Fraction, w), strict=True))))
            for w in coef
        ]
        for x in X.tolist()
    ]
    found = exact_change(objective, step)(objective.rows.spread())
    assert_allclose(found, np.array(expected) + 1e-20, rtol=1e-14)


def test_a_change_of_logits_does_not_overflow_before_its_terms_do():
    objective = CrossEntropyObjective(np.array([[1e300], [-1e3]]), np.array([0, 1]))
    found = exact_change(objective, np.array([1e7, 0.0]))(objective.rows.spread())
    assert_allclose(found, [[1e307], [-1e10]], rtol=1e-15)


@pytest.mark.parametrize("K", [2, 3])
def test_slope_of_a_hidden_direction_is_that_of_differences(K):
    X = nearly_collinear()
    y = np.arange(len(X)) % K
    objective = CrossEntropyObjective(X, y, C=np.inf)
    rng = np.random.default_rng(1)
    params, step = rng.normal(size=(2, objective.n_params)) * 1e-5
    coef = np.outer(np.arange(objective.n_logits) + 1.0, [1, 1, -1])
    direction = objective.layout.join(coef, np.zeros(len(coef)))
    change = exact_change(objective, direction)
    z = objective.linear_model(params)(objective.rows.spread())
    dz = objective.linear_model(step)(objective.rows.spread())
    r = objective.loss.loss_and_residual(y, z)[1]
    r = r + objective.loss.curvature_times(z, dz)[0]
    expected = np.sum(r * change(objective.rows.spread())) / len(X)
    found = slope_of_loss(objective, params, step, change)
    assert found == pytest.approx(expected, rel=1e-13)
    # the gradient has lost it
    after = (
        objective.evaluate(params).gradient
        + hessian_times(objective, params, step).vector
    )
    assert after @ direction != pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("uphill", [False, True])
def test_rounding_along_what_no_row_sees_promises_nothing(K, uphill):
    rng = np.random.default_rng(0)
    X = rng.integers(-4, 5, size=(60, 2)).astype(float)
    X = np.column_stack([X, X.sum(axis=1)])
    y = np.arange(len(X)) % K
    objective = CrossEntropyObjective(X, y, C=np.inf)
    params = np.zeros(objective.n_params)
    for _ in range(5):
        # singular, but X has no rounding
        hessian = hessian_of_loss(objective, params)
        gradient = objective.evaluate(params).gradient
        params -= np.linalg.lstsq(hessian, gradient, rcond=1e-10)[0]
    evaluation = objective.evaluate(params)
    coef = np.outer(np.arange(objective.n_logits) + 1.0, [1, 1, -1])
    coef -= coef.mean(axis=0) if K > 2 else 0
    hidden = objective.layout.join(coef, np.zeros(len(coef)))
    noise = (-1) ** uphill * 1e-16 * hidden
    noisy = evaluation._replace(gradient=evaluation.gradient + noise)
    for tolerance in (1e-8, 1e-14):
        preconditioner = exact_preconditioner(objective, params)
        newton = step_of_all(
            objective, params, noisy, preconditioner, tolerance, is_exact=True
        )
        assert newton.decrement <= 1e-15
        assert abs(newton.dual.step).max() <= 1e-3


def test_what_collinear_columns_hide_is_found():
    # the last column is the sum of the others, but for a digit that tells the classes
    rng = np.random.default_rng(0)
    X = rng.integers(-4, 5, size=(80, 2)).astype(float)
    y = np.arange(80) % 2
    told = 2.0**-19 * np.where(rng.random(80) < 0.7, y, 1 - y)
    objective = CrossEntropyObjective(
        np.column_stack([X, X.sum(axis=1) + told]), y, C=np.inf
    )
    params = objective.initial_point()
    evaluation = objective.evaluate(params)
    preconditioner = exact_preconditioner(objective, params)
    newton = step_of_all(
        objective, params, evaluation, preconditioner, 1e-8, is_exact=True
    )
    best = BinaryLogReg(C=np.inf).fit(np.column_stack([X, told]), y)
    gain = evaluation.value - best.loss_curve_[-1]
    assert newton.decrement == pytest.approx(10 * gain, rel=0.2)


def with_an_outlier(seed, far, close):
    """Return two columns that differ by digits, and in a row that is far away.

    Returns
    -------
    X, y : ndarray
        The last row is far away, and of the class that the others ask for.
    least : float
        F* without a penalty: that of the other rows, in columns that differ. The last
        row costs nothing there.
    """
    rng = np.random.default_rng(seed)
    x, difference = np.round(rng.normal(size=(2, 16)) * 2**10) / 2**10
    y = rng.integers(2, size=16)
    q = np.eye(2)[y]
    best = _brute_force.optimum(
        np.column_stack([x, difference]), q, binary=True, fit_intercept=False, C=np.inf
    )
    sign = np.sign(best.coef[0, 1])
    X = np.column_stack([x + close * difference, x])
    assert_array_equal(X[:, 0] - X[:, 1], close * difference)
    X = np.vstack([X, [-far * sign, 1.0]]) * [sign, 1]
    return X, np.append(y, 0), best.value * 16 / 17


@pytest.mark.parametrize(
    ("bounds", "far", "close", "seed"),
    [
        *[(([0, -np.inf], [np.inf, np.inf]), 2.0**21, 2.0**-28, k) for k in (3, 9)],
        *[(([0, -np.inf], [np.inf, np.inf]), 2.0**30, 2.0**-20, k) for k in (3, 9)],
        *[(None, 2.0**30, 2.0**-28, k) for k in (0, 3, 9)],
    ],
)
def test_an_outlier_that_is_right_hides_no_slope(bounds, far, close, seed):
    X, y, least = with_an_outlier(seed, far, close)
    model = BinaryLogReg(C=np.inf, fit_intercept=False, bounds=bounds).fit(X, y)
    assert model.converged_
    assert model.loss_curve_[-1] == pytest.approx(least, rel=1e-8)


def certain_outlier(margin):
    """Return the optimum of one column, and a step along the difference of both.

    Returns
    -------
    objective : CrossEntropyObjective
    params : ndarray of shape (2,)
        The outlier is right by ``margin``.
    along : ndarray of shape (2,)
    least : float
        F*, as in `with_an_outlier`.
    """
    X, y, least = with_an_outlier(3, 2.0**21, 2.0**-28)
    best = BinaryLogReg(C=np.inf, fit_intercept=False).fit(X[:-1, 1:], y[:-1])
    along = np.array([1.0, -np.sign(X[0, 0] * X[0, 1])])
    params = np.array([0, best.coef_[0, 0]]) + margin * 2.0**-21 * along
    objective = CrossEntropyObjective(
        X, y, C=np.inf, fit_intercept=False, bounds=([0, -np.inf], [np.inf, np.inf])
    )
    return objective, params, along, least


def test_a_step_that_moves_an_outlier_is_not_trusted_however_little_it_promises():
    objective, params, _, least = certain_outlier(margin=33)
    now = objective.evaluate(params)
    newton = step_of_model(objective, params, now, 1e-8 * now.value)
    assert newton.decrement < 1e-8 * now.value
    assert now.value > least * (1 + 1e-5)
    assert not newton.is_trusted


def test_what_the_last_digit_of_F_hides_is_followed_by_its_slope():
    objective, params, along, least = certain_outlier(margin=100)
    now = objective.evaluate(params)
    step = 1e-7 * along
    assert abs(objective.evaluate(params + step).value - now.value) < 1e-15
    end, evaluation = follow_within(objective, params, now, step)
    assert evaluation.value - least < 0.5 * (now.value - least)
    assert end[0] > 1e5


def test_rows_that_do_not_respond_do_not_say_what_is_ordinary():
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(50, 2)), [1e9, 0.0]])
    y = np.append(rng.integers(2, size=50), 1)
    objective = CrossEntropyObjective(X, y, fit_intercept=False)
    step = np.array([3.0, -1.0])
    expected = np.abs(step) @ X[:50].std(axis=0)
    far = ordinary_change(objective, np.array([1e-6, 0.5]), step)
    assert far == pytest.approx(expected)
    assert ordinary_change(objective, np.zeros(2), step) > 1e8
    # where no row responds, all count
    assert ordinary_change(objective, np.array([1e6, 1e6]), step) > 1e8


def test_a_direction_beyond_all_numbers_is_not_trusted():
    class Overflowing(Preconditioner):
        def to_params(self, u):
            return u * 1e200 / 1e-200

        def pull_back(self, gradient):
            return gradient

    objective = CrossEntropyObjective(np.eye(2), np.array([0, 1]))
    params = np.zeros(3)
    gradient = objective.evaluate(params).gradient
    newton = newton_step(
        objective, params, gradient, Overflowing(), tolerance=1e-8, is_exact=True
    )
    assert not newton.is_trusted
    assert newton.decrement == pytest.approx(gradient @ gradient / 2)
    assert not newton.dual.step.any()
