"""The time to choose C: ours against LogisticRegressionCV, GridSearchCV and glum.

Question: how long does it take to try ten values of C in five folds and to fit all rows
at the best of them, on raw, unscaled data, and how good is the result? The score is the
cross-entropy of the held-out rows, C is one of `numpy.logspace(-4, 4, 10)`, which are
the defaults of LogisticRegressionCV, and the folds are those of scikit-learn for cv=5.
The estimators, see `_searches`, have their default tolerances and numbers of
iterations: these are the times that users get. What the peers lose by stopping early
is in the second table.

A fifth of the rows, drawn with a fixed seed, take no part. "test" is the mean
cross-entropy of these rows, in nats, computed from coef_ and intercept_ by code of the
benchmark. "one fit" is BinaryLogReg or SoftmaxReg at C = 1 on the same rows. The ratio
is the time of the fastest peer divided by ours. A peer counts if its test cross-entropy
is at most 1 % above ours.

Each time is the median over processes of their own, in which all has been imported and
the data are loaded, but nothing was fitted before. Processes go round the searches in
turn.

    python benchmarks/choose_c.py --data DIR
    python benchmarks/choose_c.py --data DIR --sets adult,letter --lasso-sets madelon
    python benchmarks/choose_c.py --data DIR --peers grid-skxent,newton-cholesky
"""

import argparse

import numpy as np
from _report import (
    describe,
    environment,
    print_table,
    ratio_cell,
    shape_cell,
    summary_of,
    time_cell,
    write_json,
)
from _searches import LASSO_PEERS, ONE_FIT, OURS, RIDGE_PEERS, is_applicable
from _worker import TIMEOUT, run_job
from compare import names_in, say

SETS = [
    "adult",
    "bank_marketing",
    "credit_default",
    "nycflights",
    "spambase",
    "letter",
    "pendigits",
    "covtype_15k",
    "imdb_sparse_tfidf",
    "madelon",
    "arcene",
]
LASSO_SETS = ["imdb_sparse_tfidf", "adult", "madelon"]
CS = np.logspace(-4, 4, 10).tolist()
# A search that is worse than ours by more than this share is no alternative to it.
TOLERATED = 0.01


def main():
    args = _parse_arguments()
    report = {"environment": environment(), "limit": args.limit, "results": []}
    for lasso, names in [(False, args.sets), (True, args.lasso_sets)]:
        for name in names:
            report["results"].append(compare_on(name, lasso, args))
            if args.json:
                write_json(args.json, report)
    print_report(report, args)


def compare_on(name, lasso, args):
    """Return what all searches took and found on one set."""
    data = {"data": name, "directory": args.data}
    about = run_job(task="shape", **data)
    if "failure" in about:
        raise SystemExit(f"{name}: {about['failure']}")
    kind = about["sparse"], about["shape"]
    peers = [peer for peer in peers_of(lasso, args) if is_applicable(peer, *kind)]
    runs = {search: [] for search in (ONE_FIT, OURS, *peers)}
    job = data | {"task": "search", "Cs": CS, "lasso": lasso, "limit": args.limit}
    for repeat in range(args.repeats):
        for search, answers in runs.items():
            if answers and "failure" in answers[-1]:
                continue
            say(f"{name}: {search}, process {repeat + 1} of {args.repeats}")
            answers.append(run_job(name=search, **job))
    searches = {search: summarise(answers) for search, answers in runs.items()}
    return {"set": name, "lasso": lasso, **about, "searches": searches}


def peers_of(lasso, args):
    peers = LASSO_PEERS if lasso else RIDGE_PEERS
    return [peer for peer in peers if peer in args.peers]


def summarise(answers):
    """Return the last answer, with the median of the times; a failure is the answer."""
    if "failure" in answers[-1]:
        return answers[-1]
    seconds = [answer["seconds"] for answer in answers]
    return answers[-1] | {"seconds": float(np.median(seconds))}


def print_report(report, args):
    """Print the tables, in Markdown."""
    print(describe(report["environment"]))
    for lasso, penalty in [(False, "L2"), (True, "L1")]:
        results = [r for r in report["results"] if r["lasso"] == lasso]
        if not results:
            continue
        tried = {search for result in results for search in result["searches"]}
        peers = [peer for peer in peers_of(lasso, args) if peer in tried]
        print(f"\nTime to choose one of {len(CS)} values of C in 5 folds, {penalty}.\n")
        header = ["set", "n x d x K", "one fit", "ours", "ours / one fit"]
        rows = [time_row(result, peers, args.limit) for result in results]
        print_table([*header, *peers, "ratio to best"], rows)
        print(f"\n{conclusion(results)}")
        print("\nChosen C and test cross-entropy in nats.\n")
        rows = [answer_row(result, peers) for result in results]
        print_table(["set", "at C = 1", "ours", *peers], rows)


def time_row(result, peers, limit):
    searches = result["searches"]
    one_fit, ours = searches[ONE_FIT], searches[OURS]
    cells = [search_cell(searches.get(peer), limit) for peer in peers]
    both = "seconds" in one_fit and "seconds" in ours
    fits = f"{ours['seconds'] / one_fit['seconds']:.1f}" if both else "—"
    own = [search_cell(one_fit, limit), search_cell(ours, limit), fits]
    ratio = ratio_cell(speed_ratio(result))
    return [result["set"], shape_cell(result["shape"]), *own, *cells, ratio]


def answer_row(result, peers):
    searches = result["searches"]
    one_fit = searches[ONE_FIT]
    first = f"{one_fit['test_loss']:.4f}" if "test_loss" in one_fit else "—"
    cells = [answer_cell(searches.get(search)) for search in (OURS, *peers)]
    return [result["set"], first, *cells]


def search_cell(outcome, limit):
    """Return the time of a search, or what came in its place."""
    if outcome is None:
        return "—"
    if "failure" not in outcome:
        return time_cell(outcome["seconds"])
    timed_out = outcome["failure"] == TIMEOUT
    return f"> {limit:g} s" if timed_out else outcome["failure"][:40]


def answer_cell(outcome):
    if outcome is None or "failure" in outcome:
        return "—"
    text = f"C = {outcome['C']:.3g}: {outcome['test_loss']:.4f}"
    n_warnings = outcome["n_warnings"]
    return text + (f" ({n_warnings} warnings)" if n_warnings else "")


def speed_ratio(result):
    """Return the time of the fastest peer that counts over ours, None without both."""
    ours = result["searches"][OURS]
    if "failure" in ours:
        return None
    times = [
        outcome["seconds"]
        for search, outcome in result["searches"].items()
        if search not in (OURS, ONE_FIT)
        and "failure" not in outcome
        and outcome["test_loss"] <= ours["test_loss"] * (1 + TOLERATED)
    ]
    return min(times) / ours["seconds"] if times else None


def conclusion(results):
    """Return the mean of the ratios, and where ours is slower."""
    summary = summary_of({result["set"]: speed_ratio(result) for result in results})
    return summary[0].upper() + summary[1:]


def _parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = list(dict.fromkeys([*RIDGE_PEERS, *LASSO_PEERS]))
    parser.add_argument("--data", help="directory of the .npz files")
    parser.add_argument("--sets", type=names_in, default=SETS)
    parser.add_argument("--lasso-sets", type=names_in, default=LASSO_SETS)
    parser.add_argument("--peers", type=names_in, default=known)
    parser.add_argument("--repeats", type=int, default=3, help="processes")
    parser.add_argument("--limit", type=float, default=300, help="seconds for a search")
    parser.add_argument("--json", help="file for all raw numbers")
    args = parser.parse_args()
    unknown = set(args.peers) - set(known)
    if unknown:
        parser.error(f"unknown peers {sorted(unknown)}; known are {known}")
    return args


if __name__ == "__main__":
    main()
