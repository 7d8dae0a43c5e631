"""
1. Entropy
==========

How much is open before the answer is known? Entropy measures it, in bits or in nats.
"""

# %%
# The entropy of a distribution p is the mean of −log p:
#
# .. math:: H(p) = -\sum_k p_k \log p_k
#
# With the logarithm to base 2, the unit is the bit: the answer to one fair question.
# With the natural logarithm it is the nat, 1.44 bits. This package returns nats, unless
# ``base`` says otherwise.
import matplotlib.pyplot as plt
import numpy as np

from skxent import entropy

for name, p in [
    ("a fair coin", [0.5, 0.5]),
    ("a coin that falls on heads 9 times of 10", [0.9, 0.1]),
    ("a coin with two heads", [1.0, 0.0]),
    ("a fair die", np.full(6, 1 / 6)),
]:
    print(f"{name:42} {entropy(p, base=2):.3f} bits")

# %%
# A certain answer has no entropy: 0 log 0 counts as 0, its limit. Of all distributions
# over K answers, the uniform one has the largest entropy, log K.
q = np.linspace(0, 1, 201)
bits = [entropy([1 - x, x], base=2) for x in q]

figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.plot(q, bits, color="#0072B2", lw=2)
axes.plot(0.5, 1, "o", color="#0072B2")
axes.annotate("a fair coin", (0.5, 1), (0.5, 0.85), ha="center")
axes.set(
    title="The more even the odds, the more is open",
    xlabel="probability of heads",
    ylabel="entropy, bits",
)
axes.spines[["top", "right"]].set_visible(False)
axes.margins(x=0.01)

# %%
# Entropy of data
# ---------------
# Labels have an entropy, too: that of their shares. It is the loss of a model that
# always predicts these shares, and so what every classifier has to beat.
from sklearn.datasets import load_breast_cancer

from skxent import label_distribution

data = load_breast_cancer()
p = label_distribution(data.target)
print(f"malignant {p[0]:.3f}, benign {p[1]:.3f}: {entropy(p, base=2):.3f} bits")

# %%
# What a measurement tells
# ------------------------
# Divide the tumours into four groups of equal size, by the largest radius of their
# cells. The entropy that is left, averaged over the groups, is the conditional entropy:
#
# .. math:: H(Y \mid G) = -\sum_{g, k} p_{gk} \log \frac{p_{gk}}{p_g}
#
# It is defined for any two variables. If they are independent, it equals H(Y): then the
# groups tell nothing. The difference of both is the mutual information, and never
# negative.
from skxent import conditional_entropy, joint_distribution, mutual_information

radius = data.data[:, list(data.feature_names).index("worst radius")]
group = np.digitize(radius, np.quantile(radius, [0.25, 0.5, 0.75]))
joint = joint_distribution(data.target, group)
coin_flips = np.random.default_rng(0).integers(0, 4, len(radius))
unrelated = joint_distribution(data.target, coin_flips)
for name, table in [("radius group", joint), ("random group", unrelated)]:
    print(
        f"given the {name}: {conditional_entropy(table, base=2):.3f} bits are open, "
        f"{mutual_information(table, base=2):.3f} are told"
    )

# %%
# The random groups seem to tell a few thousandths of a bit. They tell nothing: a finite
# sample always looks a little dependent.
#
# Next: :doc:`2_cross_entropy`.
