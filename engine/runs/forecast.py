"""Forecast: what a run will cost, part by part, from what single calls cost."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from ...population.values.evaluation import Stage
from ..config.config import Config

FRESH = 0.55
"""Share of candidates that reach the first rung: the others break a rule or repeat a program. Mutants of the
syntax tree: 0.38 of 576 optimizers, 0.68 of 1,280 reward formulas."""
GENERATIONS = 10
"""Generations that a budget must hold at the least, where the run may have so many."""
OFTEN = 4
"""Calls of one sort from which their median is believed."""
LADEN = 1.25
"""Times its cost at the start that a training takes in a run: evolved programs are longer than the known ones
that were timed, and all workers are busy at once. 1.2 to 1.6 for the parts of two runs."""
SPARE = 0.9
"""Share of the budget that a forecast may fill: single calls vary."""


@dataclass(frozen=True)
class Costs:
    """Seconds that one worker takes for a call, the mean over programs."""

    properties: float
    rungs: tuple[float, ...]
    audited: float
    """Fold 0 of a split, in which a judge may audit the program."""
    fold: float
    unseen: float
    """A fold of a program that no rung has seen: what a judge must first find out about it is in it."""
    guard: float

    def measured(self, spent: Mapping[tuple[Stage, int], Sequence[float]]) -> "Costs":
        """The costs with the medians of calls that were made, their seconds by stage and number.

        The first calls of a worker start its sandbox; what was called seldom stays as it was foretold.
        """

        def usual(foretold: float, *calls: tuple[Stage, int]) -> float:
            known = [seconds for call in calls for seconds in spent.get(call, ())]
            return median(known) if len(known) >= OFTEN else foretold

        return Costs(
            usual(self.properties, (Stage.PROPERTIES, 0)),
            tuple(usual(cost, (Stage.PROXY, rung)) for rung, cost in enumerate(self.rungs)),
            usual(self.audited, (Stage.NORTH_STAR, 0)),
            usual(self.fold, *(call for call in spent if call[0] is Stage.NORTH_STAR and call[1])),
            self.unseen,
            usual(self.guard, (Stage.GUARD, 0)),
        )

    def laden(self) -> "Costs":
        """What calls of evolved programs cost while all workers are busy."""
        return Costs(
            properties=LADEN * self.properties,
            rungs=tuple(LADEN * cost for cost in self.rungs),
            audited=LADEN * self.audited,
            fold=LADEN * self.fold,
            unseen=LADEN * self.unseen,
            guard=LADEN * self.guard,
        )

    def star(self, folds: float) -> float:
        """Seconds of so many folds, the first one among them."""
        return self.audited + max(0.0, folds - 1) * self.fold

    @property
    def longest(self) -> float:
        """Seconds of the longest training or trainings that a candidate is given in one request."""
        return max(*self.rungs, self.fold)


@dataclass(frozen=True)
class Forecast:
    """Seconds of the parts of a run; `costs` are of single calls on one worker, all others of all workers."""

    seconds: float
    """The budget."""
    start: float
    """Until the log is loaded and the costs are measured."""
    costs: Costs
    epochs: tuple[float, ...]
    """Passes over the training rows: of each rung, and last of a north-star fold; none: the kind has none."""
    memory_mb: float
    """Of a worker with its log loaded, its sandbox apart."""
    seeds: float
    generation: float
    round: float
    race: float
    ablation: float
    claim: float
    least: int
    """Generations that the budget must hold."""
    most: int
    """Generations that the config allows."""
    every: int
    """Generations between rounds."""

    @property
    def conclusion(self) -> float:
        """Seconds from the end of the search to the report."""
        return self.race + self.ablation + self.claim

    def whole(self, generations: int) -> float:
        """Seconds of a run of so many generations."""
        rounds = 1 + generations // self.every
        return self.start + self.seeds + generations * self.generation + rounds * self.round + self.conclusion

    @property
    def generations(self) -> int:
        """Generations that are expected within the budget."""
        each = self.generation + self.round / self.every
        return max(0, min(self.most, int((self.seconds - self.whole(0)) / max(each, 1e-9))))

    @property
    def fits(self) -> bool:
        """Whether the budget holds the generations that it must."""
        return self.whole(self.least) <= SPARE * self.seconds

    def ahead(self, spent: Mapping[tuple[Stage, int], Sequence[float]]) -> tuple[float, float, float]:
        """Seconds of the conclusion, of a generation and of a round, once calls were made: see `measured`."""
        now = self.costs.measured(spent)
        dearer = (now.guard + now.star(4)) / max(self.costs.guard + self.costs.star(4), 1e-9)
        return dearer * self.conclusion, self.generation, dearer * self.round

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON, with what follows from it."""
        follows = {"conclusion": self.conclusion, "generations": self.generations}
        return {**asdict(self), **follows, "whole": self.whole(self.generations)}

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> "Forecast":
        """What `to_json` wrote."""
        names = Forecast.__dataclass_fields__
        costs = Costs(**{**found["costs"], "rungs": tuple(found["costs"]["rungs"])})
        known = {name: found[name] for name in names}
        return Forecast(**{**known, "costs": costs, "epochs": tuple(found["epochs"])})


def counted(
    config: Config,
    costs: Costs,
    *,
    seeds: int,
    known: int,
    folds: int,
    start: float,
    epochs: Sequence[float] = (),
    memory_mb: float = 0.0,
) -> Forecast:
    """The forecast of a run of `config` where calls cost so much.

    `seeds` start the search, `known` programs of the kind race beside the finalists, and `folds` are all that
    the kind has.
    """
    population, star, proxy = config.population, config.north_star, config.proxy
    workers, final = config.executor.workers, star.final_folds or folds
    first = min(star.folds, final)
    # a newcomer must be among the best of its island and all newcomers; who was among them once is so again
    # more often than not: 0.59 of 74 optimizers where 0.4 are kept
    ahead = max(proxy.keep, min(1.0, proxy.floor / (population.size + FRESH * population.births)))
    survivors = [1.0, *(ahead ** ((rung + 1) / 2) for rung in range(1, len(costs.rungs)))]
    candidate = costs.properties + FRESH * sum(
        cost * share for cost, share in zip(costs.rungs, survivors, strict=True)
    )
    promoted = costs.guard + costs.star(first)
    ablated = costs.properties + (costs.star(first) if star.ablate_on == "north_star" else costs.rungs[-1])
    each = population.islands * population.births
    most = min(config.budget.generations, config.budget.candidates // each)
    # the most that a final race takes, of which rounds measured the finalists' first folds; about half of
    # the known programs are clearly worse in it, and are not in the claim
    entrants, met = known + star.finalists, min(known / 2, star.finalists)
    further = max(0, star.finalists * final - entrants * first) + final - first
    first_folds = costs.unseen + (first - 1) * costs.fold
    race = known * first_folds + star.slots * promoted + costs.guard + further * costs.fold
    claim = costs.star(final) + (1 + met) * final * costs.fold + met * costs.guard
    return Forecast(
        seconds=config.budget.seconds,
        start=start,
        costs=costs,
        epochs=tuple(epochs),
        memory_mb=memory_mb,
        seeds=(seeds * (costs.properties + sum(costs.rungs)) + promoted) / workers,
        generation=each * candidate / workers,
        round=(star.slots + star.audits) * promoted / workers,
        race=race / workers,
        ablation=star.ablations * ablated / workers,
        claim=claim / workers,
        least=min(GENERATIONS, most),
        most=most,
        every=star.every,
    )


def lines(found: Mapping[str, Any]) -> list[str]:
    """The forecast for a person, from its JSON."""
    costs = found["costs"]

    def seconds(value: float) -> str:
        return f"{value:.2g} s" if value < 10 else f"{value:,.0f} s"

    passes = [f" ({epochs:.2g} epochs)" for epochs in found["epochs"]] or [""] * (len(costs["rungs"]) + 1)
    rungs = ", ".join(
        f"{seconds(cost)}{epochs}" for cost, epochs in zip(costs["rungs"], passes, strict=False)
    )
    return [
        f"forecast: about {found['generations']} generations and the final judgement in "
        f"{found['seconds']:g} s; memory of a worker {found['memory_mb']:,.0f} MiB and its sandbox",
        f"one call: properties {seconds(costs['properties'])}, rungs {rungs}, north-star fold "
        f"{seconds(costs['fold'])}{passes[-1]}, the first of a split {seconds(costs['audited'])}, "
        f"guard {seconds(costs['guard'])}",
        f"start {seconds(found['start'])}, seeds {seconds(found['seeds'])}, a generation "
        f"{seconds(found['generation'])}, a promotion round {seconds(found['round'])}; at the end race "
        f"{seconds(found['race'])}, ablation {seconds(found['ablation'])}, claim {seconds(found['claim'])}",
    ]
