"""Who races, how many folds each gets, and what the conclusion decides: with scripted verdicts."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pydantic import create_model

from recevolve.engine.claim import conclude
from recevolve.engine.export.patch import describe
from recevolve.engine.loop.context import SearchContext
from recevolve.engine.loop.events import Progress
from recevolve.engine.loop.executor import Call, Terms
from recevolve.engine.loop.generation import generation
from recevolve.engine.loop.seeds import seeds_for
from recevolve.engine.north_star.promotion import Promotions
from recevolve.engine.north_star.trainings import CONCLUDING
from recevolve.engine.report.report import rendered, status
from recevolve.evaluators.kinds import registry
from recevolve.population.archive.archive import Archive
from recevolve.population.values.program import Program
from recevolve.population.values.verdict import Metric, Status, Verdict

from ..test_search import SOURCE, Script, Scripted
from ..toy_runs import TOY, config

LINE = "'a': 0.5"
"""What tells the text of the known method from the others."""
FORMS = ("x", "numpy.tanh(x)", "numpy.sin(x)", "numpy.square(x)", "x * x")
FOLDS = 8
READINGS = {"seconds": 1.0, "evaluating_share": 0.5}


def program(form: str, value: float = 1.0) -> str:
    """A program that a form tells apart: of those that differ in numbers alone an island keeps one."""
    imports = "import numpy\n\n" if "numpy" in form else ""
    return imports + SOURCE.format(value).replace("* x", f"* {form}")


def noise(source: str, fold: int, split: str) -> float:
    """Between -1 and 1, of a source on a fold."""
    return int(sha256(f"{source} {fold} {split}".encode()).hexdigest()[:6], 16) / 0x7FFFFF - 1.0


class World:
    """What programs score: `scores` by a piece of their text, 0 for production, and `spread` of folds."""

    def __init__(
        self,
        scores: dict[str, float],
        spread: float = 0.01,
        heavy: str = "none",
        same: tuple[str, ...] = (),
        claim: dict[str, float] | None = None,
    ) -> None:
        self.scores, self.spread, self.heavy, self.same = scores, spread, heavy, same
        self.claim = claim or {}

    def __call__(self, call: Call) -> Verdict:
        text = call.source
        known = {**self.scores, **(self.claim if call.split == "claim" else {})}
        value = next((score for part, score in known.items() if part in text), 0.0)
        if call.stage == "guard":
            ratio = 99.0 if self.heavy in text else 1.0
            return Verdict(Status.SCORED, Metric(0.0), metrics={"length_ratio": Metric(ratio)})
        if call.stage == "north_star":
            value += self.spread * noise(text, call.number, call.split)
        same = next((part for part in self.same if part in text), None)
        facts = {"behaviour": "same" if same else text, "matched_lr": 0.5 if same == LINE else 0.25}
        return Verdict(
            Status.SCORED,
            Metric(value),
            metrics={"error": Metric(-value)},
            facts=facts if call.stage == "properties" else {"lr_factor": 2.0 if LINE in text else 1.0},
        )


Conclude = Callable[..., tuple[dict[str, Any], SearchContext, Scripted]]


class Heard(Progress):
    """A progress that keeps what it heard."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def say(self, event: str, **facts: Any) -> None:
        self.events.append({"event": event, **facts})


@pytest.fixture
def concluded(tmp_path: Path) -> Iterator[Conclude]:
    """The report of a search with one generation of candidates, production being `flat`."""
    archives: list[Archive] = []

    def make(
        world: World,
        *forms: str,
        progress: Progress | None = None,
        forecast: dict[str, Any] | None = None,
        **north_star: Any,
    ) -> tuple[dict[str, Any], SearchContext, Scripted]:
        lines = [form if "def" in form else program(form) for form in forms]
        chosen = config(
            tmp_path,
            population={"islands": 1, "size": 8, "births": len(lines), "migrate_every": 100},
            proxy={"rungs": 1, "keep": 1.0},
            north_star={"every": 1, "slots": 8, "folds": 2, "ablations": 0, **north_star},
        )
        task = registry.find("toy", [TOY])
        folder = tmp_path / f"{len(archives)}"
        archive = Archive.create_or_open(folder / "archive.db")
        archives.append(archive)
        executor = Scripted(world)
        terms = Terms("scripted", 1, FOLDS, 1, "nothing")
        begun = {"config": chosen.model_dump(mode="json"), "terms": terms.__dict__, "forecast": forecast}
        archive.begin(begun, 0, "test")
        search = SearchContext(
            chosen, task, terms, seeds_for(chosen, task), archive, archive.ledger(), Script(lines), executor
        )
        population: Any = ()
        for number in (0, 1):
            made = asyncio.run(generation(search, 0, number, population))
            population = made.population
            archive.commit_generation(0, number, population=population, evaluations=made.evaluations)
            asyncio.run(Promotions().hold(search, number, Progress()))
        report = asyncio.run(conclude(search, "enough", (), READINGS, progress or Progress()))
        return report, search, executor

    yield make
    for archive in archives:
        archive.close()


def folds_of(report: dict[str, Any]) -> dict[str, int]:
    return {row["name"]: row["folds"] for row in report["race"]}


def test_a_clear_race_is_over_after_the_folds_of_a_round(concluded: Conclude) -> None:
    report, _, executor = concluded(World({"tanh": 1.0, "sin": 0.5}, 1e-6), *FORMS[:3])
    assert set(folds_of(report).values()) == {2}
    assert report["decision"]["decision"] == "launch"
    winner = Program("toy", program("numpy.tanh(x)")).id
    assert report["decision"]["program"] == report["winner"]["program"] == winner
    claimed = Counter(call.source for call in executor.calls if call.split == "claim")
    assert set(claimed.values()) == {FOLDS}
    assert not any("sin" in source for source in claimed), "a finalist that lost the race is not claimed"


def test_folds_go_to_contenders_and_production_gets_all_of_theirs(concluded: Conclude) -> None:
    scores = {"tanh": 1.0, "sin": 0.99, "square": -5.0, LINE: -5.0}
    report, search, executor = concluded(World(scores, 0.2), *FORMS[:4])
    folds = folds_of(report)
    tanh, sin, square = (
        folds[Program("toy", program(f"numpy.{name}(x)")).id] for name in ("tanh", "sin", "square")
    )
    assert (tanh, sin) == (FOLDS, FOLDS)
    assert square == 2
    assert folds["flat"] == FOLDS
    selection = [(call.source, call.number) for call in executor.calls if call.split == "selection"]
    assert len(selection) == len(set(selection)), "no fold is measured twice"
    assert {call.of for call in executor.calls if call.split} == {search.final_folds}


@pytest.mark.parametrize("finalists", [1, 2, 4])
def test_a_race_of_equals_ends_with_its_budget(concluded: Conclude, finalists: int) -> None:
    report, _, _ = concluded(World({}, 1.0), *FORMS, finalists=finalists)
    measured = Counter(row["folds"] for row in report["race"] if row["name"] != "flat")
    spent = sum(folds * count for folds, count in measured.items())
    assert spent <= max(2 * measured.total(), finalists * FOLDS)
    assert measured.total() == finalists + 1, "finalists and the known method"
    assert report["winner"]["finalists"] == finalists


def test_of_those_that_score_alike_on_every_fold_one_races(concluded: Conclude) -> None:
    scores = {"tanh": 0.5, "sin": 0.5 + 1e-9, "square": 0.5 + 1e-4}
    report, _, _ = concluded(World(scores, 0.0), *FORMS[:4])
    names = {name: Program("toy", program(f"numpy.{name}(x)")).id for name in ("tanh", "sin", "square")}
    assert len(folds_of(report).keys() & {names["tanh"], names["sin"]}) == 1
    assert names["square"] in folds_of(report)


def test_what_scores_as_production_does_on_every_fold_does_not_race(concluded: Conclude) -> None:
    report, _, _ = concluded(World({"tanh": 1e-9, "sin": 1e-4}, 0.0), *FORMS[1:3])
    assert Program("toy", program("numpy.tanh(x)")).id not in folds_of(report)
    assert Program("toy", program("numpy.sin(x)")).id in folds_of(report)


def test_a_race_is_a_function_of_its_verdicts(concluded: Conclude) -> None:
    first, second = (concluded(World({"tanh": 0.3}, 0.5), *FORMS)[0] for _ in range(2))
    assert first == second


def test_a_known_method_ahead_is_switched_to_by_its_name(concluded: Conclude) -> None:
    world = World({LINE: 1.0, "tanh": 0.5})
    report, _, _ = concluded(world, *FORMS[:2])
    assert report["decision"]["decision"] == "switch"
    assert report["decision"]["program"] == "line"
    assert report["decision"]["line"].startswith("switch to line: error better than flat by ")
    assert not report["gain"]["sentence"].startswith("switch")


def test_a_known_method_over_its_guardrail_is_neither_switched_to_nor_in_the_way(concluded: Conclude) -> None:
    world = World({LINE: 1.0, "tanh": 0.5}, heavy=LINE)
    report, _, _ = concluded(world, *FORMS[:2])
    assert report["decision"]["decision"] == "launch"
    assert report["decision"]["program"] == Program("toy", program("numpy.tanh(x)")).id
    (row,) = [row for row in report["race"] if row["name"] == "line"]
    assert "length_ratio is 99" in row["out"]


def test_the_rate_at_which_a_known_method_was_judged_goes_into_its_patch(concluded: Conclude) -> None:
    report, search, _ = concluded(World({LINE: 1.0, "tanh": 0.5}), *FORMS[:2])
    for part in ("race", "arms"):
        assert {row["name"]: row["lr_factor"] for row in report[part]}["line"] == 2.0
    line = Program("toy", search.task.seeds["line"]).id
    assert describe(search.archive, search.task, line)["lr_factor"] == 2.0


@pytest.mark.parametrize("asked", [2.0, None])
def test_a_decision_says_what_the_budget_cut(
    asked: float | None, concluded: Conclude, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config that does not say how long trainings are asks for the kind's default."""
    settings = create_model("Settings", epochs=(float, 2.0))
    task = replace(registry.find("toy", [TOY]), settings=settings)
    monkeypatch.setattr(registry, "find", lambda *_: task)
    world = World({LINE: 1.0})
    assert "cut" not in concluded(world, *FORMS[:2])[0]["decision"]["line"]
    changed = {"settings.epochs": (asked, 0.22), "north_star.final_folds": (None, FOLDS)}
    forecast = {"changed": changed, "uncut": 3600.0}
    cut = concluded(world, *FORMS[:2], forecast=forecast)[0]["decision"]["line"]
    assert f"the budget cut trainings to 0.22 of 2 epochs and folds to {FOLDS} of {FOLDS}" in cut
    assert cut.endswith("about 3,600 s hold the run as asked")


def test_guardrails_of_a_known_method_are_measured_where_it_could_be_recommended(concluded: Conclude) -> None:
    for score, measured in ((-1.0, False), (1.0, True)):
        _, _, executor = concluded(World({LINE: score, "tanh": 0.5}, 1e-6), *FORMS[:2])
        assert any(call.stage == "guard" and LINE in call.source for call in executor.calls) is measured


def test_the_claim_measures_as_many_known_methods_as_there_may_be_finalists(
    concluded: Conclude, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = registry.find("toy", [TOY])
    more = {f"line_{digit}": toy.seeds["line"].replace("0.5", f"0.5{digit}") for digit in range(1, 5)}
    monkeypatch.setattr(registry, "find", lambda *_: replace(toy, seeds={**toy.seeds, **more}))
    report, _, _ = concluded(World({LINE[:-1]: 1.0}, 0.2), *FORMS[:2], finalists=2)
    assert sum(name.startswith("line") for name in folds_of(report)) == 5
    assert sum(row["name"].startswith("line") for row in report["arms"]) == 2


def test_a_program_that_behaves_as_a_known_method_is_that_method(concluded: Conclude) -> None:
    world = World({"tanh": 1.0, LINE: 1.0}, same=("tanh", LINE))
    report, _, _ = concluded(world, *FORMS[:2])
    copy = Program("toy", program("numpy.tanh(x)")).id
    assert report["winner"]["equal"] == {copy: "equals line"}
    assert copy not in folds_of(report)
    assert (report["decision"]["decision"], report["decision"]["program"]) == ("switch", "line")
    assert f"{copy[:8]} equals line" in report["decision"]["line"]


def test_a_known_method_under_idle_edits_makes_way_for_the_next_best(concluded: Conclude) -> None:
    copy, own = program("numpy.tanh(x)", 9.0), program("numpy.sin(x)")
    without_the_idle_constant = "import numpy\nCONSTANTS = {'a': 0.0}"
    world = World({"tanh": 1.0, "sin": 0.5}, 1e-6, same=(LINE, without_the_idle_constant))
    report, _, _ = concluded(world, copy, own, ablations=4)
    copy_id, own_id = (Program("toy", one).id for one in (copy, own))
    assert report["winner"]["equal"] == {copy_id: "equals line"}
    assert report["winner"]["ancestor"]
    assert own_id in (report["winner"]["program"], report["winner"].get("simplified_from"))
    assert report["decision"]["decision"] == "launch"
    assert copy_id not in {row["program"] for row in report["arms"]}


def test_what_equals_a_known_method_at_another_rate_is_told_the_rate(
    concluded: Conclude, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its steps at a rate of 0.25 are as long as the method's at 0.5: its own 0.03 is the method's 0.06."""
    task = replace(registry.find("toy", [TOY]), rate=lambda source: 0.03)
    monkeypatch.setattr(registry, "find", lambda *_: task)
    report, _, _ = concluded(World({}, same=("tanh", LINE)), *FORMS[:2])
    assert list(report["winner"]["equal"].values()) == ["equals line at lr 0.06"]


def test_what_looked_better_and_is_not_stays_at_home(concluded: Conclude) -> None:
    world = World({"tanh": 0.5}, claim={"tanh": -0.5})
    report, _, _ = concluded(world, *FORMS[:2])
    assert report["winner"]["program"] == Program("toy", program("numpy.tanh(x)")).id
    assert (report["decision"]["decision"], report["decision"]["program"]) == ("keep", "flat")


def test_the_report_begins_with_its_decision_and_says_who_got_how_many_folds(concluded: Conclude) -> None:
    from rich.console import Console

    report, search, _ = concluded(World({"tanh": 1.0}), *FORMS[:2])
    console = Console(width=400)
    with console.capture() as seen:
        console.print(rendered(report))
    assert seen.get().splitlines()[0].strip() == report["decision"]["line"]
    assert "The final race, on the selection split" in seen.get()
    told = status(Path(search.archive.path))
    assert told["decision"] == report["decision"]
    assert told["concluding"] is None
    assert json.loads(json.dumps(report)) == report


def test_each_training_of_the_conclusion_is_said_and_survives_a_kill(concluded: Conclude) -> None:
    heard = Heard()
    _, search, _ = concluded(World({"tanh": 1.0, "sin": 0.99}, 0.2), *FORMS[:3], progress=heard)
    told = [one for one in heard.events if "done" in one]
    assert [one["done"] for one in told] == list(range(1, len(told) + 1))
    assert told[-1]["done"] == told[-1]["of"]
    assert all(one["done"] <= one["of"] for one in told)
    assert told[2]["line"].endswith(f"3 of {told[2]['of']} trainings")
    search.archive.conclude(CONCLUDING, {"generation": 1, "timings": {"done": 3, "of": 9}})
    assert status(Path(search.archive.path))["concluding"] == {"done": 3, "of": 9}
