"""The solvers that are timed: ours with its defaults, and its peers.

Each name stands for an estimator with the objective of `_objective`. Peers take a
tolerance, whose meaning differs from one to the other; ours runs with its defaults.

    skxent            BinaryLogReg for two classes, else SoftmaxReg
    skxent-loose      the same with tol=1e-4 (embeddings only)
    skxent-tight      the same with tol=1e-9 (embeddings only)
    default           LogisticRegression() as most people call it: lbfgs, 100 iterations
    lbfgs, newton-cg  these solvers of LogisticRegression
    newton-cholesky   the same; of sparse sets, only those with a small Hessian
    saga              the same; sparse sets only
    liblinear         the same; sparse sets with two classes only
    glum              GeneralizedLinearRegressor, dense sets with two classes only

`make_lasso` makes those with an L1 penalty, for two classes and without intercept:
skxent, saga, liblinear, and SparseLogisticRegression of skglm and LogisticRegression of
celer, where these are installed.
"""

from importlib.util import find_spec

import _checkout  # noqa: F401 -- it puts the checkout on sys.path
from sklearn.linear_model import LogisticRegression

OURS, DEFAULT = "skxent", "default"
PEERS = ("lbfgs", "newton-cholesky", "newton-cg", "glum", "saga", "liblinear")
LASSO_PEERS = ("liblinear", "saga", "skglm", "celer")
# All others belong to scikit-learn.
PACKAGED = ("glum", "skglm", "celer")
OUR_OPTIONS = {OURS: {}, "skxent-loose": {"tol": 1e-4}, "skxent-tight": {"tol": 1e-9}}
TOLERANCES = [10.0**-k for k in range(1, 15)]
# Only the time limit and the tolerance may end a fit.
MAX_ITER = 1_000_000
# newton-cholesky fills a dense Hessian, also where X is sparse.
MAX_HESSIAN = 5000


def is_applicable(solver, is_sparse, shape):
    """Whether the solver is installed and made for a set (n, d, K) of this kind."""
    _, d, n_classes = shape
    if solver == "glum":
        return not is_sparse and n_classes == 2 and find_spec("glum") is not None
    if solver == "saga":
        return is_sparse
    if solver == "liblinear":
        return is_sparse and n_classes == 2
    if solver == "newton-cholesky" and is_sparse:
        return d * (n_classes if n_classes > 2 else 1) <= MAX_HESSIAN
    return True


def make_solver(solver, n_rows, n_classes, C, tol=None, max_iter=None):
    """Return the unfitted estimator; ``max_iter`` ends a fit early."""
    if solver in OUR_OPTIONS:
        import skxent

        binary = n_classes == 2
        estimator = skxent.BinaryLogReg if binary else skxent.SoftmaxReg
        options = OUR_OPTIONS[solver]
        if max_iter is not None:
            options = options | {"max_iter": max_iter}
        return estimator(C=C, **options)
    if solver == DEFAULT:
        return LogisticRegression(C=C)
    if solver == "glum":
        from glum import GeneralizedLinearRegressor

        return GeneralizedLinearRegressor(
            family="binomial",
            alpha=1 / (C * n_rows),
            gradient_tol=tol,
            max_iter=max_iter or MAX_ITER,
        )
    return LogisticRegression(
        C=C,
        solver=solver,
        tol=tol,
        max_iter=max_iter or MAX_ITER,
        # liblinear penalises b as the weight of a column of this value: b^2 counts for
        # 1e-4 of what w^2 does. More would spoil the conditioning. Others ignore it.
        intercept_scaling=100,
        # saga draws rows; a tolerance that was found once must hold in each repeat.
        random_state=0,
    )


def make_lasso(solver, n_rows, C, tol=None):
    """Return the unfitted estimator of the lasso; ours has its default for no tol."""
    if solver == OURS:
        import skxent

        options = {} if tol is None else {"tol": tol}
        return skxent.BinaryLogReg(C=C, l1_ratio=1.0, fit_intercept=False, **options)
    common = {"tol": tol, "max_iter": MAX_ITER, "fit_intercept": False}
    if solver == "skglm":
        from skglm import SparseLogisticRegression

        return SparseLogisticRegression(alpha=1 / (C * n_rows), **common)
    if solver == "celer":
        from celer import LogisticRegression as CelerLogisticRegression

        return CelerLogisticRegression(C=C, **common)
    # Both draw: rows the one, the order of the coordinates the other.
    common["random_state"] = 0
    return LogisticRegression(C=C, l1_ratio=1.0, solver=solver, **common)


def make_target(solver, y, dtype):
    """Return the class codes in the form that the solver takes."""
    return y.astype(dtype) if solver == "glum" else y
