"""What happens in the confined child: read the request, run the runner beside the candidate, write data.

Trusted when it starts and lost as soon as the candidate's first line runs: from then on whatever this process
writes is hostile input to the supervisor. Nothing here is secret, and nothing here decides anything.
"""

import json
import linecache
import mmap
import os
import random
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from . import shared_arrays

CANDIDATE = "<candidate>"
SEED = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What a runner returns: plain arrays by name, and text for a person or an LLM to read."""

    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True)
class Descriptors:
    """The open files of one request, as numbers in this process."""

    request: int
    result: int
    inputs: tuple[int, ...] = ()
    shared: int = -1
    wake: int = -1
    answer: int = -1


def load(source: str, **names: Any) -> dict[str, Any]:
    """The namespace after running a candidate's source, `names` being there beforehand.

    Whatever the source raises comes out as it is. Triton reads the text of its kernels again when it compiles
    or interprets them: it finds that of the source that was loaded last.
    """
    linecache.cache[CANDIDATE] = (len(source), None, source.splitlines(keepends=True), CANDIDATE)
    namespace: dict[str, Any] = {"__name__": "candidate", "__builtins__": __builtins__, **names}
    exec(compile(source, CANDIDATE, "exec"), namespace)
    return namespace


def turns(wake: int, answer: int) -> Iterator[int]:
    """The number of each step as it is asked for; asking for the next one says that the last is done."""
    while len(message := os.read(wake, shared_arrays.LENGTH.size)) == shared_arrays.LENGTH.size:
        yield shared_arrays.LENGTH.unpack(message)[0]
        os.write(answer, message)


def serve(descriptors: Descriptors) -> None:
    """Runs one request to its end and leaves the result in the result file."""
    capacity = os.fstat(descriptors.result).st_size
    memory = mmap.mmap(descriptors.result, capacity)
    with ExitStack() as stack:
        stack.push(partial(_write_failure, memory))
        request = json.loads(_contents(descriptors.request))
        arrays: dict[str, np.ndarray] = {}
        for descriptor in descriptors.inputs:
            arrays |= _map_arrays(descriptor)
        _seed()
        arguments: list[Any] = [request["source"], request["parameters"], arrays]
        if descriptors.shared >= 0:
            described, _ = shared_arrays.describe((name, *shape) for name, shape in request["shared"].items())
            shared = mmap.mmap(descriptors.shared, os.fstat(descriptors.shared).st_size)
            arguments += [
                shared_arrays.view(shared, described, 0),
                turns(descriptors.wake, descriptors.answer),
            ]
        _write(memory, runner_named(request["runner"])(*arguments))


def runner_named(name: str) -> Callable[..., Any]:
    """The function that "package.module:function" names."""
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)  # type: ignore[no-any-return]


def _seed() -> None:
    random.seed(SEED)
    np.random.seed(SEED)
    if torch := sys.modules.get("torch"):
        torch.default_generator.manual_seed(SEED)  # torch.manual_seed touches every backend: 500 page faults


def _contents(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _map_arrays(descriptor: int) -> dict[str, np.ndarray]:
    # a private mapping: the candidate may scribble on its own copy, torch need not warn of read-only memory
    memory = mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY)
    (length,) = shared_arrays.LENGTH.unpack_from(memory)
    header = json.loads(memory[shared_arrays.LENGTH.size : shared_arrays.LENGTH.size + length])
    return shared_arrays.view(memory, header["arrays"], shared_arrays.start_of_arrays(length))


def _write(memory: mmap.mmap, returned: Mapping[str, np.ndarray] | Result) -> None:
    result = returned if isinstance(returned, Result) else Result(returned)
    head, pieces, size = shared_arrays.pack(
        {"status": "finished", "text": str(result.text)[: shared_arrays.MAX_TEXT]}, result.arrays
    )
    if len(head) > shared_arrays.MAX_HEADER:
        raise ValueError(
            f"text and array names take {len(head)} bytes, at most {shared_arrays.MAX_HEADER} are allowed"
        )
    if size > len(memory):
        raise ValueError(f"the result takes {size} bytes, its limit is {len(memory)}")
    for offset, array in pieces:
        np.ndarray(array.shape, array.dtype, memory, offset)[...] = array
    memory[shared_arrays.LENGTH.size : len(head)] = head[shared_arrays.LENGTH.size :]
    memory[: shared_arrays.LENGTH.size] = head[: shared_arrays.LENGTH.size]


def _write_failure(memory: mmap.mmap, kind: object, error: BaseException | None, trace: object) -> bool:
    """Writes down whatever was raised, SystemExit and the like included, as the result."""
    if error is not None:
        head, _, _ = shared_arrays.pack({"status": "raised", "text": explain(error)}, {})
        memory[: len(head)] = head
    return True


def explain(error: BaseException) -> str:
    """Type and message of an exception, and the candidate's line that it came from."""
    message = "".join(traceback.format_exception_only(error)).strip()[: shared_arrays.MAX_TEXT - 100]
    line = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == CANDIDATE:
            line = number
    return message if line is None else f"{message} (line {line} of the candidate)"
