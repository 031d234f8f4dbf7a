"""The zygote: imports and warms libraries once, then forks one confined child per request.

Runs inside the namespaces (tier 1) or as a plain process (tiers 2 to 4) as `python -c BOOT DESCRIPTOR PATH`
(launch.py). Its memory is in every candidate's reach, so it holds no secret. It talks over one SOCK_SEQPACKET
socket, JSON with descriptors beside it; S is the supervisor and Z the zygote:

    S -> Z   {"tier", "preload", "readable", "listable"}, once
    Z -> S   {"alive": {...}}, then {"ready": {...}}; or {"refused": reason}
    S -> Z   {"memory", "cpu", "inputs"} + [reply, request, result, output, inputs..., a session's three]
    Z -> S   on the reply socket: {"started": 1} + [pidfd]; {"status", "cpu", "peak"} when it has ended
"""

import contextlib
import ctypes
import gc
import importlib
import json
import mmap
import os
import resource
import select
import socket
import sys
from pathlib import Path
from typing import Any

from . import confinement, inside, system_calls, warm

MADV_COLLAPSE = 25
HUGE = 1 << 21
STDOUT_BYTES = 1 << 20
MAX_MESSAGE = 1 << 16
NOBODY = 65534


class Refusal(Exception):
    """The machine cannot give what the settings ask for. The message is for the user."""


class Layers:
    """The layers of the tier, prepared once, so that a child takes them on in half a millisecond."""

    def __init__(self, tier: int, readable: list[str], listable: list[str]) -> None:
        self.tier = tier
        self.landlock = confinement.landlock_abi() if tier <= 2 else 0
        self.filter = b""
        self.ruleset: confinement.Ruleset | None = None
        if tier == 2 and not self.landlock:
            raise Refusal(
                "Landlock is not in this kernel, or switched off (kernel 5.13 or newer, lsm=...,landlock)"
            )
        try:
            if tier <= 3:
                self.filter = system_calls.build()
            if self.landlock:
                self.ruleset = confinement.Ruleset.create(readable, listable)
        except OSError as error:
            raise Refusal(str(error)) from error
        confinement.no_new_privileges()
        self.zygote = os.getpid()
        self.base = 0

    def take_on(self, *, memory: int | None, cpu: int) -> None:
        """The calling process is a child now and stays one."""
        confinement.die_with_parent()
        if os.getppid() != self.zygote:
            os._exit(0)
        confinement.prefer_as_victim()
        confinement.set_limits(
            address_space=None if memory is None else self.base + memory,
            cpu_seconds=cpu,
            file_bytes=STDOUT_BYTES,
        )
        if self.ruleset:
            self.ruleset.restrict()
        if self.filter:
            confinement.filter_system_calls(self.filter)

    def rehearse(self) -> None:
        """Raises Refusal unless a child within the layers is in fact refused a file and a socket."""
        child = os.fork()
        if child == 0:
            try:
                self.take_on(memory=None, cpu=10)
                os._exit(self._holes())
            except OSError as error:
                os.write(2, f"sandbox: {error}\n".encode())
            finally:
                os._exit(99)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            holes = [
                name for bit, name in ((1, "files can be read"), (2, "sockets can be made")) if code & bit
            ]
            raise Refusal(
                "; ".join(holes) if 0 < code < 4 else "the layers of this tier could not be taken on"
            )

    def _holes(self) -> int:
        holes = 0
        if self.ruleset:
            with contextlib.suppress(PermissionError):
                os.close(os.open("/proc/self/status", os.O_RDONLY))
                holes |= 1
        if self.filter:
            with contextlib.suppress(PermissionError):
                socket.socket().close()
                holes |= 2
        return holes


def use_huge_pages() -> int:
    """How many 2 MB pages hold our memory now: a fork then copies far fewer page-table entries.

    MADV_COLLAPSE needs Linux 6.1; on an older kernel the starter asks glibc for huge pages instead.
    """
    collapsed = 0
    madvise = ctypes.CDLL(None).madvise
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split()
        if fields[1].startswith("rw") and (len(fields) == 5 or fields[5] == "[heap]"):
            begin, end = (int(edge, 16) for edge in fields[0].split("-"))
            begin = -(-begin // HUGE) * HUGE
            while begin + HUGE <= end:
                collapsed += madvise(ctypes.c_void_p(begin), ctypes.c_size_t(HUGE), MADV_COLLAPSE) == 0
                begin += HUGE
    return collapsed


def resident_of_a_child() -> int:
    """The kilobytes in memory of a child that has done nothing yet."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    return os.wait4(child, 0)[2].ru_maxrss


def threads() -> int:
    """How many threads this process has."""
    return len(list(Path("/proc/self/task").iterdir()))


def leave_root(settings: dict[str, Any]) -> None:
    """If root started it: becomes an ordinary user, or drops all rights where only root reads libraries."""
    if os.getuid() == 0:
        if confinement.readable_as(NOBODY, NOBODY, settings["readable"]):
            confinement.become(NOBODY, NOBODY)
        else:
            confinement.drop_capabilities()


class Zygote:
    """Answers requests until its socket closes."""

    def __init__(self, control: socket.socket, layers: Layers) -> None:
        self.control = control
        self.layers = layers
        self.children: dict[int, tuple[int, socket.socket]] = {}
        self.poll = select.poll()
        self.poll.register(control, select.POLLIN)

    def serve(self) -> None:
        """Returns when the supervisor has gone."""
        while True:
            for descriptor, _ in self.poll.poll():
                if descriptor != self.control.fileno():
                    self.bury(descriptor)
                elif not self.accept():
                    return

    def accept(self) -> bool:
        """Forks a child for the next request. False when there will be none any more."""
        message, descriptors, _, _ = socket.recv_fds(self.control, MAX_MESSAGE, 250)
        if not message:
            return False
        envelope = json.loads(message)
        child = os.fork()
        if child == 0:
            self.become_child(envelope, descriptors)
        reply = socket.socket(fileno=descriptors[0])
        for descriptor in descriptors[1:]:
            os.close(descriptor)
        pidfd = os.pidfd_open(child)
        self.children[pidfd] = (child, reply)
        self.poll.register(pidfd, select.POLLIN)
        try:
            socket.send_fds(reply, [b'{"started": 1}'], [pidfd])
        except OSError:  # whoever asked has gone already; the child is buried as any other
            os.kill(child, 9)
        return True

    def bury(self, pidfd: int) -> None:
        """Reaps a child that has ended and says what it used."""
        child, reply = self.children.pop(pidfd)
        self.poll.unregister(pidfd)
        os.close(pidfd)
        _, status, usage = os.wait4(child, 0)
        used = {"status": status, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss}
        with reply:
            try:
                reply.send(json.dumps(used).encode())
            except OSError:  # whoever asked has gone
                return

    def become_child(self, envelope: dict[str, Any], descriptors: list[int]) -> None:
        """Never returns."""
        try:
            _, request, result, output, *rest = descriptors
            null = os.open(os.devnull, os.O_RDWR)  # its own, as every file: flags are shared otherwise
            for source, target in ((null, 0), (output, 1), (output, 2)):
                os.dup2(source, target)
            inputs = tuple(rest[: envelope["inputs"]])
            shared, wake, answer = rest[envelope["inputs"] :] or (-1, -1, -1)
            files = inside.Descriptors(request, result, inputs, shared, wake, answer)
            keep = {request, result, *rest}
            if self.layers.ruleset:
                keep.add(self.layers.ruleset.descriptor)
            close_all_but(keep)
            self.layers.take_on(memory=envelope["memory"], cpu=envelope["cpu"])
            inside.serve(files)
        except OSError as error:
            os.write(2, f"sandbox: {error}\n".encode())
        finally:
            flush()
            os._exit(0)


def flush() -> None:
    """What was printed reaches the output file; a candidate that broke its stdout loses it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue


def close_all_but(keep: set[int]) -> None:
    """Only standard streams and `keep` stay open."""
    low = 3
    for descriptor in sorted(keep):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def prepare(settings: dict[str, Any]) -> None:
    """Imports and warms everything, then puts it where forks are cheap."""
    modules = [importlib.import_module(name) for name in settings["preload"]]
    warm.everything()
    for module in modules:
        if hasattr(module, "warm"):
            module.warm()


def main() -> None:
    """Serves the supervisor at the other end of the socket whose number is the only argument."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(control.recv(MAX_MESSAGE))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))
    try:
        leave_root(settings)
        confinement.die_with_parent()  # after the change of user, which clears it
        layers = Layers(settings["tier"], settings["readable"], settings["listable"])
        confinement.hide_memory()
        layers.rehearse()
    except Refusal as refusal:
        control.send(json.dumps({"refused": str(refusal)}).encode())
        return
    alive = {"landlock": layers.landlock, "seccomp": bool(layers.filter), "uid": os.getuid()}
    control.send(json.dumps({"alive": alive}).encode())
    prepare(settings)
    gc.collect()
    gc.freeze()
    huge = use_huge_pages()
    layers.base = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    if (count := threads()) != 1:
        control.send(
            json.dumps({"refused": f"{count} threads after importing, a fork would hang; use one"}).encode()
        )
        return
    control.send(json.dumps({"ready": {"huge": huge, "resident": resident_of_a_child()}}).encode())
    Zygote(control, layers).serve()
    os._exit(0)
