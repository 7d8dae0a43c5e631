"""How often is a fit wrong? Random problems against a reference in extended precision.

Each problem is drawn from its seed by `_stress_problems`, fitted with the parameters
that were drawn, and judged by the Newton method of `_stress_reference`, which starts at
the fit and at 0. With ``gap = (F − F*) / F``, the rates printed are those of::

    silent              no warning, and gap > 10 tol + 1e-11
    estimate too small  gap > 3 suboptimality_ + 1e-12
    bound too small     F − F* > duality_gap_ + 1e-15 F
    curve               loss_curve_[-1] is not F of the coefficients, to 1e-12
    stray               a warning that is no ConvergenceWarning
    crash               an exception
    slow                more than 20 seconds

    python benchmarks/stress.py --smooth 5000 --other 2000 --jobs 2
    python benchmarks/stress.py --show smooth 1234
"""

import argparse
import json
import os
import re
import sys
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter

# before NumPy reads it: processes side by side share the cores
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _stress_problems import KINDS, Case, formulate, make_case
from _stress_reference import find_optimum
from sklearn.exceptions import ConvergenceWarning

import skxent

# What rounding of float64 may add to a gap, to an estimate, to a bound, of F.
SILENT_FACTOR, SILENT_ROUNDING = 10, 1e-11
ESTIMATE_FACTOR, ESTIMATE_ROUNDING = 3, 1e-12
BOUND_ROUNDING = 1e-15
CURVE = 1e-12
SLOW = 20.0
VERDICTS = (
    "silent",
    "estimate too small",
    "bound too small",
    "curve",
    "stray",
    "crash",
    "slow",
)


def judge(seed: int, kind: str) -> dict:
    """Return what a fit of the problem of that seed was like, and what is wrong."""
    case = make_case(seed, kind)
    report = {"seed": seed, "kind": kind, "families": case.families, "wrong": []}
    problem = formulate(case)
    start = perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = _fit(case)
        except Exception as error:
            report["wrong"].append("crash")
            report["error"] = f"{type(error).__name__}: {error}"[:300]
            return report
    report["seconds"] = perf_counter() - start
    messages = [w for w in caught if issubclass(w.category, ConvergenceWarning)]
    stray = [w for w in caught if not issubclass(w.category, ConvergenceWarning)]
    F = problem.value(model.coef_, model.intercept_)
    best = find_optimum(problem, (model.coef_, model.intercept_))
    gap = float((F - best.value) / F) if F > 0 else 0.0
    tol = case.params.get("tol", 1e-8)
    report |= {
        "estimator": case.estimator,
        "F": float(F),
        "gap": gap,
        "proved": bool(best.proved),
        "suboptimality": model.suboptimality_,
        "bound": float(model.duality_gap_ / F) if F > 0 else 0.0,
        "n_iter": int(model.n_iter_[0]),
        "n_evals": int(model.n_evals_),
        "messages": [str(w.message) for w in messages],
        "stray": [str(w.message)[:200] for w in stray],
    }
    tests = {
        "silent": not messages and gap > SILENT_FACTOR * tol + SILENT_ROUNDING,
        "estimate too small": gap
        > ESTIMATE_FACTOR * model.suboptimality_ + ESTIMATE_ROUNDING,
        "bound too small": F - best.value > model.duality_gap_ + BOUND_ROUNDING * F,
        "curve": _curve_is_off(model, F, problem),
        "stray": bool(stray),
        "slow": report["seconds"] > SLOW,
    }
    report["wrong"] += [name for name, is_wrong in tests.items() if is_wrong]
    return report


def _fit(case: Case):
    make = getattr(skxent, case.estimator)
    model = make(**case.params)
    if case.before is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.set_params(**case.before)
            model.fit(case.X, case.y, case.sample_weight, case.offset)
        model.set_params(**case.params)
    return model.fit(case.X, case.y, case.sample_weight, case.offset)


def _curve_is_off(model, F, problem):
    """Whether the last entry of the curve is not F of the coefficients.

    Where large terms cancel in the logits, rounding alone moves F.
    """
    if not len(model.loss_curve_):
        return False
    terms = abs(problem.X) @ abs(model.coef_).T + abs(model.intercept_)
    rounding = np.finfo(np.float64).eps * float(np.max(terms))
    return abs(float(model.loss_curve_[-1] - F)) > CURVE * F + rounding


def summarise(reports: list[dict]) -> str:
    """Return the rates as a table."""
    lines = [f"{'':20}" + "".join(f"{kind:>16}" for kind in KINDS)]
    of_kind = {k: [r for r in reports if r["kind"] == k] for k in KINDS}
    lines.append(f"{'problems':20}" + "".join(f"{len(of_kind[k]):16}" for k in KINDS))
    for verdict in VERDICTS:
        row = f"{verdict:20}"
        for kind in KINDS:
            count = sum(verdict in r["wrong"] for r in of_kind[kind])
            share = 100 * count / max(1, len(of_kind[kind]))
            row += f"{count:8} {share:5.2f} %"
        lines.append(row)
    for name, is_so in (
        ("warned", lambda r: r.get("messages")),
        ("not proved", lambda r: not r.get("proved", True)),
    ):
        counts = [sum(bool(is_so(r)) for r in of_kind[k]) for k in KINDS]
        lines.append(f"{name:20}" + "".join(f"{count:16}" for count in counts))
    causes = Counter(
        re.sub(r"[-+\d.]+(e[-+]?\d+)?", "", message).replace("  ", " ")[:150]
        for r in reports
        for message in r.get("messages", ())
    )
    lines += [f"{count:6} x {cause}" for cause, count in causes.most_common()]
    return "\n".join(lines)


def run(jobs: list[tuple[int, str]], n_processes: int) -> list[dict]:
    """Return the reports of all jobs."""
    if n_processes == 1:
        return [judge(*job) for job in jobs]
    with ProcessPoolExecutor(n_processes) as executor:
        return list(executor.map(judge, *zip(*jobs, strict=True), chunksize=5))


def describe(report: dict) -> str:
    """Return one problem in a line."""
    numbers = " ".join(
        f"{name} {report[name]:.1e}"
        for name in ("gap", "suboptimality", "bound", "F", "seconds")
        if name in report
    )
    wrong = ", ".join(report["wrong"]) or "-"
    families = "; ".join(report["families"])
    tail = report.get("error") or " ".join(
        report.get("stray", []) + report.get("messages", [])
    )
    return f"{report['kind']} {report['seed']}: {wrong}: {numbers} [{families}] {tail}"


def main():
    """Run the problems, print the rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smooth", type=int, default=500)
    parser.add_argument("--other", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--json", help="file for all reports")
    parser.add_argument("--list", action="store_true", help="print what is wrong")
    parser.add_argument("--show", nargs=2, metavar=("KIND", "SEED"))
    args = parser.parse_args()
    if args.show:
        print(describe(judge(int(args.show[1]), args.show[0])))
        return
    jobs = [
        (seed, kind)
        for kind, count in zip(KINDS, (args.smooth, args.other), strict=True)
        for seed in range(args.seed, args.seed + count)
    ]
    reports = run(jobs, args.jobs)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(reports, file, indent=1)
    if args.list:
        print("\n".join(describe(r) for r in reports if r["wrong"]))
    print(summarise(reports))
    sys.exit(any(r["wrong"] for r in reports))


if __name__ == "__main__":
    main()
