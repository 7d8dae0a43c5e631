"""A table of coefficients with standard errors, tests and intervals."""

from typing import Any

from numpy.typing import ArrayLike

from .contrasts import MEAN, reported
from .covariance import covariance_of
from .fitted import FittedModel, fitted_model
from .information import Information, information_of, mean_loss
from .refusals import check_covariance, check_level, name_some
from .table import CoefficientTable

DESCRIPTIONS = {
    "model": "model-based covariance, the inverse information",
    "HC0": "robust covariance HC0",
    "HC1": "robust covariance HC1, with the factor n/(n − p)",
    "HC3": "robust covariance HC3, with leave-one-out residuals",
    "cluster": "clustered covariance",
    "sandwich_penalised": (
        "sampling covariance of the penalised estimate; the penalty moves the "
        "estimates towards 0, and the intervals with them"
    ),
    "laplace": (
        "Laplace posterior of the Gaussian prior that the penalty stands for; lower "
        "and upper bound a credible interval"
    ),
}

# Weights that sum to the number of rows up to this share are 1 each.
SAME = 1e-12
# A distance to the optimum that deserves a word, in standard errors.
VISIBLE = 0.01


def coefficient_table(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    covariance: str = "model",
    cluster: ArrayLike | None = None,
    level: float = 0.95,
    weights: str = "frequency",
    contrast: Any = MEAN,
) -> CoefficientTable:
    r"""Return the coefficients of a fit with standard errors, tests and intervals.

    Without a penalty the estimate maximises the likelihood. If the model is true, its
    covariance is the inverse of the information:

    .. math:: V = \left(\sum_i s_i \tilde x_i^\top
              \frac{\partial^2 \mathrm{loss}}{\partial z^2} \tilde x_i\right)^{-1}

    The robust covariances hold if only the logits are right on average.

    Parameters
    ----------
    estimator : object
        A fitted `BinaryLogReg` or `SoftmaxReg`, one that chose its C, one of
        `skxent.dask`, a pipeline that ends in one, or a search over these.
    X, y : array-likes or Dask collections
        The data of the fit, as they were passed to ``fit``. y may be soft labels; use
        a robust covariance then, since soft labels vary less than the model says.
    sample_weight, offset : array-likes or Dask collections, default=None
        Those of the fit.
    covariance : str, default="model"
        "model", "HC0", "HC1", "HC3" or "cluster" without a penalty; with one,
        "sandwich_penalised" or "laplace". See Notes.
    cluster : array-like of shape (n,), default=None
        Labels of clusters of rows that depend on each other, for "cluster". Not for
        Dask collections.
    level : float, default=0.95
        The coverage of the intervals, between 0 and 1.
    weights : {"frequency", "precision"}, default="frequency"
        What sample weights mean. "frequency": a row of weight 2 is two observations.
        "precision": a row is one observation, whose loss counts twice, as with survey
        weights. Only the robust covariances differ.
    contrast : label or "mean", default="mean"
        For `SoftmaxReg`: the reference class of the differences, or the mean of all.

    Returns
    -------
    CoefficientTable
        A row for the intercept and for each feature; for `SoftmaxReg`, for each class.

    Raises
    ------
    ValueError
        If the fit has a penalty and ``covariance`` is not for one; an L1 penalty,
        active bounds, label smoothing or early stopping; if classes are separated; if
        the fit has not converged, or the data are not those of the fit; or if an
        argument is invalid.
    TypeError
        If the estimator is none of this package, or the data are Dask collections and
        the estimator is not for them, or the other way round.

    See Also
    --------
    skxent.likelihood_ratio_test : Compare nested fits.
    skxent.profile_intervals : Intervals that follow the likelihood.
    skxent.fit_statistics : Deviance, AIC, BIC and R².
    skxent.average_marginal_effects : Effects on probabilities.

    Notes
    -----
    *HC0* sums the squares of the scores of the rows, *HC1* has the factor n/(n − p),
    and *HC3* uses the residuals of the fit without each row. *cluster* sums the scores
    of a cluster first, with the factor G/(G − 1) (n − 1)/(n − p) for G clusters.

    *sandwich_penalised* is ``A H A`` with the information H and the inverse A of H plus
    the penalty: how the penalised estimate varies from sample to sample. *laplace* is
    A: a normal approximation of the posterior under the prior
    ``w_j ~ N(0, C / π_j)``. Its p-value is twice the posterior probability of the
    other sign.

    Columns that are combinations of columns before them (the intercept comes first) are
    aliased. They have no coefficient, as in R; the coefficients of the columns on which
    they depend are those of the fit without them, and differ from ``coef_``.

    Class weights change the intercept that is estimated, and only robust covariances
    allow for them.

    X in Dask collections is never gathered: each pass returns sums, as in a fit.

    References
    ----------
    H. White (1982), doi:10.2307/1912526. J. G. MacKinnon and H. White (1985),
    doi:10.1016/0304-4076(85)90158-7. S. le Cessie and J. C. van Houwelingen (1992),
    doi:10.2307/2347628.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skxent import BinaryLogReg, coefficient_table
    >>> data = load_breast_cancer(as_frame=True)
    >>> X = data.data[["mean radius", "mean texture"]]
    >>> model = BinaryLogReg(C=np.inf).fit(X, data.target)
    >>> coefficient_table(model, X, data.target)
    BinaryLogReg on 569 observations: log-odds of 1 against 0
    log-likelihood -145.562 nats; model-based covariance, the inverse information
                  estimate  std. error       z         p    lower    upper  odds ratio
    intercept        19.85       1.774   11.19  4.59e-29    16.37    23.33   4.173e+08
    mean radius     -1.057      0.1015  -10.42  2.08e-25   -1.256  -0.8582      0.3475
    mean texture   -0.2181     0.03707   -5.89  3.98e-09  -0.2908  -0.1455       0.804
    lower and upper: 95% intervals, in log-odds per unit
    """
    check_level(level)
    with fitted_model(estimator, X, y, sample_weight, offset, weights) as fitted:
        check_covariance(
            covariance,
            is_penalised=fitted.is_penalised,
            is_bias_reduced=fitted.is_bias_reduced,
            has_class_weight=fitted.class_factors is not None,
            has_cluster=cluster is not None,
            rows_are_elsewhere=fitted.objective.rows.are_elsewhere,
        )
        information = information_of(fitted)
        of_variables = covariance_of(fitted, information, covariance, cluster)
    rows = reported(fitted, information.coordinates, contrast)
    matrix = rows.covariance(of_variables)
    aliased = [str(fitted.feature_names[j]) for j in information.coordinates.aliased]
    return CoefficientTable.from_covariance(
        rows.estimate,
        matrix,
        level,
        classes=rows.classes if len(fitted.basis) > 1 else None,
        features=rows.features,
        aliased=aliased,
        subject=rows.description,
        head=_head(fitted, information, rows.description, covariance, aliased),
    )


def _head(
    fitted: FittedModel,
    information: Information,
    rows: str,
    covariance: str,
    aliased: list[str],
) -> list[str]:
    """Return the lines above the table: what it shows, and what to know of it."""
    n, objective = fitted.n_observations, fitted.objective
    log_likelihood = -objective.rows.weight_sum * mean_loss(fitted, information)
    lines = [
        f"{fitted.name} on {n:g} observations: {rows}",
        f"log-likelihood {log_likelihood:.6g} nats; {DESCRIPTIONS[covariance]}",
    ]
    if abs(objective.rows.weight_sum / objective.n_samples - 1) > SAME:
        lines.append(f"sample weights are read as {fitted.weights}")
    if fitted.class_factors is not None:
        lines.append("class weights change the intercept that is estimated")
    if information.distance > VISIBLE and not fitted.is_bias_reduced:
        lines.append(
            f"within {information.distance:.1g} standard errors of the optimum; a "
            "smaller tol comes nearer"
        )
    if fitted.is_bias_reduced:
        lines.append("at a bias-reduced estimate, where the likelihood is not largest")
    if aliased:
        lines.append(
            f"not identified, and without a coefficient: {name_some(aliased)}; the "
            "others are those of the fit without them"
        )
    return lines
