"""
From a fit to a statement
=========================

A treatment is tried in thirty clinics. The fit says by how much it changes the log-odds
of recovery. Is that more than chance? The answer depends on what one observation is. In
this example the truth is known, because the data are simulated: there is no effect.

Needs matplotlib and pandas: ``pip install "skxent[examples]"``.
"""

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skxent import (
    BinaryLogReg,
    CoefficientIntervalDisplay,
    average_marginal_effects,
    coefficient_table,
    fit_statistics,
    likelihood_ratio_test,
    profile_intervals,
)

# %%
# Patients in clinics
# -------------------
# Whole clinics get the treatment or not, and patients of a clinic resemble each other:
# some clinics do better than others for reasons that no column tells. The stage of the
# disease matters. Age, the day of the week and the treatment do not.
N_CLINICS, N_PATIENTS = 30, 40
clinic = np.repeat(np.arange(N_CLINICS), N_PATIENTS)


def trial(seed):
    rng = np.random.default_rng(seed)
    n = len(clinic)
    patients = pd.DataFrame(
        {
            "treated": (clinic % 2).astype(float),
            "age": rng.normal(60, 10, n).round(),
            "stage": rng.choice(["I", "II", "III"], n),
            "day": rng.choice(["Mon", "Wed", "Fri"], n),
        }
    )
    of_stage = patients["stage"].map({"I": 0.8, "II": 0.0, "III": -0.8})
    of_clinic = rng.normal(0, 0.7, N_CLINICS)[clinic]
    recovered = of_stage + of_clinic + rng.logistic(size=n) > 0
    return pd.get_dummies(patients, dtype=float), recovered.astype(int)


# %%
# The table
# ---------
# All levels of the categories stay in: the last ones repeat what the others say, and
# the table names them. ``C=np.inf`` is a fit without a penalty.
X, recovered = trial(seed=5)
model = BinaryLogReg(C=np.inf).fit(X, recovered)
by_rows = coefficient_table(model, X, recovered)
print(by_rows)

# %%
# What is one observation?
# ------------------------
# The table above finds an effect: it takes 1,200 patients for 1,200 independent
# observations. But clinics are what was treated. With clusters the errors of what
# varies between clinics grow, and those of what varies within them stay about the same.
by_clinics = coefficient_table(
    model, X, recovered, covariance="cluster", cluster=clinic
)
print()
for name in ("treated", "age", "stage_I"):
    i = by_rows.names.index(name)
    errors = by_rows.standard_error[i], by_clinics.standard_error[i]
    ratio = errors[1] / errors[0]
    print(
        f"{name:8} error by rows {errors[0]:.4f}, by clinics {errors[1]:.4f}: ", end=""
    )
    print(f"{ratio:.1f} times")

# %%
# This trial is no rare accident. Of a hundred trials without an effect, a test at 5 %
# should find about five.
found = np.zeros(2, dtype=int)
for seed in range(100):
    data = trial(seed)
    fitted = BinaryLogReg(C=np.inf).fit(*data)
    for k, options in enumerate([{}, {"covariance": "cluster", "cluster": clinic}]):
        table = coefficient_table(fitted, *data, **options)
        found[k] += table.p_value[table.names.index("treated")] < 0.05
print(f"\nTrials that find an effect: {found[0]} of 100 by rows, {found[1]} by clinics")

# %%
# More questions
# --------------
# Does the day matter? Two fits to the same rows tell. And the effect on the probability
# is easier to explain than one on log-odds: among 100 patients, how many more recover?
without_day = X.drop(columns=[name for name in X if name.startswith("day")])
smaller = BinaryLogReg(C=np.inf).fit(without_day, recovered)
print()
print(
    likelihood_ratio_test(
        fit_statistics(smaller, without_day, recovered),
        fit_statistics(model, X, recovered),
    )
)
effect = average_marginal_effects(
    model,
    X,
    recovered,
    features=["treated"],
    discrete=["treated"],
    covariance="cluster",
    cluster=clinic,
)
low, high = 100 * effect.lower[0], 100 * effect.upper[0]
print(f"Of 100 patients, {low:.0f} to {high:.0f} more recover with treatment")

# %%
# A picture
# ---------
# The same coefficients with the intervals of both tables, and with those of the profile
# likelihood, which also takes patients for independent.
profile = profile_intervals(model, X, recovered)
figure, axes = plt.subplots(1, 3, figsize=(12, 4), sharex=True, layout="constrained")
titles = "independent patients", "profile likelihood", "clustered by clinic"
for ax, table, title in zip(axes, (by_rows, profile, by_clinics), titles, strict=True):
    CoefficientIntervalDisplay.from_table(table, groups="_", odds_ratios=True, ax=ax)
    ax.set_title(title)
picture = Path(tempfile.gettempdir()) / "skxent_coefficient_table.png"
figure.savefig(picture, dpi=150)
print(f"Picture: {picture}")
