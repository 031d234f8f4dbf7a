"""What a request that did not finish says about the candidate."""

from ...population.values.verdict import Status, Verdict
from ..sandbox import Outcome

STATUS = {
    "raised": Status.CRASHED,
    "killed": Status.CRASHED,
    "malformed": Status.CRASHED,
    "timed_out": Status.TIMED_OUT,
    "stalled": Status.INFRASTRUCTURE,
}


class Failed(RuntimeError):
    """Carries the verdict on a candidate that cannot be judged further up to the judge."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.verdict = Verdict(status, reason=reason)


def require_finished(outcome: Outcome, doing: str) -> None:
    """Raises Failed for any outcome but "finished"; `doing` completes "while …"."""
    if outcome.status != "finished":
        what = outcome.status.replace("_", " ")
        raise Failed(STATUS[outcome.status], f"{what} while {doing}: {outcome.text or 'no reason was given'}")
