"""Journal: the archive as prompts see it. One line for each experiment, best first, failures by pattern.

A journal shows island i at generation g its own candidates before g, and those and the promotions of all
islands up to the last promotion round before g. Nothing that another island does meanwhile changes it. It
never holds a result on the split that the report's claim rests on.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

from ...evaluators.language.sanitize import one_line
from ...population.archive.experiments import effects
from ...population.archive.history import Failure, History, Tried, ranked
from ...population.archive.views import Views
from ...population.values.evaluation import Stage
from ...population.values.experiment import Outcome, State
from ...population.values.verdict import Status, Verdict
from ..config.config import Config
from ..config.experiments import Online
from ..north_star.ablation import of_experiments
from ..north_star.alignment import round_before
from ..north_star.promotion import broken
from .source_diff import difference

WARM_START = "warm start"
"""The conclusion under which an archive keeps what it took over from an earlier run."""
CHARACTERS_PER_TOKEN = 3.2
FAILURES_SHARE = 0.2
"""Share of the entries that failures may take."""
PROMOTED_SHARE = 0.25
"""Share of the entries that stands to programs the north star measured, however low their proxy is."""
EARLIER_SHARE = 0.25
"""Share of what is left that an earlier run's entries may take from this one's."""
REMEMBERED = 8192
DELTA, EXPLANATION = 200, 140
"""Characters of a line that they may take."""


@dataclass(frozen=True, slots=True)
class Star:
    """What the north star said: the mean gain over production on the selection split, higher is better.

    Or the effect that its experiment measured, and then `source` says who answered. `error` is its standard
    error. `reason` says why there is no gain, or which guardrail broke.
    """

    gain: float | None
    error: float | None = None
    reason: str = ""
    source: str = ""

    def __str__(self) -> str:
        gain = f"{self.gain:+.3g}" if self.gain is not None else "failed"
        error = f" ± {self.error:.1g}" if self.error is not None else ""
        notes = [self.source, one_line(self.reason, 120)]
        return f"{gain}{error}" + (f" ({', '.join(filter(None, notes))})" if any(notes) else "")


@dataclass(frozen=True, slots=True)
class Entry:
    """One experiment, or a kind of failure that `count` of them share.

    `score` is the proxy's, higher is better; `gain` what it added to the first parent's, where the two came
    equally far. `stopped` says that it lost the race before its last rung.
    `star` is None where the north star has not been asked. `earlier` marks another run's.
    """

    program_id: str
    delta: str
    explanation: str
    made_by: str
    stage: str
    status: str
    score: float | None = None
    spread: float | None = None
    gain: float | None = None
    star: Star | None = None
    reason: str = ""
    stopped: bool = False
    count: int = 1
    earlier: bool = False

    def __str__(self) -> str:
        """The entry on one line."""
        change = f"{one_line(self.delta, DELTA)} | {one_line(self.explanation, EXPLANATION)}"
        if self.score is None:
            earlier = "from an earlier run: " if self.earlier else ""
            failed = f"{self.count}x {self.status} at {self.stage}: {one_line(self.reason, DELTA)}"
            return f"{earlier}{failed} | for example: {change}"
        spread = f" ± {self.spread:.1g}" if self.spread else ""
        facts = [f"score {self.score:.6g}{spread}"]
        if self.gain is not None:
            facts.append(f"{self.gain:+.3g} over its parent")
        if self.stopped:
            facts.append(f"stopped at {self.stage}")
        if self.star is not None:
            facts.append(f"north star {self.star} over production")
        if self.earlier:
            facts.append("from an earlier run")
        return f"{', '.join(facts)} | {change}"


def estimate(text: str) -> int:
    """About how many tokens a model counts in the text; more rather than fewer for English and Python."""
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def render(entries: Sequence[Entry]) -> str:
    """The entries, a line each."""
    return "\n".join(map(str, entries))


class Journal:
    """The journal of one archive. `limits` are the largest values allowed of guardrail metrics."""

    def __init__(self, archive: Views, config: Config, limits: Mapping[str, float] | None = None) -> None:
        self._archive = archive
        self._config = config
        self._limits = {**(limits or {}), **config.guardrails}
        self._past = History(archive.connection, config.propose.journal_entries)
        self._stars: tuple[int, dict[str, Star], tuple[float, ...]] = (-1, {}, ())
        self._answered = lru_cache(1)(partial(answered, archive, config.online))
        self._difference = lru_cache(REMEMBERED)(self._differs)

    def last_round(self, generation: int) -> int:
        """The last generation before this one at which all islands met; below 0 before the first."""
        return round_before(generation, self._config.north_star.every)

    @cached_property
    def production(self) -> str:
        """The id of the program in production. Asked once the first island's first generation is there."""
        return self._archive.evaluations(0, 0)[0].program.id

    def entries(self, island: int, generation: int, tokens: int | None = None) -> tuple[Entry, ...]:
        """What the island may know at that generation: scored ones first, best first, then failures.

        At most `propose.journal_entries`, of at most `tokens` tokens (`propose.journal_tokens` where none).
        """
        round_at = self.last_round(generation)
        return self._within(round_at, {**self._all(round_at), island: generation - 1}, tokens)

    def entries_at(self, round_at: int, tokens: int | None = None) -> tuple[Entry, ...]:
        """What all islands know at a promotion round."""
        return self._within(round_at, self._all(round_at), tokens)

    def whole(self) -> tuple[Entry, ...]:
        """What the archive holds at the end of a run, however far each island came."""
        last = self._archive.generations()
        untils = {island: number for island, number in last.items() if number is not None}
        round_at = self.last_round(min(untils.values()) + 1) if untils else -1
        return self._within(round_at, untils, None)

    def failures(self, island: int, generation: int, most: int) -> tuple[Entry, ...]:
        """The island's latest failures before that generation, each pattern once, the newest first."""
        known = self._past.tally(island, generation - 1).failures.values()
        latest = sorted(known, key=lambda one: one.latest.place, reverse=True)
        return tuple(self._failure(one) for one in latest[:most])

    def evaluation_of(self, program_id: str, island: int, generation: int) -> Tried | None:
        """The evaluation of a program, as far as the island may know it at that generation."""
        return self._past.seen(program_id, self.last_round(generation), island, generation - 1)

    def star_of(self, program_id: str, generation: int) -> Star | None:
        """What the north star said of a program up to the promotion round before that generation, or None."""
        stars = self._measured(self.last_round(generation))
        if program_id in stars or not self._config.online.on:
            return stars.get(program_id)
        cut_from = (parent for one in self._archive.ablations(program_id) for parent in one.program.parents)
        return next((stars[parent] for parent in cut_from if parent in stars), None)

    @cached_property
    def warm_start(self) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
        """(entries, lessons) taken over from an earlier run before this one began."""
        kept = self._archive.conclusion(WARM_START) or {"entries": (), "lessons": ()}
        return tuple(map(entry_from, kept["entries"])), tuple(kept["lessons"])

    def _all(self, round_at: int) -> dict[int, int]:
        """Every island up to the promotion round."""
        return dict.fromkeys(range(self._config.population.islands), round_at)

    def _within(self, round_at: int, untils: Mapping[int, int], tokens: int | None) -> tuple[Entry, ...]:
        """The journal of each island up to its own generation, cut to size."""
        rules = self._config.propose
        budget = rules.journal_tokens if tokens is None else min(tokens, rules.journal_tokens)
        places = rules.journal_entries
        tallies = [self._past.tally(island, until) for island, until in untils.items()]
        failures = self._failures([failure for tally in tallies for failure in tally.failures.values()])
        failed = _fitting(failures, int(budget * FAILURES_SHARE))
        places, budget = places - len(failed), budget - _cost(failed)
        before = _fitting(self.warm_start[0], int(budget * EARLIER_SHARE))[: int(places * EARLIER_SHARE)]
        stars = self._measured(round_at)
        tried = [one for tally in tallies for one in tally.best]
        chosen = self._chosen(tried, stars, round_at, places - len(before))
        furthest = max((one.stage for one in chosen), default="")
        own = _fitting((self._scored(one, stars, furthest) for one in chosen), budget - _cost(before))
        earlier = _fitting(self.warm_start[0], budget - _cost(own))[: places - len(own)]
        return (*own, *earlier, *failed)

    def _chosen(
        self, tried: Sequence[Tried], stars: Mapping[str, Star], round_at: int, places: int
    ) -> list[Tried]:
        """The scored candidates to show: some for their north star, others for their proxy; best first."""
        measured = sorted(stars, key=lambda each: (-_merit(stars[each]), each))
        found: dict[str, Tried] = {}
        for program_id in measured[: int(places * PROMOTED_SHARE)]:
            evaluation = self._past.seen(program_id, round_at)
            if evaluation is not None and evaluation.parent and evaluation.score is not None:
                found[program_id] = evaluation
        for one in ranked(tried):
            if len(found) >= places:
                break
            found.setdefault(one.program_id, one)
        return ranked(found.values())

    def _scored(self, one: Tried, stars: Mapping[str, Star], furthest: str) -> Entry:
        final = self._past.final(one.parent)
        gain = one.score - final[1] if final and one.score is not None and final[0] == one.stage else None
        return Entry(
            program_id=one.program_id,
            delta=self._difference(one.parent, one.program_id),
            explanation=one.explanation,
            made_by=one.made_by,
            stage=one.stage,
            status=str(one.status),
            score=one.score,
            spread=one.spread,
            gain=gain,
            star=stars.get(one.program_id),
            stopped=one.stage != furthest,
        )

    def _failures(self, failures: Sequence[Failure]) -> list[Entry]:
        """The failures of all islands together, the commonest first."""
        kinds: dict[tuple[str, Status, str], Failure] = {}
        for one in sorted(failures, key=lambda each: each.latest.place):
            kind = one.stage, one.status, one.pattern
            before = kinds[kind].count if kind in kinds else 0
            kinds[kind] = Failure(*kind, count=before + one.count, latest=one.latest)
        common = sorted(kinds.items(), key=lambda item: (-item[1].count, item[0]))
        most = int(self._config.propose.journal_entries * FAILURES_SHARE)
        return [self._failure(one) for _, one in common[:most]]

    def _failure(self, failure: Failure) -> Entry:
        one = failure.latest
        return Entry(
            one.program_id,
            self._difference(one.parent, one.program_id),
            one.explanation,
            one.made_by,
            one.stage,
            str(one.status),
            reason=one.reason if failure.count == 1 else failure.pattern,
            count=failure.count,
        )

    def _differs(self, parent: str, program: str) -> str:
        return difference(self._archive.source(parent), self._archive.source(program), DELTA)

    def _measured(self, round_at: int) -> Mapping[str, Star]:
        """What the north star said of each program up to the promotion round."""
        if self._config.online.on:
            return self._answered(round_at)
        done, stars, home = self._stars
        if round_at < done:
            done, stars, home = -1, {}, ()
        if round_at > done:
            stars = dict(stars)
            every = self._config.north_star.every
            for generation in range((done // every + 1) * every, round_at + 1, every):
                home = self._read(generation, stars, home)
            self._stars = round_at, stars, home
        return stars

    def _read(self, generation: int, stars: dict[str, Star], home: tuple[float, ...]) -> tuple[float, ...]:
        """Adds the stars of one promotion round; the scores of production, by fold, come back."""
        known: dict[str, dict[tuple[str, int], Verdict]] = {}
        for one in self._archive.promotions(generation):
            known.setdefault(one.program_id, {})[one.split, one.fold] = one.verdict
        for program_id in sorted(known, key=lambda each: each != self.production):
            verdicts = known[program_id]
            folds = [verdicts[place] for place in sorted(verdicts) if place[0] == "selection"]
            if program_id == self.production:
                home = tuple(one.score.value for one in folds if one.score)
                continue
            guard = verdicts.get((Stage.GUARD, 0))
            stars[program_id] = _star(folds, home, broken(guard, self._limits) if guard else ())
        return home


def answered(archive: Views, rules: Online, round_at: int) -> dict[str, Star]:
    """What experiments said of each program, as it was known at the promotion round.

    Under the elite, where that was tried without its idle edits: the journal shows what proposers made.
    """
    book = archive.experiments()
    mark = book.mark(round_at)
    if mark is None:
        return {}
    gains = effects(book.looks(mark.looks), rules.deciding)
    elite = {tried: kept["program"] for tried, kept in of_experiments(archive).items()}
    stars = {}
    for one in book.all(mark.transitions):
        found = gains.get(one.id)
        ended = one.outcome is Outcome.INVALID or one.state is State.ROLLED_BACK
        reason = one.reason if ended else ""
        if found or reason:
            gain, error = (found.estimate, found.error) if found else (None, None)
            stars[elite.get(one.program_id, one.program_id)] = Star(gain, error, reason, one.backend)
    return stars


def _star(folds: Sequence[Verdict], home: Sequence[float], limits: Sequence[str]) -> Star:
    """The gain over production, fold by fold, with its standard error."""
    if failed := next((one.reason for one in folds if not one.score), None):
        return Star(None, reason=failed)
    gains = [one.score.value - base for one, base in zip(folds, home, strict=False) if one.score]
    if not gains:
        return Star(None, reason="no fold to compare")
    mean = math.fsum(gains) / len(gains)
    error = None
    if len(gains) > 1:
        error = math.sqrt(math.fsum((gain - mean) ** 2 for gain in gains) / (len(gains) - 1) / len(gains))
    return Star(mean, error, "; ".join(limits))


def _merit(star: Star) -> float:
    return -math.inf if star.gain is None or star.reason else star.gain


def _fitting(entries: Iterable[Entry], tokens: int) -> list[Entry]:
    """The first entries that take no more than `tokens` tokens together."""
    fitting: list[Entry] = []
    for entry in entries:
        tokens -= estimate(f"{entry}\n")
        if tokens < 0:
            break
        fitting.append(entry)
    return fitting


def _cost(entries: Iterable[Entry]) -> int:
    return sum(estimate(f"{entry}\n") for entry in entries)


def entry_from(kept: Mapping[str, Any]) -> Entry:
    """The entry in the form that `asdict` gives it."""
    star = kept["star"]
    return Entry(**{**kept, "star": Star(**star) if star else None})
