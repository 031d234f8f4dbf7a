"""A program under edit as a tree, its named values, and the growing of new expressions for it."""

import ast
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from ....evaluators.language.edit import Unsuitable, expression, pick
from ....evaluators.language.simplify import remove_dead, returned_dicts
from ....evaluators.language.vocabulary import HOLE, Operator, Sizes, Vocabulary
from .expr_types import Kind, Kinds, Types, spelled
from .interpreter import slot_name
from .shapes import Shapes, Sized, Value, base, kind_of, meant, pattern, shape_of, written

_OPERATE = 0.6
"""How often a grown expression is an operation where a name would do."""


def fill(template: str, texts: Sequence[str]) -> str:
    """A template with its holes filled by expressions."""
    return ast.unparse(expression(HOLE.sub(lambda hole: f"({texts[int(hole[1])]})", template)))


def result_of(operator: Operator) -> Kind:
    """The kind that an operator yields on full tensors."""
    return "reduced" if operator.reduces else operator.result


class ProgramTree:
    """A program under edit. Ask for `types` anew after each edit: older ones tell of the tree as it was."""

    def __init__(self, source: str, vocabulary: Vocabulary) -> None:
        """Unsuitable where the function to edit is missing."""
        self.vocabulary = vocabulary
        self.layout = vocabulary.layout
        self.module = ast.parse(source)
        if ast.get_docstring(self.module, clean=False) is not None:
            del self.module.body[0]  # it tells of the parent
        functions = {node.name: node for node in self.module.body if isinstance(node, ast.FunctionDef)}
        if self.layout.function not in functions:
            raise Unsuitable(f"the program has no function {self.layout.function!r}")
        self.function = functions[self.layout.function]
        self.maker = functions.get(self.layout.state_function)
        self.table = self._table()
        self._slots: dict[str, Kind] | None = None

    def _table(self) -> ast.Dict | None:
        for node in self.module.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=self.layout.constants)], value=ast.Dict() as table):
                    return table
        return None

    def import_what_is_used(self, modules: Iterable[str]) -> None:
        """Adds the imports of those of the modules that the program speaks of and does not import yet."""
        used = {node.id for node in ast.walk(self.module) if isinstance(node, ast.Name)}
        imports = [node for node in self.module.body if isinstance(node, ast.Import)]
        known = {name.asname or name.name for node in imports for name in node.names}
        missing = sorted(name for name in modules if name in used - known)
        first = int(bool(self.module.body) and isinstance(self.module.body[0], ast.Expr))  # after a docstring
        self.module.body[first:first] = [ast.Import([ast.alias(name)]) for name in missing]

    def text(self) -> str:
        """The program as it stands."""
        return ast.unparse(self.module) + "\n"

    def types(self) -> Types:
        """The types in the edited function, and the sites there that an edit may change."""
        state, sizes = self.layout.state_parameter, self.vocabulary.sizes
        slots = {slot_name(state, key): kind for key, kind in self.slots().items()}
        if sizes is None:
            return Types(self.function, self.layout, {**self.vocabulary.leaves, **slots})
        inputs = {name: Sized(shape) for name, shape in sizes.inputs.items()}
        held = {slot_name(state, key): value for key, value in self._sized(sizes).items()}
        found = Shapes(self.function, self.layout, {**inputs, **held}, self.constants())
        leaves = {name: str(kind_of(value)) for name, value in inputs.items()}
        return Types(self.function, self.layout, {**leaves, **slots}, found.kinds())

    def _sized(self, sizes: Sizes) -> dict[str, Value]:
        """The state slots and their shapes."""
        return Shapes(self.maker, self.layout, sizes.lengths, self.constants()).slots if self.maker else {}

    def matches(self, kind: Kind, wanted: Kind) -> bool:
        """Whether a value of a kind may stand where another, or any matrix or cube, is wanted."""
        if self.vocabulary.sizes is None or kind == wanted:
            return kind == wanted
        if wanted == "tensor":
            return shape_of(kind) is not None
        return self.pattern(kind) == wanted

    def pattern(self, kind: Kind | None) -> Kind | None:
        """The kind without the lengths that a result may change."""
        sizes = self.vocabulary.sizes
        return kind if sizes is None else pattern(kind, sizes.batch)

    def length(self, kind: Kind, place: int) -> str:
        """How the state function writes a length of a kind. Unsuitable where it cannot."""
        sizes, shape = self.vocabulary.sizes, shape_of(kind)
        if sizes is None or not shape or len(shape) < abs(place):
            raise Unsuitable("it has no such length")
        text = written(shape[place], sizes, self.constants(), self.layout.constants_parameter)
        if text is None:
            raise Unsuitable(f"no expression for the length {shape[place]}")
        return text

    def constants(self) -> dict[str, float]:
        """The named constants and their values."""
        if self.table is None:
            return {}
        pairs = zip(self.table.keys, self.table.values, strict=True)
        return {
            str(key.value): ast.literal_eval(value) for key, value in pairs if isinstance(key, ast.Constant)
        }

    def slots(self) -> dict[str, Kind]:
        """The state slots, and whether each has the full shape."""
        if self.maker is None:
            return {}
        if self._slots is None and self.vocabulary.sizes is not None:
            kinds = {name: kind_of(value) for name, value in self._sized(self.vocabulary.sizes).items()}
            self._slots = {name: kind for name, kind in kinds.items() if kind}
        if self._slots is None:
            leaves: Kinds = {argument.arg: "tensor" for argument in self.maker.args.args}
            roles = Types(self.maker, self.layout, leaves).roles()
            self._slots = {name: kind for name, kind in roles.items() if name != "result"}
        return self._slots

    def constant(self, key: str) -> str:
        """The text that reads a named constant."""
        return f"{self.layout.constants_parameter}[{key!r}]"

    def slot(self, key: str) -> str:
        """The text that reads a state slot."""
        return f"{self.layout.state_parameter}[{key!r}]"

    def set_constant(self, key: str, value: float) -> None:
        """Change or add a named constant. Unsuitable where the program has no table of them."""
        if self.table is None:
            raise Unsuitable(f"the program has no dict {self.layout.constants!r}")
        for index, known in enumerate(self.table.keys):
            if isinstance(known, ast.Constant) and known.value == key:
                self.table.values[index] = expression(repr(value))
                return
        self.table.keys.append(ast.Constant(key))
        self.table.values.append(expression(repr(value)))

    def add_slot(self, key: str, start: str, following: str = "") -> None:
        """Add a state slot: its first value, and its next one unless state is fixed.

        Unsuitable where the dicts are not written out.
        """
        makers = returned_dicts(self.maker) if self.maker else []
        keepers = [] if self.layout.fixed else returned_dicts(self.function)
        if not makers or not (keepers or self.layout.fixed):
            raise Unsuitable("the program does not write its state out as a dict")
        self._slots = None
        for dicts, text in ((makers, start), (keepers, following)):
            for each in dicts:
                each.keys.append(ast.Constant(key))
                each.values.append(expression(text))

    def drop_dead(self) -> list[str]:
        """What no result depends on, in words; it is gone."""
        self._slots = None
        return remove_dead(self.module, self.layout)

    def names(self) -> set[str]:
        """Every name that the program uses, whatever for."""
        nodes = (node for node in ast.walk(self.module) if isinstance(node, (ast.Name, ast.arg)))
        return {node.id if isinstance(node, ast.Name) else node.arg for node in nodes}

    def grow(self, kind: Kind, scope: Kinds, rng: np.random.Generator, depth: int) -> str:
        """The text of a random expression of a kind, operations nested at most `depth` deep.

        Unsuitable where nothing in scope is of a kind that is needed.
        """
        leaves = self.leaves(kind, scope)
        operators = [each for each in self.vocabulary.operators if depth and result_of(each) == base(kind)]
        if operators and (not leaves or rng.random() < _OPERATE):
            operator = pick(operators, rng, [each.weight for each in operators])
            texts = [self.grow(meant(each, kind), scope, rng, depth - 1) for each in operator.arguments]
            return fill(operator.template, texts)
        return pick(leaves, rng)

    def leaves(self, kind: Kind, scope: Kinds) -> list[str]:
        """The texts of what stands ready in a kind: names, state, constants, literals."""
        fitting = [name for name, known in scope.items() if self.matches(known, kind)]
        names = sorted(fitting, key=lambda name: "[" in name)
        texts = [spelled(name) for name in names]
        if kind == "scalar":
            named = self.constants() if self.layout.constants_parameter else ()
            texts += [self.constant(key) for key in named]
            texts += [repr(value) for value in self.vocabulary.literals]
            texts += [name for name, known in scope.items() if known == "int"]
        return texts


def fresh(name: str, taken: Collection[str]) -> str:
    """The name, or the first of name2, name3, ... that is not taken."""
    stem = name.rstrip("0123456789") or name
    candidates = (f"{stem}{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(each for each in candidates if each not in taken)
