"""
Learning from annotators who disagree
=====================================

Five annotators of different skill label the same images. A majority vote discards their
doubts and trusts the worst annotator as much as the best. Soft labels keep the doubts:
they are probabilities of the classes, and the cross-entropy accepts them as targets.

Needs matplotlib: ``pip install "skxent[examples]"``.
"""

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skxent import SoftmaxReg, log_loss_scorer

# %%
# Five annotators
# ---------------
# Handwritten digits, 8 × 8 pixels. Each annotator knows a few images of each digit and
# calls a new one by the most similar of these. As people do, they err where an image is
# odd, and not at random. What they learned from is used for nothing else.
KNOWN = [1, 1, 1, 2, 4]  # images of each digit that each of them knows

X, y = load_digits(return_X_y=True)
n_classes = 10
X_known, X, y_known, y = train_test_split(X, y, train_size=0.2, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=0.5, stratify=y, random_state=0
)

rng = np.random.default_rng(0)
votes = []
for n_images in KNOWN:
    choice = [
        rng.choice(np.flatnonzero(y_known == k), n_images, replace=False)
        for k in range(n_classes)
    ]
    rows = np.concatenate(choice)
    annotator = KNeighborsClassifier(n_neighbors=1).fit(X_known[rows], y_known[rows])
    votes.append(annotator.predict(X_train))
# One row for each annotator, a column for each image, and 1 where the vote went.
voted = np.array(votes)[:, :, None] == np.arange(n_classes)

# %%
# Three kinds of labels
# ---------------------
# The shares of the votes, (n, K), are the simplest soft labels. The majority is their
# largest entry, the smaller digit where two are equal.
shares = voted.mean(axis=0)
majority = shares.argmax(axis=1)
print(f"All five agree on {np.mean(shares.max(axis=1) == 1):.0%} of the images")
print(f"The majority is right on {np.mean(majority == y_train):.0%}")

# %%
# Not all votes weigh the same. Say that annotator j is right with probability a_j and
# errs evenly otherwise. Then Bayes' rule makes a distribution of the votes on an image,
# and how often an annotator agrees with the distributions of all images is the next
# a_j. To go back and forth like this is the EM algorithm of Dawid and Skene (1979); it
# sees no true label.
weighed = shares
for _ in range(30):
    reliability = np.sum(voted * weighed, axis=(1, 2)) / len(weighed)
    right, wrong = reliability, (1 - reliability) / (n_classes - 1)
    likelihood = np.where(voted, right[:, None, None], wrong[:, None, None])
    weighed = likelihood.prod(axis=0)
    weighed /= weighed.sum(axis=1, keepdims=True)

really_right = voted[:, np.arange(len(y_train)), y_train].mean(axis=1)
print("Right, by the votes alone:", *(f"{share:.2f}" for share in reliability))
print("Right, by the truth:      ", *(f"{share:.2f}" for share in really_right))

# %%
# Fit to each
# -----------
# ``fit`` takes labels, or probabilities of shape (n, K). Each kind of labels gets every
# penalty, and is judged by the cross-entropy of true labels of other images. In
# practice the true labels of the training images are unknown; here they show the loss.
Cs = np.logspace(-3, 0, 7)
labels = {
    "majority": majority,
    "shares of votes": shares,
    "weighed votes": weighed,
    "truth": y_train,
}
losses = {}
for kind, target in labels.items():
    models = [SoftmaxReg(C=C).fit(X_train, target) for C in Cs]
    losses[kind] = [-log_loss_scorer(model, X_test, y_test) for model in models]

print("Held-out cross-entropy   at the best C    at C = 1")
for kind, loss in losses.items():
    print(f"{kind:22}{min(loss):16.3f}{loss[-1]:12.3f}")

# %%
# At the best penalty of each, weighed votes give the lowest loss: the best annotator
# has the largest weight, and unclear images keep unclear labels. The majority labels
# are certain even where they are wrong, and with a weak penalty the model learns these
# errors. Plain shares include the errors of the worst annotators, too, and prevent the
# model from being certain, rightly or wrongly. In a picture:
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
COLOURS = dict(zip(labels, [ORANGE, GREEN, BLUE, "0.5"], strict=True))

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4), width_ratios=[3, 2], layout="constrained"
)
for kind, loss in losses.items():
    left.semilogx(
        Cs, loss, color=COLOURS[kind], lw=2, ls="--" if kind == "truth" else "-"
    )
    left.text(Cs[-1] * 1.2, loss[-1], kind, color=COLOURS[kind], va="center")
left.set(
    title="Weighed votes are the best labels after the truth",
    ylabel="held-out cross-entropy, nats",
    xlabel="C: a strong penalty on the left, a weak one on the right",
    xlim=(Cs[0], Cs[-1]),
    ylim=(0, None),
)

right.plot([0.5, 1], [0.5, 1], color="0.8", lw=1, zorder=0)
right.scatter(really_right, reliability, s=60, color=BLUE)
right.set(
    title="The votes alone show who is reliable",
    xlabel="right, by the truth",
    ylabel="right, by the votes alone",
    xlim=(0.5, 1),
    ylim=(0.5, 1),
    aspect="equal",
)
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)

picture = Path(tempfile.gettempdir()) / "skxent_annotators.png"
figure.savefig(picture, dpi=150)
print(f"Picture: {picture}")
