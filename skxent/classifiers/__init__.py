"""The estimators: the story of ``fit``, and everything a user passes to it.

Imports from `solver`, `model` and `data`.
"""
