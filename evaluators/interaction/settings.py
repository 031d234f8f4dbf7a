"""Settings: what the config may say about judging interaction layers. Every key has a default and a unit."""

from typing import Literal

from pydantic import Field

from ..ctr.settings import Count, Positive, TrainingSettings
from .reference_cost import OPERATIONS, PARAMETERS


class Settings(TrainingSettings):
    """The `[interaction]` table. An unknown key or impossible value is a ValidationError (a ValueError)."""

    model: Literal["parallel", "stacked"] = Field(
        "parallel",
        description="where outputs go: to the logit beside a deep tower, or into the tower beside embeddings",
    )
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
