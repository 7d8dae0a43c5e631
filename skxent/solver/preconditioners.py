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
from scipy.linalg import LinAlgError, blas, cholesky, eigh, qr

from ..model.curvature import (
    class_hessians,
    coupled_hessian,
    curvature_moments,
    mean_curvature,
    squares_are_dense,
)
from ..model.objective import CrossEntropyObjective

# The cost model: nanoseconds on one core, measured by benchmarks/cost_model.py. Only
# their ratios matter.
READ = 0.6  # a number of X from memory
PRODUCT = 0.1  # a number of X times a coefficient, there (logits) and back (gradient)
LOSS = 5.0  # loss and residual of a logit
SQUARE = 0.016  # a product of two entries of a row, summed into a Hessian
SPARSE_SQUARE = 10.0  # the same of two stored entries of a sparse row
GATHER = 1.2  # a number of X, scaled and stored for such a product
FACTOR = 0.018  # e³ of these for a Cholesky factorisation
SOLVE = 0.4  # e² of these for T u and Tᵀ g together

# Evaluations to a relative suboptimality of 1e-8, medians over real data.
EVALUATIONS = {"diagonal": 500, "shared": 240, "classes": 40, "coupled": 20}
# The columns of sparse data have scales alike, and are hardly correlated.
SPARSE_DIAGONAL = 150
REFRESHES = 2
# All rows go into a Hessian while that costs no more than this many evaluations; then
# a sample that costs as much, but not fewer rows for a matrix than this times columns.
MAX_BUILD = 8
ROWS_PER_COLUMN = 2
# What the matrices of a change of variables may take together, while it is made.
MAX_BYTES = 2**28
# Below this share of the diagonal, curvature is rounding.
RIDGE = 1e-12
# Rounding is met by this ridge at the most, or by eigenvalues lifted to so many times
# the most negative one.
LARGEST_RIDGE, LIFTED = 1e-8, 10
EPS, TINY = np.finfo(np.float64).eps, np.finfo(np.float64).tiny
# Columns of which each has this part of its variance to itself are well conditioned.
WELL = 1e-3
# A pivot below so many ridges, or roundings of a term, may be nothing else.
HIDING, HIDING_NOISE = 1e2, 1e3


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
    e = objective.n_columns
    is_sparse = sparse.issparse(objective.blocks.X)
    d, square, evaluation = _prices(objective)

    def sampled(n_matrices):
        """Return the rows for each of some (e, e) matrices, and their price."""
        row = n_matrices * (GATHER * d + square) / evaluation
        rows = min(n, max(ROWS_PER_COLUMN * e, int(MAX_BUILD / row)))
        if is_sparse:
            # A sum of rare columns, as of one-hot levels, may be constant on a sample
            # of rows and not on all: curvature that the sample misses.
            rows = n
        return rows, rows * row + n_matrices * FACTOR * e**3 / evaluation

    prices = {Plan("diagonal", n, 2.0): evaluations_by_diagonal(objective)}

    def consider(kind, n_bytes, n_sampled, build, apply):
        if n_bytes <= MAX_BYTES:
            total = EVALUATIONS[kind] * (1 + apply / evaluation) + REFRESHES * build
            prices[Plan(kind, n_sampled, build)] = total

    rows, build = sampled(n_logits)
    consider("classes", 16 * n_logits * e**2, rows, build, SOLVE * n_logits * e**2)
    if n_logits > 1:
        rows, build = sampled(1)
        consider("shared", 24 * e**2, rows, build, PRODUCT * n_logits * e**2)
        size = n_logits * e
        build = price_of_exact_hessian(objective)
        consider("coupled", 40 * size**2, n, build, SOLVE * size**2)
    return min(prices, key=prices.__getitem__)


def dearer_plan(objective: CrossEntropyObjective, plan: Plan) -> Plan:
    """Return the plan to go on with: the whole Hessian once as much has been spent.

    So a fit never takes much more than twice what the better of the two would.
    """
    kind = "classes" if objective.n_logits == 1 else "coupled"
    price = price_of_exact_hessian(objective)
    if plan.kind == kind or price > objective.n_evals:
        return plan
    return Plan(kind, objective.n_samples, price)


def evaluations_by_diagonal(objective: CrossEntropyObjective) -> float:
    """Return the evaluations that centred and scaled columns take to converge."""
    is_sparse = sparse.issparse(objective.blocks.X)
    return float(SPARSE_DIAGONAL if is_sparse else EVALUATIONS["diagonal"])


def price_of_exact_hessian(
    objective: CrossEntropyObjective, overhead: float = 0.0
) -> float:
    """Return what the whole Hessian and its factor cost, in evaluations.

    Each of them takes nanoseconds beside its own, for what is done between them.
    """
    n, size = objective.n_samples, objective.n_params
    if 40 * size**2 > MAX_BYTES:
        return np.inf
    d, square, evaluation = _prices(objective)
    row = GATHER * d + square
    if objective.n_logits > 1:
        row = GATHER * size + SQUARE * size**2
    return (n * row + FACTOR * size**3) / (evaluation + overhead)


def _prices(objective):
    """Return the numbers stored for a row, the price of their squares, of F and ∇F."""
    n, n_logits = objective.n_samples, objective.n_logits
    d, square = objective.n_features, SQUARE * objective.n_columns**2
    if sparse.issparse(objective.blocks.X):
        d = max(1, objective.blocks.X.nnz / n)
        if not squares_are_dense(objective):
            square = SPARSE_SQUARE * d**2
    return d, square, n * (READ * d + PRODUCT * d * n_logits + LOSS * n_logits)


def change_of_variables(objective, params, kind: str, n_sampled: int):
    """Return the change of variables of that kind, with the curvature at ``params``."""
    if kind == "diagonal":
        return DiagonalChange(objective, *curvature_moments(objective, params))
    if kind == "diagonal majorant":
        moments = curvature_moments(objective, params, majorant=True)
        return DiagonalChange(objective, *moments)
    if kind == "majorant":
        hessian = class_hessians(objective, params, shared=True, majorant=True)
        return ClassChange(objective, hessian)
    if kind == "coupled":
        return CoupledChange(objective, coupled_hessian(objective, params))
    shared = kind == "shared" and objective.n_logits > 1
    hessians = class_hessians(objective, params, shared=shared, n_sampled=n_sampled)
    if not shared:
        return ClassChange(objective, hessians)
    curvature = mean_curvature(objective, params)
    return ClassChange(objective, hessians, np.sqrt(curvature / curvature.mean()))


def exact_change(objective: CrossEntropyObjective, params: NDArray):
    """Return the change of variables by the whole Hessian at ``params``."""
    kind = "classes" if objective.n_logits == 1 else "coupled"
    return change_of_variables(objective, params, kind, objective.n_samples)


class ChangeOfVariables:
    """What all changes of variables share.

    Attributes
    ----------
    is_nearly_singular : bool
        Whether the ridge of a factor hides directions of little curvature.
    is_well_conditioned : bool
        Whether there are no directions of little curvature, as far as is known.
    curvature : ndarray of shape (n_params,)
        The diagonal of the Hessian, where the whole of it is known.
    """

    curvature: NDArray
    is_nearly_singular = False
    is_well_conditioned = False

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u."""
        raise NotImplementedError

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient: the gradient in the variables u."""
        raise NotImplementedError

    def decrement_outside(self, gradient: NDArray) -> float:
        """Return what a Newton step may gain that no variable reaches: nothing."""
        return 0.0


class DiagonalChange(ChangeOfVariables):
    """Centred and scaled columns, class by class, without touching X.

    Parameters
    ----------
    objective : CrossEntropyObjective
    zeroth : ndarray of shape (L, 1)
    first, second : ndarray of shape (L, d)
        The moments of the columns, weighted by the curvature.
    axis_aligned : bool, default=False
        Whether each coefficient shall be a multiple of its own variable, as bounds
        need it; otherwise the classes sum to 0.

    Attributes
    ----------
    scale : ndarray of shape (L, d)
        Coefficients are the variables divided by this.
    """

    # nobody knows, and the fit has an estimate of its own for what a diagonal misses
    is_well_conditioned = True

    def __init__(self, objective, zeroth, first, second, axis_aligned=False):
        self._split = objective.split
        self._centre = (lambda rows: rows) if axis_aligned else _centred
        self._mean = np.zeros_like(first)
        if objective.fit_intercept:
            # no curvature at all where all rows are certain
            np.divide(first, zeroth, out=self._mean, where=zeroth > 0)
        # Where a column hardly varies, the difference is rounding: hence the floor.
        variance = np.maximum(second - zeroth * self._mean**2, RIDGE * second)
        diagonal = variance + objective.penalty.l2
        # A column without spread or penalty has no gradient: any scale will do.
        self.scale = np.sqrt(np.where(diagonal > 0, diagonal, 1))
        self._intercept_scale = np.sqrt(np.where(zeroth > 0, zeroth, 1)[:, 0])

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u, with classes that sum to 0."""
        params = np.empty_like(u)
        coef, intercept = self._split(params)
        u_coef, u_intercept = self._split(u)
        np.divide(u_coef, self.scale, out=coef)
        if intercept.size:
            intercept[:] = u_intercept / self._intercept_scale
            intercept -= np.einsum("kj,kj->k", coef, self._mean)
        return self._centre(params.reshape(len(coef), -1)).ravel()

    def from_params(self, params: NDArray) -> NDArray:
        """Return the variables u with T u = params."""
        u = np.empty_like(params)
        u_coef, u_intercept = self._split(u)
        coef, intercept = self._split(params)
        np.multiply(coef, self.scale, out=u_coef)
        if intercept.size:
            shift = np.einsum("kj,kj->k", coef, self._mean)
            u_intercept[:] = (intercept + shift) * self._intercept_scale
        return u

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient: the gradient in the variables u."""
        n_logits = len(self.scale)
        out = self._centre(gradient.reshape(n_logits, -1).copy()).ravel()
        coef, intercept = self._split(out)
        if intercept.size:
            for of_class, b, mean in zip(coef, intercept, self._mean, strict=True):
                of_class -= b * mean
            intercept /= self._intercept_scale
        coef /= self.scale
        return out


class ClassChange(ChangeOfVariables):
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
        self.curvature = np.einsum("kii->ki", hessians).ravel()
        n_intercepts = int(objective.fit_intercept)
        self._factors = objective.blocks.map(
            lambda hessian: _Factor(hessian, objective.penalty.l2, n_intercepts),
            hessians,
            work=hessians.size * objective.n_columns / 3,
        )
        self.is_nearly_singular = any(f.is_nearly_singular for f in self._factors)
        self.is_well_conditioned = all(f.is_well_conditioned for f in self._factors)
        self._scales = 1.0 if scales is None else scales[:, None]
        self._map = objective.blocks.map

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u, with classes that sum to 0."""
        rows = self._apply(u.reshape(self._shape) / self._scales, _Factor.solve)
        return _centred(rows).ravel()

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient: the gradient in the variables u."""
        rows = _centred(gradient.reshape(self._shape).copy())
        return (self._apply(rows, _Factor.solve_transposed) / self._scales).ravel()

    def _apply(self, rows, solve):
        if len(self._factors) == 1:
            return solve(self._factors[0], rows.T).T
        pairs = list(zip(self._factors, rows, strict=True))
        work = rows.size * rows.shape[1]
        return np.stack(self._map(lambda pair: solve(*pair), pairs, work))


class CoupledChange(ChangeOfVariables):
    """``params = T u`` from the Hessian of all params of a softmax."""

    def __init__(self, objective, hessian):
        n_logits = objective.n_logits
        self._shape = (n_logits, objective.n_columns)
        self.curvature = hessian.diagonal().copy()
        self._order = coefficients_first(objective)
        self._factor = _Factor(
            hessian[np.ix_(self._order, self._order)],
            np.tile(objective.penalty.l2, n_logits),
            n_logits * objective.fit_intercept,
            np.ones((n_logits, objective.n_features), dtype=bool),
        )
        self.is_nearly_singular = self._factor.is_nearly_singular
        self.is_well_conditioned = self._factor.is_well_conditioned

    def to_params(self, u: NDArray) -> NDArray:
        """Return T u, with classes that sum to 0."""
        params = np.empty_like(u)
        params[self._order] = self._factor.solve(u)
        return _centred(params.reshape(self._shape)).ravel()

    def pull_back(self, gradient: NDArray) -> NDArray:
        """Return Tᵀ gradient: the gradient in the variables u."""
        centred = _centred(gradient.reshape(self._shape).copy()).ravel()
        return self._factor.solve_transposed(centred[self._order])


class _Factor:
    """A root T of an inverse Hessian, which it uses up, of coefficients and intercepts.

    It is made of the Hessian of centred columns, with the penalty and a ridge. Where
    all classes are together, ``coupled`` are their coefficients, (L, d).
    """

    def __init__(self, hessian, penalty, n_intercepts, coupled=None):
        far = hessian.diagonal()[: len(penalty)].copy()
        matrix, self._intercepts = centred_hessian(hessian, n_intercepts)
        if coupled is not None:
            bend_shifts(matrix, coupled)
        matrix[np.diag_indices_from(matrix)] += penalty
        noise = rounding_of_centring(far, matrix)
        self._root = root_of(matrix, ridge=RIDGE)
        self._d = len(matrix)
        pivots = self._root[1].diagonal()
        blind = max(HIDING * RIDGE, HIDING_NOISE * noise)
        smallest = float(pivots.min(initial=1.0)) ** 2
        self.is_nearly_singular = smallest < blind
        self.is_well_conditioned = smallest > WELL

    def solve(self, u):
        """Return T u of a vector or of columns."""
        w = solve_root(*self._root, u[: self._d])
        if self._d == len(u):
            return w
        return np.concatenate([w, self._intercepts.follow(w, u[self._d :])])

    def solve_transposed(self, gradient):
        """Return Tᵀ gradient of a vector or of columns."""
        of_w, of_b = gradient[: self._d], gradient[self._d :]
        if not len(of_b):
            return solve_root_transposed(*self._root, of_w)
        own, by_slopes = self._intercepts.pull_back(of_b)
        u = solve_root_transposed(*self._root, of_w + by_slopes)
        return np.concatenate([u, own])


def coefficients_first(objective) -> NDArray:
    """Return the order that takes params, rows (w_k, b_k), to all w, then all b."""
    rows = np.arange(objective.n_params).reshape(objective.n_logits, -1)
    d = objective.n_features
    return np.concatenate([rows[:, :d].ravel(), rows[:, d:].ravel()])


def bend_shifts(matrix: NDArray, coupled: NDArray) -> None:
    """Give common shifts of all classes curvature, which a softmax does not, in place.

    As params never move that way, any will do. With that of the other directions there
    is no rank to miss.

    Parameters
    ----------
    matrix : ndarray of shape (L d, L d)
        The Hessian of the coefficients.
    coupled : ndarray of shape (L, d), bool
        Those that are free to move; a feature has a shift where all classes are.
    """
    (j,) = np.nonzero(coupled.all(axis=0))
    blocks = matrix.reshape(*coupled.shape, *coupled.shape)
    mean = np.einsum("kiki->i", blocks)[j] / len(coupled) ** 2
    blocks[:, j, :, j] += mean[:, None, None]


def centred_hessian(
    hessian: NDArray, n_intercepts: int
) -> tuple[NDArray, "FollowingIntercepts"]:
    """Return the Hessian of the coefficients where the intercepts follow them.

    It is that of centred columns, which keeps its digits, and a ridge its meaning,
    however far the columns are from 0. The given one, coefficients first, is used up.
    """
    if not np.isfinite(hessian.diagonal()).all():
        raise ValueError(
            "The curvature of the objective overflows; expected features whose "
            "squares are finite: choose other units."
        )
    d = len(hessian) - n_intercepts
    if n_intercepts > 1:
        # A common shift of all classes has no curvature. With that of the others the
        # intercepts that follow sum to 0, and keep their digits.
        own = hessian[d:, d:]
        own += np.trace(own) / n_intercepts**2
    intercepts = FollowingIntercepts(hessian, d)
    matrix = hessian[:d, :d]
    if n_intercepts:
        far = matrix.diagonal().copy()
        matrix -= intercepts.cross.T @ intercepts.cross
        # Where a column hardly varies, all that is left is rounding: a variance that
        # is surely too large, and nothing in common with other columns.
        floor = 10 * EPS * far
        constant = np.flatnonzero(matrix.diagonal() <= floor)
        matrix[constant] = matrix[:, constant] = 0
        matrix[constant, constant] = floor[constant]
    return matrix, intercepts


def rounding_of_centring(far: NDArray, matrix: NDArray) -> float:
    """Return how much of the curvature of a column is rounding, at the most, relative.

    ``far`` is the diagonal of the Hessian before its columns were centred.
    """
    noise = EPS * far / np.maximum(matrix.diagonal(), TINY)
    return float(noise.max(initial=0.0))


class FollowingIntercepts:
    """Intercepts that are the best for coefficients, but for variables of their own.

    They are ``b = R⁻¹ (own − cross w)``, where ``RᵀR = H_bb`` and ``cross = R⁻ᵀ H_bw``.
    The curvature of their own variables is 1.
    """

    def __init__(self, hessian, d):
        self._root = root_of(hessian[d:, d:].copy(), ridge=0.0)
        self.cross = solve_root_transposed(*self._root, hessian[d:, :d])

    def follow(self, of_coef, own):
        """Return the intercepts."""
        return solve_root(*self._root, own - self.cross @ of_coef)

    def own(self, of_coef, intercepts):
        """Return their own variables: the inverse of `follow`."""
        scale, upper = self._root
        return upper @ (scale * intercepts) + self.cross @ of_coef

    def pull_back(self, of_intercepts):
        """Return the derivatives by their own variables, and what coefficients gain."""
        own = solve_root_transposed(*self._root, of_intercepts)
        return own, -(self.cross.T @ own)


def root_of(matrix: NDArray, ridge: float) -> tuple[NDArray, NDArray]:
    """Return D and U with D Uᵀ U D equal to the matrix, up to a ridge.

    Where rounding has left negative eigenvalues, these and all of their size are lifted
    to where they are surely positive.
    """
    diagonal = matrix.diagonal()
    # A variable without curvature has no gradient: any scale will do.
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1))
    matrix /= scale[:, None]
    matrix /= scale
    while ridge <= LARGEST_RIDGE:
        np.fill_diagonal(matrix, 1 + ridge)
        try:
            return scale, np.asfortranarray(cholesky(matrix, check_finite=False))
        except LinAlgError:
            ridge = max(RIDGE, 100 * ridge)
    np.fill_diagonal(matrix, 1)
    values, vectors = eigh(matrix, check_finite=False)
    values = np.maximum(values, max(LIFTED * abs(values[0]), LARGEST_RIDGE))
    upper = qr(np.sqrt(values)[:, None] * vectors.T, mode="r", check_finite=False)[0]
    return scale, np.asfortranarray(upper * np.sign(upper.diagonal())[:, None])


def solve_root(scale: NDArray, upper: NDArray, right: NDArray) -> NDArray:
    """Return D⁻¹ U⁻¹ times a vector or columns: a root of the inverse matrix."""
    return (_solve(upper, right).T / scale).T


def solve_root_transposed(scale: NDArray, upper: NDArray, right: NDArray) -> NDArray:
    """Return U⁻ᵀ D⁻¹ times a vector or columns."""
    return _solve(upper, (right.T / scale).T, transposed=True)


def _solve(upper, right, transposed=False):
    """Solve U x = right, or Uᵀ x = right, for a vector or for columns.

    By BLAS itself: SciPy's solve_triangular takes longer to check its arguments than to
    solve a small system, and this is done twice in each evaluation.
    """
    if not right.size:
        return right
    if right.ndim == 1:
        return blas.dtrsv(upper, right, trans=transposed)
    return blas.dtrsm(1.0, upper, right, trans_a=transposed)


def _centred(rows):
    """Subtract the mean over classes of a softmax, in place.

    The loss does not see a common shift of all logits, and the penalty is smallest
    without one; variables scaled by class would introduce it.
    """
    if len(rows) > 1:
        rows -= rows.mean(axis=0)
    return rows
