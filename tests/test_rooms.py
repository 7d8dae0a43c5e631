"""The rooms of the package: which of them may import from which others."""

import ast
import re
from pathlib import Path

import pytest
from rooms import PICTURE, draw, imports_between_rooms

import skxent
from skxent.data.rows import Rows
from skxent.model.losses import LOSSES, Loss
from skxent.model.penalty import Penalty
from skxent.model.separable_penalty import SeparablePenalty

PACKAGE = Path(skxent.__file__).parent
# A room may import from itself and from these; all may use `ANYWHERE`.
ANYWHERE = {"_sklearn_compat", "_documentation"}
BELOW = {
    "data": set(),
    "model": {"data"},
    "solver": {"data", "model"},
    "evaluation": {"data"},
    "export": set(),
    "classifiers": {"data", "model", "solver", "evaluation", "export"},
    "inference": {"data", "model", "solver", "evaluation", "classifiers"},
    "plots": {"data", "evaluation"},
}


def test_every_folder_is_a_room():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set(BELOW)


@pytest.mark.parametrize("room", BELOW)
def test_imports_run_one_way(room):
    allowed = BELOW[room] | {room} | ANYWHERE
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


def test_the_picture_shows_the_imports():
    picture = PICTURE.read_text(encoding="utf-8")
    assert picture == draw(imports_between_rooms()), "run python docs/_ext/rooms.py"


def test_only_files_named_after_dask_import_it():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        imports = re.findall(r"^\s*(?:from|import) (\S+)", text, re.MULTILINE)
        tops = {name.split(".")[0] for name in imports}
        its_own = {name for name in imports if ".dask" in name}
        if not path.name.startswith("dask"):
            assert not tops & {"dask", "distributed"} and not its_own, path


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


@pytest.mark.parametrize(
    ("protocol", "pattern"),
    [
        (Loss, r"\.loss\.(\w+)"),
        (SeparablePenalty, r"\b_?penalty\.(\w+)"),
        (Rows, r"\.rows\.(\w+)"),
    ],
)
def test_a_protocol_lists_all_that_is_used(protocol, pattern):
    used = set()
    for room in ("model", "solver"):
        for path in (PACKAGE / room).rglob("*.py"):
            used |= set(re.findall(pattern, path.read_text(encoding="utf-8")))
    # an objective made from arrays has rows in memory, and elastic nets
    used -= {"with_other_rows", "elastic_net"}
    assert used
    assert used <= set(dir(protocol)) | set(protocol.__annotations__)


def test_penalties_and_losses_have_what_their_protocols_list():
    for protocol, things in (
        (Loss, LOSSES.values()),
        (SeparablePenalty, [Penalty.elastic_net(1.0, 0.0, None, None, 2)]),
    ):
        listed = set(vars(protocol)) | set(protocol.__annotations__)
        for thing in things:
            for name in listed:
                assert name.startswith("_") or hasattr(thing, name), name
