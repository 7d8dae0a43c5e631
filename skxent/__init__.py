"""Linear classifiers trained by cross-entropy, for people who use scikit-learn."""

from ._former_names import register
from .classifiers.bias_reduced import BiasReducedLogReg
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
from .inference.bias_reduced import (
    PenalisedLikelihoodTable,
    profile_penalised_likelihood,
)
from .inference.coefficient_table import coefficient_table
from .inference.fit_statistics import FitStatistics, fit_statistics
from .inference.hypothesis_tests import (
    ChiSquaredTest,
    likelihood_ratio_test,
    wald_test,
)
from .inference.marginal_effects import average_marginal_effects
from .inference.profile import profile_intervals
from .inference.table import CoefficientTable, MarginalEffects, ProfileIntervals
from .model.objective import CrossEntropyObjective
from .plots.coefficient_intervals import CoefficientIntervalDisplay
from .plots.coefficients import CoefficientDisplay
from .plots.convergence import ConvergenceDisplay
from .plots.regularization_path import RegularizationPathDisplay
from .plots.reliability import ReliabilityDisplay

register()
del register

__version__ = "0.2.0"


__all__ = [
    "BiasReducedLogReg",
    "BinaryLogReg",
    "BinaryLogRegCV",
    "CalibrationDecomposition",
    "ChiSquaredTest",
    "CoefficientDisplay",
    "CoefficientIntervalDisplay",
    "CoefficientTable",
    "ConvergenceDisplay",
    "CrossEntropyObjective",
    "CrossEntropyReport",
    "FitStatistics",
    "MarginalEffects",
    "PenalisedLikelihoodTable",
    "ProfileIntervals",
    "RegularizationPath",
    "RegularizationPathDisplay",
    "ReliabilityDisplay",
    "SoftmaxReg",
    "SoftmaxRegCV",
    "__version__",
    "average_marginal_effects",
    "calibration_decomposition",
    "coefficient_table",
    "conditional_entropy",
    "cross_entropy",
    "cross_entropy_loss",
    "cross_entropy_report",
    "entropy",
    "fit_statistics",
    "joint_distribution",
    "joint_entropy",
    "kl_divergence",
    "l1_C_min",
    "label_distribution",
    "likelihood_ratio_test",
    "log_loss_scorer",
    "log_reg_path",
    "mutual_information",
    "profile_intervals",
    "profile_penalised_likelihood",
    "wald_test",
]
