"""Triton's compiler as a pure function: a kernel and its types in, assembly text out.

`triton.compile` reads all of Triton to name its cache, writes files and starts ptxas. This does nothing of
the kind: it runs the same stages of the same backend and stops before the assembler, so it works where
nothing may be written and no process started. The version of ptxas, on which the text depends, is asked for
once.
"""

import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import triton.compiler.compiler as triton_compiler
from triton._C.libtriton import ir
from triton.backends.compiler import GPUTarget

_ENTRY = re.compile(r"\.entry\s+\w+\s*\(([^)]*)\)")
SM_90 = GPUTarget("cuda", 90, 32)
"""NVIDIA H100 and H200."""
GFX942 = GPUTarget("hip", "gfx942", 64)
"""AMD MI300."""
_STOP_BEFORE = ("cubin", "hsaco")
_MADE = frozenset({"name", "shared", "global_scratch_size", "profile_scratch_size"})
"""What compiling adds to the options, as far as launches are recorded with it."""


@dataclass(frozen=True)
class Compiled:
    """One kernel for one combination of types, constants and options."""

    symbol: str
    """Name of the kernel in the text."""
    assembly: str
    """PTX, or amdgcn."""
    metadata: Mapping[str, Any]
    options: Any

    @property
    def parameters(self) -> int:
        """How many parameters the kernel takes; -1 where the text does not say (amdgcn)."""
        entry = _ENTRY.search(self.assembly)
        return entry.group(1).count(".param") if entry else -1


_COMPILED: dict[tuple[str, str, str], Compiled] = {}
_REMEMBERED = 1024
_TEXTS: dict[str, Mapping[str, Any]] = {}


def compile_source(source: Any, target: GPUTarget, options: Mapping[str, Any]) -> Compiled:
    """What Triton makes of an `ASTSource`. Remembers by source, target and options.

    CompilationError and its kin where the kernel is wrong.
    """
    backend = triton_compiler.make_backend(target)
    parsed = backend.parse_options(_with_version(dict(options), target))
    key = (source.hash(), str(target), str(parsed))
    if key not in _COMPILED:
        if len(_COMPILED) >= _REMEMBERED:
            del _COMPILED[next(iter(_COMPILED))]
        text = _TEXTS.get(_name(key))
        _COMPILED[key] = (
            _compile(source, target, backend, parsed) if text is None else _recalled(text, target, parsed)
        )
    return _COMPILED[key]


def texts() -> dict[str, dict[str, Any]]:
    """All that this process has compiled, as plain values by name; `recall` takes them in another process."""
    return {
        _name(key): {"assembly": each.assembly, "metadata": {name: each.metadata[name] for name in _MADE}}
        for key, each in _COMPILED.items()
        if each.metadata.keys() >= _MADE
    }


def recall(known: Mapping[str, Mapping[str, Any]]) -> None:
    """Takes what `texts` gave in another process for what the same kernels would be compiled to here."""
    _TEXTS.update(known)


def _name(key: tuple[str, str, str]) -> str:
    return hashlib.sha256("\0".join(key).encode()).hexdigest()


def _recalled(text: Mapping[str, Any], target: GPUTarget, options: Any) -> Compiled:
    metadata = {"target": target, **vars(options), **text["metadata"]}
    return Compiled(metadata["name"], text["assembly"], metadata, options)


def uncompiled(source: Any, target: GPUTarget, options: Mapping[str, Any]) -> Compiled:
    """What can be known of a kernel without compiling it: options, and no text."""
    parsed = triton_compiler.make_backend(target).parse_options(_with_version(dict(options), target))
    metadata = {"target": target, **vars(parsed), "shared": 0}
    return Compiled(source.fn.__name__, "", metadata, parsed)


def _compile(source: Any, target: GPUTarget, backend: Any, options: Any) -> Compiled:
    stages: dict[str, Any] = {}
    backend.add_stages(stages, options, source.language)
    context = ir.context()
    ir.load_dialects(context)
    backend.load_dialects(context)
    try:
        module = source.make_ir(
            target, options, backend.get_codegen_implementation(options), backend.get_module_map(), context
        )
    except Exception as error:
        triton_compiler.filter_traceback(error)
        raise
    metadata: dict[str, Any] = {"target": target, **vars(options)}
    for name, lower in stages.items():
        if name in _STOP_BEFORE:
            break
        module = lower(module, metadata)
    return Compiled(metadata["name"], str(module), metadata, options)


def _with_version(options: dict[str, Any], target: GPUTarget) -> dict[str, Any]:
    if target.backend == "cuda":
        options.setdefault("ptx_version", None)
        options["ptx_version"] = options["ptx_version"] or ptx_version(target.arch)
    return options


@functools.cache
def ptx_version(arch: int) -> int:
    """The PTX version of the ptxas that Triton brings along, 88 for 8.8. Starts it the first time."""
    from triton.backends.nvidia.compiler import get_ptxas, ptx_get_version

    version: int = ptx_get_version(get_ptxas(arch).version)
    return version
