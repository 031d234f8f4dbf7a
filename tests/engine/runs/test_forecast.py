"""A forecast adds up single calls, and a budget holds the run or makes it smaller, or says why not."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from recevolve.engine.config.config import Config, ConfigError, parse
from recevolve.engine.loop.executor import Call, Terms
from recevolve.engine.loop.seeds import seeds_for
from recevolve.engine.runs.forecast import LADEN, Costs, Forecast, counted, lines
from recevolve.engine.runs.sizing import as_fitted, plan
from recevolve.evaluators.kinds import registry
from recevolve.evaluators.kinds.task import Size
from recevolve.population.archive.archive import Archive
from recevolve.population.values.evaluation import Stage

ROWS = (400_000, 200_000, 100_000, 50_000, 20_000)
COSTS = Costs(properties=0.5, rungs=(1.0, 2.0, 4.0), audited=10.0, fold=3.0, unseen=8.0, guard=2.0)


def config(tmp_path: Path, **tables: Mapping[str, Any]) -> Config:
    return parse({"kind": "optimizer", "run_dir": str(tmp_path), "seeds": ["adagrad"], **tables})


def forecast(chosen: Config, costs: Costs = COSTS, start: float = 5.0) -> Forecast:
    return counted(chosen, costs, seeds=1, known=7, folds=10, start=start)


def test_parts_add_up_to_the_calls_that_are_made(tmp_path: Path) -> None:
    small = {
        "population": {"islands": 1, "births": 10},
        "proxy": {"keep": 0.5, "floor": 3},
        "executor": {"workers": 1},
    }
    found = forecast(config(tmp_path, **small, north_star={"slots": 3, "folds": 2, "every": 4}))
    assert found.generation == pytest.approx(10 * (0.5 + 0.55 * (1.0 + 0.5 * 2.0 + 0.5**1.5 * 4.0)))
    assert found.round == pytest.approx(3 * (2.0 + 10.0 + 3.0))
    assert found.seeds == pytest.approx(0.5 + 7.0 + 15.0)
    assert found.race == pytest.approx(7 * (8.0 + 3.0) + 3 * (2.0 + 10.0 + 3.0) + 2.0 + (50 + 8) * 3.0)
    assert found.claim == pytest.approx(10.0 + 9 * 3.0 + (1 + 7 / 2) * 10 * 3.0 + 7 / 2 * 2.0)
    assert found.whole(8) == pytest.approx(
        5.0 + found.seeds + 8 * found.generation + 3 * found.round + found.conclusion
    )


def test_two_workers_halve_what_one_takes_and_leave_the_start(tmp_path: Path) -> None:
    one, two = (forecast(config(tmp_path, executor={"workers": count})) for count in (1, 2))
    assert two.start == one.start
    for part in ("seeds", "generation", "round", "race", "ablation", "claim"):
        assert getattr(two, part) == pytest.approx(getattr(one, part) / 2), part


def test_the_generations_that_are_expected_leave_room_for_the_end(tmp_path: Path) -> None:
    found = forecast(config(tmp_path, budget={"seconds": 3000}))
    assert 0 < found.generations < found.most == 40
    assert found.whole(found.generations) <= 3000 < found.whole(found.generations + 2)


def test_calls_that_were_made_often_replace_what_was_foretold_and_their_outliers_do_not_count() -> None:
    spent = {
        (Stage.NORTH_STAR, 1): [6.0, 6.0],
        (Stage.NORTH_STAR, 2): [6.0, 6.0, 90.0],
        (Stage.NORTH_STAR, 0): [99.0],
        (Stage.PROXY, 1): [1.0] * 4,
    }
    assert COSTS.measured(spent) == Costs(0.5, (1.0, 1.0, 4.0), audited=10.0, fold=6.0, unseen=8.0, guard=2.0)


def test_dearer_folds_make_the_end_of_the_run_dearer(tmp_path: Path) -> None:
    found = forecast(config(tmp_path))
    twice = {(Stage.NORTH_STAR, 0): [20.0] * 4, (Stage.NORTH_STAR, 1): [6.0] * 4, (Stage.GUARD, 0): [4.0] * 4}
    assert found.ahead({}) == (found.conclusion, found.generation, found.round)
    assert found.ahead(twice)[0] == pytest.approx(2 * found.conclusion)


def test_a_forecast_survives_its_json(tmp_path: Path) -> None:
    found = forecast(config(tmp_path))
    assert Forecast.from_json(found.to_json()) == found
    assert any("north-star fold 3 s" in line for line in lines(found.to_json()))


@dataclass
class Timed:
    """An executor whose calls cost a hundredth of a second a row, beside the tenth that a call takes."""

    sized: bool = True
    memory_mb: float = 100.0

    async def sizes(self) -> list[Size]:
        return [size(rows) for rows in ROWS] if self.sized else []

    async def timed(self, calls: Sequence[Call], settings: Mapping[str, Any]) -> list[float]:
        rows = settings.get("transfer_rows", 400_000)
        known = {Stage.PROPERTIES: 0.01, Stage.GUARD: 0.1}
        return [known.get(call.stage, 0.1 + rows / 100_000) for call in calls]

    async def memory(self) -> float:
        return self.memory_mb


def size(rows: int) -> Size:
    changed = {"transfer_rows": rows} if rows < ROWS[0] else {}
    return Size(changed, rows, (0.1, 0.2, 0.4, 1.0), [rows] * 3, rows, 0.0, 0.0)


def planned(chosen: Config, executor: Timed | None = None) -> Any:
    task, terms = registry.find("optimizer"), Terms("f", 3, 10, 1, "a log")
    timed: Any = executor or Timed()
    return asyncio.run(plan(timed, chosen, task, seeds_for(chosen, task), terms, lambda: 1.0))


def test_what_a_budget_holds_stays_as_it_is(tmp_path: Path) -> None:
    asked = config(tmp_path, budget={"seconds": 1e5})
    assert planned(asked).config == asked
    assert planned(asked).fitted == {}


def test_trainings_get_as_short_as_the_budget_needs_and_no_shorter(tmp_path: Path) -> None:
    found = planned(config(tmp_path, budget={"seconds": 900}))
    taken = found.config.settings["transfer_rows"]
    assert found.fitted == {"settings.transfer_rows": (None, taken)}
    assert found.forecast.fits
    longer = {"transfer_rows": ROWS[ROWS.index(taken) - 1]}
    fixed = config(tmp_path, budget={"seconds": 900, "size": "fixed"}, optimizer=longer)
    with pytest.raises(ConfigError, match=r"900 s do not hold 10 generations"):
        planned(fixed, Timed(sized=False))


def test_after_trainings_folds_and_candidates_shrink_and_each_is_said(tmp_path: Path) -> None:
    found = planned(config(tmp_path, budget={"seconds": 36}))
    assert found.fitted["north_star.final_folds"] == (None, 4)
    assert found.config.population.births < 16
    assert found.config.settings["transfer_rows"] == 20_000
    said = "\n".join(found.to_json()["lines"])
    assert "the longest training 400,000 -> 20,000 rows: transfer_rows = 20,000" in said
    assert "north_star.final_folds all -> 4" in said
    assert f"about {found.uncut:,.0f} s hold the run as it was asked for" in said
    assert planned(config(tmp_path, budget={"seconds": found.uncut + 1})).fitted == {}


class Short(Timed):
    """Trainings of at most 50,000 rows see less than all rows."""

    async def sizes(self) -> list[Size]:
        return [replace(size(rows), epochs=(0.1, 0.2, 0.4, rows / 100_000)) for rows in ROWS]


def test_candidates_get_fewer_before_trainings_are_shorter_than_a_pass_and_folds_after(
    tmp_path: Path,
) -> None:
    changed = [
        planned(config(tmp_path, budget={"seconds": seconds}), Short()).fitted
        for seconds in range(40, 400, 4)
    ]
    part = [
        one for one in changed if "population.births" in one and one["settings.transfer_rows"][1] >= 100_000
    ]
    assert part, "fewer candidates, whole passes"
    for one in changed:
        if one["settings.transfer_rows"][1] < 100_000:
            assert one["population.births"][1] <= 8
        if "north_star.final_folds" in one:
            assert one["settings.transfer_rows"][1] == 20_000


def test_the_smallest_run_that_does_not_fit_is_refused_with_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)8 s do not hold.*rungs.*budget.seconds = \d+0") as refused:
        planned(config(tmp_path, budget={"seconds": 8}))
    needs = int(str(refused.value).rpartition("budget.seconds = ")[2].partition(",")[0])
    assert planned(config(tmp_path, budget={"seconds": needs})).forecast.fits


def test_more_memory_than_the_machine_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"executor.workers: 2 workers need 2\d\d,\d\d\d,\d\d\d MiB"):
        planned(config(tmp_path, budget={"seconds": 1e5}), Timed(memory_mb=1e8))


def test_a_run_that_was_made_smaller_is_continued_by_the_same_file(tmp_path: Path) -> None:
    asked = config(tmp_path, budget={"seconds": 60})
    found = planned(asked)
    with Archive.create_or_open(tmp_path / "archive.db") as archive:
        recorded = {"config": found.config.model_dump(mode="json"), "forecast": found.to_json()}
        archive.begin(recorded, 0, "1")
        assert as_fitted(archive, asked) == (asked, None)  # no generation yet: it is measured again
        archive.commit_generation(0, 0, population=(), evaluations=())
        again, sized = as_fitted(archive, asked)
        assert again == found.config
        assert sized == json.loads(json.dumps(found.to_json()))
        assert as_fitted(archive, found.config)[0] == found.config
        other = asked.model_copy(update={"population": asked.population.model_copy(update={"births": 5})})
        assert as_fitted(archive, other)[0].population.births == 5


def test_trainings_that_a_candidate_has_no_time_for_are_shortened(tmp_path: Path) -> None:
    asked = config(tmp_path, budget={"seconds": 1e5}, sandbox={"cpu_seconds": 2.0})
    assert planned(asked).config.settings["transfer_rows"] == 100_000  # 1.1 s, and 2.1 s at twice the rows
    assert planned(asked, Timed(sized=False)).config == asked


class Costly(Timed):
    """Known programs take twice as long as production. The first call, training and fold take longer."""

    async def timed(self, calls: Sequence[Call], settings: Mapping[str, Any]) -> list[float]:
        home = "total" in calls[0].source  # only Adagrad keeps such a sum
        seconds = await super().timed(calls, settings)
        stars = [place for place, call in enumerate(calls) if call.stage is Stage.NORTH_STAR]
        seconds[stars[0]] += 0.5
        seconds[0] += 30.0
        if trainings := [place for place, call in enumerate(calls) if call.stage is Stage.PROXY]:
            seconds[trainings[0]] += 30.0
        return [each * (1 if home else 2) for each in seconds]


def test_costs_of_long_trainings_follow_from_short_ones_of_several_programs(tmp_path: Path) -> None:
    whole = planned(config(tmp_path, budget={"seconds": 1e6}), Costly()).forecast.costs
    dearer = LADEN * (1 + 2 + 2) / 3
    assert whole.properties == pytest.approx(LADEN * 0.01)
    assert whole.rungs == pytest.approx([dearer * 4.1] * 3)
    assert whole.fold == pytest.approx(dearer * 4.1)
    assert whole.audited == pytest.approx(dearer * 4.1), "what a worker loads first is no audit"
    assert whole.unseen == pytest.approx(dearer * 4.1 + LADEN * 2 * 0.5 * 4.1 / 0.3), "as rungs grow"
