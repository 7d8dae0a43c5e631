"""Every example runs as a user would run it: silently, headless, from anywhere."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

# Imported for what it does: matplotlib may report, on standard error, that it builds
# its font cache. It does so once, and here, not in an example that must be silent.
import matplotlib.font_manager  # noqa: F401
import pytest

from skxent.plots.style import COLORS

EXAMPLES = Path(__file__).parents[1] / "examples"

TELLING_LINES = {
    "how_close.py": r"digits +4\d +\de-\d+ +\de-\d+ +\de-\d+",
    "rare_events.py": r"Mean of all: 0\.9\d, truth 1\.00",
    "quickstart.py": r"digits +SoftmaxReg +0\.04\d+ .* converged",
    "binary_walkthrough.py": r"Smallest p-value that four samples allow: 0\.167",
    "softmax_walkthrough.py": r"Training cross-entropy at C = 10000 +0\.00\d",
    "cross_entropy_explained.py": r"171 labels in 163 bits by shares, in 2\d by the",
    "annotators.py": r"weighed votes +0\.4\d\d ",
    "coefficient_table.py": r"find an effect: 3\d of 100 by rows, [3-6] by clinics",
    "choose_c.py": r"C = 1e\+04 +2\.[56]\d\d\nValues",
    "score_card.py": r"bounds and L1, 1\d features +0\.1\d\d",
    "optimisers_compared.py": r"L-BFGS, preconditioned +1\d +[23]\d +[34]\d\n",
    "overfitting_remedies.py": r"1000 images and L2 +0\.2[12]\d\n",
    "larger_than_memory.py": r"in 2 files, .*\nThe fit: converged, \d+ evaluations",
}
# Dask 2026.8 calls pandas 3.1 in a way that pandas deprecates.
OF_OTHERS = "ignore:The inplace keyword in DataFrame.reset_index is deprecated"
# What a user would wait for is made small here.
ARGUMENTS = {"larger_than_memory.py": ["--gigabytes", "0.025"]}
DRAWING = {
    "how_close.py",
    "rare_events.py",
    "binary_walkthrough.py",
    "softmax_walkthrough.py",
    "coefficient_table.py",
    "choose_c.py",
    "cross_entropy_explained.py",
    "annotators.py",
    "score_card.py",
    "optimisers_compared.py",
    "overfitting_remedies.py",
    "larger_than_memory.py",
}


def run(name, folder):
    return subprocess.run(
        [
            *[sys.executable, "-W", "error", "-W", OF_OTHERS],
            *[EXAMPLES / name, *ARGUMENTS.get(name, [])],
        ],
        cwd=folder,
        # TMPDIR is where Python's tempfile, and with it the examples, put files.
        env={**os.environ, "MPLBACKEND": "Agg", "TMPDIR": str(folder)},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )


def test_every_example_has_a_telling_line():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(TELLING_LINES)


@pytest.mark.parametrize("name", TELLING_LINES)
def test_example_runs_without_a_warning(name, tmp_path):
    result = run(name, tmp_path)
    assert result.stderr == ""
    assert result.returncode == 0
    assert re.search(TELLING_LINES[name], result.stdout), result.stdout
    # Nothing is left behind but the picture of an example that draws.
    left = [path.name for path in tmp_path.iterdir()]
    assert left == [f"skxent_{Path(name).stem}.png"] * (name in DRAWING)


@pytest.mark.parametrize("name", sorted(DRAWING))
def test_the_colours_of_a_picture_are_those_of_the_displays(name):
    colours = re.findall(r"#[0-9A-F]{6}", (EXAMPLES / name).read_text("utf-8"))
    assert set(colours) <= set(COLORS)


def test_quickstart_needs_the_run_time_dependencies_only():
    tree = ast.parse((EXAMPLES / "quickstart.py").read_text(encoding="utf-8"))
    modules = [node.module for node in ast.walk(tree) if type(node) is ast.ImportFrom]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    third_party = {m.partition(".")[0] for m in modules} - sys.stdlib_module_names
    assert third_party <= {"numpy", "scipy", "sklearn", "skxent"}
