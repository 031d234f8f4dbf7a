"""What every optimizer must do, as properties that run beside it, and the probe that tells two apart.

torch is imported where it is used: the search itself reads this module and does not need it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..kinds.properties import FACT, Property, Strategy, bits, form, misnamed, nothing
from .horizon import Landscapes, Trail, survives
from .step_length import matched_factor

if TYPE_CHECKING:
    from torch import Tensor

Namespace = Mapping[str, Any]

SHAPES = ((), (1,), (5,), (2, 3), (7, 4), (40, 8), (3, 1))
"""Scalar, vectors, matrices, an embedding table, a column."""
TABLE = (1_000, 8)
"""One table of the size that training has: what only happens on large tensors happens here too."""
MOST_STATE = 4
"""State elements allowed per weight; a tensor may have SPARE_STATE more, so that a scalar can count."""
SPARE_STATE = 16
EXTREMES = (0.0, 1e-30, 1e-8, 1e3, 1e6)
"""Gradient magnitudes that an honest update survives, exact zeros among them."""
RESERVED = frozenset({"params", "maximize", "foreach", "self", "closure", "step"})
"""Names that the exported optimizer's own arguments have."""


@dataclass(frozen=True)
class Example:
    """A parameter and gradients for its first steps."""

    param: Tensor
    grads: tuple[Tensor, ...]


def _make(shape: tuple[int, ...], seed: int, scales: Sequence[float]) -> Example:
    """A standard normal parameter and one gradient per scale; values are a function of the arguments."""
    import torch

    rng = torch.Generator().manual_seed(seed)
    param = torch.randn(shape, generator=rng)
    return Example(param, tuple(scale * torch.randn(shape, generator=rng) for scale in scales))


def _examples(
    shapes: Sequence[tuple[int, ...]] = SHAPES, scales: Sequence[float] = (0.01, 1.0), steps: int = 3
) -> Strategy:
    return lambda st: st.builds(
        _make,
        st.sampled_from(shapes),
        st.integers(0, 1_000),
        st.lists(st.sampled_from(scales), min_size=1, max_size=steps),
    )


def _hp(namespace: Namespace, factor: float = 1.0) -> dict[str, float]:
    hp = dict(namespace["HYPERPARAMETERS"])
    return {**hp, "lr": hp["lr"] * factor}


def _run(namespace: Namespace, example: Example) -> list[tuple[Tensor, dict[str, Tensor]]]:
    """(param, state) after 0, 1, … steps."""
    trail = [(example.param, namespace["init"](example.param))]
    for step, grad in enumerate(example.grads, start=1):
        param, state = trail[-1]
        trail.append(namespace["update"](grad, state, param, step, _hp(namespace)))
    return trail


def hyperparameters(namespace: Namespace, example: None) -> str | None:
    """Every hyperparameter has a usable name and a finite value; `lr` is there and positive."""
    hp = namespace["HYPERPARAMETERS"]
    if wrong := misnamed(hp, RESERVED):
        return wrong
    if not hp.get("lr", 0.0) > 0.0:
        return f"HYPERPARAMETERS must hold 'lr' above zero, got {hp.get('lr')!r}"
    return None


def keeps_form(namespace: Namespace, example: Example) -> str | None:
    """New parameter and state have the shapes, the dtype and the names that they had."""
    import torch

    trail = _run_checked(namespace, example)
    if isinstance(trail, str):
        return trail
    first, shape = trail[0][1], _shape(example.param)
    for step, (param, state) in enumerate(trail):
        if (
            not isinstance(param, torch.Tensor)
            or param.shape != example.param.shape
            or param.dtype != torch.float32
        ):
            return f"step {step} must return a float32 parameter of shape {shape}, got {form(param)}"
        if sorted(state) != sorted(first):
            return f"state must keep its names {sorted(first)}, step {step} returned {sorted(state)}"
        for name, value in state.items():
            if not isinstance(value, torch.Tensor) or value.dtype != torch.float32:
                return f"state {name!r} must be a float32 tensor, step {step} gave {form(value)}"
            if value.shape != first[name].shape:
                kept = _shape(first[name])
                return f"state {name!r} must keep its shape {kept}, step {step} gave {form(value)}"
    return None


def _run_checked(namespace: Namespace, example: Example) -> list[tuple[Any, dict[str, Any]]] | str:
    """The trail as `_run` gives it, or what is wrong with the form of an answer."""
    state = namespace["init"](example.param)
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        return f"init must return a dict of names to tensors, got {form(state)}"
    trail: list[tuple[Any, dict[str, Any]]] = [(example.param, state)]
    for step, grad in enumerate(example.grads, start=1):
        answer = namespace["update"](grad, state, trail[-1][0], step, _hp(namespace))
        if not isinstance(answer, tuple) or len(answer) != 2 or not isinstance(answer[1], dict):
            return f"update must return (new_param, new_state), got {form(answer)}"
        trail.append(answer)
        state = answer[1]
    return trail


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(value.shape)


def stays_finite(namespace: Namespace, example: Example) -> str | None:
    """Zero, tiny and huge gradients leave parameter and state finite."""
    for step, (param, state) in enumerate(_run(namespace, example)):
        for name, value in (("the parameter", param), *((f"state {n!r}", v) for n, v in state.items())):
            if not value.isfinite().all():
                return f"after step {step} {name} is not finite; guard divisions, roots, powers"
    return None


def leaves_inputs(namespace: Namespace, example: Example) -> str | None:
    """Neither init nor update changes what it is given."""
    param, state, hp = example.param, namespace["init"](example.param), _hp(namespace)
    for step, grad in enumerate(example.grads, start=1):
        given = {"param": param, "grad": grad, **{f"state[{name!r}]": value for name, value in state.items()}}
        before, slots, numbers = bits(given), dict(state), dict(hp)
        new_param, new_state = namespace["update"](grad, state, param, step, hp)
        after = bits(given)
        changed = [name for name in given if after[name] != before[name]]
        if list(state) != list(slots) or any(state[name] is not slots[name] for name in slots):
            changed.append("state")
        if hp != numbers:
            changed.append("hp")
        if changed:
            what = ", ".join(changed)
            return f"update changed its input {what} in place at step {step}; return new tensors instead"
        param, state = new_param, new_state
    return None


def leaves_init_input(namespace: Namespace, example: Example) -> str | None:
    """init does not change the parameter."""
    before = bits(example.param)
    namespace["init"](example.param)
    return (
        None if bits(example.param) == before else "init changed its parameter in place; return new tensors"
    )


def remembersnothing(namespace: Namespace, example: Example) -> str | None:
    """The same step gives the same bits, whatever was called in between and in whatever order."""
    trail = _run(namespace, example)
    expected = [bits(point) for point in trail]
    other = Example(example.param * -0.5 + 1.0, tuple(grad * 3.0 - 0.1 for grad in example.grads))
    _run(namespace, other)
    if bits((example.param, namespace["init"](example.param))) != expected[0]:
        return "init gave another state for the same parameter when called again"
    for step in reversed(range(1, len(trail))):
        param, state = trail[step - 1]
        again = namespace["update"](example.grads[step - 1], state, param, step, _hp(namespace))
        if bits(again) != expected[step]:
            return (
                f"step {step} gave another result when the same inputs were shown again in another order; "
                "keep everything in state, and use no clock and no random numbers"
            )
    return None


def bounds_state(namespace: Namespace, example: Example) -> str | None:
    """State takes at most MOST_STATE numbers per weight, at the first step and at a late one."""
    param, state = example.param, namespace["init"](example.param)
    most = MOST_STATE * param.numel() + SPARE_STATE
    for step in (1, 2, 1_000, 1_000_000):
        if (size := sum(value.numel() for value in state.values())) > most:
            return (
                f"state holds {size} numbers for {param.numel()} weights before step {step}; at most {most}"
            )
        param, state = namespace["update"](example.grads[0], state, param, step, _hp(namespace))
        if not param.isfinite().all():
            return f"the parameter is not finite after step number {step}; late steps must be safe too"
    return None


def lasts(namespace: Namespace, example: None) -> str | None:
    """The rule survives SHORT_HORIZON noisy steps in a row and follows the optimum; see `horizon`."""
    import torch

    def walk(landscapes: Landscapes, rate: float) -> Trail:
        param, hp, trail = torch.from_numpy(landscapes.start[0]), _hp(namespace, rate), Trail(landscapes)
        state = namespace["init"](param)
        trail.begin()
        for step in range(1, landscapes.steps + 1):
            grad = torch.from_numpy(landscapes.gradients(param.numpy()[None], step)[0])
            param, state = namespace["update"](grad, state, param, step, dict(hp))
            trail.note(step, param.numpy()[None], partial(_joined, state))
        return trail

    return survives(walk, ("noisy",), SHORT_HORIZON)


def _joined(state: Mapping[str, Tensor]) -> list[Any]:
    """The numbers of all state tensors in one array, as the state of the only landscape."""
    import numpy as np

    return [np.concatenate([np.zeros(1, np.float32), *(slot.numpy().ravel() for slot in state.values())])]


SHORT_HORIZON = 400
RATES = (1.0, 0.3, 3.0, 0.1, 10.0, 0.03, 30.0, 0.01)
QUADRATIC_STEPS = 40


def descends(namespace: Namespace, example: Example) -> str | None:
    """A convex quadratic falls to half at one of several rates, in QUADRATIC_STEPS steps."""
    import torch

    start = example.param
    curvature = torch.linspace(0.3, 3.0, start.numel()).reshape(start.shape)
    first = float((curvature * start * start).sum())
    best = first
    for factor in RATES:
        param, state, hp = start, namespace["init"](start), _hp(namespace, factor)
        for step in range(1, QUADRATIC_STEPS + 1):
            param, state = namespace["update"](curvature * param, state, param, step, hp)
        loss = float((curvature * param * param).sum())
        best = min(best, loss) if math.isfinite(loss) else best
        if best <= first / 2:
            return None
    return (
        f"a convex quadratic fell only from {first:.3g} to {best:.3g} in {QUADRATIC_STEPS} steps "
        f"at the best of {len(RATES)} learning rates; the update must go against the gradient"
    )


PROPERTIES: tuple[Property, ...] = (
    Property("hyperparameters are finite numbers and lr is above zero", nothing, hyperparameters, examples=1),
    Property("parameter and state keep their form", _examples(), keeps_form, examples=12),
    Property("init leaves its input alone", _examples(steps=1), leaves_init_input, examples=3),
    Property("update leaves its inputs alone", _examples(), leaves_inputs, examples=8),
    Property(
        "stays finite on zero, tiny and huge gradients", _examples(scales=EXTREMES), stays_finite, examples=16
    ),
    Property("keeps nothing between calls", _examples((*SHAPES, TABLE)), remembersnothing, examples=10),
    Property("state is bounded and late steps are safe", _examples(steps=1), bounds_state, examples=6),
    Property("descends a convex quadratic", _examples(((5,), (4, 3), ()), steps=1), descends, examples=3),
    Property("lasts for hundreds of steps in a row", nothing, lasts, examples=1),
)


def probe(namespace: Namespace) -> dict[str, Any]:
    """Parameters after fixed steps on fixed tensors: what tells two programs apart; and the `lr` used.

    Three steps on each of a scalar, a vector, a matrix and an embedding table whose odd rows see no gradient,
    the third step numbered 100 so that schedules show. Steps have matched lengths, so that programs which
    differ by a factor of the rate are equal. Two programs with equal outputs are presumed equal; what they do
    elsewhere is found out when one is promoted.
    """
    hp = _hp(namespace, matched_factor(namespace))
    outputs: dict[str, Any] = {f"{FACT}matched_lr": hp["lr"]}
    for index, shape in enumerate(((), (6,), (4, 3), (10, 8))):
        example = _make(shape, index, (0.5, 0.05, 1.0))
        param, state = example.param, namespace["init"](example.param)
        for step, grad in zip((1, 2, 100), example.grads, strict=True):
            if index == 3:
                grad = grad.clone()
                grad[1::2] = 0.0
            param, state = namespace["update"](grad, state, param, step, dict(hp))
            outputs[f"param_{index}_{step}"] = param.detach().contiguous().numpy()
    return outputs
