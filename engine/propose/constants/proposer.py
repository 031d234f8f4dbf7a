"""ConstantsProposer: an elite with other numbers, by CMA-ES. Structure is left to the other proposers.

Covariance matrix adaptation: Hansen 2016, https://arxiv.org/abs/1604.00772, by the package `cmaes`. Nothing
is kept between runs: an optimiser is what the recorded trials of its family make of it, told in their order.
Trials that it did not draw itself and its best one, told again, are injected as in Hansen 2011,
https://arxiv.org/abs/1110.4181.
"""

from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import accumulate, islice

import numpy as np
from cmaes import CMA, SepCMA

from ....evaluators.language.canonical import syntax_hash
from ....evaluators.language.literals import Numbers, Scale, normal, numbers, outline
from ....evaluators.language.rules import Rules
from ....evaluators.language.static import check
from ....evaluators.language.vocabulary import Vocabulary
from ....population.archive.views import Views
from ....population.values.evaluation import Evaluation
from ....population.values.verdict import Status
from ...loop.proposer import NoProposal, Place, Proposal, Request

NAME = "constants"
NOTHING = "nothing to tune"
STEP = 0.5
"""The first standard deviation, in the coordinates of `Scale`: a factor of 1.6."""
MANY = 12
"""From so many numbers on the covariance is taken for diagonal, which fewer trials can learn."""
PATIENCE = 2
"""Cohorts without a gain after which a family is left alone."""
GAIN = 0.03
"""Share of what tuning has gained so far that counts as a further gain."""
SPARSE = 0.7
"""The chance of a step from the best trial along a few of the coordinates, one or two on average, instead of
one along all of them from the mean: with few trials for many numbers it gains more often."""
FLIP = 0.1
"""The chance that a proposal turns one of the switches."""
ELITES = 8
"""How many families a proposal chooses from. The better and the less tuned a family, the more often: a new
structure has to be tuned before it can compete with one that was."""
MOST_TRIES = 12
REMEMBERED = 256
Merit = tuple[int, float]
"""The last rung that was run and the score there; what failed is below all."""
FAILED: Merit = (-1, 0.0)
_NORMAL = frozenset({"syntax", "constants"})
"""Who writes programs in the normal text, so that it need not be made again."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate of a family: its generation and numbers, how it did, what it was tuned from, if it was."""

    generation: int
    values: tuple[float, ...]
    merit: Merit
    tuned_from: str = ""


@dataclass
class Families:
    """The evaluations of one island by skeleton, read from the archive generation by generation.

    Holds numbers only, no sources: what it answers depends on the archive alone, however it came to know it.
    """

    archive: Views
    island: int
    _read: int = 0
    _trials: dict[str, list[Trial]] = field(default_factory=dict)
    _merits: dict[str, Merit] = field(default_factory=dict)

    def before(self, generation: int, skeleton: str) -> Sequence[Trial]:
        """The family's trials of earlier generations, and maybe of later ones behind them; oldest first."""
        for number in range(self._read, generation):
            for evaluation in self.archive.evaluations(self.island, number):
                self._add(evaluation)
            self._read = number + 1
        return self._trials.get(skeleton, ())

    def _add(self, evaluation: Evaluation) -> None:
        merit = self._merit(evaluation)
        if merit is None:
            return
        program = evaluation.program
        self._merits.setdefault(program.id, merit)
        text = program.source if program.made_by in _NORMAL else normal(program.source)
        skeleton, values = outline(text)
        parent = program.parents[0] if program.made_by == NAME and program.parents else ""
        self._trials.setdefault(skeleton, []).append(Trial(evaluation.generation, values, merit, parent))

    def _merit(self, evaluation: Evaluation) -> Merit | None:
        """None where the evaluation says nothing of its program, or nothing that compares."""
        if evaluation.duplicate_of:
            return self._merits.get(evaluation.duplicate_of)
        if evaluation.verdict.status is Status.INFRASTRUCTURE or evaluation.stage == "static":
            return None
        if evaluation.verdict.score is None:
            return FAILED
        return int(evaluation.stage.rpartition(" ")[2]), evaluation.verdict.score.value


class Tuning:
    """One family's optimiser, told the family's trials in their order as far as they are known."""

    def __init__(self, start: Numbers) -> None:
        """`start` is the program that tuning starts from."""
        self.places = tuple(place for place in start.places if place.role != "flag")
        self.scales = tuple(Scale.of(start.values[place.index], place.bounds) for place in self.places)
        kind = CMA if len(self.places) < MANY else SepCMA
        self.optimizer = kind(mean=self._point(start.values), sigma=STEP, seed=0)
        self.read = 0
        self.generation = 0
        self._tuned = False
        self._cohort: list[tuple[np.ndarray, Merit]] = []
        self._first = self._best = FAILED
        self._leader = self._point(start.values)
        self._idle = self._tried = 0

    def _point(self, values: Sequence[float]) -> np.ndarray:
        pairs = zip(self.places, self.scales, strict=True)
        return np.array([scale.place(values[place.index]) for place, scale in pairs])

    def tell(self, trial: Trial) -> None:
        """Takes in one more trial. Those from before tuning began only say what is to be beaten."""
        self.generation = trial.generation
        gained = self._gained(trial.merit)
        if trial.merit > self._best:
            self._best, self._leader = trial.merit, self._point(trial.values)
        self._tuned = self._tuned or bool(trial.tuned_from)
        if not self._tuned:
            self._first = self._best
            return
        self._idle = 0 if gained else self._idle + bool(trial.tuned_from)
        self._tried += 1
        self._cohort.append((self._point(trial.values), trial.merit))
        if len(self._cohort) == self.optimizer.population_size - 1:
            self._adapt()

    def _adapt(self) -> None:
        """One step of the optimiser, by ranks, with the family's best as one of the cohort.

        Without the best, half as many trials more are needed for the same gain in two to six dimensions.
        """
        cohort = [*self._cohort, (self._leader, self._best)]
        merits = sorted({merit for _, merit in cohort}, reverse=True)
        self.optimizer.tell([(point, float(merits.index(merit))) for point, merit in cohort])
        self._cohort = []

    def _gained(self, merit: Merit) -> bool:
        (rung, best), first = self._best, self._first
        if merit[0] != rung or first[0] != rung:
            return merit > self._best
        return merit[1] > best + GAIN * (best - first[1])

    @property
    def exhausted(self) -> bool:
        """Whether further trials promise nothing."""
        return self._idle >= PATIENCE * self.optimizer.population_size or bool(self.optimizer.should_stop())

    @property
    def promise(self) -> float:
        """1 for a family that was not tuned yet, half of it after one cohort, a third after two."""
        return float(1 / (1 + self._tried / self.optimizer.population_size))

    def draw(self, rng: np.random.Generator) -> dict[int, float]:
        """Values by index, drawn from what was learnt; whole numbers are rounded up or down by chance."""
        self.optimizer.reseed_rng(int(rng.integers(2**32)))
        drawn, count = self.optimizer.ask(), len(self.places)
        if rng.random() < SPARSE:
            moved = rng.random(count) < 0.5 / count
            moved[rng.integers(count)] = True
            drawn = np.where(moved, self._leader + drawn - self.optimizer.mean, self._leader)
        values = {}
        for scale, place, at in zip(self.scales, self.places, drawn, strict=True):
            value = scale.value(float(at))
            if place.choices:
                value = min(place.choices, key=lambda choice: abs(scale.place(choice) - float(at)))
            elif place.role == "whole":
                value = min(max(float(np.floor(value + rng.random())), place.bounds[0]), place.bounds[1])
            values[place.index] = value
        return values


@dataclass(frozen=True, slots=True)
class _Elite:
    """A program of the island, with the tuning of its family."""

    program_id: str
    numbers: Numbers
    tuning: Tuning


class ConstantsProposer:
    """Proposes an elite of the island with other values of its numbers.

    A child is an ordinary program: it obeys the rules, and no program of the island had its tree before.
    """

    def __init__(self, archive: Views, rules: Rules, vocabulary: Vocabulary) -> None:
        self._archive = archive
        self._rules = rules
        self._numbers = lru_cache(REMEMBERED)(partial(numbers, layout=vocabulary.layout))
        self._families: dict[int, Families] = {}
        self._tunings: dict[tuple[int, str, tuple[float, ...]], Tuning] = {}

    async def propose(self, request: Request) -> Proposal:
        """One proposal, a function of the request and of earlier generations. NoProposal: nothing to tune."""
        known = {syntax_hash(member.source) for member in request.population}
        left = list(islice(self._elites(request), ELITES))
        weights = [one.tuning.promise / (rank + 1) for rank, one in enumerate(left)]
        while left:
            steps = list(accumulate(weights))
            chosen = min(bisect(steps, request.rng.random() * steps[-1]), len(left) - 1)
            del weights[chosen]
            if proposal := self._child(left.pop(chosen), request, known):
                return proposal
        raise NoProposal("no program of the island has numbers that tuning could still better", NOTHING)

    def _elites(self, request: Request) -> Iterator[_Elite]:
        """The best of each family whose tuning is not exhausted, best first."""
        seen = set()
        for member in request.population:
            found = self._numbers(member.source)
            if (family := (found.skeleton, found.fixed)) in seen:
                continue
            seen.add(family)
            if any(place.role != "flag" for place in found.places):
                tuning = self._tuning(request.place, found)
                if not tuning.exhausted:
                    yield _Elite(member.program_id, found, tuning)

    def _tuning(self, place: Place, elite: Numbers) -> Tuning:
        """The tuning of the elite's family, told what was born before the place's generation.

        It starts from the parent of the family's first tuned child: the elite may be another one each time.
        """
        families = self._families.setdefault(place.island, Families(self._archive, place.island))
        trials = families.before(place.generation, elite.skeleton)
        key = place.island, elite.skeleton, elite.fixed
        tuning = self._tunings.pop(key, None)
        if tuning is None or tuning.generation >= place.generation:
            first = next((one for one in trials if one.tuned_from and elite.akin(one.values)), None)
            if first is None or first.generation >= place.generation:
                return Tuning(elite)
            start = self._numbers(self._archive.program(first.tuned_from).source)
            if start.fixed != elite.fixed or start.skeleton != elite.skeleton:
                return Tuning(elite)
            tuning = Tuning(start)
        for trial in trials[tuning.read :]:
            if trial.generation >= place.generation:
                break
            tuning.read += 1
            if elite.akin(trial.values):
                tuning.tell(trial)
        self._tunings[key] = tuning
        if len(self._tunings) > REMEMBERED:
            del self._tunings[next(iter(self._tunings))]
        return tuning

    def _child(self, elite: _Elite, request: Request, known: set[str]) -> Proposal | None:
        """A child of the elite that is new, or None where none was drawn."""
        place = request.place
        flags = [one for one in elite.numbers.places if one.role == "flag"]
        for _ in range(MOST_TRIES):
            values = elite.tuning.draw(request.rng)
            if flags and request.rng.random() < FLIP:
                flag = flags[int(request.rng.integers(len(flags)))]
                values[flag.index] = 1.0 - elite.numbers.values[flag.index]
            source = elite.numbers.changed(values)
            if source == elite.numbers.text or check(source, self._rules):
                continue
            digest = syntax_hash(source)
            if digest not in known and not self._archive.duplicate(
                place.island, "syntax_hash", digest, place.generation
            ):
                return Proposal(source, (elite.program_id,), NAME, elite.numbers.words(values))
        return None
