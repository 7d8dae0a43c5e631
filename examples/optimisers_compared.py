"""
Gradient descent, Adam, L-BFGS: who needs how many passes over the data?
========================================================================

One cross-entropy, six optimisers of a few lines each. What makes a fit long is not the
number of rows but the shape of the function: columns in unlike units make a narrow
valley, and only an optimiser that measures in the units of the valley walks through it.

Needs matplotlib: ``pip install "skxent[examples]"``.
"""

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

from skxent import BinaryLogReg, CrossEntropyObjective

PASSES = 500  # evaluations of the function and its gradient that each may use

# %%
# First-order methods
# -------------------
# Each of them follows the negative gradient and differs in what it remembers: nothing,
# the past steps (momentum), the past sizes of the gradient in each coordinate
# (RMSprop), or both (Adam). All take full gradients: one step is one pass over the
# data. Their other constants are the usual ones.


def gradient_descent(evaluate, w, step):
    for _ in range(PASSES):
        _, gradient = evaluate(w)
        w = w - step * gradient


def momentum(evaluate, w, step):
    velocity = 0
    for _ in range(PASSES):
        _, gradient = evaluate(w)
        velocity = 0.9 * velocity - step * gradient
        w = w + velocity


def rmsprop(evaluate, w, step):
    square = 0
    for _ in range(PASSES):
        _, gradient = evaluate(w)
        square = 0.9 * square + 0.1 * gradient**2
        w = w - step * gradient / (np.sqrt(square) + 1e-8)


def adam(evaluate, w, step):
    mean, square = 0, 0
    for t in range(1, PASSES + 1):
        _, gradient = evaluate(w)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        # both start at 0, and are divided by the weight that they have gathered
        scaled = np.sqrt(square / (1 - 0.999**t)) + 1e-8
        w = w - step * mean / (1 - 0.9**t) / scaled


# %%
# L-BFGS, plain and preconditioned
# --------------------------------
# L-BFGS learns the curvature from its last steps. That takes long where it differs by
# orders of magnitude. A change of variables tells it beforehand: with the Hessian at
# the start, H = Uᵀ U, the function of u at w = start + U⁻¹ u has the identity for a
# Hessian there. The optimum stays where it is.


def lbfgs(evaluate, w):
    options = {"maxcor": 20, "maxfun": PASSES, "maxiter": PASSES, "ftol": 0, "gtol": 0}
    minimize(evaluate, w, jac=True, method="L-BFGS-B", options=options)


def preconditioned_lbfgs(evaluate, start, hessian):
    inverse = solve_triangular(cholesky(hessian), np.eye(len(start)))

    def evaluate_u(u):
        value, gradient = evaluate(start + inverse @ u)
        return value, inverse.T @ gradient

    lbfgs(evaluate_u, np.zeros_like(start))


def hessian_at_start(X, y):
    # There, all rows have the same probability p. The penalty at C = 1 adds 1/n to the
    # diagonal, but for the intercept. To compute it is one more pass, and a heavy one.
    n, d = X.shape
    p = y.mean()
    with_ones = np.column_stack([X, np.ones(n)])
    penalty = np.diag([1 / n] * d + [0])
    return p * (1 - p) * with_ones.T @ with_ones / n + penalty


# %%
# The race
# --------
# Breast tumours, 30 features, raw and standardised. Every first-order method gets the
# best step of a grid from 1e-7 to 10 in half powers of ten, best by hindsight: the
# search is not counted. Suboptimality is (F − F*) / F*, the smallest so far, since not
# every step leads down. F* comes from a fit with a tight tolerance.
STEPS = np.logspace(-7, 1, 17)
FIRST_ORDER = {
    "gradient descent": gradient_descent,
    "momentum": momentum,
    "RMSprop": rmsprop,
    "Adam": adam,
}


def record(objective, optimiser, *args):
    """Run an optimiser from the start, and return F after each pass."""
    values = []

    def evaluate(w):
        value, gradient = objective.value_and_gradient(w)
        values.append(value)
        return value, gradient

    optimiser(evaluate, objective.initial_point(), *args)
    return np.minimum.accumulate(values[:PASSES])


def race(X, y):
    """Return the suboptimality after each pass of all, and what the package does."""
    objective = CrossEntropyObjective(X, y)
    optimum = BinaryLogReg(tol=1e-12).fit(X, y).loss_curve_[-1]
    curves = {}
    for name, optimiser in FIRST_ORDER.items():
        trials = [record(objective, optimiser, step) for step in STEPS]
        curves[name] = min(trials, key=lambda values: values[-1])
    curves["L-BFGS"] = record(objective, lbfgs)
    curves["L-BFGS, preconditioned"] = record(
        objective, preconditioned_lbfgs, hessian_at_start(X, y)
    )
    curves = {name: values / optimum - 1 for name, values in curves.items()}
    model = BinaryLogReg().fit(X, y)
    return curves, (model.n_evals_, model.loss_curve_[-1] / optimum - 1)


X, y = load_breast_cancer(return_X_y=True)
races = {"raw": race(X, y), "standardised": race(scale(X), y)}

for data, features in [("raw", X), ("standardised", scale(X))]:
    condition = np.linalg.cond(hessian_at_start(features, y))
    print(f"Features {data}: condition number of the Hessian {condition:.0e}")

for data, (curves, (n_evals, _)) in races.items():
    print(f"Features {data}: passes to a suboptimality of     1e-2   1e-4   1e-8")
    for name, curve in curves.items():
        print(f"  {name:43}", end="")
        for goal in [1e-2, 1e-4, 1e-8]:
            there = f"{1 + np.argmax(curve <= goal)}" if curve[-1] <= goal else "never"
            print(f"{there:>7}", end="")
        print()
    print(f"  {'BinaryLogReg, to its own tolerance of 1e-8':57}{n_evals:7}")

# %%
# On raw features one step length has to serve curvatures that differ by the condition
# number, and no first-order method comes near. Adam rescales each coordinate, which is
# half of the cure: it undoes the units, but not the correlations. L-BFGS gets there
# late. With the change of variables, units make little difference. Standardised
# features are kind to all, and there the curvature at the start gains nothing over
# plain L-BFGS: it is no longer that of the optimum. The estimators take it anew when
# they have come closer.
BLUE, SKY, ORANGE, YELLOW = "#0072B2", "#56B4E9", "#D55E00", "#E69F00"
GREEN, PINK = "#009E73", "#CC79A7"  # all told apart with any kind of colour vision
STYLES = {
    "gradient descent": {"color": PINK, "ls": ":"},
    "momentum": {"color": GREEN, "ls": "-."},
    "RMSprop": {"color": YELLOW, "ls": (0, (3, 1, 1, 1, 1, 1))},
    "Adam": {"color": SKY, "ls": "--"},
    "L-BFGS": {"color": ORANGE, "ls": (0, (6, 2))},
    "L-BFGS, preconditioned": {"color": BLUE, "ls": "-"},
}

LOWEST = 1e-10  # the end of the axis

figure, panels = plt.subplots(
    1, 2, figsize=(11, 4.5), sharex=True, sharey=True, layout="constrained"
)
for axes, (data, (curves, package)) in zip(panels, races.items(), strict=True):
    for name, curve in curves.items():
        at = np.arange(1, len(curve) + 1)
        axes.loglog(at, curve, lw=2, label=name, **STYLES[name])
    passes, suboptimality = package
    star = {"ms": 12, "clip_on": False, "label": "BinaryLogReg().fit, here or below"}
    axes.plot(passes, max(suboptimality, LOWEST), "k*", ls="", zorder=3, **star)
    axes.set(title=f"Features {data}", xlabel="passes over the data")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.92")
panels[0].set(xlim=(1, PASSES), ylim=(LOWEST, 20), ylabel="suboptimality (F − F*) / F*")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")

picture = Path(tempfile.gettempdir()) / "skxent_optimisers_compared.png"
figure.savefig(picture, dpi=150)
print(f"Picture: {picture}")
