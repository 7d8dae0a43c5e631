"""Time to the optimum of the lasso: ours against scikit-learn, skglm and celer.

Question: how long does it take to get within a relative 1e-6 of the optimum F* of

    F(w) = 1/n sum_i loss(y_i, x_i w) + 1/(C n) |w|_1

for two classes? C is 10, 100 and 1,000 times the largest one at which no coefficient is
non-zero: the penalty is that fraction of the one that leaves nothing. There is no
intercept, since liblinear would penalise it and celer knows none. Columns of dense sets
are divided by their largest absolute value, for everyone, else liblinear and saga get
nowhere; sparse text is tf-idf, and scaled by that.

The rules are those of `compare`: processes of their own for each solver, ours with its
defaults, each peer at the loosest tolerance that reaches the target, "ratio" against
the fastest peer that does. The times are those of warm fits. skglm and celer take part
where they are installed. F* comes from `_lasso_reference`, proved to 1e-10.

    python benchmarks/lasso.py --data DIR
    python benchmarks/lasso.py --data DIR --sets arcene_scaled --peers liblinear
"""

import argparse
from importlib.util import find_spec

import numpy as np
from _datasets import fingerprint
from _peers import LASSO_PEERS, OURS, PACKAGED
from _report import (
    conclusion,
    count_cell,
    describe,
    environment,
    error_cell,
    missed_by_ours,
    outcome_cell,
    print_table,
    ratio_cell,
    shape_cell,
    speed_ratio,
    write_json,
)
from _worker import run_job
from compare import (
    RESULTS,
    cached,
    find_tolerance,
    names_in,
    say,
    summarise,
    time_in_turn,
)

SETS = [
    "imdb_sparse_tfidf",
    "reuters_moneyfx_sparse",
    "adult_scaled",
    "madelon_scaled",
    "arcene_scaled",
]
MULTIPLES = [10, 100, 1000]


def main():
    args = _parse_arguments()
    report = {"environment": environment(), "results": []}
    for name in args.sets:
        for multiple in args.multiples:
            result = compare_on(name, multiple, args)
            if result is not None:
                report["results"].append(result)
            if args.json:
                write_json(args.json, report)
    print_report(report, args)


def compare_on(name, multiple, args):
    """Return all that was measured on one set, None if it has no reference."""
    data = {"data": name, "directory": args.data}
    key = f"lasso {name} /{multiple} {fingerprint(name, args.data)}"
    job = data | {"task": "lasso_reference", "multiple": multiple}
    reference = cached(args.cache, f"optimum {key}", lambda: run_job(**job))
    if "failure" in reference:
        say(f"{name}: no reference: {reference['failure']}")
        return None

    job = data | {"task": "fit", "dtype": "float64", "C": reference["C"]}
    job |= {"lasso": True, "limit": args.limit}
    outcomes = {OURS: {"tol": None, "runs": []}}
    for peer in args.peers:
        search = find_tolerance(peer, job, key, reference["optimum"], args)
        outcomes[peer] = {"tol": None, "runs": []} | search
    time_in_turn(name, outcomes, job, reference["optimum"], args)
    for outcome in outcomes.values():
        summarise(outcome, args.target)
    about = {"set": f"{name} /{multiple}", "reference": reference}
    return about | {"solvers": outcomes}


def print_report(report, args):
    """Print the table, in Markdown."""
    print(describe(report["environment"]))
    print(f"\nTime to a relative suboptimality of {args.target:g} with an L1 penalty;")
    print("/10 is a tenth of the smallest penalty at which all coefficients are 0:\n")
    header = ["set", "n x d x K", "non-zero", "ours", "non-zero", "evals", "subopt"]
    rows = [_row(result, args) for result in report["results"]]
    print_table([*header, *args.peers, "ratio"], rows)
    print(f"\nBest peer: {conclusion(report['results'], 'warm')}")
    print(missed_by_ours(report["results"]))
    for peer in args.peers:
        ratios = [_ratio_to(peer, result) for result in report["results"]]
        ratios = [ratio for ratio in ratios if ratio is not None]
        if ratios:
            mean = np.exp(np.mean(np.log(ratios)))
            print(f"Where {peer} reaches it ({len(ratios)} sets): {mean:.2f}.")


def _row(result, args):
    ours = result["solvers"][OURS]
    peers = [result["solvers"][peer] for peer in args.peers]
    details = ["—"] * 3
    if "error" in ours:
        run = ours["runs"][0]
        details = [count_cell(run["n_nonzero"]), count_cell(run.get("n_evals_"))]
        details.append(error_cell(ours["error"]))
    return [
        result["set"],
        shape_cell(result["reference"]["shape"]),
        count_cell(result["reference"]["n_nonzero"]),
        outcome_cell(ours, "warm", args.limit),
        *details,
        *(outcome_cell(peer, "warm", args.limit) for peer in peers),
        ratio_cell(speed_ratio(result, "warm")),
    ]


def _ratio_to(peer, result):
    solvers = {name: result["solvers"][name] for name in (OURS, peer)}
    return speed_ratio({"solvers": solvers}, "warm")


def _parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="directory of the .npz files")
    parser.add_argument("--sets", type=names_in, default=SETS)
    parser.add_argument("--multiples", type=int, nargs="+", default=MULTIPLES)
    parser.add_argument("--peers", type=names_in, default=_installed_peers())
    parser.add_argument("--repeats", type=int, default=3, help="processes")
    parser.add_argument("--limit", type=float, default=60, help="seconds for a fit")
    parser.add_argument("--target", type=float, default=1e-6)
    parser.add_argument("--json", help="file for all raw numbers")
    parser.add_argument("--cache", default=RESULTS / "cache.json")
    args = parser.parse_args()
    unknown = set(args.peers) - set(LASSO_PEERS)
    if unknown:
        parser.error(f"unknown peers {sorted(unknown)}; known are {list(LASSO_PEERS)}")
    installed = _installed_peers()
    for peer in args.peers:
        if peer not in installed:
            say(f"{peer} is not installed and left out")
    args.peers = [peer for peer in args.peers if peer in installed]
    return args


def _installed_peers():
    return [p for p in LASSO_PEERS if p not in PACKAGED or find_spec(p) is not None]


if __name__ == "__main__":
    main()
