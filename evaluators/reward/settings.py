"""Settings: what the config may say about judging rewards. Every key has a default and a unit."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Count = Annotated[int, Field(ge=1)]
Star = Literal[
    "late_active_days", "active_days", "click_rate", "watch_per_session", "like_rate", "hate_rate", "replay"
]

LOSS = (
    "is refused as a proxy: each reward sets its own target, in its own unit, so that the loss of models "
    "trained on different rewards cannot be compared, and the easiest reward to predict is a constant. Name "
    "an outcome of the log instead, such as later_days"
)


class Settings(BaseModel):
    """The `[reward]` table. An unknown key or an impossible value is a ValidationError (a ValueError)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    signals: Path | None = Field(
        None, description="TOML file that describes the columns of your own log; none: those of the source"
    )
    proxy: str = Field("later_days", min_length=1, description="outcome of the log that the proxy is about")
    north_star: Star = Field(
        "late_active_days",
        description="what is believed: a measure of simulated users, or replay of a log's held-out users",
    )
    scenario: Literal["aligned", "clickbait", "drifting"] = Field(
        "clickbait", description="how clicks and satisfaction of simulated users are related"
    )
    alignment: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="1: what is clicked satisfies; 0: as in clickbait; none: as the scenario has it"
    )
    parameters: Path | None = Field(
        None, description="TOML file of `recevolve simulator calibrate`; none: the scenario's people"
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of simulated logs, worlds and users, of splits")
    log_users: Count = Field(40_000, description="simulated users of the search's log")
    choices: Annotated[int, Field(ge=2, le=32)] = Field(
        8, description="candidates per slate of a log, of which one is shown by chance"
    )
    rung_rows: tuple[Count, ...] = Field(
        (30_000, 60_000, 1_000_000), description="slates used on each rung; more than the log has: all"
    )
    sharpness: Annotated[float, Field(gt=0, le=64)] = Field(
        1.0, description="how much the induced policy prefers what ranks higher; 1: linearly, 64: the best"
    )
    least_effective: Annotated[float, Field(ge=1)] = Field(
        200.0, description="effective sample size, in slates, below which a reward is not ranked"
    )
    users: Count = Field(4_000, description="simulated users of each north-star fold")
    days: Annotated[int, Field(ge=4)] = Field(28, description="simulated days; the second half is late")
    worlds: Count = Field(8, description="worlds that each of selection and claim has: folds at most")
    guard_users: Count = Field(4_000, description="simulated users on which guardrails are read")
    satisfaction: tuple[str, ...] = Field(
        ("like", "survey"), description="predictions that may explain a lean towards popular or long items"
    )

    @field_validator("proxy")
    @classmethod
    def _is_no_loss(cls, proxy: str) -> str:
        if "loss" in proxy.lower().replace("-", "_").split("_"):
            raise ValueError(f"{proxy!r} {LOSS}")
        return proxy

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        if self.parameters is not None and self.alignment is not None:
            raise ValueError(
                "alignment belongs to a scenario, and parameters name people of their own: set bait_cost and "
                "bait_quality in that file instead"
            )
        if not self.rung_rows or list(self.rung_rows) != sorted(self.rung_rows):
            raise ValueError(f"rung_rows must grow from rung to rung, got {self.rung_rows}")
        return self
