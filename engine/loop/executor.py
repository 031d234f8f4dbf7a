"""Executor: where evaluations run. Local processes today; another backend offers the same four things."""

import asyncio
import ctypes
import json
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from ...evaluators.kinds.task import Estimating, Size, Sized, Warned
from ...population.values.evaluation import Stage
from ...population.values.verdict import Verdict
from ..config.config import Config, ConfigError
from .environment import withheld
from .workers import Workers

if TYPE_CHECKING:
    from ...evaluators.kinds.task import Judge, Task
    from ...evaluators.sandbox import Sandbox


SHORTER = 2**0.5
"""How much longer one size of trainings is than the next."""
ATTEMPTS = 3
"""Workers that may die one after the other under the same call."""


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
    warnings: tuple[str, ...] = ()
    """What a person should check in the log, in a sentence each."""


class Executor(Protocol):
    """Runs calls somewhere. `busy_seconds` adds up what workers spent inside evaluations."""

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
    """Evaluation processes on this machine, each with one sandbox and one thread; none before the first call.

    Keys stay out of their environment: what looks like one by its name, and the variables in `secrets`.
    The settings of `config` may be replaced by others between calls; the log stays loaded.
    """

    config: Config
    secrets: frozenset[str] = frozenset()
    busy_seconds: float = 0.0
    spent: dict[tuple[Stage, int], list[float]] = field(default_factory=dict, repr=False)
    """The seconds of each call of `judge` by stage and number."""
    _workers: Workers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._workers = Workers(self.config.executor.workers, self._pool)

    async def terms(self) -> Terms:
        """The judge's terms, from a worker that has loaded the data and opened its sandbox."""
        terms: Terms = await self._submit(_terms, _text(self.config.settings))
        return terms

    async def judge(self, call: Call) -> Verdict:
        """The verdict of one call; a worker that dies under it is replaced and the call made again."""
        verdict, seconds = await self._submit(_judge, call, _text(self.config.settings), program=call.source)
        self.busy_seconds += seconds
        self.spent.setdefault((call.stage, call.number), []).append(seconds)
        return Verdict.from_json(verdict)

    async def timed(self, calls: Sequence[Call], settings: Mapping[str, Any]) -> list[float]:
        """The seconds that a worker takes for each call, one after the other, under settings of the kind."""
        seconds: list[float] = await self._submit(_timed, tuple(calls), _text(settings))
        return seconds

    async def sizes(self) -> list[Size]:
        """Sizes that the kind's trainings may have, longest first; empty where the kind cannot say."""
        sizes: list[Size] = await self._submit(_sizes, _text(self.config.settings))
        return sizes

    async def memory(self) -> float:
        """The most memory in MiB that a worker has held so far, its sandbox apart."""
        peak: float = await self._submit(_memory)
        return peak

    def close(self) -> None:
        """Ends the workers; one in the middle of an evaluation is killed, its sandbox dies with it."""
        self._workers.end()

    async def _submit(self, function: Any, *arguments: Any, program: str = "") -> Any:
        for _ in range(ATTEMPTS):
            worker, broken = await self._workers.take(program), False
            try:
                with withheld(self.secrets):  # making a pool and submitting are what starts processes
                    answer = asyncio.get_running_loop().run_in_executor(worker.pool, function, *arguments)
                return await answer
            except BrokenProcessPool:
                broken = True
            finally:
                self._workers.give_back(worker, broken=broken)
        raise WorkersLost(
            f"an evaluation process died {ATTEMPTS} times in a row under one evaluation; look for the "
            "kernel's out-of-memory killer (`dmesg`), or lower sandbox.memory_mb or executor.workers"
        )

    def _pool(self) -> ProcessPoolExecutor:
        with withheld(self.secrets):
            return ProcessPoolExecutor(
                1,
                # spawn: a fork of a process with an event loop and SQLite handles inherits both
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start,
                initargs=(self.config, os.getpid()),
            )


_config: Config | None = None
"""What a worker process judges by, for its whole life."""
_PR_SET_PDEATHSIG = 1
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _start(config: Config, parent: int) -> None:
    """Runs first in a worker: one thread, no part in Ctrl-C, and death with the parent."""
    global _config
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    _config = config


@cache
def _ready() -> "tuple[Task, Sandbox]":
    """A worker's task and sandbox, made on first use so that an error reaches the caller as itself."""
    from ...evaluators.sandbox import Sandbox
    from ..config.task import task_for

    assert _config is not None
    task, rules = task_for(_config), _config.sandbox
    return task, Sandbox(task.preload, min_tier=rules.min_tier, unsafe=rules.unsafe)


@lru_cache(maxsize=8)
def _bound(settings: str) -> "Judge":
    """A worker's judge, which loads the data. DataError, or ConfigError for settings that do not fit it."""
    from ...evaluators.data import DataError
    from ...evaluators.sandbox import Limits

    assert _config is not None
    limits = Limits(cpu_seconds=_config.sandbox.cpu_seconds, memory_mb=_config.sandbox.memory_mb)
    try:
        return _ready()[0].judge(_config.data.table(), json.loads(settings), limits)
    except DataError:
        raise
    except ValueError as error:
        raise ConfigError(f"{_config.kind}: {error}") from error


def _text(settings: Mapping[str, Any]) -> str:
    """The one text for equal settings."""
    return json.dumps(settings, sort_keys=True, default=str)


def _sizes(settings: str) -> list[Size]:
    judge = _bound(settings)
    if not isinstance(judge, Sized):
        return []
    sizes = [judge.size()]
    while (rows := round(sizes[-1].rows / SHORTER)) > judge.least:
        sizes.append(judge.size(rows))
    return [*sizes, judge.size(judge.least)] if sizes[0].rows > judge.least else sizes


def _timed(calls: Sequence[Call], settings: str) -> list[float]:
    _judge(calls[0], settings)  # starts the sandbox
    return [_judge(call, settings)[1] for call in calls]


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _terms(settings: str) -> Terms:
    judge, (_, sandbox) = _bound(settings), _ready()
    estimate = judge.estimate if isinstance(judge, Estimating) else ""
    warnings = judge.warnings if isinstance(judge, Warned) else ()
    return Terms(judge.fingerprint, judge.rungs, judge.folds, sandbox.tier, judge.data, estimate, warnings)


def _judge(call: Call, settings: str) -> tuple[dict[str, Any], float]:
    task, sandbox = _ready()
    if call.stage not in (Stage.PROPERTIES, Stage.PATCH):
        _bound(settings)  # loading the data is no part of an evaluation's time
    begin = time.perf_counter()
    match call.stage:
        case Stage.PROPERTIES:
            verdict = task.examine(call.source, sandbox)
        case Stage.PATCH:
            assert task.trial is not None  # who asks has looked
            verdict = task.trial(call.source, sandbox)
        case Stage.PROXY:
            verdict = _bound(settings).proxy(call.source, call.number, sandbox)
        case Stage.NORTH_STAR:
            verdict = _bound(settings).north_star(call.source, call.split, call.number, call.of, sandbox)
        case Stage.GUARD:
            verdict = _bound(settings).guard(call.source, sandbox)
        case Stage.ORDER:
            judge = _bound(settings)
            assert isinstance(judge, Estimating)  # its terms said so
            verdict = judge.order(call.source, sandbox)
    seconds = time.perf_counter() - begin
    answer = verdict.to_json()
    answer["timings"]["tier"] = sandbox.tier
    return answer, seconds
