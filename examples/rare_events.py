"""
Rare events: what Firth's method changes
========================================

With few events, maximum likelihood exaggerates, and where a feature separates the
classes its estimate is infinite. ``BiasReducedLogReg`` adds half the log-determinant of
the information to the log-likelihood. Here the truth is known, so both can be judged.

Needs matplotlib and pandas: ``pip install "skxent[examples]"``.
"""

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit

from skxent import BiasReducedLogReg, BinaryLogReg, profile_penalised_likelihood

# %%
# Many small studies
# ------------------
# Each study has 60 patients, half of them treated, and about six events. The treatment
# raises the log-odds by 1, that is, the odds by a factor of 2.7.
TRUTH = 1.0
rng = np.random.default_rng(0)
treated = np.arange(60) % 2
studies = []
while len(studies) < 300:
    ill = (rng.random(60) < expit(-2.7 + TRUTH * treated)).astype(int)
    if 0 < ill.sum() < 60:
        studies.append(ill)
print(f"Events in a study: {np.mean([ill.sum() for ill in studies]):.1f} of 60")

# %%
# Maximum likelihood
# ------------------
# If nobody fell ill in one of the groups, there is no largest likelihood: a fit would
# warn and not converge. Such a study has no estimate. These are nearly all studies with
# large effects, so the mean of the others is too small.
X = pd.DataFrame({"treated": treated})
likelihood = np.full(len(studies), np.nan)
for i, ill in enumerate(studies):
    if ill[treated == 1].any() and ill[treated == 0].any():
        likelihood[i] = BinaryLogReg(C=np.inf).fit(X, ill).coef_[0, 0]
n_infinite = np.isnan(likelihood).sum()
print(f"Studies without an estimate: {n_infinite} of {len(studies)}")
print(f"Mean of the others: {np.nanmean(likelihood):.2f}, truth {TRUTH:.2f}")

# %%
# Firth's method
# --------------
# Every study has an estimate, also those where one group had no event.
fits = [BiasReducedLogReg().fit(X, ill) for ill in studies]
reduced = np.array([fit.coef_[0, 0] for fit in fits])
print(f"Mean of all: {reduced.mean():.2f}, truth {TRUTH:.2f}")

# %%
# One of the studies without an estimate. Its interval from the profile of the penalised
# likelihood is far from symmetric: the data hardly limit the effect on one side.
one = int(np.flatnonzero(np.isnan(likelihood))[0])
table = profile_penalised_likelihood(fits[one], X, studies[one])
print(table)

# %%
# A picture
# ---------
# Each point is a study. Where both methods have an estimate, that of Firth is nearer to
# 0. The studies on the right have an estimate by Firth's method only.
BLUE, ORANGE = "#0072B2", "#D55E00"
has_both = ~np.isnan(likelihood)
figure, ax = plt.subplots(figsize=(7, 5), layout="constrained")
edge = likelihood[has_both].max() + 0.6
jitter = 0.15 * rng.uniform(-1, 1, len(studies))
ax.axline((0, 0), slope=1, color="0.8", lw=1)
ax.axhline(TRUTH, color="0.6", lw=1, ls="--")
ax.text(-2.4, TRUTH + 0.08, "truth", color="0.4")
ax.plot(likelihood[has_both], reduced[has_both], "o", color=BLUE, alpha=0.5)
ax.plot(edge + jitter[~has_both], reduced[~has_both], "o", color=ORANGE, alpha=0.5)
ax.text(edge, reduced.max() + 0.15, "none", color=ORANGE, ha="center")
ax.set(
    title="Firth's method draws estimates to 0, and always has one",
    xlabel="maximum likelihood, log-odds",
    ylabel="Firth's method, log-odds",
    xlim=(-2.5, edge + 0.5),
    ylim=(-2, reduced.max() + 0.5),
)
ax.spines[["top", "right"]].set_visible(False)

picture = Path(tempfile.gettempdir()) / "skxent_rare_events.png"
figure.savefig(picture, dpi=150)
print(f"Picture: {picture}")
