"""`BiasReducedLogReg`, and the profiles of its penalised likelihood."""

import re

import _urinary_tract as urinary_tract
import numpy as np
import pandas as pd
import pytest
from _contract import scikit_learn_contract
from scipy import sparse
from scipy.optimize import brentq, minimize
from scipy.special import expit, log_expit
from scipy.stats import binom, chi2
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from skxent import (
    BiasReducedLogReg,
    BinaryLogReg,
    log_loss_scorer,
    profile_penalised_likelihood,
)
from skxent.classifiers.bias_reduced import bias_reduced_objective
from skxent.classifiers.validation import check_data
from skxent.solver import penalised_profile
from skxent.solver.bias_reduced import MESSAGES, minimise_bias_reduced


@scikit_learn_contract(BiasReducedLogReg(), BiasReducedLogReg(flic=True))
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def make_data(n=80, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = (X @ [1.0, -1, 0.5][:d] + rng.logistic(size=n) > 1.5).astype(int)
    return X, y


def brute_force(X, y, s=None, offset=None, fixed=None):
    """Return coefficients, then the intercept, by SciPy on the formula.

    ``fixed`` is the position and the value of a coefficient.
    """
    Z = np.column_stack([X, np.ones(len(X))])
    s = np.ones(len(X)) if s is None else s
    offset = np.zeros(len(X)) if offset is None else offset
    free = np.arange(Z.shape[1]) != (-1 if fixed is None else fixed[0])
    params = np.zeros(Z.shape[1])
    if fixed is not None:
        params[fixed[0]] = fixed[1]

    def loss(u):
        params[free] = u
        z = Z @ params + offset
        p = expit(z)
        information = Z.T @ (Z * (s * p * (1 - p))[:, None])
        sign = np.where(y, 1, -1)
        return -s @ log_expit(sign * z) - np.linalg.slogdet(information)[1] / 2

    result = minimize(
        loss, np.zeros(free.sum()), method="BFGS", options={"gtol": 1e-7}, jac="3-point"
    )
    params[free] = result.x
    return params.copy(), result.fun


# --- the estimates ----------------------------------------------------------------


def test_published_estimates():
    X, y, counts = urinary_tract.load()
    model = BiasReducedLogReg().fit(X, y, counts)
    np.testing.assert_allclose(model.coef_[0], urinary_tract.ESTIMATES, rtol=5e-6)
    assert model.intercept_[0] == pytest.approx(urinary_tract.INTERCEPT, rel=5e-6)
    expected = urinary_tract.PENALISED_LOG_LIKELIHOOD
    assert model.penalised_log_likelihood_ == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("counts", [(7, 3, 5, 2), (9, 1, 10, 0), (1, 1, 1, 1)])
def test_a_table_of_2_by_2_gets_a_half_in_each_cell(counts):
    X = np.repeat([0, 0, 1, 1], counts).reshape(-1, 1)
    y = np.repeat([0, 1, 0, 1], counts)
    model = BiasReducedLogReg(tol=1e-11).fit(X, y)
    a, b, c, d = np.array(counts) + 0.5
    assert model.intercept_[0] == pytest.approx(np.log(b / a), abs=1e-10)
    expected = np.log(d / c) - np.log(b / a)
    assert model.coef_[0, 0] == pytest.approx(expected, abs=1e-10)


def test_any_weights_and_offset_agree_with_brute_force():
    X, y = make_data()
    rng = np.random.default_rng(1)
    s, offset = rng.uniform(0, 3, len(y)), rng.normal(size=len(y))
    model = BiasReducedLogReg().fit(X, y, s, offset)
    expected, loss = brute_force(X, y, s, offset)
    np.testing.assert_allclose(model.coef_[0], expected[:-1], atol=1e-6)
    assert model.intercept_[0] == pytest.approx(expected[-1], abs=1e-6)
    assert model.penalised_log_likelihood_ == pytest.approx(-loss, rel=1e-10)


def test_separated_classes_have_finite_estimates():
    x = np.array([-3.0, -2, -1, 1, 2, 3])[:, None]
    model = BiasReducedLogReg().fit(x, x[:, 0] > 0)
    expected, _ = brute_force(x, x[:, 0] > 0)
    assert model.converged_
    assert model.coef_[0, 0] == pytest.approx(expected[0], abs=1e-6)
    assert 0 < model.coef_[0, 0] < 5


def test_with_many_rows_the_bias_is_small():
    X, y = make_data(n=5000)
    model = BiasReducedLogReg().fit(X, y)
    unpenalised = BinaryLogReg(C=np.inf).fit(X, y)
    np.testing.assert_allclose(model.coef_, unpenalised.coef_, rtol=2e-3)
    assert (np.abs(model.coef_) < np.abs(unpenalised.coef_)).all()


def test_the_bias_vanishes():
    # the sum over all outcomes of 12 rows, weighted by their probabilities
    X = np.repeat([-1.0, 0.0, 1.0], 4)[:, None]
    truth = 0.8
    expectation = 0.0
    n_events = np.array(np.meshgrid(*[range(5)] * 3)).reshape(3, -1).T
    probabilities = binom.pmf(n_events, 4, expit(truth * np.array([-1, 0, 1]))).prod(1)
    for events, probability in zip(n_events, probabilities, strict=True):
        y = np.concatenate([np.arange(4) < k for k in events])
        if y.min() == y.max():
            continue
        coef = BiasReducedLogReg(tol=1e-6).fit(X, y).coef_[0, 0]
        expectation += probability * coef
    # the likelihood itself has no finite expectation
    assert expectation == pytest.approx(truth, abs=0.08)


# --- laws -------------------------------------------------------------------------


def test_units_of_columns_do_not_matter():
    X, y = make_data()
    scale, shift = np.array([1e-90, 1e5, 1e120]), np.array([0.0, 1e8, 0])
    model = BiasReducedLogReg().fit(X, y)
    scaled = BiasReducedLogReg().fit(X * scale + shift, y)
    np.testing.assert_allclose(scaled.coef_ * scale, model.coef_, rtol=1e-6)
    np.testing.assert_allclose(
        scaled.predict_proba(X * scale + shift), model.predict_proba(X), rtol=1e-6
    )


def test_a_weight_is_a_number_of_rows():
    X, y = make_data()
    counts = np.random.default_rng(2).integers(0, 4, len(y))
    weighted = BiasReducedLogReg(flic=True).fit(X, y, counts)
    repeated = BiasReducedLogReg(flic=True).fit(X.repeat(counts, 0), y.repeat(counts))
    for name in ("coef_", "intercept_", "penalised_log_likelihood_"):
        np.testing.assert_allclose(
            getattr(weighted, name), getattr(repeated, name), rtol=1e-7
        )


def test_soft_labels_are_rows_of_both_classes():
    X, y = make_data()
    q = np.random.default_rng(3).uniform(size=len(y))
    soft = BiasReducedLogReg().fit(X, np.column_stack([1 - q, q]))
    both = BiasReducedLogReg().fit(
        np.vstack([X, X]), np.repeat([0, 1], len(X)), np.concatenate([1 - q, q])
    )
    np.testing.assert_allclose(soft.coef_, both.coef_, rtol=1e-6)


def test_swapped_classes_change_the_signs():
    X, y = make_data()
    model, swapped = BiasReducedLogReg().fit(X, y), BiasReducedLogReg().fit(X, 1 - y)
    np.testing.assert_allclose(swapped.coef_, -model.coef_, rtol=1e-7)
    np.testing.assert_allclose(swapped.intercept_, -model.intercept_, rtol=1e-7)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_an_offset_is_a_known_part_of_the_logits(fit_intercept):
    X, y = make_data()
    model = BiasReducedLogReg(fit_intercept=fit_intercept).fit(X, y)
    step = np.array([0.3, -2, 1])
    moved = BiasReducedLogReg(fit_intercept=fit_intercept).fit(X, y, offset=X @ step)
    np.testing.assert_allclose(moved.coef_[0] + step, model.coef_[0], atol=1e-7)


@pytest.mark.parametrize("convert", [sparse.csr_array, np.asfortranarray])
def test_containers_give_the_same_model(convert):
    X, y = make_data()
    X = np.where(np.abs(X) > 0.7, X, 0)
    model = BiasReducedLogReg().fit(X, y)
    other = BiasReducedLogReg().fit(convert(X), y)
    np.testing.assert_allclose(other.coef_, model.coef_, rtol=1e-7)
    np.testing.assert_allclose(other.intercept_, model.intercept_, rtol=1e-7)


def test_float32_data_are_summed_in_float64():
    X, y = make_data()
    X = X.astype(np.float32) + np.float32(1000)
    single = BiasReducedLogReg().fit(X, y)
    double = BiasReducedLogReg().fit(X.astype(np.float64), y)
    np.testing.assert_allclose(single.coef_, double.coef_, rtol=1e-9)


def test_many_blocks_and_threads_give_the_same_model():
    X, y = make_data(n=50)
    counts = np.full(50, 400)
    few = BiasReducedLogReg().fit(X, y, counts)
    many = BiasReducedLogReg().fit(X.repeat(400, 0), y.repeat(400))
    np.testing.assert_allclose(many.coef_, few.coef_, rtol=1e-8)


def test_dependent_features_are_named_and_left_out():
    X, y = make_data()
    both = np.column_stack([X[:, 0], np.full(len(y), 3.0), X[:, 1], X[:, 0] - X[:, 1]])
    model = BiasReducedLogReg().fit(both, y)
    assert model.aliased_.tolist() == [False, True, False, True]
    assert (model.coef_[0, model.aliased_] == 0).all()
    without = BiasReducedLogReg().fit(X[:, :2], y)
    assert not without.aliased_.any()
    np.testing.assert_allclose(
        model.predict_proba(both), without.predict_proba(X[:, :2]), rtol=1e-7
    )
    table = profile_penalised_likelihood(model, both, y)
    assert np.isnan(table.lower).tolist() == [False, False, True, False, True]


def test_rare_events_in_many_rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 1))
    y = (x[:, 0] > np.sort(x[:, 0])[-3]).astype(int)
    model = BiasReducedLogReg(flic=True).fit(x, y)
    assert model.converged_ and np.isfinite(model.coef_).all()
    assert model.predict_proba(x)[:, 1].sum() == pytest.approx(2, rel=1e-9)


# --- the corrected intercept ------------------------------------------------------


def test_the_corrected_intercept_gives_the_observed_frequency():
    X, y, counts = urinary_tract.load()
    model = BiasReducedLogReg().fit(X, y, counts)
    corrected = BiasReducedLogReg(flic=True).fit(X, y, counts)
    np.testing.assert_array_equal(corrected.coef_, model.coef_)
    assert corrected.predict_proba(X)[:, 1] @ counts == pytest.approx(y @ counts)
    assert model.predict_proba(X)[:, 1] @ counts != pytest.approx(y @ counts, rel=1e-3)


def test_extreme_offsets_do_not_stop_the_correction():
    X, y = make_data()
    offset = np.where(np.arange(len(y)) % 3, 0.0, 300.0)
    offset[1] = -1e30
    model = BiasReducedLogReg(flic=True).fit(X, y, offset=offset)
    mean = model.predict_proba(X, offset)[:, 1].mean()
    # 27 rows are certain events, whatever the intercept: more cannot be had
    assert mean == pytest.approx(y.mean()) or mean >= 27 / len(y)


def test_an_extreme_typical_offset_is_no_start():
    X, y = make_data()
    certain = np.arange(len(y)) % 2 == 0
    y[certain] = 1
    model = BiasReducedLogReg().fit(X, y, offset=np.where(certain, 1e30, 0))
    # certain rows say nothing of the coefficients
    without = BiasReducedLogReg().fit(X[~certain], y[~certain])
    np.testing.assert_allclose(model.coef_, without.coef_, rtol=1e-6)


def test_features_without_any_information():
    X, y = np.ones((9, 2)), np.arange(9) % 3 > 0
    model = BiasReducedLogReg(tol=1e-11).fit(X, y)
    assert model.aliased_.all()
    assert model.intercept_[0] == pytest.approx(np.log(6.5 / 3.5), abs=1e-10)
    model = BiasReducedLogReg(fit_intercept=False).fit(0 * X, y)
    assert model.aliased_.all()
    assert model.penalised_log_likelihood_ == pytest.approx(9 * np.log(0.5))


def test_there_is_no_intercept_to_correct():
    with pytest.raises(ValueError, match=r"flic=True with .*: use fit_intercept=True"):
        BiasReducedLogReg(flic=True, fit_intercept=False).fit(*make_data())


# --- what is refused or warned of -------------------------------------------------


def test_weights_have_to_count_rows():
    X, y = make_data()
    with pytest.raises(ValueError, match=r"sums to [\d.]+; expected at least 4"):
        BiasReducedLogReg().fit(X, y, np.full(len(y), 1 / len(y)))


def test_offsets_that_leave_no_information():
    X, y = make_data()
    with pytest.raises(
        ValueError, match=r"information is singular .*: clip the offset"
    ):
        BiasReducedLogReg().fit(X, y, offset=np.where(np.arange(80) % 2, 1e5, -1e5))


@pytest.mark.parametrize(
    ("cause", "options"),
    [("iteration limit", {"max_iter": 2}), ("rounding floor", {"tol": 0.0})],
)
def test_a_fit_that_ends_early_warns(cause, options):
    X, y = make_data()
    pattern = re.escape(MESSAGES[cause])
    pattern = re.sub(r"\\{n_iter\\}", r"\\d+", pattern)
    pattern = re.sub(r"\\{\w+:\\\.1e\\}", r"[\\d.e+-]+", pattern)
    with pytest.warns(ConvergenceWarning, match=pattern):
        model = BiasReducedLogReg(**options).fit(X, y)
    assert not model.converged_ and model.distance_ > 0
    if cause == "rounding floor":
        assert model.distance_ < 1e-12
    else:
        assert model.n_iter_.tolist() == [2]
        with pytest.raises(ValueError, match="has not converged"):
            profile_penalised_likelihood(model, X, y)


def test_it_works_in_pipelines_with_routed_metadata():
    X, y = make_data(n=120)
    weights = np.random.default_rng(0).integers(1, 4, 120).astype(float)
    with config_context(enable_metadata_routing=True):
        model = BiasReducedLogReg().set_fit_request(sample_weight=True, offset=True)
        model.set_predict_log_proba_request(offset=True)
        scorer = log_loss_scorer.set_score_request(sample_weight=True, offset=True)
        scores = cross_val_score(
            make_pipeline(PolynomialFeatures(include_bias=False), model),
            X,
            y,
            cv=3,
            scoring=scorer,
            params={"sample_weight": weights, "offset": np.zeros(120)},
        )
    assert np.isfinite(scores).all()


# --- profiles ---------------------------------------------------------------------


def test_published_intervals_and_tests():
    X, y, counts = urinary_tract.load()
    X = pd.DataFrame(X, columns=urinary_tract.FEATURES)
    model = BiasReducedLogReg().fit(X, y, counts)
    table = profile_penalised_likelihood(model, X, y, sample_weight=counts)
    assert table.features == ["intercept", *urinary_tract.FEATURES]
    ends = np.column_stack([table.lower, table.upper])[1:]
    np.testing.assert_allclose(ends, urinary_tract.INTERVALS, rtol=2e-5)
    errors = urinary_tract.STANDARD_ERRORS
    np.testing.assert_allclose(table.standard_error[1:], errors, rtol=5e-6)
    np.testing.assert_allclose(table.chi2[1:], urinary_tract.CHI2, atol=0.005)
    np.testing.assert_array_equal(table.p_value, chi2.sf(table.chi2, 1))
    frame = table.to_frame()
    assert frame.loc["dia", "upper"] == table.upper[-1]
    np.testing.assert_array_equal(frame["estimate"].iloc[1:], model.coef_[0])
    text = str(table)
    assert "90%" not in text and "95% intervals" in text and "vicl" in text
    assert len(table) == 7


def test_a_profile_agrees_with_brute_force():
    X, y = make_data(n=40)
    shift = np.array([0, 50, 0])
    X = X + shift
    offset = np.random.default_rng(1).normal(size=40)
    model = BiasReducedLogReg().fit(X, y, offset=offset)
    table = profile_penalised_likelihood(
        model, X, y, offset=offset, level=0.9, features=["x2", "intercept"]
    )
    assert table.features == ["x2", "intercept"]
    centred = X - shift  # what brute force can do
    best, lowest = brute_force(centred, y, offset=offset)

    def loss(b):
        return 2 * (brute_force(centred, y, offset=offset, fixed=(2, b))[1] - lowest)

    assert table.chi2[0] == pytest.approx(loss(0.0), rel=1e-6)
    quantile = chi2.ppf(0.9, 1)
    for end, far in ((table.lower[0], -2), (table.upper[0], 2)):
        expected = brentq(
            lambda b: loss(b) - quantile, best[2], best[2] + far, rtol=1e-8
        )
        assert end == pytest.approx(expected, abs=1e-5)


def test_the_profile_of_the_intercept_is_that_of_the_given_columns():
    X, y = make_data(n=40, d=1)
    far = X + 3
    model = BiasReducedLogReg().fit(far, y)
    table = profile_penalised_likelihood(model, far, y, features=["intercept"])
    _, lowest = brute_force(far, y)
    for end in (table.lower[0], table.upper[0]):
        _, fixed = brute_force(far, y, fixed=(1, end))
        assert 2 * (fixed - lowest) == pytest.approx(chi2.ppf(0.95, 1), rel=1e-5)


def test_intervals_scale_with_their_column():
    X, y = make_data(n=40)
    scale = np.array([1e-6, 1, 1e6])
    tables = [
        profile_penalised_likelihood(
            BiasReducedLogReg(fit_intercept=False).fit(X * factor, y), X * factor, y
        )
        for factor in (1, scale)
    ]
    for name in ("lower", "upper"):
        ends, scaled = (getattr(table, name) for table in tables)
        np.testing.assert_allclose(scaled * scale, ends, rtol=1e-6)
    np.testing.assert_allclose(tables[1].chi2, tables[0].chi2, rtol=1e-6)


def test_separated_classes_have_intervals():
    x = np.array([-3.0, -2, -1, 1, 2, 3])[:, None]
    model = BiasReducedLogReg(flic=True).fit(x, x[:, 0] > 0)
    table = profile_penalised_likelihood(model, x, x[:, 0] > 0)
    assert table.features == ["x0"]  # the corrected intercept has no profile
    assert 0 < table.lower[0] < model.coef_[0, 0] < table.upper[0] < np.inf


def test_other_data_are_refused():
    X, y = make_data()
    model = BiasReducedLogReg().fit(X, y)
    message = "not the optimum on these data"
    with pytest.raises(ValueError, match=message):
        profile_penalised_likelihood(model, X[1:], y[1:])
    with pytest.raises(ValueError, match=message):
        profile_penalised_likelihood(model, X[:, :2], y)
    with pytest.raises(ValueError, match=message):
        profile_penalised_likelihood(model, 1e5 * X, y)


def test_powers_of_a_year_have_the_intervals_of_better_units():
    x = np.random.default_rng(0).uniform(2000, 2020, 60)
    y = (np.random.default_rng(1).random(60) < 0.4).astype(int)
    ends = []
    for X in (np.vander(x, 4)[:, :3], np.vander((x - 2010) / 10, 4)[:, :3]):
        model = BiasReducedLogReg().fit(X, y)
        table = profile_penalised_likelihood(model, X, y, features=["x0"])
        ends.append([table.lower[0], table.upper[0]])
    np.testing.assert_allclose(np.multiply(ends[0], 1e3), ends[1], rtol=1e-4)


def test_a_profile_that_ends_early_warns():
    X, y = make_data()
    model = BiasReducedLogReg().fit(X, y).set_params(max_iter=1)
    with pytest.warns(ConvergenceWarning) as caught:
        profile_penalised_likelihood(model, X, y)
    messages = [str(warning.message) for warning in caught]
    pattern = r"\d+ fits with a fixed coefficient ended early\. .* Increase max_iter"
    assert re.match(pattern, messages[-1])


def test_an_end_that_is_not_found_is_missing(monkeypatch):
    X, y = make_data()
    model = BiasReducedLogReg().fit(X, y)
    monkeypatch.setattr(penalised_profile, "MAX_STEPS", 1)
    with pytest.warns(
        ConvergenceWarning, match=r"test of 'x1' has not been found, and"
    ):
        table = profile_penalised_likelihood(model, X, y, features=["x1"])
    assert np.isnan(table.lower[0]) and np.isfinite(table.chi2[0])


def test_a_fit_to_a_local_maximum_is_refused():
    # what is no optimum at all stands for a local one
    X, y = make_data()
    objective = bias_reduced_objective(
        check_data(BiasReducedLogReg(), X, y, None, None), True
    )
    start = objective.problem.pack(np.array([[-2.0, 0, 0]]), np.zeros(1))
    early = minimise_bias_reduced(objective, start, tol=1e-8, max_iter=0)
    profile = penalised_profile.PenalisedProfile(
        objective, early, np.eye(4)[0], tol=1e-8, max_iter=100
    )
    with pytest.raises(ValueError, match="local maximum, not the global one; expected"):
        profile.loss_at_zero()


def test_wrong_arguments_are_refused():
    X, y = make_data()
    model = BiasReducedLogReg()
    with pytest.raises(NotFittedError):
        profile_penalised_likelihood(model, X, y)
    model.fit(X, y)
    with pytest.raises(ValueError, match=r"level=95; expected a number between"):
        profile_penalised_likelihood(model, X, y, level=95)
    with pytest.raises(ValueError, match=r"features holds 'age'; expected .*'x0'"):
        profile_penalised_likelihood(model, X, y, features=["age"])
    with pytest.raises(TypeError, match="estimator is a BinaryLogReg; expected a Bias"):
        profile_penalised_likelihood(BinaryLogReg().fit(X, y), X, y)
