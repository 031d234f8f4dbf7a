"""Terminal: what every command shares: its common options, what it prints, and how a signal ends it."""

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from ...evaluators.language.sanitize import visible
from . import exit_codes

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunDir = Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder or its archive.db.")]
Tasks = Annotated[list[Path] | None, typer.Option("--tasks", help="Folder of a kind of your own.")]
PIPED = 100
"""Columns of what a file or a pipe gets; every table fits them."""
T = TypeVar("T")


def show(value: Any, as_json: bool, text: Any) -> None:
    """Prints the value as JSON or the text for a person."""
    if as_json:
        print(json.dumps(value, indent=2, default=str))
    else:
        console_for_people().print(text, crop=False)


def console_for_people() -> Console:
    """The terminal as wide as it is; a file or a pipe as wide as our tables."""
    return PlainConsole() if sys.stdout.isatty() else PlainConsole(width=PIPED)


class PlainConsole(Console):
    """A console on which text is text: no markup, and no control characters but those of our own styles."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The renderable as segments of visible text."""
        for part in super().render(renderable, options):
            yield part if part.control else Segment(visible(part.text), part.style)


def until_signalled(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; Ctrl-C or SIGTERM cancels it and raises `exit_codes.Stopped`."""

    async def guarded() -> T:
        task = asyncio.ensure_future(work)
        received: list[signal.Signals] = []

        def stop(number: signal.Signals) -> None:
            received.append(number)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        try:
            return await task
        except asyncio.CancelledError:
            raise exit_codes.Stopped(received[0] if received else signal.SIGTERM) from None

    return asyncio.run(guarded())
