"""Draws docs/architecture.svg, the layers of the code: `python docs/architecture.py`.

Layers come from the import contracts in pyproject.toml, words from the docstrings of the folders, so the
picture shows what `lint-imports` enforces. `tests/test_docs.py` fails where the picture is stale.
"""

import ast
import textwrap
import tomllib
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = Path(__file__).with_suffix(".svg")
WIDTH, MARGIN, GAP, LINE = 960, 14, 8, 17
LETTER = 7.0
"""Mean width of a character of the words, in pixels."""
COLOURS = {"engine": "#e8eef9", "evaluators": "#e9f5ec", "population": "#fdf3e0", "kernels": "#f6e9f3"}
PAGE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">
<title>The folders of RecEvolve: each imports only what stands below it</title>
<rect width="{width}" height="{height}" fill="#ffffff"/>
{body}
</svg>
"""


def layers(contract: str) -> list[list[str]]:
    """The rows of one import-linter contract, top first; modules that stand side by side share a row."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {one["id"]: one for one in found["tool"]["importlinter"]["contracts"]}
    return [
        [name.strip().removeprefix("recevolve.") for name in row.split("|")]
        for row in contracts[contract]["layers"]
    ]


def words(folder: str, name: str) -> str:
    """The first sentence of a module's or a package's docstring."""
    path = ROOT / folder / name
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].replace("`", "").split())


def rooms(folder: str) -> list[str]:
    """The packages of a root folder, by name."""
    return sorted(path.parent.name for path in (ROOT / folder).glob("*/__init__.py"))


def box(x: float, y: float, width: float, height: float, fill: str) -> str:
    """A rounded rectangle."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" fill="{fill}" '
        'stroke="#8a8f98" stroke-width="1"/>'
    )


def text(x: float, y: float, line: str, style: str = 'font-size="12.5" fill="#333333"') -> str:
    """One line of words."""
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(line, quote=False)}</text>'


CODE = 'font-size="13.5" font-weight="bold" font-family="monospace" fill="#111111"'
HEAD = 'font-size="16" font-weight="bold" font-family="monospace" fill="#111111"'


def row(folder: str, names: Sequence[str], x: float, y: float, width: float) -> tuple[list[str], float]:
    """(shapes, height) of modules side by side, each with its words."""
    each = (width - GAP * (len(names) - 1)) / len(names)
    wrapped = [textwrap.wrap(words(folder, name), int((each - 2 * GAP) / LETTER)) for name in names]
    height = LINE * (1 + max(len(lines) for lines in wrapped)) + GAP
    shapes = []
    for number, (name, lines) in enumerate(zip(names, wrapped, strict=True)):
        left = x + number * (each + GAP)
        shapes.append(box(left, y, each, height, "#ffffff"))
        shapes.append(text(left + GAP, y + LINE, name, CODE))
        shapes += [text(left + GAP, y + LINE * (2 + at), line) for at, line in enumerate(lines)]
    return shapes, height


def folder(
    name: str, rows: Iterable[Sequence[str]], x: float, y: float, width: float
) -> tuple[list[str], float]:
    """(shapes, height) of what stands in a root folder: its name, then its rows, top first."""
    inside = [text(x + GAP, y + LINE + 3, f"{name}/", HEAD)]
    height = LINE + 2 * GAP
    for names in rows:
        shapes, taken = row(name, names, x + GAP, y + height, width - 2 * GAP)
        inside += shapes
        height += taken + GAP
    return inside, height


def rows_of(name: str, width: float) -> list[list[str]]:
    """The rows of a root folder: layers of the engine, else packages, two or three to a row."""
    if name == "engine":
        return layers("engine")
    names, count = rooms(name), 3 if width > WIDTH / 2 else 2
    return [names[at : at + count] for at in range(0, len(names), count)]


def picture() -> str:
    """The picture as SVG: engine above evaluators above population and kernels."""
    body = [text(MARGIN, MARGIN + LINE, "Imports go down only: a box may import what stands below it.")]
    y = float(MARGIN + 2 * LINE)
    for names in layers("folders"):
        each = (WIDTH - 2 * MARGIN - GAP * (len(names) - 1)) / len(names)
        lefts = [MARGIN + number * (each + GAP) for number in range(len(names))]
        made = [
            folder(name, rows_of(name, each), left, y, each) for name, left in zip(names, lefts, strict=True)
        ]
        height = max(taken for _, taken in made)
        for name, left, (shapes, _) in zip(names, lefts, made, strict=True):
            body += [box(left, y, each, height, COLOURS[name]), *shapes]
        y += height + MARGIN
    return PAGE.format(width=WIDTH, height=f"{y:g}", body="\n".join(body))


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
