"""OptimizerJudge: the kind bound to a log and to settings. Source in, Verdict out."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from ...population.values.verdict import Verdict
from ..data import Log, load, split
from ..kinds.failure import Failed
from ..sandbox import Limits, Sandbox
from .guard import guard
from .north_star import NorthStar
from .proxy import Race
from .settings import Settings
from .setup import Arena

TRANSFER = {"source": "synthetic", "rows": 40_000, "seed": 1}
TRANSFER_RANKER = "dlrm"


class OptimizerJudge:
    """Judges optimizers by how well they train a ranker on the log of a config's [data] table.

    DataError for a log that cannot be used, ValidationError for settings that cannot.
    """

    def __init__(
        self, data: Mapping[str, Any], settings: Mapping[str, Any], limits: Limits, task_version: str
    ) -> None:
        chosen = Settings.model_validate(settings)
        self.limits = limits
        log = load(data)
        self.settings = chosen
        self.arena = self._arena(log, data.get("split", "user"), chosen.model)
        rungs = list(zip(chosen.rung_rows, chosen.rung_factors, strict=True))
        self.race = Race(self.arena, rungs, chosen.factors, chosen.seed)
        transfer = None
        if chosen.transfer:
            other = self._arena(load(TRANSFER), "user", TRANSFER_RANKER)
            transfer = Race(
                other, [(chosen.transfer_rows, chosen.rung_factors[0])], chosen.factors, chosen.seed
            )
        self.star = NorthStar(self.race, chosen.epochs, chosen.subsample, chosen.seed, transfer)
        self.rungs = len(rungs)
        self.folds = chosen.folds
        self.data = f"{log.name}: {len(log):,} rows, {len(log.fields)} fields, {log.fingerprint[:16]}"
        self.fingerprint = _fingerprint(
            task_version,
            chosen.model_dump(mode="json"),
            asdict(limits),
            data.get("split", "user"),
            [race.arena.log.fingerprint for race in (self.race, transfer) if race is not None],
        )

    def proxy(self, source: str, rung: int, sandbox: Sandbox) -> Verdict:
        """The negative log loss on the search split at the best learning-rate factor of the rung."""
        try:
            return self.race.run(source, rung, sandbox).verdict()
        except Failed as failed:
            return failed.verdict

    def north_star(self, source: str, split: str, fold: int, of: int, sandbox: Sandbox) -> Verdict:
        """The negative log loss on the fold's users of 'selection' or 'claim', stepped from outside."""
        try:
            return self.star.judge(source, split, fold, of, sandbox)
        except Failed as failed:
            return failed.verdict

    def guard(self, source: str, sandbox: Sandbox) -> Verdict:
        """`step_time_ratio` and `state_memory_ratio` to Adam, lower is better."""
        try:
            return guard(source, self.arena.shapes(), self.settings.guard_steps, self.arena.limits, sandbox)
        except Failed as failed:
            return failed.verdict

    def _arena(self, log: Log, by: Any, ranker: str) -> Arena:
        if by not in ("user", "time"):
            raise ValueError(f"data.split must be 'user' or 'time', got {by!r}")
        chosen = self.settings
        return Arena(
            log,
            split(log, by=by, folds=chosen.folds, seed=chosen.seed),
            ranker,
            chosen.dim,
            chosen.batch,
            chosen.evaluation_rows,
            self.limits,
        )


def _fingerprint(*parts: Any) -> str:
    versions = {name: version(name) for name in ("recevolve", "torch", "numpy")}
    return hashlib.sha256(json.dumps([parts, versions], sort_keys=True).encode()).hexdigest()[:16]
