"""
2. Cross-entropy
================

What does a forecast cost, if the truth is another distribution?
"""

# %%
# A forecast q gives probabilities to answers that occur with probabilities p. It pays
# −log q for the answer that occurs. The mean is the cross-entropy:
#
# .. math:: H(p, q) = -\sum_k p_k \log q_k = H(p) + D(p \,\|\, q)
#
# The first part, the entropy, no forecast avoids. The second, the Kullback–Leibler
# divergence, is the price of the wrong forecast. It is 0 if q = p and positive
# otherwise.
import matplotlib.pyplot as plt
import numpy as np

from skxent import cross_entropy, entropy, kl_divergence

p = [0.7, 0.3]
for q in ([0.7, 0.3], [0.5, 0.5], [0.3, 0.7], [0.01, 0.99]):
    print(
        f"forecast {q}: {cross_entropy(p, q):.3f} nats"
        f" = {entropy(p):.3f} + {kl_divergence(p, q):.3f}"
    )

# %%
# So the best forecast is the true distribution. That makes cross-entropy a loss that
# rewards honesty: a proper scoring rule. And it is asymmetric: to rule out what happens
# costs without limit.
q = np.linspace(0.001, 0.999, 999)
cost = np.array([cross_entropy(p, [1 - x, x]) for x in q])

figure, axes = plt.subplots(figsize=(6, 3.8), layout="constrained")
axes.plot(q, cost, color="#0072B2", lw=2)
axes.axhline(entropy(p), color="0.5", lw=1)
axes.fill_between(q, entropy(p), cost, color="#0072B2", alpha=0.15, lw=0)
axes.plot(p[1], entropy(p), "o", color="#0072B2")
axes.annotate("q = p", (p[1], entropy(p)), (p[1], 0.35), ha="center")
axes.text(0.01, entropy(p) - 0.04, "entropy", color="0.4", va="top")
axes.text(0.86, 0.95, "divergence", color="#0072B2", ha="center")
axes.set(
    title="No forecast beats the true probability",
    xlabel="forecast for an event of probability 0.3",
    ylabel="cross-entropy, nats",
    ylim=(0.2, 2.5),
)
axes.spines[["top", "right"]].set_visible(False)

# %%
# From distributions to rows of data
# ----------------------------------
# A classifier makes a forecast for each row, and one answer occurs. p is then the label
# as a distribution: 1 for the class that occurred, and 0 for the others. Its entropy is
# 0, so cross-entropy and divergence are equal, and both are −log q of the true class.
# The loss of a data set is the mean over its rows.
from skxent import cross_entropy_loss

forecasts = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
labels = ["no", "yes", "yes"]
print(
    f"{cross_entropy_loss(labels, np.log(forecasts), classes=['no', 'yes']):.4f}",
    f"{-np.mean(np.log([0.9, 0.8, 0.4])):.4f}",
)

# %%
# A number of nats says little by itself. Its exponential is plainer: exp(−loss) is the
# probability that the forecasts gave to what happened, as a geometric mean.
loss = cross_entropy_loss(labels, np.log(forecasts), classes=["no", "yes"])
print(f"typical probability of the label: {np.exp(-loss):.3f}")

# %%
# Labels may be uncertain themselves, such as votes of annotators. Then p has an
# entropy, and no model reaches a loss of 0.
#
# Next: :doc:`3_losses`.
