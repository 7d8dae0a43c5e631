"""From a fit to a statement: intervals and tests of coefficients.

Imports from `classifiers` and the rooms below it.
"""
