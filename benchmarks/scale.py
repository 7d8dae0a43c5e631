"""Files larger than memory, a Dask cluster, and the cost of more rows.

Question: what does a fit cost where data do not fit into memory, in a cluster beside
threads in one process, and as the number of rows grows? The rows are those of a real
set, drawn at random with noise of a tenth of the standard deviation of each column.

files    X as .npy of some gigabytes (float32), fitted through a memory map by a process
         with little memory: a control group with a limit that includes the page cache,
         where one may make one (as root), else RLIMIT_DATA. Beside it the time of one
         bare read of the file, under the same limit, times the number of passes.
cluster  The set itself, and drawn rows, in a LocalCluster of single-threaded workers,
         with the data in their memory, beside the fit by threads in one process; and
         dask-ml and Spark ML, where they are installed. F is computed by `_objective`.
         F* is that of a fit to 1e-12.
growth   Fits in memory, for numbers of rows in powers of 10.

    python benchmarks/scale.py --data DIR --folder SCRATCH
    python benchmarks/scale.py --data DIR --parts cluster --dask-ml lbfgs admm
    python benchmarks/scale.py --data DIR --parts cluster --spark 1e-6 1e-9
"""

import argparse
import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from time import perf_counter

import _checkout  # noqa: F401 -- it puts the checkout on sys.path
import numpy as np
from _datasets import load
from _objective import audit
from _report import (
    describe,
    environment,
    error_cell,
    memory_cell,
    print_table,
    shape_cell,
    time_cell,
    write_json,
)
from _scale_jobs import remove_empty_groups

import skxent

PARTS = ("files", "cluster", "growth")
JOBS = Path(__file__).with_name("_scale_jobs.py")
NOISE = 0.1
CHUNK_ROWS = 100_000
C = 1.0


def main():
    args = _parse_arguments()
    report = {"environment": environment()}
    print(describe(report["environment"]))
    data = load(args.set, args.data, np.float32)
    X, y = data.X, (data.y > 0).astype(np.int8)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for part in args.parts:
            measure = {"files": files, "cluster": cluster, "growth": growth}[part]
            report[part] = measure(X, y, Path(folder), args)
            if args.json:
                write_json(args.json, report)


def resampled(X, y, n, seed=0):
    """Yield blocks of n rows: real ones, drawn with replacement, plus noise."""
    spread = NOISE * X.std(axis=0)
    rng = np.random.default_rng(seed)
    for start in range(0, n, CHUNK_ROWS):
        rows = rng.integers(len(X), size=min(CHUNK_ROWS, n - start))
        noise = rng.standard_normal((len(rows), X.shape[1]), np.float32)
        yield start, X[rows] + noise * spread, y[rows]


def write_rows(X, y, n, folder):
    """Write n rows as X.npy and y.npy, a block at a time."""
    out = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float32, (n, X.shape[1]))
    labels = np.empty(n, np.int8)
    for start, block, codes in resampled(X, y, n):
        out[start : start + len(block)] = block
        labels[start : start + len(codes)] = codes
    out.flush()
    del out
    np.save(folder / "y.npy", labels)


def files(X, y, folder, args):
    """Measure fits of files through memory maps, under a limit of memory."""
    limit, results = int(args.memory * 2**30), []
    for gigabytes in args.sizes:
        n = max(200, int(gigabytes * 1e9 / (4 * X.shape[1])))
        write_rows(X, y, n, folder)
        job = {"folder": str(folder), "limit": limit}
        read = run_job("read_file", job, args.limit)
        fit = run_job("fit_file", job, args.limit)
        results.append({"n": n, "gigabytes": gigabytes, "read": read, "fit": fit})
    print(f"\nFiles, at most {args.memory:g} GiB of memory:\n")
    print_table(
        ["rows", "size", "limit by", "one read", "fit", "passes", "ratio", "memory"],
        [_file_row(result) for result in results],
    )
    return results


def _file_row(result):
    read, fit = result["read"], result["fit"]
    cells = [f"{result['n']:,}", f"{result['gigabytes']:g} GB"]
    if read is None or fit is None:
        return [*cells, "—", "—", "no result", "—", "—", "—"]
    return [
        *cells,
        fit["limited_by"],
        time_cell(read["seconds"]),
        time_cell(fit["seconds"]) + ("" if fit["converged"] else ", not converged"),
        f"{fit['passes']:.1f}",
        f"{fit['seconds'] / (fit['passes'] * read['seconds']):.2f}",
        memory_cell(fit["peak"]),
    ]


def drawn(X, y, n):
    """Return n drawn rows in memory."""
    pieces = list(resampled(X, y, n))
    return tuple(np.concatenate([piece[i] for piece in pieces]) for i in (1, 2))


def cluster(X, y, folder, args):
    """Measure fits of the set in a cluster, and of drawn rows."""
    results = {args.set: one_cluster(X, y, folder, args, args.set)}
    if args.cluster_rows:
        X, y = drawn(X, y, args.cluster_rows)
        results["drawn"] = one_cluster(X, y, folder, args, "drawn rows")
    return results


def one_cluster(X, y, folder, args, name):
    """Measure a fit in a cluster beside one by threads, and peers."""
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y)
    best = skxent.BinaryLogReg(tol=1e-12, C=C).fit(X, y)
    optimum = audit(X, y, best.coef_, best.intercept_, C).value
    seconds = []
    for _ in range(1 + args.repeats):
        start = perf_counter()
        model = skxent.BinaryLogReg().fit(X, y)
        seconds.append(perf_counter() - start)
    results = {
        "threads": {
            "seconds": float(np.median(seconds[1:])),
            "first": seconds[0],
            "coef": model.coef_.ravel().tolist(),
            "intercept": model.intercept_.tolist(),
        }
    }
    job = {"folder": str(folder), "n_workers": args.workers}
    results["skxent.dask"] = run_job(
        "fit_dask", {**job, "repeats": args.repeats}, args.limit
    )
    for solver in args.dask_ml:
        results[f"dask-ml, {solver}"] = run_job(
            "fit_dask_ml", {**job, "solver": solver, "C": C}, args.limit
        )
    for tol in args.spark:
        options = {"repeats": args.repeats, "tol": tol, "C": C}
        results[f"Spark ML, tol {tol:g}"] = run_job(
            "fit_spark", {**job, **options}, args.limit
        )
    print(f"\n{args.workers} single-threaded workers, {name}, ", end="")
    print(f"{shape_cell((*X.shape, 2))}:\n")
    rows = []
    for name, result in results.items():
        if result is None:
            rows.append([name, "—", f"> {args.limit:g} s", "—", "—"])
            continue
        value = audit(X, y, result["coef"], result["intercept"], C).value
        result["suboptimality"] = (value - optimum) / optimum
        ratio = result["seconds"] / results["threads"]["seconds"]
        rows.append(
            [
                name,
                time_cell(result["first"]),
                time_cell(result["seconds"]),
                f"{ratio:.2f}",
                error_cell(result["suboptimality"]),
            ]
        )
    print_table(["fit", "first", "warm", "ratio", "subopt"], rows)
    return results


def growth(X, y, folder, args):
    """Measure fits in memory for more and more rows."""
    results = []
    for n in args.rows:
        some, codes = drawn(X, y, n)
        seconds = []
        for _ in range(args.repeats):
            start = perf_counter()
            model = skxent.BinaryLogReg().fit(some, codes)
            seconds.append(perf_counter() - start)
        results.append(
            {"n": n, "seconds": float(np.median(seconds)), "evals": model.n_evals_}
        )
    print("\nMore rows, in memory:\n")
    rows = []
    for result, before in zip(results, [None, *results], strict=False):
        per_row = result["seconds"] / result["n"]
        linear = "—"
        if before is not None:
            linear = f"{per_row / (before['seconds'] / before['n']):.2f}"
        cells = [f"{result['n']:,}", time_cell(result["seconds"]), str(result["evals"])]
        rows.append([*cells, f"{1e9 * per_row:.3g} ns", linear])
    print_table(["rows", "fit", "evals", "a row", "ratio to the last"], rows)
    return results


def run_job(task, job, limit):
    """Return the result of a job in a process of its own; None if it does not end."""
    message = json.dumps({"task": task, **job})
    try:
        done = subprocess.run(
            [sys.executable, JOBS, message],
            capture_output=True,
            encoding="utf-8",
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        return None
    finally:
        remove_empty_groups()
    if done.returncode:
        reason = done.stderr.splitlines()[-1:]
        print(f"{task} ended with the code {done.returncode}: {reason}")
        return None
    return json.loads(done.stdout.splitlines()[-1])


def _parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of .npz files")
    parser.add_argument("--set", default="nycflights")
    parser.add_argument("--folder", help="scratch folder for files; room for --sizes")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--sizes", nargs="+", type=float, default=[5.0, 20.0])
    parser.add_argument("--memory", type=float, default=2.0, help="limit in GiB")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--dask-ml", nargs="*", default=[], choices=["lbfgs", "admm"])
    parser.add_argument("--spark", nargs="*", type=float, default=[], metavar="TOL")
    rows = [10**5, 10**6, 10**7]
    parser.add_argument("--rows", nargs="+", type=int, default=rows)
    parser.add_argument("--cluster-rows", type=int, default=2_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=3600, help="seconds for a job")
    parser.add_argument("--json", help="file for the raw numbers")
    args = parser.parse_args()
    if args.spark and not (find_spec("pyspark") and which("java")):
        print("Spark ML is left out: it needs pyspark and Java.")
        args.spark = []
    return args


if __name__ == "__main__":
    main()
