"""What a kind keeps as files in its folder: programs, and the texts that a model reads."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template


def programs(folder: Path) -> dict[str, str]:
    """The source of every program in a folder by name, sorted; empty where there is no such folder."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}


def persona(folder: Path) -> str:
    """`persona.md`: who a model is asked to be."""
    return (folder / "persona.md").read_text(encoding="utf-8").strip("\n")


def contract(folder: Path, allowed: Mapping[str, str], **values: str) -> str:
    """`contract.md` with its `$names` replaced, then `allowed` as a list: a place, and the names for it."""
    text = Template((folder / "contract.md").read_text(encoding="utf-8")).substitute(values)
    return text + "\n" + "".join(f"- {place}: {names}\n" for place, names in allowed.items())


def named(names: Iterable[str]) -> str:
    """The names in Markdown, sorted."""
    return ", ".join(f"`{name}`" for name in sorted(names))
