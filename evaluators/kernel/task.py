"""TASK: the kernel kind. Its operators bring torch along; triton is imported where kernels are judged."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...kernels.operators import OPERATORS, Operator
from ...population.values.verdict import Verdict
from ..kinds.folder import contract, persona, programs
from ..kinds.task import Judge, Task
from ..sandbox import Sandbox
from ..sandbox.limits import Limits
from .describe import describe
from .edits import EDITS
from .gpu_queue import GpuQueue
from .language import ALLOWED, rules_for
from .layers import equal_operator
from .settings import Settings, measures, operator_for, shapes_for
from .template import export_for, reference_text
from .vocabulary import VOCABULARY

HERE = Path(__file__).parent
PROGRAMS = HERE.parents[1] / "kernels" / "ops" / "programs"
"""Our own kernels, the first seed of every operator that has one."""
VERSION = "1"
WORDS = {"sm_90": "NVIDIA H100 (sm_90)", "gfx942": "AMD MI300 (gfx942)"}
STARS = {
    True: "What we believe is the north star: the share that is measured on a GPU, by our clock.",
    False: "No GPU is here: the ranking is by that estimate, and a queue is left for a machine that has one.",
}
SHARES = {True: "measured_share", False: "estimated_share"}


def judge(data: Mapping[str, Any], settings: Mapping[str, Any], limits: Limits) -> Judge:
    """The kind bound to settings; there is no log. ValueError for what cannot be."""
    from .judge import KernelJudge

    return KernelJudge(data, settings, limits, VERSION)


def adapt(data: Mapping[str, Any], settings: Mapping[str, Any]) -> Task:
    """The task for the operator and the target of a config. ValueError for settings that cannot be."""
    return task_for(Settings.model_validate(settings))


def task_for(settings: Settings) -> Task:
    """The task for these settings: contract, rules and seeds are those of their operator."""
    operator, measured = operator_for(settings), measures(settings)
    shares = {SHARES[measured]: True, **dict.fromkeys(SHARES.values(), True)}
    return Task(
        kind="kernel",
        summary="Triton kernels of an operator, judged by the share of the roofline that they reach",
        contract=_contract(operator, settings, measured),
        seeds=seeds_for(operator),
        rules=rules_for(operator),
        vocabulary=VOCABULARY,
        settings=Settings,
        preload=("numpy", "torch", "triton", "recevolve.evaluators.kernel.inside"),
        examine=_examine_for(settings),
        judge=judge,
        export=export_for(settings),
        describe=describe,
        metrics={
            **(shares if measured else {"estimated_share": True}),
            "forward_share": True,
            "backward_share": True,
            "registers": False,
            "spill_bytes": False,
            "shared_bytes": False,
            "workspace_ratio": False,
        },
        guardrails={"spill_bytes": 1024.0, "workspace_ratio": 2.0},
        backends=(),
        source="none",
        data="kernels need no log",
        reference="interaction",
        persona=persona(HERE),
        adapt=adapt,
        edits=EDITS,
        measuring=GpuQueue(),
    )


def seeds_for(operator: Operator) -> dict[str, str]:
    """Our own program of the operator first, where there is one, then other known methods.

    Of a layer: those of the operator of ours that equals it, none where none does.
    """
    if operator.name not in OPERATORS:
        ours = equal_operator(operator)
        return seeds_for(ours) if ours else {}
    own = PROGRAMS / f"{operator.name}.py"
    texts = {operator.name: own.read_text(encoding="utf-8")} if own.is_file() else {}
    return {**texts, **programs(HERE / "seeds" / operator.name)}


def _examine_for(settings: Settings) -> Callable[[str, Sandbox], Verdict]:
    def examine(source: str, sandbox: Sandbox) -> Verdict:
        """SCORED 0 and facts['behaviour'] where a program is right wherever it is tried, else why not."""
        from .examination import examine_for

        return examine_for(settings)(source, sandbox)

    return examine


def _contract(operator: Operator, settings: Settings, measured: bool) -> str:
    shapes = shapes_for(operator, settings)
    listed = "; ".join(
        f"{shape.name} ({', '.join(f'{letter}={size}' for letter, size in shape.sizes.items())})"
        for shape in shapes
    )
    return contract(
        HERE,
        ALLOWED,
        summary=operator.summary,
        inputs=", ".join(operator.inputs),
        differentiable=" and ".join(f"`{name}`" for name in operator.differentiable),
        reference=reference_text(operator),
        sizes=f"It counts at these sizes, in {settings.dtype}, the first one most: {listed}.",
        target=WORDS[settings.target],
        star=STARS[measured],
    )


TASK = task_for(Settings(north_star="estimate"))
