"""Workers: evaluation processes on this machine, one call each at a time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field


@dataclass(eq=False)
class Worker:
    """One process, and the programs that it was asked about: a judge remembers what it found of these."""

    pool: ProcessPoolExecutor
    known: set[int] = field(default_factory=set)

    def end(self) -> None:
        """Ends the process, in the middle of a call too."""
        processes = list((self.pool._processes or {}).values())
        self.pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


@dataclass
class Workers:
    """At most `most` workers, made by `make` when they are needed. No worker rests while a call waits."""

    most: int
    make: Callable[[], ProcessPoolExecutor]
    _made: list[Worker] = field(default_factory=list)
    _idle: list[Worker] = field(default_factory=list)
    _waiting: list[tuple[int, asyncio.Future[Worker]]] = field(default_factory=list)

    async def take(self, program: str) -> Worker:
        """A free worker: one that was asked about the program before, where there is a choice."""
        key = hash(program)
        if not self._idle and len(self._made) < self.most:
            self._made.append(Worker(self.make()))
            self._idle.append(self._made[-1])
        if self._idle:
            worker = next((one for one in self._idle if key in one.known), self._idle[0])
            self._idle.remove(worker)
        else:
            free: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
            self._waiting.append((key, free))
            try:
                worker = await free
            except asyncio.CancelledError:
                if free.done() and not free.cancelled():
                    self.give_back(free.result())
                raise
        worker.known.add(key)
        return worker

    def give_back(self, worker: Worker, *, broken: bool = False) -> None:
        """Hands the worker to a call that waits, first to one about a program that it knows.

        One that is `broken` is replaced by a fresh process.
        """
        if worker not in self._made:
            return  # all were ended meanwhile
        if broken:
            worker.pool, worker.known = self.make(), set()
        waiting = [one for one in self._waiting if not one[1].done()]
        chosen = next((one for one in waiting if one[0] in worker.known), next(iter(waiting), None))
        self._waiting = [one for one in waiting if one is not chosen]
        if chosen:
            chosen[1].set_result(worker)
        else:
            self._idle.append(worker)

    def end(self) -> None:
        """Ends every process; calls in flight are lost."""
        for worker in self._made:
            worker.end()
        self._made, self._idle = [], []
