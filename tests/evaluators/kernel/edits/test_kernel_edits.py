"""Edits of kernels: every product is a program that obeys the rules, and known rewrites do what they say."""

import ast
from collections import Counter

import numpy as np
import pytest

from recevolve.engine.loop.proposer import Parent
from recevolve.engine.propose.syntax.proposer import SyntaxProposer
from recevolve.evaluators.kernel import edits
from recevolve.evaluators.kernel.edits import EDITS, config, grid, loops, masks, memory, products
from recevolve.evaluators.kernel.edits.program import Program
from recevolve.evaluators.kernel.edits.shapes import Shapes
from recevolve.evaluators.kernel.language import rules_for
from recevolve.evaluators.kernel.task import seeds_for
from recevolve.evaluators.kernel.vocabulary import VOCABULARY
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.language.edit import Edit, Unsuitable
from recevolve.evaluators.language.static import check
from recevolve.kernels.operators import OPERATORS

DOT = OPERATORS["pairwise_dot"]
POOR = seeds_for(DOT)["poor"]
SEEDS = [
    (name, operator, source)
    for name, operator in OPERATORS.items()
    for source in seeds_for(operator).values()
]
PLAIN = """
import torch
import triton
import triton.language as tl

CONFIG = {"BLOCK_D": 8, "num_warps": 4}


@triton.jit
def gram(x, out, F, D, x_row, x_field, FIELDS: tl.constexpr, BLOCK_D: tl.constexpr):
    row = tl.program_id(0)
    f = tl.arange(0, FIELDS)
    total = tl.zeros((FIELDS, FIELDS), tl.float32)
    for start in range(0, D, BLOCK_D):
        d = start + tl.arange(0, BLOCK_D)
        scale = D * 2
        inside = (f[None, :] < F) & (d[:, None] < D)
        tile = tl.load(x + row * x_row + f[None, :] * x_field + d[:, None], mask=inside, other=0.0)
        wide = tile.to(tl.float32)
        total += tl.sum(wide[:, :, None] * wide[:, None, :], axis=0) * scale
    tl.store(out + row * F * F + f[:, None] * F + f[None, :], total, mask=(f[:, None] < F) & (f[None, :] < F))


def forward(x):
    B, F, D = x.shape
    out = torch.empty((B, F, F), dtype=x.dtype, device=x.device)
    gram[(B,)](
        x, out, F, D, x.stride(0), x.stride(1), FIELDS=triton.next_power_of_2(F),
        BLOCK_D=CONFIG["BLOCK_D"], num_warps=CONFIG["num_warps"],
    )
    return out


def backward(grad, x):
    B, F, D = x.shape
    dx = torch.empty((B, F, D), dtype=x.dtype, device=x.device)
    gram[(B,)](
        x, dx, F, D, x.stride(0), x.stride(1), FIELDS=triton.next_power_of_2(F),
        BLOCK_D=CONFIG["BLOCK_D"], num_warps=CONFIG["num_warps"],
    )
    return (dx,)
"""


def generator(number: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(number))


def after(rewrite: edits.Rewrite, source: str, seed: int = 0) -> str:
    """The program after one rewrite, and the words are about it."""
    program = Program(source)
    words = rewrite(program, generator(seed))
    text = program.text()
    assert words
    assert "\n" not in words
    assert text != Program(source).text()
    return text


@pytest.mark.heavy
@pytest.mark.parametrize("name", OPERATORS)
def test_mutants_of_every_seed_are_new_programs_that_obey_the_rules(name: str) -> None:
    operator = OPERATORS[name]
    rules = rules_for(operator)
    parents = [Parent(key, source) for key, source in seeds_for(operator).items()]
    proposer = SyntaxProposer(VOCABULARY, rules, own=EDITS)
    seen = set()
    for number in range(10):
        rng = generator(number)
        chosen = [parents[int(at)] for at in rng.integers(len(parents), size=2)]
        made = proposer.mutant(chosen, rng, bold=number % 2 == 1)
        assert check(made.source, rules) == ()
        assert canonical(made.source) not in {canonical(each.source) for each in chosen}
        assert made.parents[0] == chosen[0].program_id
        assert made.explanation
        assert "\n" not in made.explanation
        seen.add(canonical(made.source))
    assert len(seen) >= 8


def test_generations_of_mutants_keep_their_health_and_edits_never_crash() -> None:
    rules = rules_for(DOT)
    population = list(seeds_for(DOT).values())
    first, ends = len(population), Counter[str]()
    for number in range(8 * len(EDITS)):
        rng = generator(number)
        edit = list(EDITS)[number % len(EDITS)]
        host, other = (population[int(at)] for at in rng.integers(len(population), size=2))
        try:
            made = edit(host, [other], rng)
        except Unsuitable:
            ends[f"{edit.__name__} unsuitable"] += 1
            continue
        ends[edit.__name__] += 1
        assert check(made.source, rules) == (), (edit.__name__, made.words)
        assert made.lender in (None, 0)
        if len(population) < first + 20:
            population.append(made.source)
        else:
            population[first + int(rng.integers(20))] = made.source
    assert len({edit.__name__ for edit in EDITS} & ends.keys()) > 0.6 * len(EDITS), ends


@pytest.mark.parametrize("edit", list(EDITS), ids=[edit.__name__ for edit in EDITS])
def test_an_edit_is_a_function_of_its_arguments(edit: Edit) -> None:
    sources = list(seeds_for(DOT).values())
    for number in range(3):
        answers = []
        for _ in range(2):
            try:
                answers.append(edit(sources[number % len(sources)], sources, generator(number)))
            except Unsuitable as error:
                answers.append(str(error))
        assert answers[0] == answers[1]


def test_a_summed_product_becomes_a_dot_whose_sides_are_large_enough() -> None:
    text = after(products.sum_to_dot, PLAIN)
    assert "tl.dot(tl.trans(wide), wide, input_precision='ieee')" in text
    assert "FIELDS=max(16, triton.next_power_of_2(F))" in text
    assert "'BLOCK_D': 16" in text


@pytest.mark.parametrize(
    ("product", "dot"),
    [
        ("a[:, :, None] * b[None, :, :], axis=1", "tl.dot(a, b"),
        ("a[:, None, :] * b[None, :, :], axis=2", "tl.dot(a, tl.trans(b)"),
        ("b[None, :, :] * a[:, None, :], axis=2", "tl.dot(a, tl.trans(b)"),
        ("a[:, :, None] * b[:, None, :], axis=0", "tl.dot(tl.trans(a), b"),
    ],
)
def test_which_operand_is_turned_follows_from_the_axes(product: str, dot: str) -> None:
    """The same sums with numpy say which product of matrices they are."""
    rng = generator(1)
    a, b = rng.normal(size=(4, 4)), rng.normal(size=(4, 4))
    spread, axis = product.rsplit(", axis=", 1)
    names = {"a": a, "b": b, "None": None}
    summed = eval(spread, {}, names).sum(int(axis))
    body = PLAIN.replace("wide[:, :, None] * wide[:, None, :], axis=0", product)
    body = body.replace("wide = tile.to(tl.float32)", "a = tile.to(tl.float32)\n        b = a + 1")
    text = after(products.sum_to_dot, body)
    assert dot in text
    left, right = dot.removeprefix("tl.dot(").split(", ", 1)
    sides = [names[side[-2]].T if "trans" in side else names[side[-1]] for side in (left, right)]
    assert np.allclose(sides[0] @ sides[1], summed)


def test_a_dot_becomes_a_sum_again() -> None:
    text = after(products.dot_to_sum, after(products.sum_to_dot, PLAIN))
    assert "tl.dot" not in text
    assert "axis=1)" in text


def test_operands_go_in_as_they_were_loaded() -> None:
    text = after(products.narrow, after(products.sum_to_dot, PLAIN))
    assert "tl.dot(tl.trans(tile), tile" in text
    assert "float32)" not in text.partition("tl.dot")[2].partition("\n")[0]


def test_a_loop_becomes_one_tile_and_pieces_again() -> None:
    whole = after(loops.whole, PLAIN)
    assert "for " not in whole
    assert "BLOCK_D=max(16, triton.next_power_of_2(D))" in whole
    assert "'BLOCK_D'" not in whole, "a tunable that nothing reads is gone"
    pieces = after(loops.pieces, whole.replace("* scale", "").replace("total += ", "total = "))
    assert "in range(0, D, BLOCK_D)" in pieces
    assert "total += tl.sum(" in pieces


def test_a_load_in_the_other_order_is_turned_back() -> None:
    text = after(memory.natural_order, PLAIN)
    assert "f[:, None] * x_field + d[None, :]" in text
    assert "tile = tl.trans(tile_t)" in text
    assert "mask=inside_t" in text


def test_tiles_of_every_nth_element_become_tiles_of_neighbours() -> None:
    text = after(memory.blocked, POOR)
    assert "in range(0, D, BLOCK_D):\n        d = start + tl.arange(0, BLOCK_D)\n" in text


def test_what_does_not_change_in_a_loop_leaves_it() -> None:
    text = after(loops.hoist, PLAIN)
    assert text.index("scale = D * 2") < text.index("for start in")


def test_masks_vanish_where_a_size_fills_its_tile() -> None:
    text = after(masks.even, PLAIN)
    switch = (
        next(line for line in text.splitlines() if "if EVEN_" in line).strip().removeprefix("if ").strip(":")
    )
    assert f"{switch}: tl.constexpr" in text
    assert (
        f"{switch}=F % triton.next_power_of_2(F) == 0" in text
        or f"{switch}=D % CONFIG['BLOCK_D'] == 0" in text
    )


def test_several_rows_and_one_row_are_each_others_inverse() -> None:
    several = after(grid.several_rows, PLAIN)
    assert "row = tl.program_id(0) * ROWS + step" in several
    assert "gram[triton.cdiv(B, CONFIG['ROWS_forward'])," in several
    assert "rows_of_all=B" in several
    one = after(grid.one_row, several)
    assert "row = tl.program_id(0)\n" in one
    assert "ROWS" not in one
    assert sorted(one.splitlines()) == sorted(Program(PLAIN).text().splitlines())


def test_crossover_brings_all_that_a_pass_needs_under_names_of_its_own() -> None:
    donor = PLAIN.replace('"num_warps": 4', '"num_warps": 8').replace("axis=0) * scale", "axis=0) * 3")
    for number in range(4):
        made = edits.crossover(PLAIN, [donor], generator(number))
        assert made.lender == 0
        functions = [node.name for node in ast.parse(made.source).body if isinstance(node, ast.FunctionDef)]
        assert sorted(functions) == ["backward", "forward", "gram", "gram_2"]
        assert "'num_warps_2': 8" in made.source
        assert "'num_warps': 4" in made.source


def test_tunables_stay_among_what_triton_takes() -> None:
    for number in range(60):
        rng = generator(number)
        program = Program(POOR)
        for _ in range(6):
            (config.move, config.move_two, config.jump)[int(rng.integers(3))](program, rng)
        for name, value in program.tunables().items():
            assert value in config.choices(name), name


def test_shapes_are_read_from_the_text() -> None:
    (kernel,) = Program(PLAIN).kernels.values()
    known = Shapes(kernel).known
    assert known["tile"] == ("BLOCK_D", "FIELDS")
    assert known["total"] == ("FIELDS", "FIELDS")
    assert known["row"] == ()


def test_a_text_without_kernels_is_unsuitable() -> None:
    with pytest.raises(Unsuitable):
        Program("CONFIG = {}\n\n\ndef forward(x):\n    return x\n")
