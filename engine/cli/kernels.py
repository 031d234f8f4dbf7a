"""The commands that take a run's kernels to a GPU and back: `recevolve kernels ...`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from . import exit_codes
from .terminal import Json, RunDir, Tasks, show

kernels_app = typer.Typer(help="Kernels that wait for a GPU, and what it said of them.", no_args_is_help=True)


@kernels_app.command("measure")
def kernels_measure(
    run: RunDir,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The result file; by default RUN/measurements.json.")
    ] = None,
    tasks: Tasks = None,
) -> None:
    """Measure what waits in the run's gpu-queue on this machine's GPU, beside PyTorch's own kernels."""
    from ..config.run_dir import archive_of
    from ..runs.device_results import measure

    file = output or archive_of(run).parent / "measurements.json"
    if code := measure(run, file, tasks or ()):
        raise typer.Exit(code)
    print(f"{file} written; on the machine of the run: recevolve kernels ingest {run} {file}")


@kernels_app.command("ingest")
def kernels_ingest(
    run: RunDir,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `recevolve kernels measure` wrote.")],
    tasks: Tasks = None,
    as_json: Json = False,
) -> None:
    """Take in what a GPU said of the run's kernels: it outranks every estimate."""
    from ..runs.device_results import ingest

    answer = ingest(run, file, tasks or ())
    show(answer, as_json, ingested(answer))
    if answer["rejected"]:
        raise typer.Exit(exit_codes.DISAGREED)


def ingested(answer: dict[str, Any]) -> RenderableType:
    """What became of a result file, for a person."""
    lines = [f"{answer['taken']} results of {answer['device']} taken, {answer['known']} known already"]
    lines += [f"refused {one['entry']}: {one['reason']}" for one in answer["rejected"]]
    if answer["best"]:
        lines.append(f"the best program is now {answer['best']}")
    return Group(*map(Text, lines))
