"""
4. Gradients, and why not squared error
=======================================

The derivative of cross-entropy by the logit is the simplest there could be: p − y.
"""

# %%
# Differentiate the two losses of the last step by the logits:
#
# .. math::
#
#    \frac{\partial}{\partial z} \left[ \log(1 + e^z) - y z \right] = p - y, \qquad
#    \frac{\partial}{\partial z_k} \left[ \log \sum_l e^{z_l} - z_y \right]
#    = p_k - y_k
#
# where y in the second formula is the label as a distribution. This residual is all
# that the gradient needs. With the chain rule, the gradient by the coefficients is a
# product of the data with the residuals, r = p − y:
#
# .. math:: \nabla_w F = \frac{1}{n} X^\top r + \frac{w}{C n}, \qquad
#           \nabla_b F = \frac{1}{n} \sum_i r_i
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

from skxent import CrossEntropyObjective

X, y = load_breast_cancer(return_X_y=True)
X = scale(X)
objective = CrossEntropyObjective(X, y, C=1.0)
w = np.random.default_rng(0).normal(size=(1, 30))
b = np.array([0.5])
params = objective.pack(w, b)
_, gradient = objective.value_and_gradient(params)

r = expit(X @ w[0] + b) - y
by_hand = objective.pack(
    (X.T @ r / len(y) + w[0] / len(y))[None, :], np.array([r.mean()])
)
print(f"largest difference to the formula: {abs(gradient - by_hand).max():.0e}")

# %%
# A second, independent check: finite differences of F.
STEP = 1e-6
differences = [
    (
        objective.value_and_gradient(params + STEP * direction)[0]
        - objective.value_and_gradient(params - STEP * direction)[0]
    )
    / (2 * STEP)
    for direction in np.eye(len(params))
]
print(f"largest difference to finite ones: {abs(gradient - differences).max():.0e}")

# %%
# Why not squared error?
# ----------------------
# The error (p − y)² / 2 is also smallest at the true probability. But its slope by the
# logit is (p − y) p (1 − p), and the factor p (1 − p) vanishes where the model is
# certain. The loss is not convex, and a model that is certain and wrong learns almost
# nothing.
z = np.linspace(-10, 6, 321)
p = expit(z)

figure, axes = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
axes.plot(z, -expit(-z), color="#0072B2", lw=2)
axes.plot(z, -expit(-z) * p * expit(-z), color="#D55E00", lw=2, ls="--")
axes.text(-9.8, -0.96, "cross-entropy: p − 1", color="#0072B2", va="bottom")
axes.text(-9.8, -0.04, "squared error: (p − 1) p (1 − p)", color="#D55E00", va="top")
axes.axvline(0, color="0.8", lw=1, zorder=0)
axes.text(-0.3, -0.5, "← certain and wrong", color="0.3", ha="right")
axes.set(
    title="Where the model is certain and wrong, squared error learns nothing",
    xlabel="logit z of a row whose label is 1",
    ylabel="∂loss/∂z",
)
axes.title.set_size(10.5)
axes.spines[["top", "right"]].set_visible(False)

# %%
# As a score of given probabilities, the squared error (the Brier score) is proper, too.
# It is a poor loss to train by, not a poor measure.
#
# Curvature
# ---------
# The second derivative of the binary loss is p (1 − p). It is positive everywhere, so F
# is convex: each local minimum is global. With a penalty, there is exactly one.
#
# Next: :doc:`5_training`.
