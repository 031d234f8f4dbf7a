"""Templates: the texts of prompts, ours or a user's in their place, checked before anything is asked."""

import difflib
import traceback
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import (
    ChoiceLoader,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateSyntaxError,
    meta,
    nodes,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .....evaluators.kinds import registry
from .....evaluators.language.sanitize import clean, code_block, one_line
from ....config.config import ConfigError

OURS = Path(__file__).parent
PERSONA = "personas/any.md"
BLOCKS = {f"forms/{form}.md": ("format", "question", "answer") for form in ("edits", "whole", "crossover")}
"""The blocks that a form's template must define: how to answer, and one worked example of it."""
FAULTS = (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError)
"""What a template that does not fit its variables raises."""


class Templates:
    """The templates of a run: those in `folders`, the first that has one of the name; ours in the last place.

    A template is Markdown with Jinja2 marks; an unknown variable is an error. Filters: `fence` for what
    others wrote, with its language; `line` for what must stay on one line; `clean`. ConfigError where a
    folder is missing, holds a `.md` file that no template is named after, or one that is no Jinja2.
    `persona` is the kind's own, where no folder has another.
    """

    def __init__(self, folders: Sequence[Path], kind: str, persona: str = "") -> None:
        self.kind = kind
        self._persona = persona
        self._personas = {f"personas/{name}.md": text for name, text in registry.personas().items()}
        names = {str(path.relative_to(OURS)) for path in OURS.rglob("*.md")}
        self.names = tuple(sorted({*names, *self._personas, f"personas/{kind}.md"}))
        for folder in folders:
            _require_names(folder, self.names)
        self._environment = ImmutableSandboxedEnvironment(
            loader=ChoiceLoader([FileSystemLoader(folder) for folder in (*folders, OURS)]),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"fence": code_block, "line": one_line, "clean": clean}
        every = {name: [folder / name for folder in (*folders, OURS)] for name in self.names}
        found = {name: next(filter(Path.is_file, paths), None) for name, paths in every.items()}
        self.paths = {name: path for name, path in found.items() if path}

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of all texts, personas of all built-in kinds among them: equal prompts, equal
        fingerprint. Runs were begun with it, so it covers what it covered.
        """
        texts = {name: path.read_text(encoding="utf-8") for name, path in self.paths.items()}
        named = (f"{name}\0{text}" for name, text in sorted({**self._personas, **texts}.items()))
        return sha256("\0".join(named).encode()).hexdigest()[:16]

    def persona(self) -> str:
        """Who is asked to propose programs of the kind."""
        name = f"personas/{self.kind}.md"
        if name in self.paths:
            return self.render(name)
        return self._persona or self.render(PERSONA)

    def render(self, name: str, block: str = "", /, **values: Any) -> str:
        """The text of the template, or of one block of it, with these values."""
        template = self._template(name)
        try:
            if block:
                return "".join(template.blocks[block](template.new_context(values))).strip("\n")
            return template.render(values).strip("\n")
        except FAULTS as error:
            # Jinja2 rewrites tracebacks to name the template's line
            path, frames = self.paths[name], traceback.extract_tb(error.__traceback__)
            line = next((frame.lineno for frame in reversed(frames) if frame.filename == str(path)), 1)
            raise ConfigError(f"{path}:{line}: {error}") from None

    def check(self, samples: Mapping[str, Mapping[str, Any]]) -> None:
        """ConfigError, with file and line, where a template cannot be rendered with its sample of values."""
        for name, path in self.paths.items():
            known = frozenset(samples.get(name, {}))
            for number, variable in self._unknown(name, known):
                names = ", ".join(sorted(known)) or "none"
                raise ConfigError(f"{path}:{number}: no variable `{variable}` here; known: {names}")
            template = self._template(name)
            for block in BLOCKS.get(name, ()):
                if block not in template.blocks:
                    raise ConfigError(f"{path}: expected a block, {{% block {block} %}}…{{% endblock %}}")
                self.render(name, block, **samples.get(name, {}))
            self.render(name, **samples.get(name, {}))

    def _template(self, name: str) -> Template:
        try:
            return self._environment.get_template(name)
        except TemplateSyntaxError as error:
            raise ConfigError(f"{self.paths[name]}:{error.lineno}: {error.message}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"{self.paths[name]}: not UTF-8: {error.reason}") from None

    def _unknown(self, name: str, known: frozenset[str]) -> Iterator[tuple[int, str]]:
        """(line, name) of variables that are read but never given, in branches not taken too."""
        self._template(name)
        tree = self._environment.parse(self.paths[name].read_text(encoding="utf-8"))
        unknown = meta.find_undeclared_variables(tree) - known
        yield from ((node.lineno, node.name) for node in tree.find_all(nodes.Name) if node.name in unknown)


def _require_names(folder: Path, names: Sequence[str]) -> None:
    if not folder.is_dir():
        raise ConfigError(f"propose.prompts: {folder} is no folder; give one with templates such as user.md")
    for path in sorted(folder.rglob("*.md")):
        name = str(path.relative_to(folder))
        if name not in names:
            near = difflib.get_close_matches(name, names, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
            raise ConfigError(f"propose.prompts: {path} replaces no template; {hint}")
