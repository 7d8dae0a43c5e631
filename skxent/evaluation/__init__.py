"""What predictions are worth: information, scores, calibration, reports.

Works with any classifier, and imports from `data` only.
"""
