"""The seccomp filter: which system calls a candidate may not make, as classic BPF. Data and one assembler.

A candidate computes: it needs memory, clocks and read-only files. It never needs another process or thread,
a socket, a signal to somebody else, or to change anything that has a path. Numbers: kernel tables
arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h. Calls newer than the table get
ENOSYS, which libraries take for an old kernel.
"""

import errno
import platform
import struct

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the table below, and AUDIT_ARCH."""

PROCESSES = {
    "clone": (56, 220), "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "setsid": (112, 157), "setpgid": (109, 154),
}  # fmt: skip
NETWORK = {
    "socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "sendto": (44, 206), "sendmsg": (46, 211),
    "bind": (49, 200), "listen": (50, 201), "socketpair": (53, 199), "accept4": (288, 242),
    "sendmmsg": (307, 269),
}  # fmt: skip
SIGNALS = {
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438),
    "process_mrelease": (448, 448),
}  # fmt: skip
OTHER_PROCESSES = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "kcmp": (312, 272), "migrate_pages": (256, 238), "move_pages": (279, 239),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setaffinity": (203, 122),
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "sched_setattr": (314, 274),
}  # fmt: skip
HIDDEN_MEMORY = {
    "shmget": (29, 194), "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "io_setup": (206, 0),
}  # fmt: skip
CHANGES_TO_FILES = {
    "creat": (85, None), "truncate": (76, 45), "rename": (82, None), "renameat": (264, 38),
    "renameat2": (316, 276), "mkdir": (83, None), "mkdirat": (258, 34), "rmdir": (84, None),
    "mknod": (133, None), "mknodat": (259, 33), "link": (86, None), "linkat": (265, 37), "unlink": (87, None),
    "unlinkat": (263, 35), "symlink": (88, None), "symlinkat": (266, 36), "chmod": (90, None),
    "fchmod": (91, 52), "fchmodat": (268, 53), "chown": (92, None), "fchown": (93, 55), "lchown": (94, None),
    "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "sync": (162, 81),
    "syncfs": (306, 267), "inotify_init": (253, None), "inotify_init1": (294, 26),
}  # fmt: skip
KERNEL = {
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "mount_setattr": (442, 442), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "fanotify_init": (300, 262),
    "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443), "syslog": (103, 116),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "personality": (135, 92), "lookup_dcookie": (212, 18), "vhangup": (153, 58),
    "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None),
    "modify_ldt": (154, None),
}  # fmt: skip
REFUSED = PROCESSES | NETWORK | SIGNALS | OTHER_PROCESSES | HIDDEN_MEMORY | CHANGES_TO_FILES | KERNEL
UNKNOWN_FROM = 451
"""The first number after the table; newer calls are refused unseen."""
ABSENT = {"clone3": (435, 435), "openat2": (437, 437)}
"""Answered with ENOSYS: their arguments lie in memory where a filter cannot look, and libraries fall back."""

ONLY_ONESELF = {"tgkill": (234, 131)}
"""The first argument must be the caller's own process, so that abort() keeps working."""
ONLY_ZERO = {"prlimit64": (302, 261)}
READ_ONLY = {"open": (2, None, 1), "openat": (257, 56, 2)}
"""Number, number, and which argument holds the flags."""
WRITING = 0o1 | 0o2 | 0o100 | 0o1000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC."""
REFUSED_ARGUMENTS = (
    ("prctl", (157, 167), 0, (1, 4)),
    ("fcntl", (72, 25), 1, (8, 10, 15)),
    ("ioctl", (16, 29), 1, (0x5412, 0x541C, 0x8901, 0x8902)),
)
"""Name, numbers, which argument, and the values refused there:

- PR_SET_PDEATHSIG and PR_SET_DUMPABLE: with whom it dies and who sees its memory is not its choice;
- F_SETOWN, F_SETSIG, F_SETOWN_EX, FIOSETOWN, SIOCSPGRP: signals to others by way of a file;
- TIOCSTI, TIOCLINUX: typing into a terminal.
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


def _refuse(number: int, error: int) -> bytes:
    return _op(EQUAL, number, 0, 1) + _op(ANSWER, fail_with(error))


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


def _without_values(number: int, argument: int, values: tuple[int, ...]) -> bytes:
    checks = b"".join(_refuse(value, errno.EPERM) for value in values) + _op(ANSWER, ALLOW)
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
        code += _refuse(numbers[column], errno.ENOSYS)
    for call in REFUSED.values():
        if (number := call[column]) is not None:
            code += _refuse(number, errno.EPERM)
    for *columns, argument in READ_ONLY.values():
        if (number := columns[column]) is not None:
            code += _without_bits(number, argument or 0, WRITING)
    for _, numbers, argument, values in REFUSED_ARGUMENTS:
        code += _without_values(numbers[column], argument, values)
    for numbers in ONLY_ZERO.values():
        code += _only_argument(numbers[column], 0, 0)
    for numbers in ONLY_ONESELF.values():
        code += _only_argument(numbers[column], 0, *struct.unpack("<I", _OWN_PROCESS))
    return code + _op(ANSWER, ALLOW)
