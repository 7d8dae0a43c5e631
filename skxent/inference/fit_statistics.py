"""How well a fit describes its data: deviance, information criteria, R²."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.rows import Block, Sum
from ..evaluation.tables import html_table
from ..model.curvature import intercept_hessian
from ..model.entropy import entropy
from .fitted import FittedModel, fitted_model
from .information import information_of, mean_loss
from .refusals import check_likelihood
from .scientific import number

# Newton steps of the intercept-only model with an offset.
MAX_STEPS = 100
# They end when one promises less than this, in nats per unit of weight.
NEGLIGIBLE_GAIN = 1e-14


@dataclass(frozen=True, eq=False, repr=False)
class FitStatistics:
    """The result of `fit_statistics`.

    Attributes
    ----------
    name : str
        The class of the estimator.
    n_observations : float
    n_parameters : int
        Coefficients and intercepts that the data determine.
    degrees_of_freedom : float
        The same without a penalty; with one, ``tr H (H + penalty)⁻¹``.
    log_likelihood, null_log_likelihood : float
        In nats; of the fit, and of the model without features.
    deviance, null_deviance : float
        Twice the distance of these to the likelihood of a perfect fit.
    aic, bic : float
        ``−2 log_likelihood`` plus 2 or log n for each degree of freedom.
    mcfadden_r2 : float
        ``1 − log_likelihood / null_log_likelihood``.
    tjur_r2 : float
        The mean probability of the second class in its own rows, minus that in the
        others; NaN for more than two classes.
    is_penalised : bool
    fingerprint : ndarray of shape (K,)
        Sums over the targets that tell whether two fits have the same rows.
    """

    name: str
    n_observations: float
    n_parameters: int
    degrees_of_freedom: float
    log_likelihood: float
    null_log_likelihood: float
    deviance: float
    null_deviance: float
    tjur_r2: float
    is_penalised: bool
    fingerprint: NDArray

    @property
    def aic(self) -> float:
        """Akaike's information criterion, in twice nats."""
        return 2 * (self.degrees_of_freedom - self.log_likelihood)

    @property
    def bic(self) -> float:
        """Schwarz's information criterion, in twice nats."""
        size = np.log(self.n_observations) * self.degrees_of_freedom
        return float(size) - 2 * self.log_likelihood

    @property
    def mcfadden_r2(self) -> float:
        """The share of the null log-likelihood that the features explain."""
        return 1 - self.log_likelihood / self.null_log_likelihood

    def __str__(self) -> str:
        lines = self._lines()
        width = max(len(name) for name, _ in lines)
        return "\n".join([self.name, *(f"{a:{width}}  {b}" for a, b in lines)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table([self.name], self._lines(), n_left=2)

    def _lines(self) -> list[tuple[str, str]]:
        """Return the name and the value of each line of the table."""
        lines = [
            ("observations", f"{self.n_observations:g}"),
            ("degrees of freedom", f"{self.degrees_of_freedom:.6g}"),
            ("log-likelihood", f"{self.log_likelihood:.6g} nats"),
            ("deviance", f"{self.deviance:.6g}"),
            ("null deviance", f"{self.null_deviance:.6g}"),
            ("AIC", f"{self.aic:.6g}"),
            ("BIC", f"{self.bic:.6g}"),
            ("McFadden's R²", number(self.mcfadden_r2)),
        ]
        if not np.isnan(self.tjur_r2):
            lines.append(("Tjur's R²", number(self.tjur_r2)))
        return lines


def fit_statistics(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    weights: str = "frequency",
) -> FitStatistics:
    """Return deviance, information criteria and R² of a fit, on the data of the fit.

    Parameters
    ----------
    estimator, X, y, sample_weight, offset, weights
        As in `coefficient_table`.

    Returns
    -------
    FitStatistics

    Raises
    ------
    ValueError
        If the fit has class weights, or as in `coefficient_table`.

    See Also
    --------
    skxent.likelihood_ratio_test : Compare the statistics of nested fits.

    Notes
    -----
    With a penalty, the degrees of freedom are effective ones: the trace of
    ``H (H + penalty)⁻¹`` for the information H. The intercept counts as 1. The null
    model has the offset and, if the fit has one, the intercept.

    References
    ----------
    T. Tjur (2009), doi:10.1198/tast.2009.08210. R. J. Gray (1992),
    doi:10.1080/01621459.1992.10476248.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skxent import BinaryLogReg, fit_statistics
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = BinaryLogReg(C=np.inf).fit(X[:, :2], y)
    >>> fit_statistics(model, X[:, :2], y)
    BinaryLogReg
    observations        569
    degrees of freedom  3
    log-likelihood      -145.562 nats
    deviance            291.123
    null deviance       751.44
    AIC                 297.123
    BIC                 310.155
    McFadden's R²       0.6126
    Tjur's R²           0.6651
    """
    with fitted_model(estimator, X, y, sample_weight, offset, weights) as fitted:
        check_likelihood(
            "Fit statistics",
            is_penalised=False,
            has_class_weight=fitted.class_factors is not None,
            is_bias_reduced=fitted.is_bias_reduced,
        )
        information = information_of(fitted)
        with fitted.objective.rows.threads():
            null = _null_loss(fitted)
            perfect, of_second, fingerprint = _sums_over_targets(fitted)
    S = fitted.objective.rows.weight_sum
    loss = mean_loss(fitted, information)
    trace = np.einsum("ij,ji->", information.hessian, information.inverse)
    return FitStatistics(
        name=fitted.name,
        n_observations=fitted.n_observations,
        n_parameters=len(information.inverse),
        degrees_of_freedom=float(trace),
        log_likelihood=-S * loss,
        null_log_likelihood=-S * null,
        deviance=2 * S * (loss - perfect),
        null_deviance=2 * S * (null - perfect),
        tjur_r2=of_second,
        is_penalised=fitted.is_penalised,
        fingerprint=fingerprint,
    )


def _null_loss(fitted: FittedModel) -> float:
    """Return the mean loss of the model without features."""
    objective = fitted.objective
    params = objective.initial_point()
    evaluation = objective.evaluate(params)
    if objective.rows.typical_offset is None or not objective.fit_intercept:
        return evaluation.value
    for _ in range(MAX_STEPS):
        _, gradient = objective.split(evaluation.gradient)
        H = intercept_hessian(objective, params)
        step = -np.linalg.lstsq(H, gradient, rcond=None)[0]
        if -gradient @ step < NEGLIGIBLE_GAIN:
            break
        for _ in range(MAX_STEPS):
            trial = params.copy()
            objective.split(trial)[1][:] += step
            following = objective.evaluate(trial)
            if following.value < evaluation.value:
                break
            step /= 2
        else:
            break
        params, evaluation = trial, following
    return evaluation.value


def _sums_over_targets(fitted: FittedModel) -> tuple[float, float, NDArray]:
    """Return the loss of a perfect fit, Tjur's R², and the fingerprint of the rows."""
    objective, K = fitted.objective, fitted.objective.n_classes
    model = objective.linear_model(fitted.params)

    def add_block(
        block: Block, perfect: NDArray, explained: NDArray, fingerprint: NDArray
    ) -> None:
        q = np.eye(K)[block.targets] if block.targets.ndim == 1 else block.targets
        s = np.ones(len(q)) if block.weights is None else block.weights
        if block.targets.ndim == 2:
            perfect += s @ entropy(q.astype(np.float64))
        p = objective.loss.proba(model(block))
        weighted = s[:, None] * q
        explained += np.stack([weighted.sum(axis=0), p[:, -1] @ weighted])
        position = block.start + np.arange(1, len(q) + 1)
        fingerprint += np.cos(position) @ weighted

    perfect, explained, fingerprint = objective.rows.map_reduce(
        add_block, Sum(), Sum(2, K), Sum(K), width=4 * K, work=objective.n_logits
    )
    means = explained[1] / explained[0]
    tjur = float(means[1] - means[0]) if K == 2 else np.nan
    factor = objective.rows.mean_factor
    return factor * float(perfect), tjur, factor * fingerprint
