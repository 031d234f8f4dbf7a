"""Search: the whole run, islands side by side; a function of config, seed and recorded calls."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ..population.island.diversity import statistics
from ..population.island.island import migrate, neighbours
from ..population.values.evaluation import Evaluation
from ..population.values.member import Member
from ..population.values.verdict import Status
from .config.config import ConfigError
from .experiments.round import rounds_of
from .loop.context import SearchContext
from .loop.events import Progress
from .loop.generation import Generation, generation
from .loop.stagnation import Progression, fresh_start
from .north_star.promotion import banned, elites
from .north_star.reweighting import reweighted
from .north_star.rounds import Round, changed, previous, rescored, weights_for


@dataclass
class Islands:
    """Which generation each island has committed, and which have ended and why.

    Whoever waits for a neighbour sleeps until that one commits or ends.
    """

    search: SearchContext
    progress: Progress
    done: dict[int, int] = field(init=False)
    ended: dict[int, str] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        done = self.search.archive.generations()
        self.done = {island: done.get(island, -1) for island in range(self.search.config.population.islands)}

    async def commit(self, island: int, number: int, made: Generation) -> None:
        """Commits a generation in one transaction and wakes whoever waits for it."""
        noted = {**statistics(made.population), **made.notes}
        self.search.archive.commit_generation(
            island, number, population=made.population, evaluations=made.evaluations, statistics=noted
        )
        self.done[island] = number
        async with self._changed:
            self._changed.notify_all()
        best = made.population[0] if made.population else None
        self.progress.say(
            "generation",
            island=island,
            generation=number,
            best=f"{best.score:.5f} {best.program_id}" if best else "none",
            score=best.score if best else None,
            programs=len(made.population),
            cells=int(noted["cells"]),
            verdicts=Counter(str(one.verdict.status) for one in made.evaluations),
            duplicates=sum(one.duplicate_of is not None for one in made.evaluations),
        )

    async def end(self, island: int, reason: str) -> None:
        """Ends the island: it begins no further generation. `reason` is empty where a neighbour ended it."""
        self.ended[island] = reason
        async with self._changed:
            self._changed.notify_all()

    async def snapshot(self, island: int, number: int) -> tuple[Member, ...] | None:
        """The island's population after generation `number`, or None if it ends before it has one."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.done[island] >= number or island in self.ended)
        return self.search.archive.population(island, number) if self.done[island] >= number else None


Limit = Callable[[int, int], str | None]
"""(island, generation) -> why that generation may not start, or None."""


async def run(search: SearchContext, limit: Limit, progress: Progress) -> str:
    """Why the search ended. Islands run free between promotion rounds and wait for each other there."""
    islands, rounds = Islands(search, progress), rounds_of(search.config)
    every = search.config.north_star.every
    while not islands.ended:
        behind = min(islands.done.values())
        if behind >= 0 and behind % every == 0 and not rounds.held(search, behind):
            await rounds.hold(search, behind, progress)
            if search.order is not None:
                await search.order(search, behind)
        until = (behind // every + 1) * every
        async with asyncio.TaskGroup() as group:
            for island in islands.done:
                group.create_task(live(search, islands, rounds, island, until, limit))
    return next(reason for reason in islands.ended.values() if reason)


async def live(
    search: SearchContext, islands: Islands, rounds: Round, island: int, until: int, limit: Limit
) -> None:
    """Carries one island to generation `until`, or as far as the limit lets it."""
    for number in range(islands.done[island] + 1, until + 1):
        if reason := limit(island, number):
            return await islands.end(island, reason)
        population = await arrive(search, islands, rounds, island, number) if number else ()
        if population is None:
            return await islands.end(island, "")
        population, progression = stagnated(search, island, number, population, islands.progress)
        weights = weights_for(search, number)
        made = await generation(
            search, island, number, population, progression, partial(reweighted, weights=weights)
        )
        if number == 0:
            require_production(search, made.evaluations)
        await islands.commit(island, number, made)
    return None


async def arrive(
    search: SearchContext, islands: Islands, rounds: Round, island: int, number: int
) -> tuple[Member, ...] | None:
    """The island's population with what came from its neighbours and from the north star; None at the end."""
    rules, every = search.config.population, search.config.north_star.every
    population = rescored(search, search.archive.population(island, number - 1), number)
    arrivals: list[Member] = []
    if number % rules.migrate_every == 0:
        for other in neighbours(rules.topology, island, rules.islands, number, search.config.seed):
            theirs = await islands.snapshot(other, number - 1)
            if theirs is None:
                return None
            arrivals += theirs[: rules.migrants]
    if number > every and number % every == 1 % every:
        cheats = banned(search.archive, number - 1)
        population = tuple(one for one in population if one.program_id not in cheats) or population
        if best := rounds.best_known(search, number - 1):
            arrivals.append(best)
    return migrate(population, rescored(search, arrivals, number), rules.size) if arrivals else population


def stagnated(
    search: SearchContext, island: int, number: int, population: tuple[Member, ...], progress: Progress
) -> tuple[tuple[Member, ...], Progression | None]:
    """The population to begin with and how the island gets on; a long stagnation restarts it.

    It goes on with other cells of all islands as they stood at the last round.
    """
    patience = search.config.population.patience
    noted = search.archive.statistics(island, number - 1).get("progression") if number else None
    progression = Progression(**noted) if noted else None
    if progression is not None and changed(search, number):
        progression = replace(progression, best=population[0].score)
    if progression is None or not progression.explores(number, patience):
        return population, progression
    if not progression.restarts(number, patience):
        if progression.waited(number) == patience:
            progress.note(f"island {island}: no gain in {patience} generations, it explores now")
        return population, progression
    others = rescored(search, elites(search, previous(search, number)), number)
    fresh = fresh_start(population, others, search.config.population.size)
    progress.note(f"island {island}: no gain for long, restarted from {len(fresh)} other cells")
    return fresh, Progression(fresh[0].score, progression.gained, number - 1)


def require_production(search: SearchContext, evaluations: Sequence[Evaluation]) -> None:
    """Raises ConfigError where the program in production could not be judged: nothing could be compared."""
    for one in evaluations:
        if one.program.id == search.seeds[0].id and one.verdict.status is not Status.SCORED:
            raise ConfigError(
                f"seeds: {one.program.made_by} is in production but has no score, so nothing can be compared "
                f"with it: {one.verdict.reason}"
            )
