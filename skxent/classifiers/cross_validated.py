"""The base class of the classifiers that choose C by cross-validation."""

from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Self
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

from .._sklearn_compat import CallbackSupportMixin, Interval, StrOptions, with_callbacks
from ..evaluation.scorer import LogLossScorer, log_loss_scorer
from ..model.objective import CrossEntropyObjective
from ..solver.minimise import minimise
from ..solver.penalty_path import PenaltyFits, with_penalty
from ..solver.progress import Progress
from .base import LinearCrossEntropyClassifier
from .C_grid import C_grid
from .callbacks import FitCallbacks
from .cross_entropy_classifier import CrossEntropyClassifier, coefficients
from .feature_parameters import check_bounds, check_penalty_weights
from .held_out import HeldOutScores
from .migration import with_remedies
from .search import PenaltyGrid, Search, search_penalties
from .splits import objectives_without_folds, split_rows
from .validation import CheckedData, check_data


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
        data = check_data(self, X, y, sample_weight, offset)
        scorer = self._scorer()
        split_params, score_params = self._route(scorer, sample_weight, offset, params)
        objective = self._objective(data, 1.0, 0.0)
        grid = self._grid(objective, data)
        read = partial(coefficients, objective)
        search = self._search(
            objective, data, grid, scorer, score_params, split_params, read
        )
        chosen = ratio, best = search.choose(self.selection)
        if search.message:
            warn(search.message, ConvergenceWarning, stacklevel=3)

        start = search.params_of_all[chosen]
        callbacks = FitCallbacks(self, progress, data, read, start)
        l1_ratio, C = float(grid.l1_ratios[ratio]), float(grid.Cs[best])
        if self.refit:
            solution = minimise(
                with_penalty(objective, partial(grid.penalty, l1_ratio=l1_ratio, C=C)),
                start,
                tol=self.tol,
                max_iter=self.max_iter,
                progress=progress,
            )
            self._publish_model(data, read(solution.params))
            self._publish_solution(solution)
        else:
            self._publish_model(data, read(search.params[:, ratio, best].mean(axis=0)))
            self.suboptimality_ = float(search.suboptimality[chosen])
            self.converged_ = self.suboptimality_ <= self.tol
        self.C_, self.l1_ratio_ = C, l1_ratio
        self._publish_search(search, read)
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
    def penalty(self) -> str:
        """Kind of penalty, for `sklearn.feature_selection.SelectFromModel`."""
        return "l2" if all(ratio == 0 for ratio in self.l1_ratios) else "l1"

    def _scorer(self) -> Callable:
        if self.scoring is None:
            return log_loss_scorer
        return check_scoring(self, scoring=self.scoring)

    def _route(
        self,
        scorer: Callable,
        sample_weight: ArrayLike | None,
        offset: ArrayLike | None,
        params: dict[str, Any],
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what the splitter and the scorer get, by name."""
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
        if offset is not None:
            # without the offset, predictions would be those of another model
            if not isinstance(scorer, LogLossScorer):
                raise ValueError(
                    f"scoring={self.scoring!r} cannot score a fit with an offset; "
                    "expected None or log_loss_scorer."
                )
            score["offset"] = offset
        return split, score

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
        scorer: Callable,
        score_params: dict[str, Any],
        split_params: dict[str, Any],
        read: Callable[[NDArray], tuple[NDArray, NDArray]],
    ) -> Search:
        """Return the fits of the grid and their scores."""

        def model_of(params: NDArray) -> Any:
            model = self._class_with_one_C()
            model.classes_, model.n_features_in_ = data.classes, data.X.shape[1]
            model.coef_, model.intercept_ = read(params)
            return model

        splits = split_rows(self.cv, data, split_params)
        targets = objective.rows.targets
        held_out = HeldOutScores(
            objective, data, splits, scorer, score_params, model_of
        )

        def score(fits: PenaltyFits) -> tuple[NDArray, float]:
            scores = held_out(fits.params)
            return scores, float(np.std(scores) / np.sqrt(len(scores)))

        return search_penalties(
            objective,
            grid,
            score,
            tol=self.tol,
            max_iter=self.max_iter,
            without_folds=objectives_without_folds(objective, data, splits, targets),
            folds=splits.folds,
            report=print if self.verbose else lambda text: None,
        )

    def _publish_search(
        self, search: Search, read: Callable[[NDArray], tuple[NDArray, NDArray]]
    ) -> None:
        """Set the attributes of the search."""
        self.Cs_, self.l1_ratios_ = search.grid.Cs, search.grid.l1_ratios
        self.scores_ = search.scores
        self.mean_scores_ = search.scores.mean(axis=0)
        self.std_scores_ = search.scores.std(axis=0)
        self.standard_errors_ = search.standard_errors
        places = search.params.shape[:-1]
        models = [read(search.params[place]) for place in np.ndindex(*places)]
        coefs, intercepts = (np.array(part) for part in zip(*models, strict=True))
        self.coefs_paths_ = coefs.reshape(*places, *coefs.shape[1:])
        self.intercepts_paths_ = intercepts.reshape(*places, -1)
        self.n_iter_ = search.n_iter
        self.worst_suboptimality_ = float(search.suboptimality.max())


def _within(values: NDArray, low: float, high: float) -> bool:
    """Whether all values are in the closed interval; not if one is NaN."""
    return bool(((values >= low) & (values <= high)).all())
