"""The sandbox: runs programs that nobody trusts, and brings back plain arrays, never a score.

    with Sandbox(["recevolve.evaluators.kinds.properties"]) as sandbox:
        outcome = sandbox.run(
            "recevolve.evaluators.kinds.properties:inside", source, limits=Limits(cpu_seconds=2)
        )

What is not covered: holes in the kernel itself, and side channels such as timing of shared caches. Candidates
cannot start threads or processes, so whatever needs a compiler at run time does not work in it.
"""

from .inside import Result, load
from .limits import Limits
from .outcome import Outcome, SandboxUnavailable, SessionEnded
from .session import Session
from .shared_arrays import SharedArrays
from .supervisor import Sandbox
from .tiers import Report, probe

__all__ = [
    "Limits",
    "Outcome",
    "Report",
    "Result",
    "Sandbox",
    "SandboxUnavailable",
    "Session",
    "SessionEnded",
    "SharedArrays",
    "load",
    "probe",
]
