"""The diversity cell of a kernel program: how it splits and does the work, in short words."""

import ast
from collections.abc import Iterable

MOST_KERNELS = 3


def describe(source: str) -> tuple[str, ...]:
    """Words for the number of kernels, what multiplies, loops, how results meet, and tiling; nothing is run.

    For example ("2 kernels", "tensor core", "straight", "stores", "one axis", "row").
    """
    tree = ast.parse(source)
    kernels = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    inside = [node for kernel in kernels for node in ast.walk(kernel)]
    called = _called(inside)
    loops = any(isinstance(node, ast.For) for node in inside)
    grids = [
        node.func.slice
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript)
    ]
    axes = max((len(grid.elts) for grid in grids if isinstance(grid, ast.Tuple)), default=1)
    tiled = any("cdiv" in _called(ast.walk(grid)) for grid in grids)
    count = len(kernels)
    return (
        f"{min(count, MOST_KERNELS)}{'+' if count >= MOST_KERNELS else ''} kernel{'s' * (count != 1)}",
        "tensor core" if "dot" in called else "scalar core",
        "loops" if loops else "straight",
        "atomics" if any(name.startswith("atomic_") for name in called) else "stores",
        "one axis" if axes == 1 else f"{axes} axes",
        "tiled" if tiled else "row",
    )


def _called(nodes: Iterable[ast.AST]) -> set[str]:
    """The functions of modules that calls among these nodes name."""
    calls = [node.func for node in nodes if isinstance(node, ast.Call)]
    return {function.attr for function in calls if isinstance(function, ast.Attribute)}
