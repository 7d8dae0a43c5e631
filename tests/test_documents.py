"""README and docs: their code runs, block after block, and prints what they show."""

import re
from pathlib import Path

import pytest
from sklearn import config_context

import skxent

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINKING = [
    *DOCUMENTS,
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
]
WITH_CODE = [path for path in DOCUMENTS if "```python" in path.read_text("utf8")]
# A block of Python, and the block of output below it, if there is one.
BLOCKS = re.compile(r"```python\n(.*?)```(?:\n+```output\n(.*?)```)?", re.DOTALL)


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", WITH_CODE, ids=name_of)
def test_the_code_of_a_document_runs(path, capsys):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    blocks = BLOCKS.findall(path.read_text("utf8"))
    names: dict = {}
    with config_context():  # what a block configures ends here
        for code, output in blocks:
            exec(compile(code, path.name, "exec"), names)
            printed = capsys.readouterr().out
            if output:
                assert printed == output, code
    if "model" in names:
        assert names["model"].converged_
    pyplot.close("all")


@pytest.mark.parametrize("path", LINKING, ids=name_of)
def test_the_links_of_a_document_lead_somewhere(path):
    text = path.read_text("utf8")
    for target, fragment in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
        file = path.parent / target if target else path
        assert file.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.*)", file.read_text("utf8"), re.MULTILINE)
            assert fragment in {anchor(heading) for heading in headings}


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf8").splitlines()) <= 120


def test_the_reference_names_everything_public():
    text = (ROOT / "docs" / "api.md").read_text("utf8")
    names = set(skxent.__all__) - {"__version__"} | set(
        skxent.BinaryLogReg().get_params()
    )
    assert not {name for name in names if f"`{name}" not in text}


def test_every_public_name_has_a_page_in_the_reference():
    text = (ROOT / "docs" / "reference" / "index.md").read_text("utf8")
    listed = re.findall(r"^   (\w+)$", text, re.MULTILINE)
    assert set(listed) == {*skxent.__all__, "register"} - {"__version__"}


def anchor(heading):
    """Return what GitHub makes of a heading in the address of a page."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
