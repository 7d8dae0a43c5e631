"""A fitted linear classifier as nodes of an ONNX graph, for skl2onnx.

The graph computes in float64 whatever the type of its input, as the predictions of the
estimators do: the terms of a logit may nearly cancel. Only its output has the type of
the input. The operator ``LinearClassifier`` of ONNX knows float32 only.
"""

from typing import Any

from numpy.typing import NDArray


def add_linear_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of a fitted estimator; the converter that skl2onnx calls.

    Parameters
    ----------
    scope : skl2onnx Scope
        Gives names that are not taken.
    operator : skl2onnx Operator
        Has the estimator, the input, and two outputs: labels and probabilities, or
        logits with the option ``raw_scores``. For two classes, these are −z and z.
    container : skl2onnx ModelComponentContainer
        Gets the nodes.

    Raises
    ------
    ValueError
        If ONNX has no type for the classes.
    """
    from onnx import TensorProto
    from skl2onnx.common.data_types import guess_proto_type
    from skl2onnx.common.utils_classifier import get_label_classes

    estimator = operator.raw_operator
    model = estimator._linear_model()
    labels, label_type = _labels(
        get_label_classes(scope, estimator), TensorProto.INT64, TensorProto.STRING
    )
    is_binary = len(model.classes) == 2
    if is_binary:
        model = model.with_one_logit()

    def constant(name: str, dtype: int, values: NDArray | list, shape: tuple) -> str:
        name = scope.get_unique_variable_name(name)
        container.add_initializer(name, dtype, shape, values)
        return name

    def node(kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        output = output or scope.get_unique_variable_name(kind.lower())
        name = scope.get_unique_operator_name(kind)
        container.add_node(kind, inputs, output, name=name, **attributes)
        return output

    double = TensorProto.DOUBLE
    coef = constant("coef", double, model.coef.T.ravel(), model.coef.T.shape)
    intercept = constant("intercept", double, model.intercept, model.intercept.shape)
    classes = constant("classes", label_type, labels, (len(labels),))

    X = node("Cast", [operator.inputs[0].full_name], to=double)
    z = node("Add", [node("MatMul", [X, coef]), intercept])
    if is_binary:
        z = node("Concat", [node("Neg", [z]), z], axis=1)
    code = node("ArgMax", [z], axis=1, keepdims=0)
    node("Gather", [classes, code], operator.outputs[0].full_name)

    scores = z
    if not container.get_options(estimator, {"raw_scores": False})["raw_scores"]:
        # both expits have full relative accuracy; 1 − p would lose digits
        scores = node("Sigmoid", [z]) if is_binary else node("Softmax", [z], axis=1)
    output = operator.outputs[1]
    node("Cast", [scores], output.full_name, to=guess_proto_type(output.type))


def _labels(classes: NDArray, int64: int, string: int) -> tuple[list, int]:
    """Return the labels and their type in ONNX: integers, or strings as UTF-8."""
    values = classes.tolist()
    if all(isinstance(label, str) for label in values):
        return [label.encode("utf-8") for label in values], string
    # bools and whole floats count as integers
    if all(isinstance(label, bool | int | float) for label in values) and all(
        -(2**63) <= label < 2**63 and int(label) == label for label in values
    ):
        return [int(label) for label in values], int64
    raise ValueError(
        f"The classes are {values}; ONNX has labels of integers of 64 bits or of "
        "strings: fit the model to such labels, or convert it with the option "
        "nocl=True, which numbers the classes."
    )
