"""
Logistic regression from the data to the verdict
================================================

Prepare, define, train, evaluate, tune. A score is valid only on data that neither the
model nor its preparation has seen. So every step that learns from data belongs in the
pipeline, and the test set comes last. Four samples at the end show the limits.

Needs matplotlib and pandas: ``pip install "skxent[examples]"``.
"""

# %%
import math
import tempfile
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.dummy import DummyClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.model_selection import (
    GridSearchCV,
    LeaveOneOut,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skxent import (
    BinaryLogReg,
    CoefficientDisplay,
    ReliabilityDisplay,
    calibration_decomposition,
    entropy,
    label_distribution,
    log_loss_scorer,
)

# %%
# Prepare
# -------
# Breast tumours, 0 for malignant and 1 for benign. The bundled table is complete; real
# ones seldom are, so one entry in twenty is erased at random.
X, y = load_breast_cancer(return_X_y=True, as_frame=True)
rng = np.random.default_rng(0)
X = X.mask(rng.random(X.shape) < 0.05)

# The test set is put aside now and not looked at before the end.
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.3, stratify=y, random_state=0
)
complete = np.isfinite(X_train).all(axis=1).mean()
print(f"Training rows: {len(y_train)}, of which complete: {complete:.0%}")

# %%
# Define
# ------
# Medians, means and the choice of features are learned, too. Outside of the pipeline
# they would be computed from the rows that evaluate it. The solver does not need the
# scaler, but the penalty does: it treats all coefficients alike, so the features should
# have the same scale.
model = Pipeline(
    [
        ("impute", SimpleImputer(strategy="median")),
        ("scale", StandardScaler()),
        ("select", SelectKBest(f_classif, k=10)),
        ("classify", BinaryLogReg()),
    ]
)

# %%
# Train
# -----
# Training is the search for the smallest cross-entropy plus penalty. A fit that ends
# before it reports that here, and by a warning.
model.fit(X_train, y_train)
classifier = model["classify"]
print(
    f"Converged: {classifier.converged_}, from {classifier.loss_curve_[0]:.4f} after "
    f"the first iteration to {classifier.loss_curve_[-1]:.4f} nats"
)

# %%
# Evaluate by cross-validation
# ----------------------------
# Five times, the whole pipeline is fitted to four fifths of the training data and
# scored on the rest. The entropy of the labels is the cross-entropy of a forecast by
# the frequencies of the two classes: the score to beat.
folds = cross_validate(
    model,
    X_train,
    y_train,
    scoring={"log_loss": log_loss_scorer, "accuracy": "accuracy"},
)
losses, accuracies = -folds["test_log_loss"], folds["test_accuracy"]
print(f"Entropy of the labels: {entropy(label_distribution(y_train)):.3f} nats")
print(f"Cross-entropy in 5 folds: {losses.mean():.3f}, from {np.round(losses, 3)}")
print(f"Accuracy in 5 folds:      {accuracies.mean():.3f}")

# %%
# Accuracy depends on which side of 1/2 a probability lies, cross-entropy on its value.
# Are the values right? The miscalibration is the part of the cross-entropy that a
# monotone correction of the probabilities would remove.
proba = cross_val_predict(model, X_train, y_train, method="predict_proba")[:, 1]
parts = calibration_decomposition(y_train, proba)
print(f"Miscalibration: {parts.miscalibration:.3f} of {parts.cross_entropy:.3f} nats")

# %%
# Tune
# ----
# The strength of the penalty and the number of features, by the cross-entropy in folds
# of the training data. A grid that ends at its best value would be too narrow.
grid = {"select__k": [5, 10, 20, 30], "classify__C": np.logspace(-3, 1, 5)}
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
# The best of twenty scores is too optimistic, because it was selected. The test set
# took no part in the selection. Use it once, after all decisions.
loss = -log_loss_scorer(search, X_test, y_test)
labels = search.predict(X_test)
print(f"Cross-entropy on held-out data: {loss:.3f} nats")
print(f"Accuracy on held-out data:      {accuracy_score(y_test, labels):.3f}")
print("Truth in rows, prediction in columns, malignant first:")
print(confusion_matrix(y_test, labels))

# %%
# A picture
# ---------
# On the left, how often tumours were benign that the model called benign with some
# probability: the curve stays in the band that chance explains. On the right, what one
# standard deviation of a feature changes.
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
ReliabilityDisplay.from_estimator(search, X_test, y_test, name="held out", ax=left)
CoefficientDisplay.from_estimator(search, top_n=12, ax=right)
right.set_title("log-odds of benign")

picture = Path(tempfile.gettempdir()) / "skxent_binary_walkthrough.png"
figure.savefig(picture, dpi=150)
print(f"Picture: {picture}")

# %%
# Four samples
# ------------
# A toy that shows only which call does what: the two columns differ by a constant, so
# they are one feature, and sorted by it the labels are 0, 1, 0, 1.
X = np.array([[1, 2], [2, 3], [3, 4], [4, 5]])
y = np.array([0, 1, 0, 1])

# %%
# Five folds of four samples are impossible: one of them would be empty.
try:
    cross_val_score(BinaryLogReg(), X, y, cv=5)
except ValueError as error:
    print(fill(f"cv=5: {error}", 88))

# %%
# Two folds are possible, each with one sample of each class, and so are four, each with
# one sample to test. Compare them with a forecast by the shares of the labels. In two
# folds it scores log 2. With one sample left out it scores log 3: only one of the three
# training labels is of that class. So the same data give two baselines.
rivals = {"BinaryLogReg": BinaryLogReg(), "shares only": DummyClassifier()}
for cv in [StratifiedKFold(2), LeaveOneOut()]:
    print(f"Cross-entropy, {cv.get_n_splits(X)} folds:", end="")
    for name, rival in rivals.items():
        scores = cross_val_score(rival, X, y, cv=cv, scoring=log_loss_scorer)
        print(f"   {name} {-scores.mean():.3f}", end="")
    print()

# %%
# And what if a model had been right four times of four? Two labels of each kind can be
# arranged in six ways, so luck does as well once in six, and no experiment with these
# four samples can do better than p = 1/6.
toy = BinaryLogReg().fit(X, y)
print(f"Training fit: {-log_loss_scorer(toy, X, y):.3f}, log 2 = {math.log(2):.3f}")
print(f"Smallest p-value that four samples allow: {1 / math.comb(4, 2):.3f}")
