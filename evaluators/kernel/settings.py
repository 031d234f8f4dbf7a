"""Settings: what the config may say about judging kernels. Every key has a default and a unit."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...kernels.operators import OPERATORS, Operator, Shape
from .layers import Layer, operator_of_layer

Count = Annotated[int, Field(ge=1)]
DRIVER = Path("/proc/driver/nvidia/version")
"""There where a GPU of NVIDIA can be used; asking torch would load it into the engine."""


class Settings(BaseModel):
    """The `[kernel]` table. An unknown key or an impossible value is a ValidationError (a ValueError)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operator: str = Field("pairwise_dot", description="what the kernels must compute, forward and backward")
    reference: Layer | None = Field(
        None, description="a table: an interaction layer to compute in place of the operator"
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "bfloat16", description="of inputs and outputs; float32 means all its digits, not tf32"
    )
    shapes: tuple[str | dict[str, int], ...] = Field(
        (),
        description="sizes that count, the headline first: names, or tables of sizes; none: all known ones",
    )
    target: Literal["sm_90", "gfx942"] = Field(
        "sm_90", description="what kernels are compiled for; gfx942 must compile, and nothing is estimated"
    )
    device: Literal["H100", "H200"] = Field("H100", description="the GPU that estimates are about")
    north_star: Literal["auto", "estimate", "measure"] = Field(
        "auto", description="what is believed: time on this machine's GPU, or the estimate where it has none"
    )
    calibration: Path | None = Field(
        None, description="JSON file of a calibration fitted from timings; none: the model's own constants"
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of hidden sizes, inputs and sampled programs")
    hidden_sizes: Count = Field(4, description="sizes on which a candidate's results are checked at first")
    more_hidden_sizes: Count = Field(4, description="further sizes, checked at the last rung and each fold")
    programs: Count = Field(4, description="programs of each launch that are interpreted for an estimate")

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        operator = operator_for(self)
        shapes_for(operator, self)
        if self.target != "sm_90" and self.north_star == "measure":
            raise ValueError(f'north_star = "measure" needs target = "sm_90", got {self.target!r}')
        return self


def operator_for(settings: Settings) -> Operator:
    """The operator that these settings are about. ValueError with the known ones for any other name."""
    if settings.reference is not None:
        return operator_of_layer(settings.reference)
    operator = OPERATORS.get(settings.operator)
    if operator is None:
        raise ValueError(f"kernel.operator is one of {', '.join(OPERATORS)}, got {settings.operator!r}")
    return operator


def shapes_for(operator: Operator, settings: Settings) -> tuple[Shape, ...]:
    """The sizes that count, the headline first. ValueError for a name or a size that the operator lacks."""
    known = {shape.name: shape for shape in operator.real}
    letters = set(operator.real[0].sizes)
    chosen = []
    for shape in settings.shapes or tuple(known):
        if isinstance(shape, str):
            if shape not in known:
                raise ValueError(f"kernel.shapes: {operator.name} has {', '.join(known)}, got {shape!r}")
            chosen.append(known[shape])
        elif set(shape) != letters or min(shape.values()) < 1:
            raise ValueError(
                f"kernel.shapes: sizes of {operator.name} are {', '.join(sorted(letters))}, each 1 or more, "
                f"got {shape}"
            )
        else:
            name = "-".join(f"{letter}{size}" for letter, size in shape.items())
            chosen.append(Shape(name, shape, "the config"))
    return tuple(chosen)


def measures(settings: Settings) -> bool:
    """Whether the north star is measured here. ValueError where it must be and there is no GPU."""
    if settings.target != "sm_90" or settings.north_star == "estimate":
        return False
    if settings.north_star == "measure" and not DRIVER.exists():
        raise ValueError(
            f'kernel.north_star = "measure", but this machine has no NVIDIA driver ({DRIVER}): set "auto", '
            "which ranks by estimate and leaves a gpu-queue for a machine that has one"
        )
    return DRIVER.exists()


def reason(settings: Settings) -> str:
    """What stands in for a measurement, and why, in one line; empty where it is measured."""
    if measures(settings):
        return ""
    if settings.target != "sm_90":
        return f"kernels for {settings.target} are compiled and checked; nothing about them is measured"
    why = (
        'north_star = "estimate"'
        if settings.north_star == "estimate"
        else "this machine has no NVIDIA driver"
    )
    return f"the share of the roofline is a static estimate for an {settings.device}, not measured: {why}"
