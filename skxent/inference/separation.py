"""Separated classes: a direction along which the likelihood grows without end.

A direction δ separates if it moves some rows, and raises the logit of every row's own
class at least as much as that of any other class::

    max_k δ_k·x̃_i − Σ_k q_ik δ_k·x̃_i = 0     for all rows i with a positive weight

Then no maximum-likelihood estimate exists. A. Albert and J. A. Anderson (1984),
doi:10.1093/biomet/71.1.1.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..data.blocks import sum_over_rows, transposed
from ..data.rows import Block, Largest, Sum
from ..data.scratch import Scratch
from ..model.row_products import squares
from .fitted import FittedModel
from .refusals import name_some

# Rows that a direction moves the wrong way by less than this share of its largest
# change count as not moved: the direction is known that precisely.
SMALL_SHARE = 1e-2
# The same of a direction that is known well enough.
CLEAR_SHARE = 1e-6
# A direction has no curvature, although it moves rows, if the curvature of these rows
# is below this share of that of all rows.
NO_CURVATURE = 1e-6
# Changes below this share of those of the column itself are rounding.
UNMOVED = 1e-6
# A column separates if its part of the direction is at least this share of the largest.
VISIBLE = 1e-3


def curvature_along(fitted: FittedModel, directions: NDArray) -> NDArray:
    """Return whether directions move rows although they have no curvature, (k,) bool.

    Parameters
    ----------
    fitted : FittedModel
    directions : ndarray of shape (e, k)
        Each for one component of the logits.
    """
    objective = fitted.objective
    model = objective.linear_model(fitted.params)
    d, k = objective.n_features, directions.shape[1]
    of_coef = np.ascontiguousarray(directions[:d])
    of_intercept = directions[d:].sum(axis=0)
    own = np.abs(of_coef).argmax(axis=0)

    def add_block(
        block: Block,
        movement: NDArray,
        curved: NDArray,
        own_squares: NDArray,
        total: NDArray,
    ) -> None:
        h = objective.loss.curvature(model(block)).sum(axis=1)
        s = np.ones(len(h)) if block.weights is None else block.weights
        change = (block.X @ of_coef + of_intercept) ** 2
        movement += s @ change
        curved += (s * h) @ change
        own_squares += s @ _columns(block, own) ** 2
        total += np.array([s.sum(), s @ h])

    movement, curved, own_squares, total = objective.rows.map_reduce(
        add_block, Sum(k), Sum(k), Sum(k), Sum(2), width=3 * k, work=k
    )
    moves = movement > UNMOVED**2 * own_squares
    expected = movement * total[1] / total[0]
    return moves & (curved < NO_CURVATURE * expected)


def _columns(block: Block, columns: NDArray) -> NDArray:
    chosen = block.X[:, columns]
    return chosen if isinstance(chosen, np.ndarray) else chosen.toarray()


def largest_change(fitted: FittedModel, step: NDArray) -> float:
    """Return the largest change by a step of a difference of two logits of a row."""
    objective = fitted.objective
    model = objective.linear_model(step, with_offset=False)

    def add_block(block: Block, largest: NDArray) -> None:
        change, _ = _changes(block, model)
        np.maximum(largest, np.ptp(change, axis=1).max(initial=0), out=largest)

    (largest,) = objective.rows.map_reduce(
        add_block, Largest(), width=5 * objective.n_logits, work=objective.n_logits
    )
    return float(largest)


def _changes(
    block: Block, model: Callable[[Block], NDArray]
) -> tuple[NDArray, NDArray]:
    """Return the changes, (m, K), and targets of the rows with a positive weight."""
    change, targets = model(block), block.targets
    if change.shape[1] == 1:
        change = np.hstack([np.zeros_like(change), change])
    if block.weights is not None:
        has_weight = block.weights > 0
        change, targets = change[has_weight], targets[has_weight]
    return change, targets


def check_separation(
    fitted: FittedModel, step: NDArray, small_share: float = SMALL_SHARE
) -> None:
    """Raise a ValueError if a step of the params separates the classes.

    Rows that it moves the wrong way by ``small_share`` of its largest change count as
    not moved.
    """
    objective = fitted.objective
    model = objective.linear_model(step, with_offset=False)

    def add_block(block: Block, wrong: NDArray, largest: NDArray) -> None:
        change, targets = _changes(block, model)
        if not len(change):
            return
        if targets.ndim == 1:
            of_own = change[np.arange(len(change)), targets]
        else:
            of_own = np.einsum("ik,ik->i", targets, change)
        np.maximum(wrong, (change.max(axis=1) - of_own).max(), out=wrong)
        np.maximum(largest, np.ptp(change, axis=1).max(), out=largest)

    wrong, largest = objective.rows.map_reduce(
        add_block,
        Largest(),
        Largest(),
        width=5 * objective.n_logits,
        work=objective.n_logits,
    )
    if largest > 0 and wrong <= small_share * largest:
        names = _separating_columns(fitted, step)
        raise ValueError(
            f"The classes are separated by {name_some(names)}: larger coefficients "
            "raise the likelihood without end, so that no estimate and no standard "
            "error exists. Expected classes that overlap: use a bias-reduced (Firth) "
            "fit, a finite C, or drop or join these columns."
        )


def _separating_columns(fitted: FittedModel, step: NDArray) -> NDArray:
    """Return the names of the columns that a direction moves, the largest first."""
    objective, scratch = fitted.objective, Scratch()

    def add_block(block: Block, first: NDArray, second: NDArray) -> None:
        s = np.ones(block.X.shape[0]) if block.weights is None else block.weights
        first += sum_over_rows(transposed(block.X), s)
        second += sum_over_rows(transposed(squares(block.X, scratch)), s)

    d = objective.n_features
    first, second = objective.rows.map_reduce(
        add_block, Sum(d), Sum(d), width=d, work=2
    )
    factor = objective.rows.mean_factor
    variance = np.maximum(0, factor * second - (factor * first) ** 2)
    coef, _ = objective.split(step)
    effect = np.abs(coef).max(axis=0) * np.sqrt(variance)
    order = np.argsort(-effect, kind="stable")
    return fitted.feature_names[order[effect[order] > VISIBLE * effect.max()]]
