"""
Larger than memory: a Parquet data set, read anew in each pass
==============================================================

A fit of data on disk needs memory for the partitions that its threads are reading, and
for nothing else. This script writes a Parquet data set, fits it with `skxent.dask`, and
draws the memory of the process over time.

Needs Dask, pyarrow and matplotlib: ``pip install "skxent[examples]"``. It writes
``--gigabytes`` of data, 2 by default, to a temporary folder, and removes them.
"""

# %%
import argparse
import tempfile
import threading
import time
from pathlib import Path

import dask.dataframe as dd
import matplotlib.pyplot as plt
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from skxent.dask import BinaryLogReg

parser = argparse.ArgumentParser()
parser.add_argument("--gigabytes", type=float, default=2.0)
gigabytes = parser.parse_args().gigabytes

# %%
# The data
# --------
# Rows of a visitor log: 20 measurements of a visit, and whether it ended in an order.
# Measurements have scales from 0.01 to 100, and nobody scales them. Each file is a
# partition. A file of 250,000 rows in float32 takes 20 MB in memory.
N_FEATURES, ROWS_OF_A_FILE = 20, 250_000
n_rows = max(2000, int(gigabytes * 1e9 / (4 * N_FEATURES)))
n_files = -(-n_rows // ROWS_OF_A_FILE)
features = [f"measurement_{j}" for j in range(N_FEATURES)]
scale = np.logspace(-2, 2, N_FEATURES)
true_coef = np.random.default_rng(0).normal(size=N_FEATURES) / scale


def write_file(path, seed, n):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, N_FEATURES)) * scale
    ordered = X @ true_coef - 2 + rng.logistic(size=n) > 0
    columns = {name: X[:, j].astype(np.float32) for j, name in enumerate(features)}
    pq.write_table(pa.table({**columns, "ordered": ordered}), path)


# %%
# Memory over time
# ----------------
# A thread notes the memory of the process every 20 ms.


class MemoryLog(threading.Thread):
    """Notes seconds and gigabytes until it is stopped."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seconds, self.gigabytes = [], []
        self._stop_asked = threading.Event()

    def run(self):
        process, start = psutil.Process(), time.perf_counter()
        while not self._stop_asked.wait(0.02):
            self.seconds.append(time.perf_counter() - start)
            self.gigabytes.append(process.memory_info().rss / 1e9)

    def stop(self):
        self._stop_asked.set()
        self.join()


# %%
# The fit
# -------
# Without a cluster, Dask reads and reduces partitions in threads of this process.
# ``persist=False`` says that partitions do not stay in memory. The default would keep
# them if they took less than 40 % of the memory.
with tempfile.TemporaryDirectory() as folder:
    rows_left = n_rows
    for i in range(n_files):
        n = min(rows_left, ROWS_OF_A_FILE)
        write_file(Path(folder) / f"{i:04}.parquet", seed=i + 1, n=n)
        rows_left -= n
    on_disk = sum(file.stat().st_size for file in Path(folder).iterdir())
    frame = dd.read_parquet(folder)
    log = MemoryLog()
    log.start()
    begin = time.perf_counter()
    model = BinaryLogReg(persist=False).fit(frame[features], frame.ordered)
    fit_seconds = time.perf_counter() - begin
    log.stop()
    loss = float(model.log_loss(frame[features], frame.ordered))

in_memory = n_rows * N_FEATURES * 4 / 1e9
outcome = "converged" if model.converged_ else "not converged"
print(f"{n_rows} rows in {n_files} files, {on_disk / 1e9:.2f} GB on disk")
print(f"The fit: {outcome}, {model.n_evals_} evaluations, {fit_seconds:.1f} s")
print(f"Cross-entropy {loss:.3f} nats")
error = np.abs((model.coef_[0] - true_coef) * scale).max()
print(f"Largest error of a coefficient for one standard deviation: {error:.3f}")

# %%
# The picture
# -----------
# Memory rises by the partitions that are being read, and stays far below the data. Each
# tick at the bottom is an iteration.
BLUE, ORANGE = "#0072B2", "#D55E00"  # told apart with any kind of colour vision

seconds, used = np.array(log.seconds), np.array(log.gigabytes)
figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
axes.fill_between(seconds, used, color=BLUE, alpha=0.2, lw=0)
axes.plot(seconds, used, color=BLUE, lw=1.5)
axes.axhline(used[0] + in_memory, color=ORANGE, lw=1.5, ls="--")
axes.annotate(
    f"with all {in_memory:.2g} GB of data in memory",
    (seconds[-1], used[0] + in_memory),
    xytext=(0, 4),
    textcoords="offset points",
    ha="right",
    color=ORANGE,
)
peak = used.argmax()
axes.annotate(
    f"at most {used[peak]:.2g} GB, Python and its libraries included",
    (0, used[peak]),
    xytext=(4, 4),
    textcoords="offset points",
    color=BLUE,
)
# the checks of the data come before the first iteration
first = fit_seconds - model.loss_curve_seconds_[-1]
axes.plot(
    np.minimum(model.loss_curve_seconds_ + first, fit_seconds),
    np.zeros(len(model.loss_curve_)),
    "|",
    color="0.3",
    ms=12,
    clip_on=False,
)
axes.set(
    xlim=(0, seconds[-1]),
    ylim=(0, 1.15 * max(used.max(), used[0] + in_memory)),
    xlabel="seconds since the start of the fit (ticks: iterations)",
    ylabel="memory of the process, GB",
    title=f"{n_rows:,} rows of {N_FEATURES} features, read from Parquet in each pass",
)
axes.grid(axis="y", color="0.9")
axes.set_axisbelow(True)
axes.spines[["top", "right"]].set_visible(False)

picture = Path(tempfile.gettempdir()) / "skxent_larger_than_memory.png"
figure.savefig(picture, dpi=150)
print(f"Picture: {picture}")
