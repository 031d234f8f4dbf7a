"""The filter, run by a little interpreter of classic BPF: what it answers on either processor."""

import errno
import re
import struct
from pathlib import Path

import pytest

from recevolve.evaluators.sandbox import system_calls
from recevolve.evaluators.sandbox.system_calls import ALLOW, ALLOWED, KILL, fail_with

ME = 4321
EPERM, ENOSYS = fail_with(errno.EPERM), fail_with(errno.ENOSYS)
DANGEROUS = """
clone fork vfork execve execveat setsid setpgid kill tkill rt_sigqueueinfo pidfd_open
pidfd_send_signal pidfd_getfd ptrace process_vm_readv process_vm_writev kcmp setpriority
sched_setaffinity sched_setscheduler socket connect accept sendto sendmsg bind listen socketpair
recvfrom recvmsg shmget shmat shmctl shmdt msgget msgsnd msgrcv msgctl semget semop semtimedop
semctl mq_open mq_unlink mq_timedsend mq_notify memfd_create io_setup timer_create timerfd_create
eventfd2 signalfd4 creat truncate rename renameat mkdir rmdir mknod link unlink unlinkat symlink
chmod fchmod fchmodat chown fchown utime utimensat setxattr fsetxattr getxattr lgetxattr fgetxattr
listxattr flistxattr removexattr chdir fchdir chroot flock fallocate copy_file_range sendfile splice
tee vmsplice sync fsync inotify_init1 unshare setns mount umount2 pivot_root bpf perf_event_open
userfaultfd io_uring_setup keyctl add_key request_key open_by_handle_at fanotify_init personality
statfs fstatfs syslog mlock seccomp landlock_create_ruleset
"""
"""Some of what is not listed, by name, so that a wrong number in our tables shows."""
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
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


def listed(machine: str) -> set[int]:
    """Numbers of calls that are allowed, always or with some arguments."""
    column = system_calls.MACHINES[machine][0]
    calls = [*ALLOWED.values(), *system_calls.READ_ONLY.values(), *system_calls.ONLY_ZERO.values()]
    calls += [*system_calls.ONLY_ONESELF.values(), *(row[1] for row in system_calls.ALLOWED_ARGUMENTS)]
    return {number for call in calls if (number := call[column]) is not None}


def test_what_is_not_listed_is_refused(machine: str) -> None:
    absent = {numbers[column(machine)] for numbers in system_calls.ABSENT.values()}
    for number in set(range(system_calls.UNKNOWN_FROM)) - listed(machine):
        assert answer(machine, number) == (ENOSYS if number in absent else EPERM), number


def test_what_computing_needs_is_allowed(machine: str) -> None:
    for name, numbers in ALLOWED.items():
        if (number := numbers[column(machine)]) is not None:
            assert answer(machine, number, 3, 4, 5) == ALLOW, name


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


def test_commands_of_fcntl_ioctl_and_prctl_are_listed_too(machine: str) -> None:
    leases_locks_and_hints = (1024, 5, 6, 7, 36, 37, 38, 8, 10, 15, 1031, 1033, 1036, 1038, 1026)
    flags_of_files_and_typing = (0x40086602, 0x401C5820, 0x5412, 0x541C, 0x8901, 0x8902, 0x40049409)
    death_and_dumps = (1, 4, 22, 38)
    refused = {"fcntl": leases_locks_and_hints, "ioctl": flags_of_files_and_typing, "prctl": death_and_dumps}
    for name, numbers, argument, values in system_calls.ALLOWED_ARGUMENTS:
        for value in values:
            assert answer(machine, numbers[column(machine)], *[0] * argument, value) == ALLOW, (name, value)
        for value in refused[name]:
            assert answer(machine, numbers[column(machine)], *[0] * argument, value) == EPERM, (name, value)


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


def test_numbers_agree_with_the_kernel_headers(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip("no kernel headers of this processor here")
    text = HEADERS[machine].read_text()
    known = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)", text)}
    known |= {new: known[old] for new, old in (("newfstatat", "fstatat"),) if old in known}
    ours = {name: numbers[column(machine)] for name, numbers in (ALLOWED | system_calls.ABSENT).items()}
    ours |= {name: numbers[column(machine)] for name, numbers, _, _ in system_calls.ALLOWED_ARGUMENTS}
    wrong = {name: number for name, number in ours.items() if number is not None and known[name] != number}
    assert wrong == {}
    assert {name for name in DANGEROUS.split() if known.get(name) in listed(machine)} == set()
    assert len(known.keys() & set(DANGEROUS.split())) > 80
