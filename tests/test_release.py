"""What is said in several places of a release is the same everywhere."""

import re
import tomllib
from pathlib import Path

import pytest

import skxent
from skxent._documentation import DOCUMENTATION

ROOT = Path(__file__).parents[1]


def read(name):
    return (ROOT / name).read_text("utf8")


def test_the_version_is_that_of_the_package():
    assert tomllib.loads(read("pyproject.toml"))["project"]["dynamic"] == ["version"]
    assert f"\nversion: {skxent.__version__}\n" in read("CITATION.cff")
    newest = re.search(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)[1]
    assert newest == skxent.__version__


def test_the_address_of_the_documentation_is_one():
    urls = tomllib.loads(read("pyproject.toml"))["project"]["urls"]
    assert urls["Documentation"] == DOCUMENTATION
    assert all(url.startswith(DOCUMENTATION) for url in urls.values())
    assert f"\nurl: {DOCUMENTATION}\n" in read("CITATION.cff")


def parts_of_ci():
    functions = set(re.findall(r"^(\w+)\(\) \{$", read(".ci/run"), re.MULTILINE))
    return functions - {"environment", "development"}


def test_every_part_of_ci_can_be_called():
    (names,) = re.findall(r"^ +(\w+(?: \| \w+)+)\) ;;$", read(".ci/run"), re.MULTILINE)
    assert set(names.split(" | ")) == parts_of_ci()
    everything = re.search(r"^all=\((.*)\)$", read(".ci/run"), re.MULTILINE)[1]
    assert set(everything.split()) <= parts_of_ci()


@pytest.mark.parametrize("name", ["tests", "docs", "release"])
def test_workflows_call_parts_of_ci(name):
    text = read(f".github/workflows/{name}.yml")
    called = re.findall(r"run: \.ci/run ([a-z ]+)$", text, re.MULTILINE)
    for parts in re.findall(r"part: \[(.*)\]", text):
        called += parts.split(", ")
    assert called
    assert {part for parts in called for part in parts.split()} <= parts_of_ci()


def test_the_daily_commands_call_parts_of_ci():
    called = re.findall(r'_part\(session, "(\w+)"\)', read("noxfile.py"))
    assert len(called) == 4
    assert set(called) <= parts_of_ci()
