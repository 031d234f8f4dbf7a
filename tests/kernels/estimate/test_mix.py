import pytest

from recevolve.kernels.estimate.mix import Segment, bodies, product, segments, width
from recevolve.kernels.record.binary import Instruction

LINE = ("kernel.py", 7)


def instructions(
    *texts: str, loops: tuple[int, ...] = (), line: tuple[str, int] | None = LINE
) -> list[Instruction]:
    return [Instruction(text, line, loops) for text in texts]


def of(
    *parts: list[Instruction], trips: float = 1.0, dots: float = 0.0, loaded: float = 0.0
) -> tuple[Segment, ...]:
    return segments(bodies([each for part in parts for each in part]), {LINE: trips}, 4, dots, loaded)


@pytest.mark.parametrize(
    ("opcode", "precision", "flops", "group"),
    [
        ("HMMA.16816.F32", "fp16", 4096, False),
        ("HMMA.16816.F32.BF16", "bf16", 4096, False),
        ("HMMA.1688.F32.TF32", "tf32", 2048, False),
        ("DMMA.884", "fp64", 512, False),
        ("IMMA.16832.S8.S8", "int8", 8192, False),
        ("HGMMA.64x128x16.F32.BF16", "bf16", 2 * 64 * 128 * 16 / 4, True),
        ("QGMMA.64x32x32.F32.E4M3.E4M3", "fp8", 2 * 64 * 32 * 32 / 4, True),
    ],
)
def test_matrix_products_are_read(opcode: str, precision: str, flops: float, group: bool) -> None:
    found = product(opcode)
    assert found is not None
    assert (found.precision, found.flops, found.group) == (precision, flops, group)


@pytest.mark.parametrize("opcode", ["FFMA", "LDG.E.128", "MUFU.EX2", "WARPGROUP.ARRIVE"])
def test_nothing_else_is_a_matrix_product(opcode: str) -> None:
    assert product(opcode) is None


@pytest.mark.parametrize(
    ("opcode", "size"),
    [
        ("LDG.E", 4),
        ("LDG.E.128", 16),
        ("STG.E.64", 8),
        ("LDG.E.U16", 2),
        ("LDG.E.U8", 1),
        ("LDSM.16.M88.4", 16),
    ],
)
def test_widths_are_read(opcode: str, size: int) -> None:
    assert width(opcode) == size


def test_straight_code_counts_once_whatever_its_line_did() -> None:
    (straight,) = of(instructions("FADD R0, R1, R2 ;"), trips=9)
    assert (straight.trips, straight.looped, straight.pipes["float32"]) == (1.0, False, 1)


def test_a_loop_counts_as_often_as_its_line_ran() -> None:
    straight, loop = of(instructions("MOV R1, R2 ;"), instructions("FADD R0, R1, R2 ;", loops=(0,)), trips=9)
    assert (straight.instructions, loop.trips, loop.looped) == (1, 9.0, True)


def test_a_loop_within_a_loop_is_one_of_its_own() -> None:
    _, outer, inner = of(
        instructions("FADD R0, R1, R2 ;", loops=(0,)),
        instructions("FMUL R0, R1, R2 ;", "FMUL R3, R1, R2 ;", loops=(0, 1)),
    )
    assert (outer.instructions, inner.instructions) == (1, 2)


def test_lines_that_nobody_counted_take_the_loops_trips() -> None:
    _, loop = of(
        instructions("FADD R0, R1, R2 ;", loops=(0,), line=None),
        instructions("FMUL R0, R1, R2 ;", loops=(0,)),
        trips=5,
    )
    assert (loop.instructions, loop.trips) == (2, 5.0)


@pytest.mark.parametrize("unrolled", [1, 2, 4, 8])
def test_an_unrolled_loop_is_rolled_up_by_its_products(unrolled: int) -> None:
    trips, once = 16, "HMMA.16816.F32.BF16 R4, R8, R10, R4 ;"
    _, loop = of(
        instructions(*[once] * unrolled, loops=(0,)),
        trips=trips,
        dots=trips * 4096 * 4,  # four warps
    )
    assert loop.trips == trips / unrolled
    assert loop.trips * loop.product_flops == trips * 4096


def test_an_unrolled_loop_without_products_is_rolled_up_by_its_loads() -> None:
    _, loop = of(
        instructions(*["LDG.E.128 R4, desc[UR4][R2.64] ;"] * 4, loops=(0,)),
        trips=16,
        loaded=16 * 512 * 4 * 0.9,  # some lanes are masked
    )
    assert loop.trips == 4


def test_products_outside_of_loops_are_no_sign_of_unrolling() -> None:
    once = "HMMA.16816.F32.BF16 R4, R8, R10, R4 ;"
    _, loop = of(
        instructions(*[once] * 3), instructions(once, loops=(0,)), trips=16, dots=(16 + 3) * 4096 * 4
    )
    assert loop.trips == 16


def test_spills_copies_and_barriers_are_told_apart() -> None:
    (found,) = of(
        instructions(
            "@P0 LDL.64 R4, [R1+0x8] ;",
            "STL [R1], R4 ;",
            "LDGSTS.E.BYPASS.128 [R5], desc[UR4][R2.64] ;",
            "LDG.E.U16 R4, desc[UR4][R2.64] ;",
            "BAR.SYNC.DEFER_BLOCKING 0x0 ;",
            "NOP ;",
        )
    )
    assert (found.spills, found.spill_bytes) == (2, 32 * 12)
    assert (found.copies, found.loads, found.barriers) == (1, 1, 1)
    assert found.load_bytes == 32 * 18
    # a wide access takes the path to L1 four clocks, a narrow one as long as any: one
    assert found.memory_cycles == 2 + 1 + 4 + 1
    assert found.instructions == 5
