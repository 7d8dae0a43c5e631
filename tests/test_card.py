"""The card of a model: exact round trips, a scorer in plain Python, refusals."""

import copy
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skxent import BinaryLogReg, BinaryLogRegCV, SoftmaxReg, SoftmaxRegCV

DOCUMENT = Path(__file__).parents[1] / "docs" / "card.md"

models = pytest.mark.parametrize(
    ("Estimator", "K"),
    [(BinaryLogReg, 2), (SoftmaxReg, 2), (SoftmaxReg, 3), (SoftmaxReg, 7)],
)


def make_data(K, seed=0, n=120):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) * [1, 5, 0.2, 1]
    logits = X @ rng.normal(size=(4, K)) + rng.gumbel(size=(n, K))
    return X, logits.argmax(axis=1)


@pytest.fixture(scope="module")
def documented():
    """Return the names that the scorer in the documentation defines."""
    text = DOCUMENT.read_text("utf8").partition("## A scorer")[2]
    names: dict = {}
    code = re.search(r"```python\n(.*?)\ncard = ", text, re.DOTALL)[1]
    exec(compile(code, DOCUMENT.name, "exec"), names)
    return names


def through_json(model):
    return json.loads(json.dumps(model.to_dict(), allow_nan=False))


# --- round trips -----------------------------------------------------------------


@models
@pytest.mark.parametrize("seed", range(5))
def test_a_round_trip_keeps_each_digit(Estimator, K, seed):
    X, y = make_data(K, seed)
    model = Estimator(C=0.1 + seed / 3, l1_ratio=seed / 7).fit(X, y)
    again = Estimator.from_dict(through_json(model))
    for name in ("coef_", "intercept_", "classes_", "n_iter_"):
        assert_array_equal(getattr(again, name), getattr(model, name))
    for name in ("C", "l1_ratio", "converged_", "suboptimality_", "n_features_in_"):
        assert getattr(again, name) == getattr(model, name)
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.to_dict() == model.to_dict()


@pytest.mark.parametrize(
    "labels",
    [
        [3, -1],
        [2**62, -(2**63)],
        ["no", "yes"],
        ["Größe", 'a "b"\n'],
        [True, False],
        [0.0, 2.0],
    ],
)
@pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
def test_labels_keep_their_type(Estimator, labels):
    X, y = make_data(2)
    model = Estimator().fit(X, np.array(labels)[y])
    again = Estimator.from_dict(through_json(model))
    assert again.classes_.dtype == model.classes_.dtype
    assert_array_equal(again.predict(X), model.predict(X))


def test_labels_of_other_dtypes_become_those_of_python():
    X, y = make_data(2)
    for labels in (
        np.array([1, 2], np.int8),
        np.array([1, 2**63 + 1], np.uint64),
        np.array(["a", "b"], object),
        np.array([0.0, 1.0], np.float32),
    ):
        model = BinaryLogReg().fit(X, labels[y])
        again = BinaryLogReg.from_dict(through_json(model))
        assert_array_equal(again.predict(X), model.predict(X))


@models
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_names_come_along(Estimator, K, dtype):
    X, y = make_data(K)
    X = pd.DataFrame(X.astype(dtype), columns=["a", "b", "é", ""])
    model = Estimator(fit_intercept=False).fit(X, y)
    again = Estimator.from_dict(through_json(model))
    assert_array_equal(again.feature_names_in_, model.feature_names_in_)
    assert again.fit_intercept is False
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_no_penalty_and_no_estimate_are_null():
    X, y = make_data(2)
    model = BinaryLogReg(C=np.inf).fit(X, y)
    assert model.to_dict()["C"] is None
    assert np.inf == BinaryLogReg.from_dict(through_json(model)).C
    model.suboptimality_ = np.inf
    card = through_json(BinaryLogReg.from_sklearn(model.to_sklearn()))
    assert card["converged"] is card["suboptimality"] is None
    assert not hasattr(BinaryLogReg.from_dict(card), "suboptimality_")
    card = through_json(model)
    assert card["suboptimality"] is None
    again = BinaryLogReg.from_dict(card | {"n_iter": None})
    assert not hasattr(again, "n_iter_")
    assert not hasattr(again.to_sklearn(), "n_iter_")


@pytest.mark.parametrize(
    ("Search", "Estimator"),
    [(BinaryLogRegCV, BinaryLogReg), (SoftmaxRegCV, SoftmaxReg)],
)
def test_the_card_of_a_search_is_that_of_the_chosen_model(Search, Estimator):
    X, y = make_data(2)
    search = Search(Cs=[0.01, 1], l1_ratios=[0, 1]).fit(X, y)
    again = Estimator.from_dict(through_json(search))
    assert (again.C, again.l1_ratio) == (search.C_, search.l1_ratio_)
    assert_array_equal(again.predict_proba(X), search.predict_proba(X))


def test_a_sparse_model_has_a_card_and_notes_are_ignored():
    X, y = make_data(3)
    model = SoftmaxReg(l1_ratio=1, C=0.1).fit(X, y)
    card = model.to_dict()
    assert model.sparsify().to_dict() == card
    card["note"] = "for the spring campaign"
    assert_array_equal(SoftmaxReg.from_dict(card).coef_, model.densify().coef_)


def test_integers_are_numbers():
    # other languages write 1.0 as 1
    card = BinaryLogReg().fit(*make_data(2)).to_dict()
    card |= {"coef": [[1, 0, -2, 3]], "intercept": [0], "C": 1, "l1_ratio": 0}
    model = BinaryLogReg.from_dict(card)
    assert model.coef_.dtype == model.intercept_.dtype == np.float64
    assert_array_equal(model.decision_function([[1, 1, 1, 1]]), [2.0])


# --- the scorer of the documentation ---------------------------------------------


@models
@pytest.mark.parametrize("far", [1, 1e4, 1e140])
def test_the_documented_scorer_agrees(documented, Estimator, K, far):
    X, y = make_data(K)
    model = Estimator().fit(X, y)
    card = documented["load"](json.dumps(model.to_dict()))
    rows = (far * X[:50]).tolist()
    scored = [documented["probabilities"](card, row) for row in rows]
    assert_allclose(scored, model.predict_proba(rows), rtol=0, atol=1e-12)


def test_the_documented_scorer_is_short_and_refuses_what_it_does_not_know(documented):
    text = DOCUMENT.read_text("utf8").partition("## A scorer")[2]
    code = re.search(r"```python\n(.*?)\ncard = ", text, re.DOTALL)[1]
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 22
    card = BinaryLogReg().fit(*make_data(2)).to_dict()
    with pytest.raises(ValueError, match="version 1"):
        documented["load"](json.dumps(card | {"version": 2}))
    with pytest.raises(ValueError, match="5 features"):
        documented["probabilities"](card, [0] * 5)


# --- refusals --------------------------------------------------------------------


@pytest.fixture(scope="module")
def card():
    X, y = make_data(3)
    X = pd.DataFrame(X, columns=list("abcd"))
    return SoftmaxReg().fit(X, y).to_dict()


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "onnx", "format 'onnx'; expected 'skxent.linear_classifier'"),
        ("version", 2, "version 2; this skxent reads version 1: install"),
        ("version", "1", "version '1'"),
        ("version", True, "version True"),
        ("estimator", "Lasso", "estimator 'Lasso'; expected one of"),
        ("estimator", ["SoftmaxReg"], "expected one of"),
        ("estimator", "BinaryLogReg", "call BinaryLogReg.from_dict"),
        ("classes", [0, 1], "coef of the card has another shape"),
        ("classes", [0, 1, 1], "different label"),
        ("classes", [0, 1, True], "one type"),
        ("classes", [0, 1, 2**70], "one type"),
        ("classes", [0, 1, "2"], "one type"),
        ("classes", [[0], [1], [2]], "one type"),
        ("classes", [None, None, None], "one type"),
        ("classes", [0.0, 1.0, NAN], "finite"),
        ("classes", [0], "at least 2"),
        ("classes", "abc", "at least 2"),
        ("n_features", 5, "expected 5 strings"),
        ("n_features", 0, "a whole number of at least 1"),
        ("n_features", 4.0, "a whole number"),
        ("n_features", True, "a whole number"),
        ("n_features", None, "a whole number"),
        ("feature_names", ["a"], "4 strings"),
        ("feature_names", "abcd", "4 strings"),
        ("feature_names", [1, 2, 3, 4], "4 strings"),
        ("coef", [[0.0] * 4] * 2, "another shape"),
        ("coef", [[0.0] * 4, [0.0] * 3, [0.0] * 4], "another shape"),
        ("coef", [0.0] * 4, "another shape"),
        ("coef", None, "another shape"),
        ("coef", [[0.0] * 4, [0.0] * 4, [0.0, NAN, 0, 0]], "holds nan"),
        ("coef", [[0.0] * 4, [0.0] * 4, [0.0, "1", 0, 0]], "holds '1'"),
        ("coef", [[0.0] * 4, [0.0] * 4, [0.0, True, 0, 0]], "holds True"),
        ("coef", [[0.0] * 4, [0.0] * 4, [0.0, [1], 0, 0]], "another shape"),
        ("coef", [[0.0] * 4, [0.0] * 4, [0.0, 10**400, 0, 0]], "expected numbers"),
        ("intercept", [0.0, INF, 0.0], "holds inf"),
        ("intercept", [0.0, 1.0], "another shape"),
        ("intercept", 0.0, "another shape"),
        ("C", 0, "expected a positive number"),
        ("C", INF, "C of the card is inf"),
        ("C", "1", "expected a finite number or null"),
        ("l1_ratio", 1.5, "expected a finite number from 0 to 1"),
        ("l1_ratio", None, "expected a finite number from 0 to 1"),
        ("fit_intercept", 1, "expected true or false"),
        ("fit_intercept", None, "expected true or false"),
        ("n_iter", -1, "a whole number of at least 0 or null"),
        ("converged", "yes", "expected true or false or null"),
        ("suboptimality", NAN, "expected a finite number or null"),
    ],
)
def test_a_malformed_card_is_refused(card, key, value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        SoftmaxReg.from_dict(card | {key: value})


def test_a_card_that_lacks_a_key_is_refused(card):
    for key in card:
        lacking = copy.deepcopy(card)
        del lacking[key]
        with pytest.raises(ValueError, match=key):
            SoftmaxReg.from_dict(lacking)


def test_a_text_is_refused_with_the_remedy(card):
    with pytest.raises(TypeError, match=r"type str; expected a dict: call json\.loads"):
        SoftmaxReg.from_dict(json.dumps(card))


def test_the_card_of_a_binary_model_has_two_classes():
    card = BinaryLogReg().fit(*make_data(2)).to_dict()
    with pytest.raises(ValueError, match="BinaryLogReg has 3 classes; expected 2"):
        BinaryLogReg.from_dict(card | {"classes": [0, 1, 2]})
    with pytest.raises(ValueError, match=r"call BinaryLogReg\.from_dict"):
        SoftmaxReg.from_dict(card)


def test_what_cannot_be_read_is_not_written():
    X, y = make_data(2)
    model = BinaryLogReg().fit(X, y)
    model.classes_ = np.array(["2020-01-01", "2021-01-01"], "datetime64[D]")
    with pytest.raises(ValueError, match=r"datetime64\[D\]; a card holds ints"):
        model.to_dict()
    # soft labels may have any names
    proba = pd.DataFrame(np.eye(2)[y], columns=["a", 1])
    with pytest.raises(ValueError, match="one type"):
        BinaryLogReg().fit(X, proba).to_dict()
    model = BinaryLogReg().fit(X, y)
    model.coef_[0, 0] = np.nan
    with pytest.raises(ValueError, match="coef of the card holds nan"):
        model.to_dict()
