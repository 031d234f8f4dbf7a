"""Changes: what a round, an ingest or a person changes in the experiments, gathered before it is written."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ...population.archive.experiments import Experiments, effects
from ...population.values.experiment import (
    Changes,
    Experiment,
    Look,
    Outcome,
    Reading,
    State,
    Transition,
)
from ..config.experiments import Online
from .rules import Plan, behind, decide, late, launchable, level, look


@dataclass
class PendingChanges:
    """The experiments as they would be after the changes so far. `generation` is None outside a round."""

    rules: Online
    experiments: dict[str, Experiment]
    readings: dict[str, dict[tuple[str, ...], Reading]]
    """Of each experiment, the newest revision at each place."""
    looks: list[Look]
    generation: int | None = None
    made: Changes = field(default_factory=Changes)
    """What is to be written."""

    @classmethod
    def of(cls, book: Experiments, rules: Online, generation: int | None = None) -> "PendingChanges":
        """The experiments as they stand."""
        readings: dict[str, dict[tuple[str, ...], Reading]] = {}
        for one in book.readings():
            readings.setdefault(one.experiment, {})[one.place] = one
        return cls(rules, {one.id: one for one in book.all()}, readings, list(book.looks()), generation)

    def propose(self, experiment: Experiment, reason: str) -> None:
        """Adds an experiment."""
        self.experiments[experiment.id] = experiment
        self.made.experiments.append(experiment)
        self.made.transitions.append(
            Transition(experiment.id, State.PROPOSED, reason, generation=self.generation)
        )

    def step(self, name: str, state: State, reason: str, outcome: Outcome = Outcome.NONE) -> None:
        """Takes the experiment one step further. IllegalTransition where it cannot go there."""
        step = Transition(name, state, reason, outcome, self.generation)
        self.experiments[name] = self.experiments[name].after(step)
        self.made.transitions.append(step)

    def go_live(self, name: str, reason: str) -> None:
        """The experiment begins: its level is fixed by what is decided now."""
        test, alpha = level(self.experiments.values(), self.rules.alpha)
        self.step(name, State.LIVE, reason)
        self.experiments[name] = replace(self.experiments[name], test=test, alpha=alpha)
        self.made.levels[name] = test, alpha

    def read(self, readings: Iterable[Reading]) -> None:
        """Adds readings; the newest revision at a place counts."""
        for one in readings:
            known = self.readings.setdefault(one.experiment, {})
            if one.place not in known or one.revision > known[one.place].revision:
                known[one.place] = one
            self.made.readings.append(one)

    def look(self, name: str, plan: Plan) -> None:
        """Looks at an experiment, and takes the step that the look asks for."""
        experiment = self.experiments[name]
        number = 1 + max((one.number for one in self.looks if one.experiment == name), default=-1)
        known = self.readings.get(name, {})
        readings = [known[place] for place in sorted(known)]
        found = look(experiment, readings, self.rules, number, plan)
        if experiment.state is not State.LIVE:
            found = late(found)
        found = tuple(replace(one, generation=self.generation) for one in found)
        self.looks += found
        self.made.looks += found
        if step := decide(experiment, found):
            self.step(name, step.state, step.reason, step.outcome)

    def exhausted(self, names: Iterable[str], reason: str) -> None:
        """Ends those of the experiments that are still undecided."""
        for name in names:
            if self.experiments[name].state is State.LIVE:
                self.step(name, State.DECIDED, reason, Outcome.EXHAUSTED)

    def settle(self) -> None:
        """Drops who is clearly behind a winner, and launches a win where no person stands before that."""
        gains = effects(self.looks, self.rules.deciding)
        ahead = {one.id: gains[one.id] for one in self.experiments.values() if one.won and one.id in gains}
        for name, one in sorted(self.experiments.items()):
            if one.state is State.LIVE and name in gains and (step := behind(one, gains[name], ahead)):
                self.step(name, step.state, step.reason, step.outcome)
        if self.rules.gate:
            return
        for name in sorted(ahead, key=lambda each: (-gains[each].estimate, each)):
            one = self.experiments[name]
            if one.state is State.DECIDED and launchable(one, gains, self.experiments.values()):
                self.step(name, State.LAUNCHED, f"no gate: {one.reason}")
