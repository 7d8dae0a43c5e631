"""
5. Training: gradient descent, Adam, L-BFGS
===========================================

Three ways down the same function, counted in passes over the data.
"""

# %%
# All three see the same objective through one function, which returns F and its
# gradient. Each such evaluation reads all rows once.
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

from skxent import BinaryLogReg, CrossEntropyObjective

X_raw, y = load_breast_cancer(return_X_y=True)
PASSES = 300


def gradient_descent(evaluate, params, step):
    """Go against the gradient."""
    for _ in range(PASSES):
        _, gradient = evaluate(params)
        params = params - step * gradient


def adam(evaluate, params, step):
    """Smooth the gradient, and divide each coordinate by its usual size."""
    mean = square = 0
    for t in range(1, PASSES + 1):
        _, gradient = evaluate(params)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        size = np.sqrt(square / (1 - 0.999**t)) + 1e-8
        params = params - step * mean / (1 - 0.9**t) / size


def lbfgs(evaluate, params):
    """Estimate the curvature from the last steps, and search along each direction."""
    options = {"maxfun": PASSES, "maxiter": PASSES, "ftol": 0, "gtol": 0}
    minimize(evaluate, params, jac=True, method="L-BFGS-B", options=options)


# %%
# The first two need a step length. Each gets the best of a grid, by hindsight.


def values_along(objective, optimiser, *args):
    values = []

    def evaluate(params):
        value, gradient = objective.value_and_gradient(params)
        values.append(value)
        return value, gradient

    optimiser(evaluate, objective.initial_point(), *args)
    return np.minimum.accumulate(values[:PASSES])


def race(X):
    objective = CrossEntropyObjective(X, y, C=1.0)
    optimum = BinaryLogReg(C=1.0, tol=1e-12).fit(X, y).loss_curve_[-1]
    curves = {}
    for name, optimiser in [("gradient descent", gradient_descent), ("Adam", adam)]:
        runs = [values_along(objective, optimiser, 10.0**k) for k in range(-7, 2)]
        curves[name] = min(runs, key=lambda values: values[-1])
    curves["L-BFGS"] = values_along(objective, lbfgs)
    return {name: values / optimum - 1 for name, values in curves.items()}


races = {"standardised": race(scale(X_raw)), "raw": race(X_raw)}
for features, curves in races.items():
    for name, curve in curves.items():
        print(f"{features:13} {name:17} ends {max(curve[-1], 0):.0e} above the minimum")

# %%
# Columns in unlike units make a long, narrow valley. One step length cannot serve
# curvatures that differ by many powers of ten. Adam undoes the units, but not the
# correlations of the columns.
STYLES = {
    "gradient descent": {"color": "#CC79A7", "ls": ":"},
    "Adam": {"color": "#56B4E9", "ls": "--"},
    "L-BFGS": {"color": "#0072B2", "ls": "-"},
}
figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
for axes, (features, curves) in zip(panels, races.items(), strict=True):
    for name, curve in curves.items():
        axes.semilogy(
            np.arange(1, len(curve) + 1), curve, lw=2, label=name, **STYLES[name]
        )
    axes.set(title=f"Features {features}", xlabel="passes over the data")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.92")
panels[0].set(ylabel="(F − F*) / F*", ylim=(1e-10, 20))
panels[1].legend(frameon=False)

# %%
# ``BinaryLogReg`` does what is left to do: it changes the variables so that the Hessian
# is near the identity, and runs L-BFGS there. Units then do not matter, and a few
# passes suffice.
for features, X in [("standardised", scale(X_raw)), ("raw", X_raw)]:
    model = BinaryLogReg(C=1.0).fit(X, y)
    print(
        f"{features:13} {model.n_evals_} passes, "
        f"at most 1e-8 above the minimum: {model.converged_}"
    )

# %%
# :doc:`/gallery/optimisers_compared` adds momentum, RMSprop and a preconditioner by
# hand. :doc:`/theory/solver` derives the change of variables.
#
# Next: :doc:`6_evaluation`.
