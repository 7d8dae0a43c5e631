"""The public classifiers: what they are for, and the choice of their loss."""

from .base import LinearCrossEntropyClassifier


class BinaryLogReg(LinearCrossEntropyClassifier):
    """Logistic regression of two classes.

    The model is ``P(y = classes_[1] | x) = expit(coef_ · x + intercept_)``. The fit
    minimises the weighted mean cross-entropy plus a penalty, an L2 one unless told
    otherwise::

        F(w, b) = 1/S Σ_i s_i loss(y_i, w·x_i + b) + 1/(C S) Σ_j pen_j(w_j)
        pen_j(w) = π_j [l1_ratio |w| + (1 − l1_ratio) w² / 2],           S = Σ s_i

    which has the same optimum as ``sklearn.linear_model.LogisticRegression(C=C)``.
    There is no need to scale the data for the solver's sake: it works in variables in
    which the problem is well conditioned and maps the penalty back, so the optimum is
    that of the data as given.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the penalty, positive; ``np.inf`` for no penalty. Smaller
        values shrink the coefficients more.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the penalty: 0 is ridge, 1 the lasso, which sets
        coefficients to exactly 0; between them is the elastic net.
    penalty_weights : array-like of shape (n_features,) or dict, default=None
        Factors π of the penalty for each feature, or for those named in a dict; 0
        leaves a feature free. None means 1 for all.
    bounds : tuple (lower, upper) or dict, default=None
        What coefficients have to keep, in the units of X: a number, an
        array of shape (n_features,) or None at either end, or a dict from the name of a
        feature to such a pair of numbers. ``(0, None)`` is non-negative.
    label_smoothing : float, default=0.0
        The share ε, below 1, of each target that is spread over all classes alike:
        (1 − ε) target + ε / K.
    fit_intercept : bool, default=True
        Whether to fit an intercept. It is never penalised.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class by its label, multiplied into the sample weights.
        "balanced" makes the total weights of the classes equal.
    tol : float, default=1e-8
        Relative suboptimality at which the fit ends: the estimated (F − F*) / F, where
        F* is the optimum. It has no unit and does not depend on the scale of the data.
    max_iter : int, default=1000
        The largest number of iterations.
    warm_start : bool, default=False
        Whether `fit` starts from the last solution, if classes and the number of
        features are still the same.
    early_stopping : bool, default=False
        Whether to hold rows out of the fit, as a guard against over-fitting: they score
        each iteration, and the best is the answer.
    validation_fraction : float, default=0.1
        Share of the rows to hold out, at random; labels keep their shares.
    n_iter_no_change : int, default=5
        With ``early_stopping``, the fit ends after so many iterations in a row without
        a score that beats the best by more than ``tol``, relative to it.
    random_state : int, RandomState instance or None, default=None
        Seed of the choice of rows to hold out.
    verbose : int, default=0
        1 prints a line after each iteration, 2 also what the solver decides.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two labels, sorted; of soft labels the columns.
    coef_ : ndarray of shape (1, n_features)
        Coefficients of the log-odds of ``classes_[1]``.
    intercept_ : ndarray of shape (1,)
        Intercept; 0 if ``fit_intercept=False``.
    n_iter_ : ndarray of shape (1,)
        Number of iterations.
    n_evals_ : int
        Number of evaluations of F and its gradient on all rows.
    converged_ : bool
        Whether ``suboptimality_`` is at most ``tol``. A fit that early stopping or a
        callback has ended before is not converged, and does not warn.
    suboptimality_ : float
        Estimate of (F − F*) / F, the relative distance to the optimum F*.
    duality_gap_ : float
        Certified bound of F − F*, in nats: a proof, but often a loose one. ``inf``
        where there is none, as without a penalty or with a feature left free.
    loss_curve_ : ndarray of shape (n_iter,)
        F, in nats, after each iteration.
    loss_curve_seconds_ : ndarray of shape (n_iter,)
        Seconds since the start of `fit` after each entry of ``loss_curve_``.
    validation_scores_ : ndarray of shape (n_iter,) or None
        With ``early_stopping``, minus the cross-entropy of the rows held out, in nats,
        after each iteration: the larger, the better.
    best_validation_score_ : float or None
        The largest of them, which is that of ``coef_`` and ``intercept_``.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X had names that are strings.

    See Also
    --------
    SoftmaxReg : Any number of classes.
    skxent.log_loss_scorer : Score it by its cross-entropy.

    Notes
    -----
    Warns with ``sklearn.exceptions.ConvergenceWarning`` if the fit ends short of
    ``tol``, with the reason and the remedy.

    With ``early_stopping``, F is that of the rows which are trained on, S their total
    weight. The others are scored by their mean loss, weighted alike, without penalty
    or label smoothing; balanced class weights are those of all rows. The coefficients
    are those of the best iteration to the digit, ``suboptimality_`` and
    ``duality_gap_`` say how far these are from the optimum of F.

    From scikit-learn 1.9 on, ``set_callbacks`` takes its callbacks. Each iteration is a
    subtask of the fit, at whose end they may have a fitted estimator with its
    coefficients, or ask the fit to stop. What scores it has to take an ``offset`` where
    `fit` is given one, as `skxent.log_loss_scorer` does.

    References
    ----------
    D. R. Cox (1958), "The Regression Analysis of Binary Sequences", Journal of the
    Royal Statistical Society B 20(2), doi:10.1111/j.2517-6161.1958.tb00292.x

    D. C. Liu and J. Nocedal (1989), "On the limited memory BFGS method for large scale
    optimization", Mathematical Programming 45, doi:10.1007/BF01589116

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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


class SoftmaxReg(LinearCrossEntropyClassifier):
    """Softmax (multinomial logistic) regression of two or more classes.

    The model is ``P(y = classes_[k] | x) = softmax(coef_ @ x + intercept_)_k``, with a
    row of coefficients for each class, also for two classes. The fit minimises the
    weighted mean cross-entropy plus a penalty, an L2 one unless told otherwise::

        F(w, b) = 1/S Σ_i s_i loss(y_i, w x_i + b) + 1/(C S) Σ_jk pen_j(w_jk)
        pen_j(w) = π_j [l1_ratio |w| + (1 − l1_ratio) w² / 2],           S = Σ s_i

    which has, for three or more classes, the same optimum as
    ``sklearn.linear_model.LogisticRegression(C=C)``. The loss does
    not see a common shift of all classes: under an L2 penalty without bounds the
    intercepts sum to 0, and so do the coefficients of each feature.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the penalty, positive; ``np.inf`` for no penalty. With two
        classes and an L2 penalty, ``C`` here gives the probabilities of `BinaryLogReg`
        at ``2 * C``.
    l1_ratio : float, default=0.0
        Share of the L1 norm in the penalty: 0 is ridge, 1 the lasso, which sets
        coefficients to exactly 0; between them is the elastic net.
    penalty_weights : array-like of shape (n_features,) or dict, default=None
        Factors π of the penalty for each feature, or for those named in a dict; 0
        leaves a feature free. None means 1 for all.
    bounds : tuple (lower, upper) or dict, default=None
        What coefficients have to keep, in the units of X, for every class: a number, an
        array of shape (n_features,) or None at either end, or a dict from the name of a
        feature to such a pair of numbers. ``(0, None)`` is non-negative.
    label_smoothing : float, default=0.0
        The share ε, below 1, of each target that is spread over all classes alike:
        (1 − ε) target + ε / K.
    fit_intercept : bool, default=True
        Whether to fit an intercept for each class. They are never penalised.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class by its label, multiplied into the sample weights.
        "balanced" makes the total weights of the classes equal.
    tol : float, default=1e-8
        Relative suboptimality at which the fit ends: the estimated (F − F*) / F, where
        F* is the optimum. It has no unit and does not depend on the scale of the data.
    max_iter : int, default=1000
        The largest number of iterations.
    warm_start : bool, default=False
        Whether `fit` starts from the last solution, if classes and the number of
        features are still the same.
    early_stopping : bool, default=False
        Whether to hold rows out of the fit, as a guard against over-fitting: they score
        each iteration, and the best is the answer.
    validation_fraction : float, default=0.1
        Share of the rows to hold out, at random; labels keep their shares.
    n_iter_no_change : int, default=5
        With ``early_stopping``, the fit ends after so many iterations in a row without
        a score that beats the best by more than ``tol``, relative to it.
    random_state : int, RandomState instance or None, default=None
        Seed of the choice of rows to hold out.
    verbose : int, default=0
        1 prints a line after each iteration, 2 also what the solver decides.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; of soft labels the columns.
    coef_ : ndarray of shape (n_classes, n_features)
        Coefficients of the logits, a row for each class.
    intercept_ : ndarray of shape (n_classes,)
        Intercepts; 0 if ``fit_intercept=False``.
    n_iter_ : ndarray of shape (1,)
        Number of iterations.
    n_evals_ : int
        Number of evaluations of F and its gradient on all rows.
    converged_ : bool
        Whether ``suboptimality_`` is at most ``tol``. A fit that early stopping or a
        callback has ended before is not converged, and does not warn.
    suboptimality_ : float
        Estimate of (F − F*) / F, the relative distance to the optimum F*.
    duality_gap_ : float
        Certified bound of F − F*, in nats: a proof, but often a loose one. ``inf``
        where there is none, as without a penalty or with a feature left free.
    loss_curve_ : ndarray of shape (n_iter,)
        F, in nats, after each iteration.
    loss_curve_seconds_ : ndarray of shape (n_iter,)
        Seconds since the start of `fit` after each entry of ``loss_curve_``.
    validation_scores_ : ndarray of shape (n_iter,) or None
        With ``early_stopping``, minus the cross-entropy of the rows held out, in nats,
        after each iteration: the larger, the better.
    best_validation_score_ : float or None
        The largest of them, which is that of ``coef_`` and ``intercept_``.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X had names that are strings.

    See Also
    --------
    BinaryLogReg : Two classes with a single logit.
    skxent.log_loss_scorer : Score it by its cross-entropy.

    Notes
    -----
    Warns with ``sklearn.exceptions.ConvergenceWarning`` if the fit ends short of
    ``tol``, with the reason and the remedy.

    With ``early_stopping``, F is that of the rows which are trained on, S their total
    weight. The others are scored by their mean loss, weighted alike, without penalty
    or label smoothing; balanced class weights are those of all rows. The coefficients
    are those of the best iteration to the digit, ``suboptimality_`` and
    ``duality_gap_`` say how far these are from the optimum of F.

    From scikit-learn 1.9 on, ``set_callbacks`` takes its callbacks. Each iteration is a
    subtask of the fit, at whose end they may have a fitted estimator with its
    coefficients, or ask the fit to stop. What scores it has to take an ``offset`` where
    `fit` is given one, as `skxent.log_loss_scorer` does.

    References
    ----------
    D. R. Cox (1958), "The Regression Analysis of Binary Sequences", Journal of the
    Royal Statistical Society B 20(2), doi:10.1111/j.2517-6161.1958.tb00292.x

    D. C. Liu and J. Nocedal (1989), "On the limited memory BFGS method for large scale
    optimization", Mathematical Programming 45, doi:10.1007/BF01589116

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
