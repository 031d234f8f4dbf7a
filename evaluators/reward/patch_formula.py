"""The archived formula as a person would like to read it, over numpy or torch alike."""

import ast
import keyword
import re
from collections.abc import Collection, Mapping
from typing import Any

from ..kinds.patch import constants_of, double_quoted, function_text
from ..language.edit import renamed

TORCH = {
    "abs": "lambda x: torch.abs(tensor(x))",
    "arctan": "lambda x: torch.atan(tensor(x))",
    "clip": "lambda x, low, high: torch.minimum(torch.maximum(tensor(x), tensor(low)), tensor(high))",
    "exp": "lambda x: steep(torch.exp, x)",
    "expm1": "lambda x: steep(torch.expm1, x)",
    "log": "lambda x: steep(torch.log, x)",
    "log1p": "lambda x: steep(torch.log1p, x)",
    "logical_and": "lambda x, y: torch.logical_and(tensor(x), tensor(y))",
    "logical_not": "lambda x: torch.logical_not(tensor(x))",
    "logical_or": "lambda x, y: torch.logical_or(tensor(x), tensor(y))",
    "maximum": "lambda x, y: torch.maximum(tensor(x), tensor(y))",
    "minimum": "lambda x, y: torch.minimum(tensor(x), tensor(y))",
    "power": "lambda x, y: steep(lambda base: torch.pow(base, y), x)",
    "sign": "lambda x: torch.sign(tensor(x))",
    "sqrt": "lambda x: steep(torch.sqrt, x)",
    "square": "lambda x: torch.square(tensor(x))",
    "tanh": "lambda x: torch.tanh(tensor(x))",
    "where": "lambda at, x, y: torch.where(tensor(at).bool(), tensor(x), tensor(y))",
}
"""The torch form of each function that a reward may use; `tensor` and `steep` are the exported module's."""
HASHED = re.compile(r"f[0-9a-f]{10}")
"""A name that the canonical form gave to a function."""
OWN_NAMES = frozenset({
    "Any", "Mapping", "SIGNALS", "SimpleNamespace", "WEIGHTS", "signals", "steep", "sys", "tensor",
    "torch", "weights", "xp",
})  # fmt: skip
"""Names that the exported module uses beside those of the formula."""


class PatchFormula:
    """A reward taken apart for the export: its text, constants, signals and operations.

    numpy's functions become those of `xp`, an argument, and WEIGHTS becomes the argument `weights`; helpers
    get both where they need them. A local that is a signal is named after it. Nothing else is touched, so
    that the exported test can ask for the archive's bits. ValueError where no patch can be made of it.
    """

    def __init__(self, source: str) -> None:
        tree = ast.parse(source)
        self.constants: Mapping[str, Any] = constants_of(tree)
        self.functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        if "reward" not in self.functions:
            raise ValueError("a reward must define `def reward(signals)`; this program does not")
        self.names = {*self.constants, *self.functions}
        self.signals = tuple(sorted({name for node in ast.walk(tree) if (name := signal_of(node))}))
        if not self.signals:
            raise ValueError('the program reads no signal: expected `signals["..."]` somewhere')
        self.modules = {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        self.operations = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        if unknown := sorted(self.operations - TORCH.keys()):
            raise ValueError(
                f"the patch has no torch form of {', '.join(unknown)}; write the program without"
            )
        self.divides = any(isinstance(node, (ast.Div, ast.Pow)) for node in ast.walk(tree))

    def text(self) -> str:
        """Helpers first, then the formula, laid out as PEP 8 wants them."""
        over_both = _OverBoth(self.modules, self._arguments())
        order = [name for name in self.functions if name != "reward"] + ["reward"]
        return "\n\n\n".join(over_both.text(self.functions[name]) for name in order)

    @property
    def weights(self) -> Mapping[str, float]:
        """WEIGHTS, empty where there are none."""
        found: Mapping[str, float] = self.constants.get("WEIGHTS", {})
        return found

    def constants_text(self) -> str:
        """The constants, one a line, and WEIGHTS, where there are any, as people write a dict."""
        rest = {name: value for name, value in self.constants.items() if name != "WEIGHTS"}
        lines = [f"{name} = {double_quoted(repr(value))}\n" for name, value in rest.items()]
        if self.weights:
            items = "".join(f'    "{name}": {value!r},\n' for name, value in self.weights.items())
            lines.append(f"WEIGHTS = {{\n{items}}}\n")
        return "".join(lines)

    @property
    def torch_forms(self) -> dict[str, str]:
        """The torch form of each operation that the formula needs."""
        return {name: TORCH[name] for name in sorted(self.operations)}

    def uses(self, word: str) -> bool:
        """Whether the torch form of an operation needs this function of the module."""
        return any(word in TORCH[name] for name in self.operations)

    def _arguments(self) -> dict[str, tuple[str, ...]]:
        """What each function needs beside its own parameters: `weights`, `xp`, both or none."""
        names = {
            one: {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
            for one, function in self.functions.items()
        }
        for _ in names:  # as often as the longest chain of calls
            for one, seen in names.items():
                names[one] = seen.union(*(names[other] for other in seen & names.keys()))
        return {
            one: (("weights",) if "WEIGHTS" in seen else ()) + (("xp",) if seen & self.modules else ())
            for one, seen in names.items()
        }

    @property
    def arguments(self) -> tuple[str, ...]:
        """What `_formula` takes after `signals`."""
        return self._arguments()["reward"]


class _OverBoth(ast.NodeTransformer):
    """Writes functions of numpy as functions of `xp`, and hands on what the helpers need."""

    def __init__(self, modules: Collection[str], arguments: Mapping[str, tuple[str, ...]]) -> None:
        self.modules = modules
        self.arguments = arguments
        numbered = [name for name in arguments if HASHED.fullmatch(name)]
        self.names = {name: f"_{name}" for name in arguments} | {"reward": "_formula"}
        self.names |= {name: f"_part_{number}" for number, name in enumerate(numbered, 1)}

    def text(self, function: ast.FunctionDef) -> str:
        changed = renamed(function, _better_names(function))
        self.visit(changed)
        extra = [ast.arg(name) for name in self.arguments[function.name]]
        if function.name == "reward":
            changed.args.args += extra
        else:  # behind whatever defaults the program gave
            changed.args.kwonlyargs = extra
            changed.args.kw_defaults = [None for _ in extra]
        changed.name = self.names[function.name]
        return function_text(ast.fix_missing_locations(changed))

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = "xp" if node.id in self.modules else "weights" if node.id == "WEIGHTS" else node.id
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in self.arguments:
            extra = self.arguments[node.func.id]
            node.keywords += [ast.keyword(name, ast.Name(name, ast.Load())) for name in extra]
            node.func.id = self.names[node.func.id]
        return node


def signal_of(node: ast.AST) -> str | None:
    """The signal that `signals["name"]` reads, or None for any other node."""
    match node:
        case ast.Subscript(value=ast.Name(id="signals"), slice=ast.Constant(value=str(name))):
            return name
    return None


def _better_names(function: ast.FunctionDef) -> dict[str, str]:
    """New names for locals that are bound once, to a signal."""
    stored = [n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    taken = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)} | OWN_NAMES
    taken |= {argument.arg for argument in function.args.args}
    names: dict[str, str] = {}
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=local)], value=value):
                name = signal_of(value)
                free = name and name not in taken and not keyword.iskeyword(name)
                if name and free and stored.count(local) == 1:
                    names[local] = name
                    taken.add(name)
    return names
