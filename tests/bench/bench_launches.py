"""What compiling, assembling and interpreting cost, on a machine without a GPU, for our own kernels.

    python tests/bench/bench_launches.py [--dtype bfloat16]

For every operator, forward and backward: CPU seconds to PTX and through ptxas and the disassembler; then CPU
milliseconds for each program that is interpreted with every check, all programs at a small size; and CPU
seconds for the account of four programs of each launch at the operator's headline size.
"""

import argparse
import resource
import time
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType

import torch
from rich.console import Console
from rich.table import Table

from recevolve.kernels.operators import OPERATORS, Operator
from recevolve.kernels.record.binary import assemble
from recevolve.kernels.record.compiling import SM_90
from recevolve.kernels.record.launches import offline, warm
from recevolve.kernels.record.recorder import Recorder


def cpu() -> float:
    """CPU seconds of this process and of the children that it has waited for."""
    waited = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + waited.ru_utime + waited.ru_stime


def run(
    program: ModuleType, operator: Operator, sizes: Mapping[str, int], dtype: torch.dtype, execute: str
) -> tuple[Recorder, float]:
    """Forward and backward once, and the CPU seconds that it took."""
    inputs = operator.draw(sizes, dtype, torch.Generator().manual_seed(0))
    began = cpu()
    with offline(SM_90, execute=execute, assemble=False) as recorder:
        out = program.forward(*inputs)
        program.backward(torch.ones_like(out), *inputs)
    return recorder, cpu() - began


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dtype", default="bfloat16", choices=("float32", "bfloat16", "float16"))
    dtype = getattr(torch, parser.parse_args().dtype)
    torch.set_num_threads(1)
    warm()
    table = Table(
        "operator", "launches", "to PTX, s", "to SASS, s", "programs", "ms a program", "real size, s"
    )
    for operator in OPERATORS.values():
        program = import_module(f"recevolve.kernels.ops.programs.{operator.name}")
        small = next(each for each in operator.hidden(0) if min(each.values()) > 1)
        recorder, compiling = run(program, operator, small, dtype, "none")
        began = cpu()
        for launch in recorder.launches:
            assemble(launch.ptx, SM_90)
        assembling = cpu() - began
        recorder, interpreting = run(program, operator, small, dtype, "all")
        programs = sum(launch.programs for launch in recorder.launches)
        headline = operator.real[0].sizes
        run(program, operator, headline, dtype, "none")  # so that what follows compiles nothing
        _, sampling = run(program, operator, headline, dtype, "sample")
        table.add_row(
            operator.name,
            str(len(recorder.launches)),
            f"{compiling:.2f}",
            f"{assembling:.2f}",
            str(programs),
            f"{1e3 * interpreting / programs:.1f}",
            f"{sampling:.2f}",
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
