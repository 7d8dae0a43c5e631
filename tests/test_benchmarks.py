"""Every benchmark runs on tiny data and prints its table; no test looks at a time.

Peers that are not installed are left out of the tables, and never an error.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import choose_c
import numpy as np
import pytest
import scale
from _report import conclusion, missed_by_ours, speed_ratio
from compare import chosen_sets
from sklearn.datasets import make_classification

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="benchmarks read /proc and end fits by a signal"
)

SOLVERS = ("default", "skxent")
# The options, and a row that the table must have.
RUNS = {
    "compare.py": (
        "--data DIR --sets tiny,text-90-40-2 --peers lbfgs,glum "
        "--repeats 1 --limit 9 --target 0.1 --cache cache.json --json raw.json",
        r"^\| tiny +\| 60 x 4 x 2 +(\| [\d.]+ m?s +){2}\| [\d<e. -]+\| [\d.]+ +\|",
    ),
    "lasso.py": (
        "--data DIR --sets text-90-40-2 --multiples 1000 --peers liblinear,skglm "
        "--repeats 1 --limit 9 --target 0.1 --cache cache.json --json raw.json",
        r"^\| text-90-40-2 /1000 \| 90 x 40 x 2 +\| \d+ +\| [\d.]+ m?s ",
    ),
    "choose_c.py": (
        "--data DIR --sets tiny --lasso-sets text-90-40-2 "
        "--peers newton-cholesky,grid-skxent,liblinear,glum "
        "--repeats 1 --limit 19 --json raw.json",
        r"^\| tiny +\| 48 x 4 x 2 +(\| [\d.]+ m?s +){2}\| [\d.]+ +\| [\d.]+ m?s ",
    ),
    "bias_reduction.py": (
        "--shapes 60x3 --profile 40x2 --repeats 1 --json raw.json",
        r"^\| 40 x 2 \| skxent +\| [\d.]+ m?s ",
    ),
    "embeddings.py": (
        "--n 300 --d 8 --classes 3 --repeats 1 --limit 9 --reference-limit 9 "
        "--cache cache.json --json raw.json",
        r"^\| ours, default +\| [\d.]+ m?s ",
    ),
    "inference.py": (
        "--data DIR --sets tiny --repeats 1 --draws 5 --json raw.json",
        r"^\| tiny +\| 60 x 4 +(\| [\d.]+ m?s +){3}\| [\d.]+ +\|",
    ),
    "cost_model.py": (
        "--data DIR --sets tiny,standard-90-7-3,heavytails-90-13-3 --rows 2000",
        r"^\| tiny +\| ClassRecipe +\| \d+ +\| \d ",
    ),
    "stress.py": (
        "--smooth 2 --other 2 --list --json raw.json",
        r"^any of these +0 \(0.00%\) +0 ",
    ),
    "scale.py": (
        "--data DIR --set tiny --parts files cluster growth --sizes 0.0001 "
        "--rows 1000 2000 --cluster-rows 0 --repeats 1 --limit 90 --json raw.json",
        r"^\| skxent\.dask +(\| [\d.]+ m?s +){2}\| [\d.]+ +\| [<\de. -]+\|",
    ),
    "picture.py": (
        "--data DIR --sets tiny --repeats 1 --limit 9 "
        "--cache cache.json --json raw.json --picture images/picture.svg",
        r"^\| tiny +\| 60 x 4 x 2 +\| [\d.]+ m?s ",
    ),
}


@pytest.fixture(scope="module")
def tiny_data(tmp_path_factory):
    """A folder with a set in the format of `_datasets`: raw X and class codes y."""
    folder = tmp_path_factory.mktemp("data")
    X, y = make_classification(60, 4, flip_y=0.2, random_state=0)
    np.savez(folder / "tiny.npz", X=X.astype(np.float32), y=y.astype(np.int16))
    return folder


def run(script, options, folder):
    return subprocess.run(
        [sys.executable, BENCHMARKS / script, *options],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


def test_every_benchmark_is_run_here():
    scripts = {path.name for path in BENCHMARKS.glob("[!_]*.py")}
    assert scripts == set(RUNS)


@pytest.mark.parametrize("script", RUNS)
def test_benchmark_prints_its_table(script, tiny_data, tmp_path):
    options, row = RUNS[script]
    options = options.replace("DIR", str(tiny_data)).split()
    result = run(script, options, tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    assert re.search(row, result.stdout, re.MULTILINE), result.stdout + result.stderr
    if "--json" in options:
        assert json.loads((tmp_path / "raw.json").read_text("utf8"))
    if script == "picture.py":
        picture = (tmp_path / "images" / "picture.svg").read_text("utf8")
        assert "LogisticRegression, lbfgs" in picture
    if script == "compare.py":
        raw = json.loads((tmp_path / "raw.json").read_text("utf8"))
        check_means(result.stdout, raw["results"])


def check_means(output, results):
    """Compare the printed means over LogisticRegression() with the raw times."""
    line = r"^LogisticRegression\(\): geometric mean of the ratio on 1 set: ([\d.]+);"
    printed = map(float, re.findall(line, output, re.MULTILINE))
    expected = [
        np.divide(*(result["solvers"][solver]["runs"][0][time] for solver in SOLVERS))
        for result in results
        for time in ("cold", "warm")
    ]
    assert list(printed) == pytest.approx(expected, abs=0.006)


def result_of(name, **solvers):
    """A result of `compare`: the warm time of each solver, negative if it misses."""
    return {
        "set": name,
        "solvers": {
            solver: {"warm": abs(seconds), "reached": seconds > 0}
            for solver, seconds in solvers.items()
        },
    }


def test_a_ratio_is_the_time_of_a_peer_that_reaches_the_target_over_ours():
    result = result_of("a", skxent=2.0, default=-1.0, lbfgs=8.0, saga=6.0)
    assert speed_ratio(result, "warm") == 3.0
    # LogisticRegression() counts wherever it stops.
    assert speed_ratio(result, "warm", "default") == 0.5
    result = result_of("a", skxent=-2.0, default=1.0)
    assert speed_ratio(result, "warm") is None
    assert speed_ratio(result, "warm", "default") is None
    result = result_of("a", skxent=2.0, default=1.0)
    result["solvers"]["default"] = {"failure": "limit", "reached": False}
    assert speed_ratio(result, "warm", "default") is None


def test_the_conclusion_names_the_sets_on_which_ours_is_slower():
    results = [
        result_of("fast", skxent=1.0, lbfgs=8.0),
        result_of("slow", skxent=2.0, lbfgs=1.0),
        result_of("out", skxent=-2.0, lbfgs=1.0),
    ]
    text = "geometric mean of the ratio on 2 sets: 2.00; below 1 on: slow."
    assert conclusion(results, "warm") == text
    assert conclusion(results[:1], "warm").endswith(": 8.00; below 1 on: none.")
    assert conclusion(results[2:], "warm") == "no set has a ratio."
    assert missed_by_ours(results) == "Ours misses the target on: out."


def search_result(name, **searches):
    """A result of `choose_c`: the seconds and the test loss of each search."""
    outcomes = {
        search: {"seconds": seconds, "test_loss": loss}
        for search, (seconds, loss) in searches.items()
    }
    return {"set": name, "searches": {choose_c.ONE_FIT: {"failure": "?"}, **outcomes}}


def test_a_search_that_is_clearly_worse_is_no_alternative_to_ours():
    result = search_result("a", skxent=(2, 0.1), lbfgs=(1, 0.2), saga=(3, 0.1005))
    assert choose_c.speed_ratio(result) == 1.5
    assert choose_c.conclusion([result]).endswith(": 1.50; below 1 on: none.")
    assert choose_c.speed_ratio(search_result("a", skxent=(2, 0.1))) is None
    result["searches"]["skxent"] = {"failure": "limit"}
    assert choose_c.speed_ratio(result) is None
    assert choose_c.conclusion([result]) == "No set has a ratio."


def test_spark_is_left_out_where_java_or_its_package_is_missing(monkeypatch, capsys):
    options = ["--data", "DIR", "--spark", "1e-6", "1e-9"]
    monkeypatch.setattr(sys, "argv", ["scale.py", *options])
    for has_package, has_java in [(True, True), (True, False), (False, True)]:
        monkeypatch.setattr(scale, "find_spec", {"pyspark": has_package}.get)
        monkeypatch.setattr(scale, "which", {"java": has_java}.get)
        is_there = has_package and has_java
        assert scale._parse_arguments().spark == ([1e-6, 1e-9] if is_there else [])
        assert ("left out" in capsys.readouterr().out) is not is_there


def test_names_of_groups_stand_for_their_sets(tiny_data):
    dense = ["tiny", "iris", "wine", "breast_cancer"]
    assert chosen_sets(["dense"], tiny_data) == dense
    assert chosen_sets(["iris", "text-9-9-2"], None) == ["iris", "text-9-9-2"]
    everything = chosen_sets(["all"], tiny_data)
    assert everything == dense + chosen_sets(["sparse"], None)
    with pytest.raises(SystemExit, match="unknown sets"):
        chosen_sets(["missing"], tiny_data)


def test_the_picture_is_drawn_again_from_its_measurements(tmp_path):
    points = [{"max_iter": 1, "n_iter": 1, "seconds": 0.1, "error": 0.5}]
    timed_out = {"max_iter": None, "failure": "limit"}
    panel = {
        "shape": [60, 4, 2],
        "curves": {"skxent": points, "lbfgs": points, "newton-cholesky": []},
        "defaults": {"skxent": points[0], "default": timed_out},
    }
    report = {
        "environment": {"versions": {}, "cpu": "a CPU", "cores": 1},
        "limit": 1,
        # more than a row of panels, and a row that is not full
        "sets": [panel | {"set": f"set {number}"} for number in range(4)],
    }
    report["environment"] |= {"thread_pools": [], "load_at_start": 0.0}
    (tmp_path / "raw.json").write_text(json.dumps(report))
    pictures = []
    for name in ("a.svg", "b.svg"):
        options = ["--json", "raw.json", "--picture", name]
        result = run("picture.py", options, tmp_path)
        assert result.returncode == 0, result.stderr
        pictures.append((tmp_path / name).read_text("utf8"))
    assert pictures[0] == pictures[1]
    assert all(f"set {number}" in pictures[0] for number in range(4))
