"""`models = "auto"` takes what the environment offers, in a fixed order, or says what to set and where."""

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from recevolve.engine.config.config import ConfigError
from recevolve.engine.propose.llm.discovery import HOSTED, offered, ollama_models


def nothing(base: str) -> tuple[str, ...]:
    return ()


def test_a_named_model_comes_before_every_key() -> None:
    environ = {"RECEVOLVE_MODEL": "openai/x", "RECEVOLVE_API_BASE": "http://h:1/v1", "OPENAI_API_KEY": "k"}
    (model,) = offered(environ, nothing)
    assert (model.name, model.api_base, model.key_env) == ("openai/x", "http://h:1/v1", None)


def test_an_address_alone_or_a_wrong_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="RECEVOLVE_MODEL is not"):
        offered({"RECEVOLVE_API_BASE": "http://h/v1"}, nothing)
    with pytest.raises(ConfigError, match=r"RECEVOLVE_API_BASE.*expected an address"):
        offered({"RECEVOLVE_MODEL": "openai/x", "RECEVOLVE_API_BASE": "h:1"}, nothing)


def test_keys_are_looked_for_in_order_and_an_empty_one_is_none() -> None:
    environ = dict.fromkeys(HOSTED, "k") | {"OPENAI_API_KEY": ""}
    (model,) = offered(environ, nothing)
    assert (model.name, model.key_env) == (HOSTED["ANTHROPIC_API_KEY"], "ANTHROPIC_API_KEY")


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, "http://127.0.0.1:11434"),
        ({"OLLAMA_HOST": "0.0.0.0"}, "http://127.0.0.1:11434"),
        ({"OLLAMA_HOST": "box:99"}, "http://box:99"),
        ({"OLLAMA_API_BASE": "https://box/"}, "https://box"),
    ],
)
def test_ollama_is_asked_at_its_own_address_and_a_coder_preferred(given: dict[str, str], asked: str) -> None:
    heard: list[str] = []

    def listed(base: str) -> tuple[str, ...]:
        heard.append(base)
        return ("llama3:8b", "qwen2.5-coder:7b")

    (model,) = offered(given, listed)
    assert heard == [asked]
    assert (model.name, model.api_base) == ("ollama_chat/qwen2.5-coder:7b", asked)


def test_with_nothing_it_says_what_to_set_and_where() -> None:
    with pytest.raises(ConfigError) as refused:
        offered({}, nothing)
    for word in (*HOSTED, "propose.keys", "ollama pull", "RECEVOLVE_API_BASE", "docs/models.md"):
        assert word in str(refused.value)


@pytest.fixture
def server() -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers every GET with the first of the bodies."""
    bodies = [b"{}"]

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(bodies[0])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", bodies
        listening.shutdown()
        thread.join()


def test_a_servers_models_are_listed_and_nonsense_is_none(server: tuple[str, list[bytes]]) -> None:
    base, bodies = server
    bodies[0] = json.dumps({"models": [{"name": "a:1"}, {"name": "b"}]}).encode()
    assert ollama_models(base) == ("a:1", "b")
    for body in (b"", b"<html>", b"[]", b'{"models": 3}', b'{"models": [{}]}'):
        bodies[0] = body
        assert ollama_models(base) == ()
    assert ollama_models("http://127.0.0.1:9") == ()
