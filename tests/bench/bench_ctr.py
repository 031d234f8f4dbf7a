"""Examples per CPU-second of the small rankers, one thread, MovieLens-100k with 11 fields and width 8.

    python tests/bench/bench_ctr.py

The floor is 100,000 at batch 512 for the DCN-v2 ranker, with every optimizer. Medians of 5 runs.
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from recevolve.evaluators.ctr import model as ctr
from recevolve.evaluators.data import DataUnavailable, Log, load

FLOOR = 100_000
ROWS = 50_000
RUNS = 5


def nothing(model: nn.Module) -> ctr.Step:
    """No optimizer: forward, loss and backward alone."""
    return lambda parameters, gradients, number: None


def torch_adam(model: nn.Module) -> ctr.Step:
    """torch's Adam, one tensor after the other."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, foreach=False, fused=False)

    def step(parameters: list[Tensor], gradients: list[Tensor], number: int) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()

    return step


def functional_adam(model: nn.Module) -> ctr.Step:
    """Adam as a candidate writes it: new tensors for parameter and state."""
    first = [torch.zeros_like(parameter) for parameter in model.parameters()]
    second = [torch.zeros_like(parameter) for parameter in model.parameters()]

    def step(parameters: list[Tensor], gradients: list[Tensor], number: int) -> None:
        for k, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            first[k] = 0.9 * first[k] + 0.1 * gradient
            second[k] = 0.999 * second[k] + 0.001 * gradient * gradient
            scale = torch.sqrt(second[k] / (1 - 0.999**number)) + 1e-8
            parameter.copy_(parameter - 0.01 * (first[k] / (1 - 0.9**number)) / scale)

    return step


def speed(log: Log, name: str, optimizer: Callable[[nn.Module], ctr.Step], batch: int) -> float:
    """Examples per CPU-second, the median of some runs after one to warm up."""
    order = np.random.default_rng(0).permutation(len(log))[:ROWS]
    rates = []
    for run in range(RUNS + 1):
        model = ctr.make_ranker(name, log.fields, 8, seed=run)
        start = time.process_time()
        ctr.train(model, log.features, log.labels, order, optimizer(model), batch)
        rates.append(len(order) / (time.process_time() - start))
    return median(rates[1:])


def main() -> None:
    """Prints the table."""
    try:
        log = load({"source": "movielens-100k"})
    except DataUnavailable as why:
        print(f"MovieLens-100k is not to be had, so this is the synthetic log with 7 fields: {why}")
        log = load({"source": "synthetic"})
    table = Table(
        title=f"{log.name}, {len(log.fields)} fields, width 8, torch {torch.__version__}, one thread"
    )
    for column in ("ranker", "optimizer", "batch", "examples / CPU-s", "of the floor"):
        table.add_column(column, justify="left" if column in ("ranker", "optimizer") else "right")
    for name in ctr.RANKERS:
        for optimizer in (nothing, torch_adam, functional_adam):
            for batch in (512, 2048):
                rate = speed(log, name, optimizer, batch)
                table.add_row(name, optimizer.__name__, str(batch), f"{rate:,.0f}", f"{rate / FLOOR:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
