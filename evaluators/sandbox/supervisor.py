"""Sandbox: runs candidates apart from everything, holds them to their limits, and brings back data."""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from . import tiers
from .flight import Flight, Request
from .launch import RunningZygote, ZygoteDied
from .limits import Limits
from .outcome import Outcome, SandboxUnavailable
from .session import Session, Shapes
from .shared_arrays import SharedArrays

WEAKEST_SAFE = 2
STANDARD = Limits()
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Sandbox:
    """One zygote, and the right to restart it. A context manager.

    `preload` are modules that are imported once, before the first candidate: runners and what they need. One
    that has a `warm()` gets it called. Candidates share their memory, so they hold no secret.
    `min_tier` is the weakest tier to accept (tiers.TIERS), `tier` forces one; tiers weaker than `min_tier` or
    than tier 2 need `unsafe`. SandboxUnavailable says what is missing and how to get it.

    Use it from one thread that outlives it: the kernel kills the zygote with the thread that started it.
    """

    def __init__(
        self,
        preload: Sequence[str] = ("numpy",),
        *,
        min_tier: int = 2,
        tier: int | None = None,
        unsafe: bool = False,
    ) -> None:
        for value in (min_tier, tier):
            if value is not None and value not in tiers.TIERS:
                raise ValueError(f"a sandbox tier is one of 1, 2, 3 and 4, got {value}")
        weak = max(min_tier, tier or 0)
        if weak > min(min_tier, WEAKEST_SAFE) and not unsafe:
            raise ValueError(
                f"tier {weak} is weaker than tier {min(min_tier, WEAKEST_SAFE)}, the weakest accepted; "
                "say unsafe=True if it is meant"
            )
        self.preload = tuple(preload)
        weakest = max(tiers.TIERS) if unsafe else min_tier
        accepted = range(1, weakest + 1) if tier is None else (tier,)
        self._zygote: RunningZygote | None = tiers.strongest(self.preload, accepted)
        self.tier = self._zygote.tier

    def run(
        self,
        runner: str,
        source: str,
        *,
        parameters: Mapping[str, Any] = NOTHING,
        inputs: Sequence[SharedArrays] = (),
        limits: Limits = STANDARD,
    ) -> Outcome:
        """The Outcome of `runner` beside a candidate's source.

        `runner` is "package.module:function", its module preloaded. The child calls it as
        `function(source, parameters, arrays)`; it returns arrays by name or a `Result`. `parameters` are JSON
        values. A bad candidate is an outcome; a stalled run, and one whose zygote died, is run once more.
        SandboxUnavailable where the zygote dies under it again.
        """
        request = self._request(runner, source, parameters, inputs, limits)
        deaths: list[str] = []
        stalled = False
        while len(deaths) < 2:
            try:
                outcome = self._attempt(request)
                if stalled or outcome.status != "stalled":
                    return outcome
                stalled = True
            except ZygoteDied as died:
                deaths.append(str(died))
                self.close()
        raise SandboxUnavailable(f"the sandbox's zygote died twice under one program: {'; '.join(deaths)}")

    def session(
        self,
        runner: str,
        source: str,
        *,
        shared: Shapes,
        parameters: Mapping[str, Any] = NOTHING,
        limits: Limits = STANDARD,
    ) -> Session:
        """A Session: the child is stepped from outside over arrays that both sides see.

        `shared` maps a name to (dtype, shape). The child calls the runner as
        `function(source, parameters, arrays, shared, turns)`; `turns` yields the number of each step.
        """
        request = self._request(runner, source, parameters, (), limits, shared=shared)
        deaths: list[str] = []
        while len(deaths) < 2:
            try:
                return Session(self._running(), request, shared)
            except ZygoteDied as died:
                deaths.append(str(died))
                self.close()
        raise SandboxUnavailable(f"the sandbox's zygote died twice: {deaths[-1]}")

    def _request(
        self,
        runner: str,
        source: str,
        parameters: Mapping[str, Any],
        inputs: Sequence[SharedArrays],
        limits: Limits,
        **more: Any,
    ) -> Request:
        """ValueError for a runner that is not preloaded, parameters that are not JSON, inputs of one name."""
        module, _, function = runner.partition(":")
        if not function or module not in self.preload:
            raise ValueError(
                f'a runner is named "module:function" and its module is preloaded, got {runner!r} '
                f"with preload {', '.join(self.preload)}"
            )
        names = [name for arrays in inputs for name in arrays.names]
        if len(set(names)) < len(names):
            raise ValueError(f"every input array needs its own name, got {', '.join(sorted(names))}")
        try:
            body = json.dumps({"runner": runner, "source": source, "parameters": dict(parameters), **more})
        except TypeError as error:
            raise ValueError(
                f"parameters enter the sandbox as JSON, arrays go into `inputs`: {error}"
            ) from error
        descriptors = tuple(arrays.fileno() for arrays in inputs)
        return Request(body.encode(), descriptors, sum(arrays.size for arrays in inputs), limits)

    def _running(self) -> RunningZygote:
        if self._zygote is None:
            self._zygote = tiers.strongest(self.preload, (self.tier,))
        return self._zygote

    def _attempt(self, request: Request) -> Outcome:
        flight = Flight(self._running(), request)
        try:
            event = flight.wait()
            flight.kill()
            return flight.outcome(event)
        finally:
            flight.close()

    @property
    def process(self) -> int:
        """The number of the process that holds the zygote (bubblewrap's, at tier 1); 0 where none runs."""
        return self._zygote.process.pid if self._zygote else 0

    def close(self) -> None:
        """Ends the zygote and with it every child. The next run starts a new one."""
        if self._zygote is not None:
            zygote, self._zygote = self._zygote, None
            zygote.stop()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()
