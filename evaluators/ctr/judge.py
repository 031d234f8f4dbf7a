"""The part of a judge that optimizers and interaction layers share: logs, splits, folds and fingerprint."""

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Generic, Literal

from ..data import Log, Split, load, split, split_by
from ..kinds.judge import fingerprint
from ..kinds.task import Size
from ..language.canonical import syntax_hash
from ..sandbox import Limits
from .settings import TrainingSettings
from .setup import FullTrainings, S

TRANSFER = {"source": "synthetic", "rows": 40_000, "seed": 1}
LEAST_STEPS, FIRST_STEPS = 40, 4
"""Steps of the longest rung and of a fold, and steps of the first rung, below which no training is cut."""
SCORED = 1 / 3
"""What predicting a row costs, in rows of training."""


class TrainingJudge(ABC, Generic[S]):
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
        known: Collection[str] = (),
    ) -> None:
        """`setup` is the kind's; `models` are the ranking models on the log and on the second log.

        `known` are the kind's own programs, which need no audit.
        """

        def on(source: Mapping[str, Any], by: Any, model: str) -> S:
            if by not in ("user", "time"):
                raise ValueError(f"data.split must be 'user' or 'time', got {by!r}")
            log, splits = _parted(json.dumps(source), by, chosen.folds, chosen.seed)
            return setup(log, splits, model, chosen, limits)

        by = split_by(data)
        self.setup = on(data, by, models[0])
        transfer = on(TRANSFER, "user", models[1]) if chosen.transfer else None
        log, self.chosen = self.setup.log, chosen
        self.trainings = FullTrainings(self.setup, transfer)
        self.known = frozenset(map(syntax_hash, known))
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

    def audited(self, source: str, fold: int) -> bool:
        """Whether audits run with this fold: with the first, of a program that is not the kind's own."""
        return fold == 0 and syntax_hash(source) not in self.known

    @property
    def least(self) -> int:
        """Training rows that rank programs at the least."""
        return LEAST_STEPS * self.chosen.batch

    def size(self, rows: int | None = None) -> Size:
        """The judge's size; with `rows`, where neither the last rung nor a fold trains on more."""
        chosen = self.chosen
        train = max(len(self.setup.splits[name].train) for name in ("selection", "claim"))
        if rows is not None:
            longest = {
                "epochs": min(chosen.epochs, float(f"{rows / (chosen.subsample * train):.4g}")),
                "transfer_rows": min(chosen.transfer_rows, rows // 2),
                "evaluation_rows": min(chosen.evaluation_rows, rows),
            }
            chosen = chosen.model_copy(update=longest | self.shorter(rows))
        rungs, searched = self.trainings_of(chosen), len(self.setup.splits["search"].train)
        fold = max(1, round(chosen.epochs * chosen.subsample * train))
        scored = SCORED * chosen.evaluation_rows
        further = chosen.transfer_rows + scored if chosen.transfer else 0.0
        before = self.chosen.model_dump(mode="json")
        return Size(
            {name: value for name, value in chosen.model_dump(mode="json").items() if value != before[name]},
            max(fold, rungs[-1][0]),
            [*(length / searched for length, _ in rungs), chosen.epochs],
            [count * (length + scored) for length, count in rungs],
            fold + scored + further,
            *self.audits(rungs, fold),
        )

    @abstractmethod
    def trainings_of(self, chosen: TrainingSettings) -> Sequence[tuple[int, int]]:
        """(training rows, trainings) of each rung under these settings of the kind."""

    @abstractmethod
    def shorter(self, rows: int) -> dict[str, Any]:
        """The settings of rungs that keep their proportions where the last one trains on at most `rows`."""

    def audits(self, rungs: Sequence[tuple[int, int]], fold: int) -> tuple[float, float]:
        """Rows that fold 0 trains on besides, and rows that the guard trains on."""
        return 0.0, 0.0

    def cut(self, lengths: Sequence[int], rows: int) -> list[int]:
        """The lengths of rungs in rows, in proportion, so that the last one has at most `rows`."""
        share = min(1.0, rows / lengths[-1])
        return [
            min(length, max(round(share * length), FIRST_STEPS * self.chosen.batch)) for length in lengths
        ]


@lru_cache(maxsize=2)
def _parted(
    source: str, by: Literal["user", "time"], folds: int, seed: int
) -> tuple[Log, Mapping[str, Split]]:
    """The log of a [data] table in JSON and its splits, kept for judges of other settings on it."""
    log = load(json.loads(source))
    return log, split(log, by=by, folds=folds, seed=seed)
