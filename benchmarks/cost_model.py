"""The constants of the solver's cost model, measured on this machine.

`skxent.solver.preconditioners.plan` prices each kind of Hessian from a few times per
number. This script measures them on one core and prints them beside the values in the
module. With --data, it also counts the evaluations that each kind takes on real sets.
Only the ratios of the times matter; a factor of two changes few decisions.

    python benchmarks/cost_model.py
    python benchmarks/cost_model.py --data DIR --sets letter,covtype_15k
"""

import argparse
import contextlib
import io
import warnings
from dataclasses import replace
from time import perf_counter
from unittest import mock

import numpy as np
from _datasets import load
from _peers import OURS, make_solver
from _report import print_table
from scipy import sparse
from scipy.linalg import cholesky, solve_triangular
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from skxent import CrossEntropyObjective
from skxent.solver import lbfgs, preconditioners

RNG = np.random.default_rng(0)
# Every kind gets the same price of a Hessian, in evaluations: the counts then differ by
# the Hessian alone.
BUILD_COST = 5.0


def main():
    args = _parse_arguments()
    with threadpool_limits(1, user_api="blas"):
        rows = [
            [name, f"{value:.3g}", f"{getattr(preconditioners, name):g}"]
            for name, value in measure(args.rows).items()
        ]
    print_table(["constant", "measured, ns", "in the module"], rows)
    if args.data:
        rows = []
        for name in args.sets.split(","):
            dataset = load(name, args.data, "float64")
            for kind in kinds(dataset.n_classes):
                evaluations, rounds = count(dataset, kind)
                rows.append([name, kind, f"{evaluations:,}", str(rounds)])
        print()
        print_table(["set", "kind", "evaluations", "rounds"], rows)


def measure(n_rows):
    """Return the time of each elementary step, in ns."""
    d, e, n_logits = 100, 400, 20
    large = RNG.standard_normal((n_rows, d))
    rows = RNG.standard_normal((4000, e))
    coef = RNG.standard_normal((n_logits, e))
    r = np.asfortranarray(rows @ coef.T)
    codes = np.arange(len(rows)) % n_logits
    # With one column, an evaluation is nearly all loss.
    narrow = CrossEntropyObjective(rows[:, :1].copy(), codes)
    params = RNG.standard_normal(narrow.initial_point().size)
    root = np.ones((len(rows), 1))
    gram = rows.T @ rows / len(rows)
    upper = cholesky(gram)
    text = sparse.random_array((20_000, 1000), density=0.03, format="csr", rng=RNG)

    per = {
        "READ": (lambda: large @ large[0], large.size),
        "PRODUCT": (lambda: (coef @ rows.T, r.T @ rows), rows.size * n_logits),
        "LOSS": (lambda: narrow.value_and_gradient(params), r.size),
        "SQUARE": (lambda: rows.T @ rows, len(rows) * e**2),
        "SPARSE_SQUARE": (lambda: text.T @ text, 20_000 * 30**2),
        "GATHER": (lambda: rows * root, rows.size),
        "FACTOR": (lambda: cholesky(gram, check_finite=False), e**3),
        "SOLVE": (lambda: [solve(upper, coef[0], trans) for trans in "NT"], e**2),
    }
    return {name: seconds_of(step) / size * 1e9 for name, (step, size) in per.items()}


def solve(upper, right, trans):
    return solve_triangular(upper, right, trans=trans, check_finite=False)


def seconds_of(step, repeats=7):
    times = []
    for _ in range(repeats):
        start = perf_counter()
        step()
        times.append(perf_counter() - start)
    return float(np.median(times))


def kinds(n_classes):
    """Return the kinds of Hessian that differ: with one logit, two of them do."""
    known = list(preconditioners.EVALUATIONS)
    return [k for k in known if n_classes > 2 or k in ("diagonal", "classes")]


def count(dataset, kind):
    """Return the evaluations and rounds of a default fit with one kind of Hessian."""
    plan = lbfgs.plan

    def only_this_kind(objective):
        return replace(plan(objective), kind=kind, build_cost=BUILD_COST)

    model = make_solver(OURS, len(dataset.y), dataset.n_classes, C=1.0)
    model.set_params(verbose=2)
    said = io.StringIO()
    with (
        mock.patch.object(lbfgs, "plan", only_this_kind),
        mock.patch.object(lbfgs, "dearer_plan", lambda objective, plan: plan),
        contextlib.redirect_stdout(said),
        warnings.catch_warnings(),
    ):
        # A kind that does not get there within max_iter is a result, too.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(dataset.X, dataset.y)
    return model.n_evals_, said.getvalue().count("round ")


def _parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="directory of the .npz files")
    parser.add_argument("--sets", default="letter,pendigits,covtype_15k")
    parser.add_argument(
        "--rows",
        type=int,
        default=400_000,
        help="of the 100 columns that READ reads: no cache may hold them",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
