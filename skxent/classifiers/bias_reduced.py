"""Bias-reduced logistic regression of two classes."""

from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning

from .._sklearn_compat import Interval
from ..data.blocks import far_center
from ..data.in_memory import InMemoryRows
from ..data.preparation import as_floating, check_offset
from ..model.bias_reduction import BiasReducedObjective
from ..model.losses import LOSSES
from ..model.problem import Problem
from ..solver.bias_reduced import SingularInformation, minimise_bias_reduced
from ..solver.intercept_correction import with_corrected_intercept
from ..solver.stopping import CONVERGED
from .predictions import LinearClassifier
from .validation import CheckedData

# Columns with a mean of this many spreads are centred, since a determinant needs more
# digits than a gradient.
FAR = 30.0


class BiasReducedLogReg(LinearClassifier):
    """Logistic regression of two classes without a penalty to choose, for rare events.

    The model is ``P(y = classes_[1] | x) = expit(coef_ · x + intercept_)``. The fit
    maximises the log-likelihood plus half the log-determinant of the information::

        Σ_i s_i log P(y_i | x_i) + ½ log det I,    I = Σ_i s_i p_i (1 − p_i) x̃_i x̃_iᵀ

    with ``x̃ = (x, 1)``. This removes the bias of first order from the coefficients,
    which without it are too large if events are rare, and infinite if a hyperplane
    separates the classes. The estimates are always finite. Rescaling a feature rescales
    its coefficient, and changes no probability: nothing has to be standardised, and
    there is no strength to choose. The price of an evaluation grows with the square of
    the number of features: it is meant for up to some hundreds.

    It is a class of its own, because it has nothing of what makes a penalty of
    `BinaryLogReg`: no ``C``, ``l1_ratio``, bounds or factors.

    Parameters
    ----------
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    flic : bool, default=False
        Whether to correct the intercept after the fit, so that the mean probability is
        the observed frequency (FLIC). Otherwise the probabilities are drawn towards ½,
        and too large for rare events. The coefficients stay the same.
    tol : float, default=1e-8
        The fit ends when the estimated distance to the optimum is at most this, in
        standard errors: no linear combination of coefficients and intercept is farther
        from its optimum than ``tol`` of its standard errors.
    max_iter : int, default=1000
        The largest number of iterations.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two labels, sorted; with soft labels, the columns.
    coef_ : ndarray of shape (1, n_features)
        Coefficients of the log-odds of ``classes_[1]``.
    intercept_ : ndarray of shape (1,)
        Intercept; 0 if ``fit_intercept=False``.
    aliased_ : ndarray of shape (n_features,), bool
        The features that are constant, or a linear combination of the intercept and of
        features before them, to 6 digits. The data do not determine their coefficients,
        which are 0, as if the columns were not there.
    penalised_log_likelihood_ : float
        The maximum, in nats, before the intercept is corrected. It depends on the units
        of the features: only differences matter, between fits to the same X.
    converged_ : bool
        Whether ``distance_`` is at most ``tol``.
    distance_ : float
        Estimated distance to the optimum, in standard errors. The objective need not be
        concave, so that nothing certifies it.
    n_iter_ : ndarray of shape (1,)
        Number of iterations.
    n_evals_ : int
        Number of evaluations of the objective and its gradient. Each reads X twice.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has names that are all strings.

    See Also
    --------
    skxent.profile_penalised_likelihood : Intervals and tests.
    BinaryLogReg : With a penalty, for any number of features.

    Notes
    -----
    `fit` warns with ``sklearn.exceptions.ConvergenceWarning`` if it ends short of
    ``tol``. The warning names the cause and the remedy.

    References
    ----------
    D. Firth (1993), "Bias reduction of maximum likelihood estimates", Biometrika 80(1),
    doi:10.1093/biomet/80.1.27

    G. Heinze and M. Schemper (2002), "A solution to the problem of separation in
    logistic regression", Statistics in Medicine 21(16), doi:10.1002/sim.1047

    R. Puhr, G. Heinze, M. Nold, L. Lusa, A. Geroldinger (2017), "Firth's logistic
    regression with rare events: accurate effect estimates and predictions?", Statistics
    in Medicine 36(14), doi:10.1002/sim.7273

    I. Kosmidis and D. Firth (2021), "Jeffreys-prior penalty, finiteness and shrinkage
    in binomial-response generalized linear models", Biometrika 108(1),
    doi:10.1093/biomet/asaa052

    Examples
    --------
    None of the 10 exposed persons is ill, and 3 of the 10 others. In a 2 × 2 table the
    estimate is the log odds ratio of the counts plus ½:

    >>> import numpy as np
    >>> from skxent import BiasReducedLogReg
    >>> X = np.repeat([0, 0, 1], [7, 3, 10]).reshape(-1, 1)
    >>> y = np.repeat([0, 1, 0], [7, 3, 10])
    >>> model = BiasReducedLogReg().fit(X, y)
    >>> model.coef_.round(4)
    array([[-2.2824]])
    >>> np.log((0.5 / 10.5) / (3.5 / 7.5)).round(4)
    np.float64(-2.2824)
    """

    _loss_name = "binary"
    _parameter_constraints: ClassVar[dict] = {
        "fit_intercept": ["boolean"],
        "flic": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
    }
    # Weights count rows, so that there are none of classes. The checks read it.
    class_weight: ClassVar[None] = None

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        flic: bool = False,
        tol: float = 1e-8,
        max_iter: int = 1000,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.flic = flic
        self.tol = tol
        self.max_iter = max_iter

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> Self:
        """Find the coefficients that maximise the penalised likelihood.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Finite training data of any scale. Sums are in float64 for data of any type.
        y : array-like of shape (n_samples,) or (n_samples, 2)
            Class labels, or soft labels: rows of class probabilities that sum to 1
            (within 1e-5).
        sample_weight : array-like of shape (n_samples,), default=None
            How often each sample has been observed; None means once. Unlike those of
            the other estimators, weights have a scale: with all of them doubled there
            are twice as many data, and less bias to remove.
        offset : array-like of shape (n_samples,), default=None
            Known part of the logits, which is added to them. Magnitudes up to 1e30.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        TypeError
            If an input is a Dask collection, or X, weights or offset are not numeric.
        ValueError
            If the weights sum to less than the number of coefficients, an input is not
            finite or has masked entries, a label is missing, lengths differ, there are
            not two classes, a class has no weight, or offsets leave no information. The
            estimator then keeps the attributes of its last fit.
        """
        self._validate_params()
        if self.flic and not self.fit_intercept:
            raise ValueError(
                "flic=True with fit_intercept=False; expected an intercept to correct: "
                "use fit_intercept=True or flic=False."
            )
        data = self._check_data(X, y, sample_weight, offset)
        objective = bias_reduced_objective(data, self.fit_intercept)
        problem = objective.problem
        fit = partial(
            minimise_bias_reduced, objective, tol=self.tol, max_iter=self.max_iter
        )
        try:
            solution = fit(problem.initial_point())
        except SingularInformation:
            # the typical offset of the start may be an extreme one
            solution = fit(np.zeros(problem.n_params))
        if solution.outcome != CONVERGED:
            warn(solution.message(self.tol), ConvergenceWarning, stacklevel=2)

        params = solution.params
        if self.flic:
            params = with_corrected_intercept(problem, params)
        self._publish_model(data, problem.unpack(params))
        self.aliased_ = objective.is_dependent[: problem.n_features]
        self.penalised_log_likelihood_ = solution.penalised_log_likelihood(
            problem.rows.weight_sum
        )
        self.converged_ = solution.outcome == CONVERGED
        self.distance_ = solution.distance
        self.n_iter_ = np.array([solution.n_iter], dtype=np.int32)
        self.n_evals_ = objective.n_evals
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def bias_reduced_objective(
    data: CheckedData, fit_intercept: bool
) -> BiasReducedObjective:
    """Return the objective on the data."""
    X = as_floating(data.X)
    rows = InMemoryRows(
        X,
        data.targets,
        data.weights,
        check_offset(data.offset, X.shape[0], 1),
        center=far_center(X, FAR) if fit_intercept else None,
    )
    objective = BiasReducedObjective(Problem(rows, LOSSES["binary"], 2, fit_intercept))
    if rows.weight_sum < objective.rank:
        raise ValueError(
            f"sample_weight sums to {rows.weight_sum}; expected at least "
            f"{objective.rank}, the number of coefficients and intercepts: weights "
            "count how often each sample has been observed."
        )
    return objective
