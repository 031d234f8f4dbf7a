"""The filter, run by a little interpreter of classic BPF: what it answers on either processor."""

import errno
import platform
import re
import struct
from pathlib import Path

import pytest

from recevolve.evaluators.sandbox import system_calls
from recevolve.evaluators.sandbox.system_calls import ALLOW, KILL, REFUSED, fail_with

ME = 4321
EPERM, ENOSYS = fail_with(errno.EPERM), fail_with(errno.ENOSYS)
ALLOWED = {
    "read": (0, 63),
    "write": (1, 64),
    "mmap": (9, 222),
    "brk": (12, 214),
    "futex": (202, 98),
    "exit_group": (231, 94),
    "clock_gettime": (228, 113),
    "getrandom": (318, 278),
    "pread64": (17, 67),
    "ftruncate": (77, 46),
}


def answer(machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """What the filter says to a system call, following the instructions as seccomp does (linux/filter.h)."""
    program = system_calls.for_process(system_calls.build(machine), ME)
    instructions = list(struct.iter_unpack("<HBBI", program))
    assert len(instructions) < 4096, "longer than a seccomp filter may be"
    audit = system_calls.MACHINES[machine][1] if audit is None else audit
    data = struct.pack("<IIQ6Q", number, audit, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    place = accumulator = 0
    while True:
        operation, then, otherwise, value = instructions[place]
        place += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif operation == 0x15:
            place += then if accumulator == value else otherwise
        elif operation == 0x35:
            place += then if accumulator >= value else otherwise
        elif operation == 0x45:
            place += then if accumulator & value else otherwise
        elif operation == 0x06:
            return value
        else:
            raise AssertionError(f"no seccomp instruction: {operation:#x}")


@pytest.fixture(params=system_calls.MACHINES)
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def column(machine: str) -> int:
    return system_calls.MACHINES[machine][0]


def test_everything_on_the_list_is_refused(machine: str) -> None:
    for name, numbers in REFUSED.items():
        if (number := numbers[column(machine)]) is not None:
            assert answer(machine, number) == EPERM, name


def test_what_computing_needs_is_allowed(machine: str) -> None:
    for name, numbers in ALLOWED.items():
        assert answer(machine, numbers[column(machine)], 3, 4, 5) == ALLOW, name


def test_files_open_for_reading_only(machine: str) -> None:
    openat = system_calls.READ_ONLY["openat"][column(machine)]
    assert openat is not None
    assert answer(machine, openat, 2**32 - 100, 0, 0o2000000) == ALLOW
    for flags in (0o1, 0o2, 0o100, 0o1000, 0o2000101, 0o20200002):
        assert answer(machine, openat, 2**32 - 100, 0, flags) == EPERM, oct(flags)


def test_the_older_open_is_no_way_round() -> None:
    assert answer("x86_64", 2, 0, 0) == ALLOW
    assert answer("x86_64", 2, 0, 0o101) == EPERM


def test_signals_and_limits_are_for_oneself(machine: str) -> None:
    tgkill = system_calls.ONLY_ONESELF["tgkill"][column(machine)]
    assert answer(machine, tgkill, ME, ME, 6) == ALLOW
    assert answer(machine, tgkill, ME + 1, ME + 1, 9) == EPERM
    prlimit = system_calls.ONLY_ZERO["prlimit64"][column(machine)]
    assert answer(machine, prlimit, 0) == ALLOW
    assert answer(machine, prlimit, ME - 1) == EPERM


def test_only_the_dangerous_commands_of_fcntl_ioctl_and_prctl_are_refused(machine: str) -> None:
    for _, numbers, argument, values in system_calls.REFUSED_ARGUMENTS:
        for value in values:
            arguments = [0] * argument + [value]
            assert answer(machine, numbers[column(machine)], *arguments) == EPERM
        arguments = [0] * argument + [3]
        assert answer(machine, numbers[column(machine)], *arguments) == ALLOW


def test_what_the_filter_cannot_look_into_is_absent(machine: str) -> None:
    for numbers in system_calls.ABSENT.values():
        assert answer(machine, numbers[column(machine)]) == ENOSYS


def test_calls_of_tomorrow_are_absent_and_other_interfaces_deadly(machine: str) -> None:
    for number in (451, 500, 0x3FFFFFFF):
        assert answer(machine, number) == ENOSYS
    assert answer(machine, 0, audit=0x40000003) == KILL
    if machine == "x86_64":
        assert answer(machine, 0x40000000 + 39) == KILL


def test_an_unknown_processor_is_named() -> None:
    with pytest.raises(system_calls.UnknownMachine, match="riscv64"):
        system_calls.build("riscv64")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="compares with the x86_64 kernel header")
def test_numbers_agree_with_the_kernel_header() -> None:
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if not header.exists():
        pytest.skip("no kernel headers here")
    known = dict(re.findall(r"#define __NR_(\w+) (\d+)", header.read_text()))
    ours = {name: numbers[0] for name, numbers in (REFUSED | system_calls.ABSENT).items()}
    ours |= {name: numbers[0] for name, numbers, _, _ in system_calls.REFUSED_ARGUMENTS}
    assert {name: int(known[name]) for name in ours if name in known} == {
        name: number for name, number in ours.items() if name in known
    }
