"""The split of cross-entropy: its laws, and isotonic regression by brute force."""

import math
import re
import warnings

import numpy as np
import pytest
from scipy.special import expit, log_softmax, xlogy
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss

from skxent import calibration_decomposition, entropy
from skxent.evaluation.calibration import reliability_by_class
from skxent.evaluation.predictions import predictions_from


def sample(n=200, seed=0, *, slope=1.0, ties=False):
    """Events, predictions whose log-odds are `slope` times the true ones, weights."""
    rng = np.random.default_rng(seed)
    z = rng.normal(scale=2, size=n)
    if ties:
        z = np.round(z)
    y = rng.random(n) < expit(z)
    return y.astype(int), expit(slope * z), rng.integers(0, 4, size=n)


def brute_force(p, y, s):
    """The isotonic fit at each row, max over starts of min over ends of the mean."""
    values, codes = np.unique(p, return_inverse=True)
    events, mass = np.bincount(codes, s * y), np.bincount(codes, s)
    rows = range(len(values))

    def mean(i, j):
        return events[i : j + 1].sum() / mass[i : j + 1].sum()

    fit = [max(min(mean(i, j) for j in rows[k:]) for i in rows[: k + 1]) for k in rows]
    return np.array(fit)[codes]


def mean_loss(y, p, s):
    return -np.sum(s * (xlogy(y, p) + xlogy(1 - y, 1 - p))) / np.sum(s)


def close(value):
    return pytest.approx(value, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("slope", [1, 0.2, 5, -1, 0])
@pytest.mark.parametrize("base", [None, 2])
def test_parts_sum_to_the_cross_entropy(weighted, ties, slope, base):
    # H(y, p) = miscalibration − discrimination + H(y), each part at least 0.
    y, p, s = sample(slope=slope, ties=ties)
    weight = s if weighted else None
    parts = calibration_decomposition(y, p, sample_weight=weight, base=base)
    loss, miscalibration, discrimination, uncertainty = parts
    assert loss == close(miscalibration - discrimination + uncertainty)
    unit = math.log(base or math.e)
    assert loss == close(log_loss(y, p, sample_weight=weight) / unit)
    share = np.average(y, weights=weight)
    assert uncertainty == close(entropy([share, 1 - share], base=base))
    assert miscalibration >= 0
    assert 0 <= discrimination <= uncertainty


@pytest.mark.parametrize("ties", [False, True])
def test_miscalibration_is_what_the_best_increasing_function_saves(ties):
    y, p, s = sample(60, slope=3, ties=ties)
    s += 1
    parts = calibration_decomposition(y, p, sample_weight=s)
    saved = parts.cross_entropy - parts.miscalibration
    assert saved == close(mean_loss(y, brute_force(p, y, s), s))
    fit = IsotonicRegression().fit_transform(p, y, sample_weight=s)
    assert saved == close(mean_loss(y, fit, s))
    # No increasing function of p does better.
    for other in (p, expit(np.log(p / (1 - p)) / 3), np.sqrt(p), np.full(60, y.mean())):
        assert saved <= mean_loss(y, other, s)


def test_only_miscalibration_depends_on_more_than_the_order():
    y, p, _ = sample()
    before, after = (calibration_decomposition(y, q) for q in (p, p**3))
    assert after[2:] == close(before[2:])
    assert after.miscalibration > before.miscalibration


def test_recalibrated_predictions_are_calibrated():
    y, p, s = sample(slope=3)
    fit = IsotonicRegression().fit_transform(p, y, sample_weight=s)
    parts = calibration_decomposition(y, fit, sample_weight=s)
    assert parts.miscalibration == close(0)
    before = calibration_decomposition(y, p, sample_weight=s)
    assert parts.discrimination == close(before.discrimination)


def test_constant_predictions_do_not_discriminate():
    # Miscalibration is then the divergence of the prediction from the share of events.
    parts = calibration_decomposition([0, 0, 0, 1], [0.5] * 4, base=2)
    assert parts == close((1, 1 - entropy([0.25, 0.75], base=2), 0, parts.uncertainty))
    # Nor do predictions that differ by rounding alone.
    p = 0.3 * (1 + 1e-15 * np.arange(4))
    assert calibration_decomposition([0, 0, 1, 1], p).discrimination == 0


def test_weights_are_repeated_rows():
    y, p, s = sample(slope=2)
    repeated = calibration_decomposition(np.repeat(y, s), np.repeat(p, s))
    assert calibration_decomposition(y, p, sample_weight=s) == close(repeated)
    assert calibration_decomposition(y, p, sample_weight=s * 1e300) == close(repeated)


def test_the_other_event_has_the_same_parts():
    y, p, s = sample(slope=2)
    mirrored = calibration_decomposition(1 - y, 1 - p, sample_weight=s)
    assert calibration_decomposition(y, p, sample_weight=s) == close(mirrored)


@pytest.mark.parametrize("weights", [None, [0.1, 0.7, 0.3, 1.1]])
def test_certain_predictions(weights):
    right, wrong = (
        calibration_decomposition([0, 0, 1, 1], p, sample_weight=weights)
        for p in ([0, 0, 1, 1], [0, 1, 1, 1])
    )
    assert right[:2] == (0.0, 0.0)
    assert right.discrimination == right.uncertainty
    # Called certain, and did not happen: no other part is touched.
    assert wrong[:2] == (math.inf, math.inf)
    assert 0 < wrong.discrimination < wrong.uncertainty
    # Unless the row does not count.
    spared = calibration_decomposition([0, 0, 1], [0, 1, 1], sample_weight=[1, 0, 1])
    assert spared == close((0, 0, math.log(2), math.log(2)))


@pytest.mark.parametrize("y", [0, 1])
def test_one_label_has_nothing_to_tell(y):
    parts = calibration_decomposition([y, y], [0.5, 0.25 + y / 2])
    assert parts[2:] == (0.0, 0.0)
    assert parts.miscalibration == close(parts.cross_entropy)
    assert math.copysign(1, parts.uncertainty) == 1


def test_random_samples_keep_the_law():
    # Few rows, many ties and certain rates: where rounding and 0 log 0 lie in wait.
    rng = np.random.default_rng(3)
    for _ in range(300):
        n = rng.integers(1, 8)
        y, p = rng.integers(2, size=n), rng.choice([1e-300, 0.1, 0.5, 1 - 1e-16], n)
        s = rng.exponential(size=n)
        parts = calibration_decomposition(y, p, sample_weight=s)
        loss, miscalibration, discrimination, uncertainty = parts
        assert loss == close(miscalibration - discrimination + uncertainty)
        assert loss - miscalibration == pytest.approx(
            mean_loss(y, brute_force(p, y, s), s), rel=1e-9, abs=1e-12
        )


# --- One class at a time -------------------------------------------------------------


def test_more_classes_are_split_one_at_a_time():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), size=50)
    y, s = rng.integers(3, size=50), rng.exponential(size=50)
    by_class = reliability_by_class(predictions_from(y, proba, None, s), 2)
    assert list(by_class) == [0, 1, 2]
    for k, reliability in by_class.items():
        event = (y == k).astype(int)
        parts = calibration_decomposition(event, proba[:, k], sample_weight=s, base=2)
        assert reliability.parts == close(parts)
        np.testing.assert_allclose(reliability.proba, np.sort(proba[:, k]))
        assert (np.diff(reliability.rates) >= 0).all()
        assert reliability.shares.sum() == close(1)
        rates = brute_force(proba[:, k], event, s)[np.argsort(proba[:, k])]
        np.testing.assert_allclose(reliability.rates, rates)


def test_log_probabilities_keep_what_probabilities_lose():
    # Next to 1, and below the smallest number: as probabilities 1, 1 and 0.
    log_proba = log_softmax([[50.0, 0, 0], [800, 0, 0], [0, 900, 0]], axis=1)
    predictions = predictions_from([1, 0, 0], np.eye(3)[[0, 0, 1]], [0, 1, 2], None)
    by_class = reliability_by_class(predictions._replace(log_proba=log_proba), None)
    assert by_class[0].parts.cross_entropy == close((50 - math.log(2) + 900) / 3)
    assert len(by_class[0].proba) == 3


def test_huge_log_odds_are_no_overflow():
    log_proba = np.array([[0.0, -1e300], [-1.7e308, 0.0], [-math.inf, 0.0]])
    predictions = predictions_from([0, 1, 1], np.eye(2)[[0, 1, 1]], None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by_class = reliability_by_class(predictions._replace(log_proba=log_proba), 2)
    assert by_class[1].parts[:2] == (0.0, 0.0)
    assert len(by_class[1].proba) == 3


# --- What is refused, and how --------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda f: f([0, 2], [0.5, 0.5]), r"y_true holds 2\.0; expected 0 and 1 .*=="),
        (lambda f: f([0, 1], [0.5, 1.5]), r"proba has entries from 0\.5 to 1\.5; exp"),
        (lambda f: f([0, 1], [0.5, np.nan]), "proba contains NaN"),
        (lambda f: f([0, 1], [0.5]), r"proba has shape \(1,\), y_true \(2,\); expec"),
        (lambda f: f([0, 1], np.eye(2)), r"proba has shape \(2, 2\); expected \(n,\)"),
        (lambda f: f([], []), "0 sample"),
        (lambda f: f([0], [0.5], sample_weight=[-1]), r"has -1\.0 in row 0"),
        (lambda f: f([0], [0.5], base=1), "base is 1; expected .*: pass 2"),
    ],
)
def test_what_is_refused(call, match):
    with pytest.raises(ValueError) as caught:
        call(calibration_decomposition)
    assert re.search(match, str(caught.value), re.DOTALL)
