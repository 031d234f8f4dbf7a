"""Preview: the next prompt of an island, as a model would get it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from ...evaluators.kinds.task import Task
from ...population.archive.archive import Archive
from ..config.config import Config, ConfigError
from ..config.proposers import Form
from ..config.run_dir import archive_of
from ..config.task import recorded_kind
from ..experiments.round import rounds_of
from ..loop.context import SearchContext
from ..loop.events import Progress
from ..loop.executor import Terms
from ..loop.proposer import NoProposal, Proposal, Request
from ..loop.requests import propose
from ..propose.journal import Journal
from ..propose.llm.endpoint import Message
from ..propose.llm.prompts.lessons import recorded, rounds
from ..propose.llm.prompts.prompt import Prompts, count
from ..search import Islands, arrive, stagnated


class Listener:
    """A proposer that keeps what it is asked and proposes nothing."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def propose(self, request: Request) -> Proposal:
        """NoProposal."""
        self.requests.append(request)
        raise NoProposal("listening")


async def preview(
    run: Path,
    island: int,
    form: str | None = None,
    generation: int | None = None,
    tasks: Sequence[Path] = (),
) -> dict[str, Any]:
    """The prompt of the first slot of that generation, the next one by default, with its count of tokens.

    `form` is that of the first model by default. No model is asked, and lessons that are due but not yet
    written are not in it. ConfigError where the run has no such island, generation or form.
    """
    with Archive.read(archive_of(run)) as archive:
        config, task = recorded_kind(archive, tasks)
        number = _number(archive, config, island, generation)
        request = await _request(archive, config, task, island, number)
        chosen = _form(config, form, request)
        journal = Journal(archive, config, task.guardrails)
        due = rounds(config, journal.last_round(number))
        lessons = recorded(archive, due[-1] if due else -1) or journal.warm_start[1]
        prompts = Prompts(task, config, journal)
        messages = prompts.messages(request, chosen, lessons)
    tokens, counted_by = _tokens(config, messages)
    return {
        "island": island,
        "generation": number,
        "slot": request.place.slot,
        "form": chosen,
        "quota": str(request.quota),
        "templates": prompts.fingerprint,
        "tokens": tokens,
        "counted_by": counted_by,
        "messages": [dict(one) for one in messages],
    }


def rendered(facts: dict[str, Any]) -> str:
    """The prompt for a person."""
    parts = [
        f"island {facts['island']}, generation {facts['generation']}, slot {facts['slot']}: {facts['form']}, "
        f"{facts['quota']}; {facts['tokens']:,} tokens, counted by {facts['counted_by']}"
    ]
    for message in facts["messages"]:
        mark = " (constant up to here)" if message.get("cache") else ""
        parts.append(f"----- {message['role']}{mark} -----\n{message['content']}")
    return "\n\n".join(parts)


def _number(archive: Archive, config: Config, island: int, generation: int | None) -> int:
    """The generation to preview."""
    islands = config.population.islands
    if not 0 <= island < islands:
        raise ConfigError(f"--island: expected 0 to {islands - 1}, got {island}")
    last = archive.generations().get(island)
    if last is None:
        raise ConfigError(f"--island: island {island} has no generation yet; look again later")
    number = last + 1 if generation is None else generation
    if not 1 <= number <= last + 1:
        raise ConfigError(f"--generation: expected 1 to {last + 1}, got {number}")
    return number


async def _request(archive: Archive, config: Config, task: Task, island: int, number: int) -> Request:
    """What the proposer of the first slot will be asked; neighbours that are behind send nothing yet."""
    begun = archive.run()
    assert begun is not None  # recorded_kind read it
    terms = Terms(**begun.config["terms"])
    listener, ledger = Listener(), archive.ledger(replaying=True)
    search = SearchContext(config, task, terms, (), archive, ledger, listener, None)
    islands = Islands(search, Progress())
    islands.ended = dict.fromkeys(islands.done, "only looking")
    population = await arrive(search, islands, rounds_of(config), island, number)
    population = population or archive.population(island, number - 1)
    population, progression = stagnated(search, island, number, population, Progress())
    bold = bool(progression and progression.explores(number, config.population.patience))
    await propose(search, island, number, population, bold=bold)
    return min(listener.requests, key=lambda one: one.place.slot)


def _form(config: Config, asked: str | None, request: Request) -> Form:
    forms: tuple[Form, ...] = get_args(Form)
    models = config.propose.chosen
    name = asked or (models[0].forms[0] if models else forms[0])
    found = next((form for form in forms if form == name), None)
    if found is None:
        raise ConfigError(f"--form: expected {', '.join(forms)}, got {name}")
    return "whole" if found == "crossover" and len(request.parents) < 2 else found


def _tokens(config: Config, messages: Sequence[Message]) -> tuple[int, str]:
    """(tokens of the messages, who counted them): one tokenizer for all models.

    For some models litellm would fetch theirs from the network; on such text tokenizers differ little.
    """
    if not config.propose.chosen:
        return count(messages), "estimate"
    from ..propose.llm.litellm_loader import COUNTED_AS, load

    plain = [{"role": one["role"], "content": one["content"]} for one in messages]
    return int(load().token_counter(model=COUNTED_AS, messages=plain)), f"the tokenizer of {COUNTED_AS}"
