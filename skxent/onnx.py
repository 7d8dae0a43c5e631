"""Conversion to ONNX by skl2onnx: `register`. It needs the extra ``onnx``."""

from .classifiers.estimators import (
    BinaryLogReg,
    BinaryLogRegCV,
    SoftmaxReg,
    SoftmaxRegCV,
)
from .export.onnx_graph import add_linear_classifier


def register() -> None:
    """Teach skl2onnx to convert the estimators of this package.

    Afterwards ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` convert fitted
    estimators, and pipelines and searches that hold them. Call it once per process.
    The options are those of skl2onnx for linear classifiers: ``zipmap``, ``nocl``,
    ``output_class_labels`` and ``raw_scores``.

    The converted model multiplies in float64 also for inputs of float32, and returns
    probabilities of the type of its input. In onnxruntime they agree with
    ``predict_proba`` to the rounding of that type. Labels are integers or strings;
    bools become 0 and 1. A known ``offset`` of the logits has no counterpart.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import skxent.onnx
    >>> from onnxruntime import InferenceSession
    >>> from skl2onnx import to_onnx
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skxent import SoftmaxReg
    >>> skxent.onnx.register()
    >>> X, y = load_iris(return_X_y=True)
    >>> X = X.astype(np.float32)
    >>> model = make_pipeline(StandardScaler(), SoftmaxReg()).fit(X, y)
    >>> graph = to_onnx(model, X[:1], options={"zipmap": False})
    >>> session = InferenceSession(graph.SerializeToString())
    >>> labels, proba = session.run(None, {"X": X})
    >>> bool(abs(proba - model.predict_proba(X)).max() < 1e-5)
    True
    """
    try:
        from skl2onnx import update_registered_converter
        from skl2onnx.common.shape_calculator import (
            calculate_linear_classifier_output_shapes,
        )
    except ImportError as error:
        raise ImportError(
            "No module skl2onnx; conversion to ONNX needs it: pip install skl2onnx"
        ) from error
    for estimator in (BinaryLogReg, BinaryLogRegCV, SoftmaxReg, SoftmaxRegCV):
        update_registered_converter(
            estimator,
            f"Skxent{estimator.__name__}",
            calculate_linear_classifier_output_shapes,
            add_linear_classifier,
            options={
                "zipmap": [True, False, "columns"],
                "nocl": [True, False],
                "output_class_labels": [True, False],
                "raw_scores": [True, False],
            },
        )
