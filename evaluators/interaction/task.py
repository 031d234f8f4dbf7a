"""TASK: the interaction kind. Light: torch is imported where something is judged."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..kinds.task import Judge, Task
from ..sandbox.limits import Limits
from .describe import describe
from .examination import examine_for
from .language import RULES, allowed
from .properties import properties_for
from .settings import Settings
from .template import export
from .vocabulary import VOCABULARY

HERE = Path(__file__).parent
VERSION = "1"


def judge(data: Mapping[str, Any], settings: Mapping[str, Any], limits: Limits) -> Judge:
    """The kind bound to a log and to settings. DataError or ValidationError, both ValueErrors."""
    from .judge import InteractionJudge

    return InteractionJudge(data, settings, limits, VERSION)


def adapt(data: Mapping[str, Any], settings: Mapping[str, Any]) -> Task:
    """The task with the budget of a config. ValidationError, a ValueError, for settings that cannot be."""
    chosen = Settings.model_validate(settings)
    budget = chosen.parameter_budget, chosen.flop_budget
    return replace(TASK, properties=properties_for(*budget), examine=examine_for(*budget))


def _texts(folder: str) -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted((HERE / folder).glob("*.py"))}


DEFAULT = Settings()
BUDGET = DEFAULT.parameter_budget, DEFAULT.flop_budget
TASK = Task(
    kind="interaction",
    version=VERSION,
    summary="layers from the embeddings of a row to features, inside a ranking model",
    contract=(HERE / "contract.md").read_text(encoding="utf-8") + "\n" + allowed(),
    seeds=_texts("seeds"),
    cheats=_texts("cheats"),
    rules=RULES,
    vocabulary=VOCABULARY,
    properties=properties_for(*BUDGET),
    settings=Settings,
    preload=(
        "numpy",
        "torch",
        "hypothesis",
        "recevolve.evaluators.kinds.properties",
        "recevolve.evaluators.interaction.properties",
        "recevolve.evaluators.interaction.inside",
    ),
    examine=examine_for(*BUDGET),
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
    floors=("auc",),
    guardrails={"forward_time_ratio": 2.0},
    adapt=adapt,
)
