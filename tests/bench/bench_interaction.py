"""The power and the cost of judging interaction layers: `python tests/bench/bench_interaction.py`.

Four tables. Mutants of the seeds, made by syntax edits without a model, and the share that holds every
property. The battery: cheats caught by the layer that each names, their text not being looked at, and honest
seeds refused in repeats at random sizes and in audits. The seeds on a log: log loss, AUC and CPU seconds (of
the ranker here and of the layer in the sandbox) on each rung and at the north star. And how well each rung
ranks seeds and mutants as the north star does, by Spearman's correlation, with an interval from resampled
programs. `--data synthetic` or any built-in source; `--mutants`, `--repeats`, `--ranked`, `--folds`; with
`--rates` only the seeds at several rates of Adam.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from recevolve.engine.loop.proposer import Parent
from recevolve.engine.propose.syntax.proposer import SyntaxProposer
from recevolve.evaluators.data import DataUnavailable, load
from recevolve.evaluators.interaction.judge import InteractionJudge
from recevolve.evaluators.interaction.properties import PROPERTIES, Example
from recevolve.evaluators.interaction.task import TASK
from recevolve.evaluators.kinds.folder import programs
from recevolve.evaluators.kinds.properties import examine
from recevolve.evaluators.language.canonical import canonical
from recevolve.evaluators.language.static import check
from recevolve.evaluators.sandbox import Limits, Sandbox
from recevolve.evaluators.sandbox import load as loaded
from recevolve.population.values.verdict import Status, Verdict

LIMITS = Limits(cpu_seconds=60.0)
SMALL = {
    "dim": 6, "batch": 128, "rung_epochs": (0.5,), "epochs": 1.0, "folds": 4, "transfer": False,
}  # fmt: skip
RATES = (0.002, 0.005, 0.01, 0.02)
AUDITED = (("selection", 1), ("selection", 2), ("claim", 1), ("claim", 2), ("claim", 4))
"""Splits, and the folds that each is dealt into: five different trainings."""
CHEATS = programs(Path(__file__).parents[1] / "evaluators" / "interaction" / "cheats")
SEEDS = {name: canonical(source) for name, source in TASK.seeds.items()}
console = Console(width=150)


def mutants(count: int) -> Iterator[tuple[str, str]]:
    """(name of the seed, canonical text) of mutants, with another seed to borrow from."""
    proposer = SyntaxProposer(TASK.vocabulary, TASK.rules)
    parents = [Parent(name, source) for name, source in TASK.seeds.items()]
    for number in range(count):
        rng = np.random.Generator(np.random.Philox(key=[11, number]))
        pair = [parents[place] for place in rng.permutation(len(parents))[:2]]
        source = proposer.mutant(pair, rng).source
        assert not check(source, TASK.rules)
        yield pair[0].program_id, canonical(source)


def proposals(count: int) -> None:
    """What becomes of mutants."""
    ends: Counter[str] = Counter()
    for _, source in mutants(count):
        wrong = examine(PROPERTIES, loaded(source), 60.0)
        ends[(wrong or "every property holds").partition(":")[0]] += 1
    table = Table("mutants", "share", title=f"{count} mutants of {len(SEEDS)} seeds, all obey the rules")
    for name, number in ends.most_common():
        table.add_row(name, f"{number / count:.1%}")
    console.print(table)


def caught(name: str, judge: InteractionJudge, sandbox: Sandbox) -> bool:
    """Whether a cheat is stopped by the layer that it names, or does no better than the honest program."""
    source = CHEATS[name]
    layer = source.split("Caught by: ")[1].split("\n")[0].split(",")[0]
    match layer:
        case "properties":
            return TASK.examine(source, sandbox).status is Status.INVALID
        case "proxy":
            return judge.proxy(source, 0, sandbox).status is Status.INVALID
        case "north star":
            return judge.north_star(source, "selection", 0, 2, sandbox).status is Status.CHEATED
    return judge.proxy(source, 0, sandbox).score == judge.proxy(SEEDS["concatenation"], 0, sandbox).score


def refused(source: str, repeat: int) -> str | None:
    """What a property says against a seed at random sizes; None: nothing. The budget has sizes of its own."""
    rng = np.random.Generator(np.random.Philox(key=[13, repeat]))
    sizes = ((2, 70), (2, 30), (2, 24), (0, 1_000_000))
    rows, fields, dim, seed = (int(rng.integers(low, high)) for low, high in sizes)
    example = Example(rows, fields, dim, seed, float(10.0 ** rng.uniform(-3, 1)))
    namespace = loaded(source)
    for each in PROPERTIES:
        alone = each.examples == 1  # these take no example
        if wrong := each.holds(namespace, None if alone else example):
            return f"{each.name}: {wrong}"
    return None


def battery(repeats: int, sandbox: Sandbox) -> None:
    """Cheats caught, and honest seeds refused."""
    judge = InteractionJudge({"source": "synthetic", "rows": 6_000}, SMALL, LIMITS, "bench")
    stopped = {name: caught(name, judge, sandbox) for name in CHEATS}
    false = {name: [w for n in range(repeats) if (w := refused(source, n))] for name, source in SEEDS.items()}
    cheated = [
        (name, verdict.reason)
        for name, source in SEEDS.items()
        for split, of in AUDITED
        if (verdict := judge.north_star(source, split, 0, of, sandbox)).status is not Status.SCORED
    ]
    text = sum(bool(check(source, TASK.rules)) for source in CHEATS.values())
    table = Table("battery", "of", "count", "share")
    table.add_row("cheats refused by their text", str(len(stopped)), str(text), f"{text / len(stopped):.0%}")
    total = sum(stopped.values())
    table.add_row(
        "cheats caught by the layer they name", str(len(stopped)), str(total), f"{total / len(stopped):.0%}"
    )
    alarms, asked = sum(map(len, false.values())), repeats * len(SEEDS)
    table.add_row("honest seeds refused at random sizes", str(asked), str(alarms), f"{alarms / asked:.1%}")
    table.add_row(
        "honest seeds that an audit called cheating", str(len(AUDITED) * len(SEEDS)), str(len(cheated)),
        f"{len(cheated) / (len(AUDITED) * len(SEEDS)):.1%}",
    )  # fmt: skip
    console.print(table)
    missed = [name for name, held in stopped.items() if not held]
    for line in (*missed, *cheated, *(words for found in false.values() for words in found)):
        console.print(line)


def cells(verdict: Verdict) -> str:
    """Log loss and AUC."""
    if not verdict.score:
        return verdict.reason
    return f"{verdict.metrics['log_loss'].value:.4f} {verdict.metrics['auc'].value:.4f}"


def seeds(judge: InteractionJudge, sandbox: Sandbox) -> None:
    """The seeds on every rung, and at the north star."""
    table = Table("seed", title=f"{judge.data}: log loss, AUC, CPU seconds of ranker + layer")
    for rung, epochs in enumerate(judge.setup.settings.rung_epochs):
        table.add_column(f"rung {rung}: {epochs:g} epochs")
    for column in ("north star, fold 0", "transfer", "parameters", "FLOPs", "forward time"):
        table.add_column(column)
    for name, source in SEEDS.items():
        row = [name]
        for rung in range(judge.rungs):
            began = time.process_time()
            verdict = judge.proxy(source, rung, sandbox)
            own = time.process_time() - began
            row.append(f"{cells(verdict)} {own:.2f}+{verdict.timings.get('layer_cpu_seconds', 0.0):.2f}")
        star = judge.north_star(source, "selection", 0, 4, sandbox)
        guard = judge.guard(source, sandbox)
        row += [cells(star), f"{star.metrics['transfer_log_loss'].value:.4f}"]
        row += [f"{guard.metrics[each].value:.3f}" for each in ("parameter_ratio", "flop_ratio")]
        table.add_row(*row, f"{guard.timings['forward_time_ratio']:.2f}")
    console.print(table)


def rates(data: str, sandbox: Sandbox) -> None:
    """The seeds on the last rung at several rates of Adam."""
    judges = [
        InteractionJudge({"source": data}, {"lr": rate, "transfer": False}, LIMITS, "bench") for rate in RATES
    ]
    table = Table("seed", *(f"{rate:g}" for rate in RATES), title=f"{judges[0].data}: log loss, AUC by rate")
    for name, source in SEEDS.items():
        table.add_row(name, *(cells(judge.proxy(source, judge.rungs - 1, sandbox)) for judge in judges))
    console.print(table)


def ranked(judge: InteractionJudge, count: int, folds: int, sandbox: Sandbox) -> None:
    """Spearman's correlation of each rung with the mean of north-star folds."""
    programs = dict(SEEDS)
    for number, (name, source) in enumerate(mutants(10 * count)):
        if len(programs) >= len(SEEDS) + count:
            break
        if TASK.examine(source, sandbox).score:
            programs[f"{name} {number}"] = source
    stars, rungs = [], []
    for source in programs.values():
        found = [judge.north_star(source, "selection", fold, folds, sandbox) for fold in range(folds)]
        proxies = [judge.proxy(source, rung, sandbox) for rung in range(judge.rungs)]
        if all(verdict.score for verdict in (*found, *proxies)):
            stars.append([-v.metrics["log_loss"].value for v in found])
            rungs.append([-v.metrics["log_loss"].value for v in proxies])
    truth, told = np.array(stars), np.array(rungs)
    rng = np.random.Generator(np.random.Philox(0))
    title = f"{judge.data}: {len(truth)} layers, north star: mean of {folds} folds"
    table = Table("measure", "Spearman", "95 %", title=title)
    columns = {f"rung {n}, {e:g} epochs": told[:, n] for n, e in enumerate(judge.setup.settings.rung_epochs)}
    half = truth.shape[1] // 2
    pairs = {name: (values, truth.mean(1)) for name, values in columns.items()}
    pairs[f"north star, {half} folds against the others"] = (truth[:, :half].mean(1), truth[:, half:].mean(1))
    for name, (one, other) in pairs.items():
        draws = [rng.integers(0, len(one), len(one)) for _ in range(1_000)]
        spread = np.quantile([spearmanr(one[d], other[d]).statistic for d in draws], (0.025, 0.975))
        value = spearmanr(one, other).statistic
        table.add_row(name, f"{value:+.2f}", f"{spread[0]:+.2f} to {spread[1]:+.2f}")
    console.print(table)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="movielens-100k")
    parser.add_argument("--mutants", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--ranked", type=int, default=40)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument(
        "--epochs", type=float, nargs="+", help="rungs of the last table, the last with draws"
    )
    parser.add_argument("--rates", action="store_true", help="only the seeds at several rates of Adam")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        load({"source": options.data})
    except DataUnavailable as why:
        console.print(f"{options.data} is not to be had, so this is the synthetic log: {why}")
        options.data = "synthetic"
    if options.rates:
        with Sandbox(TASK.preload) as sandbox:
            rates(options.data, sandbox)
        return
    proposals(options.mutants)
    with Sandbox(TASK.preload) as sandbox:
        battery(options.repeats, sandbox)
        judge = InteractionJudge({"source": options.data}, {}, LIMITS, "bench")
        seeds(judge, sandbox)
        chosen = {"transfer": False} | ({"rung_epochs": options.epochs} if options.epochs else {})
        cheap = InteractionJudge({"source": options.data}, chosen, LIMITS, "bench")
        ranked(cheap, options.ranked, options.folds, sandbox)


if __name__ == "__main__":
    main()
