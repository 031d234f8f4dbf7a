"""Launch: what a person does with an experiment: queue it for the platform, launch it, take it back."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...evaluators.kinds.task import Task
from ...evaluators.language.canonical import syntax_hash
from ...population.archive.archive import Archive
from ...population.values.experiment import CONTROL, TREATMENT, Changes, Experiment, State, Transition
from ..config.config import Config
from ..config.run_dir import archive_of, within
from ..config.task import recorded_config, recorded_kind
from ..experiments.formats import COLUMNS
from ..experiments.ingest import drain
from ..experiments.outcomes import table
from ..export.patch import ExportRefused, packed, write
from ..loop.seeds import seeds_for

MANIFEST, EXAMPLE = "manifest.json", "readings.csv"
EXPORTS = "export"

HOW = (
    "treatment less control, by day of entry, in a confidence sequence that holds at every look; its level "
    "comes from LORD++ at {alpha:g} over the run and is fixed with the first readings. Low end above 0: win. "
    "High end below 0: loss; below the minimum effect: futile."
)

Clock = Callable[[], float]


class UnknownExperiment(ValueError):
    """No experiment's id begins as asked, or more than one does."""


class NotApproved(Exception):
    """A launch without the word of a person."""


def identify(experiments: Mapping[str, Experiment], asked: str) -> Experiment:
    """The experiment whose id, or whose program's id, begins so."""
    found = [
        one for one in experiments.values() if one.id.startswith(asked) or one.program_id.startswith(asked)
    ]
    exact = [one for one in found if one.id == asked]
    if len(exact or found) != 1:
        known = ", ".join(experiments) or "none yet"
        raise UnknownExperiment(
            f"expected the id of one experiment or of its program, got {asked!r}, which {len(found)} have; "
            f"there are: {known}"
        )
    return (exact or found)[0]


async def queue(
    run: Path, asked: str | None, output: Path, tasks: Sequence[Path] = ()
) -> list[dict[str, Any]]:
    """One folder in `output` for each experiment that waits for its platform, or for the one asked for.

    Each holds the exported patch, the manifest, and an example of the rows that are wanted. A folder that is
    there already is left as it is, so the command can be repeated.
    """
    with Archive.read(archive_of(run)) as archive:
        config, task = recorded_kind(archive, tasks)
        everyone = {one.id: one for one in archive.experiments().all()}
        if asked is None:
            chosen = [one for one in everyone.values() if one.state is State.TRAINING]
        else:
            chosen = [identify(everyone, asked)]
        manifests = {one.id: manifest(archive, config, task, one) for one in chosen}
    rows = []
    for one in chosen:
        if one.backend != "live":
            raise ExportRefused(
                f"experiment {one.id} is answered by the {one.backend}: nothing is to be queued"
            )
        if one.state not in (State.TRAINING, State.LIVE):
            raise ExportRefused(f"experiment {one.id} is {one.state}: only one in training or live is queued")
        folder, facts = within(output, one.id), manifests[one.id]
        written = not folder.exists()
        if written:
            _, files = await packed(run, one.program_id, tasks)
            example = example_rows(one, config)
            write(folder, {**files, MANIFEST: json.dumps(facts, indent=2) + "\n", EXAMPLE: example})
        rows.append(
            {"experiment": one.id, "program": one.program_id, "folder": str(folder), "written": written}
        )
    return rows


def manifest(archive: Archive, config: Config, task: Task, one: Experiment) -> dict[str, Any]:
    """All that a platform, and the person who sets the experiment up, must know."""
    rules = config.online
    production = seeds_for(config, task)[0]
    program = archive.program(one.program_id)
    return {
        "experiment": one.id,
        "kind": config.kind,
        "arms": {
            TREATMENT: {"program": program.id, "syntax_hash": syntax_hash(program.source)},
            CONTROL: {"program": production.id, "syntax_hash": syntax_hash(production.source)},
        },
        "decides": {
            "metric": rules.deciding,
            "better": rules.measure(rules.deciding).better,
            "minimum_effect": rules.minimum_effect,
            "how": HOW.format(alpha=rules.alpha),
            "who": f"a person launches: recevolve online launch RUN {one.id} --approve"
            if rules.gate
            else "a win is launched by the run, with no person before it",
        },
        "guardrails": {
            name: {
                "better": measure.better,
                "limit": measure.absolute if measure.absolute is not None else measure.relative,
                "of": "its own unit" if measure.absolute is not None else "a share of control's mean",
                "aborts": "on the estimate" if measure.hard else "once it is certain",
            }
            for name, measure in rules.metrics.items()
            if measure.guards
        },
        "horizon_days": rules.horizon_days,
        "not_before": one.created[:10],
        "rows": {
            "columns": dict(COLUMNS),
            "metrics": {name: [measure.low, measure.high] for name, measure in rules.metrics.items()},
            "example": EXAMPLE,
        },
    }


def example_rows(one: Experiment, config: Config) -> str:
    """A CSV of two rows per metric as the platform should send them, with made-up figures.

    Its experiment is called EXAMPLE, so that nobody's made-up figures are ever taken in.
    """
    lines = [",".join(COLUMNS)]
    for name, measure in config.online.metrics.items():
        mean = ((measure.low or 0.0) + (measure.high if measure.high is not None else 1.0)) / 2
        lines += [
            f"EXAMPLE,{one.created[:10]},{arm},{name},1000,{mean:g},1.0,0" for arm in (TREATMENT, CONTROL)
        ]
    return "\n".join(lines) + "\n"


async def launch(
    run: Path, asked: str, tasks: Sequence[Path] = (), *, approved: bool, clock: Clock = time.time
) -> dict[str, Any]:
    """The experiment after its launch, and where its patch lies. NotApproved, IllegalTransition."""
    with Archive.read(archive_of(run)) as archive:
        recorded_kind(archive, tasks)  # what no patch can be made of is not launched
    facts = _ordered(run, asked, State.LAUNCHED, "approved by a person", approved=approved, clock=clock)
    return {**facts, "export": await exported(run, facts["experiment"], facts["program"], tasks)}


def roll_back(run: Path, asked: str, reason: str, *, clock: Clock = time.time) -> dict[str, Any]:
    """The experiment after traffic was taken back from it. IllegalTransition."""
    return _ordered(run, asked, State.ROLLED_BACK, reason, approved=True, clock=clock)


def _ordered(
    run: Path, asked: str, state: State, reason: str, *, approved: bool, clock: Clock
) -> dict[str, Any]:
    """Makes the step, after taking in what waits in the inbox."""
    Archive.read(archive_of(run)).close()
    with Archive.create_or_open(archive_of(run), clock=clock) as archive:
        config = recorded_config(archive)
        if config.online.backend == "live":
            drain(archive)
        book = archive.experiments()
        one = identify({each.id: each for each in book.all()}, asked)
        step = Transition(one.id, state, reason)
        one.after(step)
        if not approved:
            raise NotApproved(
                f"experiment {one.id} won ({one.reason}). A launch changes production: look at it "
                f"(`recevolve show RUN {one.program_id}`), then say so with --approve"
            )
        book.write(Changes(transitions=[step]))
        return next(row for row in table(archive, config.online) if row["experiment"] == one.id)


async def exported(
    run: Path, name: str, program_id: str, tasks: Sequence[Path], *, unsafe: bool = False
) -> str:
    """The folder in the run's own that holds the patch of a launch, written where it is missing."""
    folder = within(within(archive_of(run).parent, EXPORTS), name)
    if not folder.exists():
        _, files = await packed(run, program_id, tasks, unsafe=unsafe)
        write(folder, files)
    return str(folder)


async def export_launched(config: Config, report: Mapping[str, Any]) -> list[str]:
    """The folders of the patches of every experiment that the run's report says is launched."""
    rows = {row["experiment"]: row["program"] for row in report.get("online", {}).get("experiments", ())}
    launched = report.get("online", {}).get("launched", ())
    unsafe = config.sandbox.unsafe
    return [
        await exported(config.run_dir, name, rows[name], config.tasks, unsafe=unsafe) for name in launched
    ]
