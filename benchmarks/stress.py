"""How often a fit of a random hard problem is wrong, and whether it knows.

Question: on valid input of every kind, with every parameter, how often does a fit end
away from the optimum without a warning, claim to be nearer than it is, state a bound
that is none, or crash?

`_stress_problems` makes the problems, from a seed each; `_stress_reference` finds the
optimum in long double; `_stress_verdict` says what counts as wrong. "smooth" problems
have an L2 penalty or none, "other" ones an L1 penalty or bounds. Early stopping is left
out, as F is that of rows chosen at random there.

    python benchmarks/stress.py --smooth 5000 --other 2000 --seed 0 --jobs 2 --list
    python benchmarks/stress.py --show smooth 1234
"""

import argparse
import json
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from _stress_problems import KINDS, problem
from _stress_verdict import BAD, judge
from threadpoolctl import threadpool_limits


def main():
    args = _parse_arguments()
    if args.show:
        kind, seed = args.show
        show(judge_seed(kind, int(seed)))
        return
    counts = {"smooth": args.smooth, "other": args.other}
    tasks = [(kind, args.seed + i) for kind in KINDS for i in range(counts[kind])]
    verdicts = judge_all(tasks, args.jobs)
    print_table(verdicts)
    if args.list:
        print_offenders(verdicts)
    if args.json:
        Path(args.json).write_text(json.dumps(verdicts, indent=1) + "\n")


def judge_seed(kind, seed):
    """Return the verdict on one problem."""
    return judge(problem(seed, kind))


def judge_all(tasks, jobs):
    """Return the verdicts on all problems, in the order of the tasks."""
    started, verdicts = time.perf_counter(), []
    with ProcessPoolExecutor(
        jobs, initializer=threadpool_limits, initargs=(1,)
    ) as pool:
        for future in [pool.submit(judge_seed, *task) for task in tasks]:
            verdicts.append(future.result())
            seconds = time.perf_counter() - started
            kind, seed = tasks[len(verdicts) - 1]
            line = f"{len(verdicts)} of {len(tasks)}, {seconds:.0f} s, {kind} {seed}"
            if sys.stderr.isatty():
                print(f"\r{line:<50}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return verdicts


def print_table(verdicts):
    """Print how often each thing is wrong."""
    print(f"{'':<22}" + "".join(f"{kind:>16}" for kind in KINDS))
    of_kind = {k: [v for v in verdicts if v["kind"] == k] for k in KINDS}

    def row(name, count):
        cells = []
        for kind in KINDS:
            n, total = sum(map(count, of_kind[kind])), len(of_kind[kind])
            share = f" ({n / total:.2%})" if total else ""
            cells.append(f"{n}{share}".rjust(16))
        print(f"{name:<22}" + "".join(cells))

    print(f"{'problems':<22}" + "".join(f"{len(of_kind[k]):>16}" for k in KINDS))
    for name in BAD:
        row(name, lambda v, name=name: name in v["bad"])
    row("any of these", lambda v: bool(v["bad"]))
    row("warned", lambda v: bool(v.get("warned")))
    kinds = Counter(kind for v in verdicts for kind in v.get("warned", []))
    for kind in sorted(kinds):
        row(f"  {kind}", lambda v, kind=kind: kind in v.get("warned", []))
    row("F* not proved", lambda v: not v.get("proved", True))
    for what in ("fit_seconds", "reference_seconds"):
        print(f"{what.replace('_', ' ') + ', median, max':<32}", end="")
        for kind in KINDS:
            seconds = [v[what] for v in of_kind[kind] if what in v]
            if seconds:
                print(f"{np.median(seconds):8.3f}, {max(seconds):.1f}", end="")
        print()


def print_offenders(verdicts):
    """Print each problem on which something is wrong."""
    for verdict in verdicts:
        if not verdict["bad"]:
            continue
        print(f"\n{verdict['kind']} {verdict['seed']}: {', '.join(verdict['bad'])}")
        print(f"  {verdict['problem']}")
        if "error" in verdict:
            print(f"  {verdict['error']}")
            continue
        print(
            f"  gap {verdict['gap']:.1e}, estimate {verdict['suboptimality']:.1e}, "
            f"bound {verdict['duality_gap']:.1e}, tol {verdict['tol']:.0e}, "
            f"F {verdict['F']:.6g}, F* {verdict['F*']:.6g}, "
            f"{'proved' if verdict['proved'] else 'not proved'}, "
            f"{verdict['n_iter']} iterations, {verdict['fit_seconds']:.2f} s"
        )
        if "curve" in verdict["bad"]:
            error, allowed = verdict["curve_error"], verdict["curve_allowed"]
            print(f"  end of the curve off by {error:.1e}, allowed {allowed:.1e}")
        for what in ("warned", "stray"):
            if verdict[what]:
                print(f"  {what}: {'; '.join(verdict[what])}")


def show(verdict):
    """Print everything that is known of one problem."""
    for name, value in verdict.items():
        print(f"{name:<18} {value}")


def _parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smooth", type=int, default=600, help="number of problems")
    parser.add_argument("--other", type=int, default=200, help="number of problems")
    parser.add_argument("--seed", type=int, default=0, help="that of the first problem")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--json", help="file for all verdicts")
    parser.add_argument("--list", action="store_true", help="print the offenders")
    parser.add_argument("--show", nargs=2, metavar=("KIND", "SEED"))
    args = parser.parse_args()
    if args.show and args.show[0] not in KINDS:
        parser.error(f"unknown kind {args.show[0]!r}; known are {KINDS}")
    return args


if __name__ == "__main__":
    main()
