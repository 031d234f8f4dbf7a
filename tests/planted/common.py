"""What the planted kinds share: a judge that knows the answer, and candidates that are cheap to call.

A planted kind has an answer that was put there, so that proposers can be compared: judging takes milliseconds
and has no noise, and how far a search got is plain.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from recevolve.evaluators.kinds.properties import behaviour
from recevolve.evaluators.kinds.task import Task
from recevolve.evaluators.language.rules import Rules
from recevolve.evaluators.language.vocabulary import Vocabulary
from recevolve.evaluators.sandbox import Limits, Outcome, Sandbox, SharedArrays
from recevolve.population.values.verdict import Metric, Status, Verdict

CALL = "recevolve.evaluators.sandbox.runners:call"
LIMITS = Limits(cpu_seconds=5.0, memory_mb=256)
LARGEST = 1e100
Arrays = Mapping[str, np.ndarray]


class Inputs(SharedArrays):
    """Arrays for a sandbox, which a bench that runs candidates in its own process can read back."""

    def __init__(self, arrays: Arrays) -> None:
        super().__init__(arrays)
        self.arrays = dict(arrays)


@dataclass(frozen=True)
class Plant:
    """A planted problem: what is asked of a candidate, and what its answer is worth.

    `driver` is appended to a candidate and defines `call(**inputs)`, which returns the answer. `inputs` gives
    the arrays of a draw and a rung; `score` an answer's score for them, higher is better, or a complaint.
    """

    driver: str
    inputs: Callable[[int, int], Arrays]
    score: Callable[[np.ndarray, int, int], float | str]


class PlantedJudge:
    """Judges by the plant; folds are other draws."""

    rungs = 2
    folds = 4

    def __init__(self, name: str, plant: Plant) -> None:
        self.fingerprint = f"planted-{name}-1"
        self.data = f"a planted {name}"
        self._plant = plant
        self._inputs = lru_cache(64)(lambda draw, rung: Inputs(plant.inputs(draw, rung)))

    def proxy(self, source: str, rung: int, sandbox: Sandbox) -> Verdict:
        """The score on the first draw."""
        return self.verdict(source, 0, rung, sandbox)

    def north_star(self, source: str, split: str, fold: int, of: int, sandbox: Sandbox) -> Verdict:
        """The score on the fold's own draw."""
        return self.verdict(source, 10 + fold + (100 if split == "claim" else 0), 1, sandbox)

    def guard(self, source: str, sandbox: Sandbox) -> Verdict:
        """Nothing to guard."""
        return Verdict(Status.SCORED, Metric(0.0))

    def verdict(self, source: str, draw: int, rung: int, sandbox: Sandbox) -> Verdict:
        """The score on a draw, with the behaviour on it."""
        text = f"{source}\n\n{self._plant.driver}"
        inputs = [self._inputs(draw, rung)]
        parameters = {"function": "call"}
        outcome = sandbox.run(CALL, text, parameters=parameters, inputs=inputs, limits=LIMITS)
        if wrong := _wrong(outcome):
            return wrong
        found = self._plant.score(outcome.arrays["out"], draw, rung)
        if isinstance(found, str):
            return Verdict(Status.INVALID, reason=found)
        facts = {"behaviour": behaviour(outcome.arrays)}
        return Verdict(Status.SCORED, Metric(found), metrics={"score": Metric(found)}, facts=facts)


class Settings(BaseModel):
    """Nothing to set."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _wrong(outcome: Outcome) -> Verdict | None:
    if outcome.status == "stalled":
        return Verdict(Status.INFRASTRUCTURE, reason="stalled")
    if outcome.status == "timed_out":
        return Verdict(Status.TIMED_OUT, reason="took too long")
    if outcome.status != "finished":
        return Verdict(Status.CRASHED, reason=outcome.text or outcome.status)
    if "out" not in outcome.arrays or not (np.abs(outcome.arrays["out"]) < LARGEST).all():
        return Verdict(Status.INVALID, reason=f"must return numbers below {LARGEST:g}")
    return None


def planted(
    kind: str,
    plant: Plant,
    *,
    contract: str,
    seeds: Mapping[str, str],
    rules: Rules,
    vocabulary: Vocabulary,
    describe: Callable[[str], tuple[str, ...]],
) -> Task:
    """The task of a planted kind."""
    judge = PlantedJudge(kind, plant)

    def examine(source: str, sandbox: Sandbox) -> Verdict:
        verdict = judge.verdict(source, 1, 0, sandbox)
        return Verdict(Status.SCORED, Metric(0.0), facts=verdict.facts) if verdict.score else verdict

    def bind(data: Mapping[str, Any], settings: Mapping[str, Any], limits: Limits) -> PlantedJudge:
        return judge

    return Task(
        kind=kind,
        summary=f"find a planted {kind}",
        contract=contract,
        seeds=seeds,
        rules=rules,
        vocabulary=vocabulary,
        preload=("numpy", "recevolve.evaluators.sandbox.runners"),
        examine=examine,
        settings=Settings,
        judge=bind,
        export=lambda winner: {f"{winner.name}.py": winner.source},
        describe=describe,
        metrics={"score": True},
    )
