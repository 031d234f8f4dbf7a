"""Rounds of north-star experiments: admit, collect, look, decide, commit."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from ...evaluators.kinds.task import Task
from ...evaluators.statistics import Moments
from ...population.archive.experiments import effects
from ...population.values.evaluation import Promotion, Stage
from ...population.values.experiment import CONTROL, PAIRED, Experiment, Look, Mark, Outcome, Reading, State
from ...population.values.member import Member
from ...population.values.verdict import Verdict
from ..config.config import Config, ConfigError, unknown
from ..config.experiments import SCORE, Online
from ..loop.candidate import member
from ..loop.context import SearchContext
from ..loop.evaluate import judge
from ..loop.events import Progress
from ..north_star.ablation import of_experiments, told
from ..north_star.alignment import finished, note_name
from ..north_star.effects import UNITS
from ..north_star.promotion import Promotions, Standing, champion, require_folds, rows
from ..north_star.rounds import Round, noted, tell
from .admission import Admission, admit, propose
from .changes import PendingChanges
from .outcomes import choose, live_effects, reported
from .rules import Plan


@dataclass(frozen=True)
class Collected:
    """What an experiment brought to a round: readings, the verdicts behind them, or why it failed."""

    readings: tuple[Reading, ...]
    program: Mapping[int, Verdict]
    production: Mapping[int, Verdict]
    failed: str = ""


def validation_of(search: SearchContext) -> tuple[int, int]:
    """(folds, of how many) of the selection split on which a proposal is validated.

    For a platform those on which elites are ranked without experiments, else those of the first round.
    """
    online, own = search.config.online, search.config.north_star.folds
    of = search.terms.folds
    return (own, search.final_folds) if online.backend == "live" else (min(online.batches, of), of)


def live_plan(rules: Online) -> Plan:
    """Looks at any time, tightest at the users that the config names."""
    return Plan(units=rules.users)


async def collect(search: SearchContext, experiment: Experiment, source: str, folds: int) -> Collected:
    """The next `online.batches` folds of an experiment that has `folds` behind it, as far as there are any.

    A simulator, or a log that is replayed: they differ in what the kind's judge does. Program and production
    share users and random numbers on a fold, so that they pair: unit by unit where the verdicts hold the
    score of each unit, else fold by fold.
    """
    of = search.terms.folds
    numbers = range(folds, min(folds + search.config.online.batches, of))

    async def on_folds(text: str) -> dict[int, Verdict]:
        calls = (judge(search, Stage.NORTH_STAR, text, number, "selection", of) for number in numbers)
        return dict(zip(numbers, await asyncio.gather(*calls), strict=True))

    program, production = await asyncio.gather(on_folds(source), on_folds(search.seeds[0].source))
    require_folds(search.task, list(production.values()))
    bad = next((number for number in numbers if not program[number].score), None)
    if bad is not None:
        return Collected((), program, production, f"fold {bad}: {program[bad].reason}")
    readings: list[Reading] = []
    for number in numbers:
        readings += readings_of(
            experiment.id, number, program[number], production[number], search.config.online
        )
    return Collected(tuple(readings), program, production)


def readings_of(
    name: str, number: int, program: Verdict, production: Verdict, rules: Online
) -> list[Reading]:
    """The readings of one fold: differences of pairs, and production's level, for each metric looked at."""
    day = f"fold {number:04d}"
    readings = []
    for metric in (SCORE, *rules.metrics):
        ours, theirs = (
            each.score if metric == SCORE else each.metrics.get(metric) for each in (program, production)
        )
        if ours is None or theirs is None:
            continue
        units = [each.facts.get(UNITS) for each in (program, production)] if metric == SCORE else []
        if units and all(units):
            paired = Moments.of([a - b for a, b in zip(*units, strict=True)])
        else:
            paired = Moments(1, ours.value - theirs.value, 0.0)
        readings.append(Reading(name, day, metric, PAIRED, paired.count, paired.mean, paired.variance))
        readings.append(Reading(name, day, metric, CONTROL, paired.count, theirs.value, 0.0))
    return readings


class ExperimentRounds(Round):
    """Rounds of experiments: newcomers take free slots, everybody collects readings, looks decide."""

    def held(self, search: SearchContext, generation: int) -> bool:
        """Whether the round of that generation was held."""
        return search.archive.experiments().held(generation)

    async def hold(self, search: SearchContext, generation: int, progress: Progress) -> None:
        """One round; what the world outside sent meanwhile comes first."""
        search.arrive(generation)
        rules = search.config.online
        live = rules.backend == "live"
        pending = PendingChanges.of(search.archive.experiments(), rules, generation)
        admission = await admit(search, pending, validation_of(search), generation)
        propose(search, pending, admission, generation, begins=not live)
        # what a platform sent lies in the archive, and was looked at when it came
        collected = {} if live else await _collect(search, pending, admission)
        pending.settle()
        promotions = _promotions(search, generation, admission.standings, pending, collected)
        audited = [one.program_id for one in admission.standings if one.audited]
        answers = live_effects(search.archive, rules, pending.looks)
        note = noted(search, generation, promotions, audited, answers, admission.ablations.values())
        notes = {**admission.notes(generation), note_name(generation): asdict(note)}
        search.archive.commit_round(generation, promotions, notes, admission.ablations, pending.made)
        _tell(pending, generation, progress)
        tell(search, note, progress)

    def best_known(self, search: SearchContext, until: int) -> Member | None:
        """The best by experiments; before a live one has answered, the best on the selection split."""
        if best := leader(search, until):
            return best
        if search.config.online.backend != "live" or (offline := champion(search, until)) is None:
            return None
        book = search.archive.experiments()
        looked = {one.experiment for one in book.looks((book.mark(until) or Mark()).looks)}
        answered = {one.program_id for one in book.all() if one.id in looked}
        return None if offline.program_id in answered else offline

    def winner(self, search: SearchContext) -> tuple[dict[str, Any], list[Any]]:
        """The one that was launched, else the one that won, with its edits as its round found them."""
        chosen = choose(search)
        cause = of_experiments(search.archive).get(chosen["program"]) if "experiment" in chosen else None
        return (chosen | told(cause), cause["edits"]) if cause else (chosen, [])

    def told(self, search: SearchContext, gain: Mapping[str, Any]) -> dict[str, Any]:
        """The gain with the launch in its sentence, and the experiments."""
        return reported(search, gain, of_experiments(search.archive))


def rounds_of(config: Config) -> Round:
    """The rounds that the config asks for."""
    return ExperimentRounds() if config.online.on else Promotions()


async def _collect(
    search: SearchContext, pending: PendingChanges, admission: Admission
) -> dict[str, Collected]:
    """What each live experiment brought, by its name; read, looked at and decided in the pending."""
    batches, folds = search.config.online.batches, search.terms.folds
    plan = Plan(folds=folds, looks=ceil(folds / batches))  # a look after each batch
    live = {name: one for name, one in sorted(pending.experiments.items()) if one.state is State.LIVE}
    days = {name: len({one.day for one in pending.readings.get(name, {}).values()}) for name in live}
    calls = (collect(search, one, _source(search, one, admission), days[name]) for name, one in live.items())
    collected = dict(zip(live, await asyncio.gather(*calls), strict=True))
    for name, one in collected.items():
        pending.read(one.readings)
        if one.failed:
            pending.step(name, State.ROLLED_BACK, one.failed)
        elif one.readings:
            pending.look(name, plan)
    over = [name for name in live if days[name] + batches >= folds]
    pending.exhausted(over, f"undecided after {folds} folds, which is all there are")
    return collected


def _source(search: SearchContext, one: Experiment, admission: Admission) -> str:
    """The text of an experiment's program, which the archive does not hold yet where it has just entered."""
    return admission.sources.get(one.program_id) or search.archive.program(one.program_id).source


def _promotions(
    search: SearchContext,
    generation: int,
    standings: Sequence[Standing],
    pending: PendingChanges,
    collected: Mapping[str, Collected],
) -> list[Promotion]:
    """Every verdict of the round that the archive does not hold yet, by program."""
    found = list(rows(standings, generation))
    seen = {(one.program_id, one.split, one.fold) for one in (*search.archive.promotions(), *found)}
    slot = len(standings)
    for name, one in collected.items():
        for program_id, verdicts in (
            (pending.experiments[name].program_id, one.program),
            (search.seeds[0].id, one.production),
        ):
            for fold, verdict in verdicts.items():
                if (program_id, "selection", fold) not in seen:
                    seen.add((program_id, "selection", fold))
                    found.append(Promotion(generation, slot, program_id, "selection", fold, verdict))
            slot += 1
    return found


def _tell(pending: PendingChanges, generation: int, progress: Progress) -> None:
    """Says who came and who went."""
    for step in pending.made.transitions:
        if step.state not in (State.PROPOSED, State.VALIDATED):
            what = f"{step.state}{f' ({step.outcome})' if step.outcome else ''}"
            progress.note(f"experiment {step.experiment} {what}: {step.reason}")
    states = [one.state for one in pending.experiments.values()]
    counts = ", ".join(f"{states.count(state)} {state}" for state in State if state in states)
    programs = [one.program_id for one in pending.experiments.values() if one.generation == generation]
    progress.say(
        "promoted", generation=generation, programs=programs, line=f"experiments: {counts or 'none'}"
    )


def leader(search: SearchContext, until: int) -> Member | None:
    """The program with the highest gain above 0 at the last round up to that generation, or None.

    Not one from which traffic was taken back, nor one that was decided not to be better.
    """
    book = search.archive.experiments()
    mark = book.mark(until)
    if mark is None:
        return None
    gains: Mapping[str, Look] = effects(book.looks(mark.looks), search.config.online.deciding)
    ranked = sorted(
        (
            one
            for one in book.all(mark.transitions)
            if one.id in gains
            and gains[one.id].estimate > 0
            and one.state is not State.ROLLED_BACK
            and one.outcome not in (Outcome.LOSS, Outcome.FUTILE, Outcome.DROPPED)
        ),
        key=lambda one: (-gains[one.id].estimate, one.id),
    )
    born = finished(search.archive, ranked[0].program_id, search.last_stage) if ranked else None
    return member(born) if born else None


def require_backend(config: Config, task: Task) -> None:
    """Raises ConfigError where the kind, as the config has it, cannot answer experiments as they are to be.

    Its judge is of another sort than the backend says, or a metric is read that it does not have.
    """
    backend = config.online.backend
    if backend not in ("simulator", "replay"):
        return
    if backend not in task.backends:
        offered = " or ".join(f'"{one}"' for one in task.backends) or "nobody"
        raise ConfigError(
            f"online.backend: expected {offered}, who answers for {task.kind} as [{task.kind}] sets it, got "
            f'"{backend}": change online.backend, or what [{task.kind}] takes for its north star'
        )
    if strange := config.online.metrics.keys() - set(task.metrics):
        raise unknown("online.metrics", task.kind, strange, task.metrics)
