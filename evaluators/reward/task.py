"""TASK: the reward kind. Light: data are loaded and users simulated where something is judged."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from string import Template
from typing import Any

from ..kinds.task import Judge, Task
from ..sandbox.limits import Limits
from .describe import describe_for
from .examination import examine_for
from .fast import formula
from .language import allowed, rules_for
from .logs.sample import sample_for
from .logs.signals import SIMULATED, Signals
from .logs.sources import SIGNALS, SIMULATED_SOURCE
from .properties import properties_for
from .settings import Settings
from .template import export, export_for
from .vocabulary import vocabulary_for

HERE = Path(__file__).parent
VERSION = "1"

STARS = {
    "late_active_days": "on how many of the last fourteen of 28 days simulated users still come",
    "active_days": "on how many of 28 days simulated users come",
    "click_rate": "the share of impressions that simulated users click",
    "watch_per_session": "the seconds that simulated users watch per session",
    "like_rate": "the share of impressions that simulated users like",
    "hate_rate": "the share of impressions that simulated users mark as unwanted, fewer being better",
    "replay": "the off-policy value of the same outcome on users that the search has not seen",
}
METRICS = {
    "late_active_days": True,
    "active_days": True,
    "click_rate": True,
    "watch_per_session": True,
    "like_rate": True,
    "hate_rate": False,
    "replay": True,
    "hate_ratio": False,
    "popularity_lean": False,
    "duration_lean": False,
}


def judge(data: Mapping[str, Any], settings: Mapping[str, Any], limits: Limits) -> Judge:
    """The kind bound to a log and to settings. DataError or ValidationError, both ValueErrors."""
    from .judge import RewardJudge

    return RewardJudge(data, settings, limits, VERSION)


def adapt(data: Mapping[str, Any], settings: Mapping[str, Any]) -> Task:
    """The task for the signals and north star of a config. ValueError, OSError for a wrong file of either."""
    from .logs.logs import people

    chosen = Settings.model_validate(settings)
    people(chosen)  # a file that is wrong is told before any work
    signals = signals_of(data, chosen)
    first = chosen.north_star
    return replace(
        task_for(signals, first),
        metrics={first: METRICS[first], **METRICS},
        floors=_floors(first),
        export=export_for(signals, lambda: sample_for(data, chosen, signals)),
        backends=("replay",) if first == "replay" else ("simulator",),
    )


def signals_of(data: Mapping[str, Any], settings: Settings) -> Signals:
    """The user's own signals, or those that the source of the data has."""
    if settings.signals is not None:
        return Signals.read(settings.signals)
    return SIGNALS.get(str(data.get("source")), SIMULATED)


def task_for(signals: Signals, star: str = "late_active_days") -> Task:
    """The task over these signals: contract, rules, seeds, properties and vocabulary speak of them alone."""
    contract = Template((HERE / "contract.md").read_text(encoding="utf-8"))
    return Task(
        kind="reward",
        version=VERSION,
        summary="formulas that say what an impression is worth, judged by users who come back",
        contract=contract.substitute(signals=signals.table(), star=STARS[star]) + "\n" + allowed(),
        seeds=seeds_for(signals),
        cheats=_texts("cheats"),
        rules=rules_for(signals),
        vocabulary=vocabulary_for(signals),
        properties=properties_for(signals),
        settings=Settings,
        preload=(
            "numpy",
            "hypothesis",
            "recevolve.evaluators.kinds.properties",
            "recevolve.evaluators.reward.properties",
            "recevolve.evaluators.reward.inside",
        ),
        examine=examine_for(signals),
        judge=judge,
        export=export,
        describe=describe_for(signals),
        metrics=METRICS,
        floors=_floors(star),
        guardrails={"hate_ratio": 1.5, "popularity_lean": 0.6, "duration_lean": 0.6},
        source=SIMULATED_SOURCE,
        adapt=adapt,
    )


def seeds_for(signals: Signals) -> dict[str, str]:
    """The seeds whose predictions all exist, one for each other prediction alone, and their plain sum."""
    names = frozenset(one.name for one in signals.predictions)
    seeds = {name: text for name, text in _texts("seeds").items() if formula(text, names)}
    for one in signals.predictions:
        if one.name not in seeds and signals is not SIMULATED:
            words = f"{one.words[0].upper()}{one.words[1:]}, alone. A single-objective ranker, as of 2007."
            sign = "" if one.better >= 0 else "-"
            seeds[one.name] = _program(words, f'{sign}signals["{one.name}"]')
    if signals is not SIMULATED and len(names) > 1:
        terms = [
            f'{"-" if one.better < 0 else ""}{1.0 / (one.high - one.low)!r} * signals["{one.name}"]'
            for one in signals.predictions
        ]
        words = "All predictions in units of their ranges, added; equal weights after Dawes 1979."
        seeds["equal_weights"] = _program(words, " + ".join(terms))
    return seeds


def _program(words: str, expression: str) -> str:
    return f'"""{words}"""\n\nWEIGHTS = {{}}\n\n\ndef reward(signals):\n    return {expression}\n'


def _floors(star: str) -> tuple[str, ...]:
    """What may not get worse: satisfaction, where it is not itself the goal."""
    return tuple(name for name in ("like_rate",) if star not in (name, "replay"))


def _texts(folder: str) -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted((HERE / folder).glob("*.py"))}


TASK = task_for(SIMULATED)
