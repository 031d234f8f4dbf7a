"""What the registry says of each operator, against loops and hand calculation."""

import itertools

import pytest
import torch

from recevolve.kernels.operators import DTYPES, OPERATORS, Sizes

NAMES = pytest.mark.parametrize("name", OPERATORS)


@NAMES
def test_hidden_sizes_hold_the_hard_ones_and_depend_on_the_seed(name: str) -> None:
    first, again, other = (list(itertools.islice(OPERATORS[name].hidden(seed), 20)) for seed in (1, 1, 2))
    assert first == again != other
    assert {0, 1} <= {sizes["B"] for sizes in first}
    width = "K" if "K" in first[0] else "D"
    assert 1 in {sizes[width] for sizes in first}
    assert any(sizes[width] % 2 for sizes in first[2:])
    assert max(sizes[width] for sizes in first) >= 100
    for letter in {"F", "T"} & set(first[0]):
        assert max(sizes[letter] for sizes in first) > 32


@NAMES
@pytest.mark.parametrize("dtype", [torch.float64, *DTYPES], ids=str)
def test_drawn_inputs_are_repeatable_and_hide_nothing(name: str, dtype: torch.dtype) -> None:
    """No parameter is zero or an identity, and every operand changes the result."""
    operator = OPERATORS[name]
    sizes = next(itertools.islice(operator.hidden(0), 3, None))
    inputs, again = (operator.draw(sizes, dtype, torch.Generator().manual_seed(5)) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(inputs, again, strict=True))
    output = operator.reference(*inputs)
    assert output.dtype == dtype
    for place, tensor in enumerate(inputs):
        if operator.inputs[place] in operator.differentiable:
            assert tensor.dtype == dtype
            changed = operator.reference(*inputs[:place], torch.zeros_like(tensor), *inputs[place + 1 :])
            assert not torch.equal(changed, output), operator.inputs[place]


@NAMES
def test_names_of_inputs_are_those_of_the_reference_and_real_shapes_can_be_counted(name: str) -> None:
    operator = OPERATORS[name]
    assert set(operator.differentiable) <= set(operator.inputs)
    assert len({shape.name for shape in operator.real}) == len(operator.real) >= 3
    for shape in operator.real:
        assert set(shape.sizes) == set(next(operator.hidden(0)))
        for counts in (operator.flops(shape.sizes), operator.elements(shape.sizes)):
            forward, backward = counts
            assert 0 < forward < 4 * backward


CROSS = {"B": 2, "K": 3}
BAGS = {"B": 2, "T": 2, "D": 3, "V": 10, "N": 5}


@pytest.mark.parametrize(
    ("name", "sizes", "flops", "elements"),
    [
        # three pairs of four products, a multiply-add counting two; its gradient needs both factors
        ("pairwise_dot", {"B": 5, "F": 3, "D": 4}, (5 * 3 * 4 * 2, 5 * 3 * 4 * 4), (5 * 15, 5 * 27)),
        # 4 times 2 additions, 3 squares, 2 additions, a square, a difference; then 3 additions, a half
        ("fm_second_order", {"B": 5, "F": 3, "D": 4}, (5 * (4 * 9 + 4), 5 * 4 * 8), (5 * 13, 5 * 25)),
        ("dcn_v2_cross", CROSS, (2 * 3 * (6 + 3), 2 * 3 * (18 + 5)), (18 + 9 + 3, 30 + 18 + 6)),
        (
            "dcn_v2_cross_low_rank",
            {**CROSS, "R": 4},
            (2 * 3 * (16 + 3), 2 * 3 * (48 + 5)),
            (18 + 24 + 3, 30 + 48 + 6),
        ),
        ("gated_cross", CROSS, (2 * 3 * (12 + 8), 2 * 3 * (36 + 16)), (18 + 18 + 6, 30 + 36 + 12)),
        # five lookups among ten rows touch 4.1 in expectation
        (
            "embedding_bag_dot",
            BAGS,
            (15 + 2 * 2 * 3 * 3, 30 + 4 * 2 * 3 * 3),
            (6 + 4 * 3 + 6, 12 + 4 * 3 + 6 + 30),
        ),
    ],
)
def test_counts_are_those_of_a_hand_calculation(
    name: str, sizes: Sizes, flops: tuple[int, int], elements: tuple[int, int]
) -> None:
    operator = OPERATORS[name]
    assert operator.flops(sizes) == flops
    assert operator.elements(sizes) == elements


def test_elements_are_those_of_inputs_and_outputs() -> None:
    for name in ("pairwise_dot", "fm_second_order", "dcn_v2_cross", "dcn_v2_cross_low_rank", "gated_cross"):
        operator = OPERATORS[name]
        for sizes in itertools.islice(operator.hidden(3), 9):
            inputs = operator.draw(sizes, torch.float64, torch.Generator().manual_seed(0))
            read, written = sum(tensor.numel() for tensor in inputs), operator.reference(*inputs).numel()
            assert operator.elements(sizes) == (read + written, 2 * read + written)
            assert operator.index_bytes(sizes) == (0, 0)


def test_bytes_of_indices_are_those_of_the_drawn_indices() -> None:
    operator = OPERATORS["embedding_bag_dot"]
    inputs = operator.draw(BAGS, torch.float32, torch.Generator().manual_seed(0))
    drawn = sum(tensor.numel() * tensor.element_size() for tensor in inputs[2:])
    assert operator.index_bytes(BAGS) == (drawn, drawn)


def test_bags_are_dealt_to_every_table_within_its_rows() -> None:
    operator = OPERATORS["embedding_bag_dot"]
    sizes = {"B": 40, "T": 3, "D": 2, "V": 11, "N": 4000}
    _, tables, starts, indices, bags = operator.draw(sizes, torch.float32, torch.Generator().manual_seed(0))
    assert starts.tolist() == [0, 3, 7]
    assert bags[0] == 0
    assert bags[-1] == 4000
    assert (bags.diff() >= 0).all()
    for table, height in enumerate((3, 4, 4)):
        looked_up = indices[bags[table * 40] : bags[(table + 1) * 40]]
        assert set(looked_up.tolist()) == set(range(height))
    assert tables.shape == (11, 2)
