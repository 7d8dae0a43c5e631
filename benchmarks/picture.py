"""A picture, that of the README: how near to the optimum a fit is after how much time.

Question: what does more time buy with `LogisticRegression`, and what with ours? Each
point of a curve is a fit with a limit of iterations, at C = 1 on raw data: its wall
time, and the relative suboptimality (F − F*) / F* of what it returns. The limit grows
until the fit ends by itself, is as accurate as F* is known, or takes nearly --limit
seconds. The peers have a tolerance of 1e-14, so that nothing else ends them. Marked are
the two fits with default parameters: ours, and LogisticRegression().

F is computed from coef_ and intercept_ by `_objective`, F* by `_reference`. Every point
has a process of its own (`_worker`), in which a short fit is repeated, up to --repeats
times in all; its time is the shortest, which other programs disturb least. Not drawn
are fits that took longer than a better one.

    python benchmarks/picture.py --data DIR     # measure, print the table, and draw
    python benchmarks/picture.py                # draw again what was measured last
    python benchmarks/picture.py --data DIR --sets all --json all.json --picture all.svg

--sets takes names and the groups "dense", "sparse" and "all", as `compare` does; each
set gets a panel. newton-cholesky is left out where it would need too large a Hessian.
The measurements go to results/picture.json, the picture to docs/images/, unless other
files are named.
"""

import argparse
import sys
from pathlib import Path

from _datasets import fingerprint, is_sparse
from _peers import DEFAULT, OURS, is_applicable
from _picture_drawing import draw
from _report import (
    describe,
    environment,
    error_cell,
    print_table,
    read_json,
    shape_cell,
    time_cell,
    write_json,
)
from _worker import run_job
from compare import RESULTS, cached, chosen_sets, names_in, say

SETS = [
    *["adult", "bank_marketing", "credit_default"],
    *["nycflights", "letter", "covtype_15k"],
]
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "time_to_optimum.svg"
# The first number of iterations of a curve, and the factor from one to the next.
CURVES = {OURS: (1, 2), "newton-cholesky": (1, 2), "lbfgs": (10, 3)}
TIGHTEST = 1e-14
# Below this, F* itself is not known.
FLOOR = 1e-10
# The last fit of a curve shall take about this part of the limit. A fit is left out if
# its iterations are less than this many times those of the one before.
NEARLY, WORTH = 0.85, 1.3


def main():
    args = _parse_arguments()
    if args.data:
        report = {"environment": environment(), "limit": args.limit, "sets": []}
        for name in chosen_sets(args.sets, args.data):
            result = measure(name, args)
            if result is not None:
                report["sets"].append(result)
                write_json(args.json, report)
    report = read_json(args.json)
    if not report:
        sys.exit(f"{args.json} holds no measurements: run with --data DIR first")
    print_report(report)
    args.picture.parent.mkdir(parents=True, exist_ok=True)
    draw(report, args.picture)
    say(f"drawn to {args.picture}")


def measure(name, args):
    """Return the curves and the fits without arguments on one set."""
    job = {"data": name, "directory": args.data, "dtype": "float64", "C": 1.0}
    key = f"optimum {name} float64 C=1 {fingerprint(name, args.data)}"
    reference = cached(args.cache, key, lambda: run_job(task="reference", **job))
    if "failure" in reference:
        say(f"{name}: no reference: {reference['failure']}")
        return None
    optimum = reference["optimum"]
    job |= {"task": "fit", "limit": args.limit}
    shape, sparse = reference["shape"], is_sparse(name, args.data)
    curves = {solver: [] for solver in CURVES}
    for solver, (first, growth) in CURVES.items():
        if is_applicable(solver, sparse, shape):
            curves[solver] = follow(solver, first, growth, job, optimum, args)
    defaults = {
        solver: timed(solver, job, optimum, args.repeats) for solver in (OURS, DEFAULT)
    }
    return {"set": name, "shape": shape, "curves": curves, "defaults": defaults}


def follow(solver, first, growth, job, optimum, args):
    """Return the points of one curve, in the order of their iterations."""
    points, max_iter = [], first
    while not points or max_iter >= WORTH * points[-1]["max_iter"]:
        say(f"{job['data']}: {solver}, max_iter={max_iter}")
        # What follows a long fit takes longer still.
        long = points and points[-1]["seconds"] > args.limit / 10
        repeats = 1 if long else args.repeats
        point = timed(solver, job, optimum, repeats, TIGHTEST, max_iter)
        if "failure" in point:
            break
        points.append(point)
        # One less: newton-cholesky hands over to lbfgs where its Hessian is singular,
        # and does not count that iteration.
        if point["error"] < FLOOR or point["n_iter"] < max_iter - 1:
            break
        affordable = max_iter * NEARLY * args.limit / point["seconds"]
        max_iter = int(min(max_iter * growth, affordable))
    return points


def timed(solver, job, optimum, repeats, tol=None, max_iter=None):
    """Return the time and the suboptimality of one fit, or why there is none."""
    options = {"solver": solver, "tol": tol, "max_iter": max_iter}
    run = run_job(**job, **options, warm_fits=repeats - 1)
    if "failure" in run:
        return {"max_iter": max_iter, "failure": run["failure"]}
    return {
        "max_iter": max_iter,
        "n_iter": run["n_iter_"],
        "seconds": run["shortest"],
        "error": run["objective"] / optimum - 1,
    }


def print_report(report):
    """Print what the picture shows, as a table in Markdown."""
    print(f"{describe(report['environment'])}\n")
    header = ["set", "n x d x K", "ours", "subopt", "LogisticRegression()", "subopt"]
    header += [f"{solver}, last" for solver in CURVES if solver != OURS]
    print_table(header, [_row(result) for result in report["sets"]])


def _row(result):
    cells = [result["set"], shape_cell(result["shape"])]
    for fit in result["defaults"].values():
        if "failure" in fit:
            cells += [fit["failure"], "—"]
        else:
            cells += [time_cell(fit["seconds"]), error_cell(fit["error"])]
    for solver, points in result["curves"].items():
        if solver != OURS:
            cells.append(_end_cell(points))
    return cells


def _end_cell(points):
    if not points:
        return "—"
    end = points[-1]
    return f"{error_cell(end['error'])} in {time_cell(end['seconds'])}"


def _parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="directory of the .npz files")
    parser.add_argument("--sets", type=names_in, default=SETS)
    parser.add_argument("--repeats", type=int, default=9, help="fits in a process")
    parser.add_argument("--limit", type=float, default=30, help="seconds for a fit")
    parser.add_argument("--json", default=RESULTS / "picture.json")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--cache", default=RESULTS / "cache.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
