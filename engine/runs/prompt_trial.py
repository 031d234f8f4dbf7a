"""Variants: prompt templates that want to be arms, admitted on a paired replay of requests that were made.

The same requests of a finished or running search are answered once more, shown by the variant's templates.
Each pair shares parents, journal, quota, model and form, so that what differs is the prompt.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ...evaluators.statistics import paired
from ...population.archive.archive import Archive
from ...population.archive.spending import Spending
from ...population.values.evaluation import Evaluation
from ...population.values.origin import NOTHING, Spend
from ...population.values.program import Program
from ...population.values.verdict import Verdict
from ..config.config import Config, ConfigError
from ..config.recorded import recorded_config
from ..config.run_dir import archive_of
from ..config.task import task_for
from ..loop.candidate import canonical, residents
from ..loop.context import SearchContext
from ..loop.executor import Executor, Terms, executor_for
from ..loop.proposer import NoProposal, Place, Request
from ..loop.race import judge
from ..propose.assemble import keys_for, require_models
from ..propose.journal import Journal
from ..propose.llm.admission import ADMISSION
from ..propose.llm.client import Models
from ..propose.llm.cost_cap import Purse
from ..propose.llm.prompts.lessons import Lessons
from ..propose.llm.prompts.prompt import Prompts
from ..propose.llm.proposer import LlmProposer
from ..propose.mixture import ABSENT, credit
from ..report.prompt_preview import Listener, requests

CONFIDENCE = 0.8
FEWEST = 8

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """One request answered with our templates and with the variant's: what the candidates were worth."""

    place: str
    arm: str
    ours: float
    variant: float
    outcome: str
    spend: Spend


async def admit(run: Path, folder: Path, most: int, environ: Mapping[str, str], say: Say) -> dict[str, Any]:
    """What the paired replay gave, also written to `folder`/admission.json.

    Of each of the newest `most` requests that a model of the run had, the variant's candidate is made and
    judged on the last rung, like the recorded one. Admitted is a variant whose candidates are worth no less
    on average, and something: how often it is asked is for the mixture to find out. Calls may cost as much as
    the run's budget says once more; they are recorded beside the run's archive, so that the same replay again
    costs nothing. ConfigError where the run has asked no model, or too seldom.
    """
    with Archive.read(archive_of(run)) as archive:
        config = recorded_config(archive)
        keys = keys_for(config, environ, say)
        require_models(config, keys)
        task = task_for(config)
        journal = Journal(archive, config, task.guardrails)
        prompts = Prompts(task, config, archive, journal, folder)
        births = asked(archive, config, most)
        side = archive.path.with_name(f"variant-{prompts.fingerprint}.db")
        with Archive.create_or_open(side) as record:
            executor = executor_for(config, keys.names)
            ledger = record.ledger()
            purse = Purse(Spending(record.connection), config.budget)
            models = Models(config.propose.chosen, ledger, purse, keys, deadline=config.propose.deadline)
            try:
                terms = await _same_terms(archive, executor)
                search = SearchContext(config, task, terms, (), archive, ledger, Listener(), executor)
                lessons = Lessons(prompts, journal, config, models)
                ask = partial(_proposer, search, models, prompts, lessons)
                pairs = await _pairs(search, births, ask, say)
            finally:
                await models.close()
                executor.close()
    facts = {"kind": config.kind, "templates": prompts.fingerprint, **judged(pairs)}
    (folder / ADMISSION).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts


def judged(pairs: Sequence[Pair]) -> dict[str, Any]:
    """The comparison: worths, the variant's gain with its interval, and whether it is admitted."""
    gain = paired([one.variant for one in pairs], [one.ours for one in pairs], CONFIDENCE)
    spend = sum((one.spend for one in pairs), NOTHING)
    return {
        "admitted": gain.estimate >= 0 and any(one.variant for one in pairs),
        "pairs": len(pairs),
        "ours": sum(one.ours for one in pairs) / len(pairs),
        "variant": sum(one.variant for one in pairs) / len(pairs),
        "gain": {"estimate": gain.estimate, "low": gain.low, "high": gain.high, "confidence": CONFIDENCE},
        "outcomes": dict(Counter(one.outcome for one in pairs)),
        "spend": spend.to_json(),
    }


def rendered(facts: Mapping[str, Any]) -> str:
    """The comparison for a person."""
    gain, outcomes = facts["gain"], facts["outcomes"]
    return (
        f"{'admitted' if facts['admitted'] else 'not admitted'}: over {facts['pairs']} pairs a candidate of "
        f"the variant is worth {facts['variant']:.4f}, of ours {facts['ours']:.4f}; gain "
        f"{gain['estimate']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}] ({gain['confidence']:.0%})\n"
        f"the variant's answers: {', '.join(f'{name} {count}' for name, count in sorted(outcomes.items()))}"
    )


def asked(archive: Archive, config: Config, most: int) -> tuple[Evaluation, ...]:
    """The newest births whose slot a model was asked for and answered. ConfigError where they are few."""
    arms = {f"{model.name} {form}" for model in config.propose.chosen for form in model.forms}
    found: list[Evaluation] = []
    last = {island: archive.last_generation(island) or 0 for island in archive.islands()}
    for number in range(max(last.values(), default=0), 0, -1):
        for island in last:
            if number <= last[island] and len(found) < most:
                births = archive.evaluations(island, number)
                found += [
                    one for one in births if one.origin.proposer in arms and one.origin.outcome not in ABSENT
                ]
    if len(found) < FEWEST:
        raise ConfigError(
            f"expected a run whose models answered at least {FEWEST} times, but {archive.path} has "
            f"{len(found)} answers; let it run on first"
        )
    return tuple(found[:most])


async def _same_terms(archive: Archive, executor: Executor) -> Terms:
    """The judge's terms. ConfigError where the run's verdicts came from another one."""
    begun, terms = archive.run(), await executor.terms()
    assert begun is not None  # its config was read
    if begun.config["terms"]["fingerprint"] != terms.fingerprint:
        raise ConfigError(f"{archive.path} was begun with other data or another version: restore them first")
    return terms


async def _pairs(
    search: SearchContext, births: Sequence[Evaluation], ask: Callable[[str], LlmProposer], say: Say
) -> list[Pair]:
    """The births, each beside what the variant makes of its request; `ask` gives an arm's proposer."""
    places = sorted({(birth.island, birth.generation) for birth in births})
    made = {str(one.place): one for place in places for one in await requests(search, *place)}
    found = []
    for birth in births:
        request = made[str(Place(birth.island, birth.generation, birth.slot))]
        found.append(await _pair(search, birth, request, ask(birth.origin.proposer), say))
    return found


async def _pair(
    search: SearchContext, birth: Evaluation, request: Request, proposer: LlmProposer, say: Say
) -> Pair:
    """The birth beside what the variant's proposer makes of its request."""
    ours = 0.0 if birth.origin.stand_in else await _worth(search, birth.program, request)
    try:
        made = await proposer.propose(request)
    except NoProposal as none:
        outcome, variant, spend = none.outcome, 0.0, none.spend
    else:
        program = Program(search.task.kind, made.source, tuple(made.parents))
        outcome, spend = made.outcome, made.spend
        variant = await _worth(search, program, request)
    say(f"{request.place} {birth.origin.proposer}: ours {ours:.3f}, variant {variant:.3f} ({outcome})")
    return Pair(str(request.place), birth.origin.proposer, ours, variant, outcome, spend)


def _proposer(
    search: SearchContext, models: Models, prompts: Prompts, lessons: Lessons, arm: str
) -> LlmProposer:
    """The arm's proposer, shown the variant's prompts."""
    name, _, form = arm.rpartition(" ")
    propose = search.config.propose
    model = next(one for one in propose.chosen if one.name == name)
    return LlmProposer(
        arm,
        model,
        next(one for one in model.forms if one == form),
        propose,
        search.task.rules,
        models,
        prompts,
        lessons,
        time.monotonic,
    )


async def _worth(search: SearchContext, program: Program, request: Request) -> float:
    """What the program would have been worth to the island, judged on the last rung at once; 0 if known."""
    found = await request.trial(program.source)
    if found.found == "invalid":
        return 0.0
    syntax = canonical(program.source)[1]
    if syntax in residents(request.population):
        return 0.0
    rungs = min(search.config.proxy.rungs, search.terms.rungs)
    verdict: Verdict = await judge(search, "proxy", program.source, rungs - 1)
    place = request.place
    birth = Evaluation(
        place.island,
        place.generation,
        place.slot,
        program,
        syntax,
        verdict,
        f"proxy {rungs - 1}",
    )
    return credit(birth, request.population, rungs)
