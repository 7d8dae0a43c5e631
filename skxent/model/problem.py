"""A problem: rows and a loss, and with them the mean loss of a linear model.

    mean loss(w, b) = 1/S Σ_i s_i loss(y_i, z_i),      z = X w + b + offset

A problem is prepared once. Together with a penalty it makes an `Objective`; several
objectives may share one problem. The rows are read one block at a time, and no array of
size (n, L) is stored.

The rows may hold ``X − center`` instead of ``X``. The intercepts in ``params`` then
refer to the centred data; ``pack`` and ``unpack`` convert them.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..data.blocks import sum_over_rows, transposed
from ..data.rows import Block, Largest, Rows, Sum
from .layout import ParamLayout
from .losses import Loss

EPS = np.finfo(np.float64).eps


class Evaluation(NamedTuple):
    """F, in nats per unit of weight, its gradient and the largest loss of a row.

    Attributes
    ----------
    value : float
    gradient : ndarray of shape (n_params,)
        ∂F/∂params.
    largest_loss : float
        Over the rows with a positive weight; inf if targets are distributions.
    """

    value: float
    gradient: NDArray
    largest_loss: float


class Problem:
    """The mean loss of a linear model, as a function of its params.

    Parameters
    ----------
    rows : Rows
        Their offset has as many columns as the loss has logits.
    loss : Loss
    n_classes : int
    fit_intercept : bool

    Attributes
    ----------
    rows, loss, n_classes, fit_intercept
        As given.
    layout : ParamLayout
        The positions of coefficients and intercepts in params.
    n_samples, n_features, n_logits : int
        The numbers n of rows, d of columns of X, and L of logits of a row.
    n_columns, n_params : int
        The number of columns of X, plus 1 if there are intercepts: e; and the length of
        params.
    n_evals : int
        The number of evaluations of value and gradient.
    """

    def __init__(self, rows: Rows, loss: Loss, n_classes: int, fit_intercept: bool):
        self.loss = loss
        self.n_classes, self.fit_intercept = n_classes, fit_intercept
        self.n_logits = loss.n_logits(n_classes)
        self._set_rows(rows)

    def _set_rows(self, rows: Rows) -> None:
        """Take rows, and what follows from their number of columns."""
        self.rows, self.n_evals = rows, 0
        self.n_samples, self.n_features = rows.n_samples, rows.n_features
        self.layout = ParamLayout(self.n_logits, self.n_features, self.fit_intercept)
        self.n_columns, self.n_params = self.layout.n_columns, self.layout.n_params

    def split(self, params: NDArray) -> tuple[NDArray, NDArray]:
        """Return views of coefficients, (L, d), and intercepts, (L,) or empty."""
        return self.layout.split(params)

    def unpack(self, params: NDArray) -> tuple[NDArray, NDArray]:
        """Return coef, (L, d), and intercept, (L,), for X without centring."""
        coef, intercept = self.split(params)
        coef = coef.copy()
        if not self.fit_intercept:
            return coef, np.zeros(self.n_logits)
        return coef, intercept - self._shift(coef)

    def pack(self, coef: NDArray, intercept: NDArray) -> NDArray:
        """Return the params, (n_params,), of a model: the inverse of `unpack`."""
        coef = np.asarray(coef, dtype=np.float64)
        return self.layout.join(coef, intercept + self._shift(coef))

    def initial_point(self) -> NDArray:
        """Return params, (n_params,), with coefficients 0 and prior intercepts.

        The probabilities are the class frequencies in rows with the typical offset.
        """
        params = np.zeros(self.n_params)
        if self.fit_intercept:
            intercept = self.loss.prior_logits(self.class_frequencies)
            offset = self.rows.typical_offset
            if offset is not None:
                # The median, because rows far from it may be saturated: without
                # curvature, they cannot correct a bad start.
                intercept -= offset
            self.split(params)[1][:] = intercept
        return params

    @cached_property
    def class_frequencies(self) -> NDArray:
        """The weighted shares of the classes, (K,)."""
        totals = self.rows.class_totals(self.n_classes)
        if not totals.all():
            raise ValueError(
                f"Class {int(np.argmin(totals))} has a total weight of 0; expected a "
                "positive weight for every class: drop the class or weigh its rows."
            )
        return totals / totals.sum()

    def evaluate(self, params: NDArray) -> Evaluation:
        """Return the mean loss, its gradient, and the largest loss of a row."""
        self.n_evals += 1
        model = self.linear_model(params)

        def add_block(
            block: Block,
            loss_sum: NDArray,
            coef_gradient: NDArray,
            intercept_gradient: NDArray,
            largest: NDArray,
        ) -> None:
            loss, r = self.loss.loss_and_residual(block.targets, model(block))
            np.maximum(largest, largest_loss(loss, block), out=largest)
            if block.weights is None:
                loss_sum += loss.sum(dtype=np.float64)
            else:
                s = block.weights
                loss_sum += s @ loss
                r *= s.astype(r.dtype, copy=False)[:, None]
            coef_gradient += sum_over_rows(transposed(block.X), r)
            intercept_gradient += r.sum(axis=0, dtype=np.float64)

        loss_sum, coef_gradient, intercept_gradient, largest = self.rows.map_reduce(
            add_block,
            Sum(),
            Sum(self.n_features, self.n_logits),
            Sum(self.n_logits),
            Largest(),
            width=3 * self.n_logits,
            work=self.n_logits,
        )
        factor = self.rows.mean_factor
        gradient = np.empty(self.n_params)
        of_coef, of_intercept = self.split(gradient)
        coef_gradient *= factor
        of_coef[:] = coef_gradient.T
        of_intercept[:] = factor * intercept_gradient[: of_intercept.size]
        return Evaluation(factor * float(loss_sum), gradient, float(largest))

    def count_evaluations(self, n_evals: int) -> None:
        """Add evaluations of a problem derived from this one to ``n_evals``."""
        self.n_evals += n_evals

    def describe_pass(self) -> str:
        """Return a description of a pass over the rows, for verbose output."""
        return self.rows.describe(3 * self.n_logits, self.n_logits)

    def linear_model(
        self, params: NDArray, *, with_offset: bool = True
    ) -> Callable[[Block], NDArray]:
        """Return the function that computes the logits, (m, L), of a block of rows.

        For a step of the params, ``with_offset=False`` gives the change of the logits.
        """
        coef, intercept = self.split(params.astype(self.rows.dtype))
        return self._linear(coef, intercept, with_offset)

    def model_and_change(
        self,
        params: NDArray,
        step: NDArray,
        change: Callable[[Block], NDArray] | None = None,
    ) -> Callable[[Block], tuple[NDArray, NDArray]]:
        """Return the function that computes the logits and their change by a step.

        ``change`` replaces the function for the change alone.
        """
        if self.n_logits == 1 or change is not None:
            # two products with a vector are faster than one with two columns
            model = self.linear_model(params)
            of_step = change or self.linear_model(step, with_offset=False)
            return lambda block: (model(block), of_step(block))
        both = self._stacked([params, step])

        def model_and_change(block: Block) -> tuple[NDArray, NDArray]:
            z = both(block)
            z, dz = z[:, : self.n_logits], z[:, self.n_logits :]
            return (z if block.offset is None else z + block.offset), dz

        return model_and_change

    def _stacked(self, params: Iterable[NDArray]) -> Callable[[Block], NDArray]:
        """Return the function that computes the logits of models side by side."""
        parts = [self.split(p.astype(self.rows.dtype)) for p in params]
        coef, intercept = (np.concatenate(part) for part in zip(*parts, strict=True))
        return self._linear(coef, intercept, False)

    def _linear(
        self, coef: NDArray, intercept: NDArray, with_offset: bool
    ) -> Callable[[Block], NDArray]:
        """Return the function that computes linear functions of a block of rows."""
        if self.rows.is_sparse:
            by_feature = np.ascontiguousarray(coef.T)
        # a fit starts there, and X would be read twice
        is_constant = not coef.any()

        def logits(block: Block) -> NDArray:
            X = block.X
            # for a dense X in Fortran order, in which the losses are fastest
            if is_constant:
                z = np.zeros((len(coef), X.shape[0]), X.dtype).T
            else:
                z = X @ by_feature if sparse.issparse(X) else (coef @ X.T).T
            if self.fit_intercept:
                z += intercept
            if with_offset and block.offset is not None:
                z += block.offset
            return z

        return logits

    def _shift(self, coef: NDArray) -> NDArray | float:
        """Return the part of the logits that centring X removes, (L,)."""
        center = self.rows.center
        return 0.0 if center is None else coef @ center.astype(np.float64)


def largest_loss(loss: NDArray, block: Block) -> float:
    """Return the largest loss of a row with a positive weight; inf without codes."""
    if block.targets.ndim == 2:
        return np.inf
    if block.weights is not None:
        loss = np.where(block.weights > 0, loss, 0)
    return loss.max()
