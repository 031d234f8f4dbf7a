"""TASK: the reward kind. Light: data are loaded and users simulated where something is judged."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.log import did_you_mean
from ..kinds.examination import examiner
from ..kinds.folder import contract, persona
from ..kinds.task import Judge, Task
from ..sandbox.limits import Limits
from .known_rewards import rewards_for
from .language import ALLOWED, describe_for, rules_for
from .logs.own_log import KEYS
from .logs.signals import SIGNALS, SIMULATED, SIMULATED_SOURCE, Signals, signals_of
from .properties import behaviour
from .settings import Settings
from .template import export, export_for
from .vocabulary import vocabulary_for

HERE = Path(__file__).parent
RUNNERS = "recevolve.evaluators.reward.inside"
VERSION = "2"

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
    from .logs.logs import people, sample_for

    chosen = Settings.model_validate(settings)
    people(chosen)  # a file that is wrong is told before any work
    signals = signals_of(data, chosen)
    _require_satisfaction(chosen, signals)
    first = chosen.north_star
    return replace(
        task_for(signals, first),
        metrics={first: METRICS[first], **METRICS},
        floors=_floors(first),
        export=export_for(signals, lambda: sample_for(data, chosen, signals), first != "replay"),
        backends=("replay",) if first == "replay" else ("simulator",),
    )


def _require_satisfaction(chosen: Settings, signals: Signals) -> None:
    """ValueError where a name that the config gives is no prediction; of the default a log may lack some."""
    known = [one.name for one in signals.predictions]
    strange = [name for name in chosen.satisfaction if name not in known]
    if strange and "satisfaction" in chosen.model_fields_set:
        told = ", ".join(f"{name!r}{did_you_mean(name, known)}" for name in strange)
        raise ValueError(f"satisfaction names predictions of the log, {', '.join(known)}; got {told}")


def task_for(signals: Signals, star: str = "late_active_days") -> Task:
    """The task over these signals: contract, rules, seeds and vocabulary speak of them alone."""
    return Task(
        kind="reward",
        summary="formulas that say what an impression is worth, judged by users who come back",
        contract=contract(HERE, ALLOWED, signals=signals.table(), star=STARS[star]),
        seeds=rewards_for(signals),
        persona=persona(HERE),
        rules=rules_for(signals),
        vocabulary=vocabulary_for(signals),
        settings=Settings,
        preload=(
            "numpy",
            "hypothesis",
            "recevolve.evaluators.kinds.properties",
            "recevolve.evaluators.reward.properties",
            RUNNERS,
        ),
        examine=examiner(f"{RUNNERS}:examine", {"signals": signals.to_json()}, behaviour),
        judge=judge,
        export=export,
        describe=describe_for(signals),
        metrics=METRICS,
        floors=_floors(star),
        guardrails={"hate_ratio": 1.5, "popularity_lean": 0.6, "duration_lean": 0.6},
        source=SIMULATED_SOURCE,
        data=f"{', '.join(map(json.dumps, SIGNALS))}, or a path to your own log",
        schema=KEYS,
        adapt=adapt,
    )


def _floors(star: str) -> tuple[str, ...]:
    """What may not get worse: satisfaction, where it is not itself the goal."""
    return tuple(name for name in ("like_rate",) if star not in (name, "replay"))


TASK = task_for(SIMULATED)
