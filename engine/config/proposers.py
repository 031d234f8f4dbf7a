"""Settings: what a config says about proposing: the models, their prices and limits, and the mixture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

Share = Annotated[float, Field(gt=0, le=1)]


def placed(path: Path) -> Path:
    """The path as a run finds it again from any other folder."""
    return path.expanduser().absolute()


Place = Annotated[Path, AfterValidator(placed)]
"""A path that a run finds again from any other folder."""
Form = Literal["edits", "whole", "crossover"]
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0"})
KEYLESS = ("ollama/", "ollama_chat/")
"""Providers whose models run on the user's own machines, unless `api_base` says otherwise."""


class Table(BaseModel):
    """A table of the config: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Model(Table):
    """A model to ask. A bare name stands for a table with that name alone."""

    name: str = Field(min_length=1, description='litellm\'s name, such as "ollama_chat/qwen2.5-coder:7b"')
    api_base: str | None = Field(None, description="address of the server, if not the provider's own")
    key_env: str | None = Field(
        None, description="variable, or name in `propose.keys`, that holds the key; none: litellm's own"
    )
    forms: tuple[Form, ...] = Field(
        ("edits", "whole"), min_length=1, description="answer formats to ask for; each is an arm"
    )
    temperature: float | None = Field(0.9, ge=0, le=2, description="none: the provider's default")
    max_tokens: PositiveInt = Field(4096, description="tokens that one answer may have, reasoning included")
    context: PositiveInt | None = Field(
        None, description="tokens that prompt and answer may have together; none: no limit of ours"
    )
    concurrency: PositiveInt = Field(8, description="calls in flight at once; further ones queue")
    grammar: bool = Field(
        False, description="whether the server takes a GBNF grammar in the request (llama.cpp does)"
    )
    input_price: float | None = Field(
        None, ge=0, description="US dollars per million tokens of prompt; none: what litellm knows"
    )
    output_price: float | None = Field(
        None, ge=0, description="US dollars per million tokens of answer; none: what litellm knows"
    )
    dollars: PositiveFloat | None = Field(None, description="US dollars that this model may cost in this run")
    tokens: PositiveInt | None = Field(None, description="tokens that this model may use in this run")
    extra: Mapping[str, Any] = Field(
        default_factory=dict, description="further parameters of the call, passed through litellm"
    )

    @model_validator(mode="before")
    @classmethod
    def _name(cls, given: Any) -> Any:
        return {"name": given} if isinstance(given, str) else given

    @field_validator("api_base")
    @classmethod
    def _no_credentials(cls, base: str | None) -> str | None:
        if base is None:
            return None
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected an address such as http://127.0.0.1:8080/v1")
        if parts.username or parts.password:
            raise ValueError("holds a password, and configs are recorded; name its variable in key_env")
        return base

    @field_validator("extra")
    @classmethod
    def _no_keys(cls, extra: Mapping[str, Any]) -> Mapping[str, Any]:
        if wrong := [name for name in extra if "key" in name.lower() or "token" in name.lower().split("_")]:
            raise ValueError(f"{wrong[0]}: configs are recorded, so keys stay out; use key_env")
        return extra

    @property
    def local(self) -> bool:
        """Whether it runs on this machine: nothing is paid for it."""
        if self.api_base:
            return urlsplit(self.api_base).hostname in LOOPBACK
        return self.name.startswith(KEYLESS)

    @property
    def addressed(self) -> bool:
        """Whether this table, and not its provider's name alone, may say where a key is sent."""
        elsewhere = self.api_base is not None and not self.local
        return elsewhere or bool(self.extra) or "://" in self.name

    def asked(self) -> dict[str, Any]:
        """The parameters that decide what it answers: part of the ledger's key."""
        chosen = {"temperature": self.temperature, "max_tokens": self.max_tokens, **self.extra}
        return {name: value for name, value in chosen.items() if value is not None}


class Quotas(Table):
    """What is asked of models: shares of a generation, by weight."""

    explore: float = Field(0.4, ge=0, description="go where the island is not")
    exploit: float = Field(0.4, ge=0, description="improve along what has worked")
    innovate: float = Field(0.2, ge=0, description="bring in an idea that no program of the island has")

    @model_validator(mode="after")
    def _some(self) -> "Quotas":
        if not self.explore + self.exploit + self.innovate:
            raise ValueError("all three are zero; give one a weight")
        return self


class Propose(Table):
    """Who proposes candidates."""

    mixture: Literal["bandit"] | Mapping[Literal["syntax", "constants", "models"], Share] = Field(
        "bandit", description='"bandit", or a fixed share for each of `syntax`, `constants` and `models`'
    )
    models: tuple[Model, ...] | Literal["auto"] = Field(
        (), description='models to ask, by name or as tables; "auto": what the environment offers'
    )
    quotas: Quotas = Field(default_factory=Quotas, description="what is asked of models, by weight")
    deadline: PositiveFloat = Field(
        300.0, description="seconds that one proposal may take: queue, retries, fallbacks and repair"
    )
    repair: bool = Field(True, description="send a candidate that fails its checks back once")
    keys: Place | None = Field(None, description="a file of NAME=value lines to read keys from")
    prompts: Place | None = Field(None, description="a folder of prompt templates that replace ours by name")
    variants: tuple[Place, ...] = Field(
        (), description="folders of prompt templates, each of which competes with ours as an arm of its own"
    )
    journal_entries: PositiveInt = Field(100, description="past experiments that a prompt shows at the most")
    journal_tokens: PositiveInt = Field(8000, description="tokens that they may take in a prompt")
    journal_from: Place | None = Field(None, description="an earlier run whose journal this one starts from")
    lessons_every: int = Field(
        10, ge=0, description="generations between distillations of the journal into lessons; 0: never"
    )
    novelty: float = Field(
        0.02, ge=0, lt=1, description="least structural distance of a model's program from its island; 0: any"
    )
    embeddings: Model | None = Field(
        None, description="embedding model, a name or a table, that compares programs by meaning"
    )
    similarity: Share = Field(0.995, description="cosine above which two programs count as the same")
    evaluation_dollars: PositiveFloat = Field(
        0.005, description="US dollars that judging a candidate costs: weighs models against free edits"
    )

    @model_validator(mode="after")
    def _models_to_ask(self) -> "Propose":
        names = [model.name for model in self.chosen]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"models: {', '.join(sorted(twice))} stands there twice")
        if isinstance(self.mixture, Mapping) and "models" in self.mixture and not self.models:
            raise ValueError("mixture gives `models` a share, but `models` names none")
        return self

    @property
    def paid(self) -> tuple[Model, ...]:
        """Every model that may cost something: those to ask, and the one for embeddings."""
        return (*self.chosen, *([self.embeddings] if self.embeddings and self.chosen else ()))

    @property
    def chosen(self) -> tuple[Model, ...]:
        """The models; none while "auto" waits to be resolved."""
        return self.models if isinstance(self.models, tuple) else ()

    def identity(self) -> dict[str, Any]:
        """The part that decides what is in a generation: neither places, keys, limits nor patience.

        What the templates say is compared by itself.
        """
        whole = self.model_dump(mode="json", exclude={"deadline", "keys", "prompts"})
        whole["variants"] = [folder.name for folder in self.variants]
        asked = whole["models"] if isinstance(self.models, tuple) else []
        for model in [*asked, *([whole["embeddings"]] if self.embeddings else [])]:
            for name in ("api_base", "key_env", "concurrency", "dollars", "tokens"):
                del model[name]
        return whole
