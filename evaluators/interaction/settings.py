"""Settings: what the config may say about judging interaction layers. Every key has a default and a unit."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .reference_cost import OPERATIONS, PARAMETERS

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(BaseModel):
    """The `[interaction]` table. An unknown key or impossible value is a ValidationError (a ValueError)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Literal["parallel", "stacked"] = Field(
        "parallel",
        description="where outputs go: to the logit beside a deep tower, or into the tower beside embeddings",
    )
    dim: Count = Field(8, description="embedding width, numbers per id")
    batch: Count = Field(512, description="rows per training step")
    lr: Positive = Field(0.005, description="learning rate of Adam, the same for all candidates")
    parameter_budget: Positive = Field(
        PARAMETERS,
        description="most numbers to train, in those of the dcn_v2 seed; each output counts as one",
    )
    flop_budget: Positive = Field(
        OPERATIONS, description="most floating-point operations per row, in those of the dcn_v2 seed"
    )
    rung_epochs: tuple[Positive, ...] = Field(
        (0.5, 1.0, 2.0), min_length=1, description="passes over the search split's training rows on each rung"
    )
    draws: Count = Field(
        3, description="trainings, each with fresh weights and order, whose mean is the last rung's score"
    )
    epochs: Positive = Field(2.0, description="passes over the data at the north star")
    subsample: Annotated[float, Field(gt=0, le=1)] = Field(
        0.9, description="share of the training rows that each north-star fold draws afresh"
    )
    folds: Count = Field(10, description="groups of users that selection and claim are dealt into")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of splits, initial weights and batch order")
    evaluation_rows: Count = Field(20_000, description="held-out rows scored at most, the first ones in time")
    transfer: bool = Field(
        True, description="also train the other model on a synthetic log of another seed at the north star"
    )
    transfer_rows: Count = Field(20_000, description="training rows seen on that log")
    guard_steps: Count = Field(60, description="forward passes timed against the dcn_v2 seed")
