"""What must hold of kernel programs, as properties. The examination tries the same on more sizes."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..kinds.properties import Property
from .settings import Settings, operator_for

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Namespace = Mapping[str, Any]
MOST = 2**31 - 1


def config_holds_whole_numbers(namespace: Namespace, _: None) -> str | None:
    """CONFIG holds positive whole numbers by name."""
    for name, value in namespace["CONFIG"].items():
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MOST:
            return f"CONFIG[{name!r}] must be a whole number above zero, got {value!r}"
    return None


def is_right(settings: Settings, namespace: Namespace, number: int) -> str | None:
    """The gate finds nothing on one of the operator's hidden sizes."""
    import itertools

    import torch

    from ...kernels.gate.gate import gate
    from .inside import GROUND

    operator = operator_for(settings)
    sizes = next(itertools.islice(operator.hidden(settings.seed), number, None))
    dtype = getattr(torch, settings.dtype)
    report = gate(operator, namespace, (dtype,), [sizes], ground=GROUND, seed=settings.seed, stop=True)
    return str(report.findings[0]) if report.findings else None


def properties_for(settings: Settings) -> tuple[Property, ...]:
    """What must hold of programs under these settings."""

    def nothing() -> "SearchStrategy[None]":
        from hypothesis import strategies as st

        return st.none()

    def sizes(*numbers: int) -> "SearchStrategy[int]":
        from hypothesis import strategies as st

        return st.sampled_from(numbers)

    right = partial(is_right, settings)
    return (
        Property("CONFIG holds whole numbers", nothing, config_holds_whole_numbers, 1),
        Property("right, whole, unshared and repeatable in every layout", lambda: sizes(0, 2), right, 2),
    )
