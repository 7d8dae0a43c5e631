r"""Entropies and divergences of probability distributions.

The estimators of this package minimise a cross-entropy. These are its definition and
those of related quantities::

    H(p)    = −Σ p log p                                    entropy
    H(p, q) = −Σ p log q             = H(p) + D(p‖q)        cross-entropy
    D(p‖q)  =  Σ p log(p/q)          ≥ 0                    Kullback–Leibler divergence
    H(X, Y) = −Σ p_xy log p_xy       = H(Y) + H(X|Y)        joint entropy
    H(X|Y)  = −Σ p_xy log(p_xy/p_y)  ≤ H(X)                 conditional entropy
    I(X; Y) = H(X) + H(Y) − H(X, Y)  = H(X) − H(X|Y) ≥ 0    mutual information

Conventions: 0 log 0 = 0. A result is ``inf``, without a warning, if p > 0 = q for some
outcome. One distribution gives a float; a batch gives an array of the shape of the
batch. A sum of probabilities may differ from 1 by up to 1e-5, because of rounding.
Probabilities are divided by their sum.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, rel_entr, xlogy
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.validation import check_array, check_consistent_length

from ..data.targets import SUM_TOLERANCE
from .units import Value, convert_nats

_XY = (-2, -1)  # the axes of a joint distribution


def entropy(p: ArrayLike, *, base: float | None = None, axis: int = -1) -> Value:
    r"""Entropy of a distribution: :math:`H(p) = -\sum p \log p`.

    It is the mean surprise, −log p, at an outcome drawn from `p`. It lies between 0
    (one outcome is certain) and log n (all n outcomes are equally likely).

    Parameters
    ----------
    p : array-like of shape (..., n, ...)
        Probabilities, which sum to 1 along `axis`.
    base : float, default=None
        Base of the logarithm, above 1. None means e: the result is in nats.
    axis : int, default=-1
        The axis that holds the outcomes of one distribution.

    Returns
    -------
    float or ndarray
        The entropy. For a batch, an array with the shape of the other axes.

    Raises
    ------
    TypeError, ValueError
        If `p` is not a numeric array or not a distribution along `axis`, or if `axis`
        or `base` is out of range.

    References
    ----------
    Shannon (1948), A mathematical theory of communication, Bell System Technical
    Journal 27, 379–423. doi:10.1002/j.1538-7305.1948.tb01338.x

    Examples
    --------
    >>> entropy([0.5, 0.25, 0.25], base=2)
    1.5
    """
    return convert_nats(entr(_distributions(p, "p", axis)).sum(axis=axis), base)


def cross_entropy(
    p: ArrayLike, q: ArrayLike, *, base: float | None = None, axis: int = -1
) -> Value:
    r"""Cross-entropy of `q` relative to `p`: :math:`H(p, q) = -\sum p \log q`.

    It is the mean surprise, −log q, at outcomes that are drawn from `p` and predicted
    with probabilities `q`. Its minimum over q is at q = p. Therefore, minimising it
    fits probabilities.

    Parameters
    ----------
    p, q, base, axis
        As in :func:`entropy`; so are the result, its units and the errors raised. A
        ValueError is also raised if `p` and `q` differ in shape.

    References
    ----------
    Good (1952), Rational decisions, Journal of the Royal Statistical Society B 14,
    107–114. doi:10.1111/j.2517-6161.1952.tb00104.x

    Examples
    --------
    >>> cross_entropy([0.5, 0.5], [0.25, 0.75], base=2)  # doctest: +ELLIPSIS
    1.20751...
    """
    p, q = _pair(p, q, axis)
    return convert_nats(-xlogy(p, q).sum(axis=axis), base)


def kl_divergence(
    p: ArrayLike, q: ArrayLike, *, base: float | None = None, axis: int = -1
) -> Value:
    r"""Kullback–Leibler divergence: :math:`D(p \| q) = \sum p \log(p / q)`.

    It is the cross-entropy minus the entropy: the mean surprise that predicting `q`
    instead of `p` adds, for outcomes drawn from `p`. It is 0 if p = q, positive
    otherwise, and not symmetric.

    Parameters
    ----------
    p, q, base, axis
        As in :func:`entropy`; so are the result, its units and the errors raised. A
        ValueError is also raised if `p` and `q` differ in shape.

    References
    ----------
    Kullback and Leibler (1951), On information and sufficiency, Annals of Mathematical
    Statistics 22, 79–86. doi:10.1214/aoms/1177729694

    Examples
    --------
    >>> kl_divergence([1.0, 0.0], [0.25, 0.75], base=2)
    2.0
    """
    divergence = rel_entr(*_pair(p, q, axis)).sum(axis=axis)
    # The terms have both signs, so rounding can make the sum negative if q is near p.
    return convert_nats(np.maximum(divergence, 0), base)


def joint_entropy(p_xy: ArrayLike, *, base: float | None = None) -> Value:
    r"""Joint entropy of two variables: :math:`H(X, Y) = -\sum p_{xy} \log p_{xy}`.

    It is the mean surprise at a pair (x, y) drawn from `p_xy`. It is at most
    H(X) + H(Y), and equal to that if and only if X and Y are independent.

    Parameters
    ----------
    p_xy : array-like of shape (..., n_x, n_y)
        Joint probabilities. Rows are values of x, columns are values of y. The sum
        over both axes is 1.
    base
        As in :func:`entropy`; so are the result, its units, the errors raised and the
        reference.

    Examples
    --------
    >>> joint_entropy([[0.25, 0.25], [0.25, 0.25]], base=2)
    2.0
    """
    return convert_nats(entr(_distributions(p_xy, "p_xy", _XY)).sum(axis=_XY), base)


def conditional_entropy(p_xy: ArrayLike, *, base: float | None = None) -> Value:
    r"""Conditional entropy: :math:`H(X|Y) = -\sum p_{xy} \log(p_{xy} / p_y)`.

    It is the mean surprise at x after y is known. It is 0 if y determines x. Its
    maximum, H(X), is reached if and only if X and Y are independent.

    Parameters
    ----------
    p_xy, base
        As in :func:`joint_entropy`; so are the result, its units, the errors raised and
        the reference. The condition is y, the column. For H(Y|X), swap the last two
        axes.

    Examples
    --------
    >>> conditional_entropy([[0.5, 0.25], [0.0, 0.25]], base=2)
    0.5
    """
    p = _distributions(p_xy, "p_xy", _XY)
    # Never negative: even after rounding, the sum p_y is not smaller than any p_xy.
    surprise = -rel_entr(p, p.sum(axis=-2, keepdims=True))
    return convert_nats(surprise.sum(axis=_XY), base)


def mutual_information(p_xy: ArrayLike, *, base: float | None = None) -> Value:
    """Mutual information of two variables: I(X; Y) = H(X) − H(X|Y).

    It is the mean reduction of the surprise at x by knowing y, and equally of the
    surprise at y by knowing x. It is 0 if and only if X and Y are independent, and at
    most min(H(X), H(Y)).

    Parameters
    ----------
    p_xy, base
        As in :func:`joint_entropy`; so are the result, its units, the errors raised and
        the reference.

    Examples
    --------
    >>> mutual_information([[0.5, 0.0], [0.0, 0.5]], base=2)
    1.0
    """
    p = _distributions(p_xy, "p_xy", _XY)
    h_x, h_y = entr(p.sum(axis=-1)).sum(axis=-1), entr(p.sum(axis=-2)).sum(axis=-1)
    # Near independence, the difference is a rounding error of either sign. The formula
    # Σ p_xy log(p_xy/(p_x p_y)) is no better: if p_x p_y underflows, it gives inf.
    return convert_nats(np.maximum(h_x + h_y - entr(p).sum(axis=_XY), 0), base)


def label_distribution(
    labels: ArrayLike,
    *,
    classes: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Share of each distinct label in a sample: the empirical distribution.

    Parameters
    ----------
    labels : array-like of shape (n,)
        Either numbers or strings, without NaN.
    classes : array-like of shape (K,), default=None
        The distinct labels in the order of the result. None means the labels that
        occur, sorted. Pass `classes` to compare samples that may lack some labels.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: a row of weight 2 counts twice. None means 1 each.

    Returns
    -------
    ndarray of shape (K,)
        Probabilities, valid input of :func:`entropy`.

    Raises
    ------
    TypeError, ValueError
        If an array has the wrong shape or type, contains NaN or is empty; if `classes`
        does not list each label exactly once; or if weights are negative or all 0.

    Examples
    --------
    >>> label_distribution([1, 1, 2], classes=[0, 1, 2], sample_weight=[1, 2, 1])
    array([0.  , 0.75, 0.25])
    """
    found, codes = _encoded(labels, "labels")
    mass = np.bincount(codes, _weights(sample_weight, len(codes)))
    if classes is not None:
        same = found[:, np.newaxis] == np.ravel(classes)
        if (same.sum(axis=1) != 1).any():
            raise ValueError(
                f"classes is {classes}; expected each of the labels {found} once: add "
                "missing labels and drop repeated ones."
            )
        mass = mass @ same
    return mass / mass.sum()


def joint_distribution(
    x_labels: ArrayLike, y_labels: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Share of each pair of labels in a sample: the empirical joint distribution.

    Parameters
    ----------
    x_labels, y_labels : array-like of shape (n,)
        The two labels of each row.
    sample_weight : array-like of shape (n,), default=None
        As in :func:`label_distribution`; so are the errors raised.

    Returns
    -------
    ndarray of shape (n_x, n_y)
        Joint probabilities. Rows are the distinct labels of x, sorted; columns are
        those of y.

    Examples
    --------
    >>> joint_distribution(["a", "a", "b", "a"], [0, 0, 1, 1])
    array([[0.5 , 0.25],
           [0.  , 0.25]])
    """
    x_found, x = _encoded(x_labels, "x_labels")
    y_found, y = _encoded(y_labels, "y_labels")
    check_consistent_length(x, y)
    mass = np.zeros((len(x_found), len(y_found)))
    np.add.at(mass, (x, y), _weights(sample_weight, len(x)))
    return mass / mass.sum()


def _distributions(
    p: Any, name: str, axis: int | tuple[int, int]
) -> NDArray[np.float64]:
    """Check that `p` holds distributions; return them divided by their sums."""
    p = check_array(p, dtype=float, ensure_2d=False, allow_nd=True, input_name=name)
    if p.ndim < np.size(axis):
        raise ValueError(
            f"{name} has the shape {p.shape}; expected rows x and columns y: build it "
            "from labels with joint_distribution."
        )
    sums = p.sum(axis=axis, keepdims=True)
    if p.min() < 0 or abs(sums - 1).max() > SUM_TOLERANCE:
        raise ValueError(
            f"{name} has entries from {p.min()} and sums from {sums.min()} to "
            f"{sums.max()}; expected entries from 0 and sums of 1 along axis {axis}: "
            "divide counts by their sum, pass logits through scipy.special.softmax."
        )
    return p / sums  # without the division, the entropy of [1 + 1e-9] is negative


def _pair(
    p: ArrayLike, q: ArrayLike, axis: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Check `p` and `q`, and that their shapes are equal."""
    p, q = _distributions(p, "p", axis), _distributions(q, "q", axis)
    # Broadcasting would accept q = [1.0] as a forecast of any number of outcomes.
    if p.shape != q.shape:
        raise ValueError(
            f"p has the shape {p.shape}, q {q.shape}; expected the same: list the same "
            "outcomes in both, repeat one q for many p with np.broadcast_to."
        )
    return p, q


def _encoded(labels: Any, name: str) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the distinct labels, sorted, and the code of each row."""
    labels = check_array(labels, dtype=None, ensure_2d=False, input_name=name)
    encoder = LabelEncoder()
    codes = encoder.fit_transform(labels)
    return encoder.classes_, codes


def _weights(s: Any, n: int) -> NDArray[np.float64]:
    """Return n weights, 1 each if `s` is None."""
    if s is None:
        return np.ones(n)
    s = check_array(s, dtype=float, ensure_2d=False, input_name="sample_weight")
    if s.shape != (n,) or s.min() < 0 or not s.any():
        raise ValueError(
            f"sample_weight is {s}; expected weights >= 0, not all 0: pass {n} of them."
        )
    return s
