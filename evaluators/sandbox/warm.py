"""Makes libraries load now, once, what they would otherwise load in every candidate."""

import json
import mmap
import sys

import numpy as np


def numpy_parts() -> None:
    """numpy loads its random, fft and linalg parts when first touched (15 ms)."""
    np.random.seed(0)
    np.linalg.norm(np.fft.fft(np.ones(4)))
    np.array2string(np.ones(2))
    json.loads(json.dumps({"a": [1.5, "x"]}))
    mmap.mmap(-1, mmap.PAGESIZE).close()


def torch_parts() -> None:
    """The first optimizer step imports 900 modules (2 s); one thread, or the children of a fork hang."""
    import torch

    torch.set_num_threads(1)
    torch.default_generator.manual_seed(0)
    table = torch.nn.Embedding(8, 4)
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.LayerNorm(8), torch.nn.Linear(8, 1)
    )
    parameters = [*table.parameters(), *model.parameters()]
    for name in ("SGD", "Adam", "AdamW", "Adagrad", "RMSprop"):
        optimizer = getattr(torch.optim, name)(parameters, lr=0.1)
        optimizer.zero_grad()
        logits = model(table(torch.tensor([0, 3, 3, 7]))).squeeze(-1)
        labels = torch.tensor([0.0, 1.0, 1.0, 0.0])
        torch.autograd.backward(torch.nn.functional.binary_cross_entropy_with_logits(logits, labels))
        optimizer.step()
    for name in ("exp", "sqrt", "tanh", "sign", "abs", "sigmoid", "log1p"):
        getattr(torch, name)(torch.rand(3, 3))
    torch.where(torch.ones(2) > 0, torch.ones(2), torch.zeros(2)).clamp(0.0, 1.0).norm().item()
    torch.func.grad(lambda x: (x * x).sum())(torch.ones(2))
    torch.from_numpy(np.ones(3, np.float32)).numpy()


def hypothesis_parts() -> None:
    """The first example drawn loads the engine, the shrinker and the strategies."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    @settings(
        database=None,
        derandomize=True,
        deadline=None,
        max_examples=3,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.floats(0, 1), st.lists(st.integers(0, 9), max_size=2))
    def trivial(number: float, numbers: list[int]) -> None:
        assert number + len(numbers) <= 3

    trivial()


def everything() -> None:
    """Warms what is imported by now, and calls `warm()` of each module that asks for it by having one."""
    numpy_parts()
    if "torch" in sys.modules:
        torch_parts()
    if "hypothesis" in sys.modules:
        hypothesis_parts()
