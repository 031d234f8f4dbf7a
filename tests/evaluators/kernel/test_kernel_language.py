"""The language of kernels: what is refused and how it is told, what the canonical form keeps."""

import ast

import pytest

from recevolve.evaluators.kernel.language import rules_for
from recevolve.evaluators.language.canonical import canonical, syntax_hash
from recevolve.evaluators.language.simplify import simplify
from recevolve.evaluators.language.static import check
from recevolve.evaluators.language.vocabulary import Layout
from recevolve.evaluators.sandbox import load
from recevolve.kernels.operators import OPERATORS

RULES = rules_for(OPERATORS["pairwise_dot"])
LAYOUT = Layout(function="forward", constants="CONFIG", constants_parameter="CONFIG")
PROGRAM = '''"""A sum."""

import torch
import triton
import triton.language as tl

CONFIG = {"BLOCK": 16, "num_warps": 4, "unread": 1}


@triton.jit
def squared(value):
    return value * value


@triton.jit
def add(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for k in range(0, n, BLOCK):
        total += squared(tl.load(x_ptr + k + place, mask=k + place < n, other=0.0))
    before = tl.atomic_add(out_ptr + place, total, mask=place < n)
    dead = total * 2
    tl.store(out_ptr + place, total, mask=place < n)


def grid_of(n):
    return (triton.cdiv(n, CONFIG["BLOCK"]),)


def forward(x):
    out = torch.empty_like(x)
    if x.numel() > 0:
        grid = grid_of(x.numel())
        add[grid](x, out, x.numel(), BLOCK=CONFIG["BLOCK"], num_warps=CONFIG["num_warps"])
    return out


def backward(grad, x):
    return (torch.zeros_like(x),)
'''


def told(old: str, new: str) -> str:
    """What the rules say of the program with one text replaced."""
    assert old in PROGRAM
    return "\n".join(map(str, check(PROGRAM.replace(old, new, 1), RULES)))


def test_an_honest_program_obeys() -> None:
    assert check(PROGRAM, RULES) == ()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("@triton.jit", "@triton.autotune(configs=[], key=[])\n@triton.jit", "only decorator is"),
        ("@triton.jit", "@triton.jit(noinline=True)", "only decorator is"),
        ("import triton.language as tl", "import triton.language as lang", "exactly so"),
        ("import torch\n", "import torch\nimport os\n", "`import os` is not allowed"),
        ("import torch\n", "import torch as triton\n", "exactly so"),
        ("def forward(x):", "@triton.jit\ndef forward(x):", "runs on the host"),
        ("def forward(x):", "def forward(y):", "signature must be exactly"),
        ("BLOCK: tl.constexpr", "BLOCK: int", "annotated `tl.constexpr`"),
        ("    for k in range(0, n, BLOCK):", "    while n > 0:", "`while` is not allowed"),
        ("    for k in range(0, n, BLOCK):", "    for k in tl.arange(0, BLOCK):", "a loop must go over"),
        ("tl.store(out_ptr + place, total", "tl.load(out_ptr + place", "computes a value and drops it"),
        ("    dead = total * 2", "    out_ptr[0] = total", "write memory with `tl.store`"),
        ("    dead = total * 2", "    dead = total @ total", "write `tl.dot(a, b)`"),
        ("    dead = total * 2", "    dead = CONFIG", "a kernel cannot see `CONFIG`"),
        ("    dead = total * 2", "    dead = torch.zeros(3)", "a kernel cannot use `torch`"),
        ("    dead = total * 2", "    dead = tl.inline_asm_elementwise(total)", "is not allowed; from"),
        ("    dead = total * 2", '    dead = tl.device_print("x", total)', "is not allowed"),
        ("    dead = total * 2", '    dead = "x"', "a text may only be the value of"),
        ("    dead = total * 2", '    dead = tl.dot(total, total, input_precision="fast")', "ieee"),
        ("    dead = total * 2", "    dead = tl.load(x_ptr, volatile=True)", "`volatile=` is not allowed"),
        ("    dead = total * 2", "    dead = tl.load(x_ptr, _semantic=None)", "`_semantic=` is not allowed"),
        ("    dead = total * 2", "    dead = forward(total)", "called by the evaluator only"),
        ("    dead = total * 2", "    dead = k", "may be read before it is assigned"),
        ("    dead = total * 2", "    import torch", "import at the module level"),
        ("    out = torch.empty_like(x)", "    out = torch.sin(x)", "`torch.sin` is not allowed"),
        ("    out = torch.empty_like(x)", "    out = x.contiguous()", "`.contiguous` is not allowed"),
        ("    out = torch.empty_like(x)", "    out = x.data_ptr()", "`.data_ptr` is not allowed"),
        ("    out = torch.empty_like(x)", "    out = torch.empty(3, pin_memory=True)", "`pin_memory="),
        ("    out = torch.empty_like(x)", "    out = torch.cuda.Stream()", "`torch.cuda` is not allowed"),
        ("    out = torch.empty_like(x)", "    out = add", "may only be launched"),
        ("    out = torch.empty_like(x)", "    out = add(x, x, 1, 16)", "must be launched"),
        ("    out = torch.empty_like(x)", "    out = add[(1,)](x, x, 1, 16)", "gives no value"),
        ("    out = torch.empty_like(x)", "    out = tl.zeros((4,))", "is not allowed"),
        ("    out = torch.empty_like(x)", "    out = x[0]\n    x[0] = out", "changes a value in place"),
        ('CONFIG["num_warps"])', 'CONFIG["warps"])', "`CONFIG` has no 'warps'"),
        ('num_warps=CONFIG["num_warps"])', "stream=1)", "launch option `stream=` is not allowed"),
        ("x.numel(), BLOCK=", "BLOCK=", "takes each of x_ptr, out_ptr, n, BLOCK once"),
        ('BLOCK=CONFIG["BLOCK"]', 'BLOCK="asm"', "means nothing to a kernel"),
        ("add[grid]", "add[16]", "launch `add` with a tuple"),
        ("add[grid]", "add[(1, 1, 1, 1)]", "one to three"),
        ('CONFIG = {"BLOCK": 16', "CONFIG = {**{}", "must be a literal"),
    ],
)  # fmt: skip
def test_what_is_refused_and_how_it_is_told(old: str, new: str, words: str) -> None:
    assert words in told(old, new)


def test_texts_may_choose_a_precision_at_a_launch() -> None:
    chosen = 'BLOCK="ieee" if x.dtype == torch.float32 else "tf32"'
    assert told('BLOCK=CONFIG["BLOCK"]', chosen) == ""


def test_canonical_keeps_what_triton_reads_and_forgets_the_rest() -> None:
    text = canonical(PROGRAM)
    assert canonical(text) == text
    assert check(text, RULES) == ()
    assert text.count("@triton.jit") == 2
    assert "BLOCK: tl.constexpr" in text
    assert "import triton.language as tl" in text
    assert "total" not in text
    assert '"""' not in text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("total", "acc"),
        ("squared", "power_of_two"),
        ("add[", "plus["),
        ("    dead =", "    # nothing\n    dead   =  "),
        ("BLOCK=CONFIG", "BLOCK = CONFIG"),
        ("0.0", "0.00"),
        ("k + place < n", "n > k + place"),
        ('"BLOCK": 16, "num_warps": 4', '"num_warps": 4, "BLOCK": 0x10'),
    ],
)
def test_spelling_does_not_make_another_program(old: str, new: str) -> None:
    other = PROGRAM.replace(old, new)
    if old == "add[":
        other = other.replace("def add(", "def plus(")
    assert other != PROGRAM
    assert syntax_hash(other) == syntax_hash(PROGRAM)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("BLOCK: tl.constexpr", "BLOCK"),
        ("+= squared", "-= squared"),
        ('"num_warps": 4', '"num_warps": 8'),
        ("other=0.0", "other=1.0"),
        ("@triton.jit\ndef squared", "def squared"),
    ],
)
def test_what_matters_makes_another_program(old: str, new: str) -> None:
    assert syntax_hash(PROGRAM.replace(old, new, 1)) != syntax_hash(PROGRAM)


def test_simplify_removes_what_is_dead_and_keeps_what_writes() -> None:
    short = simplify(PROGRAM, LAYOUT)
    assert "dead" not in short
    assert "unread" not in short
    for kept in ("before = tl.atomic_add", "total = tl.zeros", "total += squared", "tl.store", "add[grid]"):
        assert kept in short
    assert check(short, RULES) == ()


def test_simplify_folds_host_functions_alone() -> None:
    text = PROGRAM.replace("value * value", "value * 1").replace("x.numel(), BLOCK", "x.numel() * 1, BLOCK")
    short = simplify(text, LAYOUT)
    assert "value * 1" in short
    assert "x.numel() * 1" not in short


def test_a_loaded_kernel_can_be_read_by_triton() -> None:
    kernel = load(PROGRAM)["add"]
    assert "tl.atomic_add" in kernel.src
    assert ast.parse(kernel.src).body[0].name == "add"  # type: ignore[attr-defined]
