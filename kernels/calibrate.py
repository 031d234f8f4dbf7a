"""Fits a calibration to what a GPU said: `python -m recevolve.kernels.calibrate QUEUE RESULTS -o FILE`.

QUEUE is a gpu-queue that `python -m recevolve.kernels.bench --queue` wrote, with what the model said of each
entry beside it; RESULTS is what `python -m recevolve.kernels.measure` made of it. Needs no GPU.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from .estimate.calibration import Calibration, Point, Variant, calibrate
from .estimate.device import DEVICES
from .gpu_queue.queue import write_whole
from .json_values import from_plain, to_plain
from .timing.measurements import Measurements, Result

VARIANTS = "variants.json"
"""The file in a queue that says what the model said of its entries, by id."""


def keep(folder: Path, variants: Mapping[str, Variant]) -> None:
    """Adds variants to those that lie beside a queue's entries."""
    file = folder / VARIANTS
    known = {**(kept(folder) if file.exists() else {}), **variants}
    write_whole(file, json.dumps(to_plain(known), indent=1, sort_keys=True).encode())


def kept(folder: Path) -> dict[str, Variant]:
    """The variants beside a queue's entries, by id. FileNotFoundError where there are none."""
    return {
        name: from_plain(Variant, each) for name, each in json.loads((folder / VARIANTS).read_text()).items()
    }


def fitted(folder: Path, results: Path) -> Calibration:
    """The calibration of the device that the results are from, as of when they were made.

    ValueError for a device of which there is no model, and where too little was measured.
    """
    measured = Measurements.load(results)
    machine = measured.machine
    if machine.device not in DEVICES:
        raise ValueError(
            f"expected results of one of {', '.join(DEVICES)}, got {machine.device}: "
            "describe it in kernels/estimate/device.py first"
        )
    device = DEVICES[machine.device]
    made = datetime.fromisoformat(machine.started).date().isoformat()
    points = points_of(measured.results, kept(folder))
    return calibrate(points, device.name, made, machine.versions, device.overlap)


def points_of(results: Iterable[Result], variants: Mapping[str, Variant]) -> list[Point]:
    """What results of the gpu-queue say of these variants, by entry, one point a direction.

    The time is the median of cold calls. Entries that were not measured, or of which no variant is known, are
    left out.
    """
    return [
        Point(
            f"{variant.family} {direction}",
            f"{variant.task} {direction}",
            variant.parts[direction],
            timing.cold.median,
        )
        for result in results
        if (variant := variants.get(result.id)) is not None
        for direction, timing in result.timings.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 2 with a sentence where the files cannot give a calibration."""
    parser = argparse.ArgumentParser(prog="recevolve.kernels.calibrate", description=__doc__)
    parser.add_argument("queue", type=Path, metavar="QUEUE", help="folder of the gpu-queue")
    parser.add_argument("results", type=Path, metavar="RESULTS", help="file of `kernels.measure`")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the calibration")
    options = parser.parse_args(arguments)
    try:
        made = fitted(options.queue, options.results)
    except (OSError, ValueError, KeyError) as error:
        print(f"no calibration: {error}", file=sys.stderr)
        return 2
    made.save(options.output)
    print(made.trust)
    for each in made.held_out:
        ranks = "" if each.correlation is None else f", rank correlation {each.correlation:.2f}"
        print(f"without {each.family}: error {each.error:.0%}{ranks}, regret {each.regret:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
