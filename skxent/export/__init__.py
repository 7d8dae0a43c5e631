"""Fitted models as other things: `LogisticRegression`, a JSON card, an ONNX graph.

A `LinearModel` is what all of them have in common. The methods of the classifiers are
thin: they make a `LinearModel` of an estimator, or an estimator of a `LinearModel`.

Imports from nothing.
"""
