"""The part of a judge that optimizers and interaction layers share: logs, splits, folds and fingerprint."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Generic

from ..data import Log, load, split, split_by
from ..kinds.judge import fingerprint
from ..sandbox import Limits
from .settings import TrainingSettings
from .setup import FullTrainings, S

TRANSFER = {"source": "synthetic", "rows": 40_000, "seed": 1}


class TrainingJudge(Generic[S]):
    """A kind bound to the log of a config's [data] table and to settings. A kind adds how it judges.

    DataError for a log that cannot be used, ValueError for a split that there is not.
    """

    def __init__(
        self,
        setup: type[S],
        data: Mapping[str, Any],
        chosen: TrainingSettings,
        limits: Limits,
        task_version: str,
        models: tuple[str, str],
    ) -> None:
        """`setup` is the kind's; `models` are the ranking models on the log and on the second log."""

        def on(log: Log, by: Any, model: str) -> S:
            if by not in ("user", "time"):
                raise ValueError(f"data.split must be 'user' or 'time', got {by!r}")
            return setup(log, split(log, by=by, folds=chosen.folds, seed=chosen.seed), model, chosen, limits)

        log, by = load(data), split_by(data)
        self.setup = on(log, by, models[0])
        transfer = on(load(TRANSFER), "user", models[1]) if chosen.transfer else None
        self.trainings = FullTrainings(self.setup, transfer)
        self.folds = chosen.folds
        self.data = f"{log.name}: {len(log):,} rows, {len(log.fields)} fields, {log.fingerprint[:16]}"
        self.warnings = log.warnings
        self.fingerprint = fingerprint(
            task_version,
            chosen.model_dump(mode="json"),
            asdict(limits),
            by,
            [setup.log.fingerprint for setup in (self.setup, transfer) if setup is not None],
            packages=("torch", "numpy"),
        )
