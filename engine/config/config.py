"""Config: what a user writes in one TOML file, checked before any work is spent.

Every key has a default, a description with its unit, and an error that names the key, what was expected,
what came and the nearest valid name.
"""

import difflib
import json
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from ...evaluators.data import split_by
from ...evaluators.data.log import did_you_mean
from ...evaluators.kinds.task import Task
from .experiments import Online
from .proposers import Place, Propose, Share, Table


class ConfigError(ValueError):
    """A config that cannot be run; the message lists every key that is wrong."""


class Data(BaseModel):
    """The log. Keys that belong to one source (schema, rows, ...) are checked by its loader."""

    model_config = ConfigDict(frozen=True, extra="allow")

    source: str = Field(
        "movielens-100k",
        min_length=1,
        description="a log of `recevolve data list`, another name that the kind knows, or a path",
    )
    split: Literal["user", "time"] | None = Field(
        None,
        description="held-out rows: each user's last (user), or the last of all (time); none: time for a log "
        "of your own whose schema names a time, else user",
    )
    fallback: str | None = Field(
        None, description="a built-in source to use, and to say so, where the first is not to be had"
    )

    @model_validator(mode="before")
    @classmethod
    def _settle_split(cls, raw: Any) -> Any:
        """What is recorded of a run says how it was split."""
        return {**raw, "split": split_by(raw)} if isinstance(raw, Mapping) else raw

    def table(self) -> dict[str, Any]:
        """What the loader and the judge see."""
        return self.model_dump(mode="json", exclude={"fallback"})


class Population(Table):
    """The islands and what they keep."""

    islands: PositiveInt = Field(4, description="islands that evolve side by side")
    size: PositiveInt = Field(24, description="programs kept per island")
    births: PositiveInt = Field(16, description="candidates per island and generation")
    topology: Literal["ring", "full", "random"] = Field("ring", description="whom an island receives from")
    migrate_every: PositiveInt = Field(5, description="generations between migrations")
    migrants: PositiveInt = Field(2, description="programs that each neighbour sends")
    patience: PositiveInt = Field(
        12, description="generations without a gain beyond noise before an island explores; twice: restarts"
    )


class Budget(Table):
    """Limits of the run; the first one reached ends the search, cleanly, and starts the final judgement."""

    generations: PositiveInt = Field(40, description="generations per island")
    seconds: float = Field(
        900.0, gt=0, description="seconds of the run over all its sessions, the final judgement included"
    )
    size: Literal["fit", "fixed"] = Field(
        "fit", description="what does not fit into the seconds is made smaller, or refused"
    )
    candidates: PositiveInt = Field(100_000, description="candidates born on all islands together")
    dollars: float = Field(0.0, ge=0, description="US dollars for models; 0: only models that cost nothing")
    dollars_per_day: float | None = Field(
        None, gt=0, description="US dollars for models in one day (UTC); the run goes on without them"
    )
    tokens: PositiveInt | None = Field(None, description="tokens for models, prompts and answers together")
    calls: PositiveInt | None = Field(None, description="answered calls of models")


class Proxy(Table):
    """The race that culls every generation."""

    rungs: PositiveInt = Field(3, description="fidelities, cheapest first; at most as many as the kind has")
    keep: Share = Field(0.4, description="share of the field that goes on to the next rung")
    floor: PositiveInt = Field(4, description="programs that go on at the least")
    reweight: bool = Field(
        False, description="weigh the last rung's metrics by what past elites' north stars taught"
    )


class NorthStar(Table):
    """The slow measure that ranks elites on data that the search does not see."""

    every: PositiveInt = Field(5, description="generations between promotions")
    slots: PositiveInt = Field(4, description="elites promoted each time")
    folds: int = Field(4, ge=2, description="replicates per promotion: fresh seed, other held-out users")
    finalists: PositiveInt = Field(
        8,
        description="promoted programs that race for the claim, at most, and known methods in it",
    )
    final_folds: int | None = Field(
        None, ge=2, description="folds of a finalist and of the claim; none: all that the kind has"
    )
    audits: int = Field(0, ge=0, description="elites measured too, drawn at random below the promoted ones")
    alarm: float = Field(
        0.0, ge=-1, le=1, description="rank correlation below which, beyond noise, the run sounds an alarm"
    )
    ablations: int = Field(
        12, ge=0, description="edits of a winner or newcomer that are undone one by one, at most; 0: none"
    )
    ablate_on: Literal["proxy", "north_star"] = Field(
        "proxy", description="what says whether an edit does nothing: the last rung, or the selection folds"
    )

    @model_validator(mode="after")
    def _folds_agree(self) -> Self:
        if self.final_folds is not None and self.final_folds < self.folds:
            raise ValueError(f"final_folds must be at least folds, {self.folds}, got {self.final_folds}")
        return self


class Workers(Table):
    """Where evaluations run."""

    backend: Literal["local"] = Field("local", description="where evaluations run")
    workers: PositiveInt = Field(2, description="evaluation processes, each with its own sandbox")


class Isolation(Table):
    """The sandbox around candidates."""

    min_tier: int = Field(2, ge=1, le=2, description="weakest isolation tier accepted (`recevolve doctor`)")
    unsafe: bool = Field(False, description="run below tier 2 all the same; every result is marked")
    cpu_seconds: float = Field(60.0, gt=0, description="CPU seconds one candidate may use in one evaluation")
    memory_mb: PositiveInt = Field(2048, description="memory in MiB that one candidate may add")


class Config(Table):
    """One run, as its file describes it. `settings` is the table named after the kind."""

    kind: str = Field(description="kind of program to evolve")
    seed: int = Field(0, ge=0, description="seed of every random choice")
    run_dir: Place = Field(description="folder of archive.db and of everything else that the run writes")
    seeds: tuple[str, ...] = Field(
        (), description="seed programs, names or paths; the first is in production; none: all of the kind"
    )
    tasks: tuple[Place, ...] = Field((), description="folders of kinds of your own")
    data: Data = Data()
    population: Population = Population()
    budget: Budget = Budget()
    propose: Propose = Propose()
    proxy: Proxy = Proxy()
    north_star: NorthStar = NorthStar()
    online: Online = Online()
    executor: Workers = Workers()
    sandbox: Isolation = Isolation()
    guardrails: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="largest value allowed of each guardrail metric of the kind"
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="the kind's own table")

    @model_validator(mode="before")
    @classmethod
    def _take_settings(cls, raw: Any) -> Any:
        """The table named after the kind becomes `settings`, so that its own model checks it."""
        if isinstance(raw, Mapping) and isinstance(kind := raw.get("kind"), str) and kind in raw:
            raw = dict(raw)
            raw["settings"] = raw.pop(kind)
        return raw

    def identity(self) -> dict[str, Any]:
        """The part that decides what is in a generation: all but budget, place, workers and tier."""
        whole = self.model_dump(mode="json", exclude={"budget", "run_dir", "executor", "tasks"})
        del whole["sandbox"]["min_tier"], whole["sandbox"]["unsafe"]
        return {**whole, "propose": self.propose.identity()}


def _field_names(model: type[BaseModel], path: Sequence[str]) -> Iterable[str]:
    """The keys that are valid where the last part of `path` stands."""
    for part in path[:-1]:
        if part not in model.model_fields:
            continue  # a place in a list, or a name of the user's own
        table = _table_in(model.model_fields[part].annotation)
        if table is None:
            return ()
        model = table
    return model.model_fields.keys() - {"settings"}


def _table_in(annotation: Any) -> type[BaseModel] | None:
    """The table that a field is, or is a list of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((table for part in get_args(annotation) if (table := _table_in(part))), None)


RENAMED = {
    "north_star.knockouts": "north_star.ablations",
    "north_star.knockout_on": "north_star.ablate_on",
}
"""Keys of earlier releases, by what they are called now."""


def unknown(key: str, kind: str, names: Iterable[str], known: Collection[str]) -> ConfigError:
    """That the kind has no such names, each with the nearest that it has."""
    told = ", ".join(f"{name}{did_you_mean(name, known)}" for name in sorted(names))
    return ConfigError(f"{key}: {kind} has {', '.join(known)}, not {told}")


def explain(error: ValidationError, model: type[BaseModel], table: str = "", kind: str = "") -> str:
    """One line per wrong key of `model`, which stands under `table` in the config.

    Each says which key, what was expected, what came, and the nearest valid name: `kind` names a table too.
    """
    lines = []
    for problem in error.errors():
        branches = [str(part) for part in problem["loc"]]
        if "literal['auto']" in branches and not isinstance(problem["input"], str):
            continue  # a list of models is told about its models
        path = [part for part in branches if "[" not in part]
        key = ".".join([table, *path] if table else path) or "config"
        if problem["type"] == "extra_forbidden":
            names = sorted({*_field_names(model, path), *([kind] if kind and len(path) == 1 else ())})
            near = difflib.get_close_matches(path[-1], names, 1, 0.5)
            known = f"known here: {', '.join(names)}" if names else "nothing can be set here"
            hint = f"did you mean `{near[0]}`?" if near else known
            hint = f"it is called `{RENAMED[key]}` now" if key in RENAMED else hint
            if isinstance(problem["input"], Mapping) and key == path[0] and near in ([], [kind]):
                hint += "; a kind's own table has the name that `kind` gives"
            lines.append(f"{key}: no such key; {hint}")
        elif problem["type"] == "missing":
            lines.append(f"{key}: missing; give it a value")
        else:
            what = problem["msg"].removeprefix("Value error, ")
            what = what[0].lower() + what[1:]
            # what our own checks refuse may be a key, and stays out of logs
            hidden = isinstance(problem["input"], Mapping) or problem["type"] == "value_error"
            got = "" if hidden else f", got {problem['input']!r}"
            lines.append(f"{key}: {what}{got}")
    return "\n".join(lines)


def parse(raw: Mapping[str, Any]) -> Config:
    """The checked config, or ConfigError with every wrong key."""
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(explain(error, Config, kind=str(raw.get("kind", "")))) from None


def read(path: Path, changes: Sequence[str] = ()) -> Config:
    """The config in a TOML file with `key.path=value` changes applied, or ConfigError.

    A value is read as TOML where it is TOML (`4`, `true`, `["a"]`) and as a string otherwise. Relative paths
    are taken from the current folder and made absolute, so that a run can be continued from any other.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `recevolve init {path}` writes one to start from") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    for change in changes:
        _apply(raw, change)
    try:
        return _found(parse(raw))
    except ConfigError as error:
        raise ConfigError(f"{path}:\n{error}") from None


def _found(config: Config) -> Config:
    """The config with the files that it names as log, seeds or in the kind's settings by absolute paths."""

    def found(name: Any) -> Any:
        return str(Path(name).absolute()) if isinstance(name, str) and Path(name).is_file() else name

    return config.model_copy(
        update={
            "seeds": tuple(map(found, config.seeds)),
            "data": config.data.model_copy(update={"source": found(config.data.source)}),
            "settings": {key: found(value) for key, value in config.settings.items()},
        }
    )


def changed(config: Config, changes: Sequence[str]) -> Config:
    """The config with `key.path=value` changes applied, or ConfigError."""
    raw = config.model_dump(mode="json")
    for change in changes:
        _apply(raw, change)
    return parse(raw)


def _apply(raw: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {change}: expected key=value, for example --set budget.seconds=60")
    *tables, last = key.strip().split(".")
    place = raw
    for name in tables:
        place = place.setdefault(name, {})
        if not isinstance(place, dict):
            raise ConfigError(f"--set {change}: `{name}` is a value, not a table")
    try:
        place[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        place[last] = text


def commented(task: Task, name: str, tasks: Sequence[Path] = ()) -> str:
    """A TOML config for the kind in which every key stands with its default, description and choices.

    The run is called `name`; `tasks` are the folders in which the kind was looked for.
    """
    kind = task.kind
    lines = [f'kind = "{kind}"', f'run_dir = "runs/{name}"']
    tables = {
        name: field.annotation
        for name, field in Config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
    own = {"tasks": [str(path.absolute()) for path in tasks]}
    lines += _comment_fields(Config, own, skip={"kind", "run_dir", "settings", "guardrails", *tables})
    lines.append(f"# seeds of this kind: {', '.join(task.seeds)}")
    for name, annotation in tables.items():
        fields = _comment_fields(annotation)
        if name == "data":
            fields[0] = f"source = {_toml(task.source)}  # {task.data}"
            fields += _schema(task)
        lines += ["", f"[{name}]", *fields]
    lines += ["", f"[{kind}]", *_comment_fields(task.settings)]
    lines += ["", "[guardrails]  # largest value allowed"]
    lines += [f"{name} = {limit:g}" for name, limit in task.guardrails.items()]
    return "\n".join(lines) + "\n"


def _schema(task: Task) -> list[str]:
    """The table of a log of one's own, as a comment."""
    if not task.schema:
        return []
    keys = [f"# {key} = {_toml(example)}  # {meaning}" for key, (example, meaning) in task.schema.items()]
    return ["", "# [data.schema]  # of a log of your own: name its columns", *keys]


def _comment_fields(
    model: type[BaseModel], values: Mapping[str, Any] = MappingProxyType({}), skip: Iterable[str] = ()
) -> list[str]:
    """A line for each field; `values` are those that stand in place of defaults."""
    lines = []
    for name, field in model.model_fields.items():
        if name in skip:
            continue
        default = values.get(name, field.get_default(call_default_factory=True))
        if default is None:
            lines.append(f"# {name} =   # {field.description}")
            continue
        choices = [one for one in get_args(field.annotation) if isinstance(one, str)]
        note = f"{field.description}" + (f": {' | '.join(choices)}" if choices else "")
        lines.append(f"{name} = {_toml(default)}  # {note}")
    return lines


def _toml(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
