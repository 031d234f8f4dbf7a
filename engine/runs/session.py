"""Session: one process working on a run, from a checked config to the report, and back after any end."""

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from ... import __version__
from ...evaluators.data import DataUnavailable, catalogue, fetch
from ...population.archive.archive import Archive
from ...population.values.origin import NOTHING
from .. import claim
from ..config.config import Config, ConfigError, Data, parse, unknown
from ..config.run_dir import PICTURE, REPORT, archive_of, queue_of
from ..config.task import guarded, recorded_config, task_for
from ..experiments.ingest import arrive
from ..experiments.round import require_backend
from ..loop.context import SearchContext
from ..loop.events import Progress
from ..loop.executor import LocalExecutor, Terms
from ..loop.seeds import seeds_for
from ..north_star import decision
from ..propose.assemble import proposers_for, require_models, with_models
from ..propose.llm.cost_cap import CostCap
from ..propose.llm.keys import Keys
from ..report import alignment_table
from ..search import run
from .budget import Budget, nothing_ahead
from .device_queue import MEASURE, DeviceQueue
from .forecast import Forecast
from .sizing import as_fitted, plan
from .warm_start import warm_start


async def work(
    config: Config,
    progress: Progress,
    clock: Callable[[], float] = time.monotonic,
    environ: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    """The report of the run, after searching as far as the budget goes.

    Starts the run where there is none, continues it otherwise. Everything that was answered before, in this
    or in an earlier session, comes from the ledger. ConfigError where the run was begun with another config.
    `environ` is where keys and models are looked for; none: this process's.
    """
    started, task = clock(), task_for(config)
    seeds = seeds_for(config, task)
    require_backend(config, task)
    if strange := config.guardrails.keys() - task.guardrails.keys():
        raise unknown("guardrails", task.kind, strange, task.guardrails)
    with Archive.create_or_open(archive_of(config.run_dir)) as archive:
        guarded(archive, task)
        environ = os.environ if environ is None else environ
        keys = Keys.read(config.propose.keys, environ, progress.note)
        config = _with_models(archive, config, environ, keys, progress)
        config = _with_data(archive, config, progress)
        config, sized = as_fitted(archive, config)
        _same_search(archive, config)
        require_models(config, keys)
        if config.propose.journal_from is not None:
            warm_start(archive, config.propose.journal_from, config.kind)
        secrets = frozenset(keys.named) | {model.key_env for model in config.propose.paid if model.key_env}
        with closing(LocalExecutor(config, secrets)) as executor:
            terms = await _terms(executor, progress)
            if sized is None and not archive.generations():
                progress.note("timing single calls for the forecast")
                made = await plan(executor, config, task, seeds, terms, lambda: clock() - started)
                config = executor.config = made.config
                terms, sized = await executor.terms(), made.to_json()
                progress.say("forecast", line="\n".join(sized["lines"]), **sized)
            ledger = archive.ledger()
            proposers = proposers_for(
                config, task, archive, ledger, terms.rungs, keys=keys, say=progress.note, clock=clock
            )
            _begin(archive, config, terms, proposers.prompts, sized)
            elsewhere = task.measuring if terms.estimate else None
            queue = DeviceQueue(config.run_dir, elsewhere, progress.note) if elsewhere else None
            search = SearchContext(
                config=config,
                task=task,
                terms=terms,
                seeds=seeds,
                archive=archive,
                ledger=ledger,
                proposer=proposers.mixture,
                executor=executor,
                arrive=partial(arrive, archive, progress.note),
                order=queue.fill if queue else None,
            )
            try:
                budget = Budget(
                    config.budget,
                    config.population.islands * config.population.births,
                    clock,
                    started,
                    archive.seconds_used(),
                    partial(Forecast.from_json(sized).ahead, executor.spent) if sized else nothing_ahead,
                    config.north_star.every,
                )
                return await _search_and_conclude(search, executor, proposers.cost_cap, progress, budget)
            finally:
                await proposers.close()


async def foretold(
    config: Config, progress: Progress, clock: Callable[[], float] = time.monotonic
) -> Mapping[str, Any]:
    """The forecast of a run of this config as JSON, from calls that are timed now; nothing is kept.

    ConfigError where the budget does not hold the run.
    """
    started, task = clock(), task_for(config)
    with tempfile.TemporaryDirectory() as folder, Archive.create_or_open(archive_of(Path(folder))) as none:
        config = _with_data(none, config, progress)
    with closing(LocalExecutor(config)) as executor:
        terms, seeds = await executor.terms(), seeds_for(config, task)
        made = await plan(executor, config, task, seeds, terms, lambda: clock() - started)
    return made.to_json()


async def _terms(executor: LocalExecutor, progress: Progress) -> Terms:
    """The judge's terms, its warnings told. ConfigError where the log has fewer folds than are asked for."""
    terms = await executor.terms()
    for warning in terms.warnings:
        progress.note(f"WARNING: {warning}")
    for name in ("folds", "final_folds"):
        if (folds := getattr(executor.config.north_star, name) or 0) > terms.folds:
            raise ConfigError(
                f"north_star.{name}: the kind has {terms.folds} folds at most on this data, got {folds}"
            )
    return terms


def _with_models(
    archive: Archive, config: Config, environ: Mapping[str, str], keys: Keys, progress: Progress
) -> Config:
    """The config with the models that "auto" stands for; a run keeps those that it was begun with.

    An address is taken from the environment again, not from the archive.
    """
    if config.propose.models == "auto" and archive.run() is not None:
        before = recorded_config(archive).propose
        if not any(model.addressed for model in before.chosen):
            own = config.propose.model_copy(update={"models": before.models})
            return config.model_copy(update={"propose": own})
    return with_models(config, environ, keys, progress.note)


def _with_data(archive: Archive, config: Config, progress: Progress) -> Config:
    """The config, with the fallback log, and a word on it, where its own is not to be had.

    A run keeps the log that it was begun with.
    """
    source, fallback = config.data.source, config.data.fallback
    if fallback is None or source == fallback or source not in {one.name for one in catalogue()}:
        return config
    stand_in = Data(source=fallback, split=config.data.split, fallback=fallback)
    synthetic = config.model_copy(update={"data": stand_in})
    if archive.run() is not None:
        return synthetic if recorded_config(archive).data.source == fallback else config
    try:
        fetch(config.data.source)
    except DataUnavailable as error:
        progress.note(f"FALLBACK: {config.data.source} is not to be had, so {fallback} stands in: {error}")
        return synthetic
    return config


async def _search_and_conclude(
    search: SearchContext,
    executor: LocalExecutor,
    cost_cap: CostCap | None,
    progress: Progress,
    budget: Budget,
) -> Mapping[str, Any]:
    """Runs one session inside an open archive; notes its seconds however it ends."""
    archive, workers = search.archive, search.config.executor.workers
    session = archive.begin_session()
    _say_started(search, progress, budget)
    searched, ending, told = None, "interrupted", NOTHING

    def limit(island: int, generation: int) -> str | None:
        archive.note_session(session, budget.clock() - budget.started)
        nonlocal told
        if cost_cap is not None and (spent := cost_cap.total()) != told:
            told = spent
            progress.say("spent", **asdict(spent))
        return budget.reached(generation, island) or (
            cost_cap.exhausted() if cost_cap and generation else None
        )

    try:
        reason = await run(search, limit, progress)
        searched = budget.clock() - budget.started
        readings = {
            "seconds": round(budget.seconds_used(), 1),
            "evaluating_share": round(executor.busy_seconds / max(searched * workers, 1e-9), 3),
        }
        report = await _conclusion(search, reason, readings, progress)
        if search.order is not None and (
            added := await search.order(search, max(archive.generations().values()))
        ):
            progress.note(f"{added} new entries in {queue_of(search.config.run_dir)}: {MEASURE}")
        ending = reason
        answered = {"recalled": search.ledger.hits + search.ledger.shared, "evaluated": search.ledger.misses}
        progress.say("ended", line=decision.recorded(report)["line"], reason=reason, **readings, **answered)
        return report
    finally:
        # a later session has a final judgement of its own, and keeps its seconds free again
        seconds = budget.clock() - budget.started if searched is None else searched
        archive.note_session(session, seconds, ending)


def _say_started(search: SearchContext, progress: Progress, budget: Budget) -> None:
    config, shares = search.config, search.archive.shares()
    islands = dict.fromkeys(range(config.population.islands), -1)
    if search.terms.estimate:
        progress.note(search.terms.estimate)
    progress.say(
        "started",
        kind=config.kind,
        data=search.terms.data,
        tier=search.terms.tier,
        limits={
            "seconds": max(0.0, config.budget.seconds - budget.ahead()[0]),
            "generations": config.budget.generations,
            "candidates": config.budget.candidates,
        },
        used={
            "seconds": budget.seconds_used(),
            "generations": islands | search.archive.generations(),
            "verdicts": {str(status): count for status, count in shares.statuses.items()},
            "duplicates": shares.duplicates,
        },
    )


async def _conclusion(
    search: SearchContext, reason: str, readings: Mapping[str, float], progress: Progress
) -> Mapping[str, Any]:
    """The report: the recorded one where the search has not moved since, else a new one."""
    search.arrive(None)
    before = search.archive.conclusion(REPORT)
    if before and claim.covers(search.archive, before):
        return before
    claimed = before["claimed"] if before else ()
    report = await claim.conclude(search, reason, claimed, readings, progress)
    alignment_table.draw(alignment_table.read(search.archive.path), search.archive.path.parent / PICTURE)
    return report


def _same_search(archive: Archive, config: Config) -> None:
    begun = archive.run()
    if begun is None or not archive.generations():
        return
    before, now = parse(begun.config["config"]).identity(), config.identity()
    if changed := sorted(_changed(before, now)):
        changed = [re.sub(r"^settings\b", config.kind, key) for key in changed]
        raise ConfigError(
            f"{archive.path} was begun with another config; changed since: {', '.join(changed)}. A changed "
            "search is another run: set another run_dir. Budget and executor may change."
        )


def _changed(before: Mapping[str, Any], now: Mapping[str, Any], table: str = "") -> Iterator[str]:
    """The keys whose values differ, by their whole names."""
    for key in {**before, **now}:
        ours, theirs = now.get(key), before.get(key)
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            yield from _changed(theirs, ours, f"{table}{key}.")
        elif ours != theirs:
            yield f"{table}{key}"


def _begin(
    archive: Archive, config: Config, terms: Terms, prompts: str, sized: Mapping[str, Any] | None
) -> None:
    recorded = {"config": config.model_dump(mode="json"), "terms": asdict(terms), "prompts": prompts}
    if sized is not None:
        recorded["forecast"] = sized
    begun = archive.begin(recorded, config.seed, __version__)
    if begun.config.get("prompts", "") != prompts:
        raise ConfigError(
            f"{archive.path} was begun with other prompt templates, and what models are shown is part of the "
            f"search: restore them (propose.prompts, recevolve {begun.version}), or set another run_dir."
        )
    before = begun.config["terms"]["fingerprint"]
    if before != terms.fingerprint:
        raise ConfigError(
            f"{archive.path} was begun with other data or another version: its verdicts carry the "
            f"fingerprint {before[:12]}, this machine's would carry {terms.fingerprint[:12]}. Restore the "
            f"data and the packages (recevolve {begun.version}), or start a new run in another run_dir."
        )
