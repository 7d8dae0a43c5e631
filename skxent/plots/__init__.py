"""Pictures: displays in the style of scikit-learn. matplotlib is imported on use.

Imports from `evaluation` and `data`.
"""
