"""Archives in a temporary folder, and evaluations that differ only where a test says so."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recevolve.population.archive.archive import Archive
from recevolve.population.island.island import Member
from recevolve.population.values.evaluation import Evaluation
from recevolve.population.values.program import Program
from recevolve.population.values.verdict import Metric, Status, Verdict

Born = Callable[..., Evaluation]


def make_evaluation(
    island: int,
    generation: int,
    slot: int,
    source: str,
    score: float | None = 0.0,
    *,
    parents: tuple[str, ...] = (),
    status: Status = Status.CRASHED,
    **more: Any,
) -> Evaluation:
    """A scored evaluation, or one of `status` where `score` is None."""
    verdict = Verdict(status, reason="it failed")
    if score is not None:
        verdict = Verdict(Status.SCORED, Metric(score, 0.5, 3), metrics={"loss": Metric(-score)})
    program = Program("function", source, parents, "syntax" if parents else "seed", f"wrote {source}")
    syntax_hash = more.pop("syntax_hash", f"syntax of {source}")
    return Evaluation(island, generation, slot, program, syntax_hash, verdict, "proxy 2", **more)


def make_member(evaluation: Evaluation) -> Member:
    """The member that a scored evaluation becomes."""
    score = evaluation.verdict.score
    assert score is not None
    behaviour = evaluation.behaviour or evaluation.program.id
    return Member(
        evaluation.program.id,
        evaluation.program.source,
        score.value,
        behaviour,
        evaluation.cell,
        evaluation.size,
    )


@pytest.fixture
def born() -> Born:
    return make_evaluation


@pytest.fixture
def member() -> Callable[[Evaluation], Member]:
    return make_member


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "archive.db"


@pytest.fixture
def archive(path: Path) -> Iterator[Archive]:
    with Archive.create_or_open(path, clock=lambda: 1_700_000_000.5) as opened:
        yield opened
