"""The `[online]` table: how north-star experiments are run, decided and launched."""

from typing import Literal

from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from .proposers import Share, Table

SCORE = "score"
"""The deciding metric of folds: the kind's own north-star score, higher is better."""


class Measure(Table):
    """A metric of an experiment. One that has a limit is a guardrail."""

    better: Literal["higher", "lower"] = Field("higher", description="which way is better")
    low: FiniteFloat | None = Field(None, description="a mean below this is refused as no reading")
    high: FiniteFloat | None = Field(None, description="a mean above this is refused as no reading")
    absolute: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="guardrail: most change for the worse, in its own unit"
    )
    relative: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="guardrail: the same as a share of production's mean"
    )
    hard: bool = Field(
        False, description="abort once the estimate is beyond the limit, not only once that is certain"
    )

    @property
    def guards(self) -> bool:
        """Whether it has a limit."""
        return self.absolute is not None or self.relative is not None

    @model_validator(mode="after")
    def _is_sound(self) -> "Measure":
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low must lie below high, got {self.low} and {self.high}")
        if self.absolute is not None and self.relative is not None:
            raise ValueError("give one limit, absolute or relative, not both")
        if self.hard and not self.guards:
            raise ValueError("hard needs a limit: give absolute or relative")
        return self


class Online(Table):
    """The outer loop: who answers, what decides, who launches."""

    backend: Literal["none", "simulator", "replay", "live"] = Field(
        "none",
        description="who answers: nobody (no experiments), the kind's simulator, its log, or your platform",
    )
    deciding: str = Field(
        SCORE, description="metric that decides; score: the kind's own, live names one below"
    )
    alpha: Share = Field(0.05, description="share of false wins accepted among the wins of the whole run")
    minimum_effect: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="gain below which a program is not worth launching"
    )
    gate: bool = Field(True, description="a person launches (`recevolve online launch --approve`)")
    batches: PositiveInt = Field(2, description="folds that each experiment collects per promotion round")
    users: PositiveInt = Field(10_000, description="users per arm at which a live interval is narrowest")
    horizon_days: PositiveInt = Field(28, description="days of entry that a live experiment has at the most")
    bound: float = Field(
        2.0, ge=0, allow_inf_nan=False, description="standard errors added to the proxy that ranks newcomers"
    )
    metrics: dict[str, Measure] = Field(
        default_factory=dict, description="metrics that are read, each a table: [online.metrics.NAME]"
    )

    @property
    def on(self) -> bool:
        """Whether there are experiments at all."""
        return self.backend != "none"

    @model_validator(mode="after")
    def _names_what_decides(self) -> "Online":
        if self.backend == "live":
            chosen = self.metrics.get(self.deciding)
            if chosen is None:
                raise ValueError(
                    f"backend live needs a table [online.metrics.{self.deciding}] for the metric that "
                    "`deciding` names"
                )
            if chosen.low is None or chosen.high is None:
                raise ValueError(f"[online.metrics.{self.deciding}] needs low and high, the range of a mean")
        elif self.backend != "none" and self.deciding != SCORE:
            raise ValueError(
                f'backend {self.backend} decides by the kind\'s own score: leave deciding "score"'
            )
        return self

    def measure(self, metric: str) -> Measure:
        """What is known of a metric; the score has no table of its own."""
        return self.metrics.get(metric, Measure())
