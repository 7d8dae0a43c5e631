"""What a notebook shows: the diagram of an estimator, and tables as HTML."""

import re
from html import escape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from skxent import (
    BiasReducedLogReg,
    BinaryLogReg,
    BinaryLogRegCV,
    SoftmaxReg,
    SoftmaxRegCV,
    coefficient_table,
    cross_entropy_report,
    fit_statistics,
    log_loss_scorer,
    log_reg_path,
    profile_penalised_likelihood,
)
from skxent._documentation import DOCUMENTATION


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(return_X_y=True)


@pytest.fixture(scope="module")
def searched(cancer):
    return BinaryLogRegCV(Cs=3, l1_ratios=[0, 1], cv=3).fit(*cancer)


class Cells(HTMLParser):
    """Read the cells of the rows of a table; refuse tags that are not closed."""

    def __init__(self, html):
        super().__init__()
        self.rows, self.open = [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


# --- The diagram ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "model", [BinaryLogReg(), SoftmaxReg(), BinaryLogRegCV(), SoftmaxRegCV()]
)
def test_the_diagram_links_to_the_page_of_the_class(model):
    page = f"{DOCUMENTATION}api/skxent.{type(model).__name__}.html"
    assert f'href="{page}"' in estimator_html_repr(model)
    assert "caption" not in estimator_html_repr(model).partition("</style>")[2]


def caption(model):
    return re.findall('<div class="caption">(.*?)</div>', estimator_html_repr(model))


def test_the_diagram_says_how_the_fit_ended(cancer):
    model = BinaryLogReg().fit(*cancer)
    expected = (
        rf"converged, suboptimality {model.suboptimality_:.2g}, {model.n_evals_} "
        rf"passes over the data, {model.loss_curve_seconds_[-1]:.2g} s"
    )
    assert caption(model) == [expected]
    with pytest.warns(ConvergenceWarning):
        short = BinaryLogReg(max_iter=2).fit(*cancer)
    assert caption(short)[0].startswith("not converged, suboptimality 0.")
    stopped = BinaryLogReg(early_stopping=True, random_state=0).fit(*cancer)
    best = 1 + stopped.validation_scores_.argmax()
    assert f"early stopping kept iteration {best}, " in caption(stopped)[0]


def test_the_diagram_of_a_fit_that_has_no_passes(cancer, searched):
    assert caption(searched)[0].startswith(f"chose C = {searched.C_:.3g}, converged, ")
    of_folds = BinaryLogRegCV(Cs=3, refit=False).fit(*cancer)
    assert caption(of_folds)[0].endswith(f"{of_folds.suboptimality_:.2g}")
    model = BinaryLogReg().fit(*cancer)
    from_card = BinaryLogReg.from_dict(model.to_dict())
    assert caption(from_card) == [
        f"converged, suboptimality {model.suboptimality_:.2g}"
    ]
    assert caption(BinaryLogReg.from_sklearn(model.to_sklearn())) == []


def test_the_diagrams_of_pipelines_and_searches_hold_that_of_the_model(cancer):
    pipeline = make_pipeline(StandardScaler(), BinaryLogReg()).fit(*cancer)
    assert len(caption(pipeline)) == 1
    search = GridSearchCV(BinaryLogReg(), {"C": [1.0]}, cv=2).fit(*cancer)
    assert search.best_estimator_.converged_
    assert "api/skxent.BinaryLogReg.html" in estimator_html_repr(search)


@pytest.mark.parametrize("kind", [BinaryLogReg, BinaryLogRegCV])
def test_every_fitted_attribute_has_an_entry_of_its_own_in_the_docstring(kind, cancer):
    # Notebooks show the entry beside the attribute.
    model = kind().fit(*cancer)
    names = [name for name in dir(model) if name.endswith("_") and name[0] != "_"]
    for name in names:
        assert re.search(rf"^ *{name} : ", kind.__doc__, re.MULTILINE), name


# --- Tables --------------------------------------------------------------------------


def test_the_results_of_a_search_have_the_names_of_scikit_learn(cancer, searched):
    X, y = cancer
    grid = {"C": searched.Cs_, "l1_ratio": [0, 1]}
    # `neg_log_loss` would clip the probabilities of a weak penalty
    reference = GridSearchCV(BinaryLogReg(), grid, cv=3, scoring=log_loss_scorer)
    frame = pd.DataFrame(searched.cv_results_)
    expected = pd.DataFrame(reference.fit(X, y).cv_results_)
    shared = [name for name in expected if "time" not in name]
    assert set(shared) == set(frame) - {"standard_error"}
    pair = ["param_C", "param_l1_ratio"]
    frame, expected = (table.sort_values(pair) for table in (frame, expected))
    for name in set(shared) - {"params"}:
        ours, theirs = (table[name].to_numpy(float) for table in (frame, expected))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, err_msg=name)
    assert frame["params"].tolist() == expected["params"].tolist()
    best = frame["rank_test_score"].to_numpy().argmin()
    assert frame["params"].iloc[best] == {"C": searched.C_, "l1_ratio": 1.0}


def test_the_table_of_a_search(searched):
    lines = repr(searched.cv_results_).splitlines()
    assert lines[0] == "cross-entropy in nats, by 3 folds"
    assert lines[1].split() == ["C", "l1_ratio", "mean", "standard", "error", "rank"]
    (chosen,) = (line for line in lines if line.endswith("chosen"))
    assert f"{-searched.mean_scores_.max():.4f}" in chosen
    rows = Cells(searched.cv_results_._repr_html_()).rows
    assert [" ".join(row).split() for row in rows] == [
        line.split() for line in lines[1:]
    ]
    assert not hasattr(BinaryLogRegCV(), "cv_results_")


def test_the_table_of_a_search_by_another_score(cancer):
    X, y = cancer
    model = BinaryLogRegCV(Cs=2, cv=2, scoring="accuracy").fit(X, y)
    lines = repr(model.cv_results_).splitlines()
    assert lines[0] == "accuracy, by 2 folds"
    assert f"{model.mean_scores_[0, 0]:.4f}" in lines[2]
    loo = BinaryLogRegCV(Cs=[0.01, 0.1], cv="loo").fit(X[:100], y[:100])
    assert repr(loo.cv_results_).startswith("cross-entropy in nats, by leave-one-out")


def test_unknown_scores_rank_last(searched):
    mean = searched.mean_scores_.copy()
    mean[0, 0] = np.nan
    other = BinaryLogRegCV().set_params(cv=3)
    vars(other).update(vars(searched) | {"mean_scores_": mean})
    assert other.cv_results_["rank_test_score"][0] == 6


def test_the_table_of_a_path(cancer):
    path = log_reg_path(*cancer, Cs=[1e-6, 1e-2], l1_ratio=1)
    header, *rows = Cells(path._repr_html_()).rows
    assert header[:2] == ["C", "coefficients that are not 0"]
    assert [row[1] for row in rows] == ["0", str(np.count_nonzero(path.coefs[1]))]


def test_lists_as_html_say_what_they_say_as_text(cancer):
    X, y = cancer[0][:, :2], cancer[1]
    free = BinaryLogReg(C=np.inf).fit(X, y)
    for lines in (cross_entropy_report(free, X, y), fit_statistics(free, X, y)):
        rows = Cells(lines._repr_html_()).rows
        assert [" ".join(row).split() for row in rows] == [
            line.split() for line in str(lines).splitlines()[1:]
        ]


def test_the_table_of_coefficients_as_html_says_what_it_says_as_text(cancer):
    X, y = cancer
    X = np.column_stack([X[:, :2], X[:, 0]])
    table = coefficient_table(BinaryLogReg(C=np.inf).fit(X, y), X, y)
    *head, header, _, _, _, last, foot = str(table).splitlines()
    html = table._repr_html_()
    rows = Cells(html).rows
    assert " ".join(rows[0]).split() == header.split()
    assert " ".join(rows[4]).split() == last.split() == ["x2", "not", "identified"]
    position = 0
    for line in [*head, "std. error", "x2", foot]:
        position = html.index(escape(line), position)
    assert html.count('scope="row"') == 4
    reduced = BiasReducedLogReg().fit(X[:, :1], y)
    table = profile_penalised_likelihood(reduced, X[:, :1], y)
    rows = Cells(table._repr_html_()).rows
    assert [" ".join(row).split() for row in rows] == [
        line.split() for line in str(table).splitlines()[1:-1]
    ]


def test_no_colour_of_a_table_depends_on_the_page(cancer, searched):
    X, y = cancer
    coefficients = coefficient_table(
        BinaryLogReg(C=np.inf).fit(X[:, :2], y), X[:, :2], y
    )
    for table in (searched.cv_results_, log_reg_path(*cancer, Cs=2), coefficients):
        html = table._repr_html_()
        assert "background" not in html
        assert set(re.findall(r"[^-]color: ([^;\"]+)", html)) == {"inherit"}
