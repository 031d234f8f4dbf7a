"""Programs that are text: run as modules whose kernels Triton can still read the source of."""

import hashlib
import linecache
from types import ModuleType


def load_program(source: str, name: str = "") -> ModuleType:
    """The module that the source makes. Not in `sys.modules`; whatever the source raises comes out.

    Triton asks `inspect` for a kernel's source, and so `linecache`, where the text is put under `name`, which
    tracebacks and instruction listings show too. Without a name it is made from the text.
    """
    name = name or f"<program {hashlib.sha256(source.encode()).hexdigest()[:12]}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    module = ModuleType("program")
    exec(compile(source, name, "exec"), vars(module))
    return module
