"""Progress: what a person sees while a search runs. A live table on a terminal, JSON lines otherwise."""

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


class Progress:
    """Hears what happened; decides nothing. This one says nothing."""

    def say(self, event: str, **facts: Any) -> None:
        """Takes one event.

        One of 'started', 'generation', 'spent', 'promoted', 'concluding', 'note', 'alarm' and 'ended'.
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


class Display(Progress):
    """A live display: generation, islands, best with its interval, speed, share by verdict, time left."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console()
        self._clock = clock
        self._start = clock()
        self._islands: dict[int, Mapping[str, Any]] = {}
        self._verdicts: Counter[str] = Counter()
        self._facts: dict[str, Any] = {}
        self._headline = "starting workers, loading data"
        self._live = Live(
            self._render(), console=self._console, refresh_per_second=4, get_renderable=self._render
        )
        self._live.start()

    def say(self, event: str, **facts: Any) -> None:
        """Takes the event into the picture."""
        match event:
            case "started":
                self._facts |= facts
                self._headline = f"{facts['kind']} on {facts['data']}"
            case "generation":
                self._islands[facts["island"]] = facts
                self._verdicts.update(facts["verdicts"])
            case "promoted":
                self._facts["north_star"] = facts["line"]
            case "spent":
                self._facts["spent"] = facts
            case "concluding":
                self._headline = facts["line"]
            case "note":
                self._live.console.print(facts["line"])
            case "alarm":
                self._live.console.print(Text(facts["line"], style="bold red"))
            case "ended":
                self._headline = facts["line"]
        self._live.refresh()

    def close(self) -> None:
        """Draws the last picture and gives the terminal back."""
        self._live.stop()

    def _render(self) -> Group:
        seconds = self._clock() - self._start
        born = sum(self._verdicts.values())
        table = Table(box=None, pad_edge=False)
        columns = ("island", "generation", "best", "programs", "cells")
        for column in columns:
            table.add_column(column, justify="right" if column != "best" else "left")
        for _, facts in sorted(self._islands.items()):
            table.add_row(*(str(facts[column]) for column in columns))
        shares = ", ".join(f"{name} {count / born:.0%}" for name, count in self._verdicts.most_common())
        return Group(
            Text(self._headline, style="bold"),
            table,
            Text(f"{born:,} candidates, {born / max(seconds, 1e-9):.1f} a second: {shares}" if born else ""),
            Text(f"north star: {self._facts.get('north_star', 'no promotion yet')}"),
            Text(self._spent()),
            Text(self._time_left(seconds)),
        )

    def _spent(self) -> str:
        """What models have cost so far; nothing where none was asked."""
        spent = self._facts.get("spent")
        if not spent or not spent["calls"]:
            return ""
        tokens = spent["tokens_in"] + spent["tokens_out"]
        unpriced = f", {spent['unpriced']:,} of them at no known price" if spent["unpriced"] else ""
        return f"models: {spent['calls']:,} calls, {tokens:,} tokens{unpriced}, ${spent['dollars']:.4f}"

    def _time_left(self, seconds: float) -> str:
        if "seconds" not in self._facts:
            return f"{seconds:.0f} s"
        budget_left = max(0.0, self._facts["seconds"] - seconds)
        done = min((facts["generation"] for facts in self._islands.values()), default=0)
        left = budget_left
        if done:
            left = min(left, seconds / done * (self._facts["generations"] - done))
        return f"{seconds:.0f} s searched, about {left:.0f} s left, then the final judgement"
