"""The objective of bias-reduced logistic regression, for two classes.

With ``x̃ = (x, 1)``, weights s that count rows, S = Σ s_i, and the curvature
``h = p (1 − p)`` of a row, the information and the objective are::

    I(β) = Σ_i s_i h_i x̃_i x̃_iᵀ                                            (e, e)
    F(β) = 1/S [ Σ_i s_i loss(y_i, z_i)  −  ½ log det I(β) ]

``−S F`` is the log-likelihood plus the logarithm of the Jeffreys prior, as in D. Firth
(1993), doi:10.1093/biomet/80.1.27. For one logit ``∂h/∂z = −h tanh(z/2)``, hence::

    ∂F/∂β = 1/S Σ_i [ s_i r_i + ½ ℓ_i tanh(z_i/2) ] x̃_i,    ℓ_i = s_i h_i x̃_iᵀ I⁻¹ x̃_i

The leverages ℓ sum to e. An evaluation reads the rows twice, once for I and once for
the leverages, and stores nothing of the length n.

A determinant needs more digits than a step. So I is factored for columns that are
scaled, and orthogonal if all rows have the same curvature: those of ``X̃ T``.

Columns that are combinations of the intercept and the columns before them have no share
in T. Their coefficients stay where they are, and I is that of the other columns.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, lapack

from ..data.blocks import sum_over_rows
from ..data.rows import Block, Sum
from .independent_columns import independent_columns
from .problem import EPS, Problem
from .row_products import gram, with_intercept

# A column is a combination of others if the rest of its sum of squares is below this
# share: a spread of 1e-6. The rest of smaller shares would be rounding.
DEPENDENT = 1e-12
# Above this share in all columns, a product of X̃ᵀX̃ and T keeps enough digits, and rows
# need not be multiplied by T.
INDEPENDENT = 1e-5
# A column that differs from its center by this share of it is constant.
CONSTANT = 64 * EPS


class PenalisedEvaluation(NamedTuple):
    """F, its gradient, and the information at the same params.

    Attributes
    ----------
    value : float
        In nats per unit of weight; inf where the information is singular.
    gradient : ndarray of shape (n_params,)
        ∂F/∂params; NaN where the value is inf.
    root : ndarray of shape (n_params, rank)
        M with ``M Mᵀ = S I⁻¹``, the inverse of the Hessian of the mean loss; NaN where
        the value is inf.
    mean_loss, log_det : float
        The two parts of F: ``value = mean_loss − log_det / (2 S)``.
    """

    value: float
    gradient: NDArray
    root: NDArray
    mean_loss: float
    log_det: float


class BiasReducedObjective:
    """F and its gradient, as functions of the params of a problem.

    Parameters
    ----------
    problem : Problem
        With one logit. Its rows are read in float64 from now on.

    Attributes
    ----------
    problem : Problem
    n_evals : int
        The number of evaluations of F and its gradient.
    is_dependent : ndarray of shape (n_params,), bool
        The params whose columns are combinations of those before them.
    rank : int
        The number of the others.
    """

    def __init__(self, problem: Problem):
        self.problem, self.n_evals = problem, 0
        problem.rows.read_in_float64()
        self._basis, shares = _orthogonal_basis(problem)
        self.is_dependent: NDArray = (self._basis == 0).all(axis=1)
        self.rank = self._basis.shape[1]
        self._is_precise = shares.min(initial=1.0) > INDEPENDENT
        square = self._basis[~self.is_dependent]
        self._log_det_of_basis = float(np.linalg.slogdet(square)[1])

    def evaluate(self, params: NDArray) -> PenalisedEvaluation:
        """Return F, its gradient, and a root of the inverse information."""
        self.n_evals += 1
        mean_loss, information = self._loss_and_information(params)
        weight_sum, e = self.problem.rows.weight_sum, len(params)
        upper = _factor(information)
        if upper is None:
            nothing = np.full(e, np.nan)
            root = np.full(self._basis.shape, np.nan)
            return PenalisedEvaluation(np.inf, nothing, root, mean_loss, -np.inf)
        root = self._basis @ _inverse(upper)
        log_det = (
            2 * np.log(upper.diagonal()).sum()
            - 2 * self._log_det_of_basis
            + self.rank * np.log(weight_sum)
        )
        gradient = self._gradient(params, root)
        value = mean_loss - log_det / (2 * weight_sum)
        return PenalisedEvaluation(value, gradient, root, mean_loss, float(log_det))

    def _loss_and_information(self, params: NDArray) -> tuple[float, NDArray]:
        """Return the mean loss, and the Hessian of it for the columns of X̃ T."""
        problem, basis = self.problem, self._basis
        model = problem.linear_model(params)

        def add_block(block: Block, loss_sum: NDArray, total: NDArray) -> None:
            z = model(block)
            loss, _ = problem.loss.loss_and_residual(block.targets, z)
            h = problem.loss.curvature(z)[:, 0]
            s = block.weights
            loss_sum += loss.sum() if s is None else s @ loss
            root = np.sqrt(h if s is None else s * h)
            if self._is_precise:
                total += gram(problem, block.X, root)
            else:
                scaled = with_intercept(problem, block.X, root) @ basis
                total += sum_over_rows(scaled.T, scaled)

        e = problem.n_columns
        size = e if self._is_precise else self.rank
        loss_sum, total = problem.rows.map_reduce(
            add_block, Sum(), Sum(size, size), width=3 * e, work=e
        )
        if self._is_precise:
            total = basis.T @ total @ basis
        factor = problem.rows.mean_factor
        return factor * float(loss_sum), factor * total

    def _gradient(self, params: NDArray, root: NDArray) -> NDArray:
        """Return ∂F/∂params, given the root of the inverse information."""
        problem = self.problem
        model = problem.linear_model(params)
        d, factor = problem.n_features, problem.rows.mean_factor
        of_penalty = 0.5 / problem.rows.weight_sum

        def add_block(block: Block, of_coef: NDArray, of_intercept: NDArray) -> None:
            z = model(block)
            _, residual = problem.loss.loss_and_residual(block.targets, z)
            product = block.X @ root[:d]
            if problem.fit_intercept:
                product += root[d]
            leverage = np.einsum("ij,ij->i", product, product)
            leverage *= problem.loss.curvature(z)[:, 0]
            r = residual[:, 0] + of_penalty * leverage * np.tanh(z[:, 0] / 2)
            if block.weights is not None:
                r *= block.weights
            of_coef += sum_over_rows(r, block.X)
            of_intercept += r.sum()

        e = problem.n_columns
        of_coef, of_intercept = problem.rows.map_reduce(
            add_block, Sum(d), Sum(), width=3 * e, work=e
        )
        return factor * problem.layout.join(of_coef[None], of_intercept[None])


def _orthogonal_basis(problem: Problem) -> tuple[NDArray, NDArray]:
    """Return T, (e, rank), with orthogonal columns of X̃ T, for the weights of the rows.

    The second result is the share of the squares of each column that is left when the
    intercept and the columns before it explain what they can.
    """

    def add_block(block: Block, total: NDArray) -> None:
        s = block.weights
        root = np.ones(block.X.shape[0]) if s is None else np.sqrt(s)
        total += gram(problem, block.X, root)

    e, d = problem.n_columns, problem.n_features
    (total,) = problem.rows.map_reduce(add_block, Sum(e, e), width=2 * e, work=e)
    total *= problem.rows.mean_factor
    # the intercept comes first, so that no column is blamed for its own mean
    order = np.roll(np.arange(e), e - d)
    scale = np.sqrt(total.diagonal())[order]
    scale[scale <= _size_of_rounding(problem)[order]] = np.inf
    matrix = total[np.ix_(order, order)] / scale[:, None] / scale
    kept, _ = independent_columns(matrix, np.full(e, DEPENDENT))
    order, scale = order[kept], scale[kept]
    upper = _factor(matrix[np.ix_(kept, kept)])
    assert upper is not None  # the columns that were kept have pivots
    basis = np.zeros((e, len(order)))
    basis[order] = _inverse(upper) / scale[:, None]
    return basis, upper.diagonal() ** 2


def _size_of_rounding(problem: Problem) -> NDArray:
    """Return the size below which entries of a centred column are rounding, (e,)."""
    size = np.zeros(problem.n_columns)
    if problem.rows.center is not None:
        size[: problem.n_features] = CONSTANT * np.abs(problem.rows.center)
    return size


def _factor(information: NDArray) -> NDArray | None:
    """Return the upper Cholesky factor, or None if the matrix is singular."""
    diagonal = information.diagonal()
    if not diagonal.size:
        return information
    if not (np.isfinite(diagonal).all() and (diagonal > 0).all()):
        return None
    try:
        upper = cholesky(information, check_finite=False)
    except LinAlgError:
        return None
    is_regular = (upper.diagonal() ** 2 > len(upper) * EPS * diagonal).all()
    return upper if is_regular else None


def _inverse(upper: NDArray) -> NDArray:
    """Return the inverse of an upper triangular matrix, which may be empty."""
    return np.triu(lapack.dtrtri(upper)[0]) if upper.size else upper
