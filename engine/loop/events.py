"""Progress: what a search tells while it runs: a live table, plain lines where it is piped, or JSON lines."""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ...evaluators.language.sanitize import visible


class Progress:
    """Hears what happened; decides nothing. This one says nothing."""

    def say(self, event: str, **facts: Any) -> None:
        """Takes one event.

        One of 'forecast', 'started', 'generation', 'spent', 'promoted', 'concluding', 'note', 'alarm' and
        'ended'.
        """

    def note(self, line: str) -> None:
        """Takes one line for a person."""
        self.say("note", line=line)

    def close(self) -> None:
        """Leaves the terminal as it was found."""


@dataclass
class JsonLines(Progress):
    """One JSON object per event on a stream, for logs and other programs."""

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    clock: Callable[[], float] = time.time

    def say(self, event: str, **facts: Any) -> None:
        """Writes the event with its time in seconds since the epoch."""
        line = {"event": event, "time": round(self.clock(), 3), **facts}
        print(json.dumps(line, default=str), file=self.stream, flush=True)


class Counters(Progress):
    """Counts the whole run, sessions before this one included; says nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._islands: dict[int, Mapping[str, Any]] = {}
        self._done: dict[int, int] = {}
        self._verdicts: Counter[str] = Counter()
        self._duplicates = 0
        self._limits: Mapping[str, float] = {}
        self._spent: Mapping[str, Any] = {}

    def say(self, event: str, **facts: Any) -> None:
        """Counts the event."""
        match event:
            case "started":
                used = facts["used"]
                self._start = self._clock() - used["seconds"]
                self._done = dict(used["generations"])
                self._verdicts, self._duplicates = Counter(used["verdicts"]), used["duplicates"]
                self._limits = facts["limits"]
            case "generation":
                self._islands[facts["island"]] = facts
                self._done[facts["island"]] = facts["generation"]
                self._verdicts.update(facts["verdicts"])
                self._duplicates += facts["duplicates"]
            case "spent":
                self._spent = facts

    def seconds(self) -> float:
        """Seconds of searching so far."""
        return self._clock() - self._start

    def generations(self) -> int:
        """The newest generation that every island has committed; -1 before the first, the seeds."""
        return min(self._done.values(), default=-1)

    def candidates(self) -> str:
        """How many candidates there were, how fast, and what became of them; empty where there were none."""
        born = self._verdicts.total()
        if not born:
            return ""
        shares = ", ".join(f"{name} {count / born:.0%}" for name, count in self._verdicts.most_common())
        speed = born / max(self.seconds(), 1e-9)
        return (
            f"{born:,} candidates, {speed:.1f} a second: {shares}; duplicates {self._duplicates / born:.0%}"
        )

    def spent(self) -> str:
        """What models have cost; empty where none was asked."""
        spent = self._spent
        if not spent or not spent["calls"]:
            return ""
        tokens = spent["tokens_in"] + spent["tokens_out"]
        unpriced = f", {spent['unpriced']:,} of them at no known price" if spent["unpriced"] else ""
        return f"models: {spent['calls']:,} calls, {tokens:,} tokens{unpriced}, ${spent['dollars']:.4f}"

    def time_left(self) -> str:
        """The seconds searched, the seconds left at this speed, and the limit that is reached first."""
        seconds = self.seconds()
        used = {
            "seconds": seconds,
            "generations": self.generations(),
            "candidates": self._verdicts.total(),
        }
        left = {
            name: seconds * max(0.0, limit - used[name]) / used[name]
            for name, limit in self._limits.items()
            if used[name] > 0
        }
        if not left:
            return f"{seconds:.0f} s searched"
        nearest = min(left, key=lambda name: left[name])
        reached = f"{used[nearest]:,.0f} of {self._limits[nearest]:,.0f} {nearest}"
        return f"{seconds:.0f} s searched, about {left[nearest]:.0f} s left ({reached})"


EVERY = 10
"""Trainings of the final judgement from one plain line to the next."""


class Lines(Counters):
    """Plain lines for a person who reads a pipe or a file: one for each generation that all islands have."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._stream = stream or sys.stdout

    def say(self, event: str, **facts: Any) -> None:
        """Writes what is new; the report that follows an end says how it ended."""
        before = self.generations()
        super().say(event, **facts)
        match event:
            case "started":
                self._write(f"{facts['kind']} on {facts['data']}, isolation tier {facts['tier']}")
            case "generation":
                if (done := self.generations()) > before:
                    best = max(
                        self._islands.values(), key=lambda one: (one["score"] is not None, one["score"])
                    )
                    self._write(f"generation {done}: best {best['best']}; {self.time_left()}")
            case "spent" | "ended":
                pass
            case "concluding" if "done" in facts and facts["done"] % EVERY and facts["done"] < facts["of"]:
                pass
            case _:
                self._write(facts["line"])

    def close(self) -> None:
        """Writes the counts of the whole run."""
        for line in filter(None, (self.candidates(), self.spent())):
            self._write(line)

    def _write(self, line: str) -> None:
        print(visible(line), file=self._stream, flush=True)


class Display(Counters):
    """A live display: generation, islands, best with its interval, speed, share by verdict, time left."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._console = console or Console()
        self._headline = "starting workers, loading data"
        self._north_star = "no promotion yet"
        self._live = Live(
            self._render(), console=self._console, refresh_per_second=4, get_renderable=self._render
        )
        self._live.start()

    def say(self, event: str, **facts: Any) -> None:
        """Takes the event into the picture."""
        super().say(event, **facts)
        match event:
            case "started":
                self._headline = f"{facts['kind']} on {facts['data']}"
            case "promoted":
                self._north_star = facts["line"]
            case "concluding" | "ended":
                self._headline = facts["line"]
            case "forecast" | "note":
                self._live.console.print(facts["line"])
            case "alarm":
                self._live.console.print(Text(facts["line"], style="bold red"))
        self._live.refresh()

    def close(self) -> None:
        """Draws the last picture and gives the terminal back."""
        self._live.stop()

    def _render(self) -> Group:
        table = Table(box=None, pad_edge=False)
        columns = ("island", "generation", "best", "programs", "cells")
        for column in columns:
            table.add_column(column, justify="right" if column != "best" else "left")
        for _, facts in sorted(self._islands.items()):
            table.add_row(*(str(facts[column]) for column in columns))
        return Group(
            Text(self._headline, style="bold"),
            table,
            Text(self.candidates()),
            Text(f"north star: {self._north_star}"),
            Text(self.spent()),
            Text(self.time_left()),
        )
