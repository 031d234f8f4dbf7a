"""Starts a zygote and holds on to it."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from .command import Installation, bubblewrap, bubblewrap_binaries, environment
from .outcome import SandboxUnavailable
from .result import printable

BOOT = (
    f"import json, sys; sys.path[:] = json.loads(sys.argv[2]); from {__package__}.zygote import main; main()"
)
SECONDS_TO_ANSWER = 60.0
SECONDS_TO_IMPORT = 600.0


class Refused(RuntimeError):
    """This machine does not offer the tier. The message says why."""


class ZygoteDied(RuntimeError):
    """The zygote ended while somebody needed it."""


class RunningZygote:
    """A zygote that is ready for requests. Refused or SandboxUnavailable where it does not come up."""

    def __init__(
        self, command: Sequence[str], tier: int, preload: Sequence[str], installation: Installation
    ) -> None:
        self.tier = tier
        self._complaints = os.memfd_create("complaints", os.MFD_CLOEXEC)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        python = [sys.executable, "-P", "-s", "-S", "-B", "-c", BOOT]
        boot = [*python, str(theirs.fileno()), json.dumps(installation.path)]
        with theirs:
            self.process = subprocess.Popen(
                [*command, *boot],
                env=environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=self._complaints,
                stderr=self._complaints,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is ours to handle
            )
        try:
            readable, listable = installation.rights()
            settings = {"tier": tier, "preload": list(preload), "readable": readable, "listable": listable}
            self.alive = self._greet(settings)
            try:
                self.ready = self._expect("ready", SECONDS_TO_IMPORT)
            except Refused as why:
                raise SandboxUnavailable(f"the sandbox could not import what candidates need: {why}") from why
        except BaseException:
            self.stop()
            raise

    def _greet(self, settings: dict[str, Any]) -> dict[str, Any]:
        try:
            self._control.send(json.dumps(settings).encode())
        except OSError as error:
            raise Refused(self.complaints() or str(error)) from error
        return self._expect("alive", SECONDS_TO_ANSWER)

    def _expect(self, word: str, seconds: float) -> dict[str, Any]:
        """What the zygote says under this word; Refused where it says something else or nothing."""
        answer = self._answer(seconds)
        if word not in answer:
            raise Refused(answer.get("refused") or self.complaints() or "it ended without a word")
        return answer[word]  # type: ignore[no-any-return]

    def _answer(self, seconds: float) -> dict[str, Any]:
        self._control.settimeout(seconds)
        try:
            message = self._control.recv(1 << 16)
        except TimeoutError:
            return {"refused": f"no answer in {seconds:.0f} s"}
        except ConnectionError:
            return {}
        return json.loads(message) if message else {}

    def send(self, envelope: dict[str, int], descriptors: Sequence[int]) -> None:
        """Passes a request on; ZygoteDied where nobody listens."""
        self._control.settimeout(SECONDS_TO_ANSWER)
        try:
            socket.send_fds(self._control, [json.dumps(envelope).encode()], descriptors)
        except OSError as error:
            raise ZygoteDied(self.complaints() or str(error)) from error

    def complaints(self) -> str:
        """The tail of what the zygote, or bubblewrap around it, wrote."""
        if self._complaints < 0:
            return "the sandbox was closed"
        size = os.fstat(self._complaints).st_size
        tail = os.pread(self._complaints, 2000, max(0, size - 2000))
        return printable(tail.decode(errors="replace").strip())

    def stop(self) -> None:
        """Ends it; the kernel takes its children along."""
        self._control.close()
        self.process.kill()
        self.process.wait()
        os.close(self._complaints)
        self._complaints = -1


def start(tier: int, preload: Sequence[str]) -> RunningZygote:
    """A zygote in a sandbox of that tier. Refused, with every reason, where there is none to be had."""
    if sys.platform != "linux":
        raise Refused(f"this is {sys.platform}")
    installation = Installation.of(preload)
    if tier > 1:
        return RunningZygote([], tier, preload, installation)
    binaries = bubblewrap_binaries()
    if not binaries:
        raise Refused("bubblewrap is not installed")
    reasons = []
    for binary in binaries:
        for real_user in (True, False) if os.getuid() == 0 else (False,):
            try:
                command = bubblewrap(binary, installation, real_user=real_user)
                return RunningZygote(command, tier, preload, installation)
            except Refused as refused:
                reasons.append(f"{binary}: {refused}")
    raise Refused("; ".join(dict.fromkeys(reasons)))
