"""InteractionJudge: the kind bound to a log and to settings. Source in, Verdict out."""

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
from .sandboxed_layer import Budget
from .settings import Settings
from .setup import Arena

TRANSFER = {"source": "synthetic", "rows": 40_000, "seed": 1}
OTHER = {"parallel": "stacked", "stacked": "parallel"}


class InteractionJudge:
    """Judges layers by how well a ranker with them predicts rows of the log of a config's [data] table.

    DataError for a log that cannot be used, ValidationError for settings that cannot.
    """

    def __init__(
        self, data: Mapping[str, Any], settings: Mapping[str, Any], limits: Limits, task_version: str
    ) -> None:
        chosen = Settings.model_validate(settings)
        self.settings = chosen
        self.limits = limits
        log = load(data)
        self.arena = self._arena(log, data.get("split", "user"), chosen.model)
        self.race = Race(self.arena, chosen.rung_epochs, chosen.seed, chosen.draws)
        transfer = self._arena(load(TRANSFER), "user", OTHER[chosen.model]) if chosen.transfer else None
        self.star = NorthStar(
            self.arena, chosen.epochs, chosen.subsample, chosen.seed, transfer, chosen.transfer_rows
        )
        self.rungs = len(chosen.rung_epochs)
        self.folds = chosen.folds
        self.data = f"{log.name}: {len(log):,} rows, {len(log.fields)} fields, {log.fingerprint[:16]}"
        self.fingerprint = _fingerprint(
            task_version,
            chosen.model_dump(mode="json"),
            asdict(limits),
            data.get("split", "user"),
            [arena.log.fingerprint for arena in (self.arena, transfer) if arena is not None],
        )

    def proxy(self, source: str, rung: int, sandbox: Sandbox) -> Verdict:
        """The negative log loss on the search split after the rung's passes."""
        try:
            return self.race.run(source, rung, sandbox)
        except Failed as failed:
            return failed.verdict

    def north_star(self, source: str, split: str, fold: int, of: int, sandbox: Sandbox) -> Verdict:
        """The negative log loss on the fold's users of 'selection' or 'claim'."""
        try:
            return self.star.judge(source, split, fold, of, sandbox)
        except Failed as failed:
            return failed.verdict

    def guard(self, source: str, sandbox: Sandbox) -> Verdict:
        """`forward_time_ratio`, `parameter_ratio` and `flop_ratio` to dcn_v2, lower is better."""
        try:
            return guard(source, self.arena, self.settings.guard_steps, sandbox)
        except Failed as failed:
            return failed.verdict

    def _arena(self, log: Log, by: Any, model: str) -> Arena:
        if by not in ("user", "time"):
            raise ValueError(f"data.split must be 'user' or 'time', got {by!r}")
        chosen = self.settings
        return Arena(
            log=log,
            splits=split(log, by=by, folds=chosen.folds, seed=chosen.seed),
            model=model,
            dim=chosen.dim,
            batch=chosen.batch,
            lr=chosen.lr,
            evaluation_rows=chosen.evaluation_rows,
            budget=Budget(chosen.parameter_budget, chosen.flop_budget),
            limits=self.limits,
        )


def _fingerprint(*parts: Any) -> str:
    versions = {name: version(name) for name in ("recevolve", "torch", "numpy")}
    return hashlib.sha256(json.dumps([parts, versions], sort_keys=True).encode()).hexdigest()[:16]
