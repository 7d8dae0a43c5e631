"""
3. Binary and softmax losses
============================

Logits become probabilities, and cross-entropy scores these.
"""

# %%
# Two classes
# -----------
# The logit z = w · x + b of a row is the log-odds of the second class. Its probability
# is p = expit(z), and the loss of a label y (0 or 1) is
#
# .. math:: -y \log p - (1 - y) \log (1 - p) = \log(1 + e^z) - y z
#
# The right-hand side needs no probability. The loss is nearly 0 where the sign of the
# logit is right, and grows like ``|z|`` where it is wrong.
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit, log_softmax

z = np.linspace(-6, 6, 241)

figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.plot(z, np.logaddexp(0, -z), color="#0072B2", lw=2)
axes.plot(z, np.logaddexp(0, z), color="#D55E00", lw=2, ls="--")
axes.text(-4, 4.5, "y = 1", color="#0072B2")
axes.text(4, 4.5, "y = 0", color="#D55E00", ha="right")
axes.plot(0, np.log(2), "o", color="0.3")
axes.text(0, 1.0, "log 2", color="0.3", ha="center", va="bottom")
axes.set(
    title="Wrong and certain: the loss grows like the logit",
    xlabel="logit z",
    ylabel="loss, nats",
    xlim=(-6, 6),
)
axes.spines[["top", "right"]].set_visible(False)

# %%
# Several classes
# ---------------
# Each class has a logit of its own, and the softmax makes them sum to 1. The loss of
# class y is
#
# .. math:: -\log p_y = \log \sum_k e^{z_k} - z_y
#
# A common shift of all logits changes nothing. With two classes only their difference
# counts, and the softmax loss is the binary loss of this difference:
two_logits = np.array([0.3, 1.7])
print(-log_softmax(two_logits)[1], np.logaddexp(0, -(1.7 - 0.3)))

# %%
# Sums, means and weights
# -----------------------
# A loss of a data set is a mean over rows, and weighted if rows count differently. The
# penalty is divided by the same total weight, so that the optimum does not depend on
# whether one adds or averages:
#
# .. math::
#
#    F(w, b) = \frac{1}{S} \sum_i s_i \, \mathrm{loss}(y_i, z_i)
#              + \frac{1}{2 C S} \sum_j w_j^2, \qquad S = \sum_i s_i
#
# ``CrossEntropyObjective`` is this function. Here it agrees with the formula, and with
# scikit-learn's ``log_loss``.
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss

from skxent import CrossEntropyObjective

X, y = load_iris(return_X_y=True)
objective = CrossEntropyObjective(X, y, C=1.0)
coef = np.random.default_rng(0).normal(size=(3, 4))
intercept = np.zeros(3)
value, _ = objective.value_and_gradient(objective.pack(coef, intercept))

log_proba = log_softmax(X @ coef.T + intercept, axis=1)
penalty = np.sum(coef**2) / (2 * len(y))
print(f"{value:.6f}  the objective")
print(f"{-np.mean(log_proba[np.arange(150), y]) + penalty:.6f}  the formula")
print(f"{log_loss(y, np.exp(log_proba)) + penalty:.6f}  scikit-learn's log_loss")

# %%
# Probabilities from logits are the last step, and not needed for the loss:
print(expit([-800.0, 0.0, 800.0]), np.logaddexp(0, [-800.0, 0.0, 800.0]))

# %%
# Next: :doc:`4_gradients`.
