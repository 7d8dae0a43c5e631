"""
8. Numerical stability
======================

The formulas are short. Written down naively, they overflow or lose all digits.
"""

# %%
# log Σ exp
# ---------
# exp(710) exceeds the largest number in float64. So the softmax loss overflows for
# logits that are not even large. A common shift of the logits does not change it;
# subtract their maximum, and the largest term is exp(0):
#
# .. math:: \log \sum_k e^{z_k} = m + \log \sum_k e^{z_k - m}, \qquad m = \max_k z_k
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit

z = np.array([1000.0, 1001.0, 1002.0])
with np.errstate(over="ignore"):
    print("naive  ", np.log(np.sum(np.exp(z))))
m = z.max()
print("shifted", m + np.log(np.sum(np.exp(z - m))))

# %%
# log(1 + exp z)
# --------------
# For a row that is right and certain, ``exp(−|z|)`` is tiny. 1 + tiny rounds to 1, and
# the loss to 0. ``log1p`` keeps its digits. And −log of a probability that has rounded
# to 0 is infinite. ``np.logaddexp(0, z)`` is right on both sides.
z = np.linspace(-60, 60, 1201)
with np.errstate(divide="ignore", invalid="ignore"):
    naive = -np.log(1 - expit(z))
exact = np.logaddexp(0, z)
wrong = np.where(np.isfinite(naive), abs(naive / exact - 1), np.inf)

figure, axes = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
finite = np.isfinite(wrong)
axes.semilogy(z[finite], np.maximum(wrong[finite], 1e-17), color="#D55E00", lw=1.5)
axes.axvspan(z[~finite].min(), z.max(), color="#D55E00", alpha=0.15, lw=0)
axes.text(48.5, 1e-8, "infinite", color="#D55E00", ha="center")
axes.text(-58, 1e-2, "rounded to 0", color="#D55E00")
axes.set(
    title="Relative error of −log(1 − p) for a label of 0",
    xlabel="logit z",
    ylabel="relative error",
    ylim=(1e-17, 10),
    xlim=(-60, 60),
)
axes.spines[["top", "right"]].set_visible(False)

# %%
# Nearly equal numbers
# --------------------
# 1 − p has no correct digits where p is near 1. Compute the other probability from the
# other logit. The estimators do, so each column of ``predict_proba`` is accurate:
from skxent import BinaryLogReg

x = np.array([[0.0], [1.0], [2.0], [3.0]])
model = BinaryLogReg(C=100).fit(x, [0, 1, 0, 1])
far = np.array([[50.0]])
p = model.predict_proba(far)[0]
print(f"P(0) = {p[0]:.6e}, but 1 − P(1) = {1 - p[1]:.6e}")

# %%
# Where a probability underflows to 0, its logarithm is still a number.
# ``predict_log_proba`` computes it from the logits:
far = np.array([[5000.0]])
print(model.predict_proba(far), model.predict_log_proba(far))

# %%
# Columns far from 0
# ------------------
# A time stamp of 1.7e9 seconds that varies by an hour leaves few digits for its
# variation, and products of such columns lose them. The fit centres such columns block
# by block, and returns the intercept for the original data.
rng = np.random.default_rng(0)
hour = rng.uniform(0, 3600, size=(500, 1))
label = (rng.uniform(size=500) < expit((hour[:, 0] - 1800) / 600)).astype(int)
near = BinaryLogReg(C=1e6).fit(hour, label)
stamped = BinaryLogReg(C=1e6).fit(hour + 1.7e9, label)
print(f"{near.coef_[0, 0]:.8f} {stamped.coef_[0, 0]:.8f} {stamped.converged_}")

# %%
# That is the whole path: entropy, a loss, its gradient, a way down, a judgement,
# remedies, and arithmetic that holds. :doc:`/gallery/binary_walkthrough` and
# :doc:`/gallery/softmax_walkthrough` walk it once more with a complete analysis.
