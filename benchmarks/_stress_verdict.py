"""One fit of a random problem, and whether what it says of itself is true.

The judge is the optimum in long double. A fit is wrong in one of these ways:

silent
    It does not warn, and (F − F*) / F exceeds what its ``tol`` allows.
estimate
    ``suboptimality_`` is too small, whether it warns or not.
bound
    ``duality_gap_`` is below F − F*.
curve
    The end of ``loss_curve_`` is not F of the coefficients that it returns.
infeasible
    A coefficient is out of its bounds.
stray
    It warns of anything but convergence, or of what scikit-learn says of many labels.
crash, slow
    It raises, or takes longer than `SLOW` seconds.

A fit that says "separable" promises nothing: there is no optimum to be near to.
"""

import traceback
import warnings
from collections import Counter
from pathlib import Path
from time import perf_counter

import _checkout  # noqa: F401 -- it puts the checkout on sys.path
import numpy as np
from _stress_objective import Objective, limits
from _stress_reference import find_optimum
from sklearn.exceptions import ConvergenceWarning

from skxent import BinaryLogReg, SoftmaxReg

BAD = [
    "silent",
    "estimate",
    "bound",
    "curve",
    "infeasible",
    "stray",
    "crash",
    "slow",
]
# What is allowed: multiples of what the fit says, and of F what a sum in float64 over
# the rows resolves.
SILENT_FACTOR, SILENT_ROUNDING = 10, 1e-11
ESTIMATE_FACTOR, ESTIMATE_ROUNDING = 3, 1e-12
BOUND_ROUNDING = 1e-15
CURVE_ROUNDING = 1e-12
SLOW = 20.0
# F that is as good as 0: float64 has no digits to tell how much of it is left.
TINY = 1e-300
# What scikit-learn says where half of the rows have labels of their own.
FEW_ROWS = "The number of unique classes is greater than 50%"


def judge(problem):
    """Fit a problem and return the verdict.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    dict
        "bad", the list of what is wrong, out of `BAD`; numbers; messages.
    """
    verdict = {
        "kind": problem.kind,
        "seed": problem.seed,
        "problem": problem.describe(),
        "bad": [],
    }
    started = perf_counter()
    try:
        model, caught = _fit(problem)
    except Exception as error:  # whatever it is, the input is valid
        place = traceback.extract_tb(error.__traceback__)
        place = [f"{Path(at.filename).name}:{at.lineno}" for at in place][-4:]
        what = f"{type(error).__name__}: {error} ({', '.join(place)})"
        return verdict | {"bad": ["crash"], "error": what}
    verdict["fit_seconds"] = perf_counter() - started
    honest = [w for w in caught if issubclass(w.category, ConvergenceWarning)]
    verdict["warned"] = [kind_of_message(str(w.message)) for w in honest]
    stray = Counter(
        f"{w.message} ({Path(w.filename).name}:{w.lineno})"
        for w in caught
        if w not in honest
    )
    verdict["stray"] = [f"{count} × {what}" for what, count in stray.items()]

    started = perf_counter()
    coef, intercept = model.coef_, model.intercept_
    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        return verdict | {"bad": ["crash"], "error": "coefficients are not finite"}
    # squares of absurd coefficients overflow
    with np.errstate(over="ignore", invalid="ignore"):
        best, F, ends, rounded = find_optimum(problem, coef, intercept)
        in_float64, in_long = _rounding(problem, coef, intercept)
    best_value = min(F, best.value)
    gap = float((F - best_value) / F) if F > TINY else 0.0
    verdict |= {
        "reference_seconds": perf_counter() - started,
        "proved": best.proved,
        "F": float(F),
        "F*": float(best_value),
        "F* in float64": float(rounded),
        "ends": [float(end.value) for end in ends],
        "decrement": float(best.decrement / max(best.value, np.longdouble(TINY))),
        "gap": gap,
        "tol": model.tol,
        "suboptimality": model.suboptimality_,
        "duality_gap": model.duality_gap_,
        "converged": model.converged_,
        "n_iter": int(model.n_iter_[0]),
        "n_evals": model.n_evals_,
    }
    # where that is most of a gap, the reference cannot tell
    gap -= min(gap, in_long / max(float(F), TINY))
    if len(model.loss_curve_):
        verdict["curve_error"] = float(abs(model.loss_curve_[-1] - F))
        verdict["curve_allowed"] = CURVE_ROUNDING * float(F) + in_float64
    separable = "separable" in verdict["warned"]
    wrong = {
        "silent": not honest and gap > SILENT_FACTOR * model.tol + SILENT_ROUNDING,
        "estimate": not separable
        and not gap <= ESTIMATE_FACTOR * model.suboptimality_ + ESTIMATE_ROUNDING,
        "bound": not gap * F <= model.duality_gap_ + BOUND_ROUNDING * F,
        "curve": verdict.get("curve_error", 0) > verdict.get("curve_allowed", 0),
        "infeasible": not _feasible(problem, coef),
        "stray": bool(verdict["stray"]),
        "slow": verdict["fit_seconds"] > SLOW,
    }
    verdict["bad"] = [name for name in BAD if wrong.get(name)]
    return verdict


def kind_of_message(message):
    """Return in a word or two what a convergence warning is about."""
    for words, kind in {
        "max_iter=": "iteration limit",
        "separable": "separable",
        "large coefficients leave": "large coefficients",
        "cancel each other": "cancellation",
        "extreme rows": "saturation",
        "keeps the coefficients finite": "weak penalty",
        "rounding errors": "rounding floor",
    }.items():
        if words in message:
            return kind
    return message[:40]


def _fit(problem):
    """Return the fitted model, and all warnings of the fit."""
    model = (BinaryLogReg if problem.binary else SoftmaxReg)(**problem.params)
    data = problem.X, problem.y, problem.sample_weight, problem.offset
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", message=FEW_ROWS)
        if problem.first is not None:
            model.set_params(**problem.first).fit(*data)
            model.set_params(**{"C": 1.0} | problem.params)
            caught.clear()
        model.fit(*data)
    return model, caught


def _rounding(problem, coef, intercept):
    """Return how much of F rounding explains: in float64 on X, in long double on Z.

    A logit is a sum of products, each of which is rounded, and so are the coefficients
    that are returned. That moves logit i by up to δ_i = eps (Σ_j |x_ij w_j| + |b|), and
    F by the mean of |r_i| δ_i + δ_i² / 8.
    """
    objective = Objective(problem)
    theta = objective.unknowns(coef, intercept)
    X = abs(objective.X)
    size = X @ abs(coef).T + abs(intercept) + abs(coef) @ abs(objective.center)
    delta = np.finfo(float).eps * size.max(axis=1)
    in_float64 = objective.moved_by(objective.evaluate(theta), delta)
    return float(in_float64), float(objective.rounding(theta))


def _feasible(problem, coef):
    lower, upper = limits(problem.params.get("bounds"), coef.shape[1])
    return bool(((lower <= coef) & (coef <= upper)).all())
