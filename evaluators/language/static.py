"""What a candidate's text may hold: parse it, compare it with the rules of its kind, say how to repair it.

The rules are an allow-list: what is not named is refused. They keep honest programs pure, short and easy to
edit; the sandbox is what keeps hostile ones in. Not covered: that a program ends soon, that its types fit,
that its numbers stay finite.
"""

import ast
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter

from .grammar import Body, Report, Scope, is_number, is_text, signature_of
from .rules import Rules
from .triton import check_functions, check_import_form

MOST_PROBLEMS = 12
"""How many problems are told at once: a reader repairs from the first few."""


@dataclass(frozen=True, order=True)
class Problem:
    """What a line breaks, in a sentence that says how to repair it. Lines count from 1."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


@lru_cache(maxsize=512)
def check(source: str, rules: Rules) -> tuple[Problem, ...]:
    """The problems of a source text in the order of its lines, a dozen at most; empty where there are none.

    Never raises, whatever the text.
    """
    size = len(source.encode("utf-8", "surrogatepass"))
    if size > rules.max_bytes:
        return (
            Problem(1, f"the program has {size} bytes; at most {rules.max_bytes} are allowed, shorten it"),
        )
    tree = parsed(source)
    if isinstance(tree, Problem):
        return (tree,)
    oversize = _oversize(tree, rules)
    if oversize:
        return (oversize,)
    found: set[Problem] = set()
    _check_module(tree, rules, lambda node, words: found.add(Problem(getattr(node, "lineno", 1), words)))
    return tuple(sorted(found)[:MOST_PROBLEMS])


def parsed(source: str) -> ast.Module | Problem:
    """The syntax tree of a text, or why it has none. Never raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except SyntaxError as error:
        return Problem(max(error.lineno or 1, 1), f"this is not Python: {ascii(error.msg)[1:-1]}")
    except (RecursionError, MemoryError):
        return Problem(1, "expressions are nested too deeply to parse; give names to intermediate results")
    except ValueError as error:
        return Problem(1, f"this text cannot be read as Python: {ascii(str(error))[1:-1]}")


_MARKS = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)


def _oversize(tree: ast.Module, rules: Rules) -> Problem | None:
    """Too many nodes or too deep a nest, found without recursion so that every later visitor may recurse."""
    level: list[ast.AST] = [tree]
    count = depth = 0
    while level:
        count, depth = count + len(level), depth + 1
        line = min((getattr(node, "lineno", 1) for node in level), default=1)
        if depth > rules.max_depth:
            words = (
                f"expressions are nested more than {rules.max_depth} deep; give names to intermediate results"
            )
            return Problem(line, words)
        level = [c for node in level for c in ast.iter_child_nodes(node) if not isinstance(c, _MARKS)]
    if count > rules.max_nodes:
        return Problem(
            1, f"the program has {count} syntax nodes; at most {rules.max_nodes} are allowed, shorten it"
        )
    return None


def _check_module(tree: ast.Module, rules: Rules, report: Report) -> None:
    """Report all that the module level breaks, then each function's body."""
    modules: dict[str, str] = {}
    constants: set[str] = set()
    functions: dict[str, ast.FunctionDef] = {}
    for number, node in enumerate(tree.body):
        if isinstance(node, ast.Import):
            for alias in node.names:
                _check_import(alias, rules, modules, report)
                if rules.kernels:
                    check_import_form(alias, report)
        elif isinstance(node, ast.ImportFrom):
            wanted = f"{node.module or '.'}.{node.names[0].name}"
            report(
                node, f"write `import {node.module or 'a module'}` and use `{wanted}`, not `from ... import`"
            )
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            constants.update(_check_constant(node, constants, report))
        elif isinstance(node, ast.FunctionDef):
            if node.name in functions:
                report(node, f"function `{node.name}` is defined twice; keep one")
            functions[node.name] = node
        elif not (number == 0 and isinstance(node, ast.Expr) and is_text(node.value)):
            report(
                node,
                "only imports, constants and functions may stand at the module level; move this inside one",
            )
    _check_places(rules, functions, modules, report)
    _check_required(rules, functions, constants, report)
    _check_names(rules, functions, modules, constants, report)
    _check_recursion(functions, report)
    if rules.kernels:
        scope = Scope(rules, modules, {}, frozenset(constants), frozenset(rules.functions))
        check_functions(functions, scope, _tables(tree), rules.kernels, report)
        return
    signatures = {name: signature_of(node) for name, node in functions.items() if name not in rules.functions}
    scope = Scope(rules, modules, signatures, frozenset(constants), frozenset(rules.functions))
    for function in functions.values():
        Body(scope, report).check(function)


def _check_import(alias: ast.alias, rules: Rules, modules: dict[str, str], report: Report) -> None:
    if alias.name not in rules.modules:
        allowed = ", ".join(f"`import {name}`" for name in sorted(rules.modules)) or "no import"
        report(alias, f"`import {alias.name}` is not allowed; allowed: {allowed}")
        return
    root = alias.name.partition(".")[0]
    name, meaning = (alias.asname, alias.name) if alias.asname else (root, root)
    if modules.setdefault(name, meaning) != meaning:
        report(alias, f"`{name}` already names module `{modules[name]}`; import under another name")


def _check_constant(node: ast.Assign | ast.AnnAssign, known: set[str], report: Report) -> Iterator[str]:
    """The name that a module-level assignment binds, if it is one; what is wrong is reported."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    target = targets[0]
    if len(targets) != 1 or not isinstance(target, ast.Name):
        report(node, "a module-level assignment must bind one plain NAME to a literal")
        return
    if not target.id.isupper() or target.id.startswith("_") or not target.id.isascii():
        report(node, f"module-level name `{target.id}` must be UPPER_CASE; variables belong inside functions")
    elif target.id in known:
        report(node, f"constant `{target.id}` is assigned twice; keep one")
    if node.value is None or not _is_literal(node.value):
        report(
            node,
            f"`{target.id}` must be a literal: a number, a text, a tuple of numbers, a dict {{text: number}}",
        )
    yield target.id


def _tables(tree: ast.Module) -> Mapping[str, frozenset[str]]:
    """The constants that are dicts, and their keys."""
    tables = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys)):
                tables[name] = frozenset(str(key.value) for key in keys if isinstance(key, ast.Constant))
    return tables


def _is_literal(node: ast.expr) -> bool:
    if isinstance(node, (ast.Tuple, ast.List)):
        return all(is_number(item) for item in node.elts)
    if isinstance(node, ast.Dict):
        keys = {key.value for key in node.keys if isinstance(key, ast.Constant) and is_text(key)}
        return len(keys) == len(node.keys) and all(is_number(value) for value in node.values)
    return is_number(node) or is_text(node)


def _check_required(
    rules: Rules, functions: Mapping[str, ast.FunctionDef], constants: set[str], report: Report
) -> None:
    for name, parameters in rules.functions.items():
        wanted = f"def {name}({', '.join(parameters)})"
        if name not in functions:
            report(None, f"function `{name}` is missing; define `{wanted}:`")
        elif tuple(argument.arg for argument in functions[name].args.args) != parameters:
            report(functions[name], f"the signature must be exactly `{wanted}`")
        elif functions[name].args.defaults:
            report(functions[name], f"`{name}` must have no default arguments; write `{wanted}`")
    for name in rules.constants:
        if name not in constants:
            report(None, f"constant `{name}` is missing; define it at the module level")


def _check_names(
    rules: Rules,
    functions: Mapping[str, ast.FunctionDef],
    modules: Mapping[str, str],
    constants: set[str],
    report: Report,
) -> None:
    """A name means one thing in a module: a module, a constant, a function or a built-in."""
    for name in (*functions, *modules):
        node = functions.get(name)
        if name.startswith("_") or not name.isascii():
            report(node, f"name `{ascii(name)[1:-1]}` must be plain ASCII and not start with an underscore")
    for name, node in functions.items():
        if name in modules or name in constants or name in rules.builtins:
            report(node, f"`{name}` already names something else; rename the function")
    for name in modules:
        if name in constants or name in rules.builtins:
            report(None, f"`{name}` already names something else; import the module under another name")


def _check_places(
    rules: Rules, functions: Mapping[str, ast.FunctionDef], modules: Mapping[str, str], report: Report
) -> None:
    for name, function in functions.items():
        for node in ast.walk(function):
            match node:
                case ast.Attribute(value=ast.Name(id=module), attr=attribute) if module in modules:
                    dotted = f"{modules[module]}.{attribute}"
                    if rules.places.get(dotted, name) != name:
                        where = rules.places[dotted]
                        report(node, f"`{dotted}` may stand in `{where}` alone; use what that returns")


def _check_recursion(functions: Mapping[str, ast.FunctionDef], report: Report) -> None:
    calls = {
        name: {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in functions}
        for name, node in functions.items()
    }
    try:
        TopologicalSorter(calls).prepare()
    except CycleError as error:
        circle = error.args[1]
        report(functions[circle[0]], f"functions must not call themselves in a circle: {' -> '.join(circle)}")
