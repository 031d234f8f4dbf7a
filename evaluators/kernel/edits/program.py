"""Program: a kernel program as a tree, with its kernels, host functions, launches and tunables."""

import ast
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from ...language.edit import Unsuitable, expression
from .shapes import Shapes

CONFIG = "CONFIG"
ENTRIES = ("forward", "backward")
LAUNCH_OPTIONS = ("num_warps", "num_stages", "num_ctas")


@dataclass(frozen=True)
class Launch:
    """One launch of a kernel in a host function: `kernel[grid](arguments)`."""

    host: ast.FunctionDef
    call: ast.Call
    kernel: ast.FunctionDef

    @property
    def grid(self) -> ast.expr:
        """What stands between the brackets."""
        assert isinstance(self.call.func, ast.Subscript)
        return self.call.func.slice

    def argument(self, name: str) -> ast.expr | None:
        """The expression that a parameter of the kernel gets, None where the launch does not give it."""
        at = self._position(name)
        given = self.call.args[at] if at < len(self.call.args) else None
        return next((each.value for each in self.call.keywords if each.arg == name), given)

    def text(self, name: str) -> str:
        """The text of what a parameter of the kernel gets, empty where the launch does not give it."""
        value = self.argument(name)
        return "" if value is None else ast.unparse(value)

    def put(self, name: str, value: ast.expr) -> None:
        """Give a parameter of the kernel another expression; by name where it had none."""
        for keyword in self.call.keywords:
            if keyword.arg == name:
                keyword.value = value
                return
        at = self._position(name)
        if at < len(self.call.args):
            self.call.args[at] = value
        else:
            options = [k for k in self.call.keywords if k.arg in LAUNCH_OPTIONS]
            plain = [k for k in self.call.keywords if k.arg not in LAUNCH_OPTIONS]
            self.call.keywords = [*plain, ast.keyword(name, value), *options]

    def _position(self, name: str) -> int:
        names = [argument.arg for argument in self.kernel.args.args]
        return names.index(name) if name in names else len(names)


class Site(NamedTuple):
    """A call inside a kernel."""

    kernel: ast.FunctionDef
    call: ast.Call


class Place(NamedTuple):
    """A statement of a kernel: the block that it stands in, and where."""

    kernel: ast.FunctionDef
    block: list[ast.stmt]
    at: int

    @property
    def node(self) -> ast.stmt:
        """What stands there now."""
        return self.block[self.at]


class Definitions:
    """The assignments of a kernel by the local that they bind."""

    def __init__(self, kernel: ast.FunctionDef) -> None:
        self._places: dict[str, list[tuple[ast.stmt, list[ast.stmt]]]] = defaultdict(list)
        for _, block, at in places(kernel):
            match node := block[at]:
                case ast.Assign() | ast.AugAssign():
                    for name in bound(node):
                        self._places[name].append((node, block))
                case ast.For(target=ast.Name(id=name)):
                    self._places[name].append((node, block))

    def home(self, name: str) -> tuple[ast.Assign, list[ast.stmt]] | None:
        """The only assignment of a local and its block; None where more binds it, or a loop head does."""
        match self._places.get(name):
            case [(ast.Assign() as node, block)]:
                return node, block
        return None

    def resolved(self, node: ast.expr) -> ast.expr:
        """The expression behind a chain of locals that are bound once, or the node itself."""
        seen = 0
        while isinstance(node, ast.Name) and (home := self.home(node.id)) is not None and seen < 20:
            node, seen = home[0].value, seen + 1
        return node


class Program:
    """A program under edit. Unsuitable where the text is not of the form that programs of the kind have."""

    def __init__(self, source: str) -> None:
        self.tree = ast.parse(source)
        if ast.get_docstring(self.tree, clean=False) is not None:
            del self.tree.body[0]  # it tells of the parent
        functions = [node for node in self.tree.body if isinstance(node, ast.FunctionDef)]
        self.kernels = {node.name: node for node in functions if node.decorator_list}
        self.hosts = {node.name: node for node in functions if not node.decorator_list}
        self.config = self._config()
        self.definitions = cache(Definitions)
        """Of a kernel, as it was when they were asked for first; likewise its shapes."""
        self.shapes = cache(Shapes)
        if not self.kernels or any(name not in self.hosts for name in ENTRIES):
            raise Unsuitable(f"the program has no kernels, or lacks one of {', '.join(ENTRIES)}")

    def _config(self) -> ast.Dict:
        for node in self.tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id="CONFIG")], value=ast.Dict() as table):
                    return table
        raise Unsuitable(f"the program has no dict {CONFIG}")

    def text(self) -> str:
        """The program as it stands, without what nothing reads."""
        self.tidy()
        return ast.unparse(ast.fix_missing_locations(self.tree)) + "\n"

    def tunables(self) -> dict[str, float]:
        """The numbers of CONFIG by name."""
        pairs = zip(self.config.keys, self.config.values, strict=True)
        return {
            str(key.value): ast.literal_eval(value) for key, value in pairs if isinstance(key, ast.Constant)
        }

    def tune(self, name: str, value: float) -> None:
        """Change or add a number of CONFIG."""
        for at, key in enumerate(self.config.keys):
            if isinstance(key, ast.Constant) and key.value == name:
                self.config.values[at] = ast.Constant(value)
                return
        self.config.keys.append(ast.Constant(name))
        self.config.values.append(ast.Constant(value))

    def launches(self, kernel: ast.FunctionDef | None = None) -> list[Launch]:
        """Every launch of a kernel, or of all."""
        found = []
        for host in self.hosts.values():
            for node in ast.walk(host):
                match node:
                    case ast.Call(func=ast.Subscript(value=ast.Name(id=name))) if name in self.kernels:
                        if kernel in (None, self.kernels[name]):
                            found.append(Launch(host, node, self.kernels[name]))
        return found

    def extend(
        self, kernel: ast.FunctionDef, name: str, text: Callable[[Launch], str], constant: bool = True
    ) -> None:
        """Give a kernel one more parameter, and each of its launches what `text` says of it."""
        kernel.args.args.append(ast.arg(name, expression("tl.constexpr") if constant else None))
        for launch in self.launches(kernel):
            launch.put(name, expression(text(launch)))

    def places(self) -> Iterator[Place]:
        """Every statement of every kernel, block by block, outer ones first."""
        for kernel in self.kernels.values():
            yield from places(kernel)

    def calls(self, *names: str) -> list[Site]:
        """Every call of these functions of triton.language."""
        return [
            Site(kernel, node)
            for kernel in self.kernels.values()
            for node in ast.walk(kernel)
            if isinstance(node, ast.Call) and is_call(node, *names)
        ]

    def functions(self) -> dict[str, ast.FunctionDef]:
        """Kernels and host functions by name."""
        return {**self.kernels, **self.hosts}

    def reachable(self, *entries: str) -> set[str]:
        """The functions that these call or launch, however indirectly, and themselves."""
        functions, wanted, waiting = self.functions(), set(entries), list(entries)
        while waiting:
            new = (names_in(functions[waiting.pop()]) & functions.keys()) - wanted
            wanted |= new
            waiting += sorted(new)
        return wanted

    def launched(self) -> list[ast.FunctionDef]:
        """The kernels that a host function launches, in the order of the text."""
        names = {launch.kernel.name for launch in self.launches()}
        return [node for name, node in self.kernels.items() if name in names]

    def names(self) -> set[str]:
        """Every name that the program uses, whatever for."""
        nodes = list(ast.walk(self.tree))
        return (
            {n.id for n in nodes if isinstance(n, ast.Name)}
            | {n.arg for n in nodes if isinstance(n, ast.arg)}
            | {n.name for n in nodes if isinstance(n, ast.FunctionDef)}
        )

    def fresh(self, name: str) -> str:
        """The name, or the first of name_2, name_3, ... that the program does not use."""
        return fresh(name, self.names() | self.tunables().keys())

    def tidy(self) -> None:
        """Remove locals of kernels, tunables, kernels and helpers that nothing reads."""
        for kernel in self.kernels.values():
            while _drop_unread(kernel):
                pass
        self._drop_functions()
        read = {key for _, key in reads_of_config(self.tree)}
        pairs = zip(self.config.keys, self.config.values, strict=True)
        kept = [(k, v) for k, v in pairs if isinstance(k, ast.Constant) and k.value in read]
        self.config.keys, self.config.values = [k for k, _ in kept], [v for _, v in kept]

    def _drop_functions(self) -> None:
        wanted = self.reachable(*ENTRIES)
        self.tree.body = [
            node for node in self.tree.body if not isinstance(node, ast.FunctionDef) or node.name in wanted
        ]
        self.kernels = {name: node for name, node in self.kernels.items() if name in wanted}
        self.hosts = {name: node for name, node in self.hosts.items() if name in wanted}


def fresh(name: str, taken: Collection[str]) -> str:
    """The name, or the first of name_2, name_3, ... that is not taken."""
    candidates = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(each for each in candidates if each not in taken)


def statement(text: str) -> ast.stmt:
    """The tree of one statement's text."""
    return ast.parse(text).body[0]


def blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Every list of statements inside a function, outermost first."""
    for name in ("body", "orelse"):
        block = getattr(node, name, None)
        if isinstance(block, list) and block:
            yield block
            for inner in block:
                if isinstance(inner, (ast.For, ast.If)):
                    yield from blocks(inner)


def places(kernel: ast.FunctionDef) -> Iterator[Place]:
    """Every statement inside a kernel, block by block, outer ones first."""
    for block in blocks(kernel):
        for at in range(len(block)):
            yield Place(kernel, block, at)


def place_of(kernel: ast.FunctionDef, part: ast.AST) -> Place:
    """The innermost statement that holds a node."""
    return [each for each in places(kernel) if any(node is part for node in ast.walk(each.node))][-1]


def reads_of_config(node: ast.AST) -> Iterator[tuple[ast.Subscript, str]]:
    """(`CONFIG[key]`, key) wherever it stands in a tree."""
    for part in ast.walk(node):
        match part:
            case ast.Subscript(value=ast.Name(id="CONFIG"), slice=ast.Constant(value=str(key))):
                yield part, key


def names_in(node: ast.AST) -> set[str]:
    """Every name in a tree, read or bound."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def bound(node: ast.stmt) -> set[str]:
    """The names that a statement binds, those inside it included."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def read(node: ast.AST) -> set[str]:
    """The names that a node reads; an augmented assignment reads what it binds."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return names | {
        n.target.id for n in ast.walk(node) if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
    }


def parameters(function: ast.FunctionDef) -> set[str]:
    """The names of a function's parameters."""
    return {each.arg for each in function.args.args}


def is_call(node: ast.AST, *names: str) -> bool:
    """Whether a node calls one of these functions of triton.language."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="tl"), attr=name)):
            return name in names
    return False


def touches_memory(node: ast.AST) -> bool:
    """Whether a statement stores, or loads what a store may have changed."""
    return _accesses(node, "store", "load")


def stores(node: ast.AST) -> bool:
    """Whether a statement writes to memory."""
    return _accesses(node, "store")


def _accesses(node: ast.AST, *names: str) -> bool:
    return any(
        isinstance(n, ast.Call)
        and isinstance(n.func, ast.Attribute)
        and (n.func.attr in names or n.func.attr.startswith("atomic"))
        for n in ast.walk(node)
    )


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """What a call gives for a keyword, or None."""
    return next((each.value for each in call.keywords if each.arg == name), None)


def set_keyword(call: ast.Call, name: str, value: ast.expr | None) -> None:
    """Give a call another value for a keyword, or take the keyword away."""
    call.keywords = [each for each in call.keywords if each.arg != name]
    if value is not None:
        call.keywords.append(ast.keyword(name, value))


def shown(node: ast.AST) -> str:
    """A node's text on one line, cut where it is long."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:59] + "…"


def replace(root: ast.AST, old: ast.AST, new: ast.AST) -> None:
    """Put a node in the place of another, told by identity, inside a tree."""
    for parent in list(ast.walk(root)):
        for field, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, field, new)
            elif isinstance(value, list):
                value[:] = [new if each is old else each for each in value]


def _drop_unread(kernel: ast.FunctionDef) -> bool:
    """Whether a statement that only binds unread locals was there; it is gone."""
    wanted = {n.id for n in ast.walk(kernel) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    for _, block, at in places(kernel):
        plain = isinstance(block[at], (ast.Assign, ast.AugAssign, ast.For)) and not stores(block[at])
        if plain and not (bound(block[at]) & wanted) and len(block) > 1:
            del block[at]
            return True
    return False
