"""The classifiers for Dask collections, which `skxent.dask` makes public."""

from . import estimators
from .dask_classifier import DaskClassifier
from .shared_docs import fill_sections


@fill_sections
class BinaryLogReg(DaskClassifier, estimators.BinaryLogReg):
    """Logistic regression of two classes for Dask collections.

    It is `skxent.BinaryLogReg`, with the same objective and the same optimum, for data
    in a cluster or larger than memory. `fit` takes Dask arrays, also of CSR matrices,
    and Dask dataframes. X is never gathered: each pass reduces the partitions where
    they are, and sums come back.

    Parameters
    ----------
    {parameters}
    {parameters_of_dask}

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
    skxent.BinaryLogReg : Data in memory, or in a memory-mapped file.

    Notes
    -----
    {notes_of_dask}

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skxent.dask import BinaryLogReg
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X, y = da.from_array(X, chunks=(100, -1)), da.from_array(y, chunks=100)
    >>> model = BinaryLogReg().fit(X, y)
    >>> model.predict_proba(X)[19:21].compute().round(3)
    array([[0.014, 0.986],
           [0.005, 0.995]])
    >>> model.to_local()
    BinaryLogReg()
    """

    _local_class = estimators.BinaryLogReg


@fill_sections
class SoftmaxReg(DaskClassifier, estimators.SoftmaxReg):
    """Softmax (multinomial logistic) regression for Dask collections.

    It is `skxent.SoftmaxReg`, with the same objective and the same optimum, for data in
    a cluster or larger than memory. `fit` takes Dask arrays, also of CSR matrices, and
    Dask dataframes. X is never gathered: each pass reduces the partitions where they
    are, and sums come back.

    Parameters
    ----------
    {parameters}
    {parameters_of_dask}

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
    skxent.SoftmaxReg : Data in memory, or in a memory-mapped file.

    Notes
    -----
    {notes_of_dask}

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn.datasets import load_iris
    >>> from skxent.dask import SoftmaxReg
    >>> X, y = load_iris(return_X_y=True)
    >>> X, y = da.from_array(X, chunks=(50, -1)), da.from_array(y, chunks=50)
    >>> model = SoftmaxReg().fit(X, y)
    >>> model.coef_.shape
    (3, 4)
    >>> round(float(model.log_loss(X, y)), 3)  # nats
    0.12
    """

    _local_class = estimators.SoftmaxReg
