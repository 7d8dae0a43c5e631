"""The classifiers: parameters, validation, ``fit`` and predictions.

Imports from `solver`, `model`, `evaluation`, `export` and `data`.
"""
