"""Entries of the gpu-queue: what a machine with a GPU needs to measure a program, with nothing of it run."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...kernels.gpu_queue.queue import Entry, digest
from ...kernels.operators import Shape
from ...population.values.verdict import Metric, Status, Verdict
from ..kinds.failure import Failed
from ..sandbox import Limits, Sandbox
from . import wire
from .assembler import assembled
from .examination import RUNNER, require_right
from .inside import TARGETS
from .settings import Settings


def entries(
    source: str, settings: Settings, shapes: Sequence[Shape], limits: Limits, sandbox: Sandbox
) -> list[Entry]:
    """One entry for each shape, assembled. Raises Failed where launches alone do not make the result."""
    parameters = {
        "settings": settings.model_dump(mode="json"),
        "sizes": {shape.name: dict(shape.sizes) for shape in shapes},
    }
    outcome = sandbox.run(f"{RUNNER}:order", source, parameters=parameters, limits=limits)
    require_right(outcome, "being recorded for a GPU")
    record = wire.read(outcome.arrays)
    code = {name: array.tobytes() for name, array in outcome.arrays.items() if name != wire.RECORD}
    if any(digest(text) != name for name, text in code.items()):
        raise Failed(Status.CRASHED, "it sent code whose digest is another")
    try:
        made = [Entry.from_json(each) for each in record["entries"]]
        return [_assembled(replace(entry, code=_needed(entry, code)), settings) for entry in made]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Failed(Status.CRASHED, "it sent entries that cannot be read") from None


def order(made: Sequence[Entry]) -> Verdict:
    """The entries as a verdict carries them."""
    plain = [
        {
            "entry": entry.to_json(),
            "code": {name: base64.b64encode(code).decode() for name, code in entry.code.items()},
        }
        for entry in made
    ]
    return Verdict(Status.SCORED, Metric(0.0), facts={"entries": plain})


def _needed(entry: Entry, code: Mapping[str, bytes]) -> dict[str, bytes]:
    return {step.ptx: code[step.ptx] for each in entry.passes.values() for step in each.steps}


def _assembled(entry: Entry, settings: Settings) -> Entry:
    """The same with binaries, made behind the wall that hostile text needs."""
    code: dict[str, bytes] = dict(entry.code)
    passes: dict[str, Any] = {}
    for direction, whole in entry.passes.items():
        steps = []
        for step in whole.steps:
            cubin = assembled(code[step.ptx].decode(), TARGETS[settings.target]).cubin
            code[digest(cubin)] = cubin
            steps.append(replace(step, cubin=digest(cubin)))
        passes[direction] = replace(whole, steps=tuple(steps))
    return replace(entry, passes=passes, code=code)
