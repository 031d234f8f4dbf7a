"""Verify: all in an archive that no release of ours could have written, its run and conclusions too."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ...population.archive.archive import Archive, ArchiveError
from ...population.archive.verify import UNREADABLE, Damage, told
from ...population.archive.verify import damages as damages_of_rows
from ...population.archive.views import ABLATION
from ..claim import covers
from ..config.config import ConfigError, parse
from ..config.run_dir import REPORT, archive_of
from ..experiments.outcomes import seen
from ..loop.executor import Terms
from ..loop.stagnation import Progression
from ..north_star import decision
from ..north_star.alignment import NOTE, RoundNote
from ..north_star.trainings import CONCLUDING
from ..propose.bandit import Record
from ..propose.journal import WARM_START, entry_from
from .report import rendered

Model = TypeVar("Model", bound="Open")


class Open(BaseModel):
    """A JSON object of which these keys are read; it may hold others."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class Gain(Open):
    """A gain over production with its interval."""

    estimate: float
    low: float | None
    high: float | None


class Reading(Open):
    """A metric of an arm on the claim split."""

    mean: float
    gain: Gain


class Arm(Open):
    """A program on the claim split."""

    program: str
    name: str
    guardrails_broken: list[str]
    guard: dict[str, float]
    metrics: dict[str, Reading] = {}
    failed: str = ""


class Edit(Open):
    """An edit that was undone alone, and what it was worth."""

    edit: str
    effect: float | None
    low: float | None
    high: float | None
    reason: str
    removed: bool


class Winner(Open):
    """What the run chose."""

    program: str
    finalists: int


class Timings(Open):
    """Readings of the machine beside a report."""

    seconds: float
    evaluating_share: float
    arms: dict[str, dict[str, float]]


class Decided(Open):
    """The decision of a report."""

    decision: decision.Verb
    program: str | None
    line: str


class Claimed(Open):
    """What a report without a decision may claim."""

    beyond_noise: bool
    sentence: str


class Launched(Open):
    """An experiment as a report tells it."""

    experiment: str
    program: str
    state: str
    reason: str


class Online(Open):
    """The experiments of a report."""

    experiments: list[Launched]
    launched: list[str]
    seen: dict[str, int]


class Report(Open):
    """The conclusion of a run."""

    arms: Annotated[list[Arm], Field(min_length=1)]
    metrics: list[str]
    production: str
    winner: Winner
    gain: Claimed
    decision: Decided | None = None
    trials: int
    tier: int
    data: str
    reason: str
    confidence: float
    fallback: bool
    generations: dict[str, int]
    claimed: list[str]
    timings: Timings
    edits: list[Edit] = []
    online: Online | None = None


class Ablation(Open):
    """What the edits of a program were worth."""

    program: str
    ancestor: str
    measure: str
    simplified: str | None
    edits: list[Edit]


class Note(Open):
    """What a promotion round noted."""

    generation: int
    audited: list[str]
    alarm: str
    correlation: Gain | None


class Done(Open):
    """How far a final judgement is."""

    generation: int
    timings: dict[str, int]


class Lessons(Open):
    """What was taken over from an earlier run."""

    lessons: list[str]


class Statistics(Open):
    """What was noted with a generation."""

    mixture: dict[str, Record] = {}
    progression: Progression | None = None


class Begun(Open):
    """What the run was asked to do, beside its config."""

    terms: Terms
    forecast: dict[str, Any] | None = None
    prompts: str = ""


def damages(run: Path) -> Iterator[Damage]:
    """Everything that is wrong with the archive of a run: first with its rows, then with what they say.

    ArchiveError where there is no archive.
    """
    with Archive.read(archive_of(run)) as archive:
        found = list(damages_of_rows(archive.connection))
    yield from found
    if found:
        return
    with Archive.read(archive_of(run)) as archive:
        yield from _read("run", "1", partial(_run, archive))
        for island, last in archive.generations().items():
            for number in range(last + 1):
                place = f"island={island} generation={number}"
                yield from _read("generations", place, partial(_statistics, archive, island, number))
        for name, value in archive.conclusions().items():
            yield from _read("conclusions", name, partial(_conclusion, archive, name, value))


def _read(table: str, row: str, read: Callable[[], object]) -> Iterator[Damage]:
    """The damage of a row that cannot be read so."""
    try:
        read()
    except (*UNREADABLE, ConfigError, ArchiveError) as error:
        yield Damage(table, row, told(error))


def _run(archive: Archive) -> None:
    begun = archive.run()
    if begun is None:
        if archive.generations():
            raise ValueError("there is no run")
        return  # one that ended before it began
    parse(begun.config["config"])
    _hold(Begun, begun.config)


def _statistics(archive: Archive, island: int, generation: int) -> None:
    _hold(Statistics, archive.statistics(island, generation))


def _hold(model: type[Model], value: Mapping[str, Any]) -> Model:
    """The value as the model. ValidationError; as JSON, where a number in words is none."""
    return model.model_validate_json(json.dumps(value))


def _conclusion(archive: Archive, name: str, value: Mapping[str, Any]) -> None:
    """Reads a conclusion as those do that it is kept for."""
    if name == REPORT:
        report = _hold(Report, value)
        archive.program(report.winner.program)
        for read in (decision.recorded, seen, partial(covers, archive), rendered):
            read(value)
    elif name == CONCLUDING:
        _hold(Done, value)
    elif name == WARM_START:
        list(map(entry_from, value["entries"]))
        _hold(Lessons, value)
    elif name.startswith(ABLATION):
        _hold(Ablation, value)
    elif name.startswith(NOTE):
        _hold(Note, value)
        RoundNote.from_json(value)
