"""What the patches of all kinds share: names, provenance as words, program text as people write it."""

import ast
import keyword
import re
import textwrap
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

WIDTH = 88
Facts = list[tuple[str, list[str]]]
"""Provenance as (words, lines) pairs, fit for a docstring and for Markdown."""


def check_module_name(name: str, taken: Collection[str]) -> None:
    """ValueError where `name` cannot name a module of ours, or would hide one of `taken`."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name) or name in taken:
        raise ValueError(f"a name must be a lower-case Python module name, got {name!r}")


@lru_cache
def _environment(templates: Path) -> Environment:
    made = Environment(
        loader=FileSystemLoader(templates),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,
    )
    made.filters |= {"line": line, "number": "{:.4g}".format, "repr": repr, "share": share}
    return made


def filled(templates: Path, template: str, values: Mapping[str, Any]) -> str:
    """The Jinja template `templates/template.txt`, filled. UndefinedError for a name without a value."""
    return _environment(templates).get_template(f"{template}.txt").render(values)


def refuse_taken(name: str, used: Collection[str], own: Collection[str]) -> None:
    """ValueError where the program uses a name that the module binds itself."""
    if taken := sorted(set(used) & set(own)):
        raise ValueError(f"the program uses {', '.join(taken)} itself; choose another name than {name!r}")


def title_of(name: str) -> str:
    """The name of a class for a module's name."""
    return "".join(part.capitalize() for part in name.split("_"))


def shared_values(name: str, source: str, facts: "Facts") -> dict[str, str]:
    """What the templates of all kinds take: names, the archived text, and where it is from."""
    return {
        "name": name,
        "title": title_of(name),
        "test_file": f"test_{name}.py",
        "archived": as_literal(source),
        "header": header(facts),
        "facts": bullets(facts) or "Nothing was recorded.",
        "headline": headline(facts),
    }


def module_files(templates: Path, name: str, values: Mapping[str, Any]) -> dict[str, str]:
    """The module, its tests and README.md, from the templates `module`, `test` and `readme`.

    Under README's title stands what the run decided.
    """
    return {
        f"{name}.py": filled(templates, "module", values),
        f"test_{name}.py": filled(templates, "test", values).rstrip("\n") + "\n",
        "README.md": headed(filled(templates, "readme", values), values["headline"]),
    }


def headline(facts: Facts) -> str:
    """What README says first: why a patch should not exist, else what the run decided; "" for neither."""
    return next((lines[0] for words, lines in facts if words in ("exported anyway", "decision")), "")


def headed(text: str, headline: str) -> str:
    """A README with its headline under the title."""
    title, _, rest = text.partition("\n")
    return f"{title}\n\n**{headline}**\n{rest}" if headline else text


def facts_of(provenance: Mapping[str, Any]) -> Facts:
    """Provenance as (words, lines) pairs; empty values are left out, and no text can end a docstring."""
    facts = [(key, [line(text) for text in _lines(value)]) for key, value in provenance.items()]
    return [(line(key.replace("_", " ")), lines) for key, lines in facts if any(lines)]


def bullets(facts: Facts) -> str:
    """The facts as a Markdown list."""
    blocks = []
    for key, (first, *more) in facts:
        nested = "".join(f"\n  - {text}" for text in (first, *more))
        blocks.append(f"- {key}:{nested}" if more else f"- {key}: {first}")
    return "\n".join(blocks)


def header(facts: Facts) -> str:
    """The facts as the lines of a module's docstring."""
    lines = []
    for key, (first, *more) in facts:
        lines += [f"{key}:", *(f"  {text}" for text in (first, *more))] if more else [f"{key}: {first}"]
    lines = [textwrap.fill(text, WIDTH, subsequent_indent="    ") for text in lines]
    return "\n".join(lines).rstrip('"') or "Nothing was recorded about its origin."


def words_of(value: Any) -> str:
    """A plain value or a verdict in one line."""
    match value:
        case {"status": status, "score": (score, *_), "facts": facts}:
            return words_of({str(status): score, **facts})
        case Mapping():
            return "; ".join(f"{key} {words_of(item)}" for key, item in value.items())
        case list() | tuple():
            return ", ".join(map(words_of, value))
        case float():
            return f"{value:.6g}"
        case _:
            return str(value)


def line(text: str) -> str:
    """The text in one line of printable characters that ends neither a docstring nor an escape."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.replace("\\", "/").replace('"""', "'''").split())


def as_literal(source: str) -> str:
    """The source as a Python literal, line by line where it shows all that it holds."""
    for quotes in ('"""', "'''"):
        if quotes not in source and "\\" not in source and source.replace("\n", "").isprintable():
            return f"{quotes}\\\n{source.rstrip()}\n{quotes}"
    return repr(source)


def constants_of(tree: ast.Module) -> dict[str, Any]:
    """The module-level literals of a program, by name."""
    return {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def function_text(function: ast.FunctionDef) -> str:
    """A function as a person writes it: double quotes, and no parentheses around what is returned."""
    return double_quoted("\n".join(map(_without_parentheses, ast.unparse(function).splitlines())))


def program_text(constants: Mapping[str, Any], functions: Iterable[ast.FunctionDef]) -> str:
    """Constants and functions, laid out as PEP 8 wants them; an empty table is told what it holds."""
    lines = [
        f"{name}{': dict[str, float]' if value == {} else ''} = {double_quoted(repr(value))}"
        for name, value in constants.items()
    ]
    return "\n\n\n".join(["\n".join(lines), *map(function_text, functions)])


def share(value: float) -> str:
    """A part of 1 as a percentage."""
    return f"{100.0 * value:.1f} %"


def double_quoted(text: str) -> str:
    """Texts in a program are plain keys, so that their quotes may be changed one by one."""
    return re.sub(r"'(\w+)'", r'"\1"', text)


def _lines(value: Any) -> list[str]:
    """One line for a plain value or a verdict, one for each item of anything else."""
    if isinstance(value, Mapping) and "facts" not in value:
        return [f"{key}: {words_of(item)}" for key, item in value.items()]
    return [words_of(item) for item in value] if isinstance(value, (list, tuple)) else [words_of(value)]


def _without_parentheses(text: str) -> str:
    """`return (a, b)` as `return a, b`, where that is what the parentheses are."""
    match = re.fullmatch(r"(\s*return )\((.*)\)", text)
    if not match:
        return text
    bare = match[1] + match[2]
    try:
        same = ast.dump(ast.parse(bare.strip())) == ast.dump(ast.parse(text.strip()))
    except SyntaxError:
        return text
    return bare if same else text
