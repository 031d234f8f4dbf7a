"""Is what a run recommends no worse than production, when somebody else trains with it?

    python tests/bench/bench_decision.py                       # movielens-100k, runs of seeds 100 to 104
    python tests/bench/bench_decision.py --log synthetic --production sgd_momentum --seconds 300

Runs `recevolve run` with a program in production, Adagrad if no other is named, exports what the decision
names, and trains with it in plain torch: another model (a factorisation machine beside a tower), another
split (each user's last rows), learning rate and epoch tuned on validation rows for production and for the
rule alike, fresh seeds. The gain in log loss on test rows stands with an interval from a bootstrap over
users. No evaluator of ours takes part: only the log is read by our loader. A run that says keep or undecided
recommends nothing, and there is nothing to train.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from recevolve.evaluators.data import load

BATCH, WIDTH, EPOCHS, LOOKS = 512, 16, 4, 4
"""Rows per step, embedding width, most passes, and looks at validation rows per pass."""
RATES = [1.5**power for power in range(-6, 7)]
"""Multiples of an optimizer's default rate among which validation rows choose."""
Make = Callable[[Iterable[nn.Parameter], float], torch.optim.Optimizer]
PRODUCTION: dict[str, tuple[Make, float]] = {
    "adagrad": (lambda params, lr: torch.optim.Adagrad(params, lr=lr), 0.03),
    "adam": (lambda params, lr: torch.optim.Adam(params, lr=lr), 0.001),
    "sgd_momentum": (lambda params, lr: torch.optim.SGD(params, lr=lr, momentum=0.9), 1.0),
}
"""The class of torch for what may be in production, and a rate to begin with."""


@dataclass(frozen=True)
class Part:
    """Rows of a log: (N, F) ids, (N,) labels, (N,) users."""

    ids: torch.Tensor
    labels: torch.Tensor
    users: np.ndarray


def parts(name: str) -> tuple[list[int], list[Part]]:
    """The sizes of the fields; training, validation and test rows, the last fifth of each user."""
    log = load({"source": name})
    place, size = np.empty(len(log)), np.bincount(np.unique(log.users, return_inverse=True)[1])
    codes = np.unique(log.users, return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    place[order] = np.arange(len(log)) - np.repeat(np.cumsum(size) - size, size)
    share = (place + 0.5) / size[codes]
    rows = [share < 0.7, (share >= 0.7) & (share < 0.8), share >= 0.8]
    ids, labels = (
        torch.from_numpy(log.features.astype(np.int64)),
        torch.from_numpy(log.labels.astype(np.float32)),
    )
    return [field.size for field in log.fields], [Part(ids[row], labels[row], log.users[row]) for row in rows]


class Ranker(nn.Module):
    """(B, F) ids to (B,) logits: a factorisation machine (Rendle 2010) beside a tower of 64 and 32."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(size, WIDTH) for size in sizes)
        self.biases = nn.ModuleList(nn.Embedding(size, 1) for size in sizes)
        for table in self.embeddings:
            nn.init.normal_(table.weight, 0.0, 0.05)  # type: ignore[arg-type]
        for table in self.biases:
            nn.init.zeros_(table.weight)  # type: ignore[arg-type]
        width = len(sizes) * WIDTH
        self.tower = nn.Sequential(
            nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)
        )

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        vectors = torch.stack([table(ids[:, k]) for k, table in enumerate(self.embeddings)], 1)
        linear = sum(table(ids[:, k]) for k, table in enumerate(self.biases))
        pairs = (vectors.sum(1).square() - vectors.square().sum(1)).sum(1, keepdim=True) / 2
        out: torch.Tensor = (linear + pairs + self.tower(vectors.flatten(1))).squeeze(1)
        return out


def losses(model: nn.Module, part: Part) -> np.ndarray:
    """(N,) log losses in nats."""
    with torch.no_grad():
        logits = torch.cat([model(chunk) for chunk in part.ids.split(8192)])
    return nn.functional.binary_cross_entropy_with_logits(logits, part.labels, reduction="none").numpy()


def trained(
    sizes: list[int], train: Part, valid: Part, test: Part, make: Make, rate: float, seed: int
) -> tuple[float, np.ndarray]:
    """(the best validation loss of a training, the test losses at that moment); infinite if it diverged."""
    torch.manual_seed(seed)
    model, rng = Ranker(sizes), torch.Generator().manual_seed(seed)
    optimizer = make(model.parameters(), rate)
    best, at = float("inf"), np.full(len(test.labels), np.inf)
    steps = len(train.labels) // BATCH
    looks = {round(steps * (k + 1) / LOOKS) for k in range(LOOKS)}
    for _ in range(EPOCHS):
        rows = torch.randperm(len(train.labels), generator=rng)
        before = best
        for step in range(1, steps + 1):
            batch = rows[(step - 1) * BATCH : step * BATCH]
            loss = nn.functional.binary_cross_entropy_with_logits(
                model(train.ids[batch]), train.labels[batch]
            )
            if not torch.isfinite(loss):
                return best, at
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step in looks and (now := float(losses(model, valid).mean())) < best:
                best, at = now, losses(model, test)
        if best == before:
            break
    return best, at


def tuned(
    sizes: list[int], data: list[Part], make: Make, default: float, seeds: int
) -> tuple[float, np.ndarray]:
    """(the rate that validation rows choose, the test losses as the mean over seeds)."""
    found = {
        rate: trained(sizes, *data, make, default * rate, 1_000)[0]
        for rate in RATES  # a seed of its own
    }
    rate = min(found, key=lambda each: found[each])
    if rate in (RATES[0], RATES[-1]):
        print(f"  the best rate, {default * rate:g}, is at the end of the grid")
    rows = [trained(sizes, *data, make, default * rate, seed)[1] for seed in range(seeds)]
    return default * rate, np.mean(rows, axis=0)


def gain(production: np.ndarray, rule: np.ndarray, users: np.ndarray) -> tuple[float, float, float]:
    """(gain in log loss, low, high): positive where the rule is better; 95 %, from a bootstrap over users."""
    codes = np.unique(users, return_inverse=True)[1]
    sums, counts = np.bincount(codes, production - rule), np.bincount(codes)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(sums), (2_000, len(sums)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(sums.sum() / counts.sum()), float(low), float(high)


def command(*words: str) -> str:
    """The output of a recevolve command."""
    done = subprocess.run(
        [Path(sys.executable).with_name("recevolve"), *words], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"recevolve {' '.join(words)}: {done.stderr.strip()[-500:]}")
    return done.stdout


def decided(log: str, production: str, seed: int, seconds: float, run: Path) -> dict[str, Any]:
    """The decision of a run, begun or continued."""
    config = run.parent / f"{run.name}.toml"
    config.write_text(
        f'kind = "optimizer"\nrun_dir = "{run}"\nseed = {seed}\nseeds = ["{production}"]\n'
        f'[data]\nsource = "{log}"\n[budget]\nseconds = {seconds}\n'
    )
    command("run", str(config), "--json")
    decision: dict[str, Any] = json.loads(command("status", str(run), "--json"))["decision"]
    return decision


def exported(run: Path, program: str) -> tuple[Make, float]:
    """The exported class of a program, and its default rate."""
    folder = run.parent / f"{run.name}-patch"
    if not folder.exists():
        command("export", str(run), program, "-o", str(folder))
    (path,) = (one for one in folder.glob("*.py") if not one.name.startswith(("test_", "benchmark_")))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (made,) = (
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, torch.optim.Optimizer) and one.__module__ == path.stem
    )
    return (lambda params, rate: made(params, lr=rate)), float(module.HYPERPARAMETERS["lr"])


def main() -> None:
    """Prints a line for each run, and how many recommendations were worse than production beyond noise."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--log", default="movielens-100k")
    options.add_argument("--production", choices=list(PRODUCTION), default="adagrad")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--first", type=int, default=100, help="seed of the first run")
    options.add_argument("--seconds", type=float, default=600.0, help="budget of each run")
    options.add_argument("--seeds", type=int, default=6, help="trainings behind each figure")
    options.add_argument("--folder", type=Path, help="where runs are kept, to go on with them")
    asked = options.parse_args()
    torch.set_num_threads(1)
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="recevolve-decision-"))
    folder.mkdir(parents=True, exist_ok=True)
    sizes, data = parts(asked.log)
    users, worse, recommended = data[2].users, 0, 0
    rate, production = tuned(sizes, data, *PRODUCTION[asked.production], asked.seeds)
    print(
        f"production: {asked.production} of torch at lr {rate:.3g}, test log loss {production.mean():.5f}",
        flush=True,
    )
    for seed in range(asked.first, asked.first + asked.runs):
        run = (folder / f"{asked.log}-{asked.production}-{seed}").absolute()
        decision = decided(asked.log, asked.production, seed, asked.seconds, run)
        print(f"seed {seed}: {decision['line']}", flush=True)
        if decision["decision"] not in ("launch", "switch"):
            continue
        recommended += 1
        make, default = exported(run, decision["program"])
        rate, rule = tuned(sizes, data, make, default, asked.seeds)
        found, low, high = gain(production, rule, users)
        worse += high < 0
        print(f"  in plain torch at lr {rate:.3g}: gain {found:+.5f} [{low:+.5f}, {high:+.5f}]", flush=True)
    print(f"{worse} of {recommended} recommendations, of {asked.runs} runs, are worse beyond noise")


if __name__ == "__main__":
    main()
