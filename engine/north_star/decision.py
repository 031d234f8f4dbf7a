"""Decision: what a team should do with production, from intervals on the claim split. Pure functions."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ...evaluators.statistics import Interval
from .effects import plain

MOST = 25
"""Times the rows or folds beyond which more of them are no advice: the effect is below a fifth of what the
run resolves."""


class Verb(StrEnum):
    """The four decisions."""

    LAUNCH = "launch"
    SWITCH = "switch"
    KEEP = "keep"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Rival:
    """A program that may take production's place: a seed's name or an id, its gain on the claim split.

    `lead` is the evolved program's gain over a known method; None where there is no evolved program.
    """

    program: str
    gain: Interval
    lead: Interval | None = None

    @property
    def name(self) -> str:
        """How lines call it."""
        return short(self.program)

    @property
    def better(self) -> bool:
        """Whether it beats production beyond noise."""
        return self.gain.low > 0

    @property
    def level(self) -> bool:
        """Whether the evolved program is not ahead of this known method beyond noise."""
        return self.lead is None or self.lead.low <= 0


@dataclass(frozen=True)
class Decision:
    """One of four; `program` is whom it names, "" where it is undecided.

    `resolves` is the half-width of the interval that decided, None where nothing was compared. `times` is how
    many times the rows or folds would decide.
    """

    verb: Verb
    program: str
    line: str
    gain: Interval | None = None
    times: int | None = None

    @property
    def resolves(self) -> float | None:
        """The smallest gain that the run tells from none, in the unit of the metric."""
        return _reach(self.gain) if self.gain else None

    def to_json(self) -> dict[str, Any]:
        """As reports hold it, under "decision"."""
        return {
            "decision": str(self.verb),
            "program": self.program or None,
            "line": self.line,
            "resolves": self.resolves,
            "times": self.times,
            "gain": plain(self.gain),
        }


def decide(
    metric: str,
    production: str,
    evolved: Rival | None,
    known: Sequence[Rival],
    raced: Rival | None = None,
    estimated: bool = False,
) -> Decision:
    """The decision from gains over the program `production`, positive is better, in the unit of `metric`.

    `evolved` is the best program of the search, None where the search found none. `known` are the known
    methods that the claim measured; the first, which was chosen before, is tested against production, and it
    alone. Programs that a guardrail or a floor refuses are not among them. `raced` is the best that did not
    reach the claim, with its gain on the selection split: what there is to say where nobody did.
    """
    words = _Words(f"{'estimated ' if estimated else ''}{metric.replace('_', ' ')}", production)
    chosen = next(iter(known), None)
    if evolved is not None and evolved.better:
        return _winner(words, evolved, known)
    if chosen is not None and chosen.better and chosen.level:
        return words.switch(chosen, evolved)
    rivals = [one for one in (evolved, chosen) if one is not None]
    where = "" if rivals else " on the selection split"
    return _unclear(words, max(rivals, key=_estimate, default=raced), where)


def _winner(words: "_Words", evolved: Rival, known: Sequence[Rival]) -> Decision:
    """The evolved program beats production: launched, unless a known method is level with it."""
    level = sorted((one for one in known if one.level), key=_estimate, reverse=True)
    if not level:
        return words.launch(evolved, max(known, key=_estimate, default=None))
    if instead := next((one for one in level if one.better), None):
        return words.switch(instead, evolved)
    return words.tied(evolved, level[0])


def _unclear(words: "_Words", best: Rival | None, where: str) -> Decision:
    """Nothing beats production beyond noise: either nothing proved better, or the run is too small to say."""
    if best is None:
        line = f"keep {short(words.production)}: no other program could be compared with it"
        return Decision(Verb.KEEP, words.production, line)
    gain = best.gain
    if gain.estimate <= 0:
        return words.keep(f"nothing proved better (best{where}: {best.name} {_figures(gain)})", gain)
    times = _times(gain)
    if times > MOST:
        why = f"{best.name} may be better by {_figures(gain)}, below a fifth of what this run resolves"
        return words.keep(why, gain)
    what = f"{words.metric} of {best.name} against {short(words.production)} is {_figures(gain)}"
    return words.undecided(what, gain, times)


@dataclass(frozen=True)
class _Words:
    """The lines of decisions."""

    metric: str
    production: str

    def launch(self, evolved: Rival, next_best: Rival | None) -> Decision:
        ahead = "every known method was behind on the selection split"
        if next_best is not None:
            figures = f"{next_best.name} {_figures(next_best.gain)}"
            ahead = f"ahead of every known method measured (next: {figures})"
        return self._made(Verb.LAUNCH, evolved.program, f"{self._better(evolved)}, {ahead}", evolved.gain)

    def switch(self, method: Rival, evolved: Rival | None) -> Decision:
        added = "evolution added nothing to it"
        if evolved is not None and method.lead is not None:
            where = "behind it beyond noise" if method.lead.high < 0 else "level with it within noise"
            added = f"the evolved {evolved.name} is {where} ({_figures(method.lead)})"
        return self._made(Verb.SWITCH, method.program, f"{self._better(method)}; {added}", method.gain)

    def keep(self, why: str, gain: Interval) -> Decision:
        return self._made(Verb.KEEP, self.production, why, gain)

    def undecided(self, what: str, gain: Interval, times: int) -> Decision:
        line = f"undecided: {what}; {_resolves(gain)}; {times} times the rows or folds would decide"
        return Decision(Verb.UNDECIDED, "", line, gain, times)

    def tied(self, evolved: Rival, method: Rival) -> Decision:
        """The evolved program beats production and is level with a method that does not."""
        assert method.lead is not None  # there is an evolved program
        what = (
            f"{evolved.name} is {self._better(evolved)}, but level with {method.name} within noise "
            f"({_figures(method.lead)}), which is not better beyond noise ({_figures(method.gain)})"
        )
        times = min(_times(method.lead), _times(method.gain))
        return self.undecided(what, evolved.gain, min(MOST, times))

    def _better(self, rival: Rival) -> str:
        return f"{self.metric} better than {short(self.production)} by {_figures(rival.gain, sign='')}"

    def _made(self, verb: Verb, program: str, why: str, gain: Interval) -> Decision:
        to = "to " if verb is Verb.SWITCH else ""
        return Decision(verb, program, f"{verb} {to}{short(program)}: {why}; {_resolves(gain)}", gain)


def recorded(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """The decision of a report; of one of an earlier release, which had none, what its gain comes to."""
    if "decision" in report:
        return dict(report["decision"])
    found, sentence = report["gain"]["beyond_noise"], report["gain"]["sentence"]
    verb = Verb.LAUNCH if found else Verb.KEEP
    program = report["winner"]["program"] if found else report["production"]
    return Decision(verb, program, f"{verb} {short(program)}: {sentence}").to_json()


def short(program: str) -> str:
    """A seed's name as it is, an id by its first eight digits."""
    return program[:8] if re.fullmatch(r"[0-9a-f]{16}", program) else program


def _estimate(rival: Rival) -> float:
    return rival.gain.estimate


def _reach(gain: Interval) -> float:
    """The half-width of the interval."""
    return (gain.high - gain.low) / 2


def _times(gain: Interval) -> int:
    """How many times the measurements bring the interval off zero, two at the least; MOST + 1 for more, or
    for never."""
    if gain.estimate <= 0:
        return MOST + 1
    return min(MOST + 1, max(2, math.ceil((_reach(gain) / gain.estimate) ** 2)))


def _resolves(gain: Interval) -> str:
    return f"this run resolves ±{_number(_reach(gain), '')}"


def _figures(gain: Interval, sign: str = "+") -> str:
    low, high = (_number(end, "+" if sign else "") for end in (gain.low, gain.high))
    return f"{_number(gain.estimate, sign)} [{low}, {high}]"


def _number(value: float, sign: str) -> str:
    """Four decimals, or three digits where those would say nothing or too much."""
    return f"{value:{sign}.4f}" if 1e-3 <= abs(value) < 100 or value == 0 else f"{value:{sign}.3g}"
