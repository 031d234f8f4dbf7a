"""What a process gives up before it runs a candidate: capabilities, rlimits, Landlock, seccomp. ctypes only.

Each step raises OSError where the kernel refuses. None can be taken back by the process that took it.
"""

import ctypes
import errno
import os
import resource
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .system_calls import for_process

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = (
    1, 4, 22, 24, 38, 47,
)  # fmt: skip
SECCOMP_MODE_FILTER = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITIES_VERSION_3 = 0x20080522

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
READ_FILE, READ_DIRECTORY = 1 << 2, 1 << 3
FILE_RIGHTS_BY_ABI = {
    1: (1 << 13) - 1,
    2: (1 << 14) - 1,
    3: (1 << 15) - 1,
    4: (1 << 15) - 1,
    5: (1 << 16) - 1,
}
TCP_BIND_AND_CONNECT = 3
ABSTRACT_SOCKETS_AND_SIGNALS = 3

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _checked(answer: int, what: str) -> int:
    if answer < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return answer


def prctl(option: int, *arguments: int) -> None:
    """Calls prctl(2); OSError where the kernel refuses."""
    padded = [ctypes.c_ulong(value) for value in (option, *arguments, 0, 0, 0, 0)[:5]]
    _checked(_libc.prctl(*padded), f"prctl({option})")


def die_with_parent() -> None:
    """The kernel kills this process with the thread that started it."""
    prctl(PR_SET_PDEATHSIG, 9)


def hide_memory() -> None:
    """No process of the same user can read or trace this one any more; children inherit it."""
    prctl(PR_SET_DUMPABLE, 0)


def prefer_as_victim() -> None:
    """Where memory runs out, the kernel takes this process before others. Needs a readable /proc."""
    prctl(PR_SET_DUMPABLE, 1)
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return  # a wish, not a limit
    finally:
        prctl(PR_SET_DUMPABLE, 0)


def no_new_privileges() -> None:
    """No program that this process ever starts gains rights by being started."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """Every capability is gone, for good; the user id stays what it is."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError as error:
            # past the last one; or no right to shrink the bound
            if error.errno in (errno.EINVAL, errno.EPERM):
                break
            raise
    header = ctypes.create_string_buffer(struct.pack("Ii", CAPABILITIES_VERSION_3, 0))
    _checked(_libc.capset(header, ctypes.create_string_buffer(24)), "capset")


def become(user: int, group: int) -> None:
    """Leaves the root account for an ordinary one, without its groups and without any capability."""
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    drop_capabilities()


def readable_as(user: int, group: int, paths: Iterable[str]) -> bool:
    """Whether that user could open all the paths, tried for real. Needs root, and is root again after."""
    own_group = os.getegid()
    os.setgroups([])
    os.setegid(group)
    os.seteuid(user)
    try:
        for path in paths:
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except PermissionError:
        return False
    finally:
        os.seteuid(0)
        os.setegid(own_group)
    return True


def set_limits(*, address_space: int | None, cpu_seconds: int, file_bytes: int) -> None:
    """Bounds on this process that no system call can raise again."""
    bounds = [
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ]
    if address_space is not None:
        bounds.append((resource.RLIMIT_AS, address_space))
    for which, bound in bounds:
        resource.setrlimit(which, (bound, bound))


def filter_system_calls(filter_: bytes) -> None:
    """From here on the filter answers. Needs `no_new_privileges` first."""
    program = for_process(filter_, os.getpid())
    instructions = ctypes.create_string_buffer(program, len(program))
    description = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(instructions))
    buffer = ctypes.create_string_buffer(description, len(description))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(buffer))


def landlock_abi() -> int:
    """The Landlock version of this kernel, 0 where there is none."""
    return max(int(_libc.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)), 0)


@dataclass(frozen=True, slots=True)
class Ruleset:
    """What may still be read, as a kernel object made once. Everything that is not named is refused."""

    descriptor: int

    @classmethod
    def create(cls, readable: Iterable[str], listable: Iterable[str] = ()) -> "Ruleset":
        """A ruleset under which files in `readable` and names in `listable` can be read, and nothing else.

        No writing, no TCP, and by the kernel's version no abstract sockets and no signals to the outside.
        """
        abi = landlock_abi()
        if not abi:
            raise OSError(errno.ENOSYS, "Landlock is not in this kernel, or switched off")
        files = FILE_RIGHTS_BY_ABI[min(abi, 5)]
        attributes = struct.pack("QQQ", files, TCP_BIND_AND_CONNECT, ABSTRACT_SOCKETS_AND_SIGNALS)
        known = 24 if abi >= 6 else 16 if abi >= 4 else 8
        buffer = ctypes.create_string_buffer(attributes, len(attributes))
        descriptor = _checked(
            _libc.syscall(LANDLOCK_CREATE, buffer, ctypes.c_size_t(known), 0), "landlock_create_ruleset"
        )
        ruleset = cls(descriptor)
        for path in readable:
            ruleset._allow(path, READ_FILE | READ_DIRECTORY)
        for path in listable:
            ruleset._allow(path, READ_DIRECTORY)
        return ruleset

    def _allow(self, path: str, rights: int) -> None:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            if not stat.S_ISDIR(os.fstat(place).st_mode):
                rights &= READ_FILE
            rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, place), 12)
            _checked(_libc.syscall(LANDLOCK_ADD, self.descriptor, 1, rule, 0), f"landlock_add_rule {path}")
        finally:
            os.close(place)

    def restrict(self) -> None:
        """From here on the ruleset holds. Needs `no_new_privileges` first. Gives up the descriptor."""
        _checked(_libc.syscall(LANDLOCK_RESTRICT, self.descriptor, 0), "landlock_restrict_self")
        os.close(self.descriptor)
