"""How results are written down: cells, Markdown tables, JSON, the environment."""

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from _peers import DEFAULT, OURS, PACKAGED
from _worker import TIMEOUT
from threadpoolctl import threadpool_info

import skxent

PACKAGES = ("numpy", "scipy", "scikit-learn", "threadpoolctl", *PACKAGED)
SHAPE = "n x d x K"
TIMES = {
    "cold": "the first fit of a process",
    "warm": "the median of the fits that follow it",
}
TIME_COLUMNS = [
    *["set", SHAPE, "ours"],
    *["LogisticRegression()", "stops at", "ratio to it"],
]
DETAIL_COLUMNS = ["set", "passes", "evals", "subopt", "memory"]


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
        results = [r for r in report["results"] if r["sparse"] == (kind == "sparse")]
        if not results:
            continue
        tried = {solver for result in results for solver in result["solvers"]}
        peers = [peer for peer in args.peers if peer in tried]
        for time, meaning in TIMES.items():
            print(f"\nTime of {kind} fits, {args.dtype}, {time}: {meaning}.\n")
            rows = [_time_row(result, time, peers, args.limit) for result in results]
            print_table([*TIME_COLUMNS, *peers, "ratio to best"], rows)
            print(f"\nLogisticRegression(): {conclusion(results, time, DEFAULT)}")
            print(f"Best peer within {args.target:g}: {conclusion(results, time)}")
        print(f"\nWhat our {kind} fits take, {args.dtype}:\n")
        print_table(DETAIL_COLUMNS, [_detail_row(result) for result in results])
        print(f"\n{missed_by_ours(results)}")


def _time_row(result, time, peers, limit):
    ours, default = result["solvers"][OURS], result["solvers"][DEFAULT]
    outcomes = [result["solvers"].get(peer) for peer in peers]
    finished = "error" in default
    return [
        result["set"],
        shape_cell(result["reference"]["shape"]),
        outcome_cell(ours, time, limit),
        time_cell(default[time]) if finished else outcome_cell(default, time, limit),
        error_cell(default["error"]) if finished else "—",
        ratio_cell(speed_ratio(result, time, DEFAULT)),
        *(outcome_cell(outcome, time, limit) for outcome in outcomes),
        ratio_cell(speed_ratio(result, time)),
    ]


def _detail_row(result):
    ours = result["solvers"][OURS]
    if "error" not in ours:
        return [result["set"], *["—"] * 4]
    return [
        result["set"],
        count_cell(ours["warm"] / ours["pass_seconds"]),
        count_cell(ours["runs"][0].get("n_evals_")),
        error_cell(ours["error"]),
        memory_cell(ours["peak_bytes"]),
    ]


def outcome_cell(outcome, time, limit):
    """Return the time to the target, or what came in its place."""
    if outcome is None:
        return "—"
    if outcome["reached"]:
        return time_cell(outcome[time])
    if outcome.get("failure") == TIMEOUT:
        return f"> {limit:g} s"
    if "error" in outcome:
        missed = {"error": outcome["error"], "seconds": outcome[time]}
    else:
        missed = outcome.get("best")
    if missed is None:
        return outcome["failure"][:40]
    return f"subopt {error_cell(missed['error'])} ({time_cell(missed['seconds'])})"


def speed_ratio(result, time, peer=None):
    """Return the time of a peer over ours, None if ours misses the target.

    It is that of the named peer, wherever it stops, or else that of the fastest one
    that reaches the target.
    """
    solvers = result["solvers"]
    ours = solvers[OURS]
    rivals = [o for solver, o in solvers.items() if solver != OURS and o["reached"]]
    if peer is not None:
        rivals = [solvers[peer]]
    times = [outcome[time] for outcome in rivals if time in outcome]
    return min(times) / ours[time] if times and ours["reached"] else None


def conclusion(results, time, peer=None):
    """Return the mean of the ratios, and where ours is slower."""
    ratios = {result["set"]: speed_ratio(result, time, peer) for result in results}
    return summary_of(ratios)


def summary_of(ratios):
    """Return the mean of the ratios by set, and the sets where ours is slower."""
    ratios = {name: ratio for name, ratio in ratios.items() if ratio is not None}
    if not ratios:
        return "no set has a ratio."
    mean = float(np.exp(np.mean(np.log(list(ratios.values())))))
    slower = ", ".join(name for name, ratio in ratios.items() if ratio < 1)
    number = "1 set" if len(ratios) == 1 else f"{len(ratios)} sets"
    return (
        f"geometric mean of the ratio on {number}: {mean:.2f}; "
        f"below 1 on: {slower or 'none'}."
    )


def missed_by_ours(results):
    missed = [r["set"] for r in results if not r["solvers"][OURS]["reached"]]
    return f"Ours misses the target on: {', '.join(missed) or 'none'}."


def ratio_cell(ratio):
    return "—" if ratio is None else f"{ratio:.2f}"


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
