"""The time of a fit: ours against LogisticRegression() and the best of its peers.

Question: how long does a fit take on raw, unscaled data, with F as in `_objective` at
C = 1, the first time in a process and the next times? Ours runs with its defaults. So
does LogisticRegression(), and the tables say how far from the optimum F* it stops. The
other peers have to come within a relative 1e-6 of F*, each at the loosest tolerance of
the grid 1e-1, 1e-2, ... 1e-14 that gets there, as if its user had known it. F is
computed from coef_ and intercept_ by code of the benchmark, F* by the solver in
`_reference`, to 1e-10.

"cold" is the first fit of a process that has imported everything: libraries are
inspected and threads started in it. "warm" is the median of up to five fits after it,
fewer where they take long, see `_worker`. The repeats, a process each, go round the
solvers in turn, so that a busy spell of the machine hits all of them; the tables show
medians over the processes.

A ratio is the time of the peer divided by ours, if ours reaches the target: above 1,
ours is faster. "best" is the fastest peer that reaches it, too. "passes" is our warm
time in units of one ``X @ v``; "memory" is what our first fit needs beyond X. Dense and
sparse sets have tables of their own, with the peers made for them.

    python benchmarks/compare.py --data DIR
    python benchmarks/compare.py --data DIR --sets adult,letter --peers lbfgs,glum
    python benchmarks/compare.py --data DIR --sets dense
    python benchmarks/compare.py --sets onehot-20000-500-100,text-2000-20000-5

--sets takes names and the groups of `chosen_sets`. Some sparse sets are generated and
need no DIR, see `_datasets`; any sizes will do. Optima and tolerances are looked for
once and kept in --cache. On most sets an optimum takes seconds, on mnist_t10k minutes.
"""

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from _datasets import (
    BUNDLED,
    GENERATED_SPARSE,
    fingerprint,
    is_generated,
    is_sparse,
    list_sets,
)
from _peers import DEFAULT, OURS, PACKAGED, PEERS, TOLERANCES, is_applicable
from _report import environment, print_report, read_json, write_json
from _worker import TIMEOUT, run_job

RESULTS = Path(__file__).with_name("results")
# A search for a tolerance that takes longer than this many limits is given up.
SEARCH_LIMITS = 3
NO_TOLERANCE = "no tolerance reaches it"
WARM_FITS = 5


def main():
    args = _parse_arguments()
    report = {
        "environment": environment(),
        "settings": {name: str(value) for name, value in vars(args).items()},
        "results": [],
    }
    for name in chosen_sets(args.sets, args.data):
        result = compare_on(name, args)
        if result is not None:
            report["results"].append(result)
        if args.json:
            write_json(args.json, report)
    print_report(report, args)


def compare_on(name, args):
    """Return all that was measured on one set, None if it has no reference."""
    job = {"data": name, "directory": args.data, "dtype": args.dtype, "C": args.C}
    key = f"{name} {args.dtype} C={args.C:g} {fingerprint(name, args.data)}"
    reference = cached(
        args.cache, f"optimum {key}", lambda: run_job(task="reference", **job)
    )
    if "failure" in reference:
        say(f"{name}: no reference: {reference['failure']}")
        return None

    sparse = is_sparse(name, args.data)
    fit_job = job | {"task": "fit", "limit": args.limit}
    outcomes = {solver: {"tol": None, "runs": []} for solver in (OURS, DEFAULT)}
    for peer in args.peers:
        if is_applicable(peer, sparse, reference["shape"]):
            search = find_tolerance(peer, fit_job, key, reference["optimum"], args)
            outcomes[peer] = {"tol": None, "runs": []} | search
    time_in_turn(name, outcomes, fit_job, reference["optimum"], args)
    for outcome in outcomes.values():
        summarise(outcome, args.target)
    about = {"set": name, "sparse": sparse}
    return about | {"reference": reference, "solvers": outcomes}


def find_tolerance(peer, fit_job, key, optimum, args):
    """Return the loosest tolerance that reaches the target, or why there is none.

    Found ones are cached. That there is none within the limit is cached, too, but tried
    again under a more generous limit. Accidents are not cached.
    """
    release = version(peer if peer in PACKAGED else "scikit-learn")
    key = f"tolerance {peer} {release} target={args.target:g} {key}"
    cache = read_json(args.cache)
    known = cache.get(key)
    if known and (known["tol"] is not None or known["limit"] >= args.limit):
        return known
    spent, answers = 0.0, []
    search = {"tol": None, "limit": args.limit, "failure": NO_TOLERANCE}
    for tol in TOLERANCES:
        say(f"{fit_job['data']}: {peer} at tol={tol:.0e}")
        answer = _fit(peer, fit_job, tol, optimum)
        if "failure" in answer:
            search["failure"] = answer["failure"]
            # A tighter tolerance takes longer still.
            break
        answers.append(answer)
        if answer["error"] <= args.target:
            search = {"tol": tol, "limit": args.limit}
            break
        spent += answer["cold"]
        if spent > SEARCH_LIMITS * args.limit:
            break
    if search["tol"] is None and answers:
        best = min(answers, key=lambda answer: answer["error"])
        search["best"] = {"error": best["error"], "seconds": best["cold"]}
    if search.get("failure") in (None, TIMEOUT, NO_TOLERANCE):
        # Read again: another run may have written meanwhile.
        write_json(args.cache, read_json(args.cache) | {key: search})
    return search


def time_in_turn(name, outcomes, fit_job, optimum, args):
    """Append the repeats to the outcomes; a solver that fails once is out."""
    fit_job = fit_job | {"warm_fits": WARM_FITS}
    for repeat in range(args.repeats):
        for solver, outcome in outcomes.items():
            if "failure" in outcome:
                continue
            say(f"{name}: {solver}, process {repeat + 1} of {args.repeats}")
            answer = _fit(solver, fit_job, outcome["tol"], optimum)
            if "failure" in answer:
                outcome["failure"] = answer["failure"]
            else:
                outcome["runs"].append(answer)


def _fit(solver, fit_job, tol, optimum):
    answer = run_job(solver=solver, tol=tol, **fit_job)
    if "failure" not in answer:
        answer["error"] = (answer["objective"] - optimum) / optimum
        if answer["error"] < -1e-9:
            raise ArithmeticError(
                f"{solver} is below the reference on {fit_job['data']}: "
                f"{answer['objective']!r} < {optimum!r}"
            )
    return answer


def summarise(outcome, target):
    runs = outcome["runs"]
    outcome["reached"] = False
    if runs and "failure" not in outcome:
        for name in ("cold", "warm", "pass_seconds", "peak_bytes"):
            outcome[name] = float(np.median([run[name] for run in runs]))
        # Threads may change the last digits from run to run: the worst one counts.
        outcome["error"] = max(run["error"] for run in runs)
        outcome["reached"] = outcome["error"] <= target


def chosen_sets(names, directory):
    """Return the names of sets, where "dense", "sparse" and "all" stand for many.

    "dense" are the dense files of the directory and the sets of scikit-learn, "sparse"
    are the sparse files and those that are generated.
    """
    dense, sparse = list_sets(directory) if directory else ([], [])
    groups = {"dense": [*dense, *BUNDLED], "sparse": [*sparse, *GENERATED_SPARSE]}
    groups["all"] = [*groups["dense"], *groups["sparse"]]
    chosen = [single for name in names for single in groups.get(name, [name])]
    unknown = set(chosen) - set(groups["all"])
    unknown = sorted(name for name in unknown if not is_generated(name))
    if unknown:
        sys.exit(f"unknown sets {unknown}; known are {groups['all']}")
    return chosen


def cached(path, key, compute):
    cache = read_json(path)
    if key not in cache:
        say(key)
        value = compute()
        if "failure" in value:
            return value
        cache = read_json(path) | {key: value}
        write_json(path, cache)
    return cache[key]


def say(text):
    print(text, file=sys.stderr, flush=True)


def names_in(text):
    return [name for name in text.split(",") if name]


def _parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="directory of the .npz files")
    parser.add_argument("--sets", type=names_in, default=["all"])
    parser.add_argument("--peers", type=names_in, default=list(PEERS))
    parser.add_argument("--repeats", type=int, default=5, help="processes")
    parser.add_argument("--limit", type=float, default=120, help="seconds for a fit")
    parser.add_argument("--target", type=float, default=1e-6)
    parser.add_argument("--C", type=float, default=1.0)
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    parser.add_argument("--json", help="file for all raw numbers")
    parser.add_argument("--cache", default=RESULTS / "cache.json")
    args = parser.parse_args()
    unknown = set(args.peers) - set(PEERS)
    if unknown:
        parser.error(f"unknown peers {sorted(unknown)}; known are {list(PEERS)}")
    return args


if __name__ == "__main__":
    main()
