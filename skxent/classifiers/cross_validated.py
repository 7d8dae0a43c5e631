"""The base class of the classifiers that choose C by cross-validation."""

from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, NamedTuple, Self
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.validation import check_is_fitted

from .._sklearn_compat import CallbackSupportMixin, Interval, StrOptions, with_callbacks
from ..evaluation.scorer import LogLossScorer, log_loss_scorer
from ..model.objective import CrossEntropyObjective, Objective
from ..solver.minimise import minimise
from ..solver.penalty_path import with_penalty
from ..solver.progress import Progress
from .base import LinearCrossEntropyClassifier
from .C_grid import C_grid
from .callbacks import FitCallbacks
from .cross_entropy_classifier import CrossEntropyClassifier, coefficients
from .cv_results import CVResults
from .feature_parameters import check_bounds, check_penalty_weights
from .held_out import HeldOutScores, LeaveOneOutScores
from .migration import with_remedies
from .search import PenaltyGrid, Score, Search, search_penalties
from .splits import objectives_without_folds, split_rows
from .validation import CheckedData


class Routed(NamedTuple):
    """The scorer, what it gets by name, and what the splitter gets."""

    scorer: Callable
    score_params: dict[str, Any]
    split_params: dict[str, Any]


class LinearCrossEntropyClassifierCV(CallbackSupportMixin, CrossEntropyClassifier):
    """A linear model trained by cross-entropy, with a penalty by cross-validation."""

    _class_with_one_C: type[LinearCrossEntropyClassifier]

    _parameter_constraints: ClassVar[dict] = {
        "Cs": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "l1_ratios": ["array-like"],
        "cv": ["cv_object", StrOptions({"loo"})],
        "scoring": [str, callable, None],
        "refit": ["boolean"],
        "selection": [StrOptions({"best", "one_standard_error"})],
        **{
            name: LinearCrossEntropyClassifier._parameter_constraints[name]
            for name in (
                *("penalty_weights", "bounds", "label_smoothing", "fit_intercept"),
                *("class_weight", "tol", "max_iter", "verbose"),
            )
        },
    }

    @with_remedies
    def __init__(
        self,
        *,
        Cs: Any = 10,
        l1_ratios: Any = (0.0,),
        cv: Any = None,
        scoring: Any = None,
        refit: bool = True,
        selection: str = "best",
        penalty_weights: Any = None,
        bounds: Any = None,
        label_smoothing: float = 0.0,
        fit_intercept: bool = True,
        class_weight: Any = None,
        tol: float = 1e-8,
        max_iter: int = 1000,
        verbose: int = 0,
    ) -> None:
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.cv = cv
        self.scoring = scoring
        self.refit = refit
        self.selection = selection
        self.penalty_weights = penalty_weights
        self.bounds = bounds
        self.label_smoothing = label_smoothing
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.verbose = verbose

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
        **params: Any,
    ) -> Self:
        """Fit along the values of C, score the held-out rows, and fit the best.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Finite training data of any scale.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Class labels, or soft labels: rows of class probabilities.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples, in the fits and in the scores.
        offset : array-like, default=None
            Known part of the logits, as in the estimator with one C.
        **params : dict
            For the splitter and the scorer, by metadata routing.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        TypeError
            If an input is a Dask collection, or not numeric.
        ValueError
            If the estimator with one C would refuse the input, a fold trains without
            one of the classes, or ``cv="loo"`` does not hold.
        """
        progress = Progress()
        self._validate_params()
        data = self._check_data(X, y, sample_weight, offset)
        routed = self._route(sample_weight, offset, params)
        objective = self._objective(data, 1.0, 0.0)
        grid = self._grid(objective, data)

        search = self._search(objective, data, grid, routed)
        ratio, best = search.choose(self.selection)
        read = partial(coefficients, objective)
        start = search.params_of_all[ratio, best]
        callbacks = FitCallbacks(self, progress, data, read, start)
        message, solution = search.message, None
        if self.refit:
            solution = minimise(
                with_penalty(objective, grid.penalties(ratio)[best]),
                start,
                tol=self.tol,
                max_iter=self.max_iter,
                progress=progress,
            )
            start = solution.params
            if message is None and solution.deserves_warning:
                message = solution.message(self.tol)
        if message is not None:
            warn(message, ConvergenceWarning, stacklevel=3)

        self._publish_search(search, ratio, best, read)
        if solution is None:
            mean = search.params[:, ratio, best].mean(axis=0)
            self._publish_model(data, read(mean))
        else:
            self._publish_model(data, read(solution.params))
            self._publish_solution(solution)
        self.n_iter_ = search.n_iter
        callbacks.finish(start)
        return self

    def score(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        offset: ArrayLike | None = None,
    ) -> float:
        """Return the score by ``scoring``, by default minus the cross-entropy.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
        sample_weight : array-like of shape (n_samples,), default=None
        offset : array-like, default=None
            Added to the logits, as in `fit`.

        Returns
        -------
        float
            Larger is better.
        """
        params = {"sample_weight": sample_weight, "offset": offset}
        given = {name: value for name, value in params.items() if value is not None}
        return self._scorer()(self, X, y, **given)

    def get_metadata_routing(self) -> MetadataRouter:
        """Return what the splitter, the scorer and `fit` request.

        Returns
        -------
        MetadataRouter
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        to_fit = MethodMapping().add(caller="fit", callee="split")
        if self.cv != "loo":
            router.add(splitter=check_cv(self.cv), method_mapping=to_fit)
        to_score = MethodMapping().add(caller="fit", callee="score")
        to_score.add(caller="score", callee="score")
        return router.add(scorer=self._scorer(), method_mapping=to_score)

    @property
    def cv_results_(self) -> CVResults:
        """Scores of each C and ``l1_ratio``, under scikit-learn's names."""
        check_is_fitted(self)
        return CVResults(self)

    @property
    def penalty(self) -> str:
        """Kind of penalty, for `sklearn.feature_selection.SelectFromModel`."""
        return "l2" if all(ratio == 0 for ratio in self.l1_ratios) else "l1"

    def _scorer(self) -> Callable:
        if self.scoring is None:
            return log_loss_scorer
        return check_scoring(self, scoring=self.scoring)

    def _route(
        self,
        sample_weight: ArrayLike | None,
        offset: ArrayLike | None,
        params: dict[str, Any],
    ) -> Routed:
        """Return what the splitter and the scorer get, by name."""
        scorer = self._scorer()
        own = {"sample_weight": sample_weight, "offset": offset}
        own = {name: value for name, value in own.items() if value is not None}
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **own, **params)
            split = {} if self.cv == "loo" else routed.splitter.split
            score = dict(routed.scorer.score)
        elif params:
            raise ValueError(
                f"fit got the parameters {sorted(params)}; expected none without "
                "metadata routing: call "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        else:
            split, score = {}, own
        is_log_loss = isinstance(scorer, LogLossScorer)
        if self.cv == "loo" and not is_log_loss:
            raise ValueError(
                f"scoring={self.scoring!r} with cv='loo'; expected None or "
                "log_loss_scorer, since the cross-entropy alone is approximated."
            )
        if offset is not None:
            # without the offset, predictions would be those of another model
            if not is_log_loss:
                raise ValueError(
                    f"scoring={self.scoring!r} cannot score a fit with an offset; "
                    "expected None or log_loss_scorer."
                )
            score["offset"] = offset
        return Routed(scorer, score, split)

    def _grid(self, objective: CrossEntropyObjective, data: CheckedData) -> PenaltyGrid:
        """Return the penalties to try."""
        features = data.feature_names, data.X.shape[1]
        weights = check_penalty_weights(self.penalty_weights, *features)
        bounds = check_bounds(self.bounds, *features)
        l1_ratios = np.atleast_1d(np.asarray(self.l1_ratios, dtype=np.float64))
        if l1_ratios.ndim > 1 or not l1_ratios.size or not _within(l1_ratios, 0, 1):
            raise ValueError(
                f"l1_ratios={self.l1_ratios!r}; expected numbers from 0 to 1."
            )
        if isinstance(self.Cs, Integral):
            Cs = C_grid(objective, weights, l1_ratios, int(self.Cs))
        else:
            Cs = np.sort(np.asarray(self.Cs, dtype=np.float64))
            if Cs.ndim != 1 or not Cs.size or not (Cs > 0).all():
                raise ValueError(
                    f"Cs={self.Cs!r}; expected a number of values, or positive values."
                )
        return PenaltyGrid(l1_ratios, Cs, weights, bounds)

    def _search(
        self,
        objective: CrossEntropyObjective,
        data: CheckedData,
        grid: PenaltyGrid,
        routed: Routed,
    ) -> Search:
        """Return the fits of the grid and their scores."""
        if self.cv == "loo":
            by_row = LeaveOneOutScores(
                data, routed.score_params, self.tol, self.max_iter
            )
            search = self._fit_and_score(objective, grid, by_row, [], None)
            search.check(by_row.refusals)
            return search
        splits = split_rows(self.cv, data, routed.split_params)
        read = partial(coefficients, objective)
        by_fold = HeldOutScores(
            objective,
            data,
            splits,
            routed.scorer,
            routed.score_params,
            lambda params: self._model_of(data, read(params)),
        )
        without_folds = objectives_without_folds(objective, data, splits)
        return self._fit_and_score(
            objective, grid, by_fold, without_folds, splits.folds
        )

    def _fit_and_score(
        self,
        objective: CrossEntropyObjective,
        grid: PenaltyGrid,
        score: Score,
        without_folds: list[Objective],
        folds: NDArray | None,
    ) -> Search:
        return search_penalties(
            objective,
            grid,
            score,
            tol=self.tol,
            max_iter=self.max_iter,
            without_folds=without_folds,
            folds=folds,
            report=print if self.verbose else lambda text: None,
        )

    def _model_of(
        self, data: CheckedData, model: tuple[NDArray, NDArray]
    ) -> LinearCrossEntropyClassifier:
        """Return a fitted estimator with one C, for a scorer."""
        estimator = self._class_with_one_C()
        estimator._publish_model(data._replace(feature_names=None), model)
        return estimator

    def _publish_search(
        self,
        search: Search,
        ratio: int,
        best: int,
        read: Callable[[NDArray], tuple[NDArray, NDArray]],
    ) -> None:
        """Set the attributes of the search, and what is known without a refit."""
        self.Cs_, self.l1_ratios_ = search.grid.Cs, search.grid.l1_ratios
        self.C_, self.l1_ratio_ = float(self.Cs_[best]), float(self.l1_ratios_[ratio])
        self.scores_ = search.scores
        self.mean_scores_ = search.scores.mean(axis=0)
        self.std_scores_ = search.scores.std(axis=0)
        self.standard_errors_ = search.standard_errors
        places = search.params.shape[:-1]
        models = [read(search.params[place]) for place in np.ndindex(*places)]
        coefs, intercepts = (np.array(part) for part in zip(*models, strict=True))
        self.coefs_paths_ = coefs.reshape(*places, *coefs.shape[1:])
        self.intercepts_paths_ = intercepts.reshape(*places, -1)
        self.worst_suboptimality_ = float(search.suboptimality.max())
        self.suboptimality_ = float(search.suboptimality[ratio, best])
        self.converged_ = self.suboptimality_ <= self.tol

    def _fitted_penalty(self) -> tuple[float, float, int | None]:
        ratio = int(np.argmax(self.l1_ratios_ == self.l1_ratio_))
        best = int(np.argmax(self.Cs_ == self.C_))
        # that of the slowest fold, as refits start at the optimum
        return self.C_, self.l1_ratio_, int(self.n_iter_[:, ratio, best].max())


def _within(values: NDArray, low: float, high: float) -> bool:
    """Whether all values are in the closed interval; not if one is NaN."""
    return bool(((values >= low) & (values <= high)).all())
