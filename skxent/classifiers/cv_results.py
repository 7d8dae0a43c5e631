"""The scores of a search for C as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata

from ..evaluation.choice import score_name
from ..evaluation.tables import html_table, text_table


class CVResults(dict[str, Any]):
    """The scores of each pair of C and ``l1_ratio``, as arrays of shape (n_pairs,).

    The keys are those of ``cv_results_`` of scikit-learn's searches: ``param_C``,
    ``param_l1_ratio``, ``params``, ``split0_test_score`` and so on for each fold,
    ``mean_test_score``, ``std_test_score`` and ``rank_test_score``, with
    ``standard_error`` of the mean. Scores are larger for better models: by default
    minus the cross-entropy in nats. ``pandas.DataFrame`` makes a frame of them.
    ``print`` and notebooks show a table, which has the cross-entropy without its minus.

    Parameters
    ----------
    model : object
        A fitted `BinaryLogRegCV` or `SoftmaxRegCV`.
    """

    def __init__(self, model: Any) -> None:
        ratios, Cs = np.asarray(model.l1_ratios_), np.asarray(model.Cs_)
        of_pairs = np.repeat(ratios, len(Cs)), np.tile(Cs, len(ratios))
        pairs = zip(*(part.tolist() for part in of_pairs), strict=True)
        mean = np.ravel(model.mean_scores_)
        # unknown scores rank last, as in scikit-learn
        known = np.where(np.isnan(mean), -np.inf, mean)
        super().__init__(
            param_C=of_pairs[1],
            param_l1_ratio=of_pairs[0],
            params=[{"C": C, "l1_ratio": ratio} for ratio, C in pairs],
            **{
                f"split{k}_test_score": np.ravel(scores)
                for k, scores in enumerate(model.scores_)
            },
            mean_test_score=mean,
            std_test_score=np.ravel(model.std_scores_),
            standard_error=np.ravel(model.standard_errors_),
            rank_test_score=rankdata(-known, method="min").astype(np.int32),
        )
        name = score_name(model.scoring)
        self._sign = 1.0 if name else -1.0
        is_loo = isinstance(model.cv, str)
        by = "leave-one-out" if is_loo else f"{len(model.scores_)} folds"
        self._title = f"{name or 'cross-entropy in nats'}, by {by}"
        is_chosen = (of_pairs[0] == model.l1_ratio_) & (of_pairs[1] == model.C_)
        self._chosen = int(np.argmax(is_chosen))

    def __repr__(self) -> str:
        return f"{self._title}\n{text_table(*self._table())}"

    def _repr_html_(self) -> str:
        header, rows = self._table()
        return html_table([self._title], rows, header, bold=self._chosen)

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Return the header and the cells of the table."""
        has_ratios = len(set(self["param_l1_ratio"].tolist())) > 1
        header = ["C", *["l1_ratio"] * has_ratios, "mean", "standard error", "rank", ""]
        rows = []
        for k, pair in enumerate(self["params"]):
            ratio = [f"{pair['l1_ratio']:.3g}"] if has_ratios else []
            rows.append(
                [
                    f"{pair['C']:.4g}",
                    *ratio,
                    f"{self._sign * self['mean_test_score'][k]:.4f}",
                    f"{self['standard_error'][k]:.4f}",
                    str(self["rank_test_score"][k]),
                    "chosen" if k == self._chosen else "",
                ]
            )
        return header, rows
