"""The measurements of `scale.py` that need a process of their own.

Each job is a function of plain values that returns plain values. A process under a
memory limit runs the jobs of files; one that can be killed runs those of peers.
"""

import json
import os
import resource
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

import _checkout  # noqa: F401 -- it puts the checkout on sys.path
import numpy as np

READ_BYTES = 2**23
# Only the tolerance may end a fit of a peer.
MAX_ITER = 100_000
CGROUP = Path("/sys/fs/cgroup/memory")


def limit_memory(limit):
    """Limit the memory of this process, page cache included; return by which means.

    A control group (version 1, for which one has to be root) also counts the pages of
    files. Without it, RLIMIT_DATA limits what the process allocates.
    """
    group = CGROUP / f"skxent-scale-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(limit))
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        return "RLIMIT_DATA"
    return "cgroup"


def remove_empty_groups():
    """Remove the control groups of processes that have ended."""
    for group in CGROUP.glob("skxent-scale-*"):
        try:
            group.rmdir()
        except OSError:
            continue  # its process runs


class PeakOfAllocated(threading.Thread):
    """Notes the largest anonymous memory of this process: page cache is not in it."""

    def __init__(self):
        super().__init__(daemon=True)
        self.start_bytes = self.peak = self._allocated()
        self._done = threading.Event()

    def run(self):
        while not self._done.wait(0.01):
            self.peak = max(self.peak, self._allocated())

    def stop(self):
        self._done.set()
        self.join()
        return self.peak - self.start_bytes

    @staticmethod
    def _allocated():
        with open("/proc/self/status") as file:
            line = next(line for line in file if line.startswith("RssAnon"))
        return int(line.split()[1]) * 1024


def forget_cache(path):
    """Write a file out, and drop it from the page cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_file(folder, limit):
    """Return the seconds of one bare sequential read of X."""
    path = Path(folder) / "X.npy"
    means = limit_memory(limit)
    forget_cache(path)
    buffer = bytearray(READ_BYTES)
    start = perf_counter()
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return {"seconds": perf_counter() - start, "limited_by": means}


def fit_file(folder, limit):
    """Return seconds, passes and peak memory of a fit of the memory-mapped file."""
    import skxent
    from skxent.data.blocks import RowBlocks

    folder = Path(folder)
    means = limit_memory(limit)
    forget_cache(folder / "X.npy")
    X, y = np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "y.npy")
    skxent.BinaryLogReg().fit(np.eye(2), [0, 1])  # all imports are done
    rows_read, take = [], RowBlocks.take

    def counting(self, rows):
        if isinstance(rows, slice) and self.X.shape[0] == len(X):
            rows_read.append(rows.stop - rows.start)
        return take(self, rows)

    RowBlocks.take = counting
    memory = PeakOfAllocated()
    memory.start()
    start = perf_counter()
    model = skxent.BinaryLogReg().fit(X, y)
    seconds = perf_counter() - start
    return {
        "seconds": seconds,
        "passes": sum(rows_read) / len(X),
        "evaluations": model.n_evals_,
        "converged": bool(model.converged_),
        "peak": memory.stop(),
        "limited_by": means,
    }


def fit_dask(folder, n_workers, repeats):
    """Return seconds of fits in a cluster, the first one apart, and the last model."""
    from skxent.dask import BinaryLogReg

    with _cluster(folder, n_workers) as (X, y):
        return _timed(lambda: BinaryLogReg().fit(X, y), repeats)


def fit_dask_ml(folder, n_workers, solver, C):
    """Return seconds of a fit by dask-ml, and its model."""
    from dask_ml.linear_model import LogisticRegression

    with _cluster(folder, n_workers) as (X, y):
        model = LogisticRegression(solver=solver, C=C)
        return _timed(lambda: model.fit(X, y), 1)


def fit_spark(folder, n_workers, repeats, tol, C):
    """Return seconds of fits by Spark ML in local threads, and the last model."""
    from pyspark.ml.classification import LogisticRegression

    with _spark(folder, n_workers) as (rows, n):
        learner = LogisticRegression(
            family="binomial",
            # the penalty of raw columns, relative to the mean loss
            standardization=False,
            regParam=1 / (C * n),
            tol=tol,
            maxIter=MAX_ITER,
        )

        def fit():
            model = learner.fit(rows)
            coef = model.coefficients.toArray()
            return SimpleNamespace(coef_=coef, intercept_=[model.intercept])

        return _timed(fit, repeats)


@contextmanager
def _spark(folder, n_workers):
    """Yield a Spark dataframe of vectors and labels in memory, and its length."""
    import pyarrow as pa
    from pyarrow import parquet
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import SparkSession

    X, y = (np.load(Path(folder) / f"{name}.npy") for name in "Xy")
    file = str(Path(folder) / "rows.parquet")
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), X.shape[1])
    table = pa.table({"x": vectors, "label": y.astype(np.float64)})
    parquet.write_table(table, file, row_group_size=-(-len(X) // (4 * n_workers)))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 2 // 3
    session = (
        SparkSession.builder.master(f"local[{n_workers}]")
        .config("spark.driver.memory", f"{memory >> 20}m")
        .config("spark.driver.maxResultSize", 0)
        .config("spark.ui.enabled", False)
        .getOrCreate()
    )
    try:
        features = array_to_vector("x").alias("features")
        rows = session.read.parquet(file).repartition(4 * n_workers)
        rows = rows.select(features, "label").cache()
        yield rows, rows.count()
    finally:
        session.stop()


@contextmanager
def _cluster(folder, n_workers):
    """Yield X and y in the memory of the workers of a new cluster."""
    import dask.array as da
    from distributed import Client, LocalCluster, wait

    X, y = (np.load(Path(folder) / f"{name}.npy") for name in "Xy")
    step = -(-len(X) // (4 * n_workers))
    with (
        LocalCluster(n_workers, threads_per_worker=1, dashboard_address=":0") as local,
        Client(local) as client,
    ):
        arrays = []
        for values in (X, y):
            pieces = [values[i : i + step] for i in range(0, len(values), step)]
            futures = client.scatter(pieces)
            parts = [
                da.from_delayed(future, piece.shape, piece.dtype)
                for future, piece in zip(futures, pieces, strict=True)
            ]
            arrays.append(da.concatenate(parts))
        arrays = client.persist(arrays)
        wait(arrays)
        yield arrays


def _timed(fit, repeats):
    seconds = []
    for _ in range(1 + repeats):
        start = perf_counter()
        model = fit()
        seconds.append(perf_counter() - start)
    return {
        "seconds": float(np.median(seconds[1:] or seconds)),
        "first": seconds[0],
        "coef": np.ravel(model.coef_).tolist(),
        "intercept": np.ravel(model.intercept_).tolist(),
    }


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    jobs = (read_file, fit_file, fit_dask, fit_dask_ml, fit_spark)
    tasks = {f.__name__: f for f in jobs}
    print(json.dumps(tasks[job.pop("task")](**job)))
