"""The alignment gap of a told record: effects, correlations, false promotions, missed winners, alarms."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from recevolve.engine.north_star.alignment import (
    Elites,
    Point,
    RoundNote,
    alarm,
    correlation,
    note_name,
    summary,
)
from recevolve.engine.north_star.reweighting import Weights
from recevolve.engine.report import alignment_table
from recevolve.engine.report.alignment_plot import svg
from recevolve.evaluators.statistics import Interval
from recevolve.population.values.evaluation import Promotion
from recevolve.population.values.verdict import Status, Verdict

from ..story import Story, source_of


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    told = Story(tmp_path / "run")
    yield told
    told.archive.close()


def points_of(story: Story, **live: Interval) -> dict[str, Point]:
    elites = Elites.of(story.archive, live)
    assert elites is not None
    return {point.program_id: point for point, _ in elites.measured()}


def tell(story: Story, *programs: tuple[float, float, float], audited: tuple[int, ...] = ()) -> list[str]:
    """(constant, proxy, north star) of programs that one round measures; the north star of folds ± 0.01."""
    evaluations = [
        story.evaluation(source_of(constant), proxy, spread=0.05) for constant, proxy, _ in programs
    ]
    ids = [one.program.id for one in story.generation(0, *evaluations)]
    story.generation(0)
    scores = {
        name: (star - 0.01, star + 0.01, star) for name, (_, _, star) in zip(ids, programs, strict=True)
    }
    story.meet(2, scores)
    marked = tuple(ids[place] for place in audited)
    story.archive.conclude(note_name(2), asdict(RoundNote(2, marked)))
    return ids


def home(story: Story) -> None:
    """Measures production, whose scores vary from fold to fold."""
    story.meet(0, {story.production.id: (0.1, -0.1, 0.0)})


def point(generation: int, proxy: float, star: float, width: float = 0.1, **more: Any) -> Point:
    """An elite with intervals of this width."""
    first, second = (Interval(x, x - width, x + width, 0.95, 9, width / 2) for x in (proxy, star))
    return Point(f"{generation}-{proxy}-{star}", generation, first, first, second, **more)


def test_effects_are_over_production_and_production_is_no_point(story: Story) -> None:
    home(story)
    better, worse = tell(story, (1.0, 0.3, 0.5), (2.0, -0.2, -0.4))
    found = points_of(story)
    assert set(found) == {better, worse}
    assert found[better].proxy.estimate == pytest.approx(0.3)
    assert found[better].north_star.estimate == pytest.approx(0.5)
    assert found[worse].north_star.estimate == pytest.approx(-0.4)
    assert found[better].generation == 2
    assert found[better].used == found[better].proxy


def test_false_promotions_and_missed_winners_are_those_beyond_noise() -> None:
    assert point(1, 0.5, -0.5).false_promotion == "worse beyond noise"
    assert point(1, 0.5, 0.05).false_promotion == "no better beyond noise"
    assert point(1, 0.5, 0.5).false_promotion == ""
    assert point(1, 0.05, -0.5).false_promotion == "", "the proxy did not hold it better beyond noise"
    over = {sign: Interval(sign * 0.2, sign * 0.2 - 0.1, sign * 0.2 + 0.1, 0.95, 9, 0.05) for sign in (1, -1)}
    assert (
        point(1, -1, 0.5, audited=True, over_best=over[1]).missed_winner == "production and the best promoted"
    )
    assert point(1, -1, 0.5, audited=True, over_best=over[-1]).missed_winner == ""
    assert point(1, -1, 0.05, audited=True, over_best=over[1]).missed_winner == "", "not beyond noise"
    assert point(1, -1, 0.5).missed_winner == "", "it was promoted for its proxy"


def test_an_audited_program_is_compared_with_the_best_that_its_round_promoted(story: Story) -> None:
    home(story)
    first, second, drawn = tell(story, (1.0, 0.5, 0.3), (2.0, 0.4, 0.6), (3.0, -0.5, 0.8), audited=(2,))
    found = points_of(story)
    assert [found[one].audited for one in (first, second, drawn)] == [False, False, True]
    over = found[drawn].over_best
    assert over is not None
    assert over.estimate == pytest.approx(0.2), "over the second, the best by the north star"
    assert found[drawn].missed_winner == "production and the best promoted"
    gap = summary(list(found.values()), 0)
    assert [row["program"] for row in gap["missed_winners"]] == [drawn]
    assert "1 of 1 audited were missed winners" in gap["sentence"]


def test_what_failed_a_fold_is_left_out_and_a_run_without_a_round_has_no_points(story: Story) -> None:
    assert points_of(story) == {}
    home(story)
    (failed,) = tell(story, (1.0, 0.3, 0.5))
    broken = Verdict(Status.CRASHED, reason="diverged")
    story.archive.commit_round(0, [Promotion(2, 0, failed, "selection", 1, broken)])
    assert points_of(story) == {}


def test_a_live_effect_takes_the_place_of_the_selection_split(story: Story) -> None:
    home(story)
    (one,) = tell(story, (1.0, 0.3, 0.5))
    live = Interval(-0.7, -0.9, -0.5, 0.95, 1000, 0.1)
    found = points_of(story, **{one: live})[one]
    assert (found.north_star, found.source) == (live, "live")


def test_the_score_that_the_search_used_is_that_of_the_weights_in_force(story: Story) -> None:
    home(story)
    weights = Weights(0.5, 9, 0.0, 2.0, {})
    story.archive.conclude(note_name(0), asdict(RoundNote(0, (), weights)))
    (one,) = tell(story, (1.0, 0.3, 0.5))
    found = points_of(story)[one]
    assert found.proxy.estimate == pytest.approx(0.3)
    assert found.used.estimate == pytest.approx(0.6)


def test_few_elites_are_too_few_and_many_have_an_interval() -> None:
    rising = [point(1, 0.1 * place, 0.2 * place) for place in range(9)]
    assert correlation(rising[:4], 0) is None
    whole = correlation(rising, 0)
    assert whole is not None
    assert whole.estimate == pytest.approx(1.0)
    assert correlation([point(1, 0.5, 0.1 * place) for place in range(9)], 0) is None, "one is constant"
    assert correlation(rising, 0) == whole, "equal elites, equal interval"


def noisy(generation: int, count: int, slope: float, seed: int) -> list[Point]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=count)
    y = slope * x + 0.3 * rng.normal(size=count)
    return [point(generation, float(a), float(b)) for a, b in zip(x, y, strict=True)]


def test_an_opposed_proxy_and_a_falling_one_sound_an_alarm_and_a_good_one_does_not() -> None:
    good, opposed = noisy(5, 12, 1.0, 0), noisy(10, 12, -1.0, 1)
    assert alarm(good, 0.0, 0) == ""
    assert "against the north star" in alarm(opposed, 0.0, 0)
    assert "since generation 10" in alarm([*good, *opposed], 0.0, 0)
    falling = alarm([*good, *opposed], -1.0, 0)
    assert "worse than it did" in falling
    assert alarm([*opposed, *noisy(15, 12, 1.0, 2)], 0.0, 0) == "", "what recovered is no alarm"
    assert alarm(noisy(5, 12, 0.0, 3), 0.99, 0) != "", "a demanding threshold"
    assert alarm([], 0.0, 0) == alarm(opposed[:4], 0.0, 0) == ""


@pytest.mark.heavy
@pytest.mark.parametrize("truth", [0.0, 0.8])
def test_a_steady_proxy_seldom_sounds_an_alarm(truth: float) -> None:
    """Six rounds of five elites each, forty runs: at most a tenth of them may call a fall."""
    false = 0
    for run in range(40):
        rounds = [noisy(generation, 5, truth, 100 * run + generation) for generation in range(6)]
        told = [one for each in rounds for one in each]
        false += bool(alarm(told, -1.0, run))
    assert false <= 4


def gap_of(points: list[Point]) -> Mapping[str, Any]:
    return {**summary(points, 0), "rounds": [], "kind": "toy", "production": "p"}


@pytest.mark.heavy
def test_the_picture_repeats_byte_by_byte_and_shows_every_elite() -> None:
    points = [*noisy(5, 8, 1.0, 0), point(10, 0.5, -0.5), point(10, -0.5, 0.5, audited=True)]
    gap = gap_of(points)
    first = svg(gap, "Title", [10])
    assert first == svg(gap, "Title", [10])
    assert "<dc:date>" not in first
    for words in ("Title", "north star: gain over production", "alarm", "generation of promotion"):
        assert words in first
    assert svg(gap_of([]), "Nothing yet").startswith("<?xml")
    unknown = Point("a", 1, *(Interval(0.1, -np.inf, np.inf, 0.95, 1) for _ in range(3)))
    assert svg(gap_of([unknown]), "No errors").startswith("<?xml")


def test_the_tables_and_the_scatter_say_what_is_wrong() -> None:
    console = Console(width=160)
    over = Interval(0.2, 0.1, 0.3, 0.95, 9, 0.05)
    points = [*noisy(5, 8, 1.0, 0), point(10, 0.5, -0.5), point(10, -0.5, 0.5, audited=True, over_best=over)]
    gap = gap_of(points)
    with console.capture() as seen:
        console.print(alignment_table.tables(gap))
        console.print(*alignment_table.gap(gap))
    text = seen.get()
    assert "too few" in text
    assert "worse beyond noise by the north star" in text
    assert "beats production and the best promoted" in text
    drawn = alignment_table.scatter(gap["elites"])
    assert drawn.count("x") >= 2
    assert "┼" in drawn
    assert alignment_table.gap(None) == []
    assert alignment_table.scatter([gap["elites"][0]])
