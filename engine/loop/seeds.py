"""Seeds: the known programs that a search starts from, the first one in production."""

from pathlib import Path

from ...evaluators.data.log import did_you_mean
from ...evaluators.kinds.task import Task
from ...evaluators.language.static import check
from ...population.values.origin import UNKNOWN, Origin
from ...population.values.program import Program
from ..config.config import Config, ConfigError
from .context import SearchContext
from .proposer import Place


def seeds_for(config: Config, task: Task) -> tuple[Program, ...]:
    """The seed programs that the config names, or all of the kind; each passes the static check."""
    programs = []
    if not (config.seeds or task.seeds):
        raise ConfigError(
            f"seeds: no {task.kind} program that is known here does this. Give one that works, which the "
            'search starts from and must beat: seeds = ["my_program.py"]; `recevolve check` judges it, and a '
            "model named in propose.models can then rewrite it"
        )
    for name in config.seeds or task.seeds:
        source = task.seeds.get(name)
        if source is None:
            path = Path(name)
            if not path.is_file():
                known = ", ".join(task.seeds) or "of which there is none for this config"
                near = did_you_mean(name, task.seeds)
                raise ConfigError(
                    f"seeds: {name!r}{near} is neither a seed of {task.kind} ({known}) nor a file"
                )
            source = path.read_text(encoding="utf-8")
        if problems := check(source, task.rules):
            raise ConfigError(f"seeds: {name} is no valid {task.kind}:\n" + "\n".join(map(str, problems)))
        programs.append(Program(task.kind, source, made_by=f"seed {name}", explanation=f"the seed {name}"))
    return tuple(programs)


def seed_name(program: Program) -> str:
    """How people call a seed: its name among those of the kind, or the name of its file."""
    return Path(program.made_by.removeprefix("seed ")).name


def seeds_of(search: SearchContext, island: int) -> list[tuple[Place, Program, Origin]]:
    """The seeds that start an island: dealt out in turn, all of them where there are fewer than islands."""
    seeds, islands = search.seeds, search.config.population.islands
    dealt = seeds[island::islands] if len(seeds) >= islands else seeds
    return [(Place(island, 0, slot), seed, UNKNOWN) for slot, seed in enumerate(dealt)]
