"""Let the pages link to files of the repository, as GitHub shows them.

A page under docs/ may link to ``../examples/quickstart.py`` or ``../CONTRIBUTING.md``.
On the site such a link leads to the page that is made of the file. A page that consists
of an ``{include}`` shows a file of the repository's root, with the links of that file.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

# The folder of the page that is made of a file, below docs/.
PAGES = (
    (r"(?:\.\./)+examples/(\w+)\.py", r"/gallery/\1.rst"),
    (r"(?:\.\./)+examples/?(?=\))", r"/gallery/index.rst"),
    (r"(?:\.\./)+tutorial/(\w+)\.py", r"/tutorial/\1.rst"),
    (r"(?:\.\./)+CONTRIBUTING\.md", r"/contributing.md"),
    (r"(?:\.\./)+CHANGELOG\.md", r"/changelog.md"),
    (r"(?:\.\./)+SECURITY\.md", r"/security.md"),
    (r"(?:\.\./)+docs/", r"/"),
)
INCLUDE = re.compile(r"```\{include\} \.\./(\w+\.md)\n```\n")
# A link from the root of the repository to something in it.
LOCAL = re.compile(r"\]\((?!\w+:|#|\.\./)")
# The empty output block of an example that printed only the path of its picture.
EMPTY_OUTPUT = re.compile(
    r"^\.\. rst-class:: sphx-glr-script-out\n\s+\.\. code-block:: none\n\s*?\n(?=\S)",
    re.MULTILINE,
)


def rewrite(app: Sphinx, docname: str, source: list[str]) -> None:
    """Point links at pages of the site, and hide where examples put their pictures."""
    text = source[0]
    if included := INCLUDE.search(text):
        file = Path(app.srcdir).parent / included[1]
        app.env.note_dependency(file)
        whole = LOCAL.sub("](../", file.read_text(encoding="utf-8"))
        text = text.replace(included[0], whole)
    if docname.startswith(("gallery/", "tutorial/")):
        text = re.sub(r"^ +Picture: .*\n", "", text, flags=re.MULTILINE)
        text = EMPTY_OUTPUT.sub("", text)
    for pattern, page in PAGES:
        text = re.sub(rf"(?<=\]\(){pattern}", page, text)
    source[0] = text


def setup(app: Sphinx) -> dict:
    app.connect("source-read", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
