"""A scripted OpenAI-compatible server: `python tests/server/scripted.py --port 8099 [--faults hang=0.05]`.

It answers every prompt with a real edit of the last ```python block in it, decided by the prompt alone, so a
search that asks it improves and can be repeated. It can also misbehave in every way that servers are known
to, and counts what it answered: `GET /count` gives calls, tokens_in and tokens_out of complete answers.
Tokens are counted as one for each four characters, rounded up.
"""

import argparse
import ast
import asyncio
import base64
import json
import re
import struct
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from aiohttp import web

FENCE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
FACTORS = (0.5, 0.7, 0.9, 1.1, 1.4, 2.0, -1.0, 3.0)
FAULTS = (
    "ok", "rate", "rate_date", "500", "503", "hang", "half", "garbage", "wrong", "nothing", "drip", "empty",
    "truncated", "refusal", "filtered", "temperature", "max_tokens", "extra", "unknown", "key", "long",
    "usage", "thinking", "drop",
)  # fmt: skip
GOLDEN = 0.6180339887498949


def tokens(text: str) -> int:
    """The server's own count."""
    return -(-len(text) // 4)


def edited(source: str, choice: int) -> tuple[str, str]:
    """(old lines, new lines) of an edit of one number in the source; ("", "") where it holds none."""
    lines = source.splitlines()
    numbers = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, float) and node.lineno == node.end_lineno
    ]
    if not numbers:
        return "", ""
    node = numbers[choice % len(numbers)]
    factor = FACTORS[choice // len(numbers) % len(FACTORS)]
    assert isinstance(node.value, float)
    value = node.value * factor if node.value else factor / 10
    old = lines[node.lineno - 1]
    new = f"{old[: node.col_offset]}{value:.4g}{old[node.end_col_offset :]}"
    first = node.lineno - 1
    while first and source.count("\n".join(lines[first : node.lineno])) > 1:
        first -= 1
    before = lines[first : node.lineno - 1]
    return "\n".join([*before, old]), "\n".join([*before, new])


def answer(messages: Sequence[Mapping[str, Any]]) -> str:
    """An edit of the last program in the prompt, in the form that the prompt shows."""
    texts = [text_of(message) for message in messages]
    asked = [text for message, text in zip(messages, texts, strict=True) if message["role"] == "user"]
    fences = [fence for text in asked for fence in FENCE.findall(text)]
    if not fences:
        return "explanation: nothing to change\n\nThere is no program in the prompt."
    source = fences[-1]
    choice = int.from_bytes(sha256("\n".join(texts).encode()).digest()[:4])
    try:
        old, new = edited(source, choice)
    except SyntaxError:
        old = new = ""
    if any("<<<<<<< SEARCH" in text for text in texts):
        block = f"<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE"
        return f"explanation: another value for one number\n\n```\n{block}\n```\n"
    whole = source.replace(old, new, 1) if old else source
    return f"explanation: another value for one number\n\n```python\n{whole}```\n"


def text_of(message: Mapping[str, Any]) -> str:
    """The message's text, whether it came as one or in parts."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def shares(spec: str) -> Callable[[int, Mapping[str, Any]], str]:
    """A script from a text such as "hang=0.05,500=0.1": that share of the calls, spread evenly."""
    parts = [part.split("=") for part in spec.split(",") if part]
    if wrong := [name for name, *_ in parts if name not in FAULTS]:
        raise SystemExit(f"--faults: {wrong[0]} is none of {', '.join(FAULTS)}")

    def script(number: int, body: Mapping[str, Any]) -> str:
        place = number * GOLDEN % 1.0
        for name, share in parts:
            if place < float(share):
                return name
            place -= float(share)
        return "ok"

    return script


@dataclass
class Server:
    """The server. `script` says what becomes of each call, by its number and body; `say` what it answers.

    `asked` counts the requests by what became of them; `bodies` keeps the newest of them; `most` is the
    largest number of requests that were open at once, `busy` the seconds that all were open together.
    """

    script: Callable[[int, Mapping[str, Any]], str] = lambda number, body: "ok"
    delay: float = 0.0
    say: Callable[[Sequence[Mapping[str, Any]]], str] = answer
    retry_after: str = "0"
    count: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    open: int = 0
    most: int = 0
    since: float = 0.0
    busy: float = 0.0
    keep: int = 100
    _runner: web.AppRunner | None = None

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> str:
        """The address to give as `api_base`."""
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._embed)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        app.router.add_get("/count", self._count)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        address = self._runner.addresses[0]
        return f"http://{host}:{address[1]}/v1"

    async def stop(self) -> None:
        """Closes the port and what is open on it."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        number = sum(self.asked.values())
        fault = self.script(number, body)
        self.asked[fault] += 1
        self.bodies = [*self.bodies[-self.keep + 1 :], body]
        self.headers = [*self.headers[-self.keep + 1 :], dict(request.headers)]
        self._opened(1)
        try:
            if self.delay:
                await asyncio.sleep(self.delay)
            return await self._give(request, body, fault)
        finally:
            self._opened(-1)

    def _opened(self, more: int) -> None:
        now = time.monotonic()
        self.busy += self.open * (now - self.since)
        self.since = now
        self.open += more
        self.most = max(self.most, self.open)

    async def _give(self, request: web.Request, body: Mapping[str, Any], fault: str) -> web.StreamResponse:
        text = self.say(body["messages"])
        match fault:
            case "rate" | "rate_date":
                return error(429, "slow down", {"Retry-After": self.retry_after})
            case "500" | "503":
                return error(int(fault), "it broke")
            case "temperature" | "max_tokens" | "extra" | "unknown" | "key" | "long":
                if refusal := refused(fault, body):
                    return refusal
            case "hang":
                await asyncio.sleep(3600)
            case "drop":
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case "garbage":
                return web.Response(body=bytes(range(256)), content_type="application/json")
            case "wrong":
                return web.json_response({"choices": "none", "usage": [1, 2]})
            case "nothing":
                return web.json_response({"id": "x", "object": "chat.completion", "choices": []})
        completion = self._completion(body, text, fault)
        if fault in ("half", "drip"):
            return await self._slowly(request, completion, fault)
        self._note(completion)
        if fault == "usage":
            del completion["usage"]
        return web.json_response(completion)

    def _completion(self, body: Mapping[str, Any], text: str, fault: str) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        reason = "stop"
        match fault:
            case "empty":
                message["content"] = ""
            case "thinking":
                message |= {"content": None, "reasoning_content": text}
            case "truncated":
                message["content"], reason = text[: len(text) // 2], "length"
            case "refusal":
                message |= {"content": None, "refusal": "I would rather not."}
            case "filtered":
                message["content"], reason = "", "content_filter"
        prompt = sum(tokens(text_of(one)) for one in body["messages"])
        written = tokens(message["content"] or message.get("reasoning_content") or "")
        usage = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
        usage["prompt_tokens_details"] = {"cached_tokens": prompt // 2}
        choice = {"index": 0, "message": message, "finish_reason": reason}
        return {
            "id": f"scripted-{sum(self.asked.values())}",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": body["model"],
            "choices": [choice],
            "usage": usage,
        }

    async def _slowly(
        self, request: web.Request, completion: Mapping[str, Any], fault: str
    ) -> web.StreamResponse:
        data = json.dumps(completion).encode()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        if fault == "half":
            response.content_length = len(data)
        await response.prepare(request)
        if fault == "half":
            await response.write(data[: len(data) // 2])
            assert request.transport is not None
            request.transport.close()
            return response
        for place in range(0, len(data), 8):
            await response.write(data[place : place + 8])
            await asyncio.sleep(0.5)
        await response.write_eof()
        self._note(completion)
        return response

    def _note(self, completion: Mapping[str, Any]) -> None:
        usage = completion["usage"]
        self.count["calls"] += 1
        self.count["tokens_in"] += usage["prompt_tokens"]
        self.count["tokens_out"] += usage["completion_tokens"]

    async def _embed(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        data: list[dict[str, Any]] = []
        for index, text in enumerate(texts):
            vector: Any = vector_of(text)
            if body.get("encoding_format") == "base64":
                vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
            data.append({"object": "embedding", "index": index, "embedding": vector})
        count = sum(map(tokens, texts))
        usage = {"prompt_tokens": count, "total_tokens": count}
        return web.json_response({"object": "list", "data": data, "model": body["model"], "usage": usage})

    async def _models(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    async def _health(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok"})

    async def _count(self, request: web.Request) -> web.StreamResponse:
        totals = {name: self.count[name] for name in ("calls", "tokens_in", "tokens_out")}
        self._opened(0)
        return web.json_response({**totals, "asked": dict(self.asked), "most": self.most, "busy": self.busy})


def vector_of(text: str) -> list[float]:
    """Sixteen numbers: how often letters of each of sixteen classes stand in the text."""
    counts = [0.0] * 16
    for letter in text:
        counts[ord(letter) % 16] += 1.0
    return counts


def refused(fault: str, body: Mapping[str, Any]) -> web.Response | None:
    """The refusal of a parameter, if the body holds it, or of the whole request."""
    match fault:
        case "temperature" if "temperature" in body:
            return error(400, "Unsupported value: 'temperature' does not support 0.9 with this model.")
        case "max_tokens" if "max_tokens" in body:
            hint = "Use 'max_completion_tokens' instead."
            return error(400, f"Unsupported parameter: 'max_tokens' is not supported with this model. {hint}")
        case "extra" if "colour" in body:
            return error(422, "extra fields not permitted: colour")
        case "unknown":
            return error(404, f"The model `{body['model']}` does not exist", code="model_not_found")
        case "key":
            return error(401, "Incorrect API key provided", code="invalid_api_key")
        case "long":
            text = "This model's maximum context length is 64 tokens. However, your messages are longer."
            return error(400, text, code="context_length_exceeded")
    return None


def error(
    status: int, message: str, headers: Mapping[str, str] | None = None, code: str | None = None
) -> web.Response:
    """An error as OpenAI writes it."""
    body = {"error": {"message": message, "type": "scripted", "param": None, "code": code}}
    return web.json_response(body, status=status, headers=headers)


async def serve(port: int, script: Callable[[int, Mapping[str, Any]], str], delay: float) -> None:
    """Serves until it is stopped."""
    server = Server(script, delay)
    print(f"serving {await server.start(port)}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Reads the arguments and serves."""
    parser = argparse.ArgumentParser(description="A scripted OpenAI-compatible server.")
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--faults", default="", help=f"shares, as in hang=0.05,500=0.1: {', '.join(FAULTS)}")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that an answer takes")
    arguments = parser.parse_args()
    try:
        asyncio.run(serve(arguments.port, shares(arguments.faults), arguments.delay))
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    main()
