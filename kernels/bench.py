"""The gate, then one table: `python -m recevolve.kernels.bench`, with a GPU measured, without one estimated.

Needs torch, triton and numpy, and of us this package alone: from a checkout, `PYTHONPATH=src`.
"""

import argparse
import itertools
import json
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
import triton

from . import calibrate, measure
from .bench_table import estimated, measured
from .bench_table.rows import Row, table
from .estimate import calibration
from .estimate.device import H100
from .gate.backends import Backend, Interpreted, Native
from .gate.gate import CHECKS, gate
from .gate.report import Report
from .gpu_queue import queue, record_entry
from .operators import DTYPES, OPERATORS, Operator, Shape, Sizes
from .record.load_source import load_program
from .timing.clock import ROUNDS

Program = Mapping[str, Any]
Maker = Callable[[Operator, Program, Program | None, Shape, torch.dtype], list[Row]]
"""Rows of an operator's program, and of the one before, at a shape in a dtype."""
PROGRAMS = Path(__file__).parent / "ops" / "programs"
_QUICK_SIZES = 3
_BRIEF = ("value", "work")
"""Checks before a row without `--check`: a number stands on a green gate."""
_DTYPES = {str(each).removeprefix("torch."): each for each in DTYPES}


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 where the gate found something."""
    options = _parser().parse_args(arguments)
    options.dtype = [_DTYPES[name] for name in options.dtype or _DTYPES]
    gpu = torch.cuda.is_available()
    backend: Backend = Native() if gpu else Interpreted()
    texts = {name: (PROGRAMS / f"{name}.py").read_text() for name in options.operator or OPERATORS}
    if options.check:
        return _check(texts, options, backend)
    if options.queue:
        return _order(texts, options)
    previous = json.loads(options.baseline.read_text())["programs"] if options.baseline else {}
    make: Maker
    if gpu:
        make = partial(measured.rows, gpu=measure.gpu(), seed=options.seed, rounds=options.rounds)
    else:
        weights = calibration.load(options.calibration) if options.calibration else None
        make = partial(estimated.rows, calibration=weights)
    rows: list[Row] = []
    for name, text in texts.items():
        rows += _rows(OPERATORS[name], text, previous.get(name), options, make, backend)
    print(_heading())
    print(table(rows))
    if options.json:
        plain = {"heading": _heading(), "rows": [asdict(row) for row in rows], "programs": texts}
        options.json.write_text(json.dumps(plain, indent=1))
    return int(any(row.kind == "red" for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="recevolve.kernels.bench", description=__doc__)
    shapes = sorted({shape.name for each in OPERATORS.values() for shape in each.real})
    chosen: dict[str, Any] = {"action": "append", "metavar": "NAME"}
    parser.add_argument(
        "--check", action="store_true", help="only the gate, in full: a line an operator and dtype"
    )
    parser.add_argument(
        "--quick", action="store_true", help="with --check, three sizes and the cheapest checks"
    )
    parser.add_argument("--operator", choices=sorted(OPERATORS), help="this operator; repeatable", **chosen)
    parser.add_argument("--shape", choices=shapes, help="this shape; repeatable", **chosen)
    parser.add_argument("--dtype", choices=sorted(_DTYPES), help="this dtype; repeatable", **chosen)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write rows and programs here")
    parser.add_argument("--baseline", type=Path, metavar="FILE", help="a file of --json to compare with")
    parser.add_argument(
        "--queue", type=Path, metavar="FOLDER", help="leave these rows in a gpu-queue instead"
    )
    parser.add_argument(
        "--calibration", type=Path, metavar="FILE", help="of estimates; see docs/estimates.md"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of a comparison on a GPU (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of sizes and inputs (%(default)s)")
    return parser


def _check(texts: Mapping[str, str], options: argparse.Namespace, backend: Backend) -> int:
    """A line for each operator and dtype as it is done, then what was found."""
    checks = _BRIEF if options.quick else tuple(CHECKS)
    red = 0
    for name, dtype in itertools.product(texts, options.dtype):
        operator, program = OPERATORS[name], vars(load_program(texts[name], name))
        sizes = _few(operator, options) if options.quick else None
        report = gate(operator, program, [dtype], sizes, backend=backend, checks=checks)
        red += not report.passed
        print(f"{name:24} {_name(dtype):9} {summary(report)}", flush=True)
        for finding in report.findings:
            print(f"    {finding}", flush=True)
    where = "on the GPU" if isinstance(backend, Native) else "under the interpreter"
    print(f"{len(checks)} checks {where}, {red} of {len(texts) * len(options.dtype)} red")
    return int(red > 0)


def _order(texts: Mapping[str, str], options: argparse.Namespace) -> int:
    """Adds an entry for each operator, shape and dtype to a gpu-queue, for `recevolve.kernels.measure`.

    Beside them lies what the model says of each, for `recevolve.kernels.calibrate`.
    """
    count = 0
    for name, text in texts.items():
        program = vars(load_program(text, name))
        for shape, dtype in itertools.product(_shapes(OPERATORS[name], options), options.dtype):
            inputs = OPERATORS[name].draw(shape.sizes, dtype, torch.Generator().manual_seed(options.seed))
            given = f"{name}.{shape.name}.{_name(dtype)}"
            entry = record_entry.record(
                OPERATORS[name],
                program,
                shape.sizes,
                inputs,
                name=given,
                program_id=queue.digest(text.encode())[:16],
                note=shape.source,
            )
            queue.write(options.queue, [record_entry.assembled(entry)])
            found = estimated.estimates(OPERATORS[name], program, shape, dtype)
            parts = {way: tuple(each.parts for each in one.launches) for way, one in found.items()}
            variant = calibration.Variant(name, f"{name} {shape.name} {_name(dtype)}", parts)
            calibrate.keep(options.queue, {given: variant})
            count += 1
    print(f"{count} entries in {options.queue}")
    return 0


def summary(report: Report) -> str:
    """Passed or not, and what it took."""
    verdict = "green" if report.passed else f"red: {', '.join(sorted(report.names))}"
    return f"{verdict:7} {report.calls:4} calls {report.launches:5} launches {report.cpu_seconds:6.1f} s CPU"


def _few(operator: Operator, options: argparse.Namespace) -> list[Sizes]:
    return list(itertools.islice(operator.hidden(options.seed), _QUICK_SIZES))


def _rows(
    operator: Operator,
    text: str,
    previous: str | None,
    options: argparse.Namespace,
    make: Maker,
    backend: Backend,
) -> Iterator[Row]:
    """Rows of one operator. A dtype whose gate is red has one row that says so, and no number."""
    program = vars(load_program(text, operator.name))
    before = vars(load_program(previous, f"{operator.name} before")) if previous else None
    few = _few(operator, options)
    for dtype in options.dtype:
        report = gate(operator, program, [dtype], few, backend=backend, checks=_BRIEF, stop=True)
        if not report.passed:
            yield Row(operator.name, "", _name(dtype), "", "red", note=str(report.findings[0]))
            continue
        for shape in _shapes(operator, options):
            yield from make(operator, program, before, shape, dtype)


def _shapes(operator: Operator, options: argparse.Namespace) -> list[Shape]:
    return [each for each in operator.real if each.name in (options.shape or [each.name])]


def _heading() -> str:
    versions = f"torch {torch.__version__}, triton {triton.__version__}, Python {platform.python_version()}"
    if torch.cuda.is_available():
        return f"measured on {torch.cuda.get_device_name()}; {versions}"
    return f"static estimates for {H100.name}, no time was measured; {versions}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


if __name__ == "__main__":
    sys.exit(main())
