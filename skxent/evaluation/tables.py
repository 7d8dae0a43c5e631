"""Tables as text for a terminal and as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

# Notebooks have themes, light and dark: the text takes their colour, and lines are
# drawn in it. No colour of our own is on a background that we do not know.
_LINE = "border-bottom: 1px solid color-mix(in srgb, currentColor 35%, transparent)"
_CELL = "padding: 0.2em 0.8em 0.2em 0; vertical-align: top; color: inherit"


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
    caption: str,
    rows: Sequence[Sequence[str]],
    header: Sequence[str] = (),
    bold: int | None = None,
) -> str:
    """Return a table as HTML that reads well on light and on dark pages.

    Parameters
    ----------
    caption : str
        What the table shows.
    rows : sequence of sequences of str
        The cells. Without a header, the first cell of a row is its name.
    header : sequence of str, default=()
        The names of the columns. The numbers below them are flush right.
    bold : int, default=None
        The position of a row to emphasise.
    """
    side = "right" if header else "left"
    number = f"{_CELL}; text-align: {side}; font-variant-numeric: tabular-nums"
    name = f"{_CELL}; text-align: {side}; font-weight: 600"
    parts = [
        '<table style="border-collapse: collapse; color: inherit; margin: 0.5em 0">',
        '<caption style="caption-side: top; text-align: left; color: inherit; '
        f'font-weight: 600; padding: 0.2em 0">{escape(caption)}</caption>',
    ]
    if header:
        cells = "".join(
            f'<th scope="col" style="{name}; {_LINE}">{escape(cell)}</th>'
            for cell in header
        )
        parts.append(f"<thead><tr>{cells}</tr></thead>")
    parts.append("<tbody>")
    for k, row in enumerate(rows):
        weight = "; font-weight: 600" if k == bold else ""
        tag, style = ("td", number) if header else ('th scope="row"', name)
        first, *rest = (escape(cell) for cell in row)
        cells = f'<{tag} style="{style}{weight}">{first}</{tag[:2]}>'
        cells += "".join(f'<td style="{number}{weight}">{cell}</td>' for cell in rest)
        parts.append(f"<tr>{cells}</tr>")
    return "".join([*parts, "</tbody></table>"])
