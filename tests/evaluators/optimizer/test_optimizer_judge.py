"""The judge: honest programs are scored, bad ones get a reason, and equal questions get equal answers."""

import json
import subprocess
import sys
from itertools import count, pairwise
from operator import itemgetter
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from recevolve.evaluators.data import DataError
from recevolve.evaluators.kinds.failure import Failed
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.optimizer.guard import guard
from recevolve.evaluators.optimizer.judge import OptimizerJudge
from recevolve.evaluators.optimizer.north_star import audit_trajectory
from recevolve.evaluators.optimizer.sandboxed_steps import SandboxedSteps
from recevolve.evaluators.optimizer.task import TASK
from recevolve.evaluators.sandbox import Limits, Sandbox
from recevolve.population.values.verdict import Status, Verdict

from .conftest import SETTINGS

DATA = {"source": "synthetic", "rows": 6_000}
LIMITS = Limits(cpu_seconds=20.0)
HEAD = 'import torch\nHYPERPARAMETERS = {"lr": 0.1}\ndef init(param):\n    return {}\n'


def update(*lines: str) -> str:
    return HEAD + "def update(grad, state, param, step, hp):\n" + "".join(f"    {line}\n" for line in lines)


def without_timings(verdict: Verdict) -> dict[str, object]:
    return {key: value for key, value in verdict.to_json().items() if key != "timings"}


def test_seeds_pass_and_differ(judge: OptimizerJudge, sandbox: Sandbox) -> None:
    verdicts = {name: TASK.examine(canonical(source), sandbox) for name, source in TASK.seeds.items()}
    assert {name: v.reason for name, v in verdicts.items()} == dict.fromkeys(TASK.seeds, "")
    assert len({v.facts["behaviour"] for v in verdicts.values()}) == len(TASK.seeds)


def test_canonical_text_behaves_as_the_text(judge: OptimizerJudge, sandbox: Sandbox) -> None:
    source = TASK.seeds["ftrl_proximal"]
    assert TASK.examine(source, sandbox).facts == TASK.examine(canonical(source), sandbox).facts


def test_proxy_scores_the_best_rate_and_refines_it(sandbox: Sandbox) -> None:
    settings = {
        "rung_rows": (1_000, 1_000, 1_000), "batch": 64, "folds": 2, "transfer": False,
    }  # fmt: skip
    judge, source = OptimizerJudge(DATA, settings, LIMITS, "test"), TASK.seeds["adam"]
    verdicts = [judge.proxy(source, rung, sandbox) for rung in range(3)]
    rates = [sorted(map(float, one.facts["log_loss_by_factor"])) for one in verdicts]
    ratios = [after / before for row in rates for before, after in pairwise(row)]
    matched = judge.setup.matched_factor(source, sandbox)
    assert rates[0] == pytest.approx([matched * factor for factor in judge.race.factors], rel=1e-5)
    assert ratios[3:] == pytest.approx([1.547, 1.547, 1.244, 1.244], abs=0.002)
    assert max(ratios[5:]) <= 1.25
    for before, after in pairwise(verdicts):
        assert (
            min(before.facts["log_loss_by_factor"].items(), key=itemgetter(1))[0]
            in after.facts["log_loss_by_factor"]
        )
    assert verdicts[2].score is not None
    assert verdicts[2].score.value == -verdicts[2].metrics["log_loss"].value
    assert 0.0 < verdicts[2].metrics["auc"].value < 1.0


def test_a_rung_at_which_all_rates_diverge_tries_lower_ones(sandbox: Sandbox) -> None:
    """The rule explodes once its steps, summed up, are too long: after a few steps at the rates of rung 0."""
    settings = {
        "rung_rows": (320, 3_200), "rung_factors": (2, 2), "factors": (1.0, 2.0), "batch": 64, "folds": 2,
        "transfer": False,
    }  # fmt: skip
    judge = OptimizerJudge(DATA, settings, LIMITS, "test")
    source = update("return param - hp['lr'] * grad * (1.0 + (step * hp['lr'] / 0.7) ** 200), {}")
    first, second = (judge.proxy(source, rung, sandbox) for rung in range(2))
    assert first.status is second.status is Status.SCORED
    rates = [float(rate) for rate in second.facts["log_loss_by_factor"]]
    assert max(rates) < first.facts["lr_factor"] / 2
    audit_trajectory(judge.race, source, sandbox)


def test_a_rung_is_scored_at_its_best_checkpoint_on_rows_that_did_not_choose(
    judge: OptimizerJudge, sandbox: Sandbox
) -> None:
    """What the judge returns is found again by hand from the weights of all checkpoints."""
    source, setup, rung = canonical(TASK.seeds["sgd_momentum"]), judge.setup, 1
    held_out, marks = setup.held_out("search"), setup.marks(judge.race.rows(rung))
    factors = judge.race.entrants(source, rung, sandbox)
    weights, _ = setup.train_inside(source, factors, judge.race.inputs(rung), marks, 0, sandbox)
    losses = np.array([[setup.loss_of(each, held_out.choosing) for each in rate] for rate in weights])
    rate, checkpoint = np.unravel_index(losses.argmin(), losses.shape)
    score = setup.score_of(weights[rate, checkpoint], held_out.scoring)
    verdict = judge.proxy(source, rung, sandbox)
    assert score is not None
    assert verdict.metrics["log_loss"] == score.log_loss
    assert verdict.facts["best_epochs"] == round(setup.epochs("search", marks[checkpoint]), 3)
    assert not set(setup.log.users[held_out.choosing]) & set(setup.log.users[held_out.scoring])


def test_training_teaches(judge: OptimizerJudge, sandbox: Sandbox) -> None:
    setup, rows = judge.setup, judge.setup.splits["search"].held_out
    untrained = setup.score_of(
        np.concatenate([w.detach().numpy().ravel() for w in setup.ranker(0).parameters()]), rows
    )
    trained = judge.proxy(TASK.seeds["adagrad"], 1, sandbox)
    assert untrained is not None
    assert trained.metrics["log_loss"].value < untrained.log_loss.value - 0.005


@pytest.mark.parametrize("name", TASK.seeds)
def test_inside_and_outside_agree_bit_by_bit(name: str, judge: OptimizerJudge, sandbox: Sandbox) -> None:
    setup, source = judge.setup, canonical(TASK.seeds[name])
    rows = judge.race.rows(0)
    marks = setup.marks(rows)
    inside, _ = setup.train_inside(source, [0.3], judge.race.inputs(0), marks, 0, sandbox)
    with SandboxedSteps(sandbox, source, 0.3, setup.shapes(), setup.limits) as steps:
        outside = setup.train_outside(setup.order("search", rows, 0), marks, 0, steps)
    assert len(marks) == setup.settings.checkpoints
    assert inside[0].tobytes() == outside.tobytes()


def test_state_that_lends_its_inputs_agrees_too(judge: OptimizerJudge, sandbox: Sandbox) -> None:
    """Returned state may be the very tensors that came in: neither side may change them under it."""
    source = HEAD.replace("{}\n", "{'p': param, 'g': torch.zeros_like(param)}\n", 1)
    source = source.replace("return {}", "return {'p': param, 'g': torch.zeros_like(param)}")
    source += (
        "def update(grad, state, param, step, hp):\n"
        "    ahead = param - hp['lr'] * (2.0 * grad - state['g']) + 0.5 * (param - state['p'])\n"
        "    return ahead, {'p': param, 'g': grad}\n"
    )
    assert TASK.examine(source, sandbox).status is Status.SCORED
    audit_trajectory(judge.race, source, sandbox)


def test_north_star_scores_its_own_fold(judge: OptimizerJudge, sandbox: Sandbox) -> None:
    source = canonical(TASK.seeds["adam"])
    first = judge.north_star(source, "selection", 0, 2, sandbox)
    others = [
        judge.north_star(source, "selection", 1, 2, sandbox),
        judge.north_star(source, "claim", 0, 2, sandbox),
    ]
    assert first.status is Status.SCORED
    assert first.score is not None
    assert first.score.count == len(judge.setup.splits["selection"].folds[0])
    assert first.score not in [other.score for other in others]
    assert first == judge.north_star(source, "selection", 0, 2, sandbox)


def test_north_star_can_measure_transfer(sandbox: Sandbox) -> None:
    settings = {
        "rung_rows": (500,), "rung_factors": (1,), "factors": (1.0,), "epochs": 0.2, "folds": 2,
        "transfer": True, "transfer_rows": 2_000,
    }  # fmt: skip
    judge = OptimizerJudge(DATA, settings, LIMITS, "test")
    verdict = judge.north_star(TASK.seeds["adagrad"], "claim", 0, 1, sandbox)
    assert set(verdict.metrics) == {"log_loss", "auc", "transfer_log_loss", "transfer_auc"}
    assert verdict.facts["transfer_lr_factor"] == judge.setup.matched_factor(TASK.seeds["adagrad"], sandbox)


def test_an_unknown_split_is_refused(judge: OptimizerJudge, sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="selection, claim"):
        judge.north_star(TASK.seeds["adam"], "search", 0, 1, sandbox)


SCRIPT = """
import json, sys
from recevolve.evaluators.optimizer.judge import OptimizerJudge
from recevolve.evaluators.optimizer.task import TASK
from recevolve.evaluators.sandbox import Limits, Sandbox
data, settings = json.loads(sys.argv[1])
judge = OptimizerJudge(data, settings, Limits(cpu_seconds=20.0), "test")
with Sandbox(TASK.preload) as sandbox:
    source = TASK.seeds["rowwise_adagrad"]
    verdicts = [TASK.examine(source, sandbox), judge.proxy(source, 1, sandbox)]
    verdicts.append(judge.north_star(source, "claim", 1, 2, sandbox))
print(json.dumps([judge.fingerprint, [{**v.to_json(), "timings": 0} for v in verdicts]]))
"""


def test_another_process_gives_the_same_verdicts(judge: OptimizerJudge, sandbox: Sandbox) -> None:
    arguments = json.dumps([DATA, judge.setup.settings.model_dump(mode="json")])
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, arguments], capture_output=True, text=True, check=True, timeout=300
    )
    source = TASK.seeds["rowwise_adagrad"]
    mine = [TASK.examine(source, sandbox), judge.proxy(source, 1, sandbox)]
    mine.append(judge.north_star(source, "claim", 1, 2, sandbox))
    theirs = json.loads(run.stdout)
    assert theirs[0] == judge.fingerprint
    assert theirs[1] == [{**v.to_json(), "timings": 0} for v in mine]


FAILURES = {
    "explodes": (update("return param + 1e6 * torch.sign(grad), {}"), Status.CRASHED, "diverged at each"),
    "diverges": (update("return param - 1e30 * grad, {}"), Status.CRASHED, "diverged at each learning rate"),
    "raises": (update("return param - state['m'], {}"), Status.CRASHED, "line 6 of the candidate"),
    "does not load": ("raise SystemExit(0)", Status.CRASHED, "finding the length of its steps"),
    "spins": (update("while True:", "    pass"), Status.TIMED_OUT, "timed out"),
    "hoards": (update("return torch.zeros(10**12), {}"), Status.CRASHED, "finding the length of its steps"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_bad_program_is_a_verdict_with_its_reason(name: str, sandbox: Sandbox) -> None:
    source, status, words = FAILURES[name]
    settings = {"rung_rows": (200,), "rung_factors": (1,), "folds": 2, "transfer": False}
    judge = OptimizerJudge(DATA, settings, Limits(cpu_seconds=1.0), "test")
    for verdict in (judge.proxy(source, 0, sandbox), judge.north_star(source, "claim", 0, 1, sandbox)):
        assert verdict.status is status
        assert words in verdict.reason


def test_a_program_that_ends_in_the_middle_of_a_session_is_a_verdict(
    judge: OptimizerJudge, sandbox: Sandbox
) -> None:
    source = update("if step > 4:", "    raise SystemExit", "return param - 0.1 * grad, {}")
    verdict = judge.guard(source, sandbox)
    assert verdict.status is Status.CRASHED
    assert "step 5" in verdict.reason


def test_hoarding_state_is_refused_before_it_is_set_aside(judge: OptimizerJudge, sandbox: Sandbox) -> None:
    source = update("return param, state").replace(
        "return {}", "return {'m': torch.zeros(10**9).expand(10**9)}"
    )
    source = source.replace("torch.zeros(10**9)", "torch.zeros(1)")
    verdict = judge.guard(source, sandbox)
    assert verdict.status is Status.INVALID
    assert "numbers of state" in verdict.reason


def test_guard_compares_state_and_time_with_adam(judge: OptimizerJudge, sandbox: Sandbox) -> None:
    def ratio(name: str) -> float:
        verdict = guard(TASK.seeds[name], judge.setup.shapes(), 5, judge.setup.limits, sandbox)
        return verdict.metrics["state_memory_ratio"].value

    whole = judge.guard(TASK.seeds["adagrad"], sandbox)
    assert whole.metrics["state_memory_ratio"].value == ratio("adagrad") == 0.5
    assert whole.timings["step_time_ratio"] > 0
    assert ratio("adam") == 1.0
    assert ratio("rowwise_adagrad") < 0.2


def test_guard_takes_the_ratio_of_median_readings(judge: OptimizerJudge, sandbox: Sandbox) -> None:
    """A clock that ticks once per reading gives each step one tick, whoever makes it."""
    ticks = count()
    verdict = guard(
        TASK.seeds["lion"], [(4, 3), ()], 5, Limits(cpu_seconds=10), sandbox, lambda _: next(ticks)
    )
    assert verdict.timings["step_time_ratio"] == 1.0
    assert verdict.timings == {"step_time_ratio": 1, "step_seconds": 1, "adam_step_seconds": 1}


def test_held_out_rows_are_not_sent_along(judge: OptimizerJudge) -> None:
    setup = judge.setup
    sent = set(setup.order("search", 50_000, 0).tolist())
    for split in setup.splits.values():
        assert not sent & set(split.held_out.tolist())


def test_orders_of_rungs_begin_alike_and_folds_draw_their_own_rows(judge: OptimizerJudge) -> None:
    setup = judge.setup
    long = setup.order("claim", 9_000, 7, 0.9)
    assert np.array_equal(long[:500], setup.order("claim", 500, 7, 0.9))
    assert not np.array_equal(long, setup.order("claim", 9_000, 8, 0.9))
    size = len(setup.splits["claim"].train)
    assert len(set(long.tolist())) == round(0.9 * size)


def test_fingerprint_follows_everything_that_a_verdict_depends_on() -> None:
    base: dict[str, object] = {"folds": 2, "transfer": False}
    made = {
        OptimizerJudge(data, settings, LIMITS, version).fingerprint
        for data, settings, version in (
            (DATA, base, "1"),
            (DATA, base, "2"),
            ({**DATA, "seed": 1}, base, "1"),
            ({**DATA, "split": "time"}, base, "1"),
            (DATA, {**base, "seed": 1}, "1"),
            (DATA, {**base, "rung_rows": (8_000, 20_000, 100_000)}, "1"),
            (DATA, {**base, "transfer": True}, "1"),
        )
    }
    assert len(made) == 7
    assert OptimizerJudge(DATA, base, LIMITS, "1").fingerprint in made


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rows": 3}, "rows"),
        ({"batch": 0}, "batch"),
        ({"rung_rows": (10,)}, "one entry per rung"),
        ({"rung_factors": (1, 2, 1)}, "grow"),
        ({"factors": (1.0,)}, "tries 4 factors"),
        ({"epochs": float("nan")}, "epochs"),
        ({"model": "transformer"}, "dcn"),
    ],
)
def test_impossible_settings_name_the_key(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        OptimizerJudge(DATA, settings, LIMITS, "test")


def test_impossible_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown data source"):
        OptimizerJudge({"source": "movielens"}, {}, LIMITS, "test")
    with pytest.raises(ValueError, match=r"data\.split"):
        OptimizerJudge({**DATA, "split": "item"}, {}, LIMITS, "test")


def test_a_judge_says_how_long_its_trainings_are_and_shortens_them_in_proportion() -> None:
    judge = OptimizerJudge(
        DATA, {"rung_rows": (2_000, 8_000, 16_000), "batch": 16, "epochs": 4.0}, LIMITS, "t"
    )
    whole, short, shortest = judge.size(), judge.size(8_000), judge.size(judge.least)
    assert whole.settings == {}
    assert (whole.rows, short.rows, shortest.rows) == (16_000, 8_000, judge.least)
    assert short.settings["rung_rows"] == [1_000, 4_000, 8_000]
    assert shortest.settings["rung_rows"] == [80, 320, 640]
    made = OptimizerJudge(DATA, {**judge.chosen.model_dump(), **short.settings}, LIMITS, "t")
    assert made.size().rungs == short.rungs
    assert made.size().fold == short.fold < whole.fold
    assert made.race.rungs[-1][0] == 8_000
    assert made.setup.log is judge.setup.log  # not loaded again
    assert whole.epochs[-1] == 4.0
    assert whole.epochs[0] == pytest.approx(2_000 / len(judge.setup.splits["search"].train))


def test_only_programs_that_are_not_the_kinds_own_are_audited(
    judge: OptimizerJudge, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = OptimizerJudge(DATA, SETTINGS, LIMITS, "test", [TASK.seeds["adam"]])
    audited = judge.north_star(TASK.seeds["adam"], "selection", 0, 2, sandbox)
    assert own.north_star(TASK.seeds["adam"], "selection", 0, 2, sandbox) == audited

    def refuse(*_: object) -> None:
        raise Failed(Status.CHEATED, "an audit ran")

    monkeypatch.setattr("recevolve.evaluators.optimizer.north_star.audit_trajectory", refuse)
    assert own.north_star(canonical(TASK.seeds["adam"]), "selection", 0, 2, sandbox) == audited
    for judge_of, name in ((own, "adagrad"), (judge, "adam")):
        assert judge_of.north_star(TASK.seeds[name], "selection", 0, 2, sandbox).status is Status.CHEATED
