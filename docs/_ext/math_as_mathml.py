"""Formulas as MathML, which browsers draw without a script or a network.

Docutils translates LaTeX. A formula that it does not know is a warning, and so an error
where warnings are errors.
"""

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)


def mathml(node: nodes.Element, as_block: bool) -> str:
    try:
        return with_spaces(tex2mathml(node.astext(), as_block=as_block))
    except MathError as error:
        LOGGER.warning("not a formula: %s", error, location=node)
        return "<code></code>"


def with_spaces(formula: str) -> str:
    """Set off the names of functions as TeX does: by a thin space, but for a bracket.

    Docutils writes an invisible operator behind a name, and browsers give it no width.
    """
    space = '<mspace width="0.167em"></mspace>'
    applied = r"<mo>&ApplyFunction;</mo>(?!\s*<mo[^>]*>[(\[])"
    formula = re.sub(applied, space, formula)
    return re.sub(r"(</mi>|</mn>|</msub>)(\s*<mi>log</mi>)", rf"\1{space}\2", formula)


def visit_math(translator: object, node: nodes.math) -> None:
    translator.body.append(mathml(node, as_block=False))
    raise nodes.SkipNode


def visit_math_block(translator: object, node: nodes.math_block) -> None:
    formula = mathml(node, as_block=True)
    translator.body.append(f'<div class="formula">{formula}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
