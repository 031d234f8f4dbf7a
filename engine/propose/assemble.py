"""The proposers that a config asks for, behind one mixture, and the cost cap of its models."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...evaluators.kinds.task import Task
from ...population.archive.archive import Archive
from ...population.archive.ledger import Ledger
from ...population.archive.spending import Spending
from ...population.island.randomness import generator
from ..config.config import Config, ConfigError
from ..loop.proposer import Proposer
from .constants.proposer import ConstantsProposer
from .journal import Journal
from .llm.client import Models
from .llm.cost_cap import CostCap, check
from .llm.discovery import offered, ollama_models
from .llm.embeddings import Embeddings, through_litellm
from .llm.keys import Keys
from .llm.prompts.lessons import Lessons
from .llm.prompts.prompt import Prompts
from .llm.proposer import LlmProposer
from .mixture import CONSTANTS, SYNTAX, Mixture
from .syntax.proposer import SyntaxProposer

Say = Callable[[str], None]


@dataclass(frozen=True)
class Proposers:
    """The mixture of a run; `models` and `cost_cap` are None where no model is asked.

    `prompts` is a fingerprint of all templates, "" where no model sees any.
    """

    mixture: Mixture
    models: Models | None = None
    cost_cap: CostCap | None = None
    prompts: str = ""

    async def close(self) -> None:
        """Ends what models have open."""
        if self.models is not None:
            await self.models.close()


def proposers_for(
    config: Config,
    task: Task,
    archive: Archive,
    ledger: Ledger,
    rungs: int,
    *,
    keys: Keys | None = None,
    say: Say = lambda line: None,
    clock: Callable[[], float] = time.monotonic,
) -> Proposers:
    """The proposers over this archive. ConfigError for prompt templates that cannot be rendered.

    `ledger` may be another archive's, which is how a replay answers: without a key and without a model.
    """
    propose, keys = config.propose, keys or Keys({}, {})
    proposers: dict[str, Proposer] = {
        SYNTAX: SyntaxProposer(task.vocabulary, task.rules, own=task.edits),
        CONSTANTS: ConstantsProposer(archive, task.rules, task.vocabulary),
    }
    models, cost_cap, fingerprint = None, None, ""
    if propose.chosen:
        journal = Journal(archive, config, task.guardrails)
        prompts = Prompts(task, config, journal)
        cost_cap = CostCap(Spending(archive.connection), config.budget)
        models = Models(
            propose.chosen,
            ledger,
            cost_cap,
            keys,
            deadline=propose.deadline,
            say=say,
            clock=clock,
            rng=generator(config.seed, "pauses"),
        )
        embedder = None
        if propose.embeddings is not None:
            ask = through_litellm(keys)
            embedder = Embeddings(propose.embeddings, ledger, cost_cap, ask, propose.deadline)
        lessons = Lessons(prompts, journal, config, models)
        variants = {f" @{one.name}": Prompts(task, config, journal, one) for one in propose.variants}
        shown = {"": prompts, **variants}
        fingerprint = " ".join(one.fingerprint for one in shown.values())
        for model in propose.chosen:
            for form in model.forms:
                for name, texts in shown.items():
                    full = f"{model.name} {form}{name}"
                    proposers[full] = LlmProposer(
                        full,
                        model,
                        form,
                        propose,
                        task.rules,
                        models=models,
                        prompts=texts,
                        lessons=lessons,
                        clock=clock,
                        embedder=embedder,
                    )
    mixture = Mixture(
        proposers,
        archive,
        config.seed,
        shares=propose.mixture,
        evaluation_dollars=propose.evaluation_dollars,
        rungs=min(config.proxy.rungs, rungs),
    )
    return Proposers(mixture, models, cost_cap, fingerprint)


def with_models(config: Config, environ: Mapping[str, str], keys: Keys, say: Say) -> Config:
    """The config with the models that `models = "auto"` stands for. ConfigError where there are none."""
    if config.propose.models != "auto":
        return config
    found = offered({**environ, **keys.named}, ollama_models)
    say(f"models: {', '.join(model.name for model in found)}")
    return config.model_copy(update={"propose": config.propose.model_copy(update={"models": found})})


def require_models(config: Config, keys: Keys) -> None:
    """Raises ConfigError where a model has no key or no price and no cap; says what to set and where."""
    wrong = [line for model in config.propose.paid if (line := keys.missing(model))]
    if wrong:
        raise ConfigError("propose.models:\n" + "\n".join(wrong))
    check(config.propose.paid, config.budget)
