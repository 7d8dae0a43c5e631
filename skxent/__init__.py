"""Linear classifiers trained by cross-entropy, for people who use scikit-learn."""

from ._former_names import register
from .classifiers.estimators import (
    BinaryLogReg,
    BinaryLogRegCV,
    SoftmaxReg,
    SoftmaxRegCV,
)
from .classifiers.model_selection import l1_C_min
from .classifiers.path import RegularizationPath, log_reg_path
from .evaluation.calibration import CalibrationDecomposition, calibration_decomposition
from .evaluation.information import (
    conditional_entropy,
    cross_entropy,
    entropy,
    joint_distribution,
    joint_entropy,
    kl_divergence,
    label_distribution,
    mutual_information,
)
from .evaluation.loss import cross_entropy_loss
from .evaluation.report import CrossEntropyReport, cross_entropy_report
from .evaluation.scorer import log_loss_scorer
from .model.objective import CrossEntropyObjective
from .plots.coefficients import CoefficientDisplay
from .plots.convergence import ConvergenceDisplay
from .plots.regularization_path import RegularizationPathDisplay
from .plots.reliability import ReliabilityDisplay

register()
del register

__version__ = "0.2.0"


__all__ = [
    "BinaryLogReg",
    "BinaryLogRegCV",
    "CalibrationDecomposition",
    "CoefficientDisplay",
    "ConvergenceDisplay",
    "CrossEntropyObjective",
    "CrossEntropyReport",
    "RegularizationPath",
    "RegularizationPathDisplay",
    "ReliabilityDisplay",
    "SoftmaxReg",
    "SoftmaxRegCV",
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
    "log_reg_path",
    "mutual_information",
]
