"""`recevolve simulator ...`: scenarios, their figures beside those of a log, and calibration to a log."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from .terminal import Json, show

if TYPE_CHECKING:
    from ...evaluators.simulator import Parameters

simulator_app = typer.Typer(help="Users who come back or do not.", no_args_is_help=True)

Seed = Annotated[int, typer.Option("--seed", min=0, help="Of worlds, users and luck.")]
Count = Annotated[int, typer.Option("--users", min=100, help="How many people a simulation has.")]
Days = Annotated[int | None, typer.Option("--days", min=2, help="How long; without it as long as the log.")]
Start = Annotated[str, typer.Option("--parameters", help="A scenario, or a file that `calibrate` wrote.")]
LogName = Annotated[str, typer.Argument(metavar="LOG", help="A CSV, TSV or Parquet file, or a built-in log.")]


@simulator_app.command("scenarios")
def scenarios(as_json: Json = False) -> None:
    """The named scenarios, and the parameters in which they differ."""
    from ...evaluators.simulator import SCENARIOS, Parameters, scenario
    from ...evaluators.simulator.parameters import SCENARIO_WORDS, changes

    names = ("bait_cost", "bait_quality", "bait_cost_first", "bait_quality_first")
    rows = []
    for name in SCENARIOS:
        parameters = scenario(name)
        assert not changes(parameters, Parameters()).keys() - set(names)
        rows.append(
            {"name": name, "words": SCENARIO_WORDS[name], **{n: getattr(parameters, n) for n in names}}
        )
    table = Table("scenario", "what users are like", "m", "k", "m at first", "k at first", box=None)
    for row in rows:
        table.add_row(row["name"], row["words"], *(f"{row[name]:g}" for name in names))
    show(rows, as_json, table)


@simulator_app.command("compare")
def compare_command(
    log: Annotated[
        str | None,
        typer.Argument(metavar="[LOG]", help="As for `calibrate`; without it, KuaiRand's figures."),
    ] = None,
    start: Start = "clickbait",
    seed: Seed = 0,
    users: Count = 6000,
    days: Days = None,
    as_json: Json = False,
) -> None:
    """Simulated people beside those of a log, figure by figure."""
    from ...evaluators.simulator import behaviour, calibration

    parameters, (real, span) = _parameters(start), _real(log)
    compared = calibration.compare(real, parameters, seed, days or span, users)
    facts: dict[str, Any] = {
        "log": log or "KuaiRand, as published",
        "parameters": start,
        "days": days or span,
        "loss": compared.loss,
        "figures": compared.rows(),
    }
    text = f"mean squared distance {compared.loss:.2f}; a distance counts in tolerances, 1 is little"
    table = _table(facts["figures"], {"simulated": compared.simulated}, behaviour.FIGURES)
    show(facts, as_json, Group(table, Text(text)))


@simulator_app.command()
def calibrate(
    log: LogName,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write the parameters, as TOML.")],
    start: Start = "clickbait",
    seed: Seed = 0,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of least squares at most.")] = 8,
    users: Count = 3000,
    days: Days = None,
    as_json: Json = False,
) -> None:
    """Fit the parameters that a log can tell of, and write them with all others to a file."""
    from ...evaluators.simulator import behaviour, calibration

    if output.exists():
        raise typer.BadParameter(f"{output} exists; give another name or remove it", param_hint="--output")
    parameters, (real, span) = _parameters(start), _real(log)
    found = calibration.calibrate(real, parameters, seed, steps=steps, days=days or span, users=users)
    output.write_text(
        found.parameters.text(
            f"Parameters of the simulator, fitted to {Path(log).name} from {Path(start).name}:",
            f"recevolve simulator calibrate, seed {seed}, {steps} steps, {users} users, {days or span} days.",
            f"Fitted: {', '.join(found.fitted)}.",
            "All others are as they were: the log does not tell of them.",
        ),
        encoding="utf-8",
    )
    moved = {name: (getattr(parameters, name), getattr(found.parameters, name)) for name in found.fitted}
    facts: dict[str, Any] = {
        "log": log,
        "start": start,
        "file": str(output),
        "days": days or span,
        "fitted": {name: {"before": before, "after": after} for name, (before, after) in moved.items()},
        "kept": found.kept,
        "loss": {"before": found.before.loss, "after": found.after.loss},
        "figures": found.after.rows(),
        "parameters": asdict(found.parameters),
    }
    sides = {"before": found.before.simulated, "after": found.after.simulated}
    show(
        facts, as_json, Group(_table(facts["figures"], sides, behaviour.FIGURES), Text(_words(facts, moved)))
    )


def _parameters(name: str) -> "Parameters":
    """Those of a scenario or of a file; DataError."""
    from ...evaluators.simulator import SCENARIOS, Parameters, scenario

    return scenario(name) if name in SCENARIOS else Parameters.read(Path(name))


def _real(log: str | None) -> tuple[Mapping[str, float], int]:
    """The figures of a log, or KuaiRand's, and how many days to simulate for them; DataError."""
    from ...evaluators.simulator import behaviour, calibration, logs

    if log is None:
        return behaviour.KUAIRAND, 28
    found = logs.read(log)
    return calibration.figures_of(found, log), calibration.horizon(found)


def _table(
    rows: Sequence[Mapping[str, Any]], sides: Mapping[str, Mapping[str, float]], words: Mapping[str, Any]
) -> Table:
    table = Table("figure", "what it is", box=None)
    for name in ("real", *sides, "distance"):
        table.add_column(name, justify="right")
    for row in rows:
        name = row["figure"]
        values = [row["real"], *(side.get(name) for side in sides.values())]
        shown = ["not given" if value is None else f"{value:.4f}" for value in values]
        far = "" if row["distance"] is None else f"{row['distance']:+.1f}"
        table.add_row(name, words[name].words, *shown, far)
    return table


def _words(facts: Mapping[str, Any], moved: Mapping[str, tuple[float, float]]) -> str:
    loss = facts["loss"]
    lines = [f"mean squared distance {loss['before']:.2f} before, {loss['after']:.2f} after, on other people"]
    lines += [f"  {name}: {before:.4g} to {after:.4g}" for name, (before, after) in moved.items()]
    if facts["kept"]:
        lines.append(f"the log does not tell of {', '.join(facts['kept'])}: they keep their values")
    return "\n".join([*lines, f"{facts['file']} written"])
