"""The constants of the solver's cost model, measured on this machine.

`skxent.solver.preconditioners.prices` prices each Hessian from a few times per number.
This script measures them on one core and prints them beside the values in the module.
With --data, it also counts the evaluations that each preconditioner takes on real sets.
Only the ratios of the times matter; a factor of two changes few decisions.

    python benchmarks/cost_model.py
    python benchmarks/cost_model.py --data DIR --sets letter,covtype_15k
"""

import argparse
import contextlib
import io
import warnings
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
from skxent.solver import rounds, small_newton
from skxent.solver.preconditioners.by_class import ClassRecipe
from skxent.solver.preconditioners.coupled import CoupledRecipe
from skxent.solver.preconditioners.diagonal import DiagonalRecipe
from skxent.solver.preconditioners.prices import NANOSECONDS
from skxent.solver.preconditioners.shared import SharedRecipe

RNG = np.random.default_rng(0)
# Every Hessian gets the same price, in evaluations: the counts then differ by the
# Hessian alone.
BUILD_PRICE = 5.0


def main():
    args = _parse_arguments()
    # small sets, too, are fitted in rounds
    small_newton.MAX_EVALUATION = 0
    with threadpool_limits(1, user_api="blas"):
        rows = [
            [name, f"{value:.3g}", f"{getattr(NANOSECONDS, name):g}"]
            for name, value in measure(args.rows).items()
        ]
    print_table(["constant", "measured, ns", "in the module"], rows)
    if args.data:
        rows = []
        for name in args.sets.split(","):
            dataset = load(name, args.data, "float64")
            for recipe in recipes(dataset.n_classes):
                n_evals, n_rounds = count(dataset, recipe)
                rows.append([name, recipe.__name__, f"{n_evals:,}", str(n_rounds)])
        print()
        print_table(["set", "recipe", "evaluations", "rounds"], rows)


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
        "read": (lambda: large @ large[0], large.size),
        "product": (lambda: (coef @ rows.T, r.T @ rows), rows.size * n_logits),
        "loss": (lambda: narrow.value_and_gradient(params), r.size),
        "square": (lambda: rows.T @ rows, len(rows) * e**2),
        "sparse_square": (lambda: text.T @ text, 20_000 * 30**2),
        "gather": (lambda: rows * root, rows.size),
        "factor": (lambda: cholesky(gram, check_finite=False), e**3),
        "solve": (lambda: [solve(upper, coef[0], trans) for trans in "NT"], e**2),
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


def recipes(n_classes):
    """Return the recipes that differ: with one logit, two of them do."""
    if n_classes == 2:
        return [DiagonalRecipe, ClassRecipe]
    return [DiagonalRecipe, SharedRecipe, ClassRecipe, CoupledRecipe]


def count(dataset, recipe):
    """Return the evaluations and rounds of a default fit with one preconditioner."""

    def at_the_same_price(objective):
        made = recipe(objective)
        made.build_price = BUILD_PRICE
        return made

    model = make_solver(OURS, len(dataset.y), dataset.n_classes, C=1.0)
    model.set_params(verbose=2)
    said = io.StringIO()
    with (
        mock.patch.object(rounds, "choose", at_the_same_price),
        mock.patch.object(rounds, "choose_again", lambda objective, recipe: recipe),
        contextlib.redirect_stdout(said),
        warnings.catch_warnings(),
    ):
        # One that does not get there within max_iter is a result, too.
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
        help="of the 100 columns that are read: no cache may hold them",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
