"""The card of a fitted model: a dict of plain numbers and names, for JSON.

``docs/card.md`` describes the keys. A change of their meaning needs a new version.
"""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .linear_model import LinearModel

FORMAT = "skxent.linear_classifier"
VERSION = 1
# The estimator of each loss.
ESTIMATORS = {"binary": "BinaryLogReg", "softmax": "SoftmaxReg"}


def to_card(model: LinearModel) -> dict[str, Any]:
    """Return the card of a model; raise a ValueError if JSON cannot hold it."""
    names = model.feature_names
    suboptimality = model.suboptimality
    if suboptimality is not None and not np.isfinite(suboptimality):
        suboptimality = None
    card = {
        "format": FORMAT,
        "version": VERSION,
        "estimator": ESTIMATORS["binary" if len(model.coef) == 1 else "softmax"],
        "classes": _plain_classes(model.classes),
        "n_features": model.coef.shape[1],
        "feature_names": None if names is None else [str(name) for name in names],
        "coef": model.coef.tolist(),
        "intercept": model.intercept.tolist(),
        "C": None if np.isinf(model.C) else model.C,
        "l1_ratio": model.l1_ratio,
        "fit_intercept": model.fit_intercept,
        "n_iter": model.n_iter,
        "converged": None if model.converged is None else bool(model.converged),
        "suboptimality": None if suboptimality is None else float(suboptimality),
    }
    # what cannot be read must not be written
    _read(card)
    return card


def read_card(card: Any, loss_name: str) -> LinearModel:
    """Return what a card holds.

    Parameters
    ----------
    card : dict
    loss_name : str
        The loss of the estimator that it is for.

    Raises
    ------
    TypeError
        If the card is not a dict.
    ValueError
        If it is of another format, version or estimator, or malformed.
    """
    if not isinstance(card, Mapping):
        raise TypeError(
            f"The card is of the type {type(card).__name__}; expected a dict: call "
            "json.loads on a text first."
        )
    if card.get("format") != FORMAT:
        raise ValueError(
            f"The card has the format {card.get('format')!r}; expected {FORMAT!r}, as "
            "to_dict writes it."
        )
    version = card.get("version")
    if type(version) is not int or version != VERSION:
        raise ValueError(
            f"The card has the version {version!r}; this skxent reads version "
            f"{VERSION}: install the one that wrote the card, or a later one."
        )
    estimator = card.get("estimator")
    if estimator not in ESTIMATORS.values():
        raise ValueError(
            f"The card is of the estimator {estimator!r}; expected one of "
            f"{list(ESTIMATORS.values())}."
        )
    if estimator != ESTIMATORS[loss_name]:
        raise ValueError(
            f"The card is of {estimator}, not of {ESTIMATORS[loss_name]}; call "
            f"{estimator}.from_dict."
        )
    return _read(card)


def _read(card: Mapping[str, Any]) -> LinearModel:
    """Return the values of a card of this version, all of them checked."""
    classes = _classes(_value(card, "classes"))
    d = _number(card, "n_features", minimum=1, kind=Integral)
    L = 1 if card["estimator"] == ESTIMATORS["binary"] else len(classes)
    if L == 1 and len(classes) > 2:
        raise ValueError(
            f"The card of BinaryLogReg has {len(classes)} classes; expected 2."
        )
    names = _value(card, "feature_names")
    if names is not None:
        is_list = isinstance(names, list | tuple) and len(names) == d
        if not (is_list and all(isinstance(name, str) for name in names)):
            raise ValueError(
                f"feature_names of the card is {names!r}; expected {d} strings, one "
                "for each feature, or null."
            )
    C = _number(card, "C", or_null=True)
    if C is not None and C <= 0:
        raise ValueError(
            f"C of the card is {C}; expected a positive number, or null for no penalty."
        )
    return LinearModel(
        coef=_numbers(card, "coef", (L, int(d))),
        intercept=_numbers(card, "intercept", (L,)),
        classes=classes,
        feature_names=None if names is None else np.array(names, dtype=object),
        C=np.inf if C is None else float(C),
        l1_ratio=float(_number(card, "l1_ratio", minimum=0, maximum=1)),
        fit_intercept=_bool(card, "fit_intercept"),
        n_iter=_number(card, "n_iter", minimum=0, kind=Integral, or_null=True),
        converged=_bool(card, "converged", or_null=True),
        suboptimality=_number(card, "suboptimality", or_null=True),
    )


def _plain_classes(classes: NDArray) -> list:
    """Return the labels as values of Python, which JSON knows."""
    if classes.dtype.kind not in "biufUTO":
        raise ValueError(
            f"The classes have the dtype {classes.dtype}; a card holds ints, strings, "
            "bools or floats: fit the model to such labels."
        )
    return classes.tolist()


def _classes(classes: Any) -> NDArray:
    """Return the labels as an array, if all are of one type and differ."""
    if not isinstance(classes, list | tuple) or len(classes) < 2:
        raise ValueError(
            f"classes of the card is {classes!r}; expected a list of at least 2 labels."
        )
    # one type for all: 1 and True are the same to Python, and other languages differ
    types = {type(label) for label in classes}
    labels = np.array(classes) if len(types) == 1 else np.array(None)
    if not (types <= {bool, int, str, float} and labels.dtype.kind in "biufU"):
        raise ValueError(
            f"classes of the card is {classes!r}; expected labels of one type: ints of "
            "64 bits, strings, bools or floats."
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError(f"classes of the card is {classes!r}; expected finite floats.")
    if len(set(classes)) < len(classes):
        raise ValueError(
            f"classes of the card is {classes!r}; expected a different label for each."
        )
    return labels


def _value(card: Mapping[str, Any], key: str) -> Any:
    if key not in card:
        raise ValueError(
            f"The card has no key {key!r}; expected all keys of version {VERSION}, as "
            "to_dict writes them."
        )
    return card[key]


def _numbers(card: Mapping[str, Any], key: str, shape: tuple[int, ...]) -> NDArray:
    """Return finite numbers of this shape, float64."""
    value = _value(card, key)
    entries = np.array(value, dtype=object) if _is_regular(value, shape) else None
    if entries is None or entries.shape != shape:
        raise ValueError(
            f"{key} of the card has another shape than {shape}; expected nested lists "
            "of the shape (rows, features) for coef and (rows,) for intercept, with "
            "one row for BinaryLogReg and one for each class for SoftmaxReg."
        )
    for entry in entries.flat:
        if not _is_finite_number(entry):
            raise ValueError(f"{key} of the card holds {entry!r}; expected numbers.")
    return entries.astype(np.float64)


def _is_regular(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether the value is lists of lists with these lengths."""
    if not shape:
        return not isinstance(value, list | tuple)
    return (
        isinstance(value, list | tuple)
        and len(value) == shape[0]
        and all(_is_regular(part, shape[1:]) for part in value)
    )


def _is_finite_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return bool(np.isfinite(float(value)))
    except OverflowError:  # an int beyond float64
        return False


def _number(
    card: Mapping[str, Any],
    key: str,
    *,
    minimum: float = -np.inf,
    maximum: float = np.inf,
    kind: type = Real,
    or_null: bool = False,
) -> Any:
    value = _value(card, key)
    if value is None and or_null:
        return None
    valid = _is_finite_number(value) and isinstance(value, kind)
    if not (valid and minimum <= value <= maximum):
        noun = "a whole number" if kind is Integral else "a finite number"
        limits = f" of at least {minimum}" if np.isfinite(minimum) else ""
        limits = f" from {minimum} to {maximum}" if np.isfinite(maximum) else limits
        raise ValueError(
            f"{key} of the card is {value!r}; expected {noun}{limits}"
            f"{' or null' if or_null else ''}."
        )
    return value


def _bool(card: Mapping[str, Any], key: str, *, or_null: bool = False) -> Any:
    value = _value(card, key)
    if not (type(value) is bool or (value is None and or_null)):
        raise ValueError(
            f"{key} of the card is {value!r}; expected true or false"
            f"{' or null' if or_null else ''}."
        )
    return value
