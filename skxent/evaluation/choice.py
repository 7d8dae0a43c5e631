"""What the choice of C was worth in the cross-validation that made it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .last_step import last_step
from .scorer import LogLossScorer
from .units import convert_nats, unit_name


class OtherC(NamedTuple):
    """A C that was not chosen."""

    C: float
    where: str  # what it stands for, such as "the smallest"
    worse: float  # by how much its score is worse than that of the chosen C


class ChoiceOfC(NamedTuple):
    """The C that a cross-validated classifier chose, beside others of its grid."""

    C: float
    l1_ratio: float | None  # None if there was only one to choose from
    n_Cs: int  # those with a known score
    smallest_C: float
    largest_C: float
    is_best: bool  # whether no other pair of C and l1_ratio has a better score
    score_name: str
    unit: str  # "" if the score is not a cross-entropy
    score: float  # the mean over the folds; of a cross-entropy, smaller is better
    standard_error: float
    others: list[OtherC]  # with the chosen l1_ratio

    def lines(self) -> list[tuple[str, str]]:
        """Return the name and the value of each line of the report."""
        value = f"{self.C:.5g}, out of {self.n_Cs} "
        value += f"from {self.smallest_C:.5g} to {self.largest_C:.5g}"
        if self.l1_ratio is not None:
            value += f"; l1_ratio = {self.l1_ratio:.3g}"
        if self.is_best and self.n_Cs > 1:
            if self.largest_C == self.C:
                value += "; a larger C may be better"
            if self.smallest_C == self.C:
                value += "; a smaller C may be better"
        unit = f" {self.unit}" if self.unit else ""
        score = f"{self.score:.4g} ± {self.standard_error:.2g}{unit}"
        lines = [("chosen C", value), (f"cross-validated {self.score_name}", score)]
        for C, where, worse in self.others:
            word = "better" if worse < 0 else "worse"
            text = f"at C = {C:.5g}, {where}: {abs(worse):.2g}{unit} {word}"
            lines.append(("", text))
        return lines


def choice_of_C(estimator: Any, base: float | None) -> ChoiceOfC | None:
    """Return the choice of a cross-validated classifier, or None if it made none.

    Parameters
    ----------
    estimator : object
        A fitted classifier, pipeline or search. It made a choice if its last step has
        ``Cs_`` and ``mean_scores_``, as `BinaryLogRegCV` does.
    base : float or None
        Base of the logarithm for a cross-entropy.
    """
    model = last_step(estimator)[0]
    if not (hasattr(model, "Cs_") and hasattr(model, "mean_scores_")):
        return None
    Cs, l1_ratios = np.asarray(model.Cs_), np.asarray(model.l1_ratios_)
    row = int(np.argmin(np.abs(l1_ratios - model.l1_ratio_)))
    chosen = int(np.flatnonzero(Cs == model.C_)[0])
    losses, error = -model.mean_scores_[row], model.standard_errors_[row, chosen]
    is_best = losses[chosen] <= -np.nanmax(model.mean_scores_)
    name = score_name(model.scoring)
    if name is None:
        name, unit = "cross-entropy", unit_name(base)
        losses = np.asarray(convert_nats(losses, base))
        error, score = convert_nats(error, base), losses[chosen]
    else:
        unit, score = "", -losses[chosen]
    # Some scores may be unknown, as where the approximation of leave-one-out fails.
    known = np.flatnonzero(~np.isnan(losses))
    nearest = known[np.argmin(np.abs(np.log(Cs[known])))]
    places = {int(known[0]): "the smallest", int(known[-1]): "the largest"}
    places.setdefault(int(nearest), "the nearest to the default")
    places.pop(chosen, None)
    return ChoiceOfC(
        C=float(Cs[chosen]),
        l1_ratio=float(model.l1_ratio_) if len(l1_ratios) > 1 else None,
        n_Cs=len(known),
        smallest_C=float(Cs[known[0]]),
        largest_C=float(Cs[known[-1]]),
        is_best=bool(is_best),
        score_name=name,
        unit=unit,
        score=float(score),
        standard_error=float(error),
        others=[
            OtherC(float(Cs[k]), places[k], float(losses[k] - losses[chosen]))
            for k in sorted(places)
        ],
    )


def score_name(scoring: Any) -> str | None:
    """Return the name of the score, or None if it is minus the cross-entropy."""
    is_log_loss = isinstance(scoring, LogLossScorer) or scoring == "neg_log_loss"
    if scoring is None or is_log_loss:
        return None
    return scoring if isinstance(scoring, str) else "score"
