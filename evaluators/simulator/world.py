"""World and users: what is drawn once. Items with their clickbait and quality, people with their tastes."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...population.island.randomness import generator
from .parameters import Parameters

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

PREPARED = 2**15
"""Sessions whose candidates and luck are drawn ahead; each user and day is dealt one of them."""
ATTRIBUTES = ("bait", "tempting", "utility", "utility_first", "watch", "watch_quality")
EVENTS = ("click", "like", "hate")
NOISE = ("predict_click", "predict_watch", "predict_like", "predict_survey", "watched", *EVENTS)
ROW = {name: number for names in (ATTRIBUTES, NOISE) for number, name in enumerate(names)}
"""Where a prepared session keeps what, in its attributes or in its noise."""


@dataclass(frozen=True, eq=False)
class World:
    """The items of one seed, arrays (items,) float32 but `tastes` (items, d).

    `bait` c in [0, 1]; `quality` q after users changed and `quality_first` before (equal without drift);
    `tastes` z; `popularity` in (0, 1], 1 the most clicked; `duration` in seconds.
    """

    parameters: Parameters
    seed: int
    bait: Floats
    quality: Floats
    quality_first: Floats
    tastes: Floats
    popularity: Floats
    duration: Floats

    def utility(self, first: bool = False) -> Floats:
        """(items,) the part of utility that is the same for all users; `first`: before they changed."""
        p = self.parameters
        cost, quality = (p.bait_cost_first, self.quality_first) if first else (p.bait_cost, self.quality)
        return p.utility_quality * quality - cost * (2 * self.bait - 1)


@dataclass(frozen=True, eq=False)
class Users:
    """People, arrays (U,) float32 but `tastes` (U, d): the first n of U equal those of n alone.

    `base` h_u, the logit of coming back; `sensitivity` s_u; `exposure` the state NPE on day 0; `heavy` 1 for
    the share of people with the highest `base`.
    """

    tastes: Floats
    base: Floats
    sensitivity: Floats
    exposure: Floats
    heavy: Floats

    def __len__(self) -> int:
        return len(self.base)


def make_world(parameters: Parameters, seed: int) -> World:
    """The items of this seed.

    c ~ Beta, z ~ N(0, 1/d) so that affinity p·z has variance 1, q = N(0, 1) − k·zscore(c). Popularity ranks
    the clicks that a user of neutral taste gives times a lognormal exposure. Durations are lognormal and
    correlate with that part of watch time that is orthogonal to utility, so a reward that follows them gains
    watch time and nothing else; they change nothing that users do.
    """
    p = parameters
    f32 = np.float32
    rng = generator(seed, "world")
    bait = rng.beta(p.bait_first, p.bait_second, p.items)
    own = rng.normal(size=p.items)
    tastes = rng.normal(0, p.dimensions**-0.5, (p.items, p.dimensions))
    level = _standard(bait)
    quality, quality_first = own - p.bait_quality * level, own - p.bait_quality_first * level
    attributes = generator(seed, "attributes")
    temptation = p.click_base + p.click_bait * (2 * bait - 1)
    clicks = np.exp(p.exposure * attributes.normal(size=p.items)) / (1 + np.exp(-temptation))
    utility = p.utility_quality * quality - p.bait_cost * (2 * bait - 1)
    watch = p.watch_kale + (p.watch_choc - p.watch_kale) * bait + p.watch_quality * quality
    free = _standard(_standard(watch) - (_standard(watch) * _standard(utility)).mean() * _standard(utility))
    noise = attributes.normal(size=p.items)
    length = p.duration_watch * free + (1 - p.duration_watch**2) ** 0.5 * noise
    duration = np.clip(p.duration_median * np.exp(p.duration_spread * length), 1, 7200)
    popularity = stats.rankdata(clicks) / p.items
    columns = (bait, quality, quality_first, tastes, popularity, duration)
    return World(p, seed, *(column.astype(f32) for column in columns))


def make_users(world: World, count: int, seed: int) -> Users:
    """`count` people: tastes N(0, 1) per dimension, h_u normal, s_u lognormal. ValueError below one."""
    if count < 1:
        raise ValueError(f"there must be one user or more, got {count}")
    p = world.parameters

    def normal(purpose: str, *shape: int) -> Floats:
        return generator(seed, "users", purpose).standard_normal((count, *shape), dtype=np.float32)

    level = normal("base")
    return Users(
        tastes=normal("tastes", p.dimensions),
        base=p.return_base + p.return_spread * level,
        sensitivity=p.sensitivity * np.exp(p.sensitivity_spread * normal("sensitivity")),
        exposure=p.exposure_spread * normal("exposure"),
        heavy=(level > stats.norm.isf(p.heavy_share)).astype(np.float32),
    )


@dataclass(frozen=True, eq=False)
class Deck:
    """Prepared sessions: what does not depend on who gets one.

    `items` (PREPARED, C) which items are the candidates; `tastes` (PREPARED, d, C) and `attributes`
    (PREPARED, len(ATTRIBUTES), C) theirs; `noise` (PREPARED, len(NOISE), C) the luck of predictions and
    reactions, which belongs to the candidate and not to the place where a policy puts it.
    """

    items: Ints
    tastes: Floats
    attributes: Floats
    noise: Floats


@lru_cache(maxsize=2)
def deck(world: World, seed: int) -> Deck:
    """The prepared sessions of this seed. Kept for the last two: about 70 MB each."""
    p = world.parameters
    items, noise = _luck(seed, p.items, p.candidates)
    columns = (
        world.bait,
        p.click_base + p.click_bait * (2 * world.bait - 1),
        world.utility(),
        world.utility(first=True),
        p.watch_kale + (p.watch_choc - p.watch_kale) * world.bait,
        p.watch_quality * world.quality,
    )
    attributes = np.empty((PREPARED, len(ATTRIBUTES), p.candidates), dtype=np.float32)
    tastes = np.empty((PREPARED, p.dimensions, p.candidates), dtype=np.float32)
    for into, each in ((attributes, columns), (tastes, world.tastes.T.copy())):
        for number, column in enumerate(each):
            into[:, number] = column.take(items)
    return Deck(items, tastes, attributes, noise)


@lru_cache(maxsize=2)
def _luck(seed: int, items: int, candidates: int) -> tuple[Ints, Floats]:
    """Candidates (PREPARED, C) and noise (PREPARED, len(NOISE), C): normal, or logistic for events."""
    rng = generator(seed, "deck")
    chosen = rng.integers(0, items, (PREPARED, candidates), dtype=np.int32)
    noise = np.empty((PREPARED, len(NOISE), candidates), dtype=np.float32)
    normal, events = len(NOISE) - len(EVENTS), len(EVENTS)
    noise[:, :normal] = rng.standard_normal((PREPARED, normal, candidates), dtype=np.float32)
    uniform = rng.random((PREPARED, events, candidates), dtype=np.float32)
    uniform = np.maximum(uniform, np.float32(2**-25))
    # x + log(u / (1 - u)) > 0 has chance sigmoid(x): no exponential where only the event is wanted.
    noise[:, normal:] = np.log(uniform / (1 - uniform))
    return chosen, noise


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean 0 and standard deviation 1; zeros where nothing varies."""
    centred = values - values.mean()
    spread = centred.std()
    return centred / spread if spread > 1e-9 else np.zeros_like(centred)
