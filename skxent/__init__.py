"""Linear classifiers trained by cross-entropy, for people who use scikit-learn."""

from ._objective import CrossEntropyObjective
from .calibration import CalibrationDecomposition, calibration_decomposition
from .displays import CoefficientDisplay, ConvergenceDisplay
from .estimators import BinaryLogReg, SoftmaxReg
from .information import (
    conditional_entropy,
    cross_entropy,
    entropy,
    joint_distribution,
    joint_entropy,
    kl_divergence,
    label_distribution,
    mutual_information,
)
from .model_selection import l1_C_min
from .reliability import ReliabilityDisplay
from .report import CrossEntropyReport, cross_entropy_report
from .scoring import cross_entropy_loss, log_loss_scorer

__version__ = "0.1.0"


__all__ = [
    "BinaryLogReg",
    "CalibrationDecomposition",
    "CoefficientDisplay",
    "ConvergenceDisplay",
    "CrossEntropyObjective",
    "CrossEntropyReport",
    "ReliabilityDisplay",
    "SoftmaxReg",
    "__version__",
    "calibration_decomposition",
    "conditional_entropy",
    "cross_entropy",
    "cross_entropy_loss",
    "cross_entropy_report",
    "entropy",
    "joint_distribution",
    "joint_entropy",
    "kl_divergence",
    "l1_C_min",
    "label_distribution",
    "log_loss_scorer",
    "mutual_information",
]
