"""The picture of the architecture, drawn from the imports of the package.

``python docs/_ext/rooms.py`` writes ``docs/images/rooms.svg``. A test compares the file
with the imports, so that it is never out of date.

A room is a folder of the package. It stands above all rooms that it imports. An arrow
leads to a room that is imported, unless another one on the way says so already.
"""

import ast
from pathlib import Path
from textwrap import wrap

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "skxent"
PICTURE = ROOT / "docs" / "images" / "rooms.svg"

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 216, 66, 26, 44, 16
BLUE, PALE, INK = "#0072B2", "#EAF3F9", "#333333"


def imports_between_rooms(package: Path = PACKAGE) -> dict[str, set[str]]:
    """Return which rooms each room imports."""
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    imports: dict[str, set[str]] = {room: set() for room in sorted(rooms)}
    for room in rooms:
        for path in (package / room).rglob("*.py"):
            depth = len(path.relative_to(package).parts)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.level == depth:
                    imports[room].add((node.module or "").split(".")[0])
        imports[room] = (imports[room] & rooms) - {room}
    return imports


def purpose(room: str) -> list[str]:
    """Return the lines that say what lives in a room: its docstring after the colon."""
    module = ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))
    first = (ast.get_docstring(module) or "").split("\n\n")[0].replace("\n", " ")
    text = first.split(": ", 1)[-1].rstrip(".").replace("`", "")
    return wrap(text[:1].upper() + text[1:], 34, break_on_hyphens=False)


def everything_below(imports: dict[str, set[str]], room: str) -> set[str]:
    """Return the rooms that a room imports, directly or through others."""
    direct = imports[room]
    return direct.union(*(everything_below(imports, below) for below in direct))


def direct_arrows(imports: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Return the imports that do not follow from others."""
    return [
        (room, below)
        for room in imports
        for below in sorted(imports[room])
        if not any(below in everything_below(imports, b) for b in imports[room])
    ]


def levels(imports: dict[str, set[str]]) -> list[list[str]]:
    """Return the rooms in rows from the top, each room just below what imports it."""

    def level(room: str) -> int:
        users = [user for user in imports if room in imports[user]]
        return 1 + max((level(user) for user in users), default=-1)

    of = {room: level(room) for room in imports}
    return [[r for r in imports if of[r] == n] for n in range(max(of.values()) + 1)]


def places(imports: dict[str, set[str]]) -> dict[str, tuple[float, float]]:
    """Return the upper left corner of each room, under the middle of its importers."""
    arrows = direct_arrows(imports)
    corner: dict[str, tuple[float, float]] = {}
    for i, row in enumerate(levels(imports)):
        y = MARGIN + i * (HEIGHT + GAP_Y)
        wanted = {}
        for j, room in enumerate(row):
            above = [corner[user][0] for user, below in arrows if below == room]
            wanted[room] = sum(above) / len(above) if above else j * (WIDTH + GAP_X)
        row = sorted(row, key=wanted.__getitem__)
        middle = sum(wanted.values()) / len(row)
        x = middle - (len(row) - 1) * (WIDTH + GAP_X) / 2
        for room in row:
            corner[room] = (x, y)
            x += WIDTH + GAP_X
    left = min(x for x, _ in corner.values()) - MARGIN
    return {room: (x - left, y) for room, (x, y) in corner.items()}


def draw(imports: dict[str, set[str]]) -> str:
    """Return the picture as SVG."""
    corner = places(imports)
    width = max(x for x, _ in corner.values()) + WIDTH + MARGIN
    height = max(y for _, y in corner.values()) + HEIGHT + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" font-family="sans-serif">',
        "<title>The rooms of skxent, and which imports which</title>",
        f'<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" '
        f'markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{BLUE}"/></marker></defs>',
    ]
    for above, below in direct_arrows(imports):
        x1, y1 = corner[above][0] + WIDTH / 2, corner[above][1] + HEIGHT
        x2, y2 = corner[below][0] + WIDTH / 2, corner[below][1]
        bend = (y2 - y1) / 2
        lines.append(
            f'<path d="M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} '
            f'{x2:g} {y2:g}" fill="none" stroke="{BLUE}" stroke-width="1.5" '
            f'marker-end="url(#head)"/>'
        )
    for room, (x, y) in corner.items():
        middle = x + WIDTH / 2
        lines += [
            f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
            f'fill="{PALE}" stroke="{BLUE}"/>',
            f'<text x="{middle:g}" y="{y + 23:g}" text-anchor="middle" font-size="15" '
            f'font-weight="bold" fill="{INK}">{room}</text>',
        ]
        for i, line in enumerate(purpose(room)):
            lines.append(
                f'<text x="{middle:g}" y="{y + 40 + 15 * i:g}" text-anchor="middle" '
                f'font-size="12" fill="{INK}">{line}</text>'
            )
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(draw(imports_between_rooms()), encoding="utf-8")
