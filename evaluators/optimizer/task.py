"""TASK: the optimizer kind. Light: torch is imported where something is judged."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...population.values.verdict import Verdict
from ..data.schema import KEYS
from ..kinds.examination import examiner
from ..kinds.folder import contract, persona, programs
from ..kinds.task import Judge, Task
from ..sandbox.limits import Limits
from .language import ALLOWED, RULES, describe, rate
from .patch.export import export
from .settings import Settings
from .vocabulary import VOCABULARY

if TYPE_CHECKING:
    from ..sandbox import Sandbox

HERE = Path(__file__).parent
PROPERTIES = "recevolve.evaluators.optimizer.properties"
VERSION = "2"


def trial(source: str, sandbox: "Sandbox") -> Verdict:
    """What a patch tells of its costs, and whether rows without a gradient stay; see `patch.trial`."""
    from .patch.trial import trial

    return trial(source, sandbox)


def judge(data: Mapping[str, Any], settings: Mapping[str, Any], limits: Limits) -> Judge:
    """The kind bound to a log and to settings. DataError or ValidationError, both ValueErrors."""
    from .judge import OptimizerJudge

    return OptimizerJudge(data, settings, limits, VERSION, TASK.seeds.values())


TASK = Task(
    kind="optimizer",
    summary="update rules that train a small ranking model on a log of impressions",
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
        PROPERTIES,
        "recevolve.evaluators.optimizer.inside",
        "recevolve.evaluators.optimizer.patch.inside",
    ),
    examine=examiner("recevolve.evaluators.kinds.properties:inside", {"task": PROPERTIES}),
    judge=judge,
    export=export,
    trial=trial,
    describe=describe,
    rate=rate,
    metrics={
        "log_loss": False,
        "auc": True,
        "transfer_log_loss": False,
        "transfer_auc": True,
        "step_time_ratio": False,
        "state_memory_ratio": False,
        "peak_memory_ratio": False,
    },
    floors=("auc", "transfer_log_loss"),
    guardrails={"step_time_ratio": 2.5, "state_memory_ratio": 1.5, "peak_memory_ratio": 2.0},
)
