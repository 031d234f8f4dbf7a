"""From a program to an entry of the gpu-queue: its launches at a real shape, recorded without running any."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget

from ..gate.report import DIRECTIONS, Direction
from ..gate.results import tensors
from ..operators import Operator, Sizes
from ..record import launch_record
from ..record.binary import Binary, assemble
from ..record.compiling import SM_90
from ..record.launch_record import Launch
from ..record.launches import offline
from ..record.recorder import Recorder
from .queue import Argument, Buffer, Entry, Output, Pass, Step, digest


class NotReplayable(ValueError):
    """The launches alone do not make the result. The message says what they would need besides."""


def record(
    operator: Operator,
    program: Mapping[str, Any],
    sizes: Sizes,
    inputs: Sequence[Tensor],
    *,
    name: str,
    program_id: str,
    note: str = "",
) -> Entry:
    """The entry `name` of a program at these sizes, with PTX and without binaries: `assembled` adds them.

    `program` is its namespace; its host code runs once a direction, and no launch runs. `inputs` are the
    operator's at these sizes, on the CPU.

    Raises NotReplayable, and whatever the program raises.
    """
    inputs = [tensor.clone(memory_format=torch.contiguous_format) for tensor in inputs]  # each a whole memory
    passes: dict[str, Pass] = {}
    code: dict[str, bytes] = {}
    recorder, (output,) = _run(program["forward"], inputs, "forward")
    grad = torch.empty_like(output)
    for direction in DIRECTIONS:
        given = (grad, *inputs) if direction == "backward" else inputs
        recorder, results = _run(program[direction], given, direction)
        passes[direction] = pass_of(recorder, inputs, grad, results)
        code |= {digest(text): text for text in (each.ptx.encode() for each in recorder.launches)}
    return Entry(
        id=name,
        program=program_id,
        operator=operator.name,
        sizes=dict(sizes),
        dtype=str(output.dtype).removeprefix("torch."),
        target=f"sm_{SM_90.arch}",
        passes=passes,
        versions={"torch": torch.__version__, "triton": triton.__version__},
        note=note,
        code=code,
    )


def _run(function: Any, given: Sequence[Tensor], direction: Direction) -> tuple[Recorder, tuple[Tensor, ...]]:
    with offline(SM_90, execute="none", assemble=False) as recorder:
        result = function(*given)
    return recorder, tensors(result, direction)


def pass_of(recorder: Recorder, inputs: Sequence[Tensor], grad: Tensor, results: Sequence[Tensor]) -> Pass:
    """What `recorder` saw of one call of a program, as something to repeat. Raises NotReplayable."""
    roles = _roles(recorder, inputs, grad, results)
    used = {
        each.storage
        for launch in recorder.launches
        for each in launch.arguments.values()
        if isinstance(each, launch_record.Buffer)
    }
    wanted = sorted(used | {recorder.storage(tensor) for tensor in results})
    place = {storage: index for index, storage in enumerate(wanted)}
    zeroed = _zeroed(recorder, used)
    buffers, scratch = [], 0
    for storage in wanted:
        role, index = roles.get(storage, ("scratch", scratch))
        scratch += role == "scratch"
        buffers.append(Buffer(role, index, recorder.storages[storage].bytes, storage in zeroed))
    outputs = tuple(
        Output(
            place[recorder.storage(tensor)],
            tuple(tensor.shape),
            tuple(tensor.stride()),
            str(tensor.dtype).removeprefix("torch."),
        )
        for tensor in results
    )
    return Pass(tuple(buffers), tuple(_step(launch, place) for launch in recorder.launches), outputs)


def _roles(
    recorder: Recorder, inputs: Sequence[Tensor], grad: Tensor, results: Sequence[Tensor]
) -> dict[int, tuple[Any, int]]:
    roles: dict[int, tuple[Any, int]] = {}
    for index, tensor in enumerate(inputs):
        if tensor.untyped_storage().nbytes() != tensor.numel() * tensor.element_size():
            raise ValueError(
                f"input {index} is part of a larger memory; entries are recorded with whole ones"
            )
        roles[recorder.storage(tensor)] = ("input", index)
    roles[recorder.storage(grad)] = ("grad", 0)
    for index, tensor in enumerate(results):
        number = recorder.storage(tensor)
        if number in roles:
            raise NotReplayable(f"result {index} stands in the memory of {' '.join(map(str, roles[number]))}")
        roles[number] = ("output", index)
    return roles


def _zeroed(recorder: Recorder, used: set[int]) -> set[int]:
    """Storages that torch filled with zeros before any launch used them."""
    touched: dict[int, int] = {}
    for number, launch in enumerate(recorder.launches):
        for each in launch.arguments.values():
            if isinstance(each, launch_record.Buffer):
                touched.setdefault(each.storage, number)
    zeroed: set[int] = set()
    for operation in recorder.operations:
        if operation.kind in ("compute", "copy"):
            raise NotReplayable(
                f"torch's {operation.name} does a part of the work; only launches are replayed"
            )
        if operation.kind != "fill":
            continue
        for storage in operation.outputs:
            late = storage in used and touched[storage] < operation.launches
            if late or (storage in used and operation.value != 0):
                raise NotReplayable(
                    f"{operation.name} fills with {operation.value} after {operation.launches} launches: "
                    "only zeros before a memory's first launch are replayed"
                )
            zeroed.add(storage)
    return zeroed


def _step(launch: Launch, place: Mapping[int, int]) -> Step:
    if launch.ctas != 1 or launch.hidden < 0:
        raise NotReplayable(f"{launch.kernel} runs in clusters of {launch.ctas} or is not for CUDA")
    arguments = []
    for name, each in launch.arguments.items():
        if isinstance(each, launch_record.Buffer):
            kind = launch.signature.get(name, "*")  # a part of a tuple has none of its own
            arguments.append(Argument(kind if kind[0] == "*" else "*", place[each.storage], each.offset))
        elif isinstance(each, launch_record.Scalar):
            arguments.append(Argument(each.type, value=each.value))
        else:
            raise NotReplayable(f"{launch.kernel} takes {name}, a tensor descriptor made by the host")
    return Step(
        kernel=launch.symbol,
        grid=launch.grid,
        warps=launch.warps,
        shared=launch.shared,
        arguments=tuple(arguments),
        ptx=digest(launch.ptx.encode()),
        hidden=launch.hidden,
        scratch=launch.scratch_bytes,
    )


def assembled(
    entry: Entry, target: GPUTarget = SM_90, assemble: Callable[[str, GPUTarget], Binary] = assemble
) -> Entry:
    """The same with a binary for every step, made by the ptxas that Triton brings along, or by `assemble`.

    Starts a process, so it does not run beside a candidate. Raises AssemblyRefused.
    """
    code = dict(entry.code)
    passes = {}
    for direction, whole in entry.passes.items():
        steps = []
        for step in whole.steps:
            cubin = assemble(entry.code[step.ptx].decode(), target).cubin
            code[digest(cubin)] = cubin
            steps.append(replace(step, cubin=digest(cubin)))
        passes[direction] = replace(whole, steps=tuple(steps))
    return replace(entry, passes=passes, code=code)
