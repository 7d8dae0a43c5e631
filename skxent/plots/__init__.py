"""Pictures: displays in the style of scikit-learn, one in each module.

As in scikit-learn, ``from_estimator`` computes and plots, ``plot`` plots again, and
``ax_`` and ``figure_`` hold what was drawn. `ConvergenceDisplay` and
`ReliabilityDisplay` add a curve to axes that already have some, so that one picture
compares several models. matplotlib is imported on the first plot.

Imports from `evaluation` and `data`.
"""
