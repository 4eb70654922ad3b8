"""The map in docs/architecture.md: every module by room, with the first line of its docstring.

`python -m tests.architecture_map` writes it anew; a test holds the two together.
"""

import ast
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- map: begin -->", "<!-- map: end -->"
PACKAGES = ("ledger", "bot")


def modules() -> Iterator[Path]:
    """Give the files on the map: all but migrations' versions and package files without code."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py"), key=lambda one: (one.parent, one.stem)):
            if "versions" not in path.parts and not (path.stem == "__init__" and _is_only_a_docstring(path)):
                yield path


def rendered() -> str:
    """Render the map: a heading a room, a row a module."""
    rooms = groupby(modules(), key=lambda one: one.parent)
    return "\n".join(line for room, paths in rooms for line in _room(room, list(paths)))


def written() -> str:
    """Give the map as the document has it."""
    _, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN + "\n")
    return rest.partition("\n" + END)[0]


def _room(room: Path, paths: Sequence[Path]) -> Iterator[str]:
    name = room.relative_to(ROOT).as_posix()
    yield f"### `{name}/`"
    yield ""
    about = room / "__init__.py"
    if _is_only_a_docstring(about):
        yield from (_first_line(about), "")
    yield "| module | what it is |"
    yield "|---|---|"
    for path in paths:
        yield f"| `{path.name}` | {_first_line(path)} |"
    yield ""


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].split()).replace("|", "\\|")


def _is_only_a_docstring(path: Path) -> bool:
    return len(ast.parse(path.read_text(encoding="utf-8")).body) <= 1


if __name__ == "__main__":
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}\n{rendered()}\n{END}{after}", encoding="utf-8")
