"""Working sets of columns: the optimum of all columns, and one Hessian for each set.

Oracle: the optimality conditions of F, written out here for a few hundred columns.
"""

import numpy as np
import pytest
from scipy import sparse

from skxent import BinaryLogReg, SoftmaxReg
from skxent.solver import newton

N_ROWS, N_COLUMNS = 300, 240


def make_data(kind, K):
    """Return rows of which a few columns tell the class."""
    rng = np.random.default_rng(0)
    if kind == "sparse":
        X = sparse.random(N_ROWS, N_COLUMNS, 0.05, "csr", rng=rng)
    else:
        # 20 factors: the columns are correlated
        X = rng.normal(size=(N_ROWS, 20)) @ rng.normal(size=(20, N_COLUMNS))
        X += rng.normal(size=X.shape)
        X = np.asfortranarray(X) if kind == "Fortran" else X
    logits = X[:, :8] @ rng.normal(size=(8, K)) + rng.gumbel(size=(N_ROWS, K))
    return X, logits.argmax(axis=1)


def violation(model, X, y, C, l1_ratio):
    """Return how far F is from its optimality conditions, in units of the penalty."""
    coef, p = model.coef_, model.predict_proba(X)
    residual = p - (y[:, None] == model.classes_)
    if len(coef) == 1:
        residual = residual[:, 1:]
    slope = C * (X.T @ residual).T + (1 - l1_ratio) * coef
    at_zero = np.maximum(np.abs(slope) - l1_ratio, 0)
    elsewhere = np.abs(slope + l1_ratio * np.sign(coef))
    of_intercept = C * residual.sum(axis=0) if model.fit_intercept else [0.0]
    of_coef = np.where(coef == 0, at_zero, elsewhere)
    return max(of_coef.max(), np.abs(of_intercept).max())


@pytest.mark.parametrize("kind", ["dense", "Fortran", "sparse"])
@pytest.mark.parametrize(("Estimator", "K"), [(BinaryLogReg, 2), (SoftmaxReg, 3)])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_the_optimum_is_that_of_all_columns(
    l1_ratio, fit_intercept, Estimator, K, kind
):
    C = 3.0
    X, y = make_data(kind, K)
    model = Estimator(C=C, l1_ratio=l1_ratio, fit_intercept=fit_intercept, tol=1e-12)
    model.fit(X, y)
    assert 0 < np.count_nonzero(model.coef_.any(axis=0)) < N_COLUMNS
    assert violation(model, X, y, C, l1_ratio) < 1e-4


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_a_working_set_has_one_hessian(kind, monkeypatch):
    sizes, n_hessians = [], []
    run, hessian_of_loss = newton.NewtonSteps.run, newton.hessian_of_loss

    def counting_run(steps):
        sizes.append(steps._objective.n_features)
        n_hessians.append(0)
        return run(steps)

    def counting_hessian(problem, params):
        n_hessians[-1] += 1
        return hessian_of_loss(problem, params)

    monkeypatch.setattr(newton.NewtonSteps, "run", counting_run)
    monkeypatch.setattr(newton, "hessian_of_loss", counting_hessian)
    X, y = make_data(kind, 2)
    model = BinaryLogReg(C=1.0, l1_ratio=1.0).fit(X, y)
    assert model.converged_
    is_partial = np.array(sizes) < N_COLUMNS
    assert is_partial.sum() > 1
    assert set(np.array(n_hessians)[is_partial]) == {1}
