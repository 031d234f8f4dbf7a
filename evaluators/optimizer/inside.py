"""Runners: trusted code that runs beside a candidate in the sandbox. Nothing here knows held-out rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..ctr.model import Diverged, flatten, make_ranker
from ..ctr.model import train as fit
from ..data import Field
from ..sandbox.inside import load
from .layout import Layout
from .step_length import matched_factor

State = dict[str, Tensor]


class Rule:
    """A candidate's `init` and `update` at a multiple of its own learning rate.

    Calling it steps a model that lives in this process, as `ctr.train` does after each backward pass.
    """

    def __init__(self, namespace: Mapping[str, Any], factor: float) -> None:
        self.init = namespace["init"]
        self.update = namespace["update"]
        self.hp = dict(namespace["HYPERPARAMETERS"])
        self.hp["lr"] *= factor
        self.states: list[State] = []

    def __call__(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], number: int) -> None:
        if number == 1:
            self.states = [self.init(parameter.detach()) for parameter in parameters]
        for index, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            new, self.states[index] = self.update(
                gradient, self.states[index], parameter.detach(), number, dict(self.hp)
            )
            parameter.data = new.contiguous()


def train(
    source: str, parameters: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """(R, C, P) float32 weights: for each of `parameters["factors"]` those after each of the steps "marks".

    All of a rate that diverged are NaN. `arrays` holds `features` (N, F), `labels` (N,) and `order`, the rows
    in the order they are seen.
    """
    ranker, marks = parameters["ranker"], parameters["marks"]
    fields = [Field(name, size) for name, size in ranker["fields"]]
    rows = []
    for factor in parameters["factors"]:
        model = make_ranker(ranker["name"], fields, ranker["dim"], ranker["seed"])
        try:
            rule = Rule(load(source), factor)
            data = arrays["features"], arrays["labels"], arrays["order"]
            rows.append(np.stack(fit(model, *data, rule, ranker["batch"], marks)))
        except Diverged:
            rows.append(np.full((len(marks), len(flatten(model))), np.nan, np.float32))
    return {"weights": np.stack(rows)}


def matched(
    source: str, parameters: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The multiple of its own rate at which the program's steps have the standard length."""
    return {"factor": np.array([matched_factor(load(source))], dtype=np.float64)}


def state_size(
    source: str, parameters: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Float32 elements that state takes for tensors of `parameters["shapes"]`, gaps included."""
    rule = Rule(load(source), 1.0)
    states = [rule.init(torch.zeros(shape)) for shape in parameters["shapes"]]
    return {"size": np.array([Layout.of(_shapes(states)).size], dtype=np.int64)}


def step(
    source: str,
    parameters: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    shared: Mapping[str, np.ndarray],
    turns: Iterable[int],
) -> dict[str, np.ndarray]:
    """Session: turn 0 writes the first state for `params`, turn n the result of step n.

    Reads `params`, `grads` and `state`, writes `new_params` and `new_state`, all flat: what a step may
    depend on is in front of it, and nothing needs to be kept from one turn to the next.
    """
    rule = Rule(load(source), parameters["factor"])
    weights = Layout.of(parameters["shapes"])
    params, grads, results = (_tensors(weights, shared[name]) for name in ("params", "grads", "new_params"))
    slots: list[list[str]] = []
    before: list[Tensor] = []
    after: list[Tensor] = []
    with torch.no_grad():
        for number in turns:
            if number == 0:
                states = [rule.init(param) for param in params]
                slots = [sorted(state) for state in states]
                layout = Layout.of(_shapes(states))
                before, after = _tensors(layout, shared["state"]), _tensors(layout, shared["new_state"])
            else:
                old = iter(before)
                states = [{name: next(old) for name in names} for names in slots]
                for index, (grad, param) in enumerate(zip(grads, params, strict=True)):
                    new, states[index] = rule.update(grad, states[index], param, number, dict(rule.hp))
                    results[index].copy_(new)
            values = (state[name] for names, state in zip(slots, states, strict=True) for name in names)
            for target, value in zip(after, values, strict=True):
                target.copy_(value)
    return {}


def _shapes(states: Sequence[State]) -> list[tuple[int, ...]]:
    return [tuple(state[name].shape) for state in states for name in sorted(state)]


def _tensors(layout: Layout, flat: np.ndarray) -> list[Tensor]:
    return [torch.from_numpy(view) for view in layout.views(flat)]
