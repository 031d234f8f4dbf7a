"""Edits of CONFIG: the numbers that autotuning would choose, moved within what each may be."""

import ast

import numpy as np

from ...language.edit import Unsuitable, expression, pick
from ..vocabulary import VOCABULARY
from .program import Program


def choices(name: str) -> tuple[float, ...]:
    """The values that a tunable of this name may have, in order."""
    return VOCABULARY.layout.choices_of(name)


def move(program: Program, rng: np.random.Generator) -> str:
    """One tunable one step up or down, and now and then two."""
    return _stepped(program, pick(list(program.tunables()), rng), rng, 1 if rng.random() < 0.75 else 2)


def move_two(program: Program, rng: np.random.Generator) -> str:
    """Two tunables, each one step up or down: a larger tile wants more warps."""
    names = list(program.tunables())
    if len(names) < 2:
        raise Unsuitable("there are no two tunables")
    first, second = rng.choice(len(names), 2, replace=False)
    return "; ".join(_stepped(program, names[int(at)], rng, 1) for at in (first, second))


def jump(program: Program, rng: np.random.Generator) -> str:
    """One tunable at any other value that it may have."""
    name = pick(list(program.tunables()), rng)
    return _set(program, name, pick([v for v in choices(name) if v != program.tunables()[name]], rng))


def swap_aspect(program: Program, rng: np.random.Generator) -> str:
    """The values of two block sizes exchanged: another aspect of a tile of the same area."""
    known = program.tunables()
    blocks = [name for name in known if name.startswith("BLOCK")]
    pairs = [(a, b) for a in blocks for b in blocks if a < b and known[a] != known[b]]
    one, other = pick(pairs, rng)
    program.tune(one, known[other])
    program.tune(other, known[one])
    return f"swapped the values of {one} and {other}"


def separate(program: Program, rng: np.random.Generator) -> str:
    """A tunable that several launches share, given to one of them as its own."""
    known, uses = program.tunables(), []
    for name in known:
        text = f"CONFIG['{name}']"
        users = [
            (name, launch, keyword)
            for launch in program.launches()
            for keyword in launch.call.keywords
            if ast.unparse(keyword.value) == text
        ]
        uses += users if len({id(launch.call) for _, launch, _ in users}) > 1 else []
    name, launch, keyword = pick(uses, rng)
    own = program.fresh(f"{name}_{launch.host.name}")
    keyword.value = expression(f"CONFIG[{own!r}]")
    program.tune(own, known[name])
    return f"{launch.kernel.name} has {own} of its own in place of {name}; " + _stepped(program, own, rng, 1)


def _stepped(program: Program, name: str, rng: np.random.Generator, steps: int) -> str:
    """The tunable moved by so many steps among what it may be, in the other direction at an end."""
    allowed, old = choices(name), program.tunables()[name]
    at = min(range(len(allowed)), key=lambda index: abs(allowed[index] - old))
    direction = 1 if rng.random() < 0.5 else -1
    for step in (direction * steps, -direction * steps, direction, -direction):
        if 0 <= at + step < len(allowed) and allowed[at + step] != old:
            return _set(program, name, allowed[at + step])
    raise Unsuitable(f"{name} can be nothing else")


def _set(program: Program, name: str, value: float) -> str:
    old = program.tunables()[name]
    program.tune(name, value)
    return f"{name} {old:g} -> {value:g}"
