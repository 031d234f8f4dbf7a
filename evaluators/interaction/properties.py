"""What every interaction layer must do, as properties that run beside it, and the probe that tells two apart.

torch is imported where it is used: the search itself reads this module and does not need it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from ..kinds.properties import Property, Strategy, bits, form, misnamed, nothing
from .reference_cost import OPERATIONS, PARAMETERS, Budget, ReferenceCost

if TYPE_CHECKING:
    from torch import Tensor

Namespace = Mapping[str, Any]

SIZES = ((2, 3), (3, 4), (5, 1), (7, 8), (11, 8), (4, 5))
"""(fields, width): odd and even, a width of one, and those of the logs that come with us."""
WIDE = tuple(size for size in SIZES if size[1] > 1)
"""Normalising a width of one leaves nothing."""
BATCHES = (1, 2, 3, 8, 33)
BUDGETED = ((7, 8), (11, 8), (26, 16))
"""Sizes at which the budget is looked at before any log is: the logs that come with us, and Criteo's."""
BUDGETED_ROWS = 64
MAGNITUDES = (0.0, 1e-20, 0.05, 1.0, 100.0)
"""Standard deviations of embeddings that a layer survives; a fresh embedding's is 0.05."""
CLOSE = 1e-4
"""Largest difference that counts as rounding, in units of the largest output."""
SHIFT = 0.1
"""Standard deviation of what is added to first parameters where these may be zero on purpose."""
RESERVED = frozenset(
    {"fields", "dim", "hp", "self", "x", "params", "outputs", "hyperparameters", "reset_parameters"}
)
"""Names that the exported module's own arguments and attributes have; those of `nn.Module` are taken too."""
CLAIMS = ("invariant", "equivariant")


@dataclass(frozen=True)
class Example:
    """Sizes, a seed and the magnitude of embeddings: all else is drawn from them."""

    rows: int
    fields: int
    dim: int
    seed: int
    spread: float = 1.0


@dataclass(frozen=True)
class _Drawn:
    """A layer with its parameters, and an input for it."""

    namespace: Namespace
    x: Tensor
    params: dict[str, Tensor]

    def __call__(self, x: Tensor | None = None) -> Tensor:
        hp = dict(self.namespace["HYPERPARAMETERS"])
        out: Tensor = self.namespace["interact"](self.x if x is None else x, dict(self.params), hp)
        return out


def _examples(
    batches: Sequence[int] = BATCHES,
    spreads: Sequence[float] = (1.0,),
    sizes: Sequence[tuple[int, int]] = SIZES,
) -> Strategy:
    return lambda st: st.builds(
        lambda rows, size, seed, spread: Example(rows, size[0], size[1], seed, spread),
        st.sampled_from(batches),
        st.sampled_from(sizes),
        st.integers(0, 1_000),
        st.sampled_from(spreads),
    )


def _first(namespace: Namespace, fields: int, dim: int, seed: int) -> Any:
    """What `init` returns when torch's generator starts from `seed`."""
    import torch

    torch.default_generator.manual_seed(seed)
    return namespace["init"](fields, dim, dict(namespace["HYPERPARAMETERS"]))


def _drawn(namespace: Namespace, example: Example, shift: float = 0.0) -> _Drawn:
    import torch

    rng = torch.Generator().manual_seed(example.seed)
    x = example.spread * torch.randn(example.rows, example.fields, example.dim, generator=rng)
    first = _first(namespace, example.fields, example.dim, example.seed)
    params = {
        name: value.detach().clone() + shift * torch.randn(value.shape, generator=rng)
        for name, value in first.items()
    }
    return _Drawn(namespace, x, params)


def hyperparameters(namespace: Namespace, example: None) -> str | None:
    """Every hyperparameter has a usable name and a finite value; a claim about permutations is known."""
    hp = namespace["HYPERPARAMETERS"]
    if wrong := misnamed(hp, RESERVED):
        return wrong
    claim = namespace.get("PERMUTATION", CLAIMS[0])
    return None if claim in CLAIMS else f"PERMUTATION must be one of {', '.join(CLAIMS)}, got {claim!r}"


def first_parameters(namespace: Namespace, example: Example) -> str | None:
    """init returns finite float32 tensors under names that a module can have, the same for the same seed."""
    import torch

    params = _first(namespace, example.fields, example.dim, example.seed)
    if not isinstance(params, dict):
        return f"init must return a dict of names to tensors, got {type(params).__name__}"
    taken = RESERVED | set(dir(torch.nn.Module()))
    for name, value in params.items():
        if not isinstance(name, str) or not name.isidentifier() or iskeyword(name) or name in taken:
            return (
                f"parameter name {name!r} must be a plain identifier that torch.nn.Module does not use itself"
            )
        if not isinstance(value, torch.Tensor) or value.dtype != torch.float32:
            return f"parameter {name!r} must be a float32 tensor, got {form(value)}"
        if not value.numel() or not value.isfinite().all():
            return f"parameter {name!r} must have elements, all of them finite, got {form(value)}"
    again = _first(namespace, example.fields, example.dim, example.seed)
    if bits(again) != bits(params):
        return "init gave other parameters for the same seed; draw them with torch's functions alone"
    return None


def keeps_form(namespace: Namespace, example: Example) -> str | None:
    """interact returns (B, K) float32, K the same for every batch size."""
    import torch

    layer = _drawn(namespace, example)
    out, one = layer(), layer(layer.x[:1])
    for got, rows in ((out, example.rows), (one, 1)):
        if not isinstance(got, torch.Tensor) or got.dtype != torch.float32:
            return f"interact must return a float32 tensor, got {form(got)}"
        if got.dim() != 2 or got.shape[0] != rows or not got.shape[1]:
            return f"interact must return shape (B, K) for B = {rows} rows, got {form(got)}"
    if out.shape[1] != one.shape[1]:
        return f"interact must return as many columns for any batch, got {out.shape[1]} and {one.shape[1]}"
    return None


def own_numbers(namespace: Namespace, example: Example) -> str | None:
    """Everything is computed from x and params: no constants, no random numbers, nothing kept."""
    import torch

    from .meter import Foreign, Meter

    layer = _drawn(namespace, example)
    try:
        with torch.no_grad(), Meter((layer.x, *layer.params.values())) as meter:
            out = layer()
        meter.require(out)
    except Foreign as error:
        return str(error)
    return None


def within_budget_of(budget: Budget) -> Callable[[Namespace, Any], str | None]:
    """The property that a layer costs at most so many times what the dcn_v2 seed does."""

    def holds(namespace: Namespace, example: None) -> str | None:
        import torch

        from .meter import Meter

        for fields, dim in BUDGETED:
            layer = _drawn(namespace, Example(BUDGETED_ROWS, fields, dim, 0, 0.05))
            with torch.no_grad(), Meter((layer.x, *layer.params.values())) as meter:
                outputs = layer().shape[1]
            size = sum(value.numel() for value in layer.params.values()) + outputs
            if wrong := ReferenceCost(fields, dim).over_budget(size, meter.flops / BUDGETED_ROWS, budget):
                return wrong
        return None

    return holds


def leaves_inputs(namespace: Namespace, example: Example) -> str | None:
    """Neither x nor a parameter nor hp is changed."""
    layer, hp = _drawn(namespace, example), dict(namespace["HYPERPARAMETERS"])
    given = {"x": layer.x, **layer.params}
    before, slots, numbers = bits(given), dict(layer.params), dict(hp)
    namespace["interact"](layer.x, layer.params, hp)
    after = bits(given)
    changed = [name for name in given if after[name] != before[name]]
    if list(layer.params) != list(slots) or any(layer.params[name] is not slots[name] for name in slots):
        changed.append("params")
    if hp != numbers:
        changed.append("hp")
    return f"interact changed its input {', '.join(changed)}; return new tensors instead" if changed else None


def remembersnothing(namespace: Namespace, example: Example) -> str | None:
    """The same input gives the same bits, whatever was called in between."""
    layer = _drawn(namespace, example)
    expected = bits(layer())
    for other in (layer.x * -0.5 + 1.0, layer.x[:1], layer.x * 3.0):
        layer(other)
        if bits(layer()) != expected:
            return (
                "interact gave another result when the same embeddings were shown again; keep nothing "
                "between calls, and use no clock and no random numbers"
            )
    return None


def rows_alone(namespace: Namespace, example: Example) -> str | None:
    """A row's output depends on that row, not on the others nor on its place among them."""
    import torch

    layer = _drawn(namespace, example, SHIFT)
    out = layer()
    scale = float(out.abs().max()) + 1e-6
    row = example.seed % example.rows
    loud = layer.x * -30.0 + 5.0
    loud[row] = layer.x[row]
    turned = layer.x.flip(0)
    for words, got in (
        ("the other rows were others", layer(loud)[row]),
        ("it was the only row", layer(layer.x[row : row + 1])[0]),
        ("the rows came in another order", layer(turned)[example.rows - 1 - row]),
        ("the batch was longer", layer(torch.cat([layer.x, loud, turned]))[row]),
    ):
        gap = float((got - out[row]).abs().max())
        if not gap <= CLOSE * scale:
            return f"a row's output changed by {gap:.3g} of {scale:.3g} when {words}; use nothing across rows"
    return None


def keeps_claim(namespace: Namespace, example: Example) -> str | None:
    """What PERMUTATION says of fields in another order is so."""
    claim = namespace.get("PERMUTATION")
    if claim is None:
        return None
    kept = permutation(namespace, example)
    if claim == kept:
        return None
    return f"PERMUTATION is {claim!r} but the output is not; drop the line, or let fields count alike"


def permutation(namespace: Namespace, example: Example) -> str:
    """How the output takes fields in another order.

    "invariant": it stays as it is; "equivariant": it is (B, F * n), its parts move with them; or "ordered".
    """
    import torch

    layer = _drawn(namespace, example, SHIFT)
    rng = torch.Generator().manual_seed(example.seed)
    order = torch.arange(example.fields).roll(1)  # no field stays
    if example.seed % 2:
        shuffled = order[torch.randperm(example.fields, generator=rng)]
        order = order if bool((shuffled == torch.arange(example.fields)).all()) else shuffled
    out, moved = layer(), layer(layer.x[:, order])
    close = CLOSE * (float(out.abs().max()) + 1e-6)
    if float((out - moved).abs().max()) <= close:
        return CLAIMS[0]
    if out.shape[1] % example.fields == 0:
        parts = out.reshape(len(out), example.fields, -1)[:, order].flatten(1)
        if float((parts - moved).abs().max()) <= close:
            return CLAIMS[1]
    return "ordered"


def stays_finite(namespace: Namespace, example: Example) -> str | None:
    """Outputs and gradients are finite for embeddings of zero, tiny and large."""
    import torch

    layer = _drawn(namespace, example)
    leaves = [layer.x.requires_grad_(), *(value.requires_grad_() for value in layer.params.values())]
    out = layer()
    if not out.isfinite().all():
        size = f"{example.spread:g}"
        return f"outputs are not finite for embeddings of size {size}; guard divisions, roots, powers"
    grads = torch.autograd.grad(out.sum(), leaves, allow_unused=True)
    names = ("x", *layer.params)
    for name, grad in zip(names, grads, strict=True):
        if grad is not None and not grad.isfinite().all():
            return (
                f"the gradient of {name} is not finite for embeddings of size {example.spread:g}; "
                "add a small number under roots"
            )
    return None


def reaches_everything(namespace: Namespace, example: Example) -> str | None:
    """The output depends on x, and on every parameter, as far as gradients tell."""
    import torch

    layer = _drawn(namespace, example, SHIFT)
    leaves = [layer.x.requires_grad_(), *(value.requires_grad_() for value in layer.params.values())]
    out = layer()
    if not out.requires_grad:
        return "the output does not depend on x"
    rng = torch.Generator().manual_seed(example.seed)
    weights = torch.randn(out.shape, generator=rng)
    grads = torch.autograd.grad((out * weights).sum(), leaves, allow_unused=True)
    for name, grad in zip(("x", *layer.params), grads, strict=True):
        if grad is None or not bool((grad != 0.0).any()):
            return f"no gradient reaches {name}; use it, or leave it out"
    return None


def properties_for(parameters: float = PARAMETERS, operations: float = OPERATIONS) -> tuple[Property, ...]:
    """The properties under a budget in units of the dcn_v2 seed."""
    budget = within_budget_of(Budget(parameters, operations))
    return (
        Property("hyperparameters are finite numbers", nothing, hyperparameters, examples=1),
        Property("init returns parameters, by the seed alone", _examples((1,)), first_parameters, examples=6),
        Property("interact returns (B, K)", _examples(), keeps_form, examples=12),
        Property("interact computes from x and params alone", _examples(), own_numbers, examples=4),
        Property("parameters and operations are within the budget", nothing, budget, examples=1),
        Property("interact leaves its inputs alone", _examples(), leaves_inputs, examples=6),
        Property("interact keeps nothing between calls", _examples(), remembersnothing, examples=6),
        Property("each row stands alone", _examples((2, 3, 8, 33)), rows_alone, examples=10),
        Property("the claim about permutations holds", _examples((3, 8)), keeps_claim, examples=6),
        Property(
            "stays finite for zero, tiny and large embeddings",
            _examples(spreads=MAGNITUDES),
            stays_finite,
            examples=16,
        ),
        Property(
            "gradients reach x and every parameter",
            _examples((8, 33), sizes=WIDE),
            reaches_everything,
            examples=6,
        ),
    )


PROPERTIES = properties_for()
"""Those under the default budget."""


def probe(namespace: Namespace) -> dict[str, Any]:
    """Outputs for fixed embeddings and parameters: what tells two programs apart.

    At two sizes, with first parameters moved a little, so that what starts at zero shows. Two programs with
    equal outputs are presumed equal; programs that draw parameters otherwise are different.
    """
    outputs = {}
    for index, (fields, dim) in enumerate(((5, 3), (11, 8))):
        layer = _drawn(namespace, Example(6, fields, dim, index, 0.5), SHIFT)
        outputs[f"out {index}"] = layer().detach().numpy()
    return outputs
