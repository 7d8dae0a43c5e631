r"""Entropy and its relatives, for distributions that are given as probabilities.

The estimators of this package minimise a cross-entropy. This is its family::

    H(p)    = −Σ p log p                                    entropy
    H(p, q) = −Σ p log q             = H(p) + D(p‖q)        cross-entropy
    D(p‖q)  =  Σ p log(p/q)          ≥ 0                    Kullback–Leibler divergence
    H(X, Y) = −Σ p_xy log p_xy       = H(Y) + H(X|Y)        joint entropy
    H(X|Y)  = −Σ p_xy log(p_xy/p_y)  ≤ H(X)                 conditional entropy
    I(X; Y) = H(X) + H(Y) − H(X, Y)  = H(X) − H(X|Y) ≥ 0    mutual information

Conventions: 0 log 0 = 0, and a result is ``inf``, without a warning, where p > 0 = q.
One distribution gives a float, a batch an array of the shape of the batch. Sums may
miss 1 by rounding, up to 1e-5; what they miss is divided out.
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
    r"""Mean surprise at an outcome that is drawn from `p`: :math:`-\sum p \log p`.

    It lies between 0 (one outcome is certain) and log n (all n are equally likely).

    Parameters
    ----------
    p : array-like of shape (..., n, ...)
        Probabilities, which sum to 1 along `axis`.
    base : float, default=None
        Base of the logarithm, above 1. None means e: the result is in nats.
    axis : int, default=-1
        The axis along which one distribution lies.

    Returns
    -------
    float or ndarray
        The entropy; for a batch an array with the shape of the other axes.

    Raises
    ------
    TypeError, ValueError
        If `p` is not an array, not a distribution along `axis`, or `axis` or `base` is
        out of range.

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
    r"""Mean surprise of one who expects `q` where `p` is true: :math:`-\sum p \log q`.

    It is smallest at q = p, which is why minimising it fits probabilities.

    Parameters
    ----------
    p, q, base, axis
        As in :func:`entropy`, with result, units and errors; also a ValueError where
        `p` and `q` differ in shape.

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
    r"""Surprise that expecting `q` adds where `p` is true: :math:`\sum p \log(p / q)`.

    It is 0 where p = q, positive elsewhere, and not symmetric.

    Parameters
    ----------
    p, q, base, axis
        As in :func:`entropy`, with result, units and errors; also a ValueError where
        `p` and `q` differ in shape.

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
    # The terms have both signs: for q next to p, rounding could leave a negative sum.
    return convert_nats(np.maximum(divergence, 0), base)


def joint_entropy(p_xy: ArrayLike, *, base: float | None = None) -> Value:
    """Mean surprise at a pair (x, y) that is drawn from `p_xy`: H(X, Y).

    It is at most H(X) + H(Y), which it reaches where X and Y are independent.

    Parameters
    ----------
    p_xy : array-like of shape (..., n_x, n_y)
        Joint probabilities, rows x and columns y, which sum to 1 over both.
    base
        As in :func:`entropy`, with result, units, errors and reference.

    Examples
    --------
    >>> joint_entropy([[0.25, 0.25], [0.25, 0.25]], base=2)
    2.0
    """
    return convert_nats(entr(_distributions(p_xy, "p_xy", _XY)).sum(axis=_XY), base)


def conditional_entropy(p_xy: ArrayLike, *, base: float | None = None) -> Value:
    """Mean surprise that is left in x once y is known: H(X|Y).

    It is 0 where y determines x, and H(X), its maximum, where X and Y are independent.

    Parameters
    ----------
    p_xy, base
        As in :func:`joint_entropy`, with result, units, errors and reference. What is
        known is y, the column; for H(Y|X) swap the last two axes.

    Examples
    --------
    >>> conditional_entropy([[0.5, 0.25], [0.0, 0.25]], base=2)
    0.5
    """
    p = _distributions(p_xy, "p_xy", _XY)
    # Never negative: as a rounded sum, too, p_y is at least each p_xy.
    surprise = -rel_entr(p, p.sum(axis=-2, keepdims=True))
    return convert_nats(surprise.sum(axis=_XY), base)


def mutual_information(p_xy: ArrayLike, *, base: float | None = None) -> Value:
    """Mean surprise at x that knowing y saves, and at y that knowing x saves: I(X; Y).

    It is symmetric, 0 where X and Y are independent, and at most min(H(X), H(Y)).

    Parameters
    ----------
    p_xy, base
        As in :func:`joint_entropy`, with result, units, errors and reference.

    Examples
    --------
    >>> mutual_information([[0.5, 0.0], [0.0, 0.5]], base=2)
    1.0
    """
    p = _distributions(p_xy, "p_xy", _XY)
    h_x, h_y = entr(p.sum(axis=-1)).sum(axis=-1), entr(p.sum(axis=-2)).sum(axis=-1)
    # Near independence the difference is all rounding, of either sign. Σ p_xy
    # log(p_xy/(p_x p_y)) is no better: p_x p_y may underflow, and the result be inf.
    return convert_nats(np.maximum(h_x + h_y - entr(p).sum(axis=_XY), 0), base)


def label_distribution(
    labels: ArrayLike,
    *,
    classes: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Share of each distinct label in a sample: its empirical distribution.

    Parameters
    ----------
    labels : array-like of shape (n,)
        All numbers or all strings, without NaN.
    classes : array-like of shape (K,), default=None
        The distinct labels in the order of the result. None takes those that occur,
        sorted. Name them to compare two samples, one of which may lack a label.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights: 2 counts a sample twice. None means 1 each.

    Returns
    -------
    ndarray of shape (K,)
        Probabilities, as :func:`entropy` takes them.

    Raises
    ------
    TypeError, ValueError
        If an array has a wrong shape or type, NaN or no entry, `classes` does not list
        each label once, or weights are negative or all 0.

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
                "what it lacks, drop what it repeats."
            )
        mass = mass @ same
    return mass / mass.sum()


def joint_distribution(
    x_labels: ArrayLike, y_labels: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Share of each pair of labels in a sample: the empirical joint distribution.

    Its rows are the distinct labels of x, sorted, its columns those of y: (n_x, n_y).

    Parameters
    ----------
    x_labels, y_labels : array-like of shape (n,)
        Two labels of each sample.
    sample_weight : array-like of shape (n,), default=None
        As in :func:`label_distribution`; so are the errors raised.

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
    """Return `p` checked, in float64, and divided by its sum along `axis`."""
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
    return p / sums  # else [1 + 1e-9] would have a negative entropy


def _pair(
    p: ArrayLike, q: ArrayLike, axis: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, q = _distributions(p, "p", axis), _distributions(q, "q", axis)
    # No broadcasting: it would take q = [1.0] for a forecast of any number of outcomes.
    if p.shape != q.shape:
        raise ValueError(
            f"p has the shape {p.shape}, q {q.shape}; expected the same: list the same "
            "outcomes in both, repeat one q for many p with np.broadcast_to."
        )
    return p, q


def _encoded(labels: Any, name: str) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the sorted distinct labels and the code of each."""
    labels = check_array(labels, dtype=None, ensure_2d=False, input_name=name)
    encoder = LabelEncoder()
    codes = encoder.fit_transform(labels)
    return encoder.classes_, codes


def _weights(s: Any, n: int) -> NDArray[np.float64]:
    if s is None:
        return np.ones(n)
    s = check_array(s, dtype=float, ensure_2d=False, input_name="sample_weight")
    if s.shape != (n,) or s.min() < 0 or not s.any():
        raise ValueError(
            f"sample_weight is {s}; expected weights >= 0, not all 0: pass {n} of them."
        )
    return s
