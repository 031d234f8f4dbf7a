"""Parameters: every constant of the simulated users, what it means, and how far to trust it."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from ..data import DataError
from ..data.log import did_you_mean

Status = Literal["fitted", "assumed", "size"]
RECSIM = "RecSim LTS, arXiv:1909.04847"
KUAISIM = "KuaiSim, arXiv:2309.12645"
KLEINBERG = "Kleinberg, Mullainathan, Raghavan, arXiv:2202.11776"
RLUR = "RLUR, arXiv:2302.01724"
OURS = "ours"

BAIT_COST, BAIT_QUALITY = 1.1, 0.54
"""m and k of the scenario "clickbait"."""


def _constant(default: Any, symbol: str, status: Status, words: str, source: str = OURS) -> Any:
    return field(
        default=default, metadata={"symbol": symbol, "status": status, "words": words, "source": source}
    )


@dataclass(frozen=True)
class Parameters:
    """The constants of items, users and reactions; `field.metadata` holds symbol, status, words and source.

    The source is that of the equation it stands in. Status "fitted": by random search to the figures of
    `behaviour.KUAIRAND`, in the scenario "clickbait". "assumed": no log that we had identifies it.
    "size": how much is simulated. The defaults are the scenario "clickbait". ValueError for a number outside
    its range.
    """

    items: int = _constant(4000, "", "size", "items of a world")
    dimensions: int = _constant(8, "d", "size", "dimensions of taste")
    candidates: int = _constant(24, "C", "size", "items that a session may show")
    slate: int = _constant(8, "K", "size", "places that a session fills")

    bait_first: float = _constant(1.2, "", "assumed", "first shape of the Beta distribution of clickbait c")
    bait_second: float = _constant(2.2, "", "assumed", "second shape of it")
    bait_cost: float = _constant(BAIT_COST, "m", "assumed", "what clickbait costs in utility", KLEINBERG)
    bait_quality: float = _constant(BAIT_QUALITY, "k", "assumed", "how much quality falls with clickbait")
    bait_cost_first: float = _constant(BAIT_COST, "m₀", "assumed", "m before users change")
    bait_quality_first: float = _constant(BAIT_QUALITY, "k₀", "assumed", "k before users change")

    click_base: float = _constant(-0.758, "a₀", "fitted", "click logit of a neutral item")
    click_affinity: float = _constant(0.49, "a₁", "fitted", "of affinity in the click logit", KLEINBERG)
    click_bait: float = _constant(1.2, "a₂", "fitted", "of clickbait in the click logit", KLEINBERG)
    utility_affinity: float = _constant(0.55, "b₁", "assumed", "of affinity in utility", KLEINBERG)
    utility_quality: float = _constant(0.7, "b₂", "assumed", "of quality in utility", KLEINBERG)

    watch_choc: float = _constant(3.215, "μ_choc", "fitted", "log seconds of pure clickbait", RECSIM)
    watch_kale: float = _constant(2.157, "μ_kale", "fitted", "log seconds of an item without any", RECSIM)
    watch_floor: float = _constant(0.6, "w₀", "assumed", "share of it that does not depend on satisfaction")
    watch_gain: float = _constant(0.8, "w₁", "assumed", "share of it that satisfaction adds", RECSIM)
    watch_affinity: float = _constant(0.25, "w₂", "assumed", "of affinity in log seconds")
    watch_quality: float = _constant(0.15, "w₃", "assumed", "of quality in log seconds")
    watch_spread: float = _constant(0.722, "σ_w", "fitted", "standard deviation of log seconds", RECSIM)

    like_base: float = _constant(-6.68, "l₀", "fitted", "like logit of a neutral item that is not clicked")
    like_utility: float = _constant(1.34, "l₁", "fitted", "of utility in the like logit")
    like_click: float = _constant(1.41, "l₂", "fitted", "of a click in it")
    like_watch: float = _constant(0.21, "l₃", "fitted", "of watching longer than expected in it")
    hate_base: float = _constant(-6.57, "d₀", "fitted", "hate logit of a neutral item that is not clicked")
    hate_utility: float = _constant(0.75, "d₁", "fitted", "of utility in the hate logit, subtracted")
    hate_bait: float = _constant(0.91, "d₂", "fitted", "of clickbait in it")
    hate_click: float = _constant(0.3, "d₃", "fitted", "of a click in it, subtracted")

    memory: float = _constant(0.85, "β", "assumed", "share of the net positive exposure kept", RECSIM)
    innovation: float = _constant(0.05, "η", "assumed", "standard deviation of its noise", RECSIM)
    sensitivity: float = _constant(1.1, "s", "assumed", "how strongly users feel it", RECSIM)
    sensitivity_spread: float = _constant(0.25, "σ_s", "assumed", "standard deviation of log sensitivity")
    exposure_spread: float = _constant(0.3, "σ_0", "assumed", "standard deviation of the first exposure")
    impatience: float = _constant(1.5, "κ", "assumed", "temper that a disliked item costs", KUAISIM)
    temper: float = _constant(9.0, "T", "assumed", "temper that ends a session", KUAISIM)

    return_base: float = _constant(-1.5, "μ_h", "fitted", "mean logit of a return on the next day", RLUR)
    return_spread: float = _constant(1.39, "σ_h", "fitted", "its standard deviation over users", RLUR)
    return_gain: float = _constant(2.2, "g", "assumed", "of satisfaction in the return logit", KUAISIM)
    absence: float = _constant(0.5, "γ", "assumed", "fall of that logit with the log of days absent")
    first_day: float = _constant(0.5, "h₁", "assumed", "rise of that logit on day 0")
    lapse: float = _constant(0.004, "λ", "assumed", "chance that a session is the last, at satisfaction 1/2")
    lapse_slope: float = _constant(3.0, "λ₁", "assumed", "fall of its log with satisfaction")

    prediction_noise: float = _constant(0.5, "", "assumed", "error of predicted logits and log seconds")
    survey_noise: float = _constant(1.2, "", "assumed", "error of the predicted survey answer")
    exposure: float = _constant(0.5, "", "assumed", "standard deviation of log exposure, in popularity")
    duration_median: float = _constant(40.0, "", "assumed", "median length of an item in seconds")
    duration_spread: float = _constant(0.6, "", "assumed", "standard deviation of log length")
    duration_watch: float = _constant(
        0.6, "", "assumed", "correlation of log length with what watch owes no utility"
    )
    heavy_share: float = _constant(0.25, "", "assumed", "share of users who are called heavy")

    def __post_init__(self) -> None:
        for one in fields(self):
            value, whole = getattr(self, one.name), one.type is int
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
                raise ValueError(f"{one.name} must be a {'whole ' if whole else ''}number, got {value!r}")
            low, high = LIMITS[one.name]
            if not low <= value <= high:  # nor does NaN lie there
                raise ValueError(f"{one.name} must lie in {low:g} to {high:g}, got {value:g}")
        if not self.slate < self.candidates <= self.items:
            raise ValueError(
                "a slate must be smaller than its candidates and these no more than the items, "
                f"got slate {self.slate}, candidates {self.candidates}, items {self.items}"
            )

    @property
    def drifts(self) -> bool:
        """Whether users change on the way."""
        return (self.bait_cost, self.bait_quality) != (self.bait_cost_first, self.bait_quality_first)

    @classmethod
    def of(cls, table: Mapping[str, Any], where: str = "parameters") -> "Parameters":
        """The parameters that a table gives, the rest as in "clickbait". ValueError for a name not known."""
        names = [one.name for one in fields(cls)]
        for name in table:
            if name not in names:
                hint = did_you_mean(name, names)
                raise ValueError(f"{where}: unknown parameter {name!r}{hint}; see docs/simulator.md")
        return cls(**table)

    @classmethod
    def read(cls, path: Path) -> "Parameters":
        """The parameters of a TOML file as `text` writes it; DataError where it is not one."""
        try:
            return cls.of(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
        except OSError as why:
            raise DataError(
                f"parameters cannot be read: {why}; `recevolve simulator calibrate` writes them"
            ) from why
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError) as why:
            raise DataError(f"{path}: not parameters of the simulator: {why}") from why

    def text(self, *heading: str) -> str:
        """TOML that `read` takes back, every parameter with its meaning; `heading` lines become comments."""
        lines = [f"# {line}" for line in heading]
        for one in fields(self):
            lines.append(f"{one.name} = {getattr(self, one.name)!r}  # {one.metadata['words']}")
        return "\n".join(lines) + "\n"


RANGES: tuple[tuple[tuple[str, ...], float, float], ...] = (
    (("items", "candidates", "slate", "dimensions"), 1, 1_000_000),
    (("bait_first", "bait_second"), 0.05, 100),
    (("watch_choc", "watch_kale"), -5, 8),
    (("watch_spread", "sensitivity_spread", "exposure_spread", "return_spread"), 0, 10),
    (("innovation", "prediction_noise", "survey_noise", "exposure", "duration_spread"), 0, 10),
    (("memory", "duration_watch", "lapse"), 0, 1),
    (("heavy_share",), 0.01, 0.99),
    (("impatience", "lapse_slope", "absence"), 0, 100),
    (("temper",), 1, 1e5),
    (("duration_median",), 1, 7200),
)
"""(names, least, most)."""
LIMITS: Mapping[str, tuple[float, float]] = {
    **{one.name: (-1e3, 1e3) for one in fields(Parameters)},
    **{name: (low, high) for names, low, high in RANGES for name in names},
}
"""Least and most of each parameter."""

SCENARIOS = ("aligned", "clickbait", "drifting")
"""The scenarios by name: m = k = 0; m = 1.1 and k = 0.54; and from the opposite of clickbait to clickbait."""
SCENARIO_WORDS: Mapping[str, str] = {
    "aligned": "clickbait tempts, but costs users nothing",
    "clickbait": "what tempts users most disappoints them; fitted to KuaiRand",
    "drifting": "users enjoy clickbait at first; half way they change and it disappoints them",
}


def scenario(name: str, alignment: float | None = None) -> Parameters:
    """The parameters of a scenario.

    `alignment` in [0, 1] sets m and k in place of the scenario's: 1 is "aligned", 0 is "clickbait", between
    them in proportion; in "drifting" it is where users end. ValueError for another name or number.
    """
    if name not in SCENARIOS:
        raise ValueError(f"unknown scenario {name!r}; there is {', '.join(SCENARIOS)}")
    if alignment is not None and not 0 <= alignment <= 1:
        raise ValueError(f"alignment must lie between 0 and 1, got {alignment:g}")
    share = (name == "aligned") if alignment is None else alignment
    cost, quality = BAIT_COST * (1 - share), BAIT_QUALITY * (1 - share)
    first = (-BAIT_COST, -BAIT_QUALITY) if name == "drifting" else (cost, quality)
    return replace(
        Parameters(),
        bait_cost=cost,
        bait_quality=quality,
        bait_cost_first=first[0],
        bait_quality_first=first[1],
    )


def changes(parameters: Parameters, against: Parameters) -> dict[str, tuple[float, float]]:
    """What differs: name to (value, value in `against`)."""
    mine, other = asdict(parameters), asdict(against)
    return {name: (value, other[name]) for name, value in mine.items() if value != other[name]}
