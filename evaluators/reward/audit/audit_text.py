"""The audit as a page of Markdown: what stands out first, then every table behind it."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ...kinds.patch import filled
from .findings import Audit, Change, Grouping, Raised

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
NOTHING = "Nothing crossed the lines that this audit draws, which is no proof that nothing is wrong."
NO_CONTEXT = (
    "Left out: no sample of a log with contexts was given, and contexts drawn by chance show nothing."
)
EVEN = (
    "A reward that does not care has a percentile of 0.50 in each line, and a share of the top tenth equal\n"
    "to that of all rows."
)


def markdown(audit: Audit) -> str:
    """The page, without its title."""
    scale, found = audit.scale, audit.reversals
    values = {
        "findings": "\n".join(f"- {sentence}" for sentence in findings(audit) or [NOTHING]),
        "rows": f"{audit.rows:,}",
        "origin": audit.origin,
        "scale": _table(
            ("lowest", "1 %", "25 %", "50 %", "75 %", "99 %", "highest"),
            [[_number(value) for value in scale.quantiles]],
        ),
        "lowest": _number(scale.lowest),
        "highest": _number(scale.highest),
        "not_finite": _share(scale.not_finite),
        "spread": _number(scale.spread),
        "slopes": _slopes(audit),
        "raised": _raised(audit),
        "changes": "".join(map(_changes, audit.raised)),
        "groups": _groups(audit),
        "correlations": _table(
            ("column", "role", "wanted", "rank correlation"),
            [
                [f"`{one.name}`", one.role, WANTED[one.better], f"{value:+.2f}"]
                for one, value in audit.correlations
            ],
        ),
        "by": found.by,
        "pairs": f"{found.pairs:,}",
        "reversed": _share(found.share),
        "reversals": _reversals(audit),
    }
    return filled(TEMPLATES, "audit", values)


def findings(audit: Audit) -> list[str]:
    """One sentence for each thing that a reviewer should ask about; none is a good sign, and no proof."""
    return [*_of_signals(audit), *_of_columns(audit), *_of_groups(audit)]


def _of_signals(audit: Audit) -> Iterator[str]:
    if audit.scale.not_finite:
        yield f"It is not finite on {_share(audit.scale.not_finite)} of draws over the declared ranges."
    for one in audit.raised:
        if one.against > FEW:
            verb = "lowers" if one.signal.better > 0 else "raises"
            yield (
                f"Raising `{one.signal.name}` alone {verb} the reward in {_share(one.against)} of pairs, "
                f"though {WANTED[one.signal.better]} of it is wanted."
            )
    if flat := [f"`{one.signal.name}`" for one in audit.slopes if one.flat == 1.0]:
        yield f"It does not move with {', '.join(flat)}."
    if audit.reversals.share > REVERSED:
        yield (
            f"Of two rows it prefers the one with worse predicted satisfaction, by {audit.reversals.by}, in "
            f"{_share(audit.reversals.share)} of pairs."
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
                f"{_share(most.top)} of its top tenth lie in {_label(grouping, most.label)}, which holds "
                f"{_share(most.share)} of all rows."
            )


def _slopes(audit: Audit) -> str:
    rows = [
        [
            f"`{one.signal.name}`",
            WANTED[one.signal.better],
            f"{one.mean:+.3f}",
            _share(one.falls),
            _share(one.flat),
            *("-" if value is None else f"{value:+.2f}" for value in one.elasticity),
        ]
        for one in audit.slopes
    ]
    return _table(("signal", "wanted", "mean slope", "falls", "flat", "at 25 %", "at 50 %", "at 75 %"), rows)


def _raised(audit: Audit) -> str:
    rows = [
        [
            f"`{one.signal.name}`",
            WANTED[one.signal.better],
            *map(_share, (one.lowers, one.raises, one.against)),
        ]
        for one in audit.raised
    ]
    return _table(("signal", "wanted", "reward falls", "reward rises", "against what is wanted"), rows)


def _changes(one: Raised) -> str:
    """The worst counter-examples of a signal, with an empty line after them; nothing where there are none."""
    if not one.worst:
        return ""
    signal = one.signal.name
    others = [name for name in one.worst[0].row if name != signal]

    def cells(change: Change) -> list[str]:
        moved = f"{_number(change.low)} to {_number(change.high)}"
        reward = f"{_number(change.reward_low)} to {_number(change.reward_high)}"
        return [moved, reward, *(_number(change.row[name]) for name in others)]

    table = _table((f"`{signal}`", "reward", *(f"`{n}`" for n in others)), map(cells, one.worst))
    return f"Largest changes against what is wanted of `{signal}`:\n\n{table}\n\n"


def _groups(audit: Audit) -> str:
    if not audit.groupings:
        return NO_CONTEXT
    parts = []
    for grouping in audit.groupings:
        head = "tenth, 1 the lowest" if grouping.tenths else "value"
        rows = [
            [group.label, _share(group.share), f"{group.percentile:.2f}", _share(group.top)]
            for group in grouping.groups
        ]
        table = _table((head, "share of rows", "mean reward percentile", "share of the top tenth"), rows)
        parts.append(f"`{grouping.context.name}`, {grouping.context.words}:\n\n{table}")
    return "\n\n".join([*parts, EVEN])


def _reversals(audit: Audit) -> str:
    worst = audit.reversals.worst
    if not worst:
        return "None was found."
    names = list(worst[0].preferred)
    rows = [
        [
            side,
            f"{pair.reward[which]:.2f}",
            f"{pair.satisfaction[which]:.2f}",
            *(_number(row[name]) for name in names),
        ]
        for pair in worst
        for which, (side, row) in enumerate((("preferred", pair.preferred), ("over", pair.other)))
    ]
    columns = ("", "reward percentile", "satisfaction percentile", *(f"`{name}`" for name in names))
    return f"The worst of them:\n\n{_table(columns, rows)}"


def _label(grouping: Grouping, label: str) -> str:
    if grouping.tenths:
        return f"tenth {label} of 10 by `{grouping.context.name}`"
    return f"the group `{grouping.context.name}` = {label}"


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])


def _number(value: float) -> str:
    return f"{value:.4g}"


def _share(value: float) -> str:
    return f"{100.0 * value:.1f} %"
