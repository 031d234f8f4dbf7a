"""What Ollama answers to /api/chat, for recording cassettes where no Ollama runs.

The fields are those of https://github.com/ollama/ollama/blob/main/docs/api.md; the words are made up.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

MODEL = "qwen2.5-coder:7b"
WORDS = "explanation: halve the slope\n\n<<<<<<< SEARCH\na = 1.0\n=======\na = 0.5\n>>>>>>> REPLACE\n"


def chat(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """(status, answer) to a request; words count as tokens, and `num_predict` cuts."""
    if body["model"] != MODEL:
        return 404, {"error": f"model {body['model']!r} not found"}
    words = WORDS.split(" ")
    limit = body["options"].get("num_predict", len(words))
    said = " ".join(words[:limit])
    return 200, {
        "model": MODEL,
        "created_at": "2026-01-01T00:00:00.000000Z",
        "message": {"role": "assistant", "content": said},
        "done": True,
        "done_reason": "stop" if limit >= len(words) else "length",
        "total_duration": 5_000_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": sum(len(each["content"].split()) for each in body["messages"]),
        "prompt_eval_duration": 1_000_000_000,
        "eval_count": min(limit, len(words)),
        "eval_duration": 4_000_000_000,
    }


class _Chat(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = chat(body) if self.path == "/api/chat" else (404, {"error": "not found"})
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[str]:
    """The `api_base` of such a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Chat) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
