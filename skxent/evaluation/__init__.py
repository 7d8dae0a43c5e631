"""Evaluation of predictions: information, scores, calibration, reports.

It works with any classifier. Imports from `data` only.
"""
