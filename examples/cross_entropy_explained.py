"""
What a cross-entropy says, and why it is the loss
=================================================

A log-loss is a number of bits: the information that the labels add to the predictions.
It also has a large gradient where a model is certain and wrong.

Needs matplotlib: ``pip install "skxent[examples]"``.
"""

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skxent import (
    BinaryLogReg,
    CrossEntropyObjective,
    conditional_entropy,
    cross_entropy,
    entropy,
    joint_distribution,
    kl_divergence,
    label_distribution,
    log_loss_scorer,
    mutual_information,
)

data = load_breast_cancer()
X_train, X_test, y_train, y_test = train_test_split(
    data.data, data.target, test_size=0.3, stratify=data.target, random_state=0
)

# %%
# Entropy: how open is the question?
# ----------------------------------
# Is a tumour malignant or benign? A fair coin has an entropy of one bit. These labels
# have a little less, because one answer is more frequent and so easier to guess.
p = label_distribution(y_train)
print(f"Labels: malignant {p[0]:.1%}, benign {p[1]:.1%}")
print(f"Entropy of the labels            {entropy(p, base=2):.3f} bits")

# %%
# Cross-entropy and KL divergence: what a wrong forecast costs
# ------------------------------------------------------------
# A forecast of 1/2 for both classes costs one bit for each label. The entropy is the
# part that no forecast can avoid. The rest, the divergence, is the cost of the wrong
# forecast. It is never negative, so no forecast beats the true one.
even = [0.5, 0.5]
print(
    f"Cross-entropy of an even guess   {cross_entropy(p, even, base=2):.3f} bits"
    f" = {entropy(p, base=2):.3f} + {kl_divergence(p, even, base=2):.3f}"
)

# %%
# Conditional entropy: what one measurement leaves open
# -----------------------------------------------------
# The largest radius of the cells, cut into four groups of equal size. Within a group
# the labels are more alike, and the entropy that is left, averaged over the groups, is
# the conditional entropy. The difference is the mutual information of group and label.
# Nothing of this asks the two to be independent; if they were, it would be 0.
radius = X_train[:, list(data.feature_names).index("worst radius")]
group = np.digitize(radius, np.quantile(radius, [0.25, 0.5, 0.75]))
p_label_group = joint_distribution(y_train, group)
print(
    f"Entropy given the radius group   {conditional_entropy(p_label_group, base=2):.3f}"
    f" bits, so the group tells {mutual_information(p_label_group, base=2):.3f}"
)

# %%
# The mutual information is a mean of divergences, too: how far the labels of a group
# are from the labels of all.
for share, labels in zip(p_label_group.sum(axis=0), p_label_group.T, strict=True):
    given_group = labels / share
    gain = kl_divergence(given_group, p, base=2)
    print(f"  {share:.0%} of tumours, benign {given_group[1]:6.1%}: {gain:.3f} bits")

# %%
# A log-loss in bits
# ------------------
# A model answers for each tumour anew. Its cross-entropy on tumours that it never saw
# is what is open after all measurements. The scorer is in nats, as is everything in the
# package; divided by log 2 it is in bits. The exponential is plainer still: it is the
# probability that the model gave to what happened, as a geometric mean.
model = make_pipeline(StandardScaler(), BinaryLogReg()).fit(X_train, y_train)
nats = -log_loss_scorer(model, X_test, y_test)
before = cross_entropy(label_distribution(y_test), p, base=2)
print(f"Held-out labels by shares alone  {before:.3f} bits")
print(f"Held-out labels by the model     {nats / np.log(2):.3f} bits = {nats:.3f} nats")
print(f"Mean probability of the truth    {np.exp(-nats):.3f}, not {2**-before:.3f}")

# %%
# Bits can be taken literally. To someone who has the measurements and the same model,
# arithmetic coding sends the held-out labels in about as many as the model leaves open.
print(
    f"{len(y_test)} labels in {before * len(y_test):.0f} bits by shares, "
    f"in {nats / np.log(2) * len(y_test):.0f} by the model"
)

# %%
# Why not squared error?
# ----------------------
# It, too, is smallest at the right probability. But let the model be sure and wrong: a
# logit z far below zero, while the label is 1. With p = expit(z), the gradients are::
#
#     cross-entropy  −log p         p − 1
#     squared error  (1 − p)² / 2   (p − 1) p (1 − p)
#
# The first goes to −1, the second to 0: the worse the error, the less is learned.
z = np.linspace(-10, 6, 321)
cross_entropy_slope = -expit(-z)
squared_error_slope = -expit(-z) * expit(z) * expit(-z)

# %%
# The same with real data. Both losses start at a model that is certain and wrong, the
# fitted one with all signs reversed, and take gradient steps of the same length.
scaler, classifier = model
X = scaler.transform(X_train)
objective = CrossEntropyObjective(X, y_train, C=np.inf)
start = objective.pack(-classifier.coef_, -classifier.intercept_)


def logits(params):
    coef, intercept = objective.unpack(params)
    return X @ coef[0] + intercept


def cross_entropy_gradient(params):
    return objective.value_and_gradient(params)[1]


def squared_error_gradient(params):
    p = expit(logits(params))
    r = (p - y_train) * p * (1 - p)
    return np.append(r @ X, r.sum()) / len(r)


def descend(gradient, n_steps=400, length=0.3):
    params, accuracies = start, []
    for _ in range(n_steps + 1):
        accuracies.append(np.mean((logits(params) > 0) == y_train))
        params = params - length * gradient(params)
    return np.array(accuracies)


by_cross_entropy = descend(cross_entropy_gradient)
by_squared_error = descend(squared_error_gradient)
steps = [np.argmax(path >= 0.5) for path in (by_cross_entropy, by_squared_error)]
print(f"Steps until half are right: cross-entropy {steps[0]}, squared error {steps[1]}")

# %%
# Both in one picture. It becomes a file, so that the script also runs where there is no
# screen; a notebook shows it as well.
BLUE, ORANGE = "#0072B2", "#D55E00"  # told apart with any kind of colour vision

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.plot(z, cross_entropy_slope, color=BLUE, lw=2)
left.plot(z, squared_error_slope, color=ORANGE, lw=2, ls="--")
left.text(-9.8, -0.97, "cross-entropy\np − 1", color=BLUE, va="bottom")
left.text(-9.8, -0.03, "squared error\n(p − 1) p (1 − p)", color=ORANGE, va="top")
left.axvline(0, color="0.8", lw=1, zorder=0)
left.text(-0.3, -0.5, "← sure and wrong", color="0.3", ha="right")
left.text(0.5, -0.5, "sure and right →", color="0.3")
left.set(
    title="Slope of the loss where the label is 1",
    xlabel="logit z of the label 1",
    ylabel="∂loss/∂z",
)

right.plot(100 * by_cross_entropy, color=BLUE, lw=2)
right.plot(100 * by_squared_error, color=ORANGE, lw=2, ls="--")
right.text(30, 88, "cross-entropy", color=BLUE)
right.text(185, 50, "squared error", color=ORANGE)
right.set(
    title="Gradient descent from all signs reversed",
    xlabel="step",
    ylabel="right on the training data, %",
)
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)

picture = Path(tempfile.gettempdir()) / "skxent_cross_entropy_explained.png"
figure.savefig(picture, dpi=150)
print(f"Picture: {picture}")
