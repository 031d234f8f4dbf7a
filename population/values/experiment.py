"""Experiment: the life of a program under the north star, as values. What is kept of it is in `experiments`.

    proposed -> validated -> training -> live -> decided -> launched -> rolled_back

A proposal that fails validation is decided at once. Traffic is taken back from a live or a launched one that
breaks a guardrail, or that a person stops: rolled_back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How far an experiment is. TRAINING waits for its first readings, LIVE collects them."""

    PROPOSED = "proposed"
    VALIDATED = "validated"
    TRAINING = "training"
    LIVE = "live"
    DECIDED = "decided"
    LAUNCHED = "launched"
    ROLLED_BACK = "rolled_back"


class Outcome(StrEnum):
    """What was decided. NONE where nothing is yet."""

    NONE = ""
    INVALID = "invalid"
    WIN = "win"
    LOSS = "loss"
    FUTILE = "futile"
    DROPPED = "dropped"
    EXHAUSTED = "exhausted"


EDGES: Mapping[State, frozenset[State]] = {
    State.PROPOSED: frozenset({State.VALIDATED, State.DECIDED}),
    State.VALIDATED: frozenset({State.TRAINING}),
    State.TRAINING: frozenset({State.LIVE, State.ROLLED_BACK}),
    State.LIVE: frozenset({State.DECIDED, State.ROLLED_BACK}),
    State.DECIDED: frozenset({State.LAUNCHED}),
    State.LAUNCHED: frozenset({State.ROLLED_BACK}),
    State.ROLLED_BACK: frozenset(),
}
"""Where an experiment may go from each state."""
UNDECIDED = (State.PROPOSED, State.VALIDATED, State.TRAINING, State.LIVE)
"""The states that take one of `north_star.slots`."""
TREATMENT, CONTROL, PAIRED = "treatment", "control", "paired"
"""Arms: users who meet the program, users who meet production, differences of the same users under both."""
COUNTS = ("accepted", "duplicate", "corrected", "outdated")
"""What becomes of a sound row of readings."""


class IllegalTransition(ValueError):
    """An experiment cannot go there from where it is."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of an experiment and why. `outcome` is what was decided so far, and stays.

    `generation` is the round that made it, `ingest` the readings that did; both None: a person.
    """

    experiment: str
    state: State
    reason: str
    outcome: Outcome = Outcome.NONE
    generation: int | None = None
    ingest: int | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """A program that meets the north star. `generation` is the round that proposed it.

    `number` counts the experiments of the run, `test` those that went live, both from 0. `alpha` is the
    level of its confidence sequence, fixed when it went live.
    """

    id: str
    program_id: str
    backend: str
    generation: int
    number: int
    state: State = State.PROPOSED
    outcome: Outcome = Outcome.NONE
    reason: str = ""
    test: int | None = None
    alpha: float | None = None
    created: str = ""

    @property
    def undecided(self) -> bool:
        """Whether it takes a slot."""
        return self.state in UNDECIDED

    @property
    def won(self) -> bool:
        """Whether it was decided a win and traffic was not taken back since."""
        return self.outcome is Outcome.WIN and self.state in (State.DECIDED, State.LAUNCHED)

    def after(self, step: Transition) -> "Experiment":
        """The experiment after the step. IllegalTransition where it may not go there."""
        if step.state not in EDGES[self.state]:
            ways = ", ".join(sorted(EDGES[self.state])) or "nowhere"
            raise IllegalTransition(
                f"experiment {self.id} is {self.state} and goes from there to {ways}, not to {step.state}"
            )
        if step.state is State.LAUNCHED and self.outcome is not Outcome.WIN:
            raise IllegalTransition(
                f"experiment {self.id} was decided {self.outcome}: only a win can be launched ({self.reason})"
            )
        if (step.state is State.DECIDED) == (step.outcome in (Outcome.NONE, self.outcome)):
            raise IllegalTransition(f"experiment {self.id}: {step.state} with outcome {step.outcome!r}")
        decided = step.outcome if step.state is State.DECIDED else self.outcome
        return replace(self, state=step.state, outcome=decided, reason=step.reason)


@dataclass(frozen=True, slots=True)
class Reading:
    """The moments of one metric in one arm among the users who entered the experiment on one day.

    A user belongs to the day of entry for good, so rows of different days are independent. `variance` is
    that of single users (denominator count - 1; 0 of one). A higher `revision` replaces a lower one of the
    same experiment, day, metric and arm. `ingest` is None where a fold gave it: then `day` names the fold.
    """

    experiment: str
    day: str
    metric: str
    arm: str
    count: int
    mean: float
    variance: float
    revision: int = 0
    ingest: int | None = None

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What a revision replaces."""
        return self.experiment, self.day, self.metric, self.arm


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one metric of an experiment: the gain over production, positive is better.

    `low` and `high` are the ends of the confidence sequence, None where it has none yet; `p` the always-valid
    p-value of no gain. `decision` says what this metric asked for: "go on", "win", "loss", "futile",
    "abort", or "late" after the decision. All metrics looked at together share `number`, from 0.
    """

    experiment: str
    number: int
    metric: str
    estimate: float
    low: float | None
    high: float | None
    error: float | None
    count: int
    p: float | None
    decision: str
    generation: int | None = None
    ingest: int | None = None


@dataclass(frozen=True, slots=True)
class Ingest:
    """One file or request of readings. `digest` is the SHA-256 of its bytes, `key` that of the sender's name
    for the request ("" where it gave none). `rejected` says of each refused row which one and why."""

    digest: str
    source: str
    key: str = ""
    accepted: int = 0
    duplicate: int = 0
    corrected: int = 0
    outdated: int = 0
    rejected: tuple[Mapping[str, Any], ...] = ()
    id: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the outside world was known at a round: its newest ingest, transition and look."""

    ingests: int = 0
    transitions: int = 0
    looks: int = 0


@dataclass(slots=True)
class Changes:
    """What one round, one ingest or one person changes, gathered and then committed together or not at all.

    `levels` are (test, alpha) of experiments that go live.
    """

    experiments: list[Experiment] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    levels: dict[str, tuple[int, float]] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    ingest: Ingest | None = None
