"""The toy kind as one whose north star is an estimate here, and a measurement on another machine."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recevolve.evaluators.kernel.gpu_queue import GpuQueue, order
from recevolve.evaluators.kinds.registry import find
from recevolve.evaluators.kinds.task import Judge
from recevolve.evaluators.sandbox import Limits, Sandbox
from recevolve.kernels.gpu_queue.queue import Argument, Buffer, Entry, Output, Pass, Step, digest
from recevolve.population.values.verdict import Verdict

TOY = find("toy", [Path(__file__).parents[1] / "toy"])
REASON = "the curve is a static estimate, not measured: this machine has no ruler"


def entry_for(source: str) -> Entry:
    """An entry whose code is the digest of the source: other programs have other binaries."""
    ptx = hashlib.sha256(source.encode()).digest()
    step = Step(
        kernel="curve",
        grid=(1, 1, 1),
        warps=4,
        shared=0,
        arguments=(Argument("*fp32", 0), Argument("*fp32", 1)),
        ptx=digest(ptx),
    )
    buffers = (Buffer("input", 0, 64), Buffer("output", 0, 64))
    whole = Pass(buffers, (step,), (Output(1, (16,), (1,), "float32"),))
    return Entry("", "", "curve", {"B": 16}, "float32", "sm_90", {"forward": whole}, code={digest(ptx): ptx})


class EstimatingJudge:
    """Judges as the toy does, and says that it only estimates, of a log to look at again."""

    estimate = REASON
    warnings = ("the log repeats itself",)

    def __init__(self, judge: Judge) -> None:
        self.fingerprint, self.rungs, self.folds, self.data = (
            judge.fingerprint,
            judge.rungs,
            judge.folds,
            judge.data,
        )
        self.proxy, self.north_star, self.guard = judge.proxy, judge.north_star, judge.guard

    def order(self, source: str, sandbox: Sandbox) -> Verdict:
        """One entry of the gpu-queue."""
        return order([entry_for(source)])


def judge(data: Mapping[str, Any], settings: Mapping[str, Any], limits: Limits) -> EstimatingJudge:
    """The judge of a config."""
    return EstimatingJudge(TOY.judge(data, settings, limits))


TASK = replace(TOY, kind="estimated", judge=judge, measuring=GpuQueue())
