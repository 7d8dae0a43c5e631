"""Linear classifiers trained by cross-entropy, for people who use scikit-learn."""

__version__ = "0.1.0"
