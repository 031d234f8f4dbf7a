"""What ptxas made of a kernel is read right: registers, spills, instructions, their lines and loops."""

import json
import re
from typing import Any

import pytest
import torch
import triton
import triton.language as tl

from recevolve.kernels.json_values import from_plain, to_plain
from recevolve.kernels.record.binary import AssemblyRefused, Binary, assemble, digest, read_listing
from recevolve.kernels.record.compiling import GFX942, SM_90
from recevolve.kernels.record.launch_record import Launch
from recevolve.kernels.record.launches import offline

pytestmark = [pytest.mark.tritons, pytest.mark.process]


@triton.jit
def square(x):
    return x * x


@triton.jit
def dot_kernel(x_ptr, out_ptr, F: tl.constexpr, D: tl.constexpr):
    f = tl.arange(0, F)
    d = tl.arange(0, D)
    x = tl.load(x_ptr + tl.program_id(0) * F * D + f[:, None] * D + d[None, :])
    z = tl.dot(x, tl.trans(x), input_precision="ieee")
    tl.store(out_ptr + f[:, None] * F + f[None, :], z)


@triton.jit
def loop_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    acc = tl.zeros((BLOCK,), tl.float32)
    at = tl.arange(0, BLOCK)
    for k in range(n):
        acc += square(tl.load(x_ptr + k * BLOCK + at))
    tl.store(out_ptr + at, acc)


def compiled(kernel: Any, *arguments: Any, target: Any = SM_90, **named: Any) -> Launch:
    with offline(target, execute="none") as recorder:
        kernel[(1,)](*arguments, **named)
    return recorder.launches[0]


def binary_of(launch: Launch) -> Binary:
    assert launch.binary is not None
    return launch.binary


def opcodes(binary: Binary) -> list[str]:
    return [each.opcode.partition(".")[0] for each in binary.instructions]


def test_a_small_dot_fits_the_registers_and_uses_tensor_cores() -> None:
    x = torch.zeros(32, 64, dtype=torch.bfloat16)
    binary = binary_of(compiled(dot_kernel, x, torch.zeros(32, 32), F=32, D=64, num_warps=2))
    assert 24 <= binary.registers <= 96
    assert binary.spill_bytes == 0
    assert 150 <= len(binary.instructions) <= 600
    assert opcodes(binary).count("HMMA") == 16
    assert binary.cubin.startswith(b"\x7fELF")


def test_a_large_float32_dot_is_seen_to_spill() -> None:
    launch = compiled(dot_kernel, torch.zeros(32, 64), torch.zeros(32, 32), F=32, D=64, num_warps=1)
    binary = binary_of(launch)
    assert binary.registers == 255
    assert binary.spill_bytes > 200
    assert {"LDL", "STL"} & set(opcodes(binary))
    assert launch.shared >= 8 * 1024


def test_instructions_know_their_line_and_loop() -> None:
    binary = binary_of(compiled(loop_kernel, torch.zeros(1024), torch.zeros(128), 8, BLOCK=128))
    first = loop_kernel.starting_line_number
    loads = [each for each in binary.instructions if each.opcode.startswith("LDG")]
    assert {each.source for each in loads} == {("test_binary.py", first + 5)}
    assert any(each.loops for each in loads)
    (store,) = [each for each in binary.instructions if each.opcode.startswith("STG")]
    assert store.source == ("test_binary.py", first + 6)
    assert not store.loops
    for begin, end in binary.loops:
        assert begin < end
        assert "BRA" in binary.instructions[end].text


LISTING = """
k:
.text.k:
	//## File "/a/b/kernel.py", line 6
        /*0000*/                   LDC R1, c[0x0][0x28] ;
.L_x_1:
	//## File "/a/triton/language/standard.py", line 290 inlined at "/a/b/kernel.py", line 8
	//## File "/a/b/kernel.py", line 8
        /*0010*/              @!P0 LDG.E.128 R12, desc[UR6][R2.64+0x800] ;
.L_x_2:
        /*0020*/                   FADD R1, R1, R12 ;
        /*0030*/               @P1 BRA `(.L_x_2) ;
        /*0040*/               @P0 BRA `(.L_x_1) ;
        /*0050*/               @P2 BRA `(.L_x_3);
        /*0060*/                   EXIT ;
.L_x_3:
        /*0070*/                   BRA `(.L_x_3);
"""


def test_a_listing_is_read_line_by_line() -> None:
    instructions, loops = read_listing(LISTING)
    assert [each.opcode for each in instructions] == [
        "LDC",
        "LDG.E.128",
        "FADD",
        "BRA",
        "BRA",
        "BRA",
        "EXIT",
        "BRA",
    ]
    assert loops == ((1, 4), (2, 3))
    assert [each.loops for each in instructions] == [(), (0,), (0, 1), (0, 1), (0,), (), (), ()]
    assert [each.source for each in instructions[:3]] == [
        ("kernel.py", 6),
        ("kernel.py", 8),
        ("kernel.py", 8),
    ]


def test_binaries_survive_json_and_are_remembered_by_their_text() -> None:
    launch = compiled(loop_kernel, torch.zeros(1024), torch.zeros(128), 8, BLOCK=128)
    binary = binary_of(launch)
    assert from_plain(Binary, json.loads(json.dumps(to_plain(binary)))) == binary
    assert binary.digest == digest(launch.ptx)
    assert assemble(launch.ptx, SM_90) is binary


def test_a_text_that_is_no_program_is_refused_with_the_reason() -> None:
    launch = compiled(loop_kernel, torch.zeros(1024), torch.zeros(128), 8, BLOCK=128)
    with pytest.raises(AssemblyRefused, match="ptxas"):
        assemble(re.sub(r"\bld\.global", "ld.nowhere", launch.ptx), SM_90)


def test_amd_says_what_it_needs_without_being_assembled() -> None:
    launch = compiled(loop_kernel, torch.zeros(1024), torch.zeros(128), 8, target=GFX942, BLOCK=128)
    binary = binary_of(launch)
    assert launch.target == "hip:gfx942"
    assert "amdgcn" in launch.ptx
    assert launch.hidden == -1
    assert 4 <= binary.registers <= 128
    assert (binary.spill_bytes, binary.cubin, binary.instructions) == (0, b"", ())
    with pytest.raises(AssemblyRefused, match="vgpr_count"):
        assemble("s_endpgm", GFX942)
