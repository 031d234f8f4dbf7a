"""A kind of program small enough to search in seconds: a function of x that should follow a hidden curve."""

import ast
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recevolve.evaluators.kinds.properties import behaviour
from recevolve.evaluators.kinds.task import Task, Winner
from recevolve.evaluators.language.rules import Rules
from recevolve.evaluators.language.vocabulary import Layout, Operator, Vocabulary
from recevolve.evaluators.sandbox import Limits, Outcome, Sandbox, SharedArrays
from recevolve.population.values.verdict import Metric, Status, Verdict

CALL = "recevolve.evaluators.sandbox.runners:call"
SEEDS = {
    "line": '''"""A straight line."""
CONSTANTS = {"a": 0.5}


def f(x, c):
    return c["a"] * x
''',
    "flat": '''"""Nothing at all."""
CONSTANTS = {"a": 0.0}


def f(x, c):
    return c["a"] + 0.0 * x
''',
}
RULES = Rules(
    functions={"f": ("x", "c")},
    constants=("CONSTANTS",),
    modules={"numpy": frozenset({"tanh", "sin", "cos", "abs", "square"})},
    methods=frozenset({"shape"}),
    builtins=frozenset({"abs", "float"}),
)
VOCABULARY = Vocabulary(
    layout=Layout(function="f", constants="CONSTANTS", constants_parameter="c"),
    operators=(
        Operator("{0} + {1}", ("tensor", "tensor"), "tensor", "add"),
        Operator("{0} * {1}", ("scalar", "tensor"), "tensor", "scale"),
        Operator("numpy.tanh({0})", ("tensor",), "tensor", "squash"),
        Operator("numpy.sin({0})", ("tensor",), "tensor", "take the sine of"),
        Operator("numpy.square({0})", ("tensor",), "tensor", "square"),
    ),
    leaves={"x": "tensor"},
)


class CurveJudge:
    """Judges by the mean squared error to sin(2x) + x/2; folds draw other x.

    With `bait` the proxy pays for large answers as well, and says so in a second metric: the truth is in its
    components, and its score leads away from it.
    """

    rungs = 2
    folds = 4
    data = "a hidden curve, 64 points"

    def __init__(self, limits: Limits, settings: Mapping[str, Any]) -> None:
        self.limits = limits
        self.bait = Settings.model_validate(settings).bait
        self.fingerprint = f"toy-{self.bait}" if self.bait else "toy-1"

    def proxy(self, source: str, rung: int, sandbox: Sandbox) -> Verdict:
        """The negative error on few points, then on more."""
        verdict = self._score(source, 1, 16 if rung == 0 else 64, sandbox)
        if verdict.score is None or not self.bait:
            return verdict
        level = verdict.metrics["level"].value
        return replace(verdict, score=Metric(verdict.score.value + self.bait * level, 0.01, 64))

    def north_star(self, source: str, split: str, fold: int, of: int, sandbox: Sandbox) -> Verdict:
        """The negative error on the fold's own points."""
        return self._score(source, 10 + fold + (100 if split == "claim" else 0), 64, sandbox, units=True)

    def guard(self, source: str, sandbox: Sandbox) -> Verdict:
        """`length_ratio`: characters in the source, in hundreds."""
        return Verdict(Status.SCORED, Metric(0.0), metrics={"length_ratio": Metric(len(source) / 100)})

    def _score(self, source: str, seed: int, count: int, sandbox: Sandbox, *, units: bool = False) -> Verdict:
        outcome, x = call(source, seed, count, sandbox, self.limits)
        if wrong := _wrong(outcome, x):
            return wrong
        errors = (outcome.arrays["out"] - np.sin(2 * x) - x / 2) ** 2
        error = float(np.mean(errors))
        return Verdict(
            Status.SCORED,
            Metric(-error),
            metrics={"error": Metric(error), **self._level(outcome.arrays["out"])},
            facts={"units": (-errors).tolist()} if units else {},
            timings={"cpu_seconds": outcome.cpu_seconds},
        )

    def _level(self, out: np.ndarray) -> dict[str, Metric]:
        """How large the answers are, where the proxy pays for that."""
        return {"level": Metric(float(np.abs(out).mean()), 0.01, len(out))} if self.bait else {}


def call(source: str, seed: int, count: int, sandbox: Sandbox, limits: Limits) -> tuple[Outcome, np.ndarray]:
    """What f makes of `count` points, and the points."""
    x = np.random.default_rng(seed).uniform(-3, 3, count)
    text = f"{source}\n\ndef call(x):\n    return f(x, CONSTANTS)\n"
    inputs = [SharedArrays({"x": x})]
    outcome = sandbox.run(CALL, text, parameters={"function": "call"}, inputs=inputs, limits=limits)
    return outcome, x


def examine(source: str, sandbox: Sandbox) -> Verdict:
    """SCORED 0 where finite numbers of the right shape come back."""
    outcome, x = call(source, 0, 16, sandbox, Limits(cpu_seconds=2.0, memory_mb=256))
    if wrong := _wrong(outcome, x):
        return wrong
    return Verdict(Status.SCORED, Metric(0.0), facts={"behaviour": behaviour(outcome.arrays)})


class Settings(BaseModel):
    """What can be set."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    bait: float = Field(0.0, description="what the proxy pays for the size of answers; 0: it is honest")


def _wrong(outcome: Outcome, x: np.ndarray) -> Verdict | None:
    if outcome.status == "stalled":
        return Verdict(Status.INFRASTRUCTURE, reason="stalled")
    if outcome.status == "timed_out":
        return Verdict(Status.TIMED_OUT, reason="took too long")
    if outcome.status != "finished":
        return Verdict(Status.CRASHED, reason=outcome.text or outcome.status)
    out = outcome.arrays.get("out")
    if out is None or out.shape != x.shape or not np.isfinite(out).all():
        return Verdict(Status.INVALID, reason="must return one finite number for each x")
    return None


def describe(source: str) -> tuple[str, ...]:
    """Which functions a program calls."""
    return tuple(
        sorted({node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)})
    )


def export(winner: Winner) -> dict[str, str]:
    """The source and where it came from."""
    told = winner.provenance.get("exported_anyway") or winner.provenance["gain"]
    return {f"{winner.name}.py": winner.source, "README.md": told}


TASK = Task(
    kind="toy",
    summary="follow a hidden curve",
    contract="def f(x, c) -> array",
    seeds=SEEDS,
    rules=RULES,
    vocabulary=VOCABULARY,
    preload=("numpy", "recevolve.evaluators.sandbox.runners"),
    examine=examine,
    settings=Settings,
    judge=lambda data, settings, limits: CurveJudge(limits, settings),
    export=export,
    describe=describe,
    metrics={"error": False},
    guardrails={"length_ratio": 20.0},
)
