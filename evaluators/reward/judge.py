"""RewardJudge: the kind bound to a log, to a world and to settings. Source in, Verdict out."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from ...population.values.verdict import Metric, Status, Verdict
from ..kinds.failure import judged
from ..kinds.judge import fingerprint, place_of
from ..sandbox import Limits, Sandbox
from . import guard
from .caller import Caller
from .known_rewards import rewards_for
from .logs.log import split
from .logs.logs import load, people
from .logs.signals import SIMULATED, Signals, signals_of
from .north_star import Replayed, Simulated
from .proxy import Proxy
from .settings import Settings


class RewardJudge:
    """Judges rewards by what comes later. DataError for a log that cannot be used or cannot rank rewards,
    ValidationError for settings that cannot be.
    """

    def __init__(
        self, data: Mapping[str, Any], settings: Mapping[str, Any], limits: Limits, task_version: str
    ) -> None:
        chosen = Settings.model_validate(settings)
        self.settings = chosen
        self.limits = limits
        self.signals = signals_of(data, chosen)
        log = load(data, chosen, self.signals)
        # simulated users are measured in worlds of their own, so that the search may have the whole log
        held_out = chosen.north_star == "replay"
        parts = split(log, chosen.seed) if held_out else {"search": log}
        self.proxy_ = Proxy(
            parts["search"],
            chosen.proxy,
            chosen.rung_rows,
            chosen.sharpness,
            chosen.least_effective,
            chosen.seed,
        )
        self.seeds = rewards_for(self.signals)
        self._require_power()
        self.star: Simulated | Replayed = self._star(parts)
        self.rungs = len(chosen.rung_rows)
        self.folds = chosen.worlds
        self.data = log.summary
        self.warnings = log.warnings
        self._reference = lru_cache(maxsize=1)(self._hates)
        self.fingerprint = fingerprint(
            task_version,
            chosen.model_dump(mode="json", exclude={"signals", "parameters"}),
            asdict(people(chosen)) if chosen.parameters else None,
            asdict(limits),
            log.fingerprint,
            packages=("numpy",),
        )

    @judged
    def proxy(self, source: str, rung: int, sandbox: Sandbox) -> Verdict:
        """How well the reward orders the proxy's outcome, or at the last rung how much its policy gains."""
        with Caller(source, self.signals, sandbox, self.limits) as caller:
            return self.proxy_.run(caller, rung)

    @judged
    def north_star(self, source: str, split: str, fold: int, of: int, sandbox: Sandbox) -> Verdict:
        """The measure of the fold's users, a cohort and a world of its own, with facts['units'] by user."""
        place_of(split)
        return self.star.judge(source, split, fold, of, sandbox)

    @judged
    def guard(self, source: str, sandbox: Sandbox) -> Verdict:
        """`hate_ratio` to click_times_watch, `popularity_lean`, `duration_lean`; lower is better."""
        with Caller(source, self.signals, sandbox, self.limits) as caller:
            metrics = guard.leans(caller, self.proxy_.last, self.settings.satisfaction)
        if isinstance(self.star, Simulated):
            rate = self.star.lives(source, "guard", 0, sandbox).totals.rate("hates")
            metrics["hate_ratio"] = Metric(rate / max(self._reference(sandbox), 1e-9))
        return Verdict(Status.SCORED, Metric(0.0), metrics=metrics)

    def _hates(self, sandbox: Sandbox) -> float:
        assert isinstance(self.star, Simulated)
        reference = self.seeds.get("click_times_watch") or next(iter(self.seeds.values()))
        return self.star.lives(reference, "guard", 0, sandbox).totals.rate("hates")

    def _require_power(self) -> None:
        """DataError where the log cannot tell the seeds and their opposites apart. Seeds need no sandbox."""
        with ExitStack() as stack:
            self.proxy_.require_power(
                {
                    name: stack.enter_context(Caller(source, self.signals, None, self.limits))
                    for name, source in self.seeds.items()
                }
            )

    def _star(self, parts: Mapping[str, Any]) -> Simulated | Replayed:
        chosen, known = self.settings, {one.name for one in SIMULATED.predictions}
        if chosen.north_star == "replay":
            return Replayed(parts, chosen, self.signals, self.limits)
        if strange := sorted({one.name for one in self.signals.predictions} - known):
            raise ValueError(
                f'reward.north_star = "{chosen.north_star}" simulates users without {", ".join(strange)}: '
                'set reward.north_star = "replay", or data.source = "simulated"'
            )
        return Simulated(people(chosen), _readable(self.signals), chosen, self.limits)


def _readable(signals: Signals) -> Signals:
    """The simulator's own description of these predictions."""
    names = {one.name for one in signals.predictions}
    return Signals(tuple(one for one in SIMULATED.columns if one.role != "prediction" or one.name in names))
