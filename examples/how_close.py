"""
How close is the answer?
========================

A fit reports three things about its answer: an estimate of its distance to the optimum,
a proven bound of it, and the course of the fit. Here they stand beside the truth, which
a fit with a far smaller ``tol`` comes close enough to.

Needs matplotlib: ``pip install "skxent[examples]"``.
"""

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer, load_digits

from skxent import BinaryLogReg, ConvergenceDisplay, SoftmaxReg

# %%
# Three problems
# --------------
# Tumours with raw features, whose scales differ by five powers of ten; the same with an
# L1 penalty; and images of ten digits. All of them as the data come.
tumours = load_breast_cancer(return_X_y=True)
digits = load_digits(return_X_y=True)
problems = {
    "tumours": (BinaryLogReg(), tumours),
    "tumours, L1": (BinaryLogReg(l1_ratio=1), tumours),
    "digits": (SoftmaxReg(), digits),
}

# %%
# Estimate, bound and truth
# -------------------------
# All as shares of the optimum F*. The default ``tol`` is 1e-8. Neither number needs a
# second fit, and the bound is a proof.
optimum = {}
print(f"{'':14}{'passes':>7}{'estimate':>10}{'bound':>10}{'truth':>10}")
for name, (model, (X, y)) in problems.items():
    model.fit(X, y)
    exact = type(model)(l1_ratio=model.l1_ratio, tol=1e-13).fit(X, y)
    optimum[name] = exact.loss_curve_[-1] * (1 - exact.suboptimality_)
    truth = model.loss_curve_[-1] / optimum[name] - 1
    bound = model.duality_gap_ / optimum[name]
    print(
        f"{name:14}{model.n_evals_:7.0f}{model.suboptimality_:10.0e}"
        f"{bound:10.0e}{max(truth, 0):10.0e}"
    )
    assert truth <= bound + 1e-13

# %%
# A picture
# ---------
# Near the optimum, an iteration gains more digits than far from it: on the tumours the
# last two gain ten. So a larger ``tol`` would save little.
figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, (model, _) in problems.items():
    ConvergenceDisplay.from_estimator(model, optimum=optimum[name], name=name, ax=ax)
ax.axhline(1e-8, color="0.6", lw=1, ls="--")
ax.text(1, 1.5e-8, "tol", color="0.4")
ax.set_title("The last iterations gain the most")

picture = Path(tempfile.gettempdir()) / "skxent_how_close.png"
figure.savefig(picture, dpi=150)
print(f"Picture: {picture}")
