"""Shapes: what a kernel's expressions span, as its text tells: a text per dimension, ("BLOCK_F", "1")."""

import ast
from collections.abc import Sequence

Shape = tuple[str, ...]
_REDUCTIONS = ("sum", "max", "min", "argmax", "argmin", "xor_sum")
_SAME = ("multiple_of", "max_contiguous", "cumsum", "cumprod", "flip", "zeros_like")


class Shapes:
    """The shapes of a kernel's locals where its text tells them; the one that a local was given last."""

    def __init__(self, kernel: ast.FunctionDef) -> None:
        self.known: dict[str, Shape | None] = {argument.arg: () for argument in kernel.args.args}
        self._block(kernel.body)

    def _block(self, body: Sequence[ast.stmt]) -> None:
        for node in body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self.known[name] = self.of(value)
                case ast.For(target=ast.Name(id=name)):
                    self.known[name] = ()
                    self._block(node.body)
                case ast.If():
                    self._block(node.body)
                    self._block(node.orelse)

    def of(self, node: ast.expr) -> Shape | None:
        """The shape of an expression, () for a scalar, None where the text does not tell."""
        match node:
            case ast.Constant():
                return ()
            case ast.Name(id=name):
                return self.known.get(name)
            case ast.Subscript():
                return self._indexed(node)
            case ast.BinOp(left=left, right=right):
                return self._together([left, right])
            case ast.UnaryOp(operand=operand):
                return self.of(operand)
            case ast.Compare(left=left, comparators=others):
                return self._together([left, *others])
            case ast.BoolOp(values=values):
                return self._together(values)
            case ast.IfExp(body=body, orelse=orelse):
                return self._together([body, orelse])
            case ast.Attribute(value=ast.Name()):
                return ()
            case ast.Call():
                return self._called(node)
        return None

    def _together(self, nodes: Sequence[ast.expr]) -> Shape | None:
        result: Shape = ()
        for shape in map(self.of, nodes):
            if shape is None or (result and shape and len(result) != len(shape)):
                return None
            if result and shape:
                result = tuple(b if a == "1" else a for a, b in zip(result, shape, strict=True))
            else:
                result = result or shape
        return result

    def _indexed(self, node: ast.Subscript) -> Shape | None:
        shape = self.of(node.value)
        if not shape:
            return shape
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        left, result = list(shape), list[str]()
        for item in items:
            if isinstance(item, ast.Constant) and item.value is None:
                result.append("1")
            elif isinstance(item, ast.Slice) and left:
                result.append(left.pop(0))
            else:
                return None
        return None if left else tuple(result)

    def _called(self, node: ast.Call) -> Shape | None:
        match node.func:
            case ast.Attribute(value=ast.Name(id="tl"), attr=name):
                return self._builtin(name, node)
            case ast.Attribute(value=value, attr="to"):
                return self.of(value)
        return None

    def _builtin(self, name: str, node: ast.Call) -> Shape | None:
        arguments = node.args
        if name == "arange":
            start, end = arguments
            return (ast.unparse(end),) if ast.unparse(start) == "0" else None
        if name in ("program_id", "num_programs", "cdiv"):
            return ()
        if name in ("zeros", "full"):
            return tuple(map(ast.unparse, arguments[0].elts)) if isinstance(arguments[0], ast.Tuple) else None
        if name in _REDUCTIONS:
            return self._reduced(node)
        if name == "load":
            return self.of(arguments[0])
        if name == "trans":
            return self._transposed(node)
        if name == "dot":
            left, right = self.of(arguments[0]), self.of(arguments[1])
            return (*left[:-1], right[-1]) if left and right else None
        if name in ("reshape", "broadcast_to", "view"):
            shape = arguments[1]
            return tuple(map(ast.unparse, shape.elts)) if isinstance(shape, ast.Tuple) else None
        if name in _SAME:
            return self.of(arguments[0])
        return None if name == "expand_dims" else self._together(arguments)

    def _reduced(self, node: ast.Call) -> Shape | None:
        shape, axis = self.of(node.args[0]), axis_of(node)
        if shape is None or any(k.arg == "keep_dims" for k in node.keywords):
            return None
        if axis is None:
            return ()
        return (*shape[:axis], *shape[axis + 1 :]) if axis < len(shape) else None

    def _transposed(self, node: ast.Call) -> Shape | None:
        shape = self.of(node.args[0])
        if shape is None:
            return None
        order = [int(ast.unparse(each)) for each in node.args[1:] if isinstance(each, ast.Constant)]
        if not order:
            return (shape[1], shape[0]) if len(shape) == 2 else None
        return tuple(shape[at] for at in order) if len(order) == len(shape) else None


def axis_of(node: ast.Call) -> int | None:
    """The axis that a reduction names, or None."""
    named = [each.value for each in node.keywords if each.arg == "axis"]
    axis = named[0] if named else node.args[1] if len(node.args) > 1 else None
    return axis.value if isinstance(axis, ast.Constant) and isinstance(axis.value, int) else None
