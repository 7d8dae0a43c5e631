"""
6. Evaluation
=============

A loss on the training rows says how well a model remembers. Judge it on other rows.
"""

# %%
# Split first, and let the model see the training part only. ``log_loss_scorer`` is
# minus the cross-entropy, because scikit-learn takes larger scores for better ones.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skxent import (
    BinaryLogReg,
    ReliabilityDisplay,
    cross_entropy_report,
    log_loss_scorer,
)

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=0
)
model = make_pipeline(StandardScaler(), BinaryLogReg()).fit(X_train, y_train)
print(f"training {-log_loss_scorer(model, X_train, y_train):.3f} nats")
print(f"test     {-log_loss_scorer(model, X_test, y_test):.3f} nats")

# %%
# The scaler is a step of the pipeline: everything that learns from data has to learn
# from the training part alone. Cross-validation repeats the split, and shows how much
# its result depends on chance. Each class needs at least as many rows as there are
# folds, otherwise a fold lacks a class.
scores = -cross_val_score(model, X, y, scoring=log_loss_scorer, cv=5)
print(f"in 5 folds: {np.round(scores, 3)}, mean {scores.mean():.3f} nats")

# %%
# What the number means
# ---------------------
# The report compares it with the entropy of the labels, which is the loss without any
# feature, and lists the rows that cost most.
print(cross_entropy_report(model, X_test, y_test))

# %%
# Accuracy asks only on which side of ½ a probability lies. It does not tell a model
# that is right with 51 % from one that is right with 99 %.
#
# Calibration
# -----------
# Of the rows with a predicted probability of 0.8, eight in ten should have the event.
# The display estimates that share for each probability by the best increasing function,
# and shows below how often each probability occurs.
ReliabilityDisplay.from_estimator(model, X_test, y_test)
plt.gcf().set_layout_engine("constrained")

# %%
# Next: :doc:`7_overfitting`.
