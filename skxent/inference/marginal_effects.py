r"""Average marginal effects: what a unit of a feature does to the probabilities.

With the probabilities p, their derivatives W = ∂p/∂z, and the weighted mean over rows::

    continuous    AME_kj = mean_i Σ_l W_ikl w_lj
    discrete      AME_kj = mean_i [p_ik(x_j = 1) − p_ik(x_j = 0)]

The delta method gives their covariance ``J V Jᵀ``, with J the derivative by the
coefficients. The derivative of a continuous effect needs mean_i ∂W_ikl/∂z_m x̃_i.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data.blocks import sum_over_rows, transposed
from ..data.rows import Block, Largest, Sum
from ..model.row_products import with_intercept
from .coefficient_table import DESCRIPTIONS
from .covariance import covariance_of
from .fitted import FittedModel, fitted_model
from .information import information_of
from .refusals import check_covariance, check_level, name_some, names_in
from .table import MarginalEffects

BINARY = "binary"


def average_marginal_effects(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    features: ArrayLike | None = None,
    discrete: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    offset: ArrayLike | None = None,
    covariance: str = "model",
    cluster: ArrayLike | None = None,
    level: float = 0.95,
    weights: str = "frequency",
) -> MarginalEffects:
    r"""Return the average effects of features on the probabilities of the classes.

    A coefficient is an effect on log-odds. The average marginal effect is one on
    probabilities, averaged over the rows:

    .. math:: \mathrm{AME}_{kj} = \frac{1}{S} \sum_i s_i
              \frac{\partial p_k(x_i)}{\partial x_{ij}}

    Parameters
    ----------
    estimator, X, y, sample_weight, offset, covariance, cluster, level, weights
        As in `coefficient_table`. The features are those of the last step of a
        pipeline, in its units.
    features : list of str, default=None
        The features whose effects are returned; None means all.
    discrete : list of str or "binary", default=None
        Features whose effect is the change from 0 to 1 instead of a derivative.
        "binary" means those that are 0 or 1 in every row.

    Returns
    -------
    MarginalEffects
        Effects on the probability of ``classes_[1]`` for `BinaryLogReg`, and of every
        class for `SoftmaxReg`, where those of a feature sum to 0.

    Raises
    ------
    ValueError
        If a feature is unknown, or as in `coefficient_table`.

    See Also
    --------
    skxent.coefficient_table : Effects on log-odds.

    Notes
    -----
    The standard errors take the rows as given: they say how precisely the coefficients
    are known. An aliased feature has no effect of its own.

    References
    ----------
    W. Greene (2018), Econometric Analysis, 8th ed., section 17.2.5.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skxent import BinaryLogReg, average_marginal_effects
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = BinaryLogReg(C=np.inf).fit(X[:, :2], y)
    >>> average_marginal_effects(model, X[:, :2], y)
    BinaryLogReg on 569 observations: average effects on the probability of 1
    model-based covariance, the inverse information
        estimate  std. error       z          p     lower     upper
    x0  -0.08288    0.003749  -22.11  2.74e-108  -0.09022  -0.07553
    x1   -0.0171    0.002493   -6.86   6.94e-12  -0.02199  -0.01221
    lower and upper: 95% intervals, in probability per unit
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
        if fitted.class_factors is not None:
            raise ValueError(
                "Marginal effects with class weights, which move all probabilities; "
                "expected a fit with class_weight=None."
            )
        information = information_of(fitted)
        of_variables = covariance_of(fitted, information, covariance, cluster)
        where = information.coordinates
        components = where.without_aliased(fitted.reduced(fitted.params))
        chosen = _positions(fitted, features)
        with fitted.objective.rows.threads():
            jumps = _discrete(fitted, discrete, chosen)
            effects, derivatives = _effects(fitted, components, chosen, jumps)
    # from derivatives by components and columns to those by the variables
    of_columns = derivatives.reshape(-1, derivatives.shape[-1]) @ where.to_columns
    jacobian = of_columns.reshape(effects.size, -1)
    matrix = jacobian @ of_variables @ jacobian.T
    aliased = np.tile(np.isin(chosen, where.aliased), len(effects))
    effects = np.where(aliased, np.nan, effects.ravel())
    matrix[aliased] = matrix[:, aliased] = np.nan
    names = [str(fitted.feature_names[j]) for j in chosen]
    labels = fitted.classes if len(fitted.basis) > 1 else fitted.classes[1:]
    outcome = repr(labels[0]) if len(labels) == 1 else "each class"
    subject = f"average effects on the probability of {outcome}"
    head = [
        f"{fitted.name} on {fitted.n_observations:g} observations: {subject}",
        DESCRIPTIONS[covariance],
    ]
    if jumps.any():
        head.append(f"change from 0 to 1: {name_some(np.array(names)[jumps])}")
    return MarginalEffects.from_covariance(
        effects,
        matrix,
        level,
        classes=[k for k in labels for _ in names] if len(labels) > 1 else None,
        features=names * len(labels),
        subject=subject,
        head=head,
    )


def _positions(fitted: FittedModel, features: ArrayLike | None) -> NDArray:
    """Return the columns of some features."""
    names = [str(name) for name in fitted.feature_names]
    if features is None:
        return np.arange(len(names))
    wanted = names_in(features)
    unknown = [name for name in wanted if name not in names]
    if unknown or not wanted:
        raise ValueError(
            f"features or discrete has {name_some(unknown) or 'no name'}; expected "
            f"names of features of the fit: {name_some(names)}."
        )
    return np.array([names.index(name) for name in wanted])


def _discrete(
    fitted: FittedModel, discrete: ArrayLike | None, chosen: NDArray
) -> NDArray:
    """Return which of the chosen columns change from 0 to 1, bool."""
    if discrete is None:
        return np.zeros(len(chosen), dtype=bool)
    if not (isinstance(discrete, str) and discrete == BINARY):
        return np.isin(chosen, _positions(fitted, discrete))
    center = _center(fitted)

    def add_block(block: Block, other: NDArray) -> None:
        X = block.X if isinstance(block.X, np.ndarray) else block.X.toarray()
        X = X + center
        np.maximum(other, ((X != 0) & (X != 1)).any(axis=0), out=other)

    d = fitted.objective.n_features
    (other,) = fitted.objective.rows.map_reduce(
        add_block, _LargestOfEach(d), width=2 * d, work=1
    )
    return other[chosen] == 0


class _LargestOfEach(Sum):
    """A result of `Rows.map_reduce`: the largest of any block, entry by entry."""

    merge = staticmethod(Largest.merge)


def _center(fitted: FittedModel) -> NDArray:
    """Return what has been subtracted from the columns in memory, (d,)."""
    center = fitted.objective.rows.center
    d = fitted.objective.n_features
    return np.zeros(d) if center is None else center.astype(np.float64)


def _effects(
    fitted: FittedModel, components: NDArray, chosen: NDArray, jumps: NDArray
) -> tuple[NDArray, NDArray]:
    """Return effects and their derivatives by components and columns.

    Parameters
    ----------
    fitted : FittedModel
    components : ndarray of shape (q, e)
        Coefficients of the components of the logits.
    chosen : ndarray of shape (n,), int
    jumps : ndarray of shape (n,), bool

    Returns
    -------
    effects : ndarray of shape (P, n)
        P is 1 for a single logit, otherwise the number of classes.
    derivatives : ndarray of shape (P, n, q, e)
    """
    P, q, e = fitted.objective.n_logits, fitted.n_components, components.shape[1]
    effects = np.empty((P, len(chosen)))
    derivatives = np.zeros((P, len(chosen), q, e))
    if not jumps.all():
        slope, bend = _mean_slopes(fitted)
        smooth = np.flatnonzero(~jumps)
        w = components[:, chosen[smooth]]
        effects[:, smooth] = slope @ w
        derivatives[:, smooth] = np.einsum("plme,lj->pjme", bend, w)
        derivatives[:, smooth, :, chosen[smooth]] += slope
    for i in np.flatnonzero(jumps):
        effects[:, i], derivatives[:, i] = _mean_jump(fitted, components, chosen[i])
    return effects, derivatives


def _mean_slopes(fitted: FittedModel) -> tuple[NDArray, NDArray]:
    """Return the means of ∂p_k/∂v_l, (P, q), and ∂²p_k/∂v_l∂v_m x̃, (P, q, q, e)."""
    objective, q = fitted.objective, fitted.n_components
    P, e, basis = objective.n_logits, objective.n_columns, fitted.basis
    model = objective.linear_model(fitted.params)

    def add_block(block: Block, slope: NDArray, bend: NDArray) -> None:
        z = model(block)
        s = np.ones(len(z)) if block.weights is None else block.weights
        slope += np.einsum("i,ipl->pl", s, _slopes(fitted, z) @ basis)
        second = _bends(fitted, z)
        second = np.einsum("iplm,la,mb->ipab", second, basis, basis, optimize=True)
        flat = (s[:, None, None, None] * second).reshape(len(z), -1)
        bend[..., : block.X.shape[1]] += sum_over_rows(
            transposed(block.X), flat
        ).T.reshape(P, q, q, -1)
        if objective.fit_intercept:
            bend[..., -1] += flat.sum(axis=0).reshape(P, q, q)

    slope, bend = objective.rows.map_reduce(
        add_block, Sum(P, q), Sum(P, q, q, e), width=3 * P**3, work=P * q * q
    )
    factor = objective.rows.mean_factor
    return factor * slope, factor * bend


def _slopes(fitted: FittedModel, z: NDArray) -> NDArray:
    """Return ∂p/∂z, (m, P, L), of the probabilities p that are reported."""
    loss = fitted.objective.loss
    if z.shape[1] == 1:
        return loss.curvature(z)[:, :, None]
    p = loss.proba(z)
    slopes = -p[:, :, None] * p[:, None, :]
    k = np.arange(z.shape[1])
    slopes[:, k, k] = loss.curvature(z)
    return slopes


def _bends(fitted: FittedModel, z: NDArray) -> NDArray:
    """Return ∂²p/∂z², (m, P, L, L), of the probabilities p that are reported."""
    p, W = fitted.objective.loss.proba(z), _slopes(fitted, z)
    if z.shape[1] == 1:
        return (W * (p[:, 0] - p[:, 1])[:, None, None])[..., None]
    # ∂/∂z_m of W_kl = p_k δ_kl − p_k p_l
    bends = np.eye(z.shape[1])[None, :, :, None] * W[:, :, None, :]
    bends -= W[:, :, None, :] * p[:, None, :, None]
    bends -= p[:, :, None, None] * W[:, None, :, :]
    return bends


def _mean_jump(
    fitted: FittedModel, components: NDArray, column: int
) -> tuple[NDArray, NDArray]:
    """Return the mean change of p from 0 to 1 of a column, (P,), and its derivative.

    The derivative, (P, q, e), is that by components and columns.
    """
    objective, q, basis = fitted.objective, fitted.n_components, fitted.basis
    P, e = objective.n_logits, objective.n_columns
    model = objective.linear_model(fitted.params)
    w, center = basis @ components[:, column], _center(fitted)[column]

    def add_block(block: Block, jump: NDArray, derivative: NDArray) -> None:
        X = with_intercept(objective, block.X)
        s = np.ones(len(X)) if block.weights is None else block.weights
        rest = model(block) - np.outer(X[:, column] + center, w)
        for value, sign in ((0.0, -1.0), (1.0, 1.0)):
            z = rest + value * w
            first, p = _slopes(fitted, z), objective.loss.proba(z)
            jump += sign * (s @ (p[:, 1:] if P == 1 else p))
            X[:, column] = value - center
            flat = (s[:, None, None] * (first @ basis)).reshape(len(X), -1)
            derivative += sign * sum_over_rows(flat.T, X).reshape(P, q, e)

    jump, derivative = objective.rows.map_reduce(
        add_block, Sum(P), Sum(P, q, e), width=e + 3 * P * P, work=2 * P * q
    )
    factor = objective.rows.mean_factor
    return factor * jump, factor * derivative
