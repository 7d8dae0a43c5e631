"""Tables as text for a terminal and as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

# Notebooks have themes, light and dark: the text takes their colour, and lines are
# drawn in it. No colour of our own is on a background that we do not know.
_LINE = "border-bottom: 1px solid color-mix(in srgb, currentColor 35%, transparent)"
_TEXT = "color: inherit; text-align: left; padding: 0.2em 0"
_CELL = (
    "padding: 0.2em 0.8em 0.2em 0; vertical-align: top; color: inherit; "
    "font-variant-numeric: tabular-nums"
)


def text_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], n_left: int = 0
) -> str:
    """Return a table as text, with columns flush right.

    Parameters
    ----------
    header : sequence of str
        The names of the columns.
    rows : sequence of sequences of str
        What stands in them.
    n_left : int, default=0
        The number of columns, from the first on, that are flush left.
    """
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    sides = ["<" if k < n_left else ">" for k in range(len(widths))]
    return "\n".join(
        "  ".join(
            f"{cell:{side}{width}}"
            for cell, side, width in zip(line, sides, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def pandas_for_frames() -> Any:
    """Return pandas; raise an ImportError that says how to get it."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "No module pandas; to_frame needs it: pip install pandas"
        ) from error
    return pd


def html_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    header: Sequence[str] = (),
    n_left: int = 0,
    bold: int | None = None,
    foot: str = "",
) -> str:
    """Return a table as HTML that reads well on light and on dark pages.

    Parameters
    ----------
    head : sequence of str
        What the table shows, line by line. The first line is the title.
    rows : sequence of sequences of str
        The cells.
    header : sequence of str, default=()
        The names of the columns.
    n_left : int, default=0
        The number of columns, from the first on, that are flush left. The first of them
        holds the names of the rows. Other columns are flush right, as numbers are.
    bold : int, default=None
        The position of a row to emphasise.
    foot : str, default=""
        A line below the table.
    """
    weights = [600, *[400] * (len(head) - 1)]
    lines = "".join(
        f'<div style="font-weight: {weight}">{escape(line)}</div>'
        for line, weight in zip(head, weights, strict=True)
    )
    parts = [
        '<table style="border-collapse: collapse; color: inherit; margin: 0.5em 0">',
        f'<caption style="{_TEXT}; caption-side: top">{lines}</caption>',
    ]
    sides = ["left" if j < n_left else "right" for j in range(len(header or rows[0]))]
    if header:
        cells = "".join(
            f'<th scope="col" style="{_CELL}; text-align: {side}; {_LINE}">'
            f"{escape(name)}</th>"
            for name, side in zip(header, sides, strict=True)
        )
        parts.append(f"<thead><tr>{cells}</tr></thead>")
    parts.append("<tbody>")
    for i, row in enumerate(rows):
        weight = "; font-weight: 600" if i == bold else ""
        parts.append("<tr>")
        for j, (cell, side) in enumerate(zip(row, sides, strict=True)):
            is_name = j == 0 < n_left
            tag, scope = ("th", ' scope="row"') if is_name else ("td", "")
            style = f"{_CELL}; text-align: {side}{weight}"
            parts.append(f'<{tag}{scope} style="{style}">{escape(cell)}</{tag}>')
        parts.append("</tr>")
    parts.append("</tbody></table>")
    if foot:
        parts.append(f'<p style="{_TEXT}; margin: 0">{escape(foot)}</p>')
    return "".join(parts)
