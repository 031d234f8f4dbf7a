"""The judge: users pair, worlds differ, both paths agree, settings turn what is measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from recevolve.engine.loop.proposer import Parent
from recevolve.engine.propose.syntax.proposer import SyntaxProposer
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.reward.guard import leans
from recevolve.evaluators.reward.judge import RewardJudge
from recevolve.evaluators.reward.task import TASK
from recevolve.evaluators.sandbox import Limits, Sandbox
from recevolve.evaluators.simulator import scenario
from recevolve.population.island.randomness import generator
from recevolve.population.values.verdict import Status

from .conftest import DATA, LIMITS, SETTINGS

SEEDS = {name: canonical(source) for name, source in TASK.seeds.items()}
HELPED = canonical(
    "import numpy\nWEIGHTS = {}\ndef times(x, y):\n    return x * y\n"
    'def reward(signals):\n    return times(signals["click"], signals["watch"])\n'
)


def made(**settings: object) -> RewardJudge:
    return RewardJudge(DATA, {**SETTINGS, **settings}, LIMITS, "test")


def test_the_north_star_prefers_what_brings_users_back(judge: RewardJudge, sandbox: Sandbox) -> None:
    days = {
        name: judge.north_star(source, "claim", 0, 1, sandbox).metrics["late_active_days"].value
        for name, source in SEEDS.items()
    }
    assert days["weighted_sum"] > days["watch"] > days["click"]


def test_units_pair_and_make_the_score(judge: RewardJudge, sandbox: Sandbox) -> None:
    one, other = (judge.north_star(SEEDS[name], "selection", 1, 4, sandbox) for name in ("click", "watch"))
    assert one.score is not None
    assert one.score.value == pytest.approx(np.mean(one.facts["units"]))
    assert one.score.count == len(one.facts["units"]) == SETTINGS["users"]
    assert np.corrcoef(one.facts["units"], other.facts["units"])[0, 1] > 0.3
    assert judge.north_star(SEEDS["click"], "selection", 1, 4, sandbox) == one


def test_folds_and_splits_are_worlds_of_their_own(judge: RewardJudge, sandbox: Sandbox) -> None:
    found = [
        judge.north_star(SEEDS["click"], split, fold, 2, sandbox).facts["units"]
        for split in ("selection", "claim")
        for fold in range(2)
    ]
    assert all(
        abs(np.corrcoef(one, other)[0, 1]) < 0.2 for index, one in enumerate(found) for other in found[:index]
    )


def test_both_paths_give_the_same_verdicts(judge: RewardJudge, sandbox: Sandbox) -> None:
    plain = SEEDS["click_times_watch"]
    for rung in range(judge.rungs):
        assert judge.proxy(HELPED, rung, sandbox) == judge.proxy(plain, rung, sandbox)
    assert judge.north_star(HELPED, "claim", 1, 2, sandbox) == judge.north_star(plain, "claim", 1, 2, sandbox)
    assert judge.guard(HELPED, sandbox) == judge.guard(plain, sandbox)


def test_the_proxy_foretells_the_north_star(judge: RewardJudge, sandbox: Sandbox) -> None:
    proposer = SyntaxProposer(TASK.vocabulary, TASK.rules)
    pool = [Parent(name, source) for name, source in TASK.seeds.items()]
    pairs = []
    for number in range(40):
        rng = generator(1, "alignment", number)
        parents = [pool[index] for index in rng.permutation(len(pool))[:2]]
        source = canonical(proposer.mutant(parents, rng, bold=True).source)
        pool.append(Parent(str(number), source))
        proxy = judge.proxy(source, 2, sandbox)
        if proxy.score:
            star = judge.north_star(source, "selection", 0, 1, sandbox).score
            assert star is not None
            pairs.append((proxy.score.value, star.value))
    assert len(pairs) > 20
    assert stats.spearmanr(*zip(*pairs, strict=True))[0] > 0.6


def test_a_proxy_about_clicks_points_the_other_way(sandbox: Sandbox) -> None:
    clicks = made(proxy="clicked")
    scores = {name: clicks.proxy(source, 2, sandbox).score for name, source in SEEDS.items()}
    assert scores["click"] is not None
    assert all(scores["click"].value >= one.value - 0.01 for one in scores.values() if one)
    assert scores["weighted_sum"] is not None
    assert scores["click"].value > scores["weighted_sum"].value


def test_the_north_star_may_be_another(sandbox: Sandbox) -> None:
    hates = made(north_star="hate_rate").north_star(SEEDS["click"], "claim", 0, 1, sandbox)
    assert hates.score is not None
    assert hates.score.value == -hates.metrics["hate_rate"].value
    clicks = made(north_star="click_rate").north_star(SEEDS["click"], "claim", 0, 1, sandbox)
    assert clicks.score == clicks.metrics["click_rate"]
    assert np.mean(clicks.facts["units"]) == pytest.approx(clicks.score.value, abs=1e-5)


def test_replay_measures_held_out_users_of_the_log(sandbox: Sandbox) -> None:
    replay = made(north_star="replay", proxy="clicked")
    best, worst = (
        replay.north_star(SEEDS[name], "selection", 0, 2, sandbox).score for name in ("click", "weighted_sum")
    )
    assert best is not None
    assert worst is not None
    assert best.value > worst.value
    assert replay.guard(SEEDS["click"], sandbox).score is not None
    for name, words in (
        ("low_bits_in_a_window", "tells rows of a log from others"),
        ("large_batches", "depends on more than the row"),
    ):
        source = (Path(__file__).parent / "cheats" / f"{name}.py").read_text()
        verdict = replay.north_star(source, "selection", 0, 2, sandbox)
        assert verdict.status is Status.CHEATED
        assert words in verdict.reason


def test_guardrails_see_more_hates(judge: RewardJudge, sandbox: Sandbox) -> None:
    source = canonical('WEIGHTS = {}\ndef reward(signals):\n    return -signals["survey"]\n')
    ratio = judge.guard(source, sandbox).metrics["hate_ratio"].value
    assert ratio > TASK.guardrails["hate_ratio"]
    assert judge.guard(SEEDS["weighted_sum"], sandbox).metrics["hate_ratio"].value < 1.0


def test_leans_see_a_shortcut_and_not_what_satisfaction_explains(judge: RewardJudge) -> None:
    log = judge.proxy_.last
    seen = leans(lambda columns: columns["popularity"], log, ("like", "survey"))  # type: ignore[arg-type]
    assert seen["popularity_lean"].value > 0.99
    seen = leans(lambda columns: columns["duration"], log, ("like", "survey"))  # type: ignore[arg-type]
    assert seen["duration_lean"].value > 0.99
    assert seen["popularity_lean"].value < 0.5
    seen = leans(lambda columns: columns["survey"], log, ("like", "survey"))  # type: ignore[arg-type]
    assert max(metric.value for metric in seen.values()) < 0.05


def test_calibrated_people_are_those_who_are_simulated(tmp_path: Path, sandbox: Sandbox) -> None:
    few = {"log_users": 3_000, "proxy": "liked"}
    path = tmp_path / "people.toml"
    path.write_text(scenario("clickbait").text("as the scenario has them"))
    same, plain = made(**few, parameters=str(path)), made(**few)
    verdicts = [one.north_star(SEEDS["click"], "claim", 0, 1, sandbox) for one in (same, plain)]
    assert verdicts[0].score == verdicts[1].score
    path.write_text(replace(scenario("clickbait"), return_base=2.0).text("they come more often"))
    keen = made(**few, parameters=str(path))
    verdict = keen.north_star(SEEDS["click"], "claim", 0, 1, sandbox)
    assert verdict.score is not None
    assert plain.north_star(SEEDS["click"], "claim", 0, 1, sandbox).score is not None
    assert verdict.score.value > verdicts[1].score.value + 2.0
    assert len({same.fingerprint, plain.fingerprint, keen.fingerprint}) == 3
    assert keen.data.startswith("simulated people.toml")


def test_fingerprints_tell_settings_logs_and_versions_apart(judge: RewardJudge) -> None:
    few = {"log_users": 3_000, "proxy": "liked"}
    prints = {
        made(**few).fingerprint,
        made(**few, users=601).fingerprint,
        made(**few, scenario="aligned").fingerprint,
        made(**few, seed=1).fingerprint,
        RewardJudge(DATA, {**SETTINGS, **few}, Limits(cpu_seconds=3.0), "test").fingerprint,
        RewardJudge(DATA, {**SETTINGS, **few}, LIMITS, "other").fingerprint,
    }
    assert len(prints) == 6
    assert made(**few).fingerprint in prints


def test_what_cannot_be_judged_is_a_verdict(judge: RewardJudge, sandbox: Sandbox) -> None:
    broken = 'WEIGHTS = {}\ndef reward(signals):\n    return signals["click"] + undefined\n'
    for verdict in (
        judge.proxy(broken, 0, sandbox),
        judge.north_star(broken, "claim", 0, 1, sandbox),
        judge.guard(broken, sandbox),
    ):
        assert verdict.status is Status.CRASHED
        assert "undefined" in verdict.reason


@pytest.mark.parametrize(
    ("data", "settings", "words"),
    [
        ({"source": "nothing"}, {}, "unknown data source 'nothing'"),
        ({"source": "simulatd"}, {}, r"'simulatd' \(did you mean 'simulated'\?\)"),
        ({"source": "open-bandit", "polcy": "all"}, {}, r"no key polcy \(did you mean 'policy'\?\)"),
        ({"source": "simulated"}, {"proxy": "later_day"}, r"'later_day' \(did you mean 'later_days'\?\)"),
        ({"source": "simulated", "rows": 3}, {}, "has no key rows"),
        ({"source": "simulated"}, {"signals": "x.toml"}, "x.toml"),
        ({"source": "log.csv"}, {}, "needs reward.signals"),
        ({"source": "open-bandit"}, {"proxy": "clicked", "north_star": "replay"}, "cannot rank rewards"),
        ({"source": "open-bandit", "policy": "none"}, {"proxy": "clicked"}, "policy"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(
    data: dict[str, object], settings: dict[str, object], words: str
) -> None:
    with pytest.raises((ValueError, OSError), match=words):
        RewardJudge(data, {**SETTINGS, **settings}, LIMITS, "test")
