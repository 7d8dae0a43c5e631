"""Models converted to ONNX predict the same in onnxruntime."""

import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from onnxruntime import InferenceSession
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skxent.onnx
from skxent import BinaryLogReg, BinaryLogRegCV, SoftmaxReg, SoftmaxRegCV

skxent.onnx.register()

# what rounding of the type of the input leaves
ATOL = {np.float32: 1e-7, np.float64: 1e-12, np.int64: 1e-7}

models = pytest.mark.parametrize(
    ("Estimator", "K"),
    [(BinaryLogReg, 2), (SoftmaxReg, 2), (SoftmaxReg, 3), (SoftmaxReg, 7)],
)


def make_data(K, dtype=np.float32, far=0.0, seed=0, n=150):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    logits = X @ rng.normal(size=(4, K)) + rng.gumbel(size=(n, K))
    X = X * [2, 50, 3, 100] + [0, 0, 0, far]
    return X.astype(dtype), logits.argmax(axis=1)


def run(model, X, zipmap=False, target_opset=None, **options):
    """Return the outputs of onnxruntime, by name."""
    options = {id(model): {"zipmap": zipmap, **options}}
    graph = to_onnx(model, X[:1], options=options, target_opset=target_opset)
    return run_graph(graph, {"X": X})


def run_graph(graph, inputs):
    session = InferenceSession(graph.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


# --- agreement -------------------------------------------------------------------


@models
@pytest.mark.parametrize("dtype", ATOL)
@pytest.mark.parametrize("far", [0, 1e6])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_onnxruntime_agrees(Estimator, K, dtype, far, fit_intercept):
    # with products in float32, probabilities of columns far from 0 are off by 1e-4
    X, y = make_data(K, dtype, far)
    model = Estimator(fit_intercept=fit_intercept).fit(X, y)
    outputs = run(model, X)
    assert_array_equal(outputs["label"], model.predict(X))
    assert outputs["probabilities"].dtype == (
        np.float64 if dtype is np.float64 else np.float32
    )
    atol = ATOL[dtype] if far == 0 else max(ATOL[dtype], 1e-9)
    assert_allclose(outputs["probabilities"], model.predict_proba(X), rtol=0, atol=atol)


@models
def test_extreme_logits_agree(Estimator, K):
    X, y = make_data(K, np.float64)
    model = Estimator().fit(X, y)
    for far in (1e2, 1e4, 1e100):
        outputs = run(model, far * X)
        assert_array_equal(outputs["label"], model.predict(far * X))
        assert_allclose(
            outputs["probabilities"], model.predict_proba(far * X), rtol=0, atol=1e-12
        )


@models
@pytest.mark.parametrize("opset", [9, 13, 18])
def test_old_sets_of_operators_do(Estimator, K, opset):
    X, y = make_data(K)
    model = Estimator().fit(X, y)
    outputs = run(model, X, target_opset={"": opset, "ai.onnx.ml": 1})
    assert_allclose(outputs["probabilities"], model.predict_proba(X), atol=1e-6)


@models
def test_pipelines_convert_as_they_are(Estimator, K):
    X, y = make_data(K)
    model = make_pipeline(StandardScaler(), Estimator()).fit(X, y)
    outputs = run(model, X)
    assert_array_equal(outputs["label"], model.predict(X))
    assert_allclose(outputs["probabilities"], model.predict_proba(X), atol=1e-5)


def test_a_pipeline_of_named_columns_converts():
    X, y = make_data(3)
    frame = pd.DataFrame(
        {"a": X[:, 0], "b": X[:, 1], "c": np.array(["u", "v", "w"])[y]}
    )
    columns = ColumnTransformer(
        [("number", StandardScaler(), ["a", "b"]), ("one-hot", OneHotEncoder(), ["c"])]
    )
    y = np.random.default_rng(1).permutation(y)
    model = make_pipeline(columns, SoftmaxReg()).fit(frame, y)
    types = [("a", FloatTensorType([None, 1])), ("b", FloatTensorType([None, 1]))]
    types += [("c", StringTensorType([None, 1]))]
    graph = to_onnx(model, initial_types=types, options={"zipmap": False})
    inputs = {name: frame[[name]].to_numpy() for name in frame}
    outputs = run_graph(graph, inputs)
    assert_allclose(outputs["probabilities"], model.predict_proba(frame), atol=1e-5)


@pytest.mark.parametrize(
    "search",
    [
        BinaryLogRegCV(Cs=[0.01, 1]),
        SoftmaxRegCV(Cs=[0.01, 1]),
        GridSearchCV(BinaryLogReg(), {"C": [0.01, 1]}),
        GridSearchCV(make_pipeline(StandardScaler(), SoftmaxReg()), {"memory": [None]}),
    ],
    ids=lambda search: type(search).__name__,
)
def test_searches_convert(search):
    X, y = make_data(2)
    search.fit(X, y)
    outputs = run_graph(to_onnx(search, X[:1], options={"zipmap": False}), {"X": X})
    assert_allclose(outputs["probabilities"], search.predict_proba(X), atol=1e-5)


def test_a_classifier_that_wraps_ours_converts():
    X, y = make_data(3)
    model = OneVsRestClassifier(BinaryLogReg()).fit(X, y)
    outputs = run(model, X)
    assert_array_equal(outputs["label"], model.predict(X))
    assert_allclose(outputs["probabilities"], model.predict_proba(X), atol=1e-5)


def test_a_sparse_model_converts():
    X, y = make_data(3)
    model = SoftmaxReg(l1_ratio=1, C=0.1).fit(X, y).sparsify()
    assert_allclose(run(model, X)["probabilities"], model.predict_proba(X), atol=1e-7)


# --- labels and options ----------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes"]),
        np.array(["no", "größer"], object),
        np.array([-5, 3]),
        np.array([2**40, 2**40 + 1]),
        np.array([2, 7], np.uint8),
        np.array([False, True]),
        np.array([1.0, 4.0]),
    ],
    ids=str,
)
@pytest.mark.parametrize("Estimator", [BinaryLogReg, SoftmaxReg])
@pytest.mark.parametrize("zipmap", [False, True])
def test_labels_agree(Estimator, labels, zipmap):
    X, y = make_data(2)
    model = Estimator().fit(X, labels[y])
    outputs = run(model, X, zipmap=zipmap)
    label = outputs["output_label" if zipmap else "label"]
    assert_array_equal(label, model.predict(X))
    if zipmap:
        for one, p in zip(
            outputs["output_probability"], model.predict_proba(X), strict=True
        ):
            assert one == pytest.approx(dict(zip(model.classes_, p, strict=True)))


@models
def test_options_of_linear_classifiers(Estimator, K):
    X, y = make_data(K)
    model = Estimator().fit(X, np.array(list("abcdefg"))[y])
    z = model.decision_function(X)
    scores = run(model, X, raw_scores=True)["probabilities"]
    expected = np.column_stack([-z, z]) if K == 2 else z
    assert_allclose(scores, expected, rtol=1e-6, atol=1e-6)

    numbered = run(model, X, nocl=True)["label"]
    assert_array_equal(model.classes_[numbered], model.predict(X))

    outputs = run(model, X, output_class_labels=True)
    assert_array_equal(outputs["class_labels"], model.classes_)

    columns = run(model, X, zipmap="columns")
    p = model.predict_proba(X)
    for k, label in enumerate(model.classes_):
        assert_allclose(columns[f"s{label}"].ravel(), p[:, k], atol=1e-7)


@pytest.mark.parametrize("labels", [[0.5, 1.5], [0, 2**63], [0.0, np.inf]])
def test_labels_that_onnx_lacks_are_refused(labels):
    X, y = make_data(2)
    model = BinaryLogReg().fit(X, y)
    model.classes_ = np.array(labels)
    with pytest.raises(ValueError, match="ONNX has labels of integers of 64 bits"):
        run(model, X)
    assert_array_equal(
        run(model, X, nocl=True)["label"], model.decision_function(X) > 0
    )


def test_without_skl2onnx_the_error_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match="pip install skl2onnx"):
        skxent.onnx.register()


# --- by way of scikit-learn ------------------------------------------------------


@models
def test_the_copy_for_scikit_learn_converts_without_registration(Estimator, K):
    X, y = make_data(K)
    X = StandardScaler().fit_transform(X)
    model = Estimator().fit(X, y)
    outputs = run(model.to_sklearn(), X)
    assert_array_equal(outputs["label"], model.predict(X))
    assert_allclose(outputs["probabilities"], model.predict_proba(X), atol=1e-5)
