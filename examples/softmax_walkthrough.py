"""
Softmax regression from the data to the verdict
===============================================

Prepare, define, train, evaluate, tune, now with ten classes: cross-entropy tells which
classes cost most, and how far the probabilities can be believed. Four classes of one
sample each, at the end, show what a training fit alone is worth.

Needs matplotlib: ``pip install "skxent[examples]"``.
"""

# %%
import math
import tempfile
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_classif
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.model_selection import (
    GridSearchCV,
    LeaveOneOut,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skxent import (
    ReliabilityDisplay,
    SoftmaxReg,
    cross_entropy_loss,
    entropy,
    label_distribution,
    log_loss_scorer,
)

# %%
# Prepare
# -------
# Handwritten digits, 8 × 8 pixels. One pixel in twenty fails at random.
X, y = load_digits(return_X_y=True)
rng = np.random.default_rng(0)
X[rng.random(X.shape) < 0.05] = np.nan

# The test set is put aside now and not looked at before the end.
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.3, stratify=y, random_state=0
)
print(f"Training rows: {len(y_train)}, pixels missing: {np.isnan(X_train).mean():.1%}")

# %%
# Define
# ------
# Each step learns from the data, so each is a step of the pipeline: the median of a
# pixel for a missing one, which pixels vary at all, their scale, and which of them
# differ between the digits.
model = Pipeline(
    [
        ("impute", SimpleImputer(strategy="median")),
        ("vary", VarianceThreshold()),
        ("scale", StandardScaler()),
        ("select", SelectKBest(f_classif, k=40)),
        ("classify", SoftmaxReg()),
    ]
)

# %%
# Train
# -----
# Each class gets a row of coefficients and a logit of its own. Only differences between
# logits count; among the rows that make the same differences, the penalty prefers those
# that sum to zero.
model.fit(X_train, y_train)
classifier = model["classify"]
print(f"Converged: {classifier.converged_}, coefficients {classifier.coef_.shape}")
print(f"Largest sum over the rows: {np.abs(classifier.coef_.sum(axis=0)).max():.3f}")

# %%
# Evaluate by cross-validation
# ----------------------------
# The digits are about equally frequent, so the entropy of the labels, the score of a
# forecast by their frequencies, is close to log 10.
folds = cross_validate(
    model,
    X_train,
    y_train,
    scoring={"log_loss": log_loss_scorer, "accuracy": "accuracy"},
)
losses, accuracies = -folds["test_log_loss"], folds["test_accuracy"]
print(
    f"Entropy of the labels: {entropy(label_distribution(y_train)):.3f} nats, "
    f"log 10 = {math.log(10):.3f}"
)
print(f"Cross-entropy in 5 folds: {losses.mean():.3f}, from {np.round(losses, 3)}")
print(f"Accuracy in 5 folds:      {accuracies.mean():.3f}")

# %%
# Which digits are hard? The mean cross-entropy of the images of each, always by a model
# that was not trained on them. It takes ``predict_log_proba``, not the logarithm of
# ``predict_proba``: a probability that was rounded to 0 has lost its logarithm.
log_proba = cross_val_predict(model, X_train, y_train, method="predict_log_proba")
digits = np.unique(y_train)
losses = [
    cross_entropy_loss(y_train[y_train == k], log_proba[y_train == k], classes=digits)
    for k in digits
]
print("Digit:        ", *(f"{k:5d}" for k in digits))
print("Cross-entropy:", *(f"{loss:5.2f}" for loss in losses))

# %%
# How reliable is the most probable digit? If it has a probability of 0.7, it should be
# right in 7 of 10 cases.
confidence = np.exp(log_proba.max(axis=1))
right = digits[log_proba.argmax(axis=1)] == y_train
print("Probability   rows   mean   right")
for low, high in [(0.0, 0.6), (0.6, 0.9), (0.9, 0.99), (0.99, 1.0)]:
    rows = (low < confidence) & (confidence <= high)
    print(
        f"{low:.2f} to {high:.2f}{rows.sum():6d}{confidence[rows].mean():7.3f}"
        f"{right[rows].mean():8.3f}"
    )

# %%
# Tune
# ----
# A strong penalty keeps all probabilities near the middle, a weak one lets them run to
# 0 and 1. Cross-entropy notices too little confidence as well as too much.
grid = {"select__k": [20, 40, "all"], "classify__C": np.logspace(-3, 1, 5)}
search = GridSearchCV(model, grid, scoring=log_loss_scorer)
search.fit(X_train, y_train)
print(
    f"Best: k = {search.best_params_['select__k']}, "
    f"C = {search.best_params_['classify__C']:g}, "
    f"cross-entropy in 5 folds {-search.best_score_:.3f}"
)

# %%
# The verdict
# -----------
# All decisions are made. Now use the test set, once.
loss = -log_loss_scorer(search, X_test, y_test)
labels = search.predict(X_test)
print(f"Cross-entropy on held-out data: {loss:.3f} nats")
print(f"Accuracy on held-out data:      {accuracy_score(y_test, labels):.3f}")
print("Truth in rows, prediction in columns:")
print(confusion_matrix(y_test, labels))

# %%
# A picture
# ---------
# On the left, a curve for each digit against all others, with a name for the four whose
# probabilities are worst. On the right, the coefficients of two digits as images: ink
# on a blue pixel speaks for the digit, ink on a red one against it.
figure, (left, *right) = plt.subplots(
    1, 3, figsize=(12, 5.6), width_ratios=[1.6, 1, 1], layout="constrained"
)
ReliabilityDisplay.from_estimator(search, X_test, y_test, name="digit", ax=left)
best = search.best_estimator_
support = np.arange(64)
for step in ("vary", "select"):
    support = support[best[step].get_support()]
images = np.zeros((10, 64))
images[:, support] = best["classify"].coef_
largest = np.abs(images).max()
for axes, digit in zip(right, (3, 5), strict=True):
    image = images[digit].reshape(8, 8)
    drawn = axes.imshow(image, cmap="RdBu", vmin=-largest, vmax=largest)
    axes.set(title=f"What speaks for a {digit}", xticks=[], yticks=[])
label = "change of the logit, for one standard deviation of the pixel"
figure.colorbar(drawn, ax=right, location="bottom", label=label)

picture = Path(tempfile.gettempdir()) / "skxent_softmax_walkthrough.png"
figure.savefig(picture, dpi=150)
print(f"Picture: {picture}")

# %%
# Four samples, four classes
# --------------------------
# The smallest possible softmax problem. It cannot be cross-validated: whichever sample
# is left out, its class is left out with it.
X = np.array([[1, 2], [2, 3], [3, 4], [4, 5]])
y = np.array([0, 1, 2, 3])
for cv in [5, LeaveOneOut()]:
    try:
        cross_val_score(
            SoftmaxReg(), X, y, cv=cv, scoring=log_loss_scorer, error_score="raise"
        )
    except ValueError as error:
        print(fill(f"cv={cv}: {error}", 88))

# %%
# Only the training fit is possible. The classes are in order along a line, so softmax
# can separate them perfectly: the cross-entropy starts near log 4, the entropy of four
# equally frequent labels, and falls as far as the penalty allows. The loss can become
# arbitrarily small, although no prediction has been tested.
print(
    f"Entropy of the labels: {entropy(label_distribution(y)):.3f} nats, "
    f"log 4 = {math.log(4):.3f}"
)
for C in [0.01, 1.0, 100.0, 10_000.0]:
    toy = SoftmaxReg(C=C).fit(X, y)
    print(f"Training cross-entropy at C = {C:<7g} {-log_loss_scorer(toy, X, y):.3f}")
