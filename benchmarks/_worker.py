"""One job in a process of its own: time a fit or a search, or find an optimum.

``run_job`` starts this file as a script, hands it the job as JSON and reads the answer
as JSON. So every fit meets the same conditions: a fresh process, data loaded and cast
and the estimator imported beforehand, nothing else in memory.

Measured are the wall time of the first ``fit`` of the process ("cold": libraries are
inspected and threads started in it) and of those after it ("warm"); the growth of the
resident memory from before to the peak during the first one (what it needs beyond X);
and the time of ``X @ v`` with one vector, the unit in which the time of a fit is a
number of passes over the data. Needs Linux, for the memory and for the time limit.
"""

import ctypes
import gc
import json
import os
import resource
import signal
import subprocess
import sys
import warnings
from time import perf_counter

import numpy as np

TIMEOUT = "limit"


def run_job(**job):
    """Return the answer of the job as a dict; in case of failure it has "failure"."""
    process = subprocess.run(
        [sys.executable, __file__, json.dumps(job)], capture_output=True, text=True
    )
    if process.returncode == 0:
        return json.loads(process.stdout.splitlines()[-1])
    if process.returncode == -signal.SIGALRM:
        return {"failure": TIMEOUT}
    if process.returncode < 0:
        return {"failure": f"killed by signal {-process.returncode}"}
    return {"failure": (process.stderr.strip().splitlines() or ["unknown error"])[-1]}


def fit(
    data,
    directory,
    dtype,
    C,
    solver,
    limit,
    tol=None,
    lasso=False,
    max_iter=None,
    warm_fits=0,
):
    """Time the fit of the named solver on the named data.

    "cold" is the time of the first fit. If asked for, at least one warm fit follows,
    and up to ``warm_fits``, as long as these have not taken a tenth of the limit
    together. "warm" is their median. "shortest" is the least time of all fits.
    """
    from _datasets import load
    from _objective import audit, audit_lasso
    from _peers import make_target

    _limit_memory()
    dataset = load(data, directory, dtype)
    X, y = dataset.X, dataset.y
    model = _make(solver, len(y), dataset.n_classes, C, tol, lasso, max_iter)
    target = make_target(solver, y, dtype)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        before = _reset_peak_memory()
        cold = _time_of_a_fit(model, X, target, limit)
        peak = _peak_memory()
        warm = []
        while len(warm) < warm_fits and sum(warm) <= limit / 10:
            warm.append(_time_of_a_fit(model, X, target, limit))

    if lasso:
        result = audit_lasso(X, y, model.coef_, C)
    else:
        result = audit(X, y, model.coef_, model.intercept_, C)
    answer = {
        "cold": cold,
        "shortest": min([cold, *warm]),
        "pass_seconds": _time_of_a_pass(X),
        "peak_bytes": max(0, peak - before),
        "objective": result.value,
        "gap": result.gap,
        "intercept_gradient": result.intercept_gradient,
        "n_nonzero": int(np.count_nonzero(model.coef_)),
        "warnings": [f"{w.category.__name__}: {w.message}" for w in caught],
    }
    if warm:
        answer["warm"] = float(np.median(warm))
    # Whichever of these the solver tells.
    for name in ("n_iter_", "n_evals_", "suboptimality_", "converged_"):
        if hasattr(model, name):
            answer[name] = np.max(getattr(model, name)).item()
    if dataset.X_test is not None:
        right = model.predict(dataset.X_test) == dataset.y_test
        answer["accuracy"] = float(right.mean())
    return answer


def search(data, directory, name, Cs, lasso, limit):
    """Time the named search for C, and judge its answer by rows that it did not see.

    A fifth of the rows, drawn with a fixed seed, are test rows.
    """
    from _datasets import load
    from _objective import loss_and_residual
    from _searches import answer_of, make_search
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split

    _limit_memory()
    dataset = load(data, directory, np.float64)
    parts = train_test_split(
        dataset.X, dataset.y, test_size=0.2, stratify=dataset.y, random_state=0
    )
    X, X_test, y, y_test = parts
    model = make_search(name, len(y), dataset.n_classes, Cs, lasso)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seconds = _time_of_a_fit(model, X, y, limit)
    C, coef, intercept = answer_of(model, len(y))
    losses, _ = loss_and_residual(y_test, X_test @ coef.T + intercept)
    n_warnings = sum(issubclass(w.category, ConvergenceWarning) for w in caught)
    return {
        "seconds": seconds,
        "C": C,
        "test_loss": float(losses.mean()),
        "n_nonzero": int(np.count_nonzero(coef)),
        "n_warnings": n_warnings,
    }


def shape(data, directory):
    """Return the shape of the training rows of a search, and whether X is sparse."""
    from _datasets import load
    from scipy import sparse

    dataset = load(data, directory, np.float64)
    n, d = dataset.X.shape
    is_sparse = bool(sparse.issparse(dataset.X))
    return {"shape": [n - -(-n // 5), d, dataset.n_classes], "sparse": is_sparse}


def reference(data, directory, dtype, C):
    """Find the optimum of the named data in the precision of ``dtype``."""
    from _datasets import load
    from _reference import find_optimum

    dataset = load(data, directory, dtype)
    start = perf_counter()
    answer = find_optimum(dataset.X, dataset.y, C)
    return answer | {"seconds": perf_counter() - start}


def lasso_reference(data, directory, multiple):
    """Find the optimum of the lasso at this multiple of the C where it begins."""
    from _datasets import load
    from _lasso_reference import find_lasso_optimum

    dataset = load(data, directory, np.float64)
    start = perf_counter()
    answer = find_lasso_optimum(dataset.X, dataset.y, multiple)
    return answer | {"seconds": perf_counter() - start}


def _make(solver, n_rows, n_classes, C, tol, lasso, max_iter):
    from _peers import make_lasso, make_solver

    if lasso:
        return make_lasso(solver, n_rows, C, tol)
    return make_solver(solver, n_rows, n_classes, C, tol, max_iter)


def _time_of_a_fit(model, X, target, limit):
    # The default action of the signal ends the process, wherever it is.
    signal.setitimer(signal.ITIMER_REAL, limit)
    start = perf_counter()
    model.fit(X, target)
    seconds = perf_counter() - start
    signal.setitimer(signal.ITIMER_REAL, 0)
    return seconds


def _time_of_a_pass(X, repeats=9):
    v = np.random.default_rng(0).standard_normal(X.shape[1]).astype(X.dtype)
    seconds = []
    for _ in range(repeats):
        start = perf_counter()
        X @ v
        seconds.append(perf_counter() - start)
    return float(np.median(seconds))


def _reset_peak_memory():
    """Return the resident memory, from which on the peak is counted."""
    gc.collect()
    # Else the fit would fill freed but kept memory, which would not show.
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return _status_bytes("VmRSS")


def _peak_memory():
    return _status_bytes("VmHWM")


def _status_bytes(name):
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(name))
    return int(line.split()[1]) * 1024


def _limit_memory():
    """Let a solver that asks for too much fail, instead of the whole machine."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resource.setrlimit(resource.RLIMIT_AS, (total * 4 // 5, total * 4 // 5))


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    tasks = [fit, search, shape, reference, lasso_reference]
    task = {function.__name__: function for function in tasks}[job.pop("task")]
    print(json.dumps(task(**job)))
