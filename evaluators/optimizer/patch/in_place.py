"""The update rule as a function that changes lists of tensors in place, written from the text of the rule."""

import ast
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...kinds.patch import double_quoted
from ..language import RULES
from .forms import Form, Forms, NotTranslated
from .operations import Branch, Line, Operation, Result, Step, Translation, slot_forms

NAMES = frozenset({"grads", "state", "params", "step", "hp", "torch", "math", "zip"})
COMMUTES = frozenset({"add", "mul"})
ELEMENTS = ("x", "y", "z", "u", "v", "w", "q", "r", "s")


@dataclass(frozen=True)
class InPlace:
    """The lines of the rule in place, and what their caller must know."""

    lines: Sequence[str] = ()
    """Empty where the rule has no translation: then `update` must be called tensor by tensor."""
    untranslated: str = ""
    """What has none."""
    exact: bool = True
    """Whether each operation is one of the rule's own, so that results are equal bit by bit."""
    reads_sizes: bool = False
    """Whether the tensors of a list must all have one shape."""


def in_place(tree: ast.Module) -> InPlace:
    """The function `update` of a program in place; nothing is run."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    makers = frozenset(f"{name}()" for name, node in functions.items() if "torch" in _names(node))
    try:
        slots = slot_forms(functions["init"], makers)
        translation, steps = _translated(functions["update"], slots, False, makers)
        if translation.forms.decides:
            translation, steps = _translated(functions["update"], slots, True, makers)
    except NotTranslated as refused:
        return InPlace(untranslated=str(refused))
    exact = not any(
        step.function == "addcmul" or step.extra.startswith("alpha") for step in _operations(steps)
    )
    taken = {*NAMES, *functions, *RULES.builtins, *translation.numbers, *_constants(tree)}
    lines = _Writing(taken, slots).function(steps)
    return InPlace([double_quoted(line) for line in lines], "", exact, translation.reads_sizes)


Places = dict[str, str]
"""The name in the generated function of each value."""


@dataclass
class _Writing:
    """Writes steps down as lines. An operation is in place where its operand is read no more.

    `memory` says, for each name, in whose memory its tensors may lie: of the gradients, which are never
    written, of parameters and state slots, or its own.
    """

    taken: set[str]
    forms: Mapping[str, Form]
    places: Places = field(default_factory=dict)
    memory: dict[str, frozenset[str]] = field(default_factory=dict)
    full: set[str] = field(default_factory=set)
    """Names whose tensors have the shapes of the parameters."""
    held: set[str] = field(default_factory=set)
    """Names of temporaries that have not been given back."""

    def function(self, steps: list[Step]) -> list[str]:
        """The lines of the whole body."""
        used = _slots_used(steps)
        lines = []
        for value, name in (("grad", "grads"), ("param", "params")):
            self.places[value], self.memory[name] = name, frozenset({name})
            self.full.add(name)
        for slot in used:
            name = self.fresh(slot)
            lines.append(f"{name} = state[{slot!r}]")
            self.places[f"state[{slot}]"], self.memory[name] = name, frozenset({name})
            if self.forms.get(f"state[{slot}]") is Form.FULL:
                self.full.add(name)
        lines += self.block(steps, frozenset())
        return lines[:-1] if lines[-1] == "return" else lines

    def fresh(self, stem: str) -> str:
        """A name that nothing else has, like `stem` where that can be one."""
        stem = re.sub(r"\W", "_", stem) if stem[:1].isalpha() else "part"
        number, name = 1, stem
        while name in self.taken or keyword.iskeyword(name):
            number += 1
            name = f"{stem}{number}"
        self.taken.add(name)
        return name

    def block(self, steps: list[Step], after: frozenset[str]) -> list[str]:
        """The lines of steps, of whose values those in `after` are read later."""
        lines: list[str] = []
        for step, later in zip(steps, _read_later(steps, after), strict=True):
            match step:
                case Line(text):
                    lines.append(text)
                case Operation():
                    lines += self.operation(step, later)
                case Branch():
                    lines += self.branch(step, later)
                case Result():
                    lines += self.result(step)
        return lines

    def operation(self, step: Operation, later: frozenset[str]) -> list[str]:
        operands = [self.places[operand] for operand in step.operands]
        if not step.function:
            self.places[step.target] = operands[0]
            return []
        orders = [operands, operands[::-1]] if step.function in COMMUTES and not step.extra else [operands]
        free = [order for order in orders if step.form is Form.FULL and self.free(order, step.target, later)]
        if free and not step.each:
            self.places[step.target] = free[0][0]
            return [_call(f"{step.function}_", free[0], step.extra)]
        used = {self.places[value] for value in {*later, *step.operands} if value in self.places}
        unused = sorted(self.held - used)
        self.held -= set(unused)
        name = self.fresh(step.target)
        self.places[step.target] = name
        inherited = [self.memory[operand] for operand in operands if step.view]
        self.memory[name] = frozenset({name}).union(*inherited)
        if step.form is Form.FULL:
            self.full.add(name)
        self.held.add(name)
        made = self.each(step.function, operands) if step.each else _call(step.function, operands, step.extra)
        return [*([f"del {', '.join(unused)}"] if unused else []), f"{name} = {made}"]

    def free(self, operands: Sequence[str], target: str, later: frozenset[str]) -> bool:
        """Whether the first operand may be written: it is full, nothing reads it later, and no other operand
        lies in the same memory in another order."""
        first, others = operands[0], [name for name in operands if name != operands[0]]
        alive = [self.places[value] for value in later - {target} if value in self.places]
        memory = self.memory[first]
        return (
            first in self.full
            and "grads" not in memory
            and not any(memory & self.memory[name] for name in (*alive, *others))
        )

    def each(self, text: str, operands: Sequence[str]) -> str:
        """A list comprehension over what `text` says of one tensor."""
        names = [name for name in ELEMENTS if name not in self.taken][: len(operands)]
        text = re.sub(r"\b_(\d+)\b", lambda found: names[int(found[1])], text)
        if len(operands) == 1:
            return f"[{text} for {names[0]} in {operands[0]}]"
        return f"[{text} for {', '.join(names)} in zip({', '.join(operands)})]"

    def branch(self, step: Branch, later: frozenset[str]) -> list[str]:
        before, held = dict(self.places), set(self.held)
        body = self.block(step.body, later)
        then, self.places = self.places, before
        then_held, self.held = self.held, held
        orelse = self.block(step.orelse, later)
        ends, other_ends = _ends(step.body), _ends(step.orelse)
        if ends:
            pass
        elif other_ends:
            self.places, self.held = then, then_held
        else:
            self.held &= then_held
            for value in sorted(later & then.keys() & self.places.keys()):
                one, two = then[value], self.places[value]
                if one != two:
                    name = self.fresh(value)
                    body.append(f"{name} = {one}")
                    orelse.append(f"{name} = {two}")
                    self.places[value] = name
                    self.memory[name] = self.memory[one] | self.memory[two]
                    self.full |= {name} if {one, two} <= self.full else set()
        lines = [f"if {step.test}:", *_indented(body or ["pass"])]
        return [*lines, "else:", *_indented(orelse)] if orelse else lines

    def result(self, step: Result) -> list[str]:
        """The lines that put values where they belong, those first that lie where another one goes."""
        goals = {self.places[f"state[{slot}]"]: self.places[value] for slot, value in step.slots.items()}
        goals["params"] = self.places[step.param]
        goals = {goal: name for goal, name in goals.items() if goal != name}
        lines = []
        for goal, name in goals.items():
            if self.memory[name] & (goals.keys() - {goal}):
                copy = self.fresh(name)
                lines.append(f"{copy} = [x.clone() for x in {name}]")
                goals[goal] = copy
        return [*lines, *(f"torch._foreach_copy_({goal}, {name})" for goal, name in goals.items()), "return"]


def _translated(
    update: ast.FunctionDef, slots: Mapping[str, Form], exact: bool, makers: frozenset[str]
) -> tuple[Translation, list[Step]]:
    translation = Translation(Forms({"grad": Form.FULL, "param": Form.FULL, **slots}, makers), exact)
    return translation, translation.block(update.body)


def _call(function: str, operands: Sequence[str], extra: str) -> str:
    return f"torch._foreach_{function}({', '.join([*operands, *([extra] if extra else [])])})"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _constants(tree: ast.Module) -> set[str]:
    return {
        name for node in tree.body if isinstance(node, ast.Assign) for name in map(ast.unparse, node.targets)
    }


def _flat(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps, those of branches among them."""
    for step in steps:
        yield step
        if isinstance(step, Branch):
            yield from _flat([*step.body, *step.orelse])


def _operations(steps: Iterable[Step]) -> list[Operation]:
    return [step for step in _flat(steps) if isinstance(step, Operation)]


def _ends(steps: Sequence[Step]) -> bool:
    """Whether every path through the steps returns."""
    last = steps[-1] if steps else None
    return isinstance(last, Result) or (isinstance(last, Branch) and _ends(last.body) and _ends(last.orelse))


def _slots_used(steps: list[Step]) -> list[str]:
    """State slots in the order in which a rule speaks of them."""
    values = [value for step in _operations(steps) for value in step.operands]
    read = [value[len("state[") : -1] for value in values if value.startswith("state[")]
    written = [slot for step in _flat(steps) if isinstance(step, Result) for slot in step.slots]
    return list(dict.fromkeys([*read, *written]))


def _reads(step: Step, later: frozenset[str]) -> frozenset[str]:
    """What is read by a step or later, where `later` is read after it."""
    match step:
        case Operation():
            return (later - {step.target}) | set(step.operands)
        case Branch():
            both = (_read_before(step.body, later), _read_before(step.orelse, later))
            return both[0] | both[1]
        case Result():
            return frozenset({step.param, *step.slots.values()})
    return later


def _read_before(steps: Sequence[Step], later: frozenset[str]) -> frozenset[str]:
    for step in reversed(steps):
        later = _reads(step, later)
    return later


def _read_later(steps: Sequence[Step], later: frozenset[str]) -> list[frozenset[str]]:
    """For each step, what is read after it."""
    found = []
    for step in reversed(steps):
        found.append(later)
        later = _reads(step, later)
    return found[::-1]
