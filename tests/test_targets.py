"""Targets that are distributions, smoothed labels, and offsets of the logits.

The loss of a row with the target q is its cross-entropy, which is linear in q::

    H(q, p) = −Σ_k q_k log p_k,      p = softmax(w x + b + offset)

so that a row with the target q is the same as K rows, one for each label k, with the
weights q_k. Most of the laws here are consequences of that.
"""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _brute_force import log_proba, objective, optimum
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import entr, expit, log_softmax, softmax, xlogy
from sklearn import config_context
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skxent import (
    BinaryLogReg,
    CrossEntropyObjective,
    SoftmaxReg,
    cross_entropy,
    cross_entropy_loss,
    entropy,
    kl_divergence,
    l1_C_min,
    log_loss_scorer,
)
from skxent.classifiers.validation import check_data, encode_distributions
from skxent.data.targets import SUM_TOLERANCE

# Near the limit of float64, so that what is compared is the optimum, not the stop.
TIGHT = {"tol": 1e-14, "max_iter": 20_000}
ATOL = 1e-5
N_ROWS = 90

both = pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
# an estimator and the number of classes of its data
models = pytest.mark.parametrize(
    ("Estimator", "K"),
    [(BinaryLogReg, 2), (SoftmaxReg, 2), (SoftmaxReg, 4)],
    ids=["BinaryLogReg", "SoftmaxReg, 2 classes", "SoftmaxReg, 4 classes"],
)
intercepts = pytest.mark.parametrize("fit_intercept", [True, False])
containers = pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])


def make_data(K, seed=0):
    """Return data that no plane separates, with labels and with distributions."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N_ROWS, 3)) * [1, 5, 0.2]
    logits = X @ rng.normal(size=(3, K)) / [1, 5, 0.2][1] + rng.gumbel(size=(N_ROWS, K))
    q = softmax(3 * logits, axis=1)
    q[::5] = np.eye(K)[logits[::5].argmax(axis=1)]  # some rows are certain
    return X, logits.argmax(axis=1), q


def make_offset(Estimator, K, seed=1):
    """Return an offset of the shape that the estimator takes."""
    shape = N_ROWS if Estimator is BinaryLogReg else (N_ROWS, K)
    return np.random.default_rng(seed).normal(size=shape)


def logits_of(model, X, offset=None):
    """Return the logits in the shape that an offset has."""
    z = X @ model.coef_.T + model.intercept_
    z = z[:, 0] if z.shape[1] == 1 else z
    return z if offset is None else z + offset


@pytest.fixture
def weights():
    return np.random.default_rng(2).exponential(size=N_ROWS)


# --- soft targets: laws ----------------------------------------------------------


@models
@containers
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, bool])
def test_one_hot_rows_are_the_codes(Estimator, K, container, dtype, weights):
    X, y, _ = make_data(K)
    model = Estimator().fit(container(X), y, weights)
    one_hot = Estimator().fit(container(X), np.eye(K, dtype=dtype)[y], weights)
    assert_array_equal(one_hot.classes_, np.arange(K))
    assert_array_equal(one_hot.coef_, model.coef_)
    assert_array_equal(one_hot.intercept_, model.intercept_)
    assert_array_equal(one_hot.predict(X), model.predict(X))


@models
@intercepts
@containers
@pytest.mark.parametrize("C", [0.1, np.inf])
def test_target_is_a_row_for_each_class_weighted_by_its_probability(
    Estimator, K, fit_intercept, container, C, weights
):
    X, _, q = make_data(K)
    settings = {"C": C, "fit_intercept": fit_intercept, **TIGHT}
    soft = Estimator(**settings).fit(container(X), q, weights)
    hard = Estimator(**settings).fit(
        container(np.repeat(X, K, axis=0)),
        np.tile(np.arange(K), N_ROWS),
        (weights[:, None] * q).ravel(),
    )
    assert_allclose(soft.coef_, hard.coef_, rtol=0, atol=ATOL)
    assert_allclose(soft.intercept_, hard.intercept_, rtol=0, atol=ATOL)
    assert_allclose(soft.loss_curve_[-1], hard.loss_curve_[-1], rtol=1e-10)


@pytest.mark.parametrize(("Estimator", "K"), [(BinaryLogReg, 2), (SoftmaxReg, 4)])
@intercepts
def test_soft_optimum_is_that_of_logistic_regression_on_weighted_labels(
    Estimator, K, fit_intercept
):
    X, _, q = make_data(K)
    soft = Estimator(fit_intercept=fit_intercept, **TIGHT).fit(X, q)
    reference = LogisticRegression(
        solver="newton-cholesky", tol=1e-10, fit_intercept=fit_intercept
    )
    labels = np.tile(np.arange(K), N_ROWS)
    reference.fit(np.repeat(X, K, axis=0), labels, sample_weight=q.ravel())
    assert_allclose(soft.coef_, reference.coef_, rtol=0, atol=ATOL)
    assert_allclose(
        soft.predict_proba(X), reference.predict_proba(X), rtol=0, atol=ATOL
    )


@models
@pytest.mark.parametrize("with_offset", [True, False])
def test_loss_is_the_mean_cross_entropy_of_the_targets(
    Estimator, K, with_offset, weights
):
    X, _, q = make_data(K)
    offset = make_offset(Estimator, K) if with_offset else None
    model = Estimator(C=0.5).fit(X, q, weights, offset)
    F = objective(model.coef_, model.intercept_, X, q, s=weights, offset=offset, C=0.5)
    assert_allclose(model.loss_curve_[-1], F, rtol=1e-12)
    entropy = weights @ -xlogy(q, q).sum(axis=1) / weights.sum()
    assert entropy < F  # Gibbs: H(q, p) >= H(q, q)


@models
def test_true_probabilities_as_targets_give_back_the_true_model(Estimator, K):
    # Gibbs: H(q, p) is least where p = q
    X, _, _ = make_data(K)
    true = Estimator().fit(X, make_data(K)[1])
    found = Estimator(C=np.inf, **TIGHT).fit(X, true.predict_proba(X))
    assert_allclose(found.coef_, true.coef_, rtol=0, atol=ATOL)
    assert_allclose(found.intercept_, true.intercept_, rtol=0, atol=ATOL)


@models
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_indicators_of_groups_give_the_mean_target_of_each_group(
    Estimator, K, fit_intercept, weights
):
    # a saturated model: p is free in each group, and H is least at the mean of q
    _, _, q = make_data(K)
    group = np.arange(N_ROWS) % 3
    X = np.eye(3)[group]
    model = Estimator(C=np.inf, fit_intercept=fit_intercept, **TIGHT)
    model.fit(X, q, weights)
    mean = [
        np.average(q[group == g], axis=0, weights=weights[group == g]) for g in range(3)
    ]
    assert_allclose(model.predict_proba(np.eye(3)), mean, rtol=0, atol=1e-6)


@models
def test_mean_probability_is_the_mean_target(Estimator, K, weights):
    # The intercept is not penalised: 0 = ∂F/∂b_k = Σ_i s_i (p_ik − q_ik) / S.
    X, _, q = make_data(K)
    p = Estimator(C=0.1, **TIGHT).fit(X, q, weights).predict_proba(X)
    assert_allclose(weights @ (p - q) / weights.sum(), np.zeros(K), rtol=0, atol=1e-7)


@models
def test_integer_weights_are_repeated_rows(Estimator, K):
    X, _, q = make_data(K)
    times = np.arange(N_ROWS) % 4
    offset = make_offset(Estimator, K)
    weighted = Estimator(**TIGHT).fit(X, q, times, offset)
    again = [np.repeat(array, times, axis=0) for array in (X, q, offset)]
    repeated = Estimator(**TIGHT).fit(*again[:2], offset=again[2])
    assert_allclose(weighted.coef_, repeated.coef_, rtol=0, atol=ATOL)
    assert_allclose(weighted.intercept_, repeated.intercept_, rtol=0, atol=ATOL)


@models
def test_swapped_columns_swap_the_classes(Estimator, K):
    X, _, q = make_data(K)
    one = Estimator(**TIGHT).fit(X, q)
    other = Estimator(**TIGHT).fit(X, q[:, ::-1])
    assert_allclose(
        other.predict_proba(X)[:, ::-1], one.predict_proba(X), rtol=0, atol=ATOL
    )


@models
def test_counts_are_their_shares_weighted_by_their_totals(Estimator, K):
    # binomial and multinomial data: each row has seen each label so many times
    X, _, q = make_data(K)
    rng = np.random.default_rng(3)
    counts = rng.multinomial(rng.integers(1, 9, size=N_ROWS), q)
    totals = counts.sum(axis=1)
    shares = Estimator(**TIGHT).fit(X, counts / totals[:, None], totals)
    rows, labels = np.divmod(np.repeat(np.arange(N_ROWS * K), counts.ravel()), K)
    one_by_one = Estimator(**TIGHT).fit(X[rows], labels)
    assert_allclose(shares.coef_, one_by_one.coef_, rtol=0, atol=ATOL)
    assert_allclose(shares.intercept_, one_by_one.intercept_, rtol=0, atol=ATOL)


@models
def test_distance_to_the_soft_optimum_is_estimated_and_certified(Estimator, K):
    X, _, q = make_data(K)
    settings = {"C": 0.5, "label_smoothing": 0.1}
    offset = make_offset(Estimator, K)
    smooth = 0.9 * q + 0.1 / K

    def F(model):
        coef, intercept = model.coef_, model.intercept_
        return objective(coef, intercept, X, smooth, offset=offset, C=0.5)

    best = F(Estimator(**settings, **TIGHT).fit(X, q, offset=offset))
    for tol in (1e-2, 1e-4, 1e-6):
        model = Estimator(tol=tol, **settings).fit(X, q, offset=offset)
        gap = F(model) - best
        assert gap <= 3 * model.suboptimality_ * F(model) + 1e-12
        assert gap <= model.duality_gap_ + 1e-14


# --- soft targets: names, predictions, scores ------------------------------------


@both
@pytest.mark.parametrize(
    "names",
    [["no", "yes"], ["yes", "no"], [7, 3], [False, True]],
)
def test_columns_of_a_frame_name_the_classes(Estimator, names):
    X, _, q = make_data(2)
    frame = pd.DataFrame(q, columns=names, index=np.arange(N_ROWS)[::-1])
    model = Estimator().fit(X, frame)
    plain = Estimator().fit(X, q)
    assert model.classes_.tolist() == names
    assert_allclose(model.coef_, plain.coef_, rtol=1e-7)
    assert_array_equal(model.predict(X), np.array(names)[plain.predict(X)])
    assert_allclose(model.predict_proba(X), plain.predict_proba(X), rtol=1e-7)


@both
@pytest.mark.parametrize(
    "container",
    [
        np.ndarray.tolist,
        np.asfortranarray,
        lambda q: pl.DataFrame(q, schema=["0", "1"]),
    ],
    ids=["lists", "Fortran order", "polars"],
)
def test_container_of_targets_does_not_matter(Estimator, container):
    X, _, q = make_data(2)
    model = Estimator().fit(X, container(q))
    assert_allclose(model.coef_, Estimator().fit(X, q).coef_, rtol=1e-7)
    assert model.classes_.tolist() in ([0, 1], ["0", "1"])


@both
def test_fit_leaves_the_targets_alone(Estimator):
    X, _, q = make_data(2)
    offset = make_offset(Estimator, 2)
    before = q.copy(), offset.copy()
    Estimator(label_smoothing=0.1).fit(X, q, offset=offset).predict(X, offset=offset)
    assert_array_equal(q, before[0])
    assert_array_equal(offset, before[1])
    for array in (q, offset):
        array.flags.writeable = False
    Estimator(label_smoothing=0.1).fit(X, q, offset=offset).predict(X, offset=offset)


@models
def test_rows_may_miss_one_by_rounding(Estimator, K):
    X, _, q = make_data(K)
    expected = Estimator(**TIGHT).fit(X, q)
    for nearly in (q.astype(np.float32), q * (1 + 5e-7), q * (1 - 5e-7)):
        model = Estimator(**TIGHT).fit(X, nearly)
        assert_allclose(model.coef_, expected.coef_, rtol=0, atol=1e-4)


@models
def test_score_of_soft_targets_is_the_accuracy_for_the_most_probable_class(
    Estimator, K, weights
):
    X, _, q = make_data(K)
    names = np.array(["d", "a", "c", "b"][:K])
    model = Estimator().fit(X, pd.DataFrame(q, columns=names))
    labels = names[q.argmax(axis=1)]
    for s in (None, weights):
        expected = np.average(model.predict(X) == labels, weights=s)
        assert_allclose(model.score(X, pd.DataFrame(q, columns=names), s), expected)
        assert_allclose(model.score(X, q, sample_weight=s), expected)
        assert_allclose(model.score(X, labels, s), expected)


@both
def test_score_aligns_the_columns_of_a_frame_by_their_names(Estimator):
    X, _, q = make_data(2)
    frame = pd.DataFrame(q, columns=["z", "a"])
    model = Estimator().fit(X, frame)
    assert model.score(X, frame[["a", "z"]]) == model.score(X, frame)
    with pytest.raises(ValueError, match="owl"):
        model.score(X, frame.rename(columns={"z": "owl"}))


@models
@pytest.mark.parametrize("n_columns", [3, 5])
def test_score_needs_a_column_for_each_class(Estimator, K, n_columns):
    X, _, q = make_data(K)
    model = Estimator().fit(X, q)
    targets = np.random.default_rng(8).dirichlet(np.ones(n_columns), size=N_ROWS)
    with pytest.raises(ValueError, match=f"{n_columns}"):
        model.score(X, targets)


@models
def test_scorer_of_soft_targets_is_their_negative_cross_entropy(Estimator, K, weights):
    X, y, q = make_data(K)
    model = Estimator().fit(X, y)
    cross_entropy = -np.sum(q * log_proba(model.coef_, model.intercept_, X), axis=1)
    for s in (None, weights):
        expected = -np.average(cross_entropy, weights=s)
        assert_allclose(log_loss_scorer(model, X, q, sample_weight=s), expected)
        frame = pd.DataFrame(q, columns=model.classes_)
        assert_allclose(log_loss_scorer(model, X, frame, sample_weight=s), expected)
    # one-hot targets are labels
    assert_allclose(
        log_loss_scorer(model, X, np.eye(K)[y]),
        log_loss_scorer(model, X, y),
        rtol=1e-14,
    )


@both
def test_scorer_aligns_the_columns_of_a_frame_by_their_names(Estimator):
    X, _, q = make_data(2)
    frame = pd.DataFrame(q, columns=["z", "a"])
    model = Estimator().fit(X, frame)
    assert_allclose(
        log_loss_scorer(model, X, frame[["a", "z"]]), log_loss_scorer(model, X, frame)
    )
    with pytest.raises(ValueError, match="owl"):
        log_loss_scorer(model, X, frame.rename(columns={"z": "owl"}))


def test_scorer_lets_impossible_classes_cost_only_where_they_have_probability():
    # 0 log 0 = 0
    X, y = np.zeros((3, 1)), np.array([0, 1, 1])
    certain = DummyClassifier(strategy="constant", constant=1).fit(X, y)
    assert log_loss_scorer(certain, X, np.array([[0.0, 1.0]] * 3)) == 0
    half = np.array([[0.0, 1.0], [0.0, 1.0], [0.5, 0.5]])
    assert log_loss_scorer(certain, X, half) == -np.inf
    weightless = log_loss_scorer(certain, X, half, sample_weight=[1, 1, 0])
    assert weightless == 0


@both
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda q: 2 * q, "sum"),
        (lambda q: q[:, :1], r"shape|column|1"),
        (lambda q: np.hstack([q / 2, q / 2]), r"4|shape|column"),
        (lambda q: q - 0.1, r"negative|sum|probabilit"),
        (lambda q: q * np.nan, r"[nN]a[nN]"),
        (lambda q: q[:-1], r"row|sample|shape|length"),
    ],
)
def test_scorer_refuses_targets_that_are_no_distributions(Estimator, spoil, message):
    X, _, q = make_data(2)
    model = Estimator().fit(X, q)
    with pytest.raises(ValueError, match=message):
        log_loss_scorer(model, X, spoil(q))


@models
def test_soft_targets_pass_through_cross_validation(Estimator, K):
    X, _, q = make_data(K)
    cv = KFold(3)
    scores = cross_val_score(Estimator(), X, q, cv=cv, scoring=log_loss_scorer)
    accuracies = cross_val_score(Estimator(), X, q, cv=cv)
    for fold, (train, test) in enumerate(cv.split(X)):
        model = Estimator().fit(X[train], q[train])
        expected = np.sum(q[test] * model.predict_log_proba(X[test]), axis=1).mean()
        assert_allclose(scores[fold], expected, rtol=1e-10)
        right = model.predict(X[test]) == q[test].argmax(axis=1)
        assert_allclose(accuracies[fold], right.mean())
    search = GridSearchCV(
        make_pipeline(StandardScaler(), Estimator()),
        {f"{Estimator.__name__.lower()}__C": [1e-4, 1.0]},
        scoring=log_loss_scorer,
        cv=cv,
    )
    assert search.fit(X, q).best_params_[f"{Estimator.__name__.lower()}__C"] == 1.0


# --- soft targets: bad values ----------------------------------------------------


@both
@pytest.mark.parametrize(
    "factor", [1 + 2e-5, 1 - 2e-5, 2.0, 0.0], ids=["above", "below", "twice", "none"]
)
def test_rows_that_do_not_sum_to_one_are_refused(Estimator, factor):
    X, _, q = make_data(2)
    q[13] *= factor
    with pytest.raises(ValueError, match="sum to") as refused:
        Estimator().fit(X, q)
    assert "13" in str(refused.value)


@pytest.mark.parametrize("K", [3, 5000])
def test_softmax_in_float32_is_a_distribution_everywhere(K):
    q = softmax(np.random.default_rng(0).normal(size=(6, K)).astype(np.float32), axis=1)
    # the error of a sum of float32, one after the other
    q *= np.float32(1 + 8e-6)
    _, targets = encode_distributions(q, None, binary_only=False)
    assert_allclose(targets.sum(axis=1), 1, rtol=1e-14)
    objective = CrossEntropyObjective(np.eye(6), q, C=np.inf, loss="softmax")
    assert_allclose(objective.rows.targets, targets, rtol=1e-14)

    # the entropy of its own predictions, but for their totals
    entropies = entr(targets).sum(axis=1)
    assert_allclose(-log_loss_scorer(Oracle(q), q, q), entropies.mean(), atol=1e-5)


class Oracle:
    """A classifier that predicts given probabilities."""

    def __init__(self, proba):
        self.classes_ = np.arange(proba.shape[1])
        self.proba = proba

    def predict_proba(self, X):
        return self.proba


# Functions that take rows q of probabilities. check_data is what fit reads y with.
READERS = {
    "check_data": lambda q: check_data(SoftmaxReg(), np.eye(len(q)), q, None, None),
    "score": lambda q: without_features(q).score(np.eye(len(q)), q),
    "l1_C_min": lambda q: l1_C_min(np.eye(len(q)), q),
    "objective": lambda q: CrossEntropyObjective(np.eye(len(q)), q, C=1.0),
    "scorer, targets": lambda q: log_loss_scorer(Oracle(exact(q)), np.eye(len(q)), q),
    "scorer, predictions": lambda q: log_loss_scorer(Oracle(q), None, [0] * len(q)),
    "loss": lambda q: cross_entropy_loss(
        [0] * len(q), np.log(q), classes=np.arange(q.shape[1])
    ),
    "entropy": entropy,
    "cross_entropy": lambda q: cross_entropy(q, exact(q)),
    "kl_divergence": lambda q: kl_divergence(exact(q), q),
}


def exact(q):
    """Return rows that sum to 1 in float64."""
    q = q.astype(np.float64)
    return q / q.sum(axis=1, keepdims=True)


def without_features(q):
    """Return a classifier that predicts equal probabilities, without a costly fit."""
    K = q.shape[1]
    model = SoftmaxReg()
    model.classes_, model.n_features_in_ = np.arange(K), len(q)
    model.coef_, model.intercept_ = np.zeros((K, len(q))), np.zeros(K)
    return model


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("K", [3, 4000])
def test_rows_of_probabilities_have_one_tolerance_everywhere(reader, dtype, K):
    q = softmax(np.random.default_rng(0).normal(size=(6, K)).astype(dtype), axis=1)
    for sign in (1, -1):
        READERS[reader](q * dtype(1 + sign * 0.9 * SUM_TOLERANCE))
        with pytest.raises(ValueError, match="sum"):
            READERS[reader](q * dtype(1 + sign * 1.1 * SUM_TOLERANCE))


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_tolerance_of_a_fit_is_that_of_its_score(Estimator, dtype):
    X, _, q = make_data(2)
    for factor in (1 - 0.9 * SUM_TOLERANCE, 1 + 0.9 * SUM_TOLERANCE):
        model = Estimator().fit(X, (q * factor).astype(dtype))
        model.score(X, (q * factor).astype(dtype))
    for factor in (1 - 1.1 * SUM_TOLERANCE, 1 + 1.1 * SUM_TOLERANCE):
        with pytest.raises(ValueError, match="sums to"):
            Estimator().fit(X, (q * factor).astype(dtype))
        with pytest.raises(ValueError, match="sums to"):
            model.score(X, (q * factor).astype(dtype))


@models
def test_counts_are_refused_with_the_remedy(Estimator, K):
    X, _, q = make_data(K)
    counts = np.random.default_rng(4).multinomial(7, q)
    with pytest.raises(ValueError, match=r"(?is)divide.*totals.*sample_weight"):
        Estimator().fit(X, counts)


@both
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-0.25, r"-0\.25"),
        (np.nan, "NaN"),
        (np.inf, "infinity"),
    ],
)
def test_bad_entry_of_a_target_is_named(Estimator, value, message):
    X, _, q = make_data(2)
    q[13] = [value, 1 - value] if np.isfinite(value) else [value, 0]
    with pytest.raises(ValueError, match=message):
        Estimator().fit(X, q)


@both
def test_targets_need_a_row_for_each_sample(Estimator):
    X, _, q = make_data(2)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        Estimator().fit(X, q[:-1])


def test_three_columns_are_too_many_for_binary():
    X, _, q = make_data(3)
    with pytest.raises(ValueError, match="Only binary classification is supported"):
        BinaryLogReg().fit(X, q)


@both
def test_probabilities_in_one_dimension_are_refused(Estimator):
    # are they those of the second class, or a target of a regression?
    X, _, q = make_data(2)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        Estimator().fit(X, q[:, 1])


@both
def test_columns_that_share_a_name_are_refused(Estimator):
    X, _, q = make_data(2)
    with pytest.raises(ValueError, match="no"):
        Estimator().fit(X, pd.DataFrame(q, columns=["no", "no"]))


@both
@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 2.0}])
def test_class_weights_need_labels(Estimator, class_weight):
    X, _, q = make_data(2)
    with pytest.raises(ValueError, match="class_weight"):
        Estimator(class_weight=class_weight).fit(X, q)


@models
@pytest.mark.parametrize("certain", [True, False])
def test_every_column_needs_probability(Estimator, K, certain):
    # as every class needs a row: the optimum would be at an infinite intercept
    X, y, q = make_data(K)
    q = np.eye(K)[y] if certain else q
    q[:, 0] += q[:, -1]
    q[:, -1] = 0
    with pytest.raises(ValueError, match=r"class"):
        Estimator().fit(X, q)


@both
@pytest.mark.parametrize(
    ("s", "message"),
    [
        (np.zeros(N_ROWS), r"weight.*(0|zero)"),
        (-np.ones(N_ROWS), "sample_weight has the negative entry"),
        (np.ones(N_ROWS - 1), "inconsistent numbers of samples"),
        (np.full(N_ROWS, np.nan), "sample_weight contains NaN"),
    ],
    ids=["zero", "negative", "too short", "NaN"],
)
def test_weights_of_soft_targets_are_checked(Estimator, s, message):
    X, _, q = make_data(2)
    with pytest.raises(ValueError, match=message):
        Estimator().fit(X, q, s)


# --- label smoothing -------------------------------------------------------------


@models
@intercepts
@containers
@pytest.mark.parametrize("eps", [1e-3, 0.1, 0.9])
@pytest.mark.parametrize("soft", [True, False])
def test_label_smoothing_mixes_the_targets_with_equal_ones(
    Estimator, K, fit_intercept, container, eps, soft, weights
):
    X, y, q = make_data(K)
    q = q if soft else np.eye(K)[y]
    settings = {"C": 2.0, "fit_intercept": fit_intercept, **TIGHT}
    smoothed = Estimator(label_smoothing=eps, **settings)
    smoothed.fit(container(X), q if soft else y, weights)
    by_hand = Estimator(**settings)
    by_hand.fit(container(X), (1 - eps) * q + eps / K, weights)
    assert_allclose(smoothed.coef_, by_hand.coef_, rtol=0, atol=ATOL)
    assert_allclose(smoothed.intercept_, by_hand.intercept_, rtol=0, atol=ATOL)


@models
def test_no_smoothing_is_the_default(Estimator, K):
    X, y, _ = make_data(K)
    assert_array_equal(
        Estimator(label_smoothing=0.0).fit(X, y).coef_, Estimator().fit(X, y).coef_
    )


@models
@pytest.mark.parametrize("eps", [1e-6, 0.1, 0.5])
def test_smoothed_model_of_separable_classes_is_as_sure_as_its_targets(
    Estimator, K, eps
):
    # without penalty and in a saturated model, p is the target of each class; without
    # smoothing there would be no optimum
    y = np.arange(N_ROWS) % K
    model = Estimator(C=np.inf, label_smoothing=eps, **TIGHT).fit(np.eye(K)[y], y)
    target = (1 - eps) * np.eye(K) + eps / K
    assert_allclose(model.predict_proba(np.eye(K)), target, rtol=1e-3, atol=1e-7)


@models
def test_smoothed_labels_keep_names_and_class_weights(Estimator, K):
    # class weights belong to the labels as they were, not to the smoothed ones
    X, y, _ = make_data(K)
    names = np.array(["d", "a", "c", "b"])
    factors = {"d": 3.0, "a": 0.5}
    model = Estimator(label_smoothing=0.2, class_weight=factors, **TIGHT)
    model.fit(X, names[y])
    assert_array_equal(model.classes_, np.sort(names[:K]))
    s = np.array([factors.get(name, 1.0) for name in names])[y]
    targets = 0.8 * (names[y][:, None] == model.classes_) + 0.2 / K
    by_hand = Estimator(**TIGHT).fit(X, targets, s)
    assert_allclose(model.coef_, by_hand.coef_, rtol=0, atol=ATOL)


@both
@pytest.mark.parametrize("value", [-0.1, 1.0, 2.0, np.nan, "some", None])
def test_bad_label_smoothing_is_named(Estimator, value):
    message = rf"The 'label_smoothing' parameter of {Estimator.__name__} must be .* Got"
    X, y, _ = make_data(2)
    with pytest.raises(ValueError, match=message):
        Estimator(label_smoothing=value).fit(X, y)


# --- offsets: laws ---------------------------------------------------------------


@models
@containers
def test_offset_of_zero_changes_nothing(Estimator, K, container):
    X, y, _ = make_data(K)
    zero = np.zeros_like(make_offset(Estimator, K))
    model = Estimator(**TIGHT).fit(container(X), y, offset=zero)
    plain = Estimator(**TIGHT).fit(container(X), y)
    assert_allclose(model.coef_, plain.coef_, rtol=0, atol=ATOL)
    assert_allclose(
        model.predict_proba(X, offset=zero), model.predict_proba(X), rtol=1e-14
    )


@models
@pytest.mark.parametrize("size", [1.0, 1e3])
def test_constant_offset_moves_only_the_intercept(Estimator, K, size):
    # (b − a) + a = b
    X, y, _ = make_data(K)
    a = size * (np.arange(K) - (K - 1) / 2)  # of sum 0, as the intercepts are
    a = a[1] if Estimator is BinaryLogReg else a
    offset = np.zeros_like(make_offset(Estimator, K)) + a
    model = Estimator(C=0.5, **TIGHT).fit(X, y, offset=offset)
    plain = Estimator(C=0.5, **TIGHT).fit(X, y)
    assert_allclose(model.coef_, plain.coef_, rtol=0, atol=ATOL)
    assert_allclose(model.intercept_ + a, plain.intercept_, rtol=0, atol=ATOL)
    assert_allclose(
        model.predict_proba(X, offset=offset),
        plain.predict_proba(X),
        rtol=0,
        atol=ATOL,
    )


@pytest.mark.parametrize("K", [2, 4])
def test_softmax_ignores_what_is_added_to_all_logits_of_a_row(K):
    X, y, _ = make_data(K)
    offset = make_offset(SoftmaxReg, K)
    shifted = offset + np.linspace(-50, 50, N_ROWS)[:, None]
    model = SoftmaxReg(**TIGHT).fit(X, y, offset=offset)
    other = SoftmaxReg(**TIGHT).fit(X, y, offset=shifted)
    assert_allclose(other.coef_, model.coef_, rtol=0, atol=ATOL)
    assert_allclose(other.intercept_, model.intercept_, rtol=0, atol=ATOL)
    assert_allclose(
        model.predict_proba(X, offset=shifted),
        model.predict_proba(X, offset=offset),
        rtol=1e-11,
    )


@models
@intercepts
@containers
def test_linear_offset_is_taken_off_the_coefficients(
    Estimator, K, fit_intercept, container
):
    # x (w − v) + x v = x w, where no penalty tells w − v from w
    X, y, _ = make_data(K)
    settings = {"C": np.inf, "fit_intercept": fit_intercept, **TIGHT}
    plain = Estimator(**settings).fit(container(X), y)
    v = np.random.default_rng(5).normal(size=plain.coef_.shape)
    v -= v.mean(axis=0) if Estimator is SoftmaxReg else 0
    offset = np.squeeze(X @ v.T)
    model = Estimator(**settings).fit(container(X), y, offset=offset)
    assert_allclose(model.coef_ + v, plain.coef_, rtol=0, atol=3e-5)
    assert_allclose(model.intercept_, plain.intercept_, rtol=0, atol=3e-5)


@models
@pytest.mark.parametrize("C", [0.1, np.inf])
@pytest.mark.parametrize("soft", [True, False])
def test_nothing_is_left_to_learn_beside_its_own_logits(Estimator, K, C, soft):
    # The gradient of the loss is 0 at w = 0, b = 0, and so is that of any penalty.
    X, y, q = make_data(K)
    y = q if soft else y
    first = Estimator(C=np.inf, **TIGHT).fit(X, y)
    second = Estimator(C=C, **TIGHT).fit(X, y, offset=logits_of(first, X))
    assert_allclose(second.coef_ * X.std(axis=0), 0, atol=ATOL)
    assert_allclose(second.intercept_, 0, atol=ATOL)
    # under L1 the zeros are exact
    lasso = Estimator(l1_ratio=1.0).fit(X, y, offset=logits_of(first, X))
    assert_array_equal(lasso.coef_, np.zeros_like(lasso.coef_))


@models
def test_known_effect_as_offset_leaves_the_rest(Estimator, K):
    # with probabilities as targets, the true model comes back to the last digits
    X, y, _ = make_data(K)
    true = Estimator().fit(X, y)
    q = true.predict_proba(X)
    known = np.reshape(
        X[:, [1]] @ true.coef_[:, [1]].T, make_offset(Estimator, K).shape
    )
    rest = Estimator(C=np.inf, **TIGHT).fit(X[:, [0, 2]], q, offset=known)
    assert_allclose(rest.coef_, true.coef_[:, [0, 2]], rtol=0, atol=ATOL)
    assert_allclose(
        rest.predict_proba(X[:, [0, 2]], offset=known), q, rtol=0, atol=1e-6
    )


def test_exposure_multiplies_the_odds():
    # The odds of a claim are the time of exposure t times exp(w x + b). With log t as
    # offset, the fit finds w and b; without, it takes the time for an effect of x.
    rng = np.random.default_rng(6)
    n, w, b = 20_000, np.array([0.8, -0.5]), -1.0
    X = rng.normal(size=(n, 2))
    t = np.exp(rng.normal(size=n) - X[:, 0])  # those with a large x_0 left early
    y = rng.random(n) < expit(X @ w + b + np.log(t))
    model = BinaryLogReg(C=np.inf).fit(X, y, offset=np.log(t))
    # five standard errors of estimates from 20,000 rows are about 0.12
    assert_allclose(model.coef_[0], w, rtol=0, atol=0.12)
    assert_allclose(model.intercept_, b, rtol=0, atol=0.12)
    naive = BinaryLogReg(C=np.inf).fit(X, y)
    assert abs(naive.coef_[0, 0] - w[0]) > 0.5
    # twice the time, twice the odds
    once = model.predict_proba(X[:5], offset=np.log(t[:5]))
    twice = model.predict_proba(X[:5], offset=np.log(2 * t[:5]))
    assert_allclose(twice[:, 1] / twice[:, 0], 2 * once[:, 1] / once[:, 0], rtol=1e-12)


def test_sampling_of_one_class_is_undone_by_an_offset():
    # Keeping a share of the class 0 divides its odds by that share: log(1 / share) is
    # added to the log-odds of class 1 in the sample.
    X, _, _ = make_data(2)
    true = BinaryLogReg().fit(X, make_data(2)[1])
    q = true.predict_proba(X)
    share = 0.05
    sampled = q * [share, 1]
    sampled /= sampled.sum(axis=1, keepdims=True)
    offset = np.full(N_ROWS, -np.log(share))
    model = BinaryLogReg(C=np.inf, **TIGHT).fit(X, sampled, offset=offset)
    assert_allclose(model.predict_proba(X), q, rtol=0, atol=1e-6)


@models
@pytest.mark.parametrize("size", [100.0, 1e3, 1e5])
@pytest.mark.parametrize("right", [True, False])
def test_huge_offsets_of_some_rows_are_no_trouble(Estimator, K, size, right):
    # rows that are certain, rightly or wrongly, have no curvature: it is in the others
    X, y, _ = make_data(K)
    offset = make_offset(Estimator, K)
    certain = np.arange(N_ROWS) % 3 == 0
    label = y if right else (y + 1) % K
    push = 2 * label - 1 if Estimator is BinaryLogReg else np.eye(K)[label]
    offset[certain] += size * push[certain]
    model = Estimator(C=0.5, tol=1e-11, max_iter=20_000).fit(X, y, offset=offset)
    q, binary = np.eye(K)[y], Estimator is BinaryLogReg
    best = optimum(X, q, binary=binary, offset=offset, C=0.5).value
    F = objective(model.coef_, model.intercept_, X, q, offset=offset, C=0.5)
    assert_allclose(F, best, rtol=1e-9)
    assert np.isfinite(model.predict_log_proba(X, offset=offset)).all()


# --- offsets: predictions, routing, bad values -----------------------------------


@models
@containers
@pytest.mark.parametrize("times", [1, 400], ids=["one block", "many blocks"])
def test_predictions_add_the_offset_to_the_logits(Estimator, K, container, times):
    X, y, _ = make_data(K)
    offset = make_offset(Estimator, K)
    model = Estimator().fit(X, y, offset=offset)
    z = logits_of(model, X, offset)
    log_p = log_softmax(np.column_stack([0 * z, z]) if z.ndim == 1 else z, axis=1)
    X_many = container(np.tile(X, (times, 1)))
    many = np.tile(offset, times if z.ndim == 1 else (times, 1))
    log_p = np.tile(log_p, (times, 1))
    assert_allclose(
        model.predict_log_proba(X_many, offset=many), log_p, rtol=1e-10, atol=1e-12
    )
    assert_allclose(model.predict_proba(X_many, offset=many), np.exp(log_p), rtol=1e-10)
    decision = model.decision_function(X_many, offset=many)
    expected = log_p[:, 1] - log_p[:, 0] if K == 2 else np.tile(z, (times, 1))
    assert_allclose(decision, expected, rtol=1e-9, atol=1e-10)
    predicted = model.predict(X_many, offset=many)
    assert_array_equal(predicted, log_p.argmax(axis=1))
    y_many = np.tile(y, times)
    score = model.score(X_many, y_many, offset=many)
    assert_allclose(score, np.mean(predicted == y_many))


@both
@pytest.mark.parametrize("container", [np.asarray, np.ndarray.tolist, pd.DataFrame])
def test_container_of_an_offset_does_not_matter(Estimator, container):
    X, y, _ = make_data(2)
    offset = make_offset(Estimator, 2)
    if container is pd.DataFrame and offset.ndim == 1:
        container = pd.Series
    given = container(offset)
    expected = Estimator().fit(X, y, offset=offset)
    model = Estimator().fit(X, y, offset=given)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-7)
    assert_array_equal(
        model.predict_proba(X, offset=given), model.predict_proba(X, offset=offset)
    )


@both
def test_integer_offset_is_read_as_float(Estimator):
    X, y, _ = make_data(2)
    offset = np.rint(make_offset(Estimator, 2)).astype(int)
    model = Estimator().fit(X, y, offset=offset)
    assert_array_equal(
        model.coef_, Estimator().fit(X, y, offset=offset.astype(float)).coef_
    )


@both
def test_offset_of_float32_data_has_the_digits_of_float64(Estimator):
    X, y, _ = make_data(2)
    offset = 1e4 + make_offset(Estimator, 2)
    model = Estimator().fit(X.astype(np.float32), y, offset=offset)
    exact = Estimator().fit(X.astype(np.float32).astype(float), y, offset=offset)
    assert_allclose(
        model.predict_proba(X.astype(np.float32), offset=offset),
        exact.predict_proba(X, offset=offset),
        rtol=0,
        atol=1e-3,
    )


@both
def test_warm_start_with_an_offset_stays_at_the_optimum(Estimator):
    X, y, _ = make_data(2)
    offset = make_offset(Estimator, 2)
    model = Estimator(tol=1e-12, warm_start=True).fit(X, y, offset=offset)
    before = model.predict_proba(X)
    again = model.set_params(tol=1e-6).fit(X, y, offset=offset)
    assert again.n_iter_[0] <= 1
    assert_allclose(again.predict_proba(X), before, rtol=0, atol=1e-5)


@models
def test_scorer_hands_the_offset_over(Estimator, K, weights):
    X, y, q = make_data(K)
    offset = make_offset(Estimator, K)
    model = Estimator().fit(X, y, offset=offset)
    log_p = model.predict_log_proba(X, offset=offset)
    expected = np.average(np.sum(q * log_p, axis=1), weights=weights)
    score = log_loss_scorer(model, X, q, sample_weight=weights, offset=offset)
    assert_allclose(score, expected, rtol=1e-12)
    scorer = log_loss_scorer.set_score_request(offset=True)
    with config_context(enable_metadata_routing=True):
        routed = cross_validate(
            Estimator().set_fit_request(offset=True),
            X,
            q,
            cv=KFold(2),
            scoring=scorer,
            params={"offset": offset},
        )
    for fold, (train, test) in enumerate(KFold(2).split(X)):
        model = Estimator().fit(X[train], q[train], offset=offset[train])
        log_p = model.predict_log_proba(X[test], offset=offset[test])
        expected = np.sum(q[test] * log_p, axis=1).mean()
        assert_allclose(routed["test_score"][fold], expected, rtol=1e-9)


@both
def test_offset_is_routed_through_a_pipeline(Estimator):
    X, y, _ = make_data(2)
    offset = make_offset(Estimator, 2)
    scaled = StandardScaler().fit_transform(X)
    by_hand = Estimator().fit(scaled, y, offset=offset)
    methods = "predict", "predict_proba", "predict_log_proba", "decision_function"
    with config_context(enable_metadata_routing=True):
        model = Estimator()
        for method in ("fit", "score", *methods):
            getattr(model, f"set_{method}_request")(offset=True)
        pipeline = make_pipeline(StandardScaler(), model).fit(X, y, offset=offset)
        for method in methods:
            assert_allclose(
                getattr(pipeline, method)(X, offset=offset),
                getattr(by_hand, method)(scaled, offset=offset),
                rtol=1e-9,
            )
        score = pipeline.score(X, y, offset=offset)
    assert score == by_hand.score(scaled, y, offset=offset)


def bad_offsets(Estimator):
    offset = make_offset(Estimator, 2)
    spoilt = offset.copy()
    spoilt.flat[7] = np.nan
    infinite = np.where(np.isnan(spoilt), np.inf, spoilt)
    wrong = offset[:, None] if Estimator is BinaryLogReg else offset[:, 0]
    wide = np.ones((N_ROWS, 3))
    return {
        "NaN": (spoilt, r"offset .*NaN"),
        "infinity": (infinite, r"offset .*infinity"),
        "too short": (offset[:-1], r"offset|inconsistent numbers of samples"),
        "other dimension": (wrong, "offset"),
        "too wide": (wide, "offset"),
        "one number": (np.array(0.5), "offset"),
        "text": (np.full(offset.shape, "far"), "offset|string to float"),
    }


@both
@pytest.mark.parametrize("case", bad_offsets(BinaryLogReg))
def test_bad_offset_is_named(Estimator, case):
    X, y, _ = make_data(2)
    offset, message = bad_offsets(Estimator)[case]
    with pytest.raises(ValueError, match=message):
        Estimator().fit(X, y, offset=offset)
    model = Estimator().fit(X, y)
    for method in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(ValueError, match=message):
            getattr(model, method)(X, offset=offset)
    with pytest.raises(ValueError, match=message):
        model.decision_function(X, offset=offset)
    with pytest.raises(ValueError, match=message):
        model.score(X, y, offset=offset)
