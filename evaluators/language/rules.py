"""The allow-list of a kind's programs: what their host functions and their Triton kernels may hold."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class KernelRules:
    """The allow-list of kernels and of launches. The rest of `Rules` is about host functions."""

    language: frozenset[str]
    """Names of triton.language that a kernel may use."""
    methods: frozenset[str]
    """Attributes and methods allowed on values inside a kernel."""
    builtins: frozenset[str]
    keywords: frozenset[str]
    """Named arguments of functions of triton.language and of methods."""
    texts: Mapping[str, frozenset[str]]
    """Named arguments that take a text, and the texts that they take."""
    effects: frozenset[str]
    """Functions of triton.language that may stand as a statement."""
    options: frozenset[str]
    """Launch options, beside the kernel's own parameters."""
    host_keywords: frozenset[str]
    """Named arguments of module functions and methods in host functions."""


@dataclass(frozen=True, eq=False)
class Rules:
    """The allow-list of a kind. ValueError where it would open a door that no kind needs open."""

    functions: Mapping[str, tuple[str, ...]]
    """Required top-level functions and their exact parameter names."""
    constants: tuple[str, ...]
    """Required module-level names, such as HYPERPARAMETERS."""
    modules: Mapping[str, frozenset[str]]
    """Modules that may be imported, by dotted name, and the attributes allowed on each."""
    methods: frozenset[str]
    """Attributes and methods allowed on any other value."""
    builtins: frozenset[str]
    """Built-in functions that may be called."""
    keys: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Parameters that are mappings: each key that may be meant, "" where it may be read and else the reason
    why not. They are read as `name["key"]` alone, and nothing but them and constants is indexed.
    """
    arguments: Mapping[str, int] = field(default_factory=dict)
    """Functions, by dotted name, that take exactly so many arguments, by position."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Functions of modules, by dotted name, that may stand in one entry function alone: its name."""
    max_bytes: int = 8_000
    max_nodes: int = 600
    max_depth: int = 24
    max_loop: int = 16
    """The most turns that a `for _ in range(...)` may take; loops inside loops multiply."""
    kernels: KernelRules | None = None
    """What functions decorated `@triton.jit` may hold; None: nothing may be decorated."""

    def __post_init__(self) -> None:
        names = {*self.methods, *self.builtins, *(name for known in self.modules.values() for name in known)}
        wrong = {name for name in names if name.startswith("_") or name in {"format", "format_map"}}
        wrong |= {name for name in self.methods if name.endswith("_")}
        if wrong:
            raise ValueError(
                f"rules must not allow private, formatting or in-place names, got {', '.join(sorted(wrong))}"
            )


def is_kernel(node: ast.AST) -> bool:
    """Whether a node is a function decorated exactly `@triton.jit`."""
    match node:
        case ast.FunctionDef(decorator_list=[ast.Attribute(value=ast.Name(id="triton"), attr="jit")]):
            return True
    return False
