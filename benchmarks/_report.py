"""How results are written down: cells, Markdown tables, JSON, the environment."""

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from _peers import OURS, PACKAGED
from _worker import TIMEOUT
from threadpoolctl import threadpool_info

import skxent

PACKAGES = ("numpy", "scipy", "scikit-learn", "threadpoolctl", *PACKAGED)
SHAPE = "n x d x K"
TARGET_COLUMNS = ["set", SHAPE, "ours", "passes", "evals", "subopt", "memory"]
DEFAULT_COLUMNS = [
    *["set", SHAPE, "ours", "subopt"],
    *["LogisticRegression()", "subopt", "ratio"],
]


def environment():
    """Return what a reader has to know to compare the numbers with others."""
    versions = {"python": platform.python_version(), "skxent": skxent.__version__}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    pools = [(pool["internal_api"], pool["num_threads"]) for pool in threadpool_info()]
    return {
        "versions": versions,
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "thread_pools": pools,
        "load_at_start": os.getloadavg()[0],
    }


def describe(env):
    """Return the environment as one line."""
    versions = ", ".join(f"{name} {v}" for name, v in env["versions"].items() if v)
    threads = max((number for _, number in env["thread_pools"]), default=1)
    line = f"{env['cpu']}, {env['cores']} cores, {threads} threads; {versions}"
    if env["load_at_start"] > 0.5:
        line += (
            f"\n\n**Load {env['load_at_start']:.1f} at the start: other programs were "
            "running. That slows solvers whose threads wait for each other far more "
            "than others; OMP_NUM_THREADS=1 in the environment is fairer then.**"
        )
    return line


def print_table(header, rows):
    """Print a Markdown table, columns padded so that it reads as plain text, too."""
    if not rows:
        return
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(f"| {' | '.join(cells)} |", flush=True)


def read_json(path):
    """Return the content of a JSON file, {} where there is none."""
    return json.loads(Path(path).read_text()) if Path(path).exists() else {}


def write_json(path, content):
    """Write a JSON file so that an interruption cannot leave half of it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".draft")
    draft.write_text(json.dumps(content, indent=1) + "\n")
    draft.replace(path)


def print_report(report, args):
    """Print the tables, in Markdown."""
    print(describe(report["environment"]))
    for kind in ("dense", "sparse"):
        results = [r for r in report["targets"] if r["sparse"] == (kind == "sparse")]
        if results:
            goal = f"a relative suboptimality of {args.target:g}"
            print(f"\nTime to {goal}, {kind} sets, {args.dtype}:\n")
            _print_targets(results, args)
    if report["defaults"]:
        print(f"\nTime of default fits, {args.dtype}:\n")
        rows = [_default_row(result) for result in report["defaults"]]
        print_table(DEFAULT_COLUMNS, rows)


def _print_targets(results, args):
    tried = {solver for result in results for solver in result["solvers"]}
    peers = [peer for peer in args.peers if peer in tried]
    rows = [_target_row(result, peers, args.limit) for result in results]
    print_table([*TARGET_COLUMNS, *peers, "ratio"], rows)
    print(f"\n{conclusion(results)}")


def _target_row(result, peers, limit):
    ours = result["solvers"][OURS]
    details = ["—"] * 4
    if "seconds" in ours:
        details = [
            count_cell(ours["seconds"] / ours["pass_seconds"]),
            count_cell(ours["runs"][0].get("n_evals_")),
            error_cell(ours["error"]),
            memory_cell(ours["peak_bytes"]),
        ]
    outcomes = [result["solvers"].get(peer) for peer in peers]
    ratio = speed_ratio(result)
    return [
        result["set"],
        shape_cell(result["reference"]["shape"]),
        outcome_cell(ours, limit),
        *details,
        *(outcome_cell(outcome, limit) for outcome in outcomes),
        "—" if ratio is None else f"{ratio:.2f}",
    ]


def _default_row(result):
    ours, peer = result["solvers"][OURS], result["solvers"]["default"]
    if "failure" in ours or "failure" in peer:
        return [result["set"], *["failed"] * 6]
    return [
        result["set"],
        shape_cell(result["reference"]["shape"]),
        time_cell(ours["seconds"]),
        error_cell(ours["error"]),
        time_cell(peer["seconds"]),
        error_cell(peer["error"]),
        f"{peer['seconds'] / ours['seconds']:.2f}",
    ]


def outcome_cell(outcome, limit):
    if outcome is None:
        return "—"
    if outcome["reached"]:
        return time_cell(outcome["seconds"])
    if outcome.get("failure") == TIMEOUT:
        return f"> {limit:g} s"
    missed = outcome if "error" in outcome else outcome.get("best")
    if missed is None:
        return outcome["failure"][:40]
    return f"subopt {error_cell(missed['error'])} ({time_cell(missed['seconds'])})"


def speed_ratio(result):
    """Return the time of the best peer over ours, None unless both reach the target."""
    ours = result["solvers"][OURS]
    times = [
        outcome["seconds"]
        for solver, outcome in result["solvers"].items()
        if solver != OURS and outcome["reached"]
    ]
    return min(times) / ours["seconds"] if times and ours["reached"] else None


def conclusion(results):
    ratios = [ratio for ratio in map(speed_ratio, results) if ratio is not None]
    missed = [r["set"] for r in results if not r["solvers"][OURS]["reached"]]
    text = "No set on which both ours and a peer reach the target."
    if ratios:
        mean = float(np.exp(np.mean(np.log(ratios))))
        text = f"Geometric mean of the ratio on {len(ratios)} sets: {mean:.2f}."
    return f"{text} Ours misses the target on: {', '.join(missed) or 'none'}."


def shape_cell(shape):
    n, d, n_classes = shape
    return f"{n:,} x {d:,} x {n_classes:,}"


def time_cell(seconds):
    return f"{seconds * 1e3:.3g} ms" if seconds < 0.1 else f"{seconds:.3g} s"


def memory_cell(n_bytes):
    return f"{n_bytes / 2**20:,.0f} MiB"


def count_cell(number):
    return "—" if number is None else f"{number:,.0f}"


def error_cell(suboptimality):
    # Below this the reference itself is not known.
    return "< 1e-10" if suboptimality < 1e-10 else f"{suboptimality:.0e}"


def _cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown CPU"
