"""Changes of variables ``params = base + T u`` that make the Hessian near the identity.

L-BFGS is slow where the curvature of its variables differs by orders of magnitude.
SciPy's takes no initial Hessian, but minimising ``F(T u)`` over ``u`` does the same
when ``T Tᵀ`` is near the inverse Hessian, and leaves the optimum, penalty included,
exactly where it was. If ``H = Uᵀ U`` then ``T = U⁻¹``.

Which Hessian is worth its price is decided by `plan`, from the sizes alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from ._curvature import class_hessians, coupled_hessian, curvature_moments
from ._objective import CrossEntropyObjective

# The cost model: nanoseconds on one core, measured by benchmarks/cost_model.py. Only
# their ratios matter.
READ = 0.8  # a number of X from memory
PRODUCT = 0.1  # a number of X times a coefficient, there (logits) and back (gradient)
LOSS = 10.0  # loss and residual of a logit
SQUARE = 0.02  # a product of two entries of a row, summed into a Hessian
SPARSE_SQUARE = 10.0  # the same of two stored entries of a sparse row
GATHER = 2.0  # a number of X, scaled and stored for such a product
FACTOR = 0.015  # e³ of these for a Cholesky factorisation
SOLVE = 0.8  # e² of these for T u and Tᵀ g together

# Evaluations to a relative suboptimality of 1e-8, medians over real data.
EVALUATIONS = {"diagonal": 400, "shared": 200, "classes": 40, "coupled": 30}
REFRESHES = 3
# All rows go into a Hessian while that costs no more than this many evaluations; then
# a sample that costs as much, but not fewer rows for a matrix than this times columns.
MAX_BUILD = 8
ROWS_PER_COLUMN = 2
# What the matrices of a change of variables may take together.
MAX_BYTES = 2**27
# Below this share of the diagonal, curvature is rounding.
RIDGE = 1e-12


@dataclass(frozen=True)
class Plan:
    """Which Hessian to use, from how many rows, and its price in evaluations."""

    kind: str
    n_sampled: int
    build_cost: float


def plan(objective: CrossEntropyObjective) -> Plan:
    """Choose the Hessian that promises the least time in all, from the sizes alone.

    The candidates are one Hessian for each class, one shared by all classes, and the
    coupled one of a softmax. Each is priced in evaluations: those that it takes to
    converge, the changes of variables in them, and what it costs to build it a few
    times.
    """
    n, n_logits = objective.n_samples, objective.n_logits
    e = objective.n_params // n_logits
    # the numbers stored for a row, and how many of its products a Hessian takes
    is_sparse = sparse.issparse(objective.blocks.X)
    d = max(1, objective.blocks.X.nnz / n) if is_sparse else objective.n_features
    square = SPARSE_SQUARE * d**2 if is_sparse else SQUARE * e**2
    evaluation = n * (READ * d + PRODUCT * d * n_logits + LOSS * n_logits)

    def sampled(n_matrices):
        """Return the rows for each of some (e, e) matrices, and their price."""
        row = n_matrices * (GATHER * d + square) / evaluation
        rows = min(n, max(ROWS_PER_COLUMN * e, int(MAX_BUILD / row)))
        return rows, rows * row + n_matrices * FACTOR * e**3 / evaluation

    prices = {Plan("diagonal", n, 2.0): float(EVALUATIONS["diagonal"])}

    def consider(kind, n_bytes, n_sampled, build, apply):
        if n_bytes <= MAX_BYTES:
            total = EVALUATIONS[kind] * (1 + apply / evaluation) + REFRESHES * build
            prices[Plan(kind, n_sampled, build)] = total

    rows, build = sampled(n_logits)
    consider("classes", 8 * n_logits * e**2, rows, build, SOLVE * n_logits * e**2)
    if n_logits > 1:
        rows, build = sampled(1)
        consider("shared", 8 * e**2, rows, build, PRODUCT * n_logits * e**2)
    if n_logits > 1 and not is_sparse:
        size = n_logits * e
        build = n * (GATHER * size + SQUARE * size**2) + FACTOR * size**3
        consider("coupled", 8 * size**2, n, build / evaluation, SOLVE * size**2)
    return min(prices, key=prices.__getitem__)


def change_of_variables(objective, params, kind: str, n_sampled: int):
    """Return the change of variables of that kind, with the curvature at ``params``."""
    if kind == "diagonal":
        return DiagonalChange(objective, *curvature_moments(objective, params))
    if kind == "coupled":
        return CoupledChange(objective, coupled_hessian(objective, params))
    shared = kind == "shared" and objective.n_logits > 1
    hessians, mean_curvature = class_hessians(
        objective, params, shared=shared, n_sampled=n_sampled
    )
    scales = np.sqrt(mean_curvature / mean_curvature.mean()) if shared else None
    return ClassChange(objective, hessians, scales)


class DiagonalChange:
    """Centred and scaled columns, class by class, without touching X.

    Parameters
    ----------
    objective : CrossEntropyObjective
    zeroth : ndarray of shape (L, 1)
    first, second : ndarray of shape (L, d)
        The moments of the columns, weighted by the curvature.
    """

    def __init__(self, objective, zeroth, first, second):
        self._split = objective.split
        self._mean = first / zeroth if objective.fit_intercept else 0 * first
        # Where a column hardly varies, the difference is rounding: hence the floor.
        variance = np.maximum(second - zeroth * self._mean**2, RIDGE * second)
        diagonal = variance + objective.penalty
        # A column without spread or penalty has no gradient: any scale will do.
        self._scale = np.sqrt(np.where(diagonal > 0, diagonal, 1))
        self._intercept_scale = np.sqrt(zeroth[:, 0])

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u, with classes that sum to 0."""
        params = np.empty_like(u)
        coef, intercept = self._split(params)
        u_coef, u_intercept = self._split(u)
        np.divide(u_coef, self._scale, out=coef)
        if intercept.size:
            intercept[:] = u_intercept / self._intercept_scale
            intercept -= np.sum(coef * self._mean, axis=1)
        return _centred(params.reshape(len(coef), -1)).ravel()

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient: the gradient in the variables u."""
        n_logits = len(self._scale)
        out = _centred(gradient.reshape(n_logits, -1)).ravel().copy()
        coef, intercept = self._split(out)
        if intercept.size:
            coef -= intercept[:, None] * self._mean
            intercept /= self._intercept_scale
        coef /= self._scale
        return out


class ClassChange:
    """``w_k = T_k u_k``: the classes each by themselves, or alike up to a factor.

    Parameters
    ----------
    objective : CrossEntropyObjective
    hessians : ndarray of shape (L, e, e) or (1, e, e)
        One for each class, or one for all.
    scales : ndarray of shape (L,), default=None
        With one Hessian for all, the root of what to multiply it by for each class.
    """

    def __init__(self, objective, hessians, scales=None):
        self._shape = (objective.n_logits, -1)
        penalty = _penalty_diagonal(objective)
        self._factors = objective.blocks.map(
            lambda hessian: _Factor(hessian, penalty), hessians
        )
        self._scales = 1.0 if scales is None else scales[:, None]
        self._map = objective.blocks.map

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u, with classes that sum to 0."""
        rows = self._apply(u.reshape(self._shape) / self._scales, _Factor.solve)
        return _centred(rows).ravel()

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient: the gradient in the variables u."""
        rows = _centred(gradient.reshape(self._shape))
        return (self._apply(rows, _Factor.solve_transposed) / self._scales).ravel()

    def _apply(self, rows, solve):
        if len(self._factors) == 1:
            return solve(self._factors[0], rows.T).T
        pairs = list(zip(self._factors, rows, strict=True))
        return np.stack(self._map(lambda pair: solve(*pair), pairs))


class CoupledChange:
    """``params = T u`` from the Hessian of all params of a softmax."""

    def __init__(self, objective, hessian):
        self._shape = (objective.n_logits, -1)
        n_logits, e = objective.n_logits, len(hessian) // objective.n_logits
        blocks = hessian.reshape(n_logits, e, n_logits, e)
        # A common shift of all classes has no curvature; as params never move that way,
        # any will do, and with that of the other directions there is no rank to miss.
        mean = np.einsum("kiki->i", blocks) / n_logits**2
        blocks[:, np.arange(e), :, np.arange(e)] += mean[:, None, None]
        penalty = np.tile(_penalty_diagonal(objective), n_logits)
        self._factor = _Factor(hessian, penalty)

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u, with classes that sum to 0."""
        return _centred(self._factor.solve(u).reshape(self._shape)).ravel()

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient: the gradient in the variables u."""
        centred = _centred(gradient.reshape(self._shape)).ravel()
        return self._factor.solve_transposed(centred)


class _Factor:
    """A Cholesky factor U of a scaled Hessian plus penalty, D Uᵀ U D."""

    def __init__(self, hessian, penalty):
        hessian = hessian + np.diag(penalty)
        diagonal = hessian.diagonal()
        if not np.isfinite(diagonal).all():
            raise ValueError(
                "The curvature of the objective overflows; expected features whose "
                "squares are finite: choose other units."
            )
        # A column without spread or penalty has no gradient: any scale will do.
        scale = np.sqrt(np.where(diagonal > 0, diagonal, 1))
        hessian /= scale[:, None]
        hessian /= scale
        self._scale = scale
        ridge = RIDGE
        while True:
            np.fill_diagonal(hessian, 1 + ridge)
            try:
                self._upper = cholesky(hessian, check_finite=False)
                break
            except LinAlgError:
                ridge *= 100

    def solve(self, u):
        """Return T u = D⁻¹ U⁻¹ u of a vector or of columns."""
        w = solve_triangular(self._upper, u, check_finite=False)
        return (w.T / self._scale).T

    def solve_transposed(self, gradient):
        """Return Tᵀ gradient = U⁻ᵀ D⁻¹ gradient of a vector or of columns."""
        scaled = (gradient.T / self._scale).T
        return solve_triangular(self._upper, scaled, trans="T", check_finite=False)


def _penalty_diagonal(objective):
    """Return the second derivative of the penalty for one class, (e,)."""
    penalty = np.full(objective.n_params // objective.n_logits, objective.penalty)
    if objective.fit_intercept:
        penalty[-1] = 0
    return penalty


def _centred(rows):
    """Subtract the mean over classes of a softmax.

    The loss does not see a common shift of all logits, and the penalty is smallest
    without one; variables scaled by class would introduce it.
    """
    return rows - rows.mean(axis=0) if len(rows) > 1 else rows
