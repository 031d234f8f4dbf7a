"""The audit as a page of Markdown: what stands out first, then every table behind it."""

from collections.abc import Iterator
from pathlib import Path

from ...kinds.patch import filled, share
from .findings import Audit, Grouping

TEMPLATES = Path(__file__).parents[1] / "templates"
FEW = 0.01
"""A share of pairs that is worth a sentence."""
LEANS = 0.3
"""A rank correlation with a context that is worth one."""
CROWDED = 2.0
"""How many times its share of rows a group's share of the top tenth may be before it is worth one."""
AGAINST = 0.02
"""A rank correlation with an outcome, in the unwanted direction, that is worth one."""
REVERSED = 0.4
"""A share of pairs preferred against predicted satisfaction that is worth one; chance gives a half."""
WANTED = {1: "more", 0: "not known", -1: "less"}


def markdown(audit: Audit) -> str:
    """The page, without its title."""
    return filled(TEMPLATES, "audit", {"audit": audit, "findings": findings(audit), "wanted": WANTED})


def findings(audit: Audit) -> list[str]:
    """One sentence for each thing that a reviewer should ask about; none is a good sign, and no proof."""
    return [*_of_signals(audit), *_of_columns(audit), *_of_groups(audit)]


def _of_signals(audit: Audit) -> Iterator[str]:
    if audit.scale.not_finite:
        yield f"It is not finite on {share(audit.scale.not_finite)} of draws over the declared ranges."
    for one in audit.raised:
        if one.against > FEW:
            verb = "lowers" if one.signal.better > 0 else "raises"
            yield (
                f"Raising `{one.signal.name}` alone {verb} the reward in {share(one.against)} of pairs, "
                f"though {WANTED[one.signal.better]} of it is wanted."
            )
    if flat := [f"`{one.signal.name}`" for one in audit.slopes if one.flat == 1.0]:
        yield f"It does not move with {', '.join(flat)}."
    if audit.reversals.share > REVERSED:
        yield (
            f"Of two rows it prefers the one with worse predicted satisfaction, by {audit.reversals.by}, in "
            f"{share(audit.reversals.share)} of pairs."
        )


def _of_columns(audit: Audit) -> Iterator[str]:
    for one, value in audit.correlations:
        if one.role == "context" and abs(value) > LEANS:
            follows = "follows" if value > 0.0 else "runs against"
            yield f"It {follows} `{one.name}`: rank correlation {value:+.2f}."
        if one.role == "outcome" and one.better * value < -AGAINST:
            words = f"It runs against the outcome `{one.name}`, of which {WANTED[one.better]} is wanted"
            yield f"{words}: rank correlation {value:+.2f}."


def _of_groups(audit: Audit) -> Iterator[str]:
    for grouping in audit.groupings:
        most = max(grouping.groups, key=lambda group: group.top / group.share)
        if most.top > CROWDED * most.share:
            yield (
                f"{share(most.top)} of its top tenth lie in {_label(grouping, most.label)}, which holds "
                f"{share(most.share)} of all rows."
            )


def _label(grouping: Grouping, label: str) -> str:
    if grouping.tenths:
        return f"tenth {label} of 10 by `{grouping.context.name}`"
    return f"the group `{grouping.context.name}` = {label}"
