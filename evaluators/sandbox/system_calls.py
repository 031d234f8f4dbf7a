"""The seccomp filter: which system calls a candidate may make, as classic BPF. Data and one assembler.

A candidate computes: it needs memory, clocks, random bytes, and files that it may read. What is not listed is
refused with EPERM, whatever it does. Numbers: kernel tables arch/x86/entry/syscalls/syscall_64.tbl and
include/uapi/asm-generic/unistd.h. Calls newer than the tables get ENOSYS, which libraries take for an old
kernel.
"""

import errno
import platform
import struct

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the table below, and AUDIT_ARCH."""

MEMORY = {
    "mmap": (9, 222), "munmap": (11, 215), "mprotect": (10, 226), "mremap": (25, 216), "madvise": (28, 233),
    "brk": (12, 214), "mincore": (27, 232), "msync": (26, 227), "membarrier": (324, 283),
}  # fmt: skip
FILES = {
    "read": (0, 63), "write": (1, 64), "pread64": (17, 67), "pwrite64": (18, 68), "readv": (19, 65),
    "writev": (20, 66), "preadv": (295, 69), "pwritev": (296, 70), "preadv2": (327, 286),
    "pwritev2": (328, 287), "lseek": (8, 62), "close": (3, 57), "close_range": (436, 436),
    "stat": (4, None), "lstat": (6, None), "fstat": (5, 80), "newfstatat": (262, 79), "statx": (332, 291),
    "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, None),
    "readlinkat": (267, 78), "getdents": (78, None), "getdents64": (217, 61), "getcwd": (79, 17),
    "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "pipe": (22, None), "pipe2": (293, 59),
    "ftruncate": (77, 46), "fadvise64": (221, 223), "poll": (7, None), "ppoll": (271, 73),
    "select": (23, None), "pselect6": (270, 72),
}  # fmt: skip
CLOCKS = {
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101), "gettimeofday": (96, 169), "time": (201, None), "times": (100, 153),
    "getitimer": (36, 102), "setitimer": (38, 103), "alarm": (37, None),
}  # fmt: skip
ITSELF = {
    "futex": (202, 98), "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173),
    "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177),
    "getresuid": (118, 148), "getresgid": (120, 150), "getgroups": (115, 158), "getpgrp": (111, None),
    "getpgid": (121, 155), "getsid": (124, 156), "capget": (125, 90), "uname": (63, 160),
    "sysinfo": (99, 179), "getrlimit": (97, 163), "setrlimit": (160, 164), "getrusage": (98, 165),
    "getpriority": (140, 141), "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "sched_getparam": (143, 121), "sched_getscheduler": (145, 120), "sched_get_priority_max": (146, 125),
    "sched_get_priority_min": (147, 126), "getcpu": (309, 168), "getrandom": (318, 278), "umask": (95, 166),
    "arch_prctl": (158, None), "set_tid_address": (218, 96), "set_robust_list": (273, 99),
    "get_robust_list": (274, 100), "rseq": (334, 293), "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "rt_sigpending": (127, 136), "rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133),
    "sigaltstack": (131, 132), "pause": (34, None), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
ALLOWED = MEMORY | FILES | CLOCKS | ITSELF
UNKNOWN_FROM = 451
"""The first number after the tables that these were taken from; newer calls are absent."""
ABSENT = {"clone3": (435, 435), "openat2": (437, 437)}
"""Answered with ENOSYS: their arguments lie in memory where a filter cannot look, and libraries fall back."""

ONLY_ONESELF = {"tgkill": (234, 131)}
"""The first argument must be the caller's own process, so that abort() keeps working."""
ONLY_ZERO = {"prlimit64": (302, 261)}
READ_ONLY = {"open": (2, None, 1), "openat": (257, 56, 2)}
"""Number, number, and which argument holds the flags."""
WRITING = 0o1 | 0o2 | 0o100 | 0o1000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC."""
ALLOWED_ARGUMENTS = (
    ("fcntl", (72, 25), 1, (0, 1, 2, 3, 4, 1030, 1032, 1034)),
    ("ioctl", (16, 29), 1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)),
    ("prctl", (157, 167), 0, (3, 15, 16, 21, 23, 39, 0x53564D41)),
)
"""Name, numbers, which argument, and the values allowed there:

- F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_GETPIPE_SZ, F_GET_SEALS: no locks, leases,
  hints, owners, or sizes of pipes;
- TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX: is it a terminal, and is there something to read;
- PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_NO_NEW_PRIVS, PR_SET_VMA.
"""

LOAD, EQUAL, AT_LEAST, ANY_BIT, ANSWER = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL = 0x7FFF0000, 0x80000000
NUMBER_AT, MACHINE_AT, ARGUMENTS_AT = 0, 4, 16


def fail_with(error: int) -> int:
    """The filter's answer that makes the call return -1 with this errno."""
    return 0x00050000 | error


class UnknownMachine(OSError):
    """The filter's tables do not cover this processor."""


_OWN_PROCESS = struct.pack("<I", 0x5A5A5A5A)
"""Stands in a filter for the number of the process that takes it on."""


def for_process(filter_: bytes, process: int) -> bytes:
    """The filter's instructions, of eight bytes each, for that process."""
    return filter_.replace(_OWN_PROCESS, struct.pack("<I", process))


def _op(operation: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("<HBBI", operation, then, otherwise, value & 0xFFFFFFFF)


def _answer(number: int, answer: int) -> bytes:
    return _op(EQUAL, number, 0, 1) + _op(ANSWER, answer)


def _argument(number: int, argument: int, checks: bytes) -> bytes:
    """For calls of this number: the argument is loaded, and the checks answer."""
    skipped = 1 + len(checks) // 8
    return _op(EQUAL, number, 0, skipped) + _op(LOAD, ARGUMENTS_AT + 8 * argument) + checks


def _only_argument(number: int, argument: int, value: int) -> bytes:
    checks = _op(EQUAL, value, 0, 1) + _op(ANSWER, ALLOW) + _op(ANSWER, fail_with(errno.EPERM))
    return _argument(number, argument, checks)


def _without_bits(number: int, argument: int, bits: int) -> bytes:
    checks = _op(ANY_BIT, bits, 1, 0) + _op(ANSWER, ALLOW) + _op(ANSWER, fail_with(errno.EPERM))
    return _argument(number, argument, checks)


def _only_values(number: int, argument: int, values: tuple[int, ...]) -> bytes:
    checks = b"".join(_answer(value, ALLOW) for value in values) + _op(ANSWER, fail_with(errno.EPERM))
    return _argument(number, argument, checks)


def build(machine: str = platform.machine()) -> bytes:
    """The filter for this processor; UnknownMachine where there is no table for it."""
    if machine not in MACHINES:
        raise UnknownMachine(errno.ENOSYS, f"system-call filter knows {', '.join(MACHINES)}, not {machine}")
    column, audit = MACHINES[machine]
    code = _op(LOAD, MACHINE_AT) + _op(EQUAL, audit, 1, 0) + _op(ANSWER, KILL) + _op(LOAD, NUMBER_AT)
    if machine == "x86_64":  # the x32 interface numbers the same calls from 2^30
        code += _op(AT_LEAST, 0x40000000, 0, 1) + _op(ANSWER, KILL)
    code += _op(AT_LEAST, UNKNOWN_FROM, 0, 1) + _op(ANSWER, fail_with(errno.ENOSYS))
    for numbers in ABSENT.values():
        code += _answer(numbers[column], fail_with(errno.ENOSYS))
    for call in ALLOWED.values():
        if (number := call[column]) is not None:
            code += _answer(number, ALLOW)
    for *columns, argument in READ_ONLY.values():
        if (number := columns[column]) is not None:
            code += _without_bits(number, argument or 0, WRITING)
    for _, numbers, argument, values in ALLOWED_ARGUMENTS:
        code += _only_values(numbers[column], argument, values)
    for numbers in ONLY_ZERO.values():
        code += _only_argument(numbers[column], 0, 0)
    for numbers in ONLY_ONESELF.values():
        code += _only_argument(numbers[column], 0, *struct.unpack("<I", _OWN_PROCESS))
    return code + _op(ANSWER, fail_with(errno.EPERM))
