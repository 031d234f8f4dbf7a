"""What a request that did not finish says about the candidate."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, Self

from ...population.values.verdict import Status, Verdict
from ..sandbox import Outcome, Session, SessionEnded

STATUS = {
    "raised": Status.CRASHED,
    "killed": Status.CRASHED,
    "malformed": Status.CRASHED,
    "timed_out": Status.TIMED_OUT,
    "stalled": Status.INFRASTRUCTURE,
}
P = ParamSpec("P")


class Failed(RuntimeError):
    """Carries the verdict on a candidate that cannot be judged further up to the judge."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.verdict = Verdict(status, reason=reason)


def judged(ask: Callable[P, Verdict]) -> Callable[P, Verdict]:
    """The same function, which returns the verdict that a Failed carries in place of raising it."""

    @wraps(ask)
    def asked(*args: P.args, **kwargs: P.kwargs) -> Verdict:
        try:
            return ask(*args, **kwargs)
        except Failed as failed:
            return failed.verdict

    return asked


def require_finished(outcome: Outcome, doing: str) -> None:
    """Raises Failed for any outcome but "finished"; `doing` completes "while …"."""
    if outcome.status != "finished":
        what = outcome.status.replace("_", " ")
        raise Failed(STATUS[outcome.status], f"{what} while {doing}: {outcome.text or 'no reason was given'}")


def step(session: Session, number: int, doing: str, when: str = "") -> None:
    """Lets the candidate do a step. Failed where its session ends, by itself while `doing` or `when`."""
    try:
        session.step(number)
    except SessionEnded as ended:
        require_finished(ended.outcome, doing)
        raise Failed(Status.CRASHED, f"ended by itself {when or f'while {doing}'}") from None


class Sandboxed:
    """A candidate that stays in the sandbox while it is asked many times. A context manager."""

    session: Session

    def __enter__(self) -> Self:
        self.session.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        self.session.__exit__(kind, *raised)

    def cpu_seconds(self) -> float:
        """CPU seconds that the child has used so far."""
        return self.session.cpu_seconds()
