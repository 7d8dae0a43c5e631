"""Displays in the style of scikit-learn, one per module.

As in scikit-learn, ``from_estimator`` computes and plots, ``plot`` plots again, and
``ax_`` and ``figure_`` are the axes and the figure. `ConvergenceDisplay` and
`ReliabilityDisplay` can add curves to existing axes, to compare several models.
matplotlib is imported by the first plot.

Imports from `evaluation` and `data`.
"""
