"""Finding out what the machine offers, and stopping where that is too little."""

import ast
import dataclasses
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recevolve.evaluators.sandbox import Sandbox, SandboxUnavailable, command, launch, probe, tiers

RUNNERS = "recevolve.evaluators.sandbox.runners"


@pytest.mark.sandbox
def test_the_report_names_every_tier_and_a_remedy_for_each_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launch, "bubblewrap_binaries", list)
    report = probe()
    assert [layer.tier for layer in report.layers] == [1, 2, 3, 4]
    assert report.tier == min(layer.tier for layer in report.layers if layer.holds) >= 2
    assert "bubblewrap is not installed" in str(report)
    assert "pip install 'recevolve[bubblewrap]'" in str(report)
    assert all(bool(layer.remedy) != layer.holds for layer in report.layers)
    told = [line for line in str(report).splitlines() if line.startswith("  not closed: ")]
    assert ["stat tells names" in line for line in told] == [True] * (report.tier == 2)
    assert "not closed" not in str(dataclasses.replace(report, tier=1))
    json.dumps(dataclasses.asdict(report))


def test_what_bubblewrap_says_reaches_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(launch, "bubblewrap_binaries", lambda: [str(broken)])
    with pytest.raises(SandboxUnavailable, match="No permissions to create new namespace") as error:
        Sandbox([RUNNERS], tier=1)
    assert "remedy" in str(error.value)


def test_no_tier_that_is_good_enough_runs_nothing_and_names_every_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launch, "bubblewrap_binaries", list)
    with pytest.raises(SandboxUnavailable, match="bubblewrap is not installed"):
        Sandbox([RUNNERS], min_tier=1)
    with Sandbox([RUNNERS]) as sandbox:
        assert sandbox.tier == 2


DEGRADED = """
import struct, sys
from recevolve.evaluators.sandbox import Sandbox, SandboxUnavailable, confinement, probe

def refuse(numbers):
    code = struct.pack("<HBBI", 0x20, 0, 0, 0)
    for number, error in numbers.items():
        code += struct.pack("<HBBI", 0x15, 0, 1, number) + struct.pack("<HBBI", 6, 0, 0, 0x50000 | error)
    confinement.no_new_privileges()
    confinement.filter_system_calls(code + struct.pack("<HBBI", 6, 0, 0, 0x7FFF0000))

refuse(dict([tuple(map(int, pair.split("="))) for pair in sys.argv[1:]]))
try:
    with Sandbox(["recevolve.evaluators.sandbox.runners"]) as sandbox:
        print(sandbox.tier, sandbox.run("recevolve.evaluators.sandbox.runners:call", "x = 1").status)
except SandboxUnavailable as error:
    print("unavailable:", error)
"""


def under(refused: dict[str, int]) -> str:
    """What a program prints that starts a sandbox on a machine whose kernel refuses these calls."""
    landlock, mount = 444, {"x86_64": 165, "aarch64": 40}[os.uname().machine]
    numbers = {"landlock": landlock, "mount": mount}
    pairs = [f"{numbers[name]}={error}" for name, error in refused.items()]
    done = subprocess.run(
        [sys.executable, "-c", DEGRADED, *pairs], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_mount_as_in_a_container_tier_2_is_chosen_and_holds() -> None:
    assert under({"mount": errno.EPERM}) == "2 finished\n"


def test_with_landlock_gone_too_nothing_runs() -> None:
    said = under({"mount": errno.EPERM, "landlock": errno.ENOSYS})
    assert said.startswith("unavailable: this machine offers no sandbox of tier 1 or 2")
    assert "bwrap" in said
    assert "Landlock is not in this kernel" in said
    assert "tier 1" in said


@pytest.mark.sandbox
def test_the_machine_this_runs_on_is_described() -> None:
    zygote = tiers.strongest([], [4])
    assert "seccomp off" in tiers.found(zygote)
    zygote.stop()


def test_only_the_installation_is_visible_and_data_in_it_is_hidden() -> None:
    installation = command.Installation.of([RUNNERS])
    home = Path.home()
    assert not any(home.is_relative_to(root) for root in installation.roots)
    assert all(Path(entry).exists() for entry in installation.path)
    readable, listable = installation.rights()
    for hidden in installation.hidden:
        assert hidden.suffix not in command.CODE
        assert not any(hidden.is_relative_to(path) for path in readable)
    assert not set(readable) & set(listable)
    line = command.bubblewrap("bwrap", installation, real_user=False)
    assert "--unshare-net" in line
    assert "--clearenv" in line
    assert "--bind" not in line


def test_the_environment_holds_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sk-planted")
    assert "sk-planted" not in str(command.environment())
    with Sandbox([RUNNERS]) as sandbox:
        seen = sandbox.run(f"{RUNNERS}:call", "import os\nprint(sorted(os.environ))").output
        names = set(ast.literal_eval(seen)) - {"LC_CTYPE", "PWD"}  # Python and bubblewrap add these two
        assert names == set(command.environment())
