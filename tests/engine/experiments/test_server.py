"""The endpoint: who may post, what is taken, and that a replayed request counts for nothing."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from recevolve.engine.config.config import ConfigError
from recevolve.engine.experiments.ingest import INBOX
from recevolve.engine.experiments.server import application, token_from
from recevolve.population.archive.archive import Archive

from ..platform import LIVE, both, called, csv, day
from ..toy_runs import config_file

TOKEN = "0123456789abcdef-secret"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    done = called("run", config_file(folder, **LIVE), "--json")
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.fixture
def run(begun: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(begun, tmp_path / "run"))


class Client:
    """Asks an application in this process, one request at a time."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://run") as client:
                return await client.request(method, path, **more)

        return asyncio.run(asked())


@pytest.fixture
def client(run: Path) -> Client:
    return Client(application(run, TOKEN, most_bytes=2_000))


def experiment(run: Path) -> str:
    with Archive.read(run / "archive.db") as archive:
        return archive.experiments().all()[0].id


def counted(run: Path) -> int:
    with Archive.read(run / "archive.db") as archive:
        return len(archive.experiments().readings())


def post(client: Client, body: bytes | str, media: str = "text/csv", **headers: str) -> Any:
    return client.ask("POST", "/readings", content=body, headers={**RIGHT, "Content-Type": media, **headers})


def test_rows_are_taken_once_and_a_replay_is_refused(client: Client, run: Path) -> None:
    rows = both(experiment(run), day(0))
    first = post(client, csv(rows), **{"Idempotency-Key": "monday"})
    assert first.status_code == 200
    assert (first.json()["accepted"], first.json()["rejected"]) == (4, [])
    for headers in ({"Idempotency-Key": "monday"}, {"Idempotency-Key": "tuesday"}, {}):
        again = post(client, csv(rows), **headers)
        assert again.status_code == 409
        assert again.json()["ingest"] == first.json()["ingest"]
    other = post(client, csv(both(experiment(run), day(1))), **{"Idempotency-Key": "monday"})
    assert other.status_code == 422
    assert "came with other rows" in other.json()["error"]
    assert counted(run) == 4


def test_rows_are_answered_one_by_one(client: Client, run: Path) -> None:
    good, bad, *_ = both(experiment(run), day(0))
    mixed = post(client, json.dumps([good, {**bad, "mean": 99}]), "application/json; charset=utf-8")
    assert mixed.status_code == 207
    assert mixed.json()["rejected"][0]["row"] == 2
    none = post(client, json.dumps({"rows": [{**bad, "count": -1}]}), "application/json")
    assert none.status_code == 422
    assert "count" in none.json()["rejected"][0]["reason"]
    assert post(client, json.dumps([good, bad]), "application/json").json()["duplicate"] == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer \xe9"},
    ],
)
def test_nobody_gets_in_without_the_token(client: Client, run: Path, headers: dict[str, str]) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    refused = client.ask(
        "POST",
        "/readings", content=csv(both(experiment(run), day(0))), headers={b"content-type": b"text/csv"} | {
            name.encode(): value for name, value in raw.items()
        }
    )  # fmt: skip
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert counted(run) == 0


def test_what_is_too_long_of_another_type_or_no_table_is_refused(client: Client, run: Path) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield long

    long = csv(both(experiment(run), day(0)) * 20)
    assert post(client, long).status_code == 413
    assert (
        client.ask(
            "POST", "/readings", content=parts(), headers={**RIGHT, "Content-Type": "text/csv"}
        ).status_code
        == 413
    )
    assert post(client, b"x", "text/plain").status_code == 415
    assert post(client, b"no readings").status_code == 422
    assert client.ask("GET", "/readings", headers=RIGHT).status_code == 405
    assert client.ask("GET", "/nothing").status_code == 404
    assert client.ask("GET", "/health").json() == {"status": "ok"}
    assert counted(run) == 0


def test_while_the_run_works_rows_wait_on_the_disk(client: Client, run: Path) -> None:
    body = csv(both(experiment(run), day(0)))
    with Archive.create_or_open(run / "archive.db"):
        waiting = post(client, body, **{"Idempotency-Key": "monday"})
        assert waiting.status_code == 202
        assert waiting.json() == {"waiting": True, "rejected": []}
    assert len(list((run / INBOX).iterdir())) == 1
    assert post(client, body).status_code == 409, "the next request drained the inbox"
    assert counted(run) == 4


@pytest.mark.parametrize("token", ["", "short", "with a\nline break in it", "ünïcode-token-of-length"])
def test_it_does_not_start_without_a_secret_that_is_one(token: str, run: Path) -> None:
    with pytest.raises(ConfigError, match="openssl rand"):
        token_from({"RECEVOLVE_TOKEN": token})
    refused = called("online", "serve", run)
    assert refused.returncode == 2
    assert "RECEVOLVE_TOKEN" in refused.stderr
