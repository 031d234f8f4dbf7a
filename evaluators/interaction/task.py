"""TASK: the interaction kind. Light: torch is imported where something is judged."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...population.values.verdict import Verdict
from ..data.schema import KEYS
from ..kinds.examination import examiner
from ..kinds.folder import contract, persona, programs
from ..kinds.task import Judge, Task
from ..sandbox import Sandbox
from ..sandbox.limits import Limits
from .language import ALLOWED, RULES, describe
from .reference_cost import OPERATIONS, PARAMETERS
from .settings import Settings
from .template import export
from .vocabulary import VOCABULARY

HERE = Path(__file__).parent
VERSION = "2"


def judge(data: Mapping[str, Any], settings: Mapping[str, Any], limits: Limits) -> Judge:
    """The kind bound to a log and to settings. DataError or ValidationError, both ValueErrors."""
    from .judge import InteractionJudge

    return InteractionJudge(data, settings, limits, VERSION, TASK.seeds.values())


def adapt(data: Mapping[str, Any], settings: Mapping[str, Any]) -> Task:
    """The task with the budget of a config. ValidationError, a ValueError, for settings that cannot be."""
    chosen = Settings.model_validate(settings)
    return replace(TASK, examine=_examine(chosen.parameter_budget, chosen.flop_budget))


def _examine(parameters: float, operations: float) -> Callable[[str, Sandbox], Verdict]:
    budget = {"parameter_budget": parameters, "flop_budget": operations}
    return examiner("recevolve.evaluators.interaction.inside:examine", budget)


TASK = Task(
    kind="interaction",
    summary="layers from the embeddings of a row to features, inside a ranking model",
    contract=contract(HERE, ALLOWED),
    seeds=programs(HERE / "seeds"),
    persona=persona(HERE),
    rules=RULES,
    vocabulary=VOCABULARY,
    schema=KEYS,
    settings=Settings,
    preload=(
        "numpy",
        "torch",
        "hypothesis",
        "recevolve.evaluators.kinds.properties",
        "recevolve.evaluators.interaction.properties",
        "recevolve.evaluators.interaction.inside",
    ),
    examine=_examine(PARAMETERS, OPERATIONS),
    judge=judge,
    export=export,
    describe=describe,
    metrics={
        "log_loss": False,
        "auc": True,
        "transfer_log_loss": False,
        "transfer_auc": True,
        "forward_time_ratio": False,
        "parameter_ratio": False,
        "flop_ratio": False,
    },
    floors=("auc", "transfer_log_loss"),
    guardrails={"forward_time_ratio": 2.0},
    adapt=adapt,
)
