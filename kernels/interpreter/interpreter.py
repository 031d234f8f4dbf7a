"""Runs Triton kernels on the CPU, in the process that also compiles them.

Triton decides at import whether kernels are compiled or interpreted, and its interpreter leaves
`triton.language` changed behind it. Here a kernel made by plain `@triton.jit` is interpreted inside
`interpreting()`, and nothing is different afterwards, whatever the kernel raised.
"""

import ast
import contextlib
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import triton.language as tl
from triton.language.extra import libdevice
from triton.language.extra.cuda import libdevice as cuda_libdevice
from triton.language.semantic import TritonSemantic
from triton.runtime import interpreter as stock
from triton.runtime.interpreter import TensorHandle as Handle
from triton.runtime.jit import JITFunction
from triton.tools.tensor_descriptor import TensorDescriptor

from .arithmetic import numpy_type
from .builder import BUILDER, mark
from .patches import Patches
from .reductions import reduction, scan

SEMANTIC = TritonSemantic(BUILDER)


def _assigned(value: Any) -> Any:
    """What a name is bound to: numbers become tensors, as the compiler makes them."""
    return value if isinstance(value, tl.tensor) else SEMANTIC.to_tensor(value, False)


def _all(*values: Callable[[], Any]) -> Any:
    return _logical(values, stop=False)


def _any(*values: Callable[[], Any]) -> Any:
    return _logical(values, stop=True)


def _logical(values: tuple[Callable[[], Any], ...], stop: bool) -> Any:
    """`and` (stop at False) or `or` of values; of tensors elementwise, as the compiler has it."""
    found: Any = None
    plain: Any = not stop
    for each in values:
        value = each()
        if not isinstance(value, tl.tensor):
            plain = value
            if bool(value) is stop:
                return value
        elif found is None:
            found = value
        else:
            found = (SEMANTIC.logical_or if stop else SEMANTIC.logical_and)(found, value)
    return plain if found is None else found


def _not(value: Any) -> Any:
    return SEMANTIC.not_(value) if isinstance(value, tl.tensor) else not value


def _range(*bounds: Any, **_: Any) -> Iterator[Any]:
    """Loop variables as tensors: `k.to(tl.int64)` works, and 32 bits wrap around."""
    numbers = [int(each) for each in bounds]
    wide = any(isinstance(each, tl.tensor) and each.dtype == tl.int64 for each in bounds)
    kind, dtype = (np.int64, tl.int64) if wide else (np.int32, tl.int32)
    for number in range(*numbers):
        yield tl.tensor(Handle(np.array([number], kind), dtype), dtype)


_NAMES = {f"_interpreted{each.__name__}": each for each in (_assigned, _all, _any, _not)}


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(f"_interpreted_{name}", ast.Load()), list(arguments), [])


class _Rewriting(ast.NodeTransformer):
    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        node.value = _call("assigned", node.value)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        nothing = ast.arguments([], [], None, [], [], None, [])
        delayed = [ast.Lambda(nothing, each) for each in node.values]
        return _call("all" if isinstance(node.op, ast.And) else "any", *delayed)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return _call("not", node.operand) if isinstance(node.op, ast.Not) else node


@functools.lru_cache(maxsize=4096)
def _code(function: Callable[..., Any], source: str, first_line: int) -> Any:
    """The rewritten definition, on the lines that it has in its file."""
    tree = ast.parse(textwrap.dedent(source))
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    definition.decorator_list = []
    tree = ast.fix_missing_locations(_Rewriting().visit(tree))
    ast.increment_lineno(tree, first_line - 1)
    return compile(tree, function.__code__.co_filename, "exec")


class Program:
    """Kernels and device functions as Python that the builder executes; globals are those of the moment."""

    def __init__(self) -> None:
        self.functions: dict[Callable[..., Any], Callable[..., Any]] = {}

    def function(self, kernel: JITFunction) -> Callable[..., Any]:
        """Never hashes the kernel: its hash reads `triton.language`, which is patched while we interpret."""
        function = kernel.fn
        if function not in self.functions:
            captured = inspect.getclosurevars(function).nonlocals
            names = {
                name: _with_semantic(value) if tl.core.is_builtin(value) else value
                for name, value in (function.__globals__ | captured).items()
            }
            names.setdefault("range", _range)
            code = _code(function, "".join(kernel.raw_src), kernel.starting_line_number)
            made: dict[str, Any] = {}
            exec(code, names | _NAMES, made)
            self.functions[function] = made[function.__name__]
        return self.functions[function]


def _with_semantic(member: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(member)
    def call(*arguments: Any, **named: Any) -> Any:
        return member(*arguments, **(named | {"_semantic": SEMANTIC}))

    return call


@functools.cache
def _plan() -> tuple[tuple[object, str, object], ...]:
    """What of `triton.language` is replaced while we interpret: (owner, name, value)."""
    plan: list[tuple[object, str, object]] = []

    class Recording:
        def set_attr(self, owner: object, name: str, value: object) -> None:
            plan.append((owner, name, value))

    for owner in (tl, tl.core, tl.math, tl.tensor, tl.core.tensor_descriptor_base, cuda_libdevice):
        for name, member in inspect.getmembers(owner):
            if tl.core.is_builtin(member):
                plan.append((owner, name, _with_semantic(member)))
    for lang in (tl, tl.core):
        stock._patch_lang_core(lang, Recording())
        plan += [(lang, "range", _range), (lang, "reduce", reduction), (lang, "associative_scan", scan)]
    stock._patch_lang_tensor(tl.tensor, Recording())
    plan.append((tl.tensor, "__index__", lambda self: int(self.handle.data.reshape(-1)[0])))
    for name, member in inspect.getmembers(cuda_libdevice):
        if tl.core.is_builtin(member) and hasattr(libdevice, name):
            plan.append((libdevice, name, _with_semantic(member)))
    return tuple(plan)


@contextlib.contextmanager
def interpreting() -> Iterator[Program]:
    """Within it `@triton.jit` functions run as Python; the `Program` rewrites them.

    Not re-entrant, and not for two threads at once: it changes `triton.language`.
    """
    program = Program()
    patches = Patches()
    try:
        for owner, name, value in _plan():
            patches.set(owner, name, value)
        patches.set(JITFunction, "__call__", lambda kernel, *a, **k: program.function(kernel)(*a, **k))
        patches.set(
            JITFunction,
            "__get__",
            lambda kernel, owner, kind=None: (
                functools.partial(program.function(kernel), owner) if isinstance(owner, tl.tensor) else kernel
            ),
        )
        with np.errstate(all="ignore"):
            yield program
    finally:
        patches.restore()


def options_of(compiled_for: Any) -> stock.InterpreterOptions:
    """Interpreter options that agree with those the kernel was compiled with: precisions and float8 types."""
    return stock.InterpreterOptions(
        sanitize_overflow=False,
        supported_fp8_dtypes=compiled_for.supported_fp8_dtypes,
        default_dot_input_precision=compiled_for.default_dot_input_precision,
        allowed_dot_input_precisions=compiled_for.allowed_dot_input_precisions,
    )


def argument(name: str, value: Any, kind: Any) -> Any:
    """A kernel's argument as the kernel sees it: `kind` is its type in the signature, "*bf16" or "i64"."""
    if isinstance(value, tuple):
        kinds = kind if isinstance(kind, tuple) else ("",) * len(value)
        parts = [
            argument(f"{name}.{i}", part, its) for i, (part, its) in enumerate(zip(value, kinds, strict=True))
        ]
        return tl.tuple(parts)
    if isinstance(value, bool):
        return _scalar(value, tl.int1)
    if isinstance(value, int) and isinstance(kind, str) and kind.startswith(("i", "u")):
        return _scalar(value, tl.str_to_ty(kind, None))
    if isinstance(value, float):
        return _scalar(value, tl.float64 if kind == "fp64" else tl.float32)
    made = stock._implicit_cvt(value)
    if isinstance(value, TensorDescriptor):
        mark(made.handle.base, name)
    elif isinstance(made, tl.tensor) and made.dtype.is_ptr():
        mark(made.handle, name)
    return made


def _scalar(value: float, dtype: tl.dtype) -> tl.tensor:
    return tl.tensor(Handle(np.array([value], numpy_type(dtype)), dtype), dtype)


def arguments_of(
    kernel: JITFunction, values: Mapping[str, Any], signature: Mapping[str, Any]
) -> dict[str, Any]:
    """All arguments of a kernel by name, compile-time constants as they are."""
    made = {}
    for parameter in kernel.params:
        name, value = parameter.name, values[parameter.name]
        if parameter.is_constexpr:
            made[name] = value.value if isinstance(value, tl.constexpr) else value
        else:
            made[name] = argument(name, value, signature.get(name, ""))
    return made
