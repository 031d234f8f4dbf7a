"""The patch: an archived reward as a function for numpy and torch, with tests, audit and picture."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..kinds.patch import (
    WIDTH,
    check_module_name,
    facts_of,
    filled,
    line,
    module_files,
    shared_values,
    words_of,
)
from ..kinds.task import Winner
from .audit.audit import Array, Audit, Reward, audit, drawn
from .audit.audit_text import markdown
from .audit.picture import svg
from .fast import Undefined, formula
from .logs.signals import SIMULATED, Signals
from .patch_formula import OWN_NAMES, PatchFormula

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
SEED = 20
"""Of the draws behind golden values and audit: a patch is a pure function of its program."""
GOLDEN_ROWS = 8
NOT_FACTS = frozenset({"signals", "sample", "edits", "production_source"})
GATES = frozenset({"clip", "maximum", "minimum", "where"})
FUNCTION_WORDS = (
    "`signals` maps the names of SIGNALS to numpy arrays or to torch tensors; other names are ignored. "
    "Values outside the ranges above were never tried.{weights} TypeError for what is no array of floats, "
    "ValueError for signals that are missing or unlike in library, shape or type."
)
USE_WORDS = (
    "Higher is better, and only the order has a meaning. Arrays may have any shape, all the same: rows, or "
    "slates of items. Torch's gradients flow through it. The search judged it on float64; float32 gives "
    "nearly the same, where no power overflows."
)
BRANCH_WORDS = " A division by zero behind a condition has no gradient: mask such rows."
NOT_MADE = """\
Not made. The program is more than a plain formula, or has no value on some rows, and an export executes
nothing that a search has written. `recevolve.evaluators.reward.audit.audit` audits any function, once a
person has read it.
"""


Sample = tuple[str, Mapping[str, Array]]
"""Where a sample of a log is from, and its columns."""


def export(winner: Winner) -> Mapping[str, str]:
    """Five files by name: the function, its tests, AUDIT.md, audit.svg and README.md.

    `winner.name` becomes module and function. `winner.provenance` may hold, beside facts for the reader,
    `signals` (rows of Signals.to_json; none: SIMULATED), `sample` (columns of a log, a dict of lists, for
    the audit), `edits` (a list of {edit, effect}), and `production`, the name of a seed, or
    `production_source`. The program is never executed here: what is more than a plain formula is exported
    without golden values and audit, and AUDIT.md says so. ValueError for a name that is no module's or that
    the program uses itself, for a program without torch form, and for a sample that does not fit.
    """
    rows, sample = winner.provenance.get("signals"), winner.provenance.get("sample")
    log = {key: np.asarray(column) for key, column in sample.items()} if sample else None
    return files(winner, Signals.of(rows) if rows else SIMULATED, ("a sample of a log", log) if log else None)


def export_for(
    signals: Signals, sample: Callable[[], Sample | None]
) -> Callable[[Winner], Mapping[str, str]]:
    """`export` for the signals of a config; `sample` is asked when something is exported, and not before."""

    def bound(winner: Winner) -> Mapping[str, str]:
        if {"signals", "sample"} & winner.provenance.keys():
            return export(winner)
        return files(winner, signals, sample())

    return bound


def files(winner: Winner, signals: Signals, sample: Sample | None) -> dict[str, str]:
    """The files of the patch over these signals."""
    name, program = winner.name, PatchFormula(winner.source)
    check_module_name(name, {"numpy", "torch", "sys"})
    if name in program.names | OWN_NAMES | set(program.signals):
        raise ValueError(f"the program uses {name} itself; choose another name")
    if unknown := sorted(set(program.signals) - {one.name for one in signals.predictions}):
        raise ValueError(f"the program reads {', '.join(unknown)}, no prediction of these signals")
    plain = formula(winner.source, frozenset(one.name for one in signals.predictions))
    facts = facts_of({key: value for key, value in winner.provenance.items() if key not in NOT_FACTS})
    found = _audited(plain, signals, sample)
    values = {
        **shared_values(name, winner.source, facts),
        "program": program.text(),
        "signal_names": _tuple([f'"{one}"' for one in program.signals]),
        **_signal_texts(program, signals),
        **_operation_texts(program, name),
        **_weight_texts(program, name),
        **_golden(plain, program, signals),
        **_audit_texts(found, name),
        "production": _production(winner.provenance),
        "edits": _edits(winner.provenance.get("edits")),
    }
    patch = {**module_files(TEMPLATES, name, values), "AUDIT.md": values["audit"]}
    if found:
        patch["audit.svg"] = svg(found, f"{name}: the reward along each signal, and who gets the top tenth")
    return patch


def _audited(plain: Reward | None, signals: Signals, sample: Sample | None) -> Audit | None:
    if plain is None:
        return None
    rng = np.random.default_rng(SEED)
    try:
        return (
            audit(plain, signals, sample[1], rng, sample[0]) if sample else audit(plain, signals, None, rng)
        )
    except Undefined:
        return None


def _audit_texts(found: Audit | None, name: str) -> dict[str, str]:
    if found is None:
        words = f"# Audit of {name}\n\n{NOT_MADE}"
        return {"audit": words, "audit_words": "`AUDIT.md` says why there is no audit."}
    picture = "![The reward along each signal, and who gets the top tenth](audit.svg)"
    return {
        "audit": f"# Audit of {name}\n\n{picture}\n\n{markdown(found).rstrip()}\n",
        "audit_words": "`AUDIT.md` tells what it does to rows like yours: read it before you ship it.\n\n"
        + picture,
    }


def _signal_texts(program: PatchFormula, signals: Signals) -> dict[str, str]:
    read = [signals[name] for name in program.signals]
    lines = [f"{one.name}: {line(one.unit)}, {one.low:g} to {one.high:g}; {line(one.words)}" for one in read]
    return {
        "signal_lines": "\n".join(
            textwrap.fill(text, WIDTH, initial_indent="    ", subsequent_indent="        ") for text in lines
        ),
        "signal_rows": "\n".join(
            f"| `{one.name}` | {line(one.unit)} | {one.low:g} to {one.high:g} | {line(one.words)} |"
            for one in read
        ),
        "ranges": "\n".join(f'    "{one.name}": ({one.low!r}, {one.high!r}),' for one in read),
        "example": ", ".join(f'"{one.name}": {one.name}' for one in read),
    }


def _operation_texts(program: PatchFormula, name: str) -> dict[str, str]:
    """The parts that are there only where the formula calls functions."""
    guarded = not (program.divides and program.operations & GATES)
    weights = f" `{name}(signals, weights)` replaces any of `WEIGHTS`." if program.weights else ""
    texts = {
        "finite": "finite.all()" if guarded else "finite.any()  # not behind a condition that hides x / 0",
        "use_words": _filled_lines(USE_WORDS + ("" if guarded else BRANCH_WORDS) + weights, 118),
    }
    if not program.operations:
        return texts | dict.fromkeys(("torch_operations", "xp", "callable", "namespace"), "")
    steep = program.uses("steep")
    operations = {
        "operations": program.torch_text(),
        "steep": filled(TEMPLATES, "steep", {}) if steep else "",
    }
    return texts | {
        "torch_operations": "\n\n" + filled(TEMPLATES, "torch_operations", operations).strip("\n") + "\n",
        "xp": filled(TEMPLATES, "xp", {}),
        "callable": "Callable, " if steep else "",
        "namespace": "from types import SimpleNamespace\n",
    }


def _tuple(items: Sequence[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


def _filled_lines(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def _weight_texts(program: PatchFormula, name: str) -> dict[str, str]:
    call = ", ".join(("values", *program.arguments))
    words = FUNCTION_WORDS.format(weights=" `weights` may replace any of WEIGHTS." if program.weights else "")
    texts = {
        "call": call,
        "constants": program.constants_text(),
        "imported": name,
        "function_words": textwrap.indent(_filled_lines(words, 98), " " * 4),
    }
    if not program.weights:
        empty = ("weights_parameter", "weights_check", "weights_test")
        return texts | dict.fromkeys(empty, "")
    return texts | {
        "constants": f"{program.constants_text()}{program.weights_text()}",
        "imported": f"WEIGHTS, {name}",
        "weights_parameter": ", weights: Mapping[str, float] = WEIGHTS",
        "weights_check": filled(TEMPLATES, "weights", {}),
        "weights_test": filled(TEMPLATES, "weights_test", {"name": name}),
    }


def _golden(plain: Reward | None, program: PatchFormula, signals: Signals) -> dict[str, str]:
    """A few rows and their rewards as text, where they can be had without executing the program."""
    nothing = {"golden": "", "golden_test": ""}
    if plain is None:
        return nothing
    rng = np.random.default_rng(SEED)
    rows: dict[str, Array] = {
        name: np.array([float(f"{value:.6g}") for value in column])
        for name, column in drawn(signals, GOLDEN_ROWS, rng).items()
    }
    try:
        values = plain(rows)
    except Undefined:
        return nothing
    if not np.isfinite(values).all():
        return nothing
    inputs = "\n".join(
        f"        {_tuple([repr(float(rows[name][i])) for name in program.signals])},"
        for i in range(GOLDEN_ROWS)
    )
    outputs = "\n".join(f"        {float(value)!r}," for value in values)
    return {
        "golden": f"GOLDEN = (\n    [\n{inputs}\n    ],\n    [\n{outputs}\n    ],\n)\n",
        "golden_test": filled(TEMPLATES, "golden_test", {}),
    }


def _production(provenance: Mapping[str, Any]) -> str:
    """The formula in production, where it is known, with an empty line before and after it."""
    source = provenance.get("production_source")
    name = provenance.get("production")
    seeds = {path.stem: path for path in (HERE / "seeds").glob("*.py")}
    if not source and isinstance(name, str) and name in seeds:
        source = seeds[name].read_text(encoding="utf-8")
    if not source:
        return ""
    fence = "```"
    return (
        f"\nIn production before, and what to go back to:\n\n{fence}python\n{str(source).strip()}\n{fence}\n"
    )


def _credit(edit: Mapping[str, Any]) -> str:
    """What an edit is worth, with its interval, where it has them."""
    if edit["effect"] is None:
        return "it could not be undone alone"
    ends = [edit.get("low"), edit.get("high")]
    return words_of(edit["effect"]) + ("" if None in ends else f" [{', '.join(map(words_of, ends))}]")


def _edits(edits: Any) -> str:
    """What each edit against the ancestor is worth, as a section of its own."""
    if not edits:
        return ""
    cells = [
        [line(words).replace("|", "/") for words in (words_of(one["edit"]), _credit(one))] for one in edits
    ]
    rows = [f"| {edit} | {credit} |" for edit, credit in cells]
    words = "Each edit was taken back alone, and what the formula lost by it is what the edit is worth."
    table = "\n".join(["| edit | worth |", "| --- | --- |", *rows])
    return f"\n## What each edit is worth\n\n{words}\n\n{table}\n"
