"""The constants of the solver's cost model, measured on this machine.

`skxent.solver.preconditioners.plan` prices each kind of Hessian from a few times per
number. This script measures them on one core, prints them beside the values in the
module, and, with --data, counts the evaluations that each kind takes on real sets. Only
the ratios of the times matter; a factor of two changes few decisions.

    python benchmarks/cost_model.py
    python benchmarks/cost_model.py --data DIR --sets letter,covtype_15k
"""

import argparse
from time import perf_counter

import numpy as np
from _datasets import load
from scipy import sparse
from scipy.linalg import cholesky, solve_triangular
from threadpoolctl import threadpool_limits

from skxent import CrossEntropyObjective, _lbfgs, _precondition
from skxent.data.blocks import far_center
from skxent.model.losses import SoftmaxCrossEntropy

RNG = np.random.default_rng(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="directory of the .npz files")
    parser.add_argument("--sets", default="letter,pendigits,covtype_15k")
    args = parser.parse_args()
    with threadpool_limits(1, user_api="blas"):
        print("| constant | measured, ns | in the module |\n|---|---|---|")
        for name, value in measure().items():
            print(f"| {name} | {value:.3g} | {getattr(_precondition, name)} |")
    if args.data:
        print("\n| set | kind | evaluations | rounds |\n|---|---|---|---|")
        for name in args.sets.split(","):
            for kind in _precondition.EVALUATIONS:
                evaluations, rounds = count(name, args.data, kind)
                print(f"| {name} | {kind} | {evaluations} | {rounds} |", flush=True)


def measure():
    """Return the time of each elementary step, in ns."""
    d, e, n_logits = 100, 400, 20
    large = RNG.standard_normal((400_000, d))  # 320 MB: no cache holds it
    rows = RNG.standard_normal((4000, e))
    coef = RNG.standard_normal((n_logits, e))
    z = np.asfortranarray(rows @ coef.T)
    codes = RNG.integers(n_logits, size=len(rows))
    loss = SoftmaxCrossEntropy()
    _, r = loss.loss_and_residual(codes, z)
    root = np.ones((len(rows), 1))
    gram = rows.T @ rows / len(rows)
    upper = cholesky(gram)
    text = sparse.random_array((20_000, 1000), density=0.03, format="csr", rng=RNG)

    per = {
        "READ": (lambda: large @ large[0], large.size),
        "PRODUCT": (lambda: (coef @ rows.T, r.T @ rows), rows.size * n_logits),
        "LOSS": (lambda: loss.loss_and_residual(codes, z), z.size),
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


def count(name, directory, kind):
    """Return the evaluations and rounds of a fit with one kind of Hessian."""
    dataset = load(name, directory, "float64")
    objective = CrossEntropyObjective(
        dataset.X, dataset.y, center=far_center(dataset.X)
    )
    planned = _precondition.plan(objective)
    plan, change = _lbfgs.plan, _lbfgs.change_of_variables
    rounds = []

    def counted(*args):
        rounds.append(args)
        return change(*args)

    _lbfgs.plan = lambda _: _precondition.Plan(kind, planned.n_sampled, 5.0)
    _lbfgs.change_of_variables = counted
    try:
        _lbfgs.minimise(objective, objective.initial_point(), tol=1e-8, max_iter=2000)
    finally:
        _lbfgs.plan, _lbfgs.change_of_variables = plan, change
    return objective.n_evals, len(rounds)


if __name__ == "__main__":
    main()
