"""TASK: the optimizer kind. Light: torch is imported where something is judged."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..kinds.task import Judge, Task
from ..sandbox.limits import Limits
from .describe import describe
from .examination import examine
from .language import RULES, allowed
from .properties import PROPERTIES
from .settings import Settings
from .template import export
from .vocabulary import VOCABULARY

HERE = Path(__file__).parent
VERSION = "1"


def judge(data: Mapping[str, Any], settings: Mapping[str, Any], limits: Limits) -> Judge:
    """The kind bound to a log and to settings. DataError or ValidationError, both ValueErrors."""
    from .judge import OptimizerJudge

    return OptimizerJudge(data, settings, limits, VERSION)


def _texts(folder: str) -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted((HERE / folder).glob("*.py"))}


TASK = Task(
    kind="optimizer",
    version=VERSION,
    summary="update rules that train a small ranking model on a log of impressions",
    contract=(HERE / "contract.md").read_text(encoding="utf-8") + "\n" + allowed(),
    seeds=_texts("seeds"),
    cheats=_texts("cheats"),
    rules=RULES,
    vocabulary=VOCABULARY,
    properties=PROPERTIES,
    settings=Settings,
    preload=(
        "numpy",
        "torch",
        "hypothesis",
        "recevolve.evaluators.kinds.properties",
        "recevolve.evaluators.optimizer.properties",
        "recevolve.evaluators.optimizer.inside",
    ),
    examine=examine,
    judge=judge,
    export=export,
    describe=describe,
    metrics={
        "log_loss": False,
        "auc": True,
        "transfer_log_loss": False,
        "transfer_auc": True,
        "step_time_ratio": False,
        "state_memory_ratio": False,
    },
    floors=("auc",),
    guardrails={"step_time_ratio": 1.5, "state_memory_ratio": 1.5},
)
