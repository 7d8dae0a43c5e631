"""Docstring sections that `BinaryLogReg` and `SoftmaxReg` share.

A class docstring names a section in braces, on a line of its own; `fill_sections`
inserts the text.
"""

from inspect import cleandoc
from typing import TypeVar

T = TypeVar("T", bound=type)

COMMON_PARAMETERS = """
penalty_weights : array-like of shape (n_features,) or dict, default=None
    Factors π of the penalty for each feature, or for the features named in a dict. 0
    leaves a feature unpenalised. None means 1 for all.
bounds : tuple (lower, upper) or dict, default=None
    Bounds on the coefficients, in the units of the given X. All classes have the same
    bounds. Each bound is a number, an array of shape (n_features,) or None for no
    bound. A dict maps names of features to such pairs of numbers. ``(0, None)`` keeps
    all coefficients non-negative.
label_smoothing : float, default=0.0
    The share ε, below 1, of each target that is spread evenly over all classes:
    (1 − ε) target + ε / K.
fit_intercept : bool, default=True
    Whether to fit an intercept for each logit. Intercepts are never penalised.
class_weight : dict, "balanced" or None, default=None
    Weight of each class by its label, multiplied into the sample weights. "balanced"
    makes the total weights of the classes equal.
tol : float, default=1e-8
    Relative suboptimality at which the fit ends: the estimated (F − F*) / F, where F*
    is the optimum. It has no unit and does not depend on the scale of the data.
max_iter : int, default=1000
    The largest number of iterations.
"""

SECTIONS = {
    "parameters": """
C : float, default=1.0
    Inverse strength of the penalty, positive; ``np.inf`` for no penalty. Smaller values
    shrink the coefficients more. With two classes and an L2 penalty, `SoftmaxReg` at
    ``C`` gives the probabilities of `BinaryLogReg` at ``2 * C``.
l1_ratio : float, default=0.0
    Share of the L1 norm in the penalty. 0 is ridge; 1 is the lasso, which sets
    coefficients to exactly 0; values in between are the elastic net.
{common_parameters}
warm_start : bool, default=False
    Whether `fit` starts from the last solution, if the classes and the number of
    features are still the same.
early_stopping : bool, default=False
    Whether to hold rows out of the fit, as a guard against overfitting. They score each
    iteration, and the fit returns the best one.
validation_fraction : float, default=0.1
    Fraction of the rows to hold out, at random; with labels, the split is stratified.
n_iter_no_change : int, default=5
    With ``early_stopping``, the fit ends after this many iterations in a row whose
    scores do not exceed the best score by more than ``tol``, relative to it.
random_state : int, RandomState instance or None, default=None
    Seed for the choice of rows to hold out.
verbose : int, default=0
    1 prints a line after each iteration, 2 also the decisions of the solver.
""",
    "parameters_of_dask": """
client : distributed.Client or None, default=None
    The client of the cluster that computes. None takes the current client. If there is
    none, Dask's own scheduler computes in this process, by default with threads.
persist : {"auto"} or bool, default="auto"
    Whether the partitions stay in memory from the first pass to the end of `fit`.
    Otherwise each pass reads them again. "auto" keeps them if they take at most 40 % of
    the memory of the workers.
""",
    "parameters_of_the_search": """
Cs : int or array-like of shape (n_Cs,), default=10
    The values of C to try, or their number. With a number, an L2 grid goes from half a
    degree of freedom of all features together, where the loss hardly sees the data, to
    99.99 % of all degrees, where the penalty hardly matters, at the null model. Its
    values have equal distances in the mean of log C and the log-odds of this share:
    equal ratios, if all features have the same variance. A grid with an L1 penalty goes
    from the largest C without coefficients to 10,000 times this, or 100 times if n ≤ d.
l1_ratios : array-like of shape (n_l1_ratios,), default=(0.0,)
    The shares of the L1 norm to try, from 0 to 1.
cv : int, splitter, iterable of splits, "loo" or None, default=None
    The folds. None and an int mean stratified ones, not shuffled; None means 5. "loo"
    approximates the cross-entropy of each row under the fit without it, from the fit
    to all rows.
scoring : str, callable or None, default=None
    The score of held-out rows, larger is better. None means `skxent.log_loss_scorer`.
refit : bool, default=True
    Whether ``coef_`` is the fit to all rows with the chosen penalty. Otherwise it is
    the mean of the fits without each fold.
selection : {"best", "one_standard_error"}, default="best"
    Which penalty to choose: the one with the best mean score, or, of those with the
    same ``l1_ratio``, the strongest whose mean score is within one standard error of
    the best.
{common_parameters}
verbose : int, default=0
    1 prints a line for each penalty.
""",
    "attributes_of_the_search": """
C_ : float
    The chosen value of C.
l1_ratio_ : float
    The chosen share of the L1 norm.
Cs_ : ndarray of shape (n_Cs,)
    The values of C, ascending.
l1_ratios_ : ndarray of shape (n_l1_ratios,)
scores_ : ndarray of shape (n_folds, n_l1_ratios, n_Cs)
    The score of each fold. With ``cv="loo"`` there is one.
mean_scores_ : ndarray of shape (n_l1_ratios, n_Cs)
    The mean of the scores over the folds.
std_scores_ : ndarray of shape (n_l1_ratios, n_Cs)
    The standard deviation of the scores over the folds.
standard_errors_ : ndarray of shape (n_l1_ratios, n_Cs)
    The standard errors of the mean scores: the deviations, divided by the root of the
    number of folds; with ``cv="loo"``, over the rows.
cv_results_ : dict of ndarrays of shape (n_l1_ratios * n_Cs,)
    The scores under the names of scikit-learn's searches. It is printed as a table, and
    ``pandas.DataFrame`` makes a frame of it.
coefs_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_Cs, n_logits, n_features)
    The coefficients without each fold; with ``cv="loo"``, those of all rows.
intercepts_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_Cs, n_logits)
n_iter_ : ndarray of shape (n_folds, n_l1_ratios, n_Cs)
    The numbers of iterations. Folds that share passes take Newton steps.
worst_suboptimality_ : float
    The largest estimated suboptimality of all fits.
converged_ : bool
    Whether the fit to all rows with the chosen penalty has converged. With
    ``refit=False``, whether all folds have.
suboptimality_ : float
    Estimated relative distance of that fit to its optimum; with ``refit=False``, the
    largest of the folds.
duality_gap_ : float
    Certified bound of that distance, in nats. This and the next three exist only with
    ``refit=True``.
n_evals_ : int
    Passes over X of that fit, which starts at the solution that the search has found.
loss_curve_ : ndarray of shape (n_iter,)
    F, in nats, after each of its iterations.
loss_curve_seconds_ : ndarray of shape (n_iter,)
    Seconds since the start of `fit` after each of them.
n_features_in_ : int
    Number of features seen during `fit`.
feature_names_in_ : ndarray of shape (n_features,)
    Names of the features, if X has names that are all strings.
""",
    "notes_of_the_search": """
Each fit starts where the last one has ended, and folds share passes over X, of which
there is no copy. ``class_weight="balanced"`` is computed from all rows, as in
`LogisticRegressionCV`. Scores do not count class weights and label smoothing.

With ``cv="loo"``, the loss of a row without which the fit is another is computed by one
Newton step from the fit to all rows (K. R. Rad and A. Maleki (2020),
doi:10.1111/rssb.12374), or by a new fit where that step is too long. It needs the
Hessian, and no coefficient at a bound. Where too many fits would have to be repeated,
as with a weak penalty, the score is NaN. `fit` raises if all are, and warns if the one
after the best is.

`fit` warns once with ``sklearn.exceptions.ConvergenceWarning`` if any fit ends short of
``tol``.

With metadata routing enabled, ``groups`` and whatever else the splitter and the scorer
request are passed to `fit` by name. Callbacks see the last fit, that of the chosen
penalty.
""",
    "attributes_of_the_fit": """
n_iter_ : ndarray of shape (1,)
    Number of iterations.
n_evals_ : int
    Number of evaluations of F and its gradient, in passes over all entries of X. An
    evaluation on some of the columns counts by their share; each set of columns is
    rounded up.
converged_ : bool
    Whether ``suboptimality_`` is at most ``tol``. A fit that early stopping or a
    callback ended earlier has not converged, and does not warn.
suboptimality_ : float
    Estimate of (F − F*) / F, the relative distance to the optimum F*.
duality_gap_ : float
    Certified upper bound of F − F*, in nats. It is proven, but can be loose. ``inf`` if
    there is none, as without a penalty or with an unpenalised feature.
loss_curve_ : ndarray of shape (n_iter,)
    F, in nats, after each iteration.
loss_curve_seconds_ : ndarray of shape (n_iter,)
    Seconds since the start of `fit` after each entry of ``loss_curve_``.
validation_scores_ : ndarray of shape (n_iter,) or None
    With ``early_stopping``, minus the cross-entropy of the held-out rows, in nats,
    after each iteration. Larger is better.
best_validation_score_ : float or None
    The largest of ``validation_scores_``: the score of ``coef_`` and ``intercept_``.
n_features_in_ : int
    Number of features seen during `fit`.
feature_names_in_ : ndarray of shape (n_features,)
    Names of the features, if X has names that are all strings.
""",
    "notes": """
`fit` warns with ``sklearn.exceptions.ConvergenceWarning`` if it ends short of ``tol``.
The warning names the cause and the remedy.

With ``early_stopping``, F is the objective on the training rows, and S is their total
weight. The score of the held-out rows is minus their weighted mean loss, without
penalty or label smoothing. Balanced class weights are computed from all rows. The
coefficients are exactly those of the best iteration; ``suboptimality_`` and
``duality_gap_`` say how far they are from the optimum of F.

Since scikit-learn 1.9, ``set_callbacks`` accepts its callbacks. Each iteration is a
subtask of the fit. At its end, a callback can get an estimator with the coefficients so
far, or ask the fit to stop. If `fit` is given an ``offset``, a scorer in a callback has
to accept it, as `skxent.log_loss_scorer` does.
""",
    "notes_of_dask": """
Each pass over the rows is one graph. The parameters go out once to each worker, each
partition is reduced block by block, as in memory, with one BLAS thread for each thread
of the worker, and a tree of tasks merges the sums. Results do not depend on the number
of workers. They depend on the partitions as those in memory depend on threads: by the
rounding of sums. Partitions of 50 to 200 MB are a good size.

The first pass checks the data where they are. A sample of some hundred rows comes to
the client, and nothing else of X does. Lengths of partitions need not be known. Those
of y, ``sample_weight`` and ``offset`` are aligned with those of X.

Every penalty, bounds, `early_stopping` and `warm_start` work as in memory. The row
space, a short-cut for fewer rows than columns, needs rows in memory: such a fit takes
more passes here. `early_stopping` holds rows out at random places, too, but not those
that the estimator in memory holds out.

If the client loses its scheduler, `fit` raises a ConnectionError, and the estimator
keeps the attributes of its last fit. A worker that is lost costs time only. Ctrl-C
cancels the tasks of the fit.
""",
    "references": """
D. R. Cox (1958), "The Regression Analysis of Binary Sequences", Journal of the Royal
Statistical Society B 20(2), doi:10.1111/j.2517-6161.1958.tb00292.x

D. C. Liu and J. Nocedal (1989), "On the limited memory BFGS method for large scale
optimization", Mathematical Programming 45, doi:10.1007/BF01589116
""",
}


def fill_sections(cls: T) -> T:
    """Replace ``{name}`` in the docstring of a class by the section of that name."""
    if cls.__doc__ is None:  # python -OO
        return cls
    doc = cleandoc(cls.__doc__)
    sections = SECTIONS | {"common_parameters": COMMON_PARAMETERS}
    for name, text in sections.items():
        doc = doc.replace(f"{{{name}}}", text.strip())
    cls.__doc__ = doc
    return cls
