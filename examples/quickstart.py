"""
Quickstart: raw features, converged fits
========================================

``BinaryLogReg`` and ``SoftmaxReg`` reach the minimum of the cross-entropy on features
in the units in which they come; a scaler is a choice, not a condition.

Needs nothing beyond what the package itself needs. Every figure is computed here and
now, on the machine that runs the script.
"""
# sphinx_gallery_thumbnail_path = 'images/time_to_optimum.svg'

# %%
# Everything comes from scikit-learn, except the two classifiers and the scorer.
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline

from skxent import BinaryLogReg, SoftmaxReg, log_loss_scorer

# %%
# Two classes
# -----------
# Cells of breast tumours, malignant or benign, described by areas of hundreds next to
# ratios of thousandths. They go in as they are.
X, y = load_breast_cancer(return_X_y=True)
cancer = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
X_train, X_test, y_train, y_test = cancer

spread = X_train.std(axis=0)
print(f"Features: standard deviations from {spread.min():.3f} to {spread.max():.0f}")

model = BinaryLogReg().fit(X_train, y_train)
print(f"BinaryLogReg: converged {model.converged_}, {model.n_iter_[0]} iterations")
print(f"Accuracy on held-out data: {model.score(X_test, y_test):.3f}")

# %%
# Ten classes, in a pipeline
# --------------------------
# Images of digits, 8 × 8 pixels from 0 to 16. Some pixels at the rim are blank in every
# image; the first step drops them. The scorer returns the negative mean cross-entropy
# in nats, because scikit-learn takes larger scores for better ones.
X, y = load_digits(return_X_y=True)
digits = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
X_train, X_test, y_train, y_test = digits

pipeline = make_pipeline(VarianceThreshold(), SoftmaxReg(C=0.01))
scores = cross_val_score(pipeline, X_train, y_train, scoring=log_loss_scorer)
print(f"Cross-entropy of digits in 5 folds: {np.round(-scores, 3)} nats")
print(f"A guess among ten classes would cost log 10 = {np.log(10):.3f} nats")

# %%
# How much penalty?
# -----------------
# The one parameter worth a search is C: the smaller, the stronger the penalty. Its
# scale depends on the units of the features, so the grid is wide. (That is also why a
# scaler can predict better or worse: it changes what the penalty measures.)
grid = {"C": np.logspace(-4, 1, 6)}
best_C = {}
for name, classifier, split in [
    ("cancer", BinaryLogReg(), cancer),
    ("digits", SoftmaxReg(), digits),
]:
    X_train, _, y_train, _ = split
    search = GridSearchCV(classifier, grid, scoring=log_loss_scorer)
    search.fit(X_train, y_train)
    best_C[name] = search.best_params_["C"]
    print(f"{name}: best C = {best_C[name]:g}, {-search.best_score_:.3f} nats")

# %%
# Beside LogisticRegression
# -------------------------
# Both libraries minimise the same function of the training data, the cross-entropy plus
# ‖coef‖² / (2 C n). At equal C, the fit with the smaller value is the better answer to
# the question that was asked, and "unfinished" means that the solver said so itself.
# An iteration of either solver takes about one pass over the data.


def table_row(name, classifier, C, split):
    X_train, X_test, y_train, y_test = split
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", category=ConvergenceWarning)
        classifier.set_params(C=C).fit(X_train, y_train)
    unfinished = any(w.category is ConvergenceWarning for w in caught)

    train_loss = -log_loss_scorer(classifier, X_train, y_train)
    penalty = np.sum(classifier.coef_**2) / (2 * C * len(y_train))
    return (
        f"{name:8}{type(classifier).__name__:20}{train_loss + penalty:9.5f}"
        f"{-log_loss_scorer(classifier, X_test, y_test):13.4f}"
        f"{classifier.n_iter_[0]:12d}   {'unfinished' if unfinished else 'converged'}"
    )


print("                            minimised  cross-entropy")
print("data    classifier           function  held out  iterations   solver")
for name, classifier, split in [
    ("cancer", BinaryLogReg(), cancer),
    ("cancer", LogisticRegression(), cancer),
    ("digits", SoftmaxReg(), digits),
    ("digits", LogisticRegression(), digits),
]:
    print(table_row(name, classifier, best_C[name], split))
