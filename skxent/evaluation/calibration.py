r"""Cross-entropy in parts: what calibration costs and what discrimination earns.

For an event y, 0 or 1, that is predicted with probability p, isotonic regression of y
on p gives the recalibrated probability c: of all increasing functions of p the one
with the smallest cross-entropy, and of every other proper score, too. With it::

    H(y, p) = [H(y, p) − H(y, c)]  −  [H(y) − H(y, c)]  +  H(y)
               miscalibration ≥ 0     discrimination ≥ 0   uncertainty

H(y, p) is the mean cross-entropy of the predictions, H(y) that of the share of events
as the prediction for all: the entropy of the labels. More than two classes are split
one at a time: the event is the class, and p the probability of that class.
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
        Mean cross-entropy of the predictions; infinite where an event happened that
        was called impossible, or did not although it was called certain.
    miscalibration : float
        What isotonic recalibration of the predictions would save; 0 is best.
    discrimination : float
        What the recalibrated predictions save against the share of events as the
        prediction for all: 0 if the predictions order nothing, `uncertainty` at best.
    uncertainty : float
        Entropy of the labels, which no prediction changes.
    """

    cross_entropy: float
    miscalibration: float
    discrimination: float
    uncertainty: float


class Reliability(NamedTuple):
    """Distinct predictions of one event in increasing order, and what happened."""

    proba: _Array  # (m,) the predicted probabilities
    rates: _Array  # (m,) the recalibrated ones, increasing in steps
    shares: _Array  # (m,) the weight of each prediction, as share of all
    parts: CalibrationDecomposition


def calibration_decomposition(
    y_true: ArrayLike,
    proba: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    base: float | None = None,
) -> CalibrationDecomposition:
    r"""Split the cross-entropy of predicted probabilities of an event into parts.

    .. math:: H(y, p) = \text{miscalibration} - \text{discrimination} + H(y)

    Miscalibration is what could be saved without a better model, by relabelling its
    probabilities. Discrimination is how much the order of the predictions tells about
    the labels. Both come from isotonic regression, which has nothing to tune, and both
    are read from the sample itself: with few rows they are too large.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Whether the event happened: 1 or True where it did, 0 or False where not.
    proba : array-like of shape (n,)
        The predicted probabilities of the event.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: 2 counts a row twice, 0 not at all. None means 1 each.
    base : float, default=None
        Base of the logarithm, above 1. None means e: the result is in nats.

    Returns
    -------
    CalibrationDecomposition
        A named tuple ``(cross_entropy, miscalibration, discrimination, uncertainty)``.

    Raises
    ------
    ValueError
        If `y_true` holds anything but 0 and 1, `proba` is not between 0 and 1, shapes
        do not fit, or `sample_weight` or `base` is out of range.

    See Also
    --------
    skxent.ReliabilityDisplay : The picture, for any number of classes.

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
    These predictions tell 0.189 of the one bit that there is to know. That they are too
    close to one half costs 0.072 bits:

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
            "only: compare labels with the one that is the event, y == label."
        )
    if p.shape != y_true.shape:
        raise ValueError(
            f"proba has shape {p.shape}, y_true {y_true.shape}; expected the same: "
            "pass the probability of the event alone, a column of predict_proba."
        )
    if p.min() < 0 or p.max() > 1:
        raise ValueError(
            f"proba has entries from {p.min()} to {p.max()}; expected probabilities: "
            "pass logits through scipy.special.expit."
        )
    shares = row_shares(sample_weight, len(p))
    # Rows of weight 0 are dropped before 0 * inf can become NaN.
    counts = shares > 0
    with np.errstate(divide="ignore"):
        log_p, log_q = np.log(p[counts]), np.log1p(-p[counts])
    return _reliability(log_p, log_q, y_true[counts] == 1, shares[counts], base).parts


def reliability_by_class(
    predictions: LabelledPredictions, base: float | None
) -> dict[Any, Reliability]:
    """Return the reliability of each class, of two classes that of the second only.

    That of the first would be its mirror image, with the same parts.
    """
    classes, _, codes, shares, log_proba = predictions
    first = 1 if len(classes) <= 2 else 0
    by_class = {}
    for k, label in enumerate(classes[first:], start=first):
        # Not log(1 − p), which has lost its digits where p is next to 1.
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
    """Recalibrate p = exp(log_p), where log_q is log(1 − p), and take the parts."""
    # By log-odds, which order also what is next to 1. Those that differ by rounding
    # alone are one prediction: else noise would pass for an order. arcsinh makes the
    # difference relative where the log-odds are large.
    scores = np.round(np.arcsinh(log_p - log_q), 10)
    _, first, inverse = np.unique(scores, return_index=True, return_inverse=True)
    mass = np.bincount(inverse, shares)
    frequencies = np.bincount(inverse, shares * events) / mass
    rates = np.clip(isotonic_regression(frequencies, sample_weight=mass), 0, 1)

    # The rates of isotonic regression are the frequencies of its blocks. So their
    # cross-entropy is an entropy, and 0 log 0 = 0 needs no care.
    recalibrated = mass @ (entr(rates) + entr(1 - rates))
    happened = np.minimum(shares @ events, 1)
    uncertainty = entr(happened) + entr(1 - happened)
    cross_entropy = -(shares @ np.where(events, log_p, log_q))
    miscalibration = cross_entropy - recalibrated
    discrimination = uncertainty - recalibrated
    nats = np.array([cross_entropy, miscalibration, discrimination, uncertainty])
    # No part is negative, but rounding may be.
    parts = np.ravel(convert_nats(np.maximum(nats, 0), base)).tolist()
    return Reliability(
        np.exp(log_p[first]), rates, mass, CalibrationDecomposition(*parts)
    )


def _vector(values: Any, name: str) -> _Array:
    check_numbers(values, name)
    checked = check_array(values, dtype=np.float64, ensure_2d=False, input_name=name)
    if checked.ndim != 1:
        raise ValueError(
            f"{name} has shape {checked.shape}; expected (n,): pass one number a row, "
            "for more classes one class at a time."
        )
    return checked
