"""Spellings of one computation share a canonical form, other computations differ, and both do the same."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recevolve.evaluators.language.canonical import canonical, syntax_hash

SEEDS = sorted((Path(__file__).parents[3] / "evaluators/optimizer/seeds").glob("*.py"))


def body(*lines: str) -> str:
    text = "\n".join(f"    {line}" for line in lines)
    return f"import torch\nC = {{'lr': 0.1}}\n\n\ndef f(x, y, hp):\n{text}\n"


def value(expression: str) -> str:
    return body(f"return {expression}")


PLAIN = body("a = x * 2.0", "b = a + y", "return b")
EQUAL = {
    "comments": (PLAIN, PLAIN.replace("return b", "# so\n    return b  # it is")),
    "docstrings": (PLAIN, '"""Of a module."""\n' + PLAIN.replace("    a =", '    """Of it."""\n    a =')),
    "annotations": (PLAIN, PLAIN.replace("x, y", "x: int, y: 'str'").replace("a =", "a: float =")),
    "return annotation": (PLAIN, PLAIN.replace("hp):", "hp) -> dict:")),
    "layout": (PLAIN, PLAIN.replace("x * 2.0", "(x\n      *2.0\n    )")),
    "pass": (PLAIN, PLAIN.replace("    b =", "    pass\n    b =")),
    "literals": (value("x + 1.0 + 16 + 1000.0"), value("x + 1. + 0x10 + 1_000.0")),
    "exponents": (value("x * 0.001"), value("x * 1e-3")),
    "quotes": (value("hp['lr']"), value('hp["lr"]')),
    "old texts": (value("hp['lr']"), value("hp[u'lr']")),
    "locals": (PLAIN, body("first = x * 2.0", "second = first + y", "return second")),
    "locals like canonical ones": (PLAIN, body("v1 = x * 2.0", "v0 = v1 + y", "return v0")),
    "loop variables": (
        body("a = x", "for _ in range(3):", "    a = a * y", "return a"),
        body("b = x", "for i in range(3):", "    b = b * y", "return b"),
    ),
    "sums": (value("x + y"), value("y + x")),
    "products in sums": (value("x * y + hp['lr']"), value("hp['lr'] + y * x")),
    "calls that commute": (value("torch.add(x, y)"), value("torch.add(y, x)")),
    "comparisons": (value("x > y"), value("y < x")),
    "comparisons with equality": (value("x >= y"), value("y <= x")),
    "equality": (value("x == y"), value("y == x")),
    "keywords": (value("torch.clamp(x, min=0.0, max=1.0)"), value("torch.clamp(x, max=1.0, min=0.0)")),
    "keys": (value("{'b': x, 'a': y}"), value("{'a': y, 'b': x}")),
    "constants": (
        PLAIN.replace("{'lr': 0.1}", "{'a': 1, 'lr': 0.1}"),
        PLAIN.replace("{'lr'", "{'lr': 0.1, 'a': 1}#"),
    ),
    "unused imports": (PLAIN, "import math\nimport numpy as np\n" + PLAIN.removeprefix("import torch\n")),
    "order of imports": (
        "import math\n" + value("math.pi * torch.pi"),
        value("math.pi * torch.pi").replace("\nC", "\nimport math\nC"),
    ),
    "aliases": (value("torch.pi * x"), value("t.pi * x").replace("import torch", "import torch as t")),
    "long aliases": (
        value("torch.nn.functional.relu(x)").replace("import torch", "import torch.nn.functional"),
        value("F.relu(x)").replace("import torch", "import torch.nn.functional as F"),
    ),
    "helper names": (
        value("g(x)") + "\n\ndef g(z):\n    return z * 2.0\n",
        value("twice(x)")
        + "\n\ndef twice(z):\n    w = 2.0\n    return w\n".replace("w = 2.0\n    return w", "return z * 2."),
    ),
    "helper order": (
        value("g(x) + h(y)") + "\n\ndef g(z):\n    return z\n\n\ndef h(z):\n    return z * z\n",
        "import torch\n\n\ndef k(z):\n    return z * z\n\n\ndef l(z):\n    return z\n\n\n"
        + value("k(y) + l(x)").removeprefix("import torch\n"),
    ),
    "equal helpers": (
        value("g(x) + g(y)") + "\n\ndef g(z):\n    return z\n",
        value("g(x) + h(y)") + "\n\ndef g(z):\n    return z\n\n\ndef h(z):\n    return z\n",
    ),
    "order of functions": (
        "def a(x):\n    return x\n\n\ndef b(y):\n    return y\n",
        "def b(y):\n    return y\n\n\ndef a(x):\n    return x\n",
    ),
}

DIFFERENT = {
    "numbers": (value("x * 2.0"), value("x * 2.1")),
    "int and float": (value("x * 2.0"), value("x * 2")),
    "true and one": (value("x * True"), value("x * 1")),
    "signs of zero": (value("x + 0.0"), value("x + -0.0")),
    "differences": (value("x - y"), value("y - x")),
    "quotients": (value("x / y"), value("y / x")),
    "association": (value("(x + y) + hp['lr']"), value("x + (y + hp['lr'])")),
    "association of products": (value("x * (y * 2.0)"), value("(x * y) * 2.0")),
    "maximum, which chooses between zeros": (value("torch.maximum(x, y)"), value("torch.maximum(y, x)")),
    "conjunction, which stops early": (value("x and y"), value("y and x")),
    "matrix products": (value("x @ y"), value("y @ x")),
    "parameters": (value("x + y"), value("x + hp")),
    "keys": (value("hp['a']"), value("hp['b']")),
    "keywords": (value("torch.clamp(x, min=0.0)"), value("torch.clamp(x, max=0.0)")),
    "which local": (body("a = x", "b = y", "return a"), body("a = x", "b = y", "return b")),
    "attributes": (value("x.T"), value("x.H")),
    "joined tuples": (value("(1, 2) + (3,)"), value("(3,) + (1, 2)")),
    "shapes": (value("x.shape + y.shape"), value("y.shape + x.shape")),
    "local tuples": (body("a = x", "b = (1,)", "return a + b"), body("a = x", "b = (1,)", "return b + a")),
    "tuples of helpers": (
        value("g(x) + g(y)") + "\n\ndef g(z):\n    return (z, z)\n",
        value("g(y) + g(x)") + "\n\ndef g(z):\n    return (z, z)\n",
    ),
    "tuples given to helpers": (
        value("g((1,), (2,))") + "\n\ndef g(a, b):\n    return a + b\n",
        value("g((1,), (2,))") + "\n\ndef g(a, b):\n    return b + a\n",
    ),
    "tuple constants": ("A = (1,)\nB = (2,)\n" + value("A + B"), "A = (1,)\nB = (2,)\n" + value("B + A")),
    "indented": (body("if hp:", "    x = y", "return x"), body("if hp:", "    return x", "return y")),
    "helpers": (
        value("g(x)") + "\n\ndef g(z):\n    return z * 2.0\n",
        value("g(x)") + "\n\ndef g(z):\n    return z * 3.0\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EQUAL)
def test_spellings_are_equal(name: str) -> None:
    one, other = EQUAL[name]
    assert one != other
    assert canonical(one) == canonical(other)
    assert syntax_hash(one) == syntax_hash(other)


@pytest.mark.parametrize("name", DIFFERENT)
def test_computations_differ(name: str) -> None:
    one, other = DIFFERENT[name]
    assert syntax_hash(one) != syntax_hash(other)


@pytest.mark.parametrize("source", [text for pair in (EQUAL | DIFFERENT).values() for text in pair])
def test_idempotent(source: str) -> None:
    once = canonical(source)
    assert canonical(once) == once


UNUSUAL = [
    "x = 1\n\n\ndef f(a):\n    global x\n    b = a\n    x = b\n    return x\n",
    "def f(a):\n    b = [c for c in a]\n    return lambda: b\n",
    "def f(a):\n    b = a\n    return locals()\n",
    "class A:\n    '''Text.'''\n\n    def g(self):\n        '''Text.'''\n",
    "def f(n):\n    return 1 if n < 1 else f(n - 1)\n",
    "def f(a):\n    try:\n        b = a\n    except ValueError:\n        b = 0\n    return b\n",
    "import math as torch\nimport torch.nn\n\n\ndef f(x):\n    return torch.pi\n",
    "f = lambda x: x\n\n\ndef f(x):\n    return x\n",
    "def f(a, b=[]):\n    a += 1\n    return a, b\n",
    "@print\ndef f(a):\n    b = a\n    return b\n",
    "async def f():\n    pass\n",
    "x: int\n",
    "",
]


@pytest.mark.parametrize("source", UNUSUAL)
def test_what_the_rules_refuse_keeps_its_names(source: str) -> None:
    once = canonical(source)
    assert canonical(once) == once
    for name in ("torch", "b", "c", "x"):
        assert once.count(name) <= source.count(name)
    assert "v0" not in once


def test_unused_locals_stay_what_they_compute() -> None:
    assert syntax_hash(body("a = x / y", "return x")) != syntax_hash(value("x"))


def test_hash_is_16_hexadecimal_digits() -> None:
    assert len(syntax_hash(PLAIN)) == 16
    assert int(syntax_hash(PLAIN), 16) >= 0


def test_nothing_blows_up_in_deep_calls() -> None:
    deep = "x"
    for _ in range(20):
        deep = f"torch.add({deep}, hp[{'q'!r}])"
    assert len(canonical(value(deep))) < 2_000


NUMBERS = st.sampled_from(["x", "y", "2.0", "-0.5", "3", "a", "b"])
ARITHMETIC = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda e: f"-({e})"),
        inner.map(lambda e: f"abs({e})"),
        inner.map(lambda e: f"g({e}, y)"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]} if {t[1]} > 1.0 else y)"),
    ),
    max_leaves=12,
)


@given(ARITHMETIC, ARITHMETIC, ARITHMETIC)
@settings(max_examples=150)
def test_the_canonical_form_computes_the_same_bits(first: str, second: str, third: str) -> None:
    source = (
        f"def g(p, q):\n    r = p * q\n    return q + r\n\n\ndef f(x, y):\n    b = 1.5\n    a = y\n"
        f"    a = {first}\n    b = {second}\n    return {third}\n"
    )
    once = canonical(source)
    assert canonical(once) == once
    assert run(source) == run(once)


def run(source: str) -> list[str]:
    namespace: dict[str, object] = {}
    exec(source, namespace)
    return [repr(namespace["f"](x, y)) for x in (-1.25, 0.1, 3.0) for y in (0.7, -2.0)]  # type: ignore[operator]


@pytest.mark.parametrize("path", SEEDS, ids=[path.stem for path in SEEDS])
def test_seeds_have_a_form_of_their_own(path: Path) -> None:
    once = canonical(path.read_text())
    assert canonical(once) == once
    others = {syntax_hash(other.read_text()) for other in SEEDS if other != path}
    assert syntax_hash(once) == syntax_hash(path.read_text())
    assert syntax_hash(once) not in others
