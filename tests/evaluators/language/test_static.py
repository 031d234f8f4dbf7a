"""The rules keep what is not named out, whatever it is dressed as, and say how to repair it."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recevolve.evaluators.language.rules import Rules
from recevolve.evaluators.language.static import Problem, check

RULES = Rules(
    functions={"init": ("param",), "update": ("grad", "state", "param", "step", "hp")},
    constants=("HYPERPARAMETERS",),
    modules={
        "torch": frozenset({"sqrt", "sign", "log", "log1p", "zeros_like", "where", "clamp"}),
        "math": frozenset({"sqrt", "pi"}),
        "torch.nn.functional": frozenset({"relu"}),
    },
    methods=frozenset({"dim", "mean", "shape", "sqrt"}),
    builtins=frozenset({"max", "min", "float"}),
)
HEAD = 'import torch\nHYPERPARAMETERS = {"lr": 0.1}\n\n\ndef init(param):\n    return {}\n\n\n'
GOOD = HEAD + "def update(grad, state, param, step, hp):\n    return param - hp['lr'] * grad, state\n"


def update(*lines: str, head: str = HEAD) -> str:
    """A program whose update holds the lines."""
    body = "\n".join(f"    {line}" for line in lines)
    return f"{head}def update(grad, state, param, step, hp):\n{body}\n"


def returning(expression: str) -> str:
    return update(f"return {expression}")


def messages(source: str, rules: Rules = RULES) -> str:
    return "\n".join(map(str, check(source, rules)))


@pytest.mark.parametrize(
    "source",
    [
        GOOD,
        '"""A docstring."""\n' + GOOD,
        GOOD.replace("import torch", "import torch\nimport math"),
        GOOD.replace("param,", "param: torch.Tensor,").replace("hp):", "hp: dict[str, float]) -> tuple:"),
        returning("torch.nn.functional.relu(param), state"),
        returning("F.relu(param), state").replace("import torch\n", "import torch.nn.functional as F\n"),
        update("m: float = 1.0", "return m * param, {**state, 'm': param}"),
        update("if step > 1:", "    a = param", "else:", "    a = grad", "return a, state"),
        update("a = 1.0", "for i in range(4):", "    a = a * 2.0", "return a * param, state"),
        update("if step > 1:", "    return param, state", "return grad, state"),
        update("a, b = param, grad", "return a + b[..., None] + b[0, 1:2], state"),
        returning("torch.clamp(param, min=-1.0, max=max(1.0, 2.0)), state"),
        returning("half(param, scale=2), state") + "\n\ndef half(x, scale=0.5):\n    return x * scale\n",
    ],
)
def test_good_programs_pass(source: str) -> None:
    assert check(source, RULES) == ()


FORBIDDEN = {
    # what is imported and named
    "import os": (
        GOOD.replace("import torch", "import os"),
        "`import os` is not allowed; allowed: `import math`",
    ),
    "import inside": (update("import torch", "return param, state"), "import at the module level"),
    "from import": (
        GOOD.replace("import torch", "from math import sqrt"),
        "write `import math` and use `math.sqrt`",
    ),
    "relative import": (GOOD.replace("import torch", "from . import x"), "write `import"),
    "star import": (GOOD.replace("import torch", "from torch import *"), "write `import torch`"),
    "future": ("from __future__ import annotations\n" + GOOD, "not `from ... import`"),
    "unlisted": (
        returning("torch.load('x'), state"),
        "`torch.load` is not allowed; from torch, nearest allowed: log",
    ),
    "operators of torch": (returning("torch.ops.aten.add(param, grad), state"), "`torch.ops` is not allowed"),
    "submodule": (returning("torch.nn.Linear, state"), "`torch.nn.Linear` is not allowed"),
    "module as value": (update("t = torch", "return t.sqrt(param), state"), "module `torch` is not a value"),
    "submodule as value": (update("t = torch.nn", "return param, state"), "module `torch.nn` is not a value"),
    "loader": (
        returning("math.__loader__, state").replace("import torch", "import math"),
        "`math.__loader__`",
    ),
    "module twice": ("import math as torch\n" + GOOD, "already names module"),
    # ways to attributes
    "class of": (returning("().__class__, state"), "`.__class__` is not allowed on a value"),
    "globals of": (returning("torch.sqrt.__globals__, state"), "`.__globals__` is not allowed"),
    "data": (returning("param.data, state"), "`.data` is not allowed on a value"),
    "in place": (
        returning("param.sqrt_(), state"),
        "`.sqrt_` is not allowed on a value; nearest allowed: sqrt",
    ),
    "getattr": (returning("getattr(param, 'data'), state"), "`getattr(...)` is not allowed"),
    "getattr by alias": (
        update("g = getattr", "return g(param), state"),
        "`getattr` is not defined or not allowed",
    ),
    "wide letters": (returning("ｇｅｔａｔｔｒ(param), state"), "`getattr(...)` is not allowed"),
    "wide underscores": (returning("param.__ｃlass__, state"), "`.__class__` is not allowed"),
    "other alphabet": (update("а = param", "return а, state"), "must be plain ASCII"),
    "builtin as value": (update("m = max", "return m(1, 2), state"), "may only be called, not passed around"),
    "call of a call": (returning("max(1, 2)(3), state"), "may be called, by their names"),
    "call of an item": (returning("hp['f'](3), state"), "may be called, by their names"),
    "exec": (returning("exec('x'), state"), "`exec(...)` is not allowed"),
    "format method": (returning("'{0.__class__}'.format(param), state"), "`.format` is not allowed"),
    "text": (returning("'{0.__class__}' % param, state"), "a text may only be a key"),
    "f-string": (returning("f'{param}', state"), "format strings are not allowed"),
    "f-strings in f-strings": (returning("f'{f\"{param!r}\"}', state"), "format strings are not allowed"),
    "bytes": (returning("b'x', state"), "a number must be a finite float"),
    "complex": (returning("0j, state"), "a number must be a finite float"),
    "infinity": (returning("1e999 * param, state"), "a number must be a finite float"),
    "giant": (returning(f"{10**30} * param, state"), "an integer up to 2147483647"),
    "private name": (
        update("_x = param", "return _x, state"),
        "must be plain ASCII and not start with an underscore",
    ),
    "dunder name": (returning("__builtins__, state"), "`__builtins__` is not defined or not allowed"),
    # what a function must not do
    "item of state": (update("state['m'] = grad", "return param, state"), "build a new dict or tensor"),
    "slice of input": (update("param[0] = 0.0", "return param, state"), "changes a value in place"),
    "attribute": (update("param.grad = None", "return param, state"), "assign to a plain name"),
    "plus equals": (update("m = grad", "m += param", "return m, state"), "write `m = m + x`"),
    "out": (returning("torch.sqrt(param, out=grad), state"), "argument `out=` is not allowed"),
    "walrus": (returning("(m := param), state"), "assign on a line of its own"),
    "while": (update("while True:", "    pass", "return param, state"), "write `for _ in range(N)`"),
    "long loop": (update("for _ in range(17):", "    a = 1", "return param, state"), "N from 1 to 16"),
    "loops in loops": (
        update("for _ in range(9):", "    for _ in range(9):", "        a = 1", "return param, state"),
        "N from 1 to 1",
    ),
    "endless loop": (update("for _ in range(True):", "    a = 1", "return param, state"), "N from 1 to 16"),
    "loop over data": (
        update("for x in param:", "    a = x", "return param, state"),
        "a loop must be `for _ in range(N):`",
    ),
    "lambda": (
        update("f = lambda x: x", "return f(param), state"),
        "define a helper function at the module level",
    ),
    "nested function": (
        update("def f():", "    return 1", "return param, state"),
        "define a helper at the module level",
    ),
    "class": (update("class A:", "    pass", "return param, state"), "classes are not allowed"),
    "global": (update("global X", "return param, state"), "pass values as arguments"),
    "try": (
        update("try:", "    a = 1", "except ValueError:", "    a = 2", "return param, state"),
        "`try` is not allowed",
    ),
    "with": (update("with param:", "    a = 1", "return param, state"), "`with` is not allowed"),
    "raise": (update("raise ValueError"), "return a value for every input"),
    "assert": (update("assert step", "return param, state"), "`assert` is not allowed"),
    "del": (update("del grad", "return param, state"), "`del` is not allowed"),
    "yield": (update("yield param", "return param, state"), "`yield` is not allowed"),
    "comprehension": (returning("param, {k: v for k, v in state}"), "write the dict out, key by key"),
    "generator": (returning("max(x for x in param), state"), "write the items out"),
    "set": (returning("{1, 2}, state"), "use a tuple"),
    "match": (update("match step:", "    case 1:", "        pass", "return param, state"), "use `if`"),
    "star": (returning("max(*param), state"), "write each one out"),
    "double star": (returning("max(**hp), state"), "write each one out"),
    "idle call": (update("torch.sqrt(param)", "return param, state"), "computes a value and drops it"),
    "computed key": (returning("param, {grad: 1.0}"), "a key must be a literal text"),
    "annotation that runs": (
        GOOD.replace("(grad,", "(grad: print('x'),"),
        "an annotation must be a plain type",
    ),
    # names
    "unknown": (returning("grads, state"), "`grads` is not defined or not allowed; nearest allowed: grad"),
    "unbound": (
        update("if step > 1:", "    a = param", "return a, state"),
        "may be read before it is assigned",
    ),
    "shadow": (update("torch = param", "return torch, state"), "`torch` already names something else"),
    "shadowed builtin": (update("max = param", "return max, state"), "`max` already names something else"),
    "calls update": (returning("update(grad, state, param, step, hp)"), "is called by the evaluator only"),
    "recursion": (GOOD + "\n\ndef f(x):\n    return g(x)\n\n\ndef g(x):\n    return f(x)\n", "in a circle: "),
    "self recursion": (GOOD + "\n\ndef f(x):\n    return f(x)\n", "in a circle: f -> f"),
    "wrong call": (returning("f(1, 2), state") + "\n\ndef f(x):\n    return x\n", "call it as `f(x)`"),
    "wrong keyword": (returning("f(y=1), state") + "\n\ndef f(x):\n    return x\n", "call it as `f(x)`"),
    # form
    "no update": (HEAD, "function `update` is missing; define `def update(grad, state, param, step, hp):`"),
    "signature": (GOOD.replace("step, hp", "hp, step"), "the signature must be exactly"),
    "default": (GOOD.replace("hp)", "hp={})"), "must have no default arguments"),
    "default that holds": (
        GOOD + "\n\ndef f(x=[]):\n    return x\n",
        "a default argument must be a literal number",
    ),
    "default that runs": (
        GOOD + "\n\ndef f(x=max(1, 2)):\n    return x\n",
        "a default argument must be a literal number",
    ),
    "star parameters": (GOOD + "\n\ndef f(*x):\n    return x\n", "plain parameters only"),
    "decorator": (GOOD + "\n\n@max\ndef f(x):\n    return x\n", "decorators are not allowed"),
    "no return": (update("a = param"), "may end without `return`"),
    "half a return": (update("if step > 1:", "    return param, state"), "may end without `return`"),
    "bare return": (update("return"), "a bare `return` is not allowed"),
    "twice": (GOOD + "\n\ndef init(param):\n    return {}\n", "`init` is defined twice"),
    "no constants": (GOOD.replace("HYPERPARAMETERS", "OTHER"), "constant `HYPERPARAMETERS` is missing"),
    "constant that runs": (GOOD.replace("0.1", "max(1, 2)"), "must be a literal"),
    "constant of texts": (GOOD.replace("0.1", "'x'"), "must be a literal"),
    "equal keys": (GOOD.replace('{"lr": 0.1}', '{"lr": 0.1, "lr": 0.2}'), "must be a literal"),
    "module variable": (GOOD + "\ncache = {}\n", "must be UPPER_CASE"),
    "two names": (GOOD + "\nA = B = 1\n", "must bind one plain NAME"),
    "module code": (GOOD + "\nprint(1)\n", "only imports, constants and functions"),
    "module if": (GOOD + "\nif True:\n    X = 1\n", "only imports, constants and functions"),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_forbidden_programs_are_refused_with_words_to_repair_them(name: str) -> None:
    source, words = FORBIDDEN[name]
    assert words in messages(source)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def f(:", "this is not Python"),
        ("x = 'unclosed", "this is not Python"),
        ("a\0b", "null bytes"),
        ("x = '\ud800'", "cannot be read as Python"),
        ("(" * 3_000, "this is not Python"),
        ("-" * 7_000 + "1", "nested too deeply"),
        ("a" + "+a" * 3_000, "nested"),
        ("x = " + "9" * 6_000, "this is not Python"),
        ("x" * 8_001, "8001 bytes; at most 8000"),
        ("é" * 5_000, "10000 bytes"),
        ("A = (" + "1," * 700 + ")", "syntax nodes; at most 600"),
        ("A = " + "(" * 30 + "1," + ")," * 29 + ")", "nested more than 24 deep"),
        ("\x0c" * 100, "is missing"),
        ("", "constant `HYPERPARAMETERS` is missing"),
    ],
)
def test_texts_that_are_hardly_programs(source: str, words: str) -> None:
    problems = check(source, RULES)
    assert words in str(problems[0])
    assert problems[0].line >= 1


def test_type_comments_are_comments() -> None:
    source = update("a = param  # type: (this is (not a type", "return a, state")
    assert check(source, RULES) == ()


def test_problems_name_their_line_and_come_in_order() -> None:
    problems = check(update("a = foo", "b = bar", "return a, b"), RULES)
    assert [problem.line for problem in problems] == [10, 11]
    assert str(problems[0]).startswith("line 10: name `foo`")


def test_only_the_first_dozen_problems_are_told() -> None:
    assert len(check(update(*(f"a{i} = foo{i}" for i in range(40)), "return 1"), RULES)) == 12


@pytest.mark.parametrize("name", ["__class__", "_data", "format", "sqrt_"])
def test_rules_refuse_to_allow_what_opens_doors(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Rules({}, (), {}, frozenset({name}), frozenset())


SNIPPETS = st.sampled_from(
    [
        *"()[]{}:,.=+-*/@~\n\t \\'\"#\0",
        "def ",
        "lambda ",
        "import ",
        "torch",
        "param",
        "f'{",
        "}'",
        "__",
        "é",
        "0x",
        "1e9",
    ]
)


TEXTS = st.one_of(st.text(), st.lists(SNIPPETS).map("".join), st.binary().map(lambda b: b.decode("latin-1")))


def never_raises(text: str) -> None:
    for source in (
        text,
        GOOD + text,
        f"{HEAD}def update(grad, state, param, step, hp):\n    return {text}\n",
    ):
        assert all(isinstance(problem, Problem) for problem in check(source, RULES))


@given(TEXTS)
@settings(max_examples=300)
def test_check_never_raises_on_any_text(text: str) -> None:
    never_raises(text)
    assert check(f"{GOOD}{text}\nexec('')", RULES)


@pytest.mark.slow
@given(TEXTS)
@settings(max_examples=20_000)
def test_check_never_raises_on_twenty_thousand_texts(text: str) -> None:
    never_raises(text)
    assert check(f"{GOOD}{text}\nexec('')", RULES)


NAMES = st.sampled_from(["param", "grad", "torch", "max", "init", "f", "__class__", "é", "_"])
EXPRESSIONS = st.recursive(
    st.one_of(
        NAMES.map(ast.Name),
        st.sampled_from([0, 1.5, -2, 10**40, True, None, "m", b"x", 1j, ...]).map(ast.Constant),
    ),
    lambda inner: st.one_of(
        st.builds(ast.BinOp, inner, st.sampled_from([ast.Add(), ast.MatMult(), ast.Pow(), ast.Mod()]), inner),
        st.builds(ast.Call, inner, st.lists(inner, max_size=3), st.just([])),
        st.builds(ast.Attribute, inner, NAMES),
        st.builds(ast.Subscript, inner, inner),
        st.builds(ast.IfExp, inner, inner, inner),
        st.builds(ast.Lambda, st.just(ast.arguments([], [], None, [], [], None, [])), inner),
        st.builds(ast.Tuple, st.lists(inner, max_size=3)),
        st.builds(ast.Starred, inner),
        st.builds(ast.NamedExpr, NAMES.map(ast.Name), inner),
        st.builds(lambda k, v: ast.Dict([k], [v]), st.none() | inner, inner),
        st.builds(lambda e, n: ast.ListComp(e, [ast.comprehension(ast.Name(n), e, [], 0)]), inner, NAMES),
    ),
    max_leaves=8,
)


def strange_names(node: ast.expr) -> set[str]:
    """Of an expression that passes: what is in it and should not be."""
    text = ast.unparse(ast.fix_missing_locations(ast.Expression(node)))
    if check(returning(text), RULES):
        return set()
    tree = ast.parse(text)
    attributes = {part.attr for part in ast.walk(tree) if isinstance(part, ast.Attribute)}
    names = {part.id for part in ast.walk(tree) if isinstance(part, ast.Name)}
    odd = {type(part).__name__ for part in ast.walk(tree)} & {"Lambda", "Starred", "NamedExpr", "ListComp"}
    attributes -= RULES.methods | {"nn", "functional", *(n for m in RULES.modules.values() for n in m)}
    return odd | attributes | names - {"grad", "state", "param", "step", "hp", "torch", "max", "min", "float"}


@given(EXPRESSIONS)
@settings(max_examples=300)
def test_what_passes_uses_allowed_names_only(node: ast.expr) -> None:
    assert strange_names(node) == set()


@pytest.mark.slow
@given(EXPRESSIONS)
@settings(max_examples=20_000)
def test_what_passes_of_twenty_thousand_expressions_uses_allowed_names_only(node: ast.expr) -> None:
    assert strange_names(node) == set()
