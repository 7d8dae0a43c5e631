"""From a fit to a statement: standard errors, tests, intervals, marginal effects.

`coefficient_table` is the door to most of it. Each function takes a fitted estimator
and the data of its fit, in memory or in Dask, and computes the curvature there, block
by block. What the classical theory does not cover is refused with the reason
(`refusals`).

Imports from `classifiers` and the rooms below it.
"""
