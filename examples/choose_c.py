"""
Choose C: how strong should the penalty be?
===========================================

C is the one parameter that a penalised linear model cannot do without, and no value of
it suits all data. Cross-validation finds one for the data at hand. This example shows
what there is to choose, by which score, and by which rule.

Needs matplotlib: ``pip install "skxent[examples]"``.
"""

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skxent import (
    BinaryLogReg,
    BinaryLogRegCV,
    RegularizationPathDisplay,
    log_loss_scorer,
)

# %%
# The data
# --------
# Handwritten digits, 8 × 8 pixels. Is the digit odd? 300 images train a model with 64
# coefficients. The others judge it at the end, and take no part in any choice.
X, digit = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, digit % 2, train_size=300, stratify=digit % 2, random_state=0
)


def test_loss(model):
    return -log_loss_scorer(model, X_test, y_test)


def scaled(classifier):
    return make_pipeline(StandardScaler(), classifier).fit(X_train, y_train)


# %%
# What there is to choose
# -----------------------
# The penalty is ``|w|² / 2C``: a small C keeps all coefficients near 0, a large one
# lets them follow every accident of the 300 images. Both ends predict badly.
Cs = np.logspace(-4, 4, 17)
ridge = scaled(BinaryLogRegCV(Cs=Cs))
search = ridge[-1]
print(f"Cross-validation chooses C = {search.C_:.3g}")
print("Cross-entropy of new images, in nats")
for C in [Cs[0], search.C_, 1, Cs[-1]]:
    print(f"  C = {C:<8.3g} {test_loss(scaled(BinaryLogReg(C=C))):.3f}")

# %%
# By which score
# --------------
# The accuracy of a fold counts which of its 60 images are on the right side. It cannot
# tell a model that is nearly sure from one that guesses well, and it jumps by whole
# images. So it sees no difference between most values of C: here, over how many factors
# of 10 are the values that lie within one standard error of the best?
by_accuracy = scaled(BinaryLogRegCV(Cs=Cs, scoring="accuracy"))


def similar_Cs(search):
    best = search.mean_scores_.argmax()
    worst_similar = search.mean_scores_[0, best] - search.standard_errors_[0, best]
    return search.Cs_[search.mean_scores_[0] >= worst_similar]


print("Values of C within one standard error of the best")
for name, model in [("cross-entropy", ridge), ("accuracy", by_accuracy)]:
    similar = similar_Cs(model[-1])
    print(f"  by {name:14} from {similar[0]:.2g} to {similar[-1]:.2g}")

# %%
# By which rule
# -------------
# Values that cross-validation cannot tell apart leave room for another wish. With an L1
# penalty, a smaller C means fewer features. The rule of one standard error takes the
# smallest C whose score is within one standard error of the best.
best = scaled(BinaryLogRegCV(l1_ratios=[1], Cs=30))
short = scaled(BinaryLogRegCV(l1_ratios=[1], Cs=30, selection="one_standard_error"))
print("L1 penalty")
for name, model in [("best", best), ("one standard error", short)]:
    n_pixels = np.count_nonzero(model[-1].coef_)
    print(f"  {name:18}  {n_pixels} of 64 pixels, {test_loss(model):.3f} nats")

# %%
# C has a unit
# ------------
# The penalty measures coefficients, and a coefficient has the inverse unit of its
# feature. If all pixels are divided by 16, coefficients are 16 times larger, and the
# same model needs a C that is 256 times larger. A number for Cs means a grid that is
# made from the data, and moves with them.
raw = BinaryLogRegCV(Cs=10).fit(X_train, y_train)
divided = BinaryLogRegCV(Cs=10).fit(X_train / 16, y_train)
print(f"Pixels from 0 to 16: C = {raw.C_:.3g}; from 0 to 1: C = {divided.C_:.3g}")

# %%
# In one picture: the cross-entropy has a clear minimum, the accuracy a plateau, and the
# features of the L1 penalty enter one after the other.
figure, (left, middle, right) = plt.subplots(
    1, 3, figsize=(13, 4.2), layout="constrained"
)
RegularizationPathDisplay.from_estimator(ridge, ax=left)
left.set_title("By cross-entropy: a minimum", pad=16)
RegularizationPathDisplay.from_estimator(by_accuracy, ax=middle)
middle.set_title("By accuracy: a plateau", pad=16)
names = [f"pixel {row}, {column}" for row in range(8) for column in range(8)]
RegularizationPathDisplay.from_estimator(
    short, kind="coefficients", feature_names=names, ax=right
)
right.set_title("L1: features enter with growing C", pad=16)

picture = Path(tempfile.gettempdir()) / "skxent_choose_c.png"
figure.savefig(picture, dpi=150)
print(f"Picture: {picture}")
