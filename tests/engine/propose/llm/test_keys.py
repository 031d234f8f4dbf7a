"""Keys: found where they are said to be, missing with a way out, and never seen where they do not belong."""

import asyncio
import base64
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recevolve.engine.config.config import ConfigError, parse
from recevolve.engine.config.proposers import Model
from recevolve.engine.loop.environment import withheld
from recevolve.engine.loop.executor import Call, LocalExecutor
from recevolve.engine.propose.llm.keys import DUMMY, Keys

from ....toy import task as toy
from ...toy_runs import TOY, descendants

PLANTED = "sk-planted/0123+456789=abcdef"


def hosted(name: str = "anthropic/claude-sonnet-4-5", **more: Any) -> Model:
    return Model(name=name, **more)


def local(**more: Any) -> Model:
    return Model(name="openai/x", api_base="http://127.0.0.1:1/v1", **more)


def keys_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "keys"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without anybody's keys."""
    for name in os.environ:
        if "KEY" in name or "TOKEN" in name:
            monkeypatch.delenv(name)


def test_a_file_is_read_as_shells_write_it(tmp_path: Path) -> None:
    text = "# mine\n\nexport ANTHROPIC_API_KEY=\"one=two\"\n  OTHER = three \nTHIRD='x y'\n"
    keys = Keys.read(keys_file(tmp_path, text), {})
    assert keys.named.keys() == {"ANTHROPIC_API_KEY", "OTHER", "THIRD"}
    assert keys.key(hosted(key_env="THIRD")) == "x y"
    assert keys.key(hosted(key_env="OTHER")) == "three"


@pytest.mark.parametrize("line", ["sk-secret-value", "=x", "A B=c", "NAME=", "NAME=''", "9X=1"])
def test_a_bad_line_is_named_by_its_number_and_not_shown(tmp_path: Path, line: str) -> None:
    path = keys_file(tmp_path, f"GOOD=1\n{line}\n")
    with pytest.raises(ConfigError, match=f"{re.escape(str(path))}:2: expected NAME=value") as error:
        Keys.read(path)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("content", [None, b"A=\xff\xfe"])
def test_a_file_that_cannot_be_read_says_so(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "keys"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"propose\.keys: cannot read"):
        Keys.read(path)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, True), (0o604, True), (0o400, False)])
def test_a_file_that_others_may_read_is_warned_of(tmp_path: Path, mode: int, warned: bool) -> None:
    lines: list[str] = []
    Keys.read(keys_file(tmp_path, "A=1\n", mode), {}, lines.append)
    assert bool(lines) == warned
    assert all("chmod 600" in line for line in lines)


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize(
    ("model", "environment", "words"),
    [
        (hosted(), {}, ("ANTHROPIC_API_KEY", "propose.keys", "export")),
        (hosted(key_env="MINE"), {}, ("MINE", "propose.keys", "export")),
        (hosted("gemini/some"), {}, ("GEMINI_API_KEY",)),
        (hosted("no-such-model"), {}, ("openai/no-such-model", "ollama_chat/")),
        (hosted(key_env="MINE"), {"MINE": "x"}, ()),
        (local(), {}, ()),
        (hosted("ollama_chat/qwen"), {}, ()),
    ],
)
def test_what_is_missing_comes_with_what_to_set_and_where(
    model: Model, environment: Mapping[str, str], words: tuple[str, ...]
) -> None:
    message = Keys({}, environment).missing(model)
    assert (message is None) == (not words)
    for word in (*words, model.name) if words else ():
        assert word in (message or "")


@pytest.mark.usefixtures("empty")
def test_a_key_from_the_file_serves_its_provider() -> None:
    keys = Keys({"ANTHROPIC_API_KEY": PLANTED}, {})
    assert keys.missing(hosted()) is None
    assert keys.key(hosted()) == PLANTED
    assert keys.key(hosted("openai/gpt-4o")) is None


def test_servers_of_ones_own_get_a_dummy() -> None:
    assert Keys({}, {}).key(local()) == DUMMY
    assert Keys({"MINE": "real-key"}, {}).key(local(key_env="MINE")) == "real-key"


@pytest.mark.usefixtures("empty")
def test_the_environment_serves_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", PLANTED)
    assert Keys().missing(hosted()) is None
    assert PLANTED not in Keys().redact(f"a {PLANTED} b")


@given(st.binary(max_size=7), st.binary(max_size=7), st.text(max_size=20))
def test_a_key_is_redacted_in_every_disguise(before: bytes, after: bytes, text: str) -> None:
    keys = Keys({"A": PLANTED}, {})
    raw = before + PLANTED.encode() + after
    for hidden in (PLANTED, quote(PLANTED), quote(PLANTED, safe="")):
        assert keys.redact(f"{text}{hidden}{text}") == f"{text}[key]{text}"
    for encoded in (base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()):
        redacted = keys.redact(encoded)
        assert "[key]" in redacted
        rest = "".join(redacted.split("[key]"))
        assert len(rest) <= len(encoded) - 4 * len(PLANTED) // 3 + 4, "next to nothing of the key is left"


def test_only_what_looks_like_a_secret_is_redacted_from_the_environment() -> None:
    environment = {
        "APP_TOKEN": "abcdef123456789",
        "TOKENIZERS_PARALLELISM": "false",
        "KEY_FILE": "/home/someone/.ssh/id_ed25519",
        "SECRET_PLACE": "optimizer settings",
        "EDITOR": "vim-1234567890",
    }
    text = " ".join(environment.values())
    redacted = Keys({}, environment).redact(text)
    assert redacted == text.replace("abcdef123456789", "[key]")
    assert Keys({}, {}).redact(text) == text


def test_a_key_that_is_set_later_is_redacted_too() -> None:
    environment: dict[str, str] = {}
    keys = Keys({}, environment)
    assert keys.redact("abcdef123456789") == "abcdef123456789"
    environment["APP_TOKEN"] = "abcdef123456789"
    assert keys.redact("abcdef123456789") == "[key]"


def test_withheld_variables_come_back_however_the_block_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("X_API_KEY", "MY_PASSWORD", "db_credential", "PLAIN", "NAMED"):
        monkeypatch.setenv(name, PLANTED)
    before = dict(os.environ)
    inside: set[str] = set()

    def block() -> None:
        with withheld({"NAMED"}):
            inside.update(name for name, value in os.environ.items() if value == PLANTED)
            raise KeyError

    with pytest.raises(KeyError):
        block()
    assert inside == {"PLAIN"}
    assert dict(os.environ) == before


def test_no_process_below_us_is_born_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_API_KEY", PLANTED)
    monkeypatch.setenv("ODDLY_NAMED", PLANTED)
    before = descendants(os.getpid())
    asked = {"kind": "toy", "tasks": [str(TOY)], "run_dir": "unused", "executor": {"workers": 1}}
    executor = LocalExecutor(parse(asked), frozenset({"ODDLY_NAMED"}))

    async def main() -> dict[int, bytes]:
        await executor.judge(Call("properties", toy.SEEDS["line"]))
        born = descendants(os.getpid()) - before
        commands.update({pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in born})
        return {pid: Path(f"/proc/{pid}/environ").read_bytes() for pid in born}

    commands: dict[int, bytes] = {}

    try:
        environments = asyncio.run(main())
    finally:
        executor.close()
    assert len(environments) >= 2, "a worker, and the sandbox below it"
    guilty = [pid for pid, text in environments.items() if PLANTED.encode() in text]
    assert not guilty, [commands[pid] for pid in guilty]
    assert any(b"PATH=" in text for text in environments.values())
    assert os.environ["PLANTED_API_KEY"] == os.environ["ODDLY_NAMED"] == PLANTED
