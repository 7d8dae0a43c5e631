"""Standard errors: what a table costs beside its fit, and whether intervals cover.

Question 1: how long do a fit without a penalty and its coefficient table take, and how
long the fit and the summary of statsmodels' Logit? Both get the same rows and columns.
Columns with fewer than ``MIN_ROWS`` nonzero rows separate the classes and have no
estimate: they are dropped, and their rows with them. Columns that are combinations of
others are dropped for statsmodels, which inverts the Hessian. All run in one process,
each ``--repeats`` times in turn; the table shows medians.

Question 2: do intervals of 95 % hold the true coefficient in 95 % of draws? Draws of
``N_ROWS`` rows are simulated from a known model, each with its own seed.

    model            independent rows, by the inverse information
    HC1, HC3         the same rows, by the robust covariances
    profile          the same rows, by the profile likelihood
    cluster          rows that come in clusters, which share noise and a feature; also
                     by the inverse information, which is wrong there
    softmax          three classes, by the inverse information

    python benchmarks/inference.py --data DIR
    python benchmarks/inference.py --draws 20   # no data sets, a smoke test of coverage
"""

import argparse
import time

import numpy as np
from _datasets import load
from _report import describe, environment, print_table, time_cell, write_json
from scipy.stats import norm

from skxent import BinaryLogReg, SoftmaxReg, coefficient_table, profile_intervals

MIN_ROWS = 5
N_ROWS, N_CLUSTERS = 200, 50
SLOPES = np.array([0.5, -1.0, 0.0])
INTERCEPT = -0.7
COVERED = 0.93, 0.97
WRONG = "model, in spite of clusters"


def main():
    args = _parse_arguments()
    report = {"environment": environment(), "times": [], "coverage": {}}
    print(describe(report["environment"]))
    if args.data:
        for name in args.sets.split(","):
            report["times"].append(times_of(name, args))
        print_times(report["times"])
    report["coverage"] = coverage(args.draws)
    print_coverage(report["coverage"], args.draws)
    if args.json:
        write_json(args.json, report)


def times_of(name, args):
    """Return the median times of fits, tables and statsmodels, in seconds."""
    X, y = without_separating_columns(load(name, args.data, np.float64))
    runs = {"fit": [], "table": [], "statsmodels": []}
    for _ in range(args.repeats):
        start = time.perf_counter()
        model = BinaryLogReg(C=np.inf).fit(X, y)
        runs["fit"].append(time.perf_counter() - start)
        start = time.perf_counter()
        table = coefficient_table(model, X, y)
        str(table)
        runs["table"].append(time.perf_counter() - start)
        peer = statsmodels_errors(X, y, table)
        if peer is not None:
            runs["statsmodels"].append(peer[0])
    medians = {kind: float(np.median(t)) if t else None for kind, t in runs.items()}
    difference = None if peer is None else float(peer[1])
    return {"set": name, "shape": X.shape, "difference": difference, **medians}


def without_separating_columns(data):
    """Return X and y without columns that hardly any row has, and these rows."""
    n_rows = (data.X != 0).sum(axis=0)
    rare = n_rows < MIN_ROWS
    rows = ~(data.X[:, rare] != 0).any(axis=1)
    return np.ascontiguousarray(data.X[rows][:, ~rare]), data.y[rows]


def statsmodels_errors(X, y, table):
    """Return the time of fit and summary, and the largest difference of an error."""
    try:
        import statsmodels.api as sm
    except ImportError:
        return None
    known = ~np.isnan(table.estimate)
    X = X[:, known[1:]]
    start = time.perf_counter()
    fitted = sm.Logit(y, sm.add_constant(X, has_constant="add")).fit(disp=0)
    fitted.summary()
    seconds = time.perf_counter() - start
    return seconds, np.abs(fitted.bse / table.standard_error[known] - 1).max()


def coverage(n_draws):
    """Return the shares of draws in which an interval holds the true coefficient."""
    truth = np.array([INTERCEPT, *SLOPES])
    held = {}
    for seed in range(n_draws):
        X, y, cluster = draw(seed)
        model = BinaryLogReg(C=np.inf).fit(X, y)
        for kind in ("model", "HC1", "HC3"):
            note(held, kind, coefficient_table(model, X, y, covariance=kind), truth)
        note(held, "profile", profile_intervals(model, X, y), truth)
        X, y, cluster = draw(seed, shared=True)
        model = BinaryLogReg(C=np.inf).fit(X, y)
        for kind, labels in (("model", None), ("cluster", cluster)):
            table = coefficient_table(model, X, y, covariance=kind, cluster=labels)
            note(held, WRONG if labels is None else kind, table, truth)
        X, y = draw_softmax(seed)
        table = coefficient_table(SoftmaxReg(C=np.inf).fit(X, y), X, y, contrast=0)
        note(held, "softmax", table, np.concatenate([truth, -truth]))
    return {kind: np.mean(inside, axis=0).tolist() for kind, inside in held.items()}


def note(held, kind, table, truth):
    held.setdefault(kind, []).append((table.lower <= truth) & (truth <= table.upper))


def draw(seed, shared=False):
    """Return rows of a logistic model, with clusters that share an effect or not."""
    rng = np.random.default_rng([seed, shared])
    cluster = np.arange(N_ROWS) % N_CLUSTERS
    X = rng.normal(size=(N_ROWS, len(SLOPES)))
    noise = rng.logistic(size=N_ROWS)
    if shared:
        # rows of a cluster have the same first feature and similar noise, and the noise
        # of a row alone is logistic: the coefficients are those of independent rows
        X[:, 0] = rng.normal(size=N_CLUSTERS)[cluster]
        normal = rng.normal(size=N_CLUSTERS)[cluster] + rng.normal(size=N_ROWS)
        normal /= np.sqrt(2)
        noise = norm.logcdf(normal) - norm.logsf(normal)
    y = INTERCEPT + X @ SLOPES + noise > 0
    return X, y.astype(int), cluster


def draw_softmax(seed):
    """Return rows of three classes, the last two with opposite coefficients."""
    rng = np.random.default_rng([seed, 2])
    X = rng.normal(size=(2 * N_ROWS, len(SLOPES)))
    z = INTERCEPT + X @ SLOPES
    logits = np.column_stack([np.zeros(len(z)), z, -z])
    return X, (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


def print_times(times):
    print(
        "\nA fit without a penalty and its table, beside statsmodels' fit and summary\n"
    )
    header = ["set", "n x d", "fit", "table", "statsmodels", "ratio", "difference"]
    rows = []
    for result in times:
        ours = result["fit"] + result["table"]
        peer = result["statsmodels"]
        n, d = result["shape"]
        rows.append(
            [
                result["set"],
                f"{n:,} x {d:,}",
                time_cell(result["fit"]),
                time_cell(result["table"]),
                "—" if peer is None else time_cell(peer),
                "—" if peer is None else f"{peer / ours:.1f}",
                "—" if peer is None else f"{result['difference']:.0e}",
            ]
        )
    print_table(header, rows)
    print("\nratio: the time of statsmodels over that of our fit and table.")
    print("difference: the largest relative one of a standard error.")


def print_coverage(shares, n_draws):
    print(
        f"\nShare of {n_draws:,} draws in which a 95 % interval holds the coefficient\n"
    )
    rows = [
        [kind, f"{min(of_kind):.1%}", f"{max(of_kind):.1%}"]
        for kind, of_kind in shares.items()
    ]
    print_table(["interval", "least", "most"], rows)
    low, high = COVERED
    outside = [
        kind
        for kind, of_kind in shares.items()
        if kind != WRONG and (min(of_kind) < low or max(of_kind) > high)
    ]
    print(f"\nOutside {low:.0%} to {high:.0%}: {', '.join(outside) or 'none'}.")


def _parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="a directory of data sets; none: coverage only")
    parser.add_argument("--sets", default="nycflights", help="names, with commas")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--json", help="a file for the numbers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
