"""Exit codes, and the one message for everything that can be expected to go wrong.

0    done; a run ended because a limit of its budget was reached, whatever it decided
1    an error in recevolve itself, with its traceback
2    the command line, the config, a seed or a kind of your own is wrong; correct it and run again
3    the environment will not do: isolation, disk, archive, evaluation processes
4    the data cannot be read or cannot be had
5    the answer is no: a check fails, a run did not decide for a program, a replay differs, damage is found
130  Ctrl-C, 143 SIGTERM: stopped; the same command continues
"""

import signal
import sqlite3

USAGE, ENVIRONMENT, DATA, DISAGREED = 2, 3, 4, 5


class Stopped(Exception):
    """A signal ended the command. Everything answered so far is recorded."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number)
        self.number = number


def _codes() -> dict[type[BaseException], int]:
    """Exit code of each expected error, most particular first."""
    from ...evaluators.data import DataError
    from ...evaluators.kinds.registry import BadTask, UnknownKind
    from ...evaluators.sandbox import SandboxUnavailable
    from ...population.archive.archive import ArchiveError, UnknownProgram
    from ...population.archive.ledger import NotRecorded
    from ...population.values.experiment import IllegalTransition
    from ..config.config import ConfigError
    from ..export.patch import ExportRefused
    from ..loop.executor import WorkersLost
    from ..runs.launch import NotApproved, UnknownExperiment

    return {
        ConfigError: USAGE,
        UnknownKind: USAGE,
        BadTask: USAGE,
        UnknownProgram: USAGE,
        UnknownExperiment: USAGE,
        ExportRefused: DISAGREED,
        IllegalTransition: DISAGREED,
        NotApproved: DISAGREED,
        DataError: DATA,
        NotRecorded: DISAGREED,
        ArchiveError: ENVIRONMENT,
        SandboxUnavailable: ENVIRONMENT,
        WorkersLost: ENVIRONMENT,
        sqlite3.DatabaseError: ENVIRONMENT,
        OSError: ENVIRONMENT,
    }


def expected() -> tuple[type[BaseException], ...]:
    """What `explain` has a message for; groups of several, too."""
    return (Stopped, BaseExceptionGroup, *_codes())


def explain(error: BaseException) -> tuple[int, str]:
    """(exit code, message). A group that holds anything unexpected is raised again."""
    if isinstance(error, BaseExceptionGroup):
        leaves: tuple[type[BaseException], ...] = (Stopped, *_codes())  # a group would match itself
        known, unknown = error.split(leaves)
        if unknown is not None or known is None:
            raise error
        return explain(known.exceptions[0])
    if isinstance(error, Stopped):
        return 128 + error.number, f"stopped by {error.number.name}; the same command continues"
    codes = _codes()
    return next(code for kind, code in codes.items() if isinstance(error, kind)), f"error: {error}"
