"""Newton's method of small fits, beside the rounds that fit everything else."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.utils._param_validation import InvalidParameterError

from skxent import BinaryLogReg, CrossEntropyObjective, SoftmaxReg
from skxent.classifiers.validation import check_X_y
from skxent.model.certificate import certify
from skxent.model.curvature import hessian_of_loss, hessian_times
from skxent.model.second_order import evaluate_second_order
from skxent.solver import small_newton
from skxent.solver.preconditioners.choice import exact_preconditioner
from skxent.solver.progress import Progress
from skxent.solver.small_newton import SmallNewtonFit, newton_pays
from skxent.solver.verification import newton_step

losses = pytest.mark.parametrize(
    ("loss", "K"), [("binary", 2), ("softmax", 2), ("softmax", 4)]
)
intercepts = pytest.mark.parametrize("fit_intercept", [True, False])
models = pytest.mark.parametrize(
    ("Estimator", "K"), [(BinaryLogReg, 2), (SoftmaxReg, 2), (SoftmaxReg, 4)]
)


def make_data(K, n=150, d=5, seed=0):
    """Return columns of unequal scale and place, which do not separate the classes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) @ (np.eye(d) + rng.normal(size=(d, d)) / 2)
    z = X @ rng.normal(size=(d, K)) / 2 + rng.gumbel(size=(n, K))
    return X * np.logspace(-2, 2, d) + np.arange(d), z.argmax(axis=1)


def make_objective(loss, K, fit_intercept=True, **kwargs):
    X, y = make_data(K)
    s = np.random.default_rng(1).exponential(size=len(y))
    return CrossEntropyObjective(
        X, y, s, loss=loss, fit_intercept=fit_intercept, **kwargs
    )


def fit_by_rounds(model, X, y, monkeypatch, **kwargs):
    """Return the model after a fit without Newton steps."""
    with monkeypatch.context() as patch:
        patch.setattr(small_newton, "MAX_EVALUATION", 0)
        return model.fit(X, y, **kwargs)


# --- one pass ---------------------------------------------------------------------


@losses
@intercepts
@pytest.mark.parametrize("targets", ["codes", "distributions"])
@pytest.mark.parametrize("has_offset", [False, True])
def test_one_pass_gives_what_two_give(loss, K, fit_intercept, targets, has_offset):
    X, y = make_data(K)
    rng = np.random.default_rng(2)
    if targets == "distributions":
        y = rng.dirichlet(np.ones(K), len(y))
    offset = None
    if has_offset:
        offset = rng.normal(size=len(y) if loss == "binary" else (len(y), K))
    objective = CrossEntropyObjective(
        X,
        y,
        rng.exponential(size=len(y)),
        loss=loss,
        fit_intercept=fit_intercept,
        offset=offset,
    )
    params = rng.normal(size=objective.n_params) / 10
    expected = objective.evaluate(params)
    evaluation, hessian = evaluate_second_order(objective, params)
    assert objective.n_evals == 2
    assert_allclose(evaluation.value, expected.value, rtol=1e-14)
    size = abs(expected.gradient).max()
    assert_allclose(evaluation.gradient, expected.gradient, rtol=0, atol=1e-13 * size)
    assert evaluation.largest_loss == pytest.approx(expected.largest_loss, rel=1e-14)
    expected_hessian = hessian_of_loss(objective, params)
    size = abs(expected_hessian).max()
    assert_allclose(hessian, expected_hessian, rtol=0, atol=1e-13 * size)


# --- the steps --------------------------------------------------------------------


@models
@pytest.mark.parametrize("C", [1e-3, 1.0, np.inf])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_newton_and_rounds_find_the_same_optimum(
    Estimator, K, C, fit_intercept, monkeypatch
):
    X, y = make_data(K)
    s = np.random.default_rng(3).exponential(size=len(y))
    arguments = {"C": C, "fit_intercept": fit_intercept, "tol": 1e-12}
    newton = Estimator(**arguments).fit(X, y, s)
    rounds = fit_by_rounds(Estimator(**arguments), X, y, monkeypatch, sample_weight=s)
    assert newton.converged_ and rounds.converged_
    assert newton.n_evals_ < rounds.n_evals_
    assert newton.loss_curve_[-1] == pytest.approx(rounds.loss_curve_[-1], rel=1e-12)
    assert_allclose(newton.predict_proba(X), rounds.predict_proba(X), rtol=0, atol=1e-5)


@models
@pytest.mark.parametrize(
    ("name", "value"),
    [("MAX_STEPS", 2), ("SMALLEST_PIVOT", 1.0), ("PIVOT_TO_VERIFY", 1.0)],
)
def test_a_fit_goes_on_where_newton_gives_up(Estimator, K, name, value, monkeypatch):
    X, y = make_data(K)
    expected = Estimator().fit(X, y)
    monkeypatch.setattr(small_newton, name, value)
    model = Estimator().fit(X, y)
    assert model.converged_
    assert model.loss_curve_[-1] == pytest.approx(expected.loss_curve_[-1], rel=1e-8)


@models
def test_a_singular_hessian_leads_to_rounds(Estimator, K, capsys):
    X, y = make_data(K)
    X = np.column_stack([X, X[:, 0]])
    model = Estimator(C=np.inf, verbose=2).fit(X, y)
    assert model.converged_
    assert "Newton steps have failed: going on in rounds" in capsys.readouterr().out


@models
def test_steps_that_are_too_long_are_halved(Estimator, K):
    # an offset that saturates most rows on the wrong side
    X, y = make_data(K)
    offset = np.where(y == 0, 6.0, -6.0) * np.linspace(0, 1, len(y))
    if Estimator is SoftmaxReg:
        offset = np.column_stack([np.zeros((len(y), K - 1)), offset])
    model = Estimator(C=100.0).fit(X, y, offset=offset)
    assert model.converged_
    assert (np.diff(model.loss_curve_) < 1e-12).all()


# --- updates of the Hessian ---------------------------------------------------------


def passes_of(model, X, y, monkeypatch, **kwargs):
    """Return the model after its fit, and "H" or "e" for each evaluation."""
    passes = []

    def noting(name, function):
        def evaluate(objective, params):
            passes.append(name)
            return function(objective, params)

        return evaluate

    first_order = noting("e", CrossEntropyObjective.evaluate)
    second_order = noting("H", evaluate_second_order)
    with monkeypatch.context() as patch:
        patch.setattr(CrossEntropyObjective, "evaluate", first_order)
        patch.setattr(small_newton, "evaluate_second_order", second_order)
        model.fit(X, y, **kwargs)
    return model, "".join(passes)


@models
def test_most_passes_do_without_an_expensive_hessian(Estimator, K, monkeypatch):
    X, y = make_data(K, n=400, d=8)
    expected, passes = passes_of(Estimator(tol=1e-10), X, y, monkeypatch)
    # the last one is that of the verified step
    assert set(passes[:-1]) == {"H"}
    monkeypatch.setattr(small_newton, "OVERHEAD", 0)
    monkeypatch.setattr(small_newton, "MAX_PRICE", np.inf)
    monkeypatch.setattr(small_newton, "PRICE_FACTOR", 20)
    model, passes = passes_of(Estimator(tol=1e-10), X, y, monkeypatch)
    assert passes.startswith("Heee")
    assert passes.endswith("He")
    assert passes.count("e") > passes.count("H")
    assert model.converged_
    assert len(passes) == model.n_evals_
    assert model.loss_curve_[-1] == pytest.approx(expected.loss_curve_[-1], rel=1e-10)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-5, atol=1e-7)


# --- the last step ----------------------------------------------------------------


@losses
@intercepts
def test_the_last_step_is_that_of_the_verification(loss, K, fit_intercept):
    objective = make_objective(loss, K, fit_intercept)
    fit = SmallNewtonFit(objective, objective.initial_point(), 1e-4, 100, Progress())
    fit.run()
    assert fit.newton is not None
    expected = newton_step(
        objective,
        fit.params,
        fit.evaluation.gradient,
        exact_preconditioner(objective, fit.params),
        tolerance=0.0,
        is_exact=True,
    )
    assert fit.newton.decrement == pytest.approx(expected.decrement, rel=1e-6)
    size = abs(expected.dual.step).max()
    assert_allclose(fit.newton.dual.step, expected.dual.step, rtol=0, atol=1e-7 * size)
    # the change of a difference of logits is at most twice that of a logit
    ratio = fit.newton.largest_change / expected.largest_change
    assert 1 - 1e-6 <= ratio <= (1 if loss == "binary" else 2) + 1e-6
    product = hessian_times(objective, fit.params, fit.newton.dual.step).vector
    assert_allclose(
        fit.newton.dual.product.vector, product, rtol=0, atol=1e-12 * abs(product).max()
    )
    # what the Hessian says of the intercepts spares the certificate two passes
    n_evals = objective.n_evals
    bound = certify(objective, fit.params, fit.evaluation, fit.newton.dual)
    assert objective.n_evals == n_evals
    other = certify(objective, fit.params, fit.evaluation, expected.dual)
    assert bound == pytest.approx(other, rel=1e-6)


def test_newton_is_for_small_dense_smooth_problems():
    X, y = make_data(2)
    assert newton_pays(CrossEntropyObjective(X, y))
    assert not newton_pays(CrossEntropyObjective(X, y, l1_ratio=0.5))
    assert not newton_pays(CrossEntropyObjective(X, y, bounds=(0, np.inf)))
    rng = np.random.default_rng(0)
    for shape in ((80_000, 20), (1000, 1000)):
        large = rng.normal(size=shape)
        y = (large[:, 0] > 0).astype(int)
        assert not newton_pays(CrossEntropyObjective(large, y))


# --- checks that a small fit can spare ----------------------------------------------


def test_parameters_that_are_not_the_defaults_are_checked():
    class WithInvalidDefault(BinaryLogReg):
        def __init__(self, *, C=-1.0):
            super().__init__(C=C)

    X, y = make_data(2)
    for model in (BinaryLogReg(C=-1.0), WithInvalidDefault()):
        with pytest.raises(InvalidParameterError, match="'C' parameter of"):
            model.fit(X, y)
    assert WithInvalidDefault(C=2.0).fit(X, y).converged_


def test_plain_arrays_pass_and_others_meet_the_checks_of_scikit_learn():
    X, y = make_data(2)
    checked_X, checked_y, names = check_X_y(BinaryLogReg(), X, y)
    assert checked_X is X and checked_y is y and names is None
    for bad in (np.nan, np.inf, -np.inf):
        broken = X.copy()
        broken[3, 2] = bad
        with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
            BinaryLogReg().fit(broken, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        BinaryLogReg().fit(X, y[:-1])
    # a sum that overflows is no entry that is infinite
    assert check_X_y(BinaryLogReg(), np.full_like(X, 1e139), y)[0].max() == 1e139
