"""Edits of kernel programs: rewrites of syntax trees, each a named and known optimization or its inverse.

A rewrite takes (program, generator, other programs), changes the program in place and says how in one
line, or raises Unsuitable. None proves that the program stays correct: the gate judges what comes out.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps

import numpy as np

from ...edit import Edit, Edited
from . import config, grid, loops, masks, memory, products
from .crossover import take_pass
from .program import Program

Rewrite = Callable[[Program, np.random.Generator, object], str]


def edit_of(rewrite: Rewrite) -> Edit:
    """The edit of a text that a rewrite of its tree is."""

    @wraps(rewrite)
    def edit(source: str, others: Sequence[str], rng: np.random.Generator) -> Edited:
        program = Program(source)
        words = rewrite(program, rng, None)
        return Edited(program.text(), words)

    return edit


def crossover(source: str, others: Sequence[str], rng: np.random.Generator) -> Edited:
    """The forward or backward pass of another program in place of this one's."""
    program = Program(source)
    words, lender = take_pass(program, rng, [Program(each) for each in others])
    return Edited(program.text(), words, lender)


REWRITES: Mapping[Rewrite, float] = {
    config.move: 4.0,
    config.move_two: 3.0,
    config.jump: 1.0,
    config.swap_aspect: 0.5,
    config.separate: 1.0,
    products.sum_to_dot: 3.0,
    products.dot_to_sum: 0.5,
    products.narrow: 3.0,
    products.widen: 0.5,
    products.precision: 0.7,
    products.accumulate: 0.5,
    loops.whole: 2.5,
    loops.pieces: 1.0,
    loops.pipeline: 0.7,
    loops.hoist: 1.0,
    loops.sink: 0.3,
    loops.inline: 0.3,
    masks.even: 1.0,
    masks.wrap_index: 0.5,
    memory.natural_order: 1.5,
    memory.untangle: 1.5,
    memory.eviction: 0.7,
    memory.cache: 0.5,
    memory.reload: 0.3,
    memory.reuse: 1.0,
    memory.contiguous: 0.5,
    memory.split_load: 0.3,
    memory.earlier: 0.7,
    memory.exchange: 0.3,
    memory.share_home: 0.3,
    grid.several_rows: 2.0,
    grid.one_row: 0.7,
    grid.swap_axes: 0.7,
    grid.grouped: 1.0,
    grid.constant_size: 1.5,
    grid.variable_size: 0.5,
    grid.fuse: 1.0,
}
"""Every rewrite, and how often it is tried relative to the others."""
EDITS: Mapping[Edit, float] = {**{edit_of(each): weight for each, weight in REWRITES.items()}, crossover: 2.0}
"""The same as edits of a text, and the one that takes from another parent."""
