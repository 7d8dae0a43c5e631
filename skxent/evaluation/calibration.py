r"""Decomposition of the cross-entropy: miscalibration, discrimination, uncertainty.

Let y, 0 or 1, be an event that is predicted with probability p. Isotonic regression of
y on p gives the recalibrated probability c. Of all increasing functions of p, c has the
smallest cross-entropy. It also minimises every other proper score. With c::

    H(y, p) = [H(y, p) − H(y, c)]  −  [H(y) − H(y, c)]  +  H(y)
               miscalibration ≥ 0     discrimination ≥ 0   uncertainty

H(y, p) is the mean cross-entropy of the predictions. H(y), the entropy of the labels,
is that of a constant prediction: the share of events. With more than two classes, each
class has a decomposition of its own, where y is the class against all others.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, logsumexp
from sklearn.isotonic import isotonic_regression
from sklearn.utils.validation import check_array

from ..data.containers import check_numbers
from .alignment import row_shares
from .predictions import LabelledPredictions
from .units import convert_nats

_Array = NDArray[Any]


class CalibrationDecomposition(NamedTuple):
    """The parts of ``cross_entropy = miscalibration − discrimination + uncertainty``.

    Attributes
    ----------
    cross_entropy : float
        Mean cross-entropy of the predictions. Infinite if an event of predicted
        probability 0 happened, or one of probability 1 did not.
    miscalibration : float
        The reduction of the cross-entropy by isotonic recalibration; 0 is best.
    discrimination : float
        The reduction of the cross-entropy from a constant prediction, the share of
        events, to the recalibrated predictions. 0 if the order of the predictions
        carries no information about the event, `uncertainty` at best.
    uncertainty : float
        Entropy of the labels. It does not depend on the predictions.
    """

    cross_entropy: float
    miscalibration: float
    discrimination: float
    uncertainty: float


class Reliability(NamedTuple):
    """Distinct predictions of one event, in increasing order, and its frequencies."""

    proba: _Array  # (m,) predicted probabilities
    rates: _Array  # (m,) recalibrated probabilities, a step function of proba
    shares: _Array  # (m,) the weight of each prediction, as a share of the total
    parts: CalibrationDecomposition
    counts: _Array | None = None  # (m,) the effective number of rows of each prediction


def calibration_decomposition(
    y_true: ArrayLike,
    proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    base: float | None = None,
) -> CalibrationDecomposition:
    r"""Decompose the cross-entropy of predicted probabilities of an event.

    .. math:: H(y, p) = \text{miscalibration} - \text{discrimination} + H(y)

    Miscalibration is the part that recalibration can remove, without a better model.
    Discrimination measures the information about the event in the order of the
    predictions. Both are computed by isotonic regression, which has no tuning
    parameter. Both are biased upwards in small samples, because the regression is
    fitted to the same rows.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Whether the event happened: 1 or True if it did, 0 or False if not.
    proba : array-like of shape (n,)
        The predicted probabilities of the event.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row of weight 2 counts twice. None means 1 each.
    base : float, default=None
        Base of the logarithm, above 1. None means e: the result is in nats.

    Returns
    -------
    CalibrationDecomposition
        A named tuple ``(cross_entropy, miscalibration, discrimination, uncertainty)``.

    Raises
    ------
    ValueError
        If `y_true` has values other than 0 and 1, `proba` is not between 0 and 1,
        shapes do not match, or `sample_weight` or `base` is out of range.

    See Also
    --------
    skxent.ReliabilityDisplay : A plot of calibration, for any number of classes.

    References
    ----------
    Dimitriadis, Gneiting and Jordan (2021), Stable reliability diagrams for
    probabilistic classifiers, Proceedings of the National Academy of Sciences 118,
    e2016191118. doi:10.1073/pnas.2016191118

    Bröcker (2009), Reliability, sufficiency, and the decomposition of proper scores,
    Quarterly Journal of the Royal Meteorological Society 135, 1512–1519.
    doi:10.1002/qj.456

    Examples
    --------
    The order of these predictions provides 0.189 bits, of the 1 bit of uncertainty. All
    predictions are too close to one half, which costs 0.072 bits:

    >>> rain = [0, 0, 0, 1, 0, 1, 1, 1]
    >>> proba = [0.4, 0.4, 0.4, 0.4, 0.6, 0.6, 0.6, 0.6]
    >>> parts = calibration_decomposition(rain, proba, base=2)
    >>> [round(part, 3) for part in parts]
    [0.883, 0.072, 0.189, 1.0]
    """
    y_true = _vector(y_true, "y_true")
    p = _vector(proba, "proba")
    if not np.isin(y_true, [0, 1]).all():
        raise ValueError(
            f"y_true holds {y_true[~np.isin(y_true, [0, 1])][0]}; expected 0 and 1 "
            "only: compare the labels with the label of the event, y == label."
        )
    if p.shape != y_true.shape:
        raise ValueError(
            f"proba has shape {p.shape}, y_true {y_true.shape}; expected the same: "
            "pass only the probability of the event, one column of predict_proba."
        )
    if p.min() < 0 or p.max() > 1:
        raise ValueError(
            f"proba has entries from {p.min()} to {p.max()}; expected probabilities: "
            "pass logits through scipy.special.expit."
        )
    shares = row_shares(sample_weight, len(p))
    # Rows of weight 0 are dropped because 0 * inf is NaN.
    counts = shares > 0
    with np.errstate(divide="ignore"):
        log_p, log_q = np.log(p[counts]), np.log1p(-p[counts])
    return _reliability(log_p, log_q, y_true[counts] == 1, shares[counts], base).parts


def reliability_by_class(
    predictions: LabelledPredictions, base: float | None
) -> dict[Any, Reliability]:
    """Return the reliability of each class, or only of the second of two.

    With two classes, the first has the mirror image and the same decomposition.

    Parameters
    ----------
    predictions : LabelledPredictions
        Predictions for labelled rows.
    base : float or None
        Base of the logarithm. None means e: the parts are in nats.
    """
    classes, _, codes, shares, log_proba = predictions
    first = 1 if len(classes) <= 2 else 0
    by_class = {}
    for k, label in enumerate(classes[first:], start=first):
        # log(1 − p) would be inaccurate where p is close to 1.
        log_rest = logsumexp(np.delete(log_proba, k, axis=1), axis=1)
        by_class[label] = _reliability(
            log_proba[:, k], np.minimum(log_rest, 0.0), codes == k, shares, base
        )
    return by_class


def _reliability(
    log_p: _Array,
    log_q: _Array,
    events: NDArray[np.bool_],
    shares: _Array,
    base: float | None,
) -> Reliability:
    """Recalibrate p = exp(log_p) and decompose its cross-entropy.

    Parameters
    ----------
    log_p, log_q : ndarray of shape (n,)
        log(p) and log(1 − p).
    events : ndarray of shape (n,)
        Whether the event happened.
    shares : ndarray of shape (n,)
        The weight of each row, positive; the sum is 1.
    base : float or None
        Base of the logarithm. None means e: the parts are in nats.
    """
    # Predictions are sorted by log-odds, which are distinct even where p rounds to 1.
    # Log-odds that differ only by rounding count as one prediction; otherwise, isotonic
    # regression would fit the order of the rounding errors. arcsinh turns absolute
    # differences into relative ones where the log-odds are large.
    scores = np.round(np.arcsinh(log_p - log_q), 10)
    _, first, inverse = np.unique(scores, return_index=True, return_inverse=True)
    mass = np.bincount(inverse, shares)
    frequencies = np.bincount(inverse, shares * events) / mass
    rates = np.clip(isotonic_regression(frequencies, sample_weight=mass), 0, 1)

    # The rates of isotonic regression are the frequencies of events in its blocks. So
    # their cross-entropy is an entropy, and entr handles 0 log 0 = 0.
    recalibrated = mass @ (entr(rates) + entr(1 - rates))
    happened = np.minimum(shares @ events, 1)
    uncertainty = entr(happened) + entr(1 - happened)
    cross_entropy = -(shares @ np.where(events, log_p, log_q))
    miscalibration = cross_entropy - recalibrated
    discrimination = uncertainty - recalibrated
    nats = np.array([cross_entropy, miscalibration, discrimination, uncertainty])
    # No part is negative, except by rounding.
    parts = np.ravel(convert_nats(np.maximum(nats, 0), base)).tolist()
    # Kish's effective size: that of rows of equal weight with the same variance
    counts = mass**2 / np.bincount(inverse, shares**2)
    return Reliability(
        np.exp(log_p[first]), rates, mass, CalibrationDecomposition(*parts), counts
    )


def _vector(values: Any, name: str) -> _Array:
    """Return `values` as a vector in float64; refuse any other shape."""
    check_numbers(values, name)
    checked = check_array(values, dtype=np.float64, ensure_2d=False, input_name=name)
    if checked.ndim != 1:
        raise ValueError(
            f"{name} has shape {checked.shape}; expected (n,): pass one number per "
            "row. With more than two classes, pass one class at a time."
        )
    return checked
