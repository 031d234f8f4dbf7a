"""Task: what a kind of program is. A folder whose `task.py` holds a TASK is a kind; nothing else changes."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import BaseModel

from ...population.values.measurement import Measurement
from ...population.values.verdict import Verdict
from ..language.edit import Edit
from ..language.rules import Rules
from ..language.vocabulary import Vocabulary
from ..sandbox.limits import Limits

if TYPE_CHECKING:
    from ..sandbox import Sandbox


class Judge(Protocol):
    """A task bound to its data and settings. Source in, Verdict out; knows no island and no archive.

    Every method is a pure function of its arguments and of `fingerprint`, timings excepted. `source` is
    canonical. A bad program is a verdict; only a bad environment raises.
    """

    fingerprint: str
    """Changes whenever any verdict could: data, splits, settings, versions. Part of every ledger key."""
    rungs: int
    """How many fidelities the proxy has; 0 is the cheapest."""
    folds: int
    """How many groups of disjoint users `north_star` can deal a split into, at most."""
    data: str
    """One line about the log for a person: its name, rows, and where it came from."""

    def proxy(self, source: str, rung: int, sandbox: "Sandbox") -> Verdict:
        """The cheap score on the search split; all programs share seeds, so that scores pair."""
        ...

    def north_star(self, source: str, split: str, fold: int, of: int, sandbox: "Sandbox") -> Verdict:
        """The slow score on 'selection' or 'claim', whose users are dealt into `of` folds numbered from 0.

        Seed and held-out users belong to the fold, so that the scores of two programs pair. `facts["units"]`
        may hold the score of each unit, such as a user, in an order that is the same for all programs: then
        experiments pair unit by unit.
        """
        ...

    def guard(self, source: str, sandbox: "Sandbox") -> Verdict:
        """SCORED with guardrail readings, lower is better: steady ones in `metrics`, times in `timings`."""
        ...


@runtime_checkable
class Estimating(Protocol):
    """A judge whose north star is an estimate on this machine, and a measurement on another."""

    estimate: str
    """What stands in for the measurement here and why, in one line; empty where it is measured here."""

    def order(self, source: str, sandbox: "Sandbox") -> Verdict:
        """What another machine needs to measure the program: SCORED 0 with facts that `Measuring` knows."""
        ...


@runtime_checkable
class Warned(Protocol):
    """A judge of a log that a person should look at again."""

    warnings: tuple[str, ...]
    """What to check in the log, in a sentence each."""


@dataclass(frozen=True)
class Size:
    """How long the trainings of a judge are, and so what its calls cost."""

    settings: Mapping[str, Any]
    """The settings that differ from the judge's own."""
    rows: int
    """Training rows of the longest training, on the last rung or in a north-star fold."""
    epochs: Sequence[float]
    """Passes over the training rows: on each rung, and last of a north-star fold."""
    rungs: Sequence[float]
    """Work of each rung, in rows of training."""
    fold: float
    """Work of a fold, in rows of training."""
    audited: float
    """What fold 0 trains besides, in rows of a rung."""
    guard: float
    """What the guard trains, in rows of a rung."""


@runtime_checkable
class Sized(Protocol):
    """A judge that knows its costs beforehand, and whose trainings can be made shorter by settings."""

    least: int
    """Training rows that the longest rung and a north-star fold need at the least to rank programs."""

    def size(self, rows: int | None = None) -> Size:
        """The judge's size; with `rows`, where neither the last rung nor a fold trains on more."""
        ...


@dataclass(frozen=True)
class DeviceResults:
    """What a result file says: the device, and each result with why it is not one of the queue's, or ""."""

    device: str
    versions: Mapping[str, str]
    rows: Sequence[tuple[Measurement, str]]


class Measuring(Protocol):
    """How programs that are estimated here are measured elsewhere: a queue goes out, a file comes back."""

    def enqueue(self, queue: Path, program_id: str, order: Verdict) -> int:
        """How many entries were added to the folder `queue` from an answer of `Estimating.order`."""
        ...

    def queued(self, queue: Path) -> Set[str]:
        """The ids of the programs in a queue; none where there is no such folder."""
        ...

    def command(self, queue: Path, output: Path) -> Sequence[str]:
        """The command line that measures what is in the queue on this machine and writes `output`."""
        ...

    def results(self, queue: Path, content: bytes) -> DeviceResults:
        """What a result file holds, compared with the queue. ValueError where it is no such file."""
        ...


@dataclass(frozen=True)
class Winner:
    """A program to export, with all that a reviewer of the patch should see."""

    name: str
    source: str
    provenance: Mapping[str, Any]
    trial: Verdict | None = None
    """What `Task.trial` said of it; None where it was not tried."""


@dataclass(frozen=True)
class Task:
    """A kind of program.

    `seeds` maps a name to source; each docstring names its paper. `judge` binds `settings` to the config's
    data table. `export` gives file names and their contents: a module that production imports without us, its
    tests, its README.
    """

    kind: str
    summary: str
    contract: str
    seeds: Mapping[str, str]
    rules: Rules
    vocabulary: Vocabulary
    settings: type[BaseModel]
    """The kind's own table of the config: every field with a default and a description."""
    preload: Sequence[str]
    """Modules that the sandbox imports before it forks; candidates run beside them: no secrets in there."""
    examine: Callable[[str, "Sandbox"], Verdict]
    """SCORED (score 0 and facts['behaviour']) where every property holds, else why not. Needs no data."""
    judge: Callable[[Mapping[str, Any], Mapping[str, Any], Limits], Judge]
    """(data table, settings table, what a candidate may use in one request) -> Judge.

    Raises ValueError with a message for the user."""
    export: Callable[[Winner], Mapping[str, str]]
    describe: Callable[[str], tuple[str, ...]]
    """The diversity cell of a source: what makes it a different program, as short words."""
    metrics: Mapping[str, bool] = field(default_factory=dict)
    """Metric names in the order that reports show them, and whether higher is better."""
    floors: Sequence[str] = ()
    """Metrics that may not get worse than production's beyond noise, such as those of a second log."""
    guardrails: Mapping[str, float] = field(default_factory=dict)
    """Readings of `guard` and the largest value allowed; a config may override each."""
    backends: Sequence[str] = ("simulator", "replay")
    """Who answers in `north_star`: simulated users, a log that is replayed, or either name will do. An
    experiment may name one of them as its `online.backend`."""
    source: str = "movielens-100k"
    """The data source that `recevolve init` writes into a config of this kind."""
    data: str = '"movielens-100k", "open-bandit", "synthetic", or a path to your own log'
    """Which data sources there are for this kind, as `recevolve init` says beside the first."""
    schema: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    """The keys of [data.schema] for a log of one's own, each with an example and its meaning, as `recevolve
    init` writes them; none: there is no such table."""
    reference: str = ""
    """The kind whose program `recevolve run --reference RUN:PROGRAM` writes into the setting `reference`."""
    adapt: "Callable[[Mapping[str, Any], Mapping[str, Any]], Task] | None" = None
    """(data table, settings) -> the task as that config has it, where these change what programs may be."""
    edits: Mapping[Edit, float] = field(default_factory=dict)
    """The kind's own edits and how often each is tried relative to the others, in place of the typed edits
    that draw from the vocabulary; none: those."""
    rate: Callable[[str], float] | None = None
    """The learning rate that a source holds, where programs of equal behaviour may differ by it alone."""
    trial: "Callable[[str, Sandbox], Verdict] | None" = None
    """What a patch tells of itself and must be tried for: SCORED 0 with facts and timings for `export`. Needs
    no data; none: there is nothing to try."""
    measuring: Measuring | None = None
    """How programs are measured on another machine, for judges that estimate; none: they are not."""
    persona: str = ""
    """Who a model is asked to be when it writes such programs; none: a general one."""
