"""Show below the code of a page what it draws.

A page stays plain Markdown, in which GitHub shows the code alone. The build runs its
blocks in order, as the tests do, as far as the last one that draws. Figures that a
block makes are saved, and follow it.
"""

import contextlib
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FOLDER = "drawn"  # of the pictures, below docs/
# A block of Python with the block of output below it, if there is one.
BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n+```output\n.*?```\n)?", re.DOTALL)
# What draws: a display, or matplotlib itself.
DRAWING = re.compile(r"Display\.|\bplt\.")


def with_pictures(text: str, folder: Path, name: str) -> str:
    """Return the text of a page with links to what its code draws.

    Parameters
    ----------
    text : str
        The page, in Markdown.
    folder : Path
        Where the pictures are saved.
    name : str
        Its pictures are name-1.svg, name-2.svg, ...
    """
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    names: dict[str, Any] = {}
    parts, end, n_pictures = [], 0, 0
    blocks = list(BLOCK.finditer(text))
    while blocks and not DRAWING.search(blocks[-1][1]):
        del blocks[-1]
    plt.close("all")
    with plt.rc_context(), contextlib.redirect_stdout(io.StringIO()):
        plt.rcdefaults()
        for block in blocks:
            exec(compile(block[1], name, "exec"), names)
            parts.append(text[end : block.end()])
            end = block.end()
            for number in plt.get_fignums():
                figure = plt.figure(number)
                n_pictures += 1
                file = f"{name}-{n_pictures}.svg"
                figure.savefig(folder / file, metadata={"Date": None})
                parts.append(f"\n![{words_of(figure)}]({file})\n")
                plt.close(figure)
    return "".join([*parts, text[end:]])


def words_of(figure: Any) -> str:
    """Return the titles and the labels of a figure, for those who do not see it."""
    titles, labels = [figure.get_suptitle()], []
    for ax in figure.axes:
        titles += [ax.get_title(side) for side in ("left", "center", "right")]
        labels += [ax.get_xlabel(), ax.get_ylabel()]
    words = dict.fromkeys(filter(None, [*titles, *labels]))
    return re.sub(r"[\[\]\s]+", " ", "; ".join(words)).strip()


def draw(app: "Sphinx", docname: str, source: list[str]) -> None:
    """Add the pictures of a page whose code draws."""
    if any(DRAWING.search(block[1]) for block in BLOCK.finditer(source[0])):
        name = docname.replace("/", "-")
        text = with_pictures(source[0], Path(app.srcdir) / FOLDER, name)
        source[0] = text.replace(f"]({name}-", f"](/{FOLDER}/{name}-")


def setup(app: "Sphinx") -> dict:
    app.connect("source-read", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
