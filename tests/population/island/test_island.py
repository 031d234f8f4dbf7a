"""Islands are values: the order of members never matters, the best stays, nobody is there twice."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recevolve.population.island.island import Member, cull, migrate, neighbours, select
from recevolve.population.island.randomness import generator


def make(name: str, score: float = 0.0, behaviour: str = "", cell: str = "c", size: int = 5) -> Member:
    return Member(name, f"source of {name}", score, behaviour or f"behaviour of {name}", (cell,), size)


members = st.lists(
    st.builds(
        make,
        st.text("0123456789abcdef", min_size=3, max_size=4),
        st.integers(-3, 3).map(float),
        st.sampled_from(["", "", "x", "y", "z"]),
        st.sampled_from("pqrs"),
        st.integers(1, 9),
    ),
    unique_by=lambda member: member.program_id,
    min_size=1,
    max_size=25,
)
sizes = st.integers(1, 12)


def behaviours(population: Sequence[Member]) -> list[str]:
    return [member.behaviour for member in population]


@given(members, sizes, st.randoms(use_true_random=False))
def test_cull_keeps_its_promises(field: list[Member], size: int, random: object) -> None:
    kept = cull(field, size)
    kinds = set(behaviours(field))
    assert len(kept) == min(size, len(kinds)), "every place is filled while there are behaviours"
    assert set(kept) <= set(field)
    assert len(set(behaviours(kept))) == len(kept), "no behaviour twice"
    assert [member.score for member in kept] == sorted((member.score for member in kept), reverse=True)
    for member in kept:
        duplicates = [duplicate for duplicate in field if duplicate.behaviour == member.behaviour]
        assert (member.size, member.program_id) == min(
            (duplicate.size, duplicate.program_id) for duplicate in duplicates
        )


@given(members, sizes)
def test_culling_again_changes_nothing(field: list[Member], size: int) -> None:
    kept = cull(field, size)
    assert cull(kept, size) == kept


@given(members, sizes, st.data())
def test_cull_does_not_see_the_order(field: list[Member], size: int, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(field))
    assert cull(shuffled, size) == cull(field, size)
    assert cull([*shuffled, *field], size) == cull(field, size), "the same member twice is one member"


@given(members, sizes)
def test_half_the_places_are_the_best(field: list[Member], size: int) -> None:
    everyone = cull(field, len(field))
    assert set(everyone[: (size + 1) // 2]) <= set(cull(field, size))


def test_the_other_half_goes_to_new_cells_first() -> None:
    field = [make(f"a{number}", 10.0 - number, cell="common") for number in range(6)]
    rare = [make("r1", 1.0, cell="rare"), make("r2", 0.5, cell="rare"), make("s1", -9.0, cell="strange")]
    assert [member.program_id for member in cull([*field, *rare], 6)] == ["a0", "a1", "a2", "a3", "r1", "s1"]
    assert [member.program_id for member in cull([*field, *rare], 3)] == ["a0", "a1", "r1"]


def test_of_equal_behaviour_the_smaller_stays_then_the_lower_id() -> None:
    duplicates = [
        make("b", 0.0, "same", size=4),
        make("c", 0.0, "same", size=3),
        make("a", 0.0, "same", size=4),
    ]
    for order in permutations(duplicates):
        assert [member.program_id for member in cull(order, 3)] == ["c"]
    for order in permutations([duplicates[0], duplicates[2]]):
        assert [member.program_id for member in cull(order, 3)] == ["a"]


def test_culling_nobody_leaves_nobody_and_no_place_is_an_error() -> None:
    assert cull([], 4) == ()
    with pytest.raises(ValueError, match="at least 1 place, got 0"):
        cull([make("a")], 0)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_no_member_has_a_score_that_is_none(score: float) -> None:
    with pytest.raises(ValueError, match="member a needs a finite score"):
        make("a", score)


@given(members, st.integers(0, 30), st.integers(0, 2**64), st.data())
def test_select_gives_different_parents_in_any_order(
    field: list[Member], k: int, seed: int, data: st.DataObject
) -> None:
    parents = select(field, generator(seed, "select"), k)
    assert len(parents) == min(k, len(field))
    assert len(set(parents)) == len(parents)
    assert set(parents) <= set(field)
    assert select(data.draw(st.permutations(field)), generator(seed, "select"), k) == parents


def test_select_prefers_the_good_and_forgets_nobody() -> None:
    field = [make(f"a{number}", -float(number), cell="common") for number in range(9)]
    field.append(make("rare", -100.0, cell="rare"))
    rng = generator(0, "select")
    drawn = Counter(select(field, rng, 1)[0].program_id for _ in range(4000))
    # half by rank, 1/rank over the harmonic number of 10, and half by cell, two cells of nine and one
    expected = {"a0": 0.5 / 2.929 + 0.25 / 9, "a8": 0.5 / 9 / 2.929 + 0.25 / 9, "rare": 0.5 / 29.29 + 0.25}
    for name, share in expected.items():
        assert drawn[name] / 4000 == pytest.approx(share, rel=0.15)
    assert len(drawn) == 10


def test_selecting_from_nobody_says_so() -> None:
    with pytest.raises(ValueError, match="empty population"):
        select([], generator(0), 1)


@given(members, members, st.integers(1, 40))
def test_migrants_are_few_new_and_compete(own: list[Member], arrivals: list[Member], size: int) -> None:
    residents = cull(own, size)
    settled = migrate(residents, arrivals, size)
    newcomers = [member for member in settled if member not in residents]
    assert len(newcomers) <= max(1, size // 4)
    assert not {member.behaviour for member in newcomers} & set(behaviours(residents))
    assert settled == cull(settled, size)
    assert len(settled) >= len(residents)
    assert settled[0].score >= residents[0].score


def test_migration_from_nobody_and_to_nobody() -> None:
    assert migrate([make("a")], [], 3) == (make("a"),)
    assert migrate([], [make("a")], 3) == (make("a"),)


def test_the_best_arrival_displaces_the_worst_resident() -> None:
    residents = [make(f"a{number}", -float(number)) for number in range(4)]
    arrivals = [make("good", 5.0), make("bad", -50.0), make("duplicate", 9.0, behaviour="behaviour of a0")]
    settled = migrate(residents, arrivals, 4)
    assert [member.program_id for member in settled] == ["good", "a0", "a1", "a2"]


@given(
    st.sampled_from(["ring", "full", "random"]),
    st.integers(1, 9).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))),
    st.integers(0, 1000),
    st.integers(0, 2**32),
)
def test_neighbours_are_other_islands(
    topology: str, place: tuple[int, int], generation: int, seed: int
) -> None:
    island, islands = place
    found = neighbours(topology, island, islands, generation, seed)  # type: ignore[arg-type]
    assert island not in found
    assert set(found) <= set(range(islands))
    assert list(found) == sorted(found)
    assert len(found) == (islands - 1 if topology == "full" else min(1, islands - 1))
    assert found == neighbours(topology, island, islands, generation, seed)  # type: ignore[arg-type]


def test_a_ring_is_one_ring() -> None:
    assert [neighbours("ring", island, 4, 0, 0) for island in range(4)] == [(3,), (0,), (1,), (2,)]


def test_random_neighbours_change_and_reach_every_island() -> None:
    met = Counter(neighbours("random", 2, 5, generation, 7)[0] for generation in range(400))
    assert set(met) == {0, 1, 3, 4}
    assert min(met.values()) > 60
