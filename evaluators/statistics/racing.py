"""Which of many arms go on: survivors of a rung, contenders for the first place."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from .intervals import finite_row, paired


def contenders(values: Mapping[str, ArrayLike], confidence: float = 0.95) -> list[str]:
    """The arms that are not worse than the best one beyond noise, best mean first, equal means by name.

    `values` has one value a unit, higher is better; unit k is the same for all arms, so that what units
    differ in cancels (`paired`). The best is whoever has the highest mean, so all intervals of the others
    hold together (Bonferroni). No arm, or arms that `paired` refuses: ValueError.
    """
    if not values:
        raise ValueError("a race needs at least one arm")
    means = {name: float(finite_row(name, row).mean()) for name, row in values.items()}
    best, *rivals = sorted(means, key=lambda name: (-means[name], name))
    level = 1 - (1 - confidence) / max(1, len(rivals))
    return [best, *(one for one in rivals if paired(values[one], values[best], level).high >= 0)]


def survivors(scores: Mapping[str, float], keep: float, floor: int) -> list[str]:
    """The names that reach the next rung, best first: a share `keep`, rounded up, but at least `floor`.

    Higher scores are better, equal ones go by name. One rung of successive halving: Jamieson and Talwalkar
    2016, https://arxiv.org/abs/1502.07943. A share outside (0, 1], a negative floor or a score that is not
    finite: ValueError.
    """
    if not 0 < keep <= 1 or floor < 0:
        raise ValueError(f"keep must lie above 0 and up to 1, floor at 0 or above, got {keep} and {floor}")
    finite_row("scores", list(scores.values()))
    ranked = sorted(scores, key=lambda name: (-scores[name], name))
    # 0.07 * 100 is 7.000000000000001 in binary, which must not keep an eighth.
    return ranked[: max(int(np.ceil(keep * len(ranked) - 1e-9)), floor)]
