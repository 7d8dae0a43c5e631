"""
Overfitting, and what helps against it
======================================

With few rows and many columns a linear model, too, learns its training data by heart.
It then errs with great confidence, and cross-entropy is the loss that notices. The
remedies: a penalty, L2 or L1, label smoothing, early stopping, and more data.

Needs matplotlib: ``pip install "skxent[examples]"``.
"""

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split

from skxent import BinaryLogReg, log_loss_scorer

# %%
# Few rows
# --------
# Handwritten digits, 8 × 8 pixels. Is the digit odd? The answer takes 64 coefficients,
# which are to be learned from 300 images. Another 700 are kept for the last remedy, and
# the other 797 judge. No strength of a remedy is chosen by these.
X, digit = load_digits(return_X_y=True)
y = digit % 2
X_more, X_val, y_more, y_val = train_test_split(
    X, y, train_size=1000, stratify=y, random_state=0
)
X_train, _, y_train, _ = train_test_split(
    X_more, y_more, train_size=300, stratify=y_more, random_state=0
)


def loss(model, X, y):
    return -log_loss_scorer(model, X, y)


# %%
# Overfitting
# -----------
# Next to no penalty shows what goes wrong. Most answers are right, and the wrong ones
# are given with such confidence that a coin, at log 2 nats, would do better.
WEAK = 1000.0
overfitted = BinaryLogReg(C=WEAK).fit(X_train, y_train)
print(f"C = {WEAK:g}: {overfitted.score(X_val, y_val):.1%} of new images are right")
print(f"Training cross-entropy {loss(overfitted, X_train, y_train):.3f} nats")
print(f"Validation             {loss(overfitted, X_val, y_val):.3f}")
print(f"A coin                 {np.log(2):.3f}")

# %%
# Penalties
# ---------
# The smaller C, the stronger the penalty. The training loss rises with it; the
# validation loss falls first, and rises when the model is kept from learning. L2 makes
# all coefficients small, L1 many of them exactly 0.
Cs = np.logspace(-4, 3, 15)
paths = {
    name: [BinaryLogReg(C=C, l1_ratio=l1_ratio).fit(X_train, y_train) for C in Cs]
    for name, l1_ratio in [("L2", 0), ("L1", 1)]
}

# %%
# Each remedy at its best
# -----------------------
# The strength of each is found by cross-validation in the 300 images. Label smoothing
# moves a share of every target to the other class, so that certainty does not pay.
# Early stopping holds out a tenth of the images, and takes the iteration that predicts
# them best. Both work alone here, next to no penalty, as more data does.


def tuned(model, **grid):
    search = GridSearchCV(model, grid, scoring=log_loss_scorer)
    return search.fit(X_train, y_train).best_estimator_


lasso = tuned(BinaryLogReg(l1_ratio=1), C=Cs[::2])
ridge = tuned(BinaryLogReg(), C=Cs[::2])
smoothed = tuned(BinaryLogReg(C=WEAK), label_smoothing=[0.02, 0.05, 0.1, 0.2, 0.4])
stopped = BinaryLogReg(C=WEAK, early_stopping=True, random_state=0)
stopped.fit(X_train, y_train)
remedies = {
    "none": overfitted,
    "1000 images": BinaryLogReg(C=WEAK).fit(X_more, y_more),
    f"label smoothing {smoothed.label_smoothing:g}": smoothed,
    "early stopping": stopped,
    f"L1, C = {lasso.C:.2g}": lasso,
    f"L2, C = {ridge.C:.2g}": ridge,
    "1000 images and L2": BinaryLogReg(C=ridge.C).fit(X_more, y_more),
}
results = {name: loss(model, X_val, y_val) for name, model in remedies.items()}
print("Validation cross-entropy by remedy")
for name, value in results.items():
    print(f"  {name:22}{value:.3f}")
best = stopped.validation_scores_.argmax() + 1
print(
    f"Early stopping keeps iteration {best} of the {overfitted.n_iter_[0]} to the end"
)
print(f"L1 keeps {np.count_nonzero(lasso.coef_)} of 64 coefficients")

# %%
# Both in one picture. Every remedy takes most of the harm away, and they do not exclude
# each other: more data and a penalty together are best.
BLUE, ORANGE = "#0072B2", "#D55E00"  # told apart with any kind of colour vision

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
for (name, path), colour in zip(paths.items(), [BLUE, ORANGE], strict=True):
    validation = [loss(model, X_val, y_val) for model in path]
    training = [loss(model, X_train, y_train) for model in path]
    left.loglog(Cs, validation, color=colour, lw=2, label=f"{name}, validation")
    left.loglog(Cs, training, color=colour, lw=2, ls="--", label=f"{name}, training")
left.set(
    title="300 images: the penalty",
    xlabel="C: a strong penalty on the left, a weak one on the right",
    ylabel="cross-entropy, nats",
    xlim=(Cs[0], Cs[-1]),
)
left.axhline(np.log(2), color="0.6", lw=1)
left.text(Cs[4], np.log(2) * 1.1, "a coin", color="0.4", va="bottom")
left.legend(frameon=False)

values = np.array(list(results.values()))
rows = np.arange(len(values))
right.set_xscale("log")
right.axvline(np.log(2), color="0.6", lw=1)
right.text(np.log(2) * 1.08, -0.35, "a coin", color="0.4", va="center")
right.plot(values, rows, "o", ms=9, color=BLUE)
for row, value in zip(rows, values, strict=True):
    right.text(value * 1.12, row, f"{value:.2f}", va="center")
right.set_yticks(rows, results)
right.set_ylim(len(rows) - 0.5, -0.5)
right.grid(axis="y", color="0.9")
right.set_axisbelow(True)
right.tick_params(axis="y", length=0)
ticks = [0.2, 0.5, 1, 2, 5, 10]
right.set_xticks(ticks, map(str, ticks))
right.minorticks_off()
right.set(
    title="Each remedy at its best",
    xlabel="validation cross-entropy, nats",
    xlim=(0.15, 12),
)
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)

picture = Path(tempfile.gettempdir()) / "skxent_overfitting_remedies.png"
figure.savefig(picture, dpi=150)
print(f"Picture: {picture}")
