"""The loss of each row under the fit without that row, from the fit to all rows.

Without row i, the fit minimises ``S F − s_i loss_i``: the sum of the losses of the
other rows, and the same penalty. Let ``x̃ = (x, 1)`` be a row of X followed by 1 for the
intercept, H the Hessian of F, and h_i, (L, L), that of the loss of row i in its logits.
From the optimum of F, one Newton step leads to the params and the logits::

    δ_i = (S H)⁻¹ x̃_iᵀ v_i           v_i = s_i (I − s_i h_i A_i)⁻¹ r_i
    z_i + A_i v_i                    A_i = x̃_i (S H)⁻¹ x̃_iᵀ                     (L, L)

Coefficients that a kink of the penalty holds at 0 stay there.

The quadratic model of the other rows, not that of row i, has to hold along the step.
The curvature of row j changes by up to e^|dz_j|. If the step changes the logits of row
i little, it changes those of others less. If it changes them much, it is reliable only
if it changes those rows little that determine it: those with large s_j dz_jᵀ h_j dz_j.

K. R. Rad and A. Maleki (2020), "A scalable estimate of the out-of-sample prediction
error via approximate leave-one-out cross-validation", Journal of the Royal Statistical
Society B 82(4), doi:10.1111/rssb.12374
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.rows import Block, Sum
from .leverage import Leverage
from .losses import largest_change
from .objective import Objective

# A step is reliable if it changes the margin of its row by at most this.
RELIABLE_CHANGE = 0.5
# Or if it changes the logits of the rows that determine it by at most this, as a root
# mean square. Nine of ten losses are then right to 5 % of the change of the margin.
RELIABLE_CHANGE_OF_OTHERS = 0.3
# The steps to be examined may take this much memory.
MAX_STEPS_BYTES = 2**28
# The matrices of some rows should fit into a core's cache.
CACHE_BYTES = 2**22
# Without its row, a param may have no curvature. Its logit then moves far, but not to
# infinity.
INVERTIBLE = 1 + 1e-12


class LeaveOneOut(NamedTuple):
    """The rows under the fits without them.

    Attributes
    ----------
    losses : ndarray of shape (n,)
        In nats, not multiplied by the weights. The loss of a row of weight 0 is that of
        the fit.
    is_reliable : ndarray of shape (n,), bool
        Whether one Newton step is close to the fit without the row.
    """

    losses: NDArray
    is_reliable: NDArray


class _Steps(NamedTuple):
    """What one pass gives for each row: loss, change of the margin, and v, (n, L)."""

    losses: NDArray
    changes: NDArray
    duals: NDArray


def approximate_leave_one_out(
    objective: Objective, params: NDArray, targets: NDArray | None = None
) -> LeaveOneOut:
    """Return the losses after one Newton step without each row.

    Parameters
    ----------
    objective : Objective
    params : ndarray of shape (n_params,)
        Its optimum.
    targets : ndarray of shape (n,) or (n, K), default=None
        What the losses refer to, such as the targets before label smoothing; None for
        the targets of the fit.

    Returns
    -------
    LeaveOneOut

    Raises
    ------
    ValueError
        If a coefficient is at a bound, or the Hessian takes too much memory or is
        singular.
    """
    _refuse_active_bounds(objective, params)
    objective, params, is_free = _free_part(objective, params)
    with objective.rows.threads():
        leverage = Leverage(objective, params, is_free)
        steps = _steps_of_logits(objective, params, leverage, targets)
        is_reliable = steps.changes <= RELIABLE_CHANGE
        rows = np.flatnonzero(~is_reliable)
        n_bytes = 8 * len(rows) * objective.n_params
        # the curvature of other rows does not tell whether the step crosses a kink
        has_kinks = objective.penalty.l1.any()
        if not has_kinks and 0 < n_bytes <= MAX_STEPS_BYTES:
            changes = _changes_of_others(objective, params, leverage, steps, rows)
            is_reliable[rows] = changes <= RELIABLE_CHANGE_OF_OTHERS
    return LeaveOneOut(steps.losses, is_reliable)


def weighted_mean_and_error(
    losses: NDArray, sample_weight: NDArray | None = None
) -> tuple[float, float]:
    """Return the weighted mean of losses, (n,), and its standard error.

    The error is ``(Σ s_i² (loss_i − mean)²)^½ / Σ s_i``.
    """
    s = np.ones(len(losses)) if sample_weight is None else sample_weight
    share = s / s.sum()
    mean = share @ losses
    return float(mean), float(np.linalg.norm(share * (losses - mean)))


def _refuse_active_bounds(objective: Objective, params: NDArray) -> None:
    coef, _ = objective.split(params)
    within = objective.penalty.within_bounds
    at_lower = within(np.nextafter(coef, -np.inf)) >= coef
    at_upper = within(np.nextafter(coef, np.inf)) <= coef
    n_at_bounds = np.count_nonzero(at_lower | at_upper)
    if n_at_bounds:
        raise ValueError(
            f"{n_at_bounds} of {coef.size} coefficients are at a bound, and "
            "leave-one-out from a single fit cannot tell which of them would leave it: "
            "use cv=5."
        )


def _free_part(
    objective: Objective, params: NDArray
) -> tuple[Objective, NDArray, NDArray]:
    """Return the problem without the features that a kink holds at 0.

    Returns
    -------
    objective : Objective
        Its rows are read in float64.
    params : ndarray
    is_free : ndarray of shape (L, e), bool
        Which of the params can move.
    """
    coef, _ = objective.split(params)
    is_free = objective.penalty.can_move(coef)
    columns = np.flatnonzero(is_free.any(axis=0))
    if len(columns) < objective.n_features:
        params = objective.layout.take_columns(params, columns)
        objective, is_free = objective.on_columns(columns), is_free[:, columns]
    else:
        # with rows of its own, which may be read in float64
        objective = objective.with_penalty(objective.penalty)
    objective.rows.read_in_float64()
    if objective.fit_intercept:
        is_free = np.column_stack([is_free, np.ones(len(is_free), bool)])
    return objective, params, is_free


def _steps_of_logits(
    objective: Objective,
    params: NDArray,
    leverage: Leverage,
    targets: NDArray | None,
) -> _Steps:
    """Return what the step without each row does to its own logits."""
    model, loss = objective.linear_model(params), objective.loss
    factor, n_logits = objective.rows.mean_factor, objective.n_logits
    size = max(1, CACHE_BYTES // (8 * (objective.n_params + 4 * n_logits**2)))

    def of_rows(block: Block) -> _Steps:
        z = model(block)
        s = factor * _weights(block)
        A = leverage.of_rows(block.X)
        shA = np.empty_like(A)
        for k in range(n_logits):
            shA[:, :, k], _ = loss.curvature_times(z, s[:, None] * A[:, :, k])
        _, r = loss.loss_and_residual(block.targets, z)
        v = np.linalg.solve(INVERTIBLE * np.eye(n_logits) - shA, r[:, :, None])
        v *= s[:, None, None]
        dz = (A @ v)[:, :, 0]
        scored = block.targets
        if targets is not None:
            scored = targets[block.start : block.start + len(z)]
        losses, _ = loss.loss_and_residual(scored, z + dz)
        return _Steps(losses, largest_change(dz), v[:, :, 0])

    def of_block(block: Block) -> _Steps:
        return _joined([of_rows(some) for some in _parts(block, size)])

    work = objective.n_params
    of_blocks = objective.rows.map_blocks(of_block, width=3 * n_logits, work=work)
    return _joined(of_blocks)


def _changes_of_others(
    objective: Objective,
    params: NDArray,
    leverage: Leverage,
    steps: _Steps,
    rows: NDArray,
) -> NDArray:
    """Return how much the steps without some rows change the logits of the others.

    It is the root mean square of the largest change of a logit, weighted by the
    contributions to ``δᵀ H δ`` without the row itself.
    """
    model, loss = objective.linear_model(params), objective.loss

    def steps_of_block(block: Block) -> NDArray:
        end = block.start + len(block.targets)
        some = rows[(block.start <= rows) & (rows < end)]
        return leverage.steps(block.X[some - block.start], steps.duals[some])

    width = objective.n_params
    of_blocks = objective.rows.map_blocks(steps_of_block, width=width, work=1)
    deltas = np.concatenate(of_blocks)
    changes = [objective.linear_model(delta, with_offset=False) for delta in deltas]

    def add_block(block: Block, curvatures: NDArray, moments: NDArray) -> None:
        z, weights = model(block), _weights(block)
        for i, (row, change) in enumerate(zip(rows, changes, strict=True)):
            s = weights
            if 0 <= row - block.start < len(s):
                s = weights.copy()
                s[row - block.start] = 0
            product, effective = loss.curvature_times(z, change(block))
            energy = s * np.einsum("ik,ik->i", product, effective)
            curvatures[i] += energy.sum()
            moments[i] += energy @ np.abs(effective).max(axis=1) ** 2

    curvatures, moments = objective.rows.map_reduce(
        add_block,
        Sum(len(rows)),
        Sum(len(rows)),
        width=5 * objective.n_logits,
        work=len(rows) * objective.n_logits,
    )
    curvatures *= objective.rows.mean_factor
    for i, delta in enumerate(deltas):
        curvatures[i] += objective.penalty.curvature(objective.split(delta)[0])
    moments *= objective.rows.mean_factor
    # a step that no other row and no penalty holds back is as long as rounding lets it
    unlimited = np.full(len(rows), np.inf)
    return np.sqrt(np.divide(moments, curvatures, out=unlimited, where=curvatures > 0))


def _weights(block: Block) -> NDArray:
    if block.weights is not None:
        return block.weights
    return np.ones(len(block.targets))


def _parts(block: Block, size: int) -> Iterator[Block]:
    """Yield ``size`` rows of a block at a time."""
    for start in range(0, len(block.targets), size):
        yield block.take(slice(start, start + size))


def _joined(parts: list[_Steps]) -> _Steps:
    return _Steps(*map(np.concatenate, zip(*parts, strict=True)))
