"""Edits of kernel programs: rewrites of syntax trees, each a named and known optimization or its inverse.

A rewrite takes (program, generator), changes the program in place and says how in one
line, or raises Unsuitable. None proves that the program stays correct: the gate judges what comes out.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps

import numpy as np

from ...language.edit import Edit, Edited, Unsuitable
from . import config, grid, loops, masks, memory, products
from .crossover import crossover
from .program import Program

Rewrite = Callable[[Program, np.random.Generator], str]

AGAIN = 0.6
"""The chance that what was rewritten in one place is then rewritten in the next."""


def edit_of(rewrite: Rewrite, again: float = 0.0) -> Edit:
    """The edit of a text that a rewrite of its tree is, made in further places by that chance."""

    @wraps(rewrite)
    def edit(source: str, others: Sequence[str], rng: np.random.Generator) -> Edited:
        program = Program(source)
        words, source = [rewrite(program, rng)], program.text()
        while rng.random() < again:
            program = Program(source)
            try:
                words.append(rewrite(program, rng))
            except Unsuitable:
                break
            source = program.text()
        return Edited(source, "; ".join(words))

    return edit


REWRITES: Mapping[Rewrite, tuple[float, float]] = {
    config.move: (4.0, 0.0),
    config.move_two: (3.0, 0.0),
    config.jump: (1.5, 0.0),
    config.swap_aspect: (0.3, 0.0),
    config.separate: (0.7, 0.0),
    products.sum_to_dot: (4.0, AGAIN),
    products.dot_to_sum: (0.3, 0.0),
    products.narrow: (4.0, AGAIN),
    products.widen: (0.3, 0.0),
    products.precision: (0.5, 0.0),
    products.accumulate: (0.4, 0.0),
    loops.whole: (3.0, AGAIN),
    loops.pieces: (0.8, 0.0),
    loops.pipeline: (0.7, 0.0),
    loops.hoist: (1.0, AGAIN),
    loops.sink: (0.3, 0.0),
    loops.inline: (0.2, 0.0),
    masks.even: (0.8, AGAIN),
    masks.wrap_index: (0.4, 0.0),
    memory.natural_order: (1.0, 0.0),
    memory.untangle: (1.5, 0.0),
    memory.blocked: (4.0, AGAIN),
    memory.eviction: (0.6, 0.0),
    memory.cache: (0.4, 0.0),
    memory.reload: (0.2, 0.0),
    memory.reuse: (1.0, AGAIN),
    memory.contiguous: (0.4, 0.0),
    memory.split_load: (0.2, 0.0),
    memory.earlier: (0.5, 0.0),
    memory.exchange: (0.2, 0.0),
    memory.share_home: (0.2, 0.0),
    grid.several_rows: (1.0, 0.0),
    grid.one_row: (1.0, AGAIN),
    grid.swap_axes: (0.5, 0.0),
    grid.grouped: (0.7, 0.0),
    grid.constant_size: (2.0, AGAIN),
    grid.variable_size: (0.3, 0.0),
    grid.fuse: (1.0, 0.0),
}
"""Every rewrite: how often it is tried relative to the others, and the chance of each further place."""
EDITS: Mapping[Edit, float] = {
    **{edit_of(rewrite, again): weight for rewrite, (weight, again) in REWRITES.items()},
    crossover: 1.5,
}
"""The same as edits of a text, and the one that takes from another parent."""
