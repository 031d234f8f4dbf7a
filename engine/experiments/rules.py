"""The rules of north-star experiments as pure functions: what is read, decided, dropped, admitted.

An experiment compares a program with production. Its deciding metric is looked at whenever something new is
known, so the interval is a confidence sequence, which stays valid however often one looks (Waudby-Smith et
al., arXiv:2103.06476). Its level comes from LORD++ over the experiments of the run (Ramdas et al.,
arXiv:1710.00499), fixed when it goes live.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from scipy import stats

from ...evaluators.statistics import MINIMUM, Moments, always_valid_p, confidence_sequence, lord_level
from ...population.island.diversity import Cell, firsts
from ...population.values.experiment import (
    CONTROL,
    PAIRED,
    TREATMENT,
    Experiment,
    Look,
    Outcome,
    Reading,
    State,
    Transition,
)
from ...population.values.member import Member
from ..config.experiments import Online

ABORT, GO_ON, LATE = "abort", "go on", "late"


@dataclass(frozen=True)
class Gain:
    """What the readings of one metric say: the gain over production, positive is better.

    `moments` are those of single units: differences of pairs, or a stand-in of the same standard error where
    the arms hold different users. `control` is production's mean, None where no arm tells it.
    """

    moments: Moments
    control: float | None

    @property
    def error(self) -> float | None:
        """The standard error of the gain; None of fewer than two units."""
        if self.moments.count < 2:
            return None
        return float((self.moments.variance / self.moments.count) ** 0.5)


def gain(readings: Iterable[Reading], metric: str, higher: bool) -> Gain | None:
    """The gain at a metric of one experiment, None where nothing can be compared yet.

    Pairs where there are any. Otherwise days are strata: each day on which both arms have readings gives a
    difference of means, weighted by n1 n0 / (n1 + n0), so that traffic that is ramped up over days of
    unequal level gives no effect of its own (Simpson's paradox); a day that only one arm has says nothing.
    """
    arms: dict[str, dict[str, Moments]] = {}
    for one in readings:
        if one.metric == metric:
            arms.setdefault(one.arm, {})[one.day] = Moments(one.count, one.mean, one.variance)
    control = _merged(arms.get(CONTROL, {}))
    sign = 1.0 if higher else -1.0
    if pairs := _merged(arms.get(PAIRED, {})):
        return Gain(replace(pairs, mean=sign * pairs.mean), control.mean if control else None)
    treated, untreated = arms.get(TREATMENT, {}), arms.get(CONTROL, {})
    days = sorted(treated.keys() & untreated.keys())
    if not days:
        return None
    weights = {
        day: treated[day].count * untreated[day].count / (treated[day].count + untreated[day].count)
        for day in days
    }
    total = sum(weights.values())
    mean = sum(weights[day] * (treated[day].mean - untreated[day].mean) for day in days) / total
    variance = (
        sum(
            weights[day] ** 2 * arm[day].variance / arm[day].count
            for day in days
            for arm in (treated, untreated)
        )
        / total**2
    )
    units = max(2, round(2 * total))  # users per arm, were the arms equal
    level = _merged({day: untreated[day] for day in days})
    return Gain(Moments(units, sign * mean, variance * units), level.mean if level else None)


def _merged(days: Mapping[str, Moments]) -> Moments | None:
    """All days together, in order of day."""
    merged: Moments | None = None
    for day in sorted(days):
        merged = days[day] if merged is None else merged + days[day]
    return merged


@dataclass(frozen=True)
class Plan:
    """How an experiment is looked at, fixed before it starts.

    `units` is how many it should be decided at, where `folds` is 0. Otherwise it ends after so many folds,
    and is looked at `looks` times.
    """

    units: int = 0
    folds: int = 0
    looks: int = 0

    def size(self, readings: Iterable[Reading], metric: str) -> int:
        """The units that it should be decided at, as the size of a fold tells."""
        if not self.folds:
            return self.units
        pairs = [one.count for one in readings if one.metric == metric and one.arm == PAIRED]
        return self.folds * (pairs[0] if pairs else 1)


def ends(moments: Moments, alpha: float, size: int, looks: int) -> tuple[float, float] | None:
    """The ends of an interval that holds at every look at once; None where nothing can be claimed yet.

    A confidence sequence, tightest at `size` units. It needs `MINIMUM` of them: where so many will never come
    (folds that are compared by their means) and no more than `looks` looks are planned, Student's interval of
    the level alpha / looks (Bonferroni).
    """
    if moments.count < 2 or not moments.variance > 0:
        return None
    if looks and size < MINIMUM:
        error = (moments.variance / moments.count) ** 0.5
        reach = error * float(stats.t.ppf(1 - alpha / looks / 2, moments.count - 1))
        return moments.mean - reach, moments.mean + reach
    found = confidence_sequence(moments, alpha, tuned_at=size)
    return (found.low, found.high) if isfinite(found.low) else None


def no_gain(moments: Moments, size: int, looks: int) -> float:
    """The p-value of "the gain is 0 or less" that holds at every look at once."""
    if not (looks and size < MINIMUM):
        return always_valid_p(moments, tuned_at=size)
    error = (moments.variance / moments.count) ** 0.5
    return min(1.0, looks * float(stats.t.sf(moments.mean / error, moments.count - 1)))


def look(
    experiment: Experiment, readings: Sequence[Reading], rules: Online, number: int, plan: Plan
) -> tuple[Look, ...]:
    """One look at every metric that has something to compare: the deciding one first, then guardrails."""
    looks = []
    guards = [name for name, measure in rules.metrics.items() if measure.guards and name != rules.deciding]
    for metric in (rules.deciding, *guards):
        measure = rules.measure(metric)
        found = gain(readings, metric, measure.better == "higher")
        if found is None:
            continue
        decides = metric == rules.deciding
        alpha = (experiment.alpha if decides else None) or rules.alpha
        size = plan.size(readings, metric)
        between = ends(found.moments, alpha, size, plan.looks)
        decision = _decision(found, between, rules) if decides else _guarded(found, between, metric, rules)
        looks.append(
            Look(
                experiment=experiment.id,
                number=number,
                metric=metric,
                estimate=found.moments.mean,
                low=between[0] if between else None,
                high=between[1] if between else None,
                error=found.error,
                count=found.moments.count,
                p=no_gain(found.moments, size, plan.looks) if decides and between else None,
                decision=decision,
            )
        )
    return tuple(looks)


def _decision(found: Gain, between: tuple[float, float] | None, rules: Online) -> str:
    if between is None:
        return GO_ON
    low, high = between
    if high < 0:
        return str(Outcome.LOSS)
    if high < rules.minimum_effect:
        return str(Outcome.FUTILE)
    return str(Outcome.WIN) if low > 0 else GO_ON


def allowed(found: Gain, metric: str, rules: Online) -> float | None:
    """How far the metric may change for the worse, in its unit; None where that is not known."""
    measure = rules.measure(metric)
    if measure.absolute is not None:
        return measure.absolute
    if measure.relative is None or found.control is None:
        return None
    return measure.relative * abs(found.control)


def _guarded(found: Gain, between: tuple[float, float] | None, metric: str, rules: Online) -> str:
    limit = allowed(found, metric, rules)
    if limit is None:
        return GO_ON
    certain = between is not None and between[1] < -limit
    crossed = rules.measure(metric).hard and found.moments.mean < -limit
    return ABORT if certain or crossed else GO_ON


def decide(experiment: Experiment, looks: Sequence[Look]) -> Transition | None:
    """What one look makes of an experiment: a guardrail aborts before anything else is asked."""
    for one in looks:
        if one.decision == ABORT and experiment.state in (State.LIVE, State.LAUNCHED):
            reason = f"guardrail {one.metric}: changed by {_signed(one)} where positive is better"
            return Transition(experiment.id, State.ROLLED_BACK, reason)
    if experiment.state is not State.LIVE:
        return None
    for one in looks:
        if one.decision in (Outcome.WIN, Outcome.LOSS, Outcome.FUTILE):
            outcome = Outcome(one.decision)
            return Transition(experiment.id, State.DECIDED, f"{one.metric}: {_signed(one)}", outcome)
    return None


def _signed(one: Look) -> str:
    between = f" [{one.low:+.4g}, {one.high:+.4g}]" if one.low is not None and one.high is not None else ""
    return f"{one.estimate:+.4g}{between} from {one.count:,} units"


def behind(experiment: Experiment, one: Look, ahead: Mapping[str, Look]) -> Transition | None:
    """Dropped, where the most that the experiment may gain is less than the least that a winner gains.

    `ahead` are the newest looks of programs that won and were not taken back.
    """
    best = max(ahead.values(), key=lambda each: (each.low or 0.0, each.experiment), default=None)
    if best is None or one.high is None or best.low is None or one.high >= best.low:
        return None
    reason = f"at most {one.high:+.4g}, and {best.experiment} has at least {best.low:+.4g}"
    return Transition(experiment.id, State.DECIDED, reason, Outcome.DROPPED)


def late(looks: Iterable[Look]) -> tuple[Look, ...]:
    """The looks at an experiment that was decided before: they inform, and only a guardrail may still act."""
    return tuple(one if one.decision == ABORT else replace(one, decision=LATE) for one in looks)


def level(experiments: Iterable[Experiment], alpha: float) -> tuple[int, float]:
    """(number of the test, its level) of the next experiment that goes live, given what is decided now."""
    tested = sorted((one for one in experiments if one.test is not None), key=lambda one: one.test or 0)
    wins = [one.outcome is Outcome.WIN for one in tested]
    return len(wins), lord_level(wins, len(wins), alpha)


def admitted(field: Iterable[tuple[Member, float]], live: Iterable[Cell], places: int) -> tuple[Member, ...]:
    """At most `places` newcomers, given with the bound of each one's proxy score: the best bound of each cell
    that no live one holds, then the rest."""
    ranked = sorted(field, key=lambda pair: (-pair[1], pair[0].program_id))
    members = [member for member, _ in ranked]
    different = firsts(members, live, places)
    chosen = {one.program_id for one in different}
    rest = [one for one in members if one.program_id not in chosen]
    return (*different, *rest[: places - len(different)])


def launchable(experiment: Experiment, gains: Mapping[str, Look], launched: Iterable[Experiment]) -> bool:
    """Whether a win is beyond what is launched: the low end of its gain above each launched program's gain.

    Both gains are over production, and wins that differ by less would be launched one after the other.
    """
    low = gains[experiment.id].low
    return low is not None and all(
        low > gains[one.id].estimate for one in launched if one.state is State.LAUNCHED
    )
