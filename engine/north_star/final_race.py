"""The final race: which finalists meet the claim split. Folds of the selection split go to the contenders."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ...evaluators.statistics import contenders
from ..loop.context import SearchContext
from .promotion import Standing, measure, require_folds
from .trainings import Trainings


@dataclass(frozen=True)
class Raced:
    """What a race found, by program id.

    `standings` are of all who ran and of production, each on as many folds as it was given. `ranked` are
    those who may be chosen, without production: longest in the race first, then by gain over production.
    `behind` are worse than the best of the race beyond noise.
    """

    standings: Mapping[str, Standing]
    ranked: tuple[str, ...]
    behind: frozenset[str]


def most_trainings(search: SearchContext, entrants: int) -> int:
    """The most trainings that a race of so many takes, production's included."""
    return _budget(search, entrants) + search.final_folds


async def final_race(
    search: SearchContext, entrants: Mapping[str, str], methods: Collection[str], trainings: Trainings
) -> Raced:
    """The race of the entrants, source by id without production, on folds of the selection split.

    All are measured on the folds of a promotion; those that a round measured cost nothing. Then the folds
    double, up to `final_folds`, for those who are not worse than the best beyond noise, while more than one
    is left and the budget lasts: `finalists` times `final_folds` folds, production's not counted. Where it
    does not hold all of them, the better ones go on. Production gets every fold that a contender gets.
    Guardrails of known `methods` are looked at where one leads. Nothing depends on time: a race is a function
    of its verdicts.
    """
    home = search.seeds[0]
    sources = {home.id: home.source, **entrants}
    field, folds, spent = sorted(entrants), search.config.north_star.folds, 0
    standings: dict[str, Standing] = {}
    unguarded = set(methods)
    behind: frozenset[str] = frozenset()
    done = 0

    async def measured(names: list[str]) -> dict[str, Standing]:
        waiting = (
            measure(
                search,
                name,
                sources[name],
                "selection",
                folds,
                told=trainings.told,
                guarded=name not in unguarded,
            )
            for name in names
        )
        return dict(zip(names, await asyncio.gather(*waiting), strict=True))

    while True:
        running = [home.id, *field]
        standings |= await measured(running)
        require_folds(search.task, standings[home.id].folds)
        spent += (folds - done) * len(field)
        done = folds
        while True:
            fit = {one: standings[one].scores for one in running if one == home.id or standings[one].eligible}
            left = contenders(fit)
            if left[0] not in unguarded:
                break
            unguarded.remove(left[0])
            standings |= await measured(left[:1])
        behind |= fit.keys() - set(left)
        further = min(2 * folds, search.final_folds)
        if further == folds or len(left) == 1:
            break
        places = (_budget(search, len(entrants)) - spent) // (further - folds)
        field, folds = [one for one in left if one != home.id][:places], further
        if not field:
            break
    ranked = [one for one in entrants if standings[one].eligible]
    ranked.sort(key=lambda one: (-len(standings[one].scores), -standings[one].over(standings[home.id]), one))
    return Raced(standings, tuple(ranked), behind)


def _budget(search: SearchContext, entrants: int) -> int:
    north_star = search.config.north_star
    return max(entrants * north_star.folds, north_star.finalists * search.final_folds)
