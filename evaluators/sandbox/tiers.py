"""Tiers: how strong a sandbox this machine offers, found out by trying, and what to do for a stronger one."""

from collections.abc import Sequence
from dataclasses import dataclass

from .launch import Refused, RunningZygote, start
from .outcome import SandboxUnavailable

TIERS = {
    1: "namespaces, Landlock, seccomp, rlimits",
    2: "Landlock, seccomp, rlimits; no namespaces",
    3: "seccomp, rlimits; the files of this user can be read",
    4: "rlimits only; this is not a sandbox",
}
REMEDIES = {
    1: "install bubblewrap 0.7 or newer (apt install bubblewrap, or pip install 'recevolve[bubblewrap]'); "
    "in a container allow user namespaces (docker run --security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined); on Ubuntu 24.04 "
    "sysctl kernel.apparmor_restrict_unprivileged_userns=0 allows them",
    2: "needs Linux 5.13 or newer with Landlock among the security modules "
    "(cat /sys/kernel/security/lsm; add landlock to lsm= on the kernel's command line)",
    3: "needs seccomp filters in the kernel, and an x86_64 or aarch64 processor",
    4: "needs Linux, with pidfd and memfd (5.4 or newer)",
}
OPEN = {2: "stat tells names, sizes and times of files that are not named; their contents stay closed"}
"""What a tier leaves to a candidate and cannot close."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One tier tried on this machine: whether it holds, what was found, and the remedy where it does not."""

    tier: int
    holds: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What `recevolve doctor` says of the sandbox. `tier` is the strongest that holds, 0 where none does."""

    tier: int
    layers: tuple[Layer, ...]

    def __str__(self) -> str:
        found = f"sandbox tier {self.tier} ({TIERS[self.tier]})" if self.tier else "no sandbox"
        open_still = [f"  not closed: {OPEN[self.tier]}"] if self.tier in OPEN else []
        return "\n".join([found, *(_line(layer) for layer in self.layers), *open_still])


def _line(layer: Layer) -> str:
    head = f"  tier {layer.tier}, {TIERS[layer.tier]}: {'holds' if layer.holds else 'fails'} ({layer.detail})"
    return f"{head}\n    remedy: {layer.remedy}" if layer.remedy else head


def found(zygote: RunningZygote) -> str:
    """In words, what a zygote that answers has around it."""
    user = zygote.alive["uid"]
    account = (
        "root without capabilities, the installation is private to root" if user == 0 else f"user id {user}"
    )
    landlock = f"Landlock ABI {zygote.alive['landlock']}" if zygote.alive["landlock"] else "no Landlock"
    return f"{landlock}, seccomp {'on' if zygote.alive['seccomp'] else 'off'}, {account}"


def probe() -> Report:
    """A Report of all four tiers, each tried for real with an empty zygote. Never raises."""
    layers = []
    for tier in TIERS:
        try:
            zygote = start(tier, ())
        except (Refused, SandboxUnavailable) as error:
            layers.append(Layer(tier, False, str(error), REMEDIES[tier]))
            continue
        layers.append(Layer(tier, True, found(zygote)))
        zygote.stop()
    return Report(min((layer.tier for layer in layers if layer.holds), default=0), tuple(layers))


def strongest(preload: Sequence[str], tiers: Sequence[int]) -> RunningZygote:
    """A zygote in the first of these tiers that this machine offers.

    SandboxUnavailable where it offers none; the message has each tier's reason and remedy.
    """
    failures = []
    for tier in tiers:
        try:
            return start(tier, preload)
        except Refused as refused:
            failures.append(_line(Layer(tier, False, str(refused), REMEDIES[tier])))
    raise SandboxUnavailable(
        f"this machine offers no sandbox of tier {' or '.join(map(str, tiers))}, so no candidate was run:\n"
        + "\n".join(failures)
        + "\nTo run candidates without that protection all the same, ask for it: unsafe."
    )
