"""The patch: an archived reward as a function for numpy and torch, with tests, audit and picture."""

import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..kinds.patch import (
    WIDTH,
    check_module_name,
    double_quoted,
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
PICTURE = "![The reward along each signal, and who gets the top tenth](audit.svg)"
SIMULATED_USERS = "The figures of the claim come from simulated users: no person was asked."
Sample = tuple[str, Mapping[str, Array], str]
"""Where a sample of a log is from, its columns, and what the log is, as runs record it."""


def export(winner: Winner) -> Mapping[str, str]:
    """Five files by name: the function, its tests, AUDIT.md, audit.svg and README.md.

    `winner.name` becomes module and function. `winner.provenance` may hold, beside facts for the reader,
    `edits` (a list of {edit, effect}), `ancestor`, what they lead from, and `production`, the name of a seed.
    README begins with its `gain` and with what speaks against it. The program is never executed
    here: what is more than a plain formula is exported without golden values and audit, and AUDIT.md says so.
    ValueError for a name that is no module's or that the program uses itself, for a program without torch
    form, and for a sample that does not fit.
    """
    return files(winner, SIMULATED, None, simulated=True)


def export_for(
    signals: Signals, sample: Callable[[], Sample | None], simulated: bool = True
) -> Callable[[Winner], Mapping[str, str]]:
    """`export` for the signals of a config; `sample` is asked when something is exported, and not before.

    `simulated` says whether simulated users answered, or a log.
    """
    return lambda winner: files(winner, signals, sample(), simulated)


def files(winner: Winner, signals: Signals, sample: Sample | None, simulated: bool) -> dict[str, str]:
    """The files of the patch over these signals."""
    name, program = winner.name, PatchFormula(winner.source)
    check_module_name(name, {"numpy", "torch", "sys"})
    if name in program.names | OWN_NAMES | set(program.signals):
        raise ValueError(f"the program uses {name} itself; choose another name")
    if unknown := sorted(set(program.signals) - {one.name for one in signals.predictions}):
        raise ValueError(f"the program reads {', '.join(unknown)}, no prediction of these signals")
    plain = formula(winner.source, frozenset(one.name for one in signals.predictions))
    facts = facts_of({key: value for key, value in winner.provenance.items() if key != "edits"})
    found = _audited(plain, signals, sample)
    branches = program.divides and bool(program.operations & GATES)
    values = {
        **shared_values(name, winner.source, facts),
        "program": program,
        "text": program.text(),
        "signals": [signals[one] for one in program.signals],
        "signal_names": double_quoted(repr(program.signals)),
        "signal_lines": _signal_lines(program, signals),
        "branches": branches,
        "function_words": _function_words(program),
        "use_words": _use_words(program, name, branches),
        "golden": _golden(plain, program, signals),
        "audit": markdown(found).rstrip() if found else "",
        "picture": PICTURE,
        "production": _production(winner.provenance),
        "first": [line(one) for one in _first(winner.provenance, sample, simulated)],
        "ancestor": line(str(winner.provenance.get("ancestor") or "its ancestor")),
        "edits": [(_cell(one["edit"]), _cell(_credit(one))) for one in winner.provenance.get("edits") or ()],
    }
    patch = {**module_files(TEMPLATES, name, values), "AUDIT.md": filled(TEMPLATES, "audit_file", values)}
    if found:
        patch["audit.svg"] = svg(found, f"{name}: the reward along each signal, and who gets the top tenth")
    return patch


def _first(provenance: Mapping[str, Any], sample: Sample | None, simulated: bool) -> Iterator[str]:
    """What README says before all else: the gain, who gave it, and what speaks against the formula."""
    if gain := provenance.get("gain"):
        yield str(gain)
        if simulated:
            yield SIMULATED_USERS
    if worse := provenance.get("worse_than_production"):
        yield f"Worse than production beyond noise: {', '.join(worse)}."
    if alarm := provenance.get("alarm"):
        yield f"ALARM of the run: {alarm}."
    run, now = provenance.get("run"), sample[2] if sample else None
    then = run.get("data") if isinstance(run, Mapping) else None
    if then and now and then != now:
        yield f"The log has changed since the run; the audit is of what it is now. Then: {then}. Now: {now}."


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


def _signal_lines(program: PatchFormula, signals: Signals) -> str:
    read = [signals[name] for name in program.signals]
    lines = [f"{one.name}: {line(one.unit)}, {one.low:g} to {one.high:g}; {line(one.words)}" for one in read]
    fill = textwrap.TextWrapper(WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8).fill
    return "\n".join(map(fill, lines))


def _function_words(program: PatchFormula) -> str:
    words = FUNCTION_WORDS.format(weights=" `weights` may replace any of WEIGHTS." if program.weights else "")
    return textwrap.indent(_filled_lines(words, 98), " " * 4)


def _use_words(program: PatchFormula, name: str, branches: bool) -> str:
    weights = f" `{name}(signals, weights)` replaces any of `WEIGHTS`." if program.weights else ""
    return _filled_lines(USE_WORDS + (BRANCH_WORDS if branches else "") + weights, 118)


def _filled_lines(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def _golden(
    plain: Reward | None, program: PatchFormula, signals: Signals
) -> list[tuple[tuple[float, ...], float]]:
    """A few rows and their rewards; none where they cannot be had without executing the program."""
    if plain is None:
        return []
    rng = np.random.default_rng(SEED)
    rows: dict[str, Array] = {
        name: np.array([float(f"{value:.6g}") for value in column])
        for name, column in drawn(signals, GOLDEN_ROWS, rng).items()
    }
    try:
        values = plain(rows)
    except Undefined:
        return []
    inputs = zip(*(rows[name].tolist() for name in program.signals), strict=True)
    return list(zip(inputs, values.tolist(), strict=True)) if np.isfinite(values).all() else []


def _production(provenance: Mapping[str, Any]) -> str:
    """The formula in production, where it is a seed."""
    seeds = {path.stem: path for path in (HERE / "seeds").glob("*.py")}
    seed = seeds.get(str(provenance.get("production")))
    return seed.read_text(encoding="utf-8").strip() if seed else ""


def _credit(edit: Mapping[str, Any]) -> str:
    """What an edit is worth, with its interval, where it has them."""
    if edit["effect"] is None:
        return "it could not be undone alone"
    ends = [edit.get("low"), edit.get("high")]
    return words_of(edit["effect"]) + ("" if None in ends else f" [{', '.join(map(words_of, ends))}]")


def _cell(value: Any) -> str:
    return line(words_of(value)).replace("|", "/")
