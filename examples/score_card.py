"""
A score card: few features, each with the expected sign
=======================================================

People can use and explain a score if it is short, and if each entry has the sign that
experience suggests. An L1 penalty makes the score short, bounds fix the signs, and the
cross-entropy of held-out rows measures the cost of both.

Needs matplotlib: ``pip install "skxent[examples]"``.
"""

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skxent import (
    BinaryLogReg,
    cross_entropy,
    cross_entropy_loss,
    label_distribution,
    log_loss_scorer,
)

# %%
# What is known beforehand
# ------------------------
# Breast tumours. The ten measurements of their cell nuclei say how large, how uneven
# and how ragged they are, each as mean, standard error and mean of the three largest.
# In malignant tumours, nuclei grow and lose their shape: more is worse, in each of the
# 30 features. So with malignant as 1, no coefficient should be negative. (A feature for
# which less is worse would be turned by a minus before.)
data = load_breast_cancer()
malignant = np.asarray(data.target == 0, dtype=int)
X_train, X_test, y_train, y_test = train_test_split(
    data.data, malignant, test_size=0.3, stratify=malignant, random_state=0
)

# %%
# Without bounds
# --------------
# Correlated features share their effect in an arbitrary way, and some get the wrong
# sign. That does not harm the predictions, but nobody can explain such a card.
grid = {"binarylogreg__C": np.logspace(-2, 2, 9)}


def search(classifier, refit=True):
    # The penalty holds all coefficients to one measure, and the card shall, too: a
    # coefficient is the effect of one standard deviation.
    pipeline = make_pipeline(StandardScaler(), classifier)
    tuned = GridSearchCV(pipeline, grid, scoring=log_loss_scorer, refit=refit)
    return tuned.fit(X_train, y_train)


def coefficients(fitted):
    return fitted.best_estimator_["binarylogreg"].coef_[0]


free = search(BinaryLogReg())
print(f"Without bounds: {np.sum(coefficients(free) < 0)} of 30 signs are wrong")

# %%
# With bounds and an L1 penalty
# -----------------------------
# ``bounds`` is a pair of lower and upper limits for each coefficient. The elastic net
# mixes nine parts of the L1 penalty, which sets coefficients to exactly 0, with one of
# the L2 penalty, which gives correlated features similar coefficients. C is the
# smallest one whose score in five folds is within a standard error of the best score:
# if the folds show no difference, prefer the shorter card.


def shortest(results):
    score = results["mean_test_score"]
    best = score.argmax()
    error = results["std_test_score"][best] / np.sqrt(5)
    return np.argmax(score >= score[best] - error)  # the first one, in rising order


card = search(BinaryLogReg(l1_ratio=0.9, bounds=(0, None)), refit=shortest)
coef = coefficients(card)
print(f"Score card: {np.sum(coef > 0)} features, {np.sum(coef < 0)} wrong signs")

# %%
# Points
# ------
# On paper, people add whole numbers. Ten points double the odds. A coefficient is the
# effect on the logarithm of the odds, so it is worth 10 / log 2 points, rounded.
TEN_POINTS = np.log(2)
points = np.round(10 * coef / TEN_POINTS)
print("Points for one standard deviation above the mean:")
for j in np.argsort(-points)[: np.count_nonzero(points)]:
    print(f"  {points[j]:3.0f}  {data.feature_names[j]}")

# %%
# The price
# ---------
# The cross-entropy of tumours that no model has seen, in nats. The entropy of the
# labels is the cross-entropy of a forecast by their frequency.
scaler, classifier = card.best_estimator_
logits = scaler.transform(X_test) @ points * TEN_POINTS / 10 + classifier.intercept_
log_proba = -np.logaddexp(0, np.column_stack([logits, -logits]))
share = y_train.mean()
by_share = cross_entropy(label_distribution(y_test), [1 - share, share])
print("Held-out cross-entropy")
print(f"  frequency of malignant ones  {by_share:.3f}")
print(f"  without bounds, 30 features  {-log_loss_scorer(free, X_test, y_test):.3f}")
print(f"  bounds and L1, {np.sum(coef > 0)} features   ", end="")
print(f"{-log_loss_scorer(card, X_test, y_test):.3f}")
in_points = cross_entropy_loss(y_test, log_proba, classes=[0, 1])
print(f"  the same in whole points     {in_points:.3f}")

# %%
# Both sets of coefficients in one picture, in the order of the card.
BLUE, ORANGE = "#0072B2", "#D55E00"  # told apart with any kind of colour vision

order = np.lexsort([coefficients(free), coef])
names = data.feature_names[order]
figure, (left, right) = plt.subplots(
    1, 2, figsize=(9, 7), sharex=True, sharey=True, layout="constrained"
)
for axes, values in [(left, coefficients(free)[order]), (right, coef[order])]:
    axes.barh(names, values, color=np.where(values < 0, ORANGE, BLUE))
    axes.axvline(0, color="0.3", lw=1)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
figure.supxlabel("log-odds of malignant, for one standard deviation", fontsize="medium")
n_wrong = np.sum(coefficients(free) < 0)
left.set_title(f"Without bounds: {n_wrong} wrong signs")
right.set_title(f"Score card: {np.sum(coef > 0)} features")
left.set_ylim(-0.6, len(names) - 0.4)

picture = Path(tempfile.gettempdir()) / "skxent_score_card.png"
figure.savefig(picture, dpi=150)
print(f"Picture: {picture}")
