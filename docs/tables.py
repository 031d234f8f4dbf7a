"""Writes the tables of the documentation that the code knows better: `python docs/tables.py`.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`. `tests/test_docs.py` fails where one is
stale.
"""

import ast
import json
import re
import runpy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from recevolve.engine.cli import exit_codes
from recevolve.engine.config.config import Config
from recevolve.engine.config.experiments import Measure
from recevolve.engine.config.proposers import Model, Quotas
from recevolve.engine.propose.llm.discovery import HOSTED
from recevolve.engine.propose.llm.prices import PER, price_of
from recevolve.evaluators.kinds import registry
from recevolve.evaluators.kinds.patch import constants_of
from recevolve.evaluators.kinds.task import Task
from recevolve.evaluators.language.static import check
from recevolve.evaluators.reward.logs.signals import SIMULATED
from recevolve.evaluators.simulator import Parameters
from recevolve.kernels.estimate.device import DEVICES, SOURCES
from recevolve.kernels.gate.gate import CHECKS
from recevolve.kernels.gate.report import NAMES

DOCS = Path(__file__).parent
PROPERTIES = "recevolve.evaluators.{}.properties"
"""Where a kind names its properties, if it examines by such."""
CHEATS = DOCS.parent / "tests" / "evaluators" / "cheats.py"
HOSTILE = DOCS.parent / "tests" / "evaluators" / "hostile"
LONG = 300
"""Characters of a docstring from which the table shows its first paragraph alone."""
MARKED = re.compile(r"(?P<mark><!-- table: (?P<name>[\w.-]+) -->\n).*?(?P<end><!-- end -->\n)", re.DOTALL)
MODELS: Mapping[str, type[BaseModel]] = {
    name: field.annotation
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}
"""The tables of a config by name."""
INNER: Mapping[str, type[BaseModel]] = {"quotas": Quotas, "model": Model, "measure": Measure}
"""Tables within tables."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def value(given: Any) -> str:
    """A default as TOML would write it."""
    match given:
        case None:
            return "none"
        case BaseModel():
            return value(given.model_dump())
        case Path():
            return json.dumps(str(given))
        case dict():
            return "{ " + ", ".join(f"{key} = {json.dumps(item)}" for key, item in given.items()) + " }"
        case tuple():
            return json.dumps(list(given))
        case int() if not isinstance(given, bool) and given >= 10_000:
            return f"{given:_}"
        case _:
            return json.dumps(given)


def allowed(schema: Mapping[str, Any]) -> str:
    """The values that a JSON schema allows, in words."""
    match schema:
        case {"$ref": _}:
            return "table"
        case {"anyOf": options}:
            return ", or ".join(allowed(option) for option in options if option.get("type") != "null")
        case {"enum": names}:
            return ", ".join(f'`"{name}"`' for name in names)
        case {"const": name}:
            return f'`"{name}"`'
        case {"type": "array", "items": items} if "maxItems" not in schema:
            return f"list: {allowed(items)}"
        case {"type": "object"}:
            return "table"
        case {"type": "string"}:
            return "text"
        case {"type": "boolean"}:
            return "`true` or `false`"
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    words = [f"{word} {schema[key]:g}" for key, word in bounds.items() if key in schema]
    kind = "whole number" if schema["type"] == "integer" else "number"
    return " ".join([kind, *words]).replace("whole number above 0", "whole number from 1")


def keys(model: type[BaseModel], skip: Sequence[str] = ()) -> str:
    """The keys of a table of the config."""
    properties = model.model_json_schema()["properties"]
    rows = []
    for name, field in model.model_fields.items():
        if name not in skip:
            default = field.get_default(call_default_factory=True)
            shown = "required" if field.is_required() else f"`{value(default)}`"
            rows.append([f"`{name}`", shown, allowed(properties[name]), field.description or ""])
    return table(["key", "default", "allowed", "meaning"], rows)


def docstring(source: str) -> str:
    """The docstring of a program."""
    return ast.get_docstring(ast.parse(source)) or ""


def seeds(task: Task) -> str:
    """The seeds with their sources and start values."""
    rows = []
    for name, source in task.seeds.items():
        words = docstring(source)
        if len(words) > LONG:
            words = words.partition("\n\n")[0]
        numbers = constants_of(ast.parse(source)).get(task.vocabulary.layout.constants, {})
        values = ", ".join(f"`{key}` {number:g}" for key, number in numbers.items())
        rows.append([f"`{name}`", " ".join(words.split()), values])
    return table(["seed", "what it is, and source", "start values"], rows)


def cheats(task: Task) -> str:
    """The cheats, whether their text gives them away, and what else catches them."""
    rows = []
    for name, source in runpy.run_path(str(CHEATS))["of"](task).items():
        trick, _, caught = docstring(source).partition("\n\nCaught by: ")
        refused = "yes" if check(source, task.rules) else "no"
        rows.append([f"`{name}`", " ".join(trick.split()), refused, " ".join(caught.split())])
    return table(["cheat", "what it tries", "refused by its text", "were it let through, caught by"], rows)


def properties(task: Task) -> str:
    """The properties that the kind's `properties.py` names, with their examples."""
    known = import_module(PROPERTIES.format(task.kind)).PROPERTIES
    return table(["property", "examples"], [[each.name, str(each.examples)] for each in known])


def metrics(task: Task) -> str:
    """The metrics and their direction."""
    rows = [
        [
            f"`{name}`",
            "higher" if higher else "lower",
            "yes" if name in task.floors else "",
            f"{task.guardrails[name]:g}" if name in task.guardrails else "",
        ]
        for name, higher in task.metrics.items()
    ]
    return table(["metric", "better", "floor", "guardrail"], rows)


def hostile() -> str:
    """The hostile programs, what each tries, and at which tiers the tests run it and it is held."""
    rows = []
    for path in sorted(HOSTILE.glob("*.py")):
        words, _, tiers = docstring(path.read_text(encoding="utf-8")).rpartition("\n\nHeld at tiers ")
        rows.append([f"`{path.stem}`", " ".join(words.split()), tiers.removesuffix(".")])
    return table(["program", "what it tries", "held at tiers"], rows)


def codes() -> str:
    """The exit codes, from the words of engine/cli/exit_codes.py."""
    lines = re.findall(r"^(\d+) +(.+)$", exit_codes.__doc__ or "", re.MULTILINE)
    rows = [[f"`{code}`", words] for code, words in lines[:-1]]
    rows += [[f"`{code}`", words] for code, words in (("130", "Ctrl-C"), ("143", "SIGTERM"))]
    return table(["code", "meaning"], rows)


def hosted() -> str:
    """The hosted models that "auto" takes, and their prices in litellm's list."""
    rows = []
    for model in dict.fromkeys(HOSTED.values()):
        variables = ", ".join(f"`{name}`" for name, hosted in HOSTED.items() if hosted == model)
        price = price_of(Model(name=model))
        dollars = [f"{each * PER:.2f}" for each in (price.prompt, price.answer)] if price else ["unknown"] * 2
        rows.append([variables, f"`{model}`", *dollars])
    return table(["variable", "model", "prompt", "answer"], rows)


def _of(kind: str, made: Callable[[Task], str]) -> Callable[[], str]:
    return lambda: made(registry.find(kind))


def simulator() -> str:
    """The parameters of the simulator: what each is, where its equation is from, how far to trust it."""
    rows = []
    for one in fields(Parameters):
        about = one.metadata
        rows.append(
            [
                f"`{one.name}`",
                about["symbol"],
                f"{one.default:g}",
                about["status"],
                about["words"],
                about["source"],
            ]
        )
    return table(["parameter", "symbol", "default", "status", "meaning", "equation after"], rows)


def devices() -> str:
    """What a static estimate takes a GPU for: every constant, and where it is from."""
    rows = [
        [f"`{name}`", *(_constant(getattr(device, name)) for device in DEVICES.values()), source]
        for name, source in SOURCES.items()
    ]
    return table(["constant", *(device.name for device in DEVICES.values()), "source"], rows)


def _constant(given: float | Mapping[str, float]) -> str:
    if isinstance(given, Mapping):
        return ", ".join(f"{name} {number:g}" for name, number in given.items())
    return f"{given:g}" if isinstance(given, float) else str(given)


def _keys(model: type[BaseModel]) -> Callable[[], str]:
    return lambda: keys(model)


def _named(name: str, meaning: str, rows: Mapping[str, str]) -> str:
    """Two columns: a name as code, and what it means."""
    return table([name, meaning], [[f"`{key}`", text] for key, text in rows.items()])


TABLES: Mapping[str, Callable[[], str]] = {
    "config": lambda: keys(Config, skip=("settings", "guardrails", *MODELS)),
    **{name: _keys(model) for name, model in {**MODELS, **INNER}.items()},
    "hosted": hosted,
    **{
        name: made
        for kind in registry.kinds()
        for name, made in {
            kind: _of(kind, lambda task: keys(task.settings)),
            f"{kind}-metrics": _of(kind, metrics),
            f"{kind}-seeds": _of(kind, seeds),
            f"{kind}-cheats": _of(kind, cheats),
            **({f"{kind}-properties": _of(kind, properties)} if find_spec(PROPERTIES.format(kind)) else {}),
        }.items()
    },
    "signals": SIMULATED.table,
    "exit-codes": codes,
    "hostile": hostile,
    "simulator": simulator,
    "devices": devices,
    "gate-checks": lambda: _named("check", "what it does", CHECKS),
    "gate-findings": lambda: _named("finding", "what is wrong", NAMES),
}


def written(text: str) -> str:
    """A page with its tables as they should be. KeyError for a table that nobody knows."""
    return MARKED.sub(lambda found: found["mark"] + TABLES[found["name"]]() + found["end"], text)


if __name__ == "__main__":
    for page in sorted(DOCS.glob("*.md")):
        page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")
