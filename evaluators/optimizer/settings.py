"""Settings: what the config may say about judging optimizers. Every key has a default and a unit."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ..ctr.settings import Count, Positive, TrainingSettings

REFINED = 3
"""The best rate so far, one above and one below."""


class Settings(TrainingSettings):
    """The `[optimizer]` table. An unknown key or an impossible value is a ValidationError (a ValueError)."""

    model: Literal["dcn", "dlrm"] = Field("dcn", description="ranker that is trained on the config's data")
    rung_rows: tuple[Count, ...] = Field(
        (6_000, 20_000, 60_000),
        description="training rows seen on each rung; more than the log has = epochs",
    )
    rung_factors: tuple[Count, ...] = Field(
        (4, 3, 3),
        description="learning rates tried on each rung; from the second on the best so far and neighbours",
    )
    factors: tuple[Positive, ...] = Field(
        (0.27, 0.65, 1.55, 3.7),
        description="rates of the first rung, as multiples of the one that gives steps of a standard length",
    )

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
        if max(self.rung_factors[1:], default=0) > REFINED:
            raise ValueError(f"later rungs try {REFINED} rates at most, got rung_factors {self.rung_factors}")
        if len(set(self.factors)) < self.rung_factors[0]:
            raise ValueError(f"rung 0 tries {self.rung_factors[0]} factors but factors has {self.factors}")
        return self
