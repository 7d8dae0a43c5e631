"""The public classifiers: their documentation and the choice of their loss."""

from typing import Any

from .base import LinearCrossEntropyClassifier
from .cross_validated import LinearCrossEntropyClassifierCV
from .shared_docs import fill_sections


@fill_sections
class BinaryLogReg(LinearCrossEntropyClassifier):
    """Logistic regression of two classes.

    The model is ``P(y = classes_[1] | x) = expit(coef_ · x + intercept_)``. The fit
    minimises the weighted mean cross-entropy plus a penalty, by default an L2 one::

        F(w, b) = 1/S Σ_i s_i loss(y_i, w·x_i + b) + 1/(C S) Σ_j pen_j(w_j)
        pen_j(w) = π_j [l1_ratio |w| + (1 − l1_ratio) w² / 2],           S = Σ s_i

    F has the same optimum as the objective of
    ``sklearn.linear_model.LogisticRegression(C=C)``. There is no need to scale the data
    for the solver: it works in variables in which the problem is well conditioned, and
    maps the penalty back. The optimum is that of the data as given.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two labels, sorted; with soft labels, the columns.
    coef_ : ndarray of shape (1, n_features)
        Coefficients of the log-odds of ``classes_[1]``.
    intercept_ : ndarray of shape (1,)
        Intercept; 0 if ``fit_intercept=False``.
    {attributes_of_the_fit}

    See Also
    --------
    SoftmaxReg : Any number of classes.
    skxent.log_loss_scorer : Score a classifier by its cross-entropy.

    Notes
    -----
    {notes}

    References
    ----------
    {references}

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skxent import BinaryLogReg
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = BinaryLogReg().fit(X, y)
    >>> model.converged_
    True
    >>> model.predict_proba(X[19:21]).round(3)
    array([[0.014, 0.986],
           [0.005, 0.995]])
    """

    _loss_name = "binary"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


@fill_sections
class SoftmaxReg(LinearCrossEntropyClassifier):
    """Softmax (multinomial logistic) regression of two or more classes.

    The model is ``P(y = classes_[k] | x) = softmax(coef_ @ x + intercept_)_k``, with a
    row of coefficients for each class, also for two classes. The fit minimises the
    weighted mean cross-entropy plus a penalty, by default an L2 one::

        F(w, b) = 1/S Σ_i s_i loss(y_i, w x_i + b) + 1/(C S) Σ_jk pen_j(w_jk)
        pen_j(w) = π_j [l1_ratio |w| + (1 − l1_ratio) w² / 2],           S = Σ s_i

    For three or more classes, F has the same optimum as the objective of
    ``sklearn.linear_model.LogisticRegression(C=C)``. The loss does not depend on a
    common shift of all logits: under an L2 penalty without bounds, the intercepts sum
    to 0, and so do the coefficients of each feature.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; with soft labels, the columns.
    coef_ : ndarray of shape (n_classes, n_features)
        Coefficients of the logits, a row for each class.
    intercept_ : ndarray of shape (n_classes,)
        Intercepts; 0 if ``fit_intercept=False``.
    {attributes_of_the_fit}

    See Also
    --------
    BinaryLogReg : Two classes with a single logit.
    skxent.log_loss_scorer : Score a classifier by its cross-entropy.

    Notes
    -----
    {notes}

    References
    ----------
    {references}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skxent import SoftmaxReg
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SoftmaxReg().fit(X, y)
    >>> model.coef_.shape
    (3, 4)
    >>> model.predict_proba(X[:1]).round(3)
    array([[0.982, 0.018, 0.   ]])
    """

    _loss_name = "softmax"


@fill_sections
class BinaryLogRegCV(LinearCrossEntropyClassifierCV):
    """Logistic regression of two classes that chooses its penalty by cross-validation.

    It fits `BinaryLogReg` for each C and each ``l1_ratio``, to all rows and without
    each fold, scores the held-out rows, and keeps the best penalty.

    Parameters
    ----------
    {parameters_of_the_search}

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two labels, sorted; with soft labels, the columns.
    coef_ : ndarray of shape (1, n_features)
        Coefficients of the log-odds of ``classes_[1]``.
    intercept_ : ndarray of shape (1,)
        Intercept; 0 if ``fit_intercept=False``.
    {attributes_of_the_search}

    See Also
    --------
    BinaryLogReg : One C.
    SoftmaxRegCV : Any number of classes.
    log_reg_path : Coefficients along C, without folds.

    Notes
    -----
    {notes_of_the_search}

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skxent import BinaryLogRegCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = BinaryLogRegCV().fit(X, y)
    >>> model.scores_.shape
    (5, 1, 10)
    >>> float(round(-model.mean_scores_.max(), 3))  # nats
    0.107
    """

    _loss_name = "binary"
    _class_with_one_C = BinaryLogReg

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


@fill_sections
class SoftmaxRegCV(LinearCrossEntropyClassifierCV):
    """Softmax regression that chooses its penalty by cross-validation.

    It fits `SoftmaxReg` for each C and each ``l1_ratio``, to all rows and without each
    fold, scores the held-out rows, and keeps the best penalty.

    Parameters
    ----------
    {parameters_of_the_search}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; with soft labels, the columns.
    coef_ : ndarray of shape (n_classes, n_features)
        Coefficients of the logits, a row for each class.
    intercept_ : ndarray of shape (n_classes,)
        Intercepts; 0 if ``fit_intercept=False``.
    {attributes_of_the_search}

    See Also
    --------
    SoftmaxReg : One C.
    BinaryLogRegCV : Two classes with a single logit.
    log_reg_path : Coefficients along C, without folds.

    Notes
    -----
    {notes_of_the_search}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skxent import SoftmaxRegCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SoftmaxRegCV(Cs=[0.01, 1, 100]).fit(X, y)
    >>> model.C_
    100.0
    """

    _loss_name = "softmax"
    _class_with_one_C = SoftmaxReg
