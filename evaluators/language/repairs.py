"""How to repair what is not part of the language, by the kind of syntax node."""

import ast
from collections.abc import Mapping

REPAIRS: Mapping[type[ast.AST], str] = {
    ast.AugAssign: "`+=` and its kin change tensors in place; write `m = m + x`",
    ast.While: "`while` is not allowed; write `for _ in range(N)` with a small literal N",
    ast.AsyncFor: "`async` is not allowed",
    ast.AsyncWith: "`async` is not allowed",
    ast.AsyncFunctionDef: "`async` is not allowed",
    ast.Await: "`await` is not allowed",
    ast.FunctionDef: "functions inside functions are not allowed; define a helper at the module level",
    ast.ClassDef: "classes are not allowed; use functions",
    ast.Lambda: "`lambda` is not allowed; define a helper function at the module level",
    ast.Global: "`global` is not allowed; pass values as arguments and return them",
    ast.Nonlocal: "`nonlocal` is not allowed; pass values as arguments and return them",
    ast.Try: "`try` is not allowed; make the computation safe by itself",
    ast.Raise: "`raise` is not allowed; return a value for every input",
    ast.Assert: "`assert` is not allowed; delete it",
    ast.With: "`with` is not allowed; gradients are already off",
    ast.Delete: "`del` is not allowed; leave the name unused",
    ast.Import: "import at the module level",
    ast.ImportFrom: "import at the module level",
    ast.Yield: "`yield` is not allowed; return the value",
    ast.YieldFrom: "`yield` is not allowed; return the value",
    ast.NamedExpr: "`:=` is not allowed; assign on a line of its own",
    ast.Starred: "`*` and `**` arguments are not allowed; write each one out",
    ast.JoinedStr: "texts are only keys; format strings are not allowed",
    ast.ListComp: "comprehensions are not allowed; write the items out",
    ast.SetComp: "comprehensions are not allowed; write the items out",
    ast.DictComp: "comprehensions are not allowed; write the dict out, key by key",
    ast.GeneratorExp: "comprehensions are not allowed; write the items out",
    ast.Set: "sets are not allowed; use a tuple",
    ast.Match: "`match` is not allowed; use `if`",
}
