"""Link public names in the text to their pages: the first time on each page.

Pages and docstrings write names as code, such as `BinaryLogReg`. GitHub shows them so;
the site makes a link of them.
"""

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

import skxent

NAMES = set(skxent.__all__) - {"__version__"}
# Text that is a link already, or is a heading or a signature.
NOT_IN = (nodes.reference, addnodes.pending_xref, nodes.title, addnodes.desc_signature)


def link_names(app: Sphinx, doctree: nodes.document) -> None:
    docname = app.env.docname
    linked = {docname.rpartition(".")[2]} if docname.startswith("api/") else set()
    for node in list(doctree.findall(nodes.literal)):
        name = node.astext().removeprefix("skxent.")
        if name not in NAMES or name in linked or is_in(node, NOT_IN):
            continue
        linked.add(name)
        link = addnodes.pending_xref(
            "",
            node.deepcopy(),
            refdomain="py",
            reftype="obj",
            reftarget=f"skxent.{name}",
            refdoc=docname,
            refwarn=True,
        )
        node.replace_self(link)


def is_in(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    """Return whether a node is below one of these kinds."""
    while node := node.parent:
        if isinstance(node, kinds):
            return True
    return False


def setup(app: Sphinx) -> dict:
    app.connect("doctree-read", link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
