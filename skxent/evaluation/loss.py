"""Mean cross-entropy between labels and log-probabilities: `cross_entropy_loss`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .alignment import columns_of_labels
from .probabilities import check_log_proba

# scikit-learn's log_loss clips probabilities in float64 at eps.
_UNSEEN_LOG_PROBA = float(np.log(np.finfo(np.float64).eps))


def cross_entropy_loss(
    y_true: ArrayLike,
    log_proba: ArrayLike,
    *,
    classes: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Mean cross-entropy between labels and predicted log-probabilities.

    The mean of −log p over the rows, in nats, where p is the predicted probability of
    the true label. It ranges from 0 (every label has probability 1) to infinity (a
    label has probability 0). Equal probabilities for K classes give log K. Smaller is
    better.

    .. math:: \frac{1}{S} \sum_i s_i \, (-\log p_{i, y_i}), \qquad S = \sum_i s_i

    The expected loss is smallest if the predictions are the true probabilities [1]_.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        The true labels. They are compared with `classes` by value: 1, 1.0 and True are
        the same label, "1" is another.
    log_proba : array-like of shape (n, K)
        Natural logarithms of the predicted probabilities, one column per class. Minus
        infinity, the logarithm of probability 0, is allowed.
    classes : array-like of shape (K,)
        The label of each column, in the order of the columns. Labels are distinct.
    sample_weight : array-like of shape (n,), default=None
        Non-negative weights s. A row of weight 2 counts as two rows. A row of weight 0
        is ignored, whatever its label. None weights all rows equally.

    Returns
    -------
    loss : float
        The weighted mean in nats. Infinite if a label has probability 0 in a row with
        a positive weight.

    Raises
    ------
    ValueError
        If a label is not in `classes`, if `classes` names a label twice, if there are
        no rows, if shapes do not match, if `log_proba` has NaN or positive values, if
        the probabilities of a row do not sum to 1 within 1e-5, or if the weights are
        not finite and non-negative with a positive sum.

    See Also
    --------
    log_loss_scorer : The negative loss, for ``scoring=`` in model selection.

    References
    ----------
    .. [1] T. Gneiting, A. E. Raftery, "Strictly proper scoring rules, prediction, and
       estimation", Journal of the American Statistical Association 102 (2007),
       359-378. :doi:`10.1198/016214506000001437`

    Examples
    --------
    >>> import numpy as np
    >>> from skxent import cross_entropy_loss
    >>> log_proba = np.log([[0.5, 0.5], [0.25, 0.75]])
    >>> loss = cross_entropy_loss(["no", "yes"], log_proba, classes=["no", "yes"])
    >>> round(loss, 4)  # (log 2 + log 4/3) / 2
    0.4904

    Convert logits to log-probabilities first:

    >>> from scipy.special import log_softmax
    >>> log_proba = log_softmax([[1000.0, 0.0]], axis=1)
    >>> cross_entropy_loss([0], log_proba, classes=[1, 0])
    1000.0
    """
    codes, columns, shares = columns_of_labels(
        y_true, classes, sample_weight, "log_proba"
    )
    checked = check_log_proba(log_proba, (len(codes), len(columns)), "log_proba")
    return mean_loss(checked, codes, shares)


def mean_loss(
    log_proba: NDArray[np.floating[Any]],
    codes: NDArray[np.intp],
    shares: NDArray[np.floating[Any]],
) -> float:
    """Return the mean cross-entropy of labels, in nats.

    Parameters
    ----------
    log_proba : ndarray of shape (n, K)
        Predicted log-probabilities.
    codes : ndarray of shape (n,)
        The column of each label. A code of -1 costs -log(eps).
    shares : ndarray of shape (n,)
        The weight of each row; the sum is 1.
    """
    picked = np.take_along_axis(log_proba, codes[:, np.newaxis], axis=1)[:, 0]
    picked[codes < 0] = _UNSEEN_LOG_PROBA
    # Rounding can make a log-probability slightly positive.
    picked = np.minimum(picked, 0.0)
    # 0 * inf would be NaN, but a row of weight 0 costs nothing.
    counts = shares > 0
    return 0.0 - float(np.sum(shares[counts] * picked[counts]))


def mean_soft_loss(
    log_proba: NDArray[np.floating[Any]],
    targets: NDArray[np.floating[Any]],
    shares: NDArray[np.floating[Any]],
) -> float:
    """Return the mean cross-entropy of target distributions, in nats.

    Parameters
    ----------
    log_proba, shares
        As in `mean_loss`.
    targets : ndarray of shape (n, K)
        The target distribution of each row.
    """
    # A class of target probability 0 costs nothing, even if it was predicted as 0.
    counts = (targets > 0) & (shares > 0)[:, np.newaxis]
    weights = shares[:, np.newaxis] * targets
    return 0.0 - float(np.sum(weights[counts] * np.minimum(log_proba[counts], 0.0)))
