"""The judge: honest layers are scored, bad ones get a reason, and equal questions get equal answers."""

import json
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from recevolve.evaluators.ctr import model as ctr
from recevolve.evaluators.data import DataError
from recevolve.evaluators.interaction.guard import guard
from recevolve.evaluators.interaction.judge import InteractionJudge
from recevolve.evaluators.interaction.meter import Foreign, Meter
from recevolve.evaluators.interaction.proxy import Race
from recevolve.evaluators.interaction.reference_cost import ReferenceCost
from recevolve.evaluators.interaction.setup import RankingModel, adam
from recevolve.evaluators.interaction.task import TASK, adapt
from recevolve.evaluators.kinds.failure import Failed
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.sandbox import Sandbox, load
from recevolve.population.values.verdict import Status, Verdict

from .conftest import DATA, LIMITS, SETTINGS

HEAD = "import torch\nHYPERPARAMETERS = {}\n"
EMPTY = "def init(fields, dim, hp):\n    return {}\n"


def program(expression: str, init: str = EMPTY) -> str:
    return f"{HEAD}{init}def interact(x, params, hp):\n    return {expression}\n"


def without_timings(verdict: Verdict) -> dict[str, object]:
    return {key: value for key, value in verdict.to_json().items() if key != "timings"}


def test_seeds_pass_differ_and_keep_within_the_budget(judge: InteractionJudge, sandbox: Sandbox) -> None:
    verdicts = {name: TASK.examine(canonical(source), sandbox) for name, source in TASK.seeds.items()}
    assert {name: v.reason for name, v in verdicts.items()} == dict.fromkeys(TASK.seeds, "")
    assert len({v.facts["behaviour"] for v in verdicts.values()}) == len(TASK.seeds)
    proxies = {name: judge.proxy(canonical(source), 0, sandbox) for name, source in TASK.seeds.items()}
    assert {name: v.reason for name, v in proxies.items()} == dict.fromkeys(TASK.seeds, "")
    assert len({v.score for v in proxies.values()}) == len(TASK.seeds)
    assert proxies["dcn_v2"].metrics["parameter_ratio"].value == 1.0
    assert proxies["dcn_v2"].metrics["flop_ratio"].value == 1.0


def test_equal_questions_get_equal_answers(judge: InteractionJudge, sandbox: Sandbox) -> None:
    source = canonical(TASK.seeds["gated_cross"])
    first = judge.proxy(source, 1, sandbox)
    assert without_timings(first) == without_timings(judge.proxy(source, 1, sandbox))
    again = InteractionJudge(DATA, SETTINGS, LIMITS, "test")
    assert again.fingerprint == judge.fingerprint
    assert without_timings(again.proxy(source, 1, sandbox)) == without_timings(first)
    assert InteractionJudge(DATA, {**SETTINGS, "lr": 0.01}, LIMITS, "test").fingerprint != judge.fingerprint


class Local:
    """A layer in this process: what `SandboxedLayer` must equal."""

    def __init__(self, source: str, outputs: int) -> None:
        self.namespace, self.names, self.outputs = load(source), (), outputs

    def forward(self, x_BFD: torch.Tensor, params: object, graph: bool) -> torch.Tensor:
        self.x = x_BFD.detach().clone().requires_grad_()
        with torch.enable_grad():
            self.out = self.namespace["interact"](self.x, {}, {})
        out: torch.Tensor = self.out.detach()
        return out

    def backward(self, grad_BK: torch.Tensor) -> list[torch.Tensor]:
        return list(torch.autograd.grad(self.out, [self.x], grad_BK))


def test_training_in_the_sandbox_equals_training_here(judge: InteractionJudge, sandbox: Sandbox) -> None:
    source, setup = canonical(TASK.seeds["fm"]), judge.setup
    order = setup.order("search", judge.race.rows(0, 0), 0)
    held_out = setup.held_out("search")
    layer = setup.layer(source, 0, sandbox)
    with setup.sandboxed(source, layer, sandbox) as remote:
        run = setup.run(remote, order, held_out, 0)
    model = RankingModel(setup.model, setup.log.fields, setup.settings.dim, Local(source, 1), [], 0)
    step = adam(model, setup.settings.lr)
    log, marks = setup.log, setup.marks(len(order))
    seen = ctr.train(model, log.features, log.labels, order, step, setup.settings.batch, marks)
    ctr.unflatten(model, seen[marks.index(run.best_step)])
    logits = ctr.predict(model, log.features[held_out.scoring])
    np.testing.assert_allclose(run.logits, logits, rtol=1e-4, atol=1e-5)


def test_training_teaches_more_on_a_later_rung(judge: InteractionJudge, sandbox: Sandbox) -> None:
    first, second = (judge.proxy(TASK.seeds["fm"], rung, sandbox) for rung in (0, 1))
    assert second.metrics["log_loss"].value < first.metrics["log_loss"].value < 0.6932
    assert second.score is not None
    assert second.score.value == -second.metrics["log_loss"].value
    assert "units" not in first.facts
    assert len(second.facts["units"]) == 100
    assert np.mean(second.facts["units"]) == pytest.approx(second.score.value, abs=1e-6)


def test_the_last_rung_is_the_mean_of_several_trainings(judge: InteractionJudge, sandbox: Sandbox) -> None:
    source, rungs = canonical(TASK.seeds["dcn_v2"]), (0.5, 1.0)
    alone = [Race(judge.setup, rungs, seed, 1).run(source, 1, sandbox) for seed in (4, 5)]
    several = Race(judge.setup, rungs, 4, 2)
    both, first = several.run(source, 1, sandbox), several.run(source, 0, sandbox)
    losses = [each.metrics["log_loss"].value for each in alone]
    assert losses[0] != losses[1]
    assert both.metrics["log_loss"].value == pytest.approx(sum(losses) / 2, abs=1e-9)
    assert first == replace(Race(judge.setup, rungs, 4, 1).run(source, 0, sandbox), timings=first.timings)


def test_north_star_scores_its_own_fold_and_names_users(judge: InteractionJudge, sandbox: Sandbox) -> None:
    source = canonical(TASK.seeds["dcn_v2"])
    first = judge.north_star(source, "selection", 0, 2, sandbox)
    others = [
        judge.north_star(source, "selection", 1, 2, sandbox),
        judge.north_star(source, "claim", 0, 2, sandbox),
    ]
    assert first.status is Status.SCORED
    assert first.score is not None
    rows = judge.setup.splits["selection"].folds[0]
    assert first.score.count == len(rows)
    assert first.score not in [other.score for other in others]
    assert without_timings(first) == without_timings(judge.north_star(source, "selection", 0, 2, sandbox))
    units = first.facts["units"]
    assert len(units) == len(np.unique(judge.setup.log.users[rows]))
    assert np.mean(units) == pytest.approx(first.score.value, abs=1e-6)
    other = judge.north_star(TASK.seeds["concatenation"], "selection", 0, 2, sandbox)
    assert np.corrcoef(units, other.facts["units"])[0, 1] > 0.5


def test_north_star_measures_transfer_with_the_other_model(sandbox: Sandbox) -> None:
    settings = {"rung_epochs": (0.2,), "epochs": 0.2, "folds": 2, "transfer_rows": 2_000}
    judge = InteractionJudge(DATA, settings, LIMITS, "test")
    verdict = judge.north_star(TASK.seeds["pairwise_dot"], "claim", 0, 1, sandbox)
    assert {"transfer_log_loss", "transfer_auc"} <= set(verdict.metrics)
    stacked = InteractionJudge(DATA, {**settings, "model": "stacked", "transfer": False}, LIMITS, "test")
    assert stacked.proxy(TASK.seeds["pairwise_dot"], 0, sandbox).status is Status.SCORED


def test_an_unknown_split_is_our_mistake(judge: InteractionJudge, sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="selection, claim"):
        judge.north_star(TASK.seeds["fm"], "search", 0, 1, sandbox)


@pytest.mark.parametrize(
    ("source", "status", "words"),
    [
        (program("x.flatten(1)[:, :1] / 0.0"), Status.CRASHED, "diverged"),
        (program("x.flatten(1)[0]"), Status.CRASHED, "while"),
        (program("x.flatten(1)") + "raise SystemExit\n", Status.CRASHED, "SystemExit"),
        (program("x.flatten(1).nothing()"), Status.CRASHED, "AttributeError"),
        (
            HEAD + EMPTY + "def interact(x, params, hp):\n    while True:\n        pass\n",
            Status.TIMED_OUT,
            "",
        ),
    ],
)
def test_a_bad_program_is_a_verdict(
    source: str, status: Status, words: str, sandbox: Sandbox, judge: InteractionJudge
) -> None:
    if status is Status.TIMED_OUT:
        judge = InteractionJudge(DATA, SETTINGS, type(LIMITS)(cpu_seconds=1.0), "test")
    verdict = judge.proxy(source, 0, sandbox)
    assert verdict.status is status
    assert words in verdict.reason
    if status is not Status.TIMED_OUT:
        assert judge.north_star(source, "claim", 1, 2, sandbox).status is status


def test_guard_compares_with_dcn_v2(judge: InteractionJudge, sandbox: Sandbox) -> None:
    ticks = count(0.0, 0.25)
    verdict = guard(TASK.seeds["final_mlp"], judge.setup, 4, sandbox, clock=lambda _: next(ticks))
    assert verdict.timings["forward_time_ratio"] == 1.0
    assert 0.0 < verdict.metrics["parameter_ratio"].value < 1.1
    assert 0.0 < verdict.metrics["flop_ratio"].value < 1.25
    assert judge.guard(TASK.seeds["fm"], sandbox).timings["forward_time_ratio"] > 0.0


def test_a_config_sets_the_budget(sandbox: Sandbox) -> None:
    source = canonical(TASK.seeds["dcn_v2"])
    tight = adapt(DATA, {"parameter_budget": 0.5})
    assert "0.5 times" in tight.examine(source, sandbox).reason
    judge = InteractionJudge(DATA, {**SETTINGS, "flop_budget": 0.5}, LIMITS, "test")
    assert judge.proxy(source, 0, sandbox).status is Status.INVALID
    wide = TASK.seeds["dcn_v2_low_rank"].replace('"rank": 16', '"rank": 64')
    assert TASK.examine(wide, sandbox).status is Status.INVALID
    assert adapt(DATA, {"parameter_budget": 4.0, "flop_budget": 4.0}).examine(wide, sandbox).score


@pytest.mark.parametrize(
    "wrong", [{"dim": 0}, {"lr": -1.0}, {"rung_epochs": ()}, {"widht": 8}, {"model": "dcn"}]
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        InteractionJudge(DATA, {**SETTINGS, **wrong}, LIMITS, "test")


def test_bad_data_is_refused() -> None:
    with pytest.raises(DataError):
        InteractionJudge({"source": "nowhere"}, SETTINGS, LIMITS, "test")
    with pytest.raises(ValueError, match=r"data\.split"):
        InteractionJudge({**DATA, "split": "row"}, SETTINGS, LIMITS, "test")


@pytest.mark.parametrize("fields_dim", [(2, 3), (7, 8), (11, 8), (26, 16)])
def test_the_reference_cost_is_the_dcn_v2_seeds(fields_dim: tuple[int, int]) -> None:
    fields, dim = fields_dim
    namespace = load(TASK.seeds["dcn_v2"])
    params = namespace["init"](fields, dim, namespace["HYPERPARAMETERS"])
    x = torch.randn(4, fields, dim)
    with torch.no_grad(), Meter((x, *params.values())) as meter:
        out = namespace["interact"](x, params, namespace["HYPERPARAMETERS"])
    cost = ReferenceCost(fields, dim)
    assert sum(value.numel() for value in params.values()) + out.shape[1] == cost.parameters
    assert meter.flops / 4 == cost.flops


def test_the_meter_counts_products_elements_and_reductions() -> None:
    x, weight = torch.randn(3, 5), torch.randn(5, 7)
    for work, flops in (
        (lambda: x @ weight, 2 * 3 * 5 * 7),
        (lambda: x * x, 15),
        (lambda: x.sum(1), 15),
        (lambda: torch.cat([x, x], 1), 0),
        (lambda: x.transpose(0, 1).reshape(15), 0),
        (lambda: torch.where(x > 0, x, 0.0), 30),
    ):
        with Meter((x, weight)) as meter:
            work()
        assert meter.flops == flops


@pytest.mark.parametrize(
    "work",
    [
        lambda x: x + torch.ones(4),
        lambda x: x * torch.randn(4),
        lambda x: torch.rand_like(x),
        lambda x: x + torch.triu_indices(4, 4)[0, 0],
        lambda x: torch.from_numpy(x.numpy() * 2.0) + 1.0,
    ],
)
def test_the_meter_finds_numbers_from_elsewhere(work: object) -> None:
    x = torch.randn(3, 4)
    with pytest.raises(Foreign), Meter((x,)):
        work(x)  # type: ignore[operator]


def test_verdicts_travel_as_json(judge: InteractionJudge, sandbox: Sandbox) -> None:
    verdict = judge.north_star(TASK.seeds["fm"], "selection", 1, 2, sandbox)
    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


def test_shorter_trainings_keep_the_proportions_of_rungs_and_draws() -> None:
    judge = InteractionJudge(DATA, {"rung_epochs": (0.5, 1.0, 2.0), "batch": 8}, LIMITS, "test")
    whole, short = judge.size(), judge.size(judge.least)
    first, _, last = short.settings["rung_epochs"]
    assert last / first == pytest.approx(4, rel=0.01)
    assert short.rows == pytest.approx(judge.least, rel=0.01)
    assert whole.rungs[2] > 2 * whole.rungs[1]  # several draws on the last rung
    assert (short.audited, short.guard) == (0.0, 0.0)


def test_only_layers_that_are_not_the_kinds_own_are_audited(
    judge: InteractionJudge, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = InteractionJudge(DATA, SETTINGS, LIMITS, "test", [TASK.seeds["fm"]])
    audited = judge.north_star(TASK.seeds["fm"], "selection", 0, 2, sandbox)
    assert own.north_star(TASK.seeds["fm"], "selection", 0, 2, sandbox) == audited

    def refuse(*_: object) -> None:
        raise Failed(Status.CHEATED, "an audit ran")

    monkeypatch.setattr("recevolve.evaluators.interaction.north_star.audit_memory", refuse)
    assert own.north_star(canonical(TASK.seeds["fm"]), "selection", 0, 2, sandbox) == audited
    for judge_of, name in ((own, "pairwise_dot"), (judge, "fm")):
        assert judge_of.north_star(TASK.seeds[name], "selection", 0, 2, sandbox).status is Status.CHEATED
