"""Linear classifiers trained by cross-entropy, for people who use scikit-learn."""

from ._objective import CrossEntropyObjective

__version__ = "0.1.0"

__all__ = ["CrossEntropyObjective"]
