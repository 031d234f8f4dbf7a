"""The command line. Each command prints for a person, or one JSON document with --json."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ... import __version__
from ...evaluators.language.sanitize import visible
from ..report import programs, report
from . import exit_codes
from .damage import ToldByRow, cause_of
from .experiments import online_app
from .kernels import kernels_app
from .own_kind import ToldByPlace
from .simulator import simulator_app
from .terminal import Json, RunDir, Tasks, console_for_people, show, until_signalled

app = typer.Typer(
    help="Evolve the programs of a recommender.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="The logs that searches run on.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(kernels_app, name="kernels")
app.add_typer(online_app, name="online")
app.add_typer(simulator_app, name="simulator")

ProgramId = Annotated[
    str, typer.Argument(metavar="PROGRAM", help="An id, its first digits, a seed, or `best`.")
]

Kind = Annotated[str, typer.Option("--kind", help="The kind of program.")]


def main() -> None:
    """Runs the command; every expected failure ends in one message and its documented exit code."""
    with ToldByPlace(), ToldByRow():
        try:
            app()
        except SystemExit:
            # every command ends so; asking for the expected errors would load the whole search
            raise
        except exit_codes.expected() as error:
            code, text = exit_codes.explain(error)
            text = cause_of(error) or text
            if text:
                print(visible(text), file=sys.stderr)
            sys.exit(code)


@app.command("run")
def run_command(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="A TOML file; `recevolve init` writes one.")
    ],
    changes: Annotated[list[str] | None, typer.Option("--set", help="key=value, over the file.")] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference", help="RUN:PROGRAM of another search that the kind takes as its reference."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Start a search, or continue the one in its run_dir, and judge its winner."""
    from ..config.config import read

    settings = read(config, changes or ())
    if reference is not None:
        from ..runs.reference import with_reference

        settings = with_reference(settings, reference)
    _work(settings, as_json)


@app.command()
def forecast(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file.")],
    changes: Annotated[list[str] | None, typer.Option("--set", help="key=value, over the file.")] = None,
    as_json: Json = False,
) -> None:
    """What a run of a config would cost, part by part, and what would be made smaller; starts no search."""
    from ..config.config import read
    from ..loop.events import Progress
    from ..runs.session import foretold

    facts = until_signalled(foretold(read(config, changes or ()), Progress()))
    show(facts, as_json, "\n".join(facts["lines"]))


@app.command()
def resume(
    run: RunDir,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Raise a limit: budget.seconds=600.")
    ] = None,
    tasks: Tasks = None,
    as_json: Json = False,
) -> None:
    """Continue a run as it was begun; answers already paid for come from its record."""
    from ...population.archive.archive import Archive
    from ..config.config import changed
    from ..config.run_dir import archive_of
    from ..config.task import config_to_run, require_no_address

    with Archive.read(archive_of(run)) as archive:
        config = config_to_run(archive, tasks or ())
        require_no_address(config)
        config = config.model_copy(update={"run_dir": archive.path.parent.absolute()})
    _work(changed(config, changes or ()), as_json)


def _work(config: Any, as_json: bool) -> None:
    from ...population.archive.archive import Archive
    from ..config.run_dir import archive_of
    from ..loop.events import Display, JsonLines, Lines, Progress
    from ..report import cautions
    from ..runs.launch import export_launched
    from ..runs.session import work

    console = console_for_people()
    progress: Progress = JsonLines() if as_json else Display(console) if console.is_terminal else Lines()
    try:
        outcome = until_signalled(work(config, progress))
    finally:
        progress.close()
    folders = until_signalled(export_launched(config, outcome))
    with Archive.read(archive_of(config.run_dir)) as archive:
        found = cautions.cautions(archive)
    if as_json:
        print(json.dumps({"event": "report", **outcome, **found, "exported": folders}, default=str))
    else:
        console.print(report.rendered(outcome))
        for line in cautions.warned(found):
            console.print(line)
        for folder in folders:
            console.print(f"the patch that was launched: {folder}")


@app.command()
def status(
    run: RunDir,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="An SVG file to write: the decision.")
    ] = None,
    as_json: Json = False,
) -> None:
    """How far a run is, what its candidates became, and what it has found."""
    facts = report.status(run)
    if output is not None:
        from ..report import decision_plot

        if facts["report"] is None:
            raise typer.BadParameter("the run has no decision to draw yet", param_hint="--output")
        decision_plot.write(output, facts["report"])
    show(facts, as_json, report.status_text(facts))


@app.command()
def top(
    run: RunDir,
    count: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 10,
    as_json: Json = False,
) -> None:
    """The best programs: by north star where measured, then by proxy."""
    rows = report.top(run, count)
    show(rows, as_json, report.top_table(rows))


@app.command("show")
def show_command(run: RunDir, program: ProgramId, as_json: Json = False) -> None:
    """A program: source, how it was made, every judgement of it."""
    facts = programs.program(run, program)
    show(facts, as_json, programs.program_text(facts))


@app.command()
def diff(run: RunDir, a: ProgramId, b: ProgramId, as_json: Json = False) -> None:
    """What changed from program A to program B."""
    lines = programs.diff(run, a, b)
    show({"diff": lines}, as_json, programs.diff_text(lines))


@app.command()
def lineage(run: RunDir, program: ProgramId, as_json: Json = False) -> None:
    """A program's ancestors, each with what was changed."""
    rows = programs.lineage(run, program)
    show(rows, as_json, programs.lineage_table(rows))


@app.command()
def alignment(
    run: RunDir,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="An SVG file to write.")] = None,
    as_json: Json = False,
) -> None:
    """How well the proxy foretold the north star: by generation, false promotions, missed winners."""
    from ..report import alignment_table

    facts = alignment_table.read(run)
    if output is not None:
        alignment_table.draw(facts, output)
    show(facts, as_json, alignment_table.tables(facts))


@app.command()
def prompt(
    run: RunDir,
    island: Annotated[int, typer.Option("--island", help="The island's number.")] = 0,
    form: Annotated[str | None, typer.Option("--form", help="edits, whole or crossover.")] = None,
    generation: Annotated[int | None, typer.Option("--generation", help="Another than the next.")] = None,
    tasks: Tasks = None,
    as_json: Json = False,
) -> None:
    """The next prompt of an island as a model would get it, with its token count; asks no model."""
    from ..report.prompt_preview import preview, rendered

    facts = until_signalled(preview(run, island, form, generation, tasks or ()))
    if as_json:
        show(facts, as_json, "")
    else:
        print(visible(rendered(facts)))  # as it is: no wrapping


@app.command()
def export(
    run: RunDir,
    program: ProgramId,
    output: Annotated[Path, typer.Option("-o", "--output", help="A folder, new or empty.")],
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Though the run did not decide for it; the patch says so.")
    ] = False,
    tasks: Tasks = None,
    as_json: Json = False,
) -> None:
    """Write the program that the run decided for as production code, with its tests and its provenance."""
    from ..export.patch import export as write

    facts = until_signalled(write(run, program, output, anyway, tasks or ()))
    text = f"{len(facts['files'])} files in {output}: {', '.join(facts['files'])}\n{facts['gain']}"
    show(facts, as_json, text)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A program's source.")],
    kind: Kind,
    tasks: Tasks = None,
    as_json: Json = False,
) -> None:
    """Judge a file by the kind's static rules and, in the sandbox, by its properties."""
    from .check import check as judge

    verdict = judge(file, kind, tasks or ())
    show(verdict, as_json, f"{verdict['status']}: {verdict['reason'] or 'every property holds'}")
    if verdict["status"] != "scored":
        raise typer.Exit(exit_codes.DISAGREED)


@app.command()
def replay(run: RunDir, tasks: Tasks = None, as_json: Json = False) -> None:
    """Rebuild the search from its record alone, and compare."""
    from ...population.archive.archive import Archive
    from ..config.run_dir import archive_of
    from ..loop.events import Progress
    from ..runs.replay import replay as rebuild

    with Archive.read(archive_of(run)) as archive:
        differences = until_signalled(rebuild(archive, Progress(), tasks or ()))
    text = "\n".join(differences) or "The search rebuilt from the record equals the archive, row for row."
    show({"equal": not differences, "differences": differences}, as_json, text)
    if differences:
        raise typer.Exit(exit_codes.DISAGREED)


@app.command()
def verify(run: RunDir, as_json: Json = False) -> None:
    """Find everything in an archive that recevolve could not have written."""
    from ..report.verify import damages

    found = list(damages(run))
    text = "\n".join(map(str, found)) or "Every row of the archive is as recevolve writes it."
    show({"damages": list(map(asdict, found))}, as_json, text)
    if found:
        raise typer.Exit(exit_codes.DISAGREED)


@app.command()
def doctor(as_json: Json = False) -> None:
    """What this machine can isolate, tried for real, and what would make it better."""
    from ...evaluators.sandbox import probe

    found = probe()
    show(asdict(found), as_json, str(found))
    if found.tier not in (1, 2):
        raise typer.Exit(exit_codes.ENVIRONMENT)


@app.command()
def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write the config.")] = Path(
        "recevolve.toml"
    ),
    kind: Kind = "optimizer",
    tasks: Tasks = None,
    as_json: Json = False,
) -> None:
    """Write a config with every key, its default and its meaning."""
    from ...evaluators.kinds import registry
    from ..config.config import commented

    task = registry.find(kind, tasks or ())
    if path.exists():
        raise typer.BadParameter(f"{path} exists; give another name or remove it", param_hint="FILE")
    path.write_text(commented(task, path.stem, tasks or ()), encoding="utf-8")
    show({"file": str(path)}, as_json, f"{path} written; start with: recevolve run {path}")


@data_app.command("list")
def data_list(as_json: Json = False) -> None:
    """The built-in logs, whether each is on this machine, and its licence."""
    from ...evaluators.data import catalogue

    rows = [asdict(source) for source in catalogue()]
    show(rows, as_json, report.data_table(rows))


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name from `recevolve data list`.")],
    as_json: Json = False,
) -> None:
    """Fetch a built-in log into the cache, check its hash, show its licence."""
    from ...evaluators.data import fetch

    facts = asdict(fetch(name))
    show(facts, as_json, report.data_text(facts))


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def top_level(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Evolve the programs of a recommender."""
