"""A search's record as a test tells it: evaluations, generations and promotions, with nothing computed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from recevolve.engine.config.config import Config
from recevolve.population.archive.archive import Archive
from recevolve.population.values.evaluation import Evaluation, Promotion
from recevolve.population.values.member import Member
from recevolve.population.values.origin import Spend
from recevolve.population.values.program import Program
from recevolve.population.values.verdict import Metric, Status, Verdict

from .toy_runs import config as toy_config

SOURCE = 'CONSTANTS = {{"a": {}}}\n\n\ndef f(x, c):\n    return c["a"] * x\n'


def source_of(value: object) -> str:
    """A toy program with this constant."""
    return SOURCE.format(value)


class Story:
    """An archive of the toy kind in which every island begins with the production program, scored 0."""

    def __init__(self, folder: Path, *, islands: int = 2, **tables: Any) -> None:
        folder.mkdir(exist_ok=True)
        population = {"islands": islands, "size": 8, "births": 6}
        told: dict[str, Any] = {"population": population, "north_star": {"every": 2}, **tables}
        self.config: Config = toy_config(folder, **told)
        self.archive = Archive.create_or_open(folder / "archive.db", clock=lambda: 1_700_000_000.5)
        terms = {"fingerprint": "f", "rungs": 2, "folds": 3, "tier": 1, "data": "none"}
        self.archive.begin({"config": self.config.model_dump(mode="json"), "terms": terms}, 0, "test")
        self.production = Program("toy", source_of("0.0"), made_by="seed flat", explanation="the seed flat")
        for island in range(islands):
            self.generation(island, self.evaluation(self.production.source, 0.0, parent=None))

    def evaluation(
        self,
        source: str,
        score: float | None,
        *,
        parent: Program | str | None = "production",
        stage: str = "proxy 1",
        status: Status = Status.INVALID,
        reason: str = "",
        explanation: str = "because",
        spread: float | None = None,
        cell: Sequence[str] = ("a",),
        duplicate_of: str | None = None,
    ) -> Evaluation:
        """An evaluation without a place yet; `generation` gives it one."""
        home = self.production if parent == "production" else parent
        assert home is None or isinstance(home, Program)
        if score is None:
            verdict = Verdict(status, reason=reason or "it failed")
        else:
            verdict = Verdict(Status.SCORED, Metric(score, spread))
        made_by = "script" if home else "seed flat"
        program = Program("toy", source, (home.id,) if home else (), made_by, explanation)
        return Evaluation(
            0, 0, 0, program, program.id, verdict, stage, program.id, duplicate_of, tuple(cell), len(source)
        )

    def generation(self, island: int, *evaluations: Evaluation) -> tuple[Evaluation, ...]:
        """Commits these as the island's next generation; what was scored is its population."""
        last = self.archive.last_generation(island)
        number = 0 if last is None else last + 1
        placed = tuple(
            replace(one, island=island, generation=number, slot=slot) for slot, one in enumerate(evaluations)
        )
        members = [_member(one) for one in placed if one.verdict.score and one.stage == "proxy 1"]
        if last is not None:
            members += list(self.archive.population(island, last))
        ordered = {one.program_id: one for one in sorted(members, key=lambda each: -each.score)}
        self.archive.commit_generation(island, number, population=ordered.values(), evaluations=placed)
        return placed

    def meet(self, generation: int, scores: Mapping[str, Sequence[float]], **guard: float) -> None:
        """Commits north-star scores by program, a fold each, and one guardrail reading for all of them."""
        rows = []
        for slot, (program_id, folds) in enumerate(scores.items()):
            for fold, score in enumerate(folds):
                verdict = Verdict(Status.SCORED, Metric(score))
                rows.append(Promotion(generation, slot, program_id, "selection", fold, verdict))
            readings = {name: Metric(value) for name, value in guard.items()}
            verdict = Verdict(Status.SCORED, Metric(0.0), metrics=readings)
            rows.append(Promotion(generation, slot, program_id, "guard", 0, verdict))
        self.archive.commit_round(0, rows)

    def answer(self, sample: str, text: str, outcome: str = "answered") -> None:
        """Records a model's answer."""
        key = {"stage": "model", "model": "m", "messages": [], "sample": sample}
        value = {"outcome": outcome, "text": text, "reason": "", "model": "m", "spend": Spend().to_json()}
        self.archive.ledger().record(key, {**value, "dropped": []})


def _member(one: Evaluation) -> Member:
    assert one.verdict.score is not None
    program = one.program
    return Member(program.id, program.source, one.verdict.score.value, program.id, one.cell, one.size)
