"""Executor: where evaluations run. Local processes today; another backend offers the same four things."""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ...evaluators.kinds.task import Estimating
from ...population.values.evaluation import Stage
from ...population.values.verdict import Verdict
from ..config.config import Config
from .environment import withheld

if TYPE_CHECKING:
    from ...evaluators.kinds.task import Judge, Task
    from ...evaluators.sandbox import Sandbox


class WorkersLost(RuntimeError):
    """Evaluation processes died again and again; the message says what to look at."""


@dataclass(frozen=True)
class Call:
    """One evaluation: which judgement of which canonical source."""

    stage: Stage
    source: str
    number: int = 0
    """The rung of a proxy, the fold of a north star."""
    split: str = ""
    of: int = 1
    """How many folds the split is dealt into."""


@dataclass(frozen=True)
class Blueprint:
    """All that a worker needs to build its judge and its sandbox; picklable."""

    kind: str
    tasks: tuple[str, ...]
    data: Mapping[str, Any]
    settings: Mapping[str, Any]
    min_tier: int
    unsafe: bool
    cpu_seconds: float
    memory_mb: int


@dataclass(frozen=True)
class Terms:
    """What a judge promises about its verdicts; `fingerprint` is part of every ledger key."""

    fingerprint: str
    rungs: int
    folds: int
    tier: int
    data: str
    """One line about the log: its name, size and fingerprint."""
    estimate: str = ""
    """What stands in for a north star that cannot be measured here; empty where it is measured."""


class Executor(Protocol):
    """Runs calls somewhere. `busy_seconds` adds up what workers spent inside evaluations."""

    workers: int
    busy_seconds: float

    async def terms(self) -> Terms:
        """The judge's terms. Raises what a bad environment or bad data raises, before work is spent."""
        ...

    async def judge(self, call: Call) -> Verdict:
        """The verdict of one call. Raises WorkersLost, never for a bad program."""
        ...

    def close(self) -> None:
        """Ends every process; calls in flight are lost."""
        ...


@dataclass
class LocalExecutor:
    """Evaluation processes on this machine, each with one sandbox and one thread.

    Keys stay out of their environment: what looks like one by its name, and the variables in `secrets`.
    """

    blueprint: Blueprint
    workers: int
    secrets: frozenset[str] = frozenset()
    attempts: int = 3
    busy_seconds: float = 0.0
    _pool: ProcessPoolExecutor | None = field(default=None, repr=False)

    async def terms(self) -> Terms:
        """The judge's terms, from a worker that has loaded the data and opened its sandbox."""
        terms: Terms = await self._submit(_terms)
        return terms

    async def judge(self, call: Call) -> Verdict:
        """The verdict of one call; a worker that dies under it is replaced and the call made again."""
        verdict, seconds = await self._submit(_judge, call)
        self.busy_seconds += seconds
        return Verdict.from_json(verdict)

    def close(self) -> None:
        """Ends the workers; one in the middle of an evaluation is killed, its sandbox dies with it."""
        if self._pool is None:
            return
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
        self._pool = None

    async def _submit(self, function: Any, *arguments: Any) -> Any:
        for _ in range(self.attempts):
            try:
                with withheld(self.secrets):  # opening and submitting are what starts processes
                    pool = self._open()
                    answer = asyncio.get_running_loop().run_in_executor(pool, function, *arguments)
                return await answer
            except BrokenProcessPool:
                if self._pool is pool:
                    self._pool = None
        raise WorkersLost(
            f"an evaluation process died {self.attempts} times in a row under one evaluation; look for the "
            "kernel's out-of-memory killer (`dmesg`), or lower sandbox.memory_mb or executor.workers"
        )

    def _open(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.workers,
                # spawn: a fork of a process with an event loop and SQLite handles inherits both
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start,
                initargs=(self.blueprint, os.getpid()),
            )
        return self._pool


def executor_for(config: Config, secrets: frozenset[str] = frozenset()) -> LocalExecutor:
    """Workers as the config asks for them; none starts before the first call.

    `secrets` are names of environment variables that they are not given.
    """
    blueprint = Blueprint(
        config.kind,
        tuple(str(path) for path in config.tasks),
        config.data.table(),
        config.settings,
        config.sandbox.min_tier,
        config.sandbox.unsafe,
        config.sandbox.cpu_seconds,
        config.sandbox.memory_mb,
    )
    return LocalExecutor(blueprint, config.executor.workers, secrets)


@dataclass
class _Bench:
    """What lives in a worker process for its whole life."""

    blueprint: Blueprint
    made: "tuple[Task, Judge, Sandbox] | None" = None

    def ready(self) -> "tuple[Task, Judge, Sandbox]":
        """Task, judge and sandbox, made on first use so that an error reaches the caller as itself."""
        if self.made is None:
            from ...evaluators.kinds import registry
            from ...evaluators.sandbox import Limits, Sandbox

            plan = self.blueprint
            task = registry.adapted(registry.find(plan.kind, plan.tasks), plan.data, plan.settings)
            limits = Limits(cpu_seconds=plan.cpu_seconds, memory_mb=plan.memory_mb)
            judge = task.judge(plan.data, plan.settings, limits)
            sandbox = Sandbox(task.preload, min_tier=plan.min_tier, unsafe=plan.unsafe)
            self.made = task, judge, sandbox
        return self.made


_bench: _Bench | None = None
_PR_SET_PDEATHSIG = 1
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _start(blueprint: Blueprint, parent: int) -> None:
    """Runs first in a worker: one thread, no part in Ctrl-C, and death with the parent."""
    global _bench
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    _bench = _Bench(blueprint)


def _terms() -> Terms:
    assert _bench is not None
    _, judge, sandbox = _bench.ready()
    estimate = judge.estimate if isinstance(judge, Estimating) else ""
    return Terms(judge.fingerprint, judge.rungs, judge.folds, sandbox.tier, judge.data, estimate)


def _judge(call: Call) -> tuple[dict[str, Any], float]:
    assert _bench is not None
    task, judge, sandbox = _bench.ready()
    begin = time.perf_counter()
    match call.stage:
        case Stage.PROPERTIES:
            verdict = task.examine(call.source, sandbox)
        case Stage.PROXY:
            verdict = judge.proxy(call.source, call.number, sandbox)
        case Stage.NORTH_STAR:
            verdict = judge.north_star(call.source, call.split, call.number, call.of, sandbox)
        case Stage.GUARD:
            verdict = judge.guard(call.source, sandbox)
        case Stage.ORDER:
            assert isinstance(judge, Estimating)  # its terms said so
            verdict = judge.order(call.source, sandbox)
    seconds = time.perf_counter() - begin
    answer = verdict.to_json()
    answer["timings"]["tier"] = sandbox.tier
    return answer, seconds
