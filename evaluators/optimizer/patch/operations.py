"""An update rule as a list of operations over named values, ready to be written down in place.

A value is a variable of the rule, a state slot (`state[name]`), or what an inner expression gives (`%1`).
"""

import ast
import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..language import ACROSS, ELEMENTWISE
from .forms import FLOAT, SIZES, Form, Forms, NotTranslated, call_of, key_of, merged, slots_of

SAME_NAME = frozenset({
    "abs", "atan", "clamp_max", "clamp_min", "cos", "erf", "exp", "expm1", "lerp", "log", "log1p", "maximum",
    "minimum", "neg", "pow", "reciprocal", "rsqrt", "sigmoid", "sign", "sin", "sqrt", "tanh",
})  # fmt: skip
"""Functions that torch has in a foreach form of the same name."""
BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}


@dataclass(frozen=True)
class Operation:
    """`target` is what `function` makes of the values `operands` and of `extra`, the text of more arguments.

    `function` is the name of a foreach function, or with `each` the text of an expression for one tensor, in
    which `_0` stands for the first operand. An empty one means that `target` is another name of the operand.
    """

    target: str
    function: str
    operands: tuple[str, ...]
    form: Form
    extra: str = ""
    each: bool = False
    view: bool = False
    """Whether the result may lie in the memory of an operand."""


@dataclass(frozen=True)
class Line:
    """A line that is written as it is: a comment, or what is computed from numbers alone."""

    text: str


@dataclass(frozen=True)
class Branch:
    """Operations of which a test of numbers chooses."""

    test: str
    body: "list[Step]"
    orelse: "list[Step]"


@dataclass(frozen=True)
class Result:
    """The end: the value of the new parameter, and of each state slot."""

    param: str
    slots: Mapping[str, str]


Step = Operation | Line | Branch | Result
Foreach = tuple[str, list[ast.expr], str]
"""A foreach function's name, its operands, and the text of its numbers."""


@dataclass
class Translation:
    """Turns the statements of `update` into steps. NotTranslated where it cannot.

    `exact` keeps each product and each sum apart, as the rule has them. Else `a + c * b` is one operation
    that rounds once.
    """

    forms: Forms
    exact: bool
    reads_sizes: bool = False
    """Whether the rule computes with the sizes of tensors."""
    numbers: set[str] = field(default_factory=set)
    """Variables that are numbers somewhere."""
    slots: dict[str, Form] = field(default_factory=dict)
    """The forms of the slots of a first state, as `state[name]`."""
    scaled: dict[str, ast.BinOp] = field(default_factory=dict)
    """Variables that are a tensor times a number, or divided by one: computed where a factor will not do."""
    steps: list[Step] = field(default_factory=list)
    count: int = 0

    def block(self, body: Iterable[ast.stmt]) -> list[Step]:
        """The steps of some statements."""
        outer, self.steps = self.steps, []
        for node in body:
            self.statement(node)
        self.settle({*self.scaled})
        steps, self.steps = self.steps, outer
        return steps

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                pass
            case (
                ast.Assign(targets=[target], value=value)
                | ast.AnnAssign(target=target, value=ast.expr() as value)
            ):
                self.assignment(target, value)
            case ast.If(test=test) if self.forms.of(test) is Form.NUMBER:
                self.settle({*self.scaled})
                before = dict(self.forms.known)
                body, then = self.block(node.body), self.forms.known
                self.forms.known = before
                orelse, other = self.block(node.orelse), self.forms.known
                self.steps.append(Branch(self.number(test), body, orelse))
                self.forms.known = merged(then, other)
            case ast.Return(value=ast.Tuple(elts=[param, ast.Dict() as state])):
                self.steps.append(Line(f"# return {ast.unparse(param)}, {ast.unparse(state)}"))
                slots = {name: self.value(value) for name, value in slots_of(state).items()}
                self.steps.append(Result(self.value(param), slots))
                self.scaled.clear()
            case ast.Return(value=ast.Dict() as state):
                forms = {f"state[{name}]": self.forms.of(value) for name, value in slots_of(state).items()}
                self.slots = merged(self.slots, forms)
            case _:
                raise NotTranslated(ast.unparse(node).partition("\n")[0])

    def assignment(self, target: ast.expr, value: ast.expr) -> None:
        form = self.forms.of(value)
        bound = {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}
        self.settle(bound)
        if form is Form.NUMBER:
            self.steps.append(Line(f"{ast.unparse(target)} = {self.number(value)}"))
            self.forms.known |= dict.fromkeys(bound, form)
            self.numbers |= bound
        elif isinstance(target, ast.Name):
            self.steps.append(Line(f"# {target.id} = {ast.unparse(value)}"))
            if (scaled := self.scaling(value)) is not None and key_of(scaled.left) != target.id:
                self.scaled[target.id] = scaled
            else:
                self.operate(value, target.id)
            self.forms.known[target.id] = form
        else:
            raise NotTranslated(ast.unparse(value))

    def scaling(self, node: ast.expr) -> ast.BinOp | None:
        """The node where it is a full tensor with a name, times a number or divided by one."""
        match node:
            case ast.BinOp(left=left, op=ast.Mult() | ast.Div(), right=right) if not self.exact:
                full = self.forms.of(left) is Form.FULL and key_of(left) is not None
                return node if full and self.forms.is_number(right) else None
        return None

    def settle(self, names: set[str]) -> None:
        """Computes the scaled variables that are, or are made from, one of `names`, before these change."""
        for name, node in list(self.scaled.items()):
            if names & {name, *(part.id for part in ast.walk(node) if isinstance(part, ast.Name))}:
                del self.scaled[name]
                self.operate(node, name)

    def number(self, node: ast.expr) -> str:
        """The text of an expression of numbers; a size is that of the parameters, which a list shares."""
        sized = _Sized(self.forms.known)
        text = ast.unparse(sized.visit(copy.deepcopy(node)))
        self.reads_sizes |= sized.reads_sizes
        return text

    def value(self, node: ast.expr) -> str:
        """The value of an expression that is a tensor; what it takes to compute it is added to the steps."""
        if (key := key_of(node)) is not None and self.forms.of(node) is not Form.NUMBER:
            if key in self.scaled:
                self.operate(self.scaled.pop(key), key)
            return key
        self.count += 1
        target = f"%{self.count}"
        self.operate(node, target)
        return target

    def operate(self, node: ast.expr, target: str) -> None:
        """Adds the steps that give `target` the value of an expression."""
        form = self.forms.of(node)
        if form is Form.NUMBER:
            raise NotTranslated(ast.unparse(node))
        if key_of(node) is not None:
            self.steps.append(Operation(target, "", (self.value(node),), form, view=True))
        elif (found := self.foreach(node)) is not None:
            function, nodes, extra = found
            made = {id(part): self.value(part) for part in nodes}
            self.steps.append(
                Operation(target, function, tuple(made[id(part)] for part in nodes), form, extra)
            )
        else:
            each = _Each(self)
            text = each.text(node)
            name = (call_of(node) or ("", [], {}))[0]
            new = name in (ELEMENTWISE | ACROSS) or isinstance(node, ast.Compare)
            self.steps.append(Operation(target, text, tuple(each.operands), form, each=True, view=not new))

    def foreach(self, node: ast.expr) -> Foreach | None:
        """The foreach function for the outermost operation, its operands, and the text of its numbers."""
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return "neg", [operand], ""
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                return self.arithmetic(left, BINARY[type(op)], right)
        match call_of(node):
            case "square", [operand], _:
                return "mul", [operand, operand], ""
            case "relu", [operand], _:
                return "clamp_min", [operand], "0.0"
            case "clamp", [operand, *bounds], named if all(
                map(self.forms.is_number, [*bounds, *named.values()])
            ):
                limits = dict(zip(("min", "max"), bounds, strict=False)) | named
                if len(limits) == 2:
                    operand = torch_call("clamp", [operand], {"min": limits.pop("min")})
                ((side, limit),) = limits.items()
                return f"clamp_{side}", [operand], self.number(limit)
            case name, [first, *others], named if (
                name in SAME_NAME and not named and not self.forms.is_number(first)
            ):
                tensors = [other for other in others if not self.forms.is_number(other)]
                numbers = others[len(tensors) :]
                if all(map(self.forms.is_number, numbers)):
                    return name, [first, *tensors], ", ".join(map(self.number, numbers))
        return None

    def arithmetic(self, left: ast.expr, name: str, right: ast.expr) -> Foreach | None:
        """`left name right`, of which one at least is a tensor; a number comes last."""
        if self.forms.is_number(right):
            return name, [left], self.number(right)
        if self.forms.is_number(left):
            match name:
                case "add" | "mul":
                    return name, [right], self.number(left)
                case "sub":
                    return "add", [ast.UnaryOp(ast.USub(), right)], self.number(left)
                case "div":
                    return "mul", [torch_call("reciprocal", [right], {})], self.number(left)
            return None
        if name in {"add", "sub"}:
            sides = [(left, right), (right, left)] if name == "add" else [(left, right)]
            sides = [pair for pair in sides if self.stays(pair[0])][:1] or sides
            for base, term in sides:
                if self.forms.of(base) is Form.FULL and (found := self.product(term)):
                    function, operands, factor = found
                    named = "alpha" if function == "add" else "value"
                    return (
                        function,
                        [base, *operands],
                        f"{named}={factor if name == 'add' else negative(factor)}",
                    )
            left, right = sides[0]
        return name, [left, right], ""

    def stays(self, node: ast.expr) -> bool:
        """Whether a value may be computed where a state slot or the parameter lies."""
        match node:
            case ast.BinOp(left=left, op=ast.Mult(), right=right) if self.forms.is_number(
                left
            ) or self.forms.is_number(right):
                return self.stays(right if self.forms.is_number(left) else left)
        key = key_of(node)
        return key is not None and (key == "param" or key.startswith("state["))

    def product(self, node: ast.expr) -> Foreach | None:
        """What may be added in one operation: c * x, c * x * y, c * x / y, with the number c."""
        factor, operand = self.factored(node)
        function, operands = "add" if factor != "1.0" else "", [operand]
        match operand:
            case ast.BinOp(left=left, op=ast.Div() | ast.Mult() as op, right=right) if not function:
                factor, left = self.factored(left)
                function, operands = "addcdiv" if isinstance(op, ast.Div) else "addcmul", [left, right]
        floats = {self.forms.of(each) for each in operands} <= FLOAT
        allowed = function == "addcdiv" or (function and not self.exact)
        return (function, operands, factor) if floats and allowed else None

    def factored(self, node: ast.expr) -> tuple[str, ast.expr]:
        """(the text of c, x) of c * x with the number c; "1.0" where there is none."""
        match node:
            case ast.BinOp(left=left, op=ast.Mult(), right=right) if self.forms.is_number(left):
                number, node = self.number(left), right
            case ast.BinOp(left=left, op=ast.Mult(), right=right) if self.forms.is_number(right):
                number, node = self.number(right), left
            case _:
                number = "1.0"
        if (scaled := self.scaled.get(key_of(node) or "")) is not None:
            sign = "*" if isinstance(scaled.op, ast.Mult) else "/"
            number, node = f"{atom(number)} {sign} {atom(self.number(scaled.right))}", scaled.left
        return number, node


class _Sized(ast.NodeTransformer):
    """Reads sizes from the first parameter of a list."""

    def __init__(self, forms: Mapping[str, Form]) -> None:
        self.forms = forms
        self.reads_sizes = False

    def visit(self, node: ast.AST) -> ast.AST:
        key = key_of(node)
        if key is not None and (form := self.forms.get(key)) not in (None, Form.NUMBER):
            if form is not Form.FULL:
                raise NotTranslated(ast.unparse(node))
            return ast.parse("params[0]", mode="eval").body
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name):
                self.reads_sizes |= name in SIZES
        return self.generic_visit(node)


class _Each(ast.NodeTransformer):
    """An expression for one tensor of a list: `_0` for the first value that it reads, and so on.

    What has a foreach form becomes a value of its own first, except where only some tensors would need it.
    """

    def __init__(self, translation: Translation) -> None:
        self.translation = translation
        self.operands: list[str] = []
        self.hoists = False

    def text(self, node: ast.expr) -> str:
        """The text of an expression whose outermost operation has no foreach form."""
        self.hoists = not isinstance(node, ast.IfExp)
        return ast.unparse(self.generic_visit(copy.deepcopy(node)))

    def visit(self, node: ast.AST) -> ast.AST:
        key, translation = key_of(node), self.translation
        match node:
            case ast.Name() | ast.Subscript() if key is not None and not translation.forms.is_number(node):
                return self.placeholder(translation.value(node))
            case ast.BinOp() | ast.UnaryOp() | ast.Call() if self.hoists and not translation.forms.is_number(
                node
            ):
                if translation.foreach(node) is not None:
                    return self.placeholder(translation.value(node))
            case ast.IfExp():
                hoists, self.hoists = self.hoists, False
                parts = self.generic_visit(node)
                self.hoists = hoists
                return parts
        return self.generic_visit(node)

    def placeholder(self, key: str) -> ast.Name:
        if key not in self.operands:
            self.operands.append(key)
        return ast.Name(f"_{self.operands.index(key)}", ast.Load())


def slot_forms(init: ast.FunctionDef, makers: frozenset[str]) -> dict[str, Form]:
    """The form of each slot of the first state, as `state[name]`. NotTranslated where that is not spelled."""
    translation = Translation(Forms({"param": Form.FULL}, makers), True)
    translation.block(init.body)
    return translation.slots


def torch_call(name: str, arguments: list[ast.expr], keywords: Mapping[str, ast.expr]) -> ast.Call:
    """`torch.name(*arguments, **keywords)`."""
    function = ast.Attribute(ast.Name("torch", ast.Load()), name, ast.Load())
    return ast.Call(function, arguments, [ast.keyword(key, value) for key, value in keywords.items()])


def atom(text: str) -> str:
    """The text of a number as it may stand beside any operator."""
    return text if re.fullmatch(r"[\w.\[\]'\"]+", text) else f"({text})"


def negative(text: str) -> str:
    """The text of a number with the other sign."""
    return f"-{atom(text)}"
