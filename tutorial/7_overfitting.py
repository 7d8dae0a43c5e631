"""
7. Over-fitting and its remedies
================================

With many columns and few rows, a linear model, too, learns its training rows by heart.
"""

# %%
# 200 images of handwritten digits, 64 pixels each: is the digit odd? Without a strong
# penalty the training rows are all but certain, and so are the errors on new ones.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skxent import BinaryLogReg, BinaryLogRegCV, log_loss_scorer

X, digit = load_digits(return_X_y=True)
y = digit % 2
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=200, stratify=y, random_state=0
)


def loss(model, X, y):
    return -log_loss_scorer(model, X, y)


weak = BinaryLogReg(C=1000).fit(X_train, y_train)
print(f"training {loss(weak, X_train, y_train):.4f} nats")
print(f"test     {loss(weak, X_test, y_test):.4f} nats, a coin {np.log(2):.4f}")
print(f"accuracy {weak.score(X_test, y_test):.3f}")

# %%
# The accuracy hides it; the cross-entropy shows it. The model is often right, and far
# too certain when it is wrong.
#
# The penalty
# -----------
# A penalty keeps coefficients small. From strong to weak, the training loss falls all
# the way. The test loss falls, and then rises again.
Cs = np.logspace(-6, 3, 19)
path = [BinaryLogReg(C=C).fit(X_train, y_train) for C in Cs]
training = [loss(model, X_train, y_train) for model in path]
test = [loss(model, X_test, y_test) for model in path]
search = BinaryLogRegCV(Cs=Cs).fit(X_train, y_train)

figure, axes = plt.subplots(figsize=(6.5, 4), layout="constrained")
axes.loglog(Cs, test, color="#0072B2", lw=2)
axes.loglog(Cs, training, color="#D55E00", lw=2, ls="--")
axes.axhline(np.log(2), color="0.6", lw=1)
axes.axvline(search.C_, color="0.6", lw=1, ls=":")
axes.text(2e-2, 0.75, "a coin", color="0.4", va="bottom")
axes.text(search.C_ * 0.8, 2e-3, "C by cross-validation", color="0.4", ha="right")
axes.text(Cs[-1], test[-1] * 0.6, "test", color="#0072B2", ha="right", va="top")
axes.text(3, 2.5e-3, "training", color="#D55E00")
axes.set(
    title="A weaker penalty always helps the training loss",
    xlabel="C: a strong penalty on the left, a weak one on the right",
    ylabel="cross-entropy, nats",
    ylim=(1e-3, 10),
)
axes.spines[["top", "right"]].set_visible(False)

# %%
# Cross-validation of the training rows finds a good C without the test rows.
#
# Other remedies
# --------------
# L1 sets coefficients to 0. Label smoothing takes the reward from certainty. Early
# stopping holds rows out and keeps the iteration that predicts them best. More data
# helps as well, where it can be had.
remedies = {
    "none": weak,
    "L2, C by cross-validation": search,
    "L1, C by cross-validation": BinaryLogRegCV(l1_ratios=[1]).fit(X_train, y_train),
    "label smoothing 0.2": BinaryLogReg(C=1000, label_smoothing=0.2).fit(
        X_train, y_train
    ),
    "early stopping": BinaryLogReg(C=1000, early_stopping=True, random_state=0).fit(
        X_train, y_train
    ),
}
for name, model in remedies.items():
    print(f"{name:26} {loss(model, X_test, y_test):.3f} nats")

# %%
# :doc:`/gallery/overfitting_remedies` compares them, each at its best.
#
# Next: :doc:`8_stability`.
