"""Settings: what the config may say about judging optimizers. Every key has a default and a unit."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=1)]
Factor = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(BaseModel):
    """The `[optimizer]` table. An unknown key or an impossible value is a ValidationError (a ValueError)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Literal["dcn", "dlrm"] = Field("dcn", description="ranker that is trained on the config's data")
    dim: Count = Field(8, description="embedding width, numbers per id")
    batch: Count = Field(512, description="rows per optimizer step")
    rung_rows: tuple[Count, ...] = Field(
        (8_000, 30_000, 90_000),
        description="training rows seen on each rung; more than the log has = epochs",
    )
    rung_factors: tuple[Count, ...] = Field(
        (4, 3, 2), description="learning-rate factors tried on each rung: the best ones of the rung before"
    )
    factors: tuple[Factor, ...] = Field(
        (0.1, 0.3, 1.0, 3.0), description="multiples of a candidate's own lr; it is judged at the best one"
    )
    epochs: Annotated[float, Field(gt=0)] = Field(2.0, description="passes over the data at the north star")
    subsample: Annotated[float, Field(gt=0, le=1)] = Field(
        0.9, description="share of the training rows that each north-star fold draws afresh"
    )
    folds: Count = Field(10, description="groups of users that selection and claim are dealt into")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of splits, initial weights and batch order")
    evaluation_rows: Count = Field(20_000, description="held-out rows scored at most, the first ones in time")
    transfer: bool = Field(True, description="also train a DLRM on a synthetic log at the north star")
    transfer_rows: Count = Field(20_000, description="training rows seen on the synthetic log")
    guard_steps: Count = Field(60, description="steps timed against Adam")

    @model_validator(mode="after")
    def _rungs_agree(self) -> Self:
        if not self.rung_rows or len(self.rung_rows) != len(self.rung_factors):
            raise ValueError(
                f"rung_rows and rung_factors must have one entry per rung, got {len(self.rung_rows)} and "
                f"{len(self.rung_factors)}"
            )
        if any(
            later > earlier for earlier, later in zip(self.rung_factors, self.rung_factors[1:], strict=False)
        ):
            raise ValueError(f"rung_factors may not grow from rung to rung, got {self.rung_factors}")
        if len(set(self.factors)) < self.rung_factors[0]:
            raise ValueError(f"rung 0 tries {self.rung_factors[0]} factors but factors has {self.factors}")
        return self
