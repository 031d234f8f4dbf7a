"""What comes with the dependencies: no code that runs unasked, no bad release, no pin or hash forgotten."""

import asyncio
import importlib.metadata
import os
import re
import site
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from recevolve.engine.config.config import parse
from recevolve.engine.loop.executor import LocalExecutor

from .toy import task as toy

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HARMLESS: Mapping[str, re.Pattern[str]] = {
    "_recevolve.pth": re.compile(re.escape(str(ROOT / "src")) + r"\n?"),
    "distutils-precedence.pth": re.compile(
        r"import os; var = 'SETUPTOOLS_USE_DISTUTILS'; "
        r"enabled = os\.environ\.get\(var, '(?:local|stdlib)'\) == 'local'; "
        r"enabled and __import__\('_distutils_hack'\)\.add_shim\(\); ?\n?"
    ),
    "_virtualenv.pth": re.compile(r"import _virtualenv\n?"),
}
"""Path files that an environment may hold, each with all that may stand in it."""
COMPROMISED = ("1.82.7", "1.82.8", "1.107.0", "1.107.1")
MODEL_CLIENTS = ("litellm", "openai", "aiohttp", "tokenizers", "jinja2")


def run_unasked(folder: Path) -> list[str]:
    """The files of a site folder that Python runs at every start, but for those known to be harmless."""
    found = [*folder.glob("*.pth"), *folder.glob("sitecustomize*"), *folder.glob("usercustomize*")]
    return sorted(
        path.name
        for path in found
        if path.name not in HARMLESS or not HARMLESS[path.name].fullmatch(path.read_text("utf-8", "replace"))
    )


def site_folders() -> list[Path]:
    """Where this Python keeps what was installed."""
    names = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()}
    return sorted(Path(name) for name in names | {site.getusersitepackages()} if Path(name).is_dir())


def test_nothing_that_was_installed_runs_at_every_start() -> None:
    found = {str(folder): run_unasked(folder) for folder in site_folders()}
    assert found
    assert not any(found.values()), (
        f"{found}: look at these files before anything else; a compromised package hides there. "
        "Add one to HARMLESS only with all of its text."
    )


def test_no_distribution_records_such_a_file() -> None:
    startup = re.compile(r"^(?:[^,\n]*/)?([^,/\n]*\.pth|(?:site|user)customize\.[^,/\n]*),", re.MULTILINE)
    for distribution in importlib.metadata.distributions():
        for name in startup.findall(distribution.read_text("RECORD") or ""):
            assert name in HARMLESS, f"{distribution.name} brings {name}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("litellm_init.pth", "import os, subprocess\n"),
        ("cook.pth", "/tmp/elsewhere\n"),
        ("sitecustomize.py", ""),
        ("usercustomize.py", ""),
        ("_recevolve.pth", f"{ROOT / 'src'}\nimport os\n"),
        ("distutils-precedence.pth", "import os; os.system('true')\n"),
        ("_virtualenv.pth", "import _virtualenv; import os\n"),
    ],
)
def test_the_guard_sees_what_attackers_have_planted(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert run_unasked(tmp_path) == [name]


def test_a_package_in_the_place_of_sitecustomize_is_seen(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize").mkdir()
    assert run_unasked(tmp_path) == ["sitecustomize"]


def pins() -> dict[str, str]:
    """The versions in constraints.txt by canonical name."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.partition("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, _, version in pairs}


HASH = re.compile(r" --hash=sha256:[0-9a-f]{64}(?= |$)")


def entries(file: Path) -> list[str]:
    """The requirements of a lock file, each with its options in one line."""
    joined = file.read_text().replace("\\\n", " ").splitlines()
    return [re.sub(r" +", " ", line).strip() for line in joined if line and not line.startswith("#")]


def locked(name: str) -> dict[str, Requirement]:
    """The requirements of a file in requirements/ by canonical name."""
    found = [Requirement(HASH.sub("", line)) for line in entries(ROOT / "requirements" / f"{name}.txt")]
    return {canonicalize_name(each.name): each for each in found}


@pytest.mark.parametrize("file", [*ROOT.glob("requirements/*.txt"), *ROOT.glob("tests/*/requirements.txt")])
def test_a_lock_file_has_one_version_and_hashes_of_each_package(file: Path) -> None:
    names = []
    for line in entries(file):
        assert HASH.search(line), line
        wanted = Requirement(HASH.sub("", line))  # which takes no other option
        assert [each.operator for each in wanted.specifier] == ["=="], line
        assert "*" not in str(wanted.specifier)
        names.append(canonicalize_name(wanted.name))
    assert names
    assert len(set(names)) == len(names)


def test_the_lock_has_all_that_is_asked_for_within_its_range() -> None:
    """Where this fails, `make lock` writes the lock anew."""
    extras = PROJECT["optional-dependencies"]
    needed = [*PROJECT["dependencies"], *extras["dev"]]
    for lines, lock in (
        (needed, locked("dev") | locked("torch-cpu")),
        (needed, locked("dev") | locked("torch-cuda")),
        (extras["bubblewrap"], locked("bubblewrap")),
    ):
        for wanted in map(Requirement, lines):
            (version,) = (each.version for each in lock[canonicalize_name(wanted.name)].specifier)
            assert version in wanted.specifier, f"{version} is locked, {wanted} is asked for"


@pytest.mark.parametrize("file", ["dev", "torch-cpu", "torch-cuda", "bubblewrap"])
def test_the_lock_has_the_versions_of_the_constraints(file: str) -> None:
    pinned = pins()
    for name, wanted in locked(file).items():
        (version,) = (each.version for each in wanted.specifier)
        assert name not in pinned or version in SpecifierSet(f"=={pinned[name]}"), wanted


def test_libraries_for_cuda_are_apart() -> None:
    """Torch's CPU build needs none of them, and they are 3 GB."""
    built_for_cuda, others = locked("torch-cuda"), locked("dev") | locked("torch-cpu")
    of_cuda = {name for name in built_for_cuda if name.startswith(("nvidia-", "cuda-"))}
    assert {"nvidia-cublas", "nvidia-cudnn-cu13"} <= of_cuda
    assert of_cuda.isdisjoint(others)
    assert built_for_cuda.keys() - of_cuda <= others.keys()


def range_of(name: str) -> SpecifierSet:
    """The range that pyproject.toml allows for a dependency."""
    wanted = (Requirement(line) for line in PROJECT["dependencies"])
    return next(each.specifier for each in wanted if each.name == name)


def test_no_compromised_litellm_can_be_installed() -> None:
    allowed = range_of("litellm")
    assert [version for version in COMPROMISED if version in allowed] == []
    assert pins()["litellm"] in allowed
    assert importlib.metadata.version("litellm") in allowed


def reached(roots: Iterable[str]) -> set[str]:
    """The canonical names of these requirements and of all that they require on this machine."""
    waiting, found = [Requirement(line) for line in roots], set[tuple[str, frozenset[str]]]()
    while waiting:
        wanted = waiting.pop()
        extras = frozenset(wanted.extras or {""})
        if (name := canonicalize_name(wanted.name), extras) in found:
            continue
        found.add((name, extras))
        further = map(Requirement, importlib.metadata.requires(name) or ())
        waiting += [
            each
            for each in further
            if not each.marker or any(each.marker.evaluate({"extra": extra}) for extra in extras)
        ]
    return {name for name, _ in found}


def test_everything_that_is_brought_in_is_pinned() -> None:
    roots = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    assert reached(roots) - locked("dev").keys() == {"torch"} <= locked("torch-cpu").keys()
    assert reached(roots) - {"pip"} - pins().keys() == set(), "for those who install with constraints.txt"


@pytest.mark.parametrize("start", [("-c", "import recevolve"), ("-m", "recevolve", "--help")])
def test_no_model_client_is_loaded_before_a_model_is_asked(start: tuple[str, ...]) -> None:
    command = [sys.executable, "-X", "importtime", *start]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "recevolve" in loaded
    assert loaded.isdisjoint(MODEL_CLIENTS)


def mapped(pid: int | str) -> set[str]:
    """Which of the model clients have compiled parts in this process."""
    text = Path(f"/proc/{pid}/maps").read_text()
    return {name for name in MODEL_CLIENTS if f"/{name}/" in text}


def test_workers_load_no_model_client() -> None:
    folder = str(Path(toy.__file__).parent)
    asked = {"kind": "toy", "tasks": [folder], "run_dir": "unused", "executor": {"workers": 1}}
    executor = LocalExecutor(parse(asked))
    try:
        asyncio.run(executor.terms())
        children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        workers = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert workers
        assert {pid: mapped(pid) for pid in workers} == {pid: set() for pid in workers}
    finally:
        executor.close()


def test_that_a_loaded_client_would_be_seen() -> None:
    code = "import os, litellm, sys; sys.stdout.write(open('/proc/self/maps').read())"
    offline = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env=offline)
    assert any(f"/{name}/" in done.stdout for name in MODEL_CLIENTS)
