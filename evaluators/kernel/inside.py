"""Runners: trusted code that runs beside a candidate in the sandbox.

In the sandbox no process starts and nothing is written, so kernels are compiled as far as PTX; what needs
ptxas happens outside. Bounds, races, coverage and who computed are seen here and nowhere else.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...kernels.gate.backends import Interpreted
from ...kernels.gate.gate import QUICK, gate
from ...kernels.gate.observed_call import poisoned
from ...kernels.gpu_queue.record_entry import record as recorded
from ...kernels.json_values import to_plain
from ...kernels.operators import DTYPES, Operator, Sizes
from ...kernels.record import compiling, launches
from ...kernels.record.recorder import Recorder
from ..sandbox.inside import Result, explain, load
from . import wire
from .settings import Settings, operator_for

BACKEND = Interpreted(compiles=False)
DIRECTIONS = ("forward", "backward")
TARGETS = {"sm_90": compiling.SM_90, "gfx942": compiling.GFX942}
SAMPLES = 2048
"""Elements of each output at real sizes that are sent back, at most."""
SINGLE_PROGRAMS = 12
"""Programs looked at one by one where the sampled ones do not show that a whole output is written."""
Namespace = Mapping[str, Any]


def examine(source: str, parameters: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Result:
    """Text with what is wrong, or no text and the results for each case of `parameters["cases"]`.

    A case's inputs are among `arrays`, as "0 x"; its results come back as "0 output" and "0 x", the gradient
    of x. With them goes a record of every launch at the headline sizes: how it is compiled, none is run.
    `parameters["gate"]` holds the sizes to try in the settings' dtype, in others, and the seed.
    """
    (settings, operator, dtype, namespace), before = _asked(source, parameters), _recalled(arrays)
    asked = parameters["gate"]
    if wrong := _gated(operator, namespace, dtype, asked):
        return Result({}, wrong)
    found: dict[str, np.ndarray] = {}
    for number, case in enumerate(parameters["cases"]):
        inputs = {
            name: wire.unpacked(arrays[f"{number} {name}"], shape, getattr(torch, kind))
            for name, (shape, kind) in case.items()
        }
        found |= {
            f"{number} {name}": wire.packed(tensor) for name, tensor in _results(operator, namespace, inputs)
        }
    try:
        record = _recorded(operator, namespace, dtype, parameters["headline"], settings, "none")
    except Exception as error:  # noqa: BLE001 - whatever Triton or the program raises is what is wrong
        return Result({}, f"at the headline sizes it does not compile: {explain(error)}")
    return Result({**found, wire.RECORD: wire.written(record), wire.COMPILED: _compiled(before)})


def check(source: str, parameters: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Result:
    """Text with what is wrong at further hidden sizes; none where nothing is."""
    _, operator, dtype, namespace = _asked(source, parameters)
    return Result({}, _gated(operator, namespace, dtype, parameters["gate"]) or "")


def record(source: str, parameters: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Result:
    """The launches at `parameters["sizes"]`, each with the account of some of its programs.

    With them, of each output, elements that these programs wrote: "output at" and "output", their places in
    row-major order and their values. What `arrays` hold of earlier compilations is not compiled again.
    """
    (settings, operator, dtype, namespace), before = _asked(source, parameters), _recalled(arrays)
    found: dict[str, np.ndarray] = {}
    try:
        record = _recorded(operator, namespace, dtype, parameters["sizes"], settings, "sample", found)
    except Exception as error:  # noqa: BLE001 - whatever Triton or the program raises is what is wrong
        return Result({}, f"it fails at real sizes: {explain(error)}")
    return Result({**found, wire.RECORD: wire.written(record), wire.COMPILED: _compiled(before)})


def order(source: str, parameters: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Result:
    """Gpu-queue entries at each of `parameters["sizes"]`, none of them run; beside them PTX by digest."""
    settings, operator, dtype, namespace = _asked(source, parameters)
    found: dict[str, np.ndarray] = {}
    entries = []
    for name, sizes in parameters["sizes"].items():
        _, inputs = drawn(operator, sizes, dtype, settings.seed)
        try:
            entry = recorded(operator, namespace, sizes, inputs, name="entry", program_id="", note=name)
        except Exception as error:  # noqa: BLE001 - whatever the program raises is why it cannot be measured
            return Result({}, f"at {name}: {explain(error)}")
        found |= {key: np.frombuffer(code, np.uint8) for key, code in entry.code.items()}
        entries.append(entry.to_json())
    return Result({**found, wire.RECORD: wire.written({"entries": entries})})


def drawn(
    operator: Operator, sizes: Sizes, dtype: torch.dtype, seed: int
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """(The output's gradient, the inputs) at these sizes, the same inside the sandbox and outside."""
    rng = torch.Generator().manual_seed(seed)
    inputs = operator.draw(sizes, dtype, rng)
    with torch.device("meta"):
        shape = operator.reference(*(tensor.to("meta") for tensor in inputs)).shape
    return torch.randn(shape, generator=rng).to(dtype), inputs


def _asked(source: str, parameters: Mapping[str, Any]) -> tuple[Settings, Operator, torch.dtype, Namespace]:
    """(Settings, operator, dtype, the program's namespace) of a request."""
    settings = Settings.model_validate(parameters["settings"])
    return settings, operator_for(settings), getattr(torch, settings.dtype), load(source)


def _recalled(arrays: Mapping[str, np.ndarray]) -> set[str]:
    """The names of what is compiled already, after taking in what earlier candidates compiled."""
    compiling.recall(wire.read(arrays, wire.COMPILED))
    return set(compiling.texts())


def _compiled(before: set[str]) -> np.ndarray:
    return wire.written({name: text for name, text in compiling.texts().items() if name not in before})


def _gated(
    operator: Operator, namespace: Namespace, dtype: torch.dtype, asked: Mapping[str, Any]
) -> str | None:
    """The first thing that is wrong, in a sentence."""
    others = [each for each in DTYPES if each != dtype]
    for dtypes, sizes, checks in (
        ((dtype,), asked["sizes"], QUICK),
        (others, asked["others"], ("value",)),
    ):
        if sizes:
            report = gate(
                operator,
                namespace,
                dtypes,
                sizes,
                backend=BACKEND,
                checks=checks,
                seed=asked["seed"],
                stop=True,
            )
            if report.findings:
                return str(report.findings[0])
    return None


def _results(
    operator: Operator, namespace: Namespace, inputs: Mapping[str, Tensor]
) -> list[tuple[str, Tensor]]:
    given = [inputs[name] for name in operator.inputs]
    with poisoned(), launches.offline(execute="all", compiles=False, assemble=False):
        output = namespace["forward"](*given)
        gradients = namespace["backward"](inputs["grad"], *given)
    return [("output", output), *zip(operator.differentiable, gradients, strict=True)]


def _recorded(
    operator: Operator,
    namespace: Namespace,
    dtype: torch.dtype,
    sizes: Sizes,
    settings: Settings,
    execute: str,
    found: dict[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Launches, storages and outputs of both directions; sampled elements of outputs go into `found`."""
    grad, inputs = drawn(operator, sizes, dtype, settings.seed)
    calls: dict[str, Callable[[], Any]] = {
        "forward": lambda: (namespace["forward"](*inputs),),
        "backward": lambda: namespace["backward"](grad, *inputs),
    }
    names = {"forward": ("output",), "backward": operator.differentiable}
    record = {}
    for direction, call in calls.items():
        options = {"execute": execute, "assemble": False, "target": TARGETS[settings.target]}
        with (
            poisoned(),
            np.errstate(all="ignore"),
            launches.offline(programs=settings.programs, seed=settings.seed, **options) as recorder,
        ):
            outputs = call()
        made = dict(zip(names[direction], outputs, strict=True))
        record[direction] = {
            "launches": to_plain(recorder.launches),
            "storages": [[each.id, each.bytes, each.origin] for each in recorder.storages],
            "outputs": {
                name: {"storage": recorder.storage(each), "shape": list(each.shape)}
                for name, each in made.items()
            },
        }
        if found is not None:
            for name, tensor in made.items():
                found |= _sampled(name, tensor, recorder.written(tensor))
            record[direction]["covered"] = covered(call, recorder, made, settings)
    return record


def _sampled(name: str, tensor: Tensor, written: np.ndarray) -> dict[str, np.ndarray]:
    places = np.flatnonzero(written.reshape(-1))
    places = places[:: max(1, places.size // SAMPLES)][:SAMPLES].astype(np.int64)
    values = tensor.reshape(-1)[torch.from_numpy(places)].double().numpy()
    return {f"{name} at": places, name: values}


def covered(
    call: Callable[[], Any], recorder: Recorder, outputs: Mapping[str, Tensor], settings: Settings
) -> dict[str, float]:
    """For each output, the share of it that the grids can have written, 1 where all of it.

    The bytes that sampled programs stored, times grid over sample; where that is not the whole,
    the most that one of SINGLE_PROGRAMS programs stored, times the grid.
    """
    means = {name: _scaled(recorder, tensor) for name, tensor in outputs.items()}
    if all(share >= 1 for share in means.values()):
        return means
    most = dict(means)
    for number in range(SINGLE_PROGRAMS):
        with launches.offline(
            execute="sample", programs=1, seed=settings.seed + number + 1, compiles=False, assemble=False
        ) as single:
            again = call()
        for name, tensor in zip(outputs, again, strict=True):
            most[name] = max(most[name], _scaled(single, tensor))
    return most


def _scaled(recorder: Recorder, tensor: Tensor) -> float:
    """Bytes that the sampled programs stored, times grid over sample, over the tensor's; at most 1."""
    if not tensor.numel():
        return 1.0
    storage, total = recorder.storage(tensor), 0.0
    for launch in recorder.launches:
        if launch.account is None:
            continue
        scale = launch.programs / max(launch.account.programs, 1)
        for name, moved in launch.account.traffic.items():
            if storage in launch.storages(name):
                total += (moved.store_lanes + moved.atomic_sectors) * scale
    return min(1.0, total / (tensor.numel() * tensor.element_size()))


def warm() -> None:
    """Loads once what every candidate would load: Triton's compiler and interpreter, and the gate's own."""
    launches.warm()
