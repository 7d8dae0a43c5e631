"""Bias-reduced logistic regression: the time of a fit and of all intervals.

Question: what does `BiasReducedLogReg` cost beside firthmodels, the other estimator of
its kind for scikit-learn, and how exact is each with its defaults? The data are drawn:
normal columns, and events in about a fifth of the rows. They are scaled, since
firthmodels expects that. firthmodels is fitted with each backend that is installed, and
left out if it is not; a first fit, which compiles or starts threads, is not timed.

The error of an answer is its distance to a fit of ours with tol=1e-12, in standard
errors: the largest over all linear combinations of the coefficients.

    python benchmarks/bias_reduction.py
    python benchmarks/bias_reduction.py --shapes 60x3 --profile 40x2   # a smoke test
"""

import argparse
from importlib.metadata import version
from importlib.util import find_spec
from time import perf_counter

import _checkout  # noqa: F401 -- it puts the checkout on sys.path
import numpy as np
from _report import (
    describe,
    environment,
    error_cell,
    print_table,
    time_cell,
    write_json,
)

from skxent import BiasReducedLogReg, profile_penalised_likelihood

OURS = "skxent"
PEER = "firthmodels"


def main():
    args = _parse_arguments()
    report = {"environment": environment(), "fits": [], "profiles": []}
    print(describe(report["environment"]))
    peers = installed_peers()
    print(f"{PEER} {version(PEER)}" if peers else f"{PEER} is not installed")
    for title, shapes, measure, results in (
        ("A fit", args.shapes, fit, report["fits"]),
        ("All intervals and tests", args.profile, profile, report["profiles"]),
    ):
        rows = []
        for shape in shapes:
            n, d = map(int, shape.split("x"))
            result = compare(n, d, [OURS, *peers], measure, args.repeats)
            results.append(result)
            rows += [
                [
                    f"{n} x {d}",
                    solver,
                    time_cell(found["seconds"]),
                    *_cells(found, result),
                ]
                for solver, found in result["solvers"].items()
            ]
        print(f"\n{title}\n")
        print_table(["n x d", "solver", "time", "ratio", "error"], rows)
    if args.json:
        write_json(args.json, report)


def compare(n, d, solvers, measure, repeats):
    """Return the median seconds and the error of each solver, in turn."""
    X, y = make_data(n, d)
    reference = BiasReducedLogReg(tol=1e-12).fit(X, y)
    seconds = {solver: [] for solver in solvers}
    errors = {}
    for repeat in range(repeats + 1):
        for solver in solvers:
            model = make_solver(solver)
            start = perf_counter()
            coef, intercept = measure(model, X, y)
            if repeat:
                seconds[solver].append(perf_counter() - start)
            errors[solver] = distance(X, reference, coef, intercept)
    return {
        "shape": [n, d],
        "solvers": {
            solver: {"seconds": float(np.median(seconds[solver])), "error": error}
            for solver, error in errors.items()
        },
    }


def fit(model, X, y):
    model.fit(X, y)
    return np.ravel(model.coef_), np.ravel(model.intercept_)


def profile(model, X, y):
    coef, intercept = fit(model, X, y)
    if isinstance(model, BiasReducedLogReg):
        profile_penalised_likelihood(model, X, y)
    else:
        model.lrt()
        model.conf_int(method="pl")
    return coef, intercept


def distance(X, reference, coef, intercept):
    """Return the distance to the reference, in standard errors of the reference."""
    dz = X @ (coef - reference.coef_[0]) + (intercept - reference.intercept_)
    return float(np.sqrt(reference.predict_proba(X).prod(axis=1) @ dz**2))


def make_data(n, d):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    z = X @ rng.normal(size=d) / np.sqrt(d) - 1.6
    return X, (z + rng.logistic(size=n) > 0).astype(int)


def installed_peers():
    """Return the backends of firthmodels that can run."""
    if find_spec(PEER) is None:
        return []
    backends = ["numpy", "numba"] if find_spec("numba") else ["numpy"]
    return [f"{PEER}, {backend}" for backend in backends]


def make_solver(solver):
    if solver == OURS:
        return BiasReducedLogReg()
    from firthmodels import FirthLogisticRegression

    return FirthLogisticRegression(backend=solver.split(", ")[1])


def _cells(found, result):
    ratio = found["seconds"] / result["solvers"][OURS]["seconds"]
    return [f"{ratio:.2f}", error_cell(found["error"])]


def _parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--shapes", nargs="+", default=["200x5", "1000x10", "10000x20", "10000x200"]
    )
    parser.add_argument("--profile", nargs="+", default=["200x5", "1000x10"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", help="file for all raw numbers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
