"""The settings that kinds share which train a small ranking model on a log of clicks."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class TrainingSettings(BaseModel):
    """A kind's table. An unknown key or an impossible value is a ValidationError (a ValueError)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dim: Count = Field(8, description="embedding width, numbers per id")
    batch: Count = Field(512, description="rows per training step")
    epochs: Positive = Field(
        2.0, description="passes over the data at the north star; each fold draws a length near it"
    )
    subsample: Annotated[float, Field(gt=0, le=1)] = Field(
        0.9, description="share of the training rows that each north-star fold draws afresh"
    )
    folds: Annotated[int, Field(ge=2)] = Field(
        10, description="groups of users that selection and claim are dealt into"
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of splits, initial weights and batch order")
    evaluation_rows: Count = Field(20_000, description="held-out rows scored at most, the first ones in time")
    checkpoints: Count = Field(
        5, description="points of each training, evenly spaced, of which the best one is scored"
    )
    choosing_rows: Count = Field(
        2_000,
        description="held-out rows, at most, that choose the checkpoint; not one of their users is scored",
    )
    transfer: bool = Field(
        True, description="also train another ranking model on a second, synthetic log at the north star"
    )
    transfer_rows: Count = Field(20_000, description="training rows seen on that log")
    guard_steps: Count = Field(60, description="calls timed beside the reference program's")
