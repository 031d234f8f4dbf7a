"""Keys: where models' keys are found, and how they are kept out of everything that is written or started."""

import base64
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from ...config.config import ConfigError
from ...config.proposers import KEYLESS, Model
from ...loop.environment import SECRET
from .litellm_loader import load, provider_of

DUMMY = "none"
"""What servers that want no key are given, because their client insists on one."""
REDACTED = "[key]"
LEAST_NAMED, LEAST_GUESSED = 4, 12
"""Characters that a value must have to be kept out of texts: of a key named as such, of any other secret."""


class Keys:
    """The keys of a run: those of a file, else those of the environment."""

    def __init__(
        self,
        named: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        path: Path | None = None,
    ) -> None:
        self.named = dict(named or {})
        """The file's keys by name."""
        self._environment = os.environ if environment is None else environment
        self._path = path

    @classmethod
    def read(
        cls,
        path: Path | None,
        environment: Mapping[str, str] | None = None,
        warn: Callable[[str], None] = lambda line: None,
    ) -> "Keys":
        """The keys of the file, where one is named, and of the environment. ConfigError for a bad file.

        `warn` hears of a file that others than its owner may read.
        """
        if path is None:
            return cls({}, environment)
        try:
            text = path.read_text(encoding="utf-8")
            mode = path.stat().st_mode
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"propose.keys: cannot read {path}: {error}. Expected a text file of NAME=value lines."
            ) from None
        if mode & (stat.S_IRGRP | stat.S_IROTH):
            warn(f"{path} holds keys and can be read by others: chmod 600 {path}")
        return cls(_parsed(text, path), environment, path)

    def access(self, model: Model) -> dict[str, Any]:
        """litellm's arguments that say where the model is and what opens it, tried once."""
        given = {"model": model.name, "api_base": model.api_base, "api_key": self.key(model)}
        return {"max_retries": 0, **{name: value for name, value in given.items() if value}}

    def key(self, model: Model) -> str | None:
        """The key to call the model with; None where litellm finds its own, or where there is none."""
        if model.key_env is not None:
            return self._value(model.key_env)
        if model.local or model.name.startswith(KEYLESS):
            return DUMMY
        for name in _wanted(model):
            if SECRET.search(name) and (value := self.named.get(name)):
                return value
        return None

    def missing(self, model: Model) -> str | None:
        """What to set and where so that the model can be called, or None where nothing is missing."""
        where = f"in {self._path}" if self._path else "in a file of NAME=value lines named in propose.keys"
        if model.key_env is not None:
            if self._value(model.key_env):
                return None
            return (
                f"{model.name}: key_env names {model.key_env}, which is not set. Set it in the environment "
                f"(export {model.key_env}=...) or {where}."
            )
        if provider_of(model.name) is None:
            return (
                f"{model.name}: litellm knows no provider of that name. Begin it with one, such as "
                f"openai/{model.name} for any server with an OpenAI-compatible address in api_base, or "
                f"ollama_chat/{model.name}."
            )
        wanted = _wanted(model)
        if not wanted or self.key(model):
            return None
        return (
            f"{model.name}: no key. Set {' or '.join(wanted)} in the environment "
            f"(export {wanted[-1]}=...) or {where}."
        )

    def redact(self, text: str) -> str:
        """The text with every known secret, also in its URL-quoted and base64 forms, replaced by "[key]"."""
        pattern = _pattern(frozenset(self._secrets()))
        return pattern.sub(REDACTED, text) if pattern else text

    def _value(self, name: str) -> str | None:
        return self.named.get(name) or self._environment.get(name) or None

    def _secrets(self) -> Iterator[str]:
        for value in self.named.values():
            if len(value) >= LEAST_NAMED and value != DUMMY:
                yield value
        for name, value in self._environment.items():
            # a guess by name alone would also hide plain words and paths in prompts and answers
            random = re.search(r"\d", value) and re.search(r"[A-Za-z]", value) and "/" not in value[:1]
            if SECRET.search(name) and len(value) >= LEAST_GUESSED and random:
                yield value


@lru_cache(maxsize=1)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str] | None:
    """All forms of all secrets, longest first."""
    forms = sorted({form for value in secrets for form in _forms(value)}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, forms))) if forms else None


def _wanted(model: Model) -> tuple[str, ...]:
    """The variables that litellm misses in the environment to call the model."""
    found = load().validate_environment(model.name, api_base=model.api_base)
    return () if found["keys_in_environment"] else tuple(found["missing_keys"])


def _parsed(text: str, path: Path) -> dict[str, str]:
    named: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name.strip()) or not value:
            # the line itself may be a key, so it is not shown
            raise ConfigError(f"{path}:{number}: expected NAME=value, for example OPENAI_API_KEY=sk-...")
        named[name.strip()] = value
    return named


def _forms(value: str) -> Iterator[str]:
    """The value as it may stand in a text: plain, URL-quoted, and in base64 whatever stands before it."""
    yield from (value, quote(value), quote(value, safe=""), quote_plus(value))
    raw = value.encode()
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        # characters of base64 that also hold bits of what stands around the value are left out
        inner = whole[-(-before * 8 // 6) :][: (len(raw) * 8 - (-before * 8 % 6)) // 6]
        if len(inner) >= LEAST_NAMED:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")
