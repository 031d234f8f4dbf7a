"""Serve: an HTTP endpoint to which an experiment platform posts readings. It answers row by row.

    POST /readings   Authorization: Bearer TOKEN; text/csv, application/json or Parquet; Idempotency-Key
    GET  /health

Who has the token may add readings and corrections, which are kept beside what they correct, and nothing
else: not launch, and not read programs.
"""

import hmac
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...evaluators.data import DataError
from ...population.archive.connection import ArchiveError
from ..config.config import ConfigError
from .ingest import KeyReused, Letter, receive

TOKEN = "RECEVOLVE_TOKEN"
"""The variable that holds the secret."""
SHORTEST = 16
MOST_BYTES = 16 * 1024 * 1024
FORMS: Mapping[str, str] = {
    "text/csv": "csv",
    "application/json": "json",
    "application/vnd.apache.parquet": "parquet",
}
"""Media types that are taken, and what they are."""


def token_from(environ: Mapping[str, str]) -> str:
    """The secret. ConfigError where there is none, or one that can be guessed."""
    token = environ.get(TOKEN, "")
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable():
        raise ConfigError(
            f"{TOKEN}: expected a secret of {SHORTEST} or more printable characters in the environment, got "
            f"{'none' if not token else 'a shorter or another one'}; make one: openssl rand -hex 32"
        )
    return token


def application(
    run: Path, token: str, clock: Callable[[], float] = time.time, most_bytes: int = MOST_BYTES
) -> Starlette:
    """The endpoint of one run. It holds the archive open only while it takes a request in."""
    lock = Lock()

    def take(letter: Letter) -> dict[str, Any]:
        with lock:  # one writer: the second request waits for the first, not for the run
            return receive(run, letter, clock)

    async def readings(request: Request) -> Response:
        if not _authorised(request, token):
            return _no(
                401,
                "expected the header `Authorization: Bearer` with the token",
                {"WWW-Authenticate": "Bearer"},
            )
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in FORMS:
            return _no(415, f"expected content-type {', '.join(FORMS)}, got {media[:80]!r}")
        body = await _body(request, most_bytes)
        if body is None:
            return _no(413, f"expected at most {most_bytes} bytes: send the rows in parts")
        key = request.headers.get("idempotency-key", "")
        letter = Letter(body, FORMS[media], "http", sha256(key.encode()).hexdigest() if key else "")
        try:
            answer = await run_in_threadpool(take, letter)
        except (DataError, KeyReused) as error:
            return _no(422, str(error))
        except (ArchiveError, OSError):
            return _no(503, "the archive cannot be written now, and nothing was taken: send it again later")
        return JSONResponse(_plain(answer), _status(answer))

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    routes = [Route("/readings", readings, methods=["POST"]), Route("/health", health, methods=["GET"])]
    return Starlette(routes=routes)


def _authorised(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    same = hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())
    return same and scheme.lower() == "bearer"


async def _body(request: Request, most: int) -> bytes | None:
    """The body, None where it is longer than allowed; no more than that is ever held."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > most:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)


def _status(answer: Mapping[str, Any]) -> int:
    """202 waits in the inbox, 409 known already, 207 some rows refused, 422 all of them, 200 all taken."""
    if "waiting" in answer:
        return 202
    if answer["already_known"]:
        return 409
    if not answer["rejected"]:
        return 200
    taken = sum(answer[name] for name in ("accepted", "duplicate", "corrected", "outdated"))
    return 207 if taken else 422


def _plain(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The answer without what is none of the sender's business: paths, and other senders' letters."""
    hidden = ("before", "why", "source", "digest")
    told = {name: value for name, value in answer.items() if name not in hidden}
    return told | ({"waiting": True} if "waiting" in answer else {})


def _no(status: int, why: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": why}, status, headers)
