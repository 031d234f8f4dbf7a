"""Own kind: an error in the code of a kind of one's own, told by its place instead of by a long traceback."""

import os
import re
import sys
import traceback
from types import TracebackType

from ...evaluators.language.sanitize import visible
from .exit_codes import USAGE

TRACEBACK = "RECEVOLVE_TRACEBACK"
"""The variable that asks for the whole traceback all the same."""
FRAME = re.compile(r'File "(?P<file>[^"\n]+)", line (?P<line>\d+)')


class ToldByPlace:
    """Ends the command with one message where an error comes from a kind outside the package."""

    def __enter__(self) -> None:
        """Nothing is needed."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """SystemExit in place of such an error; every other one goes on."""
        if isinstance(error, Exception) and not os.environ.get(TRACEBACK) and (told := place_of(error)):
            print(visible(told), file=sys.stderr)
            raise SystemExit(USAGE) from None


def place_of(error: BaseException) -> str:
    """File, line and words of an error that passed through a kind of one's own; "" where none did.

    Workers send the tracebacks of their errors as text, so that frames are read from text.
    """
    from ...evaluators.kinds.registry import own_folders

    folders = own_folders()
    frames = FRAME.finditer("".join(traceback.format_exception(error)))
    own = [frame for frame in frames if frame["file"].startswith(folders)] if folders else []
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not own:
        return ""
    words = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    return (
        f"error in your kind, {own[-1]['file']}, line {own[-1]['line']}: {words}\n"
        f"{TRACEBACK}=1 in the environment shows the whole traceback"
    )
