"""The rooms of the package: which of them may import from which others."""

import ast
from pathlib import Path

import pytest

import skxent

PACKAGE = Path(skxent.__file__).parent
# A room may import from itself and from these; all may use `_sklearn_compat`.
BELOW = {
    "data": set(),
    "model": {"data"},
    "solver": {"data", "model"},
    "classifiers": {"data", "model", "solver"},
    "evaluation": {"data"},
    "plots": {"data", "evaluation"},
}


def test_every_folder_is_a_room():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set(BELOW)


@pytest.mark.parametrize("room", BELOW)
def test_imports_run_one_way(room):
    allowed = BELOW[room] | {room, "_sklearn_compat"}
    for path in (PACKAGE / room).rglob("*.py"):
        depth = len(path.relative_to(PACKAGE).parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            # relative imports are the only ones from the package
            if isinstance(node, ast.Import):
                assert not any(a.name.startswith("skxent") for a in node.names), path
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("skxent"), path
                if node.level == depth:
                    assert (node.module or "").split(".")[0] in allowed, path


@pytest.mark.parametrize("room", BELOW)
def test_each_room_says_what_lives_there(room):
    module = ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))
    assert "mports" in (ast.get_docstring(module) or "")


def test_no_file_is_long():
    lengths = {
        path.relative_to(PACKAGE): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert {path: n for path, n in lengths.items() if n > 400} == {}
