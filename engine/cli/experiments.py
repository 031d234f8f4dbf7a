"""The commands of north-star experiments: `recevolve online ...`."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from ..report.report import experiments_table
from . import exit_codes
from .terminal import Json, RunDir, Tasks, show, until_signalled

online_app = typer.Typer(
    help="North-star experiments, and the platform that runs them.", no_args_is_help=True
)
ExperimentId = Annotated[
    str, typer.Argument(metavar="EXPERIMENT", help="Its id, or its program's, or first digits.")
]


@online_app.command("status")
def online_status(run: RunDir, as_json: Json = False) -> None:
    """Every experiment: how far it is, what it gains, and why."""
    from ...population.archive.archive import Archive
    from ..config.run_dir import archive_of
    from ..config.task import recorded_config
    from ..experiments.outcomes import table

    with Archive.read(archive_of(run)) as archive:
        rules = recorded_config(archive).online
        rows = table(archive, rules)
    show(rows, as_json, experiments_table(rows) if rows else "no experiments yet")


@online_app.command("queue")
def online_queue(
    run: RunDir,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for one folder per experiment.")],
    program: Annotated[
        str | None, typer.Argument(metavar="PROGRAM", help="One experiment or program; else all in training.")
    ] = None,
    tasks: Tasks = None,
    as_json: Json = False,
) -> None:
    """Write patch, manifest and example rows of each experiment that waits for your platform."""
    from ..runs.launch import queue

    rows = until_signalled(queue(run, program, output, tasks or ()))
    lines = [
        f"{row['experiment']}: {row['folder']}{'' if row['written'] else ' (as it was)'}" for row in rows
    ]
    show(rows, as_json, "\n".join(lines) or "no experiment is in training: nothing to queue")


@online_app.command("ingest")
def online_ingest(
    run: RunDir,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Readings: .csv, .parquet or .json.")],
    as_json: Json = False,
) -> None:
    """Take readings in, look at what they change, and decide."""
    from ..experiments.formats import MOST_BYTES
    from ..experiments.ingest import FORMS, Letter, printable, receive

    form = file.suffix.removeprefix(".").lower()
    if form not in FORMS:
        expected = ", ".join(f".{one}" for one in FORMS)
        raise typer.BadParameter(f"expected a file of {expected}, got {file}", param_hint="FILE")
    with file.open("rb") as opened:
        data = opened.read(MOST_BYTES + 1)  # one more, so that what is longer is refused
    answer = receive(run, Letter(data, form, printable(file.name)))
    show(answer, as_json, ingested(answer))
    if answer["rejected"]:
        raise typer.Exit(exit_codes.DISAGREED)


@online_app.command("launch")
def online_launch(
    run: RunDir,
    experiment: ExperimentId,
    approve: Annotated[bool, typer.Option("--approve", help="Yes: this goes to production.")] = False,
    tasks: Tasks = None,
    as_json: Json = False,
) -> None:
    """Launch an experiment that won, and export its patch."""
    from ..runs.launch import launch

    facts = asyncio.run(launch(run, experiment, tasks or (), approved=approve))
    show(facts, as_json, f"{facts['experiment']} launched; its patch is in {facts['export']}")


@online_app.command("rollback")
def online_rollback(
    run: RunDir,
    experiment: ExperimentId,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")],
    as_json: Json = False,
) -> None:
    """Take traffic back from an experiment or a launch."""
    from ..runs.launch import roll_back

    facts = roll_back(run, experiment, reason)
    show(facts, as_json, f"{facts['experiment']} rolled back: {facts['reason']}")


def ingested(answer: dict[str, Any]) -> RenderableType:
    """What became of a file, for a person."""
    from ..experiments.ingest import counts

    if "waiting" in answer:
        return Text(
            f"The run is at work, so the file waits in {answer['waiting']}.\nIt is taken in at the run's "
            "next promotion round, or by the next ingest once the run has ended: nothing is lost."
        )
    lines = [f"{one['source']} waited: {counts(one)}" for one in answer["before"]]
    lines.append(counts(answer))
    lines += [f"row {one['row']} ({one['what']}): {one['reason']}" for one in answer["rejected"]]
    lines += answer.get("moved", [])
    return Group(*map(Text, lines))
