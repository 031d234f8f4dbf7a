"""Sizing: measures what single calls cost on this machine, and makes a run as small as its budget needs."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ...evaluators.kinds.task import Size, Task
from ...population.archive.archive import Archive
from ...population.values.evaluation import Stage
from ...population.values.program import Program
from ..config.config import Config, ConfigError, parse
from ..loop.candidate import canonical
from ..loop.executor import Call, LocalExecutor, Terms
from .forecast import SPARE, Costs, Forecast, counted, lines

OTHERS = 2
"""Known programs of the kind that are timed beside production: some cost twice as much as others."""
LONGER = 4
"""Places on the ladder of sizes between the two that are timed: four times the rows."""
FEWER = (
    ("population", "births", 8),
    ("north_star", "ablations", 4),
    ("north_star", "finalists", 4),
    ("north_star", "slots", 2),
    ("proxy", "floor", 2),
)
"""What is halved in turn, and down to what, before a training is shorter than one pass over its rows."""
LEAST = (
    ("population", "births", 4),
    ("population", "islands", 2),
    ("north_star", "final_folds", 4),
    ("north_star", "slots", 1),
    ("north_star", "folds", 2),
    ("north_star", "finalists", 2),
    ("proxy", "floor", 1),
)
"""What is halved in turn once trainings are as short as they may be; folds late, for they decide."""

TABLES = ("north_star", "proxy", "population")

Pricing = Callable[[Size | None], Costs]


@dataclass(frozen=True)
class Plan:
    """A config that its budget holds, its forecast, and what was made smaller: (asked, taken) by key."""

    config: Config
    forecast: Forecast
    fitted: Mapping[str, tuple[Any, Any]]
    uncut: float
    """The seconds that would hold the run as it was asked for."""
    rows: tuple[int, int] = (0, 0)
    """Training rows of the longest training: (asked, taken)."""

    def to_json(self) -> dict[str, Any]:
        """The forecast as JSON, and in "lines" for a person, what was made smaller included."""
        facts, sentences = self.forecast.to_json(), []
        if shorter := [f"{key} = {_words(taken)}" for key, _, taken in self._changed("settings")]:
            asked, taken = self.rows
            sentences = [f"the longest training {asked:,} -> {taken:,} rows: {', '.join(shorter)}"]
        for table in TABLES:
            sentences += [
                f"{key} {_words(asked)} -> {_words(taken)}" for key, asked, taken in self._changed(table)
            ]
        made = [f"so that the budget holds the run: {sentence}" for sentence in sentences]
        if made:
            made.append(f"about {self.uncut:,.0f} s hold the run as it was asked for")
        return {**facts, "changed": dict(self.fitted), "uncut": self.uncut, "lines": [*lines(facts), *made]}

    def _changed(self, table: str) -> list[tuple[str, Any, Any]]:
        """(key, asked, taken) of what was made smaller in a table; settings by their names alone."""
        return [
            (key.removeprefix("settings."), *pair)
            for key, pair in self.fitted.items()
            if key.startswith(table)
        ]


def as_fitted(archive: Archive, config: Config) -> tuple[Config, dict[str, Any] | None]:
    """(the config with what was made smaller when the run was begun, its forecast), None where there is none.

    A key that is set otherwise than it was then stays as it is.
    """
    begun = archive.run()
    sized = begun.config.get("forecast") if begun and archive.generations() else None
    if sized is None:
        return config, None
    raw = config.model_dump(mode="json")
    for key, (asked, taken) in sized["changed"].items():
        table, name = key.split(".")
        if raw[table].get(name) == asked:
            raw[table][name] = taken
    return parse(raw), {**sized, "seconds": config.budget.seconds}


async def plan(
    executor: LocalExecutor,
    config: Config,
    task: Task,
    seeds: Sequence[Program],
    terms: Terms,
    clock: Callable[[], float],
) -> Plan:
    """The config as its budget holds it; `clock` gives the seconds since the run began.

    Nothing grows beyond what the config says; with `budget.size = "fixed"` nothing shrinks. ConfigError, with
    the figures, where the budget or the machine's memory does not hold the run.
    """
    rungs = min(config.proxy.rungs, terms.rungs)
    sizes = await executor.sizes()
    others = [text for source in task.seeds.values() if (text := canonical(source)[0]) != _text(seeds[0])]
    programs = [_text(seeds[0]), *others[:OTHERS]]
    pricing = await _priced(executor, config, programs, (rungs, terms.folds), sizes)
    memory, start = await executor.memory(), clock()
    _require_memory(config, memory)
    uncut = 0.0
    for chosen, size in _smaller(config, terms.folds, sizes):
        found = counted(
            chosen,
            pricing(size),
            seeds=len(seeds),
            known=len(others),
            folds=terms.folds,
            start=start,
            epochs=[*size.epochs[:rungs], size.epochs[-1]] if size else (),
            memory_mb=memory,
        )
        uncut = uncut or found.whole(found.least) / SPARE
        # wall clock, which is more than the CPU seconds that a candidate may use where others work too
        patient = size in (None, *sizes[-1:]) or found.costs.longest < SPARE * config.sandbox.cpu_seconds
        if found.fits and (patient or config.budget.size == "fixed"):
            rows = (sizes[0].rows, size.rows) if size else (0, 0)
            return Plan(chosen, found, dict(_changes(config, chosen)), uncut, rows)
        if config.budget.size == "fixed":
            break
    raise ConfigError(_refusal(config, found))


def _text(program: Program) -> str:
    return canonical(program.source)[0]


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    return f"{value:,}" if isinstance(value, int) else "all" if value is None else str(value)


def _require_memory(config: Config, memory: float) -> None:
    workers, sandbox = config.executor.workers, config.sandbox.memory_mb
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    if (needed := workers * (memory + sandbox)) > machine:
        raise ConfigError(
            f"executor.workers: {workers} workers need {needed:,.0f} MiB, {memory:,.0f} each and "
            f"sandbox.memory_mb = {sandbox:,} for a candidate, and this machine has {machine:,.0f} MiB: "
            "lower executor.workers or sandbox.memory_mb"
        )


def _refusal(config: Config, found: Forecast) -> str:
    """Why the budget does not hold the run, with the figures and what to set."""
    fit, needs = config.budget.size == "fit", found.whole(found.least) / SPARE
    parts = "\n".join(lines(found.to_json())[1:])
    return (
        f"budget.seconds: {config.budget.seconds:g} s do not hold {found.least} generations and the final "
        f"judgement{', made as small as they may be' if fit else ''}; about {needs:,.0f} s do.\n{parts}\n"
        f"Set budget.seconds = {10 * int(needs / 10 + 1)}, fewer budget.generations or population.births, or "
        + ("more executor.workers on a larger machine" if fit else 'budget.size = "fit"')
    )


def _smaller(config: Config, folds: int, sizes: Sequence[Size]) -> Iterator[tuple[Config, Size | None]]:
    """The config, then ever smaller ones.

    Trainings get shorter down to one pass, then candidates fewer, then trainings shorter still, then
    candidates, islands and folds fewer.
    """
    chosen = config
    shorter: Sequence[Size | None] = sizes or [None]
    passes = max(1, sum(size.epochs[-1] >= 1 for size in sizes))
    for lengths, halved in ((shorter[:passes], FEWER), (shorter[passes:], LEAST)):
        for size in lengths:
            if size is not None:
                chosen = chosen.model_copy(update={"settings": {**config.settings, **size.settings}})
            yield chosen, size
        for table, key, least in halved:
            for smaller in _halved(chosen, folds, table, key, least):
                chosen = smaller
                yield chosen, size


def _halved(chosen: Config, folds: int, table: str, key: str, least: int) -> Iterator[Config]:
    """The config with a key halved, again and again, down to `least`."""
    value = getattr(getattr(chosen, table), key)
    value = folds if value is None else value
    while value > least:
        value = max(least, value // 2)
        update = {key: value}
        if key == "final_folds":
            update["folds"] = min(value, chosen.north_star.folds)
        chosen = chosen.model_copy(update={table: getattr(chosen, table).model_copy(update=update)})
        yield chosen


def _changes(before: Config, after: Config) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """(key, (asked, taken)) of each key in which two configs differ."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    for table in ("settings", *TABLES):
        for key, value in new[table].items():
            if old[table].get(key) != value:
                yield f"{table}.{key}", (old[table].get(key), value)


def _mean(home: Costs, others: Sequence[Costs]) -> Costs:
    """The mean costs of programs, of which the first alone was audited and guarded."""
    several = [home, *others]
    fold = fmean(one.fold for one in several)
    return Costs(
        properties=max(one.properties for one in several),  # candidates are longer than known methods
        rungs=tuple(map(fmean, zip(*(one.rungs for one in several), strict=True))),
        audited=fold + max(0.0, home.audited - home.fold),
        fold=fold,
        unseen=fmean(one.unseen for one in several),
        guard=home.guard,
    )


async def _timed(
    executor: LocalExecutor,
    config: Config,
    source: str,
    lengths: tuple[int, int],
    size: Size | None,
    *,
    whole: bool = False,
    seen: bool = True,
) -> Costs:
    """What the calls of one program cost at a size: fold 0 and guard of the `whole` alone, rungs of one that
    is `seen` by them before its folds."""
    rungs, of = lengths
    # the first fold finds out what a judge then remembers of a program; without trainings to tell apart,
    # what it remembers of a fold is the larger part, and few programs meet the same one on a worker
    folds = [1, 1 if size else min(2, of - 1), *([0] if whole else [])]
    calls = [
        # twice: the first call of a worker also starts its sandbox
        *[Call(Stage.PROPERTIES, source)] * 2,
        *(Call(Stage.PROXY, source, number) for number in range(rungs if seen else 0)),
        *(Call(Stage.NORTH_STAR, source, fold, "selection", of) for fold in folds),
        *([Call(Stage.GUARD, source)] if whole else []),
    ]
    settings = {**config.settings, **(size.settings if size else {})}
    starting, examined, *seconds = await executor.timed(calls, settings)
    raced, (first, fold, *rest) = seconds[: -len(folds) - whole], seconds[-len(folds) - whole :]
    for rung in reversed(range(len(raced) - 1)):  # the first training of a worker also loads what it needs
        raced[rung] = min(raced[rung], raced[rung + 1])
    audited, guard = rest or (fold, 0.0)
    return Costs(
        properties=min(starting, examined),
        rungs=tuple(raced),
        # the first fold of a worker also loads what it needs
        audited=audited + (0.0 if size else max(0.0, first - fold)),
        fold=fold,
        unseen=max(first, fold),
        guard=guard,
    )


async def _priced(
    executor: LocalExecutor,
    config: Config,
    sources: Sequence[str],
    lengths: tuple[int, int],
    sizes: Sequence[Size],
) -> Pricing:
    """What calls cost at a size, from calls at two small ones.

    Where sizes are unknown, the mean over `sources` at the config's own. Cost grows in proportion to work
    from the shorter one on, that of audits, guard and what a fold first finds out as that of rungs. How much
    dearer than production other programs are is measured at the shorter one. `lengths`: rungs and folds.
    """
    lo, hi = (sizes[-1], sizes[-min(len(sizes), LONGER + 1)]) if sizes else (None, None)
    first, *texts = sources
    waiting = [_timed(executor, config, first, lengths, lo, whole=True)]
    waiting += [_timed(executor, config, text, lengths, lo, seen=lo is None) for text in texts]
    if lo and hi:
        waiting.append(_timed(executor, config, first, lengths, hi))
    home, *found = await asyncio.gather(*waiting)
    if not (lo and hi):
        usual = _mean(home, found)
        return lambda size: usual
    *others, long = found
    dearer = fmean([1.0, *(one.fold / home.fold for one in others)])
    finding = fmean([one.unseen - one.fold for one in others] or [0.0])
    rung = _slope(long.rungs[-1] - home.rungs[-1], hi.rungs[lengths[0] - 1] - lo.rungs[lengths[0] - 1])
    fold = _slope(long.fold - home.fold, hi.fold - lo.fold)

    def pricing(size: Size | None) -> Costs:
        assert size is not None
        star = home.fold + fold * (size.fold - lo.fold)
        # a judge need not audit a program in production that is the kind's own
        audits = max(0.0, home.audited - home.fold - rung * lo.audited) + rung * size.audited
        raced = [cost + rung * (size.rungs[place] - lo.rungs[place]) for place, cost in enumerate(home.rungs)]
        return Costs(
            properties=home.properties,
            rungs=tuple(dearer * cost for cost in raced),
            audited=dearer * (star + audits),
            fold=dearer * star,
            unseen=dearer * star + finding * sum(raced) / sum(home.rungs),
            guard=dearer * (home.guard + rung * (size.guard - lo.guard)),
        ).laden()

    return pricing


def _slope(seconds: float, work: float) -> float:
    return max(0.0, seconds / work) if work > 0 else 0.0
